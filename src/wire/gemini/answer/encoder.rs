//! Writes answers.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::super::json::{object, quote};
use super::super::super::{Codec, Encode, Gemini, Reply, Shape};
use super::super::media::{
    object_arguments, write_media, write_native, write_server_call, write_server_result,
};
use super::super::members::signature;
use super::blocks::{Block, Blocks, Kind, hide, text_part};
use super::outcome::Outcome;
use crate::chat::{
    Change, Content, Event, Fold, Losses, Opaque, Part, ServerTool, Start, Tier, Usage,
};
use crate::wire::json::compact;

/// Writes one answer: each event as far as a client can use it, or all of it at the end.
#[derive(Debug)]
pub(in super::super) struct Encoder {
    writer: Writer,
    fold: Fold,
    is_over: bool,
}

impl Encoder {
    /// A writer of an answer in `shape`.
    pub(in super::super) fn new(shape: Shape, reply: &Arc<Reply>) -> Self {
        Self {
            writer: Writer {
                shape,
                reply: Arc::clone(reply),
                id: None,
                model: String::new(),
                tier: None,
                usage: None,
                blocks: Blocks::default(),
                outcomes: Vec::new(),
                has_begun: false,
                tail: Vec::new(),
            },
            fold: Fold::default(),
            is_over: false,
        }
    }
}

impl Encode for Encoder {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        self.is_over = matches!(event, Event::End | Event::Fault(_));
        let writer = &mut self.writer;
        if let Event::Fault(fault) = &event {
            let id = &writer.reply.request_id;
            Gemini.encode_stream_fault(fault, id, writer.shape, writer.has_begun, out);
            return;
        }
        if writer.shape != Shape::Whole {
            writer.take(event, losses, out);
            return;
        }
        self.fold.push(event);
        if self.is_over
            && let Ok(answer) = std::mem::take(&mut self.fold).finish()
        {
            answer.into_events(&mut |event| writer.take(event, losses, out));
        }
    }
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shape: Shape,
    pub(super) reply: Arc<Reply>,
    pub(super) id: Option<String>,
    pub(super) model: String,
    pub(super) tier: Option<Tier>,
    pub(super) usage: Option<Usage>,
    blocks: Blocks,
    pub(super) outcomes: Vec<Outcome>,
    /// Something was written.
    pub(super) has_begun: bool,
    /// What every event of this answer ends with, once it is known, until it changes.
    pub(super) tail: Vec<u8>,
}

impl Writer {
    fn take(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        match event {
            Event::Start(start) => self.start(start),
            Event::Open {
                block,
                candidate,
                opening,
            } => {
                self.blocks.open(block, candidate, opening);
                let is_call = |block: &&mut Block| matches!(block.kind, Kind::Call { .. });
                if self.blocks.get(block).filter(is_call).is_some() {
                    let carried = self.outcome(candidate).begin_call(block);
                    if let Some(block) = self.blocks.get(block) {
                        block.carried = carried;
                    }
                }
            }
            Event::Text {
                block,
                text,
                logprobs,
            } => {
                let logprobs = logprobs.as_ref().map(|json| json.as_str());
                self.text(block, &text, logprobs, out);
            }
            Event::Refusal { block, text } => self.text(block, &text, None, out),
            Event::Reason {
                block, index, text, ..
            } => self.reason(block, index, &text, out),
            Event::Arguments { block, text } => {
                if let Some(block) = self.blocks.get(block) {
                    block.text.push_str(&text);
                }
            }
            Event::Signature { block, opaque } => {
                if let Some(block) = self.blocks.get(block) {
                    block.sign(opaque);
                }
            }
            Event::Cite { block, citation } => {
                if let Some(block) = self.blocks.get(block) {
                    block.citations.push(citation.into_owned());
                }
            }
            Event::Close { block } => {
                if let Some(block) = self.blocks.close(block) {
                    self.close(block, out);
                }
            }
            Event::Part { candidate, part } => self.part(candidate, &part, losses, out),
            Event::Usage(usage) => {
                self.usage = Some(usage);
                self.tail.clear();
            }
            Event::Stop { candidate, stop } => {
                self.outcome(candidate).stop = Some(stop.into_owned());
            }
            Event::End => self.end(out),
            Event::Fault(_) => {}
        }
    }

    fn start(&mut self, start: Start<'_>) {
        self.id = start.id.map(Cow::into_owned);
        self.model = start.model.map(Cow::into_owned).unwrap_or_default();
        self.usage = start.usage;
        self.tier = start.tier;
        self.tail.clear();
    }

    pub(super) fn outcome(&mut self, candidate: u32) -> &mut Outcome {
        let at = usize::try_from(candidate).unwrap_or_default();
        if self.outcomes.len() <= at {
            self.outcomes.resize_with(at + 1, Outcome::default);
        }
        &mut self.outcomes[at]
    }

    fn text(&mut self, block: u32, text: &str, logprobs: Option<&str>, out: &mut Vec<u8>) {
        let Some(block) = self.blocks.get(block) else {
            return;
        };
        block.text.push_str(text);
        let candidate = block.candidate;
        if self.shape == Shape::Whole {
            if let Some(logprobs) = logprobs {
                self.outcome(candidate).keep_logprobs(logprobs);
            }
            return;
        }
        if logprobs.is_none() {
            return self.write_text(candidate, text, false, out);
        }
        self.write_part(candidate, &text_part(text, false, None), logprobs, out);
    }

    fn reason(&mut self, block: u32, index: u32, text: &str, out: &mut Vec<u8>) {
        let is_shown = self.reply.expose_reasoning;
        let Some(block) = self.blocks.get(block) else {
            return;
        };
        let is_next = std::mem::replace(&mut block.index, index) != index;
        let text = if is_next {
            Cow::Owned(format!("\n\n{text}"))
        } else {
            Cow::Borrowed(text)
        };
        if is_shown && self.shape != Shape::Whole {
            let candidate = block.candidate;
            block.said.push_str(&text);
            self.write_text(candidate, &text, true, out);
        } else {
            block.text.push_str(&text);
        }
    }

    fn close(&mut self, mut block: Block, out: &mut Vec<u8>) {
        let candidate = block.candidate;
        match &block.kind {
            Kind::Text => {
                let number = self.outcome(candidate).count;
                let state = block.state.first().map(|state| self.signature(state));
                let is_whole = self.shape == Shape::Whole;
                if is_whole && !(block.text.is_empty() && state.is_none()) {
                    let part = text_part(&block.text, false, state.as_deref());
                    self.write_part(candidate, &part, None, out);
                } else if state.is_some() {
                    let part = text_part("", false, state.as_deref());
                    self.write_part(candidate, &part, None, out);
                }
                // In a stream a client joins the texts: there is no number to give.
                let number = if is_whole { number } else { 0 };
                let sources = &mut self.outcome(candidate).sources;
                for citation in &block.citations {
                    sources.cite(&block.text, number, citation);
                }
            }
            Kind::Reasoning => self.close_reasoning(&mut block, out),
            Kind::Call {
                id,
                name,
                is_custom,
            } => {
                let part = self.call_part(&block, id, name, *is_custom);
                let ready = self.outcome(candidate).end_call(block.number, part);
                for part in ready {
                    self.write_part(candidate, &part, None, out);
                }
            }
        }
    }

    fn close_reasoning(&mut self, block: &mut Block, out: &mut Vec<u8>) {
        let is_shown = self.reply.expose_reasoning;
        let mut text = std::mem::take(&mut block.text);
        if !is_shown {
            let hidden = std::mem::take(&mut text);
            block
                .state
                .iter_mut()
                .for_each(|state| hide(state, &hidden));
        }
        for state in block.foreign(&text, is_shown) {
            let signed = self.signature(&state).into_owned();
            self.outcome(block.candidate).carried.push(signed);
        }
        let mut written = text.is_empty();
        for state in &block.state {
            let signed = self.signature(state).into_owned();
            let part = text_part(&std::mem::take(&mut text), true, Some(&signed));
            self.write_part(block.candidate, &part, None, out);
            written = true;
        }
        if !written {
            self.write_part(block.candidate, &text_part(&text, true, None), None, out);
        }
    }

    /// The part of a call, or what is wrong with it.
    fn call_part(
        &self,
        block: &Block,
        id: &str,
        name: &str,
        is_custom: bool,
    ) -> Result<Vec<u8>, String> {
        let arguments = &block.text;
        let arguments = if is_custom {
            Cow::Owned(format!(r#"{{"input":{}}}"#, quote(arguments)))
        } else {
            object_arguments(arguments)
                .map(compact)
                .ok_or_else(|| format!("Malformed function call: {name}({arguments})"))?
        };
        let mut part = Vec::new();
        object(&mut part, |o| {
            o.object("functionCall", |o| {
                o.str("id", id);
                o.str("name", name);
                o.raw("args", &arguments);
            });
            let own = block.state.first().map(|state| self.signature(state));
            let signed = own.as_deref().or(block.carried.as_deref());
            o.opt_str("thoughtSignature", signed);
        });
        Ok(part)
    }

    fn part(&mut self, candidate: u32, part: &Part<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        let mut json = Vec::new();
        let mut is_written = false;
        object(&mut json, |o| {
            is_written = match &part.content {
                Content::ServerCall(call) => write_server_call(o, call),
                Content::ServerResult(result) => write_server_result(o, result),
                Content::Native(native) => write_native(o, native),
                medium => write_media(o, medium, &part.extra, None),
            };
            if let Some(state) = &part.signature {
                o.str("thoughtSignature", &self.signature(state));
            }
        });
        if is_written {
            self.write_part(candidate, &json, None, out);
            return;
        }
        let sources = &mut self.outcome(candidate).sources;
        match &part.content {
            Content::ServerCall(call) if call.tool == ServerTool::WebSearch => sources.search(call),
            Content::ServerResult(result) if result.tool == ServerTool::WebSearch => {
                sources.found(result);
            }
            _ => losses.note_at("answer.content".to_owned(), Change::Dropped),
        }
    }

    fn signature<'s>(&self, state: &'s Opaque<'_>) -> Cow<'s, str> {
        signature(state, &self.reply.profile.family)
    }
}
