//! `anyOf` and `oneOf` for Gemini, before anything else of a schema is reduced.

use super::merge::merge_all;
use super::walk::types;
use crate::wire::json::Tree;

/// What may stand beside `required` in an alternative that only says which members are needed.
const NEEDS: [&str; 4] = ["required", "not", "title", "description"];

/// Alternatives of a schema.
#[derive(Debug)]
pub(super) enum Branches<'a> {
    /// Schemas to be reduced, none of them only null.
    Schemas(Vec<Tree<'a>>),
    /// They say nothing about values, only which members go together.
    Needs(Tree<'a>),
}

/// Takes the alternatives out of a schema: null among them makes it nullable, and one that is alone is
/// merged into it, so that what is inside is reduced once.
pub(super) fn take<'a>(schema: &mut Tree<'a>) -> Branches<'a> {
    loop {
        merge_all(schema);
        let mut branches = Vec::new();
        for key in ["anyOf", "oneOf"] {
            let Some(Tree::Array(list)) = schema.remove(key) else {
                continue;
            };
            for branch in list {
                if is_null(&branch) {
                    schema.set("nullable", Tree::scalar("true"));
                } else if branch != Tree::scalar("false") {
                    branches.push(branch);
                }
            }
        }
        if branches.len() > 1 {
            let is_typed = !types(schema).is_empty() || schema.get("properties").is_some();
            return if is_typed && branches.iter().all(only_needs) {
                Branches::Needs(Tree::Array(branches))
            } else {
                Branches::Schemas(branches)
            };
        }
        let Some(Tree::Object(only)) = branches.pop() else {
            return Branches::Schemas(Vec::new());
        };
        merge(schema, only);
    }
}

/// Whether nothing but null fits.
fn is_null(branch: &Tree<'_>) -> bool {
    let null = Tree::scalar("null");
    types(branch) == ["null"]
        || branch.get("const") == Some(&null)
        || branch.get("enum").and_then(Tree::as_array) == Some(std::slice::from_ref(&null))
}

fn only_needs(branch: &Tree<'_>) -> bool {
    branch.get("required").is_some()
        && branch
            .as_object()
            .is_some_and(|members| members.iter().all(|(key, _)| NEEDS.contains(&&**key)))
}

/// Adds what `schema` does not say itself.
fn merge<'a>(schema: &mut Tree<'a>, more: Vec<(std::borrow::Cow<'a, str>, Tree<'a>)>) {
    for (key, value) in more {
        match (&*key, schema.get_mut(&key), value) {
            (_, None, value) => schema.set(key, value),
            ("properties", Some(before), Tree::Object(properties)) => {
                for (name, property) in properties {
                    if before.get(&name).is_none() {
                        before.set(name, property);
                    }
                }
            }
            ("required", Some(Tree::Array(before)), Tree::Array(names)) => {
                for name in names {
                    if !before.contains(&name) {
                        before.push(name);
                    }
                }
            }
            _ => {}
        }
    }
}
