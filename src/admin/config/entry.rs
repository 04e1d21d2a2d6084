//! An account of the config, for people.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::proxies;
use super::{HIDDEN, Seconds, seconds};
use crate::account::oauth::{ClientAuth, Grant, OAuth};
use crate::account::{Account, HeaderSource};
use crate::secret::Secret;
use crate::upstream::BaseUrl;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::admin) struct Entry<'a> {
    name: &'a str,
    preset: &'a str,
    providers: &'a [Box<str>],
    formats: Vec<&'static str>,
    api_key: String,
    /// How it proves who it is, if not with a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    auth: Option<Auth<'a>>,
    base_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fallback_base_urls: Vec<String>,
    proxy_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
    models: Vec<Model<'a>>,
    excluded_models: Vec<&'a str>,
    headers: BTreeMap<&'a str, String>,
    tags: &'a BTreeMap<String, String>,
    weight: u32,
    priority: i32,
    allow_client_keys: bool,
    /// Whether requests to it are shaped.
    cloak: bool,
    timeouts: Seconds,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Auth<'a> {
    r#type: &'static str,
    grant: &'static str,
    /// Without its query.
    token_url: String,
    client_id: &'a str,
    client_auth: &'static str,
    scopes: &'a str,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    alias: &'a str,
}

impl<'a> Entry<'a> {
    pub(in crate::admin) fn of(account: &'a Account) -> Self {
        let glob = |glob: &'a crate::account::Glob| glob.as_str();
        Self {
            name: &account.name,
            preset: account.preset.name,
            providers: &account.providers,
            formats: account.formats.iter().map(|format| format.name()).collect(),
            api_key: match account.key.is_empty() {
                true => String::new(),
                false => account.key.to_string(),
            },
            auth: account.oauth.as_deref().map(auth),
            base_url: account.base.to_url(),
            fallback_base_urls: account.fallbacks.iter().map(BaseUrl::to_url).collect(),
            proxy_url: account.proxy.as_deref().map(proxies::shown),
            prefix: account.prefix.as_deref(),
            project: account.project.as_deref(),
            models: account
                .models
                .iter()
                .map(|model| Model {
                    id: &model.id,
                    alias: &model.alias,
                })
                .collect(),
            excluded_models: account.excluded.iter().map(glob).collect(),
            headers: account
                .headers
                .iter()
                .map(|(name, source)| (name.as_str(), header(source)))
                .collect(),
            tags: &account.tags,
            weight: account.weight,
            priority: account.priority,
            allow_client_keys: account.client_keys,
            cloak: account.cloak.is_some(),
            timeouts: seconds(account.timeouts),
        }
    }
}

fn auth(oauth: &OAuth) -> Auth<'_> {
    Auth {
        r#type: "oauth2",
        grant: match oauth.grant {
            Grant::ClientCredentials => "client-credentials",
            Grant::RefreshToken(_) => "refresh-token",
        },
        token_url: oauth.url.shown(),
        client_id: &oauth.client_id,
        client_auth: match oauth.client_auth {
            ClientAuth::Body => "body",
            ClientAuth::Basic => "basic",
        },
        scopes: &oauth.scopes,
    }
}

/// A configured header's value may be a credential.
fn header(source: &HeaderSource) -> String {
    match source {
        HeaderSource::Client(name) => format!("${name}"),
        HeaderSource::Fixed(value) => match value.to_str() {
            Ok(text) => Secret::new(text).to_string(),
            Err(_) => HIDDEN.to_owned(),
        },
    }
}
