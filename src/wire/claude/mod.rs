//! Anthropic Messages.

mod answer;
mod media;
mod request;
mod server;

use std::sync::Arc;

use memchr::memmem;

use super::fault::{self, Dialect, phrase};
use super::json::{Node, is_blank, pick, quote, unquote};
use super::{
    Codec, Decode, Encode, ErrorReply, Profile, Reply, Shape, Weight, Words, event_type, finders,
    has_member, unframe,
};
use crate::chat::{Fault, FaultKind, Losses, Request, Usage};
use request::betas;

/// What an end or an error has.
static ENDS: Words = Words::new(|| finders(["message_", "error", "stop_reason"]));

/// The Messages format.
#[derive(Debug, Clone, Copy)]
pub struct Claude;

impl Codec for Claude {
    fn encode_fault(&self, fault: &Fault, request_id: &str) -> ErrorReply {
        ErrorReply {
            status: words(fault.kind).0,
            body: error_document(fault, request_id).into_bytes(),
        }
    }

    fn encode_stream_fault(
        &self,
        fault: &Fault,
        request_id: &str,
        shape: Shape,
        _begun: bool,
        out: &mut Vec<u8>,
    ) {
        if shape == Shape::Sse {
            let document = error_document(fault, request_id);
            out.extend_from_slice(format!("event: error\ndata: {document}\n\n").as_bytes());
        }
    }

    fn decode_fault(&self, status: u16, body: &[u8]) -> Fault {
        fault::decode(status, body)
    }

    fn weigh(&self, event: &[u8], shape: Shape) -> Weight {
        let Some(event) = unframe(event, shape) else {
            return Weight::Quiet;
        };
        let Some(kind) = event_type(&event) else {
            return Weight::Content;
        };
        let data = event.data.trim_ascii();
        match &*kind {
            "message_start" | "ping" | "content_block_stop" => Weight::Quiet,
            "content_block_start" => weigh_block(data),
            "content_block_delta" if is_empty_delta(data) => Weight::Quiet,
            "message_delta" => weigh_message_delta(data),
            "message_stop" => Weight::Final,
            // The old text completions: every event may be the last.
            "completion" if has_stop_reason(data) => Weight::Final,
            "error" => Weight::Fault(fault::decode(fault::IN_STREAM, data)),
            _ => Weight::Content,
        }
    }

    fn may_end(&self, events: &[u8]) -> bool {
        ENDS.any_in(events)
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")
    }

    fn answer_model_path(&self, shape: Shape) -> &'static [&'static str] {
        match shape {
            Shape::Whole => &["model"],
            Shape::Sse | Shape::JsonArray => &["message", "model"],
        }
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
        request::encode(request, profile, losses, out)
    }

    fn request_headers(
        &self,
        request: &Request<'_>,
        profile: &Profile,
    ) -> Vec<(&'static str, String)> {
        let mut headers = vec![("anthropic-version", profile.claude.version.clone())];
        let betas = betas(request, profile);
        if !betas.is_empty() {
            headers.push(("anthropic-beta", betas.join(",")));
        }
        headers
    }

    fn usage(&self, answer: Node<'_>, before: Option<Usage>) -> Option<Usage> {
        let message = answer.get("message").unwrap_or(answer);
        let Some(usage) = message.get("usage") else {
            return before;
        };
        let mut counted = before.map_or_else(answer::Counted::default, |usage| {
            answer::Counted::resume(&usage)
        });
        counted.replace(usage);
        counted.usage()
    }

    fn decoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode> {
        Box::new(answer::Decoder::new(shape, reply))
    }

    fn encoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode> {
        match shape {
            Shape::Whole => Box::new(answer::WholeEncoder::new(reply)),
            Shape::Sse | Shape::JsonArray => Box::new(answer::StreamEncoder::new(reply)),
        }
    }
}

/// Text and thinking start empty; the start of a call, a result or an unknown block is content.
fn weigh_block(data: &[u8]) -> Weight {
    let Some([Some(block)]) = pick(data, ["content_block"]) else {
        return Weight::Content;
    };
    let kind = pick(block, ["type"]).and_then(|[kind]| unquote(kind?));
    let is_empty = matches!(kind.as_deref(), Some("text" | "thinking")) && !says_something(block);
    if is_empty {
        Weight::Quiet
    } else {
        Weight::Content
    }
}

fn is_empty_delta(data: &[u8]) -> bool {
    // No empty string anywhere, so not this one either.
    if memmem::find(data, b"\"\"").is_none() {
        return false;
    }
    pick(data, ["delta"]).is_some_and(|[delta]| delta.is_some_and(|delta| !says_something(delta)))
}

/// Whether a block or delta has more than its type.
fn says_something(object: &[u8]) -> bool {
    has_member(object, |key, value| key != "type" && !is_blank(value))
}

fn weigh_message_delta(data: &[u8]) -> Weight {
    match pick(data, ["delta"]) {
        Some([Some(delta)]) if has_stop_reason(delta) => Weight::Final,
        // Usage alone.
        Some(_) => Weight::Quiet,
        None => Weight::Content,
    }
}

fn has_stop_reason(object: &[u8]) -> bool {
    pick(object, ["stop_reason"]).is_some_and(|[reason]| reason.is_some_and(|raw| !is_blank(raw)))
}

fn error_document(fault: &Fault, request_id: &str) -> String {
    let details = fault.code.as_deref().map_or_else(String::new, |code| {
        format!(r#","details":{{"error_code":{}}}"#, quote(code))
    });
    format!(
        r#"{{"type":"error","error":{{"type":{},"message":{}{details}}},"request_id":{}}}"#,
        quote(words(fault.kind).1),
        quote(&message(fault)),
        quote(request_id),
    )
}

/// Anthropic has no `param`: the message names the field, as its own do.
fn message(fault: &Fault) -> String {
    match fault.param.as_deref() {
        _ if fault.kind == FaultKind::ContextLength => {
            phrase(Dialect::Claude, &fault.message).into_owned()
        }
        Some(param) if !fault.message.contains(param) => format!("{param}: {}", fault.message),
        _ => fault.message.to_string(),
    }
}

/// Status and type of a kind of fault.
const fn words(kind: FaultKind) -> (u16, &'static str) {
    const INVALID: &str = "invalid_request_error";
    match kind {
        FaultKind::InvalidRequest
        | FaultKind::ContextLength
        | FaultKind::ContentPolicy
        | FaultKind::UnsupportedMedia
        | FaultKind::Unprocessable
        | FaultKind::NotImplemented => (400, INVALID),
        FaultKind::Auth => (401, "authentication_error"),
        FaultKind::Permission => (403, "permission_error"),
        FaultKind::Billing => (402, "billing_error"),
        FaultKind::NotFound | FaultKind::ModelNotFound => (404, "not_found_error"),
        FaultKind::Conflict => (409, "conflict_error"),
        FaultKind::TooLarge => (413, "request_too_large"),
        FaultKind::RateLimit => (429, "rate_limit_error"),
        FaultKind::Overloaded => (529, "overloaded_error"),
        FaultKind::Internal | FaultKind::BadUpstream => (500, "api_error"),
        FaultKind::MethodNotAllowed => (405, INVALID),
        FaultKind::SlowRequest => (408, "timeout_error"),
        FaultKind::HeadersTooLarge => (431, INVALID),
        FaultKind::Timeout => (504, "timeout_error"),
        FaultKind::Cancelled => (499, INVALID),
    }
}

#[cfg(test)]
mod tests;
