//! Puts the parts together: services, signals, reload, and an end that loses nothing.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pingora::server::configuration::{Opt, ServerConf};
use pingora::server::{RunArgs, Server};
use pingora::services::background::background_service;
use pingora::services::listening::Service as Listening;
use tokio::sync::Barrier;

use crate::account::oauth::{Refresher, Vault};
use crate::admin::{Admin, Listener, Logins};
use crate::config::{Config, Environment, Overrides, Source};
use crate::demo::provider::DemoProvider;
use crate::lifecycle::Lifecycle;
use crate::live::Current;
use crate::logging;
use crate::metrics::{Metrics, MetricsError};
use crate::proxy::Gateway;
use crate::roster::Roster;
use crate::traces::{self, CannotTrace};
use crate::upstream::media::{Fetcher, Limits};
use crate::upstream::oauth::TokenClient;
use crate::upstream::peer::Peers;
use crate::upstream::plaintext::Pool;
use crate::upstream::resolve::Resolver;
use crate::upstream::roots::{Roots, RootsError};
use crate::usage::Ledger;

mod connections;
mod health_checks;
mod housekeeping;
mod http2;
mod listening;
mod reload;
mod retention;
mod roster;
mod sharing;
mod signals;
mod successor;
mod tls;
mod tokens;
mod usage;

use connections::Spoken;
use health_checks::HealthChecks;
use housekeeping::Housekeeping;
use listening::{Bound, Role, bind};
use reload::Reloader;
use signals::Signals;
use tls::Tls;
use tokens::Tokens;
use usage::Usage;

/// Who listens for signals: [`Signals`] and [`Housekeeping`]. Nothing is served before they do, because a
/// signal that nobody listens for kills.
const SIGNAL_LISTENERS: usize = 2;
/// Who looks for accounts in the database. Nothing is served before they have been looked for.
const LOOKS: usize = 1;
/// Where clients connect.
const CLIENTS: Role = Role {
    word: "listening on http",
    key: "",
    optional: false,
};
/// Where operators connect.
const OPERATORS: Role = Role {
    word: "admin on http",
    key: "admin=",
    optional: false,
};
/// Where the demo's provider is.
const DEMO: Role = Role {
    word: "demo provider on http",
    key: "demo=",
    optional: false,
};
/// Records that wait to be written.
const LEDGER: usize = 65_536;
/// Unused upstream connections that are kept per worker thread.
const POOL: usize = 1_024;

/// Everything a server is made from.
pub struct Launch {
    /// The config to begin with.
    pub config: Config,
    /// Where it came from, to follow changes.
    pub source: Source,
    /// Variables and files that it takes from.
    pub environment: Arc<dyn Environment>,
    /// What the flags say.
    pub overrides: Overrides,
    /// Pingora's config file.
    pub conf: Option<PathBuf>,
    /// Run in the background.
    pub daemon: bool,
    /// Take over from a running process.
    pub upgrade: bool,
    /// The demo's provider and what to do once requests are served.
    pub demo: Option<Demo>,
}

/// The demo's part of a server.
pub struct Demo {
    /// Where its provider listens.
    pub provider: TcpListener,
    /// Exit after the transcript.
    pub once: bool,
}

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, std::io::Error),
    /// Pingora's config file is wrong.
    #[error("{0}: {1}")]
    Conf(PathBuf, String),
    /// Two processes want to take over from the same one.
    #[error(transparent)]
    Successor(#[from] successor::Second),
    /// The roots cannot be loaded.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Two metrics have one name.
    #[error("cannot count: {0}")]
    Metrics(#[from] MetricsError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] CannotTrace),
    /// Pingora refuses.
    #[error("cannot start: {0}")]
    Pingora(#[from] Box<pingora::Error>),
}

/// The operators' socket.
struct Operators {
    /// None yet: a predecessor may have one for us.
    listener: Option<TcpListener>,
    role: Role,
}

impl Operators {
    /// Takes their address; nothing when another process has it and nobody has asked for it.
    fn bind(config: &Config, upgrade: bool) -> Result<Option<Self>, StartError> {
        let role = Role {
            optional: !config.admin.given,
            ..OPERATORS
        };
        let listener = match upgrade {
            true => None,
            false => match bind(config.admin.address) {
                Ok(listener) => Some(listener),
                Err(error) if role.optional => {
                    log::warn!(
                        "{error}: no /metrics and no /admin (admin.port says where they may be)"
                    );
                    return Ok(None);
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Some(Self { listener, role }))
    }
}

/// Reads Pingora's config, or takes what suits most machines.
pub fn conf(path: Option<&Path>) -> Result<ServerConf, StartError> {
    let Some(path) = path else {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        return Ok(ServerConf {
            threads,
            upstream_keepalive_pool_size: POOL,
            ..ServerConf::default()
        });
    };
    let failed = |reason: String| StartError::Conf(path.to_owned(), reason);
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    // Pingora's message repeats the whole file; the cause is enough.
    ServerConf::from_yaml(&text).map_err(|error| failed(error.root_cause().to_string()))
}

/// Serves until told to stop. Does not return in a daemon.
pub fn run(launch: Launch) -> Result<(), StartError> {
    let Launch {
        config,
        source,
        environment,
        overrides,
        conf: conf_path,
        daemon,
        upgrade,
        demo,
    } = launch;
    let roots = Roots::load(config.upstream_ca.as_deref())?;
    let mut conf = conf(conf_path.as_deref())?;
    conf.daemon |= daemon;
    // One thread has nobody to steal from, and a runtime that knows it is cheaper.
    conf.work_stealing &= conf.threads > 1;
    conf.ca_file = roots
        .bundle
        .as_ref()
        .map(|file| file.path().display().to_string())
        .or(conf.ca_file);
    // A request ends its search for an account itself. A number here would be that of one config, and
    // a reload brings others.
    conf.max_retries = usize::MAX;
    // The process ends itself as soon as nothing runs; this only bounds how long that may take.
    let totals = config.accounts.iter().map(|account| account.timeouts.total);
    let longest = totals.fold(config.timeouts.total, Duration::max);
    let grace = conf.grace_period_seconds;
    let grace = grace.unwrap_or_else(|| housekeeping::grace(longest));
    conf.grace_period_seconds = Some(grace);
    conf.graceful_shutdown_timeout_seconds = conf.graceful_shutdown_timeout_seconds.or(Some(1));

    let options = Opt {
        upgrade,
        daemon,
        ..Opt::default()
    };
    let mut server = Server::new_with_opt_and_conf(options, conf);
    let address = config.listen.address;
    let listener = if upgrade { None } else { Some(bind(address)?) };
    if config.listen.narrowed {
        log::warn!(
            "no api-keys are configured: listening on {} only, because anyone who can connect can use your accounts \
             (set api-keys, or allow-anonymous: true)",
            address.ip()
        );
    }
    successor::bootstrap(&mut server, upgrade)?;

    let lifecycle = Arc::new(Lifecycle::default());
    let spoken = spoken(&config);
    let metrics = Arc::new(Metrics::try_new()?);
    let (ledger, queue) = Ledger::new(LEDGER);
    let current = Arc::new(Current::new(config.clone(), metrics, ledger, &roots.client));
    let usage = Usage::new(queue, &config, &current);
    let resolver = Arc::new(Resolver::system());
    let reloader = Arc::new(Reloader {
        current: Arc::clone(&current),
        tls: spoken.tls.clone(),
        in_force: config.clone(),
        source,
        environment,
        overrides,
    });
    let roster = Arc::new(Roster::new(Arc::clone(&current), Arc::clone(&resolver)));
    let admin = Arc::new(Admin {
        roster: Arc::clone(&roster),
        current: Arc::clone(&current),
        lifecycle: Arc::clone(&lifecycle),
        log_queue: logging::waiting,
        reload: Arc::clone(&reloader) as _,
        logins: Logins::default(),
    });
    let (traces, exporting) = match &config.otel {
        Some(endpoint) => {
            let (traces, exporting) = traces::start(endpoint, &roots.client)?;
            (Some(traces), Some(exporting))
        }
        None => (None, None),
    };
    let client = TokenClient::new(Arc::clone(&resolver), Arc::clone(&roots.client));
    let vault = Vault::new(Arc::clone(current.database()), current.redis().cloned());
    let tokens = Tokens::new(Arc::clone(&current), Refresher::new(client, vault));
    let peers = Peers::new(Arc::clone(&resolver), Arc::clone(&roots.client));
    let gateway = Gateway {
        desk: Arc::clone(&admin) as _,
        current: Arc::clone(&current),
        lifecycle: Arc::clone(&lifecycle),
        peers: Peers::new(Arc::clone(&resolver), Arc::clone(&roots.client)),
        media: Fetcher::new(resolver, Arc::clone(&roots.client), Limits::DEFAULT),
        traces,
    };
    let conf = &server.configuration;
    let kept = conf
        .upstream_keepalive_pool_size
        .saturating_mul(conf.threads.max(1));
    let pool = Arc::new(Pool::new(kept));
    let service = connections::service(conf, gateway, Arc::clone(&pool), &spoken);
    let checks = HealthChecks::new(Arc::clone(&current), peers, conf);
    // Pingora has read the bundle by now, and the process may end in many ways.
    drop(roots);
    let bound = listener
        .as_ref()
        .and_then(|listener| listener.local_addr().ok())
        .unwrap_or(address);
    let operators = Operators::bind(&config, upgrade)?;
    let services = 1 + usize::from(operators.is_some()) + usize::from(demo.is_some());
    let ready = Arc::new(Barrier::new(services + SIGNAL_LISTENERS + LOOKS));
    server.add_service(Bound::new(
        service,
        address,
        listener,
        Role {
            word: match spoken.tls {
                Some(_) => "listening on https",
                None => "listening on http",
            },
            ..CLIENTS
        },
        Arc::clone(&ready),
    ));
    if let Some(operators) = operators {
        let service = Listening::new("admin".to_owned(), Listener(admin));
        server.add_service(Bound::new(
            service,
            config.admin.address,
            operators.listener,
            operators.role,
            Arc::clone(&ready),
        ));
    }
    let mut after = None;
    if let Some(Demo { provider, once }) = demo {
        let place = provider
            .local_addr()
            .map_err(|error| StartError::Bind(address, error))?;
        let service = Listening::new("demo provider".to_owned(), DemoProvider::new());
        server.add_service(Bound::new(
            service,
            place,
            Some(provider),
            DEMO,
            Arc::clone(&ready),
        ));
        after = Some((bound, once));
    }
    server.add_service(background_service(
        "housekeeping",
        Housekeeping {
            reloader,
            roster,
            lifecycle: Arc::clone(&lifecycle),
            patience: housekeeping::patience(grace),
            pool,
            exporting,
            tokens,
            usage,
            checks,
            demo: after,
            ready: Arc::clone(&ready),
        },
    ));
    server.run(RunArgs {
        shutdown_signal: Box::new(Signals { lifecycle, ready }),
    });
    logging::flush();
    Ok(())
}

/// What the listener speaks as long as the process runs; its certificate may change.
fn spoken(config: &Config) -> Spoken {
    let http2 = config.listen.http2;
    let tls = config
        .tls
        .as_ref()
        .map(|tls| Arc::new(Tls::new(tls, http2)));
    Spoken { http2, tls }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_pingora_config_has_only_keys_that_pingora_knows() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pingora.yaml");
        let shipped = conf(Some(&path)).unwrap();
        assert_eq!(
            (shipped.version, shipped.upstream_keepalive_pool_size),
            (1, POOL)
        );
        let known = serde_json::to_string(&ServerConf::default()).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        // A key, or one that is commented out.
        let keys = text.lines().filter_map(|line| {
            let (key, _) = line.strip_prefix("# ").unwrap_or(line).split_once(": ")?;
            (!key.is_empty()
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            .then_some(key)
        });
        let unknown: Vec<_> = keys
            .filter(|key| !known.contains(&format!("\"{key}\":")))
            .collect();
        assert_eq!(unknown, [""; 0]);
    }
}
