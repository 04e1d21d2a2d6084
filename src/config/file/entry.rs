//! One entry of the provider lists and of `accounts`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Auth;
use super::cloak::Cloak;
use super::scalar::{Brief, Seconds};

/// The keys of the lists.
pub(in crate::config) const LISTS: [&str; 5] = [
    "claude-api-key",
    "openai-api-key",
    "gemini-api-key",
    super::File::COMPATIBLE,
    super::File::ACCOUNTS,
];

/// One credential at one provider.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Entry {
    /// The provider's key: the key itself, `${VARIABLE}` or `file:/path`. Only
    /// `openai-compatibility` entries and those with `allow-client-keys` may do without one.
    pub(in crate::config) api_key: String,
    /// How the account proves who it is; only in `accounts`.
    pub(in crate::config) auth: Option<Auth>,
    /// Unique name, shown in logs; `routes` and `x-provider` find the entry by it. Empty: the
    /// provider and a number.
    pub(in crate::config) name: String,
    /// Known provider that an `openai-compatibility` or `accounts` entry is for: it brings the base URL
    /// and the models that the entry serves. In `gemini-api-key`, `antigravity` speaks the Code Assist API.
    pub(in crate::config) preset: String,
    /// Where the provider's API is, with or without `/v1`. Empty: the provider's own address;
    /// required for `openai-compatibility` entries without a `preset`.
    pub(in crate::config) base_url: String,
    /// More addresses of the same API, tried in order within a request when the one before cannot be
    /// reached or answers 429 or 5xx.
    pub(in crate::config) fallback_base_urls: Vec<String>,
    /// Outbound proxy: `http`, `https`, `socks5` or `socks5h` URL; `""`, `direct` or `none` for
    /// none. Left out: one of `proxy-pool`, or the global `proxy-url`.
    pub(in crate::config) proxy_url: Option<String>,
    /// With a prefix, the entry answers only to model names that start with it, and takes it off.
    pub(in crate::config) prefix: String,
    /// Models that it serves, as `{id, alias}` or plain names. Empty: those that belong to the
    /// provider, or any model when none do.
    pub(in crate::config) models: Vec<Brief<ModelItem>>,
    /// Models that it never serves, as patterns with `*`.
    pub(in crate::config) excluded_models: Vec<String>,
    /// Headers added to its requests; `$name` as a value copies that header of the client.
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// Google Cloud project that requests of an `antigravity` entry are for; required in `accounts`.
    pub(in crate::config) project: String,
    /// OpenAI API that the provider is spoken to in, for OpenAI-format providers only. Left out:
    /// whatever the provider has.
    pub(in crate::config) wire_api: Option<WireApi>,
    /// Labels for usage queries.
    pub(in crate::config) tags: BTreeMap<String, String>,
    /// Share of the requests among entries of equal priority, from 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub(in crate::config) weight: u32,
    /// Entries with a higher priority are used first.
    pub(in crate::config) priority: i32,
    /// Timeouts of this entry in seconds. Left out: the global ones.
    pub(in crate::config) timeouts: EntryTimeouts,
    /// Takes the entry out of service.
    pub(in crate::config) disabled: bool,
    /// Whether clients may bring their own key for this provider, which then goes to it in place of
    /// `api-key`; without an `api-key` the entry serves only such clients.
    pub(in crate::config) allow_client_keys: bool,
    /// Shaping of requests.
    pub(in crate::config) cloak: Cloak,
    /// Checks of the credential beside the requests.
    pub(in crate::config) health_check: HealthCheck,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            api_key: String::new(),
            auth: None,
            name: String::new(),
            preset: String::new(),
            base_url: String::new(),
            fallback_base_urls: Vec::new(),
            proxy_url: None,
            prefix: String::new(),
            models: Vec::new(),
            excluded_models: Vec::new(),
            headers: BTreeMap::new(),
            project: String::new(),
            wire_api: None,
            tags: BTreeMap::new(),
            weight: 1,
            priority: 0,
            timeouts: EntryTimeouts::default(),
            disabled: false,
            allow_client_keys: false,
            cloak: Cloak::default(),
            health_check: HealthCheck::default(),
        }
    }
}

/// Checks beside the requests.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct HealthCheck {
    /// Time between two checks, in seconds, a tenth more or less; 0: none.
    pub(in crate::config) interval: Seconds,
    /// Path that is asked for with GET, with its version (`/v1/models`). Empty: the provider's list of models,
    /// which costs nothing.
    pub(in crate::config) path: String,
}

/// One model of an entry.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct ModelItem {
    /// The provider's name for the model.
    pub(in crate::config) id: String,
    /// Another spelling of `id`.
    pub(in crate::config) name: String,
    /// The name that clients use. Empty: the same as `id`. Equal aliases form a pool.
    pub(in crate::config) alias: String,
}

impl From<String> for ModelItem {
    fn from(id: String) -> Self {
        Self {
            id,
            ..Self::default()
        }
    }
}

/// The OpenAI APIs.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum WireApi {
    /// Chat Completions.
    Chat,
    /// Responses.
    Responses,
}

/// Timeouts of one entry.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct EntryTimeouts {
    /// TCP connection and TLS handshake together.
    pub(in crate::config) connect: Option<Seconds>,
    /// From the connection to the first byte of the answer.
    pub(in crate::config) first_byte: Option<Seconds>,
    /// The longest silence inside an answer.
    pub(in crate::config) idle: Option<Seconds>,
    /// The whole request, all attempts included.
    pub(in crate::config) total: Option<Seconds>,
    /// The life of a WebSocket.
    pub(in crate::config) websocket: Option<Seconds>,
}
