//! References replaced by what they point at.

use super::walk::{children, resolve, size};
use super::{DEPTH, NODES, TooBig};
use crate::wire::json::Tree;

/// Puts the schema that each `$ref` points at in its place; what stands beside the reference
/// overrides it. A schema that contains itself stops at its second visit.
pub(super) fn inline(mut root: Tree<'_>) -> Result<Tree<'_>, TooBig> {
    if !has_references(&root) {
        drop_definitions(&mut root);
        return Ok(root);
    }
    let whole = root.clone();
    let left = NODES.checked_sub(size(&root)).ok_or(TooBig)?;
    let mut inliner = Inliner {
        root: &whole,
        path: Vec::new(),
        left,
    };
    inliner.visit(&mut root, 0)?;
    Ok(root)
}

fn has_references(schema: &Tree<'_>) -> bool {
    let mut found = schema.get("$ref").is_some();
    super::walk::look(schema, &mut |child| found = found || has_references(child));
    found
}

fn drop_definitions(schema: &mut Tree<'_>) {
    if let Tree::Object(members) = schema {
        members.retain(|(key, _)| key != "$defs" && key != "definitions");
    }
}

struct Inliner<'r, 'a> {
    root: &'r Tree<'a>,
    /// References that are being followed.
    path: Vec<String>,
    /// How many values may still be added.
    left: usize,
}

impl<'a> Inliner<'_, 'a> {
    fn visit(&mut self, schema: &mut Tree<'a>, depth: usize) -> Result<(), TooBig> {
        if depth > DEPTH {
            return Err(TooBig);
        }
        drop_definitions(schema);
        let Some(reference) = schema.remove("$ref") else {
            return children(schema, &mut |child| self.visit(child, depth + 1));
        };
        let Some(pointer) = reference.as_str().map(str::to_owned) else {
            return self.visit(schema, depth + 1);
        };
        let name = pointer.rsplit('/').next().unwrap_or_default();
        if self.path.contains(&pointer) {
            let name = if name == "#" { "the whole" } else { name };
            let mut stub = Tree::empty();
            stub.set("type", Tree::string("object"));
            stub.set("description", Tree::string(format!("recursive: {name}")));
            *schema = stub;
            return Ok(());
        }
        let Some(target) = resolve(self.root, &pointer) else {
            if schema.get("description").is_none() {
                let text = format!("see {pointer}");
                schema.set("description", Tree::string(text));
            }
            return children(schema, &mut |child| self.visit(child, depth + 1));
        };
        self.left = self.left.checked_sub(size(target)).ok_or(TooBig)?;
        let mut merged = target.clone();
        if let Tree::Object(beside) = std::mem::replace(schema, Tree::empty()) {
            for (key, value) in beside {
                merged.set(key, value);
            }
        }
        *schema = merged;
        self.path.push(pointer);
        let done = self.visit(schema, depth + 1);
        self.path.pop();
        done
    }
}
