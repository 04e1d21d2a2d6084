//! The accounts and how they are.

use std::time::SystemTime;

use serde::Serialize;
use tokio::time::Instant;

use crate::account::Account;
use crate::account::health::{Cause, Mark};
use crate::account::oauth::TokenReport;
use crate::live::{Current, Live};

#[derive(Serialize)]
pub(super) struct Accounts {
    accounts: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    name: String,
    provider: String,
    base_url: String,
    formats: Vec<&'static str>,
    priority: i32,
    weight: u32,
    /// `ready`; `resting`; `probation`: the rest is over, and the next request decides.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Failed>,
    /// The models that are not well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Model>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_outcome: Option<Last>,
    /// Of accounts with OAuth 2.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Token>,
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

impl Accounts {
    pub(super) fn of(current: &Current) -> Self {
        let live = current.load();
        let accounts = live.config.accounts.iter();
        Self {
            accounts: accounts
                .map(|account| shown(current, &live, account))
                .collect(),
        }
    }
}

fn shown(current: &Current, live: &Live, account: &Account) -> Shown {
    let report = current.report(account);
    let last = live.meters.last(account.id);
    Shown {
        name: account.name.to_string(),
        provider: account
            .providers
            .first()
            .map_or_else(String::new, |name| name.to_string()),
        base_url: account.base.to_url(),
        formats: account.formats.iter().map(|format| format.name()).collect(),
        priority: account.priority,
        weight: account.weight,
        state: report.key.as_ref().map_or("ready", state),
        key: report.key.as_ref().map(failed),
        models: report
            .models
            .iter()
            .map(|(name, mark)| Model {
                model: name.to_string(),
                failed: failed(mark),
            })
            .collect(),
        last_outcome: last.map(|last| Last {
            outcome: last.word,
            at: time(last.at),
        }),
        token: current.token_report(account).map(token),
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
