//! What weighing an event needs in every format: its data without the framing, its type, a look at
//! the members of an object.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;

use super::Shape;
use super::json::{pick, shallow, unquote};
use super::sse::Event;

/// Deeper objects count as something we do not understand.
const MAX_DEPTH: usize = 128;

/// Words to look for, prepared once: preparing takes longer than looking through one event.
pub(super) struct Words(LazyLock<Vec<memmem::Finder<'static>>>);

impl Words {
    pub(super) const fn new(prepare: fn() -> Vec<memmem::Finder<'static>>) -> Self {
        Self(LazyLock::new(prepare))
    }

    /// Whether one of them stands anywhere in `bytes`.
    pub(super) fn any_in(&self, bytes: &[u8]) -> bool {
        self.0.iter().any(|word| word.find(bytes).is_some())
    }
}

/// Prepares `words`.
pub(super) fn finders<const N: usize>(words: [&'static str; N]) -> Vec<memmem::Finder<'static>> {
    words
        .into_iter()
        .map(|word: &'static str| memmem::Finder::new(word))
        .collect()
}

/// An event without its framing. `None` if it carries no data: a comment, a blank line.
pub(super) fn unframe(event: &[u8], shape: Shape) -> Option<Event<'_>> {
    match shape {
        Shape::Sse => Event::parse(event),
        Shape::Whole | Shape::JsonArray => Some(Event {
            name: None,
            data: Cow::Borrowed(event),
        }),
    }
}

/// The type of an event: its name, or the `type` in its data where servers leave the name out.
pub(super) fn event_type<'a>(event: &'a Event<'_>) -> Option<Cow<'a, str>> {
    match event.name {
        Some(name) if name != b"message" => std::str::from_utf8(name).ok().map(Cow::Borrowed),
        _ => unquote(pick(event.data.trim_ascii(), ["type"])?[0]?),
    }
}

/// Whether an object has a member of which the claim is true. What cannot be read may have it.
pub(super) fn has_member(object: &[u8], claim: impl Fn(&str, &[u8]) -> bool) -> bool {
    let mut found = false;
    let read = shallow(object, MAX_DEPTH, |member| {
        found |= claim(&member.key, member.raw);
    });
    found || read.is_err()
}
