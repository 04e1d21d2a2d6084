//! One of an answer's alternatives: which blocks are open, and what comes of each delta.

use std::borrow::Cow;

use super::calls::{Calls, Entry, sign};
use super::cite::citation;
use super::shared::Shared;
use super::sound::Sound;
use super::think::{Piece, Think};
use crate::chat::{Content, Event, Json, Opening, Part, Place, ReasonKind, StopReason};
use crate::wire::json::{Fields, Kind, Node};
use crate::wire::openai_chat::request::part;
use crate::wire::openai_chat::{state, stop};

/// See the module.
pub(super) struct Candidate {
    index: u32,
    think: Think,
    text: Option<OpenText>,
    /// Code points of the text blocks that are closed.
    before: u64,
    reasoning: Option<OpenReasoning>,
    refusal: Option<u32>,
    pub(super) calls: Calls,
    audio: Option<Sound>,
    reason: Option<String>,
    said: bool,
    refused: bool,
}

struct OpenText {
    block: u32,
    length: u64,
}

struct OpenReasoning {
    block: u32,
    /// The number that the server gave it.
    index: Option<u64>,
}

/// Where events go.
pub(super) type Emit<'e> = &'e mut dyn FnMut(Event<'_>);

impl Candidate {
    pub(super) const fn new(index: u32, think_tags: bool, is_whole: bool) -> Self {
        Self {
            index,
            think: if think_tags {
                Think::Start(String::new())
            } else {
                Think::Text
            },
            text: None,
            before: 0,
            reasoning: None,
            refusal: None,
            calls: Calls::new(index, is_whole),
            audio: None,
            reason: None,
            said: false,
            refused: false,
        }
    }

    /// Whether the server said why it ended.
    pub(super) const fn has_finished(&self) -> bool {
        self.reason.is_some()
    }

    /// Whether there is anything in it.
    pub(super) const fn has_said_something(&self) -> bool {
        self.said || !self.calls.is_empty()
    }

    /// Takes an element of `choices`.
    pub(super) fn choice(&mut self, choice: &Fields<'_>, shared: &mut Shared, emit: Emit<'_>) {
        let delta = choice.get("delta").or_else(|| choice.get("message"));
        if let Some(delta) = &delta.map(Fields::of) {
            let logprobs = choice.get("logprobs").and_then(|all| all.get("content"));
            let logprobs = logprobs.filter(|list| list.items().next().is_some());
            self.reasoned(delta, shared, emit);
            if let Some(content) = delta.get("content") {
                self.content(content, logprobs, shared, emit);
            }
            if let Some(text) = delta.get_str("refusal") {
                self.refuse(text, shared, emit);
            }
            self.called(delta, shared, emit);
            self.cited(delta, emit);
            self.media(delta, shared, emit);
        }
        if let Some(reason) = choice
            .get_str("finish_reason")
            .filter(|text| !text.is_empty())
        {
            self.reason = Some(reason.into_owned());
        }
    }

    fn reasoned(&mut self, delta: &Fields<'_>, shared: &mut Shared, emit: Emit<'_>) {
        let mut has_text = false;
        for entry in delta
            .get("reasoning_details")
            .into_iter()
            .flat_map(Node::items)
        {
            let index = entry.get("index").and_then(Node::u64);
            if let Some((kind, text)) = state::detail_text(entry) {
                has_text = true;
                self.reason(kind, text, index, shared, emit);
            }
            if let Some(opaque) = state::own_state(entry) {
                let block = self.open_reasoning(index, shared, emit);
                self.said = true;
                emit(Event::Signature { block, opaque });
            }
        }
        if !has_text {
            let content = delta.get("reasoning_content");
            let text = content
                .or_else(|| delta.get("reasoning"))
                .and_then(Node::str);
            if let Some(text) = text {
                self.reason_on(text, shared, emit);
            }
        }
    }

    /// More reasoning that says nothing of where it belongs.
    pub(super) fn reason_on(&mut self, text: Cow<'_, str>, shared: &mut Shared, emit: Emit<'_>) {
        let index = self.reasoning.as_ref().and_then(|open| open.index);
        self.reason(ReasonKind::Raw, text, index, shared, emit);
    }

    fn reason(
        &mut self,
        kind: ReasonKind,
        text: Cow<'_, str>,
        index: Option<u64>,
        shared: &mut Shared,
        emit: Emit<'_>,
    ) {
        if text.is_empty() {
            return;
        }
        let block = self.open_reasoning(index, shared, emit);
        self.said = true;
        emit(Event::Reason {
            block,
            kind,
            index: 0,
            text,
        });
    }

    fn open_reasoning(&mut self, index: Option<u64>, shared: &mut Shared, emit: Emit<'_>) -> u32 {
        if let Some(open) = &mut self.reasoning {
            if index.is_none() || open.index.is_none() || open.index == index {
                open.index = open.index.or(index);
                return open.block;
            }
            let block = open.block;
            self.reasoning = None;
            emit(Event::Close { block });
        }
        self.close_text(emit);
        let block = self.open(Opening::Reasoning, shared, emit);
        self.reasoning = Some(OpenReasoning { block, index });
        block
    }

    fn open(&mut self, opening: Opening<'_>, shared: &mut Shared, emit: Emit<'_>) -> u32 {
        self.calls.open_known(shared, emit);
        let block = shared.next_block();
        emit(Event::Open {
            block,
            candidate: self.index,
            opening,
        });
        block
    }

    pub(super) fn close_reasoning(&mut self, emit: Emit<'_>) {
        if let Some(OpenReasoning { block, .. }) = self.reasoning.take() {
            emit(Event::Close { block });
        }
    }

    fn close_text(&mut self, emit: Emit<'_>) {
        if let Some(OpenText { block, length }) = self.text.take() {
            self.before += length;
            emit(Event::Close { block });
        }
    }

    fn content(
        &mut self,
        content: Node<'_>,
        logprobs: Option<Node<'_>>,
        shared: &mut Shared,
        emit: Emit<'_>,
    ) {
        if content.kind() != Kind::Array {
            if let Some(text) = content.str() {
                self.tagged(text, logprobs, shared, emit);
            }
            return;
        }
        for node in content.items() {
            // Mistral's reasoning is a part of the content.
            if let Some(inner) = node.get("thinking") {
                let texts = inner.items().filter_map(|node| node.get_str("text"));
                for text in texts.chain(inner.str()) {
                    self.reason(ReasonKind::Raw, text, None, shared, emit);
                }
                continue;
            }
            let part = part(node, Place::default());
            match part.content {
                Content::Text(text) => self.tagged(text.text.into_cow(), logprobs, shared, emit),
                Content::Refusal(text) => self.refuse(text, shared, emit),
                _ => self.whole_part(part, shared, emit),
            }
        }
    }

    pub(super) fn tagged(
        &mut self,
        text: Cow<'_, str>,
        logprobs: Option<Node<'_>>,
        shared: &mut Shared,
        emit: Emit<'_>,
    ) {
        if matches!(self.think, Think::Text) {
            return self.say(text, logprobs.map(Node::json), shared, emit);
        }
        let mut pieces = Vec::new();
        self.think.push(&text, &mut |piece| pieces.push(piece));
        self.pieces(pieces, shared, emit);
    }

    fn pieces(&mut self, pieces: Vec<Piece>, shared: &mut Shared, emit: Emit<'_>) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.say(Cow::Owned(text), None, shared, emit),
                Piece::Reasoning(text) => {
                    self.reason(ReasonKind::Raw, Cow::Owned(text), None, shared, emit);
                }
            }
        }
    }

    fn say(
        &mut self,
        text: Cow<'_, str>,
        logprobs: Option<Json<'_>>,
        shared: &mut Shared,
        emit: Emit<'_>,
    ) {
        if text.is_empty() {
            return;
        }
        let block = self.open_text(shared, emit);
        self.said = true;
        if let Some(open) = &mut self.text {
            open.length += text.chars().count() as u64;
        }
        emit(Event::Text {
            block,
            text,
            logprobs,
        });
    }

    fn open_text(&mut self, shared: &mut Shared, emit: Emit<'_>) -> u32 {
        if let Some(open) = &self.text {
            return open.block;
        }
        self.close_reasoning(emit);
        let block = self.open(Opening::Text, shared, emit);
        self.text = Some(OpenText { block, length: 0 });
        block
    }

    fn refuse(&mut self, text: Cow<'_, str>, shared: &mut Shared, emit: Emit<'_>) {
        if text.is_empty() {
            return;
        }
        self.said = true;
        self.refused = true;
        let block = match self.refusal {
            Some(block) => block,
            None => {
                self.close_reasoning(emit);
                self.open(Opening::Refusal, shared, emit)
            }
        };
        self.refusal = Some(block);
        emit(Event::Refusal { block, text });
    }

    fn called(&mut self, delta: &Fields<'_>, shared: &mut Shared, emit: Emit<'_>) {
        let list = delta.get("tool_calls").into_iter().flat_map(Node::items);
        let mut list = list.peekable();
        let legacy = delta.get("function_call");
        if list.peek().is_some() || legacy.is_some() {
            self.close_reasoning(emit);
        }
        for node in list {
            self.calls.entry(Entry::read(node), shared, emit);
        }
        if let Some(legacy) = legacy {
            let entry = format!(r#"{{"index":0,"function":{}}}"#, legacy.raw());
            let entry = Entry::read(Node::trusted(&entry));
            self.calls.entry(entry, shared, emit);
        }
        if let Some(extra) = delta.get("extra_content")
            && let Some(signature) = state::google_data(extra)
        {
            let block = self.open_text(shared, emit);
            emit(sign(block, signature));
        }
    }

    fn media(&mut self, delta: &Fields<'_>, shared: &mut Shared, emit: Emit<'_>) {
        for node in delta.get("images").into_iter().flat_map(Node::items) {
            let part = part(node, Place::default());
            if matches!(part.content, Content::Image(_)) {
                self.whole_part(part, shared, emit);
            }
        }
        if let Some(audio) = delta.get("audio") {
            self.said = true;
            self.audio.get_or_insert_default().push(audio);
        }
    }

    fn whole_part(&mut self, part: Part<'_>, shared: &mut Shared, emit: Emit<'_>) {
        self.said = true;
        self.close_reasoning(emit);
        // Text stays open: its citations come last of all.
        self.calls.open_known(shared, emit);
        let candidate = self.index;
        emit(Event::Part { candidate, part });
    }

    fn cited(&self, delta: &Fields<'_>, emit: Emit<'_>) {
        let Some(open) = &self.text else {
            return;
        };
        for node in delta.get("annotations").into_iter().flat_map(Node::items) {
            if let Some(citation) = citation(node, self.before) {
                let block = open.block;
                emit(Event::Cite { block, citation });
            }
        }
    }

    /// Closes everything and says why it ended.
    pub(super) fn finish(&mut self, shared: &mut Shared, emit: Emit<'_>) -> StopReason {
        let mut pieces = Vec::new();
        self.think.end(&mut |piece| pieces.push(piece));
        self.pieces(pieces, shared, emit);
        self.close_reasoning(emit);
        self.close_text(emit);
        if let Some(block) = self.refusal.take() {
            emit(Event::Close { block });
        }
        self.calls.finish(shared, emit);
        if let Some(sound) = self.audio.take() {
            let candidate = self.index;
            let part = sound.part();
            emit(Event::Part { candidate, part });
        }
        let said = stop::Said {
            calls: !self.calls.is_empty(),
            refusal: self.refused,
        };
        match &self.reason {
            Some(reason) => stop::decode(reason, said),
            None => stop::natural(said),
        }
    }
}
