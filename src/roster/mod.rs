//! The accounts of the database: read, followed, changed.
//!
//! A [`Roster`] keeps [`Current`] in step with the database. Instances hear of each other's changes by
//! asking for one row, several times a second. A database that is away changes nothing: the accounts in
//! force stay, and those of a process that has never seen it come when it is back.

mod change;
mod proxies;
mod reach;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::Mutex;

pub use change::{Done, Refused, Wanted, Who};

use crate::config::{Document, Standing, StoredAccount};
use crate::live::{Current, Live};
use crate::secret::{About, Sealer};
use crate::state::accounts::{self, Counts, Sealed};
use crate::state::sql::{Database, SqlError};
use crate::upstream::resolve::Resolver;

/// What a sealed document is about.
const WHAT: &str = "account.document";

/// The accounts of the database.
pub struct Roster {
    current: Arc<Current>,
    /// Finds the hosts of accounts that are made.
    resolver: Arc<Resolver>,
    seen: Mutex<Seen>,
    /// The last look at the database came to nothing.
    away: AtomicBool,
}

/// What is in force, and from when.
#[derive(Default)]
struct Seen {
    counts: Option<Counts>,
    sealer: Option<Arc<Sealer>>,
    /// The config that was told of.
    told: Weak<Live>,
    /// What was wrong with accounts, as it was told.
    wrong: HashMap<Arc<str>, String>,
    /// How many accounts had no proxy, as it was told.
    without: usize,
}

impl Roster {
    /// The accounts that are put in force in `current`.
    pub fn new(current: Arc<Current>, resolver: Arc<Resolver>) -> Self {
        Self {
            current,
            resolver,
            seen: Mutex::default(),
            away: AtomicBool::new(false),
        }
    }

    /// Whether there can be any accounts to look for: nothing is stored without keys to seal it with.
    pub fn is_wanted(&self) -> bool {
        let live = self.current.load();
        let config = &live.config;
        config.sealer.is_some() || !config.stored.is_empty() || !config.pool.is_empty()
    }

    /// Puts what is news in the database in force.
    pub async fn refresh(&self) -> Result<(), SqlError> {
        let mut seen = self.seen.lock().await;
        let looked = self.look(&mut seen).await;
        self.tell(&mut seen);
        looked
    }

    /// The last look at the database came to nothing, for whatever reason.
    pub fn looked(&self, failed: Option<&dyn std::fmt::Display>) {
        let was_away = self.away.swap(failed.is_some(), Ordering::Relaxed);
        self.current.metrics().roster_is_stale(failed.is_some());
        match (failed, was_away) {
            (Some(error), false) => {
                log::warn!(
                    "the accounts of the database cannot be looked at, those in force stay: {error}"
                );
            }
            (None, true) => log::info!("the accounts of the database can be looked at again"),
            _ => {}
        }
    }

    async fn look(&self, seen: &mut Seen) -> Result<(), SqlError> {
        let sealer = self.current.load().config.sealer.clone();
        let counts = accounts::counts(self.database()).await?;
        let known = seen.counts;
        // The proxies first: an account that comes then has its own at once.
        if known.map(|known| known.proxies) != Some(counts.proxies) {
            self.look_at_proxies().await?;
        }
        if known.map(|known| known.accounts) != Some(counts.accounts) || seen.sealer != sealer {
            let count = self.look_at_accounts(sealer.as_ref()).await?;
            if known.is_some() {
                log::info!("the accounts of the database have changed: there are {count}");
            }
        }
        seen.counts = Some(counts);
        seen.sealer = sealer;
        self.settle_proxies().await
    }

    /// How many there are.
    async fn look_at_accounts(&self, sealer: Option<&Arc<Sealer>>) -> Result<usize, SqlError> {
        let rows = accounts::all(self.database()).await?;
        let mut stored = Vec::with_capacity(rows.len());
        let mut again = Vec::new();
        let live = self.current.load();
        for row in &rows {
            let document = match open(row, sealer.map(|sealer| &**sealer)) {
                Ok((document, old)) => {
                    if old {
                        again.push((row, document.clone()));
                    }
                    Ok(document)
                }
                Err(reason) => match live.config.stored(&row.name) {
                    // Another instance may have sealed it with a key that comes to this one soon.
                    Some(state) if state.is(row.version) => {
                        log::error!(
                            "account {}: it stays as it is in force, but would not survive a restart: {reason}",
                            row.name
                        );
                        stored.push(Arc::clone(&state.account));
                        continue;
                    }
                    _ => Err(reason),
                },
            };
            stored.push(Arc::new(StoredAccount {
                name: row.name.as_str().into(),
                version: row.version,
                created_at: row.created_at,
                changed_at: row.changed_at,
                document,
            }));
        }
        let count = stored.len();
        self.current.replace_stored(stored);
        if let Some(sealer) = sealer {
            for (row, document) in &again {
                self.seal_again(row, document, sealer).await;
            }
        }
        Ok(count)
    }

    /// With the newest key, so that the older one is not needed any more.
    async fn seal_again(&self, row: &Sealed, document: &Document, sealer: &Sealer) {
        let Some(sealed) = seal(&row.name, document, sealer) else {
            return;
        };
        match accounts::reseal(self.database(), &row.name, row.version, &sealed).await {
            Ok(_) => log::info!(
                "account {}: sealed with the newest of secret-keys",
                row.name
            ),
            Err(error) => log::error!(
                "account {}: still sealed with an older one of secret-keys, which has to stay: {error}",
                row.name
            ),
        }
    }

    /// Counts and logs what has become of the accounts, once for every config.
    fn tell(&self, seen: &mut Seen) {
        let live = self.current.load();
        if std::ptr::eq(seen.told.as_ptr(), Arc::as_ptr(&live)) {
            return;
        }
        let mut wrong = HashMap::new();
        let [mut serving, mut disabled] = [0, 0];
        for state in &live.config.stored {
            match &state.standing {
                Standing::InService(_) => serving += 1,
                Standing::Disabled(_) => disabled += 1,
                Standing::Wrong(reason) => {
                    let name = Arc::clone(&state.account.name);
                    if seen.wrong.get(&name) != Some(reason) {
                        log::error!("account {name} of the database is out of service: {reason}");
                    }
                    wrong.insert(name, reason.clone());
                }
            }
        }
        let metrics = self.current.metrics();
        metrics.stored_accounts([serving, disabled, wrong.len()]);
        let without = live.config.assigned.without.len();
        metrics.without_proxy(without);
        if without > 0 && std::mem::replace(&mut seen.without, without) != without {
            log::warn!(
                "proxy-pool has no room for {without} accounts: they use the global proxy-url"
            );
        }
        seen.wrong = wrong;
        seen.told = Arc::downgrade(&live);
    }

    fn database(&self) -> &Database {
        self.current.database()
    }
}

/// The document in a row, and whether an older key has sealed it; why not, in words for operators.
fn open(row: &Sealed, sealer: Option<&Sealer>) -> Result<(Document, bool), String> {
    let sealer = sealer.ok_or("there are no secret-keys to open it with")?;
    let opened = sealer.open(about(&row.name), &row.document);
    let opened = opened.map_err(|error| error.to_string())?;
    let document = Document::parse(opened.secret.expose().as_bytes());
    let document = document.map_err(|errors| errors.to_string())?;
    Ok((document, opened.old))
}

/// `None`: it is too long.
fn seal(name: &str, document: &Document, sealer: &Sealer) -> Option<String> {
    let json = document.to_json().ok()?;
    sealer.seal(about(name), &json).ok()
}

fn about(name: &str) -> About<'_> {
    About {
        what: WHAT,
        whose: name,
    }
}
