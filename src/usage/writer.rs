//! Takes records from the queue and writes them: into the database, or into the spool until the database
//! takes them.
//!
//! A database server gets each batch directly as long as it answers quickly. The first batch that it does not
//! take in time goes to the spool, and so does every following one until the spool is empty again: what has
//! ended is on a disk within [`PACE`] and [`QUICK`], however the server is. A SQLite database has no spool;
//! while it fails, its batch is tried again and the queue fills.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, timeout};

use super::counters::{Counters, by_minute};
use super::ledger::Queue;
use super::spool::Spool;
use super::standing::{Standing, Watch};
use super::{Entry, Record, store};
use crate::state::sql::{Database, DatabaseUrl, Dialect, SqlError};

/// The shortest time between two batches, unless one is full.
const PACE: Duration = Duration::from_millis(50);
/// Most rows of a batch.
const BATCH: usize = 1_000;
/// How long a database server may take before a batch goes to the spool.
const QUICK: Duration = Duration::from_millis(50);
/// How long it may take for a batch out of the spool.
const PATIENT: Duration = Duration::from_secs(30);
/// Pauses between tries while a store is away.
const RETRY: Duration = Duration::from_secs(1);
/// How often dropped records are mentioned in the log.
const MENTION: Duration = Duration::from_secs(10);
/// How long the last batches may take.
const LAST: Duration = Duration::from_secs(5);

/// What becomes of a record before it is written.
pub type Finish = Box<dyn Fn(&mut Record) + Send + Sync>;

/// Writes records.
pub struct Writer {
    /// What to write.
    pub queue: Queue,
    /// Where to.
    pub database: Arc<Database>,
    /// Whether somebody asked for that database: a default one may be out of reach.
    pub given: bool,
    /// Where to as long as a database server is away.
    pub spool: DatabaseUrl,
    /// Completes each record: its cost.
    pub finish: Finish,
    /// Counts at once.
    pub counters: Arc<dyn Counters>,
    /// Learns how it goes.
    pub standing: Standing,
}

impl Writer {
    /// Writes until `end`, and then what is left.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let Self {
            mut queue,
            database,
            given,
            spool,
            finish,
            counters,
            standing,
        } = self;
        let stores = Stores::new(database, given, spool, standing);
        stores.open().await;
        let taking = async {
            tokio::pin!(end);
            let mut mentioned = Mentioned::default();
            loop {
                let began = Instant::now();
                let mut records = Vec::new();
                tokio::select! {
                    biased;
                    count = queue.0.recv_many(&mut records, BATCH) => if count == 0 { break },
                    () = &mut end => break,
                }
                let entries = entries(records, &finish);
                count(&*counters, &entries).await;
                // Until it is somewhere; the queue holds what comes meanwhile.
                tokio::select! {
                    () = stores.keep(&entries) => {}
                    () = &mut end => {
                        finish_writing(&stores, &mut queue, entries, &finish, &*counters).await;
                        return;
                    }
                }
                mentioned.look(queue.dropped());
                if queue.0.len() < BATCH {
                    let rest = PACE.saturating_sub(began.elapsed());
                    tokio::select! { () = sleep(rest) => {}, () = &mut end => break }
                }
            }
            finish_writing(&stores, &mut queue, Vec::new(), &finish, &*counters).await;
        };
        tokio::select! {
            () = taking => {}
            () = stores.drain() => {}
        }
        // What is written is safe; this only tidies up.
        let _ = timeout(RETRY, stores.close()).await;
    }
}

/// Writes `entries` and all that waits, for as long as that may take.
async fn finish_writing(
    stores: &Stores,
    queue: &mut Queue,
    mut entries: Vec<Entry>,
    finish: &Finish,
    counters: &dyn Counters,
) {
    let deadline = Instant::now() + LAST;
    queue.0.close();
    loop {
        if !entries.is_empty() {
            let kept = tokio::time::timeout_at(deadline, stores.keep(&entries));
            if kept.await.is_err() {
                break;
            }
        }
        let mut records = Vec::new();
        if queue.0.recv_many(&mut records, BATCH).await == 0 {
            return;
        }
        entries = self::entries(records, finish);
        count(counters, &entries).await;
    }
    let lost = entries.len() + queue.0.len();
    queue.lose(lost);
    log::error!("usage: {lost} records could not be written and are lost");
}

fn entries(records: Vec<Record>, finish: &Finish) -> Vec<Entry> {
    let now = SystemTime::now();
    let entry = |mut record| {
        finish(&mut record);
        Entry::new(record, now)
    };
    records.into_iter().map(entry).collect()
}

async fn count(counters: &dyn Counters, entries: &[Entry]) {
    for (minute, used) in by_minute(entries) {
        counters.add(minute, &used).await;
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

/// The database and its spool.
struct Stores {
    database: Arc<Database>,
    spool: Spool,
    /// The database is a server, and may be away while the local disk is not.
    spools: bool,
    standing: Standing,
    watch: Watch,
    spool_watch: Watch,
}

impl Stores {
    fn new(database: Arc<Database>, given: bool, spool: DatabaseUrl, standing: Standing) -> Self {
        let spools = database.dialect() != Dialect::Sqlite;
        let place = database.url().to_string();
        let spool = Spool::new(spool, standing.clone());
        let spool_place = spool.place();
        let waiting = "records wait in memory until it can be written, and are dropped when there are too many";
        Self {
            watch: match (spools, given) {
                (true, _) => Watch::new(
                    place,
                    "records go to the spool until it takes them",
                    log::Level::Error,
                ),
                (false, true) => Watch::new(place, waiting, log::Level::Error),
                (false, false) => Watch::new(place, waiting, log::Level::Warn),
            },
            spool_watch: Watch::new(spool_place, waiting, log::Level::Error),
            database,
            spool,
            spools,
            standing,
        }
    }

    /// Looks how they are, so that trouble is known before the first record.
    async fn open(&self) {
        if self.spool.exists() {
            match self.spool.count().await {
                Ok(()) => self.standing.set_spool(true),
                Err(error) => self.spool_failed(&error),
            }
        }
        let quick = if self.spools { RETRY } else { PATIENT };
        let opened = limited(quick, self.database.open()).await;
        self.learn(&opened);
    }

    /// Learns how the database is.
    fn learn(&self, done: &Result<(), Failure>) {
        self.standing.set_database(done.is_ok());
        match done {
            Ok(()) => self.watch.worked(),
            Err(error) => self.watch.failed(error),
        }
    }

    fn spool_failed(&self, error: &SqlError) {
        self.standing.set_spool(false);
        self.spool_watch.failed(error);
    }

    /// Returns when `entries` are in the database or in the spool.
    async fn keep(&self, entries: &[Entry]) {
        loop {
            // What is in the spool goes first.
            if !self.spools || self.spool.is_empty() {
                let limit = if self.spools { QUICK } else { PATIENT };
                let written = limited(limit, store::write(&self.database, entries)).await;
                match &written {
                    Ok(()) => {
                        self.learn(&written);
                        self.standing.wrote(entries.len());
                        return;
                    }
                    // Slow is not down: the spool asks again, with patience.
                    Err(Failure::Late) if self.spools => {}
                    Err(_) => self.learn(&written),
                }
            }
            if self.spools {
                match self.spool.put(entries).await {
                    Ok(()) => {
                        self.spool_watch.worked();
                        return;
                    }
                    Err(error) => self.spool_failed(&error),
                }
            }
            sleep(RETRY).await;
        }
    }

    /// Moves what is in the spool into the database, for ever.
    async fn drain(&self) {
        loop {
            self.spool.filled().await;
            if self.drain_some().await.is_err() {
                sleep(RETRY).await;
            }
        }
    }

    async fn drain_some(&self) -> Result<(), ()> {
        let entries = match self.spool.oldest(BATCH).await {
            Ok(entries) => entries,
            Err(error) => return Err(self.spool_failed(&error)),
        };
        if !entries.is_empty() {
            let written = limited(PATIENT, store::write(&self.database, &entries)).await;
            self.learn(&written);
            written.map_err(drop)?;
            self.standing.wrote(entries.len());
        }
        // Without entries it learns that another process has drained it.
        self.spool
            .remove(&entries)
            .await
            .map_err(|error| self.spool_failed(&error))
    }

    async fn close(&self) {
        self.spool.close().await;
        self.database.close().await;
    }
}

/// Why a database has not taken something.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Sql(#[from] SqlError),
    #[error("it does not answer in time")]
    Late,
}

async fn limited(
    limit: Duration,
    done: impl Future<Output = Result<(), SqlError>>,
) -> Result<(), Failure> {
    match timeout(limit, done).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Failure::Late),
    }
}
