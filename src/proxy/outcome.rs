//! Performs what [`verdict`] decides: settles the account, lets Pingora try again, or leaves in the
//! context what the client is to be told.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use pingora_core::{Error, ErrorSource, ErrorType, Result};
use pingora_http::ResponseHeader;
use tokio::time::Instant;

use super::context::{Attempt, Context, Payload};
use super::gate::Limit;
use super::relay::{Ending, Kind};
use super::verdict::{Means, Next, Outcome, failure, verdict};
use super::{Gateway, respond};
use crate::account::health::{Bounds, Failure};
use crate::chat::{Fault, FaultKind};
use crate::config::Config;
use crate::wire::Shape;

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
        replayable: matches!(call.body, Payload::Read { .. }) || !call.upload_begun,
        bootstrap: call.bootstrap,
        answered,
    };
    let verdict = verdict(&outcome, means);
    if let Some(failure) = verdict.failure {
        charge(
            attempt,
            failure,
            &outcome,
            &ctx.live.config,
            &ctx.request_id,
        );
    }
    let retry = match verdict.next {
        // It could not be relayed as it came: the header has left, or there was no body to judge by.
        Next::Relay => {
            if let Outcome::Refused { fault, .. } = &outcome {
                ctx.fault = Some(fault.clone());
            }
            false
        }
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

/// The account takes what its attempt came to.
fn charge(
    attempt: &mut Attempt,
    failure: Failure,
    outcome: &Outcome,
    config: &Config,
    request_id: &str,
) {
    let Some(lease) = attempt.lease.take() else {
        return;
    };
    let bounds = Bounds {
        min: config.retry.cooldown_min,
        max: config.retry.cooldown_max,
    };
    let rest = lease.failed(failure, bounds, Instant::now());
    log::info!(
        "account {} model {} rests {rest:?}: {outcome:?} (request {request_id})",
        attempt.account.name,
        attempt.model,
    );
}

/// The provider's header came.
pub(super) fn header(ctx: &mut Context, header: &mut ResponseHeader) -> Result<()> {
    if header.status == http::StatusCode::SWITCHING_PROTOCOLS {
        // Nobody asked for another protocol; what follows is no answer.
        ctx.attempt_mut()?.outcome = Some(Outcome::Unreachable);
        return Err(broken());
    }
    if header.status.is_informational() {
        return Ok(());
    }
    let (dialect, request_id) = (ctx.dialect, ctx.request_id.clone());
    let call = ctx.call.as_deref().ok_or_else(broken)?;
    let attempt = ctx.attempt.as_deref_mut().ok_or_else(broken)?;
    attempt.status = Some(header.status.as_u16());
    let is_empty = matches!(header.status.as_u16(), 204 | 304)
        || header
            .headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length == "0");
    let kind = attempt.relay.header(header);
    call.gate
        .set_undecided(matches!(kind, Kind::Refusal | Kind::Events));
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
    if is_empty {
        // Pingora ends such an answer with its header and shows nobody a body.
        body(ctx, &mut None, true)?;
    }
    respond::identify(header, &request_id, dialect)
}

/// A piece of the provider's answer came.
pub(super) fn body(ctx: &mut Context, data: &mut Option<Bytes>, end: bool) -> Result<()> {
    let attempt = ctx.attempt.as_deref_mut().ok_or_else(broken)?;
    let ending = match attempt.relay.body(data, end) {
        Ok(()) => {
            if data.as_ref().is_some_and(|data| !data.is_empty()) {
                attempt.prove();
                let call = ctx.call.as_deref().ok_or_else(broken)?;
                call.gate.set_undecided(false);
            }
            // The client gets the error as it is; the account takes it before the client can ask
            // again.
            if let Some(fault) = attempt.relay.fault().cloned() {
                let outcome = Outcome::BrokeOff(fault);
                if let Some(failure) = failure(&outcome) {
                    charge(
                        attempt,
                        failure,
                        &outcome,
                        &ctx.live.config,
                        &ctx.request_id,
                    );
                }
            }
            return Ok(());
        }
        Err(ending) => ending,
    };
    let (outcome, rest) = judged(ending);
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

/// What the relay's ending means, and the error answer that it had read.
fn judged(ending: Ending) -> (Outcome, Option<Bytes>) {
    match ending {
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
    }
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
        (None, None) if is_clients_doing(&error) => {
            error.set_retry(false);
            return error;
        }
        (None, None) => match judge_empty(ctx) {
            Some(outcome) => outcome,
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
        conclude(ctx);
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

/// The answer has reached its end, be it the provider's own error event, which the account has taken
/// when it passed.
pub(super) fn conclude(ctx: &mut Context) {
    let Some(attempt) = ctx.attempt.as_deref_mut() else {
        return;
    };
    match attempt.relay.fault() {
        None => attempt.succeed(),
        Some(fault) => ctx.fault = Some(fault.clone()),
    }
}

/// Whether the client left or could not be written to.
fn is_clients_doing(error: &Error) -> bool {
    *error.esource() == ErrorSource::Downstream
        && !matches!(error.etype(), ErrorType::HTTPStatus(_))
}

/// An answer that ended before the relay could judge it is judged by what there is of it.
fn judge_empty(ctx: &mut Context) -> Option<Outcome> {
    if !ctx.call.as_deref()?.gate.is_undecided() {
        return None;
    }
    let relay = &mut ctx.attempt.as_deref_mut()?.relay;
    relay
        .body(&mut None, true)
        .err()
        .map(|ending| judged(ending).0)
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

pub(super) fn broken() -> Box<Error> {
    Error::new(ErrorType::Custom("AttemptFailed"))
}
