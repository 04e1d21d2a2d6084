//! What is counted here because no provider said it: texts, kept until somebody has time for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use memchr::memmem;

use super::tokenizer::{Counter, scaled};
use crate::chat::Format;
use crate::wire::texts;

/// Bytes of a request to a token, where there is no time to count.
const BYTES: u64 = 4;
/// Bytes of a stream to a token.
const FRAMED: u64 = 64;

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

/// The beginning of what an answer said, in the provider's framing, and how long all of it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sample {
    kept: Vec<u8>,
    seen: u64,
    /// There is no room for one more event.
    full: bool,
}

/// Room that was taken until this is dropped.
#[derive(Debug, Default)]
struct Room(Option<(Arc<AtomicUsize>, usize)>);

impl Sample {
    /// How much of a stream is kept while it is open.
    const MOST: usize = 4 << 10;
    /// How much of a document that has come to its end.
    const DOCUMENT: usize = 32 << 10;

    /// More events came, or a piece of a document. Whole events are kept, as far as that can be.
    pub fn push(&mut self, events: &[u8]) {
        self.seen += events.len() as u64;
        if self.full {
            return;
        }
        let room = Self::MOST - self.kept.len();
        if events.len() <= room {
            self.kept.extend_from_slice(events);
            return;
        }
        self.full = true;
        let part = &events[..room];
        match memmem::rfind(part, b"\n\n") {
            Some(end) => self.kept.extend_from_slice(&part[..end]),
            None if self.kept.is_empty() => self.kept.extend_from_slice(part),
            None => {}
        }
    }

    /// All of the answer came as a document.
    pub fn document(&mut self, document: &[u8]) {
        self.seen = document.len() as u64;
        self.full = true;
        self.kept = document[..document.len().min(Self::DOCUMENT)].to_vec();
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

    /// It as it may wait where at most `most` bytes do, of which `taken` says how many there are. Without
    /// room for its texts: as a guess by their length.
    pub(super) fn wait_in(&self, taken: &Arc<AtomicUsize>, most: usize) -> Self {
        let request = self.request.as_ref().map(|(_, body)| body.len());
        let answer = self.answer.as_ref().map(|sample| sample.kept.len());
        let size = request.unwrap_or(0) + answer.unwrap_or(0);
        if taken.fetch_add(size, Ordering::Relaxed) + size <= most {
            return Self {
                room: Room(Some((Arc::clone(taken), size))),
                ..self.clone()
            };
        }
        taken.fetch_sub(size, Ordering::Relaxed);
        Self {
            guessed: Some(self.guess()),
            ..Self::default()
        }
    }

    /// Tokens of the request and of the answer, by their lengths.
    pub(super) fn guess(&self) -> (Option<u64>, Option<u64>) {
        self.guessed.unwrap_or_else(|| {
            let request = self.request.as_ref().map(|(_, body)| body.len() as u64);
            // Most of a stream is not text.
            let answer = self.answer.as_ref().map(|sample| sample.seen / FRAMED);
            (request.map(|bytes| bytes / BYTES), answer)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Sample {
        let mut sample = Sample::default();
        for piece in text.as_bytes().chunks(1000) {
            sample.push(piece);
        }
        sample
    }

    fn uncounted(request: &str, answer: &str) -> Uncounted {
        let request = Bytes::copy_from_slice(request.as_bytes());
        Uncounted::new(
            &"gpt-5".into(),
            Some((Format::OpenAiChat, request)),
            Some(sample(answer)),
        )
    }

    #[test]
    fn both_sides_are_counted() {
        let uncounted = uncounted(
            r#"{"model":"m","messages":[{"role":"user","content":"hello world"}]}"#,
            r#"{"choices":[{"message":{"content":"hello world"}}]}"#,
        );
        assert_eq!((uncounted.input(), uncounted.output()), (Some(8), Some(2)));
        assert_eq!(Uncounted::default().input(), None);
        assert_eq!(Uncounted::default().output(), None);
    }

    #[test]
    fn of_a_long_answer_the_beginning_is_kept_and_the_rest_is_taken_to_be_like_it() {
        let event = "data: {\"choices\":[{\"delta\":{\"content\":\" hello\"}}]}\n\n";
        let sample = sample(&event.repeat(10_000));
        assert!(sample.kept.len() <= Sample::MOST);
        let tokens = sample.tokens("gpt-5");
        assert!((9_800..=10_200).contains(&tokens), "{tokens}");
    }

    #[test]
    fn without_room_numbers_are_guessed_and_room_comes_back() {
        let taken = Arc::new(AtomicUsize::new(0));
        let one = uncounted(&"x".repeat(60), &"y".repeat(640));
        let waits = one.wait_in(&taken, 1000);
        assert_eq!((taken.load(Ordering::Relaxed), &waits), (700, &one));
        let other = one.wait_in(&taken, 1000);
        assert_eq!((other.input(), other.output()), (Some(15), Some(10)));
        drop((waits, other));
        assert_eq!(taken.load(Ordering::Relaxed), 0);
    }
}
