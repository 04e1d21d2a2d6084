//! Prices of models.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::price::Dollars;

/// What some models cost.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PriceItem {
    /// The provider or entry that it is about. Empty: all.
    pub(in crate::config) provider: String,
    /// The provider's names of the models, as a pattern with `*`.
    pub(in crate::config) model: String,
    /// Dollars for each request that used tokens.
    pub(in crate::config) request: Amount,
    /// Dollars for each search of the web that the provider reports.
    pub(in crate::config) web_search: Amount,
    #[serde(flatten)]
    pub(in crate::config) rates: Rates,
    /// Other prices for all of a request whose input is long.
    pub(in crate::config) tiers: Vec<PriceTier>,
}

/// Prices of longer requests.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PriceTier {
    /// They hold above so many tokens of input, caches included.
    #[schemars(range(min = 1))]
    pub(in crate::config) above: u32,
    #[serde(flatten)]
    pub(in crate::config) rates: Rates,
}

/// Dollars for a million tokens, as `0.075`.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
pub(in crate::config) struct Rates {
    /// Dollars for a million tokens of input.
    pub(in crate::config) input: Option<Amount>,
    /// Of input that is read from a cache. Left out: as `input`.
    pub(in crate::config) cache_read: Option<Amount>,
    /// Of input that is written to a cache for minutes. Left out: as `input`.
    pub(in crate::config) cache_write: Option<Amount>,
    /// Of input that is written to a cache for an hour or longer. Left out: as `cache-write`.
    #[serde(rename = "cache-write-1h")]
    pub(in crate::config) cache_write_long: Option<Amount>,
    /// Of sound in the input. Left out: as `input`.
    pub(in crate::config) audio_input: Option<Amount>,
    /// Of pictures in the input. Left out: as `input`.
    pub(in crate::config) image_input: Option<Amount>,
    /// Dollars for a million tokens of output.
    pub(in crate::config) output: Option<Amount>,
    /// Of reasoning. Left out: as `output`.
    pub(in crate::config) reasoning: Option<Amount>,
    /// Of sound in the output. Left out: as `output`.
    pub(in crate::config) audio_output: Option<Amount>,
    /// Of pictures in the output. Left out: as `output`.
    pub(in crate::config) image_output: Option<Amount>,
}

/// An amount of dollars: a number, or text for who wants to see every digit.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::config) struct Amount(pub(in crate::config) Dollars);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of dollars, as 0.075")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            /// YAML's reader has made a float of it. The shortest decimal that makes the same float is
            /// what was written, since a price has less than 16 digits.
            fn visit_f64<E: Error>(self, number: f64) -> Result<Amount, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Amount, E> {
                Dollars::parse(text).map(Amount).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Amount {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["number", "string"],
            "format": "dollars",
            "pattern": r"^[0-9]+(\.[0-9]+)?$",
            "minimum": 0,
            "maximum": 1_000_000,
        })
    }
}
