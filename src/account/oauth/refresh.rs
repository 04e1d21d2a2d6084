//! Getting the next token: from another instance that was faster, or from the provider.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::cell::{Came, Cell};
use super::kept::Kept;
use super::vault::{Place, Shut, Stored, Turn, Vault};
use super::{ClientAuth, Grant, OAuth};
use crate::account::Account;
use crate::secret::{Sealer, Secret};
use crate::upstream::oauth::{NotGranted, Refusal, TokenClient, TokenRequest};

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

    /// Stores what has come after `stored`.
    async fn store(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
        stored: Result<Option<Stored>, Shut>,
        kept: &Kept,
    ) {
        let place = stored.map(|stored| stored.map_or_else(Place::default, |there| there.place()));
        let after = place
            .as_ref()
            .map_or_else(|_| cell.version(), |place| place.version);
        let saved = match place {
            Ok(place) => {
                let saved = self
                    .vault
                    .save(oauth.id, &account.name, place, kept, sealer);
                saved.await.map(|saved| saved.then_some(place.version + 1))
            }
            Err(_) => Ok(None),
        };
        let saved = match saved {
            Ok(None) => self.keep(account, oauth, sealer, kept, after).await,
            saved => saved,
        };
        match saved {
            Ok(Some(version)) => cell.set_saved(version),
            Ok(None) => {
                log::warn!("account {}: newer tokens are stored already", account.name);
                cell.set_saved(after);
            }
            Err(why) => {
                log::error!(
                    "account {}: its tokens cannot be stored, and are in memory only: {why}",
                    account.name
                );
                cell.set_unsaved(after);
            }
        }
    }

    /// Stores what has come after version `after`, unless the store is past that; the version that it is then.
    async fn keep(
        &self,
        account: &Account,
        oauth: &OAuth,
        sealer: &Sealer,
        kept: &Kept,
        after: i64,
    ) -> Result<Option<i64>, Shut> {
        let stored = self.vault.load(oauth.id, sealer).await?;
        let place = match &stored {
            // It was stored although nobody heard so, or in Redis only.
            Some(stored) if *stored.kept == *kept => {
                let vault = &self.vault;
                let copied = vault.copy(oauth.id, &account.name, stored, sealer).await?;
                return Ok(copied.then_some(stored.version));
            }
            Some(stored) if stored.version > after => return Ok(None),
            Some(stored) => stored.place(),
            None => Place::default(),
        };
        let vault = &self.vault;
        let saved = vault.save(oauth.id, &account.name, place, kept, sealer);
        Ok(saved.await?.then_some(place.version + 1))
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

    /// Tries once more to store what is in memory only. True: nothing is, any more.
    pub async fn save(
        &self,
        account: &Account,
        oauth: &OAuth,
        cell: &Cell,
        sealer: &Sealer,
    ) -> bool {
        let (Some(kept), Some(after)) = (cell.kept(), cell.unsaved()) else {
            return true;
        };
        match self.keep(account, oauth, sealer, &kept, after).await {
            Ok(Some(version)) => {
                cell.set_saved(version);
                log::info!("account {}: its tokens are stored again", account.name);
            }
            Ok(None) => {
                cell.set_saved(after);
                log::warn!("account {}: newer tokens are stored already", account.name);
            }
            Err(_) => {}
        }
        !cell.is_unsaved()
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

    /// Asks the provider.
    async fn ask(
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
struct Got {
    kept: Kept,
    /// The refresh token is another one now.
    rotated: bool,
    /// Why there is no access token with it.
    why: Option<NotGranted>,
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
