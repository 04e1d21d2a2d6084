//! Where a search for an account begins.

use super::Tier;
use crate::account::AccountId;

/// Where a search for an account begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seat {
    /// The next in turn; holds a hash of the model's name.
    Turn(u64),
    /// An account that the conversation is with; in tiers that do not have it the next in turn.
    With {
        /// The account.
        account: AccountId,
        /// A hash of the model's name.
        model: u64,
    },
}

impl Seat {
    /// The hash of the model's name.
    pub fn model(self) -> u64 {
        match self {
            Self::Turn(model) | Self::With { model, .. } => model,
        }
    }
}

impl Tier {
    /// The place of the account that the conversation is with, if it is one of these.
    pub(super) fn home(&self, seat: Seat) -> Option<usize> {
        let Seat::With { account, .. } = seat else {
            return None;
        };
        let mut candidates = self.candidates.iter();
        candidates.position(|candidate| candidate.account.id == account)
    }
}
