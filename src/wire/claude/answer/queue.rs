//! Blocks on their way into a stream that has one open at a time.
//!
//! The first one in the queue is the one that is open; the others wait, and what comes for them waits
//! with them. A block gives way as soon as nothing more can belong to it: text and reasoning at once
//! (what comes later for them opens a new block), a tool call when its arguments are a whole value.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::super::server;
use super::blocks::{Kept, Ready, TEXT_START, json, keep};
use super::complete::Completeness;
use super::frame::event;
use crate::chat::Opaque;
use crate::wire::carrier;
use crate::wire::json::{ObjectWriter, escape_into, number_into};

/// What an event with more of a block begins with.
const DELTA: &str = concat!(
    "event: content_block_delta\n",
    r#"data: {"type":"content_block_delta","index":"#
);

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

#[derive(Debug)]
struct Entry {
    number: Option<u32>,
    kind: Kind,
    begun: bool,
    closed: bool,
    waiting: Vec<Piece<'static>>,
    arguments: Completeness,
    /// Arguments that have not begun like an object, written when all of them are known; text that
    /// is blank so far.
    odd: String,
    /// Whether arguments were written.
    said: bool,
    /// The part of the reasoning that was written last.
    part: Option<u32>,
    state: Vec<Opaque<'static>>,
}

impl Entry {
    /// Keeps state; a later one of the same kind replaces it.
    fn sign(&mut self, opaque: Opaque<'_>) {
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

/// Writes the blocks of a stream, one after another.
#[derive(Debug)]
struct Writer {
    /// The number of the block that is open.
    index: u32,
    /// Whether the client sees reasoning.
    expose: bool,
    family: String,
    /// Whether state was lost because it came too late.
    lost: bool,
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

impl Writer {
    /// Writes a piece of the block that is open, beginning it if need be.
    fn write(&mut self, entry: &mut Entry, piece: Piece<'_>, out: &mut Vec<u8>) {
        match piece {
            Piece::Text(text) => {
                if !entry.begun && text.trim().is_empty() {
                    // A block of nothing else would be refused when it comes back.
                    return entry.odd.push_str(&text);
                }
                let blank = std::mem::take(&mut entry.odd);
                let text = if blank.is_empty() {
                    text
                } else {
                    (blank + &text).into()
                };
                self.begin(entry, out);
                self.text(r#""text_delta","text":""#, &text, out);
            }
            Piece::Cite(citation) => {
                self.begin(entry, out);
                self.delta(out, |o| {
                    o.str("type", "citations_delta");
                    o.raw("citation", &citation);
                });
            }
            Piece::Reason(part, text) => {
                if !self.expose {
                    return;
                }
                self.begin(entry, out);
                let before = entry.part.replace(part);
                let is_next = before.is_some_and(|before| before != part);
                let text = if is_next {
                    Cow::Owned(format!("\n\n{text}"))
                } else {
                    text
                };
                self.text(r#""thinking_delta","thinking":""#, &text, out);
            }
            Piece::Arguments(text) => {
                self.begin(entry, out);
                if entry.said {
                    return self.arguments(&text, out);
                }
                entry.odd.push_str(&text);
                // Endless space is not read again and again.
                if !text.trim().is_empty() && entry.odd.trim_start().starts_with('{') {
                    entry.said = true;
                    self.arguments(&std::mem::take(&mut entry.odd), out);
                }
            }
            Piece::State(opaque) => {
                if entry.begun && matches!(entry.kind, Kind::Call { .. }) {
                    // Its place was before the call.
                    self.lost = true;
                    return;
                }
                entry.sign(opaque);
            }
        }
    }

    fn begin(&mut self, entry: &mut Entry, out: &mut Vec<u8>) {
        if std::mem::replace(&mut entry.begun, true) {
            return;
        }
        match &entry.kind {
            Kind::Text => self.start(TEXT_START, out),
            Kind::Thinking => {
                self.start(r#"{"type":"thinking","thinking":"","signature":""}"#, out);
            }
            Kind::Call { id, name } => {
                for opaque in &entry.state {
                    let data = carrier::wrap(opaque, &self.family);
                    self.ready(&Ready::redacted(&data), out);
                }
                let start = json(|o| {
                    o.str("type", "tool_use");
                    o.str("id", id);
                    o.str("name", name);
                    o.raw("input", "{}");
                });
                self.start(&start, out);
            }
            Kind::Ready(_) => {}
        }
    }

    /// Ends a block.
    fn end(&mut self, mut entry: Entry, out: &mut Vec<u8>) {
        match &entry.kind {
            Kind::Ready(ready) => self.ready(ready, out),
            Kind::Call { .. } => {
                self.begin(&mut entry, out);
                if !entry.said {
                    let is_blank = entry.odd.trim().is_empty();
                    let input = if is_blank {
                        "".into()
                    } else {
                        server::input(&entry.odd)
                    };
                    self.arguments(&input, out);
                }
                self.stop(out);
            }
            Kind::Text => {
                if entry.begun {
                    self.stop(out);
                }
                for opaque in &entry.state {
                    let data = carrier::wrap(opaque, &self.family);
                    self.ready(&Ready::redacted(&data), out);
                }
            }
            Kind::Thinking => {
                let Kept {
                    signature,
                    redacted,
                } = keep(&entry.state, entry.begun, &self.family);
                if let Some(signature) = signature {
                    self.begin(&mut entry, out);
                    self.delta(out, |o| {
                        o.str("type", "signature_delta");
                        o.str("signature", &signature);
                    });
                }
                if entry.begun {
                    self.stop(out);
                }
                for data in &redacted {
                    self.ready(&Ready::redacted(data), out);
                }
            }
        }
    }

    fn ready(&mut self, block: &Ready, out: &mut Vec<u8>) {
        self.start(block.start.as_ref().unwrap_or(&block.whole), out);
        for delta in &block.deltas {
            self.event("content_block_delta", out, |o| o.raw("delta", delta));
        }
        self.stop(out);
    }

    fn arguments(&self, text: &str, out: &mut Vec<u8>) {
        self.text(r#""input_json_delta","partial_json":""#, text, out);
    }

    /// Writes a delta that is text, the most frequent of all events. `kind`: its type, and the beginning
    /// of the member that the text is in.
    fn text(&self, kind: &str, text: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(DELTA.as_bytes());
        number_into(out, self.index);
        out.extend_from_slice(b",\"delta\":{\"type\":");
        out.extend_from_slice(kind.as_bytes());
        escape_into(out, text);
        out.extend_from_slice(b"\"}}\n\n");
    }

    fn start(&self, block: &str, out: &mut Vec<u8>) {
        self.event("content_block_start", out, |o| {
            o.raw("content_block", block)
        });
    }

    fn delta(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.event("content_block_delta", out, |o| o.object("delta", write));
    }

    fn stop(&mut self, out: &mut Vec<u8>) {
        self.event("content_block_stop", out, |_| {});
        self.index += 1;
    }

    fn event(&self, name: &str, out: &mut Vec<u8>, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        event(name, out, |o| {
            o.num("index", self.index);
            write(o);
        });
    }
}
