//! Events that only bring more of what is open: nearly all of a stream.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::super::super::json::{Fields, Filled, Gap, Node, digits, inside};
use super::held::Emit;
use super::item;
use super::stream::{Stream, index_of, number};
use crate::chat::ReasonKind;

/// What such an event says.
#[derive(Debug, Clone, Copy)]
pub(super) struct More {
    kind: MoreKind,
    /// Of which item; `None`: of the last one.
    place: Option<u64>,
    /// Of which of its parts.
    at: u64,
}

#[derive(Debug, Clone, Copy)]
enum MoreKind {
    Text,
    Refusal,
    Arguments,
    Reasoning(ReasonKind),
}

impl MoreKind {
    fn of(event: &str) -> Option<Self> {
        Some(match event {
            "response.output_text.delta" => Self::Text,
            "response.refusal.delta" => Self::Refusal,
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                Self::Arguments
            }
            "response.reasoning_summary_text.delta" => Self::Reasoning(ReasonKind::Summary),
            "response.reasoning_text.delta" => Self::Reasoning(ReasonKind::Raw),
            _ => return None,
        })
    }
}

impl Stream {
    /// An event that is like an earlier one.
    pub(super) fn more(&mut self, more: More, filled: &Filled<'_>, emit: Emit<'_>) {
        let place = self.place_or_last(more.place);
        let mut scratch = std::mem::take(&mut self.scratch);
        let text = filled.text(&mut scratch);
        match more.kind {
            MoreKind::Arguments => self.more_arguments(place, Cow::Borrowed(text), emit),
            MoreKind::Reasoning(kind) => self.think_at(place, (kind, more.at), text, false, emit),
            MoreKind::Text | MoreKind::Refusal if text.is_empty() => {}
            MoreKind::Text => self.say_at((place, more.at), false, text, None, emit),
            MoreKind::Refusal => self.say_at((place, more.at), true, text, None, emit),
        }
        self.scratch = scratch;
    }

    /// Keeps an event, so that others like it need not be read.
    pub(super) fn learn(&mut self, kind: &str, event: &Fields<'_>) {
        let Some(kind) = MoreKind::of(kind) else {
            return;
        };
        // Where the name of the event says what it is, its data does not.
        let is_plain = event.get("type").is_some()
            && event.get("response").is_none()
            && item::logprobs(event.node()).is_none();
        if !is_plain || !self.alike.is_worthwhile() {
            return;
        }
        let Some(text) = event.get("delta").and_then(inside) else {
            return;
        };
        let mut gaps: SmallVec<[(Gap, &str); 3]> = SmallVec::new();
        gaps.push((Gap::Text, text));
        let sequence = event.get("sequence_number").and_then(digits);
        gaps.extend(sequence.map(|digits| (Gap::Digits, digits)));
        let padding = event.get("obfuscation").and_then(inside);
        gaps.extend(padding.map(|padding| (Gap::Padding, padding)));
        let key = match kind {
            MoreKind::Reasoning(kind) => index_of(kind),
            _ => "content_index",
        };
        let more = More {
            kind,
            place: event.get("output_index").and_then(Node::u64),
            at: number(event, key),
        };
        self.alike.keep(event.node().raw(), &gaps, more);
    }
}
