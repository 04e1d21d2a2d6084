//! Reads answers: chunks of a stream, or the whole document, which is one chunk that says all.

mod calls;
mod candidate;
mod cite;
mod more;
mod shared;
mod sound;
mod think;

use std::borrow::Cow;
use std::sync::Arc;

use candidate::Candidate;
use more::More;
use shared::Shared;

use super::usage;
use crate::chat::{Event, Fault, FaultKind, Start, Stop, Usage};
use crate::wire::fault;
use crate::wire::json::{Fields, Filled, Kind, Node, Templates, is_blank};
use crate::wire::{Decode, Reply, Shape};

/// How deep an answer may nest.
const DEPTH: usize = 128;

/// Reads one answer.
pub(super) struct Decoder {
    is_whole: bool,
    shared: Shared,
    candidates: Vec<(u32, Candidate)>,
    started: bool,
    usage: Option<Usage>,
    over: bool,
    /// Chunks that were read: most others are like one of them.
    alike: Templates<More>,
    /// Where escaped text is decoded.
    scratch: String,
}

impl Decoder {
    pub(super) fn new(shape: Shape, reply: &Arc<Reply>) -> Self {
        Self {
            is_whole: shape == Shape::Whole,
            shared: Shared::new(Arc::clone(reply)),
            candidates: Vec::new(),
            started: false,
            usage: None,
            over: false,
            alike: Templates::default(),
            scratch: String::new(),
        }
    }

    fn fail(&mut self, fault: Fault, emit: &mut dyn FnMut(Event<'_>)) {
        self.over = true;
        emit(Event::Fault(fault));
    }

    fn chunk(&mut self, chunk: &Fields<'_>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let error = chunk.get("error");
        let is_error = chunk.get_str("object").as_deref() == Some("error");
        if is_error || error.is_some_and(|error| !is_blank(error.raw().as_bytes())) {
            return self.fail(fault::decode(fault::IN_STREAM, data), emit);
        }
        self.usage = usage::of(chunk).or(self.usage);
        let choices = chunk.get("choices");
        let has_choices = |choices: Node<'_>| {
            choices.kind() == Kind::Array && !is_blank(choices.raw().as_bytes())
        };
        if !self.started && choices.is_some_and(has_choices) {
            self.start(chunk, emit);
        }
        for choice in choices.into_iter().flat_map(Node::items).map(Fields::of) {
            // Some servers tell of an error beside what they had said until then.
            if choice
                .get("error")
                .is_some_and(|error| error.kind() == Kind::Object)
            {
                let told = choice.node().raw().as_bytes();
                return self.fail(fault::decode(fault::IN_STREAM, told), emit);
            }
            if choice.get_str("finish_reason").as_deref() == Some("error") {
                return self.fail(fault::decode(fault::IN_STREAM, data), emit);
            }
            self.choice(&choice, emit);
        }
    }

    fn start(&mut self, chunk: &Fields<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        self.started = true;
        let filled = |name| chunk.get_str(name).filter(|text| !text.is_empty());
        let tier = chunk.get_str("service_tier");
        emit(Event::Start(Start {
            id: filled("id"),
            model: filled("model"),
            created: chunk
                .get("created")
                .and_then(Node::u64)
                .filter(|at| *at > 0),
            usage: None,
            tier: tier.and_then(|word| super::request::tier(&word)),
            fingerprint: filled("system_fingerprint"),
        }));
    }

    fn choice(&mut self, choice: &Fields<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let index = choice.get("index").and_then(Node::u64).unwrap_or(0);
        let index = u32::try_from(index).unwrap_or(0);
        let at = match self
            .candidates
            .iter()
            .position(|(known, _)| *known == index)
        {
            Some(at) => at,
            None => {
                let think_tags = self.shared.reply.profile.chat.think_tags;
                let new = Candidate::new(index, think_tags, self.is_whole);
                self.candidates.push((index, new));
                self.candidates.len() - 1
            }
        };
        if let Some((_, candidate)) = self.candidates.get_mut(at) {
            candidate.choice(choice, &mut self.shared, emit);
        }
    }

    /// A chunk that is like an earlier one.
    fn more(&mut self, more: More, filled: &Filled<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        let mut all = self.candidates.iter_mut();
        if let Some((_, candidate)) = all.find(|(known, _)| *known == more.candidate) {
            let text = Cow::Borrowed(filled.text(&mut self.scratch));
            candidate.more(more.kind, text, &mut self.shared, emit);
        }
    }

    /// Keeps a chunk, so that others like it need not be read.
    fn learn(&mut self, chunk: Node<'_>) {
        let is_worthwhile = !self.is_whole && !self.over && self.alike.is_worthwhile();
        if is_worthwhile && let Some((more, gaps)) = more::read(chunk) {
            self.alike.keep(chunk.raw(), &gaps, more);
        }
    }

    /// The end, if the answer has one. `is_marked`: the provider said that it is all.
    fn finish(&mut self, is_marked: bool, emit: &mut dyn FnMut(Event<'_>)) {
        let is_done = |candidate: &Candidate| {
            candidate.has_finished() || (is_marked && candidate.has_said_something())
        };
        let all = self.candidates.iter().all(|(_, one)| is_done(one));
        if !self.started || !all {
            return self.fail(interrupted(), emit);
        }
        self.over = true;
        let mut stops = Vec::new();
        for (index, candidate) in &mut self.candidates {
            stops.push((*index, candidate.finish(&mut self.shared, emit)));
        }
        for (candidate, reason) in stops {
            let stop = Stop::new(reason);
            emit(Event::Stop { candidate, stop });
        }
        if let Some(usage) = self.usage {
            emit(Event::Usage(usage));
        }
        emit(Event::End);
    }
}

impl Decode for Decoder {
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        let data = data.trim_ascii();
        if self.over || data.is_empty() {
            return;
        }
        if data == b"[DONE]" && !self.is_whole {
            return self.finish(true, emit);
        }
        if name == Some(b"error") {
            return self.fail(fault::decode(fault::IN_STREAM, data), emit);
        }
        if let Some((more, filled)) = self.alike.find(data) {
            return self.more(more, &filled, emit);
        }
        match Node::parse(data, DEPTH) {
            Ok(chunk) => {
                self.chunk(&Fields::of(chunk), data, emit);
                self.learn(chunk);
            }
            Err(error) => {
                let message = format!("the provider's answer cannot be read: {error}");
                let fault = Fault::new(FaultKind::BadUpstream, "bad_upstream", message);
                return self.fail(fault, emit);
            }
        }
        if self.is_whole && !self.over {
            if self.candidates.is_empty() && tells_error(data) {
                return self.fail(fault::decode(fault::IN_STREAM, data), emit);
            }
            if self.candidates.is_empty() {
                let message = "the provider's answer has no choices";
                let fault = Fault::new(FaultKind::BadUpstream, "bad_upstream", message);
                return self.fail(fault, emit);
            }
            self.finish(true, emit);
        }
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if !self.over {
            self.finish(false, emit);
        }
    }
}

/// Whether a document that is no answer says why: `{"message":…}`, `{"detail":…}`.
fn tells_error(data: &[u8]) -> bool {
    let Ok(node) = Node::parse(data, DEPTH) else {
        return false;
    };
    node.get("choices").is_none() && (node.get("message").is_some() || node.get("detail").is_some())
}

fn interrupted() -> Fault {
    Fault::new(
        FaultKind::BadUpstream,
        "stream_interrupted",
        "the provider's answer was cut off before its end",
    )
}
