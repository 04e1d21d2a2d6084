//! Entries in a database, and the way there.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sums::{DAY, HOUR, SUMS, Totals, begin};
use super::*;
use crate::chat::Format;
use crate::state::sql::{Database, DatabaseUrl};

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: u64 = 1_767_225_600;

pub(super) fn record(seconds: u64) -> Record {
    let time = UNIX_EPOCH + Duration::from_secs(seconds);
    let tokens = |count, quality| Tokens { count, quality };
    Record {
        id: RecordId::new(time),
        time,
        request_id: "req".into(),
        client: Some("team".into()),
        account: Some("one".into()),
        provider: Some("openai".into()),
        model_asked: "gpt".into(),
        model_used: Some("gpt-5".into()),
        client_format: Some(Format::OpenAiChat),
        provider_format: Some(Format::Claude),
        streamed: true,
        own_key: false,
        status: 200,
        error: None,
        attempts: 2,
        input: tokens(100, Quality::Reported),
        cache_read: tokens(50, Quality::Reported),
        cache_write: tokens(20, Quality::Reported),
        cache_write_long: tokens(5, Quality::Reported),
        output: tokens(10, Quality::Partial),
        reasoning: tokens(3, Quality::Partial),
        media: Media::default(),
        web_searches: 2,
        uncounted: None,
        cost: Some(Cost {
            nano_dollars: 1_234,
            price_version: "2026".into(),
        }),
        latency_micros: 5_000,
        first_token_micros: Some(700),
        bytes_in: 11,
        bytes_out: 22,
        tags: "{\"team\":\"core\"}".into(),
    }
}

fn entry(seconds: u64) -> Entry {
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR + 10 * DAY.unsigned_abs());
    Entry::new(record(seconds), now)
}

type Shown = BTreeMap<(i64, Vec<u8>), Vec<i64>>;

/// All sums of a table.
async fn sums(database: &Database, table: &str) -> Shown {
    let statement = format!("SELECT start, series, {} FROM {table}", SUMS.join(", "));
    let rows = database.rows(&statement, Vec::new()).await.unwrap();
    let shown = rows.iter().map(|row| {
        let sums = (2..2 + SUMS.len()).map(|column| row.int(column).unwrap());
        let key = (row.int(0).unwrap(), row.bytes(1).unwrap());
        (key, sums.collect())
    });
    shown.collect()
}

fn expected(totals: &sums::ByTime) -> Shown {
    let sums = totals.iter();
    sums.map(|((start, series), sums)| ((*start, series.to_vec()), sums.to_vec()))
        .collect()
}

/// What any database must do with entries.
async fn conformance(database: &Database) {
    // Three hours of two days, one series with another error.
    let mut entries: Vec<Entry> = (0..250)
        .map(|n| entry(NEW_YEAR + n % 3 * HOUR.unsigned_abs()))
        .collect();
    entries.extend((0..30).map(|_| entry(NEW_YEAR + DAY.unsigned_abs())));
    for failed in &mut entries[..20] {
        failed.error = Some("rate_limit".into());
        failed.account = None;
        failed.cost = None;
    }
    store::write(database, &entries[..100]).await.unwrap();
    // Again, with one that is new in the midst.
    store::write(database, &entries[..101]).await.unwrap();
    store::write(database, &entries[90..]).await.unwrap();
    store::write(database, &entries).await.unwrap();
    // Twice in one batch.
    let twice = [entries[0].clone(), entries[0].clone()];
    store::write(database, &twice).await.unwrap();
    let totals = Totals::of(&entries);
    assert_eq!(totals.hours.len(), 3 + 1 + 3);
    assert_eq!(
        sums(database, "usage_hourly").await,
        expected(&totals.hours)
    );
    assert_eq!(sums(database, "usage_daily").await, expected(&totals.days));
    let columns = entry::COLUMNS.join(", ");
    let statement = format!("SELECT {columns} FROM request_logs ORDER BY id");
    let rows = database.rows(&statement, Vec::new()).await.unwrap();
    let found: Vec<Entry> = rows.iter().map(|row| Entry::read(row).unwrap()).collect();
    entries.sort_by_key(|entry| entry.id);
    assert_eq!(found, entries);
    // Another instance at the same time, with the same entries and its own.
    let more: Vec<Entry> = (0..200).map(|_| entry(NEW_YEAR)).collect();
    let writers = (0..4).map(|n| {
        let part = &more[n * 40..(n + 1) * 40 + 40];
        store::write(database, part)
    });
    for written in futures::future::join_all(writers).await {
        written.unwrap();
    }
    entries.extend(more);
    let totals = Totals::of(&entries);
    assert_eq!(
        sums(database, "usage_hourly").await,
        expected(&totals.hours)
    );
}

#[tokio::test]
async fn every_entry_is_stored_and_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    conformance(&Database::new(DatabaseUrl::memory())).await;
    conformance(&Database::new(DatabaseUrl::file(
        folder.path().join("x.db"),
    )))
    .await;
}

#[test]
fn what_cannot_be_is_cut_to_what_can_be_stored() {
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
    let mut absurd = record(NEW_YEAR);
    absurd.model_asked = "é\0".repeat(500).into();
    absurd.input.count = u64::MAX;
    absurd.bytes_out = u64::MAX;
    absurd.cost = Some(Cost {
        nano_dollars: i64::MIN,
        price_version: Arc::default(),
    });
    absurd.tags = "x".repeat(1 << 20).into();
    let entry = Entry::new(absurd, now);
    assert_eq!(entry.model_asked.chars().count(), 191);
    assert!(entry.model_asked.starts_with("é\u{fffd}é"));
    assert_eq!(
        entry.tokens[0],
        (1_000_000_000_000, Quality::Clamped as i64)
    );
    assert_eq!(entry.bytes_out, 1_000_000_000_000);
    assert_eq!(entry.cost, Some(-1_000_000_000_000_000));
    assert_eq!(&*entry.tags, "");
}

#[test]
fn times_that_cannot_be_become_the_time_of_writing() {
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let earliest = 1_577_836_800;
    for (time, now, stored, moved) in [
        (at(NEW_YEAR), at(NEW_YEAR + 1), NEW_YEAR, false),
        // A spool that waited for a month, and a clock that is a little behind.
        (
            at(NEW_YEAR - 2_592_000),
            at(NEW_YEAR),
            NEW_YEAR - 2_592_000,
            false,
        ),
        (at(NEW_YEAR + 3_600), at(NEW_YEAR), NEW_YEAR + 3_600, false),
        (at(NEW_YEAR + 86_401), at(NEW_YEAR), NEW_YEAR, true),
        (at(5), at(NEW_YEAR), NEW_YEAR, true),
        // No clock at all.
        (at(5), at(6), earliest, true),
        (UNIX_EPOCH - Duration::from_secs(5), at(6), earliest, true),
        (
            at(u64::from(u32::MAX) * 1_000),
            at(NEW_YEAR),
            NEW_YEAR,
            true,
        ),
    ] {
        let mut record = record(NEW_YEAR);
        record.time = time;
        let entry = Entry::new(record, now);
        let micros = i64::try_from(stored * 1_000_000).unwrap();
        assert_eq!((entry.time, entry.time_moved), (micros, moved), "{time:?}");
    }
}

#[test]
fn hours_and_days_begin_in_utc() {
    for (micros, hour, day) in [
        (0, 0, 0),
        (3_599_999_999, 0, 0),
        (3_600_000_000, 3_600, 0),
        (86_400_000_000, 86_400, 86_400),
        (-1, -3_600, -86_400),
    ] {
        assert_eq!((begin(micros, HOUR), begin(micros, DAY)), (hour, day));
    }
}

#[tokio::test]
async fn a_day_that_is_made_again_is_the_same_and_old_records_go() {
    use retention::{Rebuilt, rebuild, thin, thin_hours};
    let database = Database::new(DatabaseUrl::memory());
    let second = DAY.unsigned_abs();
    let entries: Vec<Entry> = (0..6_000)
        .map(|n| entry(NEW_YEAR + n % 2 * second + n % 7 * 3_600))
        .collect();
    store::write(&database, &entries).await.unwrap();
    let totals = Totals::of(&entries);
    let begin = i64::try_from(NEW_YEAR).unwrap();
    // A wrong number, and one that should not be there.
    let wrong = "UPDATE usage_hourly SET requests = 7 WHERE start < ?";
    let day = (begin + DAY).into();
    database.execute(wrong, vec![day]).await.unwrap();
    for _ in 0..2 {
        let rebuilt = rebuild(&database, begin).await.unwrap();
        assert_eq!(rebuilt, Rebuilt::Records(3_000));
        assert_eq!(
            sums(&database, "usage_hourly").await,
            expected(&totals.hours)
        );
        assert_eq!(sums(&database, "usage_daily").await, expected(&totals.days));
    }
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR + 10 * second + 5);
    let age = |days: u64| Duration::from_secs(days * second);
    assert_eq!(thin(&database, now, age(10)).await.unwrap(), 0);
    assert_eq!(thin(&database, now, age(9)).await.unwrap(), 3_000);
    assert_eq!(rebuild(&database, begin).await.unwrap(), Rebuilt::Thinned);
    let rebuilt = rebuild(&database, begin + DAY).await.unwrap();
    assert_eq!(rebuilt, Rebuilt::Records(3_000));
    assert_eq!(
        sums(&database, "usage_hourly").await,
        expected(&totals.hours)
    );
    assert_eq!(thin_hours(&database, now, age(9)).await.unwrap(), 7);
    assert_eq!(sums(&database, "usage_hourly").await.len(), 7);
    assert_eq!(sums(&database, "usage_daily").await, expected(&totals.days));
}

fn sqlite(folder: &tempfile::TempDir, name: &str) -> DatabaseUrl {
    DatabaseUrl::file(folder.path().join(name))
}

#[tokio::test]
async fn a_writer_empties_the_queue_before_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::new(sqlite(&folder, "x.db")));
    let (ledger, queue) = Ledger::new(10_000);
    let standing = Standing::default();
    let counters = Arc::new(counters::Local::default());
    let writer = Writer {
        queue,
        database: Arc::clone(&database),
        eager: true,
        given: true,
        spool: sqlite(&folder, "spool.db"),
        finish: Box::new(|record| record.status = 201),
        counters: Arc::clone(&counters) as _,
        standing: standing.clone(),
    };
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
    for _ in 0..2_500 {
        ledger.record(record(seconds));
    }
    writer.run(std::future::ready(())).await;
    assert_eq!((standing.written(), ledger.dropped()), (2_500, 0));
    assert_eq!(standing.database(), standing::State::Up);
    let read = counters.read(now).await;
    assert_eq!(read.len(), 3, "{read:?}");
    assert_eq!(read[0].1[2].requests, 2_500);
    let database = Database::new(sqlite(&folder, "x.db"));
    let statement = "SELECT COUNT(*) FROM request_logs WHERE status = 201";
    let rows = database.rows(statement, Vec::new()).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), 2_500);
    assert!(!folder.path().join("spool.db").exists());
}

#[tokio::test]
async fn a_full_ledger_drops_and_counts() {
    let (ledger, queue) = Ledger::new(2);
    for _ in 0..5 {
        ledger.record(record(NEW_YEAR));
    }
    assert_eq!((ledger.dropped(), ledger.waiting()), (3, 2));
    drop(queue);
    ledger.record(record(NEW_YEAR));
    assert_eq!(ledger.dropped(), 4);
}
