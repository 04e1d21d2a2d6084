//! What a rule asks of a body before it changes it.

use std::collections::HashMap;

use super::edit::{Document, Found};
use super::path::Path;
use crate::wire::json::{Kind, Node};

/// What a rule asks of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The value at the path is this one, which is JSON.
    Equal(Path, Box<str>),
    /// It is another one, or there is none.
    NotEqual(Path, Box<str>),
    /// There is a value at the path, and it is not `null`.
    Exists(Path),
    /// There is none.
    Missing(Path),
}

impl Condition {
    /// Whether it holds for `document`.
    pub(super) fn holds(&self, document: Document<'_>) -> bool {
        let value = |path| match document.find(path) {
            Found::Value(value) => Some(value),
            _ => None,
        };
        let is = |path, wanted: &str| {
            value(path).is_some_and(|value| is_equal(value, Node::trusted(wanted)))
        };
        match self {
            Self::Equal(path, wanted) => is(path, wanted),
            Self::NotEqual(path, wanted) => !is(path, wanted),
            Self::Exists(path) => value(path).is_some_and(|value| !value.is_null()),
            Self::Missing(path) => value(path).is_none_or(Node::is_null),
        }
    }
}

/// Whether two values mean the same: `1` and `1.0`, objects in any order.
fn is_equal(one: Node<'_>, other: Node<'_>) -> bool {
    if one.kind() != other.kind() {
        return false;
    }
    match one.kind() {
        Kind::Null | Kind::Bool => one == other,
        Kind::Number => match (one.raw().parse::<i128>(), other.raw().parse::<i128>()) {
            (Ok(one), Ok(other)) => one == other,
            _ => one == other || one.f64() == other.f64(),
        },
        Kind::String => one.str() == other.str(),
        Kind::Array => {
            let (mut ones, mut others) = (one.items(), other.items());
            loop {
                match (ones.next(), others.next()) {
                    (None, None) => return true,
                    (Some(one), Some(other)) if is_equal(one, other) => {}
                    _ => return false,
                }
            }
        }
        Kind::Object => {
            let ones: HashMap<_, _> = one.members().collect();
            let others: HashMap<_, _> = other.members().collect();
            ones.len() == others.len()
                && others
                    .iter()
                    .all(|(key, other)| ones.get(key).is_some_and(|one| is_equal(*one, *other)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_when_they_mean_the_same() {
        for (one, other, want) in [
            ("1", "1.0", true),
            ("1e2", "100", true),
            ("9007199254740993", "9007199254740992", false),
            ("\"a\\u0062\"", "\"ab\"", true),
            ("\"A\"", "\"a\"", false),
            ("true", "false", false),
            ("0", "false", false),
            ("null", "null", true),
            ("[1,[2]]", "[1.0, [ 2 ]]", true),
            ("[1]", "[1,2]", false),
            (r#"{"a":1,"b":{}}"#, r#"{ "b":{}, "a":1.0}"#, true),
            (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false),
        ] {
            assert_eq!(
                is_equal(Node::trusted(one), Node::trusted(other)),
                want,
                "{one} {other}"
            );
        }
    }

    #[test]
    fn conditions_look_at_one_path() {
        let document = Document::new(r#"{"a":{"b":"x","n":null},"l":[1,2]}"#, false);
        let path = |text| Path::try_new(text).unwrap();
        for (condition, want) in [
            (Condition::Equal(path("a.b"), "\"x\"".into()), true),
            (Condition::Equal(path("a.c"), "\"x\"".into()), false),
            (Condition::Equal(path("l.1"), "2".into()), true),
            (Condition::Equal(path("a.n"), "null".into()), true),
            (Condition::NotEqual(path("a.b"), "\"x\"".into()), false),
            (Condition::NotEqual(path("a.c"), "\"x\"".into()), true),
            (Condition::Exists(path("a.b")), true),
            (Condition::Exists(path("a.n")), false),
            (Condition::Exists(path("a.b.c")), false),
            (Condition::Exists(path("l.2")), false),
            (Condition::Missing(path("a.n")), true),
            (Condition::Missing(path("l")), false),
        ] {
            assert_eq!(condition.holds(document), want, "{condition:?}");
        }
    }
}
