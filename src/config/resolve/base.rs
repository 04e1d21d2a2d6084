//! Where an entry's API is.

use super::Resolver;
use crate::config::error::KeyPath;
use crate::config::file::Entry;
use crate::upstream::presets::Preset;
use crate::upstream::{BaseUrl, InvalidBaseUrl};

/// Where the API of `entry` is.
pub(super) fn base(
    entry: &Entry,
    preset: &Preset,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Option<BaseUrl> {
    let path = path.key("base-url");
    let given = resolver.dereference(&entry.base_url, &path)?;
    let url = if given.is_empty() {
        preset.base_url
    } else {
        &given
    };
    if url.is_empty() {
        resolver.error(
            path,
            "is required, because there is no preset that knows it",
        );
        return None;
    }
    base_url(url, &path, resolver)
}

/// More addresses of the same API.
pub(super) fn fallbacks(
    entry: &Entry,
    base: Option<&BaseUrl>,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Vec<BaseUrl> {
    let mut found: Vec<BaseUrl> = Vec::new();
    for (n, url) in entry.fallback_base_urls.iter().enumerate() {
        let path = path.key("fallback-base-urls").item(n);
        let Some(url) = resolver.dereference(url, &path) else {
            continue;
        };
        match base_url(&url, &path, resolver) {
            Some(url) if found.contains(&url) || base == Some(&url) => {
                resolver.error(path, "is there twice");
            }
            url => found.extend(url),
        }
    }
    found
}

fn base_url(url: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<BaseUrl> {
    // The library's messages repeat the URL, and a key may be in it.
    BaseUrl::try_new(url)
        .map_err(|error| match error {
            InvalidBaseUrl::Syntax(_) => {
                resolver.error(path, "is not a URL like https://host/path")
            }
            InvalidBaseUrl::Scheme(_) => {
                resolver.error(path, "must start with http:// or https://");
            }
            InvalidBaseUrl::Extra(_, what) => {
                resolver.error(path, format_args!("must not have {what}"));
            }
        })
        .ok()
}
