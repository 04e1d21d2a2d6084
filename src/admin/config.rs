//! The config in force, for people: every key, password and header value is left out or shown as
//! `sk-…ab12`.
//!
//! What is shown is written down here field by field. A setting that is new is not shown before
//! somebody has thought about whether it is a secret.

mod entry;
mod usage;

use std::collections::BTreeMap;

use serde::Serialize;

pub(super) use entry::Entry;

use super::proxies;
use crate::chat::OnLoss;
use crate::config::{Config, LogFormat, RateLimitHeaders, Strategy};
use crate::upstream::Timeouts;
use crate::upstream::media::MediaFetch;
use usage::Usage;

/// What takes the place of a value that nothing may be shown of.
const HIDDEN: &str = "***";

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Shown<'a> {
    listen: String,
    allow_http2: bool,
    tls: bool,
    trusted_proxies: Vec<String>,
    cors: Option<Vec<String>>,
    allow_anonymous: bool,
    api_keys: Vec<Client<'a>>,
    admin: Admin,
    metrics_public: bool,
    limits: Limits,
    timeouts: Seconds,
    request_retry: u32,
    max_retry_interval: f64,
    cooldown: Cooldown,
    streaming: Streaming,
    routing: Routing,
    routes: Vec<Route<'a>>,
    accounts: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ca: Option<String>,
    rewrite_model_in_response: bool,
    translation: Translation,
    payload_rules: usize,
    proxy_pool: Vec<proxies::Brief>,
    /// Those that the file gives.
    prices: Vec<Price<'a>>,
    /// Where usage is kept, without a password.
    database_url: String,
    usage: Usage,
    /// What instances share, without a password; `None`: nothing.
    redis_url: Option<String>,
    /// How many keys there are for what is stored secretly.
    secret_keys: usize,
    /// Whether traces are sent.
    otel: bool,
    log_level: String,
    log_format: &'static str,
    /// The file it was read from, and those that it takes from.
    files: Vec<String>,
}

#[derive(Serialize)]
struct Client<'a> {
    name: &'a str,
    key: &'static str,
    models: Vec<&'a str>,
    tags: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Admin {
    listen: String,
    key: Option<&'static str>,
    mount: bool,
    allow_private_base_urls: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Limits {
    max_body_size: usize,
    header_size: usize,
    headers: usize,
    json_depth: usize,
    body_timeout: f64,
    concurrent: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Seconds {
    connect: f64,
    first_byte: f64,
    idle: f64,
    total: f64,
}

#[derive(Serialize)]
struct Cooldown {
    min: f64,
    max: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Streaming {
    keepalive_seconds: f64,
    bootstrap_retries: u32,
    hold_back: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Routing {
    strategy: &'static str,
    session_affinity: bool,
}

#[derive(Serialize)]
struct Price<'a> {
    /// As it stands in records.
    version: &'a str,
    provider: Option<&'a str>,
    model: &'a str,
    input: String,
    output: String,
}

#[derive(Serialize)]
struct Route<'a> {
    model: &'a str,
    providers: &'a [String],
    models: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Translation {
    on_loss: &'static str,
    loss_comments: bool,
    repair_retry: bool,
    media_fetch: &'static str,
    rate_limit_headers: &'static str,
    profiles: usize,
}

impl<'a> Shown<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        let retry = &config.retry;
        Self {
            listen: config.listen.address.to_string(),
            allow_http2: config.listen.http2,
            tls: config.tls.is_some(),
            trusted_proxies: config
                .trusted_proxies
                .iter()
                .map(ToString::to_string)
                .collect(),
            cors: config
                .cors
                .as_ref()
                .map(|origins| origins.names().collect()),
            allow_anonymous: config.allow_anonymous,
            api_keys: config
                .clients
                .iter()
                .map(|client| Client {
                    name: &client.name,
                    key: HIDDEN,
                    models: client.models.iter().map(|glob| glob.as_str()).collect(),
                    tags: &client.tags,
                })
                .collect(),
            admin: Admin {
                listen: config.admin.address.to_string(),
                key: config.admin.key.as_ref().map(|_| HIDDEN),
                mount: config.admin.mount,
                allow_private_base_urls: config.admin.private_base_urls,
            },
            metrics_public: config.metrics_public,
            limits: Limits {
                max_body_size: config.limits.body,
                header_size: config.limits.header_size,
                headers: config.limits.headers,
                json_depth: config.limits.json_depth,
                body_timeout: config.limits.body_timeout.as_secs_f64(),
                concurrent: config.limits.concurrent,
            },
            timeouts: seconds(config.timeouts),
            request_retry: retry.rounds,
            max_retry_interval: retry.max_interval.as_secs_f64(),
            cooldown: Cooldown {
                min: retry.cooldown_min.as_secs_f64(),
                max: retry.cooldown_max.as_secs_f64(),
            },
            streaming: Streaming {
                keepalive_seconds: config
                    .streaming
                    .keep_alive
                    .unwrap_or_default()
                    .as_secs_f64(),
                bootstrap_retries: retry.bootstrap,
                hold_back: config.streaming.hold_back,
            },
            routing: Routing {
                strategy: match config.strategy {
                    Strategy::RoundRobin => "round-robin",
                    Strategy::FillFirst => "fill-first",
                },
                session_affinity: config.session_affinity,
            },
            routes: config
                .routes
                .iter()
                .map(|rule| Route {
                    model: rule.model.as_str(),
                    providers: &rule.providers,
                    models: &rule.models,
                })
                .collect(),
            accounts: config.accounts.iter().map(|one| Entry::of(one)).collect(),
            upstream_ca: config
                .upstream_ca
                .as_ref()
                .map(|path| path.display().to_string()),
            rewrite_model_in_response: config.rewrite_model,
            translation: translation(config),
            prices: prices(config).collect(),
            payload_rules: config.payload.as_ref().map_or(0, |rules| rules.0.len()),
            proxy_pool: proxies::briefly(&config.pool),
            database_url: config.stores.database.to_string(),
            usage: Usage::of(config),
            redis_url: usage::redis(config),
            secret_keys: config.sealer.as_ref().map_or(0, |sealer| sealer.keys()),
            otel: config.otel.is_some(),
            log_level: config.log.level.to_string().to_lowercase(),
            log_format: match config.log.format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
            files: config
                .files
                .paths()
                .map(|path| path.display().to_string())
                .collect(),
        }
    }
}

/// What the file says; what is shipped comes behind it and is in the documentation.
fn prices(config: &Config) -> impl Iterator<Item = Price<'_>> {
    let rows = config.prices.rows().iter();
    let own = rows.filter(|row| row.price.version.starts_with("config-"));
    own.map(|row| Price {
        version: &row.price.version,
        provider: row.provider.as_deref(),
        model: row.model.as_str(),
        input: row.price.rates.input.to_string(),
        output: row.price.rates.output.to_string(),
    })
}

fn translation(config: &Config) -> Translation {
    let translation = &config.translation;
    Translation {
        on_loss: match translation.on_loss {
            OnLoss::Warn => "warn",
            OnLoss::Reject => "reject",
            OnLoss::Quiet => "quiet",
        },
        loss_comments: translation.loss_comments,
        repair_retry: translation.repair_retry,
        media_fetch: match translation.media_fetch {
            MediaFetch::Off => "off",
            MediaFetch::On => "on",
            MediaFetch::Allowlist(_) => "allowlist",
        },
        rate_limit_headers: match translation.rate_limit_headers {
            RateLimitHeaders::Auto => "auto",
            RateLimitHeaders::On => "on",
            RateLimitHeaders::Off => "off",
        },
        profiles: translation.profiles.len(),
    }
}

fn seconds(timeouts: Timeouts) -> Seconds {
    Seconds {
        connect: timeouts.connect.as_secs_f64(),
        first_byte: timeouts.first_byte.as_secs_f64(),
        idle: timeouts.idle.as_secs_f64(),
        total: timeouts.total.as_secs_f64(),
    }
}
