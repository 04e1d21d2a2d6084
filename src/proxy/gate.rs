//! What the phases of a request and its wrapped session tell each other.
//!
//! Pingora gives the phases a session and a context but no way to reach into a custom session, so
//! both hold this. They run in one task: the lock is never contended.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use pingora_core::protocols::http::{HttpTask, ServerSession};
use pingora_core::{Error, ErrorType, Result};
use pingora_http::ResponseHeader;
use tokio::time::Instant;

use super::cors::Grant;
use super::respond;
use crate::price::Nano;
use crate::upstream::Timeouts;
use crate::wire::Format;

/// Keeps a silent stream alive.
pub(super) struct KeepAlive {
    /// Longest silence.
    pub every: Duration,
    /// What is sent.
    pub bytes: &'static [u8],
    /// For the header that goes out before the first one.
    pub request_id: Arc<str>,
    /// The client's format.
    pub format: Format,
    /// Which pages may read it.
    pub cors: Option<Grant>,
}

impl KeepAlive {
    /// The header of the stream.
    pub(super) fn header(&self) -> Result<Box<ResponseHeader>> {
        let header = respond::preamble(&self.request_id, self.format, self.cors.as_ref())?;
        Ok(Box::new(header))
    }
}

/// A time limit that can pass while an attempt runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// No header came.
    FirstByte,
    /// The answer stopped coming.
    Idle,
    /// The whole request took too long.
    Total,
}

impl Limit {
    /// The error that ends the attempt; [`Limit::of`] knows it again.
    pub(super) fn error(self) -> Box<Error> {
        Error::new(ErrorType::Custom(self.name()))
    }

    /// The limit that `error` is about, if it is about one.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error.etype() {
            ErrorType::Custom(name) => [Self::FirstByte, Self::Idle, Self::Total]
                .into_iter()
                .find(|limit| limit.name() == *name),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::FirstByte => "FirstByteTimeout",
            Self::Idle => "IdleTimeout",
            Self::Total => "TotalTimeout",
        }
    }
}

/// Shared by one request's phases and its session.
#[derive(Default)]
pub struct Gate(Mutex<State>);

#[derive(Default)]
struct State {
    /// Counts attempts, so that the session can tell when one has replaced another.
    attempt: u32,
    /// The answer's header has left.
    committed: bool,
    /// Something of the answer has left, not only keep-alives.
    begun: bool,
    /// An error answer is being read and not yet judged.
    undecided: bool,
    /// The answer cannot take a keep-alive: it is no event stream.
    mute: bool,
    /// A write was given up half-way: nothing that is written now would be understood.
    torn: bool,
    /// The upstream has answered at all.
    answered: bool,
    /// When the upstream was last heard.
    heard: Option<Instant>,
    /// When the client was last sent something.
    sent: Option<Instant>,
    first_byte: Option<Instant>,
    /// How long the first byte may take.
    patience: Duration,
    idle: Option<Duration>,
    /// When the attempt must have ended, or between attempts the request.
    end: Option<Instant>,
    /// When the request must have ended.
    total: Option<Instant>,
    /// Both sides speak WebSocket.
    switched: bool,
    pings: u32,
    bytes: u64,
    session: Option<Box<ServerSession>>,
    /// What the answer has cost, to be told.
    cost: Option<Nano>,
}

impl Gate {
    /// A gate for a request that must end by `total`.
    pub fn new(now: Instant, total: Instant) -> Self {
        let gate = Self::default();
        {
            let mut state = gate.0.lock();
            state.sent = Some(now);
            state.total = Some(total);
            state.end = Some(total);
        }
        gate
    }

    /// Another attempt begins: what was held of the last one is void.
    pub(super) fn begin_attempt(&self, now: Instant, timeouts: Timeouts) {
        let mut state = self.0.lock();
        let end = now + timeouts.total;
        state.attempt += 1;
        state.undecided = false;
        state.answered = false;
        state.mute = false;
        state.first_byte = Some(now + timeouts.connect + timeouts.first_byte);
        state.patience = timeouts.first_byte;
        state.idle = Some(timeouts.idle);
        state.end = Some(state.total.map_or(end, |total| total.min(end)));
        state.heard = None;
    }

    /// No attempt runs (between two of them): only the limit of the whole request holds.
    pub(super) fn end_attempt(&self) {
        let mut state = self.0.lock();
        state.first_byte = None;
        state.heard = None;
        state.end = state.total;
        state.mute = false;
    }

    /// An error answer is being read: nothing of it may pass yet.
    pub fn set_undecided(&self, undecided: bool) {
        self.0.lock().undecided = undecided;
    }

    /// The answer is no event stream: keep-alives would corrupt it.
    pub fn mute(&self) {
        self.0.lock().mute = true;
    }

    /// Whether the answer's header has left.
    pub fn is_committed(&self) -> bool {
        self.0.lock().committed
    }

    /// Whether something of the answer has left.
    pub fn has_begun(&self) -> bool {
        self.0.lock().begun
    }

    /// Keep-alives sent.
    pub fn pings(&self) -> u32 {
        self.0.lock().pings
    }

    /// Bytes of the answer's body that were sent.
    pub fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    /// By when the client must have taken what is written to it, and what has passed when it has not.
    pub(super) fn end_of_write(&self, now: Instant) -> Option<(Instant, Limit)> {
        let state = self.0.lock();
        let end = state.end.map(|end| (end, Limit::Total));
        // A request has an end. A WebSocket may have none, and may not hang for ever.
        let silence = state.idle.filter(|_| state.switched);
        let silence = silence.map(|idle| (now + idle, Limit::Idle));
        [end, silence]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at)
    }

    /// When the attempt, or between attempts the request, must have ended.
    pub(super) fn end(&self) -> Option<Instant> {
        self.0.lock().end
    }

    /// The attempt that runs, counted from 1.
    pub(super) fn attempt(&self) -> u32 {
        self.0.lock().attempt
    }

    /// A write was given up half-way.
    pub(super) fn set_torn(&self) {
        self.0.lock().torn = true;
    }

    /// Whether a write was given up half-way.
    pub(super) fn is_torn(&self) -> bool {
        self.0.lock().torn
    }

    pub(super) fn is_undecided(&self) -> bool {
        self.0.lock().undecided
    }

    /// Marks the header as sent; true when it had not been.
    pub(super) fn commit(&self) -> bool {
        !std::mem::replace(&mut self.0.lock().committed, true)
    }

    pub(super) fn pinged(&self) {
        let mut state = self.0.lock();
        state.pings += 1;
        state.sent = Some(Instant::now());
    }

    /// The upstream was heard. Returns the running attempt and whether the header has left.
    pub(super) fn heard(&self) -> (u32, bool) {
        let mut state = self.0.lock();
        state.answered = true;
        state.heard = Some(Instant::now());
        (state.attempt, state.committed)
    }

    /// The client has sent a piece of a body that the upstream waits for: the upstream's time to answer
    /// begins anew.
    pub(super) fn uploaded(&self) {
        let mut state = self.0.lock();
        let now = Instant::now();
        let at = now + state.patience;
        state.first_byte = state.first_byte.map(|first| first.max(at));
        if state.switched {
            state.heard = Some(now);
        }
    }

    /// Provider and client speak WebSocket from now on: nothing can be taken back, each side's bytes end
    /// a silence, and it must have ended by `end` only where that is given.
    pub(super) fn switch(&self, end: Option<Instant>) {
        let mut state = self.0.lock();
        state.switched = true;
        state.begun = true;
        state.mute = true;
        state.end = end;
    }

    /// The client has taken what it was sent. However long that took, the upstream was not silent, it
    /// was not listened to.
    pub(super) fn taken(&self) {
        let mut state = self.0.lock();
        let now = Some(Instant::now());
        if state.sent == state.heard {
            state.sent = now;
        }
        state.heard = now;
    }

    pub(super) fn sent(&self, tasks: &[HttpTask]) {
        let bytes: usize = tasks
            .iter()
            .map(|task| match task {
                HttpTask::Body(Some(data), _) | HttpTask::UpgradedBody(Some(data), _) => data.len(),
                _ => 0,
            })
            .sum();
        if bytes == 0 {
            // All of it waits in the relay: to the client the provider is still silent.
            return;
        }
        let mut state = self.0.lock();
        state.begun = true;
        state.bytes += bytes as u64;
        state.sent = state.heard;
    }

    /// When the attempt's next limit passes, and when the next keep-alive is due.
    pub(super) fn due(
        &self,
        every: Option<Duration>,
    ) -> (Option<(Instant, Limit)>, Option<Instant>) {
        let state = self.0.lock();
        let attempt = if state.answered {
            state
                .heard
                .zip(state.idle)
                .map(|(heard, idle)| (heard + idle, Limit::Idle))
        } else {
            state.first_byte.map(|at| (at, Limit::FirstByte))
        };
        let total = state.end.map(|at| (at, Limit::Total));
        let limit = [attempt, total]
            .into_iter()
            .flatten()
            .min_by_key(|(at, _)| *at);
        let ping = match every {
            Some(every) if !state.mute => state.sent.map(|sent| sent + every),
            _ => None,
        };
        (limit, ping)
    }

    /// The answer that is about to leave has cost so much.
    pub(super) fn tell_cost(&self, cost: Nano) {
        self.0.lock().cost = Some(cost);
    }

    /// What the answer has cost, if somebody is to be told.
    pub(super) fn cost(&self) -> Option<Nano> {
        self.0.lock().cost
    }

    pub(super) fn hand_back(&self, session: Box<ServerSession>) {
        self.0.lock().session = Some(session);
    }

    pub(super) fn take_session(&self) -> Option<Box<ServerSession>> {
        self.0.lock().session.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMEOUTS: Timeouts = Timeouts {
        connect: SECOND,
        first_byte: Duration::from_secs(9),
        idle: Duration::from_secs(5),
        total: Duration::from_secs(50),
        websocket: None,
    };

    #[tokio::test(start_paused = true)]
    async fn the_next_limit_is_the_first_byte_then_idleness_and_always_the_total() {
        let now = Instant::now();
        let gate = Gate::new(now, now + 100 * SECOND);
        assert_eq!(
            gate.due(None),
            (Some((now + 100 * SECOND, Limit::Total)), None)
        );
        gate.begin_attempt(now, TIMEOUTS);
        assert_eq!(
            gate.due(None).0,
            Some((now + 10 * SECOND, Limit::FirstByte))
        );
        tokio::time::advance(SECOND).await;
        gate.heard();
        assert_eq!(gate.due(None).0, Some((now + 6 * SECOND, Limit::Idle)));
        gate.end_attempt();
        assert_eq!(gate.due(None).0, Some((now + 100 * SECOND, Limit::Total)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_ends_with_a_silence_of_both_sides_and_by_no_total() {
        let now = Instant::now();
        let gate = Gate::new(now, now + 100 * SECOND);
        gate.begin_attempt(now, TIMEOUTS);
        assert_eq!(
            gate.end_of_write(now),
            Some((now + 50 * SECOND, Limit::Total))
        );
        gate.switch(None);
        gate.heard();
        assert_eq!(gate.due(None).0, Some((now + 5 * SECOND, Limit::Idle)));
        tokio::time::advance(4 * SECOND).await;
        gate.uploaded();
        assert_eq!(gate.due(None).0, Some((now + 9 * SECOND, Limit::Idle)));
        let late = now + 99 * SECOND;
        assert_eq!(
            gate.end_of_write(late),
            Some((late + 5 * SECOND, Limit::Idle)),
            "a client that does not read"
        );
        gate.switch(Some(now + 6 * SECOND));
        assert_eq!(gate.due(None).0, Some((now + 6 * SECOND, Limit::Total)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_keep_alive_is_due_after_a_silence_towards_the_client() {
        let now = Instant::now();
        let gate = Gate::new(now, now + 100 * SECOND);
        let every = Some(15 * SECOND);
        assert_eq!(gate.due(every).1, Some(now + 15 * SECOND));
        tokio::time::advance(4 * SECOND).await;
        gate.heard();
        assert_eq!(
            gate.due(every).1,
            Some(now + 15 * SECOND),
            "heard, but nothing was sent"
        );
        gate.sent(&[HttpTask::Body(None, false)]);
        assert_eq!(
            gate.due(every).1,
            Some(now + 15 * SECOND),
            "a write of nothing"
        );
        gate.sent(&[HttpTask::Body(Some("x".into()), false)]);
        assert_eq!(gate.due(every).1, Some(now + 19 * SECOND));
        gate.mute();
        assert_eq!(gate.due(every).1, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_slow_does_not_count_against_the_provider() {
        let now = Instant::now();
        let gate = Gate::new(now, now + 100 * SECOND);
        gate.begin_attempt(now, TIMEOUTS);
        tokio::time::advance(8 * SECOND).await;
        gate.uploaded();
        let first_byte = Some((now + 17 * SECOND, Limit::FirstByte));
        assert_eq!(gate.due(None).0, first_byte, "it was still sending");
        gate.heard();
        gate.sent(&[HttpTask::Body(Some("x".into()), false)]);
        tokio::time::advance(20 * SECOND).await;
        gate.taken();
        let (limit, ping) = gate.due(Some(15 * SECOND));
        assert_eq!(limit, Some((now + 33 * SECOND, Limit::Idle)));
        assert_eq!(ping, Some(now + 43 * SECOND));
    }

    #[test]
    fn a_limit_is_known_again_from_its_error() {
        for limit in [Limit::FirstByte, Limit::Idle, Limit::Total] {
            assert_eq!(Limit::of(&limit.error()), Some(limit));
        }
        assert_eq!(Limit::of(&Error::new(ErrorType::ReadError)), None);
    }
}
