//! What outlives a config: the health of accounts, their tokens, and whose turn it is.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::AccountId;
use super::health::Health;
use super::oauth::{Cell, TokenId};
use super::pool::Cursor;

/// Healths and turns by what stays the same: an account or a tier that a new config still has finds its
/// own again.
#[derive(Debug, Default)]
pub struct Book {
    healths: Mutex<HashMap<AccountId, Arc<Health>>>,
    cursors: Mutex<HashMap<u64, Arc<Cursor>>>,
    tokens: Mutex<HashMap<TokenId, Arc<Cell>>>,
}

impl Book {
    /// The health of an account.
    pub fn health(&self, id: AccountId) -> Arc<Health> {
        Arc::clone(self.healths.lock().entry(id).or_default())
    }

    /// The cursor of the tier that `key` identifies.
    pub fn cursor(&self, key: u64) -> Arc<Cursor> {
        Arc::clone(self.cursors.lock().entry(key).or_default())
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
    fn a_swept_book_keeps_what_is_in_use() {
        let book = Book::default();
        let used = book.health(AccountId(1));
        book.health(AccountId(2));
        book.sweep();
        assert_eq!(book.healths.lock().len(), 1);
        assert!(Arc::ptr_eq(&used, &book.health(AccountId(1))));
    }
}
