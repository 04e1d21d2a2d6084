//! Judges, in tests, what the encoders write: as the strictest known client or provider would.
//!
//! It shares no code with the codecs. Every complaint names where and what.

mod claude;
mod gemini;
mod openai_chat;
mod openai_responses;
pub(crate) mod request;
mod request_claude;
mod request_gemini;
mod request_openai_chat;
mod request_openai_responses;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::sse::{Elements, Event};
use super::{Format, Shape};
use bytes::Bytes;

/// What is wrong.
pub(crate) type Judged<T = ()> = Result<T, String>;

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As a whole answer.
    Success,
    /// With an error in its place.
    Error,
}

/// Whose stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Author {
    /// Ours: every rule holds.
    Gateway,
    /// A provider's: what SDKs tolerate passes.
    Provider,
}

impl Author {
    const fn is_us(self) -> bool {
        matches!(self, Self::Gateway)
    }
}

/// One event of a stream.
#[derive(Debug, Clone)]
struct Frame {
    name: Option<String>,
    data: Data,
}

#[derive(Debug, Clone, PartialEq)]
enum Data {
    Json(Value),
    Done,
}

/// Says `what` is wrong unless `ok`.
fn ensure(ok: bool, what: impl FnOnce() -> String) -> Judged {
    if ok { Ok(()) } else { Err(what()) }
}

/// Judges a stream and says how it ended.
pub(crate) fn stream(format: Format, shape: Shape, author: Author, bytes: &[u8]) -> Judged<End> {
    let frames = frames(format, shape, author, bytes)?;
    let mut judge: Box<dyn Judge> = match format {
        Format::Claude => Box::new(claude::Stream::new(author)),
        Format::OpenAiChat => Box::new(openai_chat::Stream::new(author)),
        Format::OpenAiResponses => Box::new(openai_responses::Stream::new(author)),
        Format::Gemini => Box::new(gemini::Stream::new(author)),
    };
    for (number, frame) in frames.iter().enumerate() {
        judge
            .take(frame)
            .map_err(|what| format!("event {number}: {what}: {frame:?}"))?;
    }
    judge.end()
}

/// Judges a whole answer.
pub(crate) fn answer(format: Format, author: Author, bytes: &[u8]) -> Judged {
    let answer: Value =
        serde_json::from_slice(bytes).map_err(|error| format!("no JSON: {error}"))?;
    match format {
        Format::Claude => claude::answer(&answer, author),
        Format::OpenAiChat => openai_chat::answer(&answer, author),
        Format::OpenAiResponses => openai_responses::answer(&answer, author),
        Format::Gemini => gemini::answer(&answer, author),
    }
}

/// A stream's state machine.
trait Judge {
    fn take(&mut self, frame: &Frame) -> Judged;
    fn end(&self) -> Judged<End>;
}

fn frames(format: Format, shape: Shape, author: Author, bytes: &[u8]) -> Judged<Vec<Frame>> {
    match (shape, author) {
        (Shape::JsonArray, Author::Gateway) => {
            let Ok(Value::Array(chunks)) = serde_json::from_slice(bytes) else {
                return Err("no JSON array".to_owned());
            };
            Ok(chunks.into_iter().map(unnamed).collect())
        }
        (Shape::JsonArray, Author::Provider) => {
            let mut chunks = Vec::new();
            Elements::new(usize::MAX)
                .push(Bytes::copy_from_slice(bytes), |chunk| {
                    chunks.push(serde_json::from_slice(chunk).unwrap());
                })
                .unwrap();
            Ok(chunks.into_iter().map(unnamed).collect())
        }
        (_, Author::Gateway) => strict_frames(format, bytes),
        (_, Author::Provider) => lenient_frames(bytes),
    }
}

const fn unnamed(chunk: Value) -> Frame {
    Frame {
        name: None,
        data: Data::Json(chunk),
    }
}

/// What every SDK reads: `event: ` where the format has it, one `data: ` line, a blank line; comments as
/// events of their own, and none for Gemini.
fn strict_frames(format: Format, bytes: &[u8]) -> Judged<Vec<Frame>> {
    let text = std::str::from_utf8(bytes).map_err(|_| "no UTF-8".to_owned())?;
    ensure(!text.contains('\r'), || "a carriage return".to_owned())?;
    let Some(text) = text.strip_suffix("\n\n") else {
        return match text {
            "" => Ok(Vec::new()),
            _ => Err("no blank line after the last event".to_owned()),
        };
    };
    let has_names = matches!(format, Format::Claude | Format::OpenAiResponses);
    let mut frames = Vec::new();
    for block in text.split("\n\n") {
        let wrong = |what: &str| Err(format!("{what}: {block:?}"));
        if block.starts_with(':') {
            if format == Format::Gemini {
                return wrong("a comment breaks Gemini's Python SDK");
            }
            if block.contains('\n') {
                return wrong("a comment is an event of its own");
            }
            continue;
        }
        let (name, data) = match block.split_once('\n') {
            Some((name, data)) => (name.strip_prefix("event: "), data),
            None => (None, block),
        };
        let Some(data) = data.strip_prefix("data: ") else {
            return wrong("not one `data: ` line");
        };
        if data.contains('\n') {
            return wrong("more lines than `event: ` and `data: `");
        }
        let data = match data {
            "[DONE]" => Data::Done,
            data => match serde_json::from_str(data) {
                Ok(json) => Data::Json(json),
                Err(error) => return wrong(&format!("no JSON ({error})")),
            },
        };
        match (&data, name) {
            (Data::Json(json), Some(name)) if has_names => {
                if json["type"] != *name {
                    return wrong("the name of the event is not its type");
                }
            }
            (Data::Json(_), None) if has_names => return wrong("an event without a name"),
            (_, Some(_)) => return wrong("an event with a name"),
            (_, None) => {}
        }
        let name = name.map(str::to_owned);
        frames.push(Frame { name, data });
    }
    Ok(frames)
}

fn lenient_frames(bytes: &[u8]) -> Judged<Vec<Frame>> {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let mut frames = Vec::new();
    for block in text.split("\n\n") {
        let Some(event) = Event::parse(block.as_bytes()) else {
            continue;
        };
        let data = event.data.trim_ascii();
        let data = match data {
            b"[DONE]" => Data::Done,
            data => Data::Json(
                serde_json::from_slice(data).map_err(|error| format!("{error}: {block:?}"))?,
            ),
        };
        let name = event
            .name
            .map(|name| String::from_utf8_lossy(name).into_owned());
        frames.push(Frame { name, data });
    }
    Ok(frames)
}

/// A member that must be a string.
fn string<'a>(value: &'a Value, key: &str) -> Judged<&'a str> {
    value[key]
        .as_str()
        .ok_or_else(|| format!("`{key}` is no string: {}", value[key]))
}

/// A member that must be a string with something in it.
fn filled<'a>(value: &'a Value, key: &str) -> Judged<&'a str> {
    match string(value, key)? {
        "" => Err(format!("`{key}` is empty")),
        text => Ok(text),
    }
}

/// A member that must be a whole number from 0.
fn number(value: &Value, key: &str) -> Judged<u64> {
    value[key]
        .as_u64()
        .ok_or_else(|| format!("`{key}` is no whole number: {}", value[key]))
}

/// A member that must be an array.
fn list<'a>(value: &'a Value, key: &str) -> Judged<&'a [Value]> {
    value[key]
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| format!("`{key}` is no array: {}", value[key]))
}

/// A member that is one of a few words.
fn one_of<'a>(value: &'a Value, key: &str, words: &[&str]) -> Judged<&'a str> {
    let word = string(value, key)?;
    ensure(words.contains(&word), || format!("`{key}` is `{word}`"))?;
    Ok(word)
}

/// Whether a member is left out or null.
fn absent(value: &Value, key: &str) -> bool {
    value[key].is_null()
}

/// Nothing but these members.
fn only(value: &Value, keys: &[&str]) -> Judged {
    let Some(object) = value.as_object() else {
        return Err(format!("no object: {value}"));
    };
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("`{key}` has no place in {value}")),
        None => Ok(()),
    }
}

/// Text of letters, digits, `_` and `-`, at most `most` of them.
fn is_plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Text that is a JSON object.
fn is_object(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Object(_)))
}
