//! Puts the parts together: services, signals, reload, and an end that loses nothing.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::apps::HttpServerOptions;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{
    ListenFds, RunArgs, Server, ShutdownSignal, ShutdownSignalWatch, ShutdownWatch,
};
use pingora_core::services::Service;
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service as Listening;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Barrier;

use crate::config::{self, Config, Environment, Errors, Overrides, Source};
use crate::demo::provider::DemoProvider;
use crate::lifecycle::Lifecycle;
use crate::live::Current;
use crate::logging;
use crate::proxy::Gateway;
use crate::upstream::peer::Peers;
use crate::upstream::resolve::Resolver;
use crate::upstream::roots::{Roots, RootsError};

mod connections;
mod successor;

use connections::Counted;

/// How long a terminated process goes on accepting while its answers tell clients to go elsewhere.
const NOTICE: Duration = Duration::from_secs(1);
/// …unless nobody has asked for anything for so long.
const NOBODY: Duration = Duration::from_millis(500);
/// A process that no longer accepts ends when nothing has run for so long; lets the last bytes of an
/// answer leave.
const QUIET: Duration = Duration::from_millis(100);
/// How long the last answers may take to leave for clients that read slowly.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// Who listens for signals: [`Signals`] and [`Housekeeping`]. Nothing is served before they do, because a
/// signal that nobody listens for kills.
const SIGNAL_LISTENERS: usize = 2;
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
    /// Pingora refuses.
    #[error("cannot start: {0}")]
    Pingora(#[from] Box<pingora_core::Error>),
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
    conf.ca_file = roots
        .bundle
        .as_ref()
        .map(|file| file.path().display().to_string())
        .or(conf.ca_file);
    let tries = (config.retry.rounds as usize + 2) * (config.accounts.len() + 2);
    conf.max_retries = conf.max_retries.max(tries);
    // The process ends itself as soon as nothing runs; this only bounds how long that may take.
    let patience = config.timeouts.total.as_secs() + 5;
    conf.grace_period_seconds = conf.grace_period_seconds.or(Some(patience));
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
    let http2 = config.listen.http2;
    let current = Arc::new(Current::new(config.clone()));
    let gateway = Gateway {
        current: Arc::clone(&current),
        lifecycle: Arc::clone(&lifecycle),
        peers: Peers::new(Arc::new(Resolver::system()), Arc::clone(&roots.client)),
    };
    let mut app = pingora_proxy::http_proxy(&server.configuration, gateway);
    let mut options = HttpServerOptions::default();
    options.h2c = http2;
    app.server_options = Some(options);
    let app = Counted::new(app, Arc::clone(&lifecycle));
    let service = Listening::new("gateway".to_owned(), app);
    // Pingora has read the bundle by now, and the process may end in many ways.
    drop(roots);
    let bound = listener
        .as_ref()
        .and_then(|listener| listener.local_addr().ok())
        .unwrap_or(address);
    let services = 1 + usize::from(demo.is_some());
    let ready = Arc::new(Barrier::new(services + SIGNAL_LISTENERS));
    server.add_service(Bound::new(
        service,
        address,
        listener,
        "listening on",
        Arc::clone(&ready),
    ));
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
            "demo provider on",
            Arc::clone(&ready),
        ));
        after = Some((bound, once));
    }
    server.add_service(background_service(
        "housekeeping",
        Housekeeping {
            current,
            lifecycle: Arc::clone(&lifecycle),
            in_force: config,
            source,
            environment,
            overrides,
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

fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    let failed = |error| StartError::Bind(address, error);
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// A listening service on a socket that was bound before it starts: a port that is taken is an error
/// message and an exit code, not a panic in a thread, and port 0 is known when it is bound. A socket
/// that a predecessor handed over goes first.
struct Bound<A> {
    service: Listening<A>,
    address: SocketAddr,
    listener: Option<TcpListener>,
    word: &'static str,
    ready: Arc<Barrier>,
}

impl<A> Bound<A> {
    fn new(
        mut service: Listening<A>,
        address: SocketAddr,
        listener: Option<TcpListener>,
        word: &'static str,
        ready: Arc<Barrier>,
    ) -> Self {
        service.add_tcp(&address.to_string());
        Self {
            service,
            address,
            listener,
            word,
            ready,
        }
    }
}

#[async_trait]
impl<A> Service for Bound<A>
where
    Listening<A>: Service,
    A: Send + Sync,
{
    async fn start_service(
        &mut self,
        fds: Option<ListenFds>,
        shutdown: ShutdownWatch,
        listeners_per_fd: usize,
    ) {
        let key = self.address.to_string();
        let mut shown = self.address;
        if let Some(fds) = &fds
            && fds.lock().get(&key).is_none()
        {
            // A predecessor that listened elsewhere has no socket for us.
            let listener = match self.listener.take().map_or_else(|| bind(self.address), Ok) {
                Ok(listener) => listener,
                Err(error) => {
                    log::error!("{error}");
                    logging::flush();
                    std::process::exit(1);
                }
            };
            shown = listener.local_addr().unwrap_or(shown);
            fds.lock().add(key, listener.into_raw_fd());
        }
        self.ready.wait().await;
        log::info!("{} http://{shown}", self.word);
        Service::start_service(&mut self.service, fds, shutdown, listeners_per_fd).await;
    }

    fn name(&self) -> &str {
        Service::name(&self.service)
    }

    fn threads(&self) -> Option<usize> {
        Service::threads(&self.service)
    }

    fn listen_addresses(&self) -> Option<Vec<String>> {
        Service::listen_addresses(&self.service)
    }
}

/// What runs beside the requests: log lines, reloads, the end.
struct Housekeeping {
    current: Arc<Current>,
    lifecycle: Arc<Lifecycle>,
    in_force: Config,
    source: Source,
    environment: Arc<dyn Environment>,
    overrides: Overrides,
    demo: Option<(SocketAddr, bool)>,
    ready: Arc<Barrier>,
}

#[async_trait]
impl BackgroundService for Housekeeping {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut stop = shutdown.clone();
        let stopped = async move {
            // An error means that the sender is gone, which is an end too.
            let _ = stop.wait_for(|stop| *stop).await;
        };
        // Ends with the process.
        let _writer = tokio::task::spawn_blocking(logging::write_lines);
        tokio::join!(
            self.follow(stopped),
            self.reload_on_hangup(),
            self.show_demo(),
            async {
                let _ = shutdown.wait_for(|stop| *stop).await;
                self.end().await;
            }
        );
    }
}

impl Housekeeping {
    async fn follow(&self, stopped: impl Future<Output = ()> + Send) {
        let Source::File(path) = &self.source else {
            return;
        };
        let digest = self.in_force.digest;
        let on_change = |changed| self.apply(changed);
        config::watch(
            path,
            digest,
            &*self.environment,
            &self.overrides,
            on_change,
            stopped,
        )
        .await;
    }

    /// SIGHUP reloads at once, for those who do not want to wait for the file to be noticed.
    async fn reload_on_hangup(&self) {
        let hangups = signal(SignalKind::hangup());
        self.ready.wait().await;
        let Ok(mut hangups) = hangups else {
            return;
        };
        while hangups.recv().await.is_some() {
            self.apply(config::load(
                &self.source,
                &*self.environment,
                &self.overrides,
            ));
        }
    }

    fn apply(&self, changed: Result<Config, Errors>) {
        match changed {
            Ok(config) => {
                logging::configure(config.log.level, config.log.format);
                for name in needs_restart(&self.in_force, &config) {
                    log::warn!(
                        "config reloaded, but {name} changes only with a restart or an upgrade"
                    );
                }
                let accounts = config.accounts.len();
                self.current.replace(config);
                log::info!("config reloaded: {accounts} accounts");
            }
            Err(errors) => {
                for error in &errors.0 {
                    log::error!("config not reloaded, the old one stays: {error}");
                }
            }
        }
    }

    async fn show_demo(&self) {
        let Some((address, once)) = self.demo else {
            return;
        };
        let shown =
            crate::demo::transcript::run(address, crate::demo::CLIENT_KEY, &mut std::io::stdout())
                .await;
        if let Err(error) = &shown {
            log::error!("the demo failed: {error}");
        }
        if once {
            logging::flush();
            std::process::exit(i32::from(shown.is_err()));
        }
    }

    /// The listeners close; the process ends with the last request.
    async fn end(&self) {
        log::info!("finishing {} requests", self.lifecycle.running());
        self.lifecycle.quiet(QUIET).await;
        tokio::select! {
            () = self.lifecycle.disconnected() => {}
            () = tokio::time::sleep(LAST_BYTES) => log::warn!("clients are still connected"),
        }
        log::info!("done");
        logging::flush();
        std::process::exit(0);
    }
}

/// Settings that a running process cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    if old.listen != new.listen {
        names.push("host, port or allow-http2");
    }
    if old.upstream_ca != new.upstream_ca {
        names.push("upstream-ca");
    }
    names
}

/// SIGQUIT hands the sockets to a successor, SIGTERM drains, SIGINT stops at once.
struct Signals {
    lifecycle: Arc<Lifecycle>,
    ready: Arc<Barrier>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let signals = (
            signal(SignalKind::quit()),
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        );
        self.ready.wait().await;
        let (Ok(mut quit), Ok(mut term), Ok(mut int)) = signals else {
            log::error!("cannot listen for signals");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = quit.recv() => {
                self.lifecycle.drain();
                log::info!("SIGQUIT: handing the sockets over");
                tokio::spawn(end_when_told_again(term, int, Arc::clone(&self.lifecycle)));
                ShutdownSignal::GracefulUpgrade
            }
            _ = term.recv() => {
                self.lifecycle.drain();
                log::info!("SIGTERM: draining");
                tokio::spawn(end_when_told_again(term, int, Arc::clone(&self.lifecycle)));
                // Connections that are reused in this time hear that they should not be.
                tokio::select! {
                    () = self.lifecycle.quiet(NOBODY) => {}
                    () = tokio::time::sleep(NOTICE) => {}
                }
                ShutdownSignal::GracefulTerminate
            }
            _ = int.recv() => {
                log::info!("SIGINT: stopping at once");
                logging::flush();
                ShutdownSignal::FastShutdown
            }
        }
    }
}

/// Ends the process when it is told to stop a second time. From the first time on: Pingora listens
/// to no signal any more, not even in the seconds that it takes to hand sockets over.
async fn end_when_told_again(mut term: Signal, mut int: Signal, lifecycle: Arc<Lifecycle>) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    log::warn!(
        "told to stop again: {} requests are dropped",
        lifecycle.running()
    );
    logging::flush();
    std::process::exit(0);
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
