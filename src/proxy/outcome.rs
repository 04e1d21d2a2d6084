//! Performs what [`verdict`] decides: settles the account, lets Pingora try again, or tells the
//! client.

use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use pingora_proxy::{FailToProxy, Session};
use tokio::time::Instant;

use super::context::{Context, Payload};
use super::gate::Limit;
use super::relay::{Ending, Kind};
use super::verdict::{Means, Next, Outcome, verdict};
use super::{Gateway, respond};
use crate::account::health::Bounds;
use crate::chat::{Fault, FaultKind};
use crate::wire::{Shape, codec};

/// Pooled connections that may turn out closed in a row; a provider that closes every connection it
/// accepts is down.
const STALE: u32 = 3;

/// Judges how the current attempt ended. True: try again.
pub(super) fn settle(ctx: &mut Context, outcome: Outcome) -> bool {
    let Some(call) = ctx.call.as_deref_mut() else {
        return false;
    };
    let Some(attempt) = ctx.attempt.as_deref_mut() else {
        return false;
    };
    let outcome = match outcome {
        Outcome::Stale if call.stale >= STALE => Outcome::Unreachable,
        other => other,
    };
    let answered = attempt.status.is_some_and(|status| status < 400);
    let means = Means {
        begun: call.gate.has_begun(),
        replayable: matches!(call.body, Payload::Read { .. }),
        bootstrap: call.bootstrap,
        answered,
    };
    let verdict = verdict(&outcome, means);
    if let (Some(failure), Some(lease)) = (
        verdict.failure,
        attempt.lease.take_if(|_| verdict.failure.is_some()),
    ) {
        let retry = &ctx.live.config.retry;
        let bounds = Bounds {
            min: retry.cooldown_min,
            max: retry.cooldown_max,
        };
        let rest = lease.failed(failure, bounds, Instant::now());
        log::info!(
            "account {} model {} rests {rest:?}: {outcome:?} (request {})",
            attempt.account.name,
            attempt.model,
            ctx.request_id
        );
    }
    let retry = match verdict.next {
        Next::Relay => false,
        Next::Again => {
            call.stale += 1;
            attempt.again = true;
            true
        }
        Next::Retry => {
            call.stale = 0;
            call.bootstrap -= u32::from(answered && call.bootstrap > 0);
            true
        }
        Next::RetryElsewhere => {
            call.tried
                .without_provider(&attempt.account, &attempt.model);
            if let Outcome::Refused { fault, .. } = &outcome {
                call.unknown_model = Some(fault.clone());
            }
            true
        }
        Next::Refuse(fault) => {
            ctx.fault = Some(fault);
            false
        }
    };
    call.last = Some(outcome);
    retry
}

/// The provider's header came.
pub(super) fn header(ctx: &mut Context, header: &mut ResponseHeader) -> Result<()> {
    if header.status.is_informational() {
        return Ok(());
    }
    let (dialect, request_id) = (ctx.dialect, ctx.request_id.clone());
    let call = ctx.call.as_deref().ok_or_else(broken)?;
    let attempt = ctx.attempt.as_deref_mut().ok_or_else(broken)?;
    attempt.status = Some(header.status.as_u16());
    let kind = attempt.relay.header(header);
    call.gate.set_undecided(kind == Kind::Refusal);
    if kind != Kind::Events || attempt.relay.shape() != Some(Shape::Sse) {
        call.gate.mute();
    }
    if call.gate.is_committed() && matches!(kind, Kind::Whole | Kind::Opaque) {
        // Keep-alives have opened an event stream, and this is none.
        attempt.outcome = Some(Outcome::BrokeOff(Fault::new(
            FaultKind::BadUpstream,
            "not_a_stream",
            "the provider did not stream its answer",
        )));
        return Err(broken());
    }
    respond::identify(header, &request_id, dialect)
}

/// A piece of the provider's answer came.
pub(super) fn body(ctx: &mut Context, data: &mut Option<bytes::Bytes>, end: bool) -> Result<()> {
    let attempt = ctx.attempt.as_deref_mut().ok_or_else(broken)?;
    let ending = match attempt.relay.body(data, end) {
        Ok(()) => return Ok(()),
        Err(ending) => ending,
    };
    let (outcome, rest) = match ending {
        Ending::Refused {
            status,
            fault,
            hint,
            body,
        } => (
            Outcome::Refused {
                status,
                fault: *fault,
                hint,
            },
            Some(body),
        ),
        Ending::BrokeOff(fault) => (Outcome::BrokeOff(*fault), None),
        Ending::CutShort => (Outcome::Unreachable, None),
    };
    if let Some(body) = rest {
        let call = ctx.call.as_deref().ok_or_else(broken)?;
        if is_clients(&outcome, ctx) && !call.gate.is_committed() {
            // The provider's own words, as they are.
            call.gate.set_undecided(false);
            let attempt = ctx.attempt.as_deref_mut().ok_or_else(broken)?;
            attempt.relay.accept();
            attempt.succeed();
            *data = Some(body);
            return Ok(());
        }
    }
    ctx.attempt_mut()?.outcome = Some(outcome);
    Err(broken())
}

/// Whether the provider's answer goes to the client as it is.
fn is_clients(outcome: &Outcome, ctx: &Context) -> bool {
    let fresh = Means {
        begun: false,
        replayable: true,
        bootstrap: 1,
        answered: false,
    };
    match verdict(outcome, fresh).next {
        Next::Relay => true,
        // The last provider that could have known the model has spoken for all.
        Next::RetryElsewhere => ctx.call.as_deref().is_some_and(|call| {
            let attempt = ctx.attempt.as_deref();
            attempt.is_some_and(|attempt| {
                !call
                    .route
                    .has_other_provider(&call.tried, call.format, &attempt.account)
            })
        }),
        _ => false,
    }
}

/// Connecting failed.
pub(super) fn not_connected(
    gateway: &Gateway,
    ctx: &mut Context,
    mut error: Box<Error>,
) -> Box<Error> {
    if let Some(attempt) = ctx.attempt.as_deref()
        && let (Some(address), None) = (attempt.address, &attempt.account.proxy)
    {
        gateway
            .peers
            .resolver()
            .failed(&attempt.account.base.host, address.ip());
    }
    if let Some(attempt) = ctx.attempt.as_deref() {
        log::warn!("account {}: {}", attempt.account.name, described(&error));
    }
    let outcome = match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Outcome::Silent,
        _ => Outcome::Unreachable,
    };
    let retry = settle(ctx, outcome);
    error.set_retry(retry);
    error
}

/// The exchange with the provider failed, or the client left.
pub(super) fn interrupted(ctx: &mut Context, mut error: Box<Error>, reused: bool) -> Box<Error> {
    let noted = ctx
        .attempt
        .as_deref_mut()
        .and_then(|attempt| attempt.outcome.take());
    let outcome = match (noted, Limit::of(&error)) {
        (Some(outcome), _) => outcome,
        (None, Some(Limit::Total)) => Outcome::OutOfTime,
        (None, Some(Limit::FirstByte | Limit::Idle)) => Outcome::Silent,
        (None, None) => match judge_empty(ctx) {
            Some(outcome) => outcome,
            None if *error.esource() == ErrorSource::Downstream => {
                error.set_retry(false);
                return error;
            }
            None if reused
                && ctx
                    .attempt
                    .as_deref()
                    .is_some_and(|attempt| attempt.status.is_none()) =>
            {
                Outcome::Stale
            }
            None => Outcome::Unreachable,
        },
    };
    let has_ended = ctx
        .attempt
        .as_deref()
        .is_some_and(|attempt| attempt.relay.has_ended());
    if has_ended
        && ctx
            .call
            .as_deref()
            .is_some_and(|call| call.gate.has_begun())
    {
        // The client has the whole answer; only the connection did not end as it should.
        error.set_retry(false);
        return error;
    }
    if outcome == Outcome::Unreachable
        && let Some(attempt) = ctx.attempt.as_deref()
    {
        log::warn!("account {}: {}", attempt.account.name, described(&error));
    }
    let retry = settle(ctx, outcome);
    error.set_retry(retry);
    error
}

/// An error status whose answer had no body never passed the relay.
fn judge_empty(ctx: &mut Context) -> Option<Outcome> {
    let undecided = ctx.call.as_deref()?.gate.is_undecided();
    let format = ctx.call.as_deref()?.format?;
    let status = ctx.attempt.as_deref()?.status?;
    undecided.then(|| Outcome::Refused {
        status,
        fault: codec(format).decode_fault(status, b""),
        hint: None,
    })
}

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
    let fault = ctx.fault.clone().unwrap_or_else(|| unexplained(error));
    let status = codec(ctx.dialect)
        .encode_fault(&fault, &ctx.request_id)
        .status;
    let told = match ctx
        .call
        .as_deref()
        .is_some_and(|call| call.gate.is_committed())
    {
        true => in_stream(session, ctx, &fault).await,
        false => {
            session.set_keepalive(None);
            respond::fault(session, ctx, fault).await
        }
    };
    if let Err(error) = told {
        log::debug!("the client was gone before it could be told: {error}");
    }
    FailToProxy {
        error_code: status,
        can_reuse_downstream: false,
    }
}

/// Writes the error into an answer that has begun, and ends it; an answer that has no place for an
/// error is broken off, so that it cannot be taken for a whole one.
async fn in_stream(session: &mut Session, ctx: &mut Context, fault: &Fault) -> Result<()> {
    ctx.fault = Some(fault.clone());
    let call = ctx.call.as_deref().ok_or_else(broken)?;
    let begun = call.gate.has_begun();
    let relay_shape = ctx
        .attempt
        .as_deref()
        .and_then(|attempt| attempt.relay.shape());
    let shape = if begun { relay_shape } else { Some(call.shape) };
    let ended = ctx
        .attempt
        .as_deref()
        .is_some_and(|attempt| attempt.relay.has_ended());
    let mut out = Vec::new();
    if let (Some(shape), Some(format), false) = (shape, call.format, ended && begun) {
        codec(format).encode_stream_fault(fault, &ctx.request_id, shape, begun, &mut out);
    }
    if out.is_empty() {
        session.downstream_session.shutdown().await;
        return Ok(());
    }
    session
        .downstream_session
        .write_response_body(out.into(), false)
        .await?;
    session.downstream_session.finish_body().await
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

/// What went wrong on the way, without the peer's whole description.
fn described(error: &Error) -> String {
    let mut inner = error;
    while let Some(cause) = inner
        .cause
        .as_deref()
        .and_then(|cause| cause.downcast_ref())
    {
        inner = cause;
    }
    let kind = error.etype().as_str();
    // What our own tunnels say names the proxy.
    let tunnel = match inner.etype() {
        ErrorType::ConnectProxyFailure => inner.context.as_ref().map(|text| text.as_str()),
        _ => None,
    };
    let cause = inner.cause.as_ref().map(ToString::to_string);
    match (tunnel, cause) {
        (Some(said), Some(cause)) => format!("{kind}: {said}: {cause}"),
        (Some(said), None) => format!("{kind}: {said}"),
        (None, Some(cause)) => format!("{kind}: {cause}"),
        (None, None) => format!("{kind}: {}", inner.etype().as_str()),
    }
}

fn broken() -> Box<Error> {
    Error::new(ErrorType::Custom("AttemptFailed"))
}
