//! The numbers as they are read: Prometheus' text, or JSON.

use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::proto::{Metric, MetricFamily, MetricType};
use prometheus::{
    Counter, GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry, Result, TextEncoder,
};
use serde::Serialize;
use serde::ser::SerializeMap;

use super::process::Process;
use super::{Metrics, counter, family, gauge, whole_gauge};
use crate::config::Config;
use crate::state::redis::Trouble;

/// What is known at any time, as it is when somebody looks.
#[derive(Debug, Default)]
pub struct Moment {
    /// Requests that run.
    pub running: usize,
    /// Open connections of clients.
    pub connections: usize,
    /// Whether the process is on its way out.
    pub draining: bool,
    /// Bytes of log lines that wait.
    pub log_queue: usize,
    /// How each account is.
    pub accounts: Vec<AccountNow>,
    /// How Redis is; `None`: there is none.
    pub redis: Option<RedisNow>,
    /// How usage records are.
    pub usage: UsageNow,
}

/// How Redis is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisNow {
    /// Whether it is connected and answers.
    pub up: bool,
    /// What was not done, in the order of [`Trouble::ALL`].
    pub troubles: [u64; Trouble::ALL.len()],
}

/// How usage records are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UsageNow {
    /// Those that were written.
    pub written: u64,
    /// Those that are lost.
    pub dropped: u64,
    /// Those that wait in memory.
    pub waiting: usize,
    /// Those that wait in the spool.
    pub spooled: u64,
    /// Whether the database works; `None`: nobody has tried.
    pub database: Option<bool>,
    /// Whether the spool works.
    pub spool: Option<bool>,
}

/// How an account is.
#[derive(Debug, PartialEq, Eq)]
pub struct AccountNow {
    /// Its place in [`Config::accounts`].
    pub place: usize,
    /// Whether its key may be used.
    pub usable: bool,
    /// How many models rest on it.
    pub resting_models: usize,
    /// How it is with its token, if it has one in place of a key.
    pub token: Option<TokenNow>,
}

/// How it is with a token.
#[derive(Debug, PartialEq, Eq)]
pub struct TokenNow {
    /// The refresh token is dead.
    pub dead: bool,
    /// Tokens are in memory only.
    pub unsaved: bool,
    /// When the access token ends; `None`: there is none, or nobody knows.
    pub expires: Option<SystemTime>,
}

/// The gauges of a [`Moment`] and of the process.
pub(super) struct Gauges {
    running: IntGaugeVec,
    connections: IntGaugeVec,
    draining: IntGaugeVec,
    log_queue: IntGaugeVec,
    usage_written: IntCounterVec,
    usage_dropped: IntCounterVec,
    usage_queue: IntGaugeVec,
    usage_spool: IntGaugeVec,
    usage_store: IntGaugeVec,
    usable: IntGaugeVec,
    resting_models: IntGaugeVec,
    token_dead: IntGaugeVec,
    token_unsaved: IntGaugeVec,
    token_expiry: IntGaugeVec,
    reload_ok: IntGaugeVec,
    redis_up: IntGaugeVec,
    redis_failures: IntCounterVec,
    cpu: Counter,
    process: [GaugeVec; 6],
    /// One reader at a time: each writes its own moment.
    turn: parking_lot::Mutex<()>,
}

impl Gauges {
    pub(super) fn try_new(registry: &Registry) -> Result<Self> {
        let build = whole_gauge(registry, &family::BUILD)?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let cpu = Counter::with_opts(Opts::new(family::CPU.name, family::CPU.help))?;
        registry.register(Box::new(cpu.clone()))?;
        Ok(Self {
            running: whole_gauge(registry, &family::RUNNING)?,
            connections: whole_gauge(registry, &family::CONNECTIONS)?,
            draining: whole_gauge(registry, &family::DRAINING)?,
            log_queue: whole_gauge(registry, &family::LOG_QUEUE)?,
            usage_written: counter(registry, &family::USAGE_WRITTEN)?,
            usage_dropped: counter(registry, &family::USAGE_DROPPED)?,
            usage_queue: whole_gauge(registry, &family::USAGE_QUEUE)?,
            usage_spool: whole_gauge(registry, &family::USAGE_SPOOL)?,
            usage_store: whole_gauge(registry, &family::USAGE_STORE)?,
            usable: whole_gauge(registry, &family::USABLE)?,
            resting_models: whole_gauge(registry, &family::RESTING_MODELS)?,
            token_dead: whole_gauge(registry, &family::TOKEN_DEAD)?,
            token_unsaved: whole_gauge(registry, &family::TOKEN_UNSAVED)?,
            token_expiry: whole_gauge(registry, &family::TOKEN_EXPIRY)?,
            reload_ok: whole_gauge(registry, &family::RELOAD_OK)?,
            redis_up: whole_gauge(registry, &family::REDIS_UP)?,
            redis_failures: counter(registry, &family::REDIS_FAILURES)?,
            cpu,
            process: [
                gauge(registry, &family::RESIDENT)?,
                gauge(registry, &family::VIRTUAL)?,
                gauge(registry, &family::THREADS)?,
                gauge(registry, &family::OPEN_FDS)?,
                gauge(registry, &family::MAX_FDS)?,
                gauge(registry, &family::STARTED)?,
            ],
            turn: parking_lot::Mutex::default(),
        })
    }

    fn show(&self, config: &Config, moment: &Moment, last_reload: u8) {
        let set = |gauge: &IntGaugeVec, value: usize| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauge.with_label_values::<&str>(&[]).set(value);
        };
        set(&self.running, moment.running);
        set(&self.connections, moment.connections);
        set(&self.draining, usize::from(moment.draining));
        set(&self.log_queue, moment.log_queue);
        set(&self.reload_ok, usize::from(last_reload != 0));
        if let Some(redis) = moment.redis {
            set(&self.redis_up, usize::from(redis.up));
            for (trouble, count) in Trouble::ALL.into_iter().zip(redis.troubles) {
                let failures = self.redis_failures.with_label_values(&[trouble.word()]);
                failures.inc_by(count.saturating_sub(failures.get()));
            }
        }
        self.show_usage(&moment.usage);
        // Accounts that a reload has taken away have no state.
        self.usable.reset();
        self.resting_models.reset();
        for gauge in [&self.token_dead, &self.token_unsaved, &self.token_expiry] {
            gauge.reset();
        }
        for now in &moment.accounts {
            let Some(account) = config.accounts.get(now.place) else {
                continue;
            };
            let labels = [&*account.name, super::meters::provider(account)];
            self.usable
                .with_label_values(&labels)
                .set(i64::from(now.usable));
            self.resting_models
                .with_label_values(&labels)
                .set(i64::try_from(now.resting_models).unwrap_or(i64::MAX));
            if let Some(token) = &now.token {
                self.show_token(&account.name, token);
            }
        }
        let process = Process::read();
        if let Some(cpu) = process.cpu {
            self.cpu.inc_by((cpu - self.cpu.get()).max(0.0));
        }
        let values = [
            process.resident,
            process.virtual_size,
            process.threads,
            process.open_fds,
            process.max_fds,
            process.started,
        ];
        for (gauge, value) in self.process.iter().zip(values) {
            if let Some(value) = value {
                gauge.with_label_values::<&str>(&[]).set(value);
            }
        }
    }
}

impl Gauges {
    fn show_token(&self, account: &str, token: &TokenNow) {
        let since = token
            .expires
            .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let seconds = since.map_or(0, |since| since.as_secs());
        for (gauge, value) in [
            (&self.token_dead, i64::from(token.dead)),
            (&self.token_unsaved, i64::from(token.unsaved)),
            (&self.token_expiry, i64::try_from(seconds).unwrap_or(0)),
        ] {
            gauge.with_label_values(&[account]).set(value);
        }
    }

    fn show_usage(&self, usage: &UsageNow) {
        let grown = |counter: &IntCounterVec, value: u64| {
            let counter = counter.with_label_values::<&str>(&[]);
            counter.inc_by(value.saturating_sub(counter.get()));
        };
        let set = |gauge: &IntGaugeVec, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            gauge.with_label_values::<&str>(&[]).set(value);
        };
        grown(&self.usage_written, usage.written);
        grown(&self.usage_dropped, usage.dropped);
        set(&self.usage_queue, usage.waiting as u64);
        set(&self.usage_spool, usage.spooled);
        for (store, up) in [("database", usage.database), ("spool", usage.spool)] {
            if let Some(up) = up {
                self.usage_store
                    .with_label_values(&[store])
                    .set(i64::from(up));
            }
        }
    }
}

impl Metrics {
    /// All numbers in Prometheus' text format.
    pub fn text(&self, config: &Config, moment: &Moment) -> String {
        let families = self.families(config, moment);
        // It can only refuse names that it would have refused before.
        TextEncoder::new()
            .encode_to_string(&families)
            .unwrap_or_default()
    }

    /// All numbers as JSON.
    pub fn json(&self, config: &Config, moment: &Moment) -> String {
        let families = self.families(config, moment);
        let families: Vec<_> = families.iter().map(JsonFamily::of).collect();
        serde_json::to_string(&JsonFamilies { families }).unwrap_or_default()
    }

    fn families(&self, config: &Config, moment: &Moment) -> Vec<MetricFamily> {
        let _turn = self.now.turn.lock();
        let last = self.last_reload.load(std::sync::atomic::Ordering::Relaxed);
        self.now.show(config, moment, last);
        self.registry.gather()
    }
}

#[derive(Serialize)]
struct JsonFamilies<'a> {
    families: Vec<JsonFamily<'a>>,
}

#[derive(Serialize)]
struct JsonFamily<'a> {
    name: &'a str,
    help: &'a str,
    r#type: &'static str,
    series: Vec<JsonSeries>,
}

impl<'a> JsonFamily<'a> {
    fn of(family: &'a MetricFamily) -> Self {
        let kind = family.get_field_type();
        Self {
            name: family.name(),
            help: family.help(),
            r#type: match kind {
                MetricType::COUNTER => "counter",
                MetricType::HISTOGRAM => "histogram",
                _ => "gauge",
            },
            series: family
                .get_metric()
                .iter()
                .map(|metric| JsonSeries::of(metric, kind))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct JsonSeries {
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    labels: Vec<(String, String)>,
    #[serde(flatten)]
    value: JsonValue,
}

#[derive(Serialize)]
#[serde(untagged)]
enum JsonValue {
    One {
        value: f64,
    },
    Many {
        count: u64,
        sum: f64,
        buckets: Vec<JsonBucket>,
    },
}

/// How many were at most so large.
#[derive(Serialize)]
struct JsonBucket {
    le: f64,
    count: u64,
}

impl JsonSeries {
    fn of(metric: &Metric, kind: MetricType) -> Self {
        Self {
            labels: labels(metric),
            value: match kind {
                MetricType::COUNTER => JsonValue::One {
                    value: metric.get_counter().get_value(),
                },
                MetricType::HISTOGRAM => {
                    let histogram = metric.get_histogram();
                    let buckets = histogram.get_bucket().iter();
                    JsonValue::Many {
                        count: histogram.get_sample_count(),
                        sum: histogram.get_sample_sum(),
                        buckets: buckets
                            .map(|bucket| JsonBucket {
                                le: bucket.upper_bound(),
                                count: bucket.cumulative_count(),
                            })
                            .collect(),
                    }
                }
                _ => JsonValue::One {
                    value: metric.get_gauge().get_value(),
                },
            },
        }
    }
}

/// The labels of a series.
pub(super) fn labels(metric: &Metric) -> Vec<(String, String)> {
    metric
        .get_label()
        .iter()
        .map(|label| (label.name().to_owned(), label.value().to_owned()))
        .collect()
}

fn as_map<S: serde::Serializer>(
    labels: &[(String, String)],
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(labels.len()))?;
    for (name, value) in labels {
        map.serialize_entry(name, value)?;
    }
    map.end()
}
