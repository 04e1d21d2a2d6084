//! Text to [`File`]: everything in it that is wrong in form, all at once.

use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Errors, KeyPath, did_you_mean};
use super::file::{Entry, File};
use super::schema::{self, Shape};
use super::tree::Node;
use super::yaml;
use crate::secret::Secret;

/// Reads the text of a config file. With errors, the file is what could be read, so that its
/// meaning can be checked too. `name` is the file's name, for errors that have no key.
pub(super) fn read(text: &str, name: &str) -> (File, Errors) {
    let mut errors = Errors::default();
    let mut tree = match yaml::parse(text) {
        Ok(tree) => tree,
        Err(message) => return (File::default(), Errors::one(name, message)),
    };
    if !matches!(tree, Node::Map(_)) {
        let message = "must be a map of keys, like `port: 8317`";
        return (File::default(), Errors::one(name, message));
    }

    let schema = schema::tree();
    let shape = Shape::of(&schema);
    check_keys(&mut tree, &shape, &KeyPath::default(), &mut errors);
    tree.drop_nulls();
    let file = read_what_can_be_read(&mut tree, &mut errors);
    (file, errors)
}

/// The same for one entry of the provider list `list`, which stands alone.
pub(super) fn read_entry(mut tree: Node, list: &str) -> (Entry, Errors) {
    static SCHEMA: LazyLock<Value> = LazyLock::new(schema::tree);
    let mut errors = Errors::default();
    let shape = Shape::of(&SCHEMA).key(list).and_then(|list| list.item());
    if let Some(shape) = shape {
        check_keys(&mut tree, &shape, &KeyPath::default(), &mut errors);
    }
    tree.drop_nulls();
    let entry = read_what_can_be_read(&mut tree, &mut errors);
    (entry, errors)
}

/// Reports and takes out keys that are unknown or there twice.
fn check_keys(node: &mut Node, shape: &Shape<'_>, path: &KeyPath, errors: &mut Errors) {
    match node {
        Node::List(items) => {
            let Some(shape) = shape.item() else { return };
            for (n, item) in items.iter_mut().enumerate() {
                check_keys(item, &shape, &path.item(n), errors);
            }
        }
        Node::Map(entries) => {
            let mut seen = Vec::new();
            entries.retain_mut(|(key, value)| {
                let path = path.key(&shown(key));
                if seen.contains(key) {
                    errors.add(path, "is there twice");
                    return false;
                }
                seen.push(key.clone());
                if let Some(shape) = shape.key(key) {
                    check_keys(value, &shape, &path, errors);
                } else if let Some(known) = shape.known_keys() {
                    errors.add(path, format!("unknown key{}", did_you_mean(key, known)));
                    return false;
                }
                true
            });
        }
        _ => {}
    }
}

/// A key as it may be shown: one that is longer than any key we have may be a misplaced secret.
fn shown(key: &str) -> String {
    if key.len() > 32 {
        Secret::new(key).to_string()
    } else {
        key.to_owned()
    }
}

/// Reads the tree; what cannot be read is reported, cut out and left at its default.
fn read_what_can_be_read<T: DeserializeOwned + Default>(tree: &mut Node, errors: &mut Errors) -> T {
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&*tree) {
            Ok(read) => return read,
            Err(error) => error,
        };
        let path = error.path().clone();
        errors.add(&path, error.inner());
        if !tree.cut(path.iter()) {
            return T::default();
        }
    }
}
