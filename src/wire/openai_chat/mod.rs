//! OpenAI Chat Completions, and the many servers that speak it.

mod answer;
mod reply;
mod request;
mod state;
mod stop;
mod usage;
mod write;

use std::sync::LazyLock;

use memchr::memmem;

use std::sync::Arc;

use super::json::{Fields, Node};
use super::{Decode, Encode, Profile, Reply};
use crate::chat::{CacheMark, Extra, Fault, Losses, Request, Usage};

use super::fault;
use super::json::{elements, is_blank, pick, unquote};
use super::openai::OpenAiError;
use super::{Codec, ErrorReply, Shape, Weight, Words, finders, unframe};

/// What an end or an error has, besides a finish reason.
static ENDS: Words = Words::new(|| finders(["[DONE]", "error"]));
/// The member that every chunk has and only the last one fills.
static REASON: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new("\"finish_reason\""));

/// The Chat Completions format.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiChat;

impl Codec for OpenAiChat {
    fn encode_fault(&self, fault: &Fault, _request_id: &str) -> ErrorReply {
        let error = OpenAiError::new(fault);
        ErrorReply {
            status: error.status,
            body: format!(r#"{{"error":{}}}"#, error.object()).into_bytes(),
        }
    }

    fn encode_stream_fault(
        &self,
        fault: &Fault,
        _request_id: &str,
        shape: Shape,
        _begun: bool,
        out: &mut Vec<u8>,
    ) {
        if shape == Shape::Sse {
            let error = OpenAiError::new(fault).object();
            out.extend_from_slice(format!("data: {{\"error\":{error}}}\n\n").as_bytes());
        }
    }

    fn decode_fault(&self, status: u16, body: &[u8]) -> Fault {
        fault::decode(status, body)
    }

    fn weigh(&self, event: &[u8], shape: Shape) -> Weight {
        let Some(event) = unframe(event, shape) else {
            return Weight::Quiet;
        };
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return Weight::Final;
        }
        if is_plain_content(data) {
            return Weight::Content;
        }
        if event.name == Some(b"error") {
            return Weight::Fault(fault::decode(fault::IN_STREAM, data));
        }
        weigh_chunk(data).unwrap_or(Weight::Content)
    }

    fn may_end(&self, events: &[u8]) -> bool {
        ENDS.any_in(events) || !has_no_reason(events)
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b": ping\n\n")
    }

    fn answer_model_path(&self, _shape: Shape) -> &'static [&'static str] {
        &["model"]
    }

    fn decode_request<'a>(&self, body: Node<'a>) -> Result<Request<'a>, Fault> {
        request::decode(body)
    }

    fn encode_request(
        &self,
        request: &Request<'_>,
        profile: &Profile,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        write::encode(request, profile, losses, out)
    }

    fn usage(&self, answer: Node<'_>, before: Option<Usage>) -> Option<Usage> {
        usage::of(&Fields::of(answer)).or(before)
    }

    fn decoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode> {
        Box::new(answer::Decoder::new(shape, reply))
    }

    fn encoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode> {
        match shape {
            Shape::Whole => Box::new(reply::Whole::new(reply)),
            Shape::Sse | Shape::JsonArray => Box::new(reply::Stream::new(reply)),
        }
    }
}

/// The common chunk, told without reading it: text, no error, and no reason to finish. Quotes inside
/// of strings are escaped, so these words with their quotes can only be keys or whole strings.
fn is_plain_content(data: &[u8]) -> bool {
    let has_text = memmem::find(data, b"\"content\":\"")
        .is_some_and(|at| data.get(at + 11).is_some_and(|first| *first != b'"'));
    has_text && memmem::find(data, b"\"error\"").is_none() && has_no_reason(data)
}

/// Whether every `finish_reason` is null.
fn has_no_reason(data: &[u8]) -> bool {
    REASON
        .find_iter(data)
        .all(|at| data[at + 15..].starts_with(b":null"))
}

/// `None` for what is no chunk we know.
fn weigh_chunk(data: &[u8]) -> Option<Weight> {
    let [choices, error, usage] = pick(data, ["choices", "error", "usage"])?;
    if error.is_some_and(|error| !is_blank(error)) {
        return Some(Weight::Fault(fault::decode(fault::IN_STREAM, data)));
    }
    let Some(choices) = choices else {
        // Usage alone, as some servers send it behind the last choice.
        return usage.map(|_| Weight::Quiet);
    };
    let mut weight = Weight::Quiet;
    for choice in elements(choices)? {
        match weigh_choice(choice, data)? {
            Weight::Quiet => {}
            Weight::Content if weight == Weight::Final => {}
            heavier => weight = heavier,
        }
    }
    Some(weight)
}

fn weigh_choice(choice: &[u8], data: &[u8]) -> Option<Weight> {
    let [delta, reason, message, text] =
        pick(choice, ["delta", "finish_reason", "message", "text"])?;
    if let Some(reason) = reason.filter(|reason| !is_blank(reason)) {
        return Some(if unquote(reason).as_deref() == Some("error") {
            Weight::Fault(fault::decode(fault::IN_STREAM, data))
        } else {
            Weight::Final
        });
    }
    let is_content = [message, text]
        .into_iter()
        .flatten()
        .any(|raw| !is_blank(raw))
        || delta.is_some_and(carries_content);
    Some(if is_content {
        Weight::Content
    } else {
        Weight::Quiet
    })
}

/// A role alone is no content; text, reasoning, refusals, calls and what we do not know are.
fn carries_content(delta: &[u8]) -> bool {
    super::has_member(delta, |key, value| key != "role" && !is_blank(value))
}

/// The cache mark among the members of a part, a message or a tool: OpenAI's own, or Anthropic's,
/// which many clients send here too.
fn cache_mark(extra: &Extra<'_>) -> Option<CacheMark> {
    let mark = extra.get("prompt_cache_breakpoint");
    let mark = mark.or_else(|| extra.get("cache_control"))?;
    Some(
        match Node::trusted(mark.as_str()).get_str("ttl").as_deref() {
            Some("5m") => CacheMark::Minutes5,
            Some("30m") => CacheMark::Minutes30,
            Some("1h") => CacheMark::Hour1,
            Some("12h") => CacheMark::Hours12,
            _ => CacheMark::Default,
        },
    )
}

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod reply_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;
