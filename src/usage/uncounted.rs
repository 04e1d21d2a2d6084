//! What is counted here because no provider said it: texts, kept until somebody has time for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::tokenizer::{Counter, scaled};
use crate::chat::Format;
use crate::wire::texts;

/// What the numbers of a record are counted from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uncounted {
    /// The model: decides how texts are counted.
    pub model: Arc<str>,
    /// The request in the client's format, if nobody said what it was.
    pub request: Option<(Format, Bytes)>,
    /// What came of the answer, if nobody said what it was or it was cut.
    pub answer: Option<Sample>,
    /// There was no room for the texts: numbers by their length.
    guessed: Option<(Option<u64>, Option<u64>)>,
    room: Room,
}

/// The beginning of an answer as it came from its provider, and how long all of it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    kept: Vec<u8>,
    seen: u64,
}

/// Room that was taken until this is dropped.
#[derive(Debug, Default)]
struct Room(Option<(Arc<AtomicUsize>, usize)>);

impl Sample {
    /// How much is kept.
    const MOST: usize = 32 << 10;

    /// Some more of the answer came.
    pub fn push(&mut self, piece: &[u8]) {
        self.seen += piece.len() as u64;
        let room = Self::MOST - self.kept.len();
        if room > 0 {
            self.kept.extend_from_slice(&piece[..room.min(piece.len())]);
        }
    }

    /// Nothing came.
    pub const fn is_empty(&self) -> bool {
        self.seen == 0
    }

    /// How many tokens the texts of the answer are. What is beyond what was kept is taken to be like it.
    fn tokens(&self, model: &str) -> u64 {
        let mut counter = Counter::new(model);
        counter.add(&texts::answered(&self.kept));
        scaled(counter.tokens(), self.kept.len() as u64, self.seen)
    }
}

impl Uncounted {
    /// Of a request to `model`.
    pub fn new(model: &Arc<str>, request: Option<(Format, Bytes)>, answer: Option<Sample>) -> Self {
        Self {
            model: Arc::clone(model),
            request,
            answer,
            ..Self::default()
        }
    }

    /// It as it may wait where at most `most` bytes do, of which `taken` says how many there are. `Err`:
    /// there is no room for its texts.
    pub(super) fn wait_in(&self, taken: &Arc<AtomicUsize>, most: usize) -> Result<Self, Self> {
        let request = self.request.as_ref().map(|(_, body)| body.len());
        let answer = self.answer.as_ref().map(|sample| sample.kept.len());
        let size = request.unwrap_or(0) + answer.unwrap_or(0);
        if taken.fetch_add(size, Ordering::Relaxed) + size <= most {
            return Ok(Self {
                room: Room(Some((Arc::clone(taken), size))),
                ..self.clone()
            });
        }
        taken.fetch_sub(size, Ordering::Relaxed);
        Err(Self {
            guessed: Some((
                request.map(|bytes| bytes as u64 / 4),
                // Most of a stream is not text.
                self.answer.as_ref().map(|sample| sample.seen / 64),
            )),
            ..Self::default()
        })
    }

    /// Tokens of the request.
    pub(super) fn input(&self) -> Option<u64> {
        if let Some((input, _)) = self.guessed {
            return input;
        }
        let (format, body) = self.request.as_ref()?;
        let mut counter = Counter::new(&self.model);
        let others = texts::asked(*format, body, &mut |text| counter.add(text));
        Some(counter.tokens().saturating_add(others))
    }

    /// Tokens of the answer.
    pub(super) fn output(&self) -> Option<u64> {
        match self.guessed {
            Some((_, output)) => output,
            None => Some(self.answer.as_ref()?.tokens(&self.model)),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some((taken, size)) = self.0.take() {
            taken.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// A copy takes no room of its own.
impl Clone for Room {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Where something waits does not matter.
impl PartialEq for Room {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Room {}
