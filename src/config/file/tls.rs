//! `tls`: TLS towards clients.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TLS towards clients.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Whether the listener speaks TLS (1.2 and 1.3), and nothing else.
    pub(in crate::config) enable: bool,
    /// PEM file with the certificate and what leads to its root. The files here are read again when
    /// they change.
    pub(in crate::config) cert: String,
    /// PEM file with the private key, not encrypted.
    pub(in crate::config) key: String,
    /// PEM file with the roots that a client's certificate has to be signed by. Left out: clients
    /// need none.
    pub(in crate::config) client_ca: Option<String>,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            enable: false,
            cert: "server.pem".to_owned(),
            key: "server.key".to_owned(),
            client_ca: None,
        }
    }
}
