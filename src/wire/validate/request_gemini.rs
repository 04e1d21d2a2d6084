//! What Gemini refuses.

use serde_json::Value;

use super::request::{Origin, each_schema, names, range, requires_what_it_has, some};
use super::{Judged, absent, ensure, filled, is_plain, list, one_of, only};

const MEMBERS: &[&str] = &[
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "safetySettings",
    "serviceTier",
];

const CONFIG: &[&str] = &[
    "temperature",
    "topP",
    "topK",
    "presencePenalty",
    "frequencyPenalty",
    "seed",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseLogprobs",
    "logprobs",
    "thinkingConfig",
    "responseModalities",
    "speechConfig",
    "mediaResolution",
];

/// The OpenAPI subset.
const KEYWORDS: &[&str] = &[
    "type",
    "format",
    "title",
    "description",
    "nullable",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "properties",
    "required",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "example",
    "anyOf",
    "default",
    "propertyOrdering",
];

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

pub(super) fn judge(body: &Value, origin: Origin) -> Judged {
    let body = match body.get("request") {
        Some(inner) if !origin.is_foreign => inner,
        _ => body,
    };
    if origin.is_foreign {
        only(body, MEMBERS)?;
    }
    if !absent(body, "systemInstruction") && origin.is_foreign {
        for part in some(&body["systemInstruction"], "parts")? {
            filled(part, "text")?;
        }
    }
    tools(body, origin)?;
    config(body, origin)?;
    contents(body, origin)
}

fn tools(body: &Value, origin: Origin) -> Judged {
    let tools = match &body["tools"] {
        Value::Null => &[],
        Value::Array(tools) => tools.as_slice(),
        one => std::slice::from_ref(one),
    };
    let functions = || {
        tools
            .iter()
            .filter_map(|tool| tool["functionDeclarations"].as_array())
            .flatten()
    };
    for function in functions().filter(|_| origin.is_foreign) {
        ensure(function.get("parametersJsonSchema").is_none(), || {
            "a JSON schema where the model knows OpenAPI".to_owned()
        })?;
        if let Some(parameters) = function.get("parameters") {
            ensure(parameters["type"] == "OBJECT", || {
                format!("parameters {parameters}")
            })?;
            let some = parameters["properties"]
                .as_object()
                .is_some_and(|map| !map.is_empty());
            ensure(some, || {
                format!("parameters without properties: {function}")
            })?;
            schema(parameters)?;
        }
    }
    let names = names(
        functions().filter_map(|function| function["name"].as_str()),
        64,
    )?;
    if origin.is_foreign {
        let builtin = tools
            .iter()
            .any(|tool| absent(tool, "functionDeclarations"));
        ensure(!builtin || names.is_empty(), || {
            "built-in tools beside functions".to_owned()
        })?;
    }
    let choice = &body["toolConfig"]["functionCallingConfig"];
    if choice.is_null() {
        return Ok(());
    }
    let mode = one_of(choice, "mode", &["AUTO", "ANY", "NONE", "VALIDATED"])?;
    ensure(!names.is_empty() || !origin.is_foreign, || {
        "a choice without functions".to_owned()
    })?;
    if !absent(choice, "allowedFunctionNames") {
        ensure(matches!(mode, "ANY" | "VALIDATED"), || {
            format!("allowed names in mode {mode}")
        })?;
        for name in list(choice, "allowedFunctionNames")? {
            ensure(names.iter().any(|known| name == known), || {
                format!("no function {name}")
            })?;
        }
    }
    Ok(())
}

fn schema(schema: &Value) -> Judged {
    each_schema(schema, &mut |schema| {
        only(schema, KEYWORDS)?;
        if !absent(schema, "type") {
            let types = &[
                "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL",
            ];
            let kind = one_of(schema, "type", types)?;
            ensure(kind != "ARRAY" || !absent(schema, "items"), || {
                format!("no items in {schema}")
            })?;
            let formats: &[&str] = match kind {
                "STRING" => &["enum", "date-time"],
                "NUMBER" => &["float", "double"],
                "INTEGER" => &["int32", "int64"],
                _ => &[],
            };
            if !absent(schema, "format") {
                one_of(schema, "format", formats)?;
            }
        } else {
            ensure(!absent(schema, "anyOf"), || format!("no type in {schema}"))?;
        }
        for value in schema["enum"].as_array().into_iter().flatten() {
            ensure(
                value.as_str().is_some_and(|value| !value.is_empty()),
                || format!("the enum value {value}"),
            )?;
        }
        requires_what_it_has(schema)
    })
}

fn config(body: &Value, origin: Origin) -> Judged {
    let config = &body["generationConfig"];
    if config.is_null() {
        return Ok(());
    }
    if origin.is_foreign {
        only(config, CONFIG)?;
        if !absent(config, "responseSchema") {
            schema(&config["responseSchema"])?;
        }
        let has_schema = !absent(config, "responseSchema") || !absent(config, "responseJsonSchema");
        if has_schema {
            one_of(
                config,
                "responseMimeType",
                &["application/json", "text/x.enum"],
            )?;
        }
        let has_tools = !absent(body, "tools");
        ensure(
            !has_tools || config["responseMimeType"] != "application/json",
            || "JSON output together with functions".to_owned(),
        )?;
    }
    range(config, "temperature", 0.0, 2.0)?;
    range(config, "topP", 0.0, 1.0)?;
    if !absent(config, "stopSequences") {
        let stops = list(config, "stopSequences")?;
        ensure(stops.len() <= 5, || "more than 5 stop sequences".to_owned())?;
    }
    let thinking = &config["thinkingConfig"];
    ensure(
        absent(thinking, "thinkingBudget") || absent(thinking, "thinkingLevel"),
        || "a thinking budget and a level".to_owned(),
    )
}

fn contents(body: &Value, origin: Origin) -> Judged {
    let mut before = "";
    let mut open: Vec<&str> = Vec::new();
    for (at, content) in some(body, "contents")?.iter().enumerate() {
        let wrong = |what: String| format!("contents[{at}]: {what}");
        let role = content["role"].as_str().unwrap_or("user");
        ensure(matches!(role, "user" | "model"), || {
            wrong(format!("the role {role}"))
        })?;
        let parts = some(content, "parts").map_err(wrong)?;
        for part in parts {
            let data = DATA.iter().filter(|key| part.get(key).is_some()).count();
            ensure(data == 1 || !origin.is_foreign, || {
                wrong(format!("{data} kinds of data in {part}"))
            })?;
            let is_empty = part["text"] == "" && absent(part, "thoughtSignature");
            ensure(!is_empty || !origin.is_foreign, || {
                wrong("an empty text".to_owned())
            })?;
            if let Some(blob) = part.get("inlineData") {
                filled(blob, "mimeType")
                    .and_then(|_| filled(blob, "data"))
                    .map_err(wrong)?;
            }
        }
        if !origin.is_foreign {
            continue;
        }
        ensure(role != before, || wrong(format!("two {role} in a row")))?;
        let results: Vec<&Value> = parts
            .iter()
            .filter_map(|part| part.get("functionResponse"))
            .collect();
        let named: Vec<&str> = results
            .iter()
            .filter_map(|result| result["name"].as_str())
            .collect();
        ensure(named == open, || {
            wrong(format!("results of {named:?}, called were {open:?}"))
        })?;
        ensure(
            results.iter().all(|result| result["response"].is_object()),
            || wrong("a response that is no object".to_owned()),
        )?;
        let first = parts.iter().take(results.len());
        ensure(
            first
                .clone()
                .all(|part| part.get("functionResponse").is_some()),
            || wrong("something between the results".to_owned()),
        )?;
        open.clear();
        for call in parts.iter().filter_map(|part| part.get("functionCall")) {
            ensure(role == "model" && before == "user", || {
                wrong("a call out of turn".to_owned())
            })?;
            let name = filled(call, "name").map_err(wrong)?;
            ensure(is_plain(name, 64), || wrong(format!("a call of `{name}`")))?;
            ensure(call["args"].is_object(), || {
                wrong("args that are no object".to_owned())
            })?;
            open.push(name);
        }
        before = role;
    }
    ensure(open.is_empty(), || format!("{open:?} have no results"))
}
