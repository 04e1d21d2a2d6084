//! Deltas that only bring more text of a block: nearly all of a stream.

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
