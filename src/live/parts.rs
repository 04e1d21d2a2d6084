//! What a config in force is made of.

use std::sync::Arc;

use crate::account::proxies::Known;
use crate::config::{Config, StoredAccount};

/// What a config in force is made of.
pub(super) struct Parts {
    /// The file's.
    pub(super) config: Config,
    /// The accounts of the database.
    pub(super) stored: Vec<Arc<StoredAccount>>,
    /// Who has which proxy.
    pub(super) proxies: Known,
}

impl Parts {
    /// Those of a process that has not seen a database.
    pub(super) fn of(config: Config) -> Self {
        Self {
            config,
            stored: Vec::new(),
            proxies: Known::default(),
        }
    }

    pub(super) fn together(&self) -> Config {
        self.config
            .with_stored(&self.stored)
            .with_pool(&self.proxies)
    }
}
