//! Translation between formats.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Unread;

/// Translation between formats.
#[derive(PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub(in crate::config) struct Translation {
    /// What happens when something cannot be translated.
    pub(in crate::config) on_loss: OnLoss,
    /// Whether streams carry a comment that lists what was lost.
    pub(in crate::config) loss_comments: bool,
    /// Whether a request that a provider refuses because of foreign reasoning state is tried once
    /// more without it.
    pub(in crate::config) repair_retry: bool,
    /// Whether media behind a URL is fetched for providers that want it inline.
    pub(in crate::config) media_fetch: MediaFetch,
    /// Whether several choices are asked for in parallel where the provider gives only one.
    pub(in crate::config) n_fanout: bool,
    /// Whether a provider's rate limit headers are passed on.
    pub(in crate::config) rate_limit_headers: RateLimitHeaders,
    /// What is known about all models: the keys of `profiles`.
    #[serde(flatten)]
    pub(in crate::config) keys: BTreeMap<String, Known>,
}

impl Default for Translation {
    fn default() -> Self {
        Self {
            on_loss: OnLoss::Warn,
            loss_comments: false,
            repair_retry: true,
            media_fetch: MediaFetch::Off,
            n_fanout: false,
            rate_limit_headers: RateLimitHeaders::Auto,
            keys: BTreeMap::new(),
        }
    }
}

/// What happens when something cannot be translated.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum OnLoss {
    /// It is dropped, and the answer says so.
    Warn,
    /// The request is refused.
    Reject,
    /// It is dropped.
    Quiet,
}

/// Whether media is fetched.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum MediaFetch {
    /// Never.
    Off,
    /// From listed hosts.
    Allowlist,
    /// From any public address.
    On,
}

/// Whether rate limit headers are passed on.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RateLimitHeaders {
    /// When only one credential can serve the request.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// What is known about the models of one provider, where the shipped table is wrong or silent.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub(in crate::config) struct ProfileItem {
    /// The provider or entry that it is about. Empty: all.
    pub(in crate::config) provider: String,
    /// The provider's names of the models, as a pattern with `*`. Empty: all.
    pub(in crate::config) model: String,
    /// What is known: see the table of profile keys in docs/reference/translation.md.
    #[serde(flatten)]
    pub(in crate::config) keys: BTreeMap<String, Known>,
}

/// The value of a profile key.
#[derive(PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum Known {
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(i64),
    /// A word.
    Text(String),
    /// Several words.
    List(Vec<String>),
    /// Something that no key takes.
    #[schemars(skip)]
    Other(Unread),
}
