//! Reasoning, and the state that comes with it.

use super::super::super::carrier;
use super::super::super::json::object;
use super::super::encode::encrypted;
use super::item::{Body, Text};
use super::wire::number;
use super::{Block, Responses, Status};
use crate::chat::{Change, Format, Losses, Opaque, OpaqueKind, ReasonKind};

/// A block of reasoning.
#[derive(Default)]
pub(super) struct Thought {
    /// Its item, once there is something to show.
    item: Option<usize>,
    /// Which text is being written.
    at: Option<(ReasonKind, u32)>,
    /// All that was said, shown or not.
    said: String,
    state: Vec<Opaque<'static>>,
}

impl Responses {
    /// Writes more visible reasoning.
    pub(super) fn think(
        &mut self,
        block: u32,
        at: (ReasonKind, u32),
        text: &str,
        out: &mut Vec<u8>,
    ) {
        let expose = self.reply.expose_reasoning;
        let is_raw = at.0 == ReasonKind::Raw && self.reply.profile.responses.raw_reasoning;
        let Some(Block::Thought(thought)) = self.block(block) else {
            return;
        };
        let is_next = thought.at.replace(at) != Some(at);
        if is_next && !thought.said.is_empty() {
            thought.said.push_str("\n\n");
        }
        thought.said.push_str(text);
        if !expose {
            return;
        }
        let Some(index) = self.thought_item(block, out) else {
            return;
        };
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        let Body::Reasoning { texts, .. } = &mut item.body else {
            return;
        };
        let about = (&*item.id, index);
        let (part, delta, key) = if is_raw {
            (
                "response.content_part.added",
                "response.reasoning_text.delta",
                "content_index",
            )
        } else {
            (
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "summary_index",
            )
        };
        if is_next {
            if let Some(last) = texts.len().checked_sub(1)
                && let Some(was) = texts.get(last).map(|text| text.is_raw)
            {
                let at = texts.iter().filter(|text| text.is_raw == was).count() - 1;
                if let Some(text) = texts.get_mut(last) {
                    text.finish(about, at, &mut self.wire, out);
                }
            }
            let at = texts.iter().filter(|text| text.is_raw == is_raw).count();
            self.wire.about(out, part, about, |o| {
                o.num(key, number(at));
                o.object("part", |o| {
                    o.str(
                        "type",
                        if is_raw {
                            "reasoning_text"
                        } else {
                            "summary_text"
                        },
                    );
                    o.str("text", "");
                });
            });
            texts.push(Text {
                is_raw,
                text: String::new(),
                is_done: false,
            });
        }
        let at = texts.iter().filter(|text| text.is_raw == is_raw).count();
        if let Some(last) = texts.last_mut() {
            last.text.push_str(text);
        }
        let part = Some((key, number(at.saturating_sub(1))));
        self.wire.delta(out, delta, about, part, text, "");
    }

    fn thought_item(&mut self, block: u32, out: &mut Vec<u8>) -> Option<usize> {
        if let Some(Block::Thought(Thought {
            item: Some(item), ..
        })) = self.block(block)
        {
            return Some(*item);
        }
        let index = self.reasoning_item(None, out);
        if let Some(Block::Thought(thought)) = self.block(block) {
            thought.item = Some(index);
        }
        Some(index)
    }

    fn reasoning_item(&mut self, state: Option<String>, out: &mut Vec<u8>) -> usize {
        let body = Body::Reasoning {
            texts: Vec::new(),
            state,
        };
        self.add(carrier::REASONING_ID, body, out)
    }

    /// Keeps state until its block is over, or the call it belongs to begins.
    pub(super) fn sign(&mut self, block: u32, opaque: Opaque<'_>, losses: &mut Losses) {
        match self.block(block) {
            Some(Block::Thought(thought)) => {
                thought.state.retain(|other| other.kind != opaque.kind);
                thought.state.push(opaque.into_owned());
            }
            Some(Block::Held(held)) => held.signature = Some(opaque.into_owned()),
            // Nothing here has a place for it, and the provider can do without.
            _ => losses.note_at("output.signature".to_owned(), Change::Dropped),
        }
    }

    /// An item with nothing but state: it belongs to what follows.
    pub(super) fn write_state(&mut self, opaque: &Opaque<'_>, out: &mut Vec<u8>) {
        let state = self.carried(opaque);
        let index = self.reasoning_item(Some(state), out);
        self.finish(index, Status::Completed, out);
    }

    /// State as a client of this format keeps it.
    fn carried(&self, opaque: &Opaque<'_>) -> String {
        encrypted(opaque).unwrap_or_else(|| carrier::wrap(opaque, &self.reply.profile.family))
    }

    /// A block of reasoning is over.
    pub(super) fn close_thought(&mut self, block: u32, out: &mut Vec<u8>) {
        let Some(Block::Thought(thought)) = self.block(block) else {
            return;
        };
        let states = std::mem::take(&mut thought.state);
        let (item, said) = (thought.item, std::mem::take(&mut thought.said));
        let mut states = states.into_iter();
        let first = states.next();
        if first.is_none() && item.is_none() {
            return;
        }
        let shown = match item.and_then(|index| self.items.get(index)) {
            Some(item) => match &item.body {
                Body::Reasoning { texts, .. } => texts.len() == 1,
                _ => false,
            },
            None => said.is_empty(),
        };
        let first = first.map(|opaque| self.carried(&with_text(opaque, &said, shown)));
        // A second one has an item of its own.
        for more in states {
            self.write_state(&more, out);
        }
        match item {
            None => {
                let index = self.reasoning_item(first, out);
                self.closing.push(index);
            }
            Some(index) => {
                if let Some(item) = self.items.get_mut(index)
                    && let Body::Reasoning { state, .. } = &mut item.body
                {
                    *state = first;
                }
                self.closing.push(index);
            }
        }
    }
}

/// A signature is worth nothing without the very text it signs: what the client does not see in one
/// piece travels with it.
fn with_text(opaque: Opaque<'static>, said: &str, shown: bool) -> Opaque<'static> {
    let signs = opaque.origin == Format::Claude && opaque.kind == OpaqueKind::Signature;
    if shown || said.is_empty() || !signs {
        return opaque;
    }
    let mut data = Vec::new();
    object(&mut data, |o| {
        o.str("t", said);
        o.str("s", &opaque.data);
    });
    Opaque {
        data: String::from_utf8(data).unwrap_or_default().into(),
        ..opaque
    }
}
