//! Accounts that were made while the gateway ran: their rows, their versions, and who changed what.
//!
//! Every change counts [`Topic::Accounts`] up, in the transaction that makes it: whoever wants to know
//! whether there is news asks for one row. The count after a change is also the version of what was changed,
//! so that no version ever comes back, not even when an account is deleted and made again.
//!
//! Documents are sealed before they come here; nothing in this module can read one.

use super::sql::{Database, Row, SqlError, Transaction, Trouble, Value};

/// How often a change is tried again that another one was in the way of.
const TRIES: u32 = 5;

/// What changes are counted of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// The accounts.
    Accounts,
    /// Which proxy of the pool an account has, and which of them are dead.
    Proxies,
}

impl Topic {
    fn word(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Proxies => "proxies",
        }
    }
}

/// How many changes there were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Of accounts.
    pub accounts: i64,
    /// Of the pool.
    pub proxies: i64,
}

/// One account, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: i64,
    /// What it is.
    pub document: String,
    /// When it was made, in milliseconds of Unix time.
    pub created_at: i64,
    /// When it was changed last.
    pub changed_at: i64,
}

/// What becomes of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// It is made, with this document.
    Create(&'a str),
    /// The one of this version gets this document.
    Change(i64, &'a str),
    /// The one of this version goes.
    Delete(i64),
}

/// A row of the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, in milliseconds of Unix time.
    pub at: i64,
    /// Whose key it was.
    pub actor: String,
    /// Where they were.
    pub address: String,
    /// What was done: `create`, `change`, `delete`….
    pub what: String,
    /// The account or the proxy.
    pub subject: String,
    /// The names of the keys that got another value, with commas.
    pub changed_keys: String,
    /// The version before.
    pub old_version: Option<i64>,
    /// The version after.
    pub new_version: Option<i64>,
}

/// Why a change was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotWritten {
    /// There is one with that name.
    #[error("there is an account with this name")]
    Taken,
    /// The account is not there, or not in that version any more.
    #[error("the account has changed")]
    Stale,
    /// The database did not do it.
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// How many changes there were.
pub async fn counts(database: &Database) -> Result<Counts, SqlError> {
    let mut counts = Counts::default();
    for row in database
        .rows("SELECT topic, version FROM change_counts", Vec::new())
        .await?
    {
        match &*row.text(0)? {
            "accounts" => counts.accounts = row.int(1)?,
            "proxies" => counts.proxies = row.int(1)?,
            _ => {}
        }
    }
    Ok(counts)
}

const COLUMNS: &str = "SELECT name, version, document, created_at, changed_at FROM accounts";

/// All accounts, in the order in which they were made.
pub async fn all(database: &Database) -> Result<Vec<Sealed>, SqlError> {
    let statement = format!("{COLUMNS} ORDER BY created_at, name");
    let rows = database.rows(&statement, Vec::new()).await?;
    rows.iter().map(sealed).collect()
}

/// The account with this name.
pub async fn one(database: &Database, name: &str) -> Result<Option<Sealed>, SqlError> {
    let statement = format!("{COLUMNS} WHERE name = ?");
    let rows = database.rows(&statement, vec![name.into()]).await?;
    rows.first().map(sealed).transpose()
}

fn sealed(row: &Row) -> Result<Sealed, SqlError> {
    Ok(Sealed {
        name: row.text(0)?,
        version: row.int(1)?,
        document: row.text(2)?,
        created_at: row.int(3)?,
        changed_at: row.int(4)?,
    })
}

/// Makes a change and writes it down; the account's version after it. `entry.subject` is the account.
pub async fn write(database: &Database, step: Step<'_>, entry: &Entry) -> Result<i64, NotWritten> {
    let mut tries = 0;
    loop {
        tries += 1;
        match try_write(database, step, entry).await {
            Err(NotWritten::Sql(error)) if error.trouble == Trouble::Conflict && tries < TRIES => {}
            done => return done,
        }
    }
}

async fn try_write(database: &Database, step: Step<'_>, entry: &Entry) -> Result<i64, NotWritten> {
    let mut open = database.begin().await?;
    let version = count(&mut open, Topic::Accounts).await?;
    let name = || Value::from(&*entry.subject);
    let (rows, old) = match step {
        Step::Create(document) => {
            let statement = "INSERT INTO accounts (name, version, document, created_at, changed_at) VALUES (?, ?, ?, ?, ?)";
            let at = entry.at.into();
            let values = vec![name(), version.into(), document.into(), at, entry.at.into()];
            match open.execute(statement, values).await {
                Err(error) if error.trouble == Trouble::Taken => return Err(NotWritten::Taken),
                done => (done?, None),
            }
        }
        Step::Change(old, document) => {
            let statement = "UPDATE accounts SET version = ?, document = ?, changed_at = ? WHERE name = ? AND version = ?";
            let at = entry.at.into();
            let values = vec![version.into(), document.into(), at, name(), old.into()];
            (open.execute(statement, values).await?, Some(old))
        }
        Step::Delete(old) => {
            let statement = "DELETE FROM accounts WHERE name = ? AND version = ?";
            let values = vec![name(), old.into()];
            (open.execute(statement, values).await?, Some(old))
        }
    };
    if rows == 0 {
        return Err(NotWritten::Stale);
    }
    let entry = Entry {
        old_version: old,
        new_version: (!matches!(step, Step::Delete(_))).then_some(version),
        ..entry.clone()
    };
    note(&mut open, &entry).await?;
    open.commit().await?;
    Ok(version)
}

/// Counts a change; how many there were with it. Other changes of the topic wait until this one is made.
pub(super) async fn count(open: &mut Transaction, topic: Topic) -> Result<i64, SqlError> {
    let topic = || vec![Value::from(topic.word())];
    let statement = "UPDATE change_counts SET version = version + 1 WHERE topic = ?";
    open.execute(statement, topic()).await?;
    let statement = "SELECT version FROM change_counts WHERE topic = ?";
    match open.rows(statement, topic()).await?.first() {
        Some(row) => row.int(0),
        None => Ok(0),
    }
}

/// Puts a document sealed with another key in the place of the same one; it stays the same version.
pub async fn reseal(
    database: &Database,
    name: &str,
    version: i64,
    document: &str,
) -> Result<(), SqlError> {
    let statement = "UPDATE accounts SET document = ? WHERE name = ? AND version = ?";
    let values = vec![document.into(), name.into(), version.into()];
    database.execute(statement, values).await.map(drop)
}

/// Writes down who did what.
pub(super) async fn note(open: &mut Transaction, entry: &Entry) -> Result<(), SqlError> {
    let statement = "INSERT INTO audit (happened_at, actor, address, what, subject, changed_keys, old_version, new_version) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    let values = vec![
        entry.at.into(),
        (&*entry.actor).into(),
        (&*entry.address).into(),
        (&*entry.what).into(),
        (&*entry.subject).into(),
        (&*entry.changed_keys).into(),
        entry.old_version.into(),
        entry.new_version.into(),
    ];
    open.execute(statement, values).await.map(drop)
}

/// The latest entries of the audit from `from` until before `to`, the latest first.
pub async fn audit(
    database: &Database,
    from: i64,
    to: i64,
    subject: Option<&str>,
    limit: i64,
) -> Result<Vec<Entry>, SqlError> {
    let mut statement = "SELECT happened_at, actor, address, what, subject, changed_keys, old_version, new_version \
         FROM audit WHERE happened_at >= ? AND happened_at < ?"
        .to_owned();
    let mut values: Vec<Value> = vec![from.into(), to.into()];
    if let Some(subject) = subject {
        statement.push_str(" AND subject = ?");
        values.push(subject.into());
    }
    statement.push_str(" ORDER BY id DESC LIMIT ?");
    values.push(limit.into());
    let rows = database.rows(&statement, values).await?;
    rows.iter().map(noted).collect()
}

fn noted(row: &Row) -> Result<Entry, SqlError> {
    Ok(Entry {
        at: row.int(0)?,
        actor: row.text(1)?,
        address: row.text(2)?,
        what: row.text(3)?,
        subject: row.text(4)?,
        changed_keys: row.text(5)?,
        old_version: row.maybe_int(6)?,
        new_version: row.maybe_int(7)?,
    })
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
