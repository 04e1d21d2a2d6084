//! How requests to an entry are shaped.

use std::sync::Arc;

use super::{Resolver, globs};
use crate::config::error::KeyPath;
use crate::config::file::{self, CloakMode, UserIdKind};
use crate::rewrite::{Cloak, Key, System, UserId, Words};

/// What `file` says about an entry at `provider`; `None`: its requests stay as they are.
pub(super) fn cloak(
    file: &file::Cloak,
    provider: &str,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Option<Arc<Cloak>> {
    let key = match resolver.dereference(&file.hash_key, &path.key("hash-key"))? {
        key if key.is_empty() => Key::of_process(),
        key => Key::of(&key),
    };
    if file.strict_mode && file.system_prompt.is_empty() {
        resolver.error(path.key("strict-mode"), "needs a system-prompt");
    }
    if file.cache_user_id && file.user_id != UserIdKind::Random {
        resolver.error(path.key("cache-user-id"), "is only for `user-id: random`");
    }
    let agents = path.key("skip-user-agents");
    let skip = globs(&file.skip_user_agents, &agents, resolver);
    if !skip.is_empty() && file.mode == CloakMode::Always {
        resolver.error(agents, "is only for `mode: auto`");
    }
    let hashed = |key| UserId::Hashed {
        key,
        provider: provider.into(),
    };
    let cloak = Cloak {
        skip,
        system: (!file.system_prompt.is_empty()).then(|| System {
            text: file.system_prompt.as_str().into(),
            replaces: file.strict_mode,
        }),
        user: match (file.user_id, file.cache_user_id) {
            (UserIdKind::Off, _) => None,
            (UserIdKind::Random, false) => Some(UserId::Random),
            // A hash with a key that nobody has is a number drawn for each client.
            (UserIdKind::Random, true) => Some(hashed(Key::of_process())),
            (UserIdKind::Hash, _) => Some(hashed(key)),
        },
        words: words(
            &file.sensitive_words,
            key,
            &path.key("sensitive-words"),
            resolver,
        ),
    };
    let is_any = cloak.system.is_some() || cloak.user.is_some() || cloak.words.is_some();
    (is_any && file.mode != CloakMode::Never).then(|| Arc::new(cloak))
}

fn words(words: &[String], key: Key, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<Words> {
    let mut is_good = !words.is_empty();
    for (n, word) in words.iter().enumerate() {
        if let Err(error) = Words::check(word) {
            resolver.error(path.item(n), error);
            is_good = false;
        }
    }
    if !is_good {
        return None;
    }
    Words::try_new(words, key)
        .map_err(|error| resolver.error(path, error))
        .ok()
}
