//! Where records wait to be written, off the path of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::Record;

/// Takes records. A clone is a handle to the same.
#[derive(Debug, Clone)]
pub struct Ledger {
    queue: mpsc::Sender<Record>,
    dropped: Arc<AtomicU64>,
}

/// What waits to be written.
#[derive(Debug)]
pub struct Queue(pub mpsc::Receiver<Record>);

impl Ledger {
    /// One in which at most `room` records wait.
    pub fn new(room: usize) -> (Self, Queue) {
        let (queue, waiting) = mpsc::channel(room);
        let ledger = Self {
            queue,
            dropped: Arc::default(),
        };
        (ledger, Queue(waiting))
    }

    /// Takes a record. Never waits: without room it is dropped and counted.
    pub fn record(&self, record: Record) {
        if self.queue.try_send(record).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records for which there was no room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
