//! The keys that secrets are sealed with.

use std::sync::Arc;

use super::Resolver;
use crate::config::error::KeyPath;
use crate::secret::{Sealer, SealingKey};

/// The sealer of `keys`; `None` without any.
pub(super) fn sealer(keys: &[String], resolver: &mut Resolver<'_>) -> Option<Arc<Sealer>> {
    let mut found: Vec<SealingKey> = Vec::new();
    for (n, text) in keys.iter().enumerate() {
        let path = KeyPath::from("secret-keys").item(n);
        let Some(text) = resolver.dereference(text, &path) else {
            continue;
        };
        match SealingKey::try_new(&text) {
            Ok(key) if found.contains(&key) => {
                resolver.error(path, "is in the list already");
            }
            Ok(key) => found.push(key),
            Err(error) => resolver.error(path, error),
        }
    }
    Sealer::new(found).map(Arc::new)
}
