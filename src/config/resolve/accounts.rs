//! The provider lists as accounts: their names, what they have in common, what must not occur twice.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::Resolver;
use super::entry::{Defaults, List, account};
use crate::account::{Account, AccountId};
use crate::config::Ground;
use crate::config::error::KeyPath;
use crate::config::file::{Entry, File};
use crate::upstream::{OutboundProxy, Timeouts};

/// What the provider lists come to.
pub(super) struct Accounts {
    /// The accounts in service.
    pub(super) enabled: Vec<Arc<Account>>,
    /// Every name under which an entry is found, those of disabled entries included.
    pub(super) names: BTreeSet<Box<str>>,
    /// What others cannot have any more.
    pub(super) ground: Arc<Ground>,
}

/// The accounts of all lists. Disabled entries are checked like the others.
pub(super) fn accounts(
    file: &File,
    timeouts: Timeouts,
    proxy: Option<&Arc<OutboundProxy>>,
    sealed: bool,
    resolver: &mut Resolver<'_>,
) -> Accounts {
    let mut enabled: Vec<Arc<Account>> = Vec::new();
    let mut places: HashMap<AccountId, KeyPath> = HashMap::new();
    let mut names = BTreeSet::new();
    let mut ground = Ground::default();
    let mut account_names = Names::reserve(file, resolver);
    let defaults = Defaults {
        timeouts,
        proxy,
        sealed,
    };
    for (key, entries) in file.lists() {
        let list = List::of(key);
        for (n, entry) in entries.iter().enumerate() {
            let path = KeyPath::from(key).item(n);
            let name = account_names.of(entry, list.provider(entry));
            ground.names.insert(Arc::clone(&name));
            let Some(account) = account(entry, list, name, defaults, &path, resolver) else {
                continue;
            };
            names.extend(account.providers.iter().cloned());
            if entry.disabled {
                continue;
            }
            if let Some(first) = places.get(&account.id) {
                let message = "has the provider, address and key of";
                resolver.error(
                    &path,
                    format_args!("{message} {first}; give one of them a name"),
                );
                continue;
            }
            places.insert(account.id, path);
            enabled.push(Arc::new(account));
        }
    }
    Accounts {
        enabled,
        names,
        ground: Arc::new(ground),
    }
}

/// The names of accounts: the operator's own, and `provider-N` for the others.
struct Names<'a> {
    taken: HashSet<&'a str>,
    counts: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    /// Takes the names that the file gives, and reports those that it gives twice.
    fn reserve(file: &'a File, resolver: &mut Resolver<'_>) -> Self {
        let mut places: HashMap<&str, KeyPath> = HashMap::new();
        for (list, entries) in file.lists() {
            for (n, entry) in entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| !entry.name.is_empty())
            {
                let path = KeyPath::from(list).item(n).key("name");
                if let Some(first) = places.get(entry.name.as_str()) {
                    resolver.error(path, format_args!("is the same as {first}"));
                } else {
                    places.insert(&entry.name, path);
                }
            }
        }
        Self {
            taken: places.into_keys().collect(),
            counts: HashMap::new(),
        }
    }

    fn of(&mut self, entry: &Entry, provider: &'a str) -> Arc<str> {
        if !entry.name.is_empty() {
            return entry.name.as_str().into();
        }
        let count = self.counts.entry(provider).or_default();
        loop {
            *count += 1;
            let name = format!("{provider}-{count}");
            if !self.taken.contains(name.as_str()) {
                return name.into();
            }
        }
    }
}
