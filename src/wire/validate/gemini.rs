//! Gemini, as its SDKs read it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Author, Data, End, Frame, Judge, Judged, absent, ensure, filled, list, number, one_of, string,
};

const FINISH_REASONS: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
];

/// Of these members a part has exactly one.
const DATA: &[&str] = &[
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

pub(super) struct Stream {
    author: Author,
    head: Option<Value>,
    /// Which candidates there are, and whether they have finished.
    candidates: BTreeMap<u64, bool>,
    ids: Vec<String>,
    is_blocked: bool,
    has_error: bool,
}

impl Stream {
    pub(super) const fn new(author: Author) -> Self {
        Self {
            author,
            head: None,
            candidates: BTreeMap::new(),
            ids: Vec::new(),
            is_blocked: false,
            has_error: false,
        }
    }

    fn is_finished(&self) -> bool {
        self.is_blocked
            || (!self.candidates.is_empty() && self.candidates.values().all(|finished| *finished))
    }
}

impl Judge for Stream {
    fn take(&mut self, frame: &Frame) -> Judged {
        let us = self.author.is_us();
        ensure(!self.has_error, || "an event after the error".to_owned())?;
        let Data::Json(chunk) = &frame.data else {
            return Err("[DONE] is OpenAI's".to_owned());
        };
        let chunk = match chunk.get("response") {
            Some(inner) if !us => inner,
            _ => chunk,
        };
        if !absent(chunk, "error") {
            self.has_error = true;
            return error(&chunk["error"]);
        }
        ensure(!self.is_finished() || !us, || {
            "a chunk after the end".to_owned()
        })?;
        if us {
            let head =
                serde_json::json!([filled(chunk, "responseId")?, string(chunk, "modelVersion")?]);
            let first = self.head.get_or_insert_with(|| head.clone());
            ensure(*first == head, || {
                format!("responseId or modelVersion changed from {first}")
            })?;
        }
        self.is_blocked |= !absent(&chunk["promptFeedback"], "blockReason");
        usage(chunk, self.author)?;
        let candidates = match absent(chunk, "candidates") {
            true => &[],
            false => list(chunk, "candidates")?,
        };
        ensure(!candidates.is_empty() || self.is_blocked || !us, || {
            "no candidates".to_owned()
        })?;
        for candidate in candidates {
            let index = match candidate.get("index") {
                None if !us => 0,
                _ => number(candidate, "index")?,
            };
            let finished = self.candidates.entry(index).or_default();
            ensure(!*finished || !us, || "after its finishReason".to_owned())?;
            *finished |= content(candidate, self.author, &mut self.ids)?;
        }
        Ok(())
    }

    fn end(&self) -> Judged<End> {
        match (self.has_error, self.is_finished()) {
            (true, _) => Ok(End::Error),
            (false, true) => Ok(End::Success),
            (false, false) => Err("no end".to_owned()),
        }
    }
}

/// Judges a whole answer.
pub(super) fn answer(answer: &Value, author: Author) -> Judged {
    usage(answer, author)?;
    if author.is_us() {
        filled(answer, "responseId")?;
        string(answer, "modelVersion")?;
    }
    let is_blocked = !absent(&answer["promptFeedback"], "blockReason");
    let candidates = match absent(answer, "candidates") {
        true if is_blocked => return Ok(()),
        _ => list(answer, "candidates")?,
    };
    let mut ids = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        if author.is_us() {
            let index = number(candidate, "index")?;
            ensure(index == at as u64, || {
                format!("candidate {at} has index {index}")
            })?;
        }
        let finished = content(candidate, author, &mut ids)?;
        ensure(finished, || "no finishReason".to_owned())?;
        let parts = candidate["content"]["parts"].as_array().map_or(0, Vec::len);
        let stopped = candidate["finishReason"] == "STOP";
        ensure(!author.is_us() || !stopped || parts > 0, || {
            "STOP without parts".to_owned()
        })?;
    }
    Ok(())
}

/// Judges a candidate; whether it has finished.
fn content(candidate: &Value, author: Author, ids: &mut Vec<String>) -> Judged<bool> {
    let us = author.is_us();
    let content = &candidate["content"];
    if us && !content.is_null() {
        one_of(content, "role", &["model"])?;
    }
    let parts = match absent(content, "parts") {
        true => &[],
        false => list(content, "parts")?,
    };
    for part in parts {
        self::part(part, us, ids)?;
    }
    if absent(candidate, "finishReason") {
        ensure(!parts.is_empty() || !us, || {
            "a chunk that says nothing".to_owned()
        })?;
        return Ok(false);
    }
    one_of(candidate, "finishReason", FINISH_REASONS)?;
    Ok(true)
}

fn part(part: &Value, us: bool, ids: &mut Vec<String>) -> Judged {
    let data = DATA.iter().filter(|key| part.get(key).is_some()).count();
    ensure(data == 1, || {
        format!("a part with {data} kinds of data: {part}")
    })?;
    if let Some(call) = part.get("functionCall").filter(|_| us) {
        filled(call, "name")?;
        ensure(call["args"].is_object(), || {
            "args that are no object".to_owned()
        })?;
        let id = filled(call, "id")?.to_owned();
        ensure(!ids.contains(&id), || format!("two calls `{id}`"))?;
        ids.push(id);
    }
    if let Some(blob) = part.get("inlineData") {
        filled(blob, "mimeType").and_then(|_| filled(blob, "data"))?;
    }
    if let Some(signature) = part.get("thoughtSignature") {
        let is_base64 = signature.as_str().is_some_and(|text| {
            !text.is_empty()
                && text.len() % 4 == 0
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
        });
        ensure(is_base64, || {
            format!("a signature that is no base64: {signature}")
        })?;
    }
    Ok(())
}

fn usage(chunk: &Value, author: Author) -> Judged {
    let usage = &chunk["usageMetadata"];
    if usage.is_null() {
        return Ok(());
    }
    let count = |key| match usage.get(key) {
        None => Ok(0),
        Some(_) => number(usage, key),
    };
    let sum = count("promptTokenCount")?
        + count("candidatesTokenCount")?
        + count("thoughtsTokenCount")?
        + count("toolUsePromptTokenCount")?;
    if author.is_us() {
        number(usage, "totalTokenCount")?;
    }
    let total = count("totalTokenCount")?;
    ensure(total == sum || !author.is_us(), || {
        format!("the total is not the sum: {usage}")
    })?;
    let cached = count("cachedContentTokenCount")?;
    let input = count("promptTokenCount")? + count("toolUsePromptTokenCount")?;
    ensure(cached <= input || !author.is_us(), || {
        "more cached than sent".to_owned()
    })
}

fn error(error: &Value) -> Judged {
    let code = number(error, "code")?;
    ensure((400..600).contains(&code), || format!("the code {code}"))?;
    filled(error, "message")
        .and_then(|_| filled(error, "status"))
        .map(drop)
}
