//! The gateway's face to clients and providers: Pingora's phases, one delegating line each.

use std::os::fd::RawFd;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora_core::protocols::Digest;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::time::Instant;

use crate::lifecycle::{Lifecycle, request_came};
use crate::live::Current;
use crate::traces::Traces;
use crate::upstream::media::Fetcher;
use crate::upstream::peer::Peers;

mod access;
mod admission;
mod affinity;
mod answer;
mod asked;
mod attempt;
mod body;
mod client_address;
mod context;
mod cors;
mod cost;
pub mod desk;
mod downstream;
pub mod explain;
mod foreign;
mod gate;
mod headers;
mod hint;
mod intake;
mod local;
mod media;
mod meter;
mod not_found;
mod outcome;
mod own_key;
mod pass_through;
mod paths;
mod record;
mod relay;
mod reshape;
mod respond;
mod search;
mod spans;
mod stored;
mod tell;
mod token;
mod verdict;
mod websocket;

pub use access::TARGET as ACCESS_TARGET;
pub use context::Context;
pub use local::status as health;
pub use paths::Health;
#[cfg(test)]
pub(crate) use paths::is_served;

use cors::Grant;

/// Serves clients.
pub struct Gateway {
    /// The config in force.
    pub current: Arc<Current>,
    /// Whether the process is on its way out.
    pub lifecycle: Arc<Lifecycle>,
    /// Finds the way to providers.
    pub peers: Peers,
    /// Answers operators where clients ask.
    pub desk: Arc<dyn desk::Desk>,
    /// Fetches media for providers that do not do so themselves.
    pub media: Fetcher,
    /// Makes traces, where they are wanted.
    pub traces: Option<Traces>,
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.current.load())
    }

    async fn early_request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<()> {
        request_came();
        // A client that sends its next request early is not an error; Pingora keeps what came.
        session.downstream_session.set_pipelining_enabled(true);
        let request = session.req_header();
        ctx.dialect = paths::dialect(request.uri.path(), &request.headers);
        ctx.request_id = request_id(&request.headers);
        if let Some(origins) = &ctx.live.config.cors {
            ctx.cors = Some(Grant::of(origins, request));
        }
        if self.lifecycle.is_draining() {
            // Also for what is answered here, without a provider.
            session.set_keepalive(None);
        }
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        intake::take(self, session, ctx).await
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        ctx: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        attempt::peer(self, session, ctx).await
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: RawFd,
        digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        attempt::connected(ctx, digest)
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        upstream: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        attempt::request(self.traces.as_ref(), ctx, upstream)?;
        meter::leaves(ctx);
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        attempt::body(ctx, body, end)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        outcome::not_connected(self, ctx, error)
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        header: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        let began = Instant::now();
        let judged = answer::header(ctx, header);
        ctx.timing.answered(began);
        judged
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<Option<std::time::Duration>> {
        let began = Instant::now();
        let judged = answer::body(ctx, body, end);
        ctx.timing.answered(began);
        judged.map(|()| None)
    }

    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        ctx: &mut Context,
    ) -> Result<Option<Bytes>> {
        Ok(answer::trailers(ctx, trailers))
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        _session: &mut Session,
        error: Box<Error>,
        ctx: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        outcome::interrupted(ctx, error, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        tell::tell(session, error, ctx).await
    }

    /// The access line says what happened; Pingora's own line would repeat it.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _ctx: &Context,
        _error: &Error,
        _about: ProxyWarnLogContext,
    ) -> bool {
        true
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        finish(session, error, ctx);
    }
}

/// The request has ended: the account is settled, the line is written, the client's session goes
/// back to Pingora for the next request.
fn finish(session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
    let status = ctx
        .status
        .or_else(|| {
            session
                .response_written()
                .map(|header| header.status.as_u16())
        })
        .unwrap_or(match error {
            Some(_) => 499,
            None => 0,
        });
    if error.is_none() {
        outcome::conclude(ctx);
    }
    spans::finish(ctx, status);
    access::write(session, ctx, status, ctx.live.config.log.format);
    meter::ended(ctx, status);
    if let Some(call) = ctx.call.as_deref() {
        downstream::unwrap(&mut session.downstream_session, &call.gate);
    }
    ctx.running = None;
}

/// The client's `x-request-id` when it is one that can be logged and sent on, else a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let valid = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':')
            })
    };
    let theirs = headers.get("x-request-id").and_then(|id| id.to_str().ok());
    match theirs.filter(valid) {
        Some(id) => id.into(),
        None => fresh_id(),
    }
}

/// `req_` and 32 random hexadecimal digits.
fn fresh_id() -> Arc<str> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut id = *b"req_00000000000000000000000000000000";
    let mut random = rand::random::<u128>();
    for digit in &mut id[4..] {
        *digit = HEX[(random & 15) as usize];
        random >>= 4;
    }
    String::from_utf8_lossy(&id).into()
}
