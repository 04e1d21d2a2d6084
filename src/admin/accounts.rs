//! The accounts and how they are.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::audit::moment;
use super::{config, proxies};
use crate::account::Account;
use crate::account::health::{Cause, Mark};
use crate::account::oauth::TokenReport;
use crate::config::{Standing, StoredState};
use crate::live::{Current, Live};
use crate::metrics::LastOutcome;

#[derive(Serialize)]
pub(super) struct Accounts {
    accounts: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    /// `file` or `database`.
    source: &'static str,
    /// `ready`; `resting`; `probation`: the rest is over, and the next request decides; `disabled`;
    /// `error`: it cannot be used as it is stored.
    state: &'static str,
    /// Why it is in the state `error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    stored: Option<Stored>,
    #[serde(flatten)]
    serving: Option<Serving>,
}

/// What only accounts of the database have.
#[derive(Serialize)]
struct Stored {
    version: i64,
    created_at: String,
    changed_at: String,
}

/// What only accounts in service have.
#[derive(Serialize)]
struct Serving {
    provider: String,
    base_url: String,
    formats: Vec<&'static str>,
    priority: i32,
    weight: u32,
    /// What its connections go through, without user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Failed>,
    /// The models that are not well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Model>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_outcome: Option<Last>,
    /// The last try that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<Last>,
    /// Of accounts with OAuth 2.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
    /// What the last check beside the requests found.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_check: Option<Last>,
}

#[derive(Serialize)]
struct Token {
    /// `valid`, `missing` or `dead`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renewed: Option<String>,
    /// Whether the database has what it needs to outlive this process.
    saved: bool,
    /// Why the last renewal did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<TokenError>,
}

#[derive(Serialize)]
struct TokenError {
    message: String,
    at: String,
}

#[derive(Serialize)]
struct Model {
    model: String,
    #[serde(flatten)]
    failed: Failed,
}

/// What failures have left.
#[derive(Serialize)]
struct Failed {
    state: &'static str,
    failures: u32,
    /// `limit`: rate limit or quota.
    cause: &'static str,
    /// When the rest is over, while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
}

#[derive(Serialize)]
struct Last {
    /// `ok`, or a cause as in the metrics.
    outcome: &'static str,
    at: String,
}

/// One account, with what was written about it.
#[derive(Serialize)]
pub(super) struct One {
    #[serde(flatten)]
    shown: Shown,
    /// Without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Box<RawValue>>,
}

impl One {
    pub(super) fn version(&self) -> Option<i64> {
        self.shown.stored.as_ref().map(|stored| stored.version)
    }
}

impl Accounts {
    pub(super) fn of(current: &Current) -> Self {
        let live = current.load();
        let accounts = live.config.accounts.iter();
        let serving = accounts.map(|account| {
            let stored = live.config.stored(&account.name);
            shown(current, &live, account, stored)
        });
        let others = live.config.stored.iter().filter_map(idle);
        Self {
            accounts: serving.chain(others).collect(),
        }
    }
}

impl Last {
    fn of(last: LastOutcome) -> Self {
        Self {
            outcome: last.word,
            at: time(last.at),
        }
    }
}

impl Accounts {
    /// The account with this name.
    pub(super) fn one(current: &Current, name: &str) -> Option<One> {
        let live = current.load();
        let stored = live.config.stored(name);
        let mut accounts = live.config.accounts.iter();
        let account = accounts.find(|account| *account.name == *name);
        let shown = match (account, stored) {
            (Some(account), stored) => shown(current, &live, account, stored),
            (None, Some(stored)) => idle(stored)?,
            (None, None) => return None,
        };
        // What cannot be opened cannot be shown.
        let config = match (stored, account) {
            (Some(stored), _) => {
                let document = stored.account.document.as_ref().ok();
                document.and_then(|document| to_raw_value(&document.masked()).ok())
            }
            (None, account) => {
                account.and_then(|account| to_raw_value(&config::Entry::of(account)).ok())
            }
        };
        Some(One { shown, config })
    }
}

fn shown(current: &Current, live: &Live, account: &Account, stored: Option<&StoredState>) -> Shown {
    let report = current.report(account);
    let check = current.metrics().last_check(account.id);
    Shown {
        name: account.name.to_string(),
        source: if stored.is_some() { "database" } else { "file" },
        state: report.key.as_ref().map_or("ready", state),
        error: None,
        stored: stored.map(Stored::of),
        serving: Some(Serving {
            provider: account
                .providers
                .first()
                .map_or_else(String::new, |name| name.to_string()),
            base_url: account.base.to_url(),
            formats: account.formats.iter().map(|format| format.name()).collect(),
            priority: account.priority,
            weight: account.weight,
            proxy: account.proxy.as_deref().map(proxies::shown),
            key: report.key.as_ref().map(failed),
            models: report
                .models
                .iter()
                .map(|(name, mark)| Model {
                    model: name.to_string(),
                    failed: failed(mark),
                })
                .collect(),
            last_outcome: live.meters.last(account.id).map(Last::of),
            last_error: live.meters.last_failed(account.id).map(Last::of),
            token: current.token_report(account).map(token),
            last_check: check.map(|check| Last {
                outcome: check.result.word(),
                at: time(check.at),
            }),
        }),
    }
}

fn token(report: TokenReport) -> Token {
    Token {
        state: match (report.dead, report.usable) {
            (true, _) => "dead",
            (false, true) => "valid",
            (false, false) => "missing",
        },
        expires: report.expires.map(time),
        renewed: report.refreshed.map(time),
        saved: !report.unsaved,
        last_error: report.error.map(|(message, at)| TokenError {
            message,
            at: time(at),
        }),
    }
}

/// An account of the database that is not in service.
fn idle(stored: &StoredState) -> Option<Shown> {
    let (state, error) = match &stored.standing {
        Standing::InService(_) => return None,
        Standing::Disabled(_) => ("disabled", None),
        Standing::Wrong(reason) => ("error", Some(reason.clone())),
    };
    Some(Shown {
        name: stored.account.name.to_string(),
        source: "database",
        state,
        error,
        stored: Some(Stored::of(stored)),
        serving: None,
    })
}

impl Stored {
    fn of(state: &StoredState) -> Self {
        Self {
            version: state.account.version,
            created_at: moment(state.account.created_at),
            changed_at: moment(state.account.changed_at),
        }
    }
}

fn state(mark: &Mark) -> &'static str {
    match mark.rests(Instant::now()) {
        true => "resting",
        false => "probation",
    }
}

fn failed(mark: &Mark) -> Failed {
    let left = mark.until.saturating_duration_since(Instant::now());
    Failed {
        state: state(mark),
        failures: mark.failures,
        cause: match mark.cause {
            Cause::Limit => "limit",
            Cause::Trouble => "trouble",
        },
        until: (!left.is_zero()).then(|| time(SystemTime::now() + left)),
    }
}

fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}
