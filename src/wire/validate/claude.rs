//! Anthropic Messages, as its SDKs' accumulators and strictly sequential clients read it.

use serde_json::Value;

use super::{
    Author, Data, End, Frame, Judge, Judged, absent, ensure, filled, is_object, is_plain, list,
    number, one_of, string,
};

const STOP_REASONS: &[&str] = &[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
];

const ERRORS: &[&str] = &[
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

/// Blocks that only Anthropic itself writes.
const NATIVE_BLOCKS: &[&str] = &[
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "tool_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
    "container_upload",
    "compaction",
    "fallback",
];

struct Open {
    index: u64,
    kind: String,
    deltas: usize,
    arguments: String,
}

pub(super) struct Stream {
    author: Author,
    is_started: bool,
    next: u64,
    open: Option<Open>,
    tools: Vec<String>,
    /// The input of a call that is no object.
    cut: Option<String>,
    stop: Option<String>,
    end: Option<End>,
}

impl Stream {
    pub(super) const fn new(author: Author) -> Self {
        Self {
            author,
            is_started: false,
            next: 0,
            open: None,
            tools: Vec::new(),
            cut: None,
            stop: None,
            end: None,
        }
    }

    fn start(&mut self, event: &Value) -> Judged {
        ensure(!self.is_started, || "a second message_start".to_owned())?;
        self.is_started = true;
        let message = &event["message"];
        head(message, self.author)?;
        ensure(list(message, "content")?.is_empty(), || {
            "content at the start".to_owned()
        })?;
        ensure(absent(message, "stop_reason"), || {
            "a stop_reason at the start".to_owned()
        })?;
        usage(&message["usage"], &["input_tokens", "output_tokens"])
    }

    fn block_start(&mut self, event: &Value) -> Judged {
        ensure(self.open.is_none(), || "a block is still open".to_owned())?;
        ensure(self.stop.is_none(), || {
            "a block after message_delta".to_owned()
        })?;
        let index = number(event, "index")?;
        ensure(index == self.next, || {
            format!("the next index is {}", self.next)
        })?;
        self.next += 1;
        let content = &event["content_block"];
        let kind = string(content, "type")?.to_owned();
        match kind.as_str() {
            "text" => ensure(content["text"] == "", || "text in a start".to_owned())?,
            "thinking" => {
                ensure(content["thinking"] == "", || {
                    "thinking in a start".to_owned()
                })?;
                ensure(!self.author.is_us() || content["signature"] == "", || {
                    "no empty signature in a start".to_owned()
                })?;
            }
            "tool_use" => {
                let id = tool_use(content)?;
                ensure(!self.tools.contains(&id), || format!("two calls `{id}`"))?;
                self.tools.push(id);
                ensure(is_empty_object(&content["input"]), || {
                    "input in a start".to_owned()
                })?;
            }
            "server_tool_use" => {
                ensure(is_empty_object(&content["input"]), || {
                    "input in a start".to_owned()
                })?;
                filled(content, "id").and_then(|_| filled(content, "name"))?;
            }
            _ => block(content, self.author)?,
        }
        self.open = Some(Open {
            index,
            kind,
            deltas: 0,
            arguments: String::new(),
        });
        Ok(())
    }

    fn delta(&mut self, event: &Value) -> Judged {
        let index = number(event, "index")?;
        let Some(open) = self.open.as_mut().filter(|open| open.index == index) else {
            return Err(format!("block {index} is not open"));
        };
        open.deltas += 1;
        let delta = &event["delta"];
        let kind = string(delta, "type")?;
        let fits = match kind {
            "text_delta" => {
                let text = string(delta, "text")?;
                ensure(!self.author.is_us() || !text.is_empty(), || {
                    "an empty delta".to_owned()
                })?;
                open.kind == "text"
            }
            "thinking_delta" => {
                string(delta, "thinking")?;
                open.kind == "thinking"
            }
            "signature_delta" => {
                filled(delta, "signature")?;
                open.kind == "thinking"
            }
            "input_json_delta" => {
                open.arguments += string(delta, "partial_json")?;
                matches!(
                    open.kind.as_str(),
                    "tool_use" | "server_tool_use" | "mcp_tool_use"
                )
            }
            "citations_delta" => {
                ensure(delta["citation"].is_object(), || "no citation".to_owned())?;
                open.kind == "text"
            }
            _ => false,
        };
        ensure(fits, || format!("a {kind} in a {} block", open.kind))
    }

    fn block_stop(&mut self, event: &Value) -> Judged {
        let index = number(event, "index")?;
        let Some(open) = self.open.take().filter(|open| open.index == index) else {
            return Err(format!("block {index} is not open"));
        };
        if open.kind == "tool_use" {
            ensure(open.deltas > 0 || !self.author.is_us(), || {
                "a call without an input_json_delta".to_owned()
            })?;
            if !open.arguments.is_empty() && !is_object(&open.arguments) {
                self.cut.get_or_insert(open.arguments);
            }
        }
        Ok(())
    }

    fn message_delta(&mut self, event: &Value) -> Judged {
        ensure(self.open.is_none(), || "a block is still open".to_owned())?;
        ensure(self.stop.is_none() || !self.author.is_us(), || {
            "a second message_delta".to_owned()
        })?;
        let delta = &event["delta"];
        self.stop = Some(stop(delta, self.author)?);
        let is_cut = matches!(
            self.stop.as_deref(),
            Some("max_tokens" | "model_context_window_exceeded")
        );
        if let Some(input) = self.cut.as_ref().filter(|_| !is_cut) {
            return Err(format!("input that is no object: {input}"));
        }
        let has_tools = !self.tools.is_empty();
        agrees(self.stop.as_deref(), has_tools, self.author)?;
        let needed: &[&str] = match self.author {
            Author::Provider => &["output_tokens"],
            Author::Gateway => &[
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "output_tokens",
            ],
        };
        usage(&event["usage"], needed)
    }
}

impl Judge for Stream {
    fn take(&mut self, frame: &Frame) -> Judged {
        ensure(self.end.is_none(), || "an event after the end".to_owned())?;
        let Data::Json(event) = &frame.data else {
            return Err("[DONE] is OpenAI's".to_owned());
        };
        let kind = string(event, "type")?;
        ensure(frame.name.as_deref() == Some(kind), || {
            "it is not named like its type".to_owned()
        })?;
        match kind {
            "ping" => return Ok(()),
            "error" => {
                self.end = Some(End::Error);
                return error(event);
            }
            "message_start" => return self.start(event),
            _ => {}
        }
        ensure(self.is_started, || "no message_start before it".to_owned())?;
        match kind {
            "content_block_start" => self.block_start(event),
            "content_block_delta" => self.delta(event),
            "content_block_stop" => self.block_stop(event),
            "message_delta" => self.message_delta(event),
            "message_stop" => {
                ensure(self.stop.is_some(), || {
                    "no message_delta before it".to_owned()
                })?;
                self.end = Some(End::Success);
                Ok(())
            }
            _ => Err("no such event".to_owned()),
        }
    }

    fn end(&self) -> Judged<End> {
        self.end.ok_or_else(|| "no end".to_owned())
    }
}

/// Judges a whole answer.
pub(super) fn answer(answer: &Value, author: Author) -> Judged {
    head(answer, author)?;
    let mut has_tools = false;
    for content in list(answer, "content")? {
        block(content, author)?;
        has_tools |= content["type"] == "tool_use";
    }
    let stop = stop(answer, author)?;
    agrees(Some(&stop), has_tools, author)?;
    usage(&answer["usage"], &["input_tokens", "output_tokens"])
}

fn head(message: &Value, author: Author) -> Judged {
    let id = filled(message, "id")?;
    ensure(
        !author.is_us() || (id.starts_with("msg_") && is_plain(id, 200)),
        || format!("the id `{id}`"),
    )?;
    one_of(message, "type", &["message"])?;
    one_of(message, "role", &["assistant"])?;
    string(message, "model")?;
    Ok(())
}

fn stop(value: &Value, author: Author) -> Judged<String> {
    let reason = if author.is_us() {
        one_of(value, "stop_reason", STOP_REASONS)?
    } else {
        filled(value, "stop_reason")?
    };
    ensure(
        value.get("stop_sequence").is_some() || !author.is_us(),
        || "no stop_sequence".to_owned(),
    )?;
    ensure(
        (reason == "stop_sequence") == value["stop_sequence"].is_string(),
        || {
            format!(
                "stop_reason {reason} with stop_sequence {}",
                value["stop_sequence"]
            )
        },
    )?;
    Ok(reason.to_owned())
}

/// Clients run tools when they are told to, and only then.
fn agrees(stop: Option<&str>, has_tools: bool, author: Author) -> Judged {
    let contradicts = match stop {
        Some("tool_use") => !has_tools,
        Some("end_turn") => has_tools,
        _ => false,
    };
    ensure(!author.is_us() || !contradicts, || {
        format!("stop_reason {stop:?}, calls: {has_tools}")
    })
}

fn block(content: &Value, author: Author) -> Judged {
    match string(content, "type")? {
        "text" => {
            string(content, "text")?;
        }
        "thinking" => {
            string(content, "thinking").and_then(|_| string(content, "signature"))?;
        }
        "redacted_thinking" => {
            filled(content, "data")?;
        }
        "tool_use" => {
            tool_use(content)?;
        }
        "server_tool_use" => {
            filled(content, "id").and_then(|_| filled(content, "name"))?;
            ensure(content["input"].is_object(), || {
                "input that is no object".to_owned()
            })?;
        }
        "web_search_tool_result" => {
            filled(content, "tool_use_id")?;
            if content["content"]["type"] == "web_search_tool_result_error" {
                return filled(&content["content"], "error_code").map(drop);
            }
            for result in list(content, "content")? {
                one_of(result, "type", &["web_search_result"])?;
                string(result, "url").and_then(|_| string(result, "title"))?;
                string(result, "encrypted_content")?;
            }
        }
        kind if author == Author::Provider && NATIVE_BLOCKS.contains(&kind) => {}
        kind => return Err(format!("a {kind} block")),
    }
    Ok(())
}

fn tool_use(content: &Value) -> Judged<String> {
    // Clients take any id; it goes back to the provider that made it.
    let id = filled(content, "id")?;
    filled(content, "name")?;
    ensure(content["input"].is_object(), || {
        "input that is no object".to_owned()
    })?;
    Ok(id.to_owned())
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn usage(usage: &Value, needed: &[&str]) -> Judged {
    for key in needed {
        number(usage, key)?;
    }
    for key in ["cache_creation_input_tokens", "cache_read_input_tokens"] {
        if !absent(usage, key) {
            number(usage, key)?;
        }
    }
    Ok(())
}

fn error(event: &Value) -> Judged {
    one_of(&event["error"], "type", ERRORS)?;
    filled(&event["error"], "message")?;
    Ok(())
}
