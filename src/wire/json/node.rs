//! Reading a document that is known to be JSON, value by value, without building it.
//!
//! [`Node::parse`] checks the text once, strictly; after that a [`Node`] is a piece of text that is
//! one value, and looking into it only skips. Numbers, key order and spelling stay what they were.

use std::borrow::Cow;

use memchr::memchr;
use smallvec::SmallVec;

use super::scan;
use super::spans::Span;
use super::strings::Escapes;
use super::text::decode_lossy;
use super::walk::Walk;
use super::{JsonError, shallow};
use crate::chat::{Extra, Json, LazyStr};

/// One JSON value inside a document that was checked.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    pub(super) text: &'a str,
    /// The long values in it; none if nobody has noted them.
    pub(super) spans: &'a [Span],
    /// Where it begins in the text that `spans` is about, which is never longer than this can say.
    pub(super) start: u32,
    /// What is known of a string's escapes.
    pub(super) escapes: Option<Escapes>,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Node<'_> {}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool,
    /// A number of any size.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Node<'a> {
    /// Checks that `text` is one JSON object, nested no deeper than `max_depth`.
    pub fn parse(text: &'a [u8], max_depth: usize) -> Result<Self, JsonError> {
        Ok(Self::trusted(scan::check(text, max_depth, &mut ())?))
    }

    /// A whole document whose long values are noted.
    pub(super) fn spanned(text: &'a str, spans: &'a [Span]) -> Self {
        let start = text.len() - text.trim_start_matches(is_space).len();
        Self {
            spans,
            start: u32::try_from(start).unwrap_or(u32::MAX),
            ..Self::trusted(text)
        }
    }

    /// A value that another check vouches for: a member of a checked document, text of our own.
    pub fn trusted(text: &'a str) -> Self {
        Self {
            text: text.trim_matches(is_space),
            spans: &[],
            start: 0,
            escapes: None,
        }
    }

    /// The value of any kind, if `text` is one.
    pub fn parse_any(text: &'a str, max_depth: usize) -> Option<Self> {
        // As the one member of an object, so that one checker serves for all kinds.
        let wrapped = ["{\"v\":", text, "}"].concat();
        let mut members = 0;
        shallow(wrapped.as_bytes(), max_depth + 1, |_| members += 1).ok()?;
        (members == 1).then(|| Self::trusted(text))
    }

    /// The text of the value.
    pub const fn raw(self) -> &'a str {
        self.text
    }

    /// The text of the value, to keep.
    pub fn json(self) -> Json<'a> {
        Json::trusted(self.text)
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Null,
        }
    }

    /// Whether it is `null`.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of a string. An escaped surrogate without its other half, which is JSON but no
    /// character, is read as U+FFFD.
    pub fn str(self) -> Option<Cow<'a, str>> {
        let inner = self.inner()?;
        if self.escapes == Some(Escapes::None) {
            return Some(Cow::Borrowed(inner));
        }
        // The text was checked: only escapes are left to see to.
        match memchr(b'\\', inner.as_bytes()) {
            None => Some(Cow::Borrowed(inner)),
            Some(_) => Some(Cow::Owned(decode_lossy(inner))),
        }
    }

    /// What stands between the quotes of a string.
    fn inner(self) -> Option<&'a str> {
        self.text.strip_prefix('"')?.strip_suffix('"')
    }

    /// The text of a string, as [`Self::str`] reads it, that need not be decoded to be written again.
    pub fn text(self) -> Option<LazyStr<'a>> {
        if self.escapes == Some(Escapes::Some) {
            return Some(LazyStr::escaped(self.inner()?, decode_lossy));
        }
        Some(match self.str()? {
            // Borrowed from between the quotes.
            Cow::Borrowed(inner) => LazyStr::plain(inner),
            decoded => decoded.into(),
        })
    }

    /// `true` or `false`.
    pub fn bool(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A number that is whole and not negative; `3.0` is 3.
    pub fn u64(self) -> Option<u64> {
        self.text.parse().ok().or_else(|| {
            let number = self.f64()?;
            // Beyond 2⁵³ a float no longer says which whole number it is.
            let is_exact = number.fract() == 0.0 && (0.0..9e15).contains(&number);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked above"
            )]
            is_exact.then_some(number as u64)
        })
    }

    /// A number of something. One that is negative or not whole is cut to what can be, and noted in `odd`.
    pub fn count(self, odd: &mut bool) -> Option<u64> {
        self.u64().or_else(|| {
            let number = self.f64()?;
            *odd = true;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "saturates; a number of JSON is none that is not a number"
            )]
            Some(number.max(0.0) as u64)
        })
    }

    /// A whole number.
    pub fn i64(self) -> Option<i64> {
        self.text
            .parse()
            .ok()
            .or_else(|| i64::try_from(self.u64()?).ok())
    }

    /// A number.
    pub fn f64(self) -> Option<f64> {
        (self.kind() == Kind::Number).then(|| self.text.parse().ok())?
    }

    /// The members of an object in order; of anything else, none.
    pub fn members(self) -> Members<'a> {
        Members(Walk::into(self, b'{'))
    }

    /// The elements of an array in order; of anything else, none.
    pub fn items(self) -> Items<'a> {
        Items(Walk::into(self, b'['))
    }

    /// A member of an object that is there and not `null`. Of a repeated key the last one counts.
    pub fn get(self, key: &str) -> Option<Self> {
        let mut found = None;
        for (name, value) in self.members() {
            if name == key {
                found = Some(value);
            }
        }
        found.filter(|value| !value.is_null())
    }

    /// The text of a string member.
    pub fn get_str(self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key)?.str()
    }

    /// The object, to take members from.
    pub fn object(self) -> Object<'a> {
        Object::of(self)
    }
}

/// The members of one object, to be taken one by one; what nobody takes is the rest.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    /// Inline as many as a message has: objects are moved, so a big one costs more than it saves.
    members: SmallVec<[(Cow<'a, str>, Node<'a>); 6]>,
}

impl<'a> Object<'a> {
    /// The members of `node`; none if it is no object.
    pub fn of(node: Node<'a>) -> Self {
        Self {
            members: node.members().collect(),
        }
    }

    /// The members of `node` under the names that `name` gives them.
    pub fn renamed(node: Node<'a>, name: impl Fn(Cow<'a, str>) -> Cow<'a, str>) -> Self {
        let renamed = |(key, value): (Cow<'a, str>, Node<'a>)| (name(key), value);
        Self {
            members: node.members().map(renamed).collect(),
        }
    }

    /// Takes a member out. `null` counts as not there. Of a repeated key the last one counts.
    pub fn take(&mut self, key: &str) -> Option<Node<'a>> {
        let mut found = None;
        self.members.retain(|(name, value)| {
            let is_it = name == key;
            if is_it {
                found = Some(*value);
            }
            !is_it
        });
        found.filter(|value| !value.is_null())
    }

    /// Takes a member that may be spelled in two ways (`maxTokens`, `max_tokens`).
    pub fn take_either(&mut self, key: &str, other: &str) -> Option<Node<'a>> {
        let (first, second) = (self.take(key), self.take(other));
        first.or(second)
    }

    /// Takes the text of a string member. A member of another kind is taken and lost.
    pub fn take_str(&mut self, key: &str) -> Option<Cow<'a, str>> {
        self.take(key)?.str()
    }

    /// Takes the text of a string member that may be long.
    pub fn take_text(&mut self, key: &str) -> Option<LazyStr<'a>> {
        self.take(key)?.text()
    }

    /// Takes a boolean member.
    pub fn take_bool(&mut self, key: &str) -> Option<bool> {
        self.take(key)?.bool()
    }

    /// Takes a whole number.
    pub fn take_u64(&mut self, key: &str) -> Option<u64> {
        self.take(key)?.u64()
    }

    /// Takes a member as it is written.
    pub fn take_json(&mut self, key: &str) -> Option<Json<'a>> {
        Some(self.take(key)?.json())
    }

    /// What nobody took, in order.
    pub fn rest(self) -> Extra<'a> {
        Extra(
            self.members
                .into_iter()
                .map(|(key, value)| (key, value.json()))
                .collect(),
        )
    }
}

/// See [`Node::members`].
#[derive(Debug, Clone)]
pub struct Members<'a>(Walk<'a>);

impl<'a> Members<'a> {
    /// The next key as it is written, and its value.
    pub fn pair(&mut self) -> Option<(Node<'a>, Node<'a>)> {
        let key = self.0.value()?;
        self.0.expect(b':')?;
        let value = self.0.value()?;
        self.0.skip_comma();
        Some((key, value))
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Node<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, value) = self.pair()?;
        Some((key.str()?, value))
    }
}

/// See [`Node::items`].
#[derive(Debug, Clone)]
pub struct Items<'a>(Walk<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = Node<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.0.value()?;
        self.0.skip_comma();
        Some(value)
    }
}

const fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
