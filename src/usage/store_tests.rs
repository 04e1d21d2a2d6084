//! Entries in a database, and the way there.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::sums::{DAY, HOUR, begin};
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
        earlier: Vec::new(),
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

#[test]
fn what_cannot_be_is_cut_to_what_can_be_stored() {
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
    let mut absurd = record(NEW_YEAR);
    absurd.model_asked = "é\0".repeat(500).into();
    absurd.input.count = u64::MAX;
    absurd.bytes_out = u64::MAX;
    absurd.cost = Some(Cost {
        nano_dollars: i64::MAX,
        price_version: Arc::default(),
    });
    absurd.tags = "x".repeat(1 << 20).into();
    let entry = Entry::new(absurd, now);
    assert_eq!(entry.model_asked.chars().count(), 191);
    assert!(entry.model_asked.starts_with("é\u{fffd}é"));
    assert_eq!(entry.tokens[0], (1_000_000_000, Quality::Clamped as i64));
    assert_eq!(entry.bytes_out, 1_000_000_000_000);
    assert_eq!(entry.cost, Some(1_000_000_000_000));
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
fn invented_models_make_no_series() {
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
    let of = |model: &str, error, count| {
        let mut record = record(NEW_YEAR);
        record.model_used = Some(model.into());
        record.error = error;
        let tokens = |tokens: &mut Tokens| tokens.count = count;
        tokens(&mut record.input);
        for other in [
            &mut record.cache_read,
            &mut record.cache_write,
            &mut record.cache_write_long,
            &mut record.output,
            &mut record.reasoning,
        ] {
            *other = Tokens::default();
        }
        let entry = Entry::new(record, now);
        assert_eq!(entry.model_used.as_deref(), Some(model));
        sums::Series::of(&entry).model
    };
    assert_eq!(&*of("invented", Some("provider_answer"), 0), "");
    assert_eq!(&*of("cut", Some("provider_answer"), 7), "cut");
    assert_eq!(&*of("free", None, 0), "free");
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
async fn a_full_disk_keeps_records_waiting_and_loses_none() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::new(sqlite(&folder, "x.db")));
    let rows = database
        .rows("PRAGMA page_count", Vec::new())
        .await
        .unwrap();
    let pages = rows[0].int(0).unwrap() + 2;
    let full = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    database.execute(&full(pages), Vec::new()).await.unwrap();
    let (ledger, queue) = Ledger::new(10_000);
    let standing = Standing::default();
    let writer = Writer {
        queue,
        database: Arc::clone(&database),
        eager: true,
        given: true,
        spool: sqlite(&folder, "spool.db"),
        finish: Box::new(|_| {}),
        counters: Arc::new(counters::Local::default()),
        standing: standing.clone(),
    };
    let ending = tokio::sync::Notify::new();
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let story = async {
        for _ in 0..500 {
            ledger.record(record(seconds));
        }
        while standing.database() != standing::State::Down {
            tokio::task::yield_now().await;
        }
        // Somebody has made room.
        database
            .execute(&full(1_000_000), Vec::new())
            .await
            .unwrap();
        while standing.written() < 500 {
            tokio::task::yield_now().await;
        }
        ending.notify_one();
    };
    let all = async { tokio::join!(Box::pin(writer.run(ending.notified())), story) };
    tokio::time::timeout(Duration::from_secs(30), all)
        .await
        .unwrap();
    assert_eq!(ledger.dropped(), 0);
    assert_eq!(standing.database(), standing::State::Up);
    let database = Database::new(sqlite(&folder, "x.db"));
    let statement = "SELECT SUM(requests) FROM usage_daily";
    let rows = database.rows(statement, Vec::new()).await.unwrap();
    assert_eq!(rows[0].int(0).unwrap(), 500);
}

#[tokio::test]
async fn what_the_database_refuses_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let database = Arc::new(Database::new(sqlite(&folder, "x.db")));
    let refusing = "CREATE TRIGGER refuse BEFORE INSERT ON request_logs WHEN NEW.request_id = 'poison' \
                    BEGIN SELECT RAISE(ABORT, 'poison'); END";
    database.execute(refusing, Vec::new()).await.unwrap();
    let standing = Standing::default();
    let now = SystemTime::now();
    let seconds = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let entries: Vec<Entry> = (0..500)
        .map(|n| {
            let mut record = record(seconds);
            if n % 250 == 99 {
                record.request_id = "poison".into();
            }
            Entry::new(record, now)
        })
        .collect();
    let url = sqlite(&folder, "spool.db");
    let stores = stores::Stores::new(Arc::clone(&database), true, url, standing.clone());
    stores.keep(&entries).await;
    assert_eq!((standing.written(), standing.refused()), (498, 2));
    assert_eq!(standing.database(), standing::State::Up);
    let statement = "SELECT SUM(requests), MIN(requests > 0) FROM usage_daily";
    let rows = database.rows(statement, Vec::new()).await.unwrap();
    assert_eq!((rows[0].int(0).unwrap(), rows[0].int(1).unwrap()), (498, 1));
}

#[tokio::test]
async fn a_row_of_the_spool_that_cannot_be_read_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let url = sqlite(&folder, "spool.db");
    let standing = Standing::default();
    let spool = spool::Spool::new(url.clone(), standing.clone());
    let now = UNIX_EPOCH + Duration::from_secs(NEW_YEAR);
    let entries: Vec<Entry> = (0..5)
        .map(|n| Entry::new(record(NEW_YEAR - n), now))
        .collect();
    spool.put(&entries).await.unwrap();
    let database = Database::new(url);
    for (place, wrong) in ["bytes_in = 'x'", "id = x'00'"].iter().enumerate() {
        let statement = format!("UPDATE request_logs SET {wrong} WHERE id = ?");
        let id = entries[place].id.0.to_vec();
        database.execute(&statement, vec![id.into()]).await.unwrap();
    }
    let mut rest = entries[2..].to_vec();
    rest.reverse();
    assert_eq!(spool.oldest(10).await.unwrap(), rest);
    assert_eq!((standing.refused(), standing.spooled()), (2, 3));
    spool.remove(&rest).await.unwrap();
    assert!(spool.is_empty());
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
