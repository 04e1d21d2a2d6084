//! Routes of requests that come with a client's own key, and of those that come without.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Candidate, Route, Strategy, Target, Tier};
use crate::wire::Format;

impl Candidate {
    /// The same for one request with a key of its own: what other keys have done to the account's health
    /// is not held against it, and the other way round.
    fn for_client_key(&self) -> Self {
        Self {
            account: Arc::clone(&self.account),
            health: Arc::default(),
            model: self.model.clone(),
            closed: false,
        }
    }
}

impl Route {
    /// Whether any account serves a request without a key of the client's own.
    pub fn is_open(&self) -> bool {
        let tiers = self.targets.iter().flat_map(|target| target.tiers.iter());
        let mut candidates = tiers.flat_map(|tier| tier.candidates());
        candidates.any(|candidate| !candidate.closed)
    }

    /// The first account that takes clients' keys and speaks `format` (`None`: any will do), alone and
    /// with a health of its own.
    pub fn for_client_key(&self, format: Option<Format>) -> Option<Self> {
        self.targets.iter().find_map(|target| {
            let serves = |candidate: &&Candidate| {
                let account = &candidate.account;
                let model = candidate.model.as_ref().unwrap_or(&target.model);
                account.client_keys
                    && format.is_none_or(|format| account.formats.contains(&format))
                    && !candidate.excludes(model)
            };
            let mut candidates = target.tiers.iter().flat_map(|tier| tier.candidates());
            let candidate = candidates.find(serves)?.for_client_key();
            let tier = Tier::new(vec![candidate], Strategy::FillFirst, Arc::default());
            Some(Self {
                targets: SmallVec::from_iter([Target {
                    tiers: Arc::new([Arc::new(tier)]),
                    model: Arc::clone(&target.model),
                }]),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::super::super::health::{Bounds, Cause, Failure, Rest, Scope};
    use super::super::super::testing::account;
    use super::super::{Choice, Pick, Seat, Tried};
    use super::*;
    use crate::secret::Secret;

    fn pick(route: &Route, tried: &mut Tried) -> Option<Choice> {
        match route.pick(tried, None, Seat::Turn(0), Instant::now()) {
            Pick::Chosen(choice) => Some(choice),
            _ => None,
        }
    }

    fn fail(choice: Choice) {
        let failure = Failure {
            scope: Scope::Key,
            cause: Cause::Trouble,
            rest: Rest::Longest,
        };
        let second = std::time::Duration::from_secs(1);
        let bounds = Bounds {
            min: second,
            max: 300 * second,
        };
        choice.lease.failed(failure, bounds, Instant::now());
    }

    fn route(tiers: Vec<Arc<Tier>>) -> Route {
        Route {
            targets: SmallVec::from_iter([Target {
                tiers: tiers.into(),
                model: "m".into(),
            }]),
        }
    }

    #[test]
    fn a_clients_key_goes_to_the_first_account_that_takes_it_and_harms_no_other() {
        let of = |name: &str, client_keys, key: &str| {
            let mut account = account(name);
            account.client_keys = client_keys;
            account.key = Secret::new(key);
            Candidate::new(Arc::new(account), Arc::default(), None)
        };
        let tier = |candidates| {
            let tier = Tier::new(candidates, Strategy::RoundRobin, Arc::default());
            Arc::new(tier)
        };
        let all = route(vec![
            tier(vec![of("ours", false, "k"), of("closed", true, "")]),
            tier(vec![of("both", true, "k")]),
        ]);
        assert!(all.is_open());
        let mut tried = Tried::default();
        let names = std::iter::from_fn(|| pick(&all, &mut tried));
        let names: Vec<_> = names.map(|choice| choice.account.name.clone()).collect();
        assert_eq!(names, ["ours", "both"].map(Arc::<str>::from));
        let theirs = all.for_client_key(None).unwrap();
        let choice = pick(&theirs, &mut Tried::default()).unwrap();
        assert_eq!(&*choice.account.name, "closed");
        fail(choice);
        assert!(pick(&theirs, &mut Tried::default()).is_none(), "it rests");
        let again = all.for_client_key(None).unwrap();
        assert!(pick(&again, &mut Tried::default()).is_some());
        assert!(all.for_client_key(Some(Format::Gemini)).is_none());
        let closed = route(vec![tier(vec![of("closed", true, "")])]);
        assert!(!closed.is_open());
        let none = route(vec![tier(vec![of("ours", false, "k")])]);
        assert!(none.for_client_key(None).is_none());
    }
}
