//! Who would be tried for a request, in which order, and why others would not. Looking changes nothing:
//! nobody's turn is taken and no probe is claimed.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Candidate, Choice, Route, Seat, Strategy, Tier, Tried};
use crate::account::Account;
use crate::account::health::{Cause, Lease};
use crate::wire::Format;

/// A candidate and how it stands.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The account.
    pub account: Arc<Account>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// How it stands.
    pub standing: Standing,
    candidate: Candidate,
}

/// How a candidate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It may be used.
    Ready,
    /// It rests.
    Resting {
        /// Until then.
        until: Instant,
        /// For this.
        cause: Cause,
    },
    /// Its `excluded-models` rule the model out.
    Excluded,
    /// It does not speak the format, and the request cannot be translated.
    OtherFormat,
    /// Its provider does not know the model, or the request cannot be carried to it.
    Out,
}

impl Seen {
    /// It as if it had been picked, for a request that is not sent.
    pub fn choice(&self, now: Instant) -> Choice {
        let (health, model) = (Arc::clone(&self.candidate.health), Arc::clone(&self.model));
        Choice {
            account: Arc::clone(&self.account),
            model: Arc::clone(&self.model),
            lease: Lease::new(health, model, false, now),
        }
    }
}

impl Route {
    /// The candidates in the order in which [`Route::pick`] would look at them now.
    pub fn survey(
        &self,
        tried: &Tried,
        format: Option<Format>,
        seat: Seat,
        now: Instant,
    ) -> Vec<Seen> {
        let mut seen = Vec::new();
        for target in &self.targets {
            for tier in target.tiers.iter() {
                let mut places: Vec<usize> = tier.home(seat).into_iter().collect();
                for turn in 0..tier.len() {
                    let place = tier.at(tier.first(seat).wrapping_add(turn));
                    if !places.contains(&place) {
                        places.push(place);
                    }
                }
                for place in places {
                    let candidate = &tier.candidates[place];
                    let model = candidate.model.as_ref().unwrap_or(&target.model);
                    seen.push(Seen {
                        account: Arc::clone(&candidate.account),
                        model: Arc::clone(model),
                        standing: candidate.standing(model, tried, format, now),
                        candidate: candidate.clone(),
                    });
                }
            }
        }
        seen
    }
}

impl Candidate {
    fn standing(
        &self,
        model: &str,
        tried: &Tried,
        format: Option<Format>,
        now: Instant,
    ) -> Standing {
        let account = &self.account;
        if format.is_some_and(|format| !account.formats.contains(&format)) {
            Standing::OtherFormat
        } else if self.closed || self.excludes(model) {
            Standing::Excluded
        } else if tried.is_out(account, model) {
            Standing::Out
        } else {
            match self.health.rest(model, now) {
                Some((until, cause)) => Standing::Resting { until, cause },
                None => Standing::Ready,
            }
        }
    }
}

impl Tier {
    /// Where the next search begins, without taking the turn.
    fn first(&self, seat: Seat) -> usize {
        match self.strategy {
            Strategy::RoundRobin => self.cursor.peek(seat.model()),
            Strategy::FillFirst => 0,
        }
    }
}
