//! Takes records from the queue and writes them: into the database, or into the spool until the database
//! takes them.
//!
//! A database server gets each batch directly as long as it answers quickly. The first batch that it does not
//! take in time goes to the spool, and so does every following one until the spool is empty again: what has
//! ended is on a disk within `PACE` and `stores::QUICK`, however the server is. A SQLite
//! database has no spool; while it fails, its batch is tried again and the queue fills. Texts are counted
//! beside all that, because a long one takes long.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::counters::{Counters, by_minute};
use super::ledger::Queue;
use super::standing::Standing;
use super::stores::Stores;
use super::{Entry, Record};
use crate::state::sql::{Database, DatabaseUrl};

/// The shortest time between two batches, unless one is full.
const PACE: Duration = Duration::from_millis(50);
/// Most rows of a batch.
pub(super) const BATCH: usize = 1_000;
/// How often dropped records are mentioned in the log.
const MENTION: Duration = Duration::from_secs(10);
/// How long the last batches may take, texts that are counted included.
const LAST: Duration = Duration::from_secs(15);
/// And after that what could not be counted.
const UNCOUNTED: Duration = Duration::from_secs(5);
/// Most records that are counted before any of them is written.
const PIECE: usize = 16;

/// What becomes of a record before it is written.
pub type Finish = Box<dyn Fn(&mut Record) + Send + Sync>;

/// Writes records.
pub struct Writer {
    /// What to write.
    pub queue: Queue,
    /// Where to.
    pub database: Arc<Database>,
    /// Whether to look at the stores before there is a first record.
    pub eager: bool,
    /// Whether somebody asked for that database: a default one may be out of reach.
    pub given: bool,
    /// Where to as long as a database server is away.
    pub spool: DatabaseUrl,
    /// Completes each record, whose tokens are counted: its cost.
    pub finish: Finish,
    /// Counts at once.
    pub counters: Arc<dyn Counters>,
    /// Learns how it goes.
    pub standing: Standing,
}

impl Writer {
    /// Writes until `end`, and then what is left.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let stores = Stores::new(self.database, self.given, self.spool, self.standing);
        let mut desk = Desk {
            queue: self.queue,
            counting: Counting::default(),
            finish: self.finish,
            counters: self.counters,
        };
        if self.eager {
            stores.open().await;
        }
        tokio::pin!(end);
        let working = async {
            let entries = desk.write(&stores, &mut end).await;
            desk.finish(&stores, entries).await;
        };
        tokio::select! {
            () = working => {}
            () = stores.drain() => {}
        }
        stores.close().await;
    }
}

/// What is written from.
struct Desk {
    queue: Queue,
    counting: Counting,
    finish: Finish,
    counters: Arc<dyn Counters>,
}

impl Desk {
    /// Writes until `end`; what was taken and is not written.
    async fn write(
        &mut self,
        stores: &Stores,
        mut end: impl Future<Output = ()> + Unpin,
    ) -> Vec<Entry> {
        let mut mentioned = Mentioned::default();
        loop {
            let began = Instant::now();
            let mut records = Vec::new();
            tokio::select! {
                count = self.queue.0.recv_many(&mut records, BATCH) => if count == 0 {
                    return Vec::new();
                },
                counted = self.counting.done() => records = counted,
                () = &mut end => return Vec::new(),
            }
            let entries = self.take(records).await;
            // Until it is somewhere; the queue holds what comes meanwhile.
            tokio::select! {
                () = stores.keep(&entries) => {}
                () = &mut end => return entries,
            }
            mentioned.look(self.queue.dropped());
            if self.queue.0.len() < BATCH {
                let rest = PACE.saturating_sub(began.elapsed());
                tokio::select! {
                    () = sleep(rest) => {}
                    () = &mut end => return Vec::new(),
                }
            }
        }
    }

    /// Writes `entries` and all that waits, for as long as that may take.
    async fn finish(&mut self, stores: &Stores, mut entries: Vec<Entry>) {
        let mut deadline = Instant::now() + LAST;
        self.queue.0.close();
        loop {
            let kept = timeout_at(deadline, stores.keep(&entries));
            if kept.await.is_err() {
                break;
            }
            let mut records = Vec::new();
            if self.queue.0.recv_many(&mut records, BATCH).await == 0 {
                if self.counting.is_over() {
                    return;
                }
                match timeout_at(deadline, self.counting.done()).await {
                    Ok(counted) => records = counted,
                    Err(_) => {
                        records = self.counting.give_up();
                        deadline += UNCOUNTED;
                    }
                }
            }
            entries = self.take(records).await;
        }
        let lost = entries.len() + self.queue.0.len() + self.counting.len();
        self.queue.lose(lost);
        log::error!("usage: {lost} records could not be written and are lost");
    }

    /// The entries of `records`, but for those that are to be counted first.
    async fn take(&mut self, records: Vec<Record>) -> Vec<Entry> {
        let now = SystemTime::now();
        let mut entries = Vec::with_capacity(records.len());
        for mut record in self.counting.sort_out(records) {
            (self.finish)(&mut record);
            entries.push(Entry::new(record, now));
        }
        for (minute, used) in by_minute(&entries) {
            self.counters.add(minute, &used).await;
        }
        entries
    }
}

/// Records whose tokens are counted on a thread where nobody waits.
#[derive(Default)]
struct Counting {
    waiting: VecDeque<Record>,
    /// And what it has, with guesses for numbers.
    running: Option<(JoinHandle<Vec<Record>>, Vec<Record>)>,
}

impl Counting {
    /// Takes out of `records` what is to be counted.
    fn sort_out(&mut self, records: Vec<Record>) -> Vec<Record> {
        let is_ready = |record: &Record| record.uncounted.is_none();
        let (ready, waiting): (Vec<_>, Vec<_>) = records.into_iter().partition(is_ready);
        self.waiting.extend(waiting);
        self.start();
        ready
    }

    fn start(&mut self) {
        if self.running.is_none() && !self.waiting.is_empty() {
            let count = self.waiting.len().min(PIECE);
            let mut records: Vec<_> = self.waiting.drain(..count).collect();
            let plain = guessed(records.clone());
            let counting = tokio::task::spawn_blocking(move || {
                records.iter_mut().for_each(count_or_guess);
                records
            });
            self.running = Some((counting, plain));
        }
    }

    /// The next that are counted. Never, when there are none.
    async fn done(&mut self) -> Vec<Record> {
        let Some((counting, plain)) = &mut self.running else {
            return std::future::pending().await;
        };
        let counted = counting.await.unwrap_or_else(|_| {
            log::error!(
                "usage: the tokens of {} records could not be counted and are guessed",
                plain.len()
            );
            std::mem::take(plain)
        });
        self.running = None;
        self.start();
        counted
    }

    /// All that are not counted, with guesses for numbers.
    fn give_up(&mut self) -> Vec<Record> {
        let running = self.running.take();
        let mut plain = running.map_or_else(Vec::new, |(_, plain)| plain);
        plain.extend(guessed(std::mem::take(&mut self.waiting).into()));
        let count = plain.len();
        log::error!("usage: there was no time to count the tokens of {count} records");
        plain
    }

    fn is_over(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }

    fn len(&self) -> usize {
        self.waiting.len() + self.running.as_ref().map_or(0, |(_, plain)| plain.len())
    }
}

/// `records`, whose texts are guessed by their lengths.
fn guessed(mut records: Vec<Record>) -> Vec<Record> {
    records.iter_mut().for_each(Record::guess);
    records
}

/// Counts the texts of `record`; those that cannot be counted are guessed by their lengths.
fn count_or_guess(record: &mut Record) {
    let uncounted = record.uncounted.clone();
    if catch_unwind(AssertUnwindSafe(|| record.count())).is_err() {
        log::error!("usage: the tokens of a record could not be counted and are guessed");
        record.uncounted = uncounted;
        record.guess();
    }
}

/// The dropped records that the log knows of.
#[derive(Default)]
struct Mentioned {
    dropped: u64,
    at: Option<Instant>,
}

impl Mentioned {
    fn look(&mut self, dropped: u64) {
        let now = Instant::now();
        let soon = self.at.is_some_and(|at| now.duration_since(at) < MENTION);
        if dropped > self.dropped && !soon {
            log::error!(
                "usage: {} records were dropped, because they came faster than they could be written",
                dropped - self.dropped
            );
            self.dropped = dropped;
            self.at = Some(now);
        }
    }
}
