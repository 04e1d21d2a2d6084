//! Whether an account may be used now: ready, resting after a failure, or on probation.
//!
//! A failure rests either the whole key (401, 402, 403, exhausted quota) or one model on it. When the
//! rest is over, one request is let through as a probe; its outcome decides for the others. An
//! account that never failed costs one atomic load.

mod check;
mod lease;
mod news;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

pub use check::Seen;
pub use lease::Lease;
pub use news::{Tiding, What};
pub use report::{Mark, Report};

use super::AccountId;
use crate::state::Outbox;

/// Models per account that may have a state of their own; one more evicts the one whose rest ends
/// first. A client that invents model names cannot make this grow.
const MODELS: usize = 1_024;

/// How long an address that could not be used is not asked first.
const ADDRESS: Duration = Duration::from_secs(60);

/// A probe whose request hangs must not keep the account away for ever.
const PROBE_LIMIT: Duration = Duration::from_secs(30);

/// What others do while a probe is out: look again after this long.
const PROBE_WAIT: Duration = Duration::from_millis(250);

/// What a failure is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The key itself.
    Key,
    /// One model on it.
    Model,
}

/// Why an account rests; decides what a client hears when all of them do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Rate limit or exhausted quota: the client may hear 429.
    Limit,
    /// Anything else.
    Trouble,
}

/// How long a failure rests an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// `min` × 2ⁿ, n = failures in a row.
    Backoff,
    /// What the provider hinted.
    Hint(Duration),
    /// A refused key: 60 s × 2ⁿ.
    Refused,
    /// The longest rest there is.
    Longest,
}

/// A failure as the account takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What it is about.
    pub scope: Scope,
    /// Why.
    pub cause: Cause,
    /// How long.
    pub rest: Rest,
}

/// Bounds of a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The first rest.
    pub min: Duration,
    /// The longest, whatever is hinted.
    pub max: Duration,
}

/// May it be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes; `probe` when its outcome decides for the others.
    Ready { probe: bool },
    /// Not before `until`.
    Resting {
        /// When to look again.
        until: Instant,
        /// Why it rests.
        cause: Cause,
        /// The rest is over and another request probes it.
        probing: bool,
    },
}

/// The state of one account. Shared by all configs that have the account.
#[derive(Debug, Default)]
pub struct Health {
    /// How many cells are not spotless; 0 is the fast path.
    marked: AtomicU32,
    cells: Mutex<Cells>,
    /// Where other instances are told about it.
    news: Option<(AccountId, Arc<Outbox<Tiding>>)>,
    /// Which of the account's addresses was the last that answered, when not the first, and until when that
    /// is believed.
    address: Mutex<Option<(usize, Instant)>>,
}

#[derive(Debug, Default)]
struct Cells {
    key: Option<Cell>,
    models: HashMap<Box<str>, Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    failures: u32,
    /// When it last failed here; `None`: others say that it rests.
    since: Option<Instant>,
    /// It is so for every instance.
    general: bool,
    until: Instant,
    cause: Cause,
    /// When the probe that is out was let through.
    probe: Option<Instant>,
}

impl Cell {
    fn admit(&mut self, now: Instant) -> Admission {
        if now < self.until {
            return Admission::Resting {
                until: self.until,
                cause: self.cause,
                probing: false,
            };
        }
        match self.probe {
            Some(since) if now < since + PROBE_LIMIT => Admission::Resting {
                until: now + PROBE_WAIT,
                cause: self.cause,
                probing: true,
            },
            _ => {
                self.probe = Some(now);
                Admission::Ready { probe: true }
            }
        }
    }
}

impl Health {
    /// Whether `model` may be used on this account at `now`. A `Ready { probe: true }` has claimed
    /// the probe: settle it through a [`Lease`].
    pub fn admit(&self, model: &str, now: Instant) -> Admission {
        if self.marked.load(Ordering::Acquire) == 0 {
            return Admission::Ready { probe: false };
        }
        let mut cells = self.cells.lock();
        let cells = &mut *cells;
        let mut probe = false;
        let marked = [cells.key.as_mut(), cells.models.get_mut(model)];
        let mut claimed: Option<&mut Cell> = None;
        for cell in marked.into_iter().flatten() {
            match cell.admit(now) {
                Admission::Ready { .. } => {
                    probe = true;
                    claimed = Some(cell);
                }
                resting => {
                    if let Some(other) = claimed {
                        other.probe = None;
                    }
                    return resting;
                }
            }
        }
        Admission::Ready { probe }
    }

    /// How long `model` rests on this account, if it does at `now`. Claims nothing.
    pub fn rest(&self, model: &str, now: Instant) -> Option<(Instant, Cause)> {
        if self.marked.load(Ordering::Acquire) == 0 {
            return None;
        }
        let cells = self.cells.lock();
        [cells.key.as_ref(), cells.models.get(model)]
            .into_iter()
            .flatten()
            .filter(|cell| now < cell.until)
            .map(|cell| (cell.until, cell.cause))
            .max_by_key(|(until, _)| *until)
    }

    /// Whether the key itself rests at `now`.
    pub fn is_key_resting(&self, now: Instant) -> bool {
        self.marked.load(Ordering::Acquire) != 0
            && self.cells.lock().key.is_some_and(|cell| now < cell.until)
    }

    /// Which of the account's addresses is asked first at `now`.
    fn address(&self, now: Instant) -> usize {
        let address = *self.address.lock();
        address.map_or(0, |(place, until)| if now < until { place } else { 0 })
    }

    /// Its address before the one at `place` could not be used.
    fn moved(&self, place: usize, now: Instant) {
        *self.address.lock() = (place > 0).then(|| (place, now + ADDRESS));
    }

    /// The key has failed outside of any request.
    pub fn fail_key(&self, failure: Failure, bounds: Bounds, now: Instant) -> Duration {
        let scope = Scope::Key;
        self.fail("", Failure { scope, ..failure }, bounds, now)
    }

    /// There is another key in the place of the one that has failed.
    pub fn renew_key(&self) {
        if self.marked.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut cells = self.cells.lock();
        if cells.key.take().is_some() {
            self.tell(None, What::Well);
        }
        self.count(&cells);
    }

    fn fail(&self, model: &str, failure: Failure, bounds: Bounds, now: Instant) -> Duration {
        let mut cells = self.cells.lock();
        let cells = &mut *cells;
        let of = match failure.scope {
            Scope::Key => {
                if let Some(cell) = cells.models.get_mut(model) {
                    cell.probe = None;
                }
                None
            }
            Scope::Model => {
                if let Some(cell) = &mut cells.key {
                    cell.probe = None;
                }
                Some(model)
            }
        };
        let cell = cells.of(of, now);
        // Requests that were under way when the account was put to rest say nothing new.
        let news = now >= cell.until;
        let rest = failure.rest.length(
            if news {
                cell.failures
            } else {
                cell.failures.saturating_sub(1)
            },
            bounds,
        );
        if news {
            cell.failures = cell.failures.saturating_add(1);
        }
        let longer = now + rest > cell.until + news::NEWS;
        cell.until = cell.until.max(now + rest);
        cell.since = Some(now);
        cell.cause = failure.cause;
        cell.probe = None;
        cell.general = failure.is_general();
        if longer && cell.general {
            self.tell(of, cell.rests());
        }
        self.count(cells);
        rest
    }

    /// A request that began at `began` succeeded. It says nothing about a failure that came after:
    /// a long stream must not wake an account that has reached its limit meanwhile.
    fn succeed(&self, model: &str, began: Instant) {
        if self.marked.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut cells = self.cells.lock();
        let is_over = |cell: &mut Cell| cell.until <= began;
        if cells.key.take_if(is_over).is_some() {
            self.tell(None, What::Well);
        }
        if cells.models.get_mut(model).is_some_and(is_over) {
            cells.models.remove(model);
            self.tell(Some(model), What::Well);
        }
        self.count(&cells);
    }

    fn release(&self, model: &str) {
        let mut cells = self.cells.lock();
        let cells = &mut *cells;
        for cell in [cells.key.as_mut(), cells.models.get_mut(model)]
            .into_iter()
            .flatten()
        {
            cell.probe = None;
        }
    }

    fn count(&self, cells: &Cells) {
        let marked = cells.models.len() + usize::from(cells.key.is_some());
        self.marked
            .store(u32::try_from(marked).unwrap_or(u32::MAX), Ordering::Release);
    }
}

impl Cell {
    fn fresh(now: Instant) -> Self {
        Self {
            failures: 0,
            since: None,
            general: false,
            until: now,
            cause: Cause::Trouble,
            probe: None,
        }
    }
}

fn make_room(models: &mut HashMap<Box<str>, Cell>, wanted: &str) {
    if models.len() < MODELS || models.contains_key(wanted) {
        return;
    }
    let soonest = models
        .iter()
        .min_by_key(|(_, cell)| cell.until)
        .map(|(name, _)| name.clone());
    if let Some(name) = soonest {
        models.remove(&name);
    }
}

impl Rest {
    fn length(self, failures: u32, bounds: Bounds) -> Duration {
        const REFUSED: Duration = Duration::from_secs(60);
        let doubled = |first: Duration| {
            first.saturating_mul(1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX))
        };
        let rest = match self {
            Self::Backoff => doubled(bounds.min),
            Self::Hint(hint) => hint.max(bounds.min),
            Self::Refused => doubled(REFUSED),
            Self::Longest => bounds.max,
        };
        rest.min(bounds.max)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
    };
    const READY: Admission = Admission::Ready { probe: false };
    const PROBE: Admission = Admission::Ready { probe: true };

    fn failure(scope: Scope, rest: Rest) -> Failure {
        Failure {
            scope,
            cause: Cause::Limit,
            rest,
        }
    }

    fn lease(health: &Arc<Health>, model: &str, now: Instant) -> Lease {
        let Admission::Ready { probe } = health.admit(model, now) else {
            panic!("{model} rests");
        };
        Lease::new(Arc::clone(health), model.into(), probe, now)
    }

    fn rests_for(health: &Health, model: &str, now: Instant) -> Option<Duration> {
        match health.admit(model, now) {
            Admission::Resting { until, .. } => Some(until - now),
            Admission::Ready { .. } => None,
        }
    }

    #[test]
    fn a_failing_model_rests_twice_as_long_each_time_and_a_success_forgets_it() {
        let health = Arc::new(Health::default());
        let mut now = Instant::now();
        for seconds in [1, 2, 4, 8] {
            lease(&health, "m", now).failed(failure(Scope::Model, Rest::Backoff), BOUNDS, now);
            assert_eq!(
                rests_for(&health, "m", now),
                Some(Duration::from_secs(seconds))
            );
            assert_eq!(health.admit("other", now), READY);
            now += Duration::from_secs(seconds);
        }
        lease(&health, "m", now).succeeded();
        assert_eq!(health.admit("m", now), READY);
    }

    #[test]
    fn a_hint_is_believed_up_to_the_cap() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        let hint = Rest::Hint(Duration::from_secs(7));
        assert_eq!(
            lease(&health, "a", now).failed(failure(Scope::Model, hint), BOUNDS, now),
            Duration::from_secs(7)
        );
        let day = Rest::Hint(Duration::from_secs(86_400));
        assert_eq!(
            lease(&health, "b", now).failed(failure(Scope::Model, day), BOUNDS, now),
            BOUNDS.max
        );
    }

    #[test]
    fn a_refused_key_rests_for_all_models() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        lease(&health, "m", now).failed(failure(Scope::Key, Rest::Refused), BOUNDS, now);
        assert_eq!(
            rests_for(&health, "other", now),
            Some(Duration::from_secs(60))
        );
        assert!(health.is_key_resting(now));
        let later = now + Duration::from_secs(60);
        lease(&health, "m", later).failed(failure(Scope::Key, Rest::Refused), BOUNDS, later);
        assert_eq!(
            rests_for(&health, "m", later),
            Some(Duration::from_secs(120))
        );
    }

    #[test]
    fn after_the_rest_one_probe_decides() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        lease(&health, "m", now).failed(failure(Scope::Model, Rest::Backoff), BOUNDS, now);
        let later = now + Duration::from_secs(1);
        let probe = lease(&health, "m", later);
        assert_eq!(rests_for(&health, "m", later), Some(PROBE_WAIT));
        probe.succeeded();
        assert_eq!(health.admit("m", later), READY);
    }

    #[test]
    fn looking_at_a_rest_claims_no_probe() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        lease(&health, "m", now).failed(failure(Scope::Model, Rest::Backoff), BOUNDS, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(health.rest("m", now), Some((later, Cause::Limit)));
        assert_eq!(health.rest("other", now), None);
        assert_eq!(health.rest("m", later), None);
        assert_eq!(health.admit("m", later), PROBE);
    }

    #[test]
    fn a_probe_whose_client_left_is_given_to_the_next() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        lease(&health, "m", now).failed(failure(Scope::Model, Rest::Backoff), BOUNDS, now);
        let later = now + Duration::from_secs(1);
        drop(lease(&health, "m", later));
        assert_eq!(health.admit("m", later), PROBE);
    }

    #[test]
    fn failures_that_come_in_while_the_account_rests_do_not_lengthen_the_next_rest() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        let crowd: Vec<_> = (0..50).map(|_| lease(&health, "m", now)).collect();
        for one in crowd {
            one.failed(failure(Scope::Model, Rest::Backoff), BOUNDS, now);
        }
        assert_eq!(rests_for(&health, "m", now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn an_answer_that_began_before_a_failure_does_not_end_the_rest() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        for scope in [Scope::Model, Scope::Key] {
            let (mut stream, limited) = (lease(&health, "m", now), lease(&health, "m", now));
            let later = now + Duration::from_secs(1);
            limited.failed(failure(scope, Rest::Backoff), BOUNDS, later);
            stream.prove();
            stream.succeeded();
            let rest = Some(Duration::from_secs(1));
            assert_eq!(rests_for(&health, "m", later), rest, "{scope:?}");
            let over = later + Duration::from_secs(1);
            lease(&health, "m", over).succeeded();
            assert_eq!(health.admit("m", now), READY, "{scope:?}");
        }
    }

    #[test]
    fn a_key_probe_that_fails_on_the_model_frees_the_key() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        lease(&health, "m", now).failed(failure(Scope::Key, Rest::Longest), BOUNDS, now);
        let later = now + BOUNDS.max;
        lease(&health, "m", later).failed(failure(Scope::Model, Rest::Backoff), BOUNDS, later);
        assert_eq!(health.admit("other", later), PROBE);
    }

    #[test]
    fn invented_model_names_do_not_grow_the_state() {
        let health = Arc::new(Health::default());
        let now = Instant::now();
        for n in 0..5_000 {
            lease(&health, &format!("m{n}"), now).failed(
                failure(Scope::Model, Rest::Backoff),
                BOUNDS,
                now,
            );
        }
        assert_eq!(health.cells.lock().models.len(), MODELS);
    }
}
