//! Accounts that are not in the file: those of the database, which the admin API makes.
//!
//! One is a [`Document`] with the keys of an entry of the provider lists. It is read and resolved by what
//! reads and resolves the file, with one difference: every value stands for itself. [`Config::with_stored`]
//! puts them beside the file's; one that cannot be resolved is left out and says why.

use std::sync::Arc;

use super::Config;
use super::error::Errors;
use super::resolve;
use crate::account::{Account, AccountId};

mod document;

pub use document::Document;

/// An account of the database.
#[derive(Clone)]
pub struct StoredAccount {
    /// Its name.
    pub name: Arc<str>,
    /// Its version; every change makes another one.
    pub version: i64,
    /// When it was made, in milliseconds of Unix time.
    pub created_at: i64,
    /// When it was changed last.
    pub changed_at: i64,
    /// What it is, or why nobody can tell.
    pub document: Result<Document, String>,
}

/// An account of the database in a config.
#[derive(Clone)]
pub struct StoredState {
    /// The account.
    pub account: Arc<StoredAccount>,
    /// Whether it serves.
    pub standing: Standing,
}

/// Whether an account of the database serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is one of [`Config::accounts`].
    InService(AccountId),
    /// It is not wanted now.
    Disabled(AccountId),
    /// It cannot; why.
    Wrong(String),
}

impl StoredState {
    /// Whether it is this version, and known.
    pub fn is(&self, version: i64) -> bool {
        self.account.version == version && self.account.document.is_ok()
    }
}

impl std::fmt::Debug for StoredState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { account, standing } = self;
        write!(f, "{} {}: {standing:?}", account.name, account.version)
    }
}

impl Config {
    /// This config of a file with the accounts of the database beside its own.
    pub fn with_stored(&self, stored: &[Arc<StoredAccount>]) -> Self {
        let mut config = self.clone();
        for account in stored {
            let standing = match self.resolve_stored(account) {
                Ok((resolved, true)) => Standing::Disabled(resolved.id),
                Ok((resolved, false)) => {
                    let id = resolved.id;
                    config.accounts.push(Arc::new(resolved));
                    Standing::InService(id)
                }
                Err(reason) => Standing::Wrong(reason),
            };
            let account = Arc::clone(account);
            config.stored.push(StoredState { account, standing });
        }
        config
    }

    fn resolve_stored(&self, stored: &StoredAccount) -> Result<(Account, bool), String> {
        let document = stored.document.as_ref().map_err(Clone::clone)?;
        let resolved = self.stored_account(&stored.name, document);
        resolved.map_err(|errors| errors.to_string().replace('\n', "; "))
    }

    /// The account that `document` describes, and whether it is disabled.
    pub fn stored_account(
        &self,
        name: &str,
        document: &Document,
    ) -> Result<(Account, bool), Errors> {
        if self.ground.names.contains(name) {
            let message = "is the name of an account in the config file";
            return Err(Errors::one("name", message));
        }
        resolve::stored(name, document, self)
    }

    /// The account of the database with this name.
    pub fn stored(&self, name: &str) -> Option<&StoredState> {
        self.stored
            .iter()
            .find(|state| *state.account.name == *name)
    }
}
