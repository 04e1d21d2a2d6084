//! How long a provider asks to be left alone, read from the headers of its error answer.

use std::time::{Duration, SystemTime};

use http::HeaderMap;

use crate::wire::fault::go_duration;

/// `retry-after-ms`, `retry-after` (seconds or a date), else the longest reset among the rate-limit
/// buckets that are used up (`anthropic-ratelimit-*-reset` as RFC 3339, `x-ratelimit-reset-*` as a
/// duration such as `6m0s`).
pub(super) fn of(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(wait) = text("retry-after-ms").and_then(|ms| seconds(ms, 1_000.0)) {
        return Some(wait);
    }
    if let Some(wait) = text("retry-after").and_then(retry_after) {
        return Some(wait);
    }
    headers
        .iter()
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            let (remaining, wait) =
                if let Some(bucket) = name.as_str().strip_prefix("x-ratelimit-reset-") {
                    (
                        format!("x-ratelimit-remaining-{bucket}"),
                        go_duration(value)?,
                    )
                } else {
                    let bucket = name
                        .as_str()
                        .strip_prefix("anthropic-ratelimit-")?
                        .strip_suffix("-reset")?;
                    let at = humantime::parse_rfc3339_weak(value).ok()?;
                    (format!("anthropic-ratelimit-{bucket}-remaining"), until(at))
                };
            (text(&remaining)? == "0").then_some(wait)
        })
        .max()
}

fn retry_after(value: &str) -> Option<Duration> {
    seconds(value, 1.0).or_else(|| httpdate::parse_http_date(value).ok().map(until))
}

fn until(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::now()).unwrap_or_default()
}

fn seconds(text: &str, unit: f64) -> Option<Duration> {
    let number: f64 = text.trim().parse().ok()?;
    Duration::try_from_secs_f64(number / unit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(headers: &[(&'static str, &str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        of(&headers.collect()).map(|wait| u64::try_from(wait.as_millis()).unwrap())
    }

    #[test]
    fn hints_are_read_in_all_their_forms() {
        let in_a_minute = SystemTime::now() + Duration::from_secs(60);
        for (headers, want) in [
            (vec![("retry-after", "7")], Some(7_000)),
            (vec![("retry-after", "0.5")], Some(500)),
            (
                vec![("retry-after", "7"), ("retry-after-ms", "1500")],
                Some(1_500),
            ),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "-3")], None),
            (
                vec![
                    ("x-ratelimit-reset-tokens", "6m0s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                Some(360_000),
            ),
            (
                vec![
                    ("x-ratelimit-reset-tokens", "1h2m3.5s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                ],
                Some(3_723_500),
            ),
            (
                vec![
                    ("x-ratelimit-reset-requests", "2ms"),
                    ("x-ratelimit-remaining-requests", "0"),
                ],
                Some(2),
            ),
            (
                vec![
                    ("x-ratelimit-reset-requests", "9s"),
                    ("x-ratelimit-remaining-requests", "12"),
                ],
                None,
            ),
            (vec![], None),
        ] {
            assert_eq!(hint(&headers), want, "{headers:?}");
        }
        let date = httpdate::fmt_http_date(in_a_minute);
        assert!((58_000..=60_000).contains(&hint(&[("retry-after", &date)]).unwrap()));
        let reset = humantime::format_rfc3339(in_a_minute).to_string();
        let anthropic = [
            ("anthropic-ratelimit-input-tokens-reset", &*reset),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ];
        assert!((59_000..=60_000).contains(&hint(&anthropic).unwrap()));
    }
}
