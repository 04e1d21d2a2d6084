//! The keywords that Gemini's subset of OpenAPI has, and what they may hold.

use crate::wire::json::Tree;

/// The keywords of the subset, besides those that hold schemas.
pub(super) const PLAIN: [&str; 6] = [
    "title",
    "pattern",
    "example",
    "default",
    "nullable",
    "propertyOrdering",
];
/// Those that hold a number.
pub(super) const BOUNDS: [&str; 8] = [
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
];
/// Constraints that are told in the description.
pub(super) const TOLD: [&str; 12] = [
    "multipleOf",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "uniqueItems",
    "not",
    "patternProperties",
    "propertyNames",
    "contains",
    "if",
    "then",
    "else",
    "dependentRequired",
];
/// The longest constraint that is told.
const TOLD_MAX: usize = 200;

/// The type that a schema means. `None`: nobody knows it.
pub(super) fn kind(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "string" | "str" | "text" => "string",
        "number" | "float" | "double" => "number",
        "integer" | "int" | "long" => "integer",
        "boolean" | "bool" => "boolean",
        "array" | "list" => "array",
        "object" | "dict" | "map" => "object",
        "null" | "none" => "null",
        _ => return None,
    })
}

/// Remembers a constraint for the description, if it is not too long.
pub(super) fn tell(told: &mut Vec<String>, key: &str, value: &Tree<'_>) {
    let value = value.to_json();
    if value.as_str().len() <= TOLD_MAX {
        told.push(format!("({key}: {})", value.as_str()));
    }
}

/// Whether a numeric keyword has a number, or one in a string.
pub(super) fn is_number(value: &Tree<'_>) -> bool {
    match value {
        Tree::Scalar(text) => !matches!(&**text, "null" | "true" | "false"),
        Tree::String(text) => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// Whether a keyword has a value that Gemini can read.
pub(super) fn fits(key: &str, value: &Tree<'_>) -> bool {
    match key {
        "title" | "pattern" => value.as_str().is_some(),
        "nullable" => *value == Tree::scalar("true"),
        "propertyOrdering" => value.as_array().is_some(),
        _ => true,
    }
}
