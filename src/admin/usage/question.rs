//! What is asked of usage, read from a query.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

use crate::usage::query::{Group, Question};
use crate::usage::sums::{DAY, HOUR};

/// Most things that an answer is grouped by.
const GROUPS: usize = 8;
/// Most values that it is narrowed to.
const VALUES: usize = 200;
/// Longest range.
const LONGEST: i64 = 3_660 * DAY;
/// 9999-12-31: what is later cannot be written as a date.
const LAST: i64 = 253_402_214_400;
/// Days of the range when nothing is said.
const USUAL: i64 = 30;
/// Most rows that a limit can ask for.
const ROWS: u32 = 1_000_000;
/// Most records, and how many when nothing is said.
const RECORDS: u32 = 10_000;
const FEW_RECORDS: u32 = 100;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Json,
    Csv,
}

/// A question and the form of its answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) question: Question,
    pub(super) form: Form,
}

/// What a query says, each at most once but for groups and filters.
#[derive(Default)]
struct Parameters {
    from: Option<String>,
    to: Option<String>,
    limit: Option<String>,
    format: Option<String>,
    by: Vec<Group>,
    only: Vec<(Group, Vec<String>)>,
}

/// A question about sums, asked at `now`; or what is wrong with it.
pub(super) fn sums(query: &str, headers: &HeaderMap, now: SystemTime) -> Result<Asked, String> {
    let parameters = Parameters::read(query)?;
    let form = parameters.form(headers)?;
    let now = seconds(now);
    let (from, until) = parameters.range(now)?;
    // Sums are by hour.
    let (from, until) = (
        from - from.rem_euclid(HOUR),
        until + (HOUR - until.rem_euclid(HOUR)) % HOUR,
    );
    let limit = parameters.limit(ROWS)?;
    Ok(Asked {
        question: Question {
            from,
            until,
            by: parameters.by,
            only: parameters.only,
            limit,
        },
        form,
    })
}

/// A question about single records, the newest first.
pub(super) fn records(query: &str, headers: &HeaderMap, now: SystemTime) -> Result<Asked, String> {
    let parameters = Parameters::read(query)?;
    if !parameters.by.is_empty() {
        return Err("group_by: records are not grouped; ask /admin/usage".to_owned());
    }
    if let Some((group, _)) = parameters
        .only
        .iter()
        .find(|(group, _)| matches!(group, Group::Tag(_)))
    {
        return Err(format!(
            "{}: records are not narrowed by tags",
            group.name()
        ));
    }
    let form = parameters.form(headers)?;
    let (from, until) = parameters.range(seconds(now))?;
    let limit = parameters.limit(RECORDS)?.unwrap_or(FEW_RECORDS);
    Ok(Asked {
        question: Question {
            from,
            until,
            by: Vec::new(),
            only: parameters.only,
            limit: Some(limit),
        },
        form,
    })
}

impl Parameters {
    fn read(query: &str) -> Result<Self, String> {
        let mut read = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name)?, decoded(value)?);
            let once = match &*name {
                "from" => &mut read.from,
                "to" => &mut read.to,
                "limit" => &mut read.limit,
                "format" => &mut read.format,
                "group_by" => {
                    read.group(&value)?;
                    continue;
                }
                _ => {
                    read.narrow(&name, value)?;
                    continue;
                }
            };
            if once.replace(value).is_some() {
                return Err(format!("{name}: is there twice"));
            }
        }
        Ok(read)
    }

    fn group(&mut self, names: &str) -> Result<(), String> {
        for name in names.split(',').map(str::trim) {
            let group = Group::named(name).ok_or_else(|| {
                format!(
                    "group_by: {name:?} is none of account, provider, model, client, tag:NAME, hour, day"
                )
            })?;
            if self.by.contains(&group) {
                return Err(format!("group_by: {name} is there twice"));
            }
            self.by.push(group);
        }
        match self.by.len() > GROUPS {
            true => Err(format!("group_by: at most {GROUPS}")),
            false => Ok(()),
        }
    }

    fn narrow(&mut self, name: &str, value: String) -> Result<(), String> {
        let group = Group::named(name)
            .filter(|group| !group.is_time())
            .ok_or_else(|| format!("{name:?} is no parameter"))?;
        let known = self.only.iter_mut().find(|(known, _)| *known == group);
        match known {
            Some((_, values)) => values.push(value),
            None => self.only.push((group, vec![value])),
        }
        let count: usize = self.only.iter().map(|(_, values)| values.len()).sum();
        match count > VALUES {
            true => Err(format!("{name}: at most {VALUES} values to narrow to")),
            false => Ok(()),
        }
    }

    fn form(&self, headers: &HeaderMap) -> Result<Form, String> {
        match self.format.as_deref() {
            Some("json") => Ok(Form::Json),
            Some("csv") => Ok(Form::Csv),
            Some(other) => Err(format!("format: {other:?} is neither json nor csv")),
            None => {
                let accept = headers.get(header::ACCEPT);
                let accept = accept.and_then(|accept| accept.to_str().ok());
                let first = accept.unwrap_or_default().split([',', ';']).next();
                Ok(match first.map(str::trim) {
                    Some("text/csv") => Form::Csv,
                    _ => Form::Json,
                })
            }
        }
    }

    fn limit(&self, most: u32) -> Result<Option<u32>, String> {
        let Some(limit) = &self.limit else {
            return Ok(None);
        };
        match limit.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(Some(limit)),
            _ => Err(format!("limit: {limit:?} is no number from 1 to {most}")),
        }
    }

    /// From when until when, in seconds.
    fn range(&self, now: i64) -> Result<(i64, i64), String> {
        let from = match &self.from {
            Some(text) => moment("from", text, now)?,
            None => now - now.rem_euclid(DAY) - (USUAL - 1) * DAY,
        };
        let until = match &self.to {
            Some(text) => moment("to", text, now)?,
            None => now + 1,
        };
        if from >= until {
            return Err("to: must be later than from".to_owned());
        }
        if until > LAST {
            return Err("to: must not be later than 9999-12-31".to_owned());
        }
        if until - from > LONGEST {
            return Err(format!("from: at most {} days before to", LONGEST / DAY));
        }
        Ok((from, until))
    }
}

/// `2026-01-31`, `2026-01-31T12:00:00Z`, with an offset instead of `Z`, `now`, or how long before it: `-36h`,
/// `7d`, `4w`.
fn moment(name: &str, text: &str, now: i64) -> Result<i64, String> {
    let wrong = || {
        format!(
            "{name}: {text:?} is no time: 2026-01-31, 2026-01-31T12:00:00Z, now, or how long ago: 36h, 7d, 4w"
        )
    };
    if text == "now" {
        return Ok(now);
    }
    let ago = text.strip_prefix('-').unwrap_or(text);
    if let Some((number, unit)) = ago.split_at_checked(ago.len().saturating_sub(1))
        && let Some(length) = match unit {
            "h" => Some(HOUR),
            "d" => Some(DAY),
            "w" => Some(7 * DAY),
            _ => None,
        }
    {
        let number: u16 = number.parse().map_err(|_| wrong())?;
        return Ok((now - i64::from(number) * length).max(0));
    }
    let day = format!("{text}T00:00:00Z");
    let (local, offset) = match text.len() {
        10 => (day.as_str(), 0),
        _ => without_offset(text).ok_or_else(wrong)?,
    };
    let local = match local.ends_with('Z') {
        true => local.to_owned(),
        false => format!("{local}Z"),
    };
    let time = humantime::parse_rfc3339(&local).map_err(|_| wrong())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| wrong())?;
    let since = i64::try_from(since.as_secs()).map_err(|_| wrong())?;
    Ok((since - offset).max(0))
}

/// A time without its `+02:00`, and that in seconds.
fn without_offset(text: &str) -> Option<(&str, i64)> {
    if text.ends_with('Z') {
        return Some((text, 0));
    }
    let (local, offset) = text.split_at_checked(text.len().checked_sub(6)?)?;
    let sign = match offset.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = offset[1..].split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    let fits = hours < 24 && minutes < 60;
    fits.then(|| {
        (
            local,
            sign * (i64::from(hours) * HOUR + i64::from(minutes) * 60),
        )
    })
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn decoded(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| "the query: is not UTF-8".to_owned())?;
    match decoded.contains('\0') {
        true => Err("the query: has a NUL in it".to_owned()),
        false => Ok(decoded.into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-31T12:34:56Z.
    const NOW: i64 = 1_769_862_896;

    fn ask(query: &str) -> Result<Question, String> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs());
        sums(query, &HeaderMap::new(), now).map(|asked| asked.question)
    }

    #[test]
    fn ranges_are_dates_times_or_relative_and_cover_whole_hours() {
        let day = NOW - NOW % DAY;
        let next_hour = NOW - NOW % HOUR + HOUR;
        for (query, from, until) in [
            ("", day - 29 * DAY, next_hour),
            ("from=2026-01-31", day, next_hour),
            ("from=2026-01-30&to=2026-01-31", day - DAY, day),
            (
                "from=2026-01-31T05:10:00Z&to=2026-01-31T05:20:00Z",
                day + 5 * HOUR,
                day + 6 * HOUR,
            ),
            (
                "from=2026-01-31T05:00:00%2B02:00&to=now",
                day + 3 * HOUR,
                next_hour,
            ),
            ("from=-2h", next_hour - 3 * HOUR, next_hour),
            (
                "from=7d&to=-1d",
                next_hour - 7 * DAY - HOUR,
                next_hour - DAY,
            ),
        ] {
            let question = ask(query).unwrap();
            assert_eq!((question.from, question.until), (from, until), "{query}");
        }
    }

    #[test]
    fn groups_and_filters_are_read() {
        let question =
            ask("group_by=day,tag:team&group_by=account&model=a%2Fb&model=c+d&tag:x=&limit=7")
                .unwrap();
        let names: Vec<String> = question.by.iter().map(Group::name).collect();
        assert_eq!(names, ["day", "tag:team", "account"]);
        let only = vec![
            (Group::Model, vec!["a/b".to_owned(), "c d".to_owned()]),
            (Group::Tag("x".to_owned()), vec![String::new()]),
        ];
        assert_eq!((question.only, question.limit), (only, Some(7)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_name() {
        for (query, message) in [
            (
                "group_by=team",
                "group_by: \"team\" is none of account, provider, model, client, tag:NAME, hour, day",
            ),
            ("group_by=day,day", "group_by: day is there twice"),
            (
                "from=yesterday",
                "from: \"yesterday\" is no time: 2026-01-31, 2026-01-31T12:00:00Z, now, or how long ago: 36h, 7d, 4w",
            ),
            (
                "from=2026-02-31",
                "from: \"2026-02-31\" is no time: 2026-01-31, 2026-01-31T12:00:00Z, now, or how long ago: 36h, 7d, 4w",
            ),
            ("from=now&to=2026-01-01", "to: must be later than from"),
            ("from=1980-01-01", "from: at most 3660 days before to"),
            (
                "from=9990-01-01&to=9999-12-31T23:30:00Z",
                "to: must not be later than 9999-12-31",
            ),
            ("limit=0", "limit: \"0\" is no number from 1 to 1000000"),
            ("limit=x", "limit: \"x\" is no number from 1 to 1000000"),
            ("format=xml", "format: \"xml\" is neither json nor csv"),
            ("format=csv&format=csv", "format: is there twice"),
            ("hour=3", "\"hour\" is no parameter"),
            ("acount=x", "\"acount\" is no parameter"),
            ("account=%ff", "the query: is not UTF-8"),
            ("account=%00", "the query: has a NUL in it"),
        ] {
            assert_eq!(ask(query), Err(message.to_owned()), "{query}");
        }
        for odd in [
            "-",
            "h",
            "99999999d",
            "é",
            "2026-01-31T12:00:00+99:00",
            "2026-01-31T1",
            "1969-01-01",
        ] {
            assert!(moment("from", odd, NOW).is_err(), "{odd}");
        }
    }
}
