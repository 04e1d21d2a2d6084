//! Recorded errors in the words of the other formats.

use serde_json::Value;

use super::*;

fn may_retry(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

#[test]
fn recorded_errors_may_be_retried_in_every_format_or_in_none() {
    let manifest = fixtures::manifest();
    let mut checked = 0;
    for fixture in fixtures::errors() {
        let folder = match fixture.format {
            Format::Claude => "anthropic",
            other => other.name(),
        };
        let path = format!("{folder}/errors/{}", fixture.name);
        let entry = manifest["files"].as_array().unwrap().iter();
        let entry = entry.clone().find(|entry| entry["file"] == path.as_str());
        let status = entry.and_then(|entry| entry["http_status"].as_u64());
        let status = u16::try_from(status.expect(&path)).unwrap();
        let fault = codec(fixture.format).decode_fault(status, &fixture.body);
        for to in others(fixture.format) {
            let error = codec(to).encode_fault(&fault, "req_1");
            // Who has no credit left cannot do better by waiting, whatever the status says.
            if fault.kind != FaultKind::Billing {
                assert_eq!(
                    may_retry(error.status),
                    may_retry(status),
                    "{path} → {}: {status} became {}",
                    to.name(),
                    error.status
                );
            }
            let body: Value = serde_json::from_slice(&error.body).unwrap();
            assert!(body["error"]["message"].is_string(), "{path}: {body}");
            checked += 1;
        }
    }
    assert!(checked > 90, "{checked}");
}

#[test]
fn an_error_in_place_of_an_answer_is_a_fault() {
    for fixture in fixtures::errors() {
        for to in others(fixture.format) {
            let got = whole(fixture.format, to, &reply_to(&fixture), &fixture.body);
            let name = case(&fixture, to);
            assert!(got.fault.is_some(), "{name}");
            assert!(got.text.is_empty(), "{name}");
        }
    }
}
