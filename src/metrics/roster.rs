//! Numbers about the accounts of the database.

use prometheus::{IntCounterVec, IntGaugeVec, Registry, Result};

use super::{Metrics, counter, family, whole_gauge};

/// What is counted of them.
pub(super) struct Roster {
    changes: IntCounterVec,
    accounts: IntGaugeVec,
    stale: IntGaugeVec,
    without: IntGaugeVec,
}

impl Roster {
    pub(super) fn try_new(registry: &Registry) -> Result<Self> {
        let stale = whole_gauge(registry, &family::ROSTER_STALE)?;
        stale.with_label_values::<&str>(&[]).set(0);
        Ok(Self {
            changes: counter(registry, &family::ACCOUNT_CHANGES)?,
            accounts: whole_gauge(registry, &family::STORED_ACCOUNTS)?,
            stale,
            without: whole_gauge(registry, &family::POOL_WITHOUT)?,
        })
    }
}

impl Metrics {
    /// An account of the database was changed here.
    pub fn account_changed(&self, what: &'static str) {
        self.roster.changes.with_label_values(&[what]).inc();
    }

    /// How many accounts of the database serve, are disabled, or are wrong.
    pub fn stored_accounts(&self, counts: [usize; 3]) {
        for (state, count) in ["serving", "disabled", "wrong"].into_iter().zip(counts) {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.roster.accounts.with_label_values(&[state]).set(count);
        }
    }

    /// How many accounts found no room in the proxy pool.
    pub fn without_proxy(&self, count: usize) {
        let gauge = self.roster.without.with_label_values::<&str>(&[]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether the accounts of the database cannot be looked at.
    pub fn roster_is_stale(&self, stale: bool) {
        let gauge = self.roster.stale.with_label_values::<&str>(&[]);
        gauge.set(i64::from(stale));
    }
}
