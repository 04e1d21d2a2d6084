//! Where schemas stand inside a schema, and small helpers.

use std::borrow::Cow;

use crate::wire::json::Tree;

/// Keywords whose value is an object of schemas.
const MAPS: [&str; 5] = [
    "properties",
    "patternProperties",
    "$defs",
    "definitions",
    "dependentSchemas",
];
/// Keywords whose value is a schema, or an array of them.
const SCHEMAS: [&str; 15] = [
    "items",
    "additionalProperties",
    "additionalItems",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "prefixItems",
];

/// Visits the schemas directly inside `schema`.
pub(super) fn children<'a, E>(
    schema: &mut Tree<'a>,
    visit: &mut dyn FnMut(&mut Tree<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let Tree::Object(members) = schema else {
        return Ok(());
    };
    for (key, value) in members {
        if MAPS.contains(&&**key) {
            if let Tree::Object(schemas) = value {
                for (_, schema) in schemas {
                    visit(schema)?;
                }
            }
        } else if SCHEMAS.contains(&&**key) {
            match value {
                Tree::Array(schemas) => schemas.iter_mut().try_for_each(&mut *visit)?,
                schema => visit(schema)?,
            }
        }
    }
    Ok(())
}

/// Visits the schemas directly inside `schema` without changing them.
pub(super) fn look<'t, 'a>(schema: &'t Tree<'a>, visit: &mut dyn FnMut(&'t Tree<'a>)) {
    for (key, value) in schema.as_object().unwrap_or_default() {
        if MAPS.contains(&&**key) {
            for (_, schema) in value.as_object().unwrap_or_default() {
                visit(schema);
            }
        } else if SCHEMAS.contains(&&**key) {
            match value {
                Tree::Array(schemas) => schemas.iter().for_each(&mut *visit),
                schema => visit(schema),
            }
        }
    }
}

/// How many values there are in `tree`.
pub(super) fn size(tree: &Tree<'_>) -> usize {
    1 + match tree {
        Tree::Array(items) => items.iter().map(size).sum(),
        Tree::Object(members) => members.iter().map(|(_, value)| size(value)).sum(),
        Tree::Scalar(_) | Tree::String(_) => 0,
    }
}

/// What a local reference (`#/$defs/x`) points at.
pub(super) fn resolve<'t, 'a>(root: &'t Tree<'a>, pointer: &str) -> Option<&'t Tree<'a>> {
    let path = pointer.strip_prefix('#')?;
    if path.is_empty() {
        return Some(root);
    }
    let mut found = root;
    for step in path.strip_prefix('/')?.split('/') {
        let step = step.replace("~1", "/").replace("~0", "~");
        found = match found {
            Tree::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(&step)?,
        };
    }
    Some(found)
}

/// The types that a schema allows.
pub(super) fn types<'t>(schema: &'t Tree<'_>) -> Vec<&'t str> {
    match schema.get("type") {
        Some(Tree::String(one)) => vec![one],
        Some(Tree::Array(many)) => many.iter().filter_map(Tree::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The strings in an array.
pub(super) fn strings<'t>(list: Option<&'t Tree<'_>>) -> Vec<&'t str> {
    let items = list.and_then(Tree::as_array).unwrap_or_default();
    items.iter().filter_map(Tree::as_str).collect()
}

/// An array of strings.
pub(super) fn list<'a>(texts: impl IntoIterator<Item = String>) -> Tree<'a> {
    Tree::Array(texts.into_iter().map(Tree::string).collect())
}

/// Adds to a schema's description.
pub(super) fn describe(schema: &mut Tree<'_>, text: &str) {
    let before = schema.get("description").and_then(Tree::as_str);
    let joined: Cow<'_, str> = match before {
        Some(before) if !before.is_empty() => Cow::Owned(format!("{before} {text}")),
        _ => Cow::Owned(text.to_owned()),
    };
    schema.set("description", Tree::String(joined));
}
