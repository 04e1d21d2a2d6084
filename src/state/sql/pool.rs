//! Connections, statements and transactions.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use futures::stream::{BoxStream, StreamExt, TryStreamExt};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::timeout;

use super::migrations::Migrated;
use super::version::{check, update, version};
use super::{DatabaseUrl, Dialect, Row, SqlError, Trouble, Value};

/// Connections to a server.
const CONNECTIONS: u32 = 8;
/// Connections that read a SQLite file; one writes.
const READERS: u32 = 4;
/// How long a statement waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);
/// Answers that are read row by row at the same time: connections for all else are left.
const STREAMS: usize = 3;
/// How long a connection to MySQL is kept that nobody uses: less than the server keeps it.
const IDLE: Duration = Duration::from_secs(45);
/// What every connection to PostgreSQL begins with: an instance that is lost in the midst of a transaction
/// does not keep its locks, and a lock is not waited for for ever.
const POSTGRES_SETUP: &str =
    "SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '10s'";
/// The same for MySQL, which closes idle connections.
const MYSQL_SETUP: &str = "SET SESSION wait_timeout = 60, innodb_lock_wait_timeout = 10";
/// How long SQLite waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// A database, opened by the first statement.
///
/// A statement that fails because the database is away leaves nothing behind: the next one tries to
/// connect again.
#[derive(Debug)]
pub struct Database {
    url: DatabaseUrl,
    pools: OnceCell<Pools>,
    /// One permit for each answer that is read row by row.
    streams: Semaphore,
}

#[derive(Debug)]
pub(super) enum Pools {
    Sqlite {
        /// One connection: SQLite has one writer at a time, and waiting in a queue is better than `busy`.
        writer: SqlitePool,
        reader: SqlitePool,
    },
    MySql(MySqlPool),
    Postgres(PgPool),
}

/// Statements that happen together or not at all: dropped without [`commit`](Self::commit), not at all.
pub enum Transaction {
    /// SQLite's.
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    /// MySQL's.
    MySql(sqlx::Transaction<'static, sqlx::MySql>),
    /// PostgreSQL's.
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// A query of `$statement` with `$values`, in the types of a database.
macro_rules! query {
    ($dialect:expr, $statement:expr, $values:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($dialect.numbered($statement)));
        for value in $values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value),
                Value::Bytes(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Database {
    /// The database at `url`. Nothing is connected yet.
    pub fn new(url: DatabaseUrl) -> Self {
        Self {
            url,
            pools: OnceCell::new(),
            streams: Semaphore::new(STREAMS),
        }
    }

    /// Where it is.
    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        self.url.dialect()
    }

    /// Brings its tables up to date; any database may be in use meanwhile.
    pub async fn migrate(&self) -> Result<Migrated, SqlError> {
        let pools = connect(&self.url).await?;
        let from = version(&pools).await?.unwrap_or(0);
        update(&pools, self.dialect()).await?;
        let to = version(&pools).await?.unwrap_or(0);
        // A pool that is there serves on.
        let _ = self.pools.set(pools);
        Ok(Migrated { from, to })
    }

    /// Connects and looks whether the tables are this program's. SQLite's are brought up to date.
    pub async fn open(&self) -> Result<(), SqlError> {
        self.pools().await.map(drop)
    }

    /// Whether its tables are this program's. Changes nothing, SQLite's neither.
    pub async fn check(&self) -> Result<(), SqlError> {
        let pools = connect(&self.url).await?;
        check(&pools).await
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn execute(&self, statement: &str, values: Vec<Value>) -> Result<u64, SqlError> {
        let dialect = self.dialect();
        Ok(match self.pools().await? {
            Pools::Sqlite { writer, .. } => query!(dialect, statement, values)
                .execute(writer)
                .await?
                .rows_affected(),
            Pools::MySql(pool) => query!(dialect, statement, values)
                .execute(pool)
                .await?
                .rows_affected(),
            Pools::Postgres(pool) => query!(dialect, statement, values)
                .execute(pool)
                .await?
                .rows_affected(),
        })
    }

    /// All rows of an answer.
    pub async fn rows(&self, statement: &str, values: Vec<Value>) -> Result<Vec<Row>, SqlError> {
        self.fetch(statement, values).await?.try_collect().await
    }

    /// The rows of an answer as they come. Holds a connection as long as it lives, so that only few live at
    /// the same time; an answer of a database in memory, which has one connection, is read as a whole.
    pub async fn stream(
        &self,
        statement: &str,
        values: Vec<Value>,
    ) -> Result<BoxStream<'_, Result<Row, SqlError>>, SqlError> {
        if self.url.is_memory() {
            let rows = self.rows(statement, values).await?;
            return Ok(futures::stream::iter(rows.into_iter().map(Ok)).boxed());
        }
        let Ok(Ok(permit)) = timeout(ACQUIRE, self.streams.acquire()).await else {
            let message = "too many long answers are being read";
            return Err(SqlError::new(Trouble::Away, message));
        };
        let rows = self.fetch(statement, values).await?;
        Ok(rows.inspect(move |_| _ = &permit).boxed())
    }

    async fn fetch(
        &self,
        statement: &str,
        values: Vec<Value>,
    ) -> Result<BoxStream<'_, Result<Row, SqlError>>, SqlError> {
        let dialect = self.dialect();
        Ok(match self.pools().await? {
            Pools::Sqlite { reader, .. } => query!(dialect, statement, values)
                .fetch(reader)
                .map(|row| Ok(Row::Sqlite(row?)))
                .boxed(),
            Pools::MySql(pool) => query!(dialect, statement, values)
                .fetch(pool)
                .map(|row| Ok(Row::MySql(row?)))
                .boxed(),
            Pools::Postgres(pool) => query!(dialect, statement, values)
                .fetch(pool)
                .map(|row| Ok(Row::Postgres(row?)))
                .boxed(),
        })
    }

    /// Begins a transaction. SQLite's takes the right to write at once.
    pub async fn begin(&self) -> Result<Transaction, SqlError> {
        Ok(match self.pools().await? {
            Pools::Sqlite { writer, .. } => {
                Transaction::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)
            }
            Pools::MySql(pool) => Transaction::MySql(pool.begin().await?),
            Pools::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }

    /// Closes its connections; SQLite writes everything into its file.
    pub async fn close(&self) {
        match self.pools.get() {
            Some(Pools::Sqlite { writer, reader }) => {
                reader.close().await;
                writer.close().await;
            }
            Some(Pools::MySql(pool)) => pool.close().await,
            Some(Pools::Postgres(pool)) => pool.close().await,
            None => {}
        }
    }

    async fn pools(&self) -> Result<&Pools, SqlError> {
        let opened = async {
            let pools = connect(&self.url).await?;
            match self.dialect() {
                Dialect::Sqlite => update(&pools, Dialect::Sqlite).await?,
                _ => check(&pools).await?,
            }
            Ok(pools)
        };
        self.pools.get_or_try_init(|| opened).await
    }
}

impl Transaction {
    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::MySql(_) => Dialect::MySql,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement; the number of rows that it changed.
    pub async fn execute(&mut self, statement: &str, values: Vec<Value>) -> Result<u64, SqlError> {
        let dialect = self.dialect();
        Ok(match self {
            Self::Sqlite(open) => query!(dialect, statement, values)
                .execute(&mut **open)
                .await?
                .rows_affected(),
            Self::MySql(open) => query!(dialect, statement, values)
                .execute(&mut **open)
                .await?
                .rows_affected(),
            Self::Postgres(open) => query!(dialect, statement, values)
                .execute(&mut **open)
                .await?
                .rows_affected(),
        })
    }

    /// All rows of an answer.
    pub async fn rows(
        &mut self,
        statement: &str,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, SqlError> {
        let dialect = self.dialect();
        Ok(match self {
            Self::Sqlite(open) => query!(dialect, statement, values)
                .fetch_all(&mut **open)
                .await?
                .into_iter()
                .map(Row::Sqlite)
                .collect(),
            Self::MySql(open) => query!(dialect, statement, values)
                .fetch_all(&mut **open)
                .await?
                .into_iter()
                .map(Row::MySql)
                .collect(),
            Self::Postgres(open) => query!(dialect, statement, values)
                .fetch_all(&mut **open)
                .await?
                .into_iter()
                .map(Row::Postgres)
                .collect(),
        })
    }

    /// Makes it happen.
    pub async fn commit(self) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(open) => open.commit().await?,
            Self::MySql(open) => open.commit().await?,
            Self::Postgres(open) => open.commit().await?,
        }
        Ok(())
    }
}

async fn connect(url: &DatabaseUrl) -> Result<Pools, SqlError> {
    let wrong = |_| SqlError::new(Trouble::Refused, "its URL is not valid");
    Ok(match url.dialect() {
        Dialect::Sqlite => sqlite(url.path()).await?,
        Dialect::MySql => {
            let options = MySqlConnectOptions::from_str(url.url()).map_err(wrong)?;
            let pool = MySqlPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(ACQUIRE)
                .idle_timeout(IDLE)
                .after_connect(|connection, _| {
                    Box::pin(async move { connection.execute(MYSQL_SETUP).await.map(drop) })
                })
                .connect_with(options.disable_statement_logging())
                .await?;
            Pools::MySql(pool)
        }
        Dialect::Postgres => {
            let options = PgConnectOptions::from_str(url.url()).map_err(wrong)?;
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(ACQUIRE)
                .after_connect(|connection, _| {
                    Box::pin(async move { connection.execute(POSTGRES_SETUP).await.map(drop) })
                })
                .connect_with(options.disable_statement_logging())
                .await?;
            Pools::Postgres(pool)
        }
    })
}

async fn sqlite(path: Option<&Path>) -> Result<Pools, SqlError> {
    let pool = SqlitePoolOptions::new().acquire_timeout(ACQUIRE);
    let Some(path) = path else {
        // It lives in its one connection.
        let pool = pool
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None);
        let options = SqliteConnectOptions::new().in_memory(true);
        let memory = pool
            .connect_with(options.disable_statement_logging())
            .await?;
        return Ok(Pools::Sqlite {
            writer: memory.clone(),
            reader: memory,
        });
    };
    make(path).map_err(|error| {
        let message = format!("cannot create {}: {error}", path.display());
        SqlError::new(Trouble::Refused, message)
    })?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        // What was committed outlives the process; only a loss of power may take the last of it.
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let writer = pool
        .clone()
        .max_connections(1)
        .connect_with(options.clone())
        .await?;
    let reader = pool
        .max_connections(READERS)
        .connect_lazy_with(options.read_only(true));
    Ok(Pools::Sqlite { writer, reader })
}

/// Makes the file and its folder where they are missing, for their owner alone.
fn make(path: &Path) -> io::Result<()> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_in_memory_takes_statements_and_transactions() {
        let database = Database::new(DatabaseUrl::memory());
        database
            .execute("CREATE TABLE t (a INTEGER, b TEXT, c BLOB)", vec![])
            .await
            .unwrap();
        let mut open = database.begin().await.unwrap();
        let insert = "INSERT INTO t (a, b, c) VALUES (?, ?, ?)";
        let values = || vec![7_i64.into(), "x".into(), vec![1, 2].into()];
        assert_eq!(open.execute(insert, values()).await.unwrap(), 1);
        drop(open);
        let rows = database.rows("SELECT a FROM t", vec![]).await.unwrap();
        assert!(rows.is_empty());
        let mut open = database.begin().await.unwrap();
        open.execute(insert, values()).await.unwrap();
        open.commit().await.unwrap();
        let rows = database
            .rows("SELECT a, b, c, NULL FROM t WHERE b = ?", vec!["x".into()])
            .await
            .unwrap();
        let row = &rows[0];
        assert_eq!(row.int(0).unwrap(), 7);
        assert_eq!(row.text(1).unwrap(), "x");
        assert_eq!(row.bytes(2).unwrap(), [1, 2]);
        assert_eq!(row.maybe_text(3).unwrap(), None);
    }

    #[tokio::test]
    async fn a_file_is_made_for_its_owner_and_what_is_no_database_is_an_error() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/x.db");
        let database = Database::new(DatabaseUrl::file(&path));
        database.open().await.unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        database.close().await;
        fs::write(&path, "x".repeat(5_000)).unwrap();
        let _ = fs::remove_file(folder.path().join("deep/x.db-wal"));
        let error = Database::new(DatabaseUrl::file(&path))
            .open()
            .await
            .unwrap_err();
        assert_eq!(error.trouble, Trouble::Refused, "{error}");
    }
}
