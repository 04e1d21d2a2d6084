//! Why a database did not do what it was asked.

use std::fmt;

use sqlx::error::DatabaseError;
use sqlx::migrate::MigrateError;
use sqlx::mysql::MySqlDatabaseError;

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Not there, or too slow: later it may work.
    Away,
    /// The same again may work at once: another transaction was in the way.
    Conflict,
    /// There is a row with that key.
    Taken,
    /// Its tables are older than this program: `ai-proxy migrate`.
    Old,
    /// Its tables are newer than this program.
    New,
    /// It refuses a value: what is wrong is the row and not the database.
    Value,
    /// It refuses: a wrong password, no right to do so, a disk that is full, a file that is no database.
    Refused,
}

/// Why a database did not do what it was asked. Never holds a password.
#[derive(Debug, Clone)]
pub struct SqlError {
    /// What kind of trouble.
    pub trouble: Trouble,
    message: String,
}

impl std::error::Error for SqlError {}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl SqlError {
    pub(super) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self {
            trouble,
            message: message.into(),
        }
    }
}

impl From<sqlx::Error> for SqlError {
    fn from(error: sqlx::Error) -> Self {
        let trouble = match &error {
            // MySQL has words of its own for a lock that takes too long, and for a connection that was idle
            // for too long.
            sqlx::Error::Database(database) if number(&**database) == Some(1205) => {
                Trouble::Conflict
            }
            sqlx::Error::Database(database) if number(&**database) == Some(4031) => Trouble::Away,
            sqlx::Error::Database(database) if database.is_unique_violation() => Trouble::Taken,
            // Deadlocks, serialization failures, locks that take too long: SQLSTATE 40001, 40P01 and 55P03;
            // SQLite: busy, locked.
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| {
                    matches!(&*code, "40001" | "40P01" | "55P03" | "5" | "6" | "517")
                }) =>
            {
                Trouble::Conflict
            }
            // PostgreSQL shuts down or starts (57P0x), has no room for another connection (53300), or has
            // ended a transaction in which nothing happened (25P03).
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| {
                    code.starts_with("57P")
                        || code.starts_with("08")
                        || matches!(&*code, "53300" | "25P03")
                }) =>
            {
                Trouble::Away
            }
            sqlx::Error::Database(database) if is_of_a_value(&**database) => Trouble::Value,
            sqlx::Error::Database(_)
            | sqlx::Error::Configuration(_)
            | sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::TypeNotFound { .. } => Trouble::Refused,
            _ => Trouble::Away,
        };
        Self::new(trouble, error.to_string())
    }
}

/// Whether it is about a value: SQLSTATE 22 (data), 23 (constraints), 54 (limits), P0001 (triggers); MySQL's
/// characters and checks; SQLite's constraints, types and lengths. A disk that is full is none of these.
fn is_of_a_value(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    match code.len() {
        5 => {
            let class = ["22", "23", "54", "P0001"];
            class.iter().any(|class| code.starts_with(class))
                || matches!(number(error), Some(1366 | 3819))
        }
        _ => matches!(code.parse::<u32>().map(|code| code & 0xff), Ok(18..=20)),
    }
}

/// MySQL's own number of an error.
fn number(error: &dyn DatabaseError) -> Option<u16> {
    error
        .try_downcast_ref::<MySqlDatabaseError>()
        .map(MySqlDatabaseError::number)
}

impl From<MigrateError> for SqlError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::new(
                Trouble::New,
                format!(
                    "its schema has version {version}, which this version of ai-proxy does not know"
                ),
            ),
            MigrateError::Execute(error) => error.into(),
            other => Self::new(Trouble::Refused, other.to_string()),
        }
    }
}
