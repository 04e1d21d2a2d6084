//! An answer as chunks.

use std::sync::Arc;

use super::blocks::{Block, BlockKind, Candidate};
use super::{DECLINED, Head, audio, image, is_carried, logprobs};
use crate::chat::{
    Change, Content, Event, Fault, FaultKind, Json, Losses, Part, Place, Start, Stop, StopReason,
    Usage,
};
use crate::wire::json::{ObjectWriter, members_into, number_into, object};
use crate::wire::openai_chat::{OpenAiChat, stop, usage};
use crate::wire::{Codec, Encode, Reply, Shape};

/// Writes the chunks of one answer.
pub(in crate::wire::openai_chat) struct Stream {
    pub(super) reply: Arc<Reply>,
    /// What every chunk begins with.
    front: Vec<u8>,
    candidates: Vec<Candidate>,
    /// Those that are open.
    pub(super) blocks: Vec<Block>,
    usage: Option<Usage>,
    over: bool,
}

impl Stream {
    pub(in crate::wire::openai_chat) fn new(reply: &Arc<Reply>) -> Self {
        Self {
            front: front(&Start::default(), reply),
            reply: Arc::clone(reply),
            candidates: Vec::new(),
            blocks: Vec::new(),
            usage: None,
            over: false,
        }
    }

    /// One event with whatever `write` puts into the document behind its head.
    fn document(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        out.extend_from_slice(&self.front);
        let start = out.len();
        members_into(out, write);
        // What others wrote may have line ends between its members.
        for byte in out.iter_mut().skip(start) {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.extend_from_slice(b"}\n\n");
    }

    /// A chunk with nothing in it that others wrote as JSON: the most frequent one.
    pub(super) fn piece(
        &self,
        candidate: u32,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        out.extend_from_slice(&self.front);
        out.extend_from_slice(b",\"choices\":[{\"index\":");
        number_into(out, candidate);
        out.extend_from_slice(b",\"delta\":");
        object(out, delta);
        out.extend_from_slice(b",\"logprobs\":null,\"finish_reason\":null}]");
        if self.reply.include_usage {
            out.extend_from_slice(b",\"usage\":null");
        }
        out.extend_from_slice(b"}\n\n");
    }

    pub(super) fn chunk(
        &self,
        candidate: u32,
        probabilities: Option<&Json<'_>>,
        finish: Option<&str>,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        self.document(out, |o| {
            o.array("choices", |a| {
                a.object(|o| {
                    o.num("index", candidate);
                    o.object("delta", delta);
                    logprobs(o, probabilities.into_iter());
                    o.str_or_null("finish_reason", finish);
                });
            });
            if self.reply.include_usage {
                o.raw("usage", "null");
            }
        });
    }

    pub(super) fn delta(
        &self,
        candidate: u32,
        out: &mut Vec<u8>,
        delta: impl FnOnce(&mut ObjectWriter<'_>),
    ) {
        self.chunk(candidate, None, None, out, delta);
    }

    /// Where a candidate is kept; its role is sent before anything else of it.
    pub(super) fn candidate(&mut self, number: u32, out: &mut Vec<u8>) -> usize {
        let known = self.candidates.iter().position(|one| one.number == number);
        known.unwrap_or_else(|| {
            self.delta(number, out, |o| {
                o.str("role", "assistant");
                o.str("content", "");
            });
            self.candidates.push(Candidate::new(number));
            self.candidates.len() - 1
        })
    }

    pub(super) fn block(&mut self, number: u32) -> Option<&mut Block> {
        // The one that is being written is nearly always the last one.
        self.blocks.iter_mut().rfind(|block| block.number == number)
    }

    pub(super) fn of(&mut self, candidate: u32) -> Option<&mut Candidate> {
        self.candidates
            .iter_mut()
            .find(|one| one.number == candidate)
    }

    fn part(&mut self, candidate: u32, part: &Part<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        let at = self.candidate(candidate, out);
        match &part.content {
            Content::Image(one) => {
                self.delta(candidate, out, |o| o.array("images", |a| image(a, one)));
            }
            Content::Audio(one) => {
                self.delta(candidate, out, |o| audio(o, part, one, &self.reply));
            }
            other if is_carried(other) => return,
            _ => {
                let at = Place::field("choices").item(candidate as usize);
                return losses.note(at, Change::Dropped);
            }
        }
        if let Some(one) = self.candidates.get_mut(at) {
            one.has_text = true;
        }
    }

    fn stop(&mut self, number: u32, stop: &Stop<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        let at = self.candidate(number, out);
        let Some(one) = self.candidates.get_mut(at) else {
            return;
        };
        let annotations = std::mem::take(&mut one.annotations);
        let is_silent = one.is_silent();
        if !annotations.is_empty() {
            self.delta(number, out, |o| {
                o.array("annotations", |a| {
                    for annotation in &annotations {
                        a.raw(annotation);
                    }
                });
            });
        }
        match stop.reason {
            StopReason::Refusal if is_silent => {
                let words = stop.detail.as_deref().unwrap_or(DECLINED);
                self.delta(number, out, |o| o.str("refusal", words));
            }
            StopReason::MalformedTool if is_silent => {
                let message = "the model wrote a tool call that is none";
                let fault = Fault::new(FaultKind::BadUpstream, "bad_upstream", message);
                return self.fail(&fault, out);
            }
            StopReason::Pause => {
                let at = Place::field("choices").item(number as usize);
                losses.note(at.of("finish_reason"), Change::Approximated);
            }
            _ => {}
        }
        let reason = stop::encode(&stop.reason, self.reply.legacy_functions);
        self.chunk(number, None, Some(reason), out, |_| {});
    }

    fn usage(&self, out: &mut Vec<u8>) {
        self.document(out, |o| {
            o.array("choices", |_| {});
            usage::write(o, &self.usage.unwrap_or_default());
        });
    }

    fn fail(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        self.over = true;
        if self.reply.include_usage && self.usage.is_some() {
            self.usage(out);
        }
        OpenAiChat.encode_stream_fault(fault, &self.reply.request_id, Shape::Sse, true, out);
    }
}

/// What every chunk of an answer begins with.
fn front(start: &Start<'_>, reply: &Reply) -> Vec<u8> {
    let mut front = b"data: ".to_vec();
    object(&mut front, |o| {
        Head::new(start, reply).write(o, "chat.completion.chunk");
    });
    // The object goes on.
    front.pop();
    front
}

impl Encode for Stream {
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.release_others(&event, losses, out);
        match event {
            Event::Start(start) => {
                self.front = front(&start, &self.reply);
                self.usage = start.usage;
                self.candidate(0, out);
            }
            Event::Open {
                block,
                candidate,
                opening,
            } => {
                let at = self.candidate(candidate, out);
                if let Some(one) = self.candidates.get_mut(at) {
                    let block = one.open(block, opening);
                    self.blocks.push(block);
                }
            }
            Event::Text {
                block,
                text,
                logprobs,
            } => self.text(block, &text, logprobs.as_ref(), out),
            Event::Refusal { block, text } => {
                if let Some(candidate) = self.block(block).map(|block| block.candidate) {
                    if let Some(one) = self.of(candidate) {
                        one.has_refused = true;
                    }
                    self.piece(candidate, out, |o| o.str("refusal", &text));
                }
            }
            Event::Reason {
                block,
                kind,
                index,
                text,
            } => self.reason(block, kind, index, &text, out),
            Event::Arguments { block, text } => {
                self.release(block, None, losses, out);
                self.arguments(block, &text, out);
            }
            Event::Signature { block, opaque } => self.sign(block, &opaque, losses, out),
            Event::Cite { block, citation } => {
                if let Some(Block {
                    kind: BlockKind::Text { citations, .. },
                    ..
                }) = self.block(block)
                {
                    citations.push(citation.into_owned());
                }
            }
            Event::Close { block } => self.close(block, losses, out),
            Event::Part { candidate, part } => self.part(candidate, &part, losses, out),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Stop { candidate, stop } => self.stop(candidate, &stop, losses, out),
            Event::End => {
                self.over = true;
                if self.reply.include_usage {
                    self.usage(out);
                }
                out.extend_from_slice(b"data: [DONE]\n\n");
            }
            Event::Fault(fault) => self.fail(&fault, out),
        }
    }
}
