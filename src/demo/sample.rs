//! Arguments that fit a JSON Schema: the least a caller has to give.

use serde_json::{Map, Value, json};

/// How deep a schema is followed; recursive ones exist.
const DEEPEST: usize = 8;

/// An object with the required properties of `schema`.
pub(super) fn arguments(schema: &Value) -> Value {
    match sample(schema, schema, 0) {
        object @ Value::Object(_) => object,
        _ => json!({}),
    }
}

fn sample(schema: &Value, root: &Value, depth: usize) -> Value {
    if depth > DEEPEST {
        return Value::Null;
    }
    if let Some(value) = fixed(schema) {
        return value;
    }
    if let Some(other) = elsewhere(schema, root) {
        return sample(other, root, depth + 1);
    }
    match kind(schema).as_str() {
        "string" => json!("demo"),
        "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        "boolean" => json!(true),
        "array" => match schema.get("items") {
            Some(items) => json!([sample(items, root, depth + 1)]),
            None => json!([]),
        },
        "object" => object(schema, root, depth),
        _ => Value::Null,
    }
}

fn object(schema: &Value, root: &Value, depth: usize) -> Value {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let fields: Map<String, Value> = required
        .iter()
        .filter_map(Value::as_str)
        .map(|name| {
            let property = &schema["properties"][name];
            (name.to_owned(), sample(property, root, depth + 1))
        })
        .collect();
    Value::Object(fields)
}

/// The value, where the schema itself names one.
fn fixed(schema: &Value) -> Option<Value> {
    schema
        .get("const")
        .or_else(|| schema["enum"].get(0))
        .or_else(|| schema.get("default").filter(|value| !value.is_null()))
        .cloned()
}

/// The schema that this one refers to: a local `$ref`, or the first alternative.
fn elsewhere<'a>(schema: &'a Value, root: &'a Value) -> Option<&'a Value> {
    if let Some(pointer) = schema["$ref"].as_str() {
        return root.pointer(pointer.strip_prefix('#')?);
    }
    ["anyOf", "oneOf", "allOf", "any_of"]
        .iter()
        .find_map(|name| schema[*name].get(0))
}

/// The type in lower case (Gemini writes `STRING`), the first one of a list.
fn kind(schema: &Value) -> String {
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.first().unwrap_or(&Value::Null),
        kind => kind,
    };
    match kind.as_str() {
        Some(kind) => kind.to_ascii_lowercase(),
        None if schema.get("properties").is_some() => "object".to_owned(),
        None => "string".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_properties_are_filled_by_type() {
        for (property, want) in [
            (json!({"type": "string"}), json!("demo")),
            (json!({"type": "STRING"}), json!("demo")),
            (json!({"type": ["integer", "null"]}), json!(1)),
            (json!({"type": "number", "minimum": 5}), json!(5)),
            (json!({"type": "boolean"}), json!(true)),
            (json!({"enum": ["c", "f"], "type": "string"}), json!("c")),
            (json!({"const": 7}), json!(7)),
            (
                json!({"type": "array", "items": {"type": "string"}}),
                json!(["demo"]),
            ),
            (json!({"anyOf": [{"type": "boolean"}, {}]}), json!(true)),
            (json!({"$ref": "#/$defs/unit"}), json!("kelvin")),
            (
                json!({"type": "object", "required": ["x"], "properties": {"x": {"type": "integer"}}}),
                json!({"x": 1}),
            ),
        ] {
            let schema = json!({
                "type": "object",
                "properties": {"p": property, "optional": {"type": "string"}},
                "required": ["p"],
                "$defs": {"unit": {"enum": ["kelvin"]}},
            });
            assert_eq!(arguments(&schema), json!({"p": want}), "{schema}");
        }
    }

    #[test]
    fn arguments_are_an_object_whatever_the_schema() {
        for schema in [
            json!(null),
            json!({}),
            json!({"type": "string"}),
            json!({"$ref": "#"}),
            json!({"type": "object", "required": "x"}),
        ] {
            assert!(arguments(&schema).is_object(), "{schema}");
        }
    }
}
