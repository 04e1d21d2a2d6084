//! What runs beside the requests: log lines, reloads, the end of the process.
//!
//! It is a service, because services start after the daemon has forked and nothing may start before.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Barrier;

use super::tls::Tls;
use crate::config::{self, Config, Environment, Errors, Overrides, Source};
use crate::lifecycle::Lifecycle;
use crate::live::Current;
use crate::upstream::plaintext::Pool;
use crate::{demo, logging};

/// A process that no longer accepts ends when nothing has run for so long; lets the last bytes of an
/// answer leave.
const QUIET: Duration = Duration::from_millis(100);
/// How often unused connections to providers are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How long the last answers may take to leave for clients that read slowly.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// What runs beside the requests: log lines, reloads, the end.
pub(super) struct Housekeeping {
    pub(super) current: Arc<Current>,
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) pool: Arc<Pool>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) in_force: Config,
    pub(super) source: Source,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) overrides: Overrides,
    pub(super) demo: Option<(SocketAddr, bool)>,
    pub(super) ready: Arc<Barrier>,
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
            self.sweep(),
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
        let on_change = |changed| self.apply(changed);
        config::watch(
            path,
            &self.in_force.files,
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
            Ok(config) if would_open(&self.in_force, &config) => log::error!(
                "config not reloaded, the old one stays: api-keys: removing all of them takes a restart, because \
                 this process listens on {} (or set allow-anonymous: true)",
                self.in_force.listen.address.ip()
            ),
            Ok(config) => {
                logging::configure(config.log.level, config.log.format);
                for name in needs_restart(&self.in_force, &config) {
                    log::warn!(
                        "config reloaded, but {name} changes only with a restart or an upgrade"
                    );
                }
                if let (Some(tls), Some(new)) = (&self.tls, &config.tls) {
                    tls.replace(new);
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

    /// Closes connections to providers that nobody has used for some time.
    async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.pool.sweep();
        }
    }

    async fn show_demo(&self) {
        let Some((address, once)) = self.demo else {
            return;
        };
        let shown = demo::transcript::run(address, demo::CLIENT_KEY, &mut std::io::stdout()).await;
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

/// Whether `new` relies on listening on loopback only, which this process does not: it has no client
/// keys, and its operator did not say that anyone may come.
fn would_open(running: &Config, new: &Config) -> bool {
    new.clients.is_empty()
        && new.listen.address.ip().is_loopback()
        && !running.listen.address.ip().is_loopback()
}

/// Settings that a running process cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    if old.listen != new.listen {
        names.push("host, port or allow-http2");
    }
    if old.tls.is_some() != new.tls.is_some() {
        names.push("tls.enable");
    }
    let same_roots = |path: &PathBuf| old.files.agree(&new.files, path);
    if old.upstream_ca != new.upstream_ca || !old.upstream_ca.iter().all(same_roots) {
        names.push("upstream-ca");
    }
    names
}
