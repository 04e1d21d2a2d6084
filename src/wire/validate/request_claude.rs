//! What Anthropic refuses.

use serde_json::Value;

use super::request::{Origin, each_schema, is_blank, marks, names, range, some};
use super::{Judged, absent, ensure, filled, is_plain, list, number, one_of, only, string};

const MEMBERS: &[&str] = &[
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "stop_sequences",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
    "metadata",
    "service_tier",
    "cache_control",
    "mcp_servers",
    "speed",
];

/// Not understood by structured output.
const BEYOND_STRUCTURED: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "maxItems",
    "uniqueItems",
    "not",
    "if",
    "patternProperties",
    "oneOf",
];

pub(super) fn judge(body: &Value, origin: Origin) -> Judged {
    if origin.is_foreign {
        only(body, MEMBERS)?;
    }
    string(body, "model")?;
    let most = number(body, "max_tokens")?;
    ensure(most > 0 || !origin.is_foreign, || "max_tokens 0".to_owned())?;
    system(&body["system"])?;
    let tools = tools(body)?;
    choice(body, &tools)?;
    sampling(body, most)?;
    ensure(marks(body, "cache_control") <= 4, || {
        "more than 4 cache marks".to_owned()
    })?;
    if !absent(&body["output_config"], "format") {
        one_of(&body["output_config"]["format"], "type", &["json_schema"])?;
        each_schema(&body["output_config"]["format"]["schema"], &mut |schema| {
            for key in BEYOND_STRUCTURED {
                ensure(schema.get(key).is_none(), || format!("`{key}` in {schema}"))?;
            }
            ensure(
                schema["type"] != "object" || schema["additionalProperties"] == false,
                || format!("additionalProperties is not false in {schema}"),
            )
        })?;
    }
    if !absent(body, "metadata") {
        only(&body["metadata"], &["user_id"])?;
    }
    messages(body, origin)
}

fn system(system: &Value) -> Judged {
    let blank = match system {
        Value::Null => false,
        Value::String(text) => is_blank(text),
        Value::Array(blocks) => {
            blocks.is_empty()
                || blocks.iter().any(|block| {
                    block["type"] != "text" || block["text"].as_str().is_none_or(is_blank)
                })
        }
        _ => true,
    };
    ensure(!blank, || format!("empty system text: {system}"))
}

fn tools(body: &Value) -> Judged<Vec<&str>> {
    let tools = match absent(body, "tools") {
        true => return Ok(Vec::new()),
        false => some(body, "tools")?,
    };
    for tool in tools.iter().filter(|tool| is_client_tool(tool)) {
        let schema = &tool["input_schema"];
        ensure(schema["type"] == "object", || {
            format!("a schema that is no object: {tool}")
        })?;
        for key in ["anyOf", "oneOf", "allOf"] {
            ensure(schema.get(key).is_none(), || {
                format!("`{key}` at the root of {schema}")
            })?;
        }
    }
    names(tools.iter().filter_map(|tool| tool["name"].as_str()), 64)
}

fn is_client_tool(tool: &Value) -> bool {
    absent(tool, "type") || tool["type"] == "custom"
}

fn choice(body: &Value, tools: &[&str]) -> Judged {
    let choice = &body["tool_choice"];
    if choice.is_null() {
        return Ok(());
    }
    ensure(!tools.is_empty(), || "tool_choice without tools".to_owned())?;
    let kind = one_of(choice, "type", &["auto", "any", "tool", "none"])?;
    if kind == "tool" {
        let name = filled(choice, "name")?;
        ensure(tools.contains(&name), || {
            format!("no tool `{name}` to choose")
        })?;
    }
    let forced = matches!(kind, "any" | "tool");
    ensure(!forced || body["thinking"]["type"] != "enabled", || {
        "a forced tool while thinking".to_owned()
    })
}

fn sampling(body: &Value, most: u64) -> Judged {
    range(body, "temperature", 0.0, 1.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    if !absent(body, "stop_sequences") {
        for stop in list(body, "stop_sequences")? {
            ensure(stop.as_str().is_some_and(|stop| !is_blank(stop)), || {
                format!("the stop sequence {stop}")
            })?;
        }
    }
    let thinking = &body["thinking"];
    if thinking.is_null() {
        return Ok(());
    }
    match one_of(
        thinking,
        "type",
        &["enabled", "adaptive", "disabled", "between_tools"],
    )? {
        "enabled" => {
            let budget = number(thinking, "budget_tokens")?;
            ensure((1024..most).contains(&budget), || {
                format!("a budget of {budget} of {most}")
            })?;
            range(body, "temperature", 1.0, 1.0)?;
            range(body, "top_p", 0.95, 1.0)?;
            ensure(absent(body, "top_k"), || "top_k while thinking".to_owned())
        }
        _ => ensure(absent(thinking, "budget_tokens"), || {
            "a budget without thinking".to_owned()
        }),
    }
}

fn messages(body: &Value, origin: Origin) -> Judged {
    let messages = some(body, "messages")?;
    ensure(messages[0]["role"] == "user", || {
        "the first message is not the user's".to_owned()
    })?;
    let mut before = "";
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let wrong = |what: String| format!("messages[{at}]: {what}");
        let role = one_of(message, "role", &["user", "assistant", "system"]).map_err(wrong)?;
        ensure(role != before || !origin.is_foreign, || {
            wrong(format!("two {role} in a row"))
        })?;
        before = role;
        let is_last = at + 1 == messages.len();
        let blocks = match &message["content"] {
            Value::String(text) => {
                ensure(!is_blank(text), || wrong("blank".to_owned()))?;
                ensure(open.is_empty(), || {
                    wrong(format!("{open:?} have no results"))
                })?;
                continue;
            }
            Value::Array(blocks) => blocks,
            other => return Err(wrong(format!("the content {other}"))),
        };
        ensure(!blocks.is_empty(), || wrong("no content".to_owned()))?;
        let mut others = 0;
        for content in blocks {
            if content["type"] == "tool_result" {
                ensure(others == 0, || {
                    wrong("a result after something else".to_owned())
                })?;
                let id = filled(content, "tool_use_id").map_err(wrong)?;
                let Some(found) = open.iter().position(|open| *open == id) else {
                    return Err(wrong(format!(
                        "a result of `{id}`, which nobody called just before"
                    )));
                };
                open.remove(found);
            } else {
                others += 1;
            }
            block(content, role).map_err(wrong)?;
        }
        ensure(open.is_empty(), || {
            wrong(format!("{open:?} have no results"))
        })?;
        if role == "assistant" {
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
            open = calls.filter_map(|call| call["id"].as_str()).collect();
            if is_last {
                let text = blocks
                    .last()
                    .and_then(|block| block["text"].as_str())
                    .unwrap_or_default();
                ensure(text.trim_end() == text, || {
                    wrong("ends in white space".to_owned())
                })?;
            }
        }
        ensure(
            role != "assistant" || !is_last || !origin.is_foreign,
            || wrong("a prefill that the client did not mean".to_owned()),
        )?;
    }
    ensure(open.is_empty(), || format!("{open:?} have no results"))
}

fn block(content: &Value, role: &str) -> Judged {
    match (string(content, "type")?, role) {
        ("text", _) => ensure(!is_blank(string(content, "text")?), || {
            "a blank text".to_owned()
        }),
        ("image", "user") => source(&content["source"], true),
        ("document", "user") => source(&content["source"], false),
        ("tool_use", "assistant") => {
            let id = filled(content, "id")?;
            ensure(is_plain(id, usize::MAX), || format!("the id `{id}`"))?;
            let name = filled(content, "name")?;
            ensure(is_plain(name, 128), || format!("a call of `{name}`"))?;
            ensure(content["input"].is_object(), || {
                "input that is no object".to_owned()
            })
        }
        ("tool_result", "user") => {
            let inner = match &content["content"] {
                Value::Array(inner) => inner.as_slice(),
                Value::Null | Value::String(_) => &[],
                other => return Err(format!("the content {other}")),
            };
            let failed = content["is_error"] == true;
            for content in inner {
                ensure(!failed || content["type"] == "text", || {
                    "more than text in a failed result".to_owned()
                })?;
                block(content, "user")?;
            }
            Ok(())
        }
        ("thinking", "assistant") => {
            let signature = filled(content, "signature")?;
            ensure(!signature.starts_with("aip1."), || {
                "a foreign signature".to_owned()
            })
        }
        ("redacted_thinking", "assistant") => {
            let data = filled(content, "data")?;
            ensure(!data.starts_with("aip1."), || "foreign data".to_owned())
        }
        ("search_result" | "tool_reference" | "container_upload", "user") => Ok(()),
        (kind, "assistant") if kind.ends_with("_tool_result") || kind.ends_with("_tool_use") => {
            Ok(())
        }
        ("server_tool_use", "assistant") => Ok(()),
        (kind, role) => Err(format!("a {kind} block of the {role}")),
    }
}

fn source(source: &Value, is_image: bool) -> Judged {
    match string(source, "type")? {
        "base64" => {
            filled(source, "data")?;
            let kinds: &[&str] = if is_image {
                &["image/jpeg", "image/png", "image/gif", "image/webp"]
            } else {
                &["application/pdf"]
            };
            one_of(source, "media_type", kinds).map(drop)
        }
        "url" => filled(source, "url").map(drop),
        "file" => filled(source, "file_id").map(drop),
        "text" if !is_image => one_of(source, "media_type", &["text/plain"]).map(drop),
        "content" if !is_image => Ok(()),
        kind => Err(format!("a {kind} source")),
    }
}
