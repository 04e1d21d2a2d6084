//! An answer that is translated on its way: read in the provider's framing, written in the client's.

use bytes::{Bytes, BytesMut};

use super::super::foreign::{Back, BackKind};
use super::events::EVENT;
use super::heard::Heard;
use super::{Ending, Kind, Relay, State};
use crate::chat::{Fault, FaultKind, Losses};
use crate::wire::sse::{Blocks, Elements};
use crate::wire::translate::{Answer, Route, Seen};
use crate::wire::{Format, Shape, count};

impl Relay {
    /// The answer comes in another format. With `comments`, a stream ends with what of it was lost.
    pub(in crate::proxy) fn translate(&mut self, back: Back, comments: bool) {
        self.wanted.errors = Some(back.from);
        self.back = Some(back);
        self.comments = comments;
    }

    /// The provider's format, if anyone looks.
    pub fn format(&self) -> Option<Format> {
        self.back
            .as_ref()
            .map_or(self.wanted.format, |back| Some(back.from))
    }

    /// The same request is sent once more.
    pub fn renew(&mut self) {
        self.state = State::Waiting;
        self.unmasker = None;
        self.heard = Heard::default();
    }

    /// Writes an error into an answer that was being translated. False: it was not.
    pub fn encode_fault(&mut self, fault: &Fault, out: &mut Vec<u8>) -> bool {
        match &mut self.state {
            State::Translated(translated) => {
                translated.encode_fault(fault, out);
                true
            }
            _ => false,
        }
    }

    /// How many bytes of answer the client gets, once it needs no more of what the provider still has to
    /// say.
    pub fn enough(&self) -> Option<u64> {
        match &self.state {
            State::Translated(translated) => translated.enough(),
            _ => None,
        }
    }

    /// What of a translated answer could not be carried.
    pub fn losses(&self) -> Option<&Losses> {
        match &self.state {
            State::Translated(translated) => Some(translated.losses()),
            _ => None,
        }
    }

    pub(super) fn translated(&mut self, to: Format, events: bool) -> (State, Kind) {
        let (wanted, comments) = (self.wanted.shape, self.comments);
        let Some(back) = &mut self.back else {
            return (State::Opaque, Kind::Opaque);
        };
        let framed = if events { Shape::Sse } else { Shape::Whole };
        let route = Route {
            from: back.from,
            framed,
            to,
            wanted,
        };
        match &mut back.kind {
            BackKind::Count => (State::Counted(Counted::new(back.from, to)), Kind::Whole),
            BackKind::Answer { restore, reply } => {
                let answer = Answer::new(route, (**restore).clone(), reply);
                let translated = Translated::new(answer, framed, wanted, comments);
                let kind = match wanted {
                    Shape::Whole => Kind::Whole,
                    Shape::Sse | Shape::JsonArray => Kind::Events,
                };
                (State::Translated(Box::new(translated)), kind)
            }
        }
    }
}

/// Longest answer that is not streamed.
const WHOLE: usize = 64 * 1024 * 1024;

/// An answer on its way from one format to another.
pub(super) struct Translated {
    answer: Answer,
    framing: Framing,
    wanted: Shape,
    comments: bool,
    /// Written, and waiting for content.
    held: Vec<u8>,
    open: bool,
    /// Bytes that were let through.
    passed: u64,
    ended: bool,
    fault: Option<Fault>,
}

enum Framing {
    Whole(BytesMut),
    Sse(Blocks),
    Array(Elements),
}

impl Translated {
    /// Nothing has come yet. The provider frames its answer as `framed`, the client wants it as
    /// `wanted`. With `comments`, a stream ends with a comment about what was lost.
    pub(super) fn new(answer: Answer, framed: Shape, wanted: Shape, comments: bool) -> Self {
        Self {
            answer,
            framing: match framed {
                Shape::Whole => Framing::Whole(BytesMut::new()),
                Shape::Sse => Framing::Sse(Blocks::new(EVENT)),
                Shape::JsonArray => Framing::Array(Elements::new(EVENT)),
            },
            wanted,
            comments,
            held: Vec::new(),
            open: false,
            passed: 0,
            ended: false,
            fault: None,
        }
    }

    pub(super) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    pub(super) const fn shape(&self) -> Shape {
        self.wanted
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) const fn losses(&self) -> &Losses {
        self.answer.losses()
    }

    /// How many bytes the client gets, once it needs no more of what the provider still has to say.
    pub(super) fn enough(&self) -> Option<u64> {
        self.answer.is_cut().then_some(self.passed)
    }

    /// Ends what has been written so far with an error.
    pub(super) fn encode_fault(&mut self, fault: &Fault, out: &mut Vec<u8>) {
        self.answer.fault(fault.clone(), out);
    }

    pub(super) fn body(
        &mut self,
        data: &mut Option<Bytes>,
        end: bool,
        hold_back: usize,
        heard: &mut Heard,
    ) -> Result<(), Ending> {
        let mut seen = Seen::default();
        let mut out = std::mem::take(&mut self.held);
        if let Some(piece) = data.take() {
            self.push(piece, &mut seen, &mut out, heard)?;
        }
        if end {
            self.end(&mut seen, &mut out, heard);
        }
        if seen.ended && !self.ended {
            self.ended = true;
            // Of one that ends here and not there, the provider has not said all.
            if !self.answer.is_cut() {
                heard.end();
            }
        }
        if let Some(fault) = seen.fault {
            // Half a document is none: whatever was said before the error, the client has not seen it.
            if !self.open && (self.wanted == Shape::Whole || !seen.content) {
                return Err(Ending::BrokeOff(Box::new(fault)));
            }
            self.answer.fault(fault.clone(), &mut out);
            self.ended = true;
            self.fault = Some(fault);
        }
        if end && !self.ended {
            return Err(Ending::CutShort);
        }
        self.open |= match self.wanted {
            // A document is of use only when it is whole.
            Shape::Whole => self.ended,
            Shape::Sse | Shape::JsonArray => seen.content || out.len() > hold_back,
        };
        if self.open {
            self.passed += out.len() as u64;
            *data = Some(out.into());
        } else {
            self.held = out;
        }
        Ok(())
    }

    fn push(
        &mut self,
        piece: Bytes,
        seen: &mut Seen,
        out: &mut Vec<u8>,
        heard: &mut Heard,
    ) -> Result<(), Ending> {
        let Self {
            answer,
            framing,
            comments,
            wanted,
            ..
        } = self;
        let mut take = |framed, event: &[u8]| {
            let before = out.len();
            heard.event(event, framed);
            let one = answer.push(framed, event, out);
            if one.content {
                heard.content(event);
            }
            if one.ended && *comments && *wanted == Shape::Sse {
                comment(answer.losses(), before, out);
            }
            add(seen, one);
        };
        match framing {
            Framing::Whole(held) => {
                if held.len() + piece.len() > WHOLE {
                    return Err(Ending::BrokeOff(Box::new(too_long())));
                }
                held.extend_from_slice(&piece);
                Ok(())
            }
            Framing::Sse(blocks) => blocks
                .push(piece, |block| take(Shape::Sse, block))
                .map(|_| ())
                .map_err(|_| Ending::CutShort),
            Framing::Array(elements) => elements
                .push(piece, |element| take(Shape::JsonArray, element))
                .map(|_| ())
                .map_err(|_| Ending::CutShort),
        }
    }

    /// The provider has closed: what is left is its last event, or the whole document.
    fn end(&mut self, seen: &mut Seen, out: &mut Vec<u8>, heard: &mut Heard) {
        let before = out.len();
        let left = match &mut self.framing {
            Framing::Whole(held) => Some((Shape::Whole, held.split().freeze())),
            Framing::Sse(blocks) => Some((Shape::Sse, blocks.tail())),
            Framing::Array(_) => None,
        };
        let mut last = Seen::default();
        if let Some((framed, left)) = left
            && !left.is_empty()
        {
            match framed {
                Shape::Whole => heard.document(&left),
                Shape::Sse | Shape::JsonArray => heard.event(&left, framed),
            }
            let one = self.answer.push(framed, &left, out);
            if one.content && framed != Shape::Whole {
                heard.content(&left);
            }
            add(&mut last, one);
        }
        add(&mut last, self.answer.end(out));
        if last.ended && self.comments && self.wanted == Shape::Sse {
            comment(self.answer.losses(), before, out);
        }
        add(seen, last);
    }
}

fn add(seen: &mut Seen, one: Seen) {
    seen.content |= one.content;
    seen.ended |= one.ended;
    if let Some(fault) = one.fault {
        seen.fault.get_or_insert(fault);
    }
}

/// Puts a comment about what was lost before what was written from `at` on: clients stop reading at
/// the end marker.
fn comment(losses: &Losses, at: usize, out: &mut Vec<u8>) {
    if losses.notes().is_empty() {
        return;
    }
    let notes: Vec<String> = losses
        .notes()
        .iter()
        .map(|loss| {
            format!(
                "{} {}",
                loss.path.replace(['\n', '\r'], " "),
                loss.change.name()
            )
        })
        .collect();
    let comment = format!(": x-aiproxy-loss {}\n\n", notes.join(";"));
    out.splice(at..at, comment.into_bytes());
}

fn too_long() -> Fault {
    Fault::new(
        FaultKind::BadUpstream,
        "bad_upstream",
        "the provider's answer is longer than the gateway translates",
    )
}

/// A number of tokens, in another format.
pub(super) struct Counted {
    from: Format,
    to: Format,
    held: BytesMut,
}

impl Counted {
    /// From a provider of `from` for a client of `to`.
    pub(super) fn new(from: Format, to: Format) -> Self {
        Self {
            from,
            to,
            held: BytesMut::new(),
        }
    }

    pub(super) fn body(&mut self, data: &mut Option<Bytes>, end: bool) -> Result<(), Ending> {
        if let Some(piece) = data.take() {
            if self.held.len() + piece.len() > EVENT {
                return Err(Ending::BrokeOff(Box::new(too_long())));
            }
            self.held.extend_from_slice(&piece);
        }
        if !end {
            return Ok(());
        }
        match count::read(self.from, &self.held) {
            Some(tokens) => {
                *data = Some(count::write(self.to, tokens).into());
                Ok(())
            }
            None => Err(Ending::CutShort),
        }
    }
}
