//! Usage records.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Usage records.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", default)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct Usage {
    /// Whether requests are written down. Without it nothing is known of what was used.
    pub(in crate::config) enabled: bool,
    /// Days for which single records are kept; 0: for ever. Sums by day are kept for ever.
    pub(in crate::config) retention_days: u32,
    /// Days for which sums by hour are kept; 0: for ever.
    pub(in crate::config) hourly_retention_days: u32,
    /// SQLite file that records wait in while a database server is away. Changes with a restart.
    pub(in crate::config) spool: String,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            enabled: true,
            retention_days: 90,
            hourly_retention_days: 400,
            spool: "data/ai-proxy-spool.db".to_owned(),
        }
    }
}
