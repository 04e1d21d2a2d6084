//! Masked words in an answer become themselves again, wherever they stand in it and however it is cut.
//!
//! A whole document is searched as it passes. In a stream a mask may be spread over several events: a text
//! that ends in what may be the beginning of one waits, in its event, until the next piece of the same
//! text decides, or the text ends. What belongs to other texts passes meanwhile.

mod events;
mod masks;
mod pieces;

use std::sync::Arc;

use bytes::Bytes;

pub use masks::Masks;
pub(super) use masks::{DIGITS, mask};

use crate::chat::Format;
use crate::wire::Shape;
use crate::wire::sse::{Blocks, Elements, TooLong};
use events::Events;

/// One answer on its way back.
#[derive(Debug)]
pub struct Unmasker {
    masks: Arc<Masks>,
    framing: Framing,
}

#[derive(Debug)]
enum Framing {
    /// One document; what is held may be the beginning of a mask.
    Whole(Vec<u8>),
    Sse(Blocks, Box<Events>),
    Array(Elements, Box<Events>),
}

impl Unmasker {
    /// For an answer in `format`, framed as `shape`. At most `limit` bytes of one event are kept.
    pub fn new(masks: Arc<Masks>, format: Format, shape: Shape, limit: usize) -> Self {
        let events = |ordered| Box::new(Events::new(Arc::clone(&masks), format, ordered));
        let framing = match shape {
            Shape::Whole => Framing::Whole(Vec::new()),
            Shape::Sse => Framing::Sse(Blocks::new(limit), events(false)),
            // What stands between elements has its place in the order.
            Shape::JsonArray => Framing::Array(Elements::new(limit), events(true)),
        };
        Self { masks, framing }
    }

    /// A piece of the answer came; `end` with the last one. Leaves in `data` what may pass now.
    pub fn push(&mut self, data: &mut Option<Bytes>, end: bool) -> Result<(), TooLong> {
        let piece = data.take().unwrap_or_default();
        let mut out = Vec::with_capacity(piece.len() + 64);
        match &mut self.framing {
            Framing::Whole(held) => {
                held.extend_from_slice(&piece);
                let keep = if end { 0 } else { self.masks.begun(held) };
                let rest = held.split_off(held.len() - keep);
                out = self
                    .masks
                    .reveal(held)
                    .unwrap_or_else(|| std::mem::take(held));
                *held = rest;
            }
            Framing::Sse(blocks, events) => {
                blocks.push(piece, |block| events.block(block, &mut out))?;
                if end {
                    let tail = blocks.tail();
                    if !tail.is_empty() {
                        events.block(&tail, &mut out);
                    }
                    events.end(&mut out);
                }
            }
            Framing::Array(elements, events) => {
                let mut lengths = Vec::new();
                let ready = elements.push(piece, |element| lengths.push(element.len()))?;
                array(&ready, &lengths, events, &mut out);
                if end {
                    events.end(&mut out);
                    out.extend_from_slice(&elements.tail());
                }
            }
        }
        if !out.is_empty() || end {
            *data = Some(out.into());
        }
        Ok(())
    }
}

/// Takes `ready`, in which elements of these lengths stand, each with what stands before it.
fn array(ready: &[u8], lengths: &[usize], events: &mut Events, out: &mut Vec<u8>) {
    let mut rest = ready;
    for length in lengths {
        let is_between = |byte: &u8| matches!(byte, b'[' | b',' | b' ' | b'\t' | b'\r' | b'\n');
        let start = rest.iter().take_while(|byte| is_between(byte)).count();
        let (element, behind) = rest.split_at((start + length).min(rest.len()));
        events.element(element, start, out);
        rest = behind;
    }
    if !rest.is_empty() {
        events.other(rest, out);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
