//! What operators ask for on the clients' port, when the config allows it: metrics, and the admin
//! interface. What is answered is decided behind [`Desk`], which also serves a listener of its own.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Version, header};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use tokio::sync::mpsc;

use super::body::{self, Rejection};
use super::context::Context;
use super::{client_address, respond};

/// A question, without its body.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path.
    pub path: &'a str,
    /// Its query; may be empty.
    pub query: &'a str,
    /// Its header fields.
    pub headers: &'a HeaderMap,
    /// Who asks.
    pub peer: Option<IpAddr>,
}

impl<'a> Asked<'a> {
    /// What `request` asks, which comes from `peer`.
    pub fn of(request: &'a RequestHeader, peer: Option<IpAddr>) -> Self {
        Self {
            method: &request.method,
            path: request.uri.path(),
            query: request.uri.query().unwrap_or_default(),
            headers: &request.headers,
            peer,
        }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its `content-type`.
    pub kind: &'static str,
    /// More header fields.
    pub headers: Vec<(HeaderName, String)>,
    /// Its body.
    pub body: Bytes,
    /// Its body instead, when it may be long.
    pub pieces: Option<Box<Pieces>>,
}

/// A body in pieces, made while it is sent.
pub struct Pieces {
    pieces: mpsc::Receiver<Result<Bytes, Broken>>,
    maker: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    first: Option<Result<Bytes, Broken>>,
}

/// The rest of a body cannot be made. Its connection must not look as if that was all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Broken;

impl Pieces {
    /// Those that `make` sends. It runs only while somebody waits for a piece.
    pub fn new<F>(make: impl FnOnce(mpsc::Sender<Result<Bytes, Broken>>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, pieces) = mpsc::channel(1);
        Self {
            pieces,
            maker: Some(Box::pin(make(sender))),
            first: None,
        }
    }

    /// They with `first` before them, which was taken.
    pub fn after(self, first: Option<Result<Bytes, Broken>>) -> Self {
        Self { first, ..self }
    }

    /// The next one.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if let Some(maker) = &mut self.maker {
            tokio::select! {
                biased;
                piece = self.pieces.recv() => return piece,
                () = maker => {}
            }
            self.maker = None;
        }
        self.pieces.recv().await
    }
}

impl fmt::Debug for Pieces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pieces")
    }
}

/// The place of a question in the table of whoever answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(pub usize);

/// Answers operators.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Whether the question is for the clients' port.
    fn is_mounted(&self, path: &str) -> bool;

    /// Who may ask this, and what it is; an answer that ends it here otherwise. The body is not read before.
    fn admit(&self, asked: &Asked<'_>) -> Result<Place, Answer>;

    /// Answers a question that was let in.
    async fn answer(&self, place: Place, asked: &Asked<'_>, body: Bytes) -> Answer;
}

/// Whether a question may come with a body.
pub fn has_body(method: &Method) -> bool {
    matches!(*method, Method::POST | Method::PUT | Method::PATCH)
}

/// Whether a path may be for operators.
pub(super) fn concerns(path: &str) -> bool {
    path == "/metrics" || path == "/admin" || path.starts_with("/admin/")
}

/// Answers `session` at the `desk`.
pub(super) async fn serve(
    desk: &dyn Desk,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<(), Rejection> {
    ctx.timing.leave_out();
    let socket = session
        .client_addr()
        .and_then(|address| address.as_inet())
        .copied();
    let request = session.req_header().clone();
    let trusted = &ctx.live.config.trusted_proxies;
    let peer = socket.map(|socket| {
        client_address::behind(socket, &request.headers, trusted).unwrap_or_else(|| socket.ip())
    });
    let asked = Asked::of(&request, peer);
    let answer = match desk.admit(&asked) {
        Ok(place) => {
            // Only who has shown the key may send a body.
            let body = match has_body(&request.method) {
                true => body::read(session, &ctx.live.config.limits.clone()).await?,
                false => Bytes::new(),
            };
            desk.answer(place, &asked, body).await
        }
        Err(answer) => answer,
    };
    respond::answer(session, ctx, answer).await?;
    Ok(())
}

impl Answer {
    /// Its header, for a request of that version.
    pub fn header(&self, version: Version) -> pingora_core::Result<ResponseHeader> {
        let mut header = ResponseHeader::build(self.status, Some(8))?;
        header.insert_header(header::CONTENT_TYPE, self.kind)?;
        match &self.pieces {
            None => header.insert_header(header::CONTENT_LENGTH, self.body.len())?,
            Some(_) if version == Version::HTTP_11 => {
                header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
            }
            // Frames, or the end of the connection, say where it ends.
            Some(_) => {}
        }
        for (name, value) in &self.headers {
            header.insert_header(name, value)?;
        }
        Ok(header)
    }
}
