//! Performs what [`verdict`] decides: settles the account, lets Pingora try again, or leaves in the
//! context what the client is to be told.

use std::sync::Arc;

use pingora_core::{Error, ErrorSource, ErrorType};
use tokio::time::Instant;

use super::context::{Attempt, Context, Payload, Spent};
use super::gate::Limit;
use super::verdict::{Means, Next, Outcome, failure, is_about_address, verdict};
use super::{Gateway, answer, meter, spans};
use crate::account::health::{Bounds, Failure, Scope};
use crate::account::oauth::NoToken;
use crate::live::Live;

/// Pooled connections that may turn out closed in a row; a provider that closes every connection it
/// accepts is down.
const STALE: u32 = 3;

/// Judges how the current attempt ended. True: try again.
pub(super) fn settle(ctx: &mut Context, outcome: Outcome) -> bool {
    spans::failed(ctx, &outcome);
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
        replayable: !matches!(call.body, Payload::Streamed) || !call.upload_begun,
        bootstrap: call.bootstrap,
        answered,
        own_key: ctx.own_key.is_some(),
    };
    if means.replayable
        && !means.begun
        && !answered
        && is_about_address(&outcome)
        && attempt.go_on()
    {
        if !matches!(outcome, Outcome::Refused { status: 429, .. })
            && let Some(lease) = &attempt.lease
        {
            lease.moved(attempt.base.0, Instant::now());
        }
        log::info!(
            "account {}: {} is tried next: {} (request {})",
            attempt.account.name,
            attempt.base().authority,
            reason(&outcome, Scope::Model),
            ctx.request_id,
        );
        attempt.again = true;
        ctx.live.meters.metrics().retried(meter::cause(&outcome));
        if matches!(outcome, Outcome::Refused { .. }) {
            attempt.refusal = Some(outcome);
        }
        return true;
    }
    // What one address has said counts for more than that another is away.
    let outcome = match (outcome, attempt.refusal.take()) {
        (Outcome::Unreachable | Outcome::Silent, Some(refusal)) => refusal,
        (outcome, _) => outcome,
    };
    let verdict = verdict(&outcome, means);
    if let Some(failure) = verdict.failure {
        let about = (&*ctx.request_id, ctx.own_key.is_some());
        charge(attempt, failure, &outcome, &ctx.live, about);
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
            match outcome {
                Outcome::BadState => call.without_state = true,
                Outcome::BadToken => attempt.renewed = true,
                _ => call.stale += 1,
            }
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
    if retry {
        if let Some(said) = attempt.relay.take_usage() {
            call.spent.push(Spent {
                account: Arc::clone(&attempt.account),
                model: Arc::clone(&attempt.model),
                said,
            });
        }
        // What it has used is counted, also where no other try follows because the client leaves first.
        attempt.status = None;
    }
    let account = attempt.account.id;
    call.last = Some(outcome);
    if let Some(outcome) = ctx.call.as_deref().and_then(|call| call.last.as_ref()) {
        meter::tried(ctx, account, outcome, retry);
    }
    retry
}

/// The account takes what an attempt came to that goes on: an error inside the answer.
pub(super) fn note(ctx: &mut Context, outcome: &Outcome) {
    if let (Some(attempt), Some(failure)) = (ctx.attempt.as_deref_mut(), failure(outcome)) {
        let about = (&*ctx.request_id, ctx.own_key.is_some());
        charge(attempt, failure, outcome, &ctx.live, about);
    }
}

fn charge(
    attempt: &mut Attempt,
    failure: Failure,
    outcome: &Outcome,
    live: &Live,
    (request_id, own_key): (&str, bool),
) {
    let Some(lease) = attempt.lease.take() else {
        return;
    };
    let retry = &live.config.retry;
    let bounds = Bounds {
        min: retry.cooldown_min,
        max: retry.cooldown_max,
    };
    let rest = lease.failed(failure, bounds, Instant::now());
    let why = meter::cause(outcome);
    // A client's own key has a health of its own, which ends with the request.
    let level = match own_key {
        true => log::Level::Debug,
        false => {
            let account = attempt.account.id;
            live.meters.rested(account, failure.scope, why);
            live.meters.outcome(account, Some(why));
            log::Level::Info
        }
    };
    log::log!(
        level,
        "account {} model {} rests {rest:?}: {} (request {request_id})",
        attempt.account.name,
        // A client may have chosen it: it must not look like another line.
        attempt.model.escape_debug(),
        reason(outcome, failure.scope),
    );
}

/// Why an account rests, in words that quote nobody: a provider's message may repeat a prompt.
fn reason(outcome: &Outcome, scope: Scope) -> String {
    let scope = match scope {
        Scope::Key => "key",
        Scope::Model => "model",
    };
    match outcome {
        Outcome::Refused { status, fault, .. } => {
            format!("{scope}: {:?}, status {status}", fault.kind)
        }
        Outcome::BrokeOff(fault) => format!("{scope}: {:?} in the answer", fault.kind),
        Outcome::Unreachable => format!("{scope}: unreachable"),
        Outcome::Silent => format!("{scope}: silent"),
        Outcome::NoToken(NoToken::Dead) => format!("{scope}: its refresh token is dead"),
        Outcome::NoToken(_) => format!("{scope}: no token"),
        // None of these rests an account.
        Outcome::Stale | Outcome::BadState | Outcome::BadToken | Outcome::OutOfTime => {
            scope.to_owned()
        }
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
            .failed(&attempt.base().host, address.ip());
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
        (None, None) => match answer::judge_empty(ctx) {
            Some(outcome) => outcome,
            None if ctx
                .attempt
                .as_deref()
                .is_some_and(|attempt| (reused || attempt.reused) && attempt.status.is_none()) =>
            {
                Outcome::Stale
            }
            None if is_silence(&error) => Outcome::Silent,
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

/// Whether a connection to a provider has found out itself that nothing moves on it.
fn is_silence(error: &Error) -> bool {
    matches!(
        error.etype(),
        ErrorType::ReadTimedout | ErrorType::WriteTimedout
    )
}

/// Whether the client left or could not be written to.
fn is_clients_doing(error: &Error) -> bool {
    *error.esource() == ErrorSource::Downstream
        && !matches!(error.etype(), ErrorType::HTTPStatus(_))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Fault, FaultKind};

    #[test]
    fn a_rest_is_explained_without_the_providers_words() {
        let fault = Fault::new(
            FaultKind::RateLimit,
            "secret code",
            "you said: secret prompt",
        );
        let refused = Outcome::Refused {
            status: 429,
            fault: fault.clone(),
            hint: None,
        };
        assert_eq!(
            reason(&refused, Scope::Model),
            "model: RateLimit, status 429"
        );
        let broke_off = reason(&Outcome::BrokeOff(fault), Scope::Key);
        assert_eq!(broke_off, "key: RateLimit in the answer");
    }
}
