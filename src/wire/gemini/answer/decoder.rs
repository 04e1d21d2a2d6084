//! Reads answers.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::super::json::{Kind, Node, elements};
use super::super::super::{Decode, Reply, Shape, fault};
use super::super::members::{fields, list, native};
use super::candidate::{Candidate, Context, Numbers};
use super::{stop, usage};
use crate::chat::{Event, Fault, FaultKind, Start, Stop, StopReason, Usage};
use crate::wire::json::compact;

/// How deep an answer may nest.
const DEPTH: usize = 128;
/// Alternatives beyond are not read.
const MAX_CANDIDATES: usize = 128;

/// Reads one answer, with or without the envelope of Code Assist.
#[derive(Debug)]
pub(in super::super) struct Decoder {
    is_whole: bool,
    reply: Arc<Reply>,
    numbers: Numbers,
    candidates: Vec<Candidate>,
    usage: Option<Usage>,
    /// Why the prompt was refused.
    blocked: Option<Stop<'static>>,
    has_started: bool,
    is_over: bool,
}

impl Decoder {
    /// A reader of an answer that comes as `shape`.
    pub(in super::super) fn new(shape: Shape, reply: &Arc<Reply>) -> Self {
        Self {
            is_whole: shape == Shape::Whole,
            reply: Arc::clone(reply),
            numbers: Numbers::default(),
            candidates: Vec::new(),
            usage: None,
            blocked: None,
            has_started: false,
            is_over: false,
        }
    }

    fn read(&mut self, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let Ok(node) = Node::parse(data, DEPTH) else {
            let message = "the provider's answer could not be read";
            self.fail(
                Fault::new(FaultKind::BadUpstream, "bad_upstream", message),
                emit,
            );
            return;
        };
        let response = node
            .get("response")
            .filter(|inner| inner.kind() == Kind::Object)
            .unwrap_or(node);
        let is_error = |node: Node<'_>| {
            let error = node.get("error");
            error.is_some_and(|error| !matches!(error.raw(), "{}" | "\"\"" | "false"))
        };
        if let Some(error) = [node, response].into_iter().find(|node| is_error(*node)) {
            let fault = fault::decode(fault::IN_STREAM, error.raw().as_bytes());
            self.fail(fault, emit);
            return;
        }
        self.respond(response, emit);
    }

    fn respond(&mut self, response: Node<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let mut members = fields(response);
        let candidates = members.take("candidates");
        let feedback = members.take("promptFeedback");
        let metadata = members.take("usageMetadata");
        let (id, model) = (
            members.take_str("responseId"),
            members.take_str("modelVersion"),
        );
        if candidates.is_none() && feedback.is_none() && metadata.is_none() && id.is_none() {
            return;
        }
        if let Some(usage) = metadata.and_then(usage::read) {
            self.usage = Some(usage);
        }
        if !std::mem::replace(&mut self.has_started, true) {
            emit(Event::Start(Start {
                id,
                model,
                usage: self.usage,
                tier: metadata.and_then(usage::read_tier),
                ..Start::default()
            }));
        }
        for (position, candidate) in candidates.into_iter().flat_map(list).enumerate() {
            let index = candidate.get("index").and_then(Node::u64);
            let index = index.map_or(position, |index| {
                usize::try_from(index).unwrap_or(usize::MAX)
            });
            self.candidate(index, candidate, emit);
        }
        if let Some(feedback) = feedback {
            self.refuse(feedback);
        }
    }

    fn candidate(&mut self, index: usize, node: Node<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if index >= MAX_CANDIDATES {
            return;
        }
        while self.candidates.len() <= index {
            let index = u32::try_from(self.candidates.len()).unwrap_or(u32::MAX);
            self.candidates.push(Candidate::new(index, self.is_whole));
        }
        let mut context = Context {
            reply: &self.reply,
            numbers: &mut self.numbers,
            emit,
        };
        if let Some(candidate) = self.candidates.get_mut(index) {
            candidate.read(node, &mut context);
        }
    }

    fn refuse(&mut self, node: Node<'_>) {
        let mut feedback = fields(node);
        let reason = feedback.take("blockReason").and_then(stop::name);
        let message = feedback.take_str("blockReasonMessage");
        if let Some(reason) = reason {
            self.blocked = Some(Stop {
                detail: Some(Cow::Owned(message.unwrap_or(reason).into_owned())),
                native: Some(native(compact(node.raw()).into_owned())),
                ..Stop::new(StopReason::Safety)
            });
        }
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if self.is_over {
            return;
        }
        let nothing = self.candidates.is_empty() && self.blocked.is_none();
        if nothing && self.is_whole {
            let message = "the provider's answer is empty";
            self.fail(
                Fault::new(FaultKind::BadUpstream, "bad_upstream", message),
                emit,
            );
            return;
        }
        if let Some(stop) = &self.blocked {
            for candidate in &mut self.candidates {
                candidate.refuse(stop.detail.as_deref());
            }
        }
        let is_lenient = self.reply.profile.gemini.lenient_eof;
        let may_end = |candidate: &Candidate| {
            self.is_whole || candidate.has_ended() || (is_lenient && candidate.may_end())
        };
        if nothing || !self.candidates.iter().all(may_end) {
            let message = "the provider's answer was cut off before its end";
            self.fail(
                Fault::new(FaultKind::BadUpstream, "stream_interrupted", message),
                emit,
            );
            return;
        }
        self.is_over = true;
        let mut context = Context {
            reply: &self.reply,
            numbers: &mut self.numbers,
            emit,
        };
        for candidate in &mut self.candidates {
            candidate.finish(&mut context);
        }
        if let Some(stop) = self.blocked.take().filter(|_| self.candidates.is_empty()) {
            emit(Event::Stop { candidate: 0, stop });
        }
        if let Some(usage) = self.usage {
            emit(Event::Usage(usage));
        }
        emit(Event::End);
    }

    fn fail(&mut self, fault: Fault, emit: &mut dyn FnMut(Event<'_>)) {
        self.is_over = true;
        emit(Event::Fault(fault));
    }
}

impl Decode for Decoder {
    fn event(&mut self, _name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let data = data.trim_ascii();
        if self.is_over || data.is_empty() {
            return;
        }
        // Some compatible servers end like OpenAI, and keep the connection open.
        if data == b"[DONE]" {
            self.finish(emit);
            return;
        }
        let listed = match data {
            [b'[', ..] => elements(data),
            _ => None,
        };
        for element in listed.unwrap_or_else(|| vec![data]) {
            if !self.is_over {
                self.read(element, emit);
            }
        }
        if self.is_whole {
            self.finish(emit);
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        self.finish(emit);
    }
}
