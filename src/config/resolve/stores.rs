//! Where state is kept.

use std::num::NonZeroU32;

use super::Resolver;
use crate::config::file::{self, File};
use crate::config::{RedisStore, Stores, Usage};
use crate::state::redis::RedisUrl;
use crate::state::sql::DatabaseUrl;

/// Longest prefix of keys in Redis.
const PREFIX: usize = 64;

/// The stores. What is wrong falls back to a database in memory, beside the error.
pub(super) fn stores(file: &File, resolver: &mut Resolver<'_>) -> Stores {
    const PATH: &str = "database-url";
    let url = resolver.dereference(&file.database_url, &PATH.into());
    let database = url.and_then(|url| {
        let parsed = DatabaseUrl::parse(&url);
        parsed.map_err(|error| resolver.error(PATH, error)).ok()
    });
    Stores {
        database: database.unwrap_or_else(DatabaseUrl::memory),
        given: file.database_url != File::DATABASE_URL,
        spool: spool(&file.usage, resolver),
        redis: redis(file, resolver),
    }
}

fn spool(usage: &file::Usage, resolver: &mut Resolver<'_>) -> DatabaseUrl {
    let parsed = DatabaseUrl::parse(&format!("sqlite:{}", usage.spool));
    parsed.unwrap_or_else(|error| {
        resolver.error("usage.spool", error);
        DatabaseUrl::memory()
    })
}

/// What is written down of requests.
pub(super) fn usage(usage: &file::Usage) -> Usage {
    Usage {
        enabled: usage.enabled,
        retention: NonZeroU32::new(usage.retention_days),
        hourly_retention: NonZeroU32::new(usage.hourly_retention_days),
    }
}

fn redis(file: &File, resolver: &mut Resolver<'_>) -> Option<RedisStore> {
    const PATH: &str = "redis-url";
    let prefix = &file.redis_prefix;
    if prefix.len() > PREFIX || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = format_args!("must be at most {PREFIX} ASCII characters without spaces");
        resolver.error("redis-prefix", message);
    }
    let url = resolver.dereference(&file.redis_url, &PATH.into())?;
    if url.is_empty() {
        return None;
    }
    let url = RedisUrl::parse(&url)
        .map_err(|error| resolver.error(PATH, error))
        .ok()?;
    Some(RedisStore {
        url,
        prefix: prefix.as_str().into(),
    })
}
