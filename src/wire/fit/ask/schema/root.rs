//! Schemas whose root is an object, as arguments must be.

use super::walk::{describe, list, resolve, strings, types};
use crate::wire::json::Tree;

/// How many references and alternatives are followed from the root.
const STEPS: usize = 8;

/// Makes the root an object without alternatives. `true`: it is none, and was put into the member
/// `value` of one.
pub(super) fn object(schema: Tree<'_>) -> (Tree<'_>, bool) {
    let mut root = match schema {
        Tree::Object(_) => schema,
        // `true`, `false` and what is no schema at all: nothing is known about the arguments.
        _ => Tree::empty(),
    };
    drop_all(&mut root, &["$schema", "$id"]);
    let whole = root.clone();
    root = follow(root, &whole, STEPS);
    if !is_object(&root, &whole, STEPS) {
        return (wrap(root), true);
    }
    root = flatten(root, &whole, STEPS);
    if types(&root) != ["object"] || matches!(root.get("type"), Some(Tree::Array(_))) {
        set_first(&mut root, "type", Tree::string("object"));
    }
    (root, false)
}

fn drop_all(schema: &mut Tree<'_>, keys: &[&str]) {
    if let Tree::Object(members) = schema {
        members.retain(|(key, _)| !keys.contains(&&**key));
    }
}

fn set_first<'a>(schema: &mut Tree<'a>, key: &'static str, value: Tree<'a>) {
    if schema.get(key).is_some() {
        schema.set(key, value);
    } else if let Tree::Object(members) = schema {
        members.insert(0, (key.into(), value));
    }
}

/// The schema that a reference at the root of `schema` points at.
fn follow<'a>(mut schema: Tree<'a>, whole: &Tree<'a>, steps: usize) -> Tree<'a> {
    for _ in 0..steps {
        let Some(pointer) = schema.get("$ref").and_then(Tree::as_str) else {
            break;
        };
        let Some(Tree::Object(target)) = resolve(whole, pointer) else {
            break;
        };
        let mut merged = Tree::Object(target.clone());
        schema.remove("$ref");
        if let Tree::Object(beside) = schema {
            for (key, value) in beside {
                merged.set(key, value);
            }
        }
        schema = merged;
    }
    schema.remove("$ref");
    schema
}

const COMBINED: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Whether arguments that fit are an object.
fn is_object(schema: &Tree<'_>, whole: &Tree<'_>, steps: usize) -> bool {
    let types = types(schema);
    if !types.is_empty() {
        return types.contains(&"object");
    }
    if schema.get("properties").is_some() {
        return true;
    }
    if schema.get("items").is_some()
        || schema.get("enum").is_some()
        || schema.get("const").is_some()
    {
        return false;
    }
    let Some(steps) = steps.checked_sub(1) else {
        return true;
    };
    COMBINED.iter().all(|key| {
        let branches = schema.get(key).and_then(Tree::as_array).unwrap_or_default();
        branches.is_empty()
            || branches.iter().any(|branch| {
                let target = branch.get("$ref").and_then(Tree::as_str);
                let target = target.and_then(|pointer| resolve(whole, pointer));
                is_object(target.unwrap_or(branch), whole, steps)
            })
    })
}

fn wrap(mut inner: Tree<'_>) -> Tree<'_> {
    let mut properties = Tree::empty();
    let definitions = ["$defs", "definitions"].map(|key| (key, inner.remove(key)));
    properties.set("value", inner);
    let mut root = Tree::empty();
    root.set("type", Tree::string("object"));
    root.set("properties", properties);
    root.set("required", list(["value".to_owned()]));
    for (key, found) in definitions {
        if let Some(found) = found {
            root.set(key, found);
        }
    }
    root
}

/// Merges the alternatives of an object into it.
fn flatten<'a>(mut schema: Tree<'a>, whole: &Tree<'a>, steps: usize) -> Tree<'a> {
    for key in COMBINED {
        let Some(Tree::Array(branches)) = schema.remove(key) else {
            continue;
        };
        let Some(steps) = steps.checked_sub(1) else {
            continue;
        };
        let mut required: Option<Vec<String>> = None;
        let mut alternatives = Vec::new();
        for branch in branches {
            let branch = follow(branch, whole, steps);
            if !is_object(&branch, whole, steps) {
                continue;
            }
            let mut branch = flatten(branch, whole, steps);
            let names: Vec<String> = strings(branch.get("required"))
                .into_iter()
                .map(str::to_owned)
                .collect();
            alternatives.push(names.join(", "));
            required = Some(match required {
                None => names,
                Some(mut before) if key == "allOf" => {
                    for name in names {
                        if !before.contains(&name) {
                            before.push(name);
                        }
                    }
                    before
                }
                Some(before) => before
                    .into_iter()
                    .filter(|name| names.contains(name))
                    .collect(),
            });
            if let Some(Tree::Object(properties)) = branch.remove("properties") {
                add_properties(&mut schema, properties);
            }
            if key == "allOf"
                && schema.get("description").is_none()
                && let Some(text) = branch.remove("description")
            {
                schema.set("description", text);
            }
        }
        require(&mut schema, required.unwrap_or_default());
        if key != "allOf" && alternatives.len() > 1 {
            let text = format!(
                "(alternatives, by what they need: {})",
                alternatives.join("; or ")
            );
            describe(&mut schema, &text);
        }
    }
    schema
}

fn add_properties<'a>(schema: &mut Tree<'a>, more: Vec<(std::borrow::Cow<'a, str>, Tree<'a>)>) {
    if schema.get("properties").is_none() {
        schema.set("properties", Tree::empty());
    }
    let Some(properties) = schema.get_mut("properties") else {
        return;
    };
    for (name, property) in more {
        match properties.get_mut(&name) {
            None => properties.set(name, property),
            Some(before) if *before == property => {}
            Some(before) => {
                let other = std::mem::replace(before, Tree::empty());
                let mut branches = match other {
                    // One that was made of two already takes the next.
                    Tree::Object(mut members)
                        if members.len() == 1
                            && matches!(&members[..], [(key, Tree::Array(_))] if key == "anyOf") =>
                    {
                        match members.pop() {
                            Some((_, Tree::Array(branches))) => branches,
                            _ => Vec::new(),
                        }
                    }
                    other => vec![other],
                };
                if !branches.contains(&property) {
                    branches.push(property);
                }
                before.set("anyOf", Tree::Array(branches));
            }
        }
    }
}

fn require(schema: &mut Tree<'_>, more: Vec<String>) {
    let mut all: Vec<String> = strings(schema.get("required"))
        .into_iter()
        .map(str::to_owned)
        .collect();
    for name in more {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    if !all.is_empty() {
        schema.set("required", list(all));
    }
}
