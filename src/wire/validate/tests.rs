//! Recorded streams and answers pass; what is known to break clients does not.

use super::*;
use crate::wire::fixtures::{self, Fixture};

/// Recorded streams that have no good end, and why.
const CUT: &[(&str, &str)] = &[(
    "auth-truncated-no-finish.sse",
    "ends without a finishReason",
)];

/// Recorded streams that end with an error.
const FAILED: &[&str] = &[
    "auth-error-mid-stream.sse",
    "auth-crlf-comments-error.sse",
    "vai-openai-error-1.sse",
];

/// Recorded streams that break the rules of their own format, and how.
const QUIRKY: &[(&str, &str)] = &[
    (
        "vai-openai-phase-1.sse",
        "its deltas were cut out of the recording",
    ),
    (
        "vai-spliced-message-start.sse",
        "two messages in one stream",
    ),
];

#[test]
fn recorded_streams_pass() {
    let mut wrong = Vec::new();
    for fixture in fixtures::streams() {
        let shape = if fixture.is_sse() {
            Shape::Sse
        } else {
            Shape::JsonArray
        };
        let judged = stream(fixture.format, shape, Author::Provider, &fixture.body);
        let name = fixture.name.as_str();
        let expected = if FAILED.contains(&name) {
            judged == Ok(End::Error)
        } else if CUT.iter().chain(QUIRKY).any(|(known, _)| *known == name) {
            judged.is_err()
        } else {
            judged == Ok(End::Success)
        };
        if !expected {
            wrong.push(format!("{name}: {judged:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn recorded_answers_pass() {
    let mut wrong = Vec::new();
    for Fixture { format, name, body } in fixtures::answers() {
        if let Err(what) = answer(format, Author::Provider, &body) {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn recorded_requests_pass() {
    let mut wrong = Vec::new();
    for Fixture { format, name, body } in fixtures::requests() {
        let body: Value = serde_json::from_slice(&body).unwrap();
        if let Err(what) = request::judge(format, format, &body) {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A stream as we write it, the fewest events that have everything, and which of them may be missing or
/// come twice without a client breaking.
struct Sample {
    format: Format,
    text: &'static str,
    may_miss: &'static [usize],
    may_repeat: &'static [usize],
}

const SAMPLES: &[Sample] = &[
    Sample {
        format: Format::Claude,
        text: include_str!("samples/claude.sse"),
        may_miss: &[1, 3, 7],
        may_repeat: &[1, 3, 7],
    },
    Sample {
        format: Format::OpenAiChat,
        text: include_str!("samples/openai-chat.sse"),
        may_miss: &[1, 5],
        may_repeat: &[0, 1, 3],
    },
    Sample {
        format: Format::OpenAiResponses,
        text: include_str!("samples/openai-responses.sse"),
        may_miss: &[],
        may_repeat: &[],
    },
    Sample {
        format: Format::Gemini,
        text: include_str!("samples/gemini.sse"),
        may_miss: &[0, 1],
        may_repeat: &[0],
    },
];

fn ours(format: Format, text: &str) -> Judged<End> {
    stream(format, Shape::Sse, Author::Gateway, text.as_bytes())
}

/// The blocks of a stream, numbered anew where the format numbers them.
fn joined<'a>(blocks: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for (number, block) in blocks.enumerate() {
        let mark = "\"sequence_number\":";
        match block.split_once(mark) {
            None => text += block,
            Some((before, after)) => {
                let after = after.trim_start_matches(|char: char| char.is_ascii_digit());
                text += &format!("{before}{mark}{number}{after}");
            }
        }
        text += "\n\n";
    }
    text
}

#[test]
fn a_good_stream_of_ours_passes() {
    for sample in SAMPLES {
        let judged = ours(sample.format, sample.text);
        assert_eq!(judged, Ok(End::Success), "{:?}", sample.format);
    }
}

#[test]
fn a_missing_or_a_second_event_is_noticed() {
    for sample in SAMPLES {
        let blocks: Vec<&str> = sample.text.trim_end().split("\n\n").collect();
        let passes = |changed: String| ours(sample.format, &changed) == Ok(End::Success);
        let missed: Vec<usize> = (0..blocks.len())
            .filter(|&left_out| {
                let kept = blocks.iter().enumerate().filter(|(at, _)| *at != left_out);
                passes(joined(kept.map(|(_, block)| *block)))
            })
            .collect();
        assert_eq!(missed, sample.may_miss, "{:?}: missing", sample.format);
        let repeated: Vec<usize> = (0..blocks.len())
            .filter(|&twice| {
                let mut blocks = blocks.clone();
                blocks.insert(twice, blocks[twice]);
                passes(joined(blocks.into_iter()))
            })
            .collect();
        assert_eq!(repeated, sample.may_repeat, "{:?}: twice", sample.format);
    }
}

#[test]
fn framing_that_breaks_a_client_is_noticed() {
    for Sample { format, text, .. } in SAMPLES {
        for changed in [
            text.replace('\n', "\r\n"),
            text.replace("data: ", "data:"),
            text.trim_end().to_owned(),
            format!("{text}{text}"),
        ] {
            assert_ne!(ours(*format, &changed), Ok(End::Success), "{changed}");
        }
        let commented = format!(": ping\n\n{text}");
        assert_eq!(ours(*format, &commented).is_ok(), *format != Format::Gemini);
        let glued = format!(": ping\n{text}");
        assert!(ours(*format, &glued).is_err());
    }
    let unnamed = include_str!("samples/claude.sse").replace("event: message_start\n", "");
    assert!(ours(Format::Claude, &unnamed).is_err());
}

#[test]
fn what_providers_refuse_is_refused() {
    for (format, body) in [
        (
            Format::Claude,
            include_str!("samples/claude-requests.jsonl"),
        ),
        (
            Format::OpenAiChat,
            include_str!("samples/openai-chat-requests.jsonl"),
        ),
        (
            Format::OpenAiResponses,
            include_str!("samples/openai-responses-requests.jsonl"),
        ),
        (
            Format::Gemini,
            include_str!("samples/gemini-requests.jsonl"),
        ),
    ] {
        let from = match format {
            Format::Claude => Format::Gemini,
            _ => Format::Claude,
        };
        for line in body.lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let judged = request::judge(format, from, &case["request"]);
            match case["wrong"].as_str() {
                None => assert_eq!(judged, Ok(()), "{line}"),
                Some(wrong) => {
                    let said = judged.expect_err(line);
                    assert!(said.contains(wrong), "{said}: {line}");
                }
            }
        }
    }
}
