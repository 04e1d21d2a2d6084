//! Which version a database's tables have, and how they get this program's.

use super::migrations::{latest, migrator};
use super::pool::Pools;
use super::{Dialect, SqlError, Trouble};

pub(super) async fn update(pools: &Pools, dialect: Dialect) -> Result<(), SqlError> {
    let migrator = migrator(dialect);
    match pools {
        Pools::Sqlite { writer, .. } => migrator.run(writer).await?,
        Pools::MySql(pool) => migrator.run(pool).await?,
        Pools::Postgres(pool) => migrator.run(pool).await?,
    }
    Ok(())
}

pub(super) async fn check(pools: &Pools) -> Result<(), SqlError> {
    let latest = latest();
    match version(pools).await? {
        Some(version) if version == latest => Ok(()),
        Some(version) if version > latest => Err(SqlError::new(
            Trouble::New,
            format!("its schema has version {version}, newer than this version of ai-proxy knows"),
        )),
        found => Err(SqlError::new(
            Trouble::Old,
            format!(
                "its schema has version {}, and {latest} is needed: run `ai-proxy migrate`",
                found.unwrap_or(0)
            ),
        )),
    }
}

/// The version of its tables; `None`: it has none.
pub(super) async fn version(pools: &Pools) -> Result<Option<i64>, SqlError> {
    const VERSION: &str = "SELECT MAX(version) FROM _sqlx_migrations WHERE success";
    let found: Result<Option<i64>, sqlx::Error> = match pools {
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(VERSION).fetch_one(writer).await,
        Pools::MySql(pool) => sqlx::query_scalar(VERSION).fetch_one(pool).await,
        Pools::Postgres(pool) => sqlx::query_scalar(VERSION).fetch_one(pool).await,
    };
    match found {
        Err(sqlx::Error::Database(error)) if is_missing_table(&*error) => Ok(None),
        found => Ok(found?),
    }
}

/// SQLSTATE of PostgreSQL and MySQL; SQLite has words only.
fn is_missing_table(error: &dyn sqlx::error::DatabaseError) -> bool {
    error
        .code()
        .is_some_and(|code| matches!(&*code, "42P01" | "42S02"))
        || error.message().starts_with("no such table")
}
