//! One attempt's answer on its way to the client: read, held back, tapped, relayed untouched.
//!
//! What has the client's format already passes byte for byte; only the model's name is replaced when
//! the client asked for an alias. The relay weighs events to find the first content (until which a
//! failure can be taken elsewhere), the end (without which an answer was cut short) and errors. Only
//! whole events pass, so that a keep-alive or an error event always falls between two of them.

mod events;
mod heard;
mod translated;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use pingora_http::ResponseHeader;

use events::Events;
use heard::Heard;
use translated::{Counted, Translated};
use whole::Whole;

use super::foreign::Back;
use super::{headers, hint};
use crate::chat::{Fault, FaultKind, Usage};
use crate::rewrite::{Masks, Unmasker};
use crate::usage::Sample;
use crate::wire::json::Splicer;
use crate::wire::sse::TooLong;
use crate::wire::{Format, Shape, codec};

/// Longest error answer that is read before it is judged; a longer one is judged by its beginning.
const REFUSAL: usize = 256 * 1024;

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
    /// Whether the client sees the account's rate limits.
    pub limits: bool,
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
    /// The way back from another format.
    back: Option<Back>,
    comments: bool,
    /// What of the request was masked.
    masks: Option<Arc<Masks>>,
    /// Puts it back.
    unmasker: Option<Unmasker>,
    /// What it says about its cost.
    heard: Heard,
    /// What it does not say about its cost is counted.
    samples: bool,
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
    Whole(Whole),
    /// Events.
    Events(Box<Events>),
    /// Something to be translated.
    Translated(Box<Translated>),
    /// A number of tokens to be translated.
    Counted(Counted),
    /// Compressed, though that was not asked for: nothing that could be translated.
    Unreadable,
    /// Nobody looks.
    Opaque,
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
            back: None,
            comments: false,
            masks: None,
            unmasker: None,
            heard: Heard::default(),
            samples: false,
            state: State::Waiting,
        }
    }

    /// Whether a sample is kept, where what it costs may have to be counted here.
    pub fn sample(&mut self, samples: bool) {
        self.samples = samples;
    }

    /// What the answer has cost so far, if its provider has said so: all of it once a whole answer is
    /// there or a stream has ended. A provider may say it in an error too.
    pub fn usage(&self) -> Option<Usage> {
        self.heard.usage()
    }

    /// What the provider has said is taken, and nothing was heard.
    pub fn take_usage(&mut self) -> Option<Usage> {
        std::mem::take(&mut self.heard).usage()
    }

    /// What came of the answer, where it may have to be counted here.
    pub fn take_sample(&mut self) -> Sample {
        self.heard.take_sample()
    }

    /// Whether something has to be put back into the answer.
    pub fn unmasks(&self) -> bool {
        self.masks.is_some()
    }

    /// What `masks` stand for is put back into the answer.
    pub fn unmask(&mut self, masks: Option<Arc<Masks>>) {
        self.masks = masks;
    }

    /// The provider's header came. Makes it fit for the client.
    pub fn header(&mut self, header: &mut ResponseHeader) -> Kind {
        let status = header.status.as_u16();
        self.heard = Heard::new(self.wanted.format.and_then(|_| self.format()), self.samples);
        let encoded = header
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
        let (state, kind) = match (self.wanted.errors, self.wanted.format) {
            // A client that followed a redirect would show its key to whoever it leads to.
            (Some(format), called) if status >= 400 || (status >= 300 && called.is_some()) => {
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
                let events = is_event_stream(header);
                match (events, self.wanted.shape) {
                    _ if self.back.is_some() => self.translated(format, events),
                    (true, _) => self.events(format, Shape::Sse),
                    (false, Shape::JsonArray) => self.events(format, Shape::JsonArray),
                    (false, _) => {
                        let splicer = self.splicer(format, Shape::Whole);
                        let whole = Whole::new(is_unframed(header), splicer);
                        (State::Whole(whole), Kind::Whole)
                    }
                }
            }
            (_, Some(_)) if self.back.is_some() => (State::Unreadable, Kind::Whole),
            _ => (State::Opaque, Kind::Opaque),
        };
        self.state = state;
        if let Some(masks) = &self.masks {
            self.unmasker = self.unmasker(masks, header).filter(|_| !encoded);
            if self.unmasker.is_some() || kind == Kind::Refusal {
                header.remove_header(&CONTENT_LENGTH);
            }
        }
        if let (true, Some(back)) = (kind != Kind::Refusal, &self.back) {
            headers::rewrite(header, (self.wanted.format, back.from), &self.wanted);
            return kind;
        }
        headers::scrub(header);
        if !self.wanted.limits {
            headers::hide_limits(header);
        }
        let respliced = self.wanted.model.is_some() && matches!(kind, Kind::Whole | Kind::Events);
        if respliced || kind == Kind::Events {
            header.remove_header(&CONTENT_LENGTH);
        }
        kind
    }

    /// What puts words back into the answer that has begun; `None`: it is none that is read.
    fn unmasker(&self, masks: &Arc<Masks>, header: &ResponseHeader) -> Option<Unmasker> {
        let shape = match &self.state {
            State::Whole(_) => Shape::Whole,
            State::Events(events) => events.shape(),
            State::Translated(_) if is_event_stream(header) => Shape::Sse,
            State::Translated(_) => Shape::Whole,
            State::Opaque if is_event_stream(header) => Shape::Sse,
            State::Opaque => Shape::Whole,
            _ => return None,
        };
        // Of what nobody looks into otherwise, only stored responses have any.
        let format = self.format().unwrap_or(Format::OpenAiResponses);
        let masks = Arc::clone(masks);
        Some(Unmasker::new(masks, format, shape, events::EVENT))
    }

    fn events(&self, format: Format, shape: Shape) -> (State, Kind) {
        let events = Events::new(codec(format), shape, self.splicer(format, shape));
        (State::Events(Box::new(events)), Kind::Events)
    }

    fn splicer(&self, format: Format, shape: Shape) -> Option<Splicer> {
        let model = self.wanted.model.as_ref()?;
        Some(Splicer::new(codec(format).answer_model_path(shape), model))
    }

    /// A piece of the body came; `end` with the last one. Leaves in `data` what may pass now.
    pub fn body(&mut self, data: &mut Option<Bytes>, end: bool) -> Result<(), Ending> {
        let hold_back = self.wanted.hold_back;
        if let Some(unmasker) = &mut self.unmasker {
            unmasker
                .push(data, end)
                .map_err(|_: TooLong| Ending::CutShort)?;
        }
        let heard = &mut self.heard;
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
                heard.document(&body);
                let revealed = self.masks.as_ref().and_then(|masks| masks.reveal(&body));
                let body = revealed.map_or(body, Bytes::from);
                Err(Ending::Refused {
                    status: *status,
                    fault: Box::new(codec(*format).decode_fault(*status, &body)),
                    hint: *hint,
                    body,
                })
            }
            State::Whole(whole) => whole.body(data, end, hold_back, heard),
            State::Events(events) => events.body(data, end, hold_back, heard),
            State::Translated(translated) => translated.body(data, end, hold_back, heard),
            State::Counted(counted) => counted.body(data, end),
            State::Unreadable => Err(Ending::BrokeOff(Box::new(Fault::new(
                FaultKind::BadUpstream,
                "bad_upstream",
                "the provider's answer is compressed, so it cannot be translated",
            )))),
        }
    }

    /// The error answer was judged to be the client's: the rest of it passes.
    pub fn accept(&mut self) {
        self.state = State::Opaque;
    }

    /// The error that the provider reported inside a stream that had begun.
    pub fn fault(&self) -> Option<&Fault> {
        match &self.state {
            State::Events(events) => events.fault(),
            State::Translated(translated) => translated.fault(),
            _ => None,
        }
    }

    /// How the answer is framed, for an error that must go into it; `None`: none fits.
    pub fn shape(&self) -> Option<Shape> {
        match &self.state {
            State::Events(events) => Some(events.shape()),
            State::Translated(translated) => match translated.shape() {
                Shape::Whole => None,
                shape => Some(shape),
            },
            _ => None,
        }
    }

    /// What the framing of the answer lacks where nothing more will come.
    pub fn closing(&self) -> &'static [u8] {
        match &self.state {
            State::Events(events) => events.closing(),
            _ => b"",
        }
    }

    /// Whether the provider's end marker has passed: whatever happens now, the client has it all.
    pub fn has_ended(&self) -> bool {
        match &self.state {
            State::Events(events) => events.has_ended(),
            State::Translated(translated) => translated.has_ended(),
            _ => false,
        }
    }
}

fn is_event_stream(header: &ResponseHeader) -> bool {
    let kind = header.headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// Whether a body ends with its connection, so that HTTP cannot tell a whole one from one that was
/// cut.
fn is_unframed(header: &ResponseHeader) -> bool {
    header.version <= http::Version::HTTP_11
        && !header.headers.contains_key(CONTENT_LENGTH)
        && !header.headers.contains_key(TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests;
