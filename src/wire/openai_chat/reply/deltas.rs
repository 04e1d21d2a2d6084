//! What the events of a block are in chunks.

use super::blocks::{Block, BlockKind, parted};
use super::stream::Stream;
use super::whole::visible;
use super::{annotation, call, call_id, detail, signature};
use crate::chat::{CallKind, Change, Event, Json, Losses, Opaque, Place, ReasonKind};
use crate::wire::EmitReasoning;
use crate::wire::openai_chat::state;

impl Stream {
    /// Sends the beginning of a call that was held back.
    pub(super) fn release(
        &mut self,
        block: u32,
        state: Option<&Opaque<'_>>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        let Some(Block {
            candidate,
            kind: BlockKind::Call(one),
            ..
        }) = self.block(block)
        else {
            return;
        };
        let (candidate, index, kind) = (*candidate, one.index, one.kind);
        let Some((id, name)) = one.held.take() else {
            return;
        };
        if self.reply.legacy_functions {
            if index > 0 {
                let at = Place::field("choices").item(candidate as usize);
                let at = at.of("delta.tool_calls").part(index as usize);
                return losses.note(at, Change::Dropped);
            }
            return self.delta(candidate, out, |o| {
                o.object("function_call", |o| {
                    o.str("name", &name);
                    o.str("arguments", "");
                });
            });
        }
        let before = self.of(candidate).and_then(|one| one.state.take());
        let rides = state.or(before.as_ref());
        let id = call_id(&id, rides, &self.reply);
        self.delta(candidate, out, |o| {
            o.array("tool_calls", |a| {
                a.object(|o| {
                    o.num("index", index);
                    o.str("id", &id);
                    call(o, kind, &name, "");
                    if let Some(state) = state {
                        signature(o, state);
                    }
                });
            });
        });
    }

    /// Sends all that was held back, in order, except for one block.
    pub(super) fn release_others(
        &mut self,
        event: &Event<'_>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        let current = match event {
            Event::Arguments { block, .. }
            | Event::Signature { block, .. }
            | Event::Close { block } => Some(*block),
            Event::Usage(_) => return,
            _ => None,
        };
        let is_held = |block: &&Block| match &block.kind {
            BlockKind::Call(call) => call.held.is_some() && Some(block.number) != current,
            _ => false,
        };
        while let Some(number) = self.blocks.iter().find(is_held).map(|block| block.number) {
            self.release(number, None, losses, out);
        }
    }

    pub(super) fn text(
        &mut self,
        block: u32,
        text: &str,
        all: Option<&Json<'_>>,
        out: &mut Vec<u8>,
    ) {
        let count = text.chars().count() as u64;
        let Some(Block {
            candidate,
            kind: BlockKind::Text { length, .. },
            ..
        }) = self.block(block)
        else {
            return;
        };
        *length += count;
        let candidate = *candidate;
        if let Some(one) = self.of(candidate) {
            one.length += count;
            one.has_text = true;
        }
        if all.is_none() {
            return self.piece(candidate, out, |o| o.str("content", text));
        }
        self.chunk(candidate, all, None, out, |o| o.str("content", text));
    }

    pub(super) fn reason(
        &mut self,
        block: u32,
        kind: ReasonKind,
        index: u32,
        text: &str,
        out: &mut Vec<u8>,
    ) {
        let Some(Block {
            candidate,
            kind:
                BlockKind::Reasoning {
                    index: number,
                    text: so_far,
                    part,
                },
            ..
        }) = self.block(block)
        else {
            return;
        };
        let (candidate, number) = (*candidate, *number);
        let is_first = so_far.is_empty();
        let text = parted(!is_first && *part != index, text);
        *part = index;
        so_far.push_str(&text);
        let is_later = self
            .of(candidate)
            .is_some_and(|one| std::mem::replace(&mut one.has_reasoned, true));
        let plain = parted(is_first && is_later, &text);
        match self.reply.profile.chat.emit_reasoning {
            EmitReasoning::None => {}
            EmitReasoning::Reasoning => self.piece(candidate, out, |o| o.str("reasoning", &plain)),
            EmitReasoning::ContentAndDetails => self.piece(candidate, out, |o| {
                o.str("reasoning_content", &plain);
                o.array("reasoning_details", |a| {
                    a.object(|o| visible(o, kind, &text, number));
                });
            }),
        }
    }

    pub(super) fn arguments(&mut self, block: u32, text: &str, out: &mut Vec<u8>) {
        let is_legacy = self.reply.legacy_functions;
        let Some(Block {
            candidate,
            kind: BlockKind::Call(one),
            ..
        }) = self.block(block)
        else {
            return;
        };
        one.has_arguments = true;
        let (candidate, index, kind) = (*candidate, one.index, one.kind);
        if is_legacy {
            if index == 0 {
                self.piece(candidate, out, |o| {
                    o.object("function_call", |o| o.str("arguments", text));
                });
            }
            return;
        }
        self.piece(candidate, out, |o| {
            o.array("tool_calls", |a| {
                a.object(|o| {
                    o.num("index", index);
                    if kind == CallKind::Custom {
                        o.object("custom", |o| o.str("input", text));
                    } else {
                        o.object("function", |o| o.str("arguments", text));
                    }
                });
            });
        });
    }

    pub(super) fn sign(
        &mut self,
        block: u32,
        opaque: &Opaque<'_>,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) {
        let has_details =
            self.reply.profile.chat.emit_reasoning == EmitReasoning::ContentAndDetails;
        let Some(found) = self.block(block) else {
            return;
        };
        let candidate = found.candidate;
        match &found.kind {
            BlockKind::Call(call) if call.held.is_some() => {
                self.release(block, Some(opaque), losses, out);
            }
            BlockKind::Call(call) => {
                let index = call.index;
                self.delta(candidate, out, |o| {
                    o.array("tool_calls", |a| {
                        a.object(|o| {
                            o.num("index", index);
                            signature(o, opaque);
                        });
                    });
                });
            }
            BlockKind::Reasoning { index, text, .. } => {
                let (index, text) = (*index, text.clone());
                if has_details {
                    self.delta(candidate, out, |o| {
                        o.array("reasoning_details", |a| {
                            detail(a, opaque, &text, index, &self.reply);
                        });
                    });
                }
                let packed = state::pack(opaque, &text).into_owned().into_owned();
                if let Some(one) = self.of(candidate) {
                    one.state = Some(packed);
                }
            }
            BlockKind::Text { .. } => self.delta(candidate, out, |o| signature(o, opaque)),
            BlockKind::Refusal => {}
        }
    }

    pub(super) fn close(&mut self, block: u32, losses: &mut Losses, out: &mut Vec<u8>) {
        self.release(block, None, losses, out);
        let at = self.blocks.iter().position(|one| one.number == block);
        let Some(at) = at else {
            return;
        };
        // Clients parse the arguments of a call that has none.
        if let Some(Block {
            kind: BlockKind::Call(call),
            ..
        }) = self.blocks.get(at)
            && !call.has_arguments
            && call.kind != CallKind::Custom
        {
            self.arguments(block, "{}", out);
        }
        let Block {
            candidate, kind, ..
        } = self.blocks.remove(at);
        if let BlockKind::Text {
            before,
            length,
            citations,
        } = kind
            && let Some(one) = self.of(candidate)
        {
            let all = citations.iter();
            one.annotations
                .extend(all.filter_map(|cited| annotation(cited, before, length)));
        }
    }
}
