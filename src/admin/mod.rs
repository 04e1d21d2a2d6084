//! The operators' side: metrics, health, and behind a key the config in force, the models, the accounts,
//! a reload, and what would become of a request.
//!
//! [`Admin`] decides what is answered and knows no socket. It has a listener of its own ([`Listener`]), and
//! sits at the [`Desk`] of the clients' port where the config mounts it there.

mod accounts;
mod audit;
mod conditions;
mod config;
mod explain;
mod listener;
mod logins;
mod manage;
mod models;
#[cfg(test)]
mod openapi_tests;
mod proxies;
mod routes;
mod usage;

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

pub use listener::Listener;
pub use logins::Logins;
pub use routes::{ROUTES, Route};

use crate::config::ConfigError;
use crate::lifecycle::Lifecycle;
use crate::live::Current;
use crate::metrics::Moment;
use crate::proxy::desk::{Answer, Asked, Desk, Place};
use crate::proxy::{self, Health, health};
use crate::roster::Roster;
use crate::secret::KeyHash;
use routes::Topic;

/// The description of all routes.
const OPENAPI: &str = include_str!("../../docs/openapi.json");

/// The media type of what most questions are answered with.
const JSON: &str = "application/json";
/// The media type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Reads the config again.
pub trait Reload: Send + Sync {
    /// Reads it now and takes it over, or says what is wrong with it.
    fn reload(&self) -> Result<Reloaded, Vec<ConfigError>>;
}

/// A config that was taken over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// How many accounts it has.
    pub accounts: usize,
    /// What of it takes a restart.
    pub needs_restart: Vec<&'static str>,
}

/// What operators are answered from.
pub struct Admin {
    /// The config in force.
    pub current: Arc<Current>,
    /// Whether the process is on its way out.
    pub lifecycle: Arc<Lifecycle>,
    /// How many bytes of log lines wait.
    pub log_queue: fn() -> usize,
    /// Reads the config again.
    pub reload: Arc<dyn Reload>,
    /// The accounts of the database.
    pub roster: Arc<Roster>,
    /// Who has tried wrong keys.
    pub logins: Logins,
}

#[async_trait]
impl Desk for Admin {
    fn is_mounted(&self, path: &str) -> bool {
        let live = self.current.load();
        match path {
            "/metrics" => live.config.metrics_public,
            _ => live.config.admin.mount,
        }
    }

    fn admit(&self, asked: &Asked<'_>) -> Result<Place, Answer> {
        if asked.path == "/admin" || asked.path.starts_with("/admin/") {
            self.authorize(asked)?;
        }
        routes::find(asked.method, asked.path)
    }

    async fn answer(&self, place: Place, asked: &Asked<'_>, body: Bytes) -> Answer {
        let Some(route) = ROUTES.get(place.0) else {
            return refusal(404, "unknown_path", "nothing is here");
        };
        let answer = match route.topic {
            Topic::Live => self.health(Health::Live),
            Topic::Ready => self.health(Health::Ready),
            Topic::Metrics => self.metrics(wants_json(asked.headers)),
            Topic::MetricsJson => self.metrics(true),
            Topic::OpenApi => document(200, OPENAPI.to_owned()),
            Topic::Config => json(200, &config::Shown::of(&self.current.load().config)),
            Topic::Models => json(200, &models::Models::of(&self.current.load())),
            Topic::Accounts => json(200, &accounts::Accounts::of(&self.current)),
            Topic::Reload => self.reload(),
            Topic::Usage => usage::sums(&self.current, asked).await,
            Topic::UsageRecords => usage::records(&self.current, asked).await,
            Topic::UsageNow => usage::now(&self.current).await,
            Topic::Explain => self.explain(asked, &body),
            topic => self.manage(topic, route.path, asked, &body).await,
        };
        guarded(answer)
    }
}

impl Admin {
    /// Lets in who has the key.
    fn authorize(&self, asked: &Asked<'_>) -> Result<(), Answer> {
        let live = self.current.load();
        let Some(wanted) = &live.config.admin.key else {
            return Err(refusal(404, "unknown_path", "nothing is here"));
        };
        let now = Instant::now();
        if let Some(wait) = self.logins.wait(asked.peer, now) {
            self.current.metrics().login_failed();
            let message = "too many wrong keys from this address; try again later";
            let mut answer = refusal(429, "too_many_failures", message);
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            answer
                .headers
                .push((header::RETRY_AFTER, seconds.to_string()));
            return Err(answer);
        }
        let Some(key) = presented(asked.headers) else {
            let message = "send the admin key as 'authorization: Bearer KEY' or 'x-api-key'";
            return Err(unauthorized("missing_admin_key", message));
        };
        if !wanted.matches(&KeyHash::of(key)) {
            self.logins.failed(asked.peer, now);
            self.current.metrics().login_failed();
            return Err(unauthorized(
                "invalid_admin_key",
                "this is not the admin key",
            ));
        }
        Ok(())
    }

    fn health(&self, question: Health) -> Answer {
        let (status, body) = health(&self.lifecycle, &self.current, question);
        document(status, body)
    }

    fn metrics(&self, as_json: bool) -> Answer {
        let live = self.current.load();
        let moment = Moment {
            running: self.lifecycle.running(),
            connections: self.lifecycle.connections(),
            draining: self.lifecycle.is_draining(),
            log_queue: (self.log_queue)(),
            accounts: self.current.accounts_now(&live.config),
            redis: self.current.redis_now(),
            usage: self.current.usage_now(),
        };
        let metrics = self.current.metrics();
        match as_json {
            true => document(200, metrics.json(&live.config, &moment)),
            false => Answer {
                kind: TEXT,
                ..document(200, metrics.text(&live.config, &moment))
            },
        }
    }

    fn reload(&self) -> Answer {
        #[derive(Serialize)]
        struct Refused {
            errors: Vec<Wrong>,
        }
        match self.reload.reload() {
            Ok(reloaded) => json(200, &reloaded),
            Err(errors) => {
                let errors = errors.into_iter().map(Wrong::from).collect();
                json(422, &Refused { errors })
            }
        }
    }

    fn explain(&self, asked: &Asked<'_>, body: &Bytes) -> Answer {
        match explain::request(asked, body) {
            Ok(request) => json(200, &proxy::explain::explain(self.current.load(), &request)),
            Err(message) => refusal(400, "invalid_question", &message),
        }
    }
}

/// What is wrong with a value.
#[derive(Serialize)]
struct Wrong {
    path: String,
    message: String,
}

impl From<ConfigError> for Wrong {
    fn from(error: ConfigError) -> Self {
        let ConfigError { path, message } = error;
        Self { path, message }
    }
}

/// The key that a request shows.
fn presented(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.as_bytes().split_at_checked(7)?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
        is_bearer.then(|| key.trim_ascii())
    });
    let key = bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes));
    key.filter(|key| !key.is_empty())
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let kinds = accept.and_then(|accept| accept.to_str().ok());
    kinds.is_some_and(|kinds| {
        let first = kinds.split(',').next().unwrap_or_default();
        first.split(';').next().unwrap_or_default().trim() == JSON
    })
}

fn document(status: u16, body: String) -> Answer {
    Answer {
        status,
        kind: JSON,
        headers: Vec::new(),
        body: body.into(),
        pieces: None,
    }
}

fn json(status: u16, value: &impl Serialize) -> Answer {
    match serde_json::to_string(value) {
        Ok(body) => document(status, body),
        Err(error) => {
            log::error!("admin: writing an answer: {error}");
            refusal(500, "internal_error", "the answer cannot be written")
        }
    }
}

fn unauthorized(code: &'static str, message: &'static str) -> Answer {
    let mut answer = refusal(401, code, message);
    let scheme = "Bearer realm=\"ai-proxy admin\"".to_owned();
    answer.headers.push((header::WWW_AUTHENTICATE, scheme));
    answer
}

/// What an error says.
#[derive(Serialize)]
struct ErrorText<'a> {
    code: &'a str,
    message: &'a str,
}

/// An error, with the headers of all answers.
fn refusal(status: u16, code: &str, message: &str) -> Answer {
    #[derive(Serialize)]
    struct Refusal<'a> {
        error: ErrorText<'a>,
    }
    let error = ErrorText { code, message };
    let body = serde_json::to_string(&Refusal { error }).unwrap_or_default();
    guarded(document(status, body))
}

/// Tells browsers to keep nothing, guess nothing and load nothing.
fn guarded(mut answer: Answer) -> Answer {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        if answer
            .headers
            .iter()
            .all(|(known, _): &(HeaderName, _)| *known != name)
        {
            answer.headers.push((name, value.to_owned()));
        }
    }
    answer
}

/// The refusal of a method that a path does not have.
fn wrong_method(method: &Method, allowed: &str) -> Answer {
    let message = format!("not {method} but {allowed}");
    let mut answer = refusal(405, "method_not_allowed", &message);
    answer.headers.push((header::ALLOW, allowed.to_owned()));
    answer
}
