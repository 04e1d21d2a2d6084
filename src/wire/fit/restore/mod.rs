//! The way back: an answer's events in the terms of the client's request.

mod block;
mod input;
mod stops;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::chat::{CallKind, Event, Json, Opening, Stop, StopReason, Usage};
use block::{Block, Work, arguments, plain};
use input::Input;
use stops::{Held, Stops};

/// The tool whose input is the answer, for models that cannot be held to a schema otherwise.
pub(super) const JSON_TOOL: &str = "__aiproxy_json";
/// What models put before the names of tools.
const PREFIXES: [&str; 4] = ["default_api:", "default_api.", "functions.", "tools."];
/// How deep arguments may nest that are taken out of an object.
const DEPTH: usize = 512;

/// A tool that the target knows.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// Its name there.
    pub(super) sent: String,
    /// What the client calls it.
    pub(super) name: String,
    /// The namespace that it is in for the client.
    pub(super) namespace: Option<String>,
    /// How the client runs it.
    pub(super) kind: CallKind,
    /// What has to be done to arguments.
    pub(super) undo: Undo,
}

/// What has to be done to the arguments of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    /// They are the client's.
    Nothing,
    /// The client's are the text in the member `input`.
    Input,
    /// The client's are the member `value`.
    Value,
    /// The client knows nothing of this member.
    Without(&'static str),
}

/// Undoes in an answer what [`fit`](super::fit) did to the request: names of tools, free-form tools
/// that became functions, the tool that stands for a JSON answer, stop sequences that the target does
/// not know.
#[derive(Debug, Clone, Default)]
pub struct Restore {
    tools: HashMap<String, Known>,
    /// The answer comes as a call of [`JSON_TOOL`]; `true`: inside of an object's `value`.
    json: Option<bool>,
    /// The answer is the `value` of the object that comes.
    is_value: bool,
    stops: Stops,
    /// Open blocks that something has to be done about.
    open: Vec<Block>,
    /// Ids of calls so far.
    ids: HashSet<String>,
    /// Candidates whose answer came as a call, and those that called something else.
    answered: Vec<u32>,
    called: Vec<u32>,
    usage: Option<Usage>,
    /// The answer comes all at once: what it cost is known at its end.
    is_whole: bool,
    /// It ended before the provider's own end; only what it cost is still to come.
    is_cut: bool,
    is_over: bool,
}

impl Restore {
    /// Learns of a tool.
    pub(super) fn know(&mut self, tool: Known) {
        self.tools.insert(tool.sent.clone(), tool);
    }

    /// The answer comes as the input of [`JSON_TOOL`]; `is_wrapped`: in the member `value`.
    pub(super) const fn answer_is_json(&mut self, is_wrapped: bool) {
        self.json = Some(is_wrapped);
    }

    /// The answer's text is an object whose `value` the client wants.
    pub(super) const fn answer_is_value(&mut self) {
        self.is_value = true;
    }

    /// The answer ends before one of these.
    pub(super) fn stop_at<'s>(&mut self, stops: impl Iterator<Item = &'s str>) {
        self.stops = Stops::new(stops);
    }

    /// The answer comes all at once.
    pub(in crate::wire) const fn whole(&mut self) {
        self.is_whole = true;
    }

    /// Takes the next event and emits what it is for the client.
    pub fn event(&mut self, event: Event<'_>, emit: &mut dyn FnMut(Event<'_>)) {
        if self.is_over {
            return;
        }
        if self.is_cut && !matches!(event, Event::Usage(_) | Event::End | Event::Fault(_)) {
            return;
        }
        match event {
            Event::Open {
                block,
                candidate,
                opening,
            } => self.open(block, candidate, opening, emit),
            Event::Text {
                block,
                text,
                logprobs,
            } => self.text(block, text, logprobs, emit),
            Event::Arguments { block, text } => self.arguments(block, text, emit),
            Event::Close { block } => {
                let at = self.open.iter().position(|open| open.number == block);
                if let Some(at) = at {
                    self.open.remove(at).close(emit);
                } else {
                    emit(Event::Close { block });
                }
            }
            Event::Stop {
                candidate,
                mut stop,
            } => {
                if stop.reason == StopReason::ToolUse
                    && self.answered.contains(&candidate)
                    && !self.called.contains(&candidate)
                {
                    stop.reason = StopReason::Stop;
                }
                emit(Event::Stop { candidate, stop });
            }
            Event::Start(start) => {
                self.usage = start.usage;
                emit(Event::Start(start));
            }
            Event::Usage(usage) => {
                self.usage = Some(usage);
                emit(Event::Usage(usage));
            }
            other => emit(other),
        }
    }

    fn open(
        &mut self,
        block: u32,
        candidate: u32,
        opening: Opening<'_>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let (opening, work) = match opening {
            Opening::Text if self.is_value => (Opening::Text, Work::Word(String::new())),
            Opening::Text if !self.stops.is_empty() => (Opening::Text, Work::Scan(Held::default())),
            Opening::ToolCall { name, .. } if self.json.is_some() && self.is_answer(&name) => {
                self.answered.push(candidate);
                let work = match self.json {
                    Some(true) => Work::JsonValue(String::new()),
                    _ => Work::Json(false),
                };
                (Opening::Text, work)
            }
            Opening::ToolCall {
                id,
                name,
                kind,
                namespace,
            } => {
                self.called.push(candidate);
                let id = self.fresh(id);
                let Some(tool) = self.find(&name) else {
                    let opening = Opening::ToolCall {
                        id,
                        name,
                        kind,
                        namespace,
                    };
                    return self.start(block, candidate, opening, Work::Nothing, emit);
                };
                let work = match tool.undo {
                    Undo::Nothing => Work::Nothing,
                    Undo::Input => Work::Input(Input::default()),
                    Undo::Value => Work::Value(String::new()),
                    Undo::Without(member) => Work::Without(member, String::new()),
                };
                // What came as free text already stays so.
                let work = if kind == CallKind::Function {
                    work
                } else {
                    Work::Nothing
                };
                let opening = Opening::ToolCall {
                    id,
                    name: Cow::Owned(tool.name.clone()),
                    kind: tool.kind,
                    namespace: tool.namespace.clone().map(Cow::Owned).or(namespace),
                };
                (opening, work)
            }
            other => (other, Work::Nothing),
        };
        self.start(block, candidate, opening, work, emit);
    }

    fn start(
        &mut self,
        block: u32,
        candidate: u32,
        opening: Opening<'_>,
        work: Work,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        // Others only matter where the answer may be cut.
        if !matches!(work, Work::Nothing) || !self.stops.is_empty() {
            self.open.push(Block {
                number: block,
                candidate,
                work,
            });
        }
        emit(Event::Open {
            block,
            candidate,
            opening,
        });
    }

    /// The id, or another one if an earlier call of this answer has it.
    fn fresh<'a>(&mut self, id: Cow<'a, str>) -> Cow<'a, str> {
        if id.is_empty() {
            return id;
        }
        let mut fresh = id.clone();
        let mut number = 1;
        while self.ids.contains(&*fresh) {
            number += 1;
            fresh = Cow::Owned(format!("{id}_{number}"));
        }
        self.ids.insert(fresh.clone().into_owned());
        fresh
    }

    fn is_answer(&self, name: &str) -> bool {
        bare(name).any(|name| name == JSON_TOOL) && !self.tools.contains_key(name)
    }

    fn find(&self, name: &str) -> Option<&Known> {
        bare(name).find_map(|name| self.tools.get(name))
    }

    fn work(&mut self, block: u32) -> Option<&mut Block> {
        self.open.iter_mut().rev().find(|open| open.number == block)
    }

    fn text(
        &mut self,
        block: u32,
        text: Cow<'_, str>,
        logprobs: Option<Json<'_>>,
        emit: &mut dyn FnMut(Event<'_>),
    ) {
        let at = self.open.iter().position(|open| open.number == block);
        let open = at.and_then(|at| self.open.get_mut(at));
        match open.map(|open| (open.candidate, &mut open.work)) {
            Some((_, Work::Word(collected))) => collected.push_str(&text),
            Some((candidate, Work::Scan(held))) => {
                let found = held.push(block, &text, logprobs, &self.stops, emit);
                if let Some(sequence) = found {
                    self.cut(candidate, &sequence, emit);
                }
            }
            _ => emit(Event::Text {
                block,
                text,
                logprobs,
            }),
        }
    }

    /// Ends the answer here.
    fn cut(&mut self, candidate: u32, sequence: &str, emit: &mut dyn FnMut(Event<'_>)) {
        for open in std::mem::take(&mut self.open) {
            open.close(emit);
        }
        let stop = Stop {
            sequence: Some(Cow::Borrowed(sequence)),
            ..Stop::new(StopReason::StopSequence)
        };
        emit(Event::Stop { candidate, stop });
        if self.is_whole {
            self.is_cut = true;
            return;
        }
        if let Some(usage) = self.usage {
            emit(Event::Usage(usage));
        }
        emit(Event::End);
        self.is_over = true;
    }

    fn arguments(&mut self, block: u32, text: Cow<'_, str>, emit: &mut dyn FnMut(Event<'_>)) {
        match self.work(block).map(|open| &mut open.work) {
            Some(Work::Input(input)) => {
                let text = input.push(&text);
                if !text.is_empty() {
                    emit(arguments(block, &text));
                }
            }
            Some(
                Work::Value(collected) | Work::JsonValue(collected) | Work::Without(_, collected),
            ) => collected.push_str(&text),
            Some(Work::Json(any)) => {
                *any |= !text.is_empty();
                if !text.is_empty() {
                    emit(plain(block, text));
                }
            }
            _ => emit(Event::Arguments { block, text }),
        }
    }
}

/// The name, and what is left of it without what models put before.
fn bare(name: &str) -> impl Iterator<Item = &str> {
    let stripped = PREFIXES
        .iter()
        .filter_map(move |prefix| name.strip_prefix(prefix));
    std::iter::once(name).chain(stripped)
}
