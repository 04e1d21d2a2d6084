//! Headers that an entry adds to its requests.

use std::collections::BTreeMap;

use http::header::{HeaderName, HeaderValue};

use super::Resolver;
use crate::account::HeaderSource;
use crate::config::error::KeyPath;

/// Headers that belong to one connection or that the gateway writes itself.
const NOT_SETTABLE: [&str; 11] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers in which clients show the gateway who and where they are; no provider may learn that.
const NOT_COPYABLE: [&str; 9] = [
    "authorization",
    "cookie",
    "forwarded",
    "sec-websocket-protocol",
    "x-aiproxy-key",
    "x-api-key",
    "x-forwarded-for",
    "x-goog-api-key",
    "x-real-ip",
];

/// The headers of `entries`; what is wrong goes to the resolver.
pub(super) fn headers(
    entries: &BTreeMap<String, String>,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Vec<(HeaderName, HeaderSource)> {
    let mut headers: Vec<(HeaderName, HeaderSource)> = Vec::new();
    for (name, value) in entries {
        let path = path.key(name);
        let Ok(name) = HeaderName::try_from(name) else {
            resolver.error(path, "is not a header name");
            continue;
        };
        if NOT_SETTABLE.contains(&name.as_str()) {
            resolver.error(path, "is a header that the gateway sets itself");
            continue;
        }
        if headers.iter().any(|(known, _)| *known == name) {
            resolver.error(path, "is there twice");
            continue;
        }
        if let Some(source) = source(value, &path, resolver) {
            headers.push((name, source));
        }
    }
    headers
}

fn source(value: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<HeaderSource> {
    if let Some(name) = value
        .strip_prefix('$')
        .filter(|name| !name.starts_with('{'))
    {
        return copied(name, path, resolver);
    }
    let value = resolver.dereference(value, path)?;
    let Ok(mut value) = HeaderValue::try_from(value) else {
        resolver.error(path, "has characters that cannot be in a header");
        return None;
    };
    // It may be a key, and this keeps it out of `Debug`.
    value.set_sensitive(true);
    Some(HeaderSource::Fixed(value))
}

fn copied(name: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<HeaderSource> {
    let Ok(name) = HeaderName::try_from(name) else {
        resolver.error(path, "must have the name of a header after $");
        return None;
    };
    if NOT_COPYABLE.contains(&name.as_str()) || NOT_SETTABLE.contains(&name.as_str()) {
        resolver.error(path, format_args!("must not copy the client's {name}"));
        return None;
    }
    Some(HeaderSource::Client(name))
}
