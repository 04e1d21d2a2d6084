//! The pool of outbound proxies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One proxy of the pool.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PooledProxy {
    /// `http`, `https`, `socks5` or `socks5h` URL; `${VARIABLE}` and `file:/path` may hold all of it.
    pub(in crate::config) url: String,
    /// How many accounts it takes, at least 1.
    #[schemars(range(min = 1))]
    pub(in crate::config) capacity: u32,
}

impl Default for PooledProxy {
    fn default() -> Self {
        Self {
            url: String::new(),
            capacity: 1,
        }
    }
}
