//! The operators' own listener.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{Method, header};
use pingora_core::apps::{HttpPersistentSettings, HttpServerApp, ReusedHttpStream};
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::{Error, ErrorType, Result};

use super::{Admin, refusal};
use crate::proxy::desk::{Answer, Asked, Desk, has_body};

/// How long an idle connection stays open, in seconds.
const KEEP_ALIVE: u64 = 60;
/// How much of a body is read whose request was refused, and for how long.
const SHORT: usize = 64 * 1024;
const SHORT_WAIT: Duration = Duration::from_millis(250);
/// How long a whole exchange may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves [`Admin`] on connections of its own.
pub struct Listener(pub Arc<Admin>);

impl Listener {
    /// The answer to the request of `session`.
    async fn reply(&self, session: &mut ServerSession) -> Result<Answer> {
        let request = session.req_header().clone();
        let peer = session
            .client_addr()
            .and_then(|address| address.as_inet())
            .map(|address| address.ip());
        let asked = Asked::of(&request, peer);
        Ok(match self.0.admit(&asked) {
            // Only who has shown the key may send a body.
            Ok(place) if !has_body(&request.method) => {
                let _ = tokio::time::timeout(SHORT_WAIT, read(session, SHORT)).await;
                self.0.answer(place, &asked, Bytes::new()).await
            }
            Ok(place) => {
                if request.headers.contains_key(header::EXPECT) {
                    session.write_continue_response().await?;
                }
                let limit = self.0.current.load().config.limits.body;
                match read(session, limit).await? {
                    Some(body) => self.0.answer(place, &asked, body).await,
                    None => refusal(413, "request_too_large", "the body is too long"),
                }
            }
            Err(answer) => {
                // Closing a socket with unread bytes resets it, and a reset can overtake the answer.
                let rest = read(session, SHORT);
                let _ = tokio::time::timeout(SHORT_WAIT, rest).await;
                answer
            }
        })
    }
}

#[async_trait]
impl HttpServerApp for Listener {
    async fn process_new_http(
        self: &Arc<Self>,
        mut session: ServerSession,
        shutdown: &ShutdownWatch,
    ) -> Option<ReusedHttpStream> {
        // Errors here are a peer that has gone away; there is nobody left to tell.
        let came = tokio::time::timeout(PATIENCE, session.read_request()).await;
        if !came.ok()?.ok()? {
            return None;
        }
        let stopping = *shutdown.borrow() || self.0.lifecycle.is_draining();
        session.set_keepalive((!stopping).then_some(KEEP_ALIVE));
        let answer = in_time(self.reply(&mut session)).await.ok()?;
        send(&mut session, answer).await.ok()?;
        let settings = HttpPersistentSettings::for_session(&session);
        let stream = session.finish().await.ok()??;
        Some(ReusedHttpStream::from_reusable_stream(stream, settings))
    }
}

/// The whole body; `None`: it is too long.
async fn read(session: &mut ServerSession, limit: usize) -> Result<Option<Bytes>> {
    let mut body = BytesMut::new();
    while let Some(piece) = session.read_request_body().await? {
        if body.len() + piece.len() > limit {
            session.set_keepalive(None);
            return Ok(None);
        }
        body.extend_from_slice(&piece);
    }
    Ok(Some(body.freeze()))
}

/// `done`, unless it takes too long.
async fn in_time<T>(done: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(PATIENCE, done).await {
        Ok(done) => done,
        Err(_) => Error::e_explain(ErrorType::WriteTimedout, "an operator's connection"),
    }
}

async fn send(session: &mut ServerSession, answer: Answer) -> Result<()> {
    let request = session.req_header();
    let (version, is_head) = (request.version, request.method == Method::HEAD);
    if !session.is_body_done() {
        // What was not asked for is not read.
        session.set_keepalive(None);
    }
    let header = answer.header(version)?;
    in_time(session.write_response_header(Box::new(header))).await?;
    if is_head {
        return Ok(());
    }
    let Some(mut pieces) = answer.pieces else {
        return in_time(session.write_response_body(answer.body, true)).await;
    };
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Error::e_explain(ErrorType::InternalError, "the answer cannot be finished");
        };
        in_time(session.write_response_body(piece, false)).await?;
    }
    in_time(session.write_response_body(Bytes::new(), true)).await
}
