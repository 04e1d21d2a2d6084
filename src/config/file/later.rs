//! Keys whose feature is not in this version. They are listed so that the schema, the example and
//! the error of `unavailable` know them; only their defaults are accepted.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// TLS towards clients.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// Whether the listener speaks TLS.
    pub(in crate::config) enable: bool,
    /// PEM file with the certificate chain.
    pub(in crate::config) cert: String,
    /// PEM file with the private key.
    pub(in crate::config) key: String,
    /// PEM file with the roots for client certificates.
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

/// Browser clients.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Cors {
    /// Origins that may call the gateway from a browser.
    pub(in crate::config) origins: Vec<String>,
}

/// Usage records.
#[derive(PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Usage {
    /// Days for which single records are kept.
    pub(in crate::config) retention_days: u32,
}

impl Default for Usage {
    fn default() -> Self {
        Self { retention_days: 90 }
    }
}

/// Traces.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Otel {
    /// OTLP endpoint. Empty: no traces.
    pub(in crate::config) endpoint: String,
}

/// Anything: its shape comes with the feature, and nothing of it is kept.
#[derive(PartialEq, Eq)]
pub(in crate::config) struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Serialize for Unread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl JsonSchema for Unread {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Unread".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!(true)
    }
}
