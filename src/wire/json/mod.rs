//! JSON without a tree: what a gateway that relays bytes needs to read and change in a document.
//!
//! Bodies pass untouched unless something has to change, so nothing here builds a document in
//! memory. [`shallow`] walks one object strictly and says where its members stand, [`request_head`]
//! takes from it what routing needs, [`Splicer`] changes one string while bytes stream past.
//!
//! Why not `serde_json` for all of it? It gives values, not places: to change the model's name and
//! keep every other byte (spacing, key order, numbers like `1.0`) the place is what is needed.

#[cfg(test)]
mod alias_tests;
mod error;
mod fields;
mod head;
mod node;
mod record;
mod scan;
mod spans;
mod splice;
mod strings;
mod template;
mod text;
mod top_level;
mod tree;
mod walk;
mod write;

pub use error::JsonError;
pub use fields::Fields;
pub use head::{Field, Head, HeadError, insert_member, replace, request_head, surveyed_head};
pub use node::{Items, Kind, Members, Node, Object};
pub use scan::{Member, Outline, shallow};
pub use spans::{Document, Note, Survey, survey};
pub use splice::Splicer;
pub use strings::TRACE;
#[cfg(test)]
pub(crate) use template::blind;
pub use template::{Filled, Gap, Templates, digits, inside, place};
pub use text::{
    compact, decode_escape, decode_lossy_into, escape_into, quote, quote_into, quote_or_null,
    string_end, unquote,
};
pub use top_level::TopLevel;
pub use tree::Tree;
pub use write::{ArrayWriter, ObjectWriter, array, members_into, number_into, object};

use serde_json::value::RawValue;

/// How deep provider answers may nest before they count as unreadable.
const ANSWER_DEPTH: usize = 128;

/// The raw values of the named members of an object, or `None` if it is not a readable object.
/// Of a repeated key the last one counts, as in every provider's parser.
pub fn pick<'a, const N: usize>(
    object: &'a [u8],
    names: [&str; N],
) -> Option<[Option<&'a [u8]>; N]> {
    let mut found = [None; N];
    shallow(object, ANSWER_DEPTH, |member| {
        if let Some(at) = names.iter().position(|name| *name == member.key) {
            found[at] = Some(member.raw);
        }
    })
    .ok()?;
    Some(found)
}

/// The raw elements of an array, or `None` if it is not a readable array.
pub fn elements(array: &[u8]) -> Option<Vec<&[u8]>> {
    let elements: Vec<&RawValue> = serde_json::from_slice(array).ok()?;
    Some(
        elements
            .into_iter()
            .map(|element| element.get().as_bytes())
            .collect(),
    )
}

/// Whether a raw value says nothing: `null`, `""`, `[]` or `{}`.
pub fn is_blank(raw: &[u8]) -> bool {
    match raw {
        b"null" | b"\"\"" => true,
        [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] => inner.trim_ascii().is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picking_gives_raw_values_and_the_last_of_a_repeated_key() {
        let object = br#"{"a": 1.0, "b":[ 2 ],"a":"x"}"#;
        assert_eq!(
            pick(object, ["a", "b", "c"]),
            Some([Some(&b"\"x\""[..]), Some(b"[ 2 ]"), None])
        );
        assert_eq!(pick(b"[]", ["a"]), None);
        assert_eq!(pick(b"{", ["a"]), None);
    }

    #[test]
    fn elements_are_raw() {
        assert_eq!(
            elements(b"[ 1.0 , {\"a\" : 2}]"),
            Some(vec![&b"1.0"[..], b"{\"a\" : 2}"])
        );
        assert_eq!(elements(b"{}"), None);
    }

    #[test]
    fn blank_is_what_says_nothing() {
        for raw in ["null", "\"\"", "[]", "[ ]", "{}", "{\n}"] {
            assert!(is_blank(raw.as_bytes()), "{raw}");
        }
        for raw in ["0", "false", "\" \"", "[0]", "{\"a\":null}"] {
            assert!(!is_blank(raw.as_bytes()), "{raw}");
        }
    }
}
