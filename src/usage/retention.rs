//! What grows old is deleted; and a day's sums can be made again from its records.

use std::time::{Duration, SystemTime};

use super::entry::COLUMNS;
use super::sums::{DAY, HOUR, Totals, begin};
use super::{Entry, store};
use crate::state::sql::{Database, SqlError, Transaction, Value};

/// Rows that are deleted at once: nobody waits long for the locks.
const PIECE: u32 = 1_000;
/// Rows that are read at once.
const PAGE: usize = 5_000;
/// The pause between two pieces.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes records that are older than `age`; how many. Several instances may do so at once.
pub async fn thin(database: &Database, now: SystemTime, age: Duration) -> Result<u64, SqlError> {
    // Whole days: of a day either all is there or its sums cannot be made again.
    let before = begin(micros(now).saturating_sub(length(age)), DAY);
    let statement = "UPDATE usage_days SET thinned = 1 WHERE start < ? AND thinned = 0";
    database.execute(statement, vec![before.into()]).await?;
    let statement = format!(
        "DELETE FROM request_logs WHERE id IN (SELECT id FROM \
         (SELECT id FROM request_logs WHERE time < ? ORDER BY time LIMIT {PIECE}) AS old)"
    );
    delete(database, &statement, before.saturating_mul(1_000_000)).await
}

/// Deletes sums by hour that are older than `age`; how many.
pub async fn thin_hours(
    database: &Database,
    now: SystemTime,
    age: Duration,
) -> Result<u64, SqlError> {
    let before = begin(micros(now).saturating_sub(length(age)), DAY);
    let mut deleted = 0;
    // Hour by hour, from the oldest: an hour has no more rows than there are series.
    loop {
        let statement = "SELECT MIN(start) FROM usage_hourly WHERE start < ?";
        let rows = database.rows(statement, vec![before.into()]).await?;
        let Some(oldest) = rows.first().map_or(Ok(None), |row| row.maybe_int(0))? else {
            return Ok(deleted);
        };
        let statement = "DELETE FROM usage_hourly WHERE start = ?";
        deleted += database.execute(statement, vec![oldest.into()]).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn delete(database: &Database, statement: &str, before: i64) -> Result<u64, SqlError> {
    let mut deleted = 0;
    loop {
        let count = database.execute(statement, vec![before.into()]).await?;
        deleted += count;
        if count < u64::from(PIECE) {
            return Ok(deleted);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

fn length(age: Duration) -> i64 {
    i64::try_from(age.as_micros()).unwrap_or(i64::MAX)
}

/// What has become of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// Its sums are those of so many records.
    Records(u64),
    /// Some of its records were deleted by age: its sums stay.
    Thinned,
}

/// Makes the sums of the day that begins at `day` again, from its records. Writers of that day wait.
pub async fn rebuild(database: &Database, day: i64) -> Result<Rebuilt, SqlError> {
    let mut open = database.begin().await?;
    store::take_days(&mut open, &[day].into()).await?;
    let statement = "SELECT thinned FROM usage_days WHERE start = ?";
    let rows = open.rows(statement, vec![day.into()]).await?;
    if rows.first().map_or(Ok(0), |row| row.int(0))? != 0 {
        return Ok(Rebuilt::Thinned);
    }
    let (mut totals, mut count) = (Totals::default(), 0);
    let mut after: Option<Entry> = None;
    loop {
        let page = page(&mut open, day, after.as_ref()).await?;
        for entry in &page {
            totals.add(entry);
        }
        count += page.len() as u64;
        if page.len() < PAGE {
            break;
        }
        after = page.into_iter().next_back();
    }
    for (table, length) in [("usage_hourly", HOUR), ("usage_daily", DAY)] {
        let statement = format!("DELETE FROM {table} WHERE start >= ? AND start < ?");
        let values = vec![day.into(), (day + DAY).into()];
        open.execute(&statement, values).await?;
        debug_assert!(begin(day * 1_000_000, length) == day);
    }
    store::add(&mut open, &totals).await?;
    open.commit().await?;
    Ok(Rebuilt::Records(count))
}

/// The records of `day` that come after one.
async fn page(
    open: &mut Transaction,
    day: i64,
    after: Option<&Entry>,
) -> Result<Vec<Entry>, SqlError> {
    let columns = COLUMNS.join(", ");
    let (from, until) = (day * 1_000_000, (day + DAY) * 1_000_000);
    let mut values: Vec<Value> = vec![from.into(), until.into()];
    let more = match after {
        Some(last) => {
            values.extend([last.time.into(), last.time.into()]);
            values.push(last.id.0.to_vec().into());
            " AND (time > ? OR (time = ? AND id > ?))"
        }
        None => "",
    };
    let statement = format!(
        "SELECT {columns} FROM request_logs WHERE time >= ? AND time < ?{more} \
         ORDER BY time, id LIMIT {PAGE}"
    );
    let rows = open.rows(&statement, values).await?;
    rows.iter().map(Entry::read).collect()
}
