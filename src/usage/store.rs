//! Entries in a database: every one exactly once, and in the sums exactly once.

use std::collections::{BTreeSet, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::COLUMNS;
use super::sums::{ByTime, DAY, SUMS, Totals, begin};
use super::{Entry, RecordId};
use crate::state::sql::{Column, Database, Row, SqlError, Transaction, Trouble, Value};

/// How often a batch is tried that others are in the way of.
const TRIES: u32 = 8;
/// The pause after the first of them; the next are longer.
const PAUSE: Duration = Duration::from_millis(5);
/// Rows of one statement: few sizes, so that databases know the statements.
const SIZES: [usize; 3] = [100, 10, 1];

/// Writes `entries` and adds those to the sums that were not there yet, all of it or nothing. The same
/// entries again change nothing.
pub async fn write(database: &Database, entries: &[Entry]) -> Result<(), SqlError> {
    // Most batches are new as a whole, and nobody has to look.
    let mut look = false;
    let mut tries = 0;
    loop {
        match write_once(database, entries, look).await {
            Err(error) if error.trouble == Trouble::Taken && !look => look = true,
            Err(error) if is_in_the_way(error.trouble) && tries < TRIES => {
                tries += 1;
                let jitter = rand::random::<u32>() % 1_000;
                tokio::time::sleep(PAUSE * tries * jitter / 500).await;
            }
            done => return done,
        }
    }
}

/// Whether an entry like any other would be written: does all of it, and leaves nothing behind.
pub(super) async fn try_out(database: &Database) -> Result<(), SqlError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = i64::try_from(now.unwrap_or_default().as_secs()).unwrap_or(0);
    let entry = Entry {
        id: RecordId::new(SystemTime::now()),
        time: seconds.saturating_mul(1_000_000),
        ..Entry::default()
    };
    let mut open = database.begin().await?;
    take_days(&mut open, &[begin(entry.time, DAY)].into()).await?;
    insert(&mut open, &[&entry]).await?;
    // Without commit it has never been.
    add(&mut open, &Totals::of([&entry])).await
}

/// Another writer: of the same rows or of the same keys.
fn is_in_the_way(trouble: Trouble) -> bool {
    matches!(trouble, Trouble::Conflict | Trouble::Taken)
}

async fn write_once(database: &Database, entries: &[Entry], look: bool) -> Result<(), SqlError> {
    let mut open = database.begin().await?;
    let days = entries.iter().map(|entry| begin(entry.time, DAY));
    take_days(&mut open, &days.collect()).await?;
    let mut known = match look {
        true => stored(&mut open, entries).await?,
        false => HashSet::new(),
    };
    let thinned = thinned(&mut open, entries).await?;
    let mut new = Vec::with_capacity(entries.len());
    for entry in entries {
        if thinned.contains(&begin(entry.time, DAY)) {
            log::error!(
                "usage: a record is not written, because records of its day were deleted by age, and it \
                 may have been one of them: {entry:?}"
            );
        } else if known.insert(entry.id) {
            new.push(entry);
        }
    }
    if new.is_empty() {
        return Ok(());
    }
    insert(&mut open, &new).await?;
    add(&mut open, &Totals::of(new)).await?;
    open.commit().await
}

/// Days of `entries` of which records were deleted by age: nobody can know whether an entry was among them.
async fn thinned(open: &mut Transaction, entries: &[Entry]) -> Result<BTreeSet<i64>, SqlError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = i64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(i64::MAX);
    // Records live for a day at least.
    let old = entries
        .iter()
        .filter(|entry| entry.time < now - DAY * 1_000_000);
    let days: BTreeSet<i64> = old.map(|entry| begin(entry.time, DAY)).collect();
    let mut thinned = BTreeSet::new();
    for day in days {
        let statement = "SELECT thinned FROM usage_days WHERE start = ?";
        let rows = open.rows(statement, vec![day.into()]).await?;
        if rows.first().map_or(Ok(0), |row| row.int(0))? != 0 {
            thinned.insert(day);
        }
    }
    Ok(thinned)
}

/// Takes the rows of `days`, in order: who holds one is the only writer of that day.
pub(super) async fn take_days(
    open: &mut Transaction,
    days: &BTreeSet<i64>,
) -> Result<(), SqlError> {
    let columns = [
        Column::Key("start"),
        Column::Add("batches"),
        Column::Keep("thinned"),
    ];
    let rows = days
        .iter()
        .map(|day| vec![(*day).into(), 1_i64.into(), 0_i64.into()]);
    upsert(open, "usage_days", &columns, rows.collect()).await
}

/// Which of `entries` are there.
pub(super) async fn stored(
    open: &mut Transaction,
    entries: &[Entry],
) -> Result<HashSet<RecordId>, SqlError> {
    let mut found = HashSet::new();
    for piece in pieces(entries) {
        let places = vec!["?"; piece.len()].join(", ");
        let statement = format!("SELECT id FROM request_logs WHERE id IN ({places})");
        let ids = piece.iter().map(|entry| entry.id.0.to_vec().into());
        for row in open.rows(&statement, ids.collect()).await? {
            found.insert(id(&row)?);
        }
    }
    Ok(found)
}

/// The id in the first column.
pub(super) fn id(row: &Row) -> Result<RecordId, SqlError> {
    let mut id = [0; 16];
    for (byte, found) in id.iter_mut().zip(row.bytes(0)?) {
        *byte = found;
    }
    Ok(RecordId(id))
}

/// Inserts rows of `request_logs`, and nothing else.
pub(super) async fn insert(open: &mut Transaction, entries: &[&Entry]) -> Result<(), SqlError> {
    for piece in pieces(entries) {
        let dialect = open.dialect();
        let statement = dialect.insert_rows("request_logs", &COLUMNS, piece.len());
        let values = piece.iter().flat_map(|entry| entry.values());
        open.execute(&statement, values.collect()).await?;
    }
    Ok(())
}

/// Adds to the sums, in the order of their keys. Whoever calls this sees to it that nothing is added twice.
pub async fn add(open: &mut Transaction, totals: &Totals) -> Result<(), SqlError> {
    let columns = [
        Column::Key("id"),
        Column::Keep("account"),
        Column::Keep("provider"),
        Column::Keep("model"),
        Column::Keep("client"),
        Column::Keep("tags"),
    ];
    let series = totals.series.iter().map(|(id, series)| {
        let texts = series.texts().map(|text| Value::from(&**text));
        [id.to_vec().into()].into_iter().chain(texts).collect()
    });
    upsert(open, "usage_series", &columns, series.collect()).await?;
    add_sums(open, "usage_hourly", &totals.hours).await?;
    add_sums(open, "usage_daily", &totals.days).await
}

async fn add_sums(open: &mut Transaction, table: &str, sums: &ByTime) -> Result<(), SqlError> {
    let keys = [Column::Key("start"), Column::Key("series")];
    let columns: Vec<_> = keys.into_iter().chain(SUMS.map(Column::Add)).collect();
    let rows = sums.iter().map(|((start, series), sums)| {
        let key: [Value; 2] = [(*start).into(), series.to_vec().into()];
        key.into_iter()
            .chain(sums.iter().map(|sum| (*sum).into()))
            .collect()
    });
    upsert(open, table, &columns, rows.collect()).await
}

async fn upsert(
    open: &mut Transaction,
    table: &str,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
) -> Result<(), SqlError> {
    for piece in pieces(&rows) {
        let statement = open.dialect().upsert_rows(table, columns, piece.len());
        open.execute(&statement, piece.concat()).await?;
    }
    Ok(())
}

/// `rows` in pieces of [`SIZES`].
pub(super) fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| rows.len() >= *size)?;
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}
