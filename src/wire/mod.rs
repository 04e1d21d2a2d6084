//! The wire formats: what each provider's bytes mean. No I/O, nothing of Pingora.
//!
//! A format is a folder and one arm in [`codec`]. Where client and provider speak the same, a codec only
//! has to know what relaying untouched bytes needs: errors both ways, what an event weighs, where the
//! model's name stands, what keeps a silent stream alive. Where they do not, a request is decoded into
//! the neutral [`Request`], [`fit`] for its target and encoded; the answer comes back the same way as
//! [`Event`]s. [`translate`] puts the steps together.

pub mod carrier;
mod claude;
pub mod cleanse;
pub mod count;
mod event;
pub mod fault;
pub mod fit;
mod gemini;
pub mod json;
pub mod limits;
mod marks;
pub mod media;
mod openai;
mod openai_chat;
mod openai_responses;
mod profile;
mod reply;
pub mod sse;
pub mod tally;
pub mod texts;
pub mod translate;
mod word;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
pub(crate) mod validate;

pub use claude::Claude;
pub use gemini::{Gemini, camel, envelope};
pub use marks::Marks;
pub use openai_chat::OpenAiChat;
pub use openai_responses::OpenAiResponses;

pub use crate::chat::Format;
pub use profile::{
    ChatProfile, ClaudeProfile, EmitReasoning, GeminiProfile, Profile, ReasoningField,
    ResponsesProfile, Setting, StateInToolId, ThinkingTypes, TrailingAssistant,
};
pub use reply::Reply;
pub use word::Word;

use std::sync::Arc;

use crate::chat::{Event, Extra, Fault, Losses, Request, Usage};
use event::{Words, event_type, finders, has_member, unframe};
use json::Node;

/// The codec of a format.
pub fn codec(format: Format) -> &'static dyn Codec {
    match format {
        Format::OpenAiChat => &OpenAiChat,
        Format::OpenAiResponses => &OpenAiResponses,
        Format::Claude => &Claude,
        Format::Gemini => &Gemini,
    }
}

/// How an answer is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One JSON document.
    Whole,
    /// Server-sent events.
    Sse,
    /// Gemini without `alt=sse`: one JSON array whose elements arrive one by one.
    JsonArray,
}

/// What one event of a stream means to the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weight {
    /// Nothing the client would miss: may be thrown away if the attempt fails.
    Quiet,
    /// Carries content: once it is sent, another credential cannot take over unseen.
    Content,
    /// Content, and after it the stream may end: the format's end marker or finish reason.
    Final,
    /// The provider reports an error inside the stream.
    Fault(Fault),
}

/// A whole-body error as a format writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// The HTTP status.
    pub status: u16,
    /// `application/json`.
    pub body: Vec<u8>,
}

/// What the gateway must know about a wire format.
pub trait Codec: Sync {
    /// Writes a whole-body error. `request_id` is the gateway's own.
    fn encode_fault(&self, fault: &Fault, request_id: &str) -> ErrorReply;

    /// Writes an error into a stream that has begun: the typed error event(s) of the format and
    /// whatever ends the framing. `begun` is false when nothing but keep-alives has been sent.
    fn encode_stream_fault(
        &self,
        fault: &Fault,
        request_id: &str,
        shape: Shape,
        begun: bool,
        out: &mut Vec<u8>,
    );

    /// Reads a provider's error answer (any body, also HTML or nothing).
    fn decode_fault(&self, status: u16, body: &[u8]) -> Fault;

    /// Weighs one event of a stream: a raw SSE block or one element of the JSON array.
    fn weigh(&self, event: &[u8], shape: Shape) -> Weight;

    /// Whether whole events of a stream whose content has begun may hold its end or an error: a cheap
    /// look for words, never false when they do. What it lets pass need not be weighed.
    fn may_end(&self, events: &[u8]) -> bool;

    /// What is sent while a provider is silent; `None` for clients that would break on it.
    fn keep_alive(&self) -> Option<&'static [u8]>;

    /// Where the model's name stands in an answer, or in one event of it: object keys from the root,
    /// arrays not counted.
    fn answer_model_path(&self, shape: Shape) -> &'static [&'static str];

    /// Reads a request. What cannot be understood at all is an error that names its path.
    fn decode_request<'a>(&self, body: Node<'a>) -> Result<Request<'a>, Fault>;

    /// Writes a request that was [`fit`] for this format.
    fn encode_request(
        &self,
        request: &Request<'_>,
        profile: &Profile,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault>;

    /// The headers that an encoded request needs besides its credential and its content type.
    fn request_headers(
        &self,
        _request: &Request<'_>,
        _profile: &Profile,
    ) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// What of a request this format's answers repeat.
    fn echo(&self, _body: Node<'_>) -> Extra<'static> {
        Extra::default()
    }

    /// What an answer has cost, by one event of it, an element of Gemini's array or the whole document;
    /// `before`: by the events before.
    fn usage(&self, answer: Node<'_>, before: Option<Usage>) -> Option<Usage>;

    /// Reads an answer that comes as `shape`.
    fn decoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode>;

    /// Writes an answer as `shape`.
    fn encoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode>;
}

/// Reads one answer.
pub trait Decode: Send + Sync {
    /// Takes one whole event of a stream (its `event:` name, if it has one, and its data), one element
    /// of Gemini's array, or the whole document.
    fn event(&mut self, name: Option<&[u8]>, data: &[u8], emit: &mut dyn FnMut(Event<'_>));

    /// Nothing more comes. Emits what is missing: the end, or the fault that there is none. Does
    /// nothing after either.
    fn end(&mut self, emit: &mut dyn FnMut(Event<'_>));
}

/// Writes one answer.
pub trait Encode: Send + Sync {
    /// Takes the next event. What can be written is appended to `out`, framing included; after
    /// [`Event::End`] or [`Event::Fault`] the answer is complete.
    fn event(&mut self, event: Event<'_>, losses: &mut Losses, out: &mut Vec<u8>);
}

#[cfg(test)]
mod matrix_tests;
#[cfg(test)]
mod openai_tests;
#[cfg(test)]
mod pairs_tests;
#[cfg(test)]
mod tests;
