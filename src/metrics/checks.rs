//! Checks of accounts beside the requests.

use std::time::SystemTime;

use super::Metrics;
use crate::account::{Account, AccountId};

/// What a check has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// A good answer.
    Ok,
    /// The provider does not know the key.
    Refused,
    /// An error of the server, or no answer.
    Failed,
    /// An answer that says nothing about the key.
    Unclear,
}

impl Checked {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
        }
    }
}

/// The last check of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastCheck {
    /// What it has found.
    pub result: Checked,
    /// When.
    pub at: SystemTime,
}

impl Metrics {
    /// A check has ended; what the one before it had found.
    pub fn checked(&self, account: &Account, result: Checked) -> Option<Checked> {
        let labels = [&*account.name, result.word()];
        self.health_checks.with_label_values(&labels).inc();
        let at = SystemTime::now();
        let last = LastCheck { result, at };
        let before = self.last_checks.lock().insert(account.id, last);
        before.map(|before| before.result)
    }

    /// The last check of `account`, if there was one.
    pub fn last_check(&self, account: AccountId) -> Option<LastCheck> {
        self.last_checks.lock().get(&account).copied()
    }
}
