//! Reads an answer, whole or as a stream. A whole one is read as if each block came at once.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::server;
use super::emit::{Emit, reason, sign, text};
use super::more::{self, More, Open, Pieces};
use super::partial::Partial;
use super::stop;
use super::usage::Counted;
use crate::chat::{
    CallKind, Event, Fault, FaultKind, OpaqueKind, Opening, Start, Stop, StopReason, Tier,
};
use crate::wire::fault;
use crate::wire::json::{Fields, Filled, Kind, Node, Templates, is_blank};
use crate::wire::{Decode, Reply, Shape};

/// Deeper events count as unreadable.
const DEPTH: usize = 256;

/// Reads an answer.
pub(in crate::wire::claude) struct Decoder {
    shape: Shape,
    reply: Arc<Reply>,
    started: bool,
    over: bool,
    /// Blocks that are open on the wire.
    open: Vec<Open>,
    /// The number of the next neutral block.
    next: u32,
    /// Ids of calls so far.
    calls: Vec<String>,
    usage: Counted,
    stop: Option<Stop<'static>>,
    /// Deltas that were read: most others are like one of them.
    alike: Templates<More>,
    /// Where escaped text is decoded.
    scratch: String,
}

impl Decoder {
    pub(in crate::wire::claude) fn new(shape: Shape, reply: &Arc<Reply>) -> Self {
        Self {
            shape,
            reply: Arc::clone(reply),
            started: false,
            over: false,
            open: Vec::new(),
            next: 0,
            calls: Vec::new(),
            usage: Counted::default(),
            stop: None,
            alike: Templates::default(),
            scratch: String::new(),
        }
    }

    fn start(&mut self, message: Option<&Fields<'_>>, emit: Emit<'_>) {
        self.started = true;
        let usage = message.and_then(|message| message.get("usage"));
        if let Some(usage) = usage {
            self.usage.replace(usage);
        }
        let tier = usage.and_then(|usage| usage.get_str("service_tier"));
        emit(Event::Start(Start {
            id: message.and_then(|message| message.get_str("id")),
            model: message.and_then(|message| message.get_str("model")),
            usage: self.usage.usage(),
            tier: match tier.as_deref() {
                Some("standard") => Some(Tier::Standard),
                Some("priority") => Some(Tier::Priority),
                _ => None,
            },
            ..Start::default()
        }));
    }

    fn whole(&mut self, message: &Fields<'_>, emit: Emit<'_>) {
        let content = message.get("content");
        let is_message = message.get_str("type").as_deref() == Some("message");
        let is_list = content.is_some_and(|content| content.kind() == Kind::Array);
        if !is_list && (content.is_some() || !is_message) {
            return self.fail(unreadable(), emit);
        }
        self.start(Some(message), emit);
        for (index, block) in (0..).zip(content.into_iter().flat_map(Node::items)) {
            self.open_block(index, block, emit);
            self.close_block(index, emit);
        }
        self.stop = stop::read(message);
        self.finish(emit);
    }

    fn message_start(&mut self, event: &Fields<'_>, emit: Emit<'_>) {
        let message = event.get("message").map(Fields::of);
        let message = message.as_ref();
        if !self.started {
            return self.start(message, emit);
        }
        // The answer begins anew: a fallback behind the provider's door.
        if !self.calls.is_empty() {
            let fault = Fault::new(
                FaultKind::Internal,
                "stream_interrupted",
                "the provider began its answer anew in the middle of a tool call",
            );
            return self.fail(fault, emit);
        }
        self.close_all(emit);
        self.stop = None;
        if let Some(usage) = message.and_then(|message| message.get("usage")) {
            self.usage.replace(usage);
        }
    }

    fn open_block(&mut self, index: u64, block: Node<'_>, emit: Emit<'_>) {
        // A block whose end was not said has ended where its place is taken.
        self.close_block(index, emit);
        let node = block;
        let block = Fields::of(node);
        let kind = block.get_str("type").unwrap_or_default();
        let kind = match &*kind {
            "text" => {
                let number = self.begin(Opening::Text, emit);
                text(number, block.get_str("text"), emit);
                for citation in server::citations(block.get("citations")) {
                    let block = number;
                    emit(Event::Cite { block, citation });
                }
                Pieces::Text(number)
            }
            "thinking" => {
                let number = self.begin(Opening::Reasoning, emit);
                reason(number, block.get_str("thinking"), emit);
                sign(
                    number,
                    OpaqueKind::Signature,
                    block.get_str("signature"),
                    emit,
                );
                Pieces::Reasoning(number)
            }
            "redacted_thinking" => {
                let number = self.begin(Opening::Reasoning, emit);
                sign(number, OpaqueKind::Redacted, block.get_str("data"), emit);
                Pieces::Reasoning(number)
            }
            "tool_use" => {
                let id = self.call_id(block.get_str("id"));
                let opening = Opening::ToolCall {
                    id: Cow::Borrowed(&id),
                    name: block.get_str("name").unwrap_or_default(),
                    kind: CallKind::Function,
                    namespace: None,
                };
                let number = self.begin(opening, emit);
                self.calls.push(id);
                let input = block.get("input").map(Node::raw);
                let input = input.filter(|input| !is_blank(input.as_bytes()));
                Pieces::Call(number, input.map(str::to_owned))
            }
            other => Pieces::Whole(Partial::new(other, node)),
        };
        self.open.push(Open { index, kind });
    }

    fn begin(&mut self, opening: Opening<'_>, emit: Emit<'_>) -> u32 {
        if !self.started {
            self.start(None, emit);
        }
        let block = self.next;
        self.next += 1;
        emit(Event::Open {
            block,
            candidate: 0,
            opening,
        });
        block
    }

    /// The id of a call, or one of our own where it is missing or taken.
    fn call_id(&self, id: Option<Cow<'_, str>>) -> String {
        match id {
            Some(id) if !id.is_empty() && !self.calls.iter().any(|other| *other == id) => {
                id.into_owned()
            }
            _ => self.reply.id("toolu_", self.calls.len() + 1),
        }
    }

    fn delta(&mut self, index: u64, delta: Node<'_>, emit: Emit<'_>) {
        let kind = delta.get_str("type").unwrap_or_default();
        if !self.open.iter().any(|open| open.index == index) {
            // Some servers begin with the first delta.
            let block = match &*kind {
                "text_delta" => r#"{"type":"text"}"#,
                "thinking_delta" => r#"{"type":"thinking"}"#,
                _ => return,
            };
            self.open_block(index, Node::trusted(block), emit);
        }
        let Some(open) = self.open.iter_mut().find(|open| open.index == index) else {
            return;
        };
        match (&mut open.kind, &*kind) {
            (Pieces::Text(number), "text_delta") => text(*number, delta.get_str("text"), emit),
            (Pieces::Text(block), "citations_delta") => {
                if let Some(citation) = delta.get("citation").map(server::citation) {
                    let block = *block;
                    emit(Event::Cite { block, citation });
                }
            }
            (Pieces::Reasoning(number), "thinking_delta") => {
                reason(*number, delta.get_str("thinking"), emit);
            }
            (Pieces::Reasoning(number), "signature_delta") => {
                let signature = delta.get_str("signature");
                sign(*number, OpaqueKind::Signature, signature, emit);
            }
            (Pieces::Call(number, input), "input_json_delta") => {
                let text = delta.get_str("partial_json").unwrap_or_default();
                if !text.is_empty() {
                    *input = None;
                    let block = *number;
                    emit(Event::Arguments { block, text });
                }
            }
            (Pieces::Whole(partial), _) => partial.push(delta),
            _ => {}
        }
    }

    /// A delta that is like an earlier one. False: there is more to it here, and nothing was done.
    fn more(&mut self, more: More, filled: &Filled<'_>, emit: Emit<'_>) -> bool {
        let Some(open) = self.open.iter_mut().rfind(|open| open.index == more.index) else {
            return false;
        };
        let said = Cow::Borrowed(filled.text(&mut self.scratch));
        open.kind.more(more.kind, said, emit)
    }

    /// Keeps a delta, so that others like it need not be read.
    fn learn(&mut self, event: &Fields<'_>) {
        if self.alike.is_worthwhile()
            && let Some((more, gap)) = more::read(event)
        {
            self.alike.keep(event.node().raw(), &[gap], more);
        }
    }

    fn close_block(&mut self, index: u64, emit: Emit<'_>) {
        if let Some(at) = self.open.iter().position(|open| open.index == index) {
            let open = self.open.remove(at);
            self.close(open, emit);
        }
    }

    fn close_all(&mut self, emit: Emit<'_>) {
        for open in std::mem::take(&mut self.open) {
            self.close(open, emit);
        }
    }

    fn close(&mut self, open: Open, emit: Emit<'_>) {
        let block = match open.kind {
            Pieces::Text(number) | Pieces::Reasoning(number) => number,
            Pieces::Call(block, input) => {
                if let Some(text) = input.map(Cow::Owned) {
                    emit(Event::Arguments { block, text });
                }
                block
            }
            Pieces::Whole(partial) => {
                if !self.started {
                    self.start(None, emit);
                }
                let part = partial.finish();
                return emit(Event::Part { candidate: 0, part });
            }
        };
        emit(Event::Close { block });
    }

    fn message_delta(&mut self, event: &Fields<'_>) {
        let delta = event.get("delta").map(Fields::of);
        if let Some(stop) = delta.as_ref().and_then(stop::read) {
            self.stop = Some(stop);
        }
        if let Some(usage) = event.get("usage") {
            self.usage.replace(usage);
        }
    }

    fn finish(&mut self, emit: Emit<'_>) {
        if !self.started {
            self.start(None, emit);
        }
        self.close_all(emit);
        let stop = self.stop.take();
        let mut stop = stop.unwrap_or(Stop::new(StopReason::Stop));
        if stop.reason == StopReason::Stop && !self.calls.is_empty() {
            stop.reason = StopReason::ToolUse;
        }
        emit(Event::Stop { candidate: 0, stop });
        if let Some(usage) = self.usage.usage() {
            emit(Event::Usage(usage));
        }
        self.over = true;
        emit(Event::End);
    }

    fn fail(&mut self, fault: Fault, emit: Emit<'_>) {
        self.over = true;
        emit(Event::Fault(fault));
    }
}

impl Decode for Decoder {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if self.over || data.is_empty() || data == b"[DONE]" {
            return;
        }
        if self.shape != Shape::Whole
            && let Some((more, filled)) = self.alike.find(data)
            && self.more(more, &filled, emit)
        {
            return;
        }
        let Ok(event) = Node::parse(data, DEPTH) else {
            return self.fail(unreadable(), emit);
        };
        let event = &Fields::of(event);
        let kind = event
            .get_str("type")
            .or_else(|| name.and_then(|name| Some(Cow::Borrowed(std::str::from_utf8(name).ok()?))));
        let kind = kind.unwrap_or_default();
        if kind == "error" || (kind.is_empty() && event.get("error").is_some()) {
            return self.fail(fault::decode(fault::IN_STREAM, data), emit);
        }
        if self.shape == Shape::Whole {
            return self.whole(event, emit);
        }
        let index = event.get("index").and_then(Node::u64).unwrap_or_default();
        match &*kind {
            "message_start" => self.message_start(event, emit),
            "content_block_start" => {
                if let Some(block) = event.get("content_block") {
                    self.open_block(index, block, emit);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = event.get("delta") {
                    self.delta(index, delta, emit);
                    self.learn(event);
                }
            }
            "content_block_stop" => self.close_block(index, emit),
            "message_delta" => self.message_delta(event),
            "message_stop" => self.finish(emit),
            _ => {}
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.over {
            return;
        }
        if self.stop.is_some() {
            return self.finish(emit);
        }
        let fault = Fault::new(
            FaultKind::BadUpstream,
            "stream_interrupted",
            "the provider's answer was cut off before its end",
        );
        self.fail(fault, emit);
    }
}

fn unreadable() -> Fault {
    Fault::new(
        FaultKind::BadUpstream,
        "bad_upstream",
        "the provider's answer could not be read",
    )
}
