//! Accounts: one credential at one provider, with what it may serve and how it is reached.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};

use oauth::OAuth;

use crate::rewrite::Cloak;
use crate::secret::Secret;
use crate::upstream::media::Reach;
use crate::upstream::presets::{KeyHeader, Preset};
use crate::upstream::{BaseUrl, OutboundProxy, Timeouts};
use crate::wire::Format;

pub mod book;
pub mod health;
pub mod homes;
pub mod oauth;
pub mod pool;
pub mod proxies;
#[cfg(test)]
pub(crate) mod testing;

pub use crate::chat::{Glob, InvalidGlob};

/// Identifies an account across configs: the same provider, address and key make the same id, so
/// that its cooldowns survive a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub u64);

/// One credential at one provider. Built by `config::resolve`; nothing in it can fail later.
#[derive(Debug, Clone)]
pub struct Account {
    /// Stable identity.
    pub id: AccountId,
    /// The operator's name for it, or `provider-N`; unique. Shown in logs.
    pub name: Arc<str>,
    /// The provider row it is built on.
    pub preset: &'static Preset,
    /// The names under which `routes` and `x-provider` find it, the one shown first. For
    /// `openai-compatibility` entries: the preset and the entry's own name.
    pub providers: Vec<Box<str>>,
    /// The formats that this account takes without translation, the preferred one first.
    pub formats: Vec<Format>,
    /// Its key; empty for servers that want none.
    pub key: Secret,
    /// How it gets tokens, which it then sends in place of a key; `None`: it has a key.
    pub oauth: Option<Arc<OAuth>>,
    /// Whether clients may bring their own key. Without a key of its own it then serves only them.
    pub client_keys: bool,
    /// Where the key goes.
    pub key_header: KeyHeader,
    /// Where its API is.
    pub base: BaseUrl,
    /// Where its API is too, in order, for when it fails at `base`.
    pub fallbacks: Vec<BaseUrl>,
    /// What its connections go through.
    pub proxy: Option<Arc<OutboundProxy>>,
    /// `deepseek/`: with it the account answers only to names that start so. Always ends in `/`.
    pub prefix: Option<Box<str>>,
    /// What it serves; empty: any model (within the preset's globs).
    pub models: Vec<ModelEntry>,
    /// What it never serves, matched against the name without the prefix.
    pub excluded: Vec<Glob>,
    /// Headers added to its requests.
    pub headers: Vec<(HeaderName, HeaderSource)>,
    /// Operator's labels.
    pub tags: BTreeMap<String, String>,
    /// Share of the requests among accounts of equal priority; at least 1.
    pub weight: u32,
    /// Higher ones are used first.
    pub priority: i32,
    /// How long its requests may take.
    pub timeouts: Timeouts,
    /// Whether it takes a proxy of the pool when there is one.
    pub pooled: bool,
    /// How far its connections may go; `None`: anywhere, because the config file says so.
    pub reach: Option<Reach>,
    /// The Google Cloud project of requests in the Code Assist envelope.
    pub project: Option<Box<str>>,
    /// How its requests are shaped; `None`: not at all.
    pub cloak: Option<Arc<Cloak>>,
    /// How it is checked beside the requests; `None`: not at all.
    pub check: Option<Check>,
}

/// How an account is checked beside the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How often, more or less.
    pub every: Duration,
    /// What is asked for, with its version and query.
    pub path: Box<str>,
}

impl Account {
    /// Whether both are at the same provider: what one says about a model holds for the other. Their
    /// own names do not count.
    pub fn is_at_provider_of(&self, other: &Self) -> bool {
        self.preset == other.preset && self.base == other.base
    }

    /// Whether it serves only clients with their own keys.
    pub fn is_for_client_keys_only(&self) -> bool {
        self.client_keys && self.key.is_empty() && self.oauth.is_none()
    }

    /// Where its API is at the `n`th try of the same request: [`base`](Self::base), then the others.
    pub fn base(&self, n: usize) -> Option<&BaseUrl> {
        match n {
            0 => Some(&self.base),
            n => self.fallbacks.get(n - 1),
        }
    }

    /// Whether it never serves `model`, a name without the prefix.
    pub fn excludes(&self, model: &str) -> bool {
        self.excluded.iter().any(|glob| glob.matches(model))
    }
}

/// One entry of a `models` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// The provider's name for it.
    pub id: Box<str>,
    /// The client's name for it; the id when the list gives no alias.
    pub alias: Box<str>,
}

/// The value of a configured header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderSource {
    /// Always this.
    Fixed(HeaderValue),
    /// Whatever the client sent under this name; left out when it sent nothing.
    Client(HeaderName),
}
