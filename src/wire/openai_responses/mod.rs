//! OpenAI Responses.
//!
//! `decode` and `encode` are for requests, `answer` reads answers and `write` writes them; `content` and
//! `hosted` read what both have.

mod answer;
mod content;
mod decode;
mod encode;
mod hosted;
mod write;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

use super::fault;
use super::json::{Fields, Node, is_blank, pick, quote, unquote};
use super::openai::OpenAiError;
use super::{
    Codec, Decode, Encode, ErrorReply, Profile, Reply, Shape, Weight, Words, event_type, finders,
    unframe,
};
use crate::chat::{Extra, Fault, FaultKind, Losses, Request, Usage};

/// What an end or an error has.
static ENDS: Words = Words::new(|| {
    finders([
        "response.completed",
        "response.incomplete",
        "response.failed",
        "error",
    ])
});

/// The Responses format.
#[derive(Debug, Clone, Copy)]
pub struct OpenAiResponses;

impl Codec for OpenAiResponses {
    fn encode_fault(&self, fault: &Fault, _request_id: &str) -> ErrorReply {
        let error = OpenAiError::new(fault);
        ErrorReply {
            // Responses answers 400 for a model it does not know, Chat Completions 404.
            status: match fault.kind {
                FaultKind::ModelNotFound => 400,
                _ => error.status,
            },
            body: format!(r#"{{"error":{}}}"#, error.object()).into_bytes(),
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
        if shape != Shape::Sse {
            return;
        }
        let error = OpenAiError::new(fault);
        // Flat and nested together: the SDKs raise on the nested form only, others read the flat.
        let events = format!(
            "event: error\ndata: {{\"type\":\"error\",\"sequence_number\":0,{},\"error\":{}}}\n\n\
             event: response.failed\ndata: {{\"type\":\"response.failed\",\"sequence_number\":1,\"response\":{}}}\n\n",
            error.flat_members(),
            error.object(),
            failed_response(&error, request_id),
        );
        out.extend_from_slice(events.as_bytes());
    }

    fn decode_fault(&self, status: u16, body: &[u8]) -> Fault {
        fault::decode(status, body)
    }

    fn weigh(&self, event: &[u8], shape: Shape) -> Weight {
        let Some(event) = unframe(event, shape) else {
            return Weight::Quiet;
        };
        let data = event.data.trim_ascii();
        // Some compatible servers end like Chat Completions; here it says nothing.
        if data == b"[DONE]" {
            return Weight::Quiet;
        }
        let Some(kind) = event_type(&event) else {
            return Weight::Content;
        };
        match &*kind {
            "response.created"
            | "response.in_progress"
            | "response.queued"
            | "response.content_part.added"
            | "response.reasoning_summary_part.added"
            | "keepalive"
            | "ping" => Weight::Quiet,
            "response.output_item.added" => weigh_item(data),
            "response.completed" | "response.incomplete" => Weight::Final,
            "response.failed" => Weight::Fault(failure(data)),
            "error" => Weight::Fault(fault::decode(fault::IN_STREAM, data)),
            kind if kind.ends_with(".delta") && has_empty_delta(data) => Weight::Quiet,
            _ => Weight::Content,
        }
    }

    fn may_end(&self, events: &[u8]) -> bool {
        ENDS.any_in(events)
    }

    fn keep_alive(&self) -> Option<&'static [u8]> {
        Some(b": ping\n\n")
    }

    fn answer_model_path(&self, shape: Shape) -> &'static [&'static str] {
        match shape {
            Shape::Whole => &["model"],
            Shape::Sse | Shape::JsonArray => &["response", "model"],
        }
    }

    fn decode_request<'a>(&self, body: Node<'a>) -> Result<Request<'a>, Fault> {
        decode::request(body)
    }

    fn encode_request(
        &self,
        request: &Request<'_>,
        profile: &Profile,
        losses: &mut Losses,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        encode::request(request, profile, losses, out)
    }

    fn echo(&self, body: Node<'_>) -> Extra<'static> {
        let mut all = body.object().rest();
        all.0.retain(|(key, _)| write::ECHO.contains(&&**key));
        all.into_owned()
    }

    fn usage(&self, answer: Node<'_>, before: Option<Usage>) -> Option<Usage> {
        // An event has the response in it.
        let response = answer.get("response").unwrap_or(answer);
        answer::usage(&Fields::of(response)).or(before)
    }

    fn decoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode> {
        answer::decoder(shape, reply)
    }

    fn encoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode> {
        write::encoder(shape, reply)
    }
}

/// A message or a reasoning item has nothing in it yet; the start of a call is content.
fn weigh_item(data: &[u8]) -> Weight {
    let kind = pick(data, ["item"])
        .and_then(|[item]| pick(item?, ["type"]))
        .and_then(|[kind]| unquote(kind?));
    match kind.as_deref() {
        Some("message" | "reasoning") => Weight::Quiet,
        _ => Weight::Content,
    }
}

fn has_empty_delta(data: &[u8]) -> bool {
    // No empty string anywhere, so not this one either.
    if memmem::find(data, b"\"\"").is_none() {
        return false;
    }
    pick(data, ["delta"]).is_some_and(|[delta]| delta.is_some_and(is_blank))
}

/// The error of a failed response.
fn failure(data: &[u8]) -> Fault {
    let response = pick(data, ["response"]).and_then(|[response]| response);
    fault::decode(fault::IN_STREAM, response.unwrap_or(data))
}

/// The least that clients accept as a response object.
fn failed_response(error: &OpenAiError, request_id: &str) -> String {
    let created_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(1, |now| now.as_secs());
    format!(
        r#"{{"id":{},"object":"response","created_at":{created_at},"status":"failed","error":{},"incomplete_details":null,"instructions":null,"metadata":{{}},"model":"","output":[],"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"usage":null}}"#,
        quote(&format!("resp_{request_id}")),
        error.response_error(),
    )
}

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod validate_tests;
#[cfg(test)]
mod write_tests;
