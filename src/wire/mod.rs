//! The wire formats: what each provider's bytes mean. No I/O, nothing of Pingora.
//!
//! A format is a folder and one arm in [`codec`]. Until a request has to change format, a codec only
//! has to know what relaying untouched bytes needs: errors both ways, what an event weighs, where
//! the model's name stands, what keeps a silent stream alive.

mod claude;
mod event;
pub mod fault;
mod gemini;
pub mod json;
mod openai;
mod openai_chat;
mod openai_responses;
pub mod sse;

#[cfg(test)]
pub(crate) mod fixtures;

pub use claude::Claude;
pub use gemini::Gemini;
pub use openai_chat::OpenAiChat;
pub use openai_responses::OpenAiResponses;

use crate::chat::Fault;
use event::{Words, event_type, finders, has_member, unframe};

/// The codec of a format.
pub fn codec(format: Format) -> &'static dyn Codec {
    match format {
        Format::OpenAiChat => &OpenAiChat,
        Format::OpenAiResponses => &OpenAiResponses,
        Format::Claude => &Claude,
        Format::Gemini => &Gemini,
    }
}

/// The four formats that clients and providers speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// OpenAI Chat Completions.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Anthropic Messages.
    Claude,
    /// Gemini generateContent.
    Gemini,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::OpenAiChat,
        Self::OpenAiResponses,
        Self::Claude,
        Self::Gemini,
    ];

    /// The name used in logs, headers and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::OpenAiResponses => "openai-responses",
            Self::Claude => "claude",
            Self::Gemini => "gemini",
        }
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
}

#[cfg(test)]
mod tests;
