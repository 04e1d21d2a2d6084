//! Taking over another config while the gateway runs.

use std::path::PathBuf;
use std::sync::Arc;

use super::tls::Tls;
use crate::admin::{Reload, Reloaded};
use crate::config::{self, Config, ConfigError, Environment, Errors, Overrides, Source};
use crate::live::Current;
use crate::logging;

/// Takes configs over. Whoever asks for it, file, signal or operator, the same is done.
pub(super) struct Reloader {
    pub(super) current: Arc<Current>,
    /// The listener's TLS, if it speaks it.
    pub(super) tls: Option<Arc<Tls>>,
    /// The config that the process has begun with.
    pub(super) in_force: Config,
    pub(super) source: Source,
    pub(super) environment: Arc<dyn Environment>,
    pub(super) overrides: Overrides,
}

impl Reload for Reloader {
    fn reload(&self) -> Result<Reloaded, Vec<ConfigError>> {
        let loaded = config::load(&self.source, &*self.environment, &self.overrides);
        self.apply(loaded)
    }
}

impl Reloader {
    /// Puts what was read in force, or says why not; both in the log too.
    pub(super) fn apply(
        &self,
        changed: Result<Config, Errors>,
    ) -> Result<Reloaded, Vec<ConfigError>> {
        let applied = changed.map_err(|errors| errors.0).and_then(|config| {
            match would_open(&self.in_force, &config) {
                true => Err(vec![would_let_anyone_in(&self.in_force)]),
                false => Ok(self.replace(config)),
            }
        });
        self.current.metrics().reloaded(applied.is_ok());
        for error in applied.as_ref().err().into_iter().flatten() {
            log::error!("config not reloaded, the old one stays: {error}");
        }
        applied
    }

    fn replace(&self, config: Config) -> Reloaded {
        logging::configure(config.log.level, config.log.format);
        let needs_restart = needs_restart(&self.in_force, &config);
        for name in &needs_restart {
            log::warn!("config reloaded, but {name} changes only with a restart or an upgrade");
        }
        if let (Some(tls), Some(new)) = (&self.tls, &config.tls) {
            tls.replace(new);
        }
        let accounts = config.accounts.len();
        self.current.replace(config);
        log::info!("config reloaded: {accounts} accounts");
        Reloaded {
            accounts,
            needs_restart,
        }
    }
}

/// Whether `new` relies on listening on loopback only, which this process does not: it has no client
/// keys, and its operator did not say that anyone may come.
fn would_open(running: &Config, new: &Config) -> bool {
    new.clients.is_empty()
        && new.listen.address.ip().is_loopback()
        && !running.listen.address.ip().is_loopback()
}

fn would_let_anyone_in(running: &Config) -> ConfigError {
    ConfigError {
        path: "api-keys".to_owned(),
        message: format!(
            "removing all of them takes a restart, because this process listens on {} (or set allow-anonymous: true)",
            running.listen.address.ip()
        ),
    }
}

/// Settings that a running process cannot change.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut names = Vec::new();
    if old.listen != new.listen {
        names.push("host, port or allow-http2");
    }
    if old.admin.address != new.admin.address {
        names.push("admin.host or admin.port");
    }
    if old.tls.is_some() != new.tls.is_some() {
        names.push("tls.enable");
    }
    let same_roots = |path: &PathBuf| old.files.agree(&new.files, path);
    if old.upstream_ca != new.upstream_ca || !old.upstream_ca.iter().all(same_roots) {
        names.push("upstream-ca");
    }
    if old.stores.database != new.stores.database {
        names.push("database-url");
    }
    if old.stores.spool != new.stores.spool {
        names.push("usage.spool");
    }
    if old.stores.redis != new.stores.redis {
        names.push("redis-url or redis-prefix");
    }
    if old.otel != new.otel {
        names.push("otel");
    }
    names
}
