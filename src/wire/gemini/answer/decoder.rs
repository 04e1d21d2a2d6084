//! Reads answers.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::super::json::{Fields, Filled, Kind, Node, Object, Templates, elements};
use super::super::super::{Decode, Reply, Shape, fault};
use super::super::members::{fields, list, native};
use super::candidate::{Candidate, Context, Numbers};
use super::more::{self, More};
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
    /// Pieces of text that were read: most others are like one of them.
    alike: Templates<More>,
    /// The newest `usageMetadata`, if it is not read into `usage` yet: providers repeat it with every
    /// piece.
    metadata: String,
    /// Where escaped text is decoded.
    scratch: String,
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
            alike: Templates::default(),
            metadata: String::new(),
            scratch: String::new(),
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
        let document = Fields::of(node);
        let response = document
            .get("response")
            .filter(|inner| inner.kind() == Kind::Object);
        let is_error = |of: &Fields<'_>| {
            let error = of.get("error");
            error.is_some_and(|error| !matches!(error.raw(), "{}" | "\"\"" | "false"))
        };
        let failed = is_error(&document).then_some(node);
        let failed = failed.or_else(|| response.filter(|inner| is_error(&Fields::of(*inner))));
        if let Some(failed) = failed {
            let fault = fault::decode(fault::IN_STREAM, failed.raw().as_bytes());
            self.fail(fault, emit);
            return;
        }
        let response = response.unwrap_or(node);
        self.respond(response, emit);
        let is_worthwhile = !self.is_whole && self.has_started && self.alike.is_worthwhile();
        if is_worthwhile && let Some((more, gaps)) = more::read(response, node) {
            self.alike.keep(node.raw(), &gaps, more);
        }
    }

    /// A piece that is like an earlier one. False: there is more to it here, and nothing was done.
    fn more(
        &mut self,
        more: More,
        data: &[u8],
        filled: &Filled<'_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> bool {
        let Some(candidate) = self.candidates.get_mut(more.candidate) else {
            return false;
        };
        if let Some(around) = more.metadata {
            let Some(metadata) = around.find(data, &filled.digits) else {
                return false;
            };
            self.metadata.clear();
            self.metadata.push_str(metadata);
        }
        let mut context = Context {
            reply: &self.reply,
            numbers: &mut self.numbers,
            emit,
        };
        let text = Cow::Borrowed(filled.text(&mut self.scratch));
        candidate.say(more.is_thought, text, None, &mut context);
        true
    }

    /// What it cost so far.
    fn usage(&mut self) -> Option<Usage> {
        if !self.metadata.is_empty() {
            self.usage = usage::read(Node::trusted(&self.metadata)).or(self.usage);
            self.metadata.clear();
        }
        self.usage
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
            self.metadata.clear();
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
            let mut candidate = fields(candidate);
            let index = candidate.take_u64("index");
            let index = index.map_or(position, |index| {
                usize::try_from(index).unwrap_or(usize::MAX)
            });
            self.candidate(index, candidate, emit);
        }
        if let Some(feedback) = feedback {
            self.refuse(feedback);
        }
    }

    fn candidate(&mut self, index: usize, members: Object<'_>, emit: &mut dyn FnMut(Event<'_>)) {
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
            candidate.read(members, &mut context);
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
        if let Some(usage) = self.usage() {
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
        if let Some((more, filled)) = self.alike.find(data)
            && self.more(more, data, &filled, emit)
        {
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
