//! Every family of metrics: its name, what it means, its labels. Names are written here and nowhere else
//! in the code; `docs/reference/metrics.md` and the files in `conf/` are compared with this table.

/// What kind of number a family holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size; holds the upper bounds.
    Histogram(&'static [f64]),
}

/// One family.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Its labels, whose values are bounded by the config or by this program.
    pub labels: &'static [&'static str],
    /// What kind of number it holds.
    pub kind: Kind,
}

/// Whole requests: up to the longest that `timeouts.total` allows by default.
const DURATION: &[f64] = &[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0,
];
/// From a tenth of a blink to the patience of `timeouts.first-byte`.
const FIRST_TOKEN: &[f64] = &[
    0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0,
];
/// What a gateway may cost: 10 µs to 100 ms.
const OVERHEAD: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1,
];

const fn family(
    name: &'static str,
    help: &'static str,
    labels: &'static [&'static str],
    kind: Kind,
) -> Family {
    Family {
        name,
        help,
        labels,
        kind,
    }
}

pub(super) const REQUESTS: Family = family(
    "aiproxy_requests_total",
    "Requests of clients that have ended, by the client's format, the provider that served them last and the class of their status.",
    &["format", "provider", "status"],
    Kind::Counter,
);
pub(super) const ERRORS: Family = family(
    "aiproxy_errors_total",
    "Requests that ended with an error, by cause.",
    &["cause"],
    Kind::Counter,
);
pub(super) const DURATIONS: Family = family(
    "aiproxy_request_duration_seconds",
    "Time from a request's header to the end of its answer.",
    &["format", "provider"],
    Kind::Histogram(DURATION),
);
pub(super) const OVERHEADS: Family = family(
    "aiproxy_gateway_overhead_seconds",
    "Time that the gateway itself took: for a request, from its last byte until it was ready to be sent; for an answer, in all its pieces together.",
    &["part"],
    Kind::Histogram(OVERHEAD),
);
pub(super) const FIRST_TOKENS: Family = family(
    "aiproxy_time_to_first_token_seconds",
    "Time from a request's header to the first content of its streamed answer.",
    &["format", "provider"],
    Kind::Histogram(FIRST_TOKEN),
);
pub(super) const TOKENS: Family = family(
    "aiproxy_tokens_total",
    "Tokens of answers as providers report them, by provider, model (a name that the config has, else other) and kind.",
    &["provider", "model", "kind"],
    Kind::Counter,
);
pub(super) const ATTEMPTS: Family = family(
    "aiproxy_attempts_total",
    "Tries on an account.",
    &["account"],
    Kind::Counter,
);
pub(super) const RETRIES: Family = family(
    "aiproxy_retries_total",
    "Tries that were followed by another one, by why they failed.",
    &["cause"],
    Kind::Counter,
);
pub(super) const COOLDOWNS: Family = family(
    "aiproxy_cooldowns_total",
    "Rests that an account was put to, by what rests and why.",
    &["account", "scope", "cause"],
    Kind::Counter,
);
pub(super) const HEALTH_CHECKS: Family = family(
    "aiproxy_health_checks_total",
    "Checks of an account beside the requests, by what they found: ok, refused (its key), failed or unclear.",
    &["account", "result"],
    Kind::Counter,
);
pub(super) const LOSSES: Family = family(
    "aiproxy_translation_losses_total",
    "Things that a translation could not carry as they were, by the client's format, the provider's and what became of them.",
    &["format", "upstream_format", "change"],
    Kind::Counter,
);
pub(super) const RELOADS: Family = family(
    "aiproxy_config_reloads_total",
    "Reloads of the config, by result.",
    &["result"],
    Kind::Counter,
);
pub(super) const LOGIN_FAILURES: Family = family(
    "aiproxy_admin_login_failures_total",
    "Requests to /admin with a wrong key or too many of them.",
    &[],
    Kind::Counter,
);
pub(super) const RENEWALS: Family = family(
    "aiproxy_oauth_renewals_total",
    "Renewals of accounts' OAuth tokens, by result.",
    &["account", "result"],
    Kind::Counter,
);
pub(super) const TOKEN_DEAD: Family = family(
    "aiproxy_oauth_refresh_token_dead",
    "1 when the account's refresh token is not valid any more.",
    &["account"],
    Kind::Gauge,
);
pub(super) const TOKEN_UNSAVED: Family = family(
    "aiproxy_oauth_token_unsaved",
    "1 while the account's tokens are in memory only, because the database does not take them.",
    &["account"],
    Kind::Gauge,
);
pub(super) const TOKEN_EXPIRY: Family = family(
    "aiproxy_oauth_token_expiry_timestamp_seconds",
    "When the account's access token ends, in unix time; 0 without one.",
    &["account"],
    Kind::Gauge,
);
pub(super) const ACCOUNT_CHANGES: Family = family(
    "aiproxy_account_changes_total",
    "Changes of accounts of the database that were made here, by what was done.",
    &["action"],
    Kind::Counter,
);
pub(super) const STORED_ACCOUNTS: Family = family(
    "aiproxy_stored_accounts",
    "Accounts of the database: serving, disabled, or wrong and out of service.",
    &["state"],
    Kind::Gauge,
);
pub(super) const POOL_WITHOUT: Family = family(
    "aiproxy_proxy_pool_accounts_without",
    "Accounts for which the proxy pool has no room; they use the global proxy-url.",
    &[],
    Kind::Gauge,
);
pub(super) const ROSTER_STALE: Family = family(
    "aiproxy_stored_accounts_stale",
    "1 while the accounts of the database cannot be looked at; those in force stay.",
    &[],
    Kind::Gauge,
);
pub(super) const STREAMS: Family = family(
    "aiproxy_streams_open",
    "Streamed answers under way, by the client's format.",
    &["format"],
    Kind::Gauge,
);
pub(super) const RUNNING: Family = family(
    "aiproxy_requests_running",
    "Requests under way.",
    &[],
    Kind::Gauge,
);
pub(super) const CONNECTIONS: Family = family(
    "aiproxy_connections_open",
    "Connections of clients.",
    &[],
    Kind::Gauge,
);
pub(super) const DRAINING: Family = family(
    "aiproxy_draining",
    "1 while the process is on its way out.",
    &[],
    Kind::Gauge,
);
pub(super) const LOG_QUEUE: Family = family(
    "aiproxy_log_queue_bytes",
    "Log lines that wait to be written.",
    &[],
    Kind::Gauge,
);
pub(super) const USAGE_WRITTEN: Family = family(
    "aiproxy_usage_records_written_total",
    "Usage records that were written to the database.",
    &[],
    Kind::Counter,
);
pub(super) const USAGE_DROPPED: Family = family(
    "aiproxy_usage_records_dropped_total",
    "Usage records that are lost: neither database nor spool took them in time, or the database refused just them.",
    &[],
    Kind::Counter,
);
pub(super) const USAGE_QUEUE: Family = family(
    "aiproxy_usage_queue_records",
    "Usage records that wait to be written.",
    &[],
    Kind::Gauge,
);
pub(super) const USAGE_SPOOL: Family = family(
    "aiproxy_usage_spool_records",
    "Usage records that wait in the spool until the database takes them.",
    &[],
    Kind::Gauge,
);
pub(super) const USAGE_STORE: Family = family(
    "aiproxy_usage_store_up",
    "1 when the store (database, spool) took the last that it was given, 0 when it did not; absent before it was tried.",
    &["store"],
    Kind::Gauge,
);
pub(super) const USABLE: Family = family(
    "aiproxy_account_usable",
    "1 when the account's key may be used now, 0 while it rests.",
    &["account", "provider"],
    Kind::Gauge,
);
pub(super) const RESTING_MODELS: Family = family(
    "aiproxy_account_resting_models",
    "Models that rest on the account.",
    &["account", "provider"],
    Kind::Gauge,
);
pub(super) const RELOADED: Family = family(
    "aiproxy_config_last_reload_success_timestamp_seconds",
    "When the config in force was loaded, in unix time.",
    &[],
    Kind::Gauge,
);
pub(super) const RELOAD_OK: Family = family(
    "aiproxy_config_last_reload_successful",
    "1 when the last reload was taken over, 0 when the old config stayed.",
    &[],
    Kind::Gauge,
);
pub(super) const REDIS_UP: Family = family(
    "aiproxy_redis_up",
    "1 while Redis is connected and answers, 0 while this instance goes on alone; not there without redis-url.",
    &[],
    Kind::Gauge,
);
pub(super) const REDIS_FAILURES: Family = family(
    "aiproxy_redis_failures_total",
    "What was not done by Redis, by reason: away, slow, refused, strange (what stands there is not of an instance).",
    &["reason"],
    Kind::Counter,
);
pub(super) const BUILD: Family = family(
    "aiproxy_build_info",
    "Always 1; the version is its label.",
    &["version"],
    Kind::Gauge,
);
pub(super) const CPU: Family = family(
    "process_cpu_seconds_total",
    "Processor time of the process, in user and kernel mode.",
    &[],
    Kind::Counter,
);
pub(super) const RESIDENT: Family = family(
    "process_resident_memory_bytes",
    "Memory of the process that is in RAM.",
    &[],
    Kind::Gauge,
);
pub(super) const VIRTUAL: Family = family(
    "process_virtual_memory_bytes",
    "Address space of the process.",
    &[],
    Kind::Gauge,
);
pub(super) const THREADS: Family = family(
    "process_threads",
    "Threads of the process.",
    &[],
    Kind::Gauge,
);
pub(super) const OPEN_FDS: Family = family(
    "process_open_fds",
    "Open file descriptors.",
    &[],
    Kind::Gauge,
);
pub(super) const MAX_FDS: Family = family(
    "process_max_fds",
    "Most file descriptors that may be open.",
    &[],
    Kind::Gauge,
);
pub(super) const STARTED: Family = family(
    "process_start_time_seconds",
    "When the process began, in unix time.",
    &[],
    Kind::Gauge,
);

/// All of them.
pub const FAMILIES: &[Family] = &[
    REQUESTS,
    ERRORS,
    DURATIONS,
    OVERHEADS,
    FIRST_TOKENS,
    TOKENS,
    ATTEMPTS,
    RETRIES,
    COOLDOWNS,
    HEALTH_CHECKS,
    LOSSES,
    RELOADS,
    LOGIN_FAILURES,
    RENEWALS,
    ACCOUNT_CHANGES,
    STORED_ACCOUNTS,
    ROSTER_STALE,
    POOL_WITHOUT,
    STREAMS,
    RUNNING,
    CONNECTIONS,
    DRAINING,
    LOG_QUEUE,
    USAGE_WRITTEN,
    USAGE_DROPPED,
    USAGE_QUEUE,
    USAGE_SPOOL,
    USAGE_STORE,
    USABLE,
    RESTING_MODELS,
    TOKEN_DEAD,
    TOKEN_UNSAVED,
    TOKEN_EXPIRY,
    RELOADED,
    RELOAD_OK,
    REDIS_UP,
    REDIS_FAILURES,
    BUILD,
    CPU,
    RESIDENT,
    VIRTUAL,
    THREADS,
    OPEN_FDS,
    MAX_FDS,
    STARTED,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn read(path: &str) -> String {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    fn row(family: &Family) -> String {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|one| format!("`{one}`")).collect();
        let row = format!(
            "| `{}` | {kind} | {} | {} |",
            family.name,
            labels.join(", "),
            family.help
        );
        row.replace("|  |", "| |")
    }

    #[test]
    fn the_page_shows_every_family() {
        let page = read("docs/reference/metrics.md");
        let shown: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("| `aiproxy_") || line.starts_with("| `process_"))
            .collect();
        let rows: Vec<String> = FAMILIES.iter().map(row).collect();
        assert!(
            shown == rows,
            "the table in docs/reference/metrics.md should be:\n{}",
            rows.join("\n")
        );
    }

    /// Words that could be metrics.
    fn names(text: &str) -> BTreeSet<&str> {
        text.split(|char: char| !(char.is_ascii_alphanumeric() || char == '_'))
            .filter(|word| word.starts_with("aiproxy_") || word.starts_with("process_"))
            .collect()
    }

    #[test]
    fn dashboards_and_alerts_use_only_what_there_is() {
        for path in ["conf/alerts.yml", "conf/grafana-dashboard.json"] {
            let text = read(path);
            let names = names(&text);
            assert!(names.len() > 5, "{path}: {names:?}");
            for name in names {
                let is = |family: &&Family| {
                    let rest = name.strip_prefix(family.name);
                    match family.kind {
                        Kind::Histogram(_) => {
                            matches!(rest, Some("_bucket" | "_sum" | "_count"))
                        }
                        _ => rest == Some(""),
                    }
                };
                assert!(FAMILIES.iter().any(|family| is(&family)), "{path}: {name}");
            }
        }
    }

    #[test]
    fn names_follow_the_conventions() {
        for Family { name, kind, .. } in FAMILIES {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            if let Kind::Histogram(bounds) = kind {
                assert!(name.ends_with("_seconds") && bounds.is_sorted(), "{name}");
            }
        }
    }
}
