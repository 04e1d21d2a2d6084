//! One suite for every store of what is shared: SQLite, MariaDB, PostgreSQL and Redis.

use std::sync::Arc;

use ai_proxy::account::AccountId;
use ai_proxy::live::{InDatabase, InRedis, Kept, Made, Maker, Response, load_turns, store_turns};
use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect};

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
    other.recall("resp_3").await;
    assert_eq!(other.maker("resp_3"), Some(one.1));
    other.recall("not plain").await;
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
