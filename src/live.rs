//! What is in force: one config and everything prepared from it.
//!
//! A request takes one [`Live`] when it begins and keeps it to its end, whatever is reloaded
//! meanwhile.

mod counters;
mod homes;
mod made;
mod parts;
mod plans;
mod prices;
mod profiles;
mod rests;
mod sharing;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_rustls::rustls::ClientConfig;

pub use counters::SharedCounters;
pub use homes::Neighbours;
pub use made::{InDatabase, InRedis, Kept, Made, Maker, NotKept, Response};
use parts::Parts;
pub use plans::Plans;
pub use prices::Prices;
pub use profiles::Profiles;
pub use turns::{load_turns, store_turns};

use crate::account::book::Book;
use crate::account::health::{Health, Report};
use crate::account::homes::Homes;
use crate::account::oauth::{Cell, TokenReport};
use crate::account::proxies::Known;
use crate::account::{Account, AccountId};
use crate::config::{ClientKey, Config, StoredAccount};
use crate::metrics::{AccountNow, Meters, Metrics, TokenNow, UsageNow};
use crate::routing::Router;
use crate::secret::KeyHash;
use crate::state::redis::Redis;
use crate::state::sql::Database;
use crate::usage::counters::{Counters, Local};
use crate::usage::{Labels, Ledger, Standing};
use crate::wire::Format;

/// One config in force.
#[derive(Debug)]
pub struct Live {
    /// The config.
    pub config: Config,
    /// Its routing table.
    pub router: Router,
    /// What is known about models.
    pub profiles: Profiles,
    /// What is changed in requests' bodies; `None`: nothing.
    pub payload: Option<Plans>,
    /// What models cost.
    pub prices: Prices,
    /// Who made which stored response.
    pub made: Arc<Made>,
    /// Where conversations are; `None`: they need not stay anywhere.
    pub homes: Option<Arc<Homes>>,
    /// Whom to ask for conversations that are not known here; `None`: nobody.
    pub neighbours: Option<Arc<Neighbours>>,
    /// Where its requests are written down; `None`: nowhere.
    pub ledger: Option<Ledger>,
    /// The words that are written down with them.
    pub labels: Labels,
    /// What its requests count with.
    pub meters: Meters,
    clients: HashMap<KeyHash, Arc<ClientKey>>,
    /// The tokens of the accounts that have them in place of keys.
    tokens: HashMap<AccountId, Arc<Cell>>,
    /// The formats that some account does not speak.
    foreign: Vec<Format>,
    /// Some account takes clients' keys.
    client_keys: bool,
}

impl Live {
    fn new(config: Config, shared: &Shared) -> Self {
        let book = &shared.book;
        Self {
            meters: Meters::new(&config, &shared.metrics),
            ledger: config.usage.enabled.then(|| shared.ledger.clone()),
            labels: Labels::new(&config.clients, &config.accounts),
            router: Router::new(
                &config.accounts,
                config.routes.clone(),
                config.strategy,
                book,
            ),
            clients: config
                .clients
                .iter()
                .map(|client| (client.hash, Arc::new(client.clone())))
                .collect(),
            profiles: Profiles::new(&config),
            prices: Prices::new(&config),
            payload: config.payload.clone().map(Plans::new),
            made: Arc::clone(&shared.made),
            tokens: tokens(&config, book),
            homes: config.session_affinity.then(|| Arc::clone(&shared.homes)),
            neighbours: shared
                .neighbours
                .clone()
                .filter(|_| config.session_affinity),
            foreign: Format::ALL
                .into_iter()
                .filter(|format| {
                    let mut accounts = config.accounts.iter();
                    accounts.any(|account| !account.formats.contains(format))
                })
                .collect(),
            client_keys: config.accounts.iter().any(|account| account.client_keys),
            config,
        }
    }

    /// The token of an account that has one in place of a key.
    pub fn token(&self, account: &Account) -> Option<&Arc<Cell>> {
        account.oauth.as_ref()?;
        self.tokens.get(&account.id)
    }

    /// Whether a request in `format` may go to an account that does not speak it.
    pub fn may_translate(&self, format: Format) -> bool {
        self.foreign.contains(&format)
    }

    /// Whether a client may bring its own key for some provider.
    pub fn takes_client_keys(&self) -> bool {
        self.client_keys
    }

    /// Whether a request without a key is served.
    pub fn is_open(&self) -> bool {
        self.config.allow_anonymous
    }

    /// The client whose key this is. Only hashes are compared, and the one that is found in constant
    /// time: a guess learns nothing from how long it takes to be wrong.
    pub fn client(&self, key: &[u8]) -> Option<&Arc<ClientKey>> {
        let hash = KeyHash::of(key);
        self.clients
            .get(&hash)
            .filter(|client| client.hash.matches(&hash))
    }
}

fn tokens(config: &Config, book: &Book) -> HashMap<AccountId, Arc<Cell>> {
    let accounts = config.accounts.iter();
    accounts
        .filter_map(|account| {
            let oauth = account.oauth.as_ref()?;
            Some((account.id, book.token(oauth.id)))
        })
        .collect()
}

/// The config in force, replaced on reload; and the healths and turns that outlive configs.
pub struct Current {
    live: ArcSwap<Live>,
    /// Counts configs.
    changes: watch::Sender<u64>,
    /// What the one in force is made of.
    parts: Mutex<Parts>,
    shared: Shared,
}

/// What outlives configs.
struct Shared {
    book: Book,
    made: Arc<Made>,
    homes: Arc<Homes>,
    neighbours: Option<Arc<Neighbours>>,
    metrics: Arc<Metrics>,
    ledger: Ledger,
    database: Arc<Database>,
    counters: Arc<dyn Counters>,
    standing: Standing,
    redis: Option<Arc<Redis>>,
}

impl Current {
    /// Puts `config` in force, whose requests are counted in `metrics` and written down in `ledger`. Its
    /// database and Redis stay those of the process; `tls` is what Redis is spoken to with over TLS.
    pub fn new(
        config: Config,
        metrics: Arc<Metrics>,
        ledger: Ledger,
        tls: &Arc<ClientConfig>,
    ) -> Self {
        let redis = config.stores.redis.as_ref();
        let redis =
            redis.map(|at| Arc::new(Redis::new(at.url.clone(), &at.prefix, Arc::clone(tls))));
        let database = Arc::new(Database::new(config.stores.database.clone()));
        let mut stores: Vec<Box<dyn Kept>> = Vec::new();
        stores.extend(
            redis
                .iter()
                .map(|redis| Box::new(InRedis(Arc::clone(redis))) as _),
        );
        stores.push(Box::new(InDatabase(Arc::clone(&database))));
        let homes = Arc::<Homes>::default();
        let shared = Shared {
            book: redis
                .as_ref()
                .map_or_else(Book::default, |_| Book::shared()),
            made: Arc::new(Made::new(stores)),
            neighbours: redis
                .as_ref()
                .map(|redis| Arc::new(Neighbours::of(&homes, Arc::clone(redis)))),
            homes,
            metrics,
            ledger,
            database,
            counters: match &redis {
                Some(redis) => Arc::new(SharedCounters::new(Arc::clone(redis))),
                None => Arc::new(Local::default()),
            },
            standing: Standing::default(),
            redis,
        };
        let parts = Parts::of(config);
        Self {
            changes: watch::Sender::default(),
            live: ArcSwap::from_pointee(Live::new(parts.together(), &shared)),
            parts: Mutex::new(parts),
            shared,
        }
    }

    /// What is in force now.
    pub fn load(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts the `config` of a file in force for requests that begin from now on, with the accounts of the
    /// database that are there.
    pub fn replace(&self, config: Config) {
        self.put(|parts| parts.config = config);
    }

    /// Puts these accounts of the database in force beside those of the file.
    pub fn replace_stored(&self, stored: Vec<Arc<StoredAccount>>) {
        self.put(|parts| parts.stored = stored);
    }

    /// Puts what is known of the proxy pool in force.
    pub fn replace_proxies(&self, proxies: Known) {
        self.put(|parts| parts.proxies = proxies);
    }

    fn put(&self, change: impl FnOnce(&mut Parts)) {
        // Whoever comes second waits, so that nobody takes a change back.
        let mut parts = self.parts.lock();
        change(&mut parts);
        let live = Live::new(parts.together(), &self.shared);
        self.live.store(Arc::new(live));
        self.shared.book.sweep();
        self.changes.send_modify(|configs| *configs += 1);
    }

    /// Changes with each config that is put in force.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is counted, whatever config is in force.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// Where conversations are, whether a config asks for that or not.
    pub fn homes(&self) -> &Arc<Homes> {
        &self.shared.homes
    }

    /// The database of the process.
    pub fn database(&self) -> &Arc<Database> {
        &self.shared.database
    }

    /// What was used in the last minutes, at once.
    pub fn counters(&self) -> &Arc<dyn Counters> {
        &self.shared.counters
    }

    /// How the stores of records are.
    pub fn standing(&self) -> &Standing {
        &self.shared.standing
    }

    /// How records are.
    pub fn usage_now(&self) -> UsageNow {
        let Shared {
            ledger, standing, ..
        } = &self.shared;
        UsageNow {
            written: standing.written(),
            dropped: ledger.dropped() + standing.refused(),
            waiting: ledger.waiting(),
            spooled: standing.spooled(),
            database: standing.database().is_up(),
            spool: standing.spool().is_up(),
        }
    }

    /// What the process shares with other instances through; `None`: it is alone.
    pub fn redis(&self) -> Option<&Arc<Redis>> {
        self.shared.redis.as_ref()
    }

    /// Who made which stored response.
    pub fn made(&self) -> &Made {
        &self.shared.made
    }

    /// The health of an account, to check it beside the requests.
    pub fn health(&self, account: &Account) -> Arc<Health> {
        self.shared.book.health(account.id)
    }

    /// The state of an account.
    pub fn report(&self, account: &Account) -> Report {
        self.shared.book.health(account.id).report()
    }

    /// How it is with the token of an account that has one in place of a key.
    pub fn token_report(&self, account: &Account) -> Option<TokenReport> {
        let oauth = account.oauth.as_ref()?;
        Some(self.shared.book.token(oauth.id).report())
    }

    /// How the accounts of `config` are now.
    pub fn accounts_now(&self, config: &Config) -> Vec<AccountNow> {
        let now = tokio::time::Instant::now();
        let accounts = config.accounts.iter().enumerate();
        accounts
            .map(|(place, account)| {
                let report = self.report(account);
                AccountNow {
                    place,
                    usable: !report.key.is_some_and(|key| key.rests(now)),
                    resting_models: report.resting_models(now),
                    token: self.token_report(account).map(|report| TokenNow {
                        dead: report.dead,
                        unsaved: report.unsaved,
                        expires: report.expires,
                    }),
                }
            })
            .collect()
    }

    /// Whether any account could serve a request now.
    pub fn has_usable_account(&self) -> bool {
        let now = tokio::time::Instant::now();
        let live = self.load();
        let accounts = live.config.accounts.iter();
        // Clients' own keys have healths of their own.
        let (closed, open): (Vec<_>, Vec<_>) =
            accounts.partition(|account| account.is_for_client_keys_only());
        match open.is_empty() {
            true => !closed.is_empty(),
            false => open
                .iter()
                .any(|account| !self.shared.book.health(account.id).is_key_resting(now)),
        }
    }
}
