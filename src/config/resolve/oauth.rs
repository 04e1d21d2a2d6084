//! Accounts with OAuth 2.0.

use super::Resolver;
use crate::account::oauth::{ClientAuth, Grant, OAuth, TokenId};
use crate::config::error::KeyPath;
use crate::config::file::{self, Entry, GrantType};
use crate::secret::Secret;
use crate::upstream::oauth::TokenUrl;

/// How `entry` gets tokens, or none after an error; `sealed`: secrets can be stored.
pub(super) fn oauth(
    entry: &Entry,
    path: &KeyPath,
    sealed: bool,
    resolver: &mut Resolver<'_>,
) -> Option<OAuth> {
    let auth = entry.auth.as_ref()?;
    if entry.name.is_empty() {
        let message = "is required with `type: oauth2`: tokens are stored under it";
        resolver.error(path.key("name"), message);
    }
    let path = path.key("auth");
    let url = token_url(&auth.token_url, &path.key("token-url"), resolver);
    let mut text = |value: &str, key: &str| resolver.dereference(value, &path.key(key));
    let client_id = text(&auth.client_id, "client-id");
    let client_secret = text(&auth.client_secret, "client-secret");
    let refresh_token = text(&auth.refresh_token, "refresh-token");
    let scopes = scopes(&auth.scopes, &path.key("scopes"), resolver);
    let mut missing = |value: &Option<String>, key: &str, why: &str| {
        if value.as_ref().is_some_and(String::is_empty) {
            resolver.error(path.key(key), why);
        }
    };
    missing(&client_id, "client-id", "is required");
    let client_auth = match auth.client_auth {
        file::ClientAuth::Body => ClientAuth::Body,
        file::ClientAuth::Basic => {
            let why = "is required with `client-auth: basic`";
            missing(&client_secret, "client-secret", why);
            ClientAuth::Basic
        }
    };
    match auth.grant {
        GrantType::ClientCredentials => {
            let why = "is required with `grant: client-credentials`";
            missing(&client_secret, "client-secret", why);
            if refresh_token
                .as_ref()
                .is_some_and(|token| !token.is_empty())
            {
                let message = "is only for `grant: refresh-token`";
                resolver.error(path.key("refresh-token"), message);
            }
        }
        GrantType::RefreshToken => {
            let why = "is required with `grant: refresh-token`";
            missing(&refresh_token, "refresh-token", why);
            if !sealed {
                let message = "refresh-token needs `secret-keys`: the tokens that providers give in its place are stored encrypted";
                resolver.error(path.key("grant"), message);
            }
        }
    }
    let (url, client_id) = (url?, client_id?);
    Some(OAuth {
        id: TokenId::of(&url, &client_id, &entry.name),
        url,
        client_id: client_id.into(),
        client_secret: Secret::new(client_secret?),
        client_auth,
        grant: match auth.grant {
            GrantType::ClientCredentials => Grant::ClientCredentials,
            GrantType::RefreshToken => Grant::RefreshToken(Secret::new(refresh_token?)),
        },
        scopes: scopes.into(),
    })
}

fn token_url(text: &str, path: &KeyPath, resolver: &mut Resolver<'_>) -> Option<TokenUrl> {
    let text = resolver.dereference(text, path)?;
    if text.is_empty() {
        resolver.error(path, "is required");
        return None;
    }
    TokenUrl::try_new(&text)
        .map_err(|error| resolver.error(path, error))
        .ok()
}

/// As they are sent: with a space between two.
fn scopes(list: &[String], path: &KeyPath, resolver: &mut Resolver<'_>) -> String {
    for (n, scope) in list.iter().enumerate() {
        let is_scope = !scope.is_empty()
            && scope
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        if !is_scope {
            let message = "must be one scope, without spaces and quotes";
            resolver.error(path.item(n), message);
        }
    }
    list.join(" ")
}
