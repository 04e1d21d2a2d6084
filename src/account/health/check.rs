//! What a check beside the requests says about an account: whether it can be reached, and whether its key
//! is good. It says nothing about limits and nothing about single models.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Bounds, Cause, Failure, Health, Rest, Scope, What};

/// How the key stood when a check began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen(Option<Instant>);

impl Health {
    /// How the key stands before a check.
    pub fn before_check(&self) -> Seen {
        if self.marked.load(Ordering::Acquire) == 0 {
            return Seen(None);
        }
        Seen(self.cells.lock().key.map(|cell| cell.until))
    }

    /// The check went well: what had rested the key for trouble is over, unless it happened since. True:
    /// it had rested.
    pub fn check_passed(&self, seen: Seen) -> bool {
        let Seen(Some(until)) = seen else {
            return false;
        };
        let mut cells = self.cells.lock();
        let is_over = |cell: &mut super::Cell| cell.until == until && cell.cause == Cause::Trouble;
        let ended = cells.key.take_if(is_over).is_some();
        if ended {
            self.tell(None, What::Well);
        }
        self.count(&cells);
        ended
    }

    /// The check failed: `refused` when the provider does not know the key. It rests for so long.
    pub fn check_failed(&self, refused: bool, bounds: Bounds, now: Instant) -> Duration {
        let failure = Failure {
            scope: Scope::Key,
            cause: Cause::Trouble,
            rest: match refused {
                true => Rest::Refused,
                false => Rest::Backoff,
            },
        };
        self.fail("", failure, bounds, now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Admission;
    use super::*;

    const BOUNDS: Bounds = Bounds {
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
    };

    #[tokio::test(start_paused = true)]
    async fn a_check_rests_a_key_and_wakes_it() {
        let (health, now) = (Health::default(), Instant::now());
        assert!(!health.check_passed(health.before_check()));
        assert_eq!(
            health.check_failed(true, BOUNDS, now),
            Duration::from_secs(60)
        );
        assert!(health.is_key_resting(now));
        assert!(health.check_passed(health.before_check()));
        assert_eq!(health.admit("m", now), Admission::Ready { probe: false });
        assert_eq!(health.check_failed(false, BOUNDS, now), BOUNDS.min);
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_does_not_end_what_it_knows_nothing_about() {
        let (health, now) = (Health::default(), Instant::now());
        let limit = Failure {
            scope: Scope::Key,
            cause: Cause::Limit,
            rest: Rest::Longest,
        };
        health.fail("m", limit, BOUNDS, now);
        assert!(!health.check_passed(health.before_check()), "a limit");
        assert!(health.is_key_resting(now));

        let (health, later) = (Health::default(), now + Duration::from_secs(2));
        health.check_failed(false, BOUNDS, now);
        let seen = health.before_check();
        health.check_failed(true, BOUNDS, later);
        assert!(!health.check_passed(seen), "a failure since");
        assert!(health.is_key_resting(later));

        let health = Health::default();
        let of_model = Failure {
            scope: Scope::Model,
            ..limit
        };
        health.fail("m", of_model, BOUNDS, now);
        health.check_passed(health.before_check());
        assert!(health.rest("m", now).is_some(), "a model");
    }
}
