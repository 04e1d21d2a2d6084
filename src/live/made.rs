//! Which account made which stored response: only that account can go on from it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::account::AccountId;

/// How many responses are remembered at least; at most it is twice as many.
const RESPONSES: usize = 50_000;
/// Longest id that is remembered.
const ID: usize = 128;

/// Who made a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The account.
    pub account: AccountId,
    /// The client it was made for; `None`: one without a key.
    pub client: Option<Arc<str>>,
}

/// The responses that this process has seen being made. The oldest are forgotten first.
#[derive(Debug, Default)]
pub struct Made {
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Box<str>, Maker>,
    old: HashMap<Box<str>, Maker>,
}

impl Made {
    /// Remembers who made the response `id`.
    pub fn remember(&self, id: &str, maker: Maker) {
        if id.len() > ID {
            return;
        }
        let mut generations = self.generations.lock();
        if generations.young.len() >= RESPONSES {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(id.into(), maker);
    }

    /// Who made the response `id`.
    pub fn maker(&self, id: &str) -> Option<Maker> {
        let generations = self.generations.lock();
        let Generations { young, old } = &*generations;
        young.get(id).or_else(|| old.get(id)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
