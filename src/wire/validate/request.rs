//! Judges requests as the strictest provider of each format would: what is wrong here is a 400 there.

use serde_json::Value;

use super::{Format, Judged};
use super::{ensure, is_plain, list, request_claude, request_gemini};
use super::{request_openai_chat, request_openai_responses};

/// Where a request for `target` comes from: what a client of the same format writes only has to be what
/// its provider takes, what we translate has to be safe everywhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) is_foreign: bool,
    /// OpenAI's clients are responsible for their own strict schemas.
    pub(super) is_openai: bool,
}

/// Judges a request for `target` that a client wrote in `from`.
pub(crate) fn judge(target: Format, from: Format, body: &Value) -> Judged {
    let origin = Origin {
        is_foreign: target != from,
        is_openai: matches!(from, Format::OpenAiChat | Format::OpenAiResponses),
    };
    match target {
        Format::Claude => request_claude::judge(body, origin),
        Format::OpenAiChat => request_openai_chat::judge(body, origin),
        Format::OpenAiResponses => request_openai_responses::judge(body, origin),
        Format::Gemini => request_gemini::judge(body, origin),
    }
}

/// Calls each schema in `schema`, itself first, not what merely looks like one.
pub(super) fn each_schema(schema: &Value, see: &mut dyn FnMut(&Value) -> Judged) -> Judged {
    see(schema)?;
    for key in ["properties", "$defs", "definitions"] {
        for inner in schema[key]
            .as_object()
            .into_iter()
            .flat_map(|map| map.values())
        {
            each_schema(inner, see)?;
        }
    }
    for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
        for inner in schema[key].as_array().into_iter().flatten() {
            each_schema(inner, see)?;
        }
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            each_schema(&schema[key], see)?;
        }
    }
    Ok(())
}

/// What is required must be there.
pub(super) fn requires_what_it_has(schema: &Value) -> Judged {
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        ensure(schema["properties"].get(name).is_some(), || {
            format!("`{name}` is required and no property of {schema}")
        })?;
    }
    Ok(())
}

/// OpenAI's strict subset.
pub(super) fn is_strict(schema: &Value) -> Judged {
    ensure(
        schema["type"] == "object" && schema.get("anyOf").is_none(),
        || format!("the root is no object: {schema}"),
    )?;
    each_schema(schema, &mut |schema| {
        for key in [
            "allOf",
            "oneOf",
            "not",
            "if",
            "then",
            "else",
            "patternProperties",
        ] {
            ensure(schema.get(key).is_none(), || {
                format!("`{key}` in a strict schema: {schema}")
            })?;
        }
        if schema["type"] == "object" {
            ensure(schema["additionalProperties"] == false, || {
                format!("additionalProperties is not false: {schema}")
            })?;
            let properties = schema["properties"]
                .as_object()
                .map_or(0, serde_json::Map::len);
            let required = schema["required"].as_array().map_or(0, Vec::len);
            ensure(properties == required, || {
                format!("not all is required: {schema}")
            })?;
        }
        Ok(())
    })
}

/// Names of functions: plain, no two alike.
pub(super) fn names<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> Judged<Vec<&'a str>> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        ensure(is_plain(name, most), || format!("a tool named `{name}`"))?;
        ensure(!seen.contains(&name), || {
            format!("two tools named `{name}`")
        })?;
        seen.push(name);
    }
    Ok(seen)
}

/// A number in a range, if it is there.
pub(super) fn range(body: &Value, key: &str, from: f64, to: f64) -> Judged {
    match &body[key] {
        Value::Null => Ok(()),
        value => ensure(
            value
                .as_f64()
                .is_some_and(|value| (from..=to).contains(&value)),
            || format!("`{key}` is {value}"),
        ),
    }
}

/// At most so many cache marks named `mark` anywhere.
pub(super) fn marks(value: &Value, mark: &str) -> usize {
    match value {
        Value::Object(map) => {
            usize::from(map.get(mark).is_some_and(Value::is_object))
                + map.values().map(|value| marks(value, mark)).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|value| marks(value, mark)).sum(),
        _ => 0,
    }
}

/// A member that must be an array with something in it.
pub(super) fn some<'a>(value: &'a Value, key: &str) -> Judged<&'a [Value]> {
    let items = list(value, key)?;
    ensure(!items.is_empty(), || format!("`{key}` is empty"))?;
    Ok(items)
}

/// Text that a model can read something in.
pub(super) fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}
