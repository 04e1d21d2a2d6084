//! Questions about what was used, answered from the sums.
//!
//! Whole days come from the sums by day, and what is left at both ends of a range from those by hour: a
//! month is thirty rows of a series and not seven hundred.

use std::fmt::Write;

use super::sums::{DAY, SUMS};
use crate::state::sql::{Dialect, Value};

/// What answers are grouped by, or narrowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// The account.
    Account,
    /// The provider.
    Provider,
    /// The model as the provider was asked for it.
    Model,
    /// The client's key.
    Client,
    /// The value of a tag.
    Tag(String),
    /// The hour.
    Hour,
    /// The day.
    Day,
}

impl Group {
    /// The one of that name: `account`, …, `tag:NAME`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "account" => Self::Account,
            "provider" => Self::Provider,
            "model" => Self::Model,
            "client" => Self::Client,
            "hour" => Self::Hour,
            "day" => Self::Day,
            _ => Self::Tag(
                name.strip_prefix("tag:")
                    .filter(|tag| !tag.is_empty())?
                    .to_owned(),
            ),
        })
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Account => "account".to_owned(),
            Self::Provider => "provider".to_owned(),
            Self::Model => "model".to_owned(),
            Self::Client => "client".to_owned(),
            Self::Hour => "hour".to_owned(),
            Self::Day => "day".to_owned(),
            Self::Tag(name) => format!("tag:{name}"),
        }
    }

    /// Whether it is a time, in seconds since 1970.
    pub fn is_time(&self) -> bool {
        matches!(self, Self::Hour | Self::Day)
    }

    /// It as an expression; what it takes goes into `values`.
    fn expression(&self, dialect: Dialect, values: &mut Vec<Value>) -> String {
        match self {
            Self::Hour => "u.start".to_owned(),
            Self::Day => format!("u.start - u.start % {DAY}"),
            Self::Tag(name) => {
                values.push(dialect.json_key(name).into());
                let text = dialect.json_text("s.tags");
                format!("COALESCE({text}, '')")
            }
            column => format!("COALESCE(s.{}, '')", column.name()),
        }
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Where the range begins: the first second of an hour, since 1970.
    pub from: i64,
    /// Where it ends, likewise.
    pub until: i64,
    /// What the answer is grouped and sorted by; nothing: one row.
    pub by: Vec<Group>,
    /// What it is narrowed to: one of these values each.
    pub only: Vec<(Group, Vec<String>)>,
    /// Most rows.
    pub limit: Option<u32>,
}

impl Question {
    /// The statement and its values. Its columns are those of `by` and then [`SUMS`].
    pub fn statement(&self, dialect: Dialect) -> (String, Vec<Value>) {
        let mut values = Vec::new();
        let mut columns: Vec<String> = self
            .by
            .iter()
            .map(|group| group.expression(dialect, &mut values))
            .collect();
        columns.extend(SUMS.map(|sum| dialect.sum(&format!("u.{sum}"))));
        let mut statement = format!("SELECT {} FROM ", columns.join(", "));
        self.write_range(&mut statement, &mut values);
        let named = self.by.iter().any(|group| !group.is_time());
        if named || !self.only.is_empty() {
            // Left: in its order, and what is counted stays counted.
            statement += " LEFT JOIN usage_series s ON s.id = u.series";
        }
        for (place, (group, wanted)) in self.only.iter().enumerate() {
            let expression = group.expression(dialect, &mut values);
            let word = if place == 0 { "WHERE" } else { "AND" };
            let places = vec!["?"; wanted.len()].join(", ");
            // Writing to a String cannot fail.
            let _ = write!(statement, " {word} {expression} IN ({places})");
            values.extend(wanted.iter().map(|one| one.as_str().into()));
        }
        if !self.by.is_empty() {
            let places: Vec<String> = (1..=self.by.len()).map(|n| n.to_string()).collect();
            let places = places.join(", ");
            let _ = write!(statement, " GROUP BY {places} ORDER BY {places}");
        }
        if let Some(limit) = self.limit {
            let _ = write!(statement, " LIMIT {limit}");
        }
        (statement, values)
    }

    /// The rows of the range, as `u`.
    fn write_range(&self, statement: &mut String, values: &mut Vec<Value>) {
        let parts = self.parts();
        let sums = SUMS.join(", ");
        let selects: Vec<String> = parts
            .iter()
            .map(|(table, from, until)| {
                values.extend([Value::from(*from), Value::from(*until)]);
                format!("SELECT start, series, {sums} FROM {table} WHERE start >= ? AND start < ?")
            })
            .collect();
        let _ = write!(statement, "({}) u", selects.join(" UNION ALL "));
    }

    /// Tables and their ranges.
    fn parts(&self) -> Vec<(&'static str, i64, i64)> {
        let first = self.from + (DAY - self.from.rem_euclid(DAY)) % DAY;
        let last = self.until - self.until.rem_euclid(DAY);
        if self.by.contains(&Group::Hour) || first >= last {
            return vec![("usage_hourly", self.from, self.until)];
        }
        let mut parts = vec![("usage_daily", first, last)];
        for (from, until) in [(self.from, first), (last, self.until)] {
            if from < until {
                parts.push(("usage_hourly", from, until));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(from: i64, until: i64, by: Vec<Group>) -> Question {
        Question {
            from,
            until,
            by,
            only: Vec::new(),
            limit: None,
        }
    }

    #[test]
    fn whole_days_come_from_the_sums_by_day() {
        let hour = 3_600;
        for (from, until, by, parts) in [
            (0, DAY, vec![], vec![("usage_daily", 0, DAY)]),
            (
                5 * hour,
                3 * DAY + hour,
                vec![Group::Day],
                vec![
                    ("usage_daily", DAY, 3 * DAY),
                    ("usage_hourly", 5 * hour, DAY),
                    ("usage_hourly", 3 * DAY, 3 * DAY + hour),
                ],
            ),
            (hour, DAY, vec![], vec![("usage_hourly", hour, DAY)]),
            (
                hour,
                DAY + hour,
                vec![],
                vec![("usage_hourly", hour, DAY + hour)],
            ),
            (0, DAY, vec![Group::Hour], vec![("usage_hourly", 0, DAY)]),
        ] {
            assert_eq!(question(from, until, by).parts(), parts, "{from} {until}");
        }
    }

    #[test]
    fn groups_have_names() {
        for name in [
            "account", "provider", "model", "client", "hour", "day", "tag:a:b",
        ] {
            assert_eq!(Group::named(name).unwrap().name(), name);
        }
        for name in ["", "tag:", "accounts", "week"] {
            assert_eq!(Group::named(name), None);
        }
    }
}
