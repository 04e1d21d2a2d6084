//! Which account made which stored response: only that account can go on from it.
//!
//! What this process has seen is remembered in memory. All of it is written, off the path of requests, into
//! the database and into Redis where there is one; only a request that names a response which nobody here
//! remembers waits for them, and not for long.

mod kept;

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

pub use kept::{InDatabase, InRedis, Kept, NotKept};

use crate::account::AccountId;
use crate::state::Outbox;

/// How many responses are remembered at least; at most it is twice as many.
const RESPONSES: usize = 50_000;
/// Longest id that is remembered.
const ID: usize = 128;
/// Responses that wait to be written.
const WAITING: usize = 65_536;
/// Responses that are written together.
const BATCH: usize = 500;
/// How long a store may take to answer a request that waits for it.
const DEADLINE: Duration = Duration::from_millis(250);
/// Before each look into the stores: a request for what nobody knows takes so long in all.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(25),
    Duration::from_millis(75),
];
/// Requests that wait for the stores at the same time; more do without.
const LOOKUPS: usize = 64;
/// And those of one client.
const OF_ONE: usize = 16;
/// What no store knows is not looked for again for so long.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Most of those.
const UNKNOWNS: usize = 4_096;
/// What could not be written is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// How often what is too old is forgotten.
const TIDY: Duration = Duration::from_hours(1);
/// How long the last ones may take to be written.
const LAST: Duration = Duration::from_secs(5);

/// Who made a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The account.
    pub account: AccountId,
    /// A hash of the client's key that it was made for; `None`: one without a key.
    pub client: Option<u64>,
}

/// A response's id, and who made it.
pub type Response = (Box<str>, Maker);

/// The responses that this process has seen being made, and those that others have. The oldest are
/// forgotten first.
pub struct Made {
    generations: Mutex<Generations>,
    /// In the order in which they are asked. What is written goes to all.
    stores: Vec<Keeper>,
    lookups: Mutex<Lookups>,
}

/// Who looks into the stores now, and what was not there.
#[derive(Default)]
struct Lookups {
    /// By client.
    running: HashMap<Option<u64>, usize>,
    unknown: HashMap<Box<str>, Instant>,
}

/// A look into the stores. Ends when it is dropped.
struct Look<'a>(&'a Mutex<Lookups>, Option<u64>);

impl Drop for Look<'_> {
    fn drop(&mut self) {
        let running = &mut self.0.lock().running;
        if let Some(count) = running.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.1);
            }
        }
    }
}

/// A store, and what it has to be told.
struct Keeper {
    store: Box<dyn Kept>,
    waiting: Outbox<Response>,
    /// Held while a batch is under way.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Maker>,
    old: HashMap<Box<str>, Maker>,
}

impl Made {
    /// Responses that are kept in `stores` too.
    pub fn new(stores: Vec<Box<dyn Kept>>) -> Self {
        Self {
            generations: Mutex::default(),
            stores: stores
                .into_iter()
                .map(|store| Keeper {
                    store,
                    waiting: Outbox::new(WAITING),
                    writing: tokio::sync::Mutex::default(),
                })
                .collect(),
            lookups: Mutex::default(),
        }
    }

    /// Remembers who made the response `id`.
    pub fn remember(&self, id: &str, maker: Maker) {
        if id.len() > ID {
            return;
        }
        if is_plain(id) {
            for keeper in &self.stores {
                // Without room, only this process knows.
                let _ = keeper.waiting.put((id.into(), maker.clone()));
            }
        }
        self.note(id, maker);
    }

    fn note(&self, id: &str, maker: Maker) {
        let mut generations = self.generations.lock();
        if generations.young.len() >= RESPONSES {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(id.into(), maker);
    }

    /// Who made the response `id`, as far as this process knows.
    pub fn maker(&self, id: &str) -> Option<Maker> {
        let generations = self.generations.lock();
        let Generations { young, old } = &*generations;
        young.get(id).or_else(|| old.get(id)).cloned()
    }

    /// Looks for `client`, a hash of its key, in the stores who made the response `id`, so that
    /// [`maker`](Self::maker) knows.
    pub async fn recall(&self, id: &str, client: Option<u64>) {
        if id.len() > ID || !is_plain(id) || self.maker(id).is_some() {
            return;
        }
        let Some(_look) = self.look(id, client) else {
            return;
        };
        // One that was made elsewhere a moment ago may be on its way to the stores.
        for pause in PAUSES {
            tokio::time::sleep(pause).await;
            for keeper in &self.stores {
                if let Ok(Ok(Some(maker))) = timeout(DEADLINE, keeper.store.find(id)).await {
                    self.note(id, maker);
                    return;
                }
            }
        }
        let mut lookups = self.lookups.lock();
        if lookups.unknown.len() >= UNKNOWNS {
            lookups.unknown.clear();
        }
        lookups.unknown.insert(id.into(), Instant::now() + UNKNOWN);
    }

    /// Begins to look for `id`; `None`: there is no room, or no store knew it a moment ago.
    fn look(&self, id: &str, client: Option<u64>) -> Option<Look<'_>> {
        let mut lookups = self.lookups.lock();
        let now = Instant::now();
        if lookups.unknown.get(id).is_some_and(|until| now < *until) {
            return None;
        }
        let all: usize = lookups.running.values().sum();
        let count = lookups.running.get(&client).copied().unwrap_or(0);
        if all >= LOOKUPS || count >= OF_ONE {
            return None;
        }
        lookups.running.insert(client, count + 1);
        drop(lookups);
        Some(Look(&self.lookups, client))
    }

    /// Writes what is remembered into the stores. Never ends.
    pub async fn keep(&self) {
        let each = self.stores.iter().map(|keeper| async move {
            tokio::join!(tidy(&*keeper.store), keeper.write());
        });
        join_all(each).await;
    }

    /// Writes what is left, and waits for what is being written.
    pub async fn end(&self) {
        let each = self
            .stores
            .iter()
            .map(|keeper| async move { while let Ok(true) = keeper.write_some().await {} });
        let _ = timeout(LAST, join_all(each)).await;
    }
}

impl Keeper {
    async fn write(&self) {
        loop {
            self.waiting.filled().await;
            if let Err(error) = self.write_some().await {
                log::debug!("responses are not written: {error}");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    /// Writes a batch; `false`: there was none.
    async fn write_some(&self) -> Result<bool, NotKept> {
        let _turn = self.writing.lock().await;
        let batch = self.waiting.take_now(BATCH);
        if batch.is_empty() {
            return Ok(false);
        }
        let written = self.store.put(&batch).await;
        written.inspect_err(|_| self.waiting.put_back(batch))?;
        Ok(true)
    }
}

async fn tidy(store: &dyn Kept) {
    loop {
        if let Err(error) = store.tidy().await {
            log::debug!("old responses are not forgotten: {error}");
        }
        tokio::time::sleep(TIDY).await;
    }
}

impl Default for Made {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Made")
    }
}

/// Whether `id` has only characters that every store takes as they are.
fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_client_leaves_room_for_others_and_the_unknown_is_not_looked_for_at_once() {
        let made = Made::default();
        let mut looks = Vec::new();
        while let Some(look) = made.look("resp_x", Some(1)) {
            looks.push(look);
        }
        assert_eq!(looks.len(), OF_ONE);
        for client in 2.. {
            let Some(look) = made.look("resp_x", Some(client)) else {
                break;
            };
            looks.push(look);
        }
        assert_eq!(looks.len(), LOOKUPS);
        looks.clear();
        made.recall("resp_x", Some(1)).await;
        assert!(made.look("resp_x", Some(1)).is_none());
        assert!(made.look("resp_y", Some(1)).is_some());
        tokio::time::advance(UNKNOWN).await;
        assert!(made.look("resp_x", Some(1)).is_some());
        assert!(made.lookups.lock().running.is_empty());
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let made = Made::default();
        let maker = |n| Maker {
            account: AccountId(n),
            client: None,
        };
        for n in 0..3 * RESPONSES as u64 {
            made.remember(&format!("resp_{n}"), maker(n));
        }
        let last = 3 * RESPONSES as u64 - 1;
        assert_eq!(made.maker(&format!("resp_{last}")), Some(maker(last)));
        assert_eq!(made.maker("resp_0"), None);
        made.remember(&"x".repeat(ID + 1), maker(1));
        assert_eq!(made.maker(&"x".repeat(ID + 1)), None);
    }
}
