//! One attempt's answer on its way to the client: read, held back, tapped, relayed untouched.
//!
//! What has the client's format already passes byte for byte; only the model's name is replaced when
//! the client asked for an alias. The relay weighs events to find the first content (until which a
//! failure can be taken elsewhere), the end (without which an answer was cut short) and errors. Only
//! whole events pass, so that a keep-alive or an error event always falls between two of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora_http::ResponseHeader;

use super::{headers, hint};
use crate::chat::Fault;
use crate::wire::json::{self, JsonError, Splicer};
use crate::wire::sse::{Blocks, Elements, TooLong};
use crate::wire::{Codec, Format, Shape, Weight, codec};

/// Longest error answer that is read before it is judged; a longer one is judged by its beginning.
const REFUSAL: usize = 256 * 1024;
/// Longest event (translation of images inlines them).
const EVENT: usize = 32 * 1024 * 1024;

/// How deep a document is looked into to tell whether it is whole.
const NESTING: usize = 512;

/// What the client asked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The format of the answer; `None`: nobody looks into it.
    pub format: Option<Format>,
    /// The format in which error answers are read, to be judged; `None`: they pass unread, because
    /// the request could not be sent again anyway.
    pub errors: Option<Format>,
    /// How it should be framed.
    pub shape: Shape,
    /// The name to put in place of the provider's model name.
    pub model: Option<Arc<str>>,
    /// Most bytes that wait.
    pub hold_back: usize,
}

/// Why an answer is not relayed (any further).
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// An error status; `body` is what the provider wrote.
    Refused {
        /// HTTP status.
        status: u16,
        /// What the body says.
        fault: Box<Fault>,
        /// How long the provider wants to be left alone.
        hint: Option<Duration>,
        /// The body, to be relayed if the error is the client's.
        body: Bytes,
    },
    /// An error event before any content.
    BrokeOff(Box<Fault>),
    /// The answer ended before its end.
    CutShort,
}

/// The answer of one attempt.
pub struct Relay {
    wanted: Wanted,
    state: State,
}

enum State {
    /// No header yet.
    Waiting,
    /// Reading an error answer.
    Refusal {
        format: Format,
        status: u16,
        hint: Option<Duration>,
        body: BytesMut,
    },
    /// One document.
    Whole {
        held: BytesMut,
        open: bool,
        /// Only the end of the connection tells its end.
        unframed: bool,
        splicer: Option<Splicer>,
    },
    /// Events.
    Events(Box<Events>),
    /// Nobody looks.
    Opaque,
}

struct Events {
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

/// What kind of answer the header announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An error, to be judged when its body is here.
    Refusal,
    /// One document.
    Whole,
    /// Events.
    Events,
    /// Nobody looks.
    Opaque,
}

impl Relay {
    /// For a client that wants `wanted`.
    pub fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            state: State::Waiting,
        }
    }

    /// The provider's header came. Makes it fit for the client.
    pub fn header(&mut self, header: &mut ResponseHeader) -> Kind {
        let status = header.status.as_u16();
        let encoded = header
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let (state, kind) = match (self.wanted.errors, self.wanted.format) {
            (Some(format), _) if status >= 400 => {
                let hint = hint::of(&header.headers);
                (
                    State::Refusal {
                        format,
                        status,
                        hint,
                        body: BytesMut::new(),
                    },
                    Kind::Refusal,
                )
            }
            (_, Some(format)) if status < 300 && !encoded => {
                let events = header
                    .headers
                    .get(CONTENT_TYPE)
                    .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
                match (events, self.wanted.shape) {
                    (true, _) => self.events(format, Shape::Sse),
                    (false, Shape::JsonArray) => self.events(format, Shape::JsonArray),
                    (false, _) => {
                        let splicer = self.splicer(format, Shape::Whole);
                        (
                            State::Whole {
                                held: BytesMut::new(),
                                open: false,
                                unframed: is_unframed(header),
                                splicer,
                            },
                            Kind::Whole,
                        )
                    }
                }
            }
            _ => (State::Opaque, Kind::Opaque),
        };
        self.state = state;
        headers::scrub(header);
        let respliced = self.wanted.model.is_some() && matches!(kind, Kind::Whole | Kind::Events);
        if respliced || kind == Kind::Events {
            header.remove_header(&CONTENT_LENGTH);
        }
        kind
    }

    fn events(&self, format: Format, shape: Shape) -> (State, Kind) {
        let events = Events {
            codec: codec(format),
            shape,
            framing: match shape {
                Shape::JsonArray => Framing::Array(Elements::new(EVENT)),
                Shape::Sse | Shape::Whole => Framing::Sse(Blocks::new(EVENT)),
            },
            splicer: self.splicer(format, shape),
            held: BytesMut::new(),
            open: false,
            ended: false,
            fault: None,
        };
        (State::Events(Box::new(events)), Kind::Events)
    }

    fn splicer(&self, format: Format, shape: Shape) -> Option<Splicer> {
        let model = self.wanted.model.as_ref()?;
        Some(Splicer::new(codec(format).answer_model_path(shape), model))
    }

    /// A piece of the body came; `end` with the last one. Leaves in `data` what may pass now.
    pub fn body(&mut self, data: &mut Option<Bytes>, end: bool) -> Result<(), Ending> {
        let hold_back = self.wanted.hold_back;
        match &mut self.state {
            State::Waiting | State::Opaque => Ok(()),
            State::Refusal {
                format,
                status,
                hint,
                body,
            } => {
                if let Some(data) = data.take() {
                    body.extend_from_slice(&data);
                }
                if !end && body.len() < REFUSAL {
                    return Ok(());
                }
                let body = body.split().freeze();
                Err(Ending::Refused {
                    status: *status,
                    fault: Box::new(codec(*format).decode_fault(*status, &body)),
                    hint: *hint,
                    body,
                })
            }
            State::Whole {
                held,
                open,
                unframed,
                splicer,
            } => {
                let piece = data.take().unwrap_or_default();
                if *open && splicer.is_none() {
                    *data = Some(piece);
                    return Ok(());
                }
                match splicer {
                    None if end && held.is_empty() => {
                        if is_cut(&piece, *unframed) {
                            return Err(Ending::CutShort);
                        }
                        *data = Some(piece);
                        return Ok(());
                    }
                    None => held.extend_from_slice(&piece),
                    Some(splicer) => {
                        let mut out = Vec::with_capacity(piece.len() + 64);
                        splicer.push(&piece, &mut out);
                        if end {
                            splicer.end(&mut out);
                        }
                        held.extend_from_slice(&out);
                    }
                }
                if end && !*open && is_cut(held, *unframed) {
                    return Err(Ending::CutShort);
                }
                *open |= end || held.len() > hold_back;
                *data = open.then(|| held.split().freeze());
                Ok(())
            }
            State::Events(events) => events.body(data, end, hold_back),
        }
    }

    /// The error answer was judged to be the client's: the rest of it passes.
    pub fn accept(&mut self) {
        self.state = State::Opaque;
    }

    /// The error that the provider reported inside a stream that had begun.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.state {
            State::Events(events) => events.fault.as_ref(),
            _ => None,
        }
    }

    /// How the answer is framed, for an error that must go into it; `None`: none fits.
    pub fn shape(&self) -> Option<Shape> {
        match &self.state {
            State::Events(events) => Some(events.shape),
            _ => None,
        }
    }

    /// What the framing of the answer lacks where nothing more will come.
    pub fn closing(&self) -> &'static [u8] {
        match &self.state {
            State::Events(events) => match &events.framing {
                Framing::Array(elements) if !elements.closed() => b"]",
                _ => b"",
            },
            _ => b"",
        }
    }

    /// Whether the provider's end marker has passed: whatever happens now, the client has it all.
    pub fn has_ended(&self) -> bool {
        matches!(&self.state, State::Events(events) if events.ended)
    }
}

impl Events {
    fn body(
        &mut self,
        data: &mut Option<Bytes>,
        end: bool,
        hold_back: usize,
    ) -> Result<(), Ending> {
        let mut seen = Seen::default();
        let mut ready = match data.take() {
            None => Bytes::new(),
            Some(piece) => self
                .push(piece, &mut seen)
                .map_err(|_: TooLong| Ending::CutShort)?,
        };
        if end {
            let tail = self.tail(&mut seen);
            if !tail.is_empty() {
                ready = [ready, tail].concat().into();
            }
        }
        self.ended |= seen.ended;
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

    fn push(&mut self, piece: Bytes, seen: &mut Seen) -> Result<Bytes, TooLong> {
        let (codec, shape) = (self.codec, self.shape);
        match (&mut self.framing, &mut self.splicer) {
            (Framing::Sse(blocks), None) if self.open => {
                let ready = blocks.push(piece, |_| ())?;
                if codec.may_end(&ready) {
                    let mut again = Blocks::new(EVENT);
                    again.push(ready.clone(), |block| seen.weigh(codec, block, shape))?;
                    seen.weigh(codec, &again.tail(), shape);
                }
                Ok(ready)
            }
            (Framing::Sse(blocks), None) => {
                blocks.push(piece, |block| seen.weigh(codec, block, shape))
            }
            (Framing::Sse(blocks), Some(splicer)) => {
                let mut out = Vec::with_capacity(piece.len() + 64);
                blocks.push(piece, |block| {
                    seen.weigh(codec, block, shape);
                    splice_block(splicer, block, &mut out);
                })?;
                Ok(out.into())
            }
            (Framing::Array(elements), splicer) => {
                let ready = elements.push(piece, |element| seen.weigh(codec, element, shape))?;
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
    fn tail(&mut self, seen: &mut Seen) -> Bytes {
        let (tail, complete) = match &mut self.framing {
            Framing::Sse(blocks) => (blocks.tail(), true),
            Framing::Array(elements) => (elements.tail(), false),
        };
        if complete && !tail.is_empty() {
            seen.weigh(self.codec, &tail, self.shape);
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

/// Whether a body ends with its connection, so that HTTP cannot tell a whole one from one that was
/// cut.
fn is_unframed(header: &ResponseHeader) -> bool {
    header.version <= http::Version::HTTP_11
        && !header.headers.contains_key(CONTENT_LENGTH)
        && !header.headers.contains_key(TRANSFER_ENCODING)
}

/// Whether a document that has come to its end is none: it is empty, or its JSON breaks off.
fn is_cut(document: &[u8], unframed: bool) -> bool {
    let breaks_off = || {
        document.trim_ascii_start().starts_with(b"{")
            && matches!(
                json::shallow(document, NESTING, |_| {}),
                Err(JsonError::NotJson { .. })
            )
    };
    document.is_empty() || (unframed && breaks_off())
}

/// What the events of one read amount to.
#[derive(Default)]
struct Seen {
    content: bool,
    ended: bool,
    fault: Option<Fault>,
}

impl Seen {
    fn weigh(&mut self, codec: &dyn Codec, event: &[u8], shape: Shape) {
        match codec.weigh(event, shape) {
            Weight::Quiet => {}
            Weight::Content => self.content = true,
            Weight::Final => {
                self.content = true;
                self.ended = true;
            }
            Weight::Fault(fault) => {
                self.fault.get_or_insert(fault);
            }
        }
    }
}

/// Replaces the model's name in one SSE block, whose JSON is everything from the first brace.
fn splice_block(splicer: &mut Splicer, block: &[u8], out: &mut Vec<u8>) {
    let start = memchr::memchr(b'{', block).unwrap_or(block.len());
    out.extend_from_slice(&block[..start]);
    splicer.reset();
    splicer.push(&block[start..], out);
    splicer.end(out);
}

#[cfg(test)]
#[path = "relay_tests.rs"]
mod tests;
