//! Keys whose feature is not in this version. One table: a feature that arrives deletes its row.

use super::error::{Errors, KeyPath};
use super::file::{Entry, File};

/// A key, and whether it asks for more than its default.
type Row<T> = (&'static str, fn(&T) -> bool);

/// The keys of a file.
const KEYS: &[Row<File>] = &[("translation.n-fanout", |file| file.translation.n_fanout)];

/// The keys of an entry of the provider lists.
const ENTRY_KEYS: &[Row<Entry>] = &[];

const MESSAGE: &str = "not available in this version";

/// Reports what a file asks for and this version does not have.
pub(super) fn check(file: &File, errors: &mut Errors) {
    for (path, is_wanted) in KEYS {
        if is_wanted(file) {
            errors.add(path, MESSAGE);
        }
    }
    for (list, entries) in file.lists() {
        for (n, entry) in entries.iter().enumerate() {
            for (key, is_wanted) in ENTRY_KEYS {
                if is_wanted(entry) {
                    errors.add(KeyPath::from(list).item(n).key(key), MESSAGE);
                }
            }
        }
    }
}

/// Whether the key at `path` of the reference page, or what holds it, is in the table.
#[cfg(test)]
pub(super) fn contains(path: &str) -> bool {
    let holds = |key: &str, path: &str| {
        path.strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    match path.split_once("[].") {
        Some((_, path)) => ENTRY_KEYS.iter().any(|(key, _)| holds(key, path)),
        None => KEYS.iter().any(|(key, _)| holds(key, path)),
    }
}
