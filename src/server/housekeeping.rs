//! What runs beside the requests: log lines, reloads, the end of the process.
//!
//! It is a service, because services start after the daemon has forked and nothing may start before.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Barrier;

use super::health_checks::HealthChecks;
use super::reload::Reloader;
use super::roster;
use super::tokens::Tokens;
use super::usage::Usage;
use crate::admin::Reload;
use crate::config::{self, Source};
use crate::lifecycle::Lifecycle;
use crate::roster::Roster;
use crate::traces::Exporting;
use crate::upstream::plaintext::Pool;
use crate::{demo, logging};

/// A process that no longer accepts ends when nothing has run for so long; lets the last bytes of an
/// answer leave.
const QUIET: Duration = Duration::from_millis(100);
/// How often unused connections to providers are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// How long the last answers may take to leave for clients that read slowly.
const LAST_BYTES: Duration = Duration::from_secs(5);
/// How long requests that are cut off may take to be gone.
const CUT: Duration = Duration::from_secs(2);
/// How long tokens may take that are being renewed at the end.
const LAST_TOKENS: Duration = Duration::from_secs(10);
/// How long the database may take to be closed.
const LAST_WORD: Duration = Duration::from_secs(1);

/// What all that comes after the last request may take at most, in seconds: [`CUT`], [`LAST_BYTES`], what is
/// written down, [`LAST_WORD`] and some.
const AFTER: u64 = 40;

/// How long Pingora waits for the end of a process whose requests may take up to `total`, in seconds.
pub(super) fn grace(total: Duration) -> u64 {
    total.as_secs().saturating_add(AFTER)
}

/// How much of `grace`, in seconds, requests may take. The rest is for what comes after them.
pub(super) fn patience(grace: u64) -> Duration {
    Duration::from_secs(grace)
        .saturating_sub(Duration::from_secs(AFTER).min(Duration::from_secs(grace) / 2))
}

/// What runs beside the requests: log lines, reloads, the end.
pub(super) struct Housekeeping {
    pub(super) reloader: Arc<Reloader>,
    pub(super) roster: Arc<Roster>,
    pub(super) lifecycle: Arc<Lifecycle>,
    /// How long requests may take to end.
    pub(super) patience: Duration,
    pub(super) pool: Arc<Pool>,
    pub(super) exporting: Option<Exporting>,
    pub(super) tokens: Tokens,
    pub(super) usage: Usage,
    pub(super) checks: HealthChecks,
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
        super::sharing::begin(&self.reloader.current).await;
        // Ends with the process.
        let _writer = tokio::task::spawn_blocking(logging::write_lines);
        // Boxed, because all of them share one thread's stack.
        tokio::join!(
            Box::pin(self.follow(stopped)),
            self.reload_on_hangup(),
            self.show_demo(),
            self.sweep(),
            Box::pin(self.send_traces()),
            Box::pin(roster::follow(&self.roster, &self.ready)),
            Box::pin(self.write_usage()),
            Box::pin(self.checks.run()),
            Box::pin(self.forget_old_usage()),
            Box::pin(super::sharing::share(&self.reloader.current)),
            Box::pin(super::tokens::keep_fresh(&self.tokens)),
            async {
                let _ = shutdown.wait_for(|stop| *stop).await;
                self.end().await;
            }
        );
    }
}

impl Housekeeping {
    async fn follow(&self, stopped: impl Future<Output = ()> + Send) {
        let reloader = &*self.reloader;
        let Source::File(path) = &reloader.source else {
            return;
        };
        // What is wrong stands in the log.
        let on_change = |changed| drop(reloader.apply(changed));
        config::watch(
            path,
            &reloader.in_force.files,
            &*reloader.environment,
            &reloader.overrides,
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
            // What is wrong stands in the log.
            let _ = self.reloader.reload();
        }
    }

    /// Closes connections to providers that nobody has used for some time.
    async fn sweep(&self) {
        loop {
            tokio::time::sleep(SWEEP).await;
            self.pool.sweep();
        }
    }

    async fn send_traces(&self) {
        if let Some(exporting) = &self.exporting {
            exporting.run().await;
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
        let quiet = self.lifecycle.quiet(QUIET);
        if tokio::time::timeout(self.patience, quiet).await.is_err() {
            let left = self.lifecycle.running();
            log::warn!("{left} requests are cut off: the grace period is over");
            self.lifecycle.cut();
            let _ = tokio::time::timeout(CUT, self.lifecycle.idle()).await;
        }
        tokio::select! {
            () = self.lifecycle.disconnected() => {}
            () = tokio::time::sleep(LAST_BYTES) => log::warn!("clients are still connected"),
        }
        let current = &self.reloader.current;
        // Beside each other: what is away delays only itself.
        tokio::join!(
            self.tokens.settle(LAST_TOKENS),
            async {
                if let Some(exporting) = &self.exporting {
                    exporting.flush().await;
                }
            },
            self.usage.end(),
            super::sharing::end(current),
        );
        current.share_last_counts().await;
        // What is written is safe; this only tidies up.
        let _ = tokio::time::timeout(LAST_WORD, current.database().close()).await;
        log::info!("done");
        logging::flush();
        std::process::exit(0);
    }
}
