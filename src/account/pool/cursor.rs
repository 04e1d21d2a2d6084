//! Whose turn it is, in one process or in several.
//!
//! Alone, an instance counts its own turns. Several take turns of one count that they share: each holds
//! ranges of it that were handed to it ahead of need ([`Cursor::grant`]), and counts its own turns
//! whenever it holds none. Whatever was handed out and not used, and whatever was counted alone, are
//! ranges without holes, and a range gives each of N equal accounts the same, but for one turn. So the
//! requests of two accounts differ by at most one for each range: up to three for each instance (the rest
//! of the range in use, the one in store, and its own count), whatever the number of requests and however
//! they fall on instances.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::state::Outbox;

/// Cells of a cursor.
pub const CELLS: usize = 16;
/// Most turns that are handed out at once.
const MOST: u32 = 4_096;
/// A range should last so long.
const LAST: Duration = Duration::from_millis(50);
/// How many bits of a range are its first turn; the others are its length.
const FIRST: u32 = 48;

/// Whose turn it is. Several cells, picked by the model's name, so that two models used in
/// alternation do not always meet the same account.
#[derive(Debug, Default)]
pub struct Cursor {
    cells: [Cell; CELLS],
    /// Where it asks for turns that several instances share; `None`: it counts its own.
    shared: Option<(u64, Arc<Outbox<Wish>>)>,
}

/// A cell that has no range in store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// The cursor's key.
    pub cursor: u64,
    /// The cell.
    pub cell: u8,
}

#[derive(Debug, Default)]
struct Cell {
    /// Turns of this instance's own count.
    own: AtomicU64,
    /// The range in use.
    now: Range,
    /// The range in store.
    next: Range,
    /// Turns since the last range came.
    taken: AtomicU32,
    /// It has asked for a range that did not come yet.
    asked: AtomicBool,
    /// When the last range came, in milliseconds since some moment; 0: never.
    granted: AtomicU64,
}

/// Turns one after the other: the first, and how many.
#[derive(Debug, Default)]
struct Range(AtomicU64);

impl Range {
    fn packed(first: u64, length: u32) -> u64 {
        (u64::from(length) << FIRST) | (first & ((1 << FIRST) - 1))
    }

    /// Takes its first turn.
    fn take(&self) -> Option<u64> {
        let shorter = |range: u64| {
            let length = u32::try_from(range >> FIRST).unwrap_or(0);
            Some(Self::packed(range + 1, length.checked_sub(1)?))
        };
        let old = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, shorter);
        old.ok().map(|range| range & ((1 << FIRST) - 1))
    }

    fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire) >> FIRST == 0
    }

    /// Takes what `other` has. Somebody else may have done so meanwhile: that is fine too.
    fn refill(&self, other: &Self) {
        let old = self.0.load(Ordering::Acquire);
        if old >> FIRST != 0 || other.is_empty() {
            return;
        }
        let range = other.0.swap(0, Ordering::AcqRel);
        let set = |to: &Self, old| {
            to.0.compare_exchange(old, range, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        if !set(self, old) {
            set(other, 0);
        }
    }
}

impl Cursor {
    /// One that takes turns of the count that `key` names, and asks for them in `wishes`. Until they come,
    /// it counts its own, from `from`.
    pub fn shared(key: u64, wishes: Arc<Outbox<Wish>>, from: u64) -> Self {
        let cursor = Self {
            shared: Some((key, wishes)),
            ..Self::default()
        };
        for cell in &cursor.cells {
            cell.own.store(from, Ordering::Relaxed);
        }
        cursor
    }

    pub(super) fn next(&self, model: u64) -> usize {
        let n = (model % CELLS as u64) as usize;
        let cell = &self.cells[n];
        let turn = match &self.shared {
            None => cell.own.fetch_add(1, Ordering::Relaxed),
            Some((key, wishes)) => cell.take(|| {
                wishes.put(Wish {
                    cursor: *key,
                    cell: n as u8,
                })
            }),
        };
        turn as usize
    }

    /// The turn that [`next`](Self::next) would take.
    pub(super) fn peek(&self, model: u64) -> usize {
        let cell = &self.cells[(model % CELLS as u64) as usize];
        let ranges = [&cell.now, &cell.next];
        let shared = ranges.into_iter().find(|range| !range.is_empty());
        let turn = match shared {
            Some(range) => range.0.load(Ordering::Relaxed) & ((1 << FIRST) - 1),
            None => cell.own.load(Ordering::Relaxed),
        };
        turn as usize
    }

    /// How many turns `cell` should be handed at `now` milliseconds: as many as it uses in a moment.
    pub fn wanted(&self, cell: u8, now: u64) -> u32 {
        let Some(cell) = self.cells.get(usize::from(cell)) else {
            return 0;
        };
        let granted = cell.granted.load(Ordering::Relaxed);
        let taken = u64::from(cell.taken.swap(0, Ordering::Relaxed));
        let since = match granted {
            0 => LAST.as_millis() as u64,
            granted => now.saturating_sub(granted).max(1),
        };
        let turns = taken.saturating_mul(LAST.as_millis() as u64) / since;
        u32::try_from(turns).unwrap_or(MOST).clamp(1, MOST)
    }

    /// Hands `cell` so many turns from `first` on, at `now` milliseconds.
    pub fn grant(&self, cell: u8, first: u64, turns: u32, now: u64) {
        if let Some(cell) = self.cells.get(usize::from(cell)) {
            cell.granted.store(now.max(1), Ordering::Relaxed);
            cell.next
                .0
                .store(Range::packed(first, turns.min(MOST)), Ordering::Release);
            cell.asked.store(false, Ordering::Release);
        }
    }

    /// No turns came: `cell` asks again with its next turn.
    pub fn refuse(&self, cell: u8) {
        if let Some(cell) = self.cells.get(usize::from(cell)) {
            cell.asked.store(false, Ordering::Release);
        }
    }

    /// The cells that have counted turns of their own, and how many.
    pub fn own(&self) -> impl Iterator<Item = (u8, u64)> + '_ {
        let cells = (0_u8..).zip(&self.cells);
        cells
            .map(|(n, cell)| (n, cell.own.load(Ordering::Relaxed)))
            .filter(|(_, turns)| *turns > 0)
    }

    /// `turns` were counted before those that `cell` has counted.
    pub fn restore(&self, cell: u8, turns: u64) {
        if let Some(cell) = self.cells.get(usize::from(cell)) {
            cell.own.fetch_add(turns, Ordering::Relaxed);
        }
    }
}

impl Cell {
    fn take(&self, ask: impl FnOnce() -> bool) -> u64 {
        let turn = self.now.take().or_else(|| {
            self.now.refill(&self.next);
            self.now.take()
        });
        let turn = turn.unwrap_or_else(|| self.own.fetch_add(1, Ordering::Relaxed));
        self.taken.fetch_add(1, Ordering::Relaxed);
        let wants = self.next.is_empty() && !self.asked.swap(true, Ordering::AcqRel);
        if wants && !ask() {
            self.asked.store(false, Ordering::Release);
        }
        turn
    }
}

/// Milliseconds for [`Cursor::wanted`] and [`Cursor::grant`].
pub fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The count that all share, and instances that use it.
    struct Fleet {
        count: u64,
        instances: Vec<(Cursor, Arc<Outbox<Wish>>)>,
        now: u64,
    }

    impl Fleet {
        fn new(instances: u64) -> Self {
            let instance = |n| {
                let wishes = Arc::new(Outbox::new(100));
                (Cursor::shared(7, Arc::clone(&wishes), n * 3), wishes)
            };
            Self {
                count: 0,
                instances: (0..instances).map(instance).collect(),
                now: 1,
            }
        }

        fn grant(&mut self) {
            for (cursor, wishes) in &self.instances {
                for wish in wishes.take_now(100) {
                    assert_eq!(wish.cursor, 7);
                    let turns = cursor.wanted(wish.cell, self.now);
                    cursor.grant(wish.cell, self.count, turns, self.now);
                    self.count += u64::from(turns);
                }
            }
        }
    }

    #[test]
    fn alone_turns_are_counted_from_where_they_were() {
        let cursor = Cursor::default();
        assert_eq!([cursor.next(0), cursor.next(16), cursor.next(1)], [0, 1, 0]);
        assert_eq!(cursor.own().collect::<Vec<_>>(), [(0, 2), (1, 1)]);
        let next = Cursor::default();
        next.next(0);
        next.restore(0, 2);
        assert_eq!(next.next(0), 3);
        next.restore(200, 1);
    }

    #[test]
    fn few_requests_of_many_instances_are_spread_as_those_of_one() {
        let mut fleet = Fleet::new(50);
        // The first turn of each is its own, because nothing was handed out yet.
        for (cursor, _) in &fleet.instances {
            cursor.next(0);
        }
        fleet.grant();
        let mut counts = [0; 10];
        for _ in 0..2 {
            for n in 0..50 {
                counts[fleet.instances[n].0.next(0) % 10] += 1;
                fleet.now += 1_000;
                fleet.grant();
            }
        }
        assert_eq!(counts, [10; 10]);
    }

    #[test]
    fn however_requests_fall_on_instances_accounts_get_the_same_but_for_three_for_each() {
        let mut random = 1_u64;
        for instances in [1, 2, 3, 7] {
            let mut fleet = Fleet::new(instances);
            let mut counts = [0_i64; 10];
            for request in 0..30_000_u64 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // The first gets most.
                let n = ((random >> 33) % (instances * instances)) % instances;
                let n = if (random >> 20).is_multiple_of(3) {
                    0
                } else {
                    n
                };
                counts[fleet.instances[n as usize].0.next(5) % 10] += 1;
                if request % 3 == 0 {
                    fleet.now += 1;
                }
                if (random >> 40).is_multiple_of(5) {
                    fleet.grant();
                }
            }
            let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
            assert!(
                spread <= 3 * instances as i64 + 1,
                "{instances}: {counts:?}"
            );
        }
    }

    #[test]
    fn a_busy_cell_is_handed_more_and_an_idle_one_less() {
        let wishes = Arc::new(Outbox::new(100));
        let cursor = Cursor::shared(1, Arc::clone(&wishes), 0);
        cursor.next(0);
        assert_eq!(cursor.wanted(0, 1_000), 1);
        cursor.grant(0, 0, 1, 1_000);
        for _ in 0..200 {
            cursor.next(0);
        }
        assert_eq!(cursor.wanted(0, 1_010), 1_000);
        cursor.grant(0, 1, 1_000, 1_010);
        for _ in 0..1_000_000 {
            cursor.next(0);
        }
        assert_eq!(cursor.wanted(0, 1_011), MOST);
        cursor.grant(0, 1_001, MOST, 1_011);
        cursor.next(0);
        assert_eq!(cursor.wanted(0, 9_000_000), 1);
        assert_eq!(cursor.wanted(99, 1), 0);
    }

    #[test]
    fn without_an_answer_a_cell_asks_once_and_again_when_refused() {
        let wishes = Arc::new(Outbox::new(100));
        let cursor = Cursor::shared(1, Arc::clone(&wishes), 0);
        for _ in 0..10 {
            cursor.next(0);
        }
        assert_eq!(wishes.take_now(100).len(), 1);
        cursor.refuse(0);
        cursor.next(0);
        assert_eq!(wishes.take_now(100).len(), 1);
    }
}
