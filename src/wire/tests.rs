//! What holds in every format: errors there and back, streams whole and in pieces.

use super::sse::{Blocks, Elements};
use super::*;
use bytes::Bytes;
use fixtures::Fixture;
use std::time::Duration;

use crate::chat::FaultKind;

fn weights(fixture: &Fixture) -> Vec<Weight> {
    let codec = codec(fixture.format);
    let mut weights = Vec::new();
    let body = Bytes::from(fixture.body.clone());
    if fixture.is_sse() {
        let mut blocks = Blocks::new(usize::MAX);
        blocks
            .push(body, |block| weights.push(codec.weigh(block, Shape::Sse)))
            .unwrap();
        let tail = blocks.tail();
        weights.push(codec.weigh(&tail, Shape::Sse));
    } else {
        let mut elements = Elements::new(usize::MAX);
        elements
            .push(body, |element| {
                weights.push(codec.weigh(element, Shape::JsonArray))
            })
            .unwrap();
    }
    weights
}

#[test]
fn an_end_or_an_error_is_never_missed_by_the_cheap_look() {
    for fixture in fixtures::streams().filter(Fixture::is_sse) {
        let codec = codec(fixture.format);
        let (mut blocks, mut passed) = (Blocks::new(usize::MAX), 0);
        let mut check = |block: &[u8]| match codec.weigh(block, Shape::Sse) {
            Weight::Final | Weight::Fault(_) => {
                assert!(codec.may_end(block), "{}: {block:?}", fixture.name);
            }
            Weight::Quiet | Weight::Content => passed += usize::from(!codec.may_end(block)),
        };
        blocks
            .push(Bytes::from(fixture.body.clone()), &mut check)
            .unwrap();
        check(&blocks.tail());
        assert!(passed > 0, "{}: it must let something pass", fixture.name);
    }
}

#[test]
fn recorded_streams_have_content_and_then_an_end() {
    for fixture in fixtures::streams() {
        let weights = weights(&fixture);
        let name = &fixture.name;
        let first = weights.iter().position(|weight| *weight != Weight::Quiet);
        let end = weights.iter().position(|weight| *weight == Weight::Final);
        let is_error = name.contains("error");
        let is_truncated = name.contains("truncated");
        assert_eq!(
            end.is_none(),
            is_error || is_truncated,
            "{name}: {weights:?}"
        );
        let faults = weights
            .iter()
            .filter(|weight| matches!(weight, Weight::Fault(_)))
            .count();
        assert_eq!(faults > 0, is_error, "{name}: {weights:?}");
        if let Some(end) = end {
            // A refusal is an end without content before it.
            assert!(
                first.unwrap() < end || name == "vai-anthropic-refusal.sse",
                "{name}: {weights:?}"
            );
            let after = &weights[end..];
            let late = after
                .iter()
                .filter(|weight| **weight == Weight::Content)
                .count();
            assert_eq!(late, 0, "{name}: content after the end: {weights:?}");
        }
        if matches!(fixture.format, Format::Claude | Format::OpenAiResponses) {
            assert_eq!(
                weights[0],
                Weight::Quiet,
                "{name}: the first event is no content"
            );
        }
    }
}

#[test]
fn what_nobody_knows_is_content() {
    for format in Format::ALL {
        let codec = codec(format);
        for event in [
            "event: brand.new\ndata: {\"type\":\"brand.new\"}\n\n",
            "data: {\n\n",
            "data: text\n\n",
            "data: []\n\n",
            "data: {\"surprise\":1}\n\n",
            "data: {\"type\":7}\n\n",
        ] {
            assert_eq!(
                codec.weigh(event.as_bytes(), Shape::Sse),
                Weight::Content,
                "{} {event}",
                format.name()
            );
        }
        assert_eq!(
            codec.weigh(b"{\"surprise\":1}", Shape::JsonArray),
            Weight::Content
        );
    }
}

#[test]
fn comments_and_keep_alives_are_quiet() {
    for format in Format::ALL {
        let codec = codec(format);
        let events = [
            &b": OPENROUTER PROCESSING\n\n"[..],
            b"\n",
            b"\r\n",
            b"",
            b"id: 1\n\n",
        ];
        for event in events.into_iter().chain(codec.keep_alive()) {
            assert_eq!(
                codec.weigh(event, Shape::Sse),
                Weight::Quiet,
                "{}",
                format.name()
            );
        }
    }
    assert_eq!(codec(Format::Gemini).keep_alive(), None);
}

/// Every fault, as rich as it gets.
fn faults() -> impl Iterator<Item = Fault> {
    FaultKind::ALL.into_iter().flat_map(|kind| {
        let rich = Fault::new(kind, "some_code", "it \"broke\"\n")
            .with_param("messages[0]")
            .with_retry_after(Duration::from_secs(12));
        let bare = Fault {
            code: None,
            ..rich.clone()
        };
        [rich, bare]
    })
}

#[test]
fn what_a_format_writes_it_reads_again() {
    for format in Format::ALL {
        let codec = codec(format);
        for fault in faults() {
            let reply = codec.encode_fault(&fault, "req_1");
            let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
            assert!(
                document["error"]["message"]
                    .as_str()
                    .unwrap()
                    .contains("it \"broke\"\n")
            );
            let read = codec.decode_fault(reply.status, &reply.body);
            assert!(
                read.message.contains("it \"broke\"\n"),
                "{}: {read:?}",
                format.name()
            );
            // Nothing is sent to a client that left.
            if fault.kind != FaultKind::Cancelled {
                let again = codec.encode_fault(&read, "req_1").status;
                assert_eq!(may_retry(again), may_retry(reply.status), "{fault:?}");
            }
        }
    }
}

fn may_retry(status: u16) -> bool {
    matches!(status, 408 | 409 | 429 | 500..)
}

#[test]
fn what_may_be_retried_stays_so_in_every_format() {
    use FaultKind::*;
    for kind in [
        RateLimit,
        Overloaded,
        Internal,
        BadUpstream,
        Timeout,
        SlowRequest,
        Conflict,
    ] {
        for format in Format::ALL {
            let status = codec(format)
                .encode_fault(&Fault::new(kind, "c", "m"), "r")
                .status;
            assert!(may_retry(status), "{kind:?} {} {status}", format.name());
        }
    }
}

#[test]
fn an_error_in_a_stream_is_read_as_one() {
    for format in Format::ALL {
        let codec = codec(format);
        for fault in faults() {
            let mut out = Vec::new();
            codec.encode_stream_fault(&fault, "req_1", Shape::Whole, true, &mut out);
            assert!(out.is_empty());
            codec.encode_stream_fault(&fault, "req_1", Shape::Sse, true, &mut out);
            let mut blocks = Blocks::new(usize::MAX);
            let mut seen = 0;
            blocks
                .push(Bytes::from(out), |block| {
                    seen += 1;
                    let weight = codec.weigh(block, Shape::Sse);
                    assert!(
                        matches!(weight, Weight::Fault(_)),
                        "{} {weight:?}",
                        format.name()
                    );
                })
                .unwrap();
            assert!(seen > 0 && blocks.tail().is_empty());
        }
    }
}

#[test]
fn the_answers_model_stands_at_its_path() {
    for (format, name, count) in [
        (
            Format::OpenAiChat,
            "streams/llm-tool-use-basic.sse",
            usize::MAX,
        ),
        (Format::OpenAiResponses, "streams/vai-openai-phase-1.sse", 3),
        (Format::Claude, "streams/llm-parts-thinking.sse", 1),
        (
            Format::Gemini,
            "streams/oi-streaming-text-content.sse",
            usize::MAX,
        ),
    ] {
        let body = fixtures::read(format, name);
        let path = codec(format).answer_model_path(Shape::Sse);
        let mut splicer = json::Splicer::new(path, "ALIAS");
        let mut out = Vec::new();
        splicer.push(&body, &mut out);
        let text = String::from_utf8(out).unwrap();
        let key = format!("\"{}\"", path.last().unwrap());
        let keys = text.matches(&key).count();
        assert_eq!(text.matches("\"ALIAS\"").count(), keys.min(count), "{name}");
    }
}
