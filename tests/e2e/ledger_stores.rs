//! What every database does with usage: one suite, three dialects, real servers.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use ai_proxy::chat::Format;
use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect, Trouble};
use ai_proxy::usage::entry::COLUMNS;
use ai_proxy::usage::query::{Group, Question};
use ai_proxy::usage::retention::{Rebuilt, rebuild, thin, thin_hours};
use ai_proxy::usage::sums::{ByTime, DAY, HOUR, SUMS, Totals};
use ai_proxy::usage::{Cost, Entry, Media, Quality, Record, RecordId, Tokens, store};

use crate::support::gateway::Gateway;
use crate::support::servers::{PASSWORD, database};

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: i64 = 1_767_225_600;

fn record(seconds: i64) -> Record {
    let time = UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let tokens = |count, quality| Tokens { count, quality };
    Record {
        id: RecordId::new(time),
        time,
        request_id: "req".into(),
        client: Some("team".into()),
        account: Some("one".into()),
        provider: Some("openai".into()),
        model_asked: "gpt ☃ 'x'".into(),
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
        web_searches: 1,
        media: Media::default(),
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
        tags: "{\"a\\\"b\":\"x\",\"team\":\"core\"}".into(),
    }
}

fn entry(seconds: i64) -> Entry {
    let now = UNIX_EPOCH + Duration::from_secs((NEW_YEAR + 10 * DAY).unsigned_abs());
    Entry::new(record(seconds), now)
}

type Shown = BTreeMap<(i64, Vec<u8>), Vec<i64>>;

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

fn expected(totals: &ByTime) -> Shown {
    let sums = totals.iter();
    sums.map(|((start, series), sums)| ((*start, series.to_vec()), sums.to_vec()))
        .collect()
}

async fn assert_sums(database: &Database, entries: &[Entry]) {
    let totals = Totals::of(entries);
    assert_eq!(
        sums(database, "usage_hourly").await,
        expected(&totals.hours)
    );
    assert_eq!(sums(database, "usage_daily").await, expected(&totals.days));
}

/// A migrated, empty database.
async fn fresh(dialect: Dialect) -> Database {
    let url = DatabaseUrl::parse(&database(dialect).await).unwrap();
    let database = Database::new(url);
    database.migrate().await.unwrap();
    database
}

async fn every_entry_counts_once(database: &Database) {
    // Three hours of two days, one series with errors and without an account.
    let mut entries: Vec<Entry> = (0..250).map(|n| entry(NEW_YEAR + n % 3 * HOUR)).collect();
    entries.extend((0..30).map(|_| entry(NEW_YEAR + DAY)));
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
    assert_sums(database, &entries).await;
    let columns = COLUMNS.join(", ");
    let statement = format!("SELECT {columns} FROM request_logs ORDER BY id");
    let rows = database.rows(&statement, Vec::new()).await.unwrap();
    let found: Vec<Entry> = rows.iter().map(|row| Entry::read(row).unwrap()).collect();
    entries.sort_by_key(|entry| entry.id);
    assert_eq!(found, entries);
    // Four instances at the same time, with the same entries and their own, in different orders.
    let more: Vec<Entry> = (0..400).map(|n| entry(NEW_YEAR + n % 2 * DAY)).collect();
    let writers = (0..4).map(|n| {
        let mut part = more[n * 80..(n + 1) * 80 + 80].to_vec();
        part.rotate_left(n * 13);
        async move { store::write(database, &part).await }
    });
    for written in futures::future::join_all(writers).await {
        written.unwrap();
    }
    entries.extend(more);
    assert_sums(database, &entries).await;
}

async fn days_are_made_again_and_old_rows_go(database: &Database) {
    let entries: Vec<Entry> = (0..6_000)
        .map(|n| entry(NEW_YEAR + n % 2 * DAY + n % 7 * HOUR))
        .collect();
    store::write(database, &entries).await.unwrap();
    let wrong = "UPDATE usage_hourly SET requests = 7 WHERE start < ?";
    let values = vec![(NEW_YEAR + DAY).into()];
    database.execute(wrong, values).await.unwrap();
    for _ in 0..2 {
        let rebuilt = rebuild(database, NEW_YEAR).await.unwrap();
        assert_eq!(rebuilt, Rebuilt::Records(3_000));
        assert_sums(database, &entries).await;
    }
    let now = UNIX_EPOCH + Duration::from_secs((NEW_YEAR + 10 * DAY + 5).unsigned_abs());
    let age = |days: i64| Duration::from_secs((days * DAY).unsigned_abs());
    assert_eq!(thin(database, now, age(10)).await.unwrap(), 0);
    // Two instances at once.
    let both = tokio::join!(thin(database, now, age(9)), thin(database, now, age(9)));
    assert_eq!(both.0.unwrap() + both.1.unwrap(), 3_000);
    assert_eq!(rebuild(database, NEW_YEAR).await.unwrap(), Rebuilt::Thinned);
    let rebuilt = rebuild(database, NEW_YEAR + DAY).await.unwrap();
    assert_eq!(rebuilt, Rebuilt::Records(3_000));
    assert_sums(database, &entries).await;
    // Out of a spool that was away for that long.
    store::write(database, &entries[..10]).await.unwrap();
    let mut again = entries.clone();
    again.retain(|entry| entry.time >= (NEW_YEAR + DAY) * 1_000_000);
    store::write(database, &again[..10]).await.unwrap();
    assert_sums(database, &entries).await;
    let days = sums(database, "usage_daily").await;
    assert_eq!(thin_hours(database, now, age(9)).await.unwrap(), 7);
    assert_eq!(sums(database, "usage_hourly").await.len(), 7);
    assert_eq!(sums(database, "usage_daily").await, days);
}

/// The groups of each row and how many requests it has.
async fn asked(database: &Database, question: &Question) -> Vec<(Vec<String>, i64)> {
    let (statement, values) = question.statement(database.dialect());
    let rows = database.rows(&statement, values).await.unwrap();
    let shown = rows.iter().map(|row| {
        let groups = question.by.iter().enumerate();
        let groups = groups.map(|(column, group)| match group.is_time() {
            true => ((row.int(column).unwrap() - NEW_YEAR) / HOUR).to_string(),
            false => row.text(column).unwrap(),
        });
        (groups.collect(), row.int(question.by.len()).unwrap())
    });
    shown.collect()
}

async fn questions_are_answered(database: &Database) {
    let mut entries: Vec<Entry> = (0..72).map(|n| entry(NEW_YEAR + n * HOUR)).collect();
    for entry in &mut entries[..10] {
        entry.account = Some("two".into());
        entry.tags = "".into();
    }
    store::write(database, &entries).await.unwrap();
    let tag = |name: &str| Group::Tag(name.to_owned());
    let question = |from, until, by: &[Group], only: &[(Group, &str)]| Question {
        from: NEW_YEAR + from * HOUR,
        until: NEW_YEAR + until * HOUR,
        by: by.to_vec(),
        only: only
            .iter()
            .map(|(group, value)| (group.clone(), vec![(*value).to_owned()]))
            .collect(),
        limit: None,
    };
    for (question, rows) in [
        (question(0, 72, &[], &[]), vec![(vec![], 72)]),
        // Parts of days at both ends.
        (question(5, 50, &[], &[]), vec![(vec![], 45)]),
        (question(100, 200, &[], &[]), vec![(vec![], 0)]),
        (
            question(5, 50, &[Group::Day], &[]),
            vec![(vec!["0"], 19), (vec!["24"], 24), (vec!["48"], 2)],
        ),
        (
            question(8, 12, &[Group::Account, Group::Hour], &[]),
            vec![
                (vec!["one", "10"], 1),
                (vec!["one", "11"], 1),
                (vec!["two", "8"], 1),
                (vec!["two", "9"], 1),
            ],
        ),
        (
            question(0, 72, &[tag("team"), Group::Model], &[]),
            vec![(vec!["", "gpt-5"], 10), (vec!["core", "gpt-5"], 62)],
        ),
        (
            question(0, 72, &[tag("a\"b"), tag("none")], &[]),
            vec![(vec!["", ""], 10), (vec!["x", ""], 62)],
        ),
        (
            question(
                0,
                72,
                &[Group::Client],
                &[(Group::Account, "two"), (tag("team"), "")],
            ),
            vec![(vec!["team"], 10)],
        ),
        (
            question(0, 72, &[Group::Provider], &[(tag("team"), "' OR 1=1 --")]),
            vec![],
        ),
    ] {
        let rows: Vec<(Vec<String>, i64)> = rows
            .into_iter()
            .map(|(groups, count): (Vec<&str>, i64)| {
                (groups.into_iter().map(str::to_owned).collect(), count)
            })
            .collect();
        assert_eq!(asked(database, &question).await, rows, "{question:?}");
    }
}

async fn sums_stop_at_the_largest_number(database: &Database) {
    store::write(database, &[entry(NEW_YEAR)]).await.unwrap();
    for table in ["usage_hourly", "usage_daily"] {
        let statement = format!("UPDATE {table} SET bytes_in = ?, bytes_out = ?");
        let values = vec![(i64::MAX - 5).into(), (i64::MAX - 100).into()];
        database.execute(&statement, values).await.unwrap();
    }
    store::write(database, &[entry(NEW_YEAR)]).await.unwrap();
    let shown = sums(database, "usage_daily").await;
    let place = |name| SUMS.iter().position(|sum| *sum == name).unwrap();
    let sums = shown.values().next().unwrap();
    assert_eq!(sums[place("bytes_in")], i64::MAX);
    assert_eq!(sums[place("bytes_out")], i64::MAX - 78);
    // And so do reports, over two days that are full.
    let mut next = entry(NEW_YEAR + DAY);
    next.bytes_in = i64::MAX;
    next.bytes_out = 70;
    store::write(database, &[next]).await.unwrap();
    let question = Question {
        from: NEW_YEAR,
        until: NEW_YEAR + 2 * DAY,
        by: Vec::new(),
        only: Vec::new(),
        limit: None,
    };
    let (statement, values) = question.statement(database.dialect());
    let rows = database.rows(&statement, values).await.unwrap();
    let told = |name| rows[0].int(place(name)).unwrap();
    assert_eq!((told("requests"), told("bytes_in")), (3, i64::MAX));
    assert_eq!(told("bytes_out"), i64::MAX - 8);
}

async fn suite(dialect: Dialect) {
    every_entry_counts_once(&fresh(dialect).await).await;
    days_are_made_again_and_old_rows_go(&fresh(dialect).await).await;
    questions_are_answered(&fresh(dialect).await).await;
    sums_stop_at_the_largest_number(&fresh(dialect).await).await;
}

#[tokio::test]
async fn sqlite_keeps_usage() {
    suite(Dialect::Sqlite).await;
}

#[tokio::test]
async fn mariadb_keeps_usage() {
    suite(Dialect::MySql).await;
}

#[tokio::test]
async fn postgres_keeps_usage() {
    suite(Dialect::Postgres).await;
}

#[tokio::test]
async fn migrate_brings_a_database_up_to_date_or_says_why_not() {
    for dialect in [Dialect::MySql, Dialect::Postgres] {
        let url = database(dialect).await;
        let run = |arguments: &[&str], url: &str| {
            let command = ["migrate", "--config", "c.yaml"].iter().chain(arguments);
            Gateway::command(command.copied())
                .file("c.yaml", format!("database-url: '{url}'\n"))
                .run()
        };
        let checked = run(&["--check"], &url).await;
        assert_eq!(checked.code, Some(1));
        assert!(
            checked.stderr.contains("run `ai-proxy migrate`"),
            "{checked:?}"
        );
        let migrated = run(&[], &url).await;
        assert_eq!(migrated.code, Some(0), "{migrated:?}");
        assert!(migrated.stdout.contains("from version 0 to"));
        let again = run(&[], &url).await;
        assert!(again.stdout.contains("already"), "{again:?}");
        assert_eq!(run(&["--check"], &url).await.code, Some(0));
        let wrong = run(&[], &url.replace(PASSWORD, "wrong-canary-secret")).await;
        assert_eq!(wrong.code, Some(1));
        assert!(!wrong.stderr.contains("canary-secret"), "{wrong:?}");
        // A newer program has been here.
        let database = Database::new(DatabaseUrl::parse(&url).unwrap());
        database
            .execute(
                "UPDATE _sqlx_migrations SET version = 9999 WHERE version = 1",
                Vec::new(),
            )
            .await
            .unwrap();
        let error = Database::new(DatabaseUrl::parse(&url).unwrap())
            .open()
            .await;
        assert_eq!(error.unwrap_err().trouble, Trouble::New);
        let newer = run(&["--check"], &url).await;
        assert_eq!(newer.code, Some(1));
        assert!(newer.stderr.contains("newer"), "{newer:?}");
    }
}
