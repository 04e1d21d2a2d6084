//! The proxy pool and who uses it.

use serde::Serialize;

use crate::account::Account;
use crate::config::Config;

#[derive(Serialize)]
pub(super) struct Proxies {
    proxies: Vec<Shown>,
    /// Accounts for which there is no room; they use the global `proxy-url`.
    without: Vec<String>,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    /// Without user and password.
    url: String,
    /// `alive` or `dead`.
    state: &'static str,
    capacity: usize,
    accounts: Vec<String>,
}

impl Proxies {
    pub(super) fn of(config: &Config) -> Self {
        let names = |is: &dyn Fn(&Account) -> bool| -> Vec<String> {
            let accounts = config.accounts.iter().filter(|account| is(account));
            accounts.map(|account| account.name.to_string()).collect()
        };
        let places = &config.assigned.places;
        let pool = config.pool.iter().enumerate();
        Self {
            proxies: pool
                .map(|(place, one)| Shown {
                    id: one.id.to_string(),
                    url: one.proxy.to_string(),
                    state: match config.dead.contains(&one.id) {
                        true => "dead",
                        false => "alive",
                    },
                    capacity: one.capacity,
                    accounts: names(&|account| places.get(&account.id) == Some(&place)),
                })
                .collect(),
            without: names(&|account| config.assigned.without.contains(&account.id)),
        }
    }
}
