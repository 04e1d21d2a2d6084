//! Shaping of requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What requests to an entry look like, whoever made them; see docs/reference/shaping.md.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Cloak {
    /// Which requests are shaped.
    pub(in crate::config) mode: CloakMode,
    /// Text that the system says first. Empty: none.
    pub(in crate::config) system_prompt: String,
    /// Whether `system-prompt` stands in the place of what the client has the system say.
    pub(in crate::config) strict_mode: bool,
    /// What stands for the client where the format has a place and the client gave nothing.
    pub(in crate::config) user_id: UserIdKind,
    /// Whether `user-id: random` keeps one for each client until the gateway restarts.
    pub(in crate::config) cache_user_id: bool,
    /// Words that are masked in what the provider gets and are themselves again in its answer.
    pub(in crate::config) sensitive_words: Vec<String>,
    /// Patterns of the `user-agent` of clients that `mode: auto` leaves alone.
    pub(in crate::config) skip_user_agents: Vec<String>,
    /// Secret that hashed ids and masks are made with. Empty: one that is made when the gateway starts.
    pub(in crate::config) hash_key: String,
}

/// Which requests are shaped.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum CloakMode {
    /// None.
    #[default]
    Never,
    /// All.
    Always,
    /// Those of clients that are not in `skip-user-agents`.
    Auto,
}

/// What stands for the client.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum UserIdKind {
    /// Nothing.
    #[default]
    Off,
    /// A new id for each try.
    Random,
    /// A keyed hash, the same for the same client.
    Hash,
}
