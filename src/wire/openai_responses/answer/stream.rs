//! A streamed response.
//!
//! Items are told apart by their place in the output: some servers give one item several ids. What an
//! event should have said before and did not is said by the next one that knows.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::super::fault;
use super::super::super::json::{Fields, Node, Templates};
use super::super::super::{Decode, Reply};
use super::held::{Emit, Held, Item, rest_of_arguments, thought};
use super::more::More;
use super::{CallIds, DEPTH, Saw, item, start, stop, usage};
use crate::chat::{CallKind, Event, Fault, FaultKind, Opening, ReasonKind, Start};

/// Reads a streamed response.
pub(super) struct Stream {
    ids: CallIds,
    items: Vec<Item>,
    blocks: u32,
    pub(super) saw: Saw,
    started: bool,
    over: bool,
    /// Deltas that were read: most others are like one of them.
    pub(super) alike: Templates<More>,
    /// Where escaped text is decoded.
    pub(super) scratch: String,
}

/// A number that an event says, or else 0.
pub(super) fn number(event: &Fields<'_>, key: &str) -> u64 {
    event.get(key).and_then(Node::u64).unwrap_or(0)
}

/// Where an event says which text of reasoning it is about.
pub(super) const fn index_of(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Summary => "summary_index",
        ReasonKind::Raw => "content_index",
    }
}

impl Stream {
    pub(super) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            ids: CallIds::new(reply),
            items: Vec::new(),
            blocks: 0,
            saw: Saw::default(),
            started: false,
            over: false,
            alike: Templates::default(),
            scratch: String::new(),
        }
    }

    fn begin(&mut self, how: Start<'_>, emit: Emit<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            emit(Event::Start(how));
        }
    }

    fn fail(&mut self, fault: Fault, emit: Emit<'_>) {
        self.over = true;
        emit(Event::Fault(fault));
    }

    /// Which item an event is about.
    pub(super) fn place(&self, event: &Fields<'_>) -> u64 {
        self.place_or_last(event.get("output_index").and_then(Node::u64))
    }

    /// The item that an event names, or the last one.
    pub(super) fn place_or_last(&self, place: Option<u64>) -> u64 {
        place
            .or_else(|| self.items.last().map(|item| item.place))
            .unwrap_or(0)
    }

    pub(super) fn item(&mut self, place: u64) -> Option<&mut Item> {
        self.items.iter_mut().rev().find(|item| item.place == place)
    }

    fn next_block(&mut self) -> u32 {
        let block = self.blocks;
        self.blocks += 1;
        block
    }

    pub(super) fn open(&mut self, opening: Opening<'_>, emit: Emit<'_>) -> u32 {
        let block = self.next_block();
        emit(Event::Open {
            block,
            candidate: 0,
            opening,
        });
        block
    }

    /// An item begins. `item` may say little of itself.
    pub(super) fn add(&mut self, place: u64, item: Node<'_>, emit: Emit<'_>) {
        if self.item(place).is_some() {
            return;
        }
        let content = match item.get_str("type").as_deref() {
            Some("message") => Held::Message(Vec::new()),
            Some("reasoning") => Held::Reasoning {
                block: self.open(Opening::Reasoning, emit),
                texts: Vec::new(),
            },
            Some("function_call") => self.add_call(item, CallKind::Function, emit),
            Some("custom_tool_call") => self.add_call(item, CallKind::Custom, emit),
            _ => Held::Whole,
        };
        self.items.push(Item::new(place, item, content));
    }

    fn add_call(&mut self, node: Node<'_>, kind: CallKind, emit: Emit<'_>) -> Held {
        self.saw.call = true;
        let call = item::call(node, kind);
        let id = self.ids.unique(call.id);
        let opening = Opening::ToolCall {
            id,
            name: call.name,
            kind,
            namespace: call.namespace,
        };
        let block = self.open(opening, emit);
        if !call.arguments.is_empty() {
            let text = Cow::Borrowed(&*call.arguments);
            emit(Event::Arguments { block, text });
        }
        Held::Call {
            block,
            kind,
            arguments: call.arguments.into_owned(),
        }
    }

    pub(super) fn think(
        &mut self,
        event: &Fields<'_>,
        kind: ReasonKind,
        text: &str,
        is_all: bool,
        emit: Emit<'_>,
    ) {
        let at = number(event, index_of(kind));
        self.think_at(self.place(event), (kind, at), text, is_all, emit);
    }

    pub(super) fn think_at(
        &mut self,
        place: u64,
        at: (ReasonKind, u64),
        text: &str,
        is_all: bool,
        emit: Emit<'_>,
    ) {
        self.add(place, Node::trusted(r#"{"type":"reasoning"}"#), emit);
        if let Some(Item {
            content: Held::Reasoning { block, texts },
            is_done: false,
            ..
        }) = self.item(place)
        {
            thought(*block, texts, at, text, is_all, emit);
        }
    }

    fn arguments(&mut self, event: &Fields<'_>, kind: CallKind, emit: Emit<'_>) {
        let place = self.place(event);
        if let Some(delta) = event.get_str("delta") {
            return self.more_arguments(place, delta, emit);
        }
        if let Some(Item {
            content: Held::Call {
                block, arguments, ..
            },
            is_done: false,
            ..
        }) = self.item(place)
        {
            rest_of_arguments(*block, arguments, &item::written(event.node(), kind), emit);
        }
    }

    pub(super) fn more_arguments(&mut self, place: u64, delta: Cow<'_, str>, emit: Emit<'_>) {
        if let Some(Item {
            content: Held::Call {
                block, arguments, ..
            },
            is_done: false,
            ..
        }) = self.item(place)
        {
            arguments.push_str(&delta);
            if !delta.is_empty() {
                let block = *block;
                emit(Event::Arguments { block, text: delta });
            }
        }
    }

    /// An item is complete: what was not said of it yet is said now.
    fn finish(&mut self, place: u64, node: Node<'_>, emit: Emit<'_>) {
        if self.item(place).is_some_and(|item| item.is_done) {
            return;
        }
        let is_message = node.get_str("type").as_deref() == Some("message");
        match self.item(place).map(|item| &item.content) {
            // All at once; also what never began.
            None | Some(Held::Whole) => {
                for mut part in item::parts(node) {
                    self.saw.part(&part);
                    self.ids.fix(&mut part);
                    part.into_events(0, &mut self.blocks, emit);
                }
                if self.item(place).is_none() {
                    self.items.push(Item::new(place, node, Held::Whole));
                }
            }
            Some(Held::Message(_)) if is_message => {
                let parts = node.get("content").into_iter().flat_map(Node::items);
                for (at, part) in (0..).zip(parts) {
                    self.finish_said(place, at, part, emit);
                }
            }
            _ => {}
        }
        if let Some(item) = self.item(place) {
            item.finish(node, emit);
        }
    }

    fn terminal(&mut self, response: &Fields<'_>, status: &str, emit: Emit<'_>) {
        self.begin(start(response), emit);
        for (item, place) in self.sorted(response) {
            let next = self.items.iter().map(|item| item.place + 1).max();
            self.finish(place.or(next).unwrap_or(0), item, emit);
        }
        let nothing = Node::trusted("{}");
        for item in &mut self.items {
            item.finish(nothing, emit);
        }
        if let Some(usage) = usage(response) {
            emit(Event::Usage(usage));
        }
        let stop = stop(response, status, self.saw);
        emit(Event::Stop { candidate: 0, stop });
        emit(Event::End);
        self.over = true;
    }

    /// The items of the output, and where the stream told of them. Their places in the output say
    /// nothing where the stream has left some out, and neither do ids that change.
    fn sorted<'n>(&self, response: &Fields<'n>) -> Vec<(Node<'n>, Option<u64>)> {
        let output = response.get("output").into_iter().flat_map(Node::items);
        let mut seen: Vec<&Item> = self.items.iter().collect();
        let mut take = |is_it: &dyn Fn(&Item) -> bool| {
            let at = seen.iter().position(|item| is_it(item))?;
            Some(seen.remove(at).place)
        };
        let mut sorted: Vec<_> = output
            .map(|node| (node, take(&|item| item.is(node))))
            .collect();
        for (node, place) in &mut sorted {
            *place = place.or_else(|| take(&|item| item.is_like(*node)));
        }
        sorted
    }

    fn take(&mut self, kind: &str, event: &Fields<'_>, emit: Emit<'_>) {
        let response = event.get("response").unwrap_or_else(|| event.node());
        let place = self.place(event);
        let item = event.get("item");
        let word = |key: &str| event.get_str(key).unwrap_or_default();
        match kind {
            "response.output_item.added" => {
                if let Some(item) = item {
                    self.add(place, item, emit);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = item {
                    self.finish(place, item, emit);
                }
            }
            "response.content_part.added" => self.part_added(event, emit),
            "response.content_part.done" => {
                if let Some(part) = event.get("part") {
                    self.part_done(event, part, emit);
                }
            }
            "response.output_text.delta" => self.say(event, false, emit),
            "response.refusal.delta" => self.say(event, true, emit),
            "response.output_text.annotation.added" => self.cite(event, emit),
            "response.output_text.done" => self.fill(event, false, emit),
            "response.refusal.done" => self.fill(event, true, emit),
            "response.function_call_arguments.delta" | "response.function_call_arguments.done" => {
                self.arguments(event, CallKind::Function, emit);
            }
            "response.custom_tool_call_input.delta" | "response.custom_tool_call_input.done" => {
                self.arguments(event, CallKind::Custom, emit);
            }
            "response.reasoning_summary_text.delta" => {
                self.think(event, ReasonKind::Summary, &word("delta"), false, emit);
            }
            "response.reasoning_summary_text.done" => {
                self.think(event, ReasonKind::Summary, &word("text"), true, emit);
            }
            "response.reasoning_text.delta" => {
                self.think(event, ReasonKind::Raw, &word("delta"), false, emit);
            }
            "response.reasoning_text.done" => {
                self.think(event, ReasonKind::Raw, &word("text"), true, emit);
            }
            "response.completed" | "response.done" => {
                let response = &Fields::of(response);
                let status = response.get_str("status").unwrap_or_default();
                self.terminal(response, &status, emit);
            }
            "response.incomplete" => self.terminal(&Fields::of(response), "incomplete", emit),
            "response.cancelled" => self.terminal(&Fields::of(response), "cancelled", emit),
            _ => {}
        }
    }
}

impl Decode for Stream {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if self.over || data.is_empty() {
            return;
        }
        if let Some((more, filled)) = self.alike.find(data) {
            return self.more(more, &filled, emit);
        }
        // Some servers end like Chat Completions, or say what is no document: nothing is lost by it.
        let Ok(event) = Node::parse(data, DEPTH) else {
            return;
        };
        let event = &Fields::of(event);
        let named = || name.and_then(|name| std::str::from_utf8(name).ok());
        let kind = event.get_str("type").or_else(|| named().map(Cow::Borrowed));
        let kind = kind.unwrap_or_default();
        match &*kind {
            "response.failed" => {
                let response = event.get("response").unwrap_or_else(|| event.node());
                self.fail(
                    fault::decode(fault::IN_STREAM, response.raw().as_bytes()),
                    emit,
                );
            }
            "error" => self.fail(fault::decode(fault::IN_STREAM, data), emit),
            // Without a type: an error that is written as for a whole answer.
            "" if event.get("error").is_some() => {
                self.fail(fault::decode(fault::IN_STREAM, data), emit);
            }
            "response.created" | "response.in_progress" | "response.queued" => {
                let response = event.get("response").unwrap_or_else(|| event.node());
                self.begin(start(&Fields::of(response)), emit);
            }
            kind if kind.starts_with("response.") => {
                if !self.started {
                    let response = event.get("response");
                    let response = response.unwrap_or_else(|| Node::trusted("{}"));
                    self.begin(start(&Fields::of(response)), emit);
                }
                self.take(kind, event, emit);
                self.learn(kind, event);
            }
            _ => {}
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if !self.over {
            let fault = Fault::new(
                FaultKind::BadUpstream,
                "stream_interrupted",
                "the provider's answer was cut off before its end",
            );
            self.fail(fault, emit);
        }
    }
}
