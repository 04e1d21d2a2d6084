//! From a model's name to the accounts that may serve it, in order.
//!
//! A name is looked up in three steps. A prefix (`deepseek/…`) that some accounts have narrows the
//! search to them. A rule of `routes` names providers and models to try in order. Without a rule, the
//! accounts that list the name are used; else those without a list whose provider's own names fit
//! it; else those without a list whose provider has no names of its own (compatible servers).
//!
//! All of it is prepared when a config is loaded: finding a route costs a few hash look-ups, with one
//! account as with ten thousand.

mod prepare;

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use prepare::{Builder, by_provider, listed_models, only_speakers, open_candidates};

use crate::account::book::Book;
use crate::account::pool::{Route, Strategy, Target, Tier};
use crate::account::{Account, AccountId, Glob};
use crate::wire::Format;

/// One entry of `routes`.
#[derive(Debug, Clone)]
pub struct RouteRule {
    /// The models it is about.
    pub model: Glob,
    /// Providers in order; empty: any.
    pub providers: Vec<String>,
    /// Models to ask for, in order, in place of the one the client named; empty: that one.
    pub models: Vec<String>,
}

/// A model that is listed by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name that clients use.
    pub name: Arc<str>,
    /// The first provider that has it.
    pub provider: Box<str>,
}

/// The routing table of one config.
#[derive(Debug)]
pub struct Router {
    rules: Vec<RouteRule>,
    /// By prefix; `""` is the accounts without one.
    scopes: HashMap<Box<str>, Scope>,
    /// By provider: all its accounts, whatever their prefix.
    of_provider: HashMap<Box<str>, Tiers>,
    /// By account.
    of_account: HashMap<AccountId, Tiers>,
    /// Accounts that alone speak a format.
    only_speakers: Vec<(Format, AccountId)>,
    listed: Vec<Listed>,
    providers: Vec<Box<str>>,
}

type Tiers = Arc<[Arc<Tier>]>;

#[derive(Debug, Default)]
struct Scope {
    /// By name: the accounts that list it.
    listed: HashMap<Box<str>, Tiers>,
    /// By provider and name: the accounts that list it, and those of the provider that take any.
    of_provider: HashMap<Box<str>, ProviderScope>,
    /// Accounts without a list whose provider has names of its own, by these names.
    fitting: Vec<(Vec<Glob>, Tiers)>,
    /// Accounts without a list whose provider has no names of its own.
    open: Option<Tiers>,
}

#[derive(Debug)]
struct ProviderScope {
    listed: HashMap<Box<str>, Tiers>,
    open: Option<Tiers>,
}

impl Router {
    /// Prepares the table. Healths and cursors come from `book`.
    pub fn new(
        accounts: &[Arc<Account>],
        rules: Vec<RouteRule>,
        strategy: Strategy,
        book: &Book,
    ) -> Self {
        let builder = Builder { strategy, book };
        let mut by_prefix: HashMap<&str, Vec<&Arc<Account>>> = HashMap::new();
        for account in accounts {
            by_prefix
                .entry(account.prefix.as_deref().unwrap_or(""))
                .or_default()
                .push(account);
        }
        let mut providers: Vec<Box<str>> = Vec::new();
        for name in accounts.iter().flat_map(|account| &account.providers) {
            if !providers.contains(name) {
                providers.push(name.clone());
            }
        }
        Self {
            rules,
            scopes: by_prefix
                .iter()
                .map(|(prefix, accounts)| ((*prefix).into(), builder.scope(prefix, accounts)))
                .collect(),
            of_provider: by_provider(accounts.iter())
                .into_iter()
                .map(|(provider, accounts)| {
                    let tiers = builder.tiers(("/", provider, ""), open_candidates(&accounts));
                    (provider.into(), tiers)
                })
                .collect(),
            of_account: accounts
                .iter()
                .map(|account| {
                    let tiers =
                        builder.tiers(("//", &account.name, ""), open_candidates(&[account]));
                    (account.id, tiers)
                })
                .collect(),
            only_speakers: only_speakers(accounts),
            listed: listed_models(accounts),
            providers,
        }
    }

    /// The models that are listed by name, without duplicates, in file order.
    pub fn listed(&self) -> &[Listed] {
        &self.listed
    }

    /// The names that `x-provider` may have.
    pub fn providers(&self) -> &[Box<str>] {
        &self.providers
    }

    /// Whether a client may name `provider`.
    pub fn has_provider(&self, provider: &str) -> bool {
        let provider = canonical(provider);
        self.providers.iter().any(|known| **known == *provider)
    }

    /// The accounts for `model`, restricted to `provider` when the client chose one. `None`: nobody
    /// serves it.
    pub fn route(&self, model: &str, provider: Option<&str>) -> Option<Route> {
        let rule = match provider {
            Some(_) => None,
            None => self.rules.iter().find(|rule| rule.model.matches(model)),
        };
        let mut targets = SmallVec::new();
        let mut add = |model: &str, provider: Option<&str>| {
            if let Some(target) = self.target(model, provider) {
                targets.push(target);
            }
        };
        match rule {
            None => add(model, provider),
            Some(rule) => {
                let models = rule.models.iter().map(String::as_str);
                let asked = rule.models.is_empty().then_some(model);
                for model in models.chain(asked) {
                    if rule.providers.is_empty() {
                        add(model, None);
                    }
                    for provider in &rule.providers {
                        add(model, Some(provider));
                    }
                }
            }
        }
        (!targets.is_empty()).then_some(Route { targets })
    }

    /// Every account of `provider`, for requests that name no model.
    pub fn of_provider(&self, provider: &str) -> Option<Route> {
        let tiers = Arc::clone(self.of_provider.get(canonical(provider))?);
        Some(Route {
            targets: SmallVec::from_iter([Target {
                tiers,
                model: "".into(),
            }]),
        })
    }

    /// One account, for requests that no other can serve.
    pub fn of_account(&self, id: AccountId) -> Option<Route> {
        let tiers = Arc::clone(self.of_account.get(&id)?);
        Some(Route {
            targets: SmallVec::from_iter([Target {
                tiers,
                model: "".into(),
            }]),
        })
    }

    /// The account that alone speaks `format`.
    pub fn only_speaker(&self, format: Format) -> Option<Route> {
        let found = self.only_speakers.iter().find(|(one, _)| *one == format);
        self.of_account(found?.1)
    }

    fn target(&self, model: &str, provider: Option<&str>) -> Option<Target> {
        let slashes = model.match_indices('/').map(|(at, slash)| at + slash.len());
        for end in slashes {
            let (prefix, rest) = model.split_at(end);
            let scope = self.scopes.get(prefix);
            if let Some(tiers) = scope.and_then(|scope| scope.tiers(rest, provider)) {
                return Some(Target {
                    tiers,
                    model: rest.into(),
                });
            }
        }
        let tiers = self.scopes.get("")?.tiers(model, provider)?;
        Some(Target {
            tiers,
            model: model.into(),
        })
    }
}

/// `claude` is another name for `anthropic`.
fn canonical(provider: &str) -> &str {
    if provider == "claude" {
        "anthropic"
    } else {
        provider
    }
}

impl Scope {
    fn tiers(&self, model: &str, provider: Option<&str>) -> Option<Tiers> {
        let found = match provider {
            Some(provider) => {
                let scope = self.of_provider.get(canonical(provider))?;
                scope.listed.get(model).or(scope.open.as_ref())
            }
            None => self
                .listed
                .get(model)
                .or_else(|| {
                    let fits = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(model));
                    self.fitting
                        .iter()
                        .find(|(globs, _)| fits(globs))
                        .map(|(_, tiers)| tiers)
                })
                .or(self.open.as_ref()),
        }?;
        admits(found, model).then(|| Arc::clone(found))
    }
}

/// Whether any account in `tiers` does not exclude `model`.
fn admits(tiers: &Tiers, model: &str) -> bool {
    tiers
        .iter()
        .flat_map(|tier| tier.candidates())
        .any(|candidate| !candidate.excludes(model))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::account::ModelEntry;
    use crate::account::pool::{Pick, Seat, Tried};
    use crate::account::testing::{account, at};

    fn listing(mut account: Account, models: &[(&str, &str)]) -> Account {
        account.models = models
            .iter()
            .map(|(id, alias)| ModelEntry {
                id: (*id).into(),
                alias: (*alias).into(),
            })
            .collect();
        account
    }

    fn prefixed(mut account: Account, prefix: &str) -> Account {
        account.prefix = Some(prefix.into());
        account
    }

    fn router(accounts: Vec<Account>, rules: Vec<RouteRule>) -> Router {
        let any_format = |mut account: Account| {
            account.formats = Format::ALL.to_vec();
            Arc::new(account)
        };
        let accounts: Vec<_> = accounts.into_iter().map(any_format).collect();
        // In the order of the file, whoever was asked before.
        Router::new(&accounts, rules, Strategy::FillFirst, &Book::default())
    }

    fn rule(model: &str, providers: &[&str], models: &[&str]) -> RouteRule {
        RouteRule {
            model: Glob::try_new(model).unwrap(),
            providers: providers.iter().map(ToString::to_string).collect(),
            models: models.iter().map(ToString::to_string).collect(),
        }
    }

    /// `account:model` of every candidate in the order in which one request would try them.
    fn order(router: &Router, model: &str, provider: Option<&str>) -> Vec<String> {
        let Some(route) = router.route(model, provider) else {
            return Vec::new();
        };
        let mut tried = Tried::default();
        let mut order = Vec::new();
        loop {
            match route.pick(
                &mut tried,
                Some(Format::Claude),
                Seat::Turn(0),
                Instant::now(),
            ) {
                Pick::Chosen(choice) => {
                    order.push(format!("{}:{}", choice.account.name, choice.model))
                }
                _ => return order,
            }
        }
    }

    #[test]
    fn listed_models_go_to_the_accounts_that_list_them() {
        let router = router(
            vec![
                listing(account("a"), &[("gpt-x", "fast")]),
                listing(account("b"), &[("gpt-y", "fast"), ("gpt-z", "gpt-z")]),
                at("open", "openai"),
            ],
            vec![],
        );
        assert_eq!(order(&router, "fast", None), ["a:gpt-x", "b:gpt-y"]);
        assert_eq!(order(&router, "gpt-z", None), ["b:gpt-z"]);
        assert_eq!(order(&router, "gpt-5", None), ["open:gpt-5"]);
        assert!(
            order(&router, "gpt-x", None) == ["open:gpt-x"],
            "an id behind an alias is not a name"
        );
        assert!(router.route("claude-x", None).is_none());
    }

    #[test]
    fn unlisted_models_go_where_the_names_fit_and_else_to_compatible_servers() {
        let router = router(
            vec![
                at("claude", "anthropic"),
                at("gpt", "openai"),
                account("any"),
            ],
            vec![],
        );
        assert_eq!(
            order(&router, "claude-sonnet", None),
            ["claude:claude-sonnet"]
        );
        assert_eq!(order(&router, "o3-mini", None), ["gpt:o3-mini"]);
        assert_eq!(order(&router, "llama-3", None), ["any:llama-3"]);
    }

    #[test]
    fn a_prefix_narrows_and_is_stripped() {
        let router = router(
            vec![
                prefixed(account("deep"), "deepseek/"),
                prefixed(listing(account("team"), &[("m1", "m")]), "team/"),
                account("router"),
            ],
            vec![],
        );
        assert_eq!(order(&router, "deepseek/chat", None), ["deep:chat"]);
        assert_eq!(order(&router, "team/m", None), ["team:m1"]);
        assert_eq!(order(&router, "team/other", None), ["router:team/other"]);
        assert_eq!(order(&router, "meta/llama", None), ["router:meta/llama"]);
        assert_eq!(router.listed()[0].name.as_ref(), "team/m");
    }

    #[test]
    fn excluded_models_are_neither_listed_nor_served() {
        let mut one = listing(account("one"), &[("a", "a"), ("b-preview", "b-preview")]);
        one.excluded = vec![Glob::try_new("*-preview").unwrap()];
        let mut open = at("open", "openai");
        open.excluded = vec![Glob::try_new("gpt-4*").unwrap()];
        let router = router(vec![one, open], vec![]);
        assert!(router.route("b-preview", None).is_none());
        assert!(router.route("gpt-4o", None).is_none());
        assert!(router.route("gpt-5", None).is_some());
        let names: Vec<_> = router.listed().iter().map(|model| &*model.name).collect();
        assert_eq!(names, ["a"]);
    }

    #[test]
    fn a_rule_tries_providers_and_models_in_order() {
        let router = router(
            vec![
                at("claude", "anthropic"),
                at("gpt", "openai"),
                listing(at("glm-1", "glm"), &[("glm-5", "glm-5")]),
            ],
            vec![
                rule("smart", &[], &["claude-x", "gpt-y"]),
                rule("glm-*", &["glm", "openai"], &[]),
                rule("*", &["openai"], &[]),
            ],
        );
        assert_eq!(
            order(&router, "smart", None),
            ["claude:claude-x", "gpt:gpt-y"]
        );
        assert_eq!(order(&router, "glm-5", None), ["glm-1:glm-5", "gpt:glm-5"]);
        assert_eq!(
            order(&router, "claude-x", None),
            ["gpt:claude-x"],
            "the last rule takes all"
        );
    }

    #[test]
    fn the_client_may_choose_the_provider() {
        let router = router(
            vec![
                at("c1", "anthropic"),
                listing(at("g1", "openai"), &[("gpt-5", "gpt-5")]),
                at("g2", "openai"),
            ],
            vec![rule("*", &["anthropic"], &[])],
        );
        assert_eq!(
            order(&router, "gpt-5", Some("openai")),
            ["g1:gpt-5", "g2:gpt-5"]
        );
        assert_eq!(order(&router, "gpt-6", Some("openai")), ["g2:gpt-6"]);
        assert_eq!(order(&router, "x", Some("claude")), ["c1:x"]);
        assert!(router.route("x", Some("nobody")).is_none());
        assert_eq!(
            router.providers(),
            ["anthropic", "openai"].map(Box::<str>::from)
        );
        assert!(router.of_provider("openai").is_some());
    }

    #[test]
    fn a_providers_accounts_are_in_order_of_priority_whatever_their_prefix() {
        let with = |name: &str, prefix: Option<&str>, priority| {
            let mut account = at(name, "openai");
            account.prefix = prefix.map(Into::into);
            account.priority = priority;
            account
        };
        // Often enough that no lucky order of a hash map hides a wrong one.
        for _ in 0..10 {
            let router = router(
                vec![
                    with("low", None, -1),
                    with("first", Some("a/"), 5),
                    with("third", Some("b/"), 1),
                    with("second", None, 2),
                ],
                vec![],
            );
            let route = router.of_provider("openai").unwrap();
            let (mut tried, mut order) = (Tried::default(), Vec::new());
            while let Pick::Chosen(choice) =
                route.pick(&mut tried, None, Seat::Turn(0), Instant::now())
            {
                order.push(choice.account.name.to_string());
            }
            assert_eq!(order, ["first", "second", "third", "low"]);
        }
    }

    #[test]
    fn priorities_come_before_turns() {
        let mut high = listing(account("high"), &[("m", "m")]);
        high.priority = 5;
        let router = router(vec![listing(account("low"), &[("m", "m")]), high], vec![]);
        assert_eq!(order(&router, "m", None), ["high:m", "low:m"]);
    }
}
