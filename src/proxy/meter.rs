//! What of a request is counted, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::record::{self, End};
use super::verdict::Outcome;
use crate::account::AccountId;
use crate::metrics::{Cause, Ended, OpenStream, Part};

/// The moments of a request that its phases leave behind.
#[derive(Default)]
pub struct Timing {
    /// When all of it was there.
    read: Option<Instant>,
    /// What the gateway has taken for it since, on the first try.
    ready: Option<Duration>,
    /// When its connection was there.
    connected: Option<Instant>,
    /// What the gateway has taken for the answer.
    answer: Duration,
    /// When the first content of a streamed answer came.
    first_token: Option<Instant>,
    /// Counts a streamed answer.
    stream: Option<OpenStream>,
    /// Nobody counts it: a question for health or metrics.
    uncounted: bool,
    /// It is written down: it came with a key that may ask, and asks for more than models' names.
    recorded: bool,
    /// Bytes of its body that passed through.
    uploaded: u64,
    /// Bytes that the gateway has told the client itself.
    told: u64,
}

impl Timing {
    /// All of the request is there.
    pub(super) fn read(&mut self) {
        self.read = Some(Instant::now());
    }

    /// It is a question for health or metrics.
    pub(super) fn leave_out(&mut self) {
        self.uncounted = true;
    }

    /// It will be written down what it has used.
    pub(super) fn write_down(&mut self) {
        self.recorded = true;
    }

    /// Some of its body passes through.
    pub(super) fn uploads(&mut self, bytes: usize) {
        self.uploaded += bytes as u64;
    }

    /// Bytes of its body that passed through.
    pub(super) const fn uploaded(&self) -> u64 {
        self.uploaded
    }

    /// The gateway has told the client something itself.
    pub(super) fn tells(&mut self, bytes: usize) {
        self.told += bytes as u64;
    }

    /// Bytes that the gateway has told the client itself.
    pub(super) const fn told(&self) -> u64 {
        self.told
    }

    /// When the first content of a streamed answer came.
    pub(super) const fn first_token(&self) -> Option<Instant> {
        self.first_token
    }

    /// An account is chosen; `waited`: that took more than looking.
    pub(super) fn chosen(&mut self, waited: bool) {
        self.ready = match self.read.take() {
            Some(read) if !waited => Some(read.elapsed()),
            _ => None,
        };
    }

    /// The request is made ready, which began at `began`.
    pub(super) fn prepared(&mut self, began: Instant) {
        if let Some(ready) = &mut self.ready {
            *ready += began.elapsed();
        }
    }

    /// There is a connection.
    pub(super) fn connected(&mut self) {
        if self.ready.is_some() {
            self.connected = Some(Instant::now());
        }
    }

    /// Some of the answer has been looked at, which began at `began`.
    pub(super) fn answered(&mut self, began: Instant) {
        self.answer += began.elapsed();
    }
}

/// The request is about to leave.
pub(super) fn leaves(ctx: &mut Context) {
    let timing = &mut ctx.timing;
    if let (Some(ready), Some(connected)) = (timing.ready.take(), timing.connected.take()) {
        let took = ready + connected.elapsed();
        ctx.live.meters.spent(Part::Request, took);
    }
}

/// A streamed answer begins.
pub(super) fn streams(ctx: &mut Context) {
    if ctx.timing.stream.is_none() {
        let format = ctx.call.as_deref().and_then(|call| call.format);
        ctx.timing.stream = Some(ctx.live.meters.stream(format));
    }
}

/// Content passes.
pub(super) fn passes(ctx: &mut Context) {
    let timing = &mut ctx.timing;
    if timing.stream.is_some() && timing.first_token.is_none() {
        timing.first_token = Some(Instant::now());
    }
}

/// A try on `account` has ended so; `again`: another one follows.
pub(super) fn tried(ctx: &Context, account: AccountId, outcome: &Outcome, again: bool) {
    let meters = &ctx.live.meters;
    let cause = cause(outcome);
    if says_something(ctx) {
        meters.outcome(account, Some(cause));
    }
    if again {
        meters.metrics().retried(cause);
    }
}

/// Whether the end of a try says something about its account: not with a client's own key, and not when
/// a WebSocket has ended.
fn says_something(ctx: &Context) -> bool {
    let status = ctx.attempt.as_deref().and_then(|attempt| attempt.status);
    ctx.own_key.is_none() && status != Some(101)
}

/// Why a try has failed.
pub(super) fn cause(outcome: &Outcome) -> Cause {
    match outcome {
        Outcome::Refused { fault, .. } | Outcome::BrokeOff(fault) => Cause::Fault(fault.kind),
        Outcome::Unreachable => Cause::Unreachable,
        Outcome::Silent => Cause::Silent,
        Outcome::Stale => Cause::Stale,
        Outcome::BadState => Cause::BadState,
        Outcome::BadToken => Cause::BadToken,
        Outcome::NoToken(_) => Cause::NoToken,
        Outcome::OutOfTime => Cause::OutOfTime,
    }
}

/// The request has ended with `status`.
pub(super) fn ended(ctx: &mut Context, status: u16) {
    ctx.timing.stream = None;
    if ctx.timing.uncounted {
        return;
    }
    let cause = match &ctx.fault {
        Some(fault) => Some(Cause::Fault(fault.kind)),
        None if matches!(status, 0 | 499) => Some(Cause::ClientLeft),
        None if status >= 400 => Some(Cause::ProviderAnswer),
        None => None,
    };
    let usage = match ctx.timing.recorded {
        true => record::said(ctx),
        false => None,
    };
    if ctx.timing.recorded && ctx.live.ledger.is_some() {
        let record = record::of(ctx, End { status, cause });
        if let Some(ledger) = &ctx.live.ledger {
            ledger.record(record);
        }
    }
    let meters = &ctx.live.meters;
    let (call, attempt) = (ctx.call.as_deref(), ctx.attempt.as_deref());
    let format = call.and_then(|call| call.format);
    meters.ended(&Ended {
        format,
        account: attempt.map(|attempt| attempt.account.id),
        model: call.map_or("", |call| &call.model),
        status,
        cause,
        took: ctx.started.elapsed(),
        first_token: ctx
            .timing
            .first_token
            .map(|first| first.saturating_duration_since(ctx.started)),
        usage,
    });
    let Some(attempt) = attempt else {
        return;
    };
    if attempt.status.is_some() {
        meters.spent(Part::Answer, ctx.timing.answer);
    }
    if cause.is_none() && ctx.own_key.is_none() {
        meters.outcome(attempt.account.id, None);
    }
    if let (Some(format), Some((upstream, losses))) = (format, &attempt.translated) {
        meters.lost((format, *upstream), losses.notes());
        if let Some(losses) = attempt.relay.losses() {
            meters.lost((format, *upstream), losses.notes());
        }
    }
}
