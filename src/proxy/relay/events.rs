//! An answer that comes as events: weighed, held back, renamed.

use bytes::{Bytes, BytesMut};

use super::Ending;
use super::heard::Heard;
use crate::chat::Fault;
use crate::wire::json::Splicer;
use crate::wire::sse::{Blocks, Elements, TooLong};
use crate::wire::tally::may_count;
use crate::wire::{Codec, Shape, Weight};

/// Longest event (translation of images inlines them).
pub(super) const EVENT: usize = 32 * 1024 * 1024;

/// Events on their way through.
pub(super) struct Events {
    codec: &'static dyn Codec,
    shape: Shape,
    framing: Framing,
    splicer: Option<Splicer>,
    held: BytesMut,
    open: bool,
    ended: bool,
    fault: Option<Fault>,
}

enum Framing {
    Sse(Blocks),
    Array(Elements),
}

impl Events {
    /// Nothing has come yet. A `splicer` renames the model.
    pub(super) fn new(codec: &'static dyn Codec, shape: Shape, splicer: Option<Splicer>) -> Self {
        Self {
            codec,
            shape,
            framing: match shape {
                Shape::JsonArray => Framing::Array(Elements::new(EVENT)),
                Shape::Sse | Shape::Whole => Framing::Sse(Blocks::new(EVENT)),
            },
            splicer,
            held: BytesMut::new(),
            open: false,
            ended: false,
            fault: None,
        }
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn closing(&self) -> &'static [u8] {
        match &self.framing {
            Framing::Array(elements) if !elements.closed() => b"]",
            _ => b"",
        }
    }

    pub(super) fn body(
        &mut self,
        data: &mut Option<Bytes>,
        end: bool,
        hold_back: usize,
        heard: &mut Heard,
    ) -> Result<(), Ending> {
        let mut seen = Seen::default();
        let mut ready = match data.take() {
            None => Bytes::new(),
            Some(piece) => self
                .push(piece, &mut seen, heard)
                .map_err(|_: TooLong| Ending::CutShort)?,
        };
        if end {
            let tail = self.tail(&mut seen, heard);
            if !tail.is_empty() {
                ready = [ready, tail].concat().into();
            }
        }
        if seen.ended && !self.ended {
            self.ended = true;
            heard.end();
        }
        if let Some(fault) = seen.fault {
            if !self.open && !seen.content {
                return Err(Ending::BrokeOff(Box::new(fault)));
            }
            self.ended = true;
            self.fault = Some(fault);
        }
        if end && !self.ended {
            // What is left of the stream is no answer: the client gets an error in its place.
            return Err(Ending::CutShort);
        }
        if self.open {
            *data = Some(ready);
            return Ok(());
        }
        self.held.extend_from_slice(&ready);
        self.open = seen.content || end || self.held.len() > hold_back;
        *data = self.open.then(|| self.held.split().freeze());
        Ok(())
    }

    fn push(&mut self, piece: Bytes, seen: &mut Seen, heard: &mut Heard) -> Result<Bytes, TooLong> {
        let (codec, shape) = (self.codec, self.shape);
        let mut look = |event: &[u8]| {
            heard.event(event, shape);
            if seen.weigh(codec, event, shape) {
                heard.content(event);
            }
        };
        match (&mut self.framing, &mut self.splicer) {
            (Framing::Sse(blocks), None) if self.open => {
                let ready = blocks.pass(piece)?;
                if codec.may_end(&ready) {
                    let mut again = Blocks::new(EVENT);
                    again.push(ready.clone(), &mut look)?;
                    look(&again.tail());
                    return Ok(ready);
                }
                heard.content(&ready);
                if may_count(&ready) {
                    let mut again = Blocks::new(EVENT);
                    again.push(ready.clone(), |block| heard.event(block, shape))?;
                }
                Ok(ready)
            }
            (Framing::Sse(blocks), None) => blocks.push(piece, look),
            (Framing::Sse(blocks), Some(splicer)) => {
                let mut out = Vec::with_capacity(piece.len() + 64);
                let is_open = self.open;
                blocks.push(piece, |block| {
                    heard.event(block, shape);
                    let is_weighed = !is_open || codec.may_end(block);
                    if !is_weighed || seen.weigh(codec, block, shape) {
                        heard.content(block);
                    }
                    splice_block(splicer, block, &mut out);
                })?;
                Ok(out.into())
            }
            (Framing::Array(elements), splicer) => {
                let ready = elements.push(piece, look)?;
                let Some(splicer) = splicer else {
                    return Ok(ready);
                };
                let mut out = Vec::with_capacity(ready.len() + 64);
                splicer.push(&ready, &mut out);
                Ok(out.into())
            }
        }
    }

    /// What is left when the provider has closed: a last event without its blank line, the end of
    /// the array.
    fn tail(&mut self, seen: &mut Seen, heard: &mut Heard) -> Bytes {
        let (tail, complete) = match &mut self.framing {
            Framing::Sse(blocks) => (blocks.tail(), true),
            Framing::Array(elements) => (elements.tail(), false),
        };
        if complete && !tail.is_empty() {
            heard.event(&tail, self.shape);
            if seen.weigh(self.codec, &tail, self.shape) {
                heard.content(&tail);
            }
        }
        match &mut self.splicer {
            Some(splicer) if !tail.is_empty() => {
                let mut out = Vec::with_capacity(tail.len() + 64);
                if complete {
                    splice_block(splicer, &tail, &mut out);
                } else {
                    splicer.push(&tail, &mut out);
                    splicer.end(&mut out);
                }
                out.into()
            }
            _ => tail,
        }
    }
}

/// What the events of one read amount to.
#[derive(Default)]
struct Seen {
    content: bool,
    ended: bool,
    fault: Option<Fault>,
}

impl Seen {
    /// Adds an event; whether it may have content.
    fn weigh(&mut self, codec: &dyn Codec, event: &[u8], shape: Shape) -> bool {
        let weight = codec.weigh(event, shape);
        let has_content = matches!(weight, Weight::Content | Weight::Final);
        self.content |= has_content;
        self.ended |= matches!(weight, Weight::Final);
        if let Weight::Fault(fault) = weight {
            self.fault.get_or_insert(fault);
        }
        has_content
    }
}

/// Replaces the model's name in one SSE block, whose JSON is everything from the first brace.
fn splice_block(splicer: &mut Splicer, block: &[u8], out: &mut Vec<u8>) {
    let start = memchr::memchr(b'{', block).unwrap_or(block.len());
    out.extend_from_slice(&block[..start]);
    splicer.document(&block[start..], out);
}
