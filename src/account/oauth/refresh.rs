//! Getting the next token: from another instance that was faster, or from the provider.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::cell::Cell;
use super::kept::Kept;
use super::vault::{Shut, Stored, Turn, Vault};
use super::{ClientAuth, Grant, OAuth};
use crate::account::Account;
use crate::secret::{Sealer, Secret};
use crate::upstream::oauth::{NotGranted, TokenClient, TokenRequest};

/// How often who waits for another instance looks.
const LOOK: Duration = Duration::from_millis(250);
/// Longest time that a token endpoint gets.
const LONGEST: Duration = Duration::from_secs(30);
/// How much longer a lock lives than its holder may ask: for what is written down afterwards.
const SLACK: Duration = Duration::from_secs(5);
/// A stored token that lives longer than this is as good as a new one.
const LONG: Duration = Duration::from_secs(300);
/// Without a store that could lock, a token is got only when the old one is about to end.
const ALONE: Duration = Duration::from_secs(30);

/// Gets tokens.
pub struct Refresher {
    client: TokenClient,
    vault: Vault,
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The provider.
    Provider,
    /// Another instance, or this one before it began.
    Store,
}

/// How a refresh has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// There is a new token.
    Fresh(Source),
    /// The refresh token is dead.
    Dead,
    /// It did not work; in words for the log.
    Failed(String),
}

impl Refresher {
    /// One that asks with `client` and keeps in `vault`.
    pub const fn new(client: TokenClient, vault: Vault) -> Self {
        Self { client, vault }
    }

    /// Gets a token for `account`, which has [`OAuth`], into `cell`. Without a sealer nothing is stored.
    pub async fn refresh(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: Option<&Sealer>,
    ) -> Ended {
        let ended = match sealer {
            // Boxed: it runs in a task that many others share a stack with.
            Some(sealer) => Box::pin(self.shared(account, oauth, cell, sealer)).await,
            None => Box::pin(self.alone(account, oauth, cell)).await,
        };
        match &ended {
            Ended::Fresh(_) => {}
            Ended::Dead => cell.fail(NotGranted::Dead.to_string(), true),
            Ended::Failed(why) => cell.fail(why.clone(), false),
        }
        ended
    }

    async fn alone(&self, account: &Account, oauth: &OAuth, cell: &Cell) -> Ended {
        match self.ask(account, oauth, cell.kept().as_deref()).await {
            Ok((kept, _)) => {
                cell.publish(Arc::new(kept));
                Ended::Fresh(Source::Provider)
            }
            Err(why) => failed(why),
        }
    }

    async fn shared(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
    ) -> Ended {
        let life = limit(account) + SLACK;
        let held = loop {
            match self.newer(oauth, cell, sealer).await {
                Ok(Some(stored)) => return self.take(account, oauth, cell, &stored, sealer).await,
                Ok(None) => {}
                Err(shut) if goes_alone(account, oauth, cell, &shut) => break None,
                Err(shut) => return Ended::Failed(shut.to_string()),
            }
            match self.vault.lock(oauth.id, &account.name, life).await {
                Ok(Turn::Theirs) => tokio::time::sleep(LOOK).await,
                Ok(Turn::Ours(held)) => break Some(held),
                Err(shut) if goes_alone(account, oauth, cell, &shut) => break None,
                Err(shut) => return Ended::Failed(shut.to_string()),
            }
        };
        let Some(held) = held else {
            return Box::pin(self.next(account, oauth, cell, sealer, None)).await;
        };
        // Between the look and the lock another may have been done.
        let ended = match self.newer(oauth, cell, sealer).await {
            Ok(Some(stored)) => self.take(account, oauth, cell, &stored, sealer).await,
            _ => {
                let stored = self.stored(account, oauth, sealer).await;
                Box::pin(self.next(account, oauth, cell, sealer, stored)).await
            }
        };
        match ended {
            Ended::Fresh(Source::Provider) => self.vault.release(held).await,
            _ => self.vault.unlock(oauth.id, held).await,
        }
        ended
    }

    /// Gets the token after `stored`, while nobody else does.
    async fn next(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
        stored: Option<Stored>,
    ) -> Ended {
        let origin = oauth.origin();
        // What could not be saved is newer than what was.
        let memory = cell.kept().filter(|kept| kept.is_of(&origin));
        let kept = match &stored {
            _ if cell.is_unsaved() && memory.is_some() => memory,
            Some(stored) if stored.kept.is_of(&origin) => Some(Arc::clone(&stored.kept)),
            Some(_) => None,
            None => memory,
        };
        let (kept, rotated) = match self.ask(account, oauth, kept.as_deref()).await {
            Ok(granted) => granted,
            Err(why) => return failed(why),
        };
        let kept = Arc::new(kept);
        if !rotated {
            cell.publish(Arc::clone(&kept));
        }
        // Rotated, it is written down first: whoever uses what came with it has burned the old one.
        let save = |known| {
            self.vault
                .save(oauth.id, &account.name, known, &kept, sealer)
        };
        let saved = match save(stored.as_ref()).await {
            // This process has slept over the end of its lock, and the newer token is this one.
            Ok(false) => save(None).await,
            saved => saved,
        };
        if let Err(why) = &saved {
            log::error!(
                "account {}: its tokens cannot be stored, and are in memory only: {why}",
                account.name
            );
        }
        cell.set_unsaved(saved.is_err());
        if rotated {
            cell.publish(kept);
        }
        Ended::Fresh(Source::Provider)
    }

    /// Another instance was faster.
    async fn take(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        stored: &Stored,
        sealer: &Sealer,
    ) -> Ended {
        cell.publish(Arc::clone(&stored.kept));
        self.vault
            .copy(oauth.id, &account.name, stored, sealer)
            .await;
        Ended::Fresh(Source::Store)
    }

    /// Tries once more to store what is in memory only. True: it is stored.
    pub async fn save(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
    ) -> bool {
        let Some(kept) = cell.kept().filter(|_| cell.is_unsaved()) else {
            return true;
        };
        let saved = self
            .vault
            .save(oauth.id, &account.name, None, &kept, sealer);
        let saved = saved.await.is_ok_and(|saved| saved);
        if saved {
            cell.set_unsaved(false);
            log::info!("account {}: its tokens are stored again", account.name);
        }
        saved
    }

    /// Seals what is stored with the newest key, if an older one has sealed it.
    pub async fn seal_again(&self, account: &Account, oauth: &OAuth, sealer: &Sealer) {
        let sealed = match self.vault.load(oauth.id, sealer).await {
            Ok(Some(stored)) if stored.old => {
                self.vault.seal_again(oauth.id, &stored, sealer).await
            }
            Ok(_) => return,
            Err(shut) => Err(shut),
        };
        match sealed {
            Ok(()) => log::info!(
                "account {}: its tokens are sealed with the newest of secret-keys",
                account.name
            ),
            Err(shut) => log::warn!("account {}: its tokens: {shut}", account.name),
        }
    }

    /// What is stored, if it is of use and newer than what is in memory.
    async fn newer(
        &self,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
    ) -> Result<Option<Stored>, Shut> {
        let stored = match self.vault.load(oauth.id, sealer).await {
            // It says nothing, and is written over.
            Err(Shut::Sealed(_) | Shut::Form) => None,
            stored => stored?,
        };
        let now = SystemTime::now();
        let known = cell.kept();
        let origin = oauth.origin();
        let is_news = |stored: &Stored| {
            let kept = &stored.kept;
            let known = known.as_ref();
            kept.is_of(&origin)
                && kept.has(&oauth.scopes)
                && known.is_none_or(|known| known.issued() < kept.issued())
        };
        let Some(stored) = stored.filter(is_news) else {
            return Ok(None);
        };
        let (left, life) = (stored.kept.left(now), stored.kept.life());
        let lasts = match (left, life) {
            (Some(left), Some(life)) => left > life / 4 || left > LONG,
            _ => true,
        };
        if !lasts && left.is_some_and(|left| !left.is_zero()) {
            // It serves until there is another one.
            cell.publish(Arc::clone(&stored.kept));
        }
        Ok(lasts.then_some(stored))
    }

    /// What is stored, if that can be told.
    async fn stored(&self, account: &Account, oauth: &OAuth, sealer: &Sealer) -> Option<Stored> {
        match self.vault.load(oauth.id, sealer).await {
            Ok(stored) => stored,
            Err(shut) => {
                log::error!(
                    "account {}: {shut}; what this process knows of its tokens is used",
                    account.name
                );
                None
            }
        }
    }

    /// Asks the provider; the tokens, and whether the refresh token is another one now.
    async fn ask(
        &self,
        account: &Account,
        oauth: &OAuth,
        kept: Option<&Kept>,
    ) -> Result<(Kept, bool), NotGranted> {
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
            total: limit(account),
        };
        let issued = SystemTime::now();
        let granted = self.client.ask(&request).await?;
        let rotated = match (&granted.refresh, refresh) {
            (Some(new), Some(old)) => new.expose() != old,
            _ => false,
        };
        let next = refresh.map(|old| match &granted.refresh {
            Some(new) => new.clone(),
            None => Secret::new(old),
        });
        let kept = Kept::new(
            &granted.access,
            next,
            granted.life,
            &oauth.scopes,
            &origin,
            issued,
        );
        Ok((kept, rotated))
    }
}

/// How long the token endpoint of `account` may take.
fn limit(account: &Account) -> Duration {
    let timeouts = &account.timeouts;
    timeouts.connect + timeouts.first_byte.min(LONGEST)
}

fn failed(why: NotGranted) -> Ended {
    match why {
        NotGranted::Dead => Ended::Dead,
        other => Ended::Failed(other.to_string()),
    }
}

/// No store can be asked: whether the token is got all the same, because the old one is about to end. Not
/// with a refresh token that the provider may have replaced, which only the store knows.
fn goes_alone(account: &Account, oauth: &OAuth, cell: &Cell, shut: &Shut) -> bool {
    let left = cell.left(Instant::now());
    let is_urgent = left.is_some_and(|left| left < ALONE);
    let origin = oauth.origin();
    let is_safe = oauth.grant == Grant::ClientCredentials
        || cell.kept().is_some_and(|kept| kept.is_of(&origin));
    if is_urgent && is_safe {
        log::warn!(
            "account {}: a token is got without asking other instances: {shut}",
            account.name
        );
    }
    is_urgent && is_safe
}
