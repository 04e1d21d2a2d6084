//! What the three databases spell differently.

use std::fmt::Write;

/// What stands behind the definition of a table of MySQL. Its rows lie in the order of their primary key.
const INNODB: &str = " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";

/// The largest integer of a column.
const MAX: i64 = i64::MAX;

/// A database's SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// MySQL 8 and MariaDB 10.
    MySql,
    /// PostgreSQL.
    Postgres,
}

/// A column of an upsert, and what happens to it when the row is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Part of the key.
    Key(&'static str),
    /// Takes the new value.
    Set(&'static str),
    /// The new value, which is not below zero, is added. The sum stays at the largest integer there is.
    Add(&'static str),
    /// Keeps what it has.
    Keep(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Key(name) | Self::Set(name) | Self::Add(name) | Self::Keep(name) => name,
        }
    }
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::MySql, Self::Postgres];

    /// Its word in URLs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::MySql => "mysql",
            Self::Postgres => "postgres",
        }
    }

    /// `statement` with its `?` numbered where that is needed. A `?` in a quoted text stays.
    pub fn numbered(self, statement: &str) -> String {
        if self != Self::Postgres {
            return statement.to_owned();
        }
        let (mut out, mut n, mut quoted) = (String::with_capacity(statement.len() + 16), 0, false);
        for character in statement.chars() {
            quoted ^= character == '\'';
            match character {
                '?' if !quoted => {
                    n += 1;
                    // Writing to a String cannot fail.
                    let _ = write!(out, "${n}");
                }
                other => out.push(other),
            }
        }
        out
    }

    /// An expression as a 64-bit integer: sums are decimals otherwise.
    pub fn int(self, expression: &str) -> String {
        let kind = match self {
            Self::Sqlite => "INTEGER",
            Self::MySql => "SIGNED",
            Self::Postgres => "BIGINT",
        };
        format!("CAST({expression} AS {kind})")
    }

    /// The sum of an integer column as a 64-bit integer: 0 without rows, and the largest integer there is
    /// instead of an overflow.
    pub fn sum(self, column: &str) -> String {
        match self {
            // Its sums of integers overflow: so the upper and the lower half are added up.
            Self::Sqlite => {
                let low = format!("SUM({column} & 4294967295)");
                let high = format!("(SUM({column} >> 32) + ({low} >> 32))");
                format!(
                    "COALESCE(CASE WHEN {high} > 2147483647 THEN {MAX} \
                     ELSE ({high} << 32) | ({low} & 4294967295) END, 0)"
                )
            }
            // Theirs are decimals.
            Self::MySql | Self::Postgres => {
                self.int(&format!("LEAST(COALESCE(SUM({column}), 0), {MAX})"))
            }
        }
    }

    /// The text under a key of the JSON object in `column`, or NULL. The key is a value of the statement,
    /// made by [`json_key`](Self::json_key). An empty text in the column is an object without keys.
    pub fn json_text(self, column: &str) -> String {
        let object = format!("NULLIF({column}, '')");
        match self {
            Self::Sqlite => format!("(SELECT value FROM json_each({object}) WHERE key = ?)"),
            Self::MySql => format!("JSON_UNQUOTE(JSON_EXTRACT({object}, ?))"),
            Self::Postgres => format!("({object}::jsonb ->> ?)"),
        }
    }

    /// `key` for [`json_text`](Self::json_text).
    pub fn json_key(self, key: &str) -> String {
        match self {
            Self::MySql => {
                let escaped = key.replace('\\', "\\\\").replace('"', "\\\"");
                format!("$.\"{escaped}\"")
            }
            Self::Sqlite | Self::Postgres => key.to_owned(),
        }
    }

    /// A statement that inserts one row of `columns` into `table`, or changes the row with the same key.
    pub fn upsert(self, table: &str, columns: &[Column]) -> String {
        self.upsert_rows(table, columns, 1)
    }

    /// The same for several rows, of which no two may have the same key.
    pub fn upsert_rows(self, table: &str, columns: &[Column], rows: usize) -> String {
        let names: Vec<_> = columns.iter().map(|column| column.name()).collect();
        let mut statement = self.insert_rows(table, &names, rows);
        let keys: Vec<_> = columns
            .iter()
            .filter(|column| matches!(column, Column::Key(_)))
            .map(|column| column.name())
            .collect();
        let changes: Vec<String> = columns
            .iter()
            .filter_map(|column| match (column, self) {
                (Column::Set(name), Self::MySql) => Some(format!("{name} = VALUES({name})")),
                (Column::Set(name), _) => Some(format!("{name} = excluded.{name}")),
                (Column::Add(name), Self::MySql) => {
                    Some(added(table, name, &format!("VALUES({name})")))
                }
                (Column::Add(name), _) => Some(added(table, name, &format!("excluded.{name}"))),
                (Column::Key(_) | Column::Keep(_), _) => None,
            })
            .collect();
        let _ = match (self, changes.is_empty()) {
            (Self::MySql, false) => {
                write!(statement, " ON DUPLICATE KEY UPDATE {}", changes.join(", "))
            }
            (Self::MySql, true) => {
                write!(statement, " ON DUPLICATE KEY UPDATE {0} = {0}", keys[0])
            }
            (_, false) => write!(
                statement,
                " ON CONFLICT ({}) DO UPDATE SET {}",
                keys.join(", "),
                changes.join(", ")
            ),
            (_, true) => write!(statement, " ON CONFLICT ({}) DO NOTHING", keys.join(", ")),
        };
        statement
    }

    /// A statement that inserts `rows` rows of `columns` into `table`. One that is there is an error.
    pub fn insert_rows(self, table: &str, columns: &[&str], rows: usize) -> String {
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        format!(
            "INSERT INTO {table} ({}) VALUES {}",
            columns.join(", "),
            vec![row.as_str(); rows].join(", ")
        )
    }

    /// `schema` with its types in the words of the dialect: `{name}` a text of at most 191 characters
    /// that may be indexed, `{id}` 16 bytes that may be indexed, `{text}`, `{bytes}`, `{int}`, `{serial}` a
    /// primary key that counts itself, `{table}` what stands behind a table's definition, `{clustered}`
    /// the same where rows lie in the order of their primary key.
    pub(super) fn schema(self, schema: &str) -> String {
        let words: [(&str, &str); 8] = match self {
            Self::Sqlite => [
                ("{name}", "TEXT"),
                ("{id}", "BLOB"),
                ("{text}", "TEXT"),
                ("{bytes}", "BLOB"),
                ("{int}", "INTEGER"),
                ("{serial}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
                ("{table}", ""),
                ("{clustered}", " WITHOUT ROWID"),
            ],
            Self::MySql => [
                ("{name}", "VARCHAR(191)"),
                ("{id}", "BINARY(16)"),
                ("{text}", "LONGTEXT"),
                ("{bytes}", "LONGBLOB"),
                ("{int}", "BIGINT"),
                ("{serial}", "BIGINT PRIMARY KEY AUTO_INCREMENT"),
                ("{table}", INNODB),
                ("{clustered}", INNODB),
            ],
            Self::Postgres => [
                ("{name}", "VARCHAR(191)"),
                ("{id}", "BYTEA"),
                ("{text}", "TEXT"),
                ("{bytes}", "BYTEA"),
                ("{int}", "BIGINT"),
                ("{serial}", "BIGSERIAL PRIMARY KEY"),
                ("{table}", ""),
                ("{clustered}", ""),
            ],
        };
        let replaced = |text: String, (from, to): (&str, &str)| text.replace(from, to);
        words.into_iter().fold(schema.to_owned(), replaced)
    }
}

/// Adds `more` to a column, up to [`MAX`].
fn added(table: &str, name: &str, more: &str) -> String {
    format!(
        "{name} = CASE WHEN {table}.{name} > {MAX} - {more} THEN {MAX} ELSE {table}.{name} + {more} END"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_outside_of_quotes() {
        let statement = "SELECT '?' FROM t WHERE a = ? AND b = ?";
        assert_eq!(
            Dialect::Postgres.numbered(statement),
            "SELECT '?' FROM t WHERE a = $1 AND b = $2"
        );
        assert_eq!(Dialect::Sqlite.numbered(statement), statement);
    }

    #[test]
    fn upserts_have_the_words_of_their_dialect() {
        let columns = [
            Column::Key("a"),
            Column::Add("n"),
            Column::Set("s"),
            Column::Keep("k"),
        ];
        assert_eq!(
            Dialect::Postgres.upsert("t", &columns),
            "INSERT INTO t (a, n, s, k) VALUES (?, ?, ?, ?) ON CONFLICT (a) DO UPDATE SET n = CASE WHEN t.n > 9223372036854775807 - excluded.n THEN 9223372036854775807 ELSE t.n + excluded.n END, s = excluded.s"
        );
        assert_eq!(
            Dialect::MySql.upsert("t", &columns),
            "INSERT INTO t (a, n, s, k) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE n = CASE WHEN t.n > 9223372036854775807 - VALUES(n) THEN 9223372036854775807 ELSE t.n + VALUES(n) END, s = VALUES(s)"
        );
        assert_eq!(
            Dialect::Sqlite.upsert_rows("t", &[Column::Key("a"), Column::Keep("k")], 2),
            "INSERT INTO t (a, k) VALUES (?, ?), (?, ?) ON CONFLICT (a) DO NOTHING"
        );
        let only = [Column::Key("a")];
        assert_eq!(
            Dialect::MySql.upsert("t", &only),
            "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = a"
        );
        assert_eq!(
            Dialect::Sqlite.upsert("t", &only),
            "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING"
        );
    }
}
