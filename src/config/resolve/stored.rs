//! One account of the database.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::entry::{Defaults, List, account};
use super::{Resolver, file};
use crate::account::Account;
use crate::config::environment::Environment;
use crate::config::error::{Errors, KeyPath};
use crate::config::read::read_entry;
use crate::config::{Config, Document};
use crate::upstream::media::Reach;
use crate::upstream::presets;

/// Longest name.
const NAME: usize = 64;

/// The account that `document` describes, and whether it is disabled. Nothing of the process's
/// environment gets into it.
pub(in crate::config) fn stored(
    name: &str,
    document: &Document,
    config: &Config,
) -> Result<(Account, bool), Errors> {
    let mut resolver = Resolver {
        environment: &Nothing,
        literal: true,
        errors: Errors::default(),
    };
    check_name(name, &mut resolver);
    let Some(list) = list(document, &mut resolver) else {
        return Err(resolver.errors);
    };
    let (mut entry, mut errors) = read_entry(document.entry(), list);
    name.clone_into(&mut entry.name);
    let defaults = Defaults {
        timeouts: config.timeouts,
        proxy: config.proxy.as_ref(),
        sealed: config.sealer.is_some(),
    };
    let path = KeyPath::default();
    let found = account(
        &entry,
        List::of(list),
        name.into(),
        defaults,
        &path,
        &mut resolver,
    );
    errors.extend_where_unheard(resolver.errors);
    let reach = match config.admin.private_base_urls {
        true => Reach::Private,
        false => Reach::Public,
    };
    match found {
        Some(mut found) => {
            found.reach = Some(reach);
            // Its own; the file's may be anywhere.
            if let Some(proxy) = found.proxy.as_mut().filter(|_| !found.pooled) {
                Arc::make_mut(proxy).reach = Some(reach);
            }
            errors.unless_any((found, entry.disabled))
        }
        None => Err(errors),
    }
}

/// The provider list that it belongs to.
fn list(document: &Document, resolver: &mut Resolver<'_>) -> Option<&'static str> {
    let lists = file::LISTS;
    let named = document.text("list");
    let found = lists.into_iter().find(|list| Some(*list) == named);
    if found.is_none() {
        let message = format!("must be one of {}", lists.join(", "));
        resolver.error("list", message);
    }
    found
}

/// A name stands in paths, in logs and in metrics.
fn check_name(name: &str, resolver: &mut Resolver<'_>) {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if name.len() > NAME || !begins || !name.bytes().all(plain) {
        let message = "must have 1 to 64 letters, digits, dots, dashes and underscores, a letter or digit first";
        resolver.error("name", message);
    }
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_provider =
        |text: &str| text == file::File::COMPATIBLE || presets::preset(text).is_some();
    if let Some((provider, number)) = name.rsplit_once('-')
        && is_number(number)
        && is_provider(provider)
    {
        let message = "is what an entry of the config file without a name may be called";
        resolver.error("name", message);
    }
}

/// An environment in which there is nothing.
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn locate(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}
