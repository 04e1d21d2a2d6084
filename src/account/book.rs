//! What outlives a config: the health of accounts, their tokens, and whose turn it is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::AccountId;
use super::health::{Health, Tiding};
use super::oauth::{Cell, TokenId};
use super::pool::{Cursor, Wish};
use crate::state::Outbox;

/// News that wait to be told, and cells that wait for turns.
const ROOM: usize = 16_384;

/// Healths and turns by what stays the same: an account or a tier that a new config still has finds its
/// own again.
#[derive(Debug, Default)]
pub struct Book {
    healths: Mutex<HashMap<AccountId, Arc<Health>>>,
    cursors: Mutex<HashMap<u64, Arc<Cursor>>>,
    tokens: Mutex<HashMap<TokenId, Arc<Cell>>>,
    /// Turns of an earlier process, for cursors that no config has had yet: cell, turns.
    earlier: Mutex<HashMap<u64, Vec<(u8, u64)>>>,
    others: Option<Others>,
}

/// What several instances share.
#[derive(Debug)]
pub struct Others {
    /// What they are to be told.
    pub news: Arc<Outbox<Tiding>>,
    /// The cells that wait for turns of the count that all share.
    pub wishes: Arc<Outbox<Wish>>,
    /// Where this instance begins when it has to count turns alone: not where all others do.
    begin: u64,
}

impl Book {
    /// One that is shared with other instances.
    pub fn shared() -> Self {
        Self {
            others: Some(Others {
                news: Arc::new(Outbox::new(ROOM)),
                wishes: Arc::new(Outbox::new(ROOM)),
                begin: u64::from(rand::random::<u16>()),
            }),
            ..Self::default()
        }
    }

    /// What is shared with other instances; `None`: there are none.
    pub fn others(&self) -> Option<&Others> {
        self.others.as_ref()
    }

    /// The health of an account.
    pub fn health(&self, id: AccountId) -> Arc<Health> {
        let mut healths = self.healths.lock();
        let health = healths.entry(id).or_insert_with(|| match &self.others {
            Some(others) => Arc::new(Health::telling(id, Arc::clone(&others.news))),
            None => Arc::default(),
        });
        Arc::clone(health)
    }

    /// The health of an account that some config has.
    pub fn known(&self, id: AccountId) -> Option<Arc<Health>> {
        self.healths.lock().get(&id).cloned()
    }

    /// The rests of all accounts that are not over.
    pub fn standing(&self, now: Instant) -> Vec<Tiding> {
        let healths = self.healths.lock();
        let standing = healths
            .iter()
            .flat_map(|(id, health)| health.standing(*id, now));
        standing.collect()
    }

    /// The cursor of the tier that `key` identifies.
    pub fn cursor(&self, key: u64) -> Arc<Cursor> {
        let mut cursors = self.cursors.lock();
        let cursor = cursors.entry(key).or_insert_with(|| match &self.others {
            Some(others) => {
                let wishes = Arc::clone(&others.wishes);
                Arc::new(Cursor::shared(key, wishes, others.begin))
            }
            None => {
                let cursor = Cursor::default();
                for (cell, turns) in self.earlier.lock().remove(&key).unwrap_or_default() {
                    cursor.restore(cell, turns);
                }
                Arc::new(cursor)
            }
        });
        Arc::clone(cursor)
    }

    /// An earlier process has counted `turns`: cursor, cell, turns.
    pub fn restore(&self, turns: Vec<(u64, u8, u64)>) {
        for (key, cell, turns) in turns {
            match self.known_cursor(key) {
                Some(cursor) => cursor.restore(cell, turns),
                None => {
                    let mut earlier = self.earlier.lock();
                    if earlier.len() < ROOM {
                        earlier.entry(key).or_default().push((cell, turns));
                    }
                }
            }
        }
    }

    /// The cursor of a tier that some config has.
    pub fn known_cursor(&self, key: u64) -> Option<Arc<Cursor>> {
        self.cursors.lock().get(&key).cloned()
    }

    /// The turns that this instance has counted itself: cursor, cell, turns.
    pub fn turns(&self) -> Vec<(u64, u8, u64)> {
        let cursors = self.cursors.lock();
        let cells = cursors
            .iter()
            .flat_map(|(key, cursor)| cursor.own().map(|(cell, turns)| (*key, cell, turns)));
        cells.collect()
    }

    /// The token that is kept under `id`.
    pub fn token(&self, id: TokenId) -> Arc<Cell> {
        Arc::clone(self.tokens.lock().entry(id).or_default())
    }

    /// Forgets what no live config uses. Call it after the old config is gone.
    pub fn sweep(&self) {
        self.healths
            .lock()
            .retain(|_, health| Arc::strong_count(health) > 1);
        self.tokens
            .lock()
            .retain(|_, cell| Arc::strong_count(cell) > 1);
        self.cursors
            .lock()
            .retain(|_, cursor| Arc::strong_count(cursor) > 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_of_an_earlier_process_are_those_of_tiers_that_come_later_too() {
        let book = Book::default();
        book.cursor(1);
        book.restore(vec![(1, 0, 5), (2, 3, 7)]);
        assert_eq!(book.turns(), [(1, 0, 5)]);
        book.cursor(2);
        let mut turns = book.turns();
        turns.sort_unstable();
        assert_eq!(turns, [(1, 0, 5), (2, 3, 7)]);
    }

    #[test]
    fn a_swept_book_keeps_what_is_in_use() {
        let book = Book::default();
        let used = book.health(AccountId(1));
        book.health(AccountId(2));
        book.sweep();
        assert_eq!(book.healths.lock().len(), 1);
        assert!(Arc::ptr_eq(&used, &book.health(AccountId(1))));
        assert!(book.known(AccountId(2)).is_none());
    }
}
