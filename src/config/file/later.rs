//! Keys whose feature is not in this version. They are listed so that the schema, the example and
//! the error of `unavailable` know them; only their defaults are accepted.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

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

/// The admin listener.
#[derive(PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Admin {
    /// Address to listen on.
    pub(in crate::config) host: String,
    /// Port to listen on.
    pub(in crate::config) port: u16,
    /// Key that `/admin` asks for. Empty: `/admin` is off.
    pub(in crate::config) key: String,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8318,
            key: String::new(),
        }
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
