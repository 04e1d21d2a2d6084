//! One of an answer's alternatives as it is read.

use std::borrow::Cow;
use std::collections::HashSet;

use super::super::super::Reply;
use super::super::super::json::{Node, Object};
use super::super::members::{list, opaque};
use super::super::part::{Piece, PieceKind, arguments};
use super::args::Arguments;
use super::grounding::Grounding;
use super::{logprobs, stop};
use crate::chat::{CallKind, Content, Event, Json, Opening, Part, ReasonKind, Stop, StopReason};

/// What all alternatives of an answer share.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    block: u32,
    made: usize,
    ids: HashSet<String>,
}

impl Numbers {
    fn block(&mut self) -> u32 {
        let block = self.block;
        self.block += 1;
        block
    }

    fn id(&mut self, reply: &Reply, prefix: &str) -> String {
        let id = reply.id(prefix, self.made);
        self.made += 1;
        id
    }

    /// The id of a call: the provider's own, once.
    fn call(&mut self, own: Option<Cow<'_, str>>, reply: &Reply) -> String {
        let own = own.map(Cow::into_owned).filter(|id| !id.is_empty());
        match own {
            Some(id) if self.ids.insert(id.clone()) => id,
            _ => self.id(reply, "call_"),
        }
    }
}

/// What reading an answer needs all the time.
pub(super) struct Context<'c> {
    /// What is known about the request.
    pub(super) reply: &'c Reply,
    /// What the alternatives share.
    pub(super) numbers: &'c mut Numbers,
    /// Where the events go.
    pub(super) emit: &'c mut dyn FnMut(Event<'_>),
}

/// One alternative.
#[derive(Debug)]
pub(super) struct Candidate {
    index: u32,
    /// Whether parts are whole: each is a block of its own.
    is_whole: bool,
    open: Option<Open>,
    call: Option<(u32, Arguments)>,
    has_calls: bool,
    has_text: bool,
    reason: Option<String>,
    detail: Option<String>,
    grounding: Grounding,
    logprobs: Option<Json<'static>>,
    /// The provider's own call that has no result yet.
    server: String,
}

/// A block of text or reasoning that may go on.
#[derive(Debug)]
struct Open {
    block: u32,
    is_thought: bool,
    is_signed: bool,
    /// What it says so far, for citations.
    text: String,
}

impl Candidate {
    /// An alternative of which nothing is known.
    pub(super) fn new(index: u32, is_whole: bool) -> Self {
        Self {
            index,
            is_whole,
            open: None,
            call: None,
            has_calls: false,
            has_text: false,
            reason: None,
            detail: None,
            grounding: Grounding::default(),
            logprobs: None,
            server: String::new(),
        }
    }

    /// Whether it may be the end.
    pub(super) const fn has_ended(&self) -> bool {
        self.reason.is_some()
    }

    /// Whether it says something and is not in the middle of a call.
    pub(super) const fn may_end(&self) -> bool {
        self.has_text && self.call.is_none()
    }

    /// Takes what is new.
    pub(super) fn read(&mut self, mut members: Object<'_>, context: &mut Context<'_>) {
        if let Some(grounding) = members.take("groundingMetadata") {
            self.grounding.read(grounding);
        }
        if let Some(citations) = members.take("citationMetadata") {
            self.grounding.read_citations(citations);
        }
        if let Some(probable) = members.take("logprobsResult").and_then(logprobs::read) {
            self.logprobs = Some(probable);
        }
        let parts = members
            .take("content")
            .and_then(|content| content.get("parts"));
        for part in parts.into_iter().flat_map(list) {
            self.part(part, context);
        }
        if let Some(reason) = members.take("finishReason").and_then(stop::name) {
            self.reason = Some(reason.into_owned());
        }
        if let Some(detail) = members.take_str("finishMessage") {
            self.detail = Some(detail.into_owned());
        }
    }

    /// The provider refuses to go on; unless it has said itself why it ended.
    pub(super) fn refuse(&mut self, detail: Option<&str>) {
        if self.reason.is_none() {
            self.reason = Some("SAFETY".to_owned());
            self.detail = detail.map(str::to_owned);
        }
    }

    /// Nothing more comes of it.
    pub(super) fn finish(&mut self, context: &mut Context<'_>) {
        let reason = self.reason.take();
        let is_complete = reason.as_deref().is_none_or(|reason| reason == "STOP");
        self.end_call(is_complete, context);
        self.close(true, context);
        let id = context.numbers.id(context.reply, "search_");
        let candidate = self.index;
        for part in self.grounding.search(id).into_iter().flatten() {
            (context.emit)(Event::Part { candidate, part });
        }
        let reason = match reason {
            Some(reason) => stop::read(&reason, self.has_calls),
            None if self.is_whole => StopReason::Other("FINISH_REASON_UNSPECIFIED".to_owned()),
            None => stop::read("STOP", self.has_calls),
        };
        let stop = Stop {
            detail: self.detail.take().map(Cow::Owned),
            ..Stop::new(reason)
        };
        (context.emit)(Event::Stop { candidate, stop });
    }

    fn part(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        let Piece {
            kind,
            signature,
            extra,
        } = Piece::read(node);
        match kind {
            PieceKind::Empty | PieceKind::Response(_) => {}
            PieceKind::Text(text) => self.say(false, text.into_cow(), signature, context),
            PieceKind::Thought(text) => self.say(true, text, signature, context),
            PieceKind::Call(call) => {
                self.close(false, context);
                self.call(call, signature, context);
            }
            // A picture that the model drew on the way is no part of its answer.
            PieceKind::Whole(_) if extra.get("thought").is_some() => {}
            PieceKind::Whole(content) => {
                self.close(false, context);
                self.end_call(true, context);
                let part = Part {
                    signature: signature.map(opaque),
                    extra,
                    ..Part::new(self.paired(content, context))
                };
                let candidate = self.index;
                (context.emit)(Event::Part { candidate, part });
            }
        }
    }

    /// Gives the provider's own calls and their results the ids that they lack.
    fn paired<'a>(&mut self, content: Content<'a>, context: &mut Context<'_>) -> Content<'a> {
        match content {
            Content::ServerCall(mut call) => {
                if call.id.is_empty() {
                    call.id = context.numbers.id(context.reply, "srv_").into();
                }
                self.server = call.id.to_string();
                Content::ServerCall(call)
            }
            Content::ServerResult(mut result) => {
                if result.call.is_empty() {
                    result.call = self.server.clone().into();
                }
                Content::ServerResult(result)
            }
            other => other,
        }
    }

    pub(super) fn say(
        &mut self,
        is_thought: bool,
        text: Cow<'_, str>,
        signature: Option<Cow<'_, str>>,
        context: &mut Context<'_>,
    ) {
        if text.is_empty() && signature.is_none() {
            return;
        }
        self.end_call(true, context);
        let goes_on = self.open.as_ref().is_some_and(|open| {
            let may_grow = text.is_empty() || !self.is_whole;
            open.is_thought == is_thought && !open.is_signed && may_grow
        });
        if !goes_on {
            self.close(false, context);
            self.open(is_thought, context);
        }
        let Some(open) = &mut self.open else {
            return;
        };
        let block = open.block;
        if !text.is_empty() && is_thought {
            (context.emit)(Event::Reason {
                block,
                kind: ReasonKind::Summary,
                index: 0,
                text,
            });
        } else if !text.is_empty() {
            self.has_text = true;
            open.text.push_str(&text);
            let logprobs = self.logprobs.take();
            (context.emit)(Event::Text {
                block,
                text,
                logprobs,
            });
        }
        if let Some(signature) = signature {
            open.is_signed = true;
            let opaque = opaque(signature);
            (context.emit)(Event::Signature { block, opaque });
        }
    }

    fn open(&mut self, is_thought: bool, context: &mut Context<'_>) {
        let block = context.numbers.block();
        (context.emit)(Event::Open {
            block,
            candidate: self.index,
            opening: if is_thought {
                Opening::Reasoning
            } else {
                Opening::Text
            },
        });
        self.open = Some(Open {
            block,
            is_thought,
            is_signed: false,
            text: String::new(),
        });
    }

    fn close(&mut self, is_last: bool, context: &mut Context<'_>) {
        let Some(open) = self.open.take() else {
            return;
        };
        let block = open.block;
        if !open.is_thought {
            for citation in self.grounding.about(&open.text, is_last) {
                (context.emit)(Event::Cite { block, citation });
            }
        }
        (context.emit)(Event::Close { block });
    }

    fn call(
        &mut self,
        mut call: Object<'_>,
        signature: Option<Cow<'_, str>>,
        context: &mut Context<'_>,
    ) {
        let goes_on = call.take_bool("willContinue").unwrap_or(false);
        let pieces = call.take("partialArgs");
        if let Some(name) = call.take_str("name").filter(|name| !name.is_empty()) {
            self.end_call(true, context);
            self.has_calls = true;
            let block = context.numbers.block();
            let id = context.numbers.call(call.take_str("id"), context.reply);
            (context.emit)(Event::Open {
                block,
                candidate: self.index,
                opening: Opening::ToolCall {
                    id: id.into(),
                    name,
                    kind: CallKind::Function,
                    namespace: None,
                },
            });
            if let Some(signature) = signature {
                let opaque = opaque(signature);
                (context.emit)(Event::Signature { block, opaque });
            }
            if !goes_on && pieces.is_none() {
                let text = arguments(&mut call).unwrap_or(Cow::Borrowed("{}"));
                (context.emit)(Event::Arguments { block, text });
                (context.emit)(Event::Close { block });
                return;
            }
            self.call = Some((block, Arguments::default()));
        }
        let Some((_, so_far)) = &mut self.call else {
            return;
        };
        if let Some(args) = call.take("args") {
            so_far.replace(args);
        }
        if let Some(pieces) = pieces {
            so_far.push(pieces);
        }
        if !goes_on {
            self.end_call(true, context);
        }
    }

    fn end_call(&mut self, is_complete: bool, context: &mut Context<'_>) {
        let Some((block, arguments)) = self.call.take() else {
            return;
        };
        let text = if is_complete {
            arguments.json()
        } else {
            arguments.cut()
        };
        let text = Cow::Owned(text);
        (context.emit)(Event::Arguments { block, text });
        (context.emit)(Event::Close { block });
    }
}
