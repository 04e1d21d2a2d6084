//! Writes down what was used, until the last request has ended.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::housekeeping::Housekeeping;
use crate::config::Config;
use crate::live::Current;
use crate::usage::{Finish, Queue, Record, Writer};

/// How long the last records may take, spool and all.
const LAST: Duration = Duration::from_secs(25);

/// The writer of records, and how it is told to end.
pub(super) struct Usage {
    writer: Mutex<Option<Writer>>,
    ending: Notify,
    ended: Notify,
}

impl Usage {
    /// One that writes what is in `queue` into the database of `current`.
    pub(super) fn new(queue: Queue, config: &Config, current: &Arc<Current>) -> Self {
        let writer = Writer {
            queue,
            database: Arc::clone(current.database()),
            eager: config.usage.enabled,
            given: config.stores.given,
            spool: config.stores.spool.clone(),
            finish: finish(Arc::clone(current)),
            counters: Arc::clone(current.counters()),
            standing: current.standing().clone(),
        };
        Self {
            writer: Mutex::new(Some(writer)),
            ending: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// Writes what is left. No request may run any more.
    pub(super) async fn end(&self) {
        self.ending.notify_one();
        if tokio::time::timeout(LAST, self.ended.notified())
            .await
            .is_err()
        {
            log::error!("usage: the last records could not be written in time");
        }
    }
}

/// Completes a record before it is written: it costs what the prices say that are in force by then.
fn finish(current: Arc<Current>) -> Finish {
    Box::new(move |record: &mut Record| record.cost = current.load().prices.cost(record))
}

impl Housekeeping {
    pub(super) async fn write_usage(&self) {
        let writer = self.usage.writer.lock().take();
        if let Some(writer) = writer {
            writer.run(self.usage.ending.notified()).await;
        }
        self.usage.ended.notify_one();
    }
}
