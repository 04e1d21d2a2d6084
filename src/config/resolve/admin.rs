//! The admin listener and who may use it.

use std::net::SocketAddr;

use super::clients::hash;
use super::listen::checked_host;
use super::{Resolver, file};
use crate::config::error::KeyPath;
use crate::config::{Admin, ClientKey};

/// What the file says about it.
pub(super) fn admin(
    file: &file::Admin,
    clients: &[ClientKey],
    resolver: &mut Resolver<'_>,
) -> Admin {
    let path = KeyPath::from("admin");
    let host = checked_host("admin.host", &file.host, resolver);
    let key = match file.key.as_str() {
        "" => None,
        key => hash(key, &path.key("key"), resolver),
    };
    if let Some(key) = key
        && clients.iter().any(|client| client.hash == key)
    {
        resolver.error(path.key("key"), "must not be one of api-keys");
    }
    if file.mount && file.key.is_empty() {
        resolver.error(path.key("mount"), "needs admin.key");
    }
    Admin {
        address: SocketAddr::new(host, file.port),
        key,
        mount: file.mount,
        private_base_urls: file.allow_private_base_urls,
        given: *file != file::Admin::default(),
    }
}
