//! The pool's proxies given to accounts.

use std::sync::Arc;

use super::{Config, Standing, StoredState};
use crate::account::proxies::{Known, assign};
use crate::account::{Account, AccountId};

impl Config {
    /// The accounts that want a proxy of the pool, in order.
    pub fn wanting(&self) -> Vec<AccountId> {
        let accounts = self.accounts.iter().filter(|account| account.pooled);
        accounts.map(|account| account.id).collect()
    }

    /// The accounts that are out of service for now, and keep their proxies of the pool.
    pub fn away(&self) -> Vec<AccountId> {
        let id = |state: &StoredState| match state.standing {
            Standing::Disabled(id) => Some(id),
            Standing::InService(_) | Standing::Wrong(_) => None,
        };
        self.stored.iter().filter_map(id).collect()
    }

    /// This config with the proxies of the pool given to accounts. One without room goes the way of those
    /// that have no pool.
    pub fn with_pool(mut self, known: &Known) -> Self {
        if self.pool.is_empty() {
            return self;
        }
        let assigned = assign(&self.wanting(), &self.away(), &self.pool, known);
        for account in &mut self.accounts {
            if let Some(place) = assigned.places.get(&account.id) {
                *account = Arc::new(Account {
                    proxy: Some(Arc::clone(&self.pool[*place].proxy)),
                    ..(**account).clone()
                });
            }
        }
        self.assigned = assigned;
        self.dead = known.dead.clone();
        self
    }
}
