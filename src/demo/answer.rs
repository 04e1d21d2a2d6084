//! From a request to an answer, without a socket: which API is meant, whether it fails, and in which
//! pieces the answer leaves.

use serde_json::{Value, json};

use super::ask::{Ask, Say, prompt_tokens, tokens};
use super::{claude, gemini, openai_chat, openai_responses};
use crate::wire::{Format, Shape};

/// A model or a text of the user that stands for a provider that is out of quota.
const OUT_OF_QUOTA: &str = "demo-error-429";

/// A request, read in full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// The HTTP method.
    pub(super) method: &'a str,
    /// The path as it was sent.
    pub(super) path: &'a str,
    /// What follows the `?`.
    pub(super) query: &'a str,
    /// The credential, from wherever the format has it.
    pub(super) key: &'a str,
    /// The body.
    pub(super) body: &'a [u8],
    /// Tells this answer from every other one; becomes its ids.
    pub(super) serial: u64,
    /// Unix time in seconds.
    pub(super) now: u64,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// What the pieces are parts of.
    pub(super) shape: Shape,
    /// The body; more than one piece when it is streamed.
    pub(super) pieces: Vec<String>,
}

/// What an answer is made of in every format.
#[derive(Debug)]
pub(super) struct Answer {
    /// Ends each id.
    pub(super) id: String,
    /// Unix time in seconds.
    pub(super) created: u64,
    /// The model, as it was asked for.
    pub(super) model: String,
    /// What is said.
    pub(super) say: Say,
    /// Tokens of the request.
    pub(super) input: u64,
    /// Tokens of the answer.
    pub(super) output: u64,
}

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The body is not JSON.
    NotJson,
    /// The body is too long.
    TooLong,
    /// There is no such path.
    NotFound,
    /// The magic word, sent with the first key.
    OutOfQuota,
}

/// Answers `request`.
pub(super) fn reply(request: &Request<'_>) -> Reply {
    let Some((format, task)) = route(request) else {
        return fail(format_of(request.path), Fault::NotFound);
    };
    let Ok(body) = serde_json::from_slice::<Value>(request.body) else {
        return fail(format, Fault::NotJson);
    };
    match task {
        Task::Count => Reply::whole(200, &count(format, &body)),
        Task::Generate(generate) => generate.run(request, format, &body),
    }
}

/// An error in the words of `format`.
pub(super) fn fail(format: Format, fault: Fault) -> Reply {
    let (status, openai_type, code, claude_type, google_status) = match fault {
        Fault::NotJson => (
            400,
            "invalid_request_error",
            json!(null),
            "invalid_request_error",
            "INVALID_ARGUMENT",
        ),
        Fault::TooLong => (
            413,
            "invalid_request_error",
            json!("request_too_large"),
            "request_too_large",
            "INVALID_ARGUMENT",
        ),
        Fault::NotFound => (
            404,
            "invalid_request_error",
            json!(null),
            "not_found_error",
            "NOT_FOUND",
        ),
        Fault::OutOfQuota => (
            429,
            "requests",
            json!("rate_limit_exceeded"),
            "rate_limit_error",
            "RESOURCE_EXHAUSTED",
        ),
    };
    let message = match fault {
        Fault::NotJson => "The demo provider could not read the body as JSON.",
        Fault::TooLong => "The body is longer than the demo provider reads.",
        Fault::NotFound => "The demo provider has no such path.",
        Fault::OutOfQuota => "The first key of the demo provider is out of quota, as you asked.",
    };
    let body = match format {
        Format::OpenAiChat | Format::OpenAiResponses => json!({
            "error": {"message": message, "type": openai_type, "param": null, "code": code},
        }),
        Format::Claude => json!({
            "type": "error",
            "error": {"type": claude_type, "message": message},
            "request_id": null,
        }),
        Format::Gemini => {
            let mut error = json!({"code": status, "message": message, "status": google_status});
            if fault == Fault::OutOfQuota {
                error["details"] = json!([{
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": "1s",
                }]);
            }
            json!({ "error": error })
        }
    };
    Reply::whole(status, &body)
}

/// The format whose clients use `path`.
pub(super) fn format_of(path: &str) -> Format {
    if path.starts_with("/v1/messages") {
        Format::Claude
    } else if path.starts_with("/v1beta/") || path.starts_with("/v1alpha/") {
        Format::Gemini
    } else {
        Format::OpenAiChat
    }
}

#[derive(Debug)]
enum Task {
    Generate(Generate),
    Count,
}

/// What the path says about an answer. Gemini names model and framing in it, the others do so in the
/// body.
#[derive(Debug, Default)]
struct Generate {
    model: Option<String>,
    shape: Option<Shape>,
}

fn route(request: &Request<'_>) -> Option<(Format, Task)> {
    if request.method != "POST" {
        return None;
    }
    let in_body = Task::Generate(Generate::default());
    match request.path {
        "/v1/chat/completions" => Some((Format::OpenAiChat, in_body)),
        "/v1/responses" => Some((Format::OpenAiResponses, in_body)),
        "/v1/messages" => Some((Format::Claude, in_body)),
        "/v1/messages/count_tokens" => Some((Format::Claude, Task::Count)),
        path => Some((Format::Gemini, gemini_task(path, request.query)?)),
    }
}

/// `/v1beta/models/{model}:{action}`.
fn gemini_task(path: &str, query: &str) -> Option<Task> {
    let (model, action) = ["/v1beta/", "/v1alpha/", "/v1/"]
        .iter()
        .find_map(|version| path.strip_prefix(version))?
        .strip_prefix("models/")?
        .rsplit_once(':')?;
    let shape = match action {
        "generateContent" => Shape::Whole,
        "streamGenerateContent" if query.split('&').any(|pair| pair == "alt=sse") => Shape::Sse,
        "streamGenerateContent" => Shape::JsonArray,
        "countTokens" => return Some(Task::Count),
        _ => return None,
    };
    let model = percent_encoding::percent_decode_str(model).decode_utf8_lossy();
    Some(Task::Generate(Generate {
        model: Some(model.into_owned()),
        shape: Some(shape),
    }))
}

impl Generate {
    fn run(self, request: &Request<'_>, format: Format, body: &Value) -> Reply {
        let mut ask = match format {
            Format::OpenAiChat => openai_chat::read(body),
            Format::OpenAiResponses => openai_responses::read(body),
            Format::Claude => claude::read(body),
            Format::Gemini => gemini::read(body),
        };
        ask.model = self
            .model
            .or_else(|| body["model"].as_str().map(str::to_owned))
            .unwrap_or_else(|| "demo".to_owned());
        ask.prompt_tokens = prompt_tokens(body, prompt_parts(format));
        if request.key.ends_with("-1")
            && (ask.model == OUT_OF_QUOTA || ask.text.contains(OUT_OF_QUOTA))
        {
            return fail(format, Fault::OutOfQuota);
        }
        let shape = match (self.shape, ask.streamed) {
            (Some(shape), _) => shape,
            (None, true) => Shape::Sse,
            (None, false) => Shape::Whole,
        };
        let answer = Answer::new(&ask, request);
        match (format, shape) {
            (Format::OpenAiChat, Shape::Whole) => Reply::whole(200, &openai_chat::whole(&answer)),
            (Format::OpenAiChat, _) => Reply::stream(openai_chat::stream(&answer, body)),
            (Format::OpenAiResponses, Shape::Whole) => {
                Reply::whole(200, &openai_responses::whole(&answer, body))
            }
            (Format::OpenAiResponses, _) => Reply::stream(openai_responses::stream(&answer, body)),
            (Format::Claude, Shape::Whole) => Reply::whole(200, &claude::whole(&answer)),
            (Format::Claude, _) => Reply::stream(claude::stream(&answer)),
            (Format::Gemini, Shape::Whole) => Reply::whole(200, &gemini::whole(&answer)),
            (Format::Gemini, Shape::Sse) => {
                let chunks = gemini::chunks(&answer);
                Reply::stream(
                    chunks
                        .iter()
                        .map(|chunk| data(&chunk.to_string()))
                        .collect(),
                )
            }
            (Format::Gemini, Shape::JsonArray) => Reply::array(&gemini::chunks(&answer)),
        }
    }
}

fn count(format: Format, body: &Value) -> Value {
    let inner = match &body["generateContentRequest"] {
        Value::Null => body,
        inner => inner,
    };
    let tokens = prompt_tokens(inner, prompt_parts(format));
    match format {
        Format::Gemini => gemini::count(tokens),
        _ => json!({ "input_tokens": tokens }),
    }
}

/// The fields that a model reads.
fn prompt_parts(format: Format) -> &'static [&'static str] {
    match format {
        Format::OpenAiChat => &["messages", "tools"],
        Format::OpenAiResponses => &["instructions", "input", "tools"],
        Format::Claude => &["system", "messages", "tools"],
        Format::Gemini => &[
            "systemInstruction",
            "system_instruction",
            "contents",
            "tools",
        ],
    }
}

impl Answer {
    fn new(ask: &Ask, request: &Request<'_>) -> Self {
        let say = ask.answer();
        let output = match &say {
            Say::Text(text) => tokens(text),
            Say::Call { name, arguments } => tokens(name) + tokens(&arguments.to_string()),
        };
        Self {
            id: format!("demo{:x}{:06x}", request.now, request.serial),
            created: request.now,
            model: ask.model.clone(),
            say,
            input: ask.prompt_tokens,
            output,
        }
    }
}

impl Reply {
    fn whole(status: u16, body: &Value) -> Self {
        Self {
            status,
            shape: Shape::Whole,
            pieces: vec![body.to_string()],
        }
    }

    fn stream(pieces: Vec<String>) -> Self {
        Self {
            status: 200,
            shape: Shape::Sse,
            pieces,
        }
    }

    fn array(elements: &[Value]) -> Self {
        let mut pieces: Vec<String> = elements
            .iter()
            .enumerate()
            .map(|(at, element)| format!("{}{element}", if at == 0 { "[" } else { ",\r\n" }))
            .collect();
        pieces.push("]".to_owned());
        Self {
            status: 200,
            shape: Shape::JsonArray,
            pieces,
        }
    }
}

/// An event that has only data.
pub(super) fn data(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// An event with its `type` as its name. Anthropic's and OpenAI's clients skip an event without.
pub(super) fn event(body: &Value) -> String {
    let name = body["type"].as_str().unwrap_or("message");
    format!("event: {name}\ndata: {body}\n\n")
}

/// `text` in pieces of a few words, as a model would utter it.
pub(super) fn pieces(text: &str) -> Vec<&str> {
    const ENOUGH: usize = 24;
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if at - start >= ENOUGH && c == ' ' || at - start >= 2 * ENOUGH {
            pieces.push(&text[start..at]);
            start = at;
        }
    }
    pieces.push(&text[start..]);
    pieces
}
