//! What OpenAI Responses refuses.

use serde_json::Value;

use super::request::{Origin, is_strict, names, range, some};
use super::{Judged, absent, ensure, filled, is_plain, list, number, one_of, only, string};

const MEMBERS: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "temperature",
    "top_p",
    "max_output_tokens",
    "max_tool_calls",
    "parallel_tool_calls",
    "metadata",
    "user",
    "safety_identifier",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "store",
    "truncation",
    "top_logprobs",
    "include",
    "reasoning",
    "text",
    "tools",
    "tool_choice",
    "moderation",
];

pub(super) fn judge(body: &Value, origin: Origin) -> Judged {
    string(body, "model")?;
    if origin.is_foreign {
        only(body, MEMBERS)?;
        ensure(body["store"] == false, || "it would be stored".to_owned())?;
        let include = list(body, "include")?;
        ensure(
            include
                .iter()
                .any(|what| what == "reasoning.encrypted_content"),
            || "reasoning would not come back".to_owned(),
        )?;
    }
    if !absent(body, "max_output_tokens") {
        let most = number(body, "max_output_tokens")?;
        ensure(most >= 16, || format!("max_output_tokens {most}"))?;
    }
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    tools(body, origin)?;
    format(body, origin)?;
    match &body["input"] {
        Value::String(_) => Ok(()),
        _ => input(list(body, "input")?, origin),
    }
}

fn tools(body: &Value, origin: Origin) -> Judged {
    if absent(body, "tools") || body["tools"] == serde_json::json!([]) {
        for key in ["tool_choice", "parallel_tool_calls"] {
            ensure(absent(body, key) || !origin.is_foreign, || {
                format!("{key} without tools")
            })?;
        }
        return Ok(());
    }
    let tools = some(body, "tools")?;
    for tool in tools.iter().filter(|tool| tool["type"] == "function") {
        let parameters = &tool["parameters"];
        ensure(
            parameters["type"] == "object" || parameters.is_null(),
            || format!("parameters {parameters}"),
        )?;
        if origin.is_foreign {
            ensure(tool["strict"].is_boolean(), || {
                format!("no `strict` in {tool}")
            })?;
        }
        if tool["strict"] == true && !origin.is_openai {
            is_strict(parameters)?;
        }
    }
    let names = names(tools.iter().filter_map(|tool| tool["name"].as_str()), 64)?;
    match &body["tool_choice"] {
        Value::Null => Ok(()),
        Value::String(_) => one_of(body, "tool_choice", &["none", "auto", "required"]).map(drop),
        choice => match string(choice, "type")? {
            "function" | "custom" => {
                let name = filled(choice, "name")?;
                ensure(names.contains(&name), || {
                    format!("no tool `{name}` to choose")
                })
            }
            "allowed_tools" => some(choice, "tools").map(drop),
            _ => Ok(()),
        },
    }
}

fn format(body: &Value, origin: Origin) -> Judged {
    let format = &body["text"]["format"];
    if format.is_null() {
        return Ok(());
    }
    match one_of(format, "type", &["text", "json_object", "json_schema"])? {
        "json_object" => {
            let said = format!("{}{}", body["input"], body["instructions"]).to_ascii_lowercase();
            ensure(said.contains("json"), || {
                "json_object, and nobody says JSON".to_owned()
            })
        }
        "json_schema" => {
            let name = filled(format, "name")?;
            ensure(is_plain(name, 64), || format!("a schema named `{name}`"))?;
            if format["strict"] == true && !origin.is_openai {
                is_strict(&format["schema"])?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn input(items: &[Value], origin: Origin) -> Judged {
    ensure(!items.is_empty(), || "no input".to_owned())?;
    let mut called: Vec<&str> = Vec::new();
    let mut answered: Vec<&str> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let wrong = |what: String| format!("input[{at}]: {what}");
        if origin.is_foreign {
            ensure(absent(item, "id"), || {
                wrong("an id that nobody stored".to_owned())
            })?;
        }
        let kind = item["type"].as_str().unwrap_or("message");
        match kind {
            "message" => message(item).map_err(wrong)?,
            "function_call" | "custom_tool_call" => {
                let id = call_id(item).map_err(wrong)?;
                ensure(!called.contains(&id), || wrong(format!("two calls `{id}`")))?;
                called.push(id);
                let name = filled(item, "name").map_err(wrong)?;
                ensure(is_plain(name, 64), || wrong(format!("a call of `{name}`")))?;
                let text = if kind == "function_call" {
                    "arguments"
                } else {
                    "input"
                };
                string(item, text).map_err(wrong)?;
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = call_id(item).map_err(wrong)?;
                ensure(called.contains(&id), || {
                    wrong(format!("nobody called `{id}`"))
                })?;
                ensure(!answered.contains(&id), || {
                    wrong(format!("a second result of `{id}`"))
                })?;
                answered.push(id);
                if !item["output"].is_string() {
                    parts(item, "output", &["input_text", "input_image", "input_file"])
                        .map_err(wrong)?;
                }
            }
            "reasoning" => {
                list(item, "summary").map_err(wrong)?;
                let state = item["encrypted_content"].as_str().unwrap_or_default();
                ensure(!state.starts_with("aip1."), || {
                    wrong("foreign state".to_owned())
                })?;
                ensure(!state.is_empty() || !origin.is_foreign, || {
                    wrong("no state".to_owned())
                })?;
            }
            kind => {
                ensure(!origin.is_foreign, || {
                    wrong(format!("an item of type {kind}"))
                })?;
            }
        }
    }
    let open: Vec<_> = called.iter().filter(|id| !answered.contains(id)).collect();
    ensure(open.is_empty() || origin.is_openai, || {
        format!("{open:?} have no results")
    })
}

fn call_id(item: &Value) -> Judged<&str> {
    let id = filled(item, "call_id")?;
    ensure(id.len() <= 64, || format!("the id `{id}`"))?;
    Ok(id)
}

fn message(item: &Value) -> Judged {
    let role = one_of(item, "role", &["user", "assistant", "system", "developer"])?;
    if item["content"].is_string() {
        return Ok(());
    }
    let kinds: &[&str] = match role {
        "assistant" => &["output_text", "refusal"],
        "user" => &["input_text", "input_image", "input_file", "input_audio"],
        _ => &["input_text"],
    };
    parts(item, "content", kinds)
}

fn parts(item: &Value, key: &str, kinds: &[&str]) -> Judged {
    for part in some(item, key)? {
        match one_of(part, "type", kinds)? {
            "input_text" | "output_text" => {
                string(part, "text")?;
            }
            "input_image" => {
                let url = part["image_url"].as_str().unwrap_or_default();
                let is_url = url.starts_with("data:image/") || url.starts_with("http");
                ensure(is_url || !absent(part, "file_id"), || {
                    "a picture from nowhere".to_owned()
                })?;
            }
            "input_file" => {
                let sources = ["file_data", "file_id", "file_url"];
                ensure(sources.iter().any(|key| !absent(part, key)), || {
                    "a file from nowhere".to_owned()
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}
