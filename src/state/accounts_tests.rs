//! Accounts in a SQLite database in memory; the servers are in `tests/e2e`.

use super::*;
use crate::state::sql::DatabaseUrl;

fn database() -> Database {
    Database::new(DatabaseUrl::memory())
}

fn entry(name: &str, what: &str, at: i64) -> Entry {
    Entry {
        at,
        actor: "sha256:01234567".to_owned(),
        address: "127.0.0.1".to_owned(),
        what: what.to_owned(),
        subject: name.to_owned(),
        changed_keys: "api-key,weight".to_owned(),
        old_version: None,
        new_version: None,
    }
}

#[tokio::test]
async fn a_change_needs_the_version_that_is_there() {
    let database = database();
    let write = async |step, what| write(&database, step, &entry("a", what, 5)).await;
    let first = write(Step::Create("one"), "create").await.unwrap();
    assert!(matches!(
        write(Step::Create("two"), "create").await,
        Err(NotWritten::Taken)
    ));
    let second = write(Step::Change(first, "two"), "change").await.unwrap();
    assert!(second > first);
    for stale in [Step::Change(first, "x"), Step::Delete(first)] {
        assert!(matches!(write(stale, "x").await, Err(NotWritten::Stale)));
    }
    let row = one(&database, "a").await.unwrap().unwrap();
    assert_eq!((row.version, &*row.document), (second, "two"));
    write(Step::Delete(second), "delete").await.unwrap();
    assert_eq!(one(&database, "a").await.unwrap(), None);
    let again = write(Step::Create("three"), "create").await.unwrap();
    assert!(again > second, "no version comes back");
    assert_eq!(counts(&database).await.unwrap().accounts, again);
}

#[tokio::test]
async fn what_was_not_done_is_not_counted_and_not_written_down() {
    let database = database();
    let entry_of_it = entry("a", "create", 5);
    let made = write(&database, Step::Create("one"), &entry_of_it);
    let version = made.await.unwrap();
    let failed = write(&database, Step::Delete(99), &entry("a", "delete", 6)).await;
    assert!(failed.is_err());
    assert_eq!(counts(&database).await.unwrap().accounts, version);
    let written = audit(&database, 0, 100, None, 10).await.unwrap();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].what, "create");
    assert_eq!(
        (written[0].old_version, written[0].new_version),
        (None, Some(version))
    );
}

#[tokio::test]
async fn the_audit_is_read_by_time_and_subject_the_latest_first() {
    let database = database();
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let at = i64::try_from(n).unwrap() * 10;
        let entry = entry(name, "create", at);
        write(&database, Step::Create("x"), &entry).await.unwrap();
    }
    let subjects = async |from, to, subject, limit| -> Vec<String> {
        let found = audit(&database, from, to, subject, limit).await.unwrap();
        found.into_iter().map(|entry| entry.subject).collect()
    };
    assert_eq!(subjects(0, 100, None, 10).await, ["c", "b", "a"]);
    assert_eq!(subjects(10, 20, None, 10).await, ["b"]);
    assert_eq!(subjects(0, 100, Some("a"), 10).await, ["a"]);
    assert_eq!(subjects(0, 100, None, 2).await, ["c", "b"]);
}

#[tokio::test]
async fn sealing_again_changes_no_version() {
    let database = database();
    let entry_of_it = entry("a", "create", 5);
    let made = write(&database, Step::Create("one"), &entry_of_it);
    let version = made.await.unwrap();
    reseal(&database, "a", version, "sealed anew")
        .await
        .unwrap();
    reseal(&database, "a", version + 1, "not this")
        .await
        .unwrap();
    let row = one(&database, "a").await.unwrap().unwrap();
    assert_eq!((row.version, &*row.document), (version, "sealed anew"));
    assert_eq!(counts(&database).await.unwrap().accounts, version);
}
