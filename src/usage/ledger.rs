//! Where records wait to be written, off the path of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::Record;

/// Takes records. A clone is a handle to the same.
#[derive(Debug, Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Record>,
    dropped: Arc<AtomicU64>,
    /// Bytes of texts that wait to be counted.
    texts: Arc<AtomicUsize>,
}

/// Most bytes of texts that wait to be counted.
const TEXTS: usize = 32 << 20;

/// What waits to be written, and how many found no room.
#[derive(Debug)]
pub struct Queue(pub mpsc::Receiver<Record>, Arc<AtomicU64>);

impl Ledger {
    /// One in which at most `room` records wait.
    pub fn new(room: usize) -> (Self, Queue) {
        let (queue, waiting) = mpsc::channel(room);
        let ledger = Self {
            queue,
            dropped: Arc::default(),
            texts: Arc::default(),
        };
        let dropped = Arc::clone(&ledger.dropped);
        (ledger, Queue(waiting, dropped))
    }

    /// Takes a record. Never waits: without room it is dropped and counted.
    ///
    /// Where more texts wait to be counted than there is room for, those of this one are guessed by
    /// their length.
    pub fn record(&self, mut record: Record) {
        if let Some(uncounted) = record.uncounted.take() {
            record.uncounted = Some(Arc::new(uncounted.wait_in(&self.texts, TEXTS)));
        }
        if self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Records that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

impl Queue {
    /// Records for which there was no room, and those that [`lose`](Self::lose) has counted.
    pub(super) fn dropped(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    /// Counts records that were taken and could not be written anywhere.
    pub(super) fn lose(&self, count: usize) {
        self.1.fetch_add(count as u64, Ordering::Relaxed);
    }
}
