//! Pieces that only bring more text: nearly all of a stream.

use std::ops::Range;

use smallvec::SmallVec;

use super::super::super::json::{Gap, Kind, Node, digits, inside, place};
use super::super::members::{camel, fields};
use super::usage;

/// What such a piece says.
#[derive(Debug, Clone, Copy)]
pub(super) struct More {
    /// Of which alternative.
    pub(super) candidate: usize,
    /// Whether it is a thought.
    pub(super) is_thought: bool,
    /// Where its `usageMetadata` stands, if there are numbers in it.
    pub(super) metadata: Option<Around>,
}

/// How far a value goes beyond its first number and its last one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around {
    before: usize,
    after: usize,
}

impl Around {
    /// The value around its numbers.
    pub(super) fn find<'d>(&self, document: &'d [u8], numbers: &Range<usize>) -> Option<&'d str> {
        let start = numbers.start.checked_sub(self.before)?;
        let value = document.get(start..numbers.end + self.after)?;
        std::str::from_utf8(value).ok()
    }
}

/// The pieces of a document that may differ in others like it.
pub(super) type Gaps<'a> = SmallVec<[(Gap, &'a str); 8]>;

/// A piece with nothing else in it than text: what it says, and where others like it may differ. It is
/// `response`, in the envelope `document` or without one.
pub(super) fn read<'a>(response: Node<'a>, document: Node<'a>) -> Option<(More, Gaps<'a>)> {
    let mut members = fields(response);
    let (candidates, metadata) = (members.take("candidates")?, members.take("usageMetadata"));
    if members.take("promptFeedback").is_some() || candidates.kind() != Kind::Array {
        return None;
    }
    let mut candidates = candidates.items();
    let (candidate, None) = (candidates.next()?, candidates.next()) else {
        return None;
    };
    let index = candidate.get("index").and_then(Node::u64).unwrap_or(0);
    let mut members = fields(candidate);
    let others = [
        "groundingMetadata",
        "citationMetadata",
        "logprobsResult",
        "finishReason",
        "finishMessage",
    ];
    if others.into_iter().any(|key| members.take(key).is_some()) {
        return None;
    }
    let parts = members.take("content")?.get("parts")?;
    if parts.kind() != Kind::Array {
        return None;
    }
    let mut parts = parts.items();
    let (part, None) = (parts.next()?, parts.next()) else {
        return None;
    };
    let mut members = fields(part);
    let text = members.take("text").and_then(inside)?;
    let is_thought = members.take_bool("thought").unwrap_or(false);
    if !members.rest().0.is_empty() {
        return None;
    }
    let mut gaps: Gaps<'_> = SmallVec::new();
    let metadata = match metadata.filter(|metadata| usage::read(*metadata).is_some()) {
        Some(metadata) => Some(numbers(metadata, document, &mut gaps)?),
        None => None,
    };
    gaps.push((Gap::Text, text));
    let more = More {
        candidate: usize::try_from(index).ok()?,
        is_thought,
        metadata,
    };
    Some((more, gaps))
}

/// Takes the numbers of `metadata` as gaps. `None`: there are none that may differ.
fn numbers<'a>(metadata: Node<'a>, document: Node<'a>, gaps: &mut Gaps<'a>) -> Option<Around> {
    for (key, value) in metadata.members() {
        match value.kind() {
            Kind::Number => gaps.push((Gap::Digits, digits(value)?)),
            // Counts of one kind of token each.
            Kind::Array if camel(key).ends_with("Details") => {
                for (_, value) in value.items().flat_map(Node::members) {
                    if value.kind() == Kind::Number {
                        gaps.push((Gap::Digits, digits(value)?));
                    }
                }
            }
            _ => {}
        }
    }
    let ((_, first), (_, last)) = (gaps.first()?, gaps.last()?);
    let metadata = place(document.raw(), metadata.raw())?;
    let (first, last) = (place(document.raw(), first)?, place(document.raw(), last)?);
    Some(Around {
        before: first.start - metadata.start,
        after: metadata.end - last.end,
    })
}
