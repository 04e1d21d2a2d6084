//! Entries in a database: every one exactly once, and in the sums exactly once.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

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
    let new: Vec<&Entry> = entries
        .iter()
        .filter(|entry| known.insert(entry.id))
        .collect();
    if new.is_empty() {
        return Ok(());
    }
    insert(&mut open, &new).await?;
    add(&mut open, &Totals::of(new)).await?;
    open.commit().await
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
