//! Accounts for unit tests.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::{Account, AccountId};
use crate::secret::Secret;
use crate::upstream::presets::{self, KeyHeader};
use crate::upstream::{BaseUrl, Timeouts};

/// An account of a compatible server, called `name`.
pub(crate) fn account(name: &str) -> Account {
    at(name, "")
}

/// An account at the provider `preset`; `""` is a compatible server.
pub(crate) fn at(name: &str, preset: &str) -> Account {
    let row = presets::preset(preset).unwrap_or(&presets::COMPATIBLE);
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    let provider = if preset.is_empty() {
        "compatible"
    } else {
        preset
    };
    let minute = Duration::from_secs(60);
    Account {
        id: AccountId(hasher.finish()),
        name: name.into(),
        preset: row,
        providers: vec![provider.into()],
        formats: row.formats.to_vec(),
        key: Secret::new("sk-test"),
        oauth: None,
        client_keys: false,
        key_header: KeyHeader::Bearer,
        base: BaseUrl::try_new("http://127.0.0.1:1").unwrap(),
        fallbacks: Vec::new(),
        proxy: None,
        prefix: None,
        models: Vec::new(),
        excluded: Vec::new(),
        headers: Vec::new(),
        tags: BTreeMap::new(),
        weight: 1,
        priority: 0,
        timeouts: Timeouts {
            connect: minute,
            first_byte: minute,
            idle: minute,
            total: minute,
            websocket: None,
        },
        reach: None,
        pooled: false,
        project: None,
        cloak: None,
        check: None,
    }
}
