//! `logprobsResult` and the log probabilities of OpenAI, which the neutral model has.

use super::super::super::json::{ArrayWriter, Node, ObjectWriter, array};
use super::super::members::{fields, list};
use crate::chat::Json;

/// Reads them. `None`: there are none.
pub(super) fn read(node: Node<'_>) -> Option<Json<'static>> {
    let mut members = fields(node);
    let chosen = members.take("chosenCandidates")?;
    let top: Vec<Node<'_>> = members
        .take("topCandidates")
        .into_iter()
        .flat_map(list)
        .collect();
    let mut out = Vec::new();
    array(&mut out, |a| {
        for (step, chosen) in list(chosen).enumerate() {
            a.object(|o| {
                write_entry(o, chosen);
                let candidates = top.get(step).and_then(|step| step.get("candidates"));
                o.array("top_logprobs", |a| {
                    for candidate in candidates.into_iter().flat_map(list) {
                        a.object(|o| write_entry(o, candidate));
                    }
                });
            });
        }
    });
    let json = String::from_utf8(out).ok()?;
    (json != "[]").then(|| Json::trusted(json))
}

fn write_entry(o: &mut ObjectWriter<'_>, entry: Node<'_>) {
    let mut entry = fields(entry);
    let token = entry.take_str("token").unwrap_or_default();
    o.str("token", &token);
    if token.contains(char::REPLACEMENT_CHARACTER) {
        o.raw("bytes", "null");
    } else {
        o.array("bytes", |a| {
            for byte in token.bytes() {
                a.raw(&byte.to_string());
            }
        });
    }
    let logprob = entry.take("logProbability");
    o.raw("logprob", logprob.map_or("0", Node::raw));
}

/// Writes the members of a candidate that hold them.
pub(super) fn write(o: &mut ObjectWriter<'_>, logprobs: &str) {
    let entries = || Node::trusted(logprobs).items();
    let count = entries().count();
    if count == 0 {
        return;
    }
    let sum: f64 = entries()
        .filter_map(|entry| entry.get("logprob")?.f64())
        .sum();
    #[expect(
        clippy::cast_precision_loss,
        reason = "an answer has fewer tokens than a float can count"
    )]
    let average = sum / count as f64;
    if average.is_finite() {
        o.raw("avgLogprobs", &format!("{average:?}"));
    }
    o.object("logprobsResult", |o| {
        o.array("chosenCandidates", |a| {
            for entry in entries() {
                write_candidate(a, entry);
            }
        });
        o.array("topCandidates", |a| {
            for entry in entries() {
                a.object(|o| {
                    o.array("candidates", |a| {
                        let top = entry.get("top_logprobs");
                        for entry in top.into_iter().flat_map(Node::items) {
                            write_candidate(a, entry);
                        }
                    });
                });
            }
        });
    });
}

fn write_candidate(a: &mut ArrayWriter<'_>, entry: Node<'_>) {
    a.object(|o| {
        o.str("token", &entry.get_str("token").unwrap_or_default());
        let logprob = entry.get("logprob");
        o.raw("logProbability", logprob.map_or("0", Node::raw));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::json::object;

    #[test]
    fn entries_go_both_ways() {
        let google = r#"{"chosenCandidates":[{"token":"é","tokenId":1,"logProbability":-0.5},{"token":"b","log_probability":-1.5}],"topCandidates":[{"candidates":[{"token":"\ufffd","logProbability":-0.25}]}]}"#;
        let json = read(Node::trusted(google)).unwrap();
        assert_eq!(
            json.as_str(),
            "[{\"token\":\"é\",\"bytes\":[195,169],\"logprob\":-0.5,\"top_logprobs\":[{\"token\":\"\u{fffd}\",\"bytes\":null,\"logprob\":-0.25}]},{\"token\":\"b\",\"bytes\":[98],\"logprob\":-1.5,\"top_logprobs\":[]}]"
        );
        let mut out = Vec::new();
        object(&mut out, |o| write(o, json.as_str()));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(r#"{"avgLogprobs":-1.0,"#), "{text}");
        let written = Node::trusted(&text).get("logprobsResult").unwrap();
        assert_eq!(read(written), Some(json));
        assert_eq!(read(Node::trusted("{}")), None);
    }
}
