//! The proxy pool and who uses it.

use serde::Serialize;

use crate::account::Account;
use crate::account::proxies::Pooled;
use crate::config::Config;
use crate::upstream::{OutboundProxy, ProxyScheme};

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
                    url: shown(&one.proxy),
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

/// A proxy of the config.
#[derive(Serialize)]
pub(super) struct Brief {
    /// Without user and password.
    url: String,
    capacity: usize,
}

pub(super) fn briefly(pool: &[Pooled]) -> Vec<Brief> {
    let brief = |one: &Pooled| Brief {
        url: shown(&one.proxy),
        capacity: one.capacity,
    };
    pool.iter().map(brief).collect()
}

/// The URL of a proxy, without user and password.
pub(super) fn shown(proxy: &OutboundProxy) -> String {
    let scheme = match proxy.scheme {
        ProxyScheme::Http => "http",
        ProxyScheme::Https => "https",
        ProxyScheme::Socks5 => "socks5",
        ProxyScheme::Socks5h => "socks5h",
    };
    let user = match proxy.credentials {
        Some(_) => "***@",
        None => "",
    };
    match proxy.host.contains(':') {
        true => format!("{scheme}://{user}[{}]:{}", proxy.host, proxy.port),
        false => format!("{scheme}://{user}{}:{}", proxy.host, proxy.port),
    }
}
