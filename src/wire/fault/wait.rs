//! How long to wait, as Google and its tools write it.

use std::time::Duration;

/// Reads `34.4s`, `1h16m0.5s` or `373.8ms`.
pub fn go_duration(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let unit_end = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = next;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// Writes a duration as protobuf's JSON does: seconds, with milliseconds where there are any.
pub fn proto_duration(wait: Duration) -> String {
    match wait.subsec_millis() {
        0 => format!("{}s", wait.as_secs()),
        millis => format!("{}.{millis:03}s", wait.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_they_are_written() {
        for (text, millis) in [
            ("34.4s", 34_400),
            ("1h16m0.5s", 4_560_500),
            ("373.8ms", 374),
            ("0s", 0),
            ("2m", 120_000),
            ("1500us", 2),
        ] {
            let wait = go_duration(text).unwrap();
            assert_eq!(
                (wait.as_secs_f64() * 1000.0).round() as u64,
                millis,
                "{text}"
            );
        }
        for text in [
            "",
            "s",
            "12",
            "1x",
            "-1s",
            "1.2.3s",
            "99999999999999999999999s",
            "soon",
        ] {
            assert_eq!(go_duration(text), None, "{text}");
        }
    }

    #[test]
    fn waits_are_written_as_protobuf_does() {
        assert_eq!(proto_duration(Duration::from_secs(12)), "12s");
        assert_eq!(proto_duration(Duration::from_millis(34_400)), "34.400s");
    }
}
