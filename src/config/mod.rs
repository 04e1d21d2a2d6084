//! The config: YAML in, values that cannot fail later out.
//!
//! [`load`] takes a file through these steps, and reports the errors of all of them together:
//! `yaml` makes a tree of the text, `read` compares the tree with the schema and types it as `file`,
//! the mirror of `config.yaml`, and `resolve` turns that and the environment into a [`Config`].
//! [`watch`] does so again when the file changes. Nothing below this layer knows YAML.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use tokio_rustls::rustls::ServerConfig;

use crate::account::proxies::{Assigned, Pooled, ProxyId};
use crate::account::{Account, Glob};
use crate::chat::OnLoss;
use crate::price;
use crate::rewrite::Rules;
use crate::secret::{KeyHash, Sealer};
use crate::state::redis::RedisUrl;
use crate::state::sql::DatabaseUrl;
use crate::upstream::media::MediaFetch;
use crate::upstream::{OutboundProxy, Timeouts};
use crate::wire::Setting;

mod environment;
mod error;
mod file;
mod files;
mod load;
mod origins;
mod pool;
mod read;
mod resolve;
mod schema;
mod stored;
mod tree;
mod unavailable;
mod watch;
mod yaml;

#[cfg(test)]
mod documents;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use environment::{Environment, ProcessEnvironment};
pub use error::{ConfigError, Errors};
pub use files::Files;
pub use load::{Source, load};
pub use origins::Origins;
pub use resolve::Overrides;
pub use schema::schema;
pub use stored::{Document, Standing, StoredAccount, StoredState};
pub use watch::watch;

pub use crate::account::pool::Strategy;
pub use crate::routing::RouteRule;

/// A config in which everything is valid.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where clients connect.
    pub listen: Listen,
    /// TLS on that listener, without what is agreed on by ALPN; `None`: it speaks none.
    pub tls: Option<Arc<ServerConfig>>,
    /// Reverse proxies that are believed about where a client is.
    pub trusted_proxies: Vec<IpNet>,
    /// The pages that may call from a browser; `None`: none, and nobody looks.
    pub cors: Option<Origins>,
    /// Who may connect.
    pub clients: Vec<ClientKey>,
    /// Whether a request without a key is served; always so when there are no client keys.
    pub allow_anonymous: bool,
    /// Where operators connect.
    pub admin: Admin,
    /// Whether `/metrics` is served to clients too.
    pub metrics_public: bool,
    /// What a request may be.
    pub limits: Limits,
    /// How long requests may take where no account says otherwise.
    pub timeouts: Timeouts,
    /// Trying again.
    pub retry: Retry,
    /// Streamed answers.
    pub streaming: Streaming,
    /// How an account is chosen.
    pub strategy: Strategy,
    /// Whether a conversation stays with its account while that one is well.
    pub session_affinity: bool,
    /// Ordered model rules; the first match wins.
    pub routes: Vec<RouteRule>,
    /// Enabled accounts, in file order within each list and in the order of the lists
    /// (`claude-api-key`, `openai-api-key`, `gemini-api-key`, `openai-compatibility`), then those of the
    /// database.
    pub accounts: Vec<Arc<Account>>,
    /// What the file's accounts take, so that those of the database cannot have it.
    pub ground: Arc<Ground>,
    /// The accounts of the database, those that are out of service among them.
    pub stored: Vec<StoredState>,
    /// What connections go through where no account says otherwise.
    pub proxy: Option<Arc<OutboundProxy>>,
    /// Proxies that are shared out among accounts.
    pub pool: Vec<Pooled>,
    /// Who has which of them.
    pub assigned: Assigned,
    /// Those that nobody may have now.
    pub dead: HashSet<ProxyId>,
    /// PEM file with roots that are trusted for providers besides the system's.
    pub upstream_ca: Option<PathBuf>,
    /// Whether an aliased answer names the model that the client asked for.
    pub rewrite_model: bool,
    /// Translation between formats.
    pub translation: Translation,
    /// What is changed in requests' bodies; `None`: nothing.
    pub payload: Option<Arc<Rules>>,
    /// What models cost.
    pub prices: Arc<price::Table>,
    /// Where state is kept.
    pub stores: Stores,
    /// Whether requests are written down, and how long that is kept.
    pub usage: Usage,
    /// What seals secrets that are stored; `None`: none are.
    pub sealer: Option<Arc<Sealer>>,
    /// What is logged.
    pub log: Log,
    /// The collector that traces go to.
    pub otel: Option<Box<str>>,
    /// The files that it was made from.
    pub files: Files,
}

/// What the accounts of the file take.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ground {
    /// Their names, those of disabled entries among them.
    pub names: BTreeSet<Arc<str>>,
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    /// Set when the address had to be narrowed to loopback because anyone could have used the
    /// gateway's credentials; says so for the log.
    pub narrowed: bool,
}

/// Where operators connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// SHA-256 of the key that `/admin` asks for; `None`: there is no `/admin`.
    pub key: Option<KeyHash>,
    /// Whether `/admin` is served on the clients' port too.
    pub mount: bool,
    /// Whether accounts that are made here may be in private networks.
    pub private_base_urls: bool,
    /// Whether the file says anything about it. What nobody asked for may be missing when another
    /// process has its port.
    pub given: bool,
}

/// One client key.
#[derive(Debug, Clone)]
pub struct ClientKey {
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// The operator's name for its holder, or `key-N`. Shown in logs.
    pub name: Arc<str>,
    /// Models that it may use; empty: all.
    pub models: Vec<Glob>,
    /// Operator's labels.
    pub tags: BTreeMap<String, String>,
}

impl ClientKey {
    /// Whether its holder may use `model`.
    pub fn may_use(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|glob| glob.matches(model))
    }
}

/// What a request may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest request body, in bytes, after decompression.
    pub body: usize,
    /// Longest sum of header names and values, in bytes.
    pub header_size: usize,
    /// Most header fields.
    pub headers: usize,
    /// Deepest nesting of a JSON body.
    pub json_depth: usize,
    /// How long a client may take to send its body.
    pub body_timeout: Duration,
    /// Most requests at the same time.
    pub concurrent: usize,
}

/// Trying again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Rounds over the candidates after the first one (`request-retry`).
    pub rounds: u32,
    /// Tries after a provider had answered 200 and then failed (`streaming.bootstrap-retries`).
    pub bootstrap: u32,
    /// Longest pause between rounds, and longest hint that one request waits for.
    pub max_interval: Duration,
    /// First rest of a failing account, doubled with each failure in a row.
    pub cooldown_min: Duration,
    /// Longest rest, whatever a provider hints.
    pub cooldown_max: Duration,
}

/// Streamed answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streaming {
    /// Longest silence towards a client; `None`: no keep-alives.
    pub keep_alive: Option<Duration>,
    /// Most bytes of an answer that wait for its first content, or, in an answer that is not
    /// streamed, for its end.
    pub hold_back: usize,
}

/// Translation between formats.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// What is done about losses.
    pub on_loss: OnLoss,
    /// Whether streams end with a comment that lists what of the answer was lost.
    pub loss_comments: bool,
    /// Whether a request is tried once more without its reasoning state when a provider refuses that.
    pub repair_retry: bool,
    /// From where media is fetched for providers that do not read addresses.
    pub media_fetch: MediaFetch,
    /// When a provider's rate limits are passed on.
    pub rate_limit_headers: RateLimitHeaders,
    /// Overrides of what is known about models; later ones win.
    pub profiles: Vec<ProfileRule>,
}

/// What is known about some models.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRule {
    /// A provider or the name of an account; `None`: all.
    pub provider: Option<Box<str>>,
    /// The provider's names of the models; `None`: all.
    pub model: Option<Glob>,
    /// Keys and values that [`Profile::set`](crate::wire::Profile::set) accepts.
    pub settings: Vec<(Box<str>, Setting)>,
}

/// When a provider's rate limits are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// When only one account can serve the request.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stores {
    /// Where usage, accounts and tokens are.
    pub database: DatabaseUrl,
    /// Whether the file names it. The default one may be out of reach, on a disk that is read-only.
    pub given: bool,
    /// Where usage waits while a database server is away.
    pub spool: DatabaseUrl,
    /// What several instances share; `None`: there is one instance.
    pub redis: Option<RedisStore>,
}

/// Usage records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Whether requests are written down.
    pub enabled: bool,
    /// Days for which records are kept; `None`: for ever.
    pub retention: Option<NonZeroU32>,
    /// Days for which sums by hour are kept; `None`: for ever.
    pub hourly_retention: Option<NonZeroU32>,
}

/// What several instances share at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisStore {
    /// Where it is.
    pub url: RedisUrl,
    /// What every key and channel begins with.
    pub prefix: Box<str>,
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: log::LevelFilter,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `key=value` pairs.
    Text,
    /// One JSON object a line.
    Json,
}
