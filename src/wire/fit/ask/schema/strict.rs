//! The subset of JSON Schema that OpenAI can hold an answer to.

use std::convert::Infallible;

use super::walk::{children, list, look, strings, types};
use crate::wire::json::Tree;

const FORBIDDEN: [&str; 14] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "contains",
    "prefixItems",
    "unevaluatedProperties",
    "unevaluatedItems",
];
const FORMATS: [&str; 9] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uuid",
];
const MAX_PROPERTIES: usize = 5000;
const MAX_DEPTH: usize = 10;
const MAX_ENUM: usize = 1000;
const MAX_TEXT: usize = 120_000;

/// Whether OpenAI would take it with `strict`.
pub(super) fn conforms(root: &Tree<'_>) -> bool {
    if types(root) != ["object"] || root.get("anyOf").is_some() || root.get("$ref").is_some() {
        return false;
    }
    let mut sum = Sum::default();
    fits(root, 0, &mut sum)
        && sum.properties <= MAX_PROPERTIES
        && sum.values <= MAX_ENUM
        && sum.text <= MAX_TEXT
}

#[derive(Default)]
struct Sum {
    properties: usize,
    values: usize,
    text: usize,
}

fn fits(schema: &Tree<'_>, depth: usize, sum: &mut Sum) -> bool {
    let Some(members) = schema.as_object() else {
        return false;
    };
    if members.iter().any(|(key, _)| FORBIDDEN.contains(&&**key)) {
        return false;
    }
    let format = schema.get("format").and_then(Tree::as_str);
    if format.is_some_and(|name| !FORMATS.contains(&name)) {
        return false;
    }
    let values = schema
        .get("enum")
        .and_then(Tree::as_array)
        .unwrap_or_default();
    sum.values += values.len();
    sum.text += values
        .iter()
        .filter_map(Tree::as_str)
        .map(str::len)
        .sum::<usize>();
    let is_object = types(schema).contains(&"object");
    if is_object || schema.get("properties").is_some() {
        let properties = schema.get("properties").and_then(Tree::as_object);
        let properties = properties.unwrap_or_default();
        let required = strings(schema.get("required"));
        sum.properties += properties.len();
        sum.text += properties.iter().map(|(name, _)| name.len()).sum::<usize>();
        let is_closed = schema.get("additionalProperties") == Some(&Tree::scalar("false"));
        let all = properties
            .iter()
            .all(|(name, _)| required.contains(&&**name));
        if !is_object || !is_closed || !all || depth > MAX_DEPTH {
            return false;
        }
    }
    let mut all = true;
    look(schema, &mut |child| {
        // `additionalProperties: false` is the only one that is no object.
        let is_closing = child == &Tree::scalar("false");
        all = all && (is_closing || fits(child, depth + usize::from(is_object), sum));
    });
    all
}

/// Forbids members that are not named, where nothing is said about them.
pub(super) fn close(schema: &mut Tree<'_>) {
    let is_object = types(schema).contains(&"object") && schema.get("properties").is_some();
    if is_object && schema.get("additionalProperties").is_none() {
        schema.set("additionalProperties", Tree::scalar("false"));
    }
    let _: Result<(), Infallible> = children(schema, &mut |child| {
        close(child);
        Ok(())
    });
}

/// Makes all members required; those that were not may be null.
pub(super) fn force(schema: &mut Tree<'_>) {
    let required: Vec<String> = strings(schema.get("required"))
        .into_iter()
        .map(str::to_owned)
        .collect();
    let mut names = Vec::new();
    if let Some(Tree::Object(properties)) = schema.get_mut("properties") {
        for (name, property) in properties {
            if !required.iter().any(|one| one == name) {
                make_nullable(property);
            }
            names.push(name.clone().into_owned());
        }
        schema.set("required", list(names));
        schema.set("additionalProperties", Tree::scalar("false"));
    }
    let _: Result<(), Infallible> = children(schema, &mut |child| {
        force(child);
        Ok(())
    });
}

fn make_nullable(schema: &mut Tree<'_>) {
    let null = || Tree::string("null");
    if schema.get("enum").is_none() && schema.get("const").is_none() {
        match schema.get_mut("type") {
            Some(Tree::Array(types)) => {
                if !types.contains(&null()) {
                    types.push(null());
                }
                return;
            }
            Some(one @ Tree::String(_)) => {
                let first = std::mem::replace(one, null());
                if first != null() {
                    *one = Tree::Array(vec![first, null()]);
                }
                return;
            }
            _ => {}
        }
    }
    let mut nothing = Tree::empty();
    nothing.set("type", null());
    if let Some(Tree::Array(branches)) = schema.get_mut("anyOf") {
        if !branches.contains(&nothing) {
            branches.push(nothing);
        }
        return;
    }
    let inner = std::mem::replace(schema, Tree::empty());
    schema.set("anyOf", Tree::Array(vec![inner, nothing]));
}
