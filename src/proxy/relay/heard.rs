//! What an answer says about its cost while it passes, and a sample of it for when it says nothing.

use crate::chat::Usage;
use crate::usage::Sample;
use crate::wire::tally::Tally;
use crate::wire::{Format, Shape};

/// What was heard of one answer. Of one that nobody looks into, nothing is.
#[derive(Debug, Default)]
pub(super) struct Heard {
    tally: Option<Tally>,
    sample: Sample,
}

impl Heard {
    /// Nothing yet, of an answer in `format`.
    pub(super) fn new(format: Option<Format>) -> Self {
        Self {
            tally: format.map(Tally::new),
            sample: Sample::default(),
        }
    }

    /// Some of a stream came.
    pub(super) fn piece(&mut self, piece: &[u8]) {
        self.sample.push(piece);
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
        if tally.usage().is_none() {
            self.sample.push(document);
        }
    }

    /// A piece of a document passes that is too long to be held.
    pub(super) fn passing(&mut self, piece: &[u8]) {
        if let Some(tally) = &mut self.tally {
            tally.piece(piece);
            self.sample.push(piece);
        }
    }

    /// What it has cost so far, if its provider said anything.
    pub(super) fn usage(&self) -> Option<Usage> {
        self.tally.as_ref()?.usage()
    }

    /// What came of it.
    pub(super) fn take_sample(&mut self) -> Sample {
        std::mem::take(&mut self.sample)
    }
}
