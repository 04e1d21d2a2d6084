//! OpenAI Responses, as its SDKs' accumulators and Codex read it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Author, Data, End, Frame, Judge, Judged, absent, ensure, filled, list, number, one_of, string,
};

/// Members without which clients refuse a response; null counts as there.
const MEMBERS: &[&str] = &[
    "id",
    "object",
    "created_at",
    "status",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "model",
    "output",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_p",
    "truncation",
    "usage",
    "metadata",
];

const STATUSES: &[&str] = &["in_progress", "completed", "incomplete", "failed"];
const ITEM_STATUSES: &[&str] = &[
    "in_progress",
    "searching",
    "interpreting",
    "completed",
    "incomplete",
];

/// A part of a message's or reasoning's content or of a summary.
#[derive(Default)]
struct Part {
    kind: String,
    text: String,
    /// All text was repeated.
    is_said: bool,
    is_done: bool,
}

impl Part {
    fn say(&mut self, more: &str) -> Judged {
        ensure(!self.is_said, || {
            "a delta after the text was done".to_owned()
        })?;
        self.text += more;
        Ok(())
    }

    fn said(&mut self, all: &str) -> Judged {
        ensure(!self.is_said, || "the text was done already".to_owned())?;
        self.is_said = true;
        same(all, &self.text)
    }

    fn done(&mut self, all: &str) -> Judged {
        ensure(self.is_said, || "no event that the text is done".to_owned())?;
        self.is_done = true;
        same(all, &self.text)
    }
}

struct Item {
    added: Value,
    parts: Vec<Part>,
    summary: Vec<Part>,
    /// A call's arguments or input.
    arguments: String,
    arguments_done: bool,
    done: Option<Value>,
}

pub(super) struct Stream {
    author: Author,
    sequence: u64,
    id: Option<String>,
    is_in_progress: bool,
    items: BTreeMap<u64, Item>,
    has_error: bool,
    end: Option<End>,
}

impl Stream {
    pub(super) const fn new(author: Author) -> Self {
        Self {
            author,
            sequence: 0,
            id: None,
            is_in_progress: false,
            items: BTreeMap::new(),
            has_error: false,
            end: None,
        }
    }

    fn head(&mut self, kind: &str, event: &Value) -> Judged {
        let response = &event["response"];
        if kind == "response.created" {
            ensure(self.id.is_none(), || "a second response.created".to_owned())?;
            self.id = Some(filled(response, "id")?.to_owned());
        } else {
            ensure(!self.is_in_progress, || {
                "a second response.in_progress".to_owned()
            })?;
            self.is_in_progress = true;
        }
        one_of(response, "status", &["in_progress", "queued"])?;
        ensure(list(response, "output")?.is_empty(), || {
            "output at the start".to_owned()
        })?;
        ensure(absent(response, "usage"), || {
            "usage at the start".to_owned()
        })?;
        self.response(response)
    }

    fn response(&self, response: &Value) -> Judged {
        let id = filled(response, "id")?;
        ensure(
            self.id.as_deref() == Some(id) || !self.author.is_us(),
            || format!("the id changed from {:?}", self.id),
        )?;
        members(response, self.author)
    }

    fn added(&mut self, event: &Value) -> Judged {
        let index = number(event, "output_index")?;
        let next = self.items.len() as u64;
        ensure(index == next, || format!("the next output_index is {next}"))?;
        let item = &event["item"];
        filled(item, "type")?;
        let id = filled(item, "id")?;
        ensure(
            self.items.values().all(|known| known.added["id"] != *id),
            || format!("two items `{id}`"),
        )?;
        match item["type"].as_str() {
            Some("message") => {
                one_of(item, "role", &["assistant"])?;
                ensure(list(item, "content")?.is_empty(), || {
                    "content at the start".to_owned()
                })?;
            }
            Some("reasoning") => {
                ensure(list(item, "summary")?.is_empty(), || {
                    "summary at the start".to_owned()
                })?;
            }
            Some("function_call") => {
                filled(item, "call_id").and_then(|_| filled(item, "name"))?;
                ensure(item["arguments"] == "", || {
                    "arguments at the start".to_owned()
                })?;
            }
            Some("custom_tool_call") => {
                filled(item, "call_id").and_then(|_| filled(item, "name"))?;
            }
            _ => {}
        }
        if item["type"] != "reasoning" && self.author.is_us() {
            one_of(item, "status", &["in_progress"])?;
        }
        self.items.insert(
            index,
            Item {
                added: item.clone(),
                parts: Vec::new(),
                summary: Vec::new(),
                arguments: String::new(),
                arguments_done: false,
                done: None,
            },
        );
        Ok(())
    }

    /// The item that an event is about; it must not be done.
    fn item(&mut self, event: &Value) -> Judged<&mut Item> {
        let index = number(event, "output_index")?;
        let us = self.author.is_us();
        let Some(item) = self.items.get_mut(&index) else {
            return Err(format!("item {index} was not added"));
        };
        ensure(item.done.is_none(), || format!("item {index} is done"))?;
        let id = filled(event, "item_id")?;
        ensure(item.added["id"] == *id || !us, || {
            format!("item {index} has another id than {id}")
        })?;
        Ok(item)
    }

    fn item_done(&mut self, event: &Value) -> Judged {
        let us = self.author.is_us();
        let index = number(event, "output_index")?;
        let item = &event["item"];
        let Some(open) = self.items.get_mut(&index) else {
            return Err(format!("item {index} was not added"));
        };
        ensure(open.done.is_none(), || "it is done already".to_owned())?;
        for key in ["type", "call_id", "name"] {
            ensure(item[key] == open.added[key], || {
                format!("`{key}` is not as it was added")
            })?;
        }
        ensure(item["id"] == open.added["id"] || !us, || {
            "`id` is not as it was added".to_owned()
        })?;
        ensure(open.parts.iter().all(|part| part.is_done), || {
            "a content part is open".to_owned()
        })?;
        ensure(open.summary.iter().all(|part| part.is_done), || {
            "a summary part is open".to_owned()
        })?;
        match item["type"].as_str() {
            Some("message" | "reasoning") => {
                let content = match absent(item, "content") {
                    true => &[],
                    false => list(item, "content")?,
                };
                ensure(content.len() == open.parts.len() || !us, || {
                    "not the content that was sent".to_owned()
                })?;
                for (part, Part { text, .. }) in content.iter().zip(&open.parts) {
                    let said = part["text"].as_str().or_else(|| part["refusal"].as_str());
                    ensure(said == Some(text), || {
                        format!("it says {said:?}, sent was {text:?}")
                    })?;
                }
                if item["type"] == "reasoning" {
                    let summary = list(item, "summary")?;
                    ensure(summary.len() == open.summary.len(), || {
                        "not the summary that was sent".to_owned()
                    })?;
                    for (part, Part { text, .. }) in summary.iter().zip(&open.summary) {
                        ensure(part["text"] == **text, || {
                            "not the summary that was sent".to_owned()
                        })?;
                    }
                }
            }
            Some("function_call") => {
                ensure(open.arguments_done, || {
                    "no arguments.done before it".to_owned()
                })?;
                ensure(item["arguments"] == *open.arguments, || {
                    "not the arguments that were sent".to_owned()
                })?;
            }
            Some("custom_tool_call") => {
                ensure(open.arguments_done, || "no input.done before it".to_owned())?;
                ensure(item["input"] == *open.arguments, || {
                    "not the input that was sent".to_owned()
                })?;
            }
            _ => {}
        }
        output_item(item, self.author)?;
        open.done = Some(item.clone());
        Ok(())
    }

    fn part(&mut self, kind: &str, event: &Value) -> Judged {
        let us = self.author.is_us();
        let item = self.item(event)?;
        let index = usize::try_from(number(event, "content_index")?).unwrap();
        if kind == "response.content_part.added" {
            ensure(index == item.parts.len(), || {
                "a gap in the content indices".to_owned()
            })?;
            let part = &event["part"];
            let words: &[&str] = if item.added["type"] == "reasoning" {
                &["reasoning_text"]
            } else {
                &["output_text", "refusal"]
            };
            let kind = one_of(part, "type", words)?;
            let text = if kind == "refusal" { "refusal" } else { "text" };
            ensure(part[text] == "", || "text at the start".to_owned())?;
            if kind == "output_text" && us {
                list(part, "annotations").and_then(|_| list(part, "logprobs"))?;
            }
            item.parts.push(Part {
                kind: kind.to_owned(),
                ..Part::default()
            });
            return Ok(());
        }
        let Some(part) = item.parts.get_mut(index) else {
            return Err(format!("part {index} was not added"));
        };
        ensure(!part.is_done, || format!("part {index} is done"))?;
        let fits: &[&str] = match kind {
            "response.output_text.delta" => {
                if us {
                    list(event, "logprobs")?;
                    filled(event, "delta")?;
                }
                part.say(string(event, "delta")?)?;
                &["output_text"]
            }
            "response.refusal.delta" => {
                part.say(string(event, "delta")?)?;
                &["refusal"]
            }
            "response.reasoning_text.delta" => {
                part.say(string(event, "delta")?)?;
                &["reasoning_text"]
            }
            "response.output_text.annotation.added" => {
                number(event, "annotation_index")?;
                filled(&event["annotation"], "type")?;
                &["output_text"]
            }
            "response.output_text.done" => {
                part.said(string(event, "text")?)?;
                &["output_text"]
            }
            "response.reasoning_text.done" => {
                part.said(string(event, "text")?)?;
                &["reasoning_text"]
            }
            "response.refusal.done" => {
                part.said(string(event, "refusal")?)?;
                &["refusal"]
            }
            _ => {
                let done = &event["part"];
                let said = done["text"].as_str().or_else(|| done["refusal"].as_str());
                part.done(said.unwrap_or_default())?;
                &["output_text", "refusal", "reasoning_text"]
            }
        };
        ensure(fits.contains(&part.kind.as_str()), || {
            format!("no event for a part of type {}", part.kind)
        })
    }

    fn summary(&mut self, kind: &str, event: &Value) -> Judged {
        let item = self.item(event)?;
        ensure(item.added["type"] == "reasoning", || {
            "it is no reasoning".to_owned()
        })?;
        let index = usize::try_from(number(event, "summary_index")?).unwrap();
        if kind == "response.reasoning_summary_part.added" {
            ensure(index == item.summary.len(), || {
                "a gap in the summary indices".to_owned()
            })?;
            item.summary.push(Part::default());
            return Ok(());
        }
        let Some(part) = item.summary.get_mut(index) else {
            return Err(format!("summary part {index} was not added"));
        };
        ensure(!part.is_done, || format!("summary part {index} is done"))?;
        match kind {
            "response.reasoning_summary_text.delta" => part.say(string(event, "delta")?),
            "response.reasoning_summary_text.done" => part.said(string(event, "text")?),
            _ => part.done(string(&event["part"], "text")?),
        }
    }

    fn arguments(&mut self, kind: &str, event: &Value) -> Judged {
        let item = self.item(event)?;
        let (call, text) = match kind.split('.').nth(1) {
            Some("function_call_arguments") => ("function_call", "arguments"),
            _ => ("custom_tool_call", "input"),
        };
        ensure(item.added["type"] == call, || format!("it is no {call}"))?;
        ensure(!item.arguments_done, || "they are done".to_owned())?;
        if kind.ends_with(".delta") {
            item.arguments += string(event, "delta")?;
        } else {
            same(string(event, text)?, &item.arguments)?;
            item.arguments_done = true;
        }
        Ok(())
    }

    fn terminal(&mut self, kind: &str, event: &Value) -> Judged {
        let us = self.author.is_us();
        let response = &event["response"];
        self.response(response)?;
        let status = kind.trim_start_matches("response.");
        one_of(response, "status", &[status])?;
        let failed = status == "failed";
        self.end = Some(if failed { End::Error } else { End::Success });
        if failed {
            ensure(self.has_error || !us, || {
                "no `error` event before it".to_owned()
            })?;
            filled(&response["error"], "code")
                .and_then(|_| filled(&response["error"], "message"))?;
        } else {
            ensure(!self.has_error, || "a success after an error".to_owned())?;
            ensure(self.items.values().all(|item| item.done.is_some()), || {
                "an item is not done".to_owned()
            })?;
            answer(response, self.author)?;
        }
        let done: Vec<&Value> = self
            .items
            .values()
            .filter_map(|item| item.done.as_ref())
            .collect();
        let output: Vec<&Value> = list(response, "output")?.iter().collect();
        ensure(done == output || !us, || {
            "the output is not what was done".to_owned()
        })
    }
}

impl Judge for Stream {
    fn take(&mut self, frame: &Frame) -> Judged {
        let us = self.author.is_us();
        let event = match &frame.data {
            Data::Json(event) => event,
            Data::Done => {
                return ensure(self.end == Some(End::Success) || !us, || {
                    "[DONE] before the end".to_owned()
                });
            }
        };
        ensure(self.end.is_none(), || "an event after the end".to_owned())?;
        let kind = string(event, "type")?;
        if us {
            let sequence = number(event, "sequence_number")?;
            ensure(sequence == self.sequence, || {
                format!("the next number is {}", self.sequence)
            })?;
        }
        self.sequence += 1;
        if kind == "error" {
            self.has_error = true;
            return error(event, self.author);
        }
        ensure(!self.has_error || kind == "response.failed", || {
            "response.failed has to follow an error".to_owned()
        })?;
        if kind == "response.created" {
            return self.head(kind, event);
        }
        ensure(self.id.is_some(), || {
            "no response.created before it".to_owned()
        })?;
        ensure(
            self.is_in_progress || kind == "response.in_progress" || !us,
            || "no response.in_progress before it".to_owned(),
        )?;
        match kind {
            "response.in_progress" => self.head(kind, event),
            "response.output_item.added" => self.added(event),
            "response.output_item.done" => self.item_done(event),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.terminal(kind, event)
            }
            "response.content_part.added"
            | "response.content_part.done"
            | "response.output_text.delta"
            | "response.output_text.done"
            | "response.output_text.annotation.added"
            | "response.refusal.delta"
            | "response.refusal.done"
            | "response.reasoning_text.delta"
            | "response.reasoning_text.done" => self.part(kind, event),
            "response.reasoning_summary_part.added"
            | "response.reasoning_summary_part.done"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_summary_text.done" => self.summary(kind, event),
            "response.function_call_arguments.delta"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.delta"
            | "response.custom_tool_call_input.done" => self.arguments(kind, event),
            kind if kind.starts_with("response.web_search_call.")
                || kind.starts_with("response.code_interpreter_call")
                || kind.starts_with("response.image_generation_call.") =>
            {
                self.item(event).map(drop)
            }
            _ => Err("no such event".to_owned()),
        }
    }

    fn end(&self) -> Judged<End> {
        self.end.ok_or_else(|| "no end".to_owned())
    }
}

fn same(said: &str, sent: &str) -> Judged {
    ensure(said == sent, || {
        format!("it says {said:?}, sent was {sent:?}")
    })
}

/// Judges a whole answer.
pub(super) fn answer(answer: &Value, author: Author) -> Judged {
    let us = author.is_us();
    members(answer, author)?;
    let output = list(answer, "output")?;
    let mut ids: Vec<&str> = Vec::new();
    for item in output {
        output_item(item, author)?;
        let id = item["id"].as_str().unwrap_or_default();
        ensure(!ids.contains(&id) || !us, || format!("two items `{id}`"))?;
        ids.push(id);
    }
    let status = one_of(answer, "status", &["completed", "incomplete"])?;
    let reason = &answer["incomplete_details"];
    if status == "incomplete" && us {
        one_of(reason, "reason", &["max_output_tokens", "content_filter"])?;
    } else if status == "completed" {
        ensure(reason.is_null(), || {
            "completed with incomplete_details".to_owned()
        })?;
        for item in output {
            ensure(item["status"] != "incomplete" || !us, || {
                "an incomplete item in what is completed".to_owned()
            })?;
            let is_call = item["type"] == "function_call";
            let arguments = item["arguments"].as_str().unwrap_or_default();
            ensure(!is_call || !us || !arguments.is_empty(), || {
                "no arguments".to_owned()
            })?;
        }
    }
    if us || !absent(answer, "usage") {
        usage(&answer["usage"], us)?;
    }
    Ok(())
}

fn members(response: &Value, author: Author) -> Judged {
    if author == Author::Provider {
        return Ok(());
    }
    one_of(response, "object", &["response"])?;
    for key in MEMBERS {
        ensure(response.get(key).is_some(), || format!("no `{key}`"))?;
    }
    let id = filled(response, "id")?;
    ensure(id.starts_with("resp_"), || format!("the id `{id}`"))?;
    ensure(response["created_at"].is_number(), || {
        "created_at".to_owned()
    })?;
    one_of(response, "status", STATUSES)?;
    string(response, "model")?;
    list(response, "output").and_then(|_| list(response, "tools"))?;
    let choice = &response["tool_choice"];
    ensure(choice.is_string() || choice.is_object(), || {
        format!("tool_choice {choice}")
    })?;
    ensure(response["parallel_tool_calls"].is_boolean(), || {
        "parallel_tool_calls".to_owned()
    })?;
    filled(&response["text"]["format"], "type").map(drop)
}

fn output_item(item: &Value, author: Author) -> Judged {
    let us = author.is_us();
    let kind = filled(item, "type")?;
    let prefix = match kind {
        "message" => "msg_",
        "reasoning" => "rs_",
        "function_call" => "fc_",
        "custom_tool_call" => "ctc_",
        "web_search_call" => "ws_",
        "code_interpreter_call" => "ci_",
        "image_generation_call" => "ig_",
        _ if us => return Err(format!("an item of type {kind}")),
        _ => "",
    };
    if us {
        let id = filled(item, "id")?;
        ensure(id.starts_with(prefix) && id.len() <= 64, || {
            format!("the id `{id}` of a {kind}")
        })?;
        if kind != "reasoning" {
            one_of(item, "status", ITEM_STATUSES)?;
        }
    }
    match kind {
        "message" => {
            one_of(item, "role", &["assistant"])?;
            let content = list(item, "content")?;
            ensure(!content.is_empty() || !us, || {
                "a message without content".to_owned()
            })?;
            for part in content {
                if one_of(part, "type", &["output_text", "refusal"])? == "refusal" {
                    string(part, "refusal")?;
                } else {
                    string(part, "text")?;
                    for note in list(part, "annotations")? {
                        annotation(note, part["text"].as_str().unwrap_or_default(), us)?;
                    }
                }
            }
        }
        "reasoning" => {
            for part in list(item, "summary")? {
                one_of(part, "type", &["summary_text"])?;
                string(part, "text")?;
            }
        }
        "function_call" => {
            filled(item, "call_id").and_then(|_| filled(item, "name"))?;
            string(item, "arguments")?;
        }
        "custom_tool_call" => {
            filled(item, "call_id").and_then(|_| filled(item, "name"))?;
            string(item, "input")?;
        }
        "web_search_call" if us => {
            one_of(
                &item["action"],
                "type",
                &["search", "open_page", "find_in_page"],
            )?;
        }
        "code_interpreter_call" if us => {
            // Other providers have no containers: it may be empty.
            string(item, "container_id")?;
            ensure(item.get("code").is_some(), || "no code".to_owned())?;
        }
        _ => {}
    }
    Ok(())
}

fn annotation(note: &Value, text: &str, us: bool) -> Judged {
    if filled(note, "type")? != "url_citation" {
        return Ok(());
    }
    filled(note, "url").and_then(|_| string(note, "title"))?;
    let (start, end) = (number(note, "start_index")?, number(note, "end_index")?);
    let length = text.chars().count() as u64;
    ensure(!us || (start <= end && end <= length), || {
        format!("a citation of {start}..{end} in {length} characters")
    })
}

fn usage(usage: &Value, us: bool) -> Judged {
    let input = number(usage, "input_tokens")?;
    let output = number(usage, "output_tokens")?;
    let total = number(usage, "total_tokens")?;
    ensure(input + output == total, || {
        format!("the total is not the sum: {usage}")
    })?;
    let cached = number(&usage["input_tokens_details"], "cached_tokens")?;
    ensure(cached <= input, || "more cached than sent".to_owned())?;
    if us {
        number(&usage["input_tokens_details"], "cache_write_tokens")?;
    }
    let reasoning = number(&usage["output_tokens_details"], "reasoning_tokens")?;
    ensure(reasoning <= output, || {
        "more reasoning than output".to_owned()
    })
}

/// SDKs differ in which form they raise: both have to be there.
fn error(event: &Value, author: Author) -> Judged {
    if author == Author::Provider {
        return Ok(());
    }
    filled(event, "code").and_then(|_| filled(event, "message"))?;
    ensure(event.get("param").is_some(), || "no `param`".to_owned())?;
    let nested = &event["error"];
    filled(nested, "type").and_then(|_| filled(nested, "code"))?;
    ensure(nested["message"] == event["message"], || {
        "two messages".to_owned()
    })
}
