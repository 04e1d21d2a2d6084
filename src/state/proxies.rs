//! Which proxy of the pool an account has, and which proxies are dead.
//!
//! Both are counted as [`Topic::Proxies`]. Instances that want to share out the same proxies wait for each
//! other, and the second one finds what the first has written.

use super::accounts::{Entry, Topic, count, note};
use super::sql::{Column, Database, Row, SqlError, Transaction, Trouble};

/// How often a change is tried again that another one was in the way of.
const TRIES: u32 = 5;

/// Everything that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Accounts and their proxies.
    pub assigned: Vec<(String, String)>,
    /// Proxies that are marked dead.
    pub dead: Vec<String>,
}

const ASSIGNED: &str = "SELECT account, proxy FROM proxy_assignments";
const DEAD: &str = "SELECT proxy FROM dead_proxies";

/// What is stored now.
pub async fn all(database: &Database) -> Result<Stored, SqlError> {
    let assigned = database.rows(ASSIGNED, Vec::new()).await?;
    let dead = database.rows(DEAD, Vec::new()).await?;
    stored(&assigned, &dead)
}

fn stored(assigned: &[Row], dead: &[Row]) -> Result<Stored, SqlError> {
    let pair = |row: &Row| Ok((row.text(0)?, row.text(1)?));
    Ok(Stored {
        assigned: assigned.iter().map(pair).collect::<Result<_, SqlError>>()?,
        dead: dead
            .iter()
            .map(|row| row.text(0))
            .collect::<Result<_, _>>()?,
    })
}

/// Has `decide` give accounts proxies, knowing what is stored, and stores what it gives. Nobody else gives
/// any meanwhile.
pub async fn settle(
    database: &Database,
    at: i64,
    decide: impl Fn(&Stored) -> Vec<(String, String)> + Send,
) -> Result<(), SqlError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_settle(database, at, &decide).await {
            Err(error) if error.trouble == Trouble::Conflict && tries < TRIES => {}
            done => return done,
        }
    }
}

async fn try_settle(
    database: &Database,
    at: i64,
    decide: &(impl Fn(&Stored) -> Vec<(String, String)> + Send),
) -> Result<(), SqlError> {
    let mut open = database.begin().await?;
    count(&mut open, Topic::Proxies).await?;
    let assigned = open.rows(ASSIGNED, Vec::new()).await?;
    let dead = open.rows(DEAD, Vec::new()).await?;
    let news = decide(&stored(&assigned, &dead)?);
    if news.is_empty() {
        return Ok(());
    }
    for (account, proxy) in news {
        give(&mut open, &account, &proxy, at).await?;
    }
    open.commit().await
}

async fn give(open: &mut Transaction, account: &str, proxy: &str, at: i64) -> Result<(), SqlError> {
    let columns = [
        Column::Key("account"),
        Column::Set("proxy"),
        Column::Set("assigned_at"),
    ];
    let statement = open.dialect().upsert("proxy_assignments", &columns);
    let values = vec![account.into(), proxy.into(), at.into()];
    open.execute(&statement, values).await.map(drop)
}

/// Marks a proxy dead or alive and writes down who did so. `entry.subject` is the proxy.
pub async fn mark(database: &Database, dead: bool, entry: &Entry) -> Result<(), SqlError> {
    let mut open = database.begin().await?;
    count(&mut open, Topic::Proxies).await?;
    let statement = "DELETE FROM dead_proxies WHERE proxy = ?";
    open.execute(statement, vec![(&*entry.subject).into()])
        .await?;
    if dead {
        let statement = "INSERT INTO dead_proxies (proxy, since) VALUES (?, ?)";
        let values = vec![(&*entry.subject).into(), entry.at.into()];
        open.execute(statement, values).await?;
    }
    note(&mut open, entry).await?;
    open.commit().await
}

/// The account `new` gets the proxy of `old`, whose identity it is about to take over.
pub async fn inherit(database: &Database, old: &str, new: &str, at: i64) -> Result<(), SqlError> {
    let statement = format!("{ASSIGNED} WHERE account = ?");
    let rows = database.rows(&statement, vec![old.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(());
    };
    let proxy = row.text(1)?;
    let mut open = database.begin().await?;
    count(&mut open, Topic::Proxies).await?;
    give(&mut open, new, &proxy, at).await?;
    open.commit().await
}

/// The account is gone.
pub async fn release(database: &Database, account: &str) -> Result<(), SqlError> {
    let mut open = database.begin().await?;
    count(&mut open, Topic::Proxies).await?;
    let statement = "DELETE FROM proxy_assignments WHERE account = ?";
    match open.execute(statement, vec![account.into()]).await? {
        0 => Ok(()),
        _ => open.commit().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::sql::DatabaseUrl;

    fn pair(account: &str, proxy: &str) -> (String, String) {
        (account.to_owned(), proxy.to_owned())
    }

    #[tokio::test]
    async fn proxies_are_given_inherited_and_released() {
        let database = Database::new(DatabaseUrl::memory());
        let give = |pairs: Vec<(String, String)>| move |_: &Stored| pairs.clone();
        let first = give(vec![pair("a", "p"), pair("b", "p")]);
        settle(&database, 1, first).await.unwrap();
        settle(&database, 1, give(vec![pair("b", "q")]))
            .await
            .unwrap();
        settle(&database, 1, |stored| {
            assert_eq!(stored.assigned.len(), 2);
            Vec::new()
        })
        .await
        .unwrap();
        inherit(&database, "a", "c", 2).await.unwrap();
        release(&database, "a").await.unwrap();
        let mut stored = all(&database).await.unwrap();
        stored.assigned.sort();
        assert_eq!(stored.assigned, [pair("b", "q"), pair("c", "p")]);
    }

    #[tokio::test]
    async fn a_proxy_is_dead_until_it_is_alive() {
        let database = Database::new(DatabaseUrl::memory());
        let entry = Entry {
            at: 7,
            actor: String::new(),
            address: String::new(),
            what: "dead".to_owned(),
            subject: "p".to_owned(),
            changed_keys: String::new(),
            old_version: None,
            new_version: None,
        };
        for _ in 0..2 {
            mark(&database, true, &entry).await.unwrap();
            assert_eq!(all(&database).await.unwrap().dead, ["p"]);
        }
        mark(&database, false, &entry).await.unwrap();
        assert!(all(&database).await.unwrap().dead.is_empty());
    }
}
