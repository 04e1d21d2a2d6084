//! Gemini's dialects: the subset of OpenAPI that always works, and JSON Schema.

use std::convert::Infallible;

use super::merge::{merge_all, words};
use super::walk::{children, describe, list, strings, types};
use crate::wire::json::Tree;

/// The keywords of the subset, besides those that hold schemas.
const PLAIN: [&str; 14] = [
    "title",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "example",
    "default",
    "nullable",
    "propertyOrdering",
];
/// Constraints that are told in the description.
const TOLD: [&str; 12] = [
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

/// Reduces a schema without references to the subset. `true`: not all of it could be said. `None`:
/// nothing fits it.
pub(super) fn subset(schema: Tree<'_>) -> (Option<Tree<'_>>, bool) {
    let mut is_lossy = false;
    let schema = reduce(schema, &mut is_lossy);
    (schema, is_lossy)
}

fn reduce<'a>(schema: Tree<'a>, is_lossy: &mut bool) -> Option<Tree<'a>> {
    let mut from = match schema {
        Tree::Object(_) => schema,
        other if other == Tree::scalar("false") => return None,
        _ => Tree::empty(),
    };
    merge_all(&mut from);
    let mut to = Tree::empty();
    let mut told: Vec<String> = Vec::new();
    if let Some(text) = from.remove("description")
        && text.as_str().is_some_and(|text| !text.is_empty())
    {
        to.set("description", text);
    }

    let mut kinds: Vec<String> = types(&from).iter().map(|one| one.to_lowercase()).collect();
    from.remove("type");
    if kinds.iter().any(|kind| kind == "null") {
        kinds.retain(|kind| kind != "null");
        from.set("nullable", Tree::scalar("true"));
        if kinds.is_empty() {
            kinds.push("string".to_owned());
        }
    }

    if let Some(value) = from.remove("const") {
        from.set("enum", Tree::Array(vec![value]));
    }
    if let Some(Tree::Array(values)) = from.remove("enum") {
        if let [kind] = &kinds[..] {
            from.set("type", Tree::string(kind.clone()));
        }
        *is_lossy |= words(&mut from, values);
        kinds = types(&from).iter().map(|one| (*one).to_owned()).collect();
        from.remove("type");
        if let Some(text) = from.remove("description").as_ref().and_then(Tree::as_str) {
            told.push(text.to_owned());
        }
        if let Some(values) = from.remove("enum") {
            to.set("enum", values);
        }
    }

    let mut branches = branches(&mut from, is_lossy);
    if branches.len() == 1
        && let Some(Tree::Object(only)) = branches.pop()
    {
        for (key, value) in only {
            if key == "type" {
                if kinds.is_empty() {
                    kinds.extend(value.as_str().map(str::to_lowercase));
                }
            } else if key == "description" || key == "enum" {
                if to.get(&key).is_none() {
                    to.set(key, value);
                }
            } else if let (Some(Tree::Object(before)), Tree::Object(more)) =
                (from.get_mut(&key), &value)
            {
                before.extend(more.iter().cloned());
            } else if from.get(&key).is_none() {
                from.set(key, value);
            }
        }
    }

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
            *is_lossy = true;
            let value = value.to_json();
            if value.as_str().len() <= TOLD_MAX {
                told.push(format!("({key}: {})", value.as_str()));
            }
        }
    }
    // Which names a map has is not said; what stands behind them is.
    if let Some(values @ Tree::Object(_)) = from.remove("additionalProperties")
        && values != Tree::empty()
    {
        *is_lossy = true;
        let value = values.to_json();
        if value.as_str().len() <= TOLD_MAX {
            told.push(format!("(additionalProperties: {})", value.as_str()));
        }
    }

    if kinds.len() > 1 && branches.is_empty() {
        branches = split(&mut from, &mut to, &kinds, is_lossy, &mut told);
        kinds.clear();
    }
    let kind = match &kinds[..] {
        [kind] => Some(kind.clone()),
        _ => None,
    };
    fill(&mut from, &mut to, kind.as_deref(), is_lossy, &mut told);
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
    is_lossy: &mut bool,
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
            *is_lossy = true;
            told.push(format!("(format: {name})"));
        }
    }
    if let Some(Tree::Object(properties)) = from.remove("properties") {
        let mut kept: Vec<(std::borrow::Cow<'a, str>, Tree<'a>)> = Vec::new();
        for (name, property) in properties {
            kept.retain(|(other, _)| *other != name);
            if let Some(property) = reduce(property, is_lossy) {
                kept.push((name, property));
            }
        }
        let names = strings(from.get("required"));
        let required: Vec<String> = names
            .into_iter()
            .filter(|name| kept.iter().any(|(key, _)| key == name))
            .map(str::to_owned)
            .collect();
        to.set("properties", Tree::Object(kept));
        if !required.is_empty() {
            to.set("required", list(required));
        }
    }
    items(from, to, kind, is_lossy);
    if let Tree::Object(members) = from {
        for (key, value) in members.drain(..) {
            if PLAIN.contains(&&*key) && !(key == "nullable" && value == Tree::scalar("false")) {
                to.set(key, value);
            }
        }
    }
}

fn items<'a>(from: &mut Tree<'a>, to: &mut Tree<'a>, kind: Option<&str>, is_lossy: &mut bool) {
    let tuple = match (from.remove("prefixItems"), from.remove("items")) {
        (Some(Tree::Array(tuple)), _) | (_, Some(Tree::Array(tuple))) => tuple,
        (_, Some(one)) => {
            if let Some(one) = reduce(one, is_lossy) {
                to.set("items", one);
            }
            Vec::new()
        }
        (_, None) => Vec::new(),
    };
    if !tuple.is_empty() {
        *is_lossy = true;
        let count = tuple.len().to_string();
        let mut branches: Vec<Tree<'a>> = Vec::new();
        for schema in tuple {
            if let Some(schema) = reduce(schema, is_lossy)
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
    is_lossy: &mut bool,
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
        fill(&mut part, &mut branch, Some(kind), is_lossy, told);
        branches.push(branch);
    }
    branches
}

/// The alternatives, reduced; one that is only null makes the schema nullable.
fn branches<'a>(from: &mut Tree<'a>, is_lossy: &mut bool) -> Vec<Tree<'a>> {
    let mut branches = Vec::new();
    for key in ["anyOf", "oneOf"] {
        let Some(Tree::Array(list)) = from.remove(key) else {
            continue;
        };
        for branch in list {
            if types(&branch) == ["null"] {
                from.set("nullable", Tree::scalar("true"));
            } else if let Some(branch) = reduce(branch, is_lossy) {
                branches.push(branch);
            }
        }
    }
    branches
}
