//! Choosing one of the accounts that may serve a request.
//!
//! A [`Tier`] holds accounts of equal standing; a [`Route`] is tiers in order. The first tier with a
//! usable account wins; inside it accounts take turns by weight, or the first is used until it
//! rests. With all accounts well, a pick looks at one of them, however many there are.

mod client_key;
mod cursor;
mod seat;
mod survey;
mod turns;

use std::sync::Arc;

use smallvec::SmallVec;
use tokio::time::Instant;

pub use cursor::{CELLS, Cursor, Wish, millis};
pub use seat::Seat;
pub use survey::{Seen, Standing};
use turns::turns;

use super::health::{Admission, Cause, Health, Lease};
use super::{Account, AccountId};
use crate::wire::Format;

/// How one of several equal accounts is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// In turn, by weight.
    RoundRobin,
    /// The first until it rests, then the next.
    FillFirst,
}

/// One account as a route sees it.
#[derive(Debug, Clone)]
pub struct Candidate {
    account: Arc<Account>,
    health: Arc<Health>,
    /// The provider's name for the model; `None`: the name that the client asked for.
    model: Option<Arc<str>>,
    /// Not for requests that come without a key of the client's own.
    closed: bool,
}

impl Candidate {
    /// `account` for the model it calls `model`.
    pub fn new(account: Arc<Account>, health: Arc<Health>, model: Option<Arc<str>>) -> Self {
        Self {
            closed: account.is_for_client_keys_only(),
            account,
            health,
            model,
        }
    }

    /// Whether the account's `excluded-models` rule out `model`. Listed models were checked when the
    /// routes were made.
    pub fn excludes(&self, model: &str) -> bool {
        self.model.is_none() && self.account.excludes(model)
    }
}

/// Accounts of equal standing.
#[derive(Debug)]
pub struct Tier {
    candidates: Box<[Candidate]>,
    /// Order of turns as indices; `None`: one after the other.
    turns: Option<Box<[u32]>>,
    cursor: Arc<Cursor>,
    strategy: Strategy,
}

impl Tier {
    /// Accounts that take turns by their weight, continuing where `cursor` stands.
    pub fn new(candidates: Vec<Candidate>, strategy: Strategy, cursor: Arc<Cursor>) -> Self {
        let weights: Vec<u32> = candidates.iter().map(|one| one.account.weight).collect();
        Self {
            turns: turns(&weights),
            candidates: candidates.into(),
            cursor,
            strategy,
        }
    }

    /// The accounts in it.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// One of its accounts, alone.
    fn only(&self, id: AccountId) -> Option<Self> {
        let candidate = self.candidates.iter().find(|one| one.account.id == id)?;
        Some(Self::new(
            vec![candidate.clone()],
            self.strategy,
            Arc::clone(&self.cursor),
        ))
    }

    fn len(&self) -> usize {
        self.turns
            .as_ref()
            .map_or(self.candidates.len(), |turns| turns.len())
    }

    fn at(&self, turn: usize) -> usize {
        match &self.turns {
            Some(turns) => turns[turn % turns.len()] as usize,
            None => turn % self.candidates.len(),
        }
    }

    fn start(&self, seat: Seat) -> usize {
        match self.strategy {
            Strategy::FillFirst => 0,
            Strategy::RoundRobin => self.cursor.next(seat.model()),
        }
    }
}

/// Tiers in order, and the name that open accounts (those without a `models` list) are asked for.
#[derive(Debug, Clone)]
pub struct Target {
    /// Best first.
    pub tiers: Arc<[Arc<Tier>]>,
    /// The model's name without a prefix.
    pub model: Arc<str>,
}

/// Everything that may serve one request, in order.
#[derive(Debug, Clone)]
pub struct Route {
    /// Never empty.
    pub targets: SmallVec<[Target; 1]>,
}

/// What one request has tried.
#[derive(Debug, Default)]
pub struct Tried {
    /// Candidates of this round, by target, tier and place.
    round: SmallVec<[(usize, usize, usize); 4]>,
    /// Accounts and models that are out for the whole request: the provider does not know the model.
    unknown: SmallVec<[(Arc<Account>, Arc<str>); 1]>,
}

impl Tried {
    /// Every candidate may be tried once more.
    pub fn next_round(&mut self) {
        self.round.clear();
    }

    /// The provider of `choice` does not know the model: its other accounts need not be asked.
    pub fn without_provider(&mut self, account: &Arc<Account>, model: &Arc<str>) {
        self.unknown.push((Arc::clone(account), Arc::clone(model)));
    }

    fn is_out(&self, account: &Account, model: &str) -> bool {
        self.unknown
            .iter()
            .any(|(known, name)| known.is_at_provider_of(account) && **name == *model)
    }
}

/// An account that was picked.
#[derive(Debug)]
pub struct Choice {
    /// The account.
    pub account: Arc<Account>,
    /// The provider's name for the model.
    pub model: Arc<str>,
    /// To be settled.
    pub lease: Lease,
}

/// The outcome of a search.
#[derive(Debug)]
pub enum Pick {
    /// This one.
    Chosen(Choice),
    /// All of them rest, those that were tried in this round too.
    Resting {
        /// The first moment at which one of them may be used.
        until: Instant,
        /// [`Cause::Limit`] when all of them rest for a limit.
        cause: Cause,
        /// The rest of one of them is over and another request probes it.
        probing: bool,
    },
    /// None is left to try in this round, and one that was tried may be tried again.
    Spent,
    /// Every provider that was asked does not know the model.
    Unknown,
    /// No account speaks the client's format.
    Foreign,
}

impl Route {
    /// The next account to try for a client that speaks `format` (`None`: any will do).
    pub fn pick(
        &self,
        tried: &mut Tried,
        format: Option<Format>,
        seat: Seat,
        now: Instant,
    ) -> Pick {
        let mut resting: Option<Resting> = None;
        let (mut native, mut known, mut spent) = (false, false, false);
        for (t, target) in self.targets.iter().enumerate() {
            for (i, tier) in target.tiers.iter().enumerate() {
                let home = tier.home(seat);
                let mut start = None;
                for turn in 0..tier.len() + usize::from(home.is_some()) {
                    let place = match home.filter(|_| turn == 0) {
                        Some(home) => home,
                        None => {
                            let start = *start.get_or_insert_with(|| tier.start(seat));
                            tier.at(start.wrapping_add(turn - usize::from(home.is_some())))
                        }
                    };
                    let candidate = &tier.candidates[place];
                    let account = &candidate.account;
                    if candidate.closed {
                        continue;
                    }
                    if format.is_some_and(|format| !account.formats.contains(&format)) {
                        continue;
                    }
                    native = true;
                    let model = candidate.model.as_ref().unwrap_or(&target.model);
                    if tried.is_out(account, model) || candidate.excludes(model) {
                        continue;
                    }
                    known = true;
                    if tried.round.contains(&(t, i, place)) {
                        match candidate.health.rest(model, now) {
                            Some((until, cause)) => {
                                Resting::add(&mut resting, until, cause, false);
                            }
                            None => spent = true,
                        }
                        continue;
                    }
                    match candidate.health.admit(model, now) {
                        Admission::Ready { probe } => {
                            tried.round.push((t, i, place));
                            return Pick::Chosen(Choice {
                                account: Arc::clone(account),
                                model: Arc::clone(model),
                                lease: Lease::new(
                                    Arc::clone(&candidate.health),
                                    Arc::clone(model),
                                    probe,
                                    now,
                                ),
                            });
                        }
                        Admission::Resting {
                            until,
                            cause,
                            probing,
                        } => Resting::add(&mut resting, until, cause, probing),
                    }
                }
            }
        }
        match resting {
            _ if spent => Pick::Spent,
            Some(all) => Pick::Resting {
                until: all.until,
                cause: all.cause,
                probing: all.probing,
            },
            None if known => Pick::Spent,
            None if native => Pick::Unknown,
            None => Pick::Foreign,
        }
    }

    /// The same route with no other account than `id`; `None`: it is not on it.
    pub fn only(&self, id: AccountId) -> Option<Self> {
        self.targets.iter().find_map(|target| {
            let tier = target.tiers.iter().find_map(|tier| tier.only(id))?;
            Some(Self {
                targets: SmallVec::from_iter([Target {
                    tiers: Arc::new([Arc::new(tier)]),
                    model: Arc::clone(&target.model),
                }]),
            })
        })
    }

    /// Whether one account alone may serve the request.
    pub fn is_single(&self) -> bool {
        let tiers = self.targets.iter().flat_map(|target| target.tiers.iter());
        let open = tiers
            .flat_map(|tier| tier.candidates())
            .filter(|one| !one.closed);
        open.take(2).count() < 2
    }

    /// Whether a provider other than that of `account` is left that may know the model.
    pub fn has_other_provider(
        &self,
        tried: &Tried,
        format: Option<Format>,
        account: &Account,
    ) -> bool {
        self.targets.iter().any(|target| {
            target
                .tiers
                .iter()
                .flat_map(|tier| tier.candidates())
                .any(|candidate| {
                    let other = &candidate.account;
                    let model = candidate.model.as_ref().unwrap_or(&target.model);
                    !candidate.closed
                        && format.is_none_or(|format| other.formats.contains(&format))
                        && !other.is_at_provider_of(account)
                        && !tried.is_out(other, model)
                        && !candidate.excludes(model)
                })
        })
    }
}

/// What all the accounts that rest amount to.
#[derive(Debug, Clone, Copy)]
struct Resting {
    until: Instant,
    cause: Cause,
    probing: bool,
}

impl Resting {
    fn add(all: &mut Option<Self>, until: Instant, cause: Cause, probing: bool) {
        *all = Some(match *all {
            None => Self {
                until,
                cause,
                probing,
            },
            Some(all) => Self {
                until: all.until.min(until),
                cause: if all.cause == cause {
                    cause
                } else {
                    Cause::Trouble
                },
                probing: all.probing || probing,
            },
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::super::health::{Bounds, Failure, Rest, Scope};
    use super::super::testing::account;
    use super::*;

    const SEAT: Seat = Seat::Turn(0);
    const BOUNDS: Bounds = Bounds {
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
    };

    fn tier(strategy: Strategy, weights: &[u32]) -> Arc<Tier> {
        let candidates = weights.iter().enumerate().map(|(n, weight)| {
            let mut account = account(&format!("a{n}"));
            account.weight = *weight;
            Candidate::new(Arc::new(account), Arc::default(), None)
        });
        Arc::new(Tier::new(candidates.collect(), strategy, Arc::default()))
    }

    fn route(tiers: Vec<Arc<Tier>>) -> Route {
        Route {
            targets: SmallVec::from_iter([Target {
                tiers: tiers.into(),
                model: "m".into(),
            }]),
        }
    }

    fn pick(route: &Route, tried: &mut Tried) -> Option<Choice> {
        match route.pick(tried, Some(Format::OpenAiChat), SEAT, Instant::now()) {
            Pick::Chosen(choice) => Some(choice),
            _ => None,
        }
    }

    fn shares(route: &Route, requests: usize) -> HashMap<String, usize> {
        let mut shares = HashMap::new();
        for _ in 0..requests {
            let choice = pick(route, &mut Tried::default()).unwrap();
            *shares.entry(choice.account.name.to_string()).or_default() += 1;
            choice.lease.succeeded();
        }
        shares
    }

    fn fail(choice: Choice) {
        let failure = Failure {
            scope: Scope::Model,
            cause: Cause::Limit,
            rest: Rest::Longest,
        };
        choice.lease.failed(failure, BOUNDS, Instant::now());
    }

    #[test]
    fn equal_accounts_take_equal_turns() {
        let shares = shares(&route(vec![tier(Strategy::RoundRobin, &[1; 10])]), 1_000);
        assert_eq!(shares.len(), 10);
        assert!(shares.values().all(|share| *share == 100), "{shares:?}");
    }

    #[test]
    fn weights_give_shares_and_are_spread_out() {
        let route = route(vec![tier(Strategy::RoundRobin, &[50, 10, 10])]);
        let order: Vec<String> = (0..7)
            .map(|_| {
                pick(&route, &mut Tried::default())
                    .unwrap()
                    .account
                    .name
                    .to_string()
            })
            .collect();
        assert_eq!(order, ["a0", "a0", "a1", "a0", "a2", "a0", "a0"]);
        assert_eq!(shares(&route, 700)["a0"], 500);
    }

    #[test]
    fn fill_first_uses_one_until_it_rests() {
        let route = route(vec![tier(Strategy::FillFirst, &[1, 1])]);
        assert_eq!(shares(&route, 5)["a0"], 5);
        fail(pick(&route, &mut Tried::default()).unwrap());
        assert_eq!(shares(&route, 5)["a1"], 5);
    }

    #[test]
    fn a_lower_tier_serves_only_when_the_higher_one_cannot() {
        let (high, low) = (
            tier(Strategy::RoundRobin, &[1]),
            tier(Strategy::RoundRobin, &[1]),
        );
        let route = route(vec![high, low]);
        let mut tried = Tried::default();
        fail(pick(&route, &mut tried).unwrap());
        assert!(pick(&route, &mut tried).is_some());
        assert!(pick(&route, &mut tried).is_none(), "both were tried");
    }

    #[test]
    fn each_candidate_is_tried_once_a_round() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1, 1, 1])]);
        let mut tried = Tried::default();
        for _ in 0..2 {
            let mut names: Vec<_> = (0..3)
                .map(|_| pick(&route, &mut tried).unwrap().account.name.to_string())
                .collect();
            names.sort();
            assert_eq!(names, ["a0", "a1", "a2"]);
            assert!(matches!(
                route.pick(&mut tried, Some(Format::OpenAiChat), SEAT, Instant::now()),
                Pick::Spent
            ));
            tried.next_round();
        }
    }

    #[test]
    fn a_round_whose_candidates_all_rest_is_over_when_the_first_of_them_is_back() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1, 1])]);
        let mut tried = Tried::default();
        let now = Instant::now();
        for seconds in [7, 3] {
            let choice = pick(&route, &mut tried).unwrap();
            let failure = Failure {
                scope: Scope::Model,
                cause: Cause::Limit,
                rest: Rest::Hint(Duration::from_secs(seconds)),
            };
            choice.lease.failed(failure, BOUNDS, now);
        }
        let back = now + Duration::from_secs(3);
        match route.pick(&mut tried, None, SEAT, now) {
            Pick::Resting { until, cause, .. } => {
                assert_eq!((until, cause), (back, Cause::Limit));
            }
            other => panic!("{other:?}"),
        }
        let later = route.pick(&mut tried, None, SEAT, back);
        assert!(matches!(later, Pick::Spent), "{later:?}");
    }

    #[test]
    fn a_conversation_keeps_its_account_while_it_is_well() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1, 3, 1, 1, 1])]);
        let choose = |seat| match route.pick(
            &mut Tried::default(),
            Some(Format::OpenAiChat),
            seat,
            Instant::now(),
        ) {
            Pick::Chosen(choice) => choice,
            other => panic!("{other:?}"),
        };
        let home = choose(SEAT).account;
        let seat = Seat::With {
            account: home.id,
            model: 0,
        };
        let next = choose(SEAT).account.name.clone();
        assert_ne!(next, home.name);
        for _ in 0..10 {
            assert_eq!(choose(seat).account.name, home.name);
        }
        assert_eq!(shares(&route, 7)["a1"], 3, "nobody's turn was taken");
        fail(choose(seat));
        assert_ne!(choose(seat).account.name, home.name);
        let seen = route.survey(&Tried::default(), None, seat, Instant::now());
        assert_eq!(seen.len(), 5);
        assert_eq!(seen[0].account.id, home.id);
        let stranger = Seat::With {
            account: AccountId(0),
            model: 0,
        };
        let names = (0..7).map(|_| choose(stranger).account.name.clone());
        let names: std::collections::HashSet<_> = names.collect();
        assert_eq!(names.len(), 4, "who is not here takes turns");
    }

    #[test]
    fn a_conversation_tries_everybody_when_its_account_fails() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1; 4])]);
        let account = pick(&route, &mut Tried::default()).unwrap().account.id;
        let (mut tried, mut names) = (Tried::default(), Vec::new());
        let seat = Seat::With { account, model: 0 };
        while let Pick::Chosen(choice) = route.pick(&mut tried, None, seat, Instant::now()) {
            names.push(choice.account.name.to_string());
        }
        assert_eq!(names.len(), 4);
        assert_eq!(names[0], "a0");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_format_nobody_speaks_is_foreign() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1])]);
        assert!(matches!(
            route.pick(
                &mut Tried::default(),
                Some(Format::Gemini),
                SEAT,
                Instant::now()
            ),
            Pick::Foreign
        ));
    }

    #[test]
    fn a_provider_that_does_not_know_the_model_is_left_out() {
        let route = route(vec![tier(Strategy::RoundRobin, &[1, 1])]);
        let mut tried = Tried::default();
        let choice = pick(&route, &mut tried).unwrap();
        tried.without_provider(&choice.account, &choice.model);
        assert!(
            pick(&route, &mut tried).is_none(),
            "the other account is at the same provider"
        );
    }
}
