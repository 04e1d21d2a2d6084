//! Where an account that is made through the API may be.
//!
//! Whoever has the admin key could have the gateway ask any address and read what it answers. So an
//! account of the database stays in the public internet, or with `admin.allow-private-base-urls` in
//! private networks too; link-local addresses and the metadata services of clouds are out of reach either
//! way. The hosts are looked up here, so that a mistake is an error at once, and again whenever a
//! connection is made (`upstream/peer.rs`), because a name may lead elsewhere later.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;

use super::Roster;
use crate::account::Account;
use crate::config::{ConfigError, Document, Errors};
use crate::upstream::media::Reach;

/// How long a name may take to be found. One that is not found is no error: connecting is what checks it.
const LOOKUP: Duration = Duration::from_secs(2);

impl Roster {
    /// What of `account` is out of its reach.
    pub(super) async fn check_reach(
        &self,
        account: &Account,
        document: &Document,
    ) -> Result<(), Errors> {
        let Some(allowed) = account.reach else {
            return Ok(());
        };
        let mut hosts = vec![("base-url", &*account.base.host)];
        if let Some(proxy) = account.proxy.as_ref().filter(|_| document.has("proxy-url")) {
            hosts.push(("proxy-url", &*proxy.host));
        }
        let fallbacks = account.fallbacks.iter();
        hosts.extend(fallbacks.map(|base| ("fallback-base-urls", &*base.host)));
        let oauth = account.oauth.as_ref();
        let token: Option<Uri> = oauth.and_then(|oauth| oauth.url.as_str().parse().ok());
        if let Some(host) = token.as_ref().and_then(Uri::host) {
            hosts.push(("auth.token-url", host.trim_matches(['[', ']'])));
        }
        let mut errors = Errors::default();
        for (path, host) in hosts {
            let reach = self.addresses(host).await.into_iter().map(Reach::of).max();
            if let Some(message) = reach.and_then(|reach| refusal(reach, allowed)) {
                errors.0.push(ConfigError {
                    path: path.to_owned(),
                    message: message.to_owned(),
                });
            }
        }
        match errors.0.is_empty() {
            true => Ok(()),
            false => Err(errors),
        }
    }

    async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        if let Ok(address) = host.parse() {
            return vec![address];
        }
        let found = tokio::time::timeout(LOOKUP, self.resolver.addresses(host)).await;
        found.ok().and_then(Result::ok).unwrap_or_default()
    }
}

fn refusal(reach: Reach, allowed: Reach) -> Option<&'static str> {
    match reach {
        Reach::Never => {
            Some("leads to an address that no account may have (link-local, metadata, reserved)")
        }
        reach if reach > allowed => {
            Some("leads into a private network; admin.allow-private-base-urls: true allows that")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_need_a_word_of_the_operator_and_metadata_has_none() {
        for (reach, allowed, refused) in [
            (Reach::Public, Reach::Public, false),
            (Reach::Private, Reach::Public, true),
            (Reach::Private, Reach::Private, false),
            (Reach::Never, Reach::Public, true),
            (Reach::Never, Reach::Private, true),
        ] {
            assert_eq!(refusal(reach, allowed).is_some(), refused, "{reach:?}");
        }
    }
}
