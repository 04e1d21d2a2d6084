//! Where entries wait on the local disk while the database is away.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::entry::COLUMNS;
use super::standing::Standing;
use super::{Entry, store};
use crate::state::sql::{Database, DatabaseUrl, Row, SqlError, Trouble};

/// A SQLite file with rows of `request_logs` and nothing in its other tables.
#[derive(Debug)]
pub(super) struct Spool {
    database: Database,
    /// Rows in it, as far as this process knows.
    rows: AtomicU64,
    /// How often something was put into it.
    puts: AtomicU64,
    filled: Notify,
    standing: Standing,
}

impl Spool {
    pub(super) fn new(url: DatabaseUrl, standing: Standing) -> Self {
        Self {
            database: Database::new(url),
            rows: AtomicU64::new(0),
            puts: AtomicU64::new(0),
            filled: Notify::new(),
            standing,
        }
    }

    /// Whether an earlier process has left a file.
    pub(super) fn exists(&self) -> bool {
        let path = self.database.url().path();
        path.is_some_and(std::path::Path::exists)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.load(Ordering::Acquire) == 0
    }

    pub(super) fn place(&self) -> String {
        self.database.url().to_string()
    }

    /// Counts its rows.
    pub(super) async fn count(&self) -> Result<(), SqlError> {
        let statement = "SELECT COUNT(*) FROM request_logs";
        loop {
            let puts = self.puts.load(Ordering::Acquire);
            let rows = self.database.rows(statement, Vec::new()).await?;
            let count = rows.first().map_or(Ok(0), |row| row.int(0))?;
            // What was put meanwhile may not be in the count.
            if self.puts.load(Ordering::Acquire) == puts {
                self.set(u64::try_from(count).unwrap_or(0));
                return Ok(());
            }
        }
    }

    fn set(&self, rows: u64) {
        self.rows.store(rows, Ordering::Release);
        self.standing.set_spooled(rows);
        if rows > 0 {
            self.filled.notify_one();
        }
    }

    /// Keeps `entries`. Those that are there already stay.
    pub(super) async fn put(&self, entries: &[Entry]) -> Result<(), SqlError> {
        let done = self.try_put(entries).await;
        self.standing.set_spool(done.is_ok());
        done
    }

    async fn try_put(&self, entries: &[Entry]) -> Result<(), SqlError> {
        let all: Vec<&Entry> = entries.iter().collect();
        let mut open = self.database.begin().await?;
        match store::insert(&mut open, &all).await {
            Ok(()) => open.commit().await?,
            Err(error) if error.trouble == Trouble::Taken => {
                drop(open);
                let mut open = self.database.begin().await?;
                let known = store::stored(&mut open, entries).await?;
                let mut new = all;
                new.retain(|entry| !known.contains(&entry.id));
                store::insert(&mut open, &new).await?;
                open.commit().await?;
            }
            Err(error) => return Err(error),
        }
        self.set(self.rows.load(Ordering::Acquire) + entries.len() as u64);
        self.puts.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// Waits until there is something in it.
    pub(super) async fn filled(&self) {
        while self.is_empty() {
            self.filled.notified().await;
        }
    }

    /// The oldest of its entries. A row that is none is told to the log and removed.
    pub(super) async fn oldest(&self, most: usize) -> Result<Vec<Entry>, SqlError> {
        let columns = COLUMNS.join(", ");
        let statement =
            format!("SELECT {columns}, rowid FROM request_logs ORDER BY time, id LIMIT {most}");
        let rows = self.database.rows(&statement, Vec::new()).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            match Entry::read(&row) {
                // Without its own id it could not be removed.
                Ok(entry) if row.bytes(0)? == entry.id.0 => entries.push(entry),
                Ok(_) => self.discard(&row, &"its id has not 16 bytes").await?,
                Err(error) => self.discard(&row, &error).await?,
            }
        }
        Ok(entries)
    }

    /// Removes a row that cannot be read.
    async fn discard(&self, row: &Row, reason: &(dyn Display + Sync)) -> Result<(), SqlError> {
        let place = row.int(COLUMNS.len())?;
        let shown = COLUMNS
            .map(|column| format!("quote({column})"))
            .join("||', '||");
        let statement = format!("SELECT {shown} FROM request_logs WHERE rowid = ?");
        let shown = self.database.rows(&statement, vec![place.into()]).await?;
        let shown = shown.first().and_then(|row| row.text(0).ok());
        log::error!(
            "usage: {}: a record cannot be read and is removed: {reason}: {}",
            self.place(),
            shown.unwrap_or_default()
        );
        self.standing.refuse(1);
        let statement = "DELETE FROM request_logs WHERE rowid = ?";
        self.database.execute(statement, vec![place.into()]).await?;
        self.count().await
    }

    /// Forgets `entries`, which are in the database.
    pub(super) async fn remove(&self, entries: &[Entry]) -> Result<(), SqlError> {
        let mut open = self.database.begin().await?;
        for piece in store::pieces(entries) {
            let places = vec!["?"; piece.len()].join(", ");
            let statement = format!("DELETE FROM request_logs WHERE id IN ({places})");
            let ids = piece.iter().map(|entry| entry.id.0.to_vec().into());
            open.execute(&statement, ids.collect()).await?;
        }
        open.commit().await?;
        // Another process may fill and drain the same file: with the last of what is known, look again.
        let rows = self.rows.load(Ordering::Acquire);
        match rows.saturating_sub(entries.len() as u64) {
            rows if rows > 0 && !entries.is_empty() => self.set(rows),
            _ => self.count().await?,
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }
}
