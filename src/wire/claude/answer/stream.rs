//! Writes an answer as a stream of events.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::server::native_citation;
use super::blocks::{AllAtOnce, Links};
use super::frame::event;
use super::queue::{Kind, Piece, Queue};
use super::stop::{self, Held};
use super::usage;
use crate::chat::{Change, Event, Losses, Opening, Place, Start, Stop, StopReason, Tier, Usage};
use crate::wire::json::ObjectWriter;
use crate::wire::{Codec, Encode, Reply, Shape};

/// Writes a stream.
pub(in crate::wire::claude) struct StreamEncoder {
    reply: Arc<Reply>,
    queue: Queue,
    at_once: AllAtOnce,
    links: Links,
    held: Held,
    usage: Option<Usage>,
    stop: Option<Stop<'static>>,
    started: bool,
    over: bool,
}

impl StreamEncoder {
    pub(in crate::wire::claude) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            queue: Queue::new(reply.expose_reasoning, reply.profile.family.clone()),
            reply: Arc::clone(reply),
            at_once: AllAtOnce::default(),
            links: Links::default(),
            held: Held::default(),
            usage: None,
            stop: None,
            started: false,
            over: false,
        }
    }

    fn start(&mut self, start: &Start<'_>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        self.usage = start.usage;
        event("message_start", out, |o| {
            o.object("message", |o| {
                head(&self.reply, start, o);
                o.array("content", |_| {});
                o.raw("stop_reason", "null");
                o.raw("stop_sequence", "null");
                o.object("usage", |o| {
                    usage::write(&start.usage.unwrap_or_default(), o);
                    o.opt_str("service_tier", start.tier.map(tier));
                });
            });
        });
        out.extend_from_slice(b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
    }

    fn open(&mut self, block: u32, opening: Opening<'_>, out: &mut Vec<u8>) {
        if let Some(result) = self.at_once.missing_result() {
            self.queue.push(None, Kind::Ready(result), out);
        }
        self.held.call |= matches!(opening, Opening::ToolCall { .. });
        let kind = match opening {
            Opening::Text => Kind::Text,
            Opening::Refusal => {
                self.held.refusal = true;
                Kind::Text
            }
            Opening::Reasoning => Kind::Thinking,
            Opening::ToolCall { id, name, .. } => Kind::Call {
                id: id.into_owned(),
                name: name.into_owned(),
            },
        };
        self.queue.push(Some(block), kind, out);
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.queue.finish(out);
        if let Some(result) = self.at_once.missing_result() {
            self.queue.push(None, Kind::Ready(result), out);
        }
        if self.reply.profile.claude.append_citations
            && let Some(links) = self.links.block()
        {
            self.queue.push(None, Kind::Ready(links), out);
        }
        self.held.compaction = self.at_once.compaction;
        let stop = self.stop.take();
        let stop = stop.unwrap_or(Stop::new(StopReason::Stop));
        event("message_delta", out, |o| {
            o.object("delta", |o| stop::write(&stop, self.held, o));
            o.object("usage", |o| {
                usage::write(&self.usage.unwrap_or_default(), o);
            });
        });
        event("message_stop", out, |_| {});
        self.over = true;
    }
}

impl Encode for StreamEncoder {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match &event {
            Event::Start(start) => return self.start(start, out),
            Event::Fault(fault) => {
                self.over = true;
                let id = &self.reply.request_id;
                return super::super::Claude.encode_stream_fault(
                    fault,
                    id,
                    Shape::Sse,
                    self.started,
                    out,
                );
            }
            // Nothing may come before it.
            _ if !self.started => self.start(&Start::default(), out),
            _ => {}
        }
        let queue = &mut self.queue;
        match event {
            Event::Open {
                block,
                candidate: 0,
                opening,
            } => self.open(block, opening, out),
            Event::Text { block, text, .. } | Event::Refusal { block, text } => {
                queue.piece(block, Piece::Text(text), out);
            }
            Event::Reason {
                block, index, text, ..
            } => queue.piece(block, Piece::Reason(index, text), out),
            Event::Arguments { block, text } => queue.piece(block, Piece::Arguments(text), out),
            Event::Signature { block, opaque } => {
                queue.piece(block, Piece::State(opaque), out);
                if queue.take_lost() {
                    losses.note(Place::field("content"), Change::Dropped);
                }
            }
            Event::Cite { block, citation } => match native_citation(&citation) {
                Some(native) => queue.piece(block, Piece::Cite(Cow::Borrowed(native)), out),
                None => self.links.push(&citation, losses),
            },
            Event::Close { block } => queue.close(block, out),
            Event::Part { candidate: 0, part } => {
                for block in self.at_once.blocks(&part, losses) {
                    queue.push(None, Kind::Ready(block), out);
                }
            }
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Stop { candidate: 0, stop } => self.stop = Some(stop.into_owned()),
            Event::End => self.finish(out),
            // Other alternatives: this format has one.
            Event::Open { .. } | Event::Part { .. } | Event::Stop { .. } => {}
            Event::Start(_) | Event::Fault(_) => {}
        }
    }
}

/// What a message begins with.
pub(super) fn head(reply: &Reply, start: &Start<'_>, o: &mut ObjectWriter<'_>) {
    o.str("id", &message_id(reply, start.id.as_deref()));
    o.str("type", "message");
    o.str("role", "assistant");
    o.str(
        "model",
        reply.model(start.model.as_deref().unwrap_or_default()),
    );
}

/// How an answer was served, in Anthropic's words.
pub(super) const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Priority => "priority",
        _ => "standard",
    }
}

fn message_id(reply: &Reply, id: Option<&str>) -> String {
    let kept = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    let id: String = id.unwrap_or_default().chars().filter(kept).collect();
    if id.is_empty() {
        reply.id("msg_", 0)
    } else if id.starts_with("msg_") {
        id
    } else {
        format!("msg_{id}")
    }
}
