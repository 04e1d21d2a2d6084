//! A whole response.

use std::sync::Arc;

use super::super::super::fault;
use super::super::super::json::{Fields, Node};
use super::super::super::{Decode, Reply};
use super::{CallIds, DEPTH, Saw, item, start, stop, unusable, usage};
use crate::chat::{Answer, Candidate, Event, Part};

/// Reads a whole response.
pub(super) struct Whole {
    ids: CallIds,
    over: bool,
}

impl Whole {
    pub(super) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            ids: CallIds::new(reply),
            over: false,
        }
    }
}

impl Decode for Whole {
    fn event(&mut self, _name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>)) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let Ok(node) = Node::parse(data, DEPTH) else {
            emit(Event::Fault(unusable(
                "the provider's answer is no JSON document",
            )));
            return;
        };
        let response = &Fields::of(node);
        let status = response.get_str("status").unwrap_or_default();
        if &*status == "failed" || response.get("error").is_some() {
            emit(Event::Fault(fault::decode(fault::IN_STREAM, data)));
            return;
        }
        if matches!(&*status, "queued" | "in_progress") {
            emit(Event::Fault(unusable("the provider's answer is not done")));
            return;
        }
        let output = response.get("output");
        if output.is_none() && status.is_empty() {
            emit(Event::Fault(unusable(
                "the provider's answer is no response object",
            )));
            return;
        }
        let items = output.into_iter().flat_map(Node::items);
        let mut parts: Vec<Part<'_>> = items.flat_map(item::parts).collect();
        let mut saw = Saw::default();
        for part in &mut parts {
            saw.part(part);
            self.ids.fix(part);
        }
        let answer = Answer {
            start: start(response),
            candidates: vec![Candidate {
                parts,
                stop: stop(response, &status, saw),
            }],
            usage: usage(response),
        };
        answer.into_events(emit);
    }

    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>)) {
        if !std::mem::replace(&mut self.over, true) {
            emit(Event::Fault(unusable("the provider's answer is empty")));
        }
    }
}
