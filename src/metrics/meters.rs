//! What one config in force counts with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use parking_lot::RwLock;
use prometheus::{Histogram, IntCounter, IntGauge};

use super::words::{CLASSES, SPEAKERS, TOKENS, class, speaker, speaker_word};
use super::{Cause, Lazy, Metrics, millis};
use crate::account::health::Scope;
use crate::account::{Account, AccountId};
use crate::chat::{Loss, Usage};
use crate::config::Config;
use crate::wire::Format;

/// The name of models that the config does not name.
const OTHER: &str = "other";
/// The code of an outcome that is no failure.
const WELL: u64 = 0xff;
/// The provider of requests that none has served.
const NOBODY: &str = "none";

/// Counters of the providers and accounts of one config, at hand.
pub struct Meters {
    metrics: Arc<Metrics>,
    nobody: OfProvider,
    providers: Vec<OfProvider>,
    accounts: HashMap<AccountId, OfAccount>,
    /// The models' names that may be labels.
    models: HashSet<Box<str>>,
}

struct OfProvider {
    name: Box<str>,
    requests: [[Lazy<IntCounter>; CLASSES.len()]; SPEAKERS],
    durations: [Lazy<Histogram>; SPEAKERS],
    first_tokens: [Lazy<Histogram>; SPEAKERS],
    /// By model.
    tokens: RwLock<HashMap<Box<str>, Arc<[IntCounter; TOKENS.len()]>>>,
}

struct OfAccount {
    name: Arc<str>,
    /// Its provider's place.
    provider: usize,
    attempts: Lazy<IntCounter>,
    /// How its last try ended, and when: milliseconds since the metrics began, times 256, and a cause's
    /// place and one, or [`WELL`].
    last: Arc<Lasts>,
}

/// When and how the last try on an account ended, and the last one that failed.
#[derive(Default)]
pub(super) struct Lasts {
    any: AtomicU64,
    failed: AtomicU64,
}

/// How the last try on an account ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastOutcome {
    /// The word for it; `ok` when it went well.
    pub word: &'static str,
    /// When.
    pub at: SystemTime,
}

/// A request that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// The client's format; `None`: it has none.
    pub format: Option<Format>,
    /// The account that served it last.
    pub account: Option<AccountId>,
    /// The model as the client named it.
    pub model: &'a str,
    /// The status that the client got.
    pub status: u16,
    /// Why it failed, if it did.
    pub cause: Option<Cause>,
    /// How long it took.
    pub took: Duration,
    /// When its first content came, if it was streamed.
    pub first_token: Option<Duration>,
    /// What it cost, where that is known.
    pub usage: Option<Usage>,
}

/// A part of a request's way through the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Until it was ready to be sent.
    Request,
    /// All pieces of its answer.
    Answer,
}

/// A streamed answer, counted until it is dropped.
pub struct OpenStream(IntGauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Meters {
    /// For the accounts of `config`. Series of accounts and providers that it does not have are forgotten.
    pub fn new(config: &Config, metrics: &Arc<Metrics>) -> Self {
        let mut providers: Vec<OfProvider> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut accounts = HashMap::new();
        let mut last = metrics.last.lock();
        for account in &config.accounts {
            let name = provider(account);
            let place = *places.entry(name).or_insert_with(|| {
                providers.push(OfProvider::new(name));
                providers.len() - 1
            });
            let meter = OfAccount {
                name: Arc::clone(&account.name),
                provider: place,
                attempts: Lazy::new(),
                last: Arc::clone(last.entry(account.id).or_default()),
            };
            accounts.insert(account.id, meter);
        }
        last.retain(|id, _| accounts.contains_key(id));
        drop(last);
        let is_known = |id: &AccountId| accounts.contains_key(id);
        metrics.last_checks.lock().retain(|id, _| is_known(id));
        let names: HashSet<&str> = config.accounts.iter().map(|one| &*one.name).collect();
        metrics.forget(|label, value| match label {
            "provider" => value == NOBODY || places.contains_key(value),
            "account" => names.contains(value),
            _ => true,
        });
        Self {
            metrics: Arc::clone(metrics),
            nobody: OfProvider::new(NOBODY),
            providers,
            accounts,
            models: models(config),
        }
    }

    /// What does not depend on the config.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// A request has ended.
    pub fn ended(&self, ended: &Ended<'_>) {
        let metrics = &*self.metrics;
        let account = ended.account.and_then(|id| self.accounts.get(&id));
        let provider = account.map_or(&self.nobody, |one| &self.providers[one.provider]);
        let (who, class) = (speaker(ended.format), class(ended.status));
        let labels = || [speaker_word(who), &*provider.name];
        provider.requests[who][class]
            .get_or_init(|| {
                let [format, name] = labels();
                metrics
                    .requests
                    .with_label_values(&[format, name, CLASSES[class]])
            })
            .inc();
        // A WebSocket lasts as long as its client wants.
        if ended.status != 101 {
            provider.durations[who]
                .get_or_init(|| metrics.durations.with_label_values(&labels()))
                .observe(ended.took.as_secs_f64());
        }
        if let Some(first) = ended.first_token {
            provider.first_tokens[who]
                .get_or_init(|| metrics.first_tokens.with_label_values(&labels()))
                .observe(first.as_secs_f64());
        }
        if let Some(cause) = ended.cause {
            metrics.errors.count(cause);
        }
        if let Some(usage) = &ended.usage {
            provider.spent(metrics, self.model(ended.model), usage);
        }
    }

    /// The label of a model that a client named.
    fn model(&self, name: &str) -> &str {
        self.models.get(name).map_or(OTHER, |known| known)
    }

    /// A try begins on an account.
    pub fn tried(&self, account: AccountId) {
        if let Some(account) = self.accounts.get(&account) {
            account
                .attempts
                .get_or_init(|| self.metrics.attempts.with_label_values(&[&*account.name]))
                .inc();
        }
    }

    /// A try on an account has ended; `None`: well.
    pub fn outcome(&self, account: AccountId, cause: Option<Cause>) {
        if let Some(account) = self.accounts.get(&account) {
            let code = cause.map_or(WELL, |cause| cause.place() as u64 + 1);
            let at = millis(self.metrics.began.elapsed());
            account.last.any.store(at << 8 | code, Ordering::Relaxed);
            if cause.is_some() {
                account.last.failed.store(at << 8 | code, Ordering::Relaxed);
            }
        }
    }

    /// How the last try on an account ended, if there was one.
    pub fn last(&self, account: AccountId) -> Option<LastOutcome> {
        self.outcome_of(
            self.accounts
                .get(&account)?
                .last
                .any
                .load(Ordering::Relaxed),
        )
    }

    /// How the last try on an account that failed has failed.
    pub fn last_failed(&self, account: AccountId) -> Option<LastOutcome> {
        self.outcome_of(
            self.accounts
                .get(&account)?
                .last
                .failed
                .load(Ordering::Relaxed),
        )
    }

    fn outcome_of(&self, last: u64) -> Option<LastOutcome> {
        let ago = self
            .metrics
            .began
            .elapsed()
            .saturating_sub(Duration::from_millis(last >> 8));
        let word = match last & 0xff {
            0 => return None,
            WELL => "ok",
            code => Cause::at(usize::try_from(code).ok()? - 1)?.word(),
        };
        Some(LastOutcome {
            word,
            at: SystemTime::now() - ago,
        })
    }

    /// An account was put to rest.
    pub fn rested(&self, account: AccountId, scope: Scope, cause: Cause) {
        let scope = match scope {
            Scope::Key => "key",
            Scope::Model => "model",
        };
        if let Some(account) = self.accounts.get(&account) {
            let labels = [&*account.name, scope, cause.word()];
            self.metrics.cooldowns.with_label_values(&labels).inc();
        }
    }

    /// The gateway took so long for a part of a request's way.
    pub fn spent(&self, part: Part, took: Duration) {
        self.metrics.overhead[part as usize].observe(took.as_secs_f64());
    }

    /// A streamed answer begins.
    pub fn stream(&self, format: Option<Format>) -> OpenStream {
        let place = speaker(format);
        let metrics = &*self.metrics;
        let gauge = metrics.streams[place].get_or_init(|| {
            metrics
                .streams_open
                .with_label_values(&[speaker_word(place)])
        });
        gauge.inc();
        OpenStream(gauge.clone())
    }

    /// A translation could not carry these.
    pub fn lost(&self, (format, upstream): (Format, Format), losses: &[Loss]) {
        let metrics = &*self.metrics;
        for loss in losses {
            metrics.lost[speaker(Some(format))][speaker(Some(upstream))][loss.change as usize]
                .get_or_init(|| {
                    let labels = [format.name(), upstream.name(), loss.change.name()];
                    metrics.losses.with_label_values(&labels)
                })
                .inc();
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Meters of {} accounts", self.accounts.len())
    }
}

impl OfProvider {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            requests: [const { [const { Lazy::new() }; CLASSES.len()] }; SPEAKERS],
            durations: [const { Lazy::new() }; SPEAKERS],
            first_tokens: [const { Lazy::new() }; SPEAKERS],
            tokens: RwLock::default(),
        }
    }

    fn spent(&self, metrics: &Metrics, model: &str, usage: &Usage) {
        let known = self.tokens.read().get(model).map(Arc::clone);
        let counters = known.unwrap_or_else(|| {
            let counter = |kind| {
                metrics
                    .tokens
                    .with_label_values(&[&*self.name, model, kind])
            };
            let made = Arc::new(TOKENS.map(counter));
            self.tokens.write().insert(model.into(), Arc::clone(&made));
            made
        });
        let spent = [
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            usage.reasoning,
        ];
        for (counter, tokens) in counters.iter().zip(spent) {
            counter.inc_by(tokens);
        }
    }
}

/// The provider's name in labels.
pub(super) fn provider(account: &Account) -> &str {
    account.providers.first().map_or(NOBODY, |name| name)
}

/// The names of models that stand in the config.
fn models(config: &Config) -> HashSet<Box<str>> {
    let listed = config.accounts.iter().flat_map(|account| {
        let prefix = account.prefix.as_deref().unwrap_or_default();
        let names = account.models.iter();
        names.map(move |model| [prefix, &*model.alias].concat().into_boxed_str())
    });
    let routed = config.routes.iter().flat_map(|rule| {
        let pattern = rule.model.as_str();
        let exact = (!pattern.contains(['*', '?', '['])).then_some(pattern);
        let models = rule.models.iter().map(String::as_str);
        models.chain(exact).map(Box::from)
    });
    listed.chain(routed).collect()
}
