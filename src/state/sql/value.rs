//! What goes into statements and comes out of them.

use sqlx::mysql::MySqlRow;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Database, Decode, Type};

use super::SqlError;

/// A value of a statement. `None` is NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A 64-bit integer.
    Int(Option<i64>),
    /// A text.
    Text(Option<String>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

/// The database's integers have a sign; what does not fit becomes the largest there is.
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(Some(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(Some(i64::from(value)))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

/// A row of an answer. Columns are counted from 0.
pub enum Row {
    /// SQLite's.
    Sqlite(SqliteRow),
    /// MySQL's.
    MySql(MySqlRow),
    /// PostgreSQL's.
    Postgres(PgRow),
}

impl Row {
    /// The integer in a column that is never NULL.
    pub fn int(&self, column: usize) -> Result<i64, SqlError> {
        self.get(column)
    }

    /// The integer in a column.
    pub fn maybe_int(&self, column: usize) -> Result<Option<i64>, SqlError> {
        self.get(column)
    }

    /// The text in a column that is never NULL.
    pub fn text(&self, column: usize) -> Result<String, SqlError> {
        self.get(column)
    }

    /// The text in a column.
    pub fn maybe_text(&self, column: usize) -> Result<Option<String>, SqlError> {
        self.get(column)
    }

    /// The bytes in a column that is never NULL.
    pub fn bytes(&self, column: usize) -> Result<Vec<u8>, SqlError> {
        self.get(column)
    }

    fn get<T>(&self, column: usize) -> Result<T, SqlError>
    where
        T: for<'r> Decode<'r, sqlx::Sqlite> + Type<sqlx::Sqlite>,
        T: for<'r> Decode<'r, sqlx::MySql> + Type<sqlx::MySql>,
        T: for<'r> Decode<'r, sqlx::Postgres> + Type<sqlx::Postgres>,
    {
        Ok(match self {
            Self::Sqlite(row) => cell::<sqlx::Sqlite, _, T>(row, column)?,
            Self::MySql(row) => cell::<sqlx::MySql, _, T>(row, column)?,
            Self::Postgres(row) => cell::<sqlx::Postgres, _, T>(row, column)?,
        })
    }
}

fn cell<D, R, T>(row: &R, column: usize) -> sqlx::Result<T>
where
    D: Database<Row = R>,
    R: sqlx::Row<Database = D>,
    usize: ColumnIndex<R>,
    T: for<'r> Decode<'r, D> + Type<D>,
{
    row.try_get(column)
}
