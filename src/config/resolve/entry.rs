//! One entry of a provider list as an account.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::base::{base, fallbacks};
use super::check::check;
use super::cloak::cloak;
use super::headers::headers;
use super::oauth::oauth;
use super::{Resolver, globs, proxy};
use crate::account::oauth::OAuth;
use crate::account::{Account, AccountId, ModelEntry};
use crate::config::error::{KeyPath, did_you_mean};
use crate::config::file::{AuthType, Brief, Entry, EntryTimeouts, File, ModelItem, WireApi};
use crate::secret::Secret;
use crate::upstream::presets::{self, KeyHeader, Preset};
use crate::upstream::{BaseUrl, OutboundProxy, Timeouts};
use crate::wire::Format;

/// A provider list: its one provider, or none where each entry has its own.
#[derive(Clone, Copy)]
pub(super) struct List {
    provider: Option<&'static str>,
    /// Its entries are of any provider, and have any way to prove who they are.
    any: bool,
}

impl List {
    pub(super) fn of(key: &str) -> Self {
        let provider = match key {
            "claude-api-key" => Some("anthropic"),
            "openai-api-key" => Some("openai"),
            "gemini-api-key" => Some("gemini"),
            _ => None,
        };
        Self {
            provider,
            any: key == File::ACCOUNTS,
        }
    }

    /// What unnamed accounts are called after.
    pub(super) fn provider(self, entry: &Entry) -> &str {
        match self.provider {
            Some(provider) => provider,
            None if entry.preset.is_empty() => File::COMPATIBLE,
            None => &entry.preset,
        }
    }

    /// The provider row of `entry`.
    fn preset(
        self,
        entry: &Entry,
        path: &KeyPath,
        resolver: &mut Resolver<'_>,
    ) -> Option<&'static Preset> {
        let named = match entry.preset.as_str() {
            "" => None,
            name => presets::preset(name),
        };
        let path = path.key("preset");
        match (self.provider, named) {
            (None, Some(preset)) if self.any || speaks_openai(preset) => Some(preset),
            (None, Some(preset)) => {
                let message = "does not speak an OpenAI format; it has a list of its own";
                resolver.error(path, format_args!("`{}` {message}", preset.name));
                None
            }
            (None, None) if entry.preset.is_empty() => Some(&presets::COMPATIBLE),
            (None, None) => {
                let known = presets::PRESETS
                    .iter()
                    .filter(|preset| self.any || speaks_openai(preset));
                let hint = did_you_mean(&entry.preset, known.map(|preset| preset.name));
                resolver.error(path, format_args!("no preset has this name{hint}"));
                None
            }
            // Another provider of the same format.
            (Some("gemini"), Some(preset)) if preset.formats == [Format::Gemini] => Some(preset),
            (Some(provider), named) => {
                let own = presets::preset(provider);
                if !entry.preset.is_empty() && named != own {
                    resolver.error(path, format_args!("is always {provider} in this list"));
                }
                own
            }
        }
    }
}

fn speaks_openai(preset: &Preset) -> bool {
    matches!(
        preset.formats.first(),
        Some(Format::OpenAiChat | Format::OpenAiResponses)
    )
}

/// What an entry falls back to.
#[derive(Clone, Copy)]
pub(super) struct Defaults<'a> {
    pub(super) timeouts: Timeouts,
    pub(super) proxy: Option<&'a Arc<OutboundProxy>>,
    /// Whether secrets can be stored.
    pub(super) sealed: bool,
}

/// The account of `entry`, or none after an error without which it could not be built.
pub(super) fn account(
    entry: &Entry,
    list: List,
    name: Arc<str>,
    defaults: Defaults<'_>,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Option<Account> {
    let preset = list.preset(entry, path, resolver);
    let way = way(entry, list, path, resolver);
    let key = key(entry, (list, way, preset), path, resolver);
    let oauth = match way {
        AuthType::Oauth2 => oauth(entry, path, defaults.sealed, resolver),
        AuthType::ApiKey | AuthType::Bearer => None,
    };
    let base = preset.and_then(|preset| base(entry, preset, path, resolver));
    let fallbacks = fallbacks(entry, base.as_ref(), path, resolver);
    let formats = preset.map(|preset| formats(entry, preset, path, resolver));
    let proxy = match &entry.proxy_url {
        Some(url) => proxy(url, &path.key("proxy-url"), resolver),
        None => defaults.proxy.cloned(),
    };
    if !(1..=1000).contains(&entry.weight) {
        resolver.error(path.key("weight"), "must be from 1 to 1000");
    }
    let prefix = prefix(&entry.prefix, path, resolver);
    let models = models(&entry.models, &path.key("models"), resolver);
    let excluded = globs(
        &entry.excluded_models,
        &path.key("excluded-models"),
        resolver,
    );
    let headers = headers(&entry.headers, &path.key("headers"), resolver);
    let timeouts = timeouts(&entry.timeouts, defaults.timeouts, path, resolver);

    super::clients::tags(&entry.tags, &path.key("tags"), resolver);
    client_keys(entry, path, resolver);
    let provider = preset.map_or("", |preset| preset.name);
    let cloak = cloak(&entry.cloak, provider, &path.key("cloak"), resolver);

    let envelope = preset.is_some_and(|preset| preset.envelope);
    if !entry.project.is_empty() && !envelope {
        resolver.error(path.key("project"), "is only for `preset: antigravity`");
    }
    if list.any && envelope && entry.project.is_empty() {
        let message = "is required for `preset: antigravity`";
        resolver.error(path.key("project"), message);
    }
    if way == AuthType::Oauth2 && oauth.is_none() {
        return None;
    }

    let check = check(entry, preset, path, resolver);
    if check.is_some() && oauth.is_some() {
        let message = "is only for accounts with a key, and this one has tokens";
        resolver.error(path.key("health-check"), message);
    }

    let (preset, key, base) = (preset?, key?, base?);
    Some(Account {
        id: id(preset, &base, &key, oauth.as_ref(), &entry.name),
        name,
        preset,
        providers: providers(entry, preset),
        formats: formats?,
        key,
        client_keys: entry.allow_client_keys,
        key_header: match way {
            AuthType::ApiKey => preset.key_header,
            AuthType::Bearer | AuthType::Oauth2 => KeyHeader::Bearer,
        },
        oauth: oauth.map(Arc::new),
        base,
        fallbacks,
        proxy,
        prefix,
        models,
        excluded,
        headers,
        tags: entry.tags.clone(),
        weight: entry.weight,
        priority: entry.priority,
        timeouts,
        reach: None,
        pooled: entry.proxy_url.is_none(),
        project: (!entry.project.is_empty()).then(|| entry.project.as_str().into()),
        cloak,
        check,
    })
}

/// Stable as long as the account is the same to its provider, whatever else changes in its entry.
fn id(
    preset: &Preset,
    base: &BaseUrl,
    key: &Secret,
    oauth: Option<&OAuth>,
    name: &str,
) -> AccountId {
    let mut hash = Sha256::new();
    let token = oauth.map(|oauth| oauth.id.to_string());
    let key = token.as_deref().unwrap_or_else(|| key.expose());
    for part in [preset.name, &base.to_url(), key, name] {
        hash.update(part);
        hash.update([0]);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (first, _) = digest.split_at(8);
    AccountId(first.iter().fold(0, |id, byte| id << 8 | u64::from(*byte)))
}

fn providers(entry: &Entry, preset: &Preset) -> Vec<Box<str>> {
    let mut providers: Vec<Box<str>> = Vec::new();
    for name in [preset.name, &entry.name] {
        if !name.is_empty() && !providers.iter().any(|known| **known == *name) {
            providers.push(name.into());
        }
    }
    if providers.is_empty() {
        providers.push(File::COMPATIBLE.into());
    }
    providers
}

/// How the entry proves who it is.
fn way(entry: &Entry, list: List, path: &KeyPath, resolver: &mut Resolver<'_>) -> AuthType {
    match &entry.auth {
        None => AuthType::ApiKey,
        Some(auth) if list.any => auth.r#type,
        Some(_) => {
            let message = "is only for entries of `accounts`";
            resolver.error(path.key("auth"), message);
            AuthType::ApiKey
        }
    }
}

fn key(
    entry: &Entry,
    (list, way, preset): (List, AuthType, Option<&Preset>),
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Option<Secret> {
    let path = path.key("api-key");
    let key = resolver.dereference(&entry.api_key, &path)?;
    let is_wanted = match way {
        AuthType::Oauth2 => {
            if !key.is_empty() {
                resolver.error(path, "must be left out with `type: oauth2`");
            }
            return Some(Secret::new(""));
        }
        AuthType::Bearer => true,
        AuthType::ApiKey if list.any => preset.is_some_and(|preset| !speaks_openai(preset)),
        AuthType::ApiKey => list.provider.is_some(),
    };
    if key.is_empty() && is_wanted && !entry.allow_client_keys {
        resolver.error(path, "is empty");
        return None;
    }
    // It becomes a header value.
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        resolver.error(path, "must have only visible ASCII characters, no spaces");
        return None;
    }
    Some(Secret::new(key))
}

/// What does not go together with clients' own keys: whatever else of the operator's would pay.
fn client_keys(entry: &Entry, path: &KeyPath, resolver: &mut Resolver<'_>) {
    if !entry.allow_client_keys {
        return;
    }
    let path = path.key("allow-client-keys");
    let is_credential = |name: &&String| {
        let name = name.to_ascii_lowercase();
        let words = ["authorization", "cookie", "key", "token", "secret"];
        words.iter().any(|word| name.contains(word))
    };
    if let Some(name) = entry.headers.keys().find(is_credential) {
        let message = "cannot go with the header";
        let why = "it would reach the provider beside the client's key";
        resolver.error(&path, format_args!("{message} {name}: {why}"));
    }
    if !entry.project.is_empty() {
        let message = "cannot go with a project: a client's key has its own";
        resolver.error(&path, message);
    }
}

fn formats(
    entry: &Entry,
    preset: &Preset,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Vec<Format> {
    match entry.wire_api {
        Some(_) if !speaks_openai(preset) => {
            let message = "is only for providers that speak an OpenAI format";
            resolver.error(path.key("wire-api"), message);
            Vec::new()
        }
        Some(WireApi::Chat) => vec![Format::OpenAiChat],
        Some(WireApi::Responses) => vec![Format::OpenAiResponses],
        None => preset.formats.to_vec(),
    }
}

/// `deepseek`, `deepseek/` and `/deepseek/` are all `deepseek/`.
fn prefix(text: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<Box<str>> {
    if text.is_empty() {
        return None;
    }
    let name = text.trim().trim_matches('/');
    if name.is_empty() || name.contains(char::is_whitespace) {
        resolver.error(path.key("prefix"), "must be a name like deepseek/");
        return None;
    }
    Some(format!("{name}/").into())
}

fn models(
    items: &[Brief<ModelItem>],
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Vec<ModelEntry> {
    let mut models = Vec::new();
    for (n, Brief(item)) in items.iter().enumerate() {
        let path = path.item(n);
        let id = match (item.id.trim(), item.name.trim()) {
            ("", "") => {
                resolver.error(path, "needs an id");
                continue;
            }
            ("", name) => name,
            (id, "") => id,
            (id, name) if id == name => id,
            _ => {
                resolver.error(path, "has an id and a name that differ; give only one");
                continue;
            }
        };
        let alias = match item.alias.trim() {
            "" => id,
            alias => alias,
        };
        models.push(ModelEntry {
            id: id.into(),
            alias: alias.into(),
        });
    }
    models
}

fn timeouts(
    own: &EntryTimeouts,
    defaults: Timeouts,
    path: &KeyPath,
    resolver: &mut Resolver<'_>,
) -> Timeouts {
    let path = path.key("timeouts");
    let mut or = |own: Option<_>, default, name| match own {
        Some(seconds) => resolver.above_zero(seconds, path.key(name)),
        None => default,
    };
    let websocket = own
        .websocket
        .map(|life| or(Some(life), life.0, "websocket"));
    Timeouts {
        connect: or(own.connect, defaults.connect, "connect"),
        first_byte: or(own.first_byte, defaults.first_byte, "first-byte"),
        idle: or(own.idle, defaults.idle, "idle"),
        total: or(own.total, defaults.total, "total"),
        websocket: websocket.or(defaults.websocket),
    }
}
