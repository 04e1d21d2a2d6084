//! What OpenAI Chat Completions and its strict imitations refuse.

use serde_json::Value;

use super::request::{Origin, is_strict, names, range, some};
use super::{Judged, absent, ensure, filled, is_plain, list, one_of, only, string};

const MEMBERS: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "logit_bias",
    "max_completion_tokens",
    "max_tokens",
    "n",
    "stop",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "modalities",
    "audio",
    "web_search_options",
    "metadata",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "service_tier",
    "store",
    "moderation",
];

pub(super) fn judge(body: &Value, origin: Origin) -> Judged {
    if origin.is_foreign {
        only(body, MEMBERS)?;
        ensure(
            body["stream"] != true || body["stream_options"]["include_usage"] == true,
            || "a stream without its usage".to_owned(),
        )?;
    }
    string(body, "model")?;
    ensure(
        absent(body, "max_tokens") || absent(body, "max_completion_tokens"),
        || "two limits of tokens".to_owned(),
    )?;
    range(body, "temperature", 0.0, 2.0)?;
    range(body, "top_p", 0.0, 1.0)?;
    ensure(
        absent(body, "top_logprobs") || body["logprobs"] == true,
        || "top_logprobs without logprobs".to_owned(),
    )?;
    if body["stop"].is_array() {
        let stops = some(body, "stop")?;
        ensure(stops.len() <= 4, || "more than 4 stop sequences".to_owned())?;
    }
    tools(body, origin)?;
    format(body, origin)?;
    messages(body, origin)
}

fn tools(body: &Value, origin: Origin) -> Judged {
    if absent(body, "tools") {
        for key in ["tool_choice", "parallel_tool_calls"] {
            ensure(absent(body, key), || format!("{key} without tools"))?;
        }
        return Ok(());
    }
    let tools = some(body, "tools")?;
    for tool in tools {
        let kind = one_of(tool, "type", &["function", "custom"])?;
        filled(&tool[kind], "name")?;
        let function = &tool["function"];
        if !absent(function, "parameters") {
            let parameters = &function["parameters"];
            ensure(parameters["type"] == "object", || {
                format!("parameters {parameters}")
            })?;
            if function["strict"] == true && !origin.is_openai {
                is_strict(parameters)?;
            }
        }
    }
    let names = names(
        tools.iter().filter_map(|tool| {
            let name = tool["function"]["name"].as_str();
            name.or_else(|| tool["custom"]["name"].as_str())
        }),
        64,
    )?;
    match &body["tool_choice"] {
        Value::Null => Ok(()),
        Value::String(_) => one_of(body, "tool_choice", &["none", "auto", "required"]).map(drop),
        choice => match one_of(choice, "type", &["function", "custom", "allowed_tools"])? {
            "allowed_tools" => some(&choice["allowed_tools"], "tools").map(drop),
            kind => {
                let name = filled(&choice[kind], "name")?;
                ensure(names.contains(&name), || {
                    format!("no tool `{name}` to choose")
                })
            }
        },
    }
}

fn format(body: &Value, origin: Origin) -> Judged {
    let format = &body["response_format"];
    if format.is_null() {
        return Ok(());
    }
    match one_of(format, "type", &["text", "json_object", "json_schema"])? {
        "json_object" => {
            let messages = body["messages"].to_string().to_ascii_lowercase();
            ensure(messages.contains("json"), || {
                "json_object, and nobody says JSON".to_owned()
            })
        }
        "json_schema" => {
            let schema = &format["json_schema"];
            let name = filled(schema, "name")?;
            ensure(is_plain(name, 64), || format!("a schema named `{name}`"))?;
            if schema["strict"] == true && !origin.is_openai {
                is_strict(&schema["schema"])?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn messages(body: &Value, origin: Origin) -> Judged {
    let mut open: Vec<&str> = Vec::new();
    for (at, message) in some(body, "messages")?.iter().enumerate() {
        let wrong = |what: String| format!("messages[{at}]: {what}");
        let roles = &["system", "developer", "user", "assistant", "tool"];
        let role = one_of(message, "role", roles).map_err(wrong)?;
        if role == "tool" {
            let id = filled(message, "tool_call_id").map_err(wrong)?;
            let Some(found) = open.iter().position(|open| *open == id) else {
                return Err(wrong(format!(
                    "a result of `{id}`, which nobody called just before"
                )));
            };
            open.remove(found);
            content(message, &["text"]).map_err(wrong)?;
            continue;
        }
        ensure(open.is_empty(), || {
            wrong(format!("{open:?} have no results"))
        })?;
        match role {
            "assistant" => {
                open = calls(message, origin).map_err(wrong)?;
                if absent(message, "content") {
                    let says = !open.is_empty() || !absent(message, "refusal");
                    ensure(says || !absent(message, "audio"), || {
                        wrong("says nothing".to_owned())
                    })?;
                } else {
                    content(message, &["text", "refusal"]).map_err(wrong)?;
                }
            }
            "user" => {
                content(message, &["text", "image_url", "input_audio", "file"]).map_err(wrong)?;
            }
            _ => content(message, &["text"]).map_err(wrong)?,
        }
    }
    ensure(open.is_empty() || origin.is_openai, || {
        format!("{open:?} have no results")
    })
}

fn calls(message: &Value, origin: Origin) -> Judged<Vec<&str>> {
    let mut ids = Vec::new();
    if absent(message, "tool_calls") {
        return Ok(ids);
    }
    for call in some(message, "tool_calls")? {
        let id = filled(call, "id")?;
        let fits = id.len() <= 40 && !id.contains("__aip1_");
        ensure(fits || !origin.is_foreign, || format!("the id `{id}`"))?;
        ensure(!ids.contains(&id), || format!("two calls `{id}`"))?;
        ids.push(id);
        let kind = one_of(call, "type", &["function", "custom"])?;
        let name = filled(&call[kind], "name")?;
        ensure(is_plain(name, 64), || format!("a call of `{name}`"))?;
        string(
            &call[kind],
            if kind == "custom" {
                "input"
            } else {
                "arguments"
            },
        )?;
    }
    Ok(ids)
}

fn content(message: &Value, kinds: &[&str]) -> Judged {
    if message["content"].is_string() {
        return Ok(());
    }
    for part in list(message, "content")? {
        match one_of(part, "type", kinds)? {
            "image_url" => {
                let url = filled(&part["image_url"], "url")?;
                ensure(
                    url.starts_with("data:image/") || url.starts_with("http"),
                    || format!("a picture at {url:.40}"),
                )?;
            }
            "input_audio" => {
                filled(&part["input_audio"], "data")?;
                one_of(&part["input_audio"], "format", &["wav", "mp3"])?;
            }
            "file" => {
                let file = &part["file"];
                ensure(
                    !absent(file, "file_id") || !absent(file, "file_data"),
                    || "a file without data".to_owned(),
                )?;
            }
            kind => {
                string(part, kind)?;
            }
        }
    }
    Ok(())
}
