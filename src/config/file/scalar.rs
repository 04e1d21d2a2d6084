//! Values with a notation of their own: sizes, durations, and items that may be written in brief.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes: `64MiB`, `512KiB`, `1GB` or `65536`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Size(pub(in crate::config) u64);

/// Longest first within each letter, so that `MiB` is not taken for `B`.
const UNITS: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl Size {
    const EXPECTED: &str = "a size like 64MiB, 512KiB, 1GB or a number of bytes";

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
            .unwrap_or((text, 1));
        let number: u64 = number.trim_end().parse().ok()?;
        number.checked_mul(unit).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, unit) in [UNITS[2], UNITS[1], UNITS[0]] {
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Size;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Size::EXPECTED)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Size, E> {
                Ok(Size(number))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Size, E> {
                Size::read(text)
                    .ok_or_else(|| E::custom(format_args!("must be {}", Size::EXPECTED)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Size {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "format": "size",
            "pattern": "^[0-9]+ ?([KMG]i?B|B)?$",
            "minimum": 0,
        })
    }
}

/// A duration in seconds, whole or decimal.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::config) struct Seconds(pub(in crate::config) Duration);

impl Seconds {
    const EXPECTED: &str = "a number of seconds from 0 to 31536000";
    /// A year. Timers that are set further ahead are a mistake, and some overflow.
    const LONGEST: Duration = Duration::from_secs(31_536_000);

    pub(super) const fn whole(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            serializer.serialize_u64(self.0.as_secs())
        } else {
            serializer.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Seconds::EXPECTED)
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
                within_bounds(Duration::from_secs(seconds))
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Seconds, E> {
                Err(out_of_bounds())
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
                Duration::try_from_secs_f64(seconds)
                    .map_or_else(|_| Err(out_of_bounds()), within_bounds)
            }
        }

        fn within_bounds<E: Error>(duration: Duration) -> Result<Seconds, E> {
            if duration <= Seconds::LONGEST {
                Ok(Seconds(duration))
            } else {
                Err(out_of_bounds())
            }
        }

        fn out_of_bounds<E: Error>() -> E {
            E::custom(format_args!("must be {}", Seconds::EXPECTED))
        }

        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Seconds {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Seconds".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "number",
            "format": "seconds",
            "minimum": 0,
            "maximum": Self::LONGEST.as_secs(),
        })
    }
}

/// A list item that is either a map or, in brief, the one string that matters most in it.
pub(in crate::config) struct Brief<T>(pub(in crate::config) T);

impl<T: Serialize> Serialize for Brief<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de> + From<String> + Default> Deserialize<'de> for Brief<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + From<String> + Default> Visitor<'de> for Reader<T> {
            type Value = Brief<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a map")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Brief<T>, E> {
                Ok(Brief(text.to_owned().into()))
            }

            /// An item that was cut out of the tree because of an error in it.
            fn visit_unit<E: Error>(self) -> Result<Brief<T>, E> {
                Ok(Brief(T::default()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Brief<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Brief)
            }
        }
        deserializer.deserialize_any(Reader(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Brief<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{"type": "string"}, generator.subschema_for::<T>()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_binary_and_decimal_units() {
        for (text, want) in [
            ("64MiB", Some(64 << 20)),
            ("512KiB", Some(512 << 10)),
            ("1GB", Some(1_000_000_000)),
            ("2 GiB", Some(2 << 30)),
            ("100B", Some(100)),
            ("65536", Some(65536)),
            ("0", Some(0)),
            ("", None),
            ("MiB", None),
            ("-1", None),
            ("1.5MiB", None),
            ("1mib", None),
            ("99999999999GiB", None),
        ] {
            assert_eq!(Size::read(text).map(|size| size.0), want, "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_that_fits() {
        assert_eq!(Size(64 << 20).to_string(), "64MiB");
        assert_eq!(Size(1536).to_string(), "1536");
        assert_eq!(Size(0).to_string(), "0");
    }
}
