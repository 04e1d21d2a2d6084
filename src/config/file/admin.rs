//! The admin listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The admin listener.
#[derive(PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// IP address to listen on for `/metrics`, `/health` and `/admin`.
    pub(in crate::config) host: String,
    /// Port to listen on; 0 takes a free one.
    pub(in crate::config) port: u16,
    /// Key that `/admin` asks for: `${VARIABLE}`, `file:/path`, `sha256:HEX` or the key itself. Empty:
    /// `/admin` is off.
    pub(in crate::config) key: String,
    /// Whether `/admin` is served on the clients' port too.
    pub(in crate::config) mount: bool,
    /// Whether accounts that are made through `/admin/accounts` may be at addresses of this machine and
    /// of private networks, as may those of this file. Link-local addresses and the metadata services of
    /// clouds are never allowed there.
    pub(in crate::config) allow_private_base_urls: bool,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8318,
            key: String::new(),
            mount: false,
            allow_private_base_urls: false,
        }
    }
}
