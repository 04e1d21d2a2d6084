//! The blocks that are being written.

use std::borrow::Cow;

use super::super::super::json::{object, quote};
use crate::chat::{CallKind, Citation, Format, Opaque, OpaqueKind, Opening};

/// A block that is not closed yet.
#[derive(Debug)]
pub(super) struct Block {
    /// Its number.
    pub(super) number: u32,
    /// The alternative it belongs to.
    pub(super) candidate: u32,
    /// What it is.
    pub(super) kind: Kind,
    /// What it says so far, or the arguments of the call.
    pub(super) text: String,
    /// What of reasoning was written already.
    pub(super) said: String,
    /// The state of the reasoning before a call, as a signature.
    pub(super) carried: Option<String>,
    /// Which part of a summary it is at.
    pub(super) index: u32,
    /// What its provider wants back.
    pub(super) state: Vec<Opaque<'static>>,
    /// Where it is from.
    pub(super) citations: Vec<Citation<'static>>,
}

/// What a block is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Text, or a refusal.
    Text,
    /// Reasoning.
    Reasoning,
    /// A call.
    Call {
        /// Its id.
        id: String,
        /// The tool.
        name: String,
        /// Whether its arguments are free text.
        is_custom: bool,
    },
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Blocks(Vec<Block>);

impl Blocks {
    /// Opens one.
    pub(super) fn open(&mut self, number: u32, candidate: u32, opening: Opening<'_>) {
        let kind = match opening {
            Opening::Text | Opening::Refusal => Kind::Text,
            Opening::Reasoning => Kind::Reasoning,
            Opening::ToolCall { id, name, kind, .. } => Kind::Call {
                id: id.into_owned(),
                name: name.into_owned(),
                is_custom: kind == CallKind::Custom,
            },
        };
        self.0.push(Block {
            number,
            candidate,
            kind,
            text: String::new(),
            said: String::new(),
            carried: None,
            index: 0,
            state: Vec::new(),
            citations: Vec::new(),
        });
    }

    /// An open one.
    pub(super) fn get(&mut self, number: u32) -> Option<&mut Block> {
        // The one that is being written is nearly always the last one.
        self.0.iter_mut().rfind(|block| block.number == number)
    }

    /// Closes one.
    pub(super) fn close(&mut self, number: u32) -> Option<Block> {
        let at = self.0.iter().position(|block| block.number == number)?;
        Some(self.0.remove(at))
    }
}

impl Block {
    /// Takes state; it replaces state of its kind.
    pub(super) fn sign(&mut self, state: Opaque<'_>) {
        self.state.retain(|known| known.kind != state.kind);
        self.state.push(state.into_owned());
    }

    /// Another provider's state, for the next call to carry too: some clients forget thoughts, but
    /// none its calls. `rest` is what was not written of the reasoning.
    pub(super) fn foreign(&self, rest: &str, is_shown: bool) -> Vec<Opaque<'static>> {
        let foreign = self.state.iter();
        let foreign = foreign.filter(|state| state.origin != Format::Gemini);
        let mut foreign: Vec<Opaque<'static>> = foreign.cloned().collect();
        if is_shown {
            let text = format!("{}{rest}", self.said);
            foreign.iter_mut().for_each(|state| hide(state, &text));
        }
        foreign
    }
}

/// Puts the text that an Anthropic signature is about beside it, where the client does not see it: one
/// without the other is worth nothing.
pub(super) fn hide(state: &mut Opaque<'_>, text: &str) {
    let is_signature = (state.origin, state.kind) == (Format::Claude, OpaqueKind::Signature);
    if is_signature && !text.is_empty() {
        let data = format!(r#"{{"t":{},"s":{}}}"#, quote(text), quote(&state.data));
        state.data = Cow::Owned(data);
    }
}

/// A part of text.
pub(super) fn text_part(text: &str, is_thought: bool, signature: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    object(&mut out, |o| {
        o.str("text", text);
        if is_thought {
            o.bool("thought", true);
        }
        o.opt_str("thoughtSignature", signature);
    });
    out
}
