//! Client keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Resolver, globs};
use crate::config::ClientKey;
use crate::config::error::KeyPath;
use crate::config::file::{Brief, ClientKeyItem};
use crate::secret::KeyHash;

/// The client keys of `items`; what is wrong goes to the resolver.
pub(super) fn clients(
    items: &[Brief<ClientKeyItem>],
    resolver: &mut Resolver<'_>,
) -> Vec<ClientKey> {
    let mut clients: Vec<ClientKey> = Vec::new();
    let mut places: Vec<(KeyHash, KeyPath)> = Vec::new();
    for (n, Brief(item)) in items.iter().enumerate() {
        let path = KeyPath::from("api-keys").item(n);
        let models = globs(&item.models, &path.key("models"), resolver);
        let Some(hash) = hash(&item.key, &path, resolver) else {
            continue;
        };
        if let Some((_, first)) = places.iter().find(|(known, _)| *known == hash) {
            resolver.error(&path, format_args!("is the same key as {first}"));
            continue;
        }
        tags(&item.tags, &path.key("tags"), resolver);
        places.push((hash, path));
        clients.push(ClientKey {
            hash,
            name: match item.name.as_str() {
                "" => format!("key-{}", n + 1).into(),
                name => Arc::from(name),
            },
            models,
            tags: item.tags.clone(),
        });
    }
    clients
}

/// Says which tags cannot be written down: no database takes every control character.
pub(super) fn tags(tags: &BTreeMap<String, String>, path: &KeyPath, resolver: &mut Resolver<'_>) {
    for (name, value) in tags {
        if name.contains(char::is_control) || value.contains(char::is_control) {
            let name = name.escape_debug().to_string();
            resolver.error(path.key(&name), "must not have control characters in it");
        }
    }
}

/// The hash of a key that is given in clear, by reference or as `sha256:HEX`.
pub(super) fn hash(key: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<KeyHash> {
    let key = resolver.dereference(key, path)?;
    let Some(hex) = key.strip_prefix("sha256:") else {
        if key.is_empty() {
            resolver.error(path, "is empty");
            return None;
        }
        return Some(KeyHash::of(key.as_bytes()));
    };
    let hash = KeyHash::from_hex(hex);
    if hash.is_none() {
        resolver.error(path, "must have 64 hexadecimal digits after sha256:");
    }
    hash
}
