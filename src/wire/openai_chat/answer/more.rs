//! Chunks that only bring more of what is open: nearly all of a stream.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::calls::Entry;
use super::candidate::{Candidate, Emit};
use super::shared::Shared;
use crate::chat::CallKind;
use crate::wire::json::{Gap, Node, inside};

/// What such a chunk says.
#[derive(Debug, Clone, Copy)]
pub(super) struct More {
    /// Of which alternative.
    pub(super) candidate: u32,
    /// What.
    pub(super) kind: MoreKind,
}

/// What there is more of.
#[derive(Debug, Clone, Copy)]
pub(super) enum MoreKind {
    Text,
    Reasoning,
    /// The arguments of the call with this index.
    Arguments(Option<u64>),
}

/// Members of a delta that mean something, besides its text.
const OTHERS: [&str; 7] = [
    "reasoning_details",
    "refusal",
    "function_call",
    "extra_content",
    "annotations",
    "images",
    "audio",
];

/// The pieces of a chunk that may differ in others like it.
pub(super) type Gaps<'a> = SmallVec<[(Gap, &'a str); 2]>;

/// A chunk with nothing else in it: what it says, and where others like it may differ.
pub(super) fn read(chunk: Node<'_>) -> Option<(More, Gaps<'_>)> {
    if ["error", "usage", "x_groq"]
        .iter()
        .any(|key| chunk.get(key).is_some())
    {
        return None;
    }
    let mut choices = chunk.get("choices")?.items();
    let (choice, None) = (choices.next()?, choices.next()) else {
        return None;
    };
    let finishes = |reason: Node<'_>| reason.raw() != "\"\"";
    if choice.get("error").is_some()
        || choice.get("logprobs").is_some()
        || choice.get("finish_reason").is_some_and(finishes)
    {
        return None;
    }
    let (kind, text) = only(choice.get("delta")?)?;
    let mut gaps: Gaps<'_> = SmallVec::new();
    gaps.push((Gap::Text, text));
    let padding = chunk.get("obfuscation").and_then(inside);
    gaps.extend(padding.map(|padding| (Gap::Padding, padding)));
    let candidate = choice.get("index").and_then(Node::u64).unwrap_or(0);
    let candidate = u32::try_from(candidate).unwrap_or(0);
    Some((More { candidate, kind }, gaps))
}

/// The only member of a delta that says something.
fn only(delta: Node<'_>) -> Option<(MoreKind, &str)> {
    if OTHERS.iter().any(|key| delta.get(key).is_some()) {
        return None;
    }
    let content = delta.get("content").filter(|text| text.raw() != "\"\"");
    let reasoning = delta.get("reasoning_content");
    let reasonings = [reasoning, delta.get("reasoning")];
    match (content, reasonings, delta.get("tool_calls")) {
        (Some(text), [None, None], None) => Some((MoreKind::Text, inside(text)?)),
        (None, [Some(text), None] | [None, Some(text)], None) => {
            Some((MoreKind::Reasoning, inside(text)?))
        }
        (None, [None, None], Some(calls)) => arguments(calls),
        _ => None,
    }
}

/// The arguments of the one call that a chunk goes on with.
fn arguments(calls: Node<'_>) -> Option<(MoreKind, &str)> {
    let mut calls = calls.items();
    let (call, None) = (calls.next()?, calls.next()) else {
        return None;
    };
    let entry = Entry::read(call);
    let goes_on = entry.id.is_empty() && entry.name.is_empty() && entry.signature.is_none();
    let arguments = call.get("function").filter(|_| goes_on)?.get("arguments")?;
    let is_function = entry.kind == CallKind::Function;
    let text = inside(arguments).filter(|_| is_function)?;
    Some((MoreKind::Arguments(entry.key), text))
}

impl Candidate {
    /// A delta with nothing in it but `text`, and what that is.
    pub(super) fn more(
        &mut self,
        kind: MoreKind,
        text: Cow<'_, str>,
        shared: &mut Shared,
        emit: Emit<'_>,
    ) {
        match kind {
            MoreKind::Text => self.tagged(text, None, shared, emit),
            MoreKind::Reasoning => self.reason_on(text, shared, emit),
            MoreKind::Arguments(key) => {
                self.close_reasoning(emit);
                let entry = Entry {
                    key,
                    id: Cow::Borrowed(""),
                    name: Cow::Borrowed(""),
                    kind: CallKind::Function,
                    arguments: text,
                    signature: None,
                };
                self.calls.entry(entry, shared, emit);
            }
        }
    }
}
