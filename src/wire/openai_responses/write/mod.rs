//! Answers, written: whole or as a stream.
//!
//! One machine for both. A stream tells of every item as it comes; a whole answer is the document that
//! such a stream ends with. Several items may be open at once, since every event names its item, but an
//! item that is done is never touched again.

mod call;
mod hosted;
mod item;
mod response;
mod speech;
mod thought;
mod wire;

pub(super) use response::ECHO;

use std::sync::Arc;

use super::super::json::{Node, array, object};
use super::super::openai::OpenAiError;
use super::super::{Encode, Reply, Shape};
use crate::chat::{Event, Fault, Losses, Opening, Start, StopReason, Usage};
use call::Held;
use item::{Body, Item, Status};
use response::{Head, Outcome};
use speech::Speech;
use thought::Thought;
use wire::Wire;

/// Writes an answer as `shape`.
pub(super) fn encoder(shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode> {
    Box::new(Responses {
        wire: Wire::new(shape != Shape::Whole),
        head: Head::new(reply, &Start::default()),
        reply: Arc::clone(reply),
        items: Vec::new(),
        blocks: Vec::new(),
        message: None,
        closing: Vec::new(),
        servers: Vec::new(),
        started: false,
        over: false,
        refused: false,
        usage: None,
        stop: None,
    })
}

/// Writes one answer.
struct Responses {
    reply: Arc<Reply>,
    wire: Wire,
    head: Head,
    items: Vec<Item>,
    blocks: Vec<(u32, Block)>,
    /// The message that text goes into.
    message: Option<usize>,
    /// Items that have all they will have, and are done as soon as it is clear that more follows: the
    /// last one of an answer that was cut is not complete.
    closing: Vec<usize>,
    /// Calls that the provider ran, by their ids; `None`: written already, with what came of them.
    servers: Vec<(String, Option<usize>)>,
    started: bool,
    over: bool,
    /// The model declined in words.
    refused: bool,
    usage: Option<Usage>,
    stop: Option<StopReason>,
}

/// The words of a model that declined without any.
const DECLINED: &str = "The model declined to answer.";

/// Where the pieces of a block go.
enum Block {
    Speech(Speech),
    Thought(Thought),
    /// A call that is not written yet.
    Held(Held),
    /// A call in this item.
    Call(usize),
}

impl Encode for Responses {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if let Event::Fault(fault) = &event {
            self.over = true;
            self.fault(fault, out);
            return;
        }
        if let Event::Start(start) = &event {
            self.start(start, out);
            return;
        }
        if !self.started {
            self.start(&Start::default(), out);
        }
        if !matches!(
            event,
            Event::Close { .. } | Event::Usage(_) | Event::Stop { .. } | Event::End
        ) {
            self.settle(out);
        }
        self.take(event, losses, out);
    }
}

impl Responses {
    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = start.usage;
        self.head = Head::new(&self.reply, start);
        for kind in ["response.created", "response.in_progress"] {
            let (head, reply) = (&self.head, &self.reply);
            self.wire.event(out, kind, |o| {
                o.object("response", |o| {
                    head.write(reply, &Outcome::InProgress, "[]", None, o);
                });
            });
        }
    }

    fn take(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        match event {
            // Only one answer was asked for.
            Event::Open { candidate, .. }
            | Event::Part { candidate, .. }
            | Event::Stop { candidate, .. }
                if candidate != 0 => {}
            Event::Open { block, opening, .. } => {
                let held = match opening {
                    Opening::Text => Block::Speech(Speech::new(false)),
                    Opening::Refusal => {
                        self.refused = true;
                        Block::Speech(Speech::new(true))
                    }
                    Opening::Reasoning => Block::Thought(Thought::default()),
                    Opening::ToolCall {
                        id,
                        name,
                        kind,
                        namespace,
                    } => Block::Held(Held::new(&id, &name, kind, namespace)),
                };
                self.blocks.push((block, held));
            }
            Event::Text {
                block,
                text,
                logprobs,
            } => self.say(block, &text, logprobs, out),
            Event::Refusal { block, text } => self.say(block, &text, None, out),
            Event::Reason {
                block,
                kind,
                index,
                text,
            } => self.think(block, (kind, index), &text, out),
            Event::Arguments { block, text } => self.arguments(block, &text, out),
            Event::Signature { block, opaque } => self.sign(block, opaque, losses),
            Event::Cite { block, citation } => self.cite(block, citation, losses, out),
            Event::Close { block } => {
                self.cite_whole(block, losses, out);
                self.close(block, out);
            }
            Event::Part { part, .. } => self.part(part, losses, out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Stop { stop, .. } => {
                if stop.reason == StopReason::Refusal && !self.refused {
                    self.refuse(stop.detail.as_deref(), out);
                }
                self.stop(stop.reason, out);
            }
            Event::End => self.end(out),
            Event::Start(_) | Event::Fault(_) => {}
        }
    }

    fn block(&mut self, block: u32) -> Option<&mut Block> {
        let mut blocks = self.blocks.iter_mut().rev();
        let found = blocks.find(|(number, _)| *number == block);
        found.map(|(_, held)| held)
    }

    /// Begins an item. A message is over then: text that follows goes into a new one.
    fn add(&mut self, prefix: &str, body: Body, out: &mut Vec<u8>) -> usize {
        if let Some(message) = self.message.take() {
            self.finish(message, Status::Completed, out);
        }
        let index = self.items.len();
        let item = Item::new(self.head.item_id(prefix, index), body);
        self.wire.event(out, "response.output_item.added", |o| {
            o.num("output_index", wire::number(index));
            o.raw("item", &item.json(Status::InProgress));
        });
        self.items.push(item);
        index
    }

    /// Ends an item.
    fn finish(&mut self, index: usize, status: Status, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(index) else {
            return;
        };
        if item.done.is_some() {
            return;
        }
        item.last_words(index, status, &mut self.wire, out);
        let json = item.json(status);
        self.wire.event(out, "response.output_item.done", |o| {
            o.num("output_index", wire::number(index));
            o.raw("item", &json);
        });
        item.done = Some(json);
    }

    /// More follows: what waits to be done is.
    fn settle(&mut self, out: &mut Vec<u8>) {
        for index in std::mem::take(&mut self.closing) {
            self.finish(index, Status::Completed, out);
        }
    }

    fn close(&mut self, block: u32, out: &mut Vec<u8>) {
        match self.block(block) {
            Some(Block::Speech(_)) => self.close_speech(block),
            Some(Block::Thought(_)) => self.close_thought(block, out),
            Some(Block::Held(_) | Block::Call(_)) => self.close_call(block, out),
            None => {}
        }
    }

    /// The model declined without a word, which only words can say in this format.
    fn refuse(&mut self, detail: Option<&str>, out: &mut Vec<u8>) {
        self.settle(out);
        let block = u32::MAX;
        self.blocks.push((block, Block::Speech(Speech::new(true))));
        self.say(block, detail.unwrap_or(DECLINED), None, out);
        self.close_speech(block);
    }

    fn stop(&mut self, reason: StopReason, out: &mut Vec<u8>) {
        let cut = Outcome::of(&reason, self.items.is_empty()).is_cut();
        let last = self.items.len().saturating_sub(1);
        for index in 0..self.items.len() {
            let status = if cut && index == last {
                Status::Incomplete
            } else {
                Status::Completed
            };
            self.finish(index, status, out);
        }
        self.message = None;
        self.stop = Some(reason);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.over = true;
        if self.stop.is_none() {
            self.stop(StopReason::Stop, out);
        }
        let reason = self.stop.take().unwrap_or(StopReason::Stop);
        let outcome = Outcome::of(&reason, self.items.is_empty());
        let usage = self.usage.unwrap_or_default();
        let output = self.output();
        let (head, reply) = (&self.head, &self.reply);
        self.wire.event(out, outcome.event(), |o| {
            o.object("response", |o| {
                head.write(reply, &outcome, &output, Some(usage), o);
            });
        });
        if self.wire.is_stream() {
            self.done(out);
        } else {
            object(out, |o| {
                head.write(reply, &outcome, &output, Some(usage), o);
            });
        }
    }

    /// The items that are done, in order.
    fn output(&self) -> String {
        let mut out = Vec::new();
        array(&mut out, |list| {
            for done in self.items.iter().filter_map(|item| item.done.as_deref()) {
                list.raw(done);
            }
        });
        String::from_utf8(out).unwrap_or_default()
    }

    fn done(&self, out: &mut Vec<u8>) {
        if self.reply.profile.responses.done {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }

    /// What is open stays so: nobody takes half a call for a whole one.
    fn fault(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        if !self.wire.is_stream() {
            return;
        }
        self.start(&Start::default(), out);
        let error = OpenAiError::new(fault);
        // Flat and nested together: the SDKs raise on the nested form only, others read the flat.
        self.wire.event(out, "error", |o| {
            let flat = ["{", &error.flat_members(), "}"].concat();
            for (key, value) in Node::trusted(&flat).members() {
                o.raw(&key, value.raw());
            }
            o.raw("error", &error.object());
        });
        let outcome = Outcome::Failed(error.response_error());
        let output = self.output();
        let (head, reply, usage) = (&self.head, &self.reply, self.usage);
        self.wire.event(out, outcome.event(), |o| {
            o.object("response", |o| {
                head.write(reply, &outcome, &output, usage, o);
            });
        });
        self.done(out);
    }
}
