//! OpenAI Chat Completions, as its SDKs and readers of `choices[0]` read it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Author, Data, End, Frame, Judge, Judged, absent, ensure, filled, list, number, one_of, string,
};

const FINISH_REASONS: &[&str] = &[
    "stop",
    "length",
    "tool_calls",
    "content_filter",
    "function_call",
];

#[derive(Default)]
struct Choice {
    has_role: bool,
    calls: Vec<String>,
    ids: Vec<String>,
    has_legacy_call: bool,
    is_finished: bool,
}

pub(super) struct Stream {
    author: Author,
    head: Option<Value>,
    choices: BTreeMap<u64, Choice>,
    has_usage: bool,
    is_done: bool,
    end: Option<End>,
}

impl Stream {
    pub(super) const fn new(author: Author) -> Self {
        Self {
            author,
            head: None,
            choices: BTreeMap::new(),
            has_usage: false,
            is_done: false,
            end: None,
        }
    }

    fn chunk(&mut self, chunk: &Value) -> Judged {
        let us = self.author.is_us();
        if us {
            one_of(chunk, "object", &["chat.completion.chunk"])?;
            filled(chunk, "id")?;
            number(chunk, "created")?;
            string(chunk, "model")?;
            let head = serde_json::json!([chunk["id"], chunk["created"], chunk["model"]]);
            let first = self.head.get_or_insert_with(|| head.clone());
            ensure(*first == head, || {
                format!("id, created or model changed from {first}")
            })?;
        }
        let choices = list(chunk, "choices")?;
        if choices.is_empty() && us {
            ensure(!absent(chunk, "usage"), || {
                "neither choices nor usage".to_owned()
            })?;
        }
        if !absent(chunk, "usage") {
            usage(&chunk["usage"])?;
            ensure(!us || !self.has_usage, || "usage twice".to_owned())?;
            ensure(!us || choices.is_empty(), || {
                "usage beside choices".to_owned()
            })?;
            self.has_usage = true;
        } else {
            ensure(!us || !self.has_usage, || {
                "a chunk after the usage".to_owned()
            })?;
        }
        for choice in choices {
            self.choice(choice)?;
        }
        Ok(())
    }

    fn choice(&mut self, value: &Value) -> Judged {
        let us = self.author.is_us();
        let index = number(value, "index")?;
        let choice = self.choices.entry(index).or_default();
        ensure(!choice.is_finished || !us, || {
            "after its finish_reason".to_owned()
        })?;
        let delta = &value["delta"];
        ensure(delta.is_object(), || "no delta".to_owned())?;
        if !choice.has_role && us {
            one_of(delta, "role", &["assistant"])?;
        }
        choice.has_role = true;
        for key in ["content", "refusal", "reasoning_content", "reasoning"] {
            if !absent(delta, key) {
                string(delta, key)?;
            }
        }
        if !absent(delta, "function_call") {
            choice.has_legacy_call = true;
        }
        if !absent(delta, "tool_calls") {
            for call in list(delta, "tool_calls")? {
                fragment(choice, call, us)?;
            }
        }
        ensure(value.get("finish_reason").is_some() || !us, || {
            "no finish_reason".to_owned()
        })?;
        if absent(value, "finish_reason") {
            return Ok(());
        }
        let reason = one_of(value, "finish_reason", FINISH_REASONS)?;
        if choice.is_finished {
            return Ok(());
        }
        choice.is_finished = true;
        if us {
            agrees(reason, !choice.calls.is_empty(), choice.has_legacy_call)?;
        }
        if reason == "tool_calls" {
            for call in &choice.calls {
                // What the model wrote may be anything, but nothing at all breaks who parses it.
                ensure(!call.is_empty() || !us, || "no arguments".to_owned())?;
            }
        }
        Ok(())
    }
}

fn fragment(choice: &mut Choice, call: &Value, us: bool) -> Judged {
    let index = usize::try_from(number(call, "index")?).unwrap();
    let body = if call.get("custom").is_some() {
        "custom"
    } else {
        "function"
    };
    let text = if body == "custom" {
        "input"
    } else {
        "arguments"
    };
    if index >= choice.calls.len() {
        ensure(index == choice.calls.len(), || {
            "a gap in the calls' indices".to_owned()
        })?;
        let id = filled(call, "id")?.to_owned();
        ensure(!choice.ids.contains(&id), || format!("two calls `{id}`"))?;
        choice.ids.push(id);
        ensure(!us || call["type"] == body, || {
            "the first fragment has no type".to_owned()
        })?;
        filled(&call[body], "name")?;
        choice.calls.push(String::new());
    } else if us {
        ensure(absent(call, "id"), || {
            "a later fragment with an id".to_owned()
        })?;
        ensure(absent(&call[body], "name"), || {
            "a later fragment with a name".to_owned()
        })?;
    }
    if !absent(&call[body], text) {
        let more = string(&call[body], text)?;
        if body == "custom" {
            // Free text may be empty.
            choice.calls[index] = format!("{more} ");
        } else {
            choice.calls[index] += more;
        }
    }
    Ok(())
}

impl Judge for Stream {
    fn take(&mut self, frame: &Frame) -> Judged {
        ensure(!self.is_done, || "an event after [DONE]".to_owned())?;
        ensure(self.end != Some(End::Error), || {
            "an event after the error".to_owned()
        })?;
        match &frame.data {
            Data::Done => {
                let finished = self.choices.values().all(|choice| choice.is_finished);
                ensure(finished && !self.choices.is_empty(), || {
                    "no finish_reason before it".to_owned()
                })?;
                self.is_done = true;
                self.end = Some(End::Success);
                Ok(())
            }
            Data::Json(event) if !absent(event, "error") => {
                self.end = Some(End::Error);
                error(&event["error"], self.author)
            }
            Data::Json(event) => self.chunk(event),
        }
    }

    fn end(&self) -> Judged<End> {
        let finished =
            !self.choices.is_empty() && self.choices.values().all(|choice| choice.is_finished);
        match self.end {
            None if finished && !self.author.is_us() => Ok(End::Success),
            None => Err("no end".to_owned()),
            Some(end) => Ok(end),
        }
    }
}

/// Judges a whole answer.
pub(super) fn answer(answer: &Value, author: Author) -> Judged {
    filled(answer, "id")?;
    number(answer, "created")?;
    string(answer, "model")?;
    if author.is_us() {
        one_of(answer, "object", &["chat.completion"])?;
    }
    let choices = list(answer, "choices")?;
    ensure(!choices.is_empty(), || "no choices".to_owned())?;
    for (at, choice) in choices.iter().enumerate() {
        let index = number(choice, "index")?;
        ensure(index == at as u64, || {
            format!("choice {at} has index {index}")
        })?;
        let message = &choice["message"];
        one_of(message, "role", &["assistant"])?;
        ensure(message.get("content").is_some() || !author.is_us(), || {
            "no content".to_owned()
        })?;
        for key in ["content", "refusal", "reasoning_content"] {
            if !absent(message, key) {
                string(message, key)?;
            }
        }
        let reason = one_of(choice, "finish_reason", FINISH_REASONS)?;
        let calls = match absent(message, "tool_calls") {
            true => &[],
            false => list(message, "tool_calls")?,
        };
        ensure(absent(message, "tool_calls") || !calls.is_empty(), || {
            "no calls in a list".to_owned()
        })?;
        let mut ids: Vec<&str> = Vec::new();
        for call in calls {
            let id = filled(call, "id")?;
            ensure(!ids.contains(&id), || format!("two calls `{id}`"))?;
            ids.push(id);
            match one_of(call, "type", &["function", "custom"])? {
                "custom" => {
                    filled(&call["custom"], "name")
                        .and_then(|_| string(&call["custom"], "input"))?;
                }
                _ => {
                    filled(&call["function"], "name")?;
                    let arguments = string(&call["function"], "arguments")?;
                    ensure(!author.is_us() || !arguments.is_empty(), || {
                        "no arguments".to_owned()
                    })?;
                }
            }
        }
        if author.is_us() {
            agrees(reason, !calls.is_empty(), !absent(message, "function_call"))?;
        }
    }
    if author.is_us() || !absent(answer, "usage") {
        usage(&answer["usage"])?;
    }
    Ok(())
}

/// Clients run tools when they are told to, and only then.
fn agrees(reason: &str, has_calls: bool, has_legacy_call: bool) -> Judged {
    let right = match reason {
        "tool_calls" => has_calls,
        "function_call" => has_legacy_call,
        "stop" => !has_calls && !has_legacy_call,
        _ => true,
    };
    ensure(right, || {
        format!("finish_reason {reason}, calls: {has_calls}")
    })
}

fn usage(usage: &Value) -> Judged {
    let input = number(usage, "prompt_tokens")?;
    let output = number(usage, "completion_tokens")?;
    let total = number(usage, "total_tokens")?;
    ensure(input + output == total, || {
        format!("the total is not the sum: {usage}")
    })?;
    let cached = &usage["prompt_tokens_details"]["cached_tokens"];
    ensure(cached.as_u64().unwrap_or(0) <= input, || {
        "more cached than sent".to_owned()
    })?;
    let reasoning = &usage["completion_tokens_details"]["reasoning_tokens"];
    ensure(reasoning.as_u64().unwrap_or(0) <= output, || {
        "more reasoning than output".to_owned()
    })
}

fn error(error: &Value, author: Author) -> Judged {
    filled(error, "message")?;
    if author.is_us() {
        filled(error, "type")?;
        for key in ["param", "code"] {
            ensure(error.get(key).is_some(), || format!("no `{key}`"))?;
        }
    }
    Ok(())
}
