//! Blocks that are open, and deltas that only bring more text of one: nearly all of a stream.

use std::borrow::Cow;

use super::emit::{Emit, reason, text};
use super::partial::Partial;
use crate::chat::Event;
use crate::wire::json::{Fields, Gap, Node, inside};

/// What such a delta says.
#[derive(Debug, Clone, Copy)]
pub(super) struct More {
    /// Of which block.
    pub(super) index: u64,
    /// Of what.
    pub(super) kind: MoreKind,
}

/// What there is more of.
#[derive(Debug, Clone, Copy)]
pub(super) enum MoreKind {
    Text,
    Reasoning,
    Arguments,
}

/// A `content_block_delta` of text: what it says, and where others like it may differ.
pub(super) fn read<'a>(event: &Fields<'a>) -> Option<(More, (Gap, &'a str))> {
    // Where the name of the event says what it is, its data does not.
    event.get("type")?;
    let delta = event.get("delta")?;
    let (kind, key) = match &*delta.get_str("type")? {
        "text_delta" => (MoreKind::Text, "text"),
        "thinking_delta" => (MoreKind::Reasoning, "thinking"),
        "input_json_delta" => (MoreKind::Arguments, "partial_json"),
        _ => return None,
    };
    let text = delta.get(key).and_then(inside)?;
    let index = event.get("index").and_then(Node::u64).unwrap_or_default();
    Some((More { index, kind }, (Gap::Text, text)))
}

/// A block that is open.
pub(super) struct Open {
    pub(super) index: u64,
    pub(super) kind: Pieces,
}

/// What came of it and what may still come.
pub(super) enum Pieces {
    Text(u32),
    Reasoning(u32),
    /// A call, and its input if it came with the start: it counts only if no deltas follow.
    Call(u32, Option<String>),
    Whole(Partial),
}

impl Pieces {
    /// Takes more text. False: this block has no such text, and nothing was done.
    pub(super) fn more(&mut self, kind: MoreKind, said: Cow<'_, str>, emit: Emit<'_>) -> bool {
        match (self, kind) {
            (Self::Text(number), MoreKind::Text) => text(*number, Some(said), emit),
            (Self::Reasoning(number), MoreKind::Reasoning) => reason(*number, Some(said), emit),
            (Self::Call(number, input), MoreKind::Arguments) => {
                if !said.is_empty() {
                    *input = None;
                    let block = *number;
                    emit(Event::Arguments { block, text: said });
                }
            }
            _ => return false,
        }
        true
    }
}
