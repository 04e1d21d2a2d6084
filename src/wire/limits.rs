//! What a provider says about its rate limits, in headers, from one format to another.

use std::time::{Duration, SystemTime};

use super::Format;
use super::fault::go_duration;

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Bucket {
    limit: Option<u64>,
    remaining: Option<u64>,
    /// Until it is full again.
    reset: Option<Duration>,
}

/// The limits of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    requests: Bucket,
    tokens: Bucket,
}

/// Whether a header is about rate limits.
pub fn is_limit(name: &str) -> bool {
    name.starts_with("x-ratelimit-")
        || name.starts_with("anthropic-ratelimit-")
        || name.starts_with("anthropic-priority-")
}

impl Limits {
    /// What the headers of a provider of `format` say. `header` gives a header's value.
    pub fn read<'h>(
        format: Format,
        header: impl Fn(&str) -> Option<&'h str>,
        now: SystemTime,
    ) -> Self {
        let number = |name: &str| header(name)?.trim().parse().ok();
        match format {
            Format::OpenAiChat | Format::OpenAiResponses => {
                let bucket = |what: &str| Bucket {
                    limit: number(&format!("x-ratelimit-limit-{what}")),
                    remaining: number(&format!("x-ratelimit-remaining-{what}")),
                    reset: header(&format!("x-ratelimit-reset-{what}")).and_then(go_duration),
                };
                Self {
                    requests: bucket("requests"),
                    tokens: bucket("tokens"),
                }
            }
            Format::Claude => {
                let bucket = |what: &str| Bucket {
                    limit: number(&format!("anthropic-ratelimit-{what}-limit")),
                    remaining: number(&format!("anthropic-ratelimit-{what}-remaining")),
                    reset: header(&format!("anthropic-ratelimit-{what}-reset"))
                        .and_then(|time| humantime::parse_rfc3339(time.trim()).ok())
                        .map(|time| time.duration_since(now).unwrap_or_default()),
                };
                Self {
                    requests: bucket("requests"),
                    // Two buckets where OpenAI has one: whichever runs out first decides.
                    tokens: match (bucket("input-tokens"), bucket("output-tokens")) {
                        (input, output) if input != Bucket::default() => Bucket {
                            limit: sum(input.limit, output.limit),
                            remaining: least(input.remaining, output.remaining),
                            reset: input.reset.max(output.reset),
                        },
                        _ => bucket("tokens"),
                    },
                }
            }
            Format::Gemini => Self::default(),
        }
    }

    /// The same in headers for a client of `format`.
    pub fn write(&self, format: Format, now: SystemTime) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        for (what, bucket) in [("requests", self.requests), ("tokens", self.tokens)] {
            let mut add = |part: &str, value: Option<String>| {
                if let Some(value) = value {
                    let name = match format {
                        Format::Claude => format!("anthropic-ratelimit-{what}-{part}"),
                        _ => format!("x-ratelimit-{part}-{what}"),
                    };
                    headers.push((name, value));
                }
            };
            if format == Format::Gemini {
                continue;
            }
            add("limit", bucket.limit.map(|number| number.to_string()));
            add(
                "remaining",
                bucket.remaining.map(|number| number.to_string()),
            );
            let reset = bucket.reset.map(|wait| match format {
                Format::Claude => humantime::format_rfc3339_seconds(now + wait).to_string(),
                _ => duration(wait),
            });
            add("reset", reset);
        }
        headers
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a?.saturating_add(b.unwrap_or(0)))
}

fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A wait as OpenAI writes it: `2ms`, `6m0s`, `1h2m3.5s`.
fn duration(wait: Duration) -> String {
    let millis = wait.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, thousandths) = (millis / 1_000 % 60, millis % 1_000);
    let mut out = String::new();
    if hours > 0 {
        out += &format!("{hours}h");
    }
    if hours > 0 || minutes > 0 {
        out += &format!("{minutes}m");
    }
    match thousandths {
        0 => out + &format!("{seconds}s"),
        _ => out + format!("{seconds}.{thousandths:03}").trim_end_matches('0') + "s",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
    }

    fn read(format: Format, headers: &[(&str, &str)]) -> Limits {
        let find = |name: &str| {
            let found = headers.iter().find(|(header, _)| *header == name);
            found.map(|(_, value)| *value)
        };
        Limits::read(format, find, now())
    }

    #[test]
    fn waits_are_written_as_openai_does() {
        for (millis, want) in [
            (2, "2ms"),
            (6_000, "6s"),
            (360_000, "6m0s"),
            (3_723_500, "1h2m3.5s"),
            (1_050, "1.05s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), want);
        }
    }

    #[test]
    fn anthropics_limits_become_openais_and_back() {
        let limits = read(
            Format::Claude,
            &[
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", "2001-09-09T01:47:40Z"),
                ("anthropic-ratelimit-input-tokens-limit", "1000"),
                ("anthropic-ratelimit-input-tokens-remaining", "900"),
                ("anthropic-ratelimit-output-tokens-limit", "200"),
                ("anthropic-ratelimit-output-tokens-remaining", "150"),
            ],
        );
        let pairs = |format| -> Vec<String> {
            let headers = limits.write(format, now()).into_iter();
            headers
                .map(|(name, value)| format!("{name}: {value}"))
                .collect()
        };
        assert_eq!(
            pairs(Format::OpenAiChat),
            [
                "x-ratelimit-limit-requests: 50",
                "x-ratelimit-remaining-requests: 49",
                "x-ratelimit-reset-requests: 1m0s",
                "x-ratelimit-limit-tokens: 1200",
                "x-ratelimit-remaining-tokens: 150",
            ]
        );
        assert!(pairs(Format::Gemini).is_empty());
        let written = limits.write(Format::OpenAiChat, now());
        let written: Vec<(&str, &str)> = written
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(read(Format::OpenAiChat, &written), limits);
        let back = limits.write(Format::Claude, now());
        assert!(back.contains(&(
            "anthropic-ratelimit-requests-reset".to_owned(),
            "2001-09-09T01:47:40Z".to_owned()
        )));
    }

    #[test]
    fn what_is_no_number_is_no_limit() {
        let odd = [
            ("x-ratelimit-limit-requests", "many"),
            ("x-ratelimit-reset-tokens", "soon"),
        ];
        assert_eq!(read(Format::OpenAiChat, &odd), Limits::default());
    }
}
