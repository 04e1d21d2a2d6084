//! What is known about the models of accounts, looked up once each.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::account::{Account, AccountId};
use crate::config::{Config, ProfileRule};
use crate::wire::{Format, Profile};

/// Most models that are remembered; clients choose the names.
const MODELS: usize = 4096;

type Known = HashMap<(AccountId, Arc<str>), Arc<Profile>>;

/// The profiles of the models that were asked for.
#[derive(Debug)]
pub struct Profiles {
    rules: Vec<ProfileRule>,
    known: RwLock<Known>,
}

impl Profiles {
    /// With the overrides of `config`.
    pub fn new(config: &Config) -> Self {
        Self {
            rules: config.translation.profiles.clone(),
            known: RwLock::default(),
        }
    }

    /// What is known about `model` at `account`.
    pub fn of(&self, account: &Account, model: &Arc<str>) -> Arc<Profile> {
        let key = (account.id, Arc::clone(model));
        if let Some(profile) = self.known.read().get(&key) {
            return Arc::clone(profile);
        }
        let profile = Arc::new(self.make(account, model));
        let mut known = self.known.write();
        if known.len() >= MODELS {
            known.clear();
        }
        known.insert(key, Arc::clone(&profile));
        profile
    }

    fn make(&self, account: &Account, model: &str) -> Profile {
        let format = account
            .formats
            .first()
            .copied()
            .unwrap_or(Format::OpenAiChat);
        let mut profile = Profile::shipped(format, &account.base.host, model);
        profile.gemini.envelope |= account.preset.envelope;
        let is_at = |name: &str| {
            *account.name == *name || account.providers.iter().any(|one| **one == *name)
        };
        for rule in &self.rules {
            let fits = rule.provider.as_deref().is_none_or(is_at)
                && rule.model.as_ref().is_none_or(|glob| glob.matches(model));
            if fits {
                for (key, value) in &rule.settings {
                    // Tried when the config was loaded.
                    let _ = profile.set(key, value);
                }
            }
        }
        profile
    }
}
