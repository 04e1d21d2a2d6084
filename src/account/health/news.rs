//! What instances tell each other about accounts: that one rests, that one is well again.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Cause, Cell, Cells, Failure, Health, Rest, make_room};
use crate::account::AccountId;
use crate::state::Outbox;

/// A rest that becomes longer by less is no news.
pub(super) const NEWS: Duration = Duration::from_millis(50);
/// A failure here is newer than what another instance has found in so short a time.
const MEANWHILE: Duration = Duration::from_millis(250);
/// No rest that another instance tells of is longer: a mistake must not be for ever.
const LONGEST: Duration = Duration::from_hours(24);

/// News about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiding {
    /// The account.
    pub account: AccountId,
    /// The model on it; `None`: the key itself.
    pub model: Option<Box<str>>,
    /// What there is to say.
    pub what: What,
}

/// What there is to say about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It rests.
    Rests {
        /// When that is over.
        until: Instant,
        /// Why.
        cause: Cause,
        /// Failures in a row.
        failures: u32,
    },
    /// It has proven itself.
    Well,
}

impl Health {
    /// That of `account`, about which other instances are told in `news`.
    pub fn telling(account: AccountId, news: Arc<Outbox<Tiding>>) -> Self {
        Self {
            news: Some((account, news)),
            ..Self::default()
        }
    }

    /// Tells the other instances. Costs nothing where there are none.
    pub(super) fn tell(&self, model: Option<&str>, what: What) {
        if let Some((account, news)) = &self.news {
            // Without room, the others find out themselves.
            let _ = news.put(Tiding {
                account: *account,
                model: model.map(Into::into),
                what,
            });
        }
    }

    /// Takes what another instance has found out.
    pub fn hear(&self, model: Option<&str>, what: What, now: Instant) {
        let mut cells = self.cells.lock();
        match what {
            What::Rests {
                until,
                cause,
                failures,
            } => {
                let cell = cells.of(model, now);
                let until = until.min(now + LONGEST);
                if until > cell.until {
                    cell.until = until;
                    cell.cause = cause;
                    cell.failures = cell.failures.max(failures);
                    cell.general = true;
                    cell.probe = None;
                }
            }
            What::Well => {
                let is_old =
                    |cell: &mut Cell| cell.since.is_none_or(|since| since + MEANWHILE <= now);
                match model {
                    None => drop(cells.key.take_if(is_old)),
                    Some(model) => {
                        if cells.models.get_mut(model).is_some_and(is_old) {
                            cells.models.remove(model);
                        }
                    }
                }
            }
        }
        self.count(&cells);
    }

    /// The rests that are not over, as news.
    pub fn standing(&self, account: AccountId, now: Instant) -> Vec<Tiding> {
        if self.marked.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let cells = self.cells.lock();
        let key = cells.key.iter().map(|cell| (None, cell));
        let models = cells.models.iter();
        key.chain(models.map(|(model, cell)| (Some(model.clone()), cell)))
            .filter(|(_, cell)| cell.general && now < cell.until)
            .map(|(model, cell)| Tiding {
                account,
                model,
                what: cell.rests(),
            })
            .collect()
    }
}

impl Failure {
    /// Whether it is so wherever the account is used from: the provider has said it of the account. Any other
    /// trouble may be that of one instance's network, and must not rest the accounts of all.
    pub(super) fn is_general(self) -> bool {
        self.cause == Cause::Limit || self.rest != Rest::Backoff
    }
}

impl Cell {
    pub(super) fn rests(&self) -> What {
        What::Rests {
            until: self.until,
            cause: self.cause,
            failures: self.failures,
        }
    }
}

impl Cells {
    /// The cell of a model or of the key, fresh if there was none.
    pub(super) fn of(&mut self, model: Option<&str>, now: Instant) -> &mut Cell {
        match model {
            None => self.key.get_or_insert_with(|| Cell::fresh(now)),
            Some(model) => {
                make_room(&mut self.models, model);
                self.models
                    .entry(model.into())
                    .or_insert_with(|| Cell::fresh(now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Admission, Bounds, Lease, Scope};
    use super::*;

    const BOUNDS: Bounds = Bounds {
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
    };

    fn health() -> (Arc<Health>, Arc<Outbox<Tiding>>) {
        let news = Arc::new(Outbox::new(10));
        let health = Health::telling(AccountId(1), Arc::clone(&news));
        (Arc::new(health), news)
    }

    fn fail(health: &Arc<Health>, scope: Scope, now: Instant) {
        let failure = Failure {
            scope,
            cause: Cause::Limit,
            rest: Rest::Backoff,
        };
        let lease = Lease::new(Arc::clone(health), "m".into(), false, now);
        lease.failed(failure, BOUNDS, now);
    }

    fn pass(from: &Outbox<Tiding>, to: &Health, now: Instant) -> usize {
        let news = from.take_now(100);
        for one in &news {
            to.hear(one.model.as_deref(), one.what, now);
        }
        news.len()
    }

    #[test]
    fn a_rest_that_begins_at_one_begins_at_all_and_ends_so_too() {
        for scope in [Scope::Key, Scope::Model] {
            let ((one, told), (two, silent)) = (health(), health());
            let now = Instant::now();
            fail(&one, scope, now);
            // Those that were under way say nothing new.
            fail(&one, scope, now);
            assert_eq!(pass(&told, &two, now), 1);
            let (until, _) = two.rest("m", now).unwrap();
            assert_eq!(until, now + BOUNDS.min);
            assert_eq!(one.report(), two.report());
            let later = now + BOUNDS.min;
            let Admission::Ready { probe: true } = one.admit("m", later) else {
                panic!();
            };
            Lease::new(Arc::clone(&one), "m".into(), true, later).succeeded();
            assert_eq!(pass(&told, &two, later), 1);
            assert_eq!(two.admit("m", later), Admission::Ready { probe: false });
            assert!(silent.take_now(9).is_empty(), "what is heard is not told");
        }
    }

    #[test]
    fn what_may_be_trouble_of_ones_own_is_not_told() {
        let (health, news) = health();
        let now = Instant::now();
        for (cause, rest, told) in [
            (Cause::Trouble, Rest::Backoff, 0),
            (Cause::Trouble, Rest::Refused, 1),
            (Cause::Limit, Rest::Longest, 1),
        ] {
            let failure = Failure {
                scope: Scope::Key,
                cause,
                rest,
            };
            let lease = Lease::new(Arc::clone(&health), "m".into(), false, now);
            lease.failed(failure, BOUNDS, now);
            assert_eq!(
                health.standing(AccountId(1), now).len(),
                told,
                "{failure:?}"
            );
            assert_eq!(news.take_now(9).len(), told, "{failure:?}");
        }
    }

    #[test]
    fn what_another_has_found_before_a_failure_here_does_not_count() {
        let (health, _) = health();
        let now = Instant::now();
        fail(&health, Scope::Model, now);
        let soon = now + Duration::from_millis(5);
        health.hear(Some("m"), What::Well, soon);
        assert!(health.rest("m", soon).is_some());
        health.hear(Some("m"), What::Well, now + MEANWHILE);
        assert!(health.rest("m", soon).is_none());
        health.hear(None, What::Well, now);
        health.hear(Some("unknown"), What::Well, now);
    }

    #[test]
    fn absurd_rests_are_cut_and_shorter_ones_change_nothing() {
        let (health, _) = health();
        let now = Instant::now();
        let rests = |left| What::Rests {
            until: now + left,
            cause: Cause::Trouble,
            failures: 3,
        };
        health.hear(None, rests(2 * LONGEST), now);
        health.hear(None, rests(Duration::from_secs(1)), now);
        let standing = health.standing(AccountId(1), now);
        assert_eq!(standing.len(), 1);
        assert_eq!(standing[0].what, rests(LONGEST));
        assert!(health.standing(AccountId(1), now + LONGEST).is_empty());
    }
}
