//! JSON that is carried, not understood.

use std::borrow::Cow;

/// A JSON value as text, exactly as its author wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json<'a>(Cow<'a, str>);

impl<'a> Json<'a> {
    /// `text` must be one JSON value.
    pub fn trusted(text: impl Into<Cow<'a, str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of a number.
    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }

    /// The same value with a life of its own.
    pub fn into_owned(self) -> Json<'static> {
        Json(Cow::Owned(self.0.into_owned()))
    }
}

/// Members of an object that only the format it came from may understand, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra<'a>(pub Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Extra<'a> {
    /// A member, if it is there and not `null`.
    pub fn get(&self, key: &str) -> Option<&Json<'a>> {
        let (_, value) = self.0.iter().rev().find(|(name, _)| name == key)?;
        (value.as_str() != "null").then_some(value)
    }

    /// Takes a member out.
    pub fn take(&mut self, key: &str) -> Option<Json<'a>> {
        let at = self.0.iter().rposition(|(name, _)| name == key)?;
        Some(self.0.remove(at).1)
    }

    /// The same members with lives of their own.
    pub fn into_owned(self) -> Extra<'static> {
        let owned = |(key, value): (Cow<'a, str>, Json<'a>)| {
            (Cow::Owned(key.into_owned()), value.into_owned())
        };
        Extra(self.0.into_iter().map(owned).collect())
    }
}
