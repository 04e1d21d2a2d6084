//! The config as a tree, between YAML text and typed values.
//!
//! Why not deserialise the text at once? Because all errors are wanted, not the first: a value that
//! cannot be read is reported, cut out of the tree, and the rest is read again. And because a tree
//! that keeps duplicate keys can report them.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Unexpected, Visitor};
use serde::{Serialize, Serializer, forward_to_deserialize_any};
use serde_path_to_error::Segment;

/// One value with what is below it. Not printable: any text may be a secret.
#[derive(Clone, PartialEq)]
pub(super) enum Node {
    /// Where a list item that could not be read was cut out. It reads as the default of whatever is
    /// wanted, so that the items after it keep their numbers.
    Hole,
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    /// In file order, duplicate keys included.
    Map(Vec<(String, Self)>),
}

impl Node {
    /// Cuts out the value at `path`, or the closest one above it that is there. `false` when there is
    /// nothing to cut.
    pub(super) fn cut<'a>(&mut self, path: impl Iterator<Item = &'a Segment>) -> bool {
        let mut at = self;
        let mut path = path.peekable();
        loop {
            let Some(segment) = path.next() else {
                return false;
            };
            let last = path.peek().is_none();
            match (at, segment) {
                (Self::List(items), Segment::Seq { index }) if *index < items.len() => {
                    if last || items[*index].is_leaf() {
                        let cut = std::mem::replace(&mut items[*index], Self::Hole);
                        return !matches!(cut, Self::Hole);
                    }
                    at = &mut items[*index];
                }
                (Self::Map(entries), Segment::Map { key }) => {
                    let Some(n) = entries.iter().position(|(name, _)| name == key) else {
                        return false;
                    };
                    if last || entries[n].1.is_leaf() {
                        entries.remove(n);
                        return true;
                    }
                    at = &mut entries[n].1;
                }
                _ => return false,
            }
        }
    }

    /// Takes out keys without a value: `models:` with nothing behind it is as good as left out. What
    /// stands in a request's body is left as it is: there `null` is a value.
    pub(super) fn drop_nulls(&mut self) {
        match self {
            Self::List(items) => items.iter_mut().for_each(Self::drop_nulls),
            Self::Map(entries) => {
                entries.retain(|(_, value)| !matches!(value, Self::Null));
                for (key, value) in entries {
                    if !matches!(key.as_str(), "params" | "match" | "not-match") {
                        value.drop_nulls();
                    }
                }
            }
            _ => {}
        }
    }

    fn is_leaf(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Map(_))
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hole | Self::Null => serializer.serialize_unit(),
            Self::Bool(bool) => serializer.serialize_bool(*bool),
            Self::Signed(number) => serializer.serialize_i64(*number),
            Self::Unsigned(number) => serializer.serialize_u64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
        }
    }
}

/// Why a value cannot be read. The messages never repeat text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Mistake(String);

impl de::Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let wanted = plain(expected);
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) => "text",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a map",
            _ => "empty",
        };
        let hint = match (wanted.as_str(), found) {
            ("text", "true or false" | "a number") => "; put it in quotes",
            _ => "",
        };
        Self(format!("must be {wanted}, not {found}{hint}"))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self(format!("must be {}", plain(expected)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(format!("must be one of {}", expected.join(", ")))
    }
}

/// What serde expects, in the words of an operator.
fn plain(expected: &dyn de::Expected) -> String {
    let words = expected.to_string();
    match words.as_str() {
        "a string" => "text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "u16" => "a whole number from 0 to 65535".to_owned(),
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "i32" => "a whole number from -2147483648 to 2147483647".to_owned(),
        _ if words.starts_with("struct ") => "a map".to_owned(),
        _ => words,
    }
}

impl<'de> IntoDeserializer<'de, Mistake> for &'de Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self {
            Node::Hole => visitor.visit_unit(),
            Node::Null => Err(de::Error::invalid_type(Unexpected::Unit, &visitor)),
            Node::Bool(bool) => visitor.visit_bool(*bool),
            Node::Signed(number) => visitor.visit_i64(*number),
            Node::Unsigned(number) => visitor.visit_u64(*number),
            Node::Float(number) => visitor.visit_f64(*number),
            Node::Text(text) => visitor.visit_str(text),
            Node::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter())),
            Node::Map(entries) => visitor.visit_map(MapDeserializer::new(
                entries.iter().map(|(key, value)| (key.as_str(), value)),
            )),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self {
            Node::Hole | Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        match self {
            Node::Hole => visitor.visit_str(""),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self {
            Node::Hole => {
                visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>()))
            }
            // A derived reader would take a list for its fields in order.
            Node::List(_) => Err(de::Error::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mistake> {
        match self {
            Node::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => Err(de::Error::unknown_variant("", variants)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mistake> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier
    }
}
