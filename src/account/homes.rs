//! Which account a conversation is with.
//!
//! A provider's prompt cache belongs to a key: a conversation stays where it was, also after a failure has
//! moved it, and whatever accounts come and go. What is new has no home and takes its turn like a request
//! without a conversation, so that the shares of accounts stay what they should be.

use std::collections::HashMap;
use std::sync::OnceLock;

use parking_lot::Mutex;

use super::AccountId;

/// Conversations that are remembered at least; at most it is twice as many. The least recent go first. An
/// entry takes up to 40 bytes: 5 MB in all, when there are so many.
const CONVERSATIONS: usize = 65_536;
/// Requests seldom meet at one lock.
const SHARDS: usize = 16;

/// Where conversations live. A conversation is a hash of what identifies it and its client.
#[derive(Default)]
pub struct Homes {
    shards: [Mutex<Generations>; SHARDS],
    mirror: OnceLock<Box<dyn Mirror>>,
}

/// Told of every conversation that has moved, for whoever shares it with others. Must not wait.
pub trait Mirror: Send + Sync {
    /// It is with `account` from now on; `before`: it was with another one, as far as was known here.
    fn moved(&self, conversation: u64, account: AccountId, before: bool);
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, AccountId>,
    old: HashMap<u64, AccountId>,
}

impl Homes {
    /// The account that `conversation` is with, if it is remembered.
    pub fn of(&self, conversation: u64) -> Option<AccountId> {
        let mut shard = self.shard(conversation).lock();
        if let Some(account) = shard.young.get(&conversation) {
            return Some(*account);
        }
        let account = shard.old.remove(&conversation)?;
        shard.put(conversation, account);
        Some(account)
    }

    /// `conversation` goes to `account` now.
    pub fn settle(&self, conversation: u64, account: AccountId) {
        let known = self.shard(conversation).lock().put(conversation, account);
        if let Some(mirror) = self.mirror.get() {
            let before = known.is_some_and(|known| known != account);
            mirror.moved(conversation, account, before);
        }
    }

    /// Another instance says that `conversation` has moved. One that is not known here is asked for when it
    /// comes.
    pub fn follow(&self, conversation: u64, account: AccountId) {
        let mut shard = self.shard(conversation).lock();
        if shard.young.contains_key(&conversation) || shard.old.contains_key(&conversation) {
            shard.put(conversation, account);
        }
    }

    /// Another instance says where `conversation` is.
    pub fn learn(&self, conversation: u64, account: AccountId) {
        self.shard(conversation).lock().put(conversation, account);
    }

    /// Tells `mirror` from now on. Only the first one is ever told.
    pub fn mirror_to(&self, mirror: Box<dyn Mirror>) {
        let _ = self.mirror.set(mirror);
    }

    fn shard(&self, conversation: u64) -> &Mutex<Generations> {
        &self.shards[(conversation >> 32) as usize % SHARDS]
    }
}

impl Generations {
    /// Where it was.
    fn put(&mut self, conversation: u64, account: AccountId) -> Option<AccountId> {
        if self.young.len() >= CONVERSATIONS / SHARDS {
            self.old = std::mem::take(&mut self.young);
        }
        let old = self.old.remove(&conversation);
        self.young.insert(conversation, account).or(old)
    }
}

impl std::fmt::Debug for Homes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Homes")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// Spread over the shards as hashes are.
    fn conversation(n: u64) -> u64 {
        n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn the_last_home_counts() {
        let homes = Homes::default();
        assert_eq!(homes.of(1), None);
        homes.settle(1, AccountId(7));
        homes.settle(1, AccountId(8));
        assert_eq!(homes.of(1), Some(AccountId(8)));
    }

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let homes = Homes::default();
        homes.settle(conversation(0), AccountId(1));
        for n in 1..10 * CONVERSATIONS as u64 {
            homes.settle(conversation(n), AccountId(2));
            if n % 1_000 == 0 {
                assert_eq!(homes.of(conversation(0)), Some(AccountId(1)), "{n}");
            }
        }
        let kept: usize = homes
            .shards
            .iter()
            .map(|shard| shard.lock())
            .map(|shard| shard.young.len() + shard.old.len())
            .sum();
        assert!(kept <= 2 * CONVERSATIONS, "{kept}");
        assert_eq!(homes.of(conversation(1)), None);
    }

    #[test]
    fn a_mirror_hears_of_moves_and_not_of_what_it_has_said() {
        struct Heard(Arc<Mutex<Vec<(u64, AccountId, bool)>>>);
        impl Mirror for Heard {
            fn moved(&self, conversation: u64, account: AccountId, before: bool) {
                self.0.lock().push((conversation, account, before));
            }
        }
        let heard = Arc::default();
        let homes = Homes::default();
        homes.mirror_to(Box::new(Heard(Arc::clone(&heard))));
        homes.settle(1, AccountId(2));
        homes.learn(3, AccountId(4));
        homes.settle(1, AccountId(2));
        homes.settle(3, AccountId(5));
        homes.follow(3, AccountId(6));
        homes.follow(7, AccountId(6));
        let told = [(1, 2, false), (1, 2, false), (3, 5, true)];
        let told =
            told.map(|(conversation, account, before)| (conversation, AccountId(account), before));
        assert_eq!(*heard.lock(), told);
        assert_eq!((homes.of(3), homes.of(7)), (Some(AccountId(6)), None));
    }
}
