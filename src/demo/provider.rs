//! A provider that needs no network: it answers all four formats, whole and streamed, from what the
//! request itself says.
//!
//! It is a Pingora app, so `ai-proxy demo` adds it to the server that also runs the gateway. Here is
//! only the socket's side; what is answered is decided in `answer`, without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use http::Version;
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;

use super::answer::{self, Fault, Reply, Request};
use crate::wire::Shape;

/// Pause between two pieces of a stream, so that streaming can be seen.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest body that is read, the gateway's own default.
const LONGEST_BODY: usize = 64 << 20;
/// How long an idle connection stays open, in seconds.
const KEEP_ALIVE: u64 = 60;

/// The provider.
#[derive(Debug)]
pub struct DemoProvider {
    pause: Duration,
    answers: AtomicU64,
}

impl DemoProvider {
    /// A provider that has not answered yet.
    pub fn new() -> Self {
        Self {
            pause: PAUSE,
            answers: AtomicU64::new(0),
        }
    }

    /// One that streams as fast as it can.
    #[cfg(test)]
    pub(super) fn hurried() -> Self {
        Self {
            pause: Duration::ZERO,
            ..Self::new()
        }
    }

    /// Reads the rest of the request and answers it.
    async fn serve(&self, session: &mut ServerSession) -> pingora_core::Result<()> {
        if session.get_header_bytes("expect") == b"100-continue" {
            session.write_continue_response().await?;
        }
        let body = read_body(session).await?;
        let reply = self.reply(session, body.as_deref());
        self.send(session, reply).await
    }

    /// `None` is a body that was too long.
    fn reply(&self, session: &ServerSession, body: Option<&[u8]>) -> Reply {
        let head = session.req_header();
        let path = head.uri.path();
        let Some(body) = body else {
            return answer::fail(answer::format_of(path), Fault::TooLong);
        };
        let query = head.uri.query().unwrap_or_default();
        answer::reply(&Request {
            method: head.method.as_str(),
            path,
            query,
            key: key(session, query),
            body,
            serial: self.answers.fetch_add(1, Ordering::Relaxed),
            now: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        })
    }

    async fn send(&self, session: &mut ServerSession, reply: Reply) -> pingora_core::Result<()> {
        let chunked = reply.shape != Shape::Whole;
        let old = session.req_header().version < Version::HTTP_11;
        if chunked && old {
            // HTTP/1.0 knows no chunks: the end of the connection ends the body.
            session.set_keepalive(None);
        }
        let head = head(&reply, chunked && !old)?;
        session.write_response_header(Box::new(head)).await?;
        let last = reply.pieces.len().saturating_sub(1);
        for (at, piece) in reply.pieces.into_iter().enumerate() {
            if at > 0 && !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            session
                .write_response_body(Bytes::from(piece), at == last)
                .await?;
        }
        Ok(())
    }
}

impl Default for DemoProvider {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl HttpServerApp for DemoProvider {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // Errors here are a peer that has gone away; there is nobody left to tell.
        if !session.read_request().await.ok()? {
            return None;
        }
        let stopping = *shutdown.borrow();
        session.set_keepalive((!stopping).then_some(KEEP_ALIVE));
        self.serve(&mut session).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

/// The whole body, or `None` when it is too long; what is left of it is then read and dropped, so
/// that the client can send all of it and sees the answer.
async fn read_body(session: &mut ServerSession) -> pingora_core::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = session.read_request_body().await? {
        if body.len() + chunk.len() > LONGEST_BODY {
            session.drain_request_body().await?;
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

fn head(reply: &Reply, chunked: bool) -> pingora_core::Result<ResponseHeader> {
    let mut head = ResponseHeader::build(reply.status, Some(4))?;
    let content_type = match reply.shape {
        Shape::Whole | Shape::JsonArray => "application/json",
        Shape::Sse => "text/event-stream; charset=utf-8",
    };
    head.insert_header("content-type", content_type)?;
    match reply.shape {
        Shape::Whole => {
            let length: usize = reply.pieces.iter().map(String::len).sum();
            head.insert_header("content-length", length.to_string())?;
        }
        Shape::Sse | Shape::JsonArray => {
            head.insert_header("cache-control", "no-cache")?;
        }
    }
    if chunked {
        head.insert_header("transfer-encoding", "chunked")?;
    }
    if reply.status == 429 {
        head.insert_header("retry-after", "1")?;
    }
    Ok(head)
}

/// The credential: each format has its own place for it.
fn key<'a>(session: &'a ServerSession, query: &'a str) -> &'a str {
    let header = |name: &str| {
        session
            .get_header(name)
            .and_then(|value| value.to_str().ok())
    };
    header("x-api-key")
        .or_else(|| header("x-goog-api-key"))
        .or_else(|| header("authorization").map(|value| value.trim_start_matches("Bearer ")))
        .or_else(|| query.split('&').find_map(|pair| pair.strip_prefix("key=")))
        .unwrap_or_default()
}
