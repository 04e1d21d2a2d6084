//! The database and its spool: entries end in one of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::spool::Spool;
use super::standing::{Standing, State, Watch};
use super::writer::BATCH;
use super::{Entry, store};
use crate::state::sql::{Database, DatabaseUrl, Dialect, SqlError, Trouble};

/// How long a database server may take before a batch goes to the spool.
pub(super) const QUICK: Duration = Duration::from_millis(50);
/// How long it may take for a batch out of the spool.
const PATIENT: Duration = Duration::from_secs(30);
/// Pauses between tries while a store is away.
const RETRY: Duration = Duration::from_secs(1);
/// How long the spool may take to get empty when all else is done.
const LAST: Duration = Duration::from_secs(2);

/// The database and its spool.
pub(super) struct Stores {
    database: Arc<Database>,
    spool: Spool,
    /// The database is a server, and may be away while the local disk is not.
    spools: bool,
    standing: Standing,
    watch: Watch,
    spool_watch: Watch,
}

impl Stores {
    pub(super) fn new(
        database: Arc<Database>,
        given: bool,
        spool: DatabaseUrl,
        standing: Standing,
    ) -> Self {
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
    pub(super) async fn open(&self) {
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
    pub(super) async fn keep(&self, entries: &[Entry]) {
        while !entries.is_empty() {
            // What is in the spool goes first.
            if !self.spools || self.spool.is_empty() {
                let written = match self.spools {
                    true => self.write(QUICK, entries).await,
                    false => self.write_singly(entries).await,
                };
                match &written {
                    Ok(()) => {
                        self.learn(&written);
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

    async fn write(&self, limit: Duration, entries: &[Entry]) -> Result<(), Failure> {
        limited(limit, Box::pin(store::write(&self.database, entries))).await?;
        self.standing.wrote(entries.len());
        Ok(())
    }

    /// Writes `entries`, if need be one by one: what the database refuses while it takes others is told to
    /// the log and is in nobody's way.
    async fn write_singly(&self, entries: &[Entry]) -> Result<(), Failure> {
        let mut pieces = vec![entries];
        while let Some(piece) = pieces.pop() {
            let error = match self.write(PATIENT, piece).await {
                Ok(()) => continue,
                Err(Failure::Sql(error)) if error.trouble == Trouble::Value => error,
                Err(error) => return Err(error),
            };
            // It may be none of the entries.
            if limited(PATIENT, Box::pin(store::try_out(&self.database)))
                .await
                .is_err()
            {
                return Err(error.into());
            }
            match piece {
                [entry] => self.refused(entry, &error).await,
                piece => {
                    let (first, second) = piece.split_at(piece.len() / 2);
                    pieces.extend([second, first]);
                }
            }
        }
        Ok(())
    }

    /// Gives `entry` up, which the database does not take.
    async fn refused(&self, entry: &Entry, error: &SqlError) {
        log::error!(
            "usage: a record is not written, because the database refuses it: {error}: {entry:?}"
        );
        self.standing.refuse(1);
        if self.spools
            && let Err(error) = self.spool.remove(std::slice::from_ref(entry)).await
        {
            self.spool_failed(&error);
        }
    }

    /// Moves what is in the spool into the database, for ever.
    pub(super) async fn drain(&self) {
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
            Err(error) => {
                self.spool_failed(&error);
                return Err(());
            }
        };
        if !entries.is_empty() {
            let written = self.write_singly(&entries).await;
            self.learn(&written);
            written.map_err(drop)?;
        }
        // Without entries it learns that another process has drained it.
        self.spool
            .remove(&entries)
            .await
            .map_err(|error| self.spool_failed(&error))
    }

    /// Empties the spool, if that goes quickly, and closes both.
    pub(super) async fn close(&self) {
        let empty = async {
            while !self.spool.is_empty() && self.standing.database() == State::Up {
                if self.drain_some().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(LAST, empty).await;
        // What is written is safe; this only tidies up.
        let closed = async {
            self.spool.close().await;
            self.database.close().await;
        };
        let _ = timeout(RETRY, closed).await;
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
