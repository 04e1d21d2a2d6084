//! What a client receives.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::super::keys::{SECRET_MARKER, assert_no_secret};
use super::super::wire::Headers;
use super::super::within;
use super::{Body, Head, http2};

/// Part of a body.
#[derive(Clone, Debug)]
pub struct Piece {
    /// When it arrived.
    pub at: Instant,
    /// Its bytes, without any framing.
    pub bytes: Bytes,
}

impl Piece {
    /// It as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("text")
    }
}

/// An answer whose body is still on its way.
pub struct Streaming<'a> {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: Headers,
    body: Body<'a>,
    received: BytesMut,
    complete: Option<bool>,
}

impl<'a> Streaming<'a> {
    pub(super) fn new(head: Head, body: Body<'a>) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body,
            received: BytesMut::new(),
            complete: None,
        }
    }

    /// The next bytes; `None` at the end, whether it was announced or the connection broke.
    pub async fn next(&mut self) -> Option<Piece> {
        if self.complete.is_some() {
            return None;
        }
        let next = async {
            match &mut self.body {
                Body::Http1(body) => body.piece().await,
                Body::Http2(body) => http2::piece(body).await,
            }
        };
        match within("the next piece of an answer", next).await {
            Ok(Some(bytes)) => {
                // A secret may lie across two pieces.
                let before = self.received.len().saturating_sub(SECRET_MARKER.len());
                self.received.extend_from_slice(&bytes);
                assert_no_secret("an answer's body", &self.received[before..]);
                let at = Instant::now();
                Some(Piece { at, bytes })
            }
            Ok(None) => {
                self.complete = Some(true);
                None
            }
            Err(_) => {
                self.complete = Some(false);
                None
            }
        }
    }

    /// Reads until `text` has arrived; what has arrived until then. Pieces need not be the sender's.
    pub async fn until(&mut self, text: &str) -> Bytes {
        while memchr::memmem::find(&self.received, text.as_bytes()).is_none() {
            if self.next().await.is_none() {
                panic!("the answer ended before {text:?}: {:?}", self.received);
            }
        }
        self.received.clone().freeze()
    }

    /// The whole answer, including what was read before.
    pub async fn rest(mut self) -> Response {
        while self.next().await.is_some() {}
        Response {
            status: self.status,
            headers: self.headers,
            body: self.received.freeze(),
            complete: self.complete == Some(true),
        }
    }
}

/// An answer that has come to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: Headers,
    /// Its body without framing.
    pub body: Bytes,
    /// Whether the body ended as it should; otherwise the connection broke inside it.
    pub complete: bool,
}

impl Response {
    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {self:?}"))
    }
}
