//! Text that is decoded when somebody reads it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// Text, perhaps still as JSON writes it. Most texts of a conversation only pass: they are read from one
/// document and written into another, and what stood between the quotes there may stand so here.
#[derive(Clone)]
pub struct LazyStr<'a>(Inner<'a>);

#[derive(Clone)]
enum Inner<'a> {
    Text(Cow<'a, str>),
    /// Nothing in it has to be escaped: as JSON it is the same.
    Plain(&'a str),
    Escaped {
        raw: &'a str,
        decode: fn(&str) -> String,
        text: OnceLock<String>,
    },
}

impl<'a> LazyStr<'a> {
    /// What stands between the quotes of a JSON string that has no escapes.
    pub const fn plain(raw: &'a str) -> Self {
        Self(Inner::Plain(raw))
    }

    /// What stands between the quotes of a JSON string. All its escapes must be of characters: what
    /// `decode` gives must say the same.
    pub const fn escaped(raw: &'a str, decode: fn(&str) -> String) -> Self {
        Self(Inner::Escaped {
            raw,
            decode,
            text: OnceLock::new(),
        })
    }

    /// What may stand between the quotes of a JSON string, if that is known.
    pub const fn raw(&self) -> Option<&'a str> {
        match &self.0 {
            Inner::Text(_) => None,
            Inner::Plain(raw) | Inner::Escaped { raw, .. } => Some(raw),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Inner::Text(text) => text,
            Inner::Plain(text) => text,
            Inner::Escaped { raw, decode, text } => text.get_or_init(|| decode(raw)),
        }
    }

    /// The same text, not copied.
    pub fn borrowed(&self) -> LazyStr<'_> {
        LazyStr(match &self.0 {
            Inner::Text(text) => Inner::Text(Cow::Borrowed(text)),
            other => other.clone(),
        })
    }

    /// Appends to the text.
    pub fn push_str(&mut self, more: &str) {
        match &mut self.0 {
            Inner::Text(text) => text.to_mut().push_str(more),
            Inner::Plain(_) | Inner::Escaped { .. } => self.edit(|text| text.push_str(more)),
        }
    }

    /// Changes the text.
    pub fn edit(&mut self, change: impl FnOnce(&mut String)) {
        let mut text = std::mem::take(self).into_cow().into_owned();
        change(&mut text);
        *self = text.into();
    }

    /// The text, to keep.
    pub fn into_cow(self) -> Cow<'a, str> {
        match self.0 {
            Inner::Text(text) => text,
            Inner::Plain(text) => Cow::Borrowed(text),
            Inner::Escaped { raw, decode, text } => {
                Cow::Owned(text.into_inner().unwrap_or_else(|| decode(raw)))
            }
        }
    }

    /// The same with a life of its own.
    pub fn into_owned(self) -> LazyStr<'static> {
        LazyStr(Inner::Text(Cow::Owned(self.into_cow().into_owned())))
    }

    /// Whether there is no character in it. Decodes nothing.
    pub fn is_empty(&self) -> bool {
        // Every escape is a character.
        self.raw().unwrap_or_else(|| self.as_str()).is_empty()
    }

    /// Whether there is nothing but white space in it. Decodes only what begins with an escape.
    pub fn is_blank(&self) -> bool {
        match self.raw().and_then(|raw| raw.trim_start().bytes().next()) {
            Some(first) if first != b'\\' => false,
            _ => self.as_str().trim().is_empty(),
        }
    }
}

impl Default for LazyStr<'_> {
    fn default() -> Self {
        Self::plain("")
    }
}

impl Deref for LazyStr<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl<'a> From<Cow<'a, str>> for LazyStr<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(Inner::Text(text))
    }
}

impl<'a> From<&'a str> for LazyStr<'a> {
    fn from(text: &'a str) -> Self {
        Self(Inner::Text(Cow::Borrowed(text)))
    }
}

impl From<String> for LazyStr<'_> {
    fn from(text: String) -> Self {
        Self(Inner::Text(Cow::Owned(text)))
    }
}

impl PartialEq for LazyStr<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for LazyStr<'_> {}

impl PartialEq<str> for LazyStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for LazyStr<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for LazyStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for LazyStr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(raw: &str) -> LazyStr<'_> {
        LazyStr::escaped(raw, |raw| raw.replace("\\n", "\n").replace("\\u0020", " "))
    }

    #[test]
    fn it_is_its_text_however_it_is_held() {
        let (lazy, text) = (escaped("a\\nb"), LazyStr::from("a\nb"));
        assert_eq!(lazy, text);
        assert_eq!((lazy.raw(), text.raw()), (Some("a\\nb"), None));
        assert_eq!(lazy.clone().into_cow(), "a\nb");
        assert_eq!(lazy.into_owned().raw(), None);
        assert_eq!(LazyStr::plain("x").raw(), Some("x"));
    }

    #[test]
    fn emptiness_is_that_of_the_text() {
        for (raw, is_empty, is_blank) in [
            ("", true, true),
            (" \\n\\u0020", false, true),
            ("\\nx", false, false),
            (" x", false, false),
        ] {
            let lazy = escaped(raw);
            assert_eq!(
                (lazy.is_empty(), lazy.is_blank()),
                (is_empty, is_blank),
                "{raw}"
            );
        }
    }
}
