//! Asking the provider.

use std::time::{Duration, SystemTime};

use super::super::kept::Kept;
use super::super::{ClientAuth, Grant, OAuth};
use super::Refresher;
use crate::account::Account;
use crate::secret::Secret;
use crate::upstream::oauth::{NotGranted, Refusal, TokenRequest};

impl Refresher {
    /// Asks the provider.
    pub(super) async fn ask(
        &self,
        account: &Account,
        oauth: &OAuth,
        kept: Option<&Kept>,
        total: Duration,
    ) -> Result<Got, NotGranted> {
        let origin = oauth.origin();
        let refresh = match &oauth.grant {
            Grant::ClientCredentials => None,
            Grant::RefreshToken(configured) => {
                let kept = kept.filter(|kept| kept.is_of(&origin));
                let kept = kept.and_then(Kept::refresh);
                Some(kept.unwrap_or_else(|| configured.expose()))
            }
        };
        let mut form = match refresh {
            None => vec![("grant_type", "client_credentials")],
            Some(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token)],
        };
        if !oauth.scopes.is_empty() {
            form.push(("scope", &*oauth.scopes));
        }
        let basic = match oauth.client_auth {
            ClientAuth::Basic => Some((&*oauth.client_id, &oauth.client_secret)),
            ClientAuth::Body => {
                form.push(("client_id", &*oauth.client_id));
                if !oauth.client_secret.is_empty() {
                    form.push(("client_secret", oauth.client_secret.expose()));
                }
                None
            }
        };
        let request = TokenRequest {
            url: &oauth.url,
            form,
            basic,
            proxy: account.proxy.as_deref(),
            reach: account.reach,
            connect: account.timeouts.connect,
            total,
        };
        let issued = SystemTime::now();
        let asked = self.client.ask(&request).await;
        let (access, life, new, why) = match asked {
            Ok(granted) => (granted.access, granted.life, granted.refresh, None),
            Err(Refusal { why, refresh: None }) => return Err(why),
            // The old refresh token is spent all the same.
            Err(Refusal { why, refresh }) => {
                (Secret::new(""), Some(Duration::ZERO), refresh, Some(why))
            }
        };
        let rotated = match (&new, refresh) {
            (Some(new), Some(old)) => new.expose() != old,
            _ => false,
        };
        if let Some(why) = why.filter(|_| !rotated) {
            return Err(why);
        }
        let next = refresh.map(|old| new.unwrap_or_else(|| Secret::new(old)));
        let kept = Kept::new(&access, next, life, &oauth.scopes, &origin, issued);
        Ok(Got { kept, rotated, why })
    }
}

/// What a provider has granted.
pub(super) struct Got {
    pub(super) kept: Kept,
    /// The refresh token is another one now.
    pub(super) rotated: bool,
    /// Why there is no access token with it.
    pub(super) why: Option<NotGranted>,
}
