//! Rules that change request bodies.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// Rules that change request bodies, after translation and shaping; see
/// docs/reference/payload-rules.md.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Payload {
    /// Values set where the body has none; the first rule wins.
    pub(in crate::config) default: Vec<PayloadRule>,
    /// The same with values that are JSON text.
    pub(in crate::config) default_raw: Vec<PayloadRule>,
    /// Values set whatever the body has; the last rule wins.
    pub(in crate::config) r#override: Vec<PayloadRule>,
    /// The same with values that are JSON text.
    pub(in crate::config) override_raw: Vec<PayloadRule>,
    /// Fields taken out.
    pub(in crate::config) filter: Vec<PayloadFilter>,
}

/// A rule that sets values.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PayloadRule {
    /// Requests that the rule is for, any of them. Empty: all.
    pub(in crate::config) models: Vec<PayloadTarget>,
    /// Paths and the values that are set there.
    pub(in crate::config) params: Values,
}

/// A rule that takes out fields.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PayloadFilter {
    /// Requests that the rule is for, any of them. Empty: all.
    pub(in crate::config) models: Vec<PayloadTarget>,
    /// Paths of what is taken out.
    pub(in crate::config) params: Vec<String>,
}

/// Requests that a rule is for. All that is given has to be true of them.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct PayloadTarget {
    /// The provider's name of the model, as a pattern with `*`. Empty: any.
    pub(in crate::config) name: String,
    /// The provider's format: `openai`, `responses`, `claude` or `gemini`. Empty: any.
    pub(in crate::config) protocol: String,
    /// The client's format, likewise.
    pub(in crate::config) from_protocol: String,
    /// Header fields of the client with patterns of their values.
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// Paths with the values that the body has there.
    pub(in crate::config) r#match: Values,
    /// Paths with values that the body does not have there.
    pub(in crate::config) not_match: Values,
    /// Paths at which the body has a value that is not null.
    pub(in crate::config) exist: Vec<String>,
    /// Paths at which it has none.
    pub(in crate::config) not_exist: Vec<String>,
}

/// Paths and JSON values in the order of the file; also read from a list of such maps.
#[derive(Default)]
pub(in crate::config) struct Values(pub(in crate::config) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of paths and values")
            }

            fn visit_unit<E: Error>(self) -> Result<Values, E> {
                Ok(Values::default())
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Values, M::Error> {
                let mut values = Vec::new();
                while let Some((path, Any(value))) = map.next_entry()? {
                    values.push((path, value));
                }
                Ok(Values(values))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Values, S::Error> {
                let mut values = Vec::new();
                while let Some(Values(more)) = list.next_element()? {
                    values.extend(more);
                }
                Ok(Values(values))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

/// Any value, `null` too, which counts as nothing elsewhere in the file.
struct Any(Value);

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_none<E: Error>(self) -> Result<Any, E> {
                Ok(Any(Value::Null))
            }

            fn visit_unit<E: Error>(self) -> Result<Any, E> {
                Ok(Any(Value::Null))
            }

            fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Any, D::Error> {
                some.deserialize_any(self)
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Any, E> {
                Ok(Any(value.into()))
            }

            fn visit_i64<E: Error>(self, value: i64) -> Result<Any, E> {
                Ok(Any(value.into()))
            }

            fn visit_u64<E: Error>(self, value: u64) -> Result<Any, E> {
                Ok(Any(value.into()))
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<Any, E> {
                let number = Number::from_f64(value);
                let number = number.ok_or_else(|| E::custom("must be a number that JSON has"))?;
                Ok(Any(number.into()))
            }

            fn visit_str<E: Error>(self, value: &str) -> Result<Any, E> {
                Ok(Any(value.into()))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Any, S::Error> {
                let mut values = Vec::new();
                while let Some(Any(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Any(values.into()))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Any, M::Error> {
                let mut members = Map::new();
                while let Some((key, Any(value))) = map.next_entry()? {
                    members.insert(key, value);
                }
                Ok(Any(members.into()))
            }
        }
        deserializer.deserialize_option(Reader)
    }
}

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(path, value)| (path, value)))
    }
}

impl JsonSchema for Values {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Values".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "object", "additionalProperties": true},
            {"type": "array", "items": {"type": "object", "additionalProperties": true}},
        ]})
    }
}
