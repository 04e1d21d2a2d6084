//! Where a database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::Dialect;
use crate::secret::Secret;

/// `sqlite:PATH`, `sqlite::memory:`, `mysql://…` (also `mariadb://…`) or `postgres://…` (also
/// `postgresql://…`).
///
/// Shown without what may be a password: `mysql://db.example:3306/usage`.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    dialect: Dialect,
    /// A path for SQLite (`None`: in memory); else nothing.
    path: Option<PathBuf>,
    url: Secret,
}

/// Why a text is no [`DatabaseUrl`]. Quotes nothing of it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// No scheme that is known.
    #[error("must begin with sqlite:, mysql:// or postgres://")]
    Scheme,
    /// SQLite without a file.
    #[error("needs a path, as in sqlite:data/ai-proxy.db")]
    Path,
    /// A server without the name of a database.
    #[error("needs the name of a database, as in {0}://user:password@host/ai_proxy")]
    Name(&'static str),
    /// The rest is wrong.
    #[error("is not a valid URL: {0}")]
    Url(&'static str),
}

impl DatabaseUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = text.split_once(':').ok_or(InvalidDatabaseUrl::Scheme)?;
        let (dialect, name) = match scheme {
            "sqlite" => return Self::sqlite(rest),
            "mysql" | "mariadb" => (Dialect::MySql, "mysql"),
            "postgres" | "postgresql" => (Dialect::Postgres, "postgres"),
            _ => return Err(InvalidDatabaseUrl::Scheme),
        };
        let url = format!("{name}:{rest}");
        let wrong = InvalidDatabaseUrl::Url("expected USER:PASSWORD@HOST:PORT/NAME");
        let named = match dialect {
            Dialect::MySql => MySqlConnectOptions::from_str(&url)
                .map_err(|_| wrong)?
                .get_database()
                .is_some(),
            _ => PgConnectOptions::from_str(&url)
                .map_err(|_| wrong)?
                .get_database()
                .is_some(),
        };
        if !rest.starts_with("//") || !named {
            return Err(InvalidDatabaseUrl::Name(name));
        }
        Ok(Self {
            dialect,
            path: None,
            url: Secret::new(url),
        })
    }

    fn sqlite(rest: &str) -> Result<Self, InvalidDatabaseUrl> {
        let path = match rest {
            ":memory:" => None,
            path => {
                let path = path.strip_prefix("//").unwrap_or(path);
                if path.is_empty() || path.ends_with('/') {
                    return Err(InvalidDatabaseUrl::Path);
                }
                Some(PathBuf::from(path))
            }
        };
        Ok(Self {
            dialect: Dialect::Sqlite,
            path,
            url: Secret::new(""),
        })
    }

    /// A SQLite file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self {
            dialect: Dialect::Sqlite,
            path: Some(path.into()),
            url: Secret::new(""),
        }
    }

    /// A database of this process alone, gone with it.
    pub fn memory() -> Self {
        Self {
            dialect: Dialect::Sqlite,
            path: None,
            url: Secret::new(""),
        }
    }

    /// What is spoken there.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The file of SQLite.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it is gone with the process.
    pub fn is_memory(&self) -> bool {
        self.dialect == Dialect::Sqlite && self.path.is_none()
    }

    pub(super) fn url(&self) -> &str {
        self.url.expose()
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.dialect, &self.path) {
            (Dialect::Sqlite, Some(path)) => write!(f, "sqlite:{}", path.display()),
            (Dialect::Sqlite, None) => f.write_str("sqlite::memory:"),
            (Dialect::MySql, _) => match MySqlConnectOptions::from_str(self.url()) {
                Ok(options) => write!(
                    f,
                    "mysql://{}:{}/{}",
                    options.get_host(),
                    options.get_port(),
                    options.get_database().unwrap_or_default()
                ),
                Err(_) => f.write_str("mysql://…"),
            },
            (Dialect::Postgres, _) => match PgConnectOptions::from_str(self.url()) {
                Ok(options) => write!(
                    f,
                    "postgres://{}:{}/{}",
                    options.get_host(),
                    options.get_port(),
                    options.get_database().unwrap_or_default()
                ),
                Err(_) => f.write_str("postgres://…"),
            },
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_passwords() {
        for (url, shown) in [
            ("sqlite:data/x.db", "sqlite:data/x.db"),
            ("sqlite:///var/x.db", "sqlite:/var/x.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("mysql://u:hunter2@h/n", "mysql://h:3306/n"),
            ("mariadb://u:hunter2@h:1/n", "mysql://h:1/n"),
            (
                "postgres://u:hunter2@h/n?sslmode=require",
                "postgres://h:5432/n",
            ),
            ("postgresql://u:hunter2@h:7/n", "postgres://h:7/n"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("hunter2"));
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting() {
        for (url, error) in [
            ("data/x.db", InvalidDatabaseUrl::Scheme),
            ("oracle://hunter2@h/n", InvalidDatabaseUrl::Scheme),
            ("sqlite:", InvalidDatabaseUrl::Path),
            ("sqlite:data/", InvalidDatabaseUrl::Path),
            ("mysql://u:hunter2@h", InvalidDatabaseUrl::Name("mysql")),
            ("mysql:x", InvalidDatabaseUrl::Name("mysql")),
        ] {
            assert_eq!(DatabaseUrl::parse(url), Err(error), "{url}");
        }
        let wrong = DatabaseUrl::parse("postgres://u:hunter2@h:port/n").unwrap_err();
        assert!(!wrong.to_string().contains("hunter2"));
    }
}
