//! One suite for every store of what is shared: SQLite, MariaDB, PostgreSQL and Redis.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ai_proxy::account::AccountId;
use ai_proxy::live::{
    InDatabase, InRedis, Kept, Made, Maker, Response, SharedCounters, load_turns, store_turns,
};
use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect};
use ai_proxy::usage::counters::{Count, Counters, Local, Whose};

use crate::redis::{client, until};
use crate::support::servers::{Server, database};

async fn opened(dialect: Dialect) -> Arc<Database> {
    let url = database(dialect).await;
    let database = Database::new(DatabaseUrl::parse(&url).unwrap());
    database.migrate().await.unwrap();
    Arc::new(database)
}

fn response(id: &str, account: u64, client: Option<u64>) -> Response {
    let account = AccountId(account);
    (id.into(), Maker { account, client })
}

/// What every store of responses has to do.
async fn keeps_responses(store: Box<dyn Kept>, another: Box<dyn Kept>) {
    assert_eq!(store.find("resp_1").await.unwrap(), None);
    let one = response("resp_1", u64::MAX - 1, Some(u64::MAX - 2));
    let two = response("resp_2", 0, None);
    store.put(&[one.clone(), two.clone()]).await.unwrap();
    assert_eq!(another.find("resp_1").await.unwrap(), Some(one.1.clone()));
    assert_eq!(another.find("resp_2").await.unwrap(), Some(two.1.clone()));
    // Writing it again is no error, and the last one counts.
    let later = response("resp_2", 7, Some(8));
    another.put(std::slice::from_ref(&later)).await.unwrap();
    assert_eq!(store.find("resp_2").await.unwrap(), Some(later.1));
    store.tidy().await.unwrap();
    assert!(store.find("resp_1").await.unwrap().is_some(), "it is young");
    let long = "x".repeat(128);
    store.put(&[response(&long, 1, None)]).await.unwrap();
    assert!(store.find(&long).await.unwrap().is_some());
    // Case matters.
    assert_eq!(store.find("RESP_1").await.unwrap(), None);
    // What one process remembers, another recalls.
    let made = Made::new(vec![store]);
    made.remember("resp_3", one.1.clone());
    made.remember("not plain", one.1.clone());
    made.end().await;
    let other = Made::new(vec![another]);
    other.recall("resp_3", None).await;
    assert_eq!(other.maker("resp_3"), Some(one.1));
    other.recall("not plain", None).await;
    assert_eq!(other.maker("not plain"), None);
}

#[tokio::test]
async fn every_database_keeps_responses_and_turns() {
    for dialect in Dialect::ALL {
        let database = opened(dialect).await;
        let store = || Box::new(InDatabase(Arc::clone(&database)));
        keeps_responses(store(), store()).await;

        assert_eq!(load_turns(&database).await.unwrap(), []);
        let turns = [(u64::MAX, 15, 9), (1, 0, i64::MAX as u64)];
        store_turns(&database, &turns, 1_000).await.unwrap();
        store_turns(&database, &[(1, 0, 5)], 2_000).await.unwrap();
        let mut loaded = load_turns(&database).await.unwrap();
        loaded.sort_unstable();
        assert_eq!(loaded, [(1, 0, 5), (u64::MAX, 15, 9)], "{dialect:?}");
        // A month later nobody has saved the other one.
        let month = 31 * 24 * 3_600;
        store_turns(&database, &[(1, 0, 6)], 2_000 + month)
            .await
            .unwrap();
        assert_eq!(load_turns(&database).await.unwrap(), [(1, 0, 6)]);
        // What no program has written is left out.
        let insert = "INSERT INTO turns (tier, cell, position, saved) VALUES (?, ?, ?, ?)";
        for (tier, cell, position) in [("xyz", 1_i64, 1_i64), ("1", 999, 1), ("1", 1, -1)] {
            let values = vec![tier.into(), cell.into(), position.into(), 1_i64.into()];
            database.execute(insert, values).await.unwrap();
        }
        assert_eq!(load_turns(&database).await.unwrap(), [(1, 0, 6)]);
    }
}

#[tokio::test]
async fn redis_keeps_responses() {
    let server = Server::redis().await;
    let (one, two) = (client(&server.url()), client(&server.url()));
    until(&one, true).await;
    until(&two, true).await;
    keeps_responses(Box::new(InRedis(one)), Box::new(InRedis(two))).await;
}

/// A moment in the third minute of an hour, and that minute.
const MINUTE: i64 = 1_700_000_000 / 3_600 * 3_600 + 120;

fn used(requests: i64) -> Count {
    Count {
        requests,
        input_tokens: 1_000 * requests,
        nano_dollars: i64::MAX / 1_000,
        ..Count::default()
    }
}

/// What counters have to do: those that are given count for the same.
async fn counts(one: &SharedCounters, two: &SharedCounters) {
    let now = UNIX_EPOCH + Duration::from_secs(MINUTE as u64 + 30);
    assert_eq!(one.read(now).await, []);
    let client = Whose::Client("team: a".into());
    one.add(MINUTE, &[(Whose::All, used(2)), (client.clone(), used(2))])
        .await;
    two.add(MINUTE - 60, &[(Whose::All, used(3))]).await;
    two.add(MINUTE - 7_200, &[(Whose::All, used(5))]).await;
    one.flush().await;
    two.flush().await;
    for counters in [one, two] {
        let read = counters.read(now).await;
        assert_eq!(read.len(), 2, "{read:?}");
        assert_eq!(read[0].0, Whose::All);
        assert_eq!(read[0].1.map(|count| count.requests), [2, 5, 10]);
        assert_eq!(read[0].1[1].input_tokens, 5_000);
        assert_eq!(read[1].0, client);
        assert_eq!(read[1].1[0], used(2));
        let later = counters.read(now + Duration::from_secs(60)).await;
        assert_eq!(later[0].1.map(|count| count.requests), [0, 5, 10]);
    }
}

#[tokio::test]
async fn counters_count_in_memory_and_for_all_instances() {
    let local = Local::default();
    // An hour that is over in memory is not counted any more: the order is that of time there.
    local.add(MINUTE - 7_200, &[(Whose::All, used(5))]).await;
    local.add(MINUTE - 60, &[(Whose::All, used(3))]).await;
    local.add(MINUTE, &[(Whose::All, used(2))]).await;
    let now = UNIX_EPOCH + Duration::from_secs(MINUTE as u64);
    let read = local.read(now).await;
    assert_eq!(read[0].1.map(|count| count.requests), [2, 5, 10]);

    let mut server = Server::redis().await;
    let (one, two) = (client(&server.url()), client(&server.url()));
    until(&one, true).await;
    until(&two, true).await;
    let (first, second) = (
        SharedCounters::new(Arc::clone(&one)),
        SharedCounters::new(Arc::clone(&two)),
    );
    counts(&first, &second).await;
    // While Redis is away each says what it has seen itself, and adds it later.
    server.kill().await;
    until(&one, false).await;
    until(&two, false).await;
    first.add(MINUTE, &[(Whose::All, used(7))]).await;
    assert_eq!(first.read(now).await[0].1[0].requests, 9);
    server.start().await;
    until(&one, true).await;
    until(&two, true).await;
    first.add(MINUTE, &[(Whose::All, used(1))]).await;
    first.flush().await;
    assert_eq!(second.read(now).await[0].1[0].requests, 8);
}
