//! Prices of models.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::price::{Dollars, Given};

/// What some models cost.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PriceItem {
    /// The provider or entry that it is about. Empty: all.
    pub(in crate::config) provider: String,
    /// The provider's names of the models, as a pattern with `*`.
    pub(in crate::config) model: String,
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
    /// Dollars for each request that used tokens.
    pub(in crate::config) request: Amount,
    /// Dollars for each search of the web that the provider reports.
    pub(in crate::config) web_search: Amount,
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
    /// As `input` outside. Left out: what stands there.
    pub(in crate::config) input: Option<Amount>,
    /// As `cache-read` outside. Left out: what stands there.
    pub(in crate::config) cache_read: Option<Amount>,
    /// As `cache-write` outside. Left out: what stands there.
    pub(in crate::config) cache_write: Option<Amount>,
    /// As `cache-write-1h` outside. Left out: what stands there.
    #[serde(rename = "cache-write-1h")]
    pub(in crate::config) cache_write_long: Option<Amount>,
    /// As `audio-input` outside. Left out: what stands there.
    pub(in crate::config) audio_input: Option<Amount>,
    /// As `image-input` outside. Left out: what stands there.
    pub(in crate::config) image_input: Option<Amount>,
    /// As `output` outside. Left out: what stands there.
    pub(in crate::config) output: Option<Amount>,
    /// As `reasoning` outside. Left out: what stands there.
    pub(in crate::config) reasoning: Option<Amount>,
    /// As `audio-output` outside. Left out: what stands there.
    pub(in crate::config) audio_output: Option<Amount>,
    /// As `image-output` outside. Left out: what stands there.
    pub(in crate::config) image_output: Option<Amount>,
}

impl PriceItem {
    /// Its prices of tokens.
    pub(in crate::config) fn given(&self) -> Given {
        let of = |amount: Option<Amount>| amount.map(|amount| amount.0);
        Given {
            input: of(self.input),
            cache_read: of(self.cache_read),
            cache_write: of(self.cache_write),
            cache_write_long: of(self.cache_write_long),
            audio_input: of(self.audio_input),
            image_input: of(self.image_input),
            output: of(self.output),
            reasoning: of(self.reasoning),
            audio_output: of(self.audio_output),
            image_output: of(self.image_output),
        }
    }
}

impl PriceTier {
    /// Its prices of tokens.
    pub(in crate::config) fn given(&self) -> Given {
        let of = |amount: Option<Amount>| amount.map(|amount| amount.0);
        Given {
            input: of(self.input),
            cache_read: of(self.cache_read),
            cache_write: of(self.cache_write),
            cache_write_long: of(self.cache_write_long),
            audio_input: of(self.audio_input),
            image_input: of(self.image_input),
            output: of(self.output),
            reasoning: of(self.reasoning),
            audio_output: of(self.audio_output),
            image_output: of(self.image_output),
        }
    }
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
