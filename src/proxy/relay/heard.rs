//! What an answer says about its cost while it passes, and, where that is written down, a sample of it for
//! when it says nothing.

use memchr::memmem;

use crate::chat::Usage;
use crate::usage::Sample;
use crate::wire::tally::Tally;
use crate::wire::{Format, Shape};

/// What was heard of one answer. Of one that nobody looks into, nothing is.
#[derive(Debug, Default)]
pub(super) struct Heard {
    tally: Option<Tally>,
    /// `None`: nobody wants one, or any more.
    sample: Option<Sample>,
    /// Only the events with a `delta` are sampled: the others of the format repeat what was asked and said.
    in_deltas: bool,
}

impl Heard {
    /// Nothing yet, of an answer in `format`. `samples`: what it does not say will be counted.
    pub(super) fn new(format: Option<Format>, samples: bool) -> Self {
        Self {
            tally: format.map(Tally::new),
            sample: (samples && format.is_some()).then(Sample::default),
            in_deltas: format == Some(Format::OpenAiResponses),
        }
    }

    /// Events with content pass.
    pub(super) fn content(&mut self, events: &[u8]) {
        let Some(sample) = &mut self.sample else {
            return;
        };
        if !self.in_deltas {
            sample.push(events);
            return;
        }
        let mut from = 0;
        let ends = memmem::find_iter(events, b"\n\n").map(|at| at + 2);
        for end in ends.chain([events.len()]) {
            let event = &events[from..end];
            from = end;
            if memmem::find(event, b"\"delta\"").is_some() {
                sample.push(event);
            }
        }
    }

    /// The stream has come to its end: if its provider has said what it cost, that is all.
    pub(super) fn end(&mut self) {
        if self.usage().is_some() {
            self.sample = None;
        }
    }

    /// One event of it: a raw SSE block, or an element of an array.
    pub(super) fn event(&mut self, event: &[u8], shape: Shape) {
        if let Some(tally) = &mut self.tally {
            tally.event(event, shape);
        }
    }

    /// A whole document is there.
    pub(super) fn document(&mut self, document: &[u8]) {
        let Some(tally) = &mut self.tally else {
            return;
        };
        tally.whole(document);
        if let (None, Some(sample)) = (tally.usage(), &mut self.sample) {
            sample.document(document);
        }
    }

    /// A piece of a document passes that is too long to be held.
    pub(super) fn passing(&mut self, piece: &[u8]) {
        if let Some(tally) = &mut self.tally {
            tally.piece(piece);
        }
        if let Some(sample) = &mut self.sample {
            sample.push(piece);
        }
    }

    /// What it has cost so far, if its provider said anything.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.tally.as_ref()?.usage()
    }

    /// What came of it.
    pub(super) fn take_sample(&mut self) -> Sample {
        self.sample.take().unwrap_or_default()
    }
}
