//! A document in memory, for the few places that change its shape (schemas, foreign state in
//! histories). Unlike `serde_json::Value` it keeps the order of keys and the spelling of numbers.

use std::borrow::Cow;

use super::{Kind, Node, quote_into};
use crate::chat::Json;

/// A JSON value whose shape can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree<'a> {
    /// `null`, a boolean or a number, as it is written.
    Scalar(Cow<'a, str>),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Self>),
    /// An object, in order. Keys may repeat if they did in the text.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'a> Tree<'a> {
    /// Builds the value. `None` when it nests deeper than `depth` or has more than `nodes` values in
    /// it; `nodes` is what may still be used and goes down.
    pub fn build(node: Node<'a>, depth: usize, nodes: &mut usize) -> Option<Self> {
        *nodes = nodes.checked_sub(1)?;
        let deeper = || depth.checked_sub(1);
        Some(match node.kind() {
            Kind::String => Self::String(node.str()?),
            Kind::Array => {
                let depth = deeper()?;
                let items: Option<Vec<_>> = node
                    .items()
                    .map(|item| Self::build(item, depth, nodes))
                    .collect();
                Self::Array(items?)
            }
            Kind::Object => {
                let depth = deeper()?;
                let members: Option<Vec<_>> = node
                    .members()
                    .map(|(key, value)| Some((key, Self::build(value, depth, nodes)?)))
                    .collect();
                Self::Object(members?)
            }
            Kind::Null | Kind::Bool | Kind::Number => Self::Scalar(Cow::Borrowed(node.raw())),
        })
    }

    /// An object without members.
    pub const fn empty() -> Self {
        Self::Object(Vec::new())
    }

    /// A string.
    pub fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    /// A scalar; `text` must be `null`, a boolean or a number.
    pub fn scalar(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Scalar(text.into())
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let members = self.as_object()?;
        members
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// A member of an object, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        let Self::Object(members) = self else {
            return None;
        };
        members
            .iter_mut()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, key: &str) -> Option<Self> {
        let Self::Object(members) = self else {
            return None;
        };
        let at = members.iter().rposition(|(name, _)| name == key)?;
        Some(members.remove(at).1)
    }

    /// Sets a member of an object: in its place if it is there, else at the end. Anything but an
    /// object stays as it is.
    pub fn set(&mut self, key: impl Into<Cow<'a, str>>, value: Self) {
        let key = key.into();
        if let Some(place) = self.get_mut(&key) {
            *place = value;
        } else if let Self::Object(members) = self {
            members.push((key, value));
        }
    }

    /// The members, if it is an object.
    pub fn as_object(&self) -> Option<&[(Cow<'a, str>, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Appends it as JSON, without space between.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Scalar(text) => out.extend_from_slice(text.as_bytes()),
            Self::String(text) => quote_into(out, text),
            Self::Array(items) => super::array(out, |a| {
                for item in items {
                    item.write(a.element());
                }
            }),
            Self::Object(members) => super::object(out, |o| {
                for (key, value) in members {
                    value.write(o.key(key));
                }
            }),
        }
    }

    /// It as JSON text.
    pub fn to_json(&self) -> Json<'static> {
        let mut out = Vec::new();
        self.write(&mut out);
        Json::trusted(String::from_utf8(out).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(text: &str, depth: usize, mut nodes: usize) -> Option<Tree<'_>> {
        Tree::build(Node::trusted(text), depth, &mut nodes)
    }

    #[test]
    fn what_was_read_is_written() {
        let text = r#"{"z":1.0,"a":[1e400,"é\n",null,{}],"z2":12345678901234567890123}"#;
        assert_eq!(build(text, 9, 99).unwrap().to_json().as_str(), text);
    }

    #[test]
    fn members_change_in_place() {
        let mut tree = build(r#"{"a":1,"b":{"c":2}}"#, 9, 99).unwrap();
        tree.set("a", Tree::string("x"));
        tree.set("d", Tree::empty());
        assert_eq!(
            tree.get_mut("b").unwrap().remove("c"),
            Some(Tree::scalar("2"))
        );
        assert_eq!(tree.to_json().as_str(), r#"{"a":"x","b":{},"d":{}}"#);
    }

    #[test]
    fn deep_and_big_documents_are_refused() {
        assert_eq!(build("[[[]]]", 2, 99), None);
        assert!(build("[[[]]]", 3, 99).is_some());
        assert_eq!(build("[1,2,3]", 3, 3), None);
    }
}
