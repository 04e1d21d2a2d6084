//! The search for an account: who is next, and how long the request waits when all of them rest.
//!
//! The first round tries every candidate once, without waiting. Each later round costs one of
//! `request-retry`, and begins after a random, growing pause or when the first account has rested.

use std::sync::Arc;
use std::time::Duration;

use pingora_core::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::Instant;

use super::context::{Call, Context, Payload};
use super::gate::Limit;
use super::not_found::model_not_found;
use super::verdict::{Outcome, exhausted, limited, unavailable};
use crate::account::health::Cause;
use crate::account::homes::Homes;
use crate::account::pool::{Choice, Pick, Seat};
use crate::chat::{Fault, FaultKind};
use crate::config::Retry;

/// The next account, after a wait when all of them rest.
pub(super) async fn choose(session: &mut Session, ctx: &mut Context) -> Result<Choice> {
    loop {
        let live = Arc::clone(&ctx.live);
        let retry = &live.config.retry;
        let call = ctx.call_mut()?;
        let now = Instant::now();
        let wait = match call.pick(live.homes.as_deref(), now) {
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
    /// The next account; the conversation moves to it.
    fn pick(&mut self, homes: Option<&Homes>, now: Instant) -> Pick {
        let (native, seat) = (self.native_format(), self.seat(homes));
        let pick = self.route.pick(&mut self.tried, native, seat, now);
        if let (Some(homes), Some(conversation), Pick::Chosen(choice)) =
            (homes, self.conversation, &pick)
        {
            let account = choice.account.id;
            if !matches!(seat, Seat::With { account: home, .. } if home == account) {
                homes.settle(conversation, account);
            }
        }
        pick
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
    said.unwrap_or_else(|| model_not_found(&call.model))
}

/// Exponential with full jitter: any time up to `first` × 2ⁿ, never above `cap`. Nothing before the
/// first request has failed.
fn backoff(first: Duration, cap: Duration, round: u32) -> Duration {
    let most = first
        .saturating_mul(1_u32.checked_shl(round.min(20)).unwrap_or(u32::MAX))
        .min(cap);
    most.mul_f64(rand::random::<f64>())
}

/// Waits, as [`watched`] does.
async fn pause(session: &mut Session, call: &Call, until: Instant) -> Result<()> {
    watched(session, call, tokio::time::sleep_until(until)).await
}

/// Does `work`, meanwhile sending keep-alives and watching for a client that leaves. A body that was not
/// read yet is left alone: its next bytes belong to the upstream.
pub(super) async fn watched<T>(
    session: &mut Session,
    call: &Call,
    work: impl Future<Output = T>,
) -> Result<T> {
    let watch = async {
        match call.body {
            Payload::Read { .. } | Payload::WebSocket => {
                session.downstream_session.read_body_or_idle(true).await
            }
            Payload::Streamed => match call.gate.end() {
                None => std::future::pending().await,
                Some(end) => {
                    tokio::time::sleep_until(end).await;
                    Err(Limit::Total.error())
                }
            },
        }
    };
    tokio::select! {
        ended = watch => match ended {
            // There is nothing left to read: an idle client can only leave.
            Ok(_) => Err(Error::new(ErrorType::ConnectionClosed).into_down()),
            Err(error) => Err(error.into_down()),
        },
        done = work => Ok(done),
    }
}

fn foreign(call: &Call) -> Fault {
    Fault::new(
        FaultKind::NotImplemented,
        "format_not_supported",
        format!(
            "the accounts that serve '{}' do not speak the format of this request, and it is not one that can be translated",
            call.model
        ),
    )
    .with_param("model")
}

/// The error that ends the search for an account; what the client is told is in the context.
pub(super) fn refused() -> Box<Error> {
    Error::new(ErrorType::Custom("Refused"))
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
