//! Times of questions about a month of ten million requests, in a SQLite file: `make bench-usage`.
//!
//! The requests' sums are made and written as the gateway does it; only their single rows are left out,
//! which no question about sums reads.
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on should stop"
)]

use std::time::{Duration, Instant, UNIX_EPOCH};

use ai_proxy::state::sql::{Database, DatabaseUrl};
use ai_proxy::usage::query::{Group, Question};
use ai_proxy::usage::sums::{DAY, HOUR, Totals};
use ai_proxy::usage::{Entry, Media, Quality, Record, RecordId, Tokens, store};

/// 2026-01-01T00:00:00Z.
const BEGIN: i64 = 1_767_225_600;
const DAYS: i64 = 30;
const REQUESTS: i64 = 10_000_000;
const CLIENTS: i64 = 40;
const MODELS: i64 = 10;
const ACCOUNTS: i64 = 12;

/// The n-th request: each client uses three models, each of them on four accounts.
fn entry(n: i64, second: i64) -> Entry {
    let client = n % CLIENTS;
    let model = (client + n / CLIENTS % 3) % MODELS;
    let account = (model + n / 7 % 4) % ACCOUNTS;
    let time = UNIX_EPOCH + Duration::from_secs(second.unsigned_abs());
    let tokens = |count: i64| Tokens {
        count: count.unsigned_abs(),
        quality: Quality::Reported,
    };
    let record = Record {
        id: RecordId([0; 16]),
        time,
        request_id: "".into(),
        client: Some(format!("client-{client}").into()),
        account: Some(format!("account-{account}").into()),
        provider: Some(format!("provider-{}", account % 3).into()),
        model_asked: "model".into(),
        model_used: Some(format!("model-{model}").into()),
        client_format: None,
        provider_format: None,
        streamed: true,
        own_key: false,
        status: 200,
        error: None,
        attempts: 1,
        input: tokens(1_000 + n % 977),
        cache_read: tokens(n % 500),
        cache_write: tokens(0),
        cache_write_long: tokens(0),
        output: tokens(200 + n % 311),
        reasoning: tokens(n % 50),
        web_searches: 0,
        media: Media::default(),
        earlier: Vec::new(),
        uncounted: None,
        cost: None,
        latency_micros: 1_000_000,
        first_token_micros: Some(200_000),
        bytes_in: 5_000,
        bytes_out: 9_000,
        tags: format!("{{\"team\":\"team-{}\"}}", client % 8).into(),
    };
    Entry::new(record, time)
}

async fn fill(database: &Database) {
    let hours = DAYS * 24;
    let each = REQUESTS / hours;
    for hour in 0..hours {
        let mut totals = Totals::default();
        for n in 0..each {
            let second = BEGIN + hour * HOUR + n * HOUR / each;
            totals.add(&entry(hour * each + n, second));
        }
        let mut open = database.begin().await.unwrap();
        store::add(&mut open, &totals).await.unwrap();
        open.commit().await.unwrap();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usage.db");
    let database = Database::new(DatabaseUrl::file(&path));
    let began = Instant::now();
    fill(&database).await;
    let size = std::fs::metadata(&path).unwrap().len();
    println!(
        "{REQUESTS} requests of {DAYS} days in {:.0?}, {} MB",
        began.elapsed(),
        size / 1_000_000
    );
    let tag = || Group::Tag("team".to_owned());
    let month = (0, DAYS * DAY);
    let odd = (5 * HOUR, DAYS * DAY - 3 * HOUR);
    for (what, by, (from, until)) in [
        ("nothing", vec![], month),
        ("account", vec![Group::Account], month),
        ("provider", vec![Group::Provider], month),
        ("model", vec![Group::Model], month),
        ("client", vec![Group::Client], month),
        ("tag:team", vec![tag()], month),
        ("day", vec![Group::Day], month),
        ("hour", vec![Group::Hour], month),
        ("client,model", vec![Group::Client, Group::Model], month),
        (
            "day,account,model",
            vec![Group::Day, Group::Account, Group::Model],
            month,
        ),
        ("hour,account", vec![Group::Hour, Group::Account], month),
        ("client, not whole days", vec![Group::Client], odd),
    ] {
        let question = Question {
            from: BEGIN + from,
            until: BEGIN + until,
            by,
            only: Vec::new(),
            limit: None,
        };
        let (statement, values) = question.statement(database.dialect());
        let mut best = Duration::MAX;
        let mut rows = 0;
        for _ in 0..3 {
            let began = Instant::now();
            rows = database
                .rows(&statement, values.clone())
                .await
                .unwrap()
                .len();
            best = best.min(began.elapsed());
        }
        println!("| `{what}` | {rows} | {:.0} ms |", best.as_secs_f64() * 1e3);
    }
}
