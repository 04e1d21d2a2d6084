//! The tables, and how older ones become today's.
//!
//! One schema for all databases, in `schema/`; a file that was shipped never changes again, because its
//! checksum stands in the database.

use std::borrow::Cow;

use sqlx::AssertSqlSafe;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use super::Dialect;

/// Version, what it brings, statements.
type Step = (i64, &'static str, &'static str);

const STEPS: &[Step] = &[
    (1, "usage", include_str!("schema/0001_usage.sql")),
    (
        2,
        "accounts and audit",
        include_str!("schema/0002_accounts.sql"),
    ),
    (3, "tokens", include_str!("schema/0003_tokens.sql")),
    (
        4,
        "turns and stored responses",
        include_str!("schema/0004_shared.sql"),
    ),
    (5, "proxy pool", include_str!("schema/0005_proxies.sql")),
];

/// What a migration has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0: nothing was there.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

/// The version that this program works with.
pub fn latest() -> i64 {
    STEPS.last().map_or(0, |(version, ..)| *version)
}

/// All steps in the words of `dialect`.
pub(super) fn migrator(dialect: Dialect) -> Migrator {
    let migration = |(version, brings, statements): &Step| {
        Migration::new(
            *version,
            Cow::Borrowed(*brings),
            MigrationType::Simple,
            AssertSqlSafe(dialect.schema(statements)).into_sql_str(),
            false,
        )
    };
    Migrator::with_migrations(STEPS.iter().map(migration).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_and_no_placeholder_is_left() {
        assert!(STEPS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for dialect in Dialect::ALL {
            for migration in &*migrator(dialect).migrations {
                assert!(!migration.sql.as_str().contains(['{', '}']), "{dialect:?}");
            }
        }
    }
}
