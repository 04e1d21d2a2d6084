//! Gemini generateContent, bare or in the envelope of Code Assist.

mod answer;
mod encode;
pub mod envelope;
mod media;
mod members;
mod part;
mod request;
mod schema;

pub use members::camel;

use std::sync::Arc;

use memchr::memmem;

use super::fault::{self, Dialect, phrase, proto_duration};
use super::json::{Node, elements, is_blank, pick, quote, unquote};
use super::{Codec, ErrorReply, Shape, Weight, Words, finders, has_member, unframe};
use super::{Decode, Encode, Profile, Reply};
use crate::chat::{Fault, FaultKind, Losses, Request, Usage};

/// What an end or an error has.
static ENDS: Words = Words::new(|| finders(["Reason\"", "error"]));

/// The generateContent format.
#[derive(Debug, Clone, Copy)]
pub struct Gemini;

impl Codec for Gemini {
    fn encode_fault(&self, fault: &Fault, _request_id: &str) -> ErrorReply {
        ErrorReply {
            status: words(fault.kind).0,
            body: error_document(fault).into_bytes(),
        }
    }

    fn encode_stream_fault(
        &self,
        fault: &Fault,
        _request_id: &str,
        shape: Shape,
        begun: bool,
        out: &mut Vec<u8>,
    ) {
        let document = error_document(fault);
        let framed = match (shape, begun) {
            (Shape::Whole, _) => return,
            (Shape::Sse, _) => format!("data: {document}\n\n"),
            (Shape::JsonArray, true) => format!(",{document}]"),
            (Shape::JsonArray, false) => format!("[{document}]"),
        };
        out.extend_from_slice(framed.as_bytes());
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
        if is_plain_content(data) {
            return Weight::Content;
        }
        weigh_chunk(data).unwrap_or(Weight::Content)
    }

    fn may_end(&self, events: &[u8]) -> bool {
        ENDS.any_in(events)
    }

    /// The Python client fails on comments, so silence stays silence.
    fn keep_alive(&self) -> Option<&'static [u8]> {
        None
    }

    fn answer_model_path(&self, _shape: Shape) -> &'static [&'static str] {
        &["modelVersion"]
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
        encode::encode(request, profile, losses, out)
    }

    fn usage(&self, answer: Node<'_>, before: Option<Usage>) -> Option<Usage> {
        answer::usage::of(answer).or(before)
    }

    fn decoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Decode> {
        Box::new(answer::Decoder::new(shape, reply))
    }

    fn encoder(&self, shape: Shape, reply: &Arc<Reply>) -> Box<dyn Encode> {
        Box::new(answer::Encoder::new(shape, reply))
    }
}

/// The common chunk, told without reading it: text, no error and no reason to finish. Quotes inside
/// of strings are escaped, so these words with their quotes can only be keys or whole strings.
fn is_plain_content(data: &[u8]) -> bool {
    let has_text = memmem::find(data, b"\"text\":").is_some_and(
        |at| matches!(data[at + 7..].trim_ascii_start(), [b'"', first, ..] if *first != b'"'),
    );
    let has_word = |word: &str| memmem::find(data, word.as_bytes()).is_some();
    has_text
        && !["\"finishReason\"", "\"error\"", "\"blockReason\""]
            .into_iter()
            .any(has_word)
}

/// `None` for what is no chunk we know.
fn weigh_chunk(data: &[u8]) -> Option<Weight> {
    const NAMES: [&str; 4] = ["candidates", "promptFeedback", "usageMetadata", "error"];
    // An error may come as an array of one.
    let data = match data {
        [b'[', ..] => *elements(data)?.first()?,
        data => data,
    };
    let [response] = pick(data, ["response"])?;
    let inner = response.unwrap_or(data);
    let [candidates, feedback, usage, inner_error] = pick(inner, NAMES)?;
    let [error] = pick(data, ["error"])?;
    for (error, document) in [(error, data), (inner_error, inner)] {
        if error.is_some_and(|error| !is_blank(error)) {
            return Some(Weight::Fault(fault::decode(fault::IN_STREAM, document)));
        }
    }
    let mut weight = match (candidates, feedback, usage) {
        (None, None, None) => return None,
        _ => Weight::Quiet,
    };
    for candidate in candidates.map_or_else(|| Some(Vec::new()), elements)? {
        let [reason, content] = pick(candidate, ["finishReason", "content"])?;
        if reason.is_some_and(is_reason) {
            return Some(Weight::Final);
        }
        if content.is_some_and(carries_content) {
            weight = Weight::Content;
        }
    }
    // A refused prompt has no candidates; that is the whole answer.
    let block = feedback.and_then(|feedback| pick(feedback, ["blockReason"])?[0]);
    Some(if block.is_some_and(is_reason) {
        Weight::Final
    } else {
        weight
    })
}

fn is_reason(raw: &[u8]) -> bool {
    !is_blank(raw) && !unquote(raw).is_some_and(|reason| reason.ends_with("_UNSPECIFIED"))
}

/// An empty text is no content, even of thoughts; text, media, calls and signatures are.
fn carries_content(content: &[u8]) -> bool {
    let Some([parts]) = pick(content, ["parts"]) else {
        return true;
    };
    parts
        .and_then(elements)
        .unwrap_or_default()
        .into_iter()
        .any(|part| {
            has_member(part, |key, value| match key {
                "thought" => false,
                "text" | "thoughtSignature" => !is_blank(value),
                // An empty `functionCall` ends a call that came in pieces.
                _ => value != b"null",
            })
        })
}

fn error_document(fault: &Fault) -> String {
    let (code, status) = words(fault.kind);
    let message = match fault.kind {
        FaultKind::ContextLength => phrase(Dialect::Gemini, &fault.message),
        _ => fault.message.as_ref().into(),
    };
    let details = details(fault, &message);
    let details = if details.is_empty() {
        String::new()
    } else {
        format!(r#","details":[{}]"#, details.join(","))
    };
    format!(
        r#"{{"error":{{"code":{code},"message":{},"status":{}{details}}}}}"#,
        quote(&message),
        quote(status),
    )
}

fn details(fault: &Fault, message: &str) -> Vec<String> {
    let info = fault.code.as_deref().map(|code| {
        let reason = quote(&screaming(code));
        format!(r#"{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":{reason},"domain":"ai-proxy"}}"#)
    });
    let retry = fault.retry_after.map(|wait| {
        let delay = quote(&proto_duration(wait));
        format!(r#"{{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":{delay}}}"#)
    });
    let field = fault.param.as_deref().map(|param| {
        let (field, description) = (quote(param), quote(message));
        format!(r#"{{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{{"field":{field},"description":{description}}}]}}"#)
    });
    [info, retry, field].into_iter().flatten().collect()
}

/// `model_not_found` and `DeploymentNotFound` as Google writes reasons.
fn screaming(code: &str) -> String {
    let mut out = String::with_capacity(code.len() + 4);
    let mut was_lower = false;
    for character in code.chars() {
        if was_lower && character.is_ascii_uppercase() {
            out.push('_');
        }
        was_lower = character.is_ascii_lowercase();
        out.push(if character.is_ascii_alphanumeric() {
            character.to_ascii_uppercase()
        } else {
            '_'
        });
    }
    out
}

/// HTTP status, which is the code in the body too, and Google's status.
const fn words(kind: FaultKind) -> (u16, &'static str) {
    const INVALID: &str = "INVALID_ARGUMENT";
    match kind {
        FaultKind::InvalidRequest
        | FaultKind::ContextLength
        | FaultKind::ContentPolicy
        | FaultKind::UnsupportedMedia
        | FaultKind::Unprocessable => (400, INVALID),
        FaultKind::Auth => (401, "UNAUTHENTICATED"),
        FaultKind::Permission => (403, "PERMISSION_DENIED"),
        FaultKind::Billing | FaultKind::RateLimit => (429, "RESOURCE_EXHAUSTED"),
        FaultKind::NotFound | FaultKind::ModelNotFound => (404, "NOT_FOUND"),
        FaultKind::Conflict => (409, "ABORTED"),
        FaultKind::TooLarge => (413, INVALID),
        FaultKind::Overloaded => (503, "UNAVAILABLE"),
        FaultKind::Internal | FaultKind::BadUpstream => (500, "INTERNAL"),
        FaultKind::MethodNotAllowed => (405, INVALID),
        FaultKind::SlowRequest => (408, "DEADLINE_EXCEEDED"),
        FaultKind::HeadersTooLarge => (431, INVALID),
        FaultKind::Timeout => (504, "DEADLINE_EXCEEDED"),
        FaultKind::Cancelled => (499, "CANCELLED"),
        FaultKind::NotImplemented => (501, "UNIMPLEMENTED"),
    }
}

#[cfg(test)]
mod tests;
