//! The members of an object, found once.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::Node;

/// An object that is asked for many of its members: [`Node::get`] looks at all of its text each time,
/// this only once.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    node: Node<'a>,
    members: SmallVec<[(Cow<'a, str>, Node<'a>); 12]>,
}

impl<'a> Fields<'a> {
    /// The members of `node`; none if it is no object.
    pub fn of(node: Node<'a>) -> Self {
        Self {
            node,
            members: node.members().collect(),
        }
    }

    /// The object itself.
    pub const fn node(&self) -> Node<'a> {
        self.node
    }

    /// Whether it has no members, or is no object.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// A member that is there and not `null`. Of a repeated key the last one counts.
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        let (_, value) = self.members.iter().rfind(|(name, _)| name == key)?;
        (!value.is_null()).then_some(*value)
    }

    /// The text of a string member.
    pub fn get_str(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key)?.str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_those_of_the_node() {
        for text in [
            r#"{"a":1,"b":"x","a":null,"c":[{"a":2}],"\u0064":3,"e":true,"e":false}"#,
            r#"{"a":null,"a":1}"#,
            "{}",
            "[1]",
            "\"a\"",
        ] {
            let node = Node::trusted(text);
            let fields = Fields::of(node);
            assert_eq!(fields.node(), node);
            for key in ["a", "b", "c", "d", "e", "f", ""] {
                assert_eq!(fields.get(key), node.get(key), "{key} of {text}");
                assert_eq!(fields.get_str(key), node.get_str(key), "{key} of {text}");
            }
        }
    }
}
