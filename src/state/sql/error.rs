//! Why a database did not do what it was asked.

use std::fmt;

use sqlx::migrate::MigrateError;

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
            sqlx::Error::Database(database) if database.is_unique_violation() => Trouble::Taken,
            // Deadlocks and serialization failures: SQLSTATE 40001 and 40P01; SQLite: busy, locked.
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| {
                    matches!(&*code, "40001" | "40P01" | "5" | "6" | "517")
                }) =>
            {
                Trouble::Conflict
            }
            // PostgreSQL shuts down or starts (57P0x), or has no room for another connection (53300).
            sqlx::Error::Database(database)
                if database.code().is_some_and(|code| {
                    code.starts_with("57P") || code.starts_with("08") || &*code == "53300"
                }) =>
            {
                Trouble::Away
            }
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
