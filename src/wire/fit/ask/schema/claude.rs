//! Schemas that Anthropic holds an answer or a strict tool to.

use super::TooBig;
use super::inline::inline;
use super::walk::{children, describe, look, resolve, types};
use crate::wire::json::Tree;

/// Keywords that are understood.
const ALLOWED: [&str; 15] = [
    "type",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "$defs",
    "properties",
    "required",
    "items",
    "description",
    "title",
    "default",
    "additionalProperties",
    "minItems",
];
const FORMATS: [&str; 10] = [
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
];
/// Keywords that constrain nothing.
const SILENT: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "$anchor",
    "examples",
    "example",
    "readOnly",
    "writeOnly",
    "deprecated",
];

/// Reduces a schema to what is understood; constraints that are not go into descriptions (`true`: some
/// did). `None`: it cannot be said, as with maps of any keys and schemas that contain themselves.
pub(super) fn exact(mut root: Tree<'_>) -> Result<Option<(Tree<'_>, bool)>, TooBig> {
    let mut references = Vec::new();
    collect(&root, &mut references);
    if references
        .iter()
        .any(|pointer| resolve(&root, pointer).is_none())
        || is_recursive(&root, &references)
    {
        return Ok(None);
    }
    let others = references
        .iter()
        .any(|pointer| !pointer.starts_with("#/$defs/"));
    if others || root.get("definitions").is_some() {
        root = inline(root)?;
    }
    let mut is_lossy = false;
    let can_be_said = reduce(&mut root, &mut is_lossy).is_ok();
    Ok(can_be_said.then_some((root, is_lossy)))
}

fn collect(schema: &Tree<'_>, found: &mut Vec<String>) {
    if let Some(pointer) = schema.get("$ref").and_then(Tree::as_str)
        && !found.iter().any(|one| one == pointer)
    {
        found.push(pointer.to_owned());
    }
    look(schema, &mut |child| collect(child, found));
}

/// Whether one of the references leads back to itself.
fn is_recursive(root: &Tree<'_>, references: &[String]) -> bool {
    let reached = |pointer: &String| {
        let mut found = Vec::new();
        if let Some(target) = resolve(root, pointer) {
            collect(target, &mut found);
        }
        found
    };
    let edges: Vec<Vec<String>> = references.iter().map(reached).collect();
    references.iter().any(|start| {
        let mut seen: Vec<&String> = Vec::new();
        let mut next = vec![start];
        while let Some(pointer) = next.pop() {
            let at = references.iter().position(|one| one == pointer);
            for target in at.and_then(|at| edges.get(at)).into_iter().flatten() {
                // A schema that holds the reference to itself from above.
                if target == start || start.starts_with(&format!("{target}/")) || target == "#" {
                    return true;
                }
                if !seen.contains(&target) {
                    seen.push(target);
                    next.push(target);
                }
            }
        }
        false
    })
}

struct Unsayable;

fn reduce(schema: &mut Tree<'_>, is_lossy: &mut bool) -> Result<(), Unsayable> {
    if schema.as_object().is_none() {
        return Err(Unsayable);
    }
    if let Some(branches) = schema.remove("oneOf") {
        if schema.get("anyOf").is_some() {
            return Err(Unsayable);
        }
        schema.set("anyOf", branches);
    }
    let is_object = types(schema).contains(&"object") || schema.get("properties").is_some();
    if is_object {
        let has_properties = schema.get("properties").is_some();
        let is_map = schema.get("additionalProperties").is_some_and(|more| {
            more.as_object().is_some() || (more == &Tree::scalar("true") && !has_properties)
        });
        if is_map || !has_properties {
            return Err(Unsayable);
        }
        if schema.get("type").is_none() {
            schema.set("type", Tree::string("object"));
        }
        schema.set("additionalProperties", Tree::scalar("false"));
    }
    let mut removed = Vec::new();
    if let Tree::Object(members) = schema {
        members.retain(|(key, value)| {
            let is_kept = match &**key {
                "format" => value.as_str().is_some_and(|name| FORMATS.contains(&name)),
                "minItems" => matches!(value, Tree::Scalar(count) if count == "0" || count == "1"),
                "additionalProperties" => is_object,
                key => ALLOWED.contains(&key),
            };
            if !is_kept && !SILENT.contains(&&**key) {
                let value = match value {
                    Tree::String(text) => text.clone().into_owned(),
                    other => other.to_json().as_str().to_owned(),
                };
                removed.push(format!("{key}: {value}"));
            }
            is_kept
        });
    }
    if !removed.is_empty() {
        *is_lossy = true;
        describe(schema, &format!("{{{}}}", removed.join(", ")));
    }
    children(schema, &mut |child| match child {
        Tree::Scalar(_) => Ok(()),
        child => reduce(child, is_lossy),
    })
}
