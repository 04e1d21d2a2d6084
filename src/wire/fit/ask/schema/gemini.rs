//! Gemini's dialects: the subset of OpenAPI that always works, and JSON Schema.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use super::alternatives::{self, Branches};
use super::keywords::{BOUNDS, PLAIN, TOLD, fits, is_number, kind, tell};
use super::merge::words;
use super::walk::{children, describe, list, strings, types};
use crate::wire::json::Tree;

/// Keeps JSON Schema, but for what Gemini does not take.
pub(super) fn standard(schema: &mut Tree<'_>) {
    if let Tree::Object(members) = schema {
        members.retain(|(key, _)| !matches!(&**key, "$schema" | "$id" | "$comment"));
    }
    if let Some(value) = schema.remove("const") {
        schema.set("enum", Tree::Array(vec![value]));
    }
    if let Some(Tree::Array(values)) = schema.remove("enum") {
        let may_be_null = schema.get("nullable").is_some();
        words(schema, values);
        if !may_be_null {
            // A word of the other dialect.
            schema.remove("nullable");
        }
    }
    let _: Result<(), Infallible> = children(schema, &mut |child| {
        standard(child);
        Ok(())
    });
}

/// Reduces a schema without references to the subset; `bounds`: numeric constraints are known there.
/// `true`: not all of it could be said. `None`: nothing fits it.
pub(super) fn subset(schema: Tree<'_>, bounds: bool) -> (Option<Tree<'_>>, bool) {
    let mut state = State {
        bounds,
        is_lossy: false,
    };
    let schema = reduce(schema, &mut state);
    (schema, state.is_lossy)
}

/// What is known while a schema is reduced.
struct State {
    bounds: bool,
    is_lossy: bool,
}

fn reduce<'a>(schema: Tree<'a>, state: &mut State) -> Option<Tree<'a>> {
    let mut from = match schema {
        Tree::Object(_) => schema,
        other if other == Tree::scalar("false") => return None,
        _ => Tree::empty(),
    };
    let branches = alternatives::take(&mut from);
    let mut to = Tree::empty();
    let mut told: Vec<String> = Vec::new();
    if let Some(text) = from.remove("description")
        && text.as_str().is_some_and(|text| !text.is_empty())
    {
        to.set("description", text);
    }

    let named = types(&from);
    let mut kinds: Vec<String> = Vec::new();
    for one in named.iter().filter_map(|name| kind(name)) {
        if !kinds.iter().any(|known| known == one) {
            kinds.push(one.to_owned());
        }
    }
    state.is_lossy |= named.iter().any(|name| kind(name).is_none());
    from.remove("type");
    if kinds.iter().any(|kind| kind == "null") {
        kinds.retain(|kind| kind != "null");
        from.set("nullable", Tree::scalar("true"));
        if kinds.is_empty() && from.get("properties").is_none() && from.get("items").is_none() {
            kinds.push("string".to_owned());
        }
    }

    if let Some(value) = from.remove("const") {
        from.set("enum", Tree::Array(vec![value]));
    }
    if let Some(Tree::Array(values)) = from.remove("enum") {
        let is_text = |value: &Tree<'_>| value.as_str().is_some() || *value == Tree::scalar("null");
        if kinds.iter().any(|kind| kind == "string") && values.iter().all(is_text) {
            kinds = vec!["string".to_owned()];
        }
        if !kinds.is_empty() {
            from.set("type", list(kinds));
        }
        state.is_lossy |= words(&mut from, values);
        kinds = types(&from).iter().map(|one| (*one).to_owned()).collect();
        from.remove("type");
        if let Some(text) = from.remove("description").as_ref().and_then(Tree::as_str) {
            told.push(text.to_owned());
        }
        if let Some(values) = from.remove("enum") {
            to.set("enum", values);
        }
    }

    let mut branches: Vec<Tree<'a>> = match branches {
        Branches::Schemas(schemas) => schemas
            .into_iter()
            .filter_map(|branch| reduce(branch, state))
            .collect(),
        Branches::Needs(needs) => {
            state.is_lossy = true;
            tell(&mut told, "anyOf", &needs);
            Vec::new()
        }
    };

    if kinds.is_empty() {
        let guess = if from.get("properties").is_some() {
            Some("object")
        } else if from.get("items").is_some() || from.get("prefixItems").is_some() {
            Some("array")
        } else if to.get("enum").is_some() {
            Some("string")
        } else {
            None
        };
        kinds.extend(guess.map(str::to_owned));
    }
    if kinds.is_empty() && branches.is_empty() {
        kinds.push("object".to_owned());
        if to.get("description").is_none() {
            told.push("any JSON value".to_owned());
        }
    }
    for key in TOLD {
        if let Some(value) = from.remove(key) {
            state.is_lossy = true;
            tell(&mut told, key, &value);
        }
    }
    // Which names a map has is not said; what stands behind them is.
    if let Some(values @ Tree::Object(_)) = from.remove("additionalProperties")
        && values != Tree::empty()
    {
        state.is_lossy = true;
        tell(&mut told, "additionalProperties", &values);
    }

    if kinds.len() > 1 && branches.is_empty() {
        branches = split(&mut from, &mut to, &kinds, state, &mut told);
        kinds.clear();
    }
    let kind = match &kinds[..] {
        [kind] => Some(kind.clone()),
        _ => None,
    };
    fill(&mut from, &mut to, kind.as_deref(), state, &mut told);
    if !branches.is_empty() {
        to.set("anyOf", Tree::Array(branches));
    }
    for text in told {
        describe(&mut to, &text);
    }
    Some(to)
}

/// Moves what is kept of one type from `from` to `to`.
fn fill<'a>(
    from: &mut Tree<'a>,
    to: &mut Tree<'a>,
    kind: Option<&str>,
    state: &mut State,
    told: &mut Vec<String>,
) {
    if let Some(kind) = kind {
        to.set("type", Tree::string(kind.to_uppercase()));
    }
    if let Some(format) = from.remove("format")
        && let Some(name) = format.as_str()
    {
        let is_known = match kind {
            Some("string") | None => matches!(name, "enum" | "date-time"),
            Some("number") => matches!(name, "float" | "double"),
            Some("integer") => matches!(name, "int32" | "int64"),
            _ => false,
        };
        if is_known {
            to.set("format", format);
        } else {
            state.is_lossy = true;
            told.push(format!("(format: {name})"));
        }
    }
    if let Some(Tree::Object(properties)) = from.remove("properties") {
        let mut kept: Vec<(Cow<'a, str>, Tree<'a>)> = Vec::with_capacity(properties.len());
        let mut places: HashMap<Cow<'a, str>, usize> = HashMap::new();
        for (name, property) in properties {
            let Some(property) = reduce(property, state) else {
                continue;
            };
            match places.get(&name).and_then(|place| kept.get_mut(*place)) {
                Some(before) => before.1 = property,
                None => {
                    places.insert(name.clone(), kept.len());
                    kept.push((name, property));
                }
            }
        }
        let mut required: Vec<String> = Vec::new();
        for name in strings(from.get("required")) {
            // Each is named once.
            if places.remove(name).is_some() {
                required.push(name.to_owned());
            }
        }
        // Gemini refuses an empty list of members.
        if !kept.is_empty() {
            to.set("properties", Tree::Object(kept));
        }
        if !required.is_empty() {
            to.set("required", list(required));
        }
    }
    items(from, to, kind, state);
    if let Tree::Object(members) = from {
        for (key, value) in members.drain(..) {
            if BOUNDS.contains(&&*key) && is_number(&value) {
                if state.bounds {
                    to.set(key, value);
                } else {
                    state.is_lossy = true;
                    tell(told, &key, &value);
                }
            } else if PLAIN.contains(&&*key) && fits(&key, &value) {
                to.set(key, value);
            }
        }
    }
}

fn items<'a>(from: &mut Tree<'a>, to: &mut Tree<'a>, kind: Option<&str>, state: &mut State) {
    let tuple = match (from.remove("prefixItems"), from.remove("items")) {
        (Some(Tree::Array(tuple)), _) | (_, Some(Tree::Array(tuple))) => tuple,
        (_, Some(one)) => {
            if let Some(one) = reduce(one, state) {
                to.set("items", one);
            }
            Vec::new()
        }
        (_, None) => Vec::new(),
    };
    if !tuple.is_empty() {
        state.is_lossy = true;
        let count = tuple.len().to_string();
        let mut branches: Vec<Tree<'a>> = Vec::new();
        for schema in tuple {
            if let Some(schema) = reduce(schema, state)
                && !branches.contains(&schema)
            {
                branches.push(schema);
            }
        }
        let one = match branches.len() {
            0 => None,
            1 => branches.pop(),
            _ => {
                let mut any = Tree::empty();
                any.set("anyOf", Tree::Array(branches));
                Some(any)
            }
        };
        if let Some(one) = one {
            to.set("items", one);
        }
        for key in ["minItems", "maxItems"] {
            if from.get(key).is_none() {
                from.set(key, Tree::scalar(count.clone()));
            }
        }
    }
    if kind == Some("array") && to.get("items").is_none() {
        let mut text = Tree::empty();
        text.set("type", Tree::string("STRING"));
        to.set("items", text);
    }
}

/// One branch for each of several types, each with what belongs to it.
fn split<'a>(
    from: &mut Tree<'a>,
    to: &mut Tree<'a>,
    kinds: &[String],
    state: &mut State,
    told: &mut Vec<String>,
) -> Vec<Tree<'a>> {
    let mut branches = Vec::new();
    for kind in kinds {
        let own: &[&str] = match kind.as_str() {
            "object" => &["properties", "required", "minProperties", "maxProperties"],
            "array" => &["items", "prefixItems", "minItems", "maxItems"],
            "string" => &["format", "pattern", "minLength", "maxLength"],
            "number" | "integer" => &["format", "minimum", "maximum"],
            _ => &[],
        };
        let mut part = Tree::empty();
        for key in own {
            if let Some(value) = from.remove(key) {
                part.set(*key, value);
            }
        }
        let mut branch = Tree::empty();
        if kind == "string"
            && let Some(values) = to.remove("enum")
        {
            branch.set("enum", values);
        }
        fill(&mut part, &mut branch, Some(kind), state, told);
        branches.push(branch);
    }
    branches
}
