//! Answers that the gateway writes itself.

use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::Session;

use super::body;
use super::context::Context;
use super::cors::{self, Grant};
use super::desk::{Answer, Pieces};
use crate::chat::{Fault, FaultKind};
use crate::wire::{Format, codec};

/// A body up to this length whose request was refused is read before the answer, so that the
/// connection can be used again. Closing it on every refusal would make an overload worse.
const SHORT: usize = 64 * 1024;
const SHORT_WAIT: Duration = Duration::from_millis(250);
/// How long, and how much, is read of a longer one after the answer. Closing a socket with unread
/// bytes resets it, and a reset can overtake the answer.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// How long a client may take to read a piece of a long answer.
const STALLED: Duration = Duration::from_secs(30);

/// Writes `fault` in the caller's format.
pub(super) async fn fault(
    session: &mut Session,
    ctx: &mut Context,
    mut fault: Fault,
) -> Result<()> {
    let allow = match fault.kind {
        FaultKind::MethodNotAllowed => fault.param.take(),
        _ => None,
    };
    let mut reply = codec(ctx.dialect).encode_fault(&fault, &ctx.request_id);
    if *ctx
        .call
        .as_deref()
        .map_or(&session.req_header().method, |call| &call.method)
        == http::Method::HEAD
    {
        reply.body.clear();
    }
    let mut header = ResponseHeader::build(reply.status, Some(8))?;
    header.insert_header(header::CONTENT_TYPE, "application/json")?;
    header.insert_header(header::CONTENT_LENGTH, reply.body.len())?;
    identify(&mut header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())?;
    // A provider's own code may be any text.
    if let Some(code) = &fault.code
        && let Ok(code) = HeaderValue::from_str(code)
    {
        header.insert_header("x-aiproxy-error", code)?;
    }
    if let Some(wait) = fault.retry_after {
        header.insert_header(header::RETRY_AFTER, whole_seconds(wait))?;
        header.insert_header("retry-after-ms", wait.as_millis().to_string())?;
    }
    if let Some(allow) = &allow {
        header.insert_header(header::ALLOW, &**allow)?;
    }
    ctx.status = Some(reply.status);
    ctx.fault = Some(fault);
    ctx.timing.tells(reply.body.len());
    send(session, header, reply.body.into()).await
}

/// Writes a document that nobody but the gateway has made, and says that it is an estimate.
pub(super) async fn estimate(
    session: &mut Session,
    ctx: &mut Context,
    body: Vec<u8>,
) -> Result<()> {
    let mut header = ResponseHeader::build(200, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, "application/json")?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    header.insert_header("x-aiproxy-usage", "estimated")?;
    identify(&mut header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())?;
    ctx.status = Some(200);
    ctx.timing.tells(body.len());
    send(session, header, body.into()).await
}

/// Writes a JSON document.
pub(super) async fn json(
    session: &mut Session,
    ctx: &mut Context,
    status: u16,
    body: String,
) -> Result<()> {
    let mut header = ResponseHeader::build(status, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, "application/json")?;
    header.insert_header(header::CONTENT_LENGTH, body.len())?;
    identify(&mut header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())?;
    ctx.status = Some(status);
    send(session, header, body.into()).await
}

/// Writes what operators are answered.
pub(super) async fn answer(session: &mut Session, ctx: &mut Context, answer: Answer) -> Result<()> {
    let version = session.req_header().version;
    let mut header = answer.header(version)?;
    identify(&mut header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())?;
    ctx.status = Some(answer.status);
    match answer.pieces {
        Some(pieces) => send_pieces(session, header, *pieces).await,
        None => send(session, header, answer.body).await,
    }
}

async fn send_pieces(
    session: &mut Session,
    header: ResponseHeader,
    mut pieces: Pieces,
) -> Result<()> {
    let head = session.req_header().method == http::Method::HEAD;
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if head {
        return Ok(());
    }
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            return Error::e_explain(ErrorType::InternalError, "the answer cannot be finished");
        };
        let write = session.write_response_body(Some(piece), false);
        // What makes the pieces may hold a connection to a database.
        match tokio::time::timeout(STALLED, write).await {
            Ok(written) => written?,
            Err(_) => return Error::e_explain(ErrorType::WriteTimedout, "an operator's answer"),
        }
    }
    session.write_response_body(None, true).await
}

async fn send(session: &mut Session, header: ResponseHeader, body: Bytes) -> Result<()> {
    let head = session.req_header().method == http::Method::HEAD;
    if is_short(&session.req_header().headers) {
        read_on(session, SHORT_WAIT).await;
    }
    // Pingora says `connection: close` then.
    let unread = !session.as_mut().is_body_done();
    session
        .write_response_header(Box::new(header), head)
        .await?;
    if !head {
        session.write_response_body(Some(body), true).await?;
    }
    // A client that waits for an invitation sends nothing.
    if unread && !session.req_header().headers.contains_key(header::EXPECT) {
        read_on(session, LINGER).await;
    }
    Ok(())
}

/// Whether a body is so short that it has come with its header, or will in a moment.
fn is_short(headers: &HeaderMap) -> bool {
    body::announced(headers).is_some_and(|length| length <= SHORT)
        && !headers.contains_key(header::EXPECT)
}

/// Reads the rest of a body that nobody wants, for some time and up to some length.
async fn read_on(session: &mut Session, patience: Duration) {
    let drain = async {
        let mut read = 0;
        while let Ok(Some(piece)) = session.as_mut().read_request_body().await {
            read += piece.len();
            if read > LINGER_BYTES {
                return;
            }
        }
    };
    // What did not come in time is not waited for.
    let _ = tokio::time::timeout(patience, drain).await;
}

/// Answers a browser that asks what a page may do.
pub(super) async fn preflight(session: &mut Session, ctx: &mut Context) -> Result<()> {
    if ctx.cors == Some(Grant::Nobody) {
        return fault(session, ctx, cors::refusal()).await;
    }
    let mut header = cors::permission(session.req_header())?;
    identify(&mut header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())?;
    ctx.status = Some(204);
    session.write_response_header(Box::new(header), true).await
}

/// What every answer has: the request's id where SDKs of `format` look for it, and which pages may
/// read it.
pub(super) fn identify(
    header: &mut ResponseHeader,
    request_id: &str,
    format: Format,
    cors: Option<&Grant>,
) -> Result<()> {
    if let Some(grant) = cors {
        grant.stamp(header)?;
    }
    header.insert_header("x-request-id", request_id)?;
    if format == Format::Claude {
        header.insert_header("request-id", request_id)?;
    }
    Ok(())
}

/// The header of an event stream that begins before any provider has answered.
pub(super) fn preamble(
    request_id: &str,
    format: Format,
    cors: Option<&Grant>,
) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(200, Some(6))?;
    header.insert_header(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")?;
    header.insert_header(header::CACHE_CONTROL, "no-cache")?;
    header.insert_header("x-accel-buffering", "no")?;
    header.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    identify(&mut header, request_id, format, cors)?;
    Ok(header)
}

/// A wait in seconds, rounded up: a client that comes back too soon is turned away again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
