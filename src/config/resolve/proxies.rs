//! The pool of outbound proxies.

use std::sync::Arc;

use super::Resolver;
use crate::account::proxies::{Pooled, ProxyId};
use crate::config::error::KeyPath;
use crate::config::file::PooledProxy;
use crate::upstream::OutboundProxy;

/// The proxies of `items`.
pub(super) fn pool(items: &[PooledProxy], resolver: &mut Resolver<'_>) -> Vec<Pooled> {
    let mut pool: Vec<Pooled> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let path = KeyPath::from("proxy-pool").item(n);
        if item.capacity == 0 {
            resolver.error(path.key("capacity"), "must be at least 1");
        }
        let path = path.key("url");
        let Some(url) = resolver.dereference(&item.url, &path) else {
            continue;
        };
        let proxy = match OutboundProxy::try_new(&url) {
            Ok(proxy) => Arc::new(proxy),
            Err(error) => {
                resolver.error(path, error);
                continue;
            }
        };
        let id = ProxyId::of(&proxy);
        if pool.iter().any(|known| known.id == id) {
            resolver.error(path, "is in the pool already, with this user");
            continue;
        }
        pool.push(Pooled {
            id,
            proxy,
            capacity: item.capacity as usize,
        });
    }
    pool
}
