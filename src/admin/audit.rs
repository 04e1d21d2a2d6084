//! Who changed what.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::manage::parameter;
use crate::state::accounts::Entry;

/// How many entries are shown when nobody says.
const USUAL: i64 = 100;
/// How many at most.
const MOST: i64 = 1_000;

/// What of the audit is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// From when, in milliseconds of Unix time.
    pub(super) from: i64,
    /// Until before when.
    pub(super) to: i64,
    /// How many, the latest.
    pub(super) limit: i64,
    /// About this account only.
    pub(super) account: Option<String>,
}

impl Question {
    pub(super) fn of(query: &str) -> Result<Self, String> {
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            if !["from", "to", "limit", "account"].contains(&name) {
                return Err("only from, to, limit and account can be asked for".to_owned());
            }
        }
        let time = |name: &str| -> Result<Option<i64>, String> {
            let text = parameter(query, name)?;
            text.map(|text| {
                time(&text).ok_or_else(|| format!("{name}: not a time like 2026-01-31T00:00:00Z"))
            })
            .transpose()
        };
        let limit = parameter(query, "limit")?.map_or(Ok(USUAL), |text| {
            let limit = text.parse().ok();
            let limit = limit.filter(|limit| (1..=MOST).contains(limit));
            limit.ok_or_else(|| format!("limit: not a number from 1 to {MOST}"))
        })?;
        Ok(Self {
            from: time("from")?.unwrap_or(0),
            to: time("to")?.unwrap_or(i64::MAX),
            limit,
            account: parameter(query, "account")?,
        })
    }
}

/// A day, or a time of one.
fn time(text: &str) -> Option<i64> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    };
    let time = humantime::parse_rfc3339(&whole).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

#[derive(Serialize)]
pub(super) struct Shown<'a> {
    /// The latest first.
    audit: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    at: String,
    /// A part of the admin key's hash.
    key: &'a str,
    address: &'a str,
    action: &'a str,
    account: &'a str,
    /// The keys that got another value.
    changed: Vec<&'a str>,
    old_version: Option<i64>,
    new_version: Option<i64>,
}

impl<'a> Shown<'a> {
    pub(super) fn of(entries: &'a [Entry]) -> Self {
        let row = |entry: &'a Entry| Row {
            at: moment(entry.at),
            key: &entry.actor,
            address: &entry.address,
            action: &entry.what,
            account: &entry.subject,
            changed: entry
                .changed_keys
                .split(',')
                .filter(|key| !key.is_empty())
                .collect(),
            old_version: entry.old_version,
            new_version: entry.new_version,
        };
        Self {
            audit: entries.iter().map(row).collect(),
        }
    }
}

/// Milliseconds of Unix time for people.
pub(super) fn moment(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    // A time that a calendar cannot show is nobody's.
    let at = UNIX_EPOCH
        .checked_add(since)
        .unwrap_or(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_millis(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_limits_and_accounts_are_read() {
        let all = Question::of("").unwrap();
        assert_eq!((all.from, all.to, all.limit), (0, i64::MAX, USUAL));
        let some = Question::of("from=1970-01-02&to=1970-01-02T00:00:01Z&limit=5&account=a%20b");
        let want = Question {
            from: 86_400_000,
            to: 86_401_000,
            limit: 5,
            account: Some("a b".to_owned()),
        };
        assert_eq!(some, Ok(want));
        for query in [
            "from=yesterday",
            "limit=0",
            "limit=1001",
            "limit=x",
            "form=1970-01-01",
            "x",
        ] {
            assert!(Question::of(query).is_err(), "{query}");
        }
    }
}
