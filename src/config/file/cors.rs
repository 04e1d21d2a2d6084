//! `cors`: browser clients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Browser clients.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Cors {
    /// Origins whose pages may call the gateway from a browser: `https://app.example.com`,
    /// `https://*.example.com` for all names below that one, or `*` for every page. Empty: none.
    pub(in crate::config) origins: Vec<String>,
}
