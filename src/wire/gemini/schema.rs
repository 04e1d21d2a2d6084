//! Gemini's Schema, a part of OpenAPI 3.0, as JSON Schema.

use std::borrow::Cow;

use super::super::json::{Node, Tree};
use super::members::camel;
use crate::chat::{Fault, FaultKind, Json};

/// How deep the document of a schema may nest.
const DEPTH: usize = 128;
/// How many values it may have.
const NODES: usize = 20_000;

/// Bounds of 64 bits, which proto JSON writes as strings.
const BOUNDS: [&str; 8] = [
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "minimum",
    "maximum",
];

/// Reads a Schema. `at` is where it stands in the client's document.
pub(super) fn to_json_schema(schema: Node<'_>, at: &str) -> Result<Json<'static>, Fault> {
    let mut nodes = NODES;
    let tree = Tree::build(schema, DEPTH, &mut nodes).ok_or_else(|| {
        Fault::new(
            FaultKind::InvalidRequest,
            "invalid_request",
            "the schema is too deep or too big",
        )
        .with_param(at.to_owned())
    })?;
    Ok(convert(tree).to_json())
}

fn convert(schema: Tree<'_>) -> Tree<'_> {
    let Tree::Object(members) = schema else {
        return schema;
    };
    let mut out = Tree::empty();
    let mut is_nullable = false;
    for (key, value) in members {
        let key = camel(key);
        match &*key {
            "nullable" => is_nullable = value == Tree::scalar("true"),
            "propertyOrdering" => {}
            "format" if value.as_str() == Some("enum") => {}
            "type" => {
                if let Some(kind) = lower(value) {
                    out.set(key, kind);
                }
            }
            "example" => out.set("examples", Tree::Array(vec![value])),
            "properties" | "$defs" | "definitions" => out.set(key, each_member(value)),
            "defs" => out.set("$defs", each_member(value)),
            "ref" => out.set("$ref", value),
            "items" | "additionalProperties" | "not" => out.set(key, convert(value)),
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => out.set(key, each_item(value)),
            name if BOUNDS.contains(&name) => out.set(key, number(value)),
            _ => out.set(key, value),
        }
    }
    if is_nullable {
        allow_null(&mut out);
    }
    out
}

fn each_member(members: Tree<'_>) -> Tree<'_> {
    match members {
        Tree::Object(members) => Tree::Object(
            members
                .into_iter()
                .map(|(key, value)| (key, convert(value)))
                .collect(),
        ),
        other => other,
    }
}

fn each_item(items: Tree<'_>) -> Tree<'_> {
    match items {
        Tree::Array(items) => Tree::Array(items.into_iter().map(convert).collect()),
        other => other,
    }
}

/// The type's name in JSON Schema; `None` for no type.
fn lower(kind: Tree<'_>) -> Option<Tree<'_>> {
    match kind {
        Tree::String(name) if name == "TYPE_UNSPECIFIED" => None,
        Tree::String(name) => Some(Tree::string(name.to_ascii_lowercase())),
        Tree::Array(names) => Some(Tree::Array(names.into_iter().filter_map(lower).collect())),
        other => Some(other),
    }
}

fn number(bound: Tree<'_>) -> Tree<'_> {
    let is_number = |text: &str| Node::parse_any(text, 1).is_some_and(|node| node.f64().is_some());
    match bound {
        Tree::String(text) if is_number(&text) => Tree::Scalar(Cow::Owned(text.trim().to_owned())),
        other => other,
    }
}

fn allow_null(schema: &mut Tree<'_>) {
    let null = || Tree::scalar("null");
    match schema.get_mut("type") {
        Some(Tree::Array(kinds)) => kinds.push(Tree::string("null")),
        Some(kind) => {
            let one = std::mem::replace(kind, null());
            *kind = Tree::Array(vec![one, Tree::string("null")]);
        }
        None => {
            if let Some(Tree::Array(branches)) = schema.get_mut("anyOf") {
                let branch = Tree::Object(vec![("type".into(), Tree::string("null"))]);
                branches.push(branch);
            }
        }
    }
    if let Some(Tree::Array(values)) = schema.get_mut("enum")
        && !values.contains(&null())
    {
        values.push(null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(schema: &str) -> String {
        let json = to_json_schema(Node::trusted(schema), "s").unwrap();
        json.as_str().to_owned()
    }

    #[test]
    fn geminis_words_become_those_of_json_schema() {
        for (schema, want) in [
            (
                r#"{"type":"STRING","format":"enum","enum":["a"]}"#,
                r#"{"type":"string","enum":["a"]}"#,
            ),
            (
                r#"{"type":"STRING","nullable":true}"#,
                r#"{"type":["string","null"]}"#,
            ),
            (
                r#"{"type":"STRING","nullable":true,"enum":["a"]}"#,
                r#"{"type":["string","null"],"enum":["a",null]}"#,
            ),
            (
                r#"{"type":"STRING","nullable":false}"#,
                r#"{"type":"string"}"#,
            ),
            (
                r#"{"any_of":[{"type":"INTEGER"}],"nullable":true}"#,
                r#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#,
            ),
            (
                r#"{"type":"NUMBER","example":1.0}"#,
                r#"{"type":"number","examples":[1.0]}"#,
            ),
            (
                r#"{"type":"ARRAY","items":{"type":"STRING"},"minItems":"2","max_items":3}"#,
                r#"{"type":"array","items":{"type":"string"},"minItems":2,"maxItems":3}"#,
            ),
            (r#"{"type":"TYPE_UNSPECIFIED"}"#, "{}"),
            (
                r#"{"type":"STRING","minLength":"x"}"#,
                r#"{"type":"string","minLength":"x"}"#,
            ),
        ] {
            assert_eq!(converted(schema), want);
        }
    }

    #[test]
    fn properties_that_are_named_like_keywords_stay() {
        assert_eq!(
            converted(
                r#"{"type":"OBJECT","properties":{"nullable":{"type":"BOOLEAN"},"property_ordering":{"type":"STRING"},"example":{"type":"STRING"}},"propertyOrdering":["example"],"required":["nullable"]}"#
            ),
            r#"{"type":"object","properties":{"nullable":{"type":"boolean"},"property_ordering":{"type":"string"},"example":{"type":"string"}},"required":["nullable"]}"#
        );
    }

    #[test]
    fn what_is_json_schema_already_stays() {
        let schema = r#"{"type":"object","properties":{"a":{"type":["string","null"],"const":"TYPE"}},"additionalProperties":false}"#;
        assert_eq!(converted(schema), schema);
    }

    #[test]
    fn a_schema_without_end_is_refused() {
        let deep = format!(
            "{}{}",
            r#"{"items":"#.repeat(200),
            "{}".to_owned() + &"}".repeat(200)
        );
        let fault = to_json_schema(Node::trusted(&deep), "here").unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("here"));
    }
}
