//! Blocks on their way into a stream that has one open at a time.
//!
//! The first one in the queue is the one that is open; the others wait, and what comes for them waits
//! with them. A block gives way as soon as nothing more can belong to it: text and reasoning at once
//! (what comes later for them opens a new block), a tool call when its arguments are a whole value.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::blocks::Ready;
use super::complete::Completeness;
use super::writer::Writer;
use crate::chat::Opaque;

/// What came for a block.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Reason(u32, Cow<'a, str>),
    Arguments(Cow<'a, str>),
    /// A citation in Anthropic's own words.
    Cite(Cow<'a, str>),
    State(Opaque<'a>),
}

impl Piece<'_> {
    fn into_owned(self) -> Piece<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Text(text) => Piece::Text(own(text)),
            Self::Reason(index, text) => Piece::Reason(index, own(text)),
            Self::Arguments(text) => Piece::Arguments(own(text)),
            Self::Cite(citation) => Piece::Cite(own(citation)),
            Self::State(opaque) => Piece::State(opaque.into_owned()),
        }
    }
}

/// What a block is.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Thinking,
    Call { id: String, name: String },
    Ready(Ready),
}

/// What is left of a block that gave way before its end.
#[derive(Debug, Clone, Copy)]
enum Left {
    Text,
    Thinking,
    Call,
}

/// A block on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) number: Option<u32>,
    pub(super) kind: Kind,
    pub(super) begun: bool,
    pub(super) closed: bool,
    pub(super) waiting: Vec<Piece<'static>>,
    pub(super) arguments: Completeness,
    /// Arguments that have not begun like an object, written when all of them are known; text that
    /// is blank so far.
    pub(super) odd: String,
    /// Whether arguments were written.
    pub(super) said: bool,
    /// The part of the reasoning that was written last.
    pub(super) part: Option<u32>,
    pub(super) state: Vec<Opaque<'static>>,
}

impl Entry {
    /// Keeps state; a later one of the same kind replaces it.
    pub(super) fn sign(&mut self, opaque: Opaque<'_>) {
        self.state.retain(|other| other.kind != opaque.kind);
        self.state.push(opaque.into_owned());
    }
}

/// The blocks of one answer.
#[derive(Debug)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    left: Vec<(u32, Left)>,
    writer: Writer,
}

impl Queue {
    pub(super) const fn new(expose: bool, family: String) -> Self {
        Self {
            entries: VecDeque::new(),
            left: Vec::new(),
            writer: Writer {
                index: 0,
                expose,
                family,
                lost: false,
            },
        }
    }

    /// Whether state was lost, since this was asked before, because it came too late.
    pub(super) const fn take_lost(&mut self) -> bool {
        std::mem::replace(&mut self.writer.lost, false)
    }

    /// A block begins. Without a number it is complete.
    pub(super) fn push(&mut self, number: Option<u32>, kind: Kind, out: &mut Vec<u8>) {
        self.enter(number, kind);
        self.advance(out);
    }

    fn enter(&mut self, number: Option<u32>, kind: Kind) {
        self.entries.push_back(Entry {
            number,
            kind,
            begun: false,
            closed: number.is_none(),
            waiting: Vec::new(),
            arguments: Completeness::default(),
            odd: String::new(),
            said: false,
            part: None,
            state: Vec::new(),
        });
    }

    /// Something came for a block.
    pub(super) fn piece(&mut self, number: u32, piece: Piece<'_>, out: &mut Vec<u8>) {
        let mut place = self.place(number);
        if place.is_none() {
            let left = self.left.iter().find(|(other, _)| *other == number);
            match left.map(|(_, left)| *left) {
                Some(Left::Text) => self.enter(Some(number), Kind::Text),
                Some(Left::Thinking) => self.enter(Some(number), Kind::Thinking),
                // After a whole value only space can follow.
                Some(Left::Call) => return,
                // A block of an alternative that this format does not have.
                None => return,
            }
            place = self.entries.len().checked_sub(1);
        }
        let others_wait = self.entries.len() > 1;
        let Some((at, entry)) = place.and_then(|at| Some((at, self.entries.get_mut(at)?))) else {
            return;
        };
        if let Piece::Arguments(text) = &piece {
            entry.arguments.push(text);
        }
        if at == 0 {
            self.writer.write(entry, piece, out);
        } else {
            match piece {
                // Its place may be before all that waits.
                Piece::State(opaque) => entry.sign(opaque),
                piece => entry.waiting.push(piece.into_owned()),
            }
        }
        if others_wait {
            self.advance(out);
        }
    }

    /// Where a block stands in the queue.
    fn place(&self, number: u32) -> Option<usize> {
        let mut entries = self.entries.iter();
        entries.rposition(|entry| entry.number == Some(number))
    }

    /// A block is complete.
    pub(super) fn close(&mut self, number: u32, out: &mut Vec<u8>) {
        self.left.retain(|(other, _)| *other != number);
        for entry in &mut self.entries {
            entry.closed |= entry.number == Some(number);
        }
        self.advance(out);
    }

    /// Nothing more comes.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        for entry in &mut self.entries {
            entry.closed = true;
        }
        self.advance(out);
    }

    /// Writes what can be written now.
    fn advance(&mut self, out: &mut Vec<u8>) {
        while let Some(mut entry) = self.entries.pop_front() {
            for piece in std::mem::take(&mut entry.waiting) {
                self.writer.write(&mut entry, piece, out);
            }
            let left = match entry.kind {
                Kind::Text => Left::Text,
                Kind::Thinking => Left::Thinking,
                Kind::Call { .. } | Kind::Ready(_) => Left::Call,
            };
            let gives_way = match left {
                Left::Text | Left::Thinking => true,
                Left::Call => entry.arguments.is_complete(),
            };
            if !entry.closed && (self.entries.is_empty() || !gives_way) {
                self.entries.push_front(entry);
                return;
            }
            if let (false, Some(number)) = (entry.closed, entry.number) {
                self.left.push((number, left));
            }
            self.writer.end(entry, out);
        }
    }
}
