//! Parts of Gemini's dialects: one schema out of several, and values to choose from.

use super::walk::{describe, types};
use crate::wire::json::Tree;

/// Merges `allOf` into the schema: members of both, what comes later wins.
pub(super) fn merge_all(schema: &mut Tree<'_>) {
    while let Some(all) = schema.remove("allOf") {
        let Tree::Array(all) = all else { continue };
        for part in all {
            let Tree::Object(members) = part else {
                continue;
            };
            for (key, value) in members {
                match (&*key, schema.get_mut(&key), value) {
                    ("properties", Some(before), Tree::Object(more)) => {
                        for (name, property) in more {
                            before.set(name, property);
                        }
                    }
                    (
                        "required" | "allOf" | "anyOf",
                        Some(Tree::Array(before)),
                        Tree::Array(more),
                    ) => {
                        for name in more {
                            if !before.contains(&name) {
                                before.push(name);
                            }
                        }
                    }
                    (_, _, value) => schema.set(key, value),
                }
            }
        }
    }
}

/// Sets an `enum` as far as Gemini takes it: strings only; the rest is told in the description.
/// `true`: it was.
pub(super) fn words<'a>(schema: &mut Tree<'a>, values: Vec<Tree<'a>>) -> bool {
    let before = values.len();
    let mut values: Vec<Tree<'a>> = values
        .into_iter()
        .filter(|value| *value != Tree::scalar("null"))
        .collect();
    if values.len() < before {
        schema.set("nullable", Tree::scalar("true"));
    }
    let kinds = types(schema);
    let may_be_words =
        kinds.is_empty() || kinds.iter().any(|kind| kind.eq_ignore_ascii_case("string"));
    if may_be_words && values.iter().all(|value| value.as_str().is_some()) {
        values.retain(|value| value.as_str() != Some(""));
        if kinds.is_empty() {
            schema.set("type", Tree::string("string"));
        }
        if !values.is_empty() {
            schema.set("enum", Tree::Array(values));
        }
        return false;
    }
    if kinds.is_empty() {
        let kind = |value: &Tree<'_>| match value {
            Tree::Scalar(text) if text == "true" || text == "false" => "boolean",
            Tree::Scalar(text) if text.contains(['.', 'e', 'E']) => "number",
            Tree::Scalar(_) => "integer",
            _ => "",
        };
        let first = values.first().map_or("", kind);
        if !first.is_empty() && values.iter().all(|value| kind(value) == first) {
            schema.set("type", Tree::string(first));
        } else if !values.is_empty() {
            schema.set("type", Tree::string("string"));
        }
    }
    let texts: Vec<String> = values
        .iter()
        .map(|value| value.to_json().as_str().to_owned())
        .collect();
    describe(schema, &format!("(one of: {})", texts.join(", ")));
    true
}
