//! Getting the next token: from another instance that was faster, or from the provider.

mod asking;
mod storing;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::cell::{Came, Cell};
use super::kept::Kept;
use super::vault::{Shut, Stored, Turn, Vault};
use super::{Grant, OAuth};
use crate::account::Account;
use crate::secret::Sealer;
use crate::upstream::oauth::{NotGranted, TokenClient};

/// How often who waits for another instance looks.
const LOOK: Duration = Duration::from_millis(250);
/// Longest time that a token endpoint gets.
const LONGEST: Duration = Duration::from_secs(30);
/// How much longer a lock lives than its holder may ask: for what is written down afterwards.
const SLACK: Duration = Duration::from_secs(5);
/// How much of that is for writing down: the endpoint gets what stores have left of the rest.
const SAVE: Duration = Duration::from_millis(3500);
/// With less time than this no endpoint is asked.
const LEAST: Duration = Duration::from_secs(1);
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
    /// The config has got another refresh token meanwhile, so nothing of this one counts.
    Outdated,
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
        if !cell.is_for(&oauth.origin()) {
            return Ended::Outdated;
        }
        match &ended {
            Ended::Fresh(_) | Ended::Outdated => {}
            Ended::Dead => cell.fail(NotGranted::Dead.to_string(), true),
            Ended::Failed(why) => cell.fail(why.clone(), false),
        }
        ended
    }

    async fn alone(&self, account: &Account, oauth: &OAuth, cell: &Cell) -> Ended {
        let memory = cell.kept();
        match self
            .ask(account, oauth, memory.as_deref(), limit(account))
            .await
        {
            Ok(got) => came(cell.publish(Arc::new(got.kept)), got.why),
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
        let (held, end) = loop {
            let shut = match self.vault.load(oauth.id, sealer).await {
                Ok(stored) => match stored.filter(|stored| is_news(oauth, cell, stored)) {
                    Some(stored) => return self.take(account, oauth, cell, &stored, sealer).await,
                    None => None,
                },
                Err(shut) => Some(shut),
            };
            let end = Instant::now() + life;
            let turn = match shut {
                None => self.vault.lock(oauth.id, &account.name, life).await,
                Some(shut) => Err(shut),
            };
            match turn {
                Ok(Turn::Theirs) => tokio::time::sleep(LOOK).await,
                Ok(Turn::Ours(held)) => break (held, end),
                Err(shut) if self.goes_alone(account, oauth, cell, &shut) => {
                    let time = limit(account);
                    return Box::pin(self.next(account, oauth, cell, sealer, Err(shut), time))
                        .await;
                }
                Err(shut) => return away(&shut),
            }
        };
        let ended = self.locked(account, oauth, cell, sealer, end).await;
        self.vault.unlock(oauth.id, held).await;
        ended
    }

    /// Gets the token while nobody else does, until `end`.
    async fn locked(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
        end: Instant,
    ) -> Ended {
        // Between the look and the lock another may have been done.
        let stored = self.vault.load(oauth.id, sealer).await;
        match &stored {
            Ok(Some(stored)) if is_news(oauth, cell, stored) => {
                return self.take(account, oauth, cell, stored, sealer).await;
            }
            Err(shut) if !self.goes_alone(account, oauth, cell, shut) => return away(shut),
            _ => {}
        }
        let time = end.saturating_duration_since(Instant::now() + SAVE);
        if time < LEAST {
            return away(&Shut::Slow);
        }
        let time = time.min(limit(account));
        Box::pin(self.next(account, oauth, cell, sealer, stored, time)).await
    }

    /// Gets the token after `stored` within `time`, while nobody else does.
    async fn next(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
        stored: Result<Option<Stored>, Shut>,
        time: Duration,
    ) -> Ended {
        let origin = oauth.origin();
        let memory = cell.kept().filter(|kept| kept.is_of(&origin));
        let there = stored.as_ref().ok().and_then(Option::as_ref);
        // What could not be saved is newer than what it came after.
        let is_behind = |stored: &&Stored| {
            memory.is_some() && cell.unsaved().is_some_and(|after| stored.version <= after)
        };
        let own = there.filter(|stored| stored.kept.is_of(&origin) && !is_behind(stored));
        let kept = own
            .map(|stored| Arc::clone(&stored.kept))
            .or_else(|| memory.clone());
        // Somebody has put another grant's tokens in the place of this one's: theirs is the newer one.
        let is_foreign = memory.is_some() && there.is_some_and(|there| !there.kept.is_of(&origin));
        let got = match self.ask(account, oauth, kept.as_deref(), time).await {
            Ok(got) => got,
            Err(why) => return failed(why),
        };
        let kept = Arc::new(got.kept);
        if !got.rotated {
            let came_as = cell.publish(Arc::clone(&kept));
            if !is_foreign {
                self.store(account, oauth, cell, sealer, stored, &kept)
                    .await;
            }
            return came(came_as, got.why);
        }
        // Rotated, it is written down first: whoever uses what came with it has burned the old one.
        if is_foreign {
            log::error!(
                "account {}: its tokens are in memory only: the store has those of another refresh token, \
                 which all instances should have",
                account.name
            );
        } else {
            self.store(account, oauth, cell, sealer, stored, &kept)
                .await;
        }
        came(cell.publish(kept), got.why)
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
        cell.set_saved(stored.version);
        // What fails here is done another time.
        let _ = self
            .vault
            .copy(oauth.id, &account.name, stored, sealer)
            .await;
        Ended::Fresh(Source::Store)
    }

    /// No store can be asked: whether the token is got all the same, because the old one is about to end. Not
    /// with a refresh token that another instance may have used: whoever uses it again ends the grant.
    fn goes_alone(&self, account: &Account, oauth: &OAuth, cell: &Cell, shut: &Shut) -> bool {
        let left = cell.left(Instant::now());
        let is_urgent = left.is_some_and(|left| left < ALONE);
        let is_safe = match &oauth.grant {
            Grant::ClientCredentials => true,
            Grant::RefreshToken(configured) => {
                let origin = oauth.origin();
                let kept = cell.kept().filter(|kept| kept.is_of(&origin));
                let never_rotated = |kept: Arc<Kept>| kept.refresh() == Some(configured.expose());
                !matches!(shut, Shut::Sealed(_) | Shut::Form)
                    && kept.is_some_and(|kept| self.vault.is_alone() || never_rotated(kept))
            }
        };
        if is_urgent && is_safe {
            log::warn!(
                "account {}: a token is got without asking other instances: {shut}",
                account.name
            );
        }
        is_urgent && is_safe
    }
}

/// Whether what is stored is of use and newer than what is in memory.
fn is_news(oauth: &OAuth, cell: &Cell, stored: &Stored) -> bool {
    let origin = oauth.origin();
    let kept = &stored.kept;
    let known = cell.kept().filter(|known| known.is_of(&origin));
    let is_news = kept.is_of(&origin)
        && kept.has(&oauth.scopes)
        && known.is_none_or(|known| known.issued() < kept.issued());
    if !is_news {
        return false;
    }
    let (left, life) = (kept.left(SystemTime::now()), kept.life());
    let lasts = match (left, life) {
        (Some(left), Some(life)) => left > life / 4 || left > LONG,
        _ => true,
    };
    if !lasts && left.is_some_and(|left| !left.is_zero()) {
        // It serves until there is another one.
        cell.publish(Arc::clone(kept));
        cell.set_saved(stored.version);
    }
    lasts
}

/// What a token that was granted makes of a refresh.
fn came(came: Came, why: Option<NotGranted>) -> Ended {
    match (why, came) {
        (Some(why), _) => failed(why),
        (None, Came::Over) => Ended::Failed("the token was over when it came".to_owned()),
        (None, Came::InForce | Came::Outdated) => Ended::Fresh(Source::Provider),
    }
}

/// The store does not let anybody ask.
fn away(shut: &Shut) -> Ended {
    Ended::Failed(format!(
        "the refresh token may have been replaced, which only the store knows: {shut}"
    ))
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
