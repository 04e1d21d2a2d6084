//! What is known of the blocks and candidates of a stream that is being written.

use std::borrow::Cow;

use crate::chat::{CallKind, Citation, Opaque, Opening};

/// A block that is open.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) number: u32,
    pub(super) candidate: u32,
    pub(super) kind: BlockKind,
}

/// What a block is.
#[derive(Debug)]
pub(super) enum BlockKind {
    /// Text, from a code point of the answer on.
    Text {
        before: u64,
        length: u64,
        citations: Vec<Citation<'static>>,
    },
    Refusal,
    /// Reasoning: its number, its text so far, its last part.
    Reasoning {
        index: u32,
        text: String,
        part: u32,
    },
    Call(Call),
}

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    /// Its number among the calls of its candidate.
    pub(super) index: u32,
    pub(super) kind: CallKind,
    /// Its id and name, until they are sent: state for it may still come.
    pub(super) held: Option<(String, String)>,
    pub(super) has_arguments: bool,
}

/// What is known of one candidate.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    pub(super) number: u32,
    calls: u32,
    reasonings: u32,
    /// Some reasoning was sent in an earlier block.
    pub(super) has_reasoned: bool,
    pub(super) has_text: bool,
    pub(super) has_refused: bool,
    /// Code points of text.
    pub(super) length: u64,
    pub(super) annotations: Vec<String>,
    /// State of the reasoning before the next call, packed.
    pub(super) state: Option<Opaque<'static>>,
}

impl Candidate {
    pub(super) fn new(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// A new block of this candidate.
    pub(super) fn open(&mut self, number: u32, opening: Opening<'_>) -> Block {
        let count = |counter: &mut u32| {
            let index = *counter;
            *counter += 1;
            index
        };
        let kind = match opening {
            Opening::Text => BlockKind::Text {
                before: self.length,
                length: 0,
                citations: Vec::new(),
            },
            Opening::Refusal => BlockKind::Refusal,
            Opening::Reasoning => BlockKind::Reasoning {
                index: count(&mut self.reasonings),
                text: String::new(),
                part: 0,
            },
            Opening::ToolCall { id, name, kind, .. } => BlockKind::Call(Call {
                index: count(&mut self.calls),
                kind,
                held: Some((id.into_owned(), name.into_owned())),
                has_arguments: false,
            }),
        };
        Block {
            number,
            candidate: self.number,
            kind,
        }
    }

    /// Whether nothing was said that a client could use.
    pub(super) const fn is_silent(&self) -> bool {
        self.calls == 0 && !self.has_text && !self.has_refused
    }
}

/// What parts a piece of reasoning from what was sent before: a blank line.
pub(super) fn parted<'t>(is_apart: bool, text: &'t str) -> Cow<'t, str> {
    if is_apart {
        Cow::Owned(format!("\n\n{text}"))
    } else {
        Cow::Borrowed(text)
    }
}
