//! Accounts that prove themselves with tokens of OAuth 2.0.
//!
//! [`OAuth`] is what the config says. [`Cell`] is the token that requests send: it outlives configs, and
//! nothing but an atomic load stands between it and a request. [`Refresher`] gets the next one, once for all
//! instances that share a [`Vault`]: whoever needs a token locks its row, looks whether another has been
//! faster, asks the provider, and writes down a rotated refresh token before anybody uses what came with it.

mod cell;
mod kept;
mod refresh;
mod shared;
mod vault;

use std::fmt::{self, Write};

use sha2::{Digest, Sha256};

use crate::secret::Secret;
use crate::upstream::oauth::TokenUrl;

pub use cell::{Cell, NoToken, Token, TokenReport};
pub use refresh::{Ended, Refresher, Source};
pub use vault::Vault;

/// Identifies what tokens are kept for: the same endpoint, client and account's name. Tells nothing of
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenId([u8; 16]);

impl TokenId {
    /// That of the account called `name`.
    pub fn of(url: &TokenUrl, client_id: &str, name: &str) -> Self {
        Self(short("token", &[url.as_str(), client_id, name]))
    }
}

/// 32 hexadecimal digits.
impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(self.0))
    }
}

/// Half a hash of texts that cannot be mistaken for each other.
fn short(what: &str, parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(b"ai-proxy oauth\0");
    for part in std::iter::once(&what).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

fn hex(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// How an account gets its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// What they are kept under.
    pub id: TokenId,
    /// Where they are asked for.
    pub url: TokenUrl,
    /// The operator's client.
    pub client_id: Box<str>,
    /// Its secret; empty for a public client.
    pub client_secret: Secret,
    /// Where that goes.
    pub client_auth: ClientAuth,
    /// What they are granted for.
    pub grant: Grant,
    /// Scopes with spaces between them; empty: whatever the provider gives.
    pub scopes: Box<str>,
}

/// Where a client's secret goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the form.
    Body,
    /// In the `authorization` header.
    Basic,
}

/// What tokens are granted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// The client itself.
    ClientCredentials,
    /// A refresh token; this is the operator's, which the provider may have replaced since.
    RefreshToken(Secret),
}

impl OAuth {
    /// Identifies the operator's refresh token: what was stored for another one does not count any more.
    pub fn origin(&self) -> String {
        match &self.grant {
            Grant::ClientCredentials => "client".to_owned(),
            Grant::RefreshToken(token) => {
                let id = self.id.to_string();
                hex(short("origin", &[&id, token.expose()]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_endpoints_clients_and_accounts_apart() {
        let url = |url| TokenUrl::try_new(url).unwrap();
        let (a, b) = (url("https://a/t"), url("https://b/t"));
        let id = TokenId::of(&a, "client", "name");
        assert_eq!(id, TokenId::of(&a, "client", "name"));
        assert_ne!(id, TokenId::of(&b, "client", "name"));
        assert_ne!(id, TokenId::of(&a, "clientn", "ame"));
        assert_ne!(id, TokenId::of(&a, "client", "other"));
        assert_eq!(id.to_string().len(), 32);
    }
}
