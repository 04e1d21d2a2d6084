//! Numbers about the gateway at work, for Prometheus.
//!
//! [`Metrics`] lives as long as the process and holds the families of [`FAMILIES`]. [`Meters`] is what a
//! config in force counts with: each provider and account of it has its counters at hand, made when they are
//! first needed, so that a request looks none up by label and pays for a few atomic additions. What can be
//! asked for at any time (accounts that rest, requests that run) is a [`Moment`], taken when somebody looks.
//!
//! No label has a value that a client chooses: models are named only when the config names them.

mod checks;
mod expose;
mod family;
mod meters;
mod process;
mod roster;
mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, Result,
};

pub use checks::{Checked, LastCheck};
pub use expose::{AccountNow, Moment, RedisNow, TokenNow, UsageNow};
pub use family::{FAMILIES, Family, Kind};
pub use meters::{Ended, LastOutcome, Meters, OpenStream, Part};
pub use prometheus::Error as MetricsError;
pub use words::{Cause, Renewal};

use crate::account::AccountId;
use words::{CAUSES, CHANGES, SPEAKERS};

/// A series that is made when it is first needed.
type Lazy<T> = OnceLock<T>;

/// All that is counted.
pub struct Metrics {
    registry: Registry,
    /// When it began to count.
    began: Instant,
    requests: IntCounterVec,
    durations: HistogramVec,
    first_tokens: HistogramVec,
    tokens: IntCounterVec,
    attempts: IntCounterVec,
    cooldowns: IntCounterVec,
    health_checks: IntCounterVec,
    last_checks: Mutex<HashMap<AccountId, LastCheck>>,
    losses: IntCounterVec,
    overhead: [Histogram; 2],
    errors: Words<CAUSES>,
    retries: Words<CAUSES>,
    streams: [Lazy<IntGauge>; SPEAKERS],
    streams_open: IntGaugeVec,
    lost: [[[Lazy<IntCounter>; CHANGES]; 4]; 4],
    reloads: [IntCounter; 2],
    reloaded: GaugeVec,
    login_failures: IntCounterVec,
    renewals: IntCounterVec,
    roster: roster::Roster,
    /// What is known only when somebody looks.
    now: expose::Gauges,
    /// How the last try on each account ended, whatever config it is in.
    last: Mutex<HashMap<AccountId, Arc<meters::Lasts>>>,
    /// Whether the last reload was taken over; 2: there was none.
    last_reload: AtomicU8,
}

/// Counters of one family by [`Cause`].
struct Words<const N: usize> {
    family: IntCounterVec,
    cells: [Lazy<IntCounter>; N],
}

impl Words<CAUSES> {
    fn new(family: IntCounterVec) -> Self {
        Self {
            family,
            cells: [const { Lazy::new() }; CAUSES],
        }
    }

    fn count(&self, cause: Cause) {
        self.cells[cause.place()]
            .get_or_init(|| self.family.with_label_values(&[cause.word()]))
            .inc();
    }
}

impl Metrics {
    /// Nothing has been counted. Fails when two families have one name.
    pub fn try_new() -> Result<Self> {
        let registry = Registry::new();
        let registered = &registry;
        let overhead = histogram(registered, &family::OVERHEADS)?;
        let reloads = counter(registered, &family::RELOADS)?;
        let reloaded = gauge(registered, &family::RELOADED)?;
        let metrics = Self {
            began: Instant::now(),
            requests: counter(registered, &family::REQUESTS)?,
            durations: histogram(registered, &family::DURATIONS)?,
            first_tokens: histogram(registered, &family::FIRST_TOKENS)?,
            tokens: counter(registered, &family::TOKENS)?,
            attempts: counter(registered, &family::ATTEMPTS)?,
            cooldowns: counter(registered, &family::COOLDOWNS)?,
            health_checks: counter(registered, &family::HEALTH_CHECKS)?,
            last_checks: Mutex::default(),
            losses: counter(registered, &family::LOSSES)?,
            overhead: ["request", "answer"].map(|part| overhead.with_label_values(&[part])),
            errors: Words::new(counter(registered, &family::ERRORS)?),
            retries: Words::new(counter(registered, &family::RETRIES)?),
            streams: [const { Lazy::new() }; SPEAKERS],
            streams_open: whole_gauge(registered, &family::STREAMS)?,
            lost: [const { [const { [const { Lazy::new() }; CHANGES] }; 4] }; 4],
            reloads: ["failed", "ok"].map(|result| reloads.with_label_values(&[result])),
            reloaded,
            login_failures: counter(registered, &family::LOGIN_FAILURES)?,
            renewals: counter(registered, &family::RENEWALS)?,
            roster: roster::Roster::try_new(registered)?,
            now: expose::Gauges::try_new(registered)?,
            last: Mutex::default(),
            last_reload: AtomicU8::new(2),
            registry,
        };
        metrics.login_failures.with_label_values::<&str>(&[]);
        metrics.loaded();
        Ok(metrics)
    }

    /// A config has been loaded and is in force.
    fn loaded(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.reloaded
            .with_label_values::<&str>(&[])
            .set(now.unwrap_or_default().as_secs_f64());
    }

    /// The config was read again; whether it was taken over.
    pub fn reloaded(&self, ok: bool) {
        self.reloads[usize::from(ok)].inc();
        self.last_reload.store(u8::from(ok), Ordering::Relaxed);
        if ok {
            self.loaded();
        }
    }

    /// Somebody came to the admin interface with a wrong key.
    pub fn login_failed(&self) {
        self.login_failures.with_label_values::<&str>(&[]).inc();
    }

    /// The token of an account was renewed, or was not.
    pub fn renewed(&self, account: &str, how: Renewal) {
        let labels = [account, how.word()];
        self.renewals.with_label_values(&labels).inc();
    }

    /// A try failed for this and another one follows.
    pub fn retried(&self, cause: Cause) {
        self.retries.count(cause);
    }

    /// Forgets the series of providers and accounts that no config has any more.
    fn forget(&self, is_known: impl Fn(&str, &str) -> bool) {
        let is_gone = |labels: &[(String, String)]| {
            let mut labels = labels.iter();
            labels.any(|(name, value)| !is_known(name, value))
        };
        forget_in(&self.requests, &family::REQUESTS, is_gone, |values| {
            self.requests.remove_label_values(values)
        });
        forget_in(&self.durations, &family::DURATIONS, is_gone, |values| {
            self.durations.remove_label_values(values)
        });
        forget_in(
            &self.first_tokens,
            &family::FIRST_TOKENS,
            is_gone,
            |values| self.first_tokens.remove_label_values(values),
        );
        forget_in(&self.tokens, &family::TOKENS, is_gone, |values| {
            self.tokens.remove_label_values(values)
        });
        forget_in(&self.attempts, &family::ATTEMPTS, is_gone, |values| {
            self.attempts.remove_label_values(values)
        });
        forget_in(&self.renewals, &family::RENEWALS, is_gone, |values| {
            self.renewals.remove_label_values(values)
        });
        forget_in(&self.cooldowns, &family::COOLDOWNS, is_gone, |values| {
            self.cooldowns.remove_label_values(values)
        });
        forget_in(
            &self.health_checks,
            &family::HEALTH_CHECKS,
            is_gone,
            |values| self.health_checks.remove_label_values(values),
        );
    }
}

/// Removes the series of `family` whose labels are gone.
fn forget_in(
    collector: &impl Collector,
    family: &Family,
    is_gone: impl Fn(&[(String, String)]) -> bool,
    remove: impl Fn(&[&str]) -> Result<()>,
) {
    for collected in collector.collect() {
        for metric in collected.get_metric() {
            let labels = expose::labels(metric);
            if !is_gone(&labels) {
                continue;
            }
            let values = family.labels.iter().filter_map(|name| {
                let found = labels.iter().find(|(one, _)| one == name);
                found.map(|(_, value)| value.as_str())
            });
            // It may be gone already.
            let _ = remove(&values.collect::<Vec<_>>());
        }
    }
}

fn options(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

fn counter(registry: &Registry, family: &Family) -> Result<IntCounterVec> {
    let made = IntCounterVec::new(options(family), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn gauge(registry: &Registry, family: &Family) -> Result<GaugeVec> {
    let made = GaugeVec::new(options(family), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn whole_gauge(registry: &Registry, family: &Family) -> Result<IntGaugeVec> {
    let made = IntGaugeVec::new(options(family), family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

fn histogram(registry: &Registry, family: &Family) -> Result<HistogramVec> {
    let bounds = match family.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    let options = HistogramOpts::new(family.name, family.help).buckets(bounds);
    let made = HistogramVec::new(options, family.labels)?;
    registry.register(Box::new(made.clone()))?;
    Ok(made)
}

/// Milliseconds in eight bytes less one.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX >> 8)
}

#[cfg(test)]
mod tests;
