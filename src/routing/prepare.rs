//! Making the routing table of a config, so that finding a route is a few look-ups.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Listed, ProviderScope, Scope, Tiers};
use crate::account::book::Book;
use crate::account::pool::{Candidate, Strategy, Tier};
use crate::account::{Account, AccountId, Glob};
use crate::wire::Format;

/// Makes tiers whose healths and cursors come from `book`.
pub(super) struct Builder<'a> {
    pub(super) strategy: Strategy,
    pub(super) book: &'a Book,
}

impl Builder<'_> {
    /// The table of the accounts that have `prefix`.
    pub(super) fn scope(&self, prefix: &str, accounts: &[&Arc<Account>]) -> Scope {
        let mut scope = Scope {
            listed: self.listed(prefix, "", accounts, &[]),
            ..Scope::default()
        };
        let open: Vec<&Arc<Account>> = accounts
            .iter()
            .copied()
            .filter(|account| account.models.is_empty())
            .collect();
        let mut presets: Vec<&'static str> = Vec::new();
        for account in &open {
            let name = account.preset.name;
            if !account.preset.models.is_empty() && !presets.contains(&name) {
                presets.push(name);
            }
        }
        for preset in presets {
            let members: Vec<_> = open
                .iter()
                .copied()
                .filter(|one| one.preset.name == preset)
                .collect();
            let globs = members[0]
                .preset
                .models
                .iter()
                .filter_map(|glob| Glob::try_new(glob).ok());
            scope.fitting.push((
                globs.collect(),
                self.tiers((prefix, "", preset), open_candidates(&members)),
            ));
        }
        let anything: Vec<_> = open
            .iter()
            .copied()
            .filter(|one| one.preset.models.is_empty())
            .collect();
        if !anything.is_empty() {
            scope.open = Some(self.tiers((prefix, "", ""), open_candidates(&anything)));
        }
        for (provider, accounts) in by_provider(accounts.iter().copied()) {
            let open: Vec<_> = accounts
                .iter()
                .copied()
                .filter(|one| one.models.is_empty())
                .collect();
            let of_provider = ProviderScope {
                listed: self.listed(prefix, provider, &accounts, &open),
                open: (!open.is_empty())
                    .then(|| self.tiers((prefix, provider, ""), open_candidates(&open))),
            };
            scope.of_provider.insert(provider.into(), of_provider);
        }
        scope
    }

    /// By alias: the accounts that list it, and `besides`.
    fn listed(
        &self,
        prefix: &str,
        provider: &str,
        accounts: &[&Arc<Account>],
        besides: &[&Arc<Account>],
    ) -> HashMap<Box<str>, Tiers> {
        let mut by_alias: HashMap<&str, Vec<Seed>> = HashMap::new();
        for account in accounts {
            for model in &account.models {
                if account.excludes(&model.alias) {
                    continue;
                }
                by_alias
                    .entry(&model.alias)
                    .or_default()
                    .push((Arc::clone(account), Some(Arc::from(&*model.id))));
            }
        }
        by_alias
            .into_iter()
            .map(|(alias, mut seeds)| {
                seeds.extend(open_candidates(besides));
                (alias.into(), self.tiers((prefix, provider, alias), seeds))
            })
            .collect()
    }

    /// One tier per priority, the highest first.
    pub(super) fn tiers(&self, key: (&str, &str, &str), mut seeds: Vec<Seed>) -> Tiers {
        seeds.sort_by_key(|(account, _)| std::cmp::Reverse(account.priority));
        seeds
            .chunk_by(|(a, _), (b, _)| a.priority == b.priority)
            .map(|seeds| {
                let mut hasher = DefaultHasher::new();
                (key, seeds[0].0.priority).hash(&mut hasher);
                let candidates = seeds.iter().map(|(account, model)| {
                    Candidate::new(
                        Arc::clone(account),
                        self.book.health(account.id),
                        model.clone(),
                    )
                });
                let cursor = self.book.cursor(hasher.finish());
                Arc::new(Tier::new(candidates.collect(), self.strategy, cursor))
            })
            .collect()
    }
}

/// The accounts of each provider, by the names it has.
pub(super) fn by_provider<'a>(
    accounts: impl Iterator<Item = &'a Arc<Account>>,
) -> HashMap<&'a str, Vec<&'a Arc<Account>>> {
    let mut by_provider: HashMap<_, Vec<_>> = HashMap::new();
    for account in accounts {
        for provider in &account.providers {
            by_provider.entry(&**provider).or_default().push(account);
        }
    }
    by_provider
}

/// An account and the provider's name for the model, when a list gives it.
type Seed = (Arc<Account>, Option<Arc<str>>);

/// Accounts that are asked for whatever the client names.
pub(super) fn open_candidates(accounts: &[&Arc<Account>]) -> Vec<Seed> {
    accounts
        .iter()
        .map(|account| (Arc::clone(account), None))
        .collect()
}

/// The names in the `models` lists, each with the first provider that has it.
pub(super) fn listed_models(accounts: &[Arc<Account>]) -> Vec<Listed> {
    let mut seen = HashSet::new();
    let mut listed = Vec::new();
    for account in accounts {
        for model in &account.models {
            if account.excludes(&model.alias) {
                continue;
            }
            let name: Arc<str> = [account.prefix.as_deref().unwrap_or(""), &model.alias]
                .concat()
                .into();
            if seen.insert(Arc::clone(&name)) {
                let provider = account.providers.first().cloned().unwrap_or_default();
                listed.push(Listed { name, provider });
            }
        }
    }
    listed
}

/// The accounts that alone speak a format.
pub(super) fn only_speakers(accounts: &[Arc<Account>]) -> Vec<(Format, AccountId)> {
    let speaker = |format: Format| {
        // Who serves clients' own keys only has made none of ours.
        let open = accounts.iter().filter(|one| !one.is_for_client_keys_only());
        let mut speakers = open.filter(|one| one.formats.contains(&format));
        match (speakers.next(), speakers.next()) {
            (Some(one), None) => Some((format, one.id)),
            _ => None,
        }
    };
    Format::ALL.into_iter().filter_map(speaker).collect()
}
