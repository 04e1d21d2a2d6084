//! One try: an account is picked, the request is made ready for it, the way there is found.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_proxy::Session;
use tokio::time::Instant;

use super::context::{Attempt, Call, CallTarget, Context, Payload};
use super::relay::{Relay, Wanted};
use super::verdict::{Outcome, exhausted, limited, unavailable};
use super::{Gateway, headers, outcome, paths};
use crate::account::health::Cause;
use crate::account::pool::{Choice, Pick};
use crate::chat::{Fault, FaultKind};
use crate::config::{Config, Retry};
use crate::wire::json::{self, Splicer};

/// Picks an account and says where to connect. Waits between rounds; ends with an error that
/// [`Context::fault`] explains when nobody is left to try.
pub(super) async fn peer(
    gateway: &Gateway,
    session: &mut Session,
    ctx: &mut Context,
) -> Result<Box<HttpPeer>> {
    loop {
        let again = ctx.attempt.as_ref().is_some_and(|attempt| attempt.again);
        if again {
            ctx.attempt_mut()?.again = false;
        } else {
            ctx.call_mut()?.gate.end_attempt();
            let choice = choose(session, ctx).await?;
            let config = &ctx.live.config;
            let call = ctx.call.as_deref().ok_or_else(no_call)?;
            ctx.attempt = Some(Box::new(prepare(call, choice, config)));
        }
        let account = Arc::clone(&ctx.attempt()?.account);
        let call = ctx.call_mut()?;
        call.tries += 1;
        let timeouts = account.timeouts;
        let found = gateway
            .peers
            .peer(&account.base, account.proxy.as_ref(), timeouts.connect);
        match tokio::time::timeout(timeouts.connect, found).await {
            Ok(Ok(peer)) => {
                let attempt = ctx.attempt_mut()?;
                attempt.address = peer._address.as_inet().copied();
                ctx.call_mut()?.gate.begin_attempt(Instant::now(), timeouts);
                return Ok(peer);
            }
            Ok(Err(error)) => log::warn!("account {}: {error}", account.name),
            Err(_) => log::warn!(
                "account {}: resolving {} took too long",
                account.name,
                account.base.host
            ),
        }
        if !outcome::settle(ctx, Outcome::Unreachable) {
            return Err(refused());
        }
    }
}

/// The next account, after a wait when all of them rest.
async fn choose(session: &mut Session, ctx: &mut Context) -> Result<Choice> {
    loop {
        let live = Arc::clone(&ctx.live);
        let retry = &live.config.retry;
        let call = ctx.call_mut()?;
        let now = Instant::now();
        let wait = match call.pick(now) {
            Pick::Chosen(choice) => return Ok(choice),
            Pick::Foreign => Err(foreign(call)),
            Pick::Unknown => Err(unknown(call)),
            Pick::Spent if call.rounds < retry.rounds => {
                call.rounds += 1;
                call.may_wait = true;
                call.tried.next_round();
                Ok(backoff(retry.cooldown_min, retry.max_interval, call.rounds))
            }
            Pick::Spent => Err(call.last.as_ref().map_or_else(unavailable, exhausted)),
            Pick::Resting {
                until,
                cause,
                probing,
            } => {
                let wait = until.saturating_duration_since(now);
                match call.waits_for(wait, probing, retry) {
                    Some(wait) => Ok(wait),
                    None => Err(resting(call, cause).with_retry_after(wait)),
                }
            }
        };
        match wait {
            Ok(wait) => pause(session, call, now + wait).await?,
            Err(fault) => {
                ctx.fault = Some(fault);
                return Err(refused());
            }
        }
    }
}

impl Call {
    fn pick(&mut self, now: Instant) -> Pick {
        self.route
            .pick(&mut self.tried, self.format, self.seat, now)
    }

    /// How long the request waits for an account that rests, if it does. A round may wait once; while
    /// another request probes the account, nothing is lost by looking again.
    fn waits_for(&mut self, wait: Duration, probing: bool, retry: &Retry) -> Option<Duration> {
        if wait > retry.max_interval || retry.rounds == 0 {
            return None;
        }
        if probing && self.waited + wait <= retry.max_interval {
            self.waited += wait;
            return Some(wait);
        }
        if std::mem::take(&mut self.may_wait) {
            return Some(wait);
        }
        if self.rounds == retry.rounds {
            return None;
        }
        let backoff = backoff(retry.cooldown_min, retry.max_interval, self.rounds);
        self.rounds += 1;
        self.tried.next_round();
        Some(wait.max(backoff))
    }
}

fn resting(call: &Call, cause: Cause) -> Fault {
    match (&call.last, cause) {
        (Some(last @ (Outcome::Silent | Outcome::OutOfTime)), _) => exhausted(last),
        (_, Cause::Limit) => limited(),
        (_, Cause::Trouble) => unavailable(),
    }
}

fn unknown(call: &mut Call) -> Fault {
    let said = call.unknown_model.take();
    said.unwrap_or_else(|| super::intake::model_not_found(&call.model))
}

/// Exponential with full jitter: any time up to `first` × 2ⁿ, never above `cap`. Nothing before the
/// first request has failed.
fn backoff(first: Duration, cap: Duration, round: u32) -> Duration {
    let most = first
        .saturating_mul(1_u32.checked_shl(round.min(20)).unwrap_or(u32::MAX))
        .min(cap);
    most.mul_f64(rand::random::<f64>())
}

/// Waits, sending keep-alives and watching for a client that leaves. A body that was not read yet
/// is left alone: its next bytes belong to the upstream.
async fn pause(session: &mut Session, call: &Call, until: Instant) -> Result<()> {
    let watch = async {
        match call.body {
            Payload::Read { .. } => session.downstream_session.read_body_or_idle(true).await,
            Payload::Streamed => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = watch => ended.map(|_| ()).map_err(|error| error.into_down()),
        () = tokio::time::sleep_until(until) => Ok(()),
    }
}

fn prepare(call: &Call, choice: Choice, config: &Config) -> Attempt {
    let aliased = *choice.model != *call.model;
    let body = match &call.body {
        Payload::Streamed => Bytes::new(),
        Payload::Read {
            bytes,
            model: Some(span),
        } if aliased => {
            json::replace(bytes, span.clone(), json::quote(&choice.model).as_bytes()).into()
        }
        Payload::Read { bytes, .. } => match &call.target {
            CallTarget::Gemini { action, .. } if aliased && action == "countTokens" => {
                rename_counted(bytes, &choice.model)
            }
            _ => bytes.clone(),
        },
    };
    let errors = match &call.body {
        Payload::Streamed => None,
        Payload::Read { .. } => call
            .format
            .or_else(|| choice.account.formats.first().copied()),
    };
    let wanted = Wanted {
        format: call.format,
        errors,
        shape: call.shape,
        model: (aliased && config.rewrite_model && call.format.is_some())
            .then(|| Arc::clone(&call.model)),
        hold_back: config.streaming.hold_back,
    };
    Attempt {
        account: choice.account,
        model: choice.model,
        lease: Some(choice.lease),
        body,
        relay: Relay::new(wanted),
        address: None,
        status: None,
        outcome: None,
        again: false,
    }
}

/// Gemini's token counting may carry the request to count, which names the model once more.
fn rename_counted(body: &[u8], model: &str) -> Bytes {
    let mut splicer = Splicer::new(
        &["generateContentRequest", "model"],
        &format!("models/{model}"),
    );
    let mut out = Vec::with_capacity(body.len() + model.len());
    splicer.push(body, &mut out);
    splicer.end(&mut out);
    out.into()
}

/// Writes the header of the upstream request: the path under the account's base URL, the headers
/// that may cross, the account's key, the body's length.
pub(super) fn request(
    client: &HeaderMap,
    ctx: &Context,
    upstream: &mut RequestHeader,
) -> Result<()> {
    let (call, attempt) = (ctx.call()?, ctx.attempt()?);
    let account = &attempt.account;
    let target = match &call.target {
        CallTarget::Path(path) => account.base.target(path),
        CallTarget::Gemini {
            version,
            action,
            query,
        } => {
            let path = paths::gemini_path(version, &attempt.model, action).ok_or_else(|| {
                Error::explain(
                    ErrorType::InternalError,
                    "the provider's name for the model is no path segment",
                )
            })?;
            match query.as_str() {
                "" => account.base.target(&path),
                query => account.base.target(&format!("{path}?{query}")),
            }
        }
    };
    let mut header = RequestHeader::build(call.method.clone(), target.as_bytes(), Some(12))?;
    header.set_version(upstream.version);
    header.insert_header(header::HOST, &*account.base.authority)?;
    headers::to_provider(
        client,
        account,
        &ctx.request_id,
        call.format.is_none(),
        &mut header,
    )?;
    match &call.body {
        Payload::Read { bytes, .. } if bytes.is_empty() && !expects_body(&call.method) => {}
        Payload::Read { .. } => header.insert_header(header::CONTENT_LENGTH, attempt.body.len())?,
        // Without a length Pingora frames it.
        Payload::Streamed => {
            if let Some(length) = client.get(header::CONTENT_LENGTH) {
                header.insert_header(header::CONTENT_LENGTH, length)?;
            }
        }
    }
    *upstream = header;
    Ok(())
}

fn expects_body(method: &http::Method) -> bool {
    matches!(
        *method,
        http::Method::POST | http::Method::PUT | http::Method::PATCH
    )
}

/// Supplies the body of this attempt.
pub(super) fn body(ctx: &mut Context, data: &mut Option<Bytes>, end: bool) -> Result<()> {
    match ctx.call()?.body {
        Payload::Read { .. } => {
            let body = &ctx.attempt()?.body;
            *data = (end && !body.is_empty()).then(|| body.clone());
        }
        Payload::Streamed => {
            // HTTP/2 clients end with an empty frame. Pingora would write it as a last chunk and then
            // another one, which the next request on that connection would begin with.
            if end && data.as_ref().is_some_and(Bytes::is_empty) {
                *data = None;
            }
            ctx.call_mut()?.upload_begun |= data.as_ref().is_some_and(|data| !data.is_empty());
        }
    }
    Ok(())
}

/// The error that ends the search for an account; what the client is told is in the context.
pub(super) fn refused() -> Box<Error> {
    Error::new(ErrorType::Custom("Refused"))
}

fn no_call() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "an attempt without a call")
}

fn foreign(call: &Call) -> Fault {
    Fault::new(
        FaultKind::NotImplemented,
        "format_not_supported",
        format!(
            "the accounts that serve '{}' do not speak the format of this request, and this version does not translate",
            call.model
        ),
    )
    .with_param("model")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_is_capped() {
        let (first, cap) = (Duration::from_secs(1), Duration::from_secs(30));
        for round in 0..40 {
            let most = first * 2_u32.pow(round.min(5));
            assert!(
                (0..50).all(|_| backoff(first, cap, round) <= most.min(cap)),
                "round {round}"
            );
        }
    }
}
