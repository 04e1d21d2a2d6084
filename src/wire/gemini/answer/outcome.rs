//! One of an answer's alternatives as it is written.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::super::super::json::ObjectWriter;
use super::sources::Sources;
use super::{logprobs, stop};
use crate::chat::{Format, Stop, StopReason};

/// What is kept until its end.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The parts of a whole answer, with commas between.
    parts: Vec<u8>,
    /// How many parts there are.
    pub(super) count: usize,
    /// The state of another provider's reasoning since the last call, as signatures.
    pub(super) carried: Vec<String>,
    /// Calls in the order in which they began.
    calls: VecDeque<Call>,
    /// What is wrong with a call that could not be written.
    malformed: Option<String>,
    /// Why it ended.
    pub(super) stop: Option<Stop<'static>>,
    /// Where it is from.
    pub(super) sources: Sources,
    /// The entries of a whole answer's log probabilities.
    probable: String,
}

#[derive(Debug)]
struct Call {
    block: u32,
    is_complete: bool,
    /// `None`: it cannot be written.
    part: Option<Vec<u8>>,
}

impl Outcome {
    /// Keeps a part of a whole answer.
    pub(super) fn keep(&mut self, part: &[u8]) {
        if !self.parts.is_empty() {
            self.parts.push(b',');
        }
        self.parts.extend_from_slice(part);
    }

    /// Keeps log probabilities of a whole answer, a JSON array.
    pub(super) fn keep_logprobs(&mut self, json: &str) {
        let inner = json.trim().trim_start_matches('[').trim_end_matches(']');
        if !inner.is_empty() && !self.probable.is_empty() {
            self.probable.push(',');
        }
        self.probable.push_str(inner);
    }

    /// A call begins. Gives the state that it carries.
    pub(super) fn begin_call(&mut self, block: u32) -> Option<String> {
        self.calls.push_back(Call {
            block,
            is_complete: false,
            part: None,
        });
        // There is one place: several would come back as fewer than they were.
        let mut carried = std::mem::take(&mut self.carried);
        carried.pop().filter(|_| carried.is_empty())
    }

    /// A call is complete: its part, or what is wrong with it. Gives the parts that may be written
    /// now, in the order in which their calls began.
    pub(super) fn end_call(&mut self, block: u32, part: Result<Vec<u8>, String>) -> Vec<Vec<u8>> {
        let call = self.calls.iter_mut().find(|call| call.block == block);
        if let Some(call) = call {
            call.is_complete = true;
            match part {
                Ok(part) => call.part = Some(part),
                Err(problem) => self.malformed = Some(problem),
            }
        }
        let mut ready = Vec::new();
        while let Some(call) = self.calls.pop_front_if(|call| call.is_complete) {
            ready.extend(call.part);
        }
        ready
    }

    /// The prompt was refused: what Gemini says about it in place of an alternative.
    pub(super) fn refused_prompt(&self) -> Option<&str> {
        let native = self.stop.as_ref()?.native.as_ref()?;
        (self.count == 0 && native.format == Format::Gemini).then_some(native.json.as_str())
    }

    /// Writes the members of the last event, or of the one document.
    pub(super) fn write_end(&self, o: &mut ObjectWriter<'_>, index: usize, is_whole: bool) {
        let (reason, message) = self.reason();
        o.object("content", |o| {
            o.str("role", "model");
            // What was stopped before it said anything has no parts, what was done has one.
            if self.count == 0 && reason != "STOP" {
                return;
            }
            o.array("parts", |a| {
                if is_whole && self.count > 0 {
                    a.element().extend_from_slice(&self.parts);
                } else {
                    a.object(|o| o.str("text", ""));
                }
            });
        });
        o.str("finishReason", reason);
        o.opt_str("finishMessage", message.as_deref());
        o.num("index", i128::try_from(index).unwrap_or_default());
        self.sources.write(o);
        if !self.probable.is_empty() {
            logprobs::write(o, &format!("[{}]", self.probable));
        }
    }

    fn reason(&self) -> (&str, Option<Cow<'_, str>>) {
        let Some(stop) = &self.stop else {
            return ("OTHER", None);
        };
        let message = stop.detail.as_deref().map(Cow::Borrowed);
        match &self.malformed {
            Some(problem) if matches!(stop.reason, StopReason::Stop | StopReason::ToolUse) => (
                stop::write(&StopReason::MalformedTool),
                Some(Cow::Borrowed(problem)),
            ),
            _ => (stop::write(&stop.reason), message),
        }
    }
}
