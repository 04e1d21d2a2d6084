//! Telling a client that its request has failed for good, in a whole answer or inside the one that has
//! begun.

use std::time::Duration;

use bytes::Bytes;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, Session};

use super::context::Context;
use super::gate::Limit;
use super::relay::Relay;
use super::respond;
use crate::chat::{Fault, FaultKind};
use crate::wire::codec;

/// How long a client may take to read why its request failed.
const PARTING: Duration = Duration::from_secs(5);

/// The request has failed for good: tells the client, if there is one to tell.
pub(super) async fn tell(session: &mut Session, error: &Error, ctx: &mut Context) -> FailToProxy {
    let gone = *error.esource() == ErrorSource::Downstream
        && Limit::of(error).is_none()
        && ctx.fault.is_none()
        && matches!(
            error.etype(),
            ErrorType::WriteError
                | ErrorType::ReadError
                | ErrorType::ConnectionClosed
                | ErrorType::H2Error
        );
    if gone {
        ctx.status.get_or_insert(499);
        return FailToProxy {
            error_code: 0,
            can_reuse_downstream: false,
        };
    }
    if let Some(answer) = ctx.local.take() {
        return local(session, ctx, answer).await;
    }
    if has_whole_answer(ctx) {
        end_well(session, ctx).await;
        return FailToProxy {
            error_code: 200,
            can_reuse_downstream: false,
        };
    }
    let fault = ctx.fault.clone().unwrap_or_else(|| unexplained(error));
    let status = codec(ctx.dialect)
        .encode_fault(&fault, &ctx.request_id)
        .status;
    let committed = ctx
        .call
        .as_deref()
        .is_some_and(|call| call.gate.is_committed());
    let telling = async {
        if committed {
            return in_stream(session, ctx, &fault).await;
        }
        session.set_keepalive(None);
        respond::fault(session, ctx, fault).await
    };
    match tokio::time::timeout(PARTING, telling).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => log::debug!("the client was gone before it could be told: {error}"),
        Err(_) => log::debug!("the client did not read what it was to be told"),
    }
    FailToProxy {
        error_code: status,
        can_reuse_downstream: false,
    }
}

/// No provider has to be asked: an estimate is the answer.
async fn local(session: &mut Session, ctx: &mut Context, answer: Vec<u8>) -> FailToProxy {
    if let Err(error) = respond::estimate(session, ctx, answer).await {
        log::debug!("the client was gone before it could be told: {error}");
    }
    FailToProxy {
        error_code: 200,
        can_reuse_downstream: true,
    }
}

/// Whether the provider's end marker has gone out: what failed after it is nothing to the client.
fn has_whole_answer(ctx: &Context) -> bool {
    let (Some(call), Some(attempt)) = (ctx.call.as_deref(), ctx.attempt.as_deref()) else {
        return false;
    };
    call.gate.has_begun() && !call.gate.is_torn() && attempt.relay.has_ended()
}

async fn end_well(session: &mut Session, ctx: &Context) {
    let closing = ctx
        .attempt
        .as_deref()
        .map(|attempt| attempt.relay.closing());
    let ending = async {
        write_rest(session, Bytes::from_static(closing.unwrap_or_default())).await?;
        session.downstream_session.finish_body().await
    };
    // A client that does not read it has left.
    let _ = tokio::time::timeout(PARTING, ending).await;
}

/// Writes the error into an answer that has begun, and ends it; an answer that has no place for an
/// error is broken off, so that it cannot be taken for a whole one.
async fn in_stream(session: &mut Session, ctx: &mut Context, fault: &Fault) -> Result<()> {
    ctx.fault = Some(fault.clone());
    let call = ctx.call()?;
    let begun = call.gate.has_begun();
    let torn = call.gate.is_torn();
    let (format, wanted) = (call.format, call.shape);
    let relay = ctx.attempt.as_deref_mut().map(|attempt| &mut attempt.relay);
    let shape = match begun {
        true => relay.as_deref().and_then(Relay::shape),
        false => Some(wanted),
    };
    let mut out = Vec::new();
    let translated =
        begun && !torn && relay.is_some_and(|relay| relay.encode_fault(fault, &mut out));
    match (shape, format) {
        _ if torn || translated => {}
        (Some(shape), Some(format)) => {
            codec(format).encode_stream_fault(fault, &ctx.request_id, shape, begun, &mut out);
        }
        _ => {}
    }
    if out.is_empty() {
        session.downstream_session.shutdown().await;
        return Ok(());
    }
    write_rest(session, out.into()).await?;
    session.downstream_session.finish_body().await
}

async fn write_rest(session: &mut Session, rest: Bytes) -> Result<()> {
    if rest.is_empty() {
        return Ok(());
    }
    session
        .downstream_session
        .write_response_body(rest, false)
        .await
}

fn unexplained(error: &Error) -> Fault {
    match (error.esource(), error.etype()) {
        (_, _) if Limit::of(error) == Some(Limit::Total) => Fault::new(
            FaultKind::Timeout,
            "request_timeout_total",
            "the request took longer than it may",
        ),
        (ErrorSource::Downstream, _) => Fault::new(
            FaultKind::InvalidRequest,
            "invalid_http_request",
            "the request is not what HTTP wants it to be",
        ),
        _ => {
            log::error!("internal error: {error}");
            Fault::new(
                FaultKind::Internal,
                "internal_error",
                "the gateway failed to handle the request",
            )
        }
    }
}
