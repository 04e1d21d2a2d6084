//! `config.yaml` as it is written: one field per key, with the default of each.
//!
//! The comments here are what operators read: they become the descriptions in the JSON schema and
//! the text of `docs/reference/configuration.md`. No type here has `Debug`: any string may hold a
//! secret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod admin;
mod auth;
mod cloak;
mod cors;
mod entry;
mod later;
mod log;
mod otel;
mod payload;
mod price;
mod proxy;
mod scalar;
mod tls;
mod translation;
mod usage;

pub(super) use admin::Admin;
pub(super) use auth::{AuthType, ClientAuth, GrantType};
pub(super) use cloak::{Cloak, CloakMode, UserIdKind};
pub(super) use cors::Cors;
pub(super) use entry::{Entry, EntryTimeouts, LISTS, ModelItem, WireApi};
pub(super) use later::Unread;
pub(super) use log::{LogFormat, LogLevel};
pub(super) use otel::Otel;
pub(super) use payload::{Payload, PayloadFilter, PayloadRule, PayloadTarget, Values};
pub(super) use price::{Amount, PriceItem};
pub(super) use proxy::PooledProxy;
pub(super) use scalar::{Brief, Seconds, Size};
pub(super) use tls::Tls;
pub(super) use translation::{
    Known, MediaFetch, OnLoss, ProfileItem, RateLimitHeaders, Translation,
};
pub(super) use usage::Usage;

/// Configuration of ai-proxy.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields, title = "config.yaml")]
pub(super) struct File {
    /// IP address to listen on. Without client keys it is narrowed to 127.0.0.1, unless
    /// `allow-anonymous` is set.
    pub(super) host: String,
    /// Port to listen on; 0 takes a free one.
    pub(super) port: u16,
    /// Keys that clients have to show: `${VARIABLE}`, `file:/path`, `sha256:HEX` or the key
    /// itself, or a map with one of these as `key`.
    pub(super) api_keys: Vec<Brief<ClientKeyItem>>,
    /// Whether requests without a key are served, from any address.
    pub(super) allow_anonymous: bool,
    /// Networks (`10.0.0.0/8`) or addresses of reverse proxies. What `X-Forwarded-For`, or else
    /// `Forwarded`, says about the client is believed when one of them says it.
    pub(super) trusted_proxies: Vec<String>,
    /// Longest request body, after decompression.
    pub(super) max_body_size: Size,
    /// What else a request may be.
    pub(super) limits: RequestLimits,
    /// Whether HTTP/2 is spoken to clients: agreed on by ALPN with TLS, at once (h2c) without.
    pub(super) allow_http2: bool,
    /// PEM file with roots that are trusted for providers besides the system's.
    pub(super) upstream_ca: Option<String>,
    /// TLS towards clients.
    pub(super) tls: Tls,
    /// Browser clients.
    pub(super) cors: Cors,
    /// What is logged.
    pub(super) log_level: LogLevel,
    /// How log lines look.
    pub(super) log_format: LogFormat,
    /// Outbound proxy of all entries without one of their own: `http`, `https`, `socks5` or
    /// `socks5h` URL. Empty: none.
    pub(super) proxy_url: String,
    /// Outbound proxies that are shared out among the accounts without a `proxy-url`, the first filled
    /// first. An account keeps the one it has. Without room it uses the global `proxy-url`.
    pub(super) proxy_pool: Vec<PooledProxy>,
    /// Rounds over the credentials after the first one.
    #[schemars(range(max = 100))]
    pub(super) request_retry: u32,
    /// Longest pause between two rounds, and longest hint of a provider that a request waits for,
    /// in seconds.
    pub(super) max_retry_interval: Seconds,
    /// How long failing credentials rest, in seconds.
    pub(super) cooldown: Cooldown,
    /// Timeouts towards providers, in seconds.
    pub(super) timeouts: GlobalTimeouts,
    /// Streamed answers.
    pub(super) streaming: StreamingOptions,
    /// How a credential is chosen.
    pub(super) routing: Routing,
    /// Model rules with ordered fallbacks; the first that matches wins.
    pub(super) routes: Vec<RouteItem>,
    /// Anthropic credentials.
    pub(super) claude_api_key: Vec<Entry>,
    /// OpenAI credentials.
    pub(super) openai_api_key: Vec<Entry>,
    /// Gemini credentials.
    pub(super) gemini_api_key: Vec<Entry>,
    /// Credentials of providers that speak an OpenAI format.
    pub(super) openai_compatibility: Vec<Entry>,
    /// Accounts of any preset, with OAuth 2.0 and other ways to authenticate.
    pub(super) accounts: Vec<Entry>,
    /// Keys that secrets in the database are encrypted with, newest first: 32 random bytes as base64 or
    /// hexadecimal digits (`openssl rand -base64 32`), `${VARIABLE}` or `file:/path`. What an older key
    /// has encrypted is encrypted again with the newest. Without a key nothing secret is stored.
    pub(super) secret_keys: Vec<String>,
    /// Whether an aliased answer names the model that the client asked for.
    pub(super) rewrite_model_in_response: bool,
    /// Translation between formats.
    pub(super) translation: Translation,
    /// Overrides of what is known about models.
    pub(super) profiles: Vec<ProfileItem>,
    /// Rules that change request bodies.
    pub(super) payload: Payload,
    /// Prices of models, before those that are shipped: the first that fits holds.
    pub(super) prices: Vec<PriceItem>,
    /// Where usage, accounts and tokens are stored: `sqlite:PATH`, `sqlite::memory:`,
    /// `mysql://USER:PASSWORD@HOST/NAME` or `postgres://USER:PASSWORD@HOST/NAME`; `${VARIABLE}` and
    /// `file:/path` may hold all of it. Changes with a restart.
    pub(super) database_url: String,
    /// Redis (6 or later) that several instances share their state in:
    /// `redis://USER:PASSWORD@HOST:PORT/DB`, `rediss://` over TLS with `upstream-ca` besides the system's
    /// roots, or `unix:///PATH?db=N&user=USER&pass=PASSWORD`; `${VARIABLE}` and `file:/path` may hold all
    /// of it. Empty: none. Changes with a restart.
    pub(super) redis_url: String,
    /// What every key and channel in Redis begins with: two fleets in one Redis need two.
    pub(super) redis_prefix: String,
    /// Usage records.
    pub(super) usage: Usage,
    /// The admin listener.
    pub(super) admin: Admin,
    /// Whether `/metrics` is served to clients too.
    pub(super) metrics_public: bool,
    /// Traces.
    pub(super) otel: Otel,
}

impl Default for File {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8317,
            api_keys: Vec::new(),
            allow_anonymous: false,
            trusted_proxies: Vec::new(),
            max_body_size: Size(64 << 20),
            limits: RequestLimits::default(),
            allow_http2: true,
            upstream_ca: None,
            tls: Tls::default(),
            cors: Cors::default(),
            log_level: LogLevel::Info,
            log_format: LogFormat::Text,
            proxy_url: String::new(),
            proxy_pool: Vec::new(),
            request_retry: 3,
            max_retry_interval: Seconds::whole(30),
            cooldown: Cooldown::default(),
            timeouts: GlobalTimeouts::default(),
            streaming: StreamingOptions::default(),
            routing: Routing::default(),
            routes: Vec::new(),
            claude_api_key: Vec::new(),
            openai_api_key: Vec::new(),
            gemini_api_key: Vec::new(),
            openai_compatibility: Vec::new(),
            accounts: Vec::new(),
            secret_keys: Vec::new(),
            rewrite_model_in_response: true,
            translation: Translation::default(),
            profiles: Vec::new(),
            payload: Payload::default(),
            prices: Vec::new(),
            database_url: Self::DATABASE_URL.to_owned(),
            redis_url: String::new(),
            redis_prefix: "ai-proxy:".to_owned(),
            usage: Usage::default(),
            admin: Admin::default(),
            metrics_public: false,
            otel: Otel::default(),
        }
    }
}

impl File {
    /// The embedded database.
    pub(super) const DATABASE_URL: &str = "sqlite:data/ai-proxy.db";

    /// The provider lists with their keys, in the order in which accounts are numbered.
    pub(super) fn lists(&self) -> [(&'static str, &[Entry]); 5] {
        [
            ("claude-api-key", &self.claude_api_key),
            ("openai-api-key", &self.openai_api_key),
            ("gemini-api-key", &self.gemini_api_key),
            (Self::COMPATIBLE, &self.openai_compatibility),
            (Self::ACCOUNTS, &self.accounts),
        ]
    }

    /// The list of accounts of any provider.
    pub(super) const ACCOUNTS: &str = "accounts";

    /// The list whose entries are not bound to one provider.
    pub(super) const COMPATIBLE: &str = "openai-compatibility";
}

/// One client key.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct ClientKeyItem {
    /// The key itself, `${VARIABLE}`, `file:/path` or `sha256:HEX`.
    pub(super) key: String,
    /// Name of its holder, shown in logs. Empty: `key-` and its place in the list.
    pub(super) name: String,
    /// Labels for usage queries.
    pub(super) tags: BTreeMap<String, String>,
    /// Models that it may use, as patterns with `*`. Empty: all.
    pub(super) models: Vec<String>,
}

impl From<String> for ClientKeyItem {
    fn from(key: String) -> Self {
        Self {
            key,
            ..Self::default()
        }
    }
}

/// What a request may be.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RequestLimits {
    /// Longest sum of header names and values, up to 1MiB.
    pub(super) header_size: Size,
    /// Most header fields, up to 256.
    #[schemars(range(min = 1, max = 256))]
    pub(super) headers: u32,
    /// Deepest nesting of a JSON body, up to 128.
    #[schemars(range(min = 1, max = 128))]
    pub(super) json_depth: u32,
    /// Longest time that a client may take to send its body, in seconds.
    pub(super) body_timeout: Seconds,
    /// Most requests at the same time.
    #[schemars(range(min = 1))]
    pub(super) concurrent: u32,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            header_size: Size(64 << 10),
            headers: 100,
            json_depth: 128,
            body_timeout: Seconds::whole(60),
            concurrent: 10_000,
        }
    }
}

/// How long failing credentials rest.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct Cooldown {
    /// Longest rest, whatever a provider hints.
    pub(super) max: Seconds,
    /// First rest; it doubles with each failure in a row.
    pub(super) min: Seconds,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            max: Seconds::whole(300),
            min: Seconds::whole(1),
        }
    }
}

/// Timeouts towards providers.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct GlobalTimeouts {
    /// TCP connection and TLS handshake together.
    pub(super) connect: Seconds,
    /// From the connection to the first byte of the answer.
    pub(super) first_byte: Seconds,
    /// The longest silence inside an answer.
    pub(super) idle: Seconds,
    /// The whole request, all attempts included.
    pub(super) total: Seconds,
    /// The life of a WebSocket, to which `total` does not apply. Left out: as long as both sides want.
    pub(super) websocket: Option<Seconds>,
}

impl Default for GlobalTimeouts {
    fn default() -> Self {
        Self {
            connect: Seconds::whole(5),
            first_byte: Seconds::whole(120),
            idle: Seconds::whole(120),
            total: Seconds::whole(900),
            websocket: None,
        }
    }
}

/// Streamed answers.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct StreamingOptions {
    /// Longest silence towards a client before a keep-alive is sent; 0: none are sent.
    pub(super) keepalive_seconds: Seconds,
    /// Tries after a provider had answered 200 and failed before any content, within
    /// `request-retry`.
    #[schemars(range(max = 100))]
    pub(super) bootstrap_retries: u32,
    /// Most of an answer that is kept back until its first content, or, when it is not streamed,
    /// until its end.
    pub(super) hold_back: Size,
}

impl Default for StreamingOptions {
    fn default() -> Self {
        Self {
            keepalive_seconds: Seconds::whole(15),
            bootstrap_retries: 3,
            hold_back: Size(1 << 20),
        }
    }
}

/// How a credential is chosen.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct Routing {
    /// How one of several equal credentials is chosen.
    pub(super) strategy: StrategyName,
    /// Whether a conversation stays with its credential: until that one fails, and then with the one that
    /// took over.
    pub(super) session_affinity: bool,
}

/// How one of several equal credentials is chosen.
#[derive(Default, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StrategyName {
    /// In turn, by weight.
    #[default]
    RoundRobin,
    /// The first until it rests, then the next.
    FillFirst,
}

/// One model rule.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(super) struct RouteItem {
    /// Models that it is about, as a pattern with `*`.
    pub(super) model: String,
    /// Providers in the order in which they are tried: `anthropic`, `openai`, `gemini`, a preset
    /// or the name of an entry. Empty: any.
    pub(super) providers: Vec<String>,
    /// Models to ask for, in order, in place of the one that the client named. Empty: that one.
    pub(super) models: Vec<String>,
}
