//! Where a Redis is.

use std::fmt;
use std::path::PathBuf;

use redis::{ConnectionAddr, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};

use crate::secret::Secret;

/// `redis://[USER][:PASSWORD@]HOST[:PORT][/DB]`, `rediss://…` over TLS, or
/// `unix:///PATH[?db=N&user=U&pass=P]`.
///
/// Shown without user and password: `redis://redis.example:6379/0`.
#[derive(Clone)]
pub struct RedisUrl {
    place: Place,
    settings: RedisConnectionInfo,
    /// As it was written, to tell two apart.
    text: Secret,
}

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A host and a port, in the clear.
    Tcp(String, u16),
    /// A host and a port, over TLS.
    Tls(String, u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Why a text is no [`RedisUrl`]. Quotes nothing of it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRedisUrl {
    /// No scheme that is known.
    #[error("must begin with redis://, rediss:// or unix://")]
    Scheme,
    /// A fragment: the library knows one that turns the check of certificates off.
    #[error("must not have a part behind '#'")]
    Fragment,
    /// The rest is wrong.
    #[error("is not a valid URL: {0} (expected redis://USER:PASSWORD@HOST:PORT/DB)")]
    Url(&'static str),
}

impl RedisUrl {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidRedisUrl::Scheme)?;
        let (scheme, tls) = match scheme {
            "redis" | "valkey" => ("redis", false),
            "rediss" | "valkeys" => ("redis", true),
            "unix" | "redis+unix" | "valkey+unix" => ("unix", false),
            _ => return Err(InvalidRedisUrl::Scheme),
        };
        if rest.contains('#') {
            return Err(InvalidRedisUrl::Fragment);
        }
        // Without TLS for the library: what is spoken below Redis is ours.
        let parsed = redis::parse_redis_url(&format!("{scheme}://{rest}"))
            .ok_or(InvalidRedisUrl::Url("it cannot be taken apart"))?
            .into_connection_info()
            .map_err(|error| InvalidRedisUrl::Url(wrong(&error)))?;
        let place = match parsed.addr().clone() {
            ConnectionAddr::Tcp(host, port) if tls => Place::Tls(host, port),
            ConnectionAddr::Tcp(host, port) => Place::Tcp(host, port),
            ConnectionAddr::Unix(path) if path.as_os_str().len() > 1 => Place::Unix(path),
            _ => return Err(InvalidRedisUrl::Url("it names no place")),
        };
        let settings = parsed.redis_settings().clone();
        if settings.db() < 0 {
            return Err(InvalidRedisUrl::Url("the database is a number from 0"));
        }
        // Messages of subscriptions and answers come over one connection, which takes version 3.
        let settings = settings
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        Ok(Self {
            place,
            settings,
            text: Secret::new(text),
        })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn settings(&self) -> &RedisConnectionInfo {
        &self.settings
    }
}

/// What the library says, which is a fixed text for each cause.
fn wrong(error: &redis::RedisError) -> &'static str {
    let text = error.to_string();
    let known = [
        ("Missing hostname", "the host is missing"),
        ("wildcard", "the host must not be a wildcard address"),
        ("Invalid database number", "the database must be a number"),
        ("Missing path", "the path is missing"),
        ("protocol", "the protocol is not known"),
    ];
    known
        .into_iter()
        .find_map(|(word, meaning)| text.contains(word).then_some(meaning))
        .unwrap_or("a part of it cannot be read")
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for RedisUrl {}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let db = self.settings.db();
        let host = |host: &str| match host.contains(':') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        };
        match &self.place {
            Place::Tcp(name, port) => write!(f, "redis://{}:{port}/{db}", host(name)),
            Place::Tls(name, port) => write!(f, "rediss://{}:{port}/{db}", host(name)),
            Place::Unix(path) => write!(f, "unix://{}?db={db}", path.display()),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_shown_without_passwords() {
        for (url, shown) in [
            ("redis://h", "redis://h:6379/0"),
            ("redis://:hunter2@h:1/3", "redis://h:1/3"),
            ("rediss://u:hunter2@h:6380", "rediss://h:6380/0"),
            ("redis://[::2]:7", "redis://[::2]:7/0"),
            (
                "unix:///run/r.sock?db=2&pass=hunter2",
                "unix:///run/r.sock?db=2",
            ),
            ("redis+unix:///run/r.sock", "unix:///run/r.sock?db=0"),
        ] {
            let parsed = RedisUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("hunter2"));
        }
        let parsed = RedisUrl::parse("rediss://u:hunter2@h").unwrap();
        assert_eq!(parsed.place(), &Place::Tls("h".to_owned(), 6379));
        assert_eq!(parsed.settings().username(), Some("u"));
        assert_eq!(parsed.settings().password(), Some("hunter2"));
    }

    #[test]
    fn what_is_wrong_is_said_without_quoting() {
        for url in [
            "hunter2",
            "http://hunter2@h",
            "redis:hunter2@h",
            "redis://:hunter2@",
            "redis://:hunter2@h:port",
            "redis://:hunter2@h/name",
            "redis://:hunter2@h/-1",
            "rediss://:hunter2@h/#insecure",
            "redis://:hunter2@0.0.0.0",
            "redis://:hunter2@h?protocol=hunter2",
            "unix://?pass=hunter2",
            "unix:///?pass=hunter2",
        ] {
            let error = RedisUrl::parse(url).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{url}: {error}");
        }
    }
}
