//! `ai-proxy migrate`: brings a database's tables up to date, or says how they are. And
//! `ai-proxy rebuild-usage`: makes sums again from records.

use std::ops::RangeInclusive;

use crate::state::sql::{Database, DatabaseUrl, SqlError, latest};
use crate::usage::retention::{Rebuilt, rebuild};
use crate::usage::sums::DAY;

/// Brings the tables of the database at `url` up to date; what was done.
pub fn migrate(url: &DatabaseUrl) -> Result<String, String> {
    let done = within(async {
        let database = Database::new(url.clone());
        let migrated = database.migrate().await;
        database.close().await;
        migrated
    })?;
    let migrated = done.map_err(|error| failed(url, &error))?;
    Ok(match migrated.from == migrated.to {
        true => format!("{url}: the schema has version {} already", migrated.to),
        false => format!(
            "{url}: the schema was brought from version {} to {}",
            migrated.from, migrated.to
        ),
    })
}

/// Whether the tables of the database at `url` are this program's.
pub fn check(url: &DatabaseUrl) -> Result<String, String> {
    // Looking must not make a file.
    if let Some(path) = url.path().filter(|path| !path.exists()) {
        return Err(format!("{url}: there is no {}", path.display()));
    }
    let opened = within(async {
        let database = Database::new(url.clone());
        let opened = database.check().await;
        database.close().await;
        opened
    })?;
    opened.map_err(|error| failed(url, &error))?;
    Ok(format!("{url}: the schema has version {}", latest()))
}

/// Makes the sums of `days` (their first seconds) again; a line for each.
pub fn rebuild_usage(url: &DatabaseUrl, days: RangeInclusive<i64>) -> Result<Vec<String>, String> {
    let rebuilt = within(async {
        let database = Database::new(url.clone());
        let mut lines = Vec::new();
        for day in days.step_by(usize::try_from(DAY).unwrap_or(usize::MAX)) {
            let name = date(day);
            lines.push(match rebuild(&database, day).await? {
                Rebuilt::Records(count) => format!("{name}: the sums of {count} records"),
                Rebuilt::Thinned => {
                    format!("{name}: left as it is, because its records were deleted by age")
                }
            });
        }
        database.close().await;
        Ok(lines)
    })?;
    rebuilt.map_err(|error| failed(url, &error))
}

fn date(day: i64) -> String {
    let since = std::time::Duration::from_secs(u64::try_from(day).unwrap_or(0));
    let text = humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + since).to_string();
    text[..10].to_owned()
}

/// The first second of a day as `2026-01-31`.
pub fn day(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no day like 2026-01-31");
    let time = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).map_err(|_| wrong())?;
    let since = time
        .duration_since(std::time::UNIX_EPOCH)
        .map_err(|_| wrong())?;
    i64::try_from(since.as_secs()).map_err(|_| wrong())
}

fn failed(url: &DatabaseUrl, error: &SqlError) -> String {
    format!("{url}: {error}")
}

fn within<T>(done: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    Ok(runtime.block_on(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_and_shown() {
        assert_eq!(day("1970-01-02"), Ok(DAY));
        assert_eq!(date(day("2026-03-01").unwrap()), "2026-03-01");
        for wrong in ["", "2026-13-01", "2026-1-1", "today", "1969-12-31"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
