//! Where state is kept, what is written down of requests, and for how long.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::config::Config;

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Usage {
    enabled: bool,
    retention_days: u32,
    hourly_retention_days: u32,
    spool: String,
}

impl Usage {
    pub(super) fn of(config: &Config) -> Self {
        let days = |days: Option<NonZeroU32>| days.map_or(0, NonZeroU32::get);
        Self {
            enabled: config.usage.enabled,
            retention_days: days(config.usage.retention),
            hourly_retention_days: days(config.usage.hourly_retention),
            spool: config.stores.spool.to_string(),
        }
    }
}

/// The URL of what instances share, without a password.
pub(super) fn redis(config: &Config) -> Option<String> {
    let redis = config.stores.redis.as_ref();
    redis.map(|redis| redis.url.to_string())
}
