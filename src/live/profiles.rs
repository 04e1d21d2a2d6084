//! What is known about the models of accounts, looked up once each.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::account::{Account, AccountId};
use crate::config::Config;
use crate::wire::Profile;

/// Most models that are remembered; clients choose the names.
const MODELS: usize = 4096;

/// The profiles of the models that were asked for.
#[derive(Debug)]
pub struct Profiles {
    known: RwLock<HashMap<(AccountId, Arc<str>), Arc<Profile>>>,
}

impl Profiles {
    /// With the overrides of `config`.
    pub fn new(_config: &Config) -> Self {
        Self {
            known: RwLock::default(),
        }
    }

    /// What is known about `model` at `account`.
    pub fn of(&self, account: &Account, model: &Arc<str>) -> Arc<Profile> {
        let key = (account.id, Arc::clone(model));
        if let Some(profile) = self.known.read().get(&key) {
            return Arc::clone(profile);
        }
        let profile = Arc::new(Profile::default());
        let mut known = self.known.write();
        if known.len() >= MODELS {
            known.clear();
        }
        known.insert(key, Arc::clone(&profile));
        profile
    }
}
