//! The provider's answer as it comes: what the relay finds in it becomes an [`Outcome`], or passes.

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use tokio::time::Instant;

use super::context::{Ask, Context, Payload};
use super::relay::{Ending, Kind};
use super::verdict::{Means, Next, Outcome, verdict};
use super::{cost, foreign, hint, meter, outcome, respond, spans, stored, token, websocket};
use crate::chat::{Fault, FaultKind};
use crate::wire::{Shape, cleanse, codec};

/// The provider's header came.
pub(super) fn header(ctx: &mut Context, header: &mut ResponseHeader) -> Result<()> {
    if header.status == StatusCode::SWITCHING_PROTOCOLS {
        return switched(ctx, header);
    }
    if header.status.is_informational() {
        return Ok(());
    }
    let is_empty = matches!(header.status.as_u16(), 204 | 304)
        || header
            .headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length == "0");
    let status = header.status.as_u16();
    forget_case(header);
    let attempt = ctx.attempt_mut()?;
    attempt.status = Some(status);
    let kind = attempt.relay.header(header);
    let is_stream = kind == Kind::Events && attempt.relay.shape() == Some(Shape::Sse);
    let gate = &ctx.call()?.gate;
    gate.set_undecided(matches!(kind, Kind::Refusal | Kind::Events));
    if !is_stream {
        gate.mute();
    }
    if kind == Kind::Events {
        meter::streams(ctx);
    }
    let gate = &ctx.call()?.gate;
    if gate.is_committed() && matches!(kind, Kind::Whole | Kind::Opaque) {
        // Keep-alives have opened an event stream, and this is none.
        ctx.attempt_mut()?.outcome = Some(Outcome::BrokeOff(Fault::new(
            FaultKind::BadUpstream,
            "not_a_stream",
            "the provider did not stream its answer",
        )));
        return Err(failed());
    }
    if kind == Kind::Opaque && status >= 400 {
        if status == 401 {
            token::refuse(ctx)?;
        }
        // It passes unread, because a streamed body cannot be sent again; the account takes what its
        // status says, and a success it is not.
        let outcome = Outcome::Refused {
            status,
            fault: codec(ctx.dialect).decode_fault(status, b""),
            hint: hint::of(&header.headers),
        };
        outcome::note(ctx, &outcome);
        ctx.attempt_mut()?.lease = None;
    }
    if is_empty {
        // Pingora ends such an answer with its header and shows nobody a body.
        body(ctx, &mut None, true)?;
    }
    let losses = match &ctx.attempt()?.translated {
        Some((_, losses)) => foreign::loss_header(losses),
        None if ctx.call()?.without_state => foreign::repaired(ctx.call()?.on_loss),
        None => None,
    };
    if let Some(losses) = losses {
        header.insert_header("x-aiproxy-loss", losses)?;
    }
    respond::identify(header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())
}

/// The provider has switched protocols.
fn switched(ctx: &mut Context, header: &mut ResponseHeader) -> Result<()> {
    if !matches!(ctx.call()?.body, Payload::WebSocket) {
        // Nobody asked for another protocol; what follows is no answer.
        ctx.attempt_mut()?.outcome = Some(Outcome::Unreachable);
        return Err(failed());
    }
    forget_case(header);
    websocket::switched(header)?;
    let attempt = ctx.attempt_mut()?;
    attempt.status = Some(header.status.as_u16());
    // What happens from now on, perhaps for hours, says nothing about the account.
    attempt.succeed();
    let longest = attempt.account.timeouts.websocket;
    let end = longest.map(|longest| Instant::now() + longest);
    ctx.call()?.gate.switch(end);
    respond::identify(header, &ctx.request_id, ctx.dialect, ctx.cors.as_ref())
}

/// Lets go of how the provider spells its headers' names, which means nothing: what is inserted and
/// removed later would be so in two maps.
fn forget_case(header: &mut ResponseHeader) {
    let nothing = http::Response::new(()).into_parts().0;
    let parts = http::response::Parts::from(std::mem::replace(header, nothing.into()));
    *header = parts.into();
}

/// A piece of the provider's answer came.
pub(super) fn body(ctx: &mut Context, data: &mut Option<Bytes>, end: bool) -> Result<()> {
    if !end && has_enough(ctx)? {
        // To read on would only cost. What is thrown away with the connection is not the client's.
        return Err(failed());
    }
    let attempt = ctx.attempt_mut()?;
    let ending = match attempt.relay.body(data, end) {
        Ok(()) => {
            if end {
                cost::tell(ctx);
            }
            return passed(ctx, data.as_ref());
        }
        Err(ending) => ending,
    };
    let (outcome, rest) = judged(ending);
    let outcome = match is_repairable(&outcome, ctx)? {
        true => Outcome::BadState,
        false if token::is_refused(&outcome, ctx)? => Outcome::BadToken,
        false => outcome,
    };
    let native = ctx.attempt()?.translated.is_none();
    if let Some(body) = rest.filter(|_| native)
        && is_clients(&outcome, ctx)
        && !ctx.call()?.gate.is_committed()
    {
        // The provider's own words, as they are.
        ctx.call()?.gate.set_undecided(false);
        let attempt = ctx.attempt_mut()?;
        attempt.relay.accept();
        attempt.succeed();
        *data = Some(body);
        return Ok(());
    }
    ctx.attempt_mut()?.outcome = Some(outcome);
    Err(failed())
}

/// Fields came behind the provider's body: they are its end, and go no further. What of the answer had
/// waited for that.
pub(super) fn trailers(ctx: &mut Context, fields: &mut HeaderMap) -> Option<Bytes> {
    fields.clear();
    let mut data = None;
    if body(ctx, &mut data, true).is_ok() {
        return Some(data.unwrap_or_default());
    }
    // Pingora passes over an error here. An answer that ends undecided fails, and for what was noted.
    if let Some(call) = ctx.call.as_deref() {
        call.gate.set_undecided(true);
    }
    None
}

/// Whether the client has all of an answer that its provider has not ended.
fn has_enough(ctx: &Context) -> Result<bool> {
    let enough = ctx.attempt()?.relay.enough();
    let written = ctx.call()?.gate.bytes();
    Ok(enough.is_some_and(|enough| written >= enough))
}

/// Whether a provider refuses reasoning state that another attempt could do without.
fn is_repairable(outcome: &Outcome, ctx: &Context) -> Result<bool> {
    let (call, attempt) = (ctx.call()?, ctx.attempt()?);
    let may = ctx.live.config.translation.repair_retry
        && call.ask == Ask::Generate
        && !call.without_state
        && !call.gate.has_begun();
    Ok(match (outcome, attempt.relay.format()) {
        (Outcome::Refused { status, fault, .. }, Some(format)) if may => {
            cleanse::is_state_fault(format, *status, fault)
        }
        _ => false,
    })
}

/// The relay let `data` through.
fn passed(ctx: &mut Context, data: Option<&Bytes>) -> Result<()> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        spans::passes(ctx, data);
        if ctx.call()?.gate.is_undecided() || !ctx.call()?.gate.has_begun() {
            stored::remember(ctx, data);
        }
        ctx.attempt_mut()?.prove();
        meter::passes(ctx);
        ctx.call()?.gate.set_undecided(false);
    }
    // The client gets the error as it is; the account takes it before the client can ask again.
    if let Some(fault) = ctx.attempt()?.relay.fault() {
        let outcome = Outcome::BrokeOff(fault.clone());
        outcome::note(ctx, &outcome);
    }
    Ok(())
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
        own_key: ctx.own_key.is_some(),
    };
    match verdict(outcome, fresh).next {
        Next::Relay => true,
        // The last provider that could have known the model has spoken for all.
        Next::RetryElsewhere => ctx.call.as_deref().is_some_and(|call| {
            let attempt = ctx.attempt.as_deref();
            attempt.is_some_and(|attempt| {
                !call
                    .route
                    .has_other_provider(&call.tried, call.native_format(), &attempt.account)
            })
        }),
        _ => false,
    }
}

/// An answer that ended before the relay could judge it is judged by what there is of it.
pub(super) fn judge_empty(ctx: &mut Context) -> Option<Outcome> {
    if !ctx.call.as_deref()?.gate.is_undecided() {
        return None;
    }
    let relay = &mut ctx.attempt.as_deref_mut()?.relay;
    relay
        .body(&mut None, true)
        .err()
        .map(|ending| judged(ending).0)
}

/// The error that ends the attempt; how it ended is in it.
fn failed() -> Box<Error> {
    Error::new(ErrorType::Custom("AttemptFailed"))
}
