//! The proxy pool: who has which proxy, the same on every instance and after every restart.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Refused, Roster, Who, change};
use crate::account::AccountId;
use crate::account::proxies::{Known, assign};
use crate::state::proxies::{self, Stored};
use crate::state::sql::SqlError;

impl Roster {
    pub(super) async fn look_at_proxies(&self) -> Result<(), SqlError> {
        let stored = proxies::all(self.database()).await?;
        self.current.replace_proxies(known(&stored));
        Ok(())
    }

    /// Stores who was given a proxy here. Whoever is first decides, so what is in force may be another one
    /// afterwards.
    pub(super) async fn settle_proxies(&self) -> Result<(), SqlError> {
        let live = self.current.load();
        if live.config.assigned.news.is_empty() {
            return Ok(());
        }
        let (want, away) = (live.config.wanting(), live.config.away());
        let pool = live.config.pool.clone();
        let decide = |stored: &Stored| {
            let assigned = assign(&want, &away, &pool, &known(stored));
            let news = assigned.news.into_iter();
            news.map(|(id, proxy)| (text(id), proxy.to_string()))
                .collect()
        };
        proxies::settle(self.database(), now(), decide).await?;
        self.look_at_proxies().await
    }

    /// Marks a proxy of the pool dead, so that its accounts get others, or alive. `false`: there is none of
    /// this id.
    pub async fn mark_proxy(&self, id: &str, dead: bool, who: &Who) -> Result<bool, Refused> {
        let live = self.current.load();
        let mut pool = live.config.pool.iter();
        if !pool.any(|one| *one.id.to_string() == *id) {
            return Ok(false);
        }
        let what = if dead { "proxy-dead" } else { "proxy-alive" };
        let entry = change::entry(who, what, id, &[]);
        proxies::mark(self.database(), dead, &entry).await?;
        self.changed(what).await;
        Ok(true)
    }

    /// An account is about to have another identity, because it gets another key or address: it keeps its
    /// proxy.
    pub(super) async fn inherit_proxy(&self, old: AccountId, new: AccountId) {
        if old == new || self.current.load().config.pool.is_empty() {
            return;
        }
        let (old, new) = (text(old), text(new));
        let inherited = proxies::inherit(self.database(), &old, &new, now());
        if let Err(error) = inherited.await {
            log::warn!("an account that changes may get another proxy of the pool: {error}");
        }
    }

    /// Nobody has this identity any more.
    pub(super) async fn release_proxy(&self, id: AccountId) {
        if self.current.load().config.pool.is_empty() {
            return;
        }
        // What is left over takes no room: only accounts that are there do.
        if let Err(error) = proxies::release(self.database(), &text(id)).await {
            log::debug!("the proxy of an account that is gone stays written down: {error}");
        }
    }
}

fn known(stored: &Stored) -> Known {
    let pair = |(account, proxy): &(String, String)| {
        let id = u64::from_str_radix(account, 16).ok()?;
        Some((AccountId(id), proxy.clone().into()))
    };
    Known {
        assigned: stored
            .assigned
            .iter()
            .filter_map(pair)
            .collect::<HashMap<_, _>>(),
        dead: stored
            .dead
            .iter()
            .cloned()
            .map(Into::into)
            .collect::<HashSet<_>>(),
    }
}

fn text(id: AccountId) -> String {
    format!("{:016x}", id.0)
}

fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}
