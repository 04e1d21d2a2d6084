//! One translation, put together: decode, fit, encode; and the answer's way back.
//!
//! The gateway and `ai-proxy translate` both come through here.

use std::sync::Arc;

use super::count;
use super::fit::{self, Restore};
use super::json::{Document, JsonError, Node, Note};
use super::media::{self, Media, Wanted};
use super::sse::Event as SseEvent;
use super::{Decode, Encode, Format, Profile, Reply, Shape, codec};
use crate::chat::{Event, Fault, FaultKind, Losses, OnLoss, StopReason};

/// Most parts of one answer: text, calls, whatever it holds.
const PARTS: usize = 10_000;

/// How deep a request may nest at most; the gateway's own limit is usually lower.
const DEPTH: usize = 512;

/// A request to be translated.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The client's format.
    pub format: Format,
    /// The document.
    pub body: &'a [u8],
    /// Where its long values stand, if somebody has looked at it before.
    pub note: Option<&'a Note>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// What was fetched for it: see [`wanted_media`].
    pub media: &'a Media,
}

/// Who is to understand it.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider's format.
    pub format: Format,
    /// The provider's name for the model.
    pub model: &'a str,
    /// What the model accepts.
    pub profile: &'a Arc<Profile>,
}

/// A translated request.
#[derive(Debug)]
pub struct Translated {
    /// The document for the provider.
    pub body: Vec<u8>,
    /// What could not be carried.
    pub losses: Losses,
    /// Headers that the provider's format wants.
    pub headers: Vec<(&'static str, String)>,
    /// Undoes the translation in the answer.
    pub restore: Restore,
    /// What the answer's codecs must know; the gateway fills in its ids and the model's name.
    pub reply: Reply,
}

/// What of a request, or of a question for its number of tokens, the target does not read where it is.
/// Whoever has fetched it gives it to [`request`] in [`Source::media`]; an address that is not found
/// there is refused. A body that cannot be decoded wants nothing.
pub fn wanted_media(from: Source<'_>, to: Target<'_>) -> Vec<Wanted> {
    if !media::may_want(to.format, to.profile, from.body) {
        return Vec::new();
    }
    let Ok(body) = Node::parse(from.body, DEPTH) else {
        return Vec::new();
    };
    let decoded = codec(from.format).decode_request(count::asked(from.format, body));
    decoded.map_or_else(
        |_| Vec::new(),
        |mut request| media::wanted(&mut request, to.format, to.profile),
    )
}

/// Translates a request.
pub fn request(from: Source<'_>, to: Target<'_>, on_loss: OnLoss) -> Result<Translated, Fault> {
    let document = match from.note {
        Some(note) => Document::checked(from.body, note),
        None => Document::parse(from.body, DEPTH),
    };
    let document = document.map_err(|error| unreadable(&error))?;
    let body = document.node();
    let source = codec(from.format);
    let mut request = source.decode_request(body)?;
    request.model = to.model.into();
    request.stream = from.stream;
    media::place(&mut request, to.format, to.profile, from.media);
    let include_usage = request.include_usage;
    let legacy_functions = request.legacy_functions;
    let expose_reasoning = fit::exposes_reasoning(&request);
    let mut losses = Losses::new(on_loss);
    let restore = fit::fit(&mut request, to.format, to.profile, &mut losses)?;
    let mut out = Vec::with_capacity(from.body.len() + from.body.len() / 8 + 256);
    codec(to.format).encode_request(&request, to.profile, &mut losses, &mut out)?;
    Ok(Translated {
        body: out,
        headers: codec(to.format).request_headers(&request, to.profile),
        losses,
        restore,
        reply: Reply {
            model: String::new(),
            request_id: String::new(),
            seed: String::new(),
            now: 0,
            include_usage,
            legacy_functions,
            expose_reasoning,
            echo: source.echo(body),
            profile: Arc::clone(to.profile),
        },
    })
}

/// A translated question for the number of tokens.
#[derive(Debug)]
pub enum Question {
    /// For the provider.
    Ask {
        /// The document.
        body: Vec<u8>,
        /// Headers that the provider's format wants.
        headers: Vec<(&'static str, String)>,
        /// What could not be carried.
        losses: Losses,
    },
    /// The provider does not count: about so many.
    Estimate(u64),
}

/// Translates a question for the number of tokens.
pub fn count(from: Source<'_>, to: Target<'_>) -> Result<Question, Fault> {
    let body = Node::parse(from.body, DEPTH).map_err(|error| unreadable(&error))?;
    let body = count::asked(from.format, body);
    if to.format == Format::OpenAiChat {
        let request = codec(from.format).decode_request(body)?;
        return Ok(Question::Estimate(count::estimate(&request)));
    }
    let source = Source {
        body: body.raw().as_bytes(),
        // What is asked may stand inside of the document.
        note: None,
        ..from
    };
    // What is counted is the prompt: whatever else is lost does not matter.
    let translated = request(source, to, OnLoss::Quiet)?;
    let body = count::question(to.format, &translated.body, to.model).unwrap_or_default();
    Ok(Question::Ask {
        body,
        headers: translated.headers,
        losses: translated.losses,
    })
}

/// What a piece of an answer amounts to.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Seen {
    /// Something the client would miss.
    pub content: bool,
    /// The end.
    pub ended: bool,
    /// The provider's error in its place. It is not written: the caller decides.
    pub fault: Option<Fault>,
}

/// Translates one answer.
pub struct Answer {
    decoder: Box<dyn Decode>,
    restore: Restore,
    encoder: Box<dyn Encode>,
    losses: Losses,
    /// Nothing that the client could use was said yet, and it has no word for that.
    is_mute: bool,
    over: bool,
    /// The provider's own end has come.
    ended: bool,
    /// Parts so far.
    parts: usize,
}

/// The formats and framings of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The provider's format.
    pub from: Format,
    /// How its answer is framed.
    pub framed: Shape,
    /// The client's format.
    pub to: Format,
    /// How the client wants it.
    pub wanted: Shape,
}

impl Answer {
    /// An answer that goes `route`.
    pub fn new(route: Route, mut restore: Restore, reply: &Arc<Reply>) -> Self {
        if route.framed == Shape::Whole {
            restore.whole();
        }
        Self {
            decoder: codec(route.from).decoder(route.framed, reply),
            restore,
            encoder: codec(route.to).encoder(route.wanted, reply),
            losses: Losses::new(OnLoss::Warn),
            is_mute: route.to == Format::OpenAiChat && route.wanted == Shape::Whole,
            over: false,
            ended: false,
            parts: 0,
        }
    }

    /// Whether the answer has ended before the provider's: it need not be read any further.
    pub const fn is_cut(&self) -> bool {
        self.over && !self.ended
    }

    /// Takes a raw SSE block, an element of Gemini's array or the whole document, and appends what it
    /// is for the client.
    pub fn push(&mut self, framed: Shape, piece: &[u8], out: &mut Vec<u8>) -> Seen {
        let mut seen = Seen::default();
        if self.over {
            return seen;
        }
        match framed {
            Shape::Sse => {
                if let Some(event) = SseEvent::parse(piece) {
                    self.with(&mut seen, out, |decoder, emit| {
                        decoder.event(event.name, event.data.trim_ascii(), emit);
                    });
                }
            }
            Shape::Whole | Shape::JsonArray => self.with(&mut seen, out, |decoder, emit| {
                decoder.event(None, piece.trim_ascii(), emit);
            }),
        }
        seen
    }

    /// The provider has closed.
    pub fn end(&mut self, out: &mut Vec<u8>) -> Seen {
        let mut seen = Seen::default();
        if !self.over {
            self.with(&mut seen, out, |decoder, emit| decoder.end(emit));
        }
        seen
    }

    /// Ends the answer with an error, in the client's words.
    pub fn fault(&mut self, fault: Fault, out: &mut Vec<u8>) {
        self.over = true;
        self.encoder
            .event(Event::Fault(fault), &mut self.losses, out);
    }

    /// What of the answer could not be carried so far.
    pub const fn losses(&self) -> &Losses {
        &self.losses
    }

    fn with(
        &mut self,
        seen: &mut Seen,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut dyn Decode, &mut dyn FnMut(Event<'_>)),
    ) {
        let (restore, encoder) = (&mut self.restore, &mut self.encoder);
        let (losses, over, ended) = (&mut self.losses, &mut self.over, &mut self.ended);
        let (is_mute, parts) = (&mut self.is_mute, &mut self.parts);
        let mut write = |event: Event<'_>| {
            if *over {
                return;
            }
            *parts += usize::from(matches!(event, Event::Open { .. } | Event::Part { .. }));
            if *parts > PARTS {
                *over = true;
                seen.fault = Some(endless());
                return;
            }
            match &event {
                Event::Fault(fault) => {
                    *over = true;
                    seen.fault = Some(fault.clone());
                    return;
                }
                Event::Stop { stop, .. }
                    if *is_mute && stop.reason == StopReason::MalformedTool =>
                {
                    *over = true;
                    let message = "the model wrote a tool call that is none";
                    let fault = Fault::new(FaultKind::BadUpstream, "bad_upstream", message);
                    seen.fault = Some(fault);
                    return;
                }
                Event::End => {
                    *over = true;
                    seen.content = true;
                    seen.ended = true;
                }
                other => {
                    let is_content = is_content(other);
                    let is_thought =
                        matches!(other, Event::Reason { .. } | Event::Signature { .. });
                    seen.content |= is_content;
                    *is_mute &= !is_content || is_thought;
                }
            }
            encoder.event(event, losses, out);
        };
        step(&mut *self.decoder, &mut |event| {
            *ended |= matches!(event, Event::End | Event::Fault(_));
            restore.event(event, &mut write);
        });
    }
}

/// Whether the client would miss it: once it is sent, another credential cannot take over unseen.
fn is_content(event: &Event<'_>) -> bool {
    match event {
        Event::Start(_) | Event::Usage(_) | Event::Close { .. } => false,
        Event::Open { opening, .. } => {
            matches!(opening, crate::chat::Opening::ToolCall { .. })
        }
        _ => true,
    }
}

fn endless() -> Fault {
    Fault::new(
        FaultKind::BadUpstream,
        "bad_upstream",
        format!("the provider's answer has more than {PARTS} parts"),
    )
}

fn unreadable(error: &JsonError) -> Fault {
    Fault::new(FaultKind::InvalidRequest, "invalid_json", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Extra;

    fn answer() -> Answer {
        let reply = Arc::new(Reply {
            model: String::new(),
            request_id: String::new(),
            seed: "s".repeat(24),
            now: 0,
            include_usage: false,
            legacy_functions: false,
            expose_reasoning: false,
            echo: Extra::default(),
            profile: Arc::default(),
        });
        let route = Route {
            from: Format::Gemini,
            framed: Shape::JsonArray,
            to: Format::OpenAiChat,
            wanted: Shape::Sse,
        };
        Answer::new(route, Restore::default(), &reply)
    }

    fn call(n: usize) -> String {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"id":"c{n}","name":"f","args":{{}}}}}}]}}}}]}}"#
        )
    }

    #[test]
    fn an_answer_without_end_is_ended_here() {
        let mut answer = answer();
        let mut out = Vec::new();
        for n in 0..PARTS {
            let seen = answer.push(Shape::JsonArray, call(n).as_bytes(), &mut out);
            assert_eq!(seen.fault, None, "{n}");
        }
        let seen = answer.push(Shape::JsonArray, call(PARTS).as_bytes(), &mut out);
        assert_eq!(seen.fault.unwrap().kind, FaultKind::BadUpstream);
        let length = out.len();
        assert_eq!(answer.end(&mut out), Seen::default());
        assert_eq!(out.len(), length, "nothing more is written");
    }
}
