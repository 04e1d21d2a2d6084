//! Streams, both ways.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::validate_tests::{check, check_response};
use super::*;
use crate::chat::{Answer, Content, Event, Fold, Format, Json, Opening, Start, StopReason};
use crate::wire::fixtures;
use crate::wire::sse::Event as SseEvent;

pub(super) fn reply() -> Reply {
    Reply {
        model: String::new(),
        request_id: "req".into(),
        seed: "ABCDEFGHIJKLMNOPQRSTUVWX".into(),
        now: 1_700_000_000,
        include_usage: false,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(Profile {
            family: "fam-1".into(),
            ..Profile::default()
        }),
    }
}

/// What the events of a stream mean, checked against the grammar of events.
pub(super) fn decode(body: &[u8]) -> Vec<Event<'static>> {
    let mut decoder = OpenAiResponses.decoder(Shape::Sse, &Arc::new(reply()));
    let mut events = Vec::new();
    let text = String::from_utf8(body.to_vec())
        .unwrap()
        .replace("\r\n", "\n");
    for block in text.split("\n\n") {
        let block = format!("{block}\n\n");
        if let Some(event) = SseEvent::parse(block.as_bytes()) {
            decoder.event(event.name, event.data.trim_ascii(), &mut |event| {
                events.push(owned(event));
            });
        }
    }
    decoder.end(&mut |event| events.push(owned(event)));
    grammar(&events);
    events
}

pub(super) fn owned(event: Event<'_>) -> Event<'static> {
    let text = |text: std::borrow::Cow<'_, str>| text.into_owned().into();
    match event {
        Event::Start(start) => Event::Start(start.into_owned()),
        Event::Open {
            block,
            candidate,
            opening,
        } => Event::Open {
            block,
            candidate,
            opening: match opening {
                Opening::Text => Opening::Text,
                Opening::Refusal => Opening::Refusal,
                Opening::Reasoning => Opening::Reasoning,
                Opening::ToolCall {
                    id,
                    name,
                    kind,
                    namespace,
                } => Opening::ToolCall {
                    id: text(id),
                    name: text(name),
                    kind,
                    namespace: namespace.map(text),
                },
            },
        },
        Event::Text {
            block,
            text: words,
            logprobs,
        } => Event::Text {
            block,
            text: text(words),
            logprobs: logprobs.map(Json::into_owned),
        },
        Event::Refusal { block, text: words } => Event::Refusal {
            block,
            text: text(words),
        },
        Event::Reason {
            block,
            kind,
            index,
            text: words,
        } => Event::Reason {
            block,
            kind,
            index,
            text: text(words),
        },
        Event::Arguments { block, text: words } => Event::Arguments {
            block,
            text: text(words),
        },
        Event::Signature { block, opaque } => Event::Signature {
            block,
            opaque: opaque.into_owned(),
        },
        Event::Cite { block, citation } => Event::Cite {
            block,
            citation: citation.into_owned(),
        },
        Event::Close { block } => Event::Close { block },
        Event::Part { candidate, part } => Event::Part {
            candidate,
            part: part.into_owned(),
        },
        Event::Usage(usage) => Event::Usage(usage),
        Event::Stop { candidate, stop } => Event::Stop {
            candidate,
            stop: stop.into_owned(),
        },
        Event::End => Event::End,
        Event::Fault(fault) => Event::Fault(fault),
    }
}

/// The same of events whose start was left out.
pub(super) fn grammar_without_start(events: &[Event<'static>]) {
    let mut all = vec![Event::Start(Start::default())];
    all.extend_from_slice(events);
    grammar(&all);
}

/// The grammar of `chat::event`.
pub(super) fn grammar(events: &[Event<'_>]) {
    let (mut opened, mut open) = (0, HashSet::new());
    let (mut stopped, mut over) = (false, false);
    for (index, event) in events.iter().enumerate() {
        assert!(!over, "after the end: {event:?}");
        if !matches!(event, Event::Fault(_)) {
            assert_eq!(index == 0, matches!(event, Event::Start(_)), "{event:?}");
        }
        match event {
            Event::Open { block, .. } => {
                assert_eq!(*block, opened);
                assert!(!stopped);
                opened += 1;
                open.insert(*block);
            }
            Event::Text { block, text, .. }
            | Event::Refusal { block, text }
            | Event::Reason { block, text, .. }
            | Event::Arguments { block, text } => {
                assert!(open.contains(block) && !text.is_empty(), "{event:?}");
            }
            Event::Signature { block, .. } | Event::Cite { block, .. } => {
                assert!(open.contains(block), "{event:?}");
            }
            Event::Close { block } => assert!(open.remove(block), "{event:?}"),
            Event::Part { .. } => assert!(!stopped),
            Event::Stop { .. } => {
                assert!(open.is_empty() && !stopped);
                stopped = true;
            }
            Event::End => {
                assert!(stopped);
                over = true;
            }
            Event::Fault(_) => over = true,
            Event::Start(_) | Event::Usage(_) => {}
        }
    }
    assert!(over, "neither end nor fault");
}

pub(super) fn encode(events: &[Event<'static>], shape: Shape, reply: Reply) -> Vec<u8> {
    let mut encoder = OpenAiResponses.encoder(shape, &Arc::new(reply));
    let (mut losses, mut out) = (Losses::default(), Vec::new());
    for event in events {
        encoder.event(event.clone(), &mut losses, &mut out);
    }
    out
}

/// Encodes as a stream that clients understand and as a document, which must agree.
pub(super) fn both(events: &[Event<'static>], reply: &Reply) -> Value {
    let streamed = check(&encode(events, Shape::Sse, reply.clone()));
    let whole = encode(events, Shape::Whole, reply.clone());
    if matches!(events.last(), Some(Event::Fault(_))) {
        assert!(whole.is_empty());
        return streamed;
    }
    let whole: Value = serde_json::from_slice(&whole).unwrap();
    check_response(&whole);
    assert_eq!(whole, streamed);
    whole
}

pub(super) fn fold(events: &[Event<'static>]) -> Answer<'static> {
    let mut fold = Fold::default();
    for event in events {
        fold.push(event.clone());
    }
    fold.finish().unwrap()
}

/// Without what changes on the way: ids of items are ours, and texts in a row are one.
pub(super) fn same(mut answer: Answer<'static>) -> Answer<'static> {
    answer.start.id = None;
    answer.start.tier = None;
    for one in &mut answer.candidates {
        one.parts
            .dedup_by(|next, before| match (&next.content, &mut before.content) {
                (Content::Text(next), Content::Text(before)) if next.citations.is_empty() => {
                    before.text.push_str(&next.text);
                    true
                }
                _ => false,
            });
    }
    for part in answer.candidates.iter_mut().flat_map(|one| &mut one.parts) {
        if let Content::Reasoning(reasoned) = &mut part.content {
            reasoned.id = None;
            for opaque in &mut reasoned.opaque {
                let data: Value = serde_json::from_str(&opaque.data).unwrap();
                opaque.data = data["encrypted_content"].to_string().into();
            }
        }
        if let Content::ToolCall(call) = &mut part.content {
            call.item_id = None;
        }
    }
    answer
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures::read(Format::OpenAiResponses, &format!("streams/{name}.sse"))
}

#[test]
fn recorded_streams_come_back_the_same() {
    let mut count = 0;
    for fixture in fixtures::streams().filter(|one| one.format == Format::OpenAiResponses) {
        let events = decode(&fixture.body);
        if matches!(events.last(), Some(Event::Fault(_))) {
            assert!(fixture.name.contains("error"), "{}", fixture.name);
            both(&events, &reply());
            continue;
        }
        count += 1;
        let answer = fold(&events);
        both(&events, &reply());
        let again = decode(&encode(&events, Shape::Sse, reply()));
        assert_eq!(same(fold(&again)), same(answer), "{}", fixture.name);
    }
    assert!(count >= 7);
}

#[test]
fn rotated_ids_are_one_item() {
    let answer = fold(&decode(&fixture("vai-github-copilot-id-rotation-1")));
    let parts = &answer.candidates[0].parts;
    assert_eq!(parts.len(), 2, "{parts:?}");
    assert!(parts[1].as_text().unwrap().starts_with("There are **3**"));
}

#[test]
fn an_error_is_told_once() {
    let events = decode(&fixture("vai-openai-error-1"));
    let faults = events
        .iter()
        .filter(|event| matches!(event, Event::Fault(_)));
    assert_eq!(faults.count(), 1);
    let Some(Event::Fault(fault)) = events.last() else {
        panic!()
    };
    assert_eq!(fault.kind, FaultKind::Billing);
}

/// A stream of events from `type` and members.
fn stream(events: &[(&str, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, members) in events {
        let mut data = members.clone();
        data["type"] = json!(kind);
        out.extend_from_slice(format!("event: {kind}\ndata: {data}\n\n").as_bytes());
    }
    out
}

#[test]
fn a_cut_stream_is_a_fault() {
    let events = decode(&stream(&[
        (
            "response.created",
            json!({"response": {"id": "resp_1", "model": "m"}}),
        ),
        (
            "response.output_text.delta",
            json!({"output_index": 0, "content_index": 0, "delta": "Hi"}),
        ),
    ]));
    let Some(Event::Fault(fault)) = events.last() else {
        panic!()
    };
    assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Close { .. } | Event::Stop { .. }))
    );
}

#[test]
fn what_was_left_out_is_made_up_for() {
    let message = json!({"type": "message", "content": [{"type": "output_text", "text": "Hello", "annotations": []}]});
    let call =
        json!({"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"});
    let late = json!({"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"});
    let events = decode(&stream(&[
        // No created, no item, no part; two deltas of three.
        (
            "response.output_text.delta",
            json!({"output_index": 0, "content_index": 0, "delta": "Hel"}),
        ),
        (
            "response.output_text.delta",
            json!({"output_index": 0, "content_index": 0, "delta": ""}),
        ),
        (
            "response.output_item.added",
            json!({"output_index": 1, "item": {"type": "function_call", "call_id": "c1", "name": "f", "arguments": ""}}),
        ),
        (
            "response.function_call_arguments.delta",
            json!({"output_index": 1, "delta": "{\"a\""}),
        ),
        (
            "response.output_item.done",
            json!({"output_index": 0, "item": message}),
        ),
        (
            "response.completed",
            json!({"response": {"id": "resp_9", "status": "completed", "output": [message, call, late],
            "usage": {"input_tokens": 3, "output_tokens": 2}}}),
        ),
    ]));
    let answer = fold(&events);
    let parts = &answer.candidates[0].parts;
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0].as_text(), Some("Hello"));
    let arguments: Vec<_> = parts[1..]
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => (&*call.id, &*call.arguments),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(arguments, [("c1", "{\"a\":1}"), ("c2", "{}")]);
    assert_eq!(answer.candidates[0].stop.reason, StopReason::ToolUse);
    assert_eq!(answer.usage.unwrap().input, 3);
}

#[test]
fn an_empty_output_at_the_end_takes_nothing_back() {
    let events = decode(&stream(&[
        (
            "response.created",
            json!({"response": {"id": "resp_1", "model": "m"}}),
        ),
        (
            "response.output_item.added",
            json!({"output_index": 0, "item": {"type": "message", "content": []}}),
        ),
        (
            "response.content_part.added",
            json!({"output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": ""}}),
        ),
        (
            "response.output_text.delta",
            json!({"output_index": 0, "content_index": 0, "delta": "Hi"}),
        ),
        (
            "response.completed",
            json!({"response": {"status": "completed", "output": []}}),
        ),
    ]));
    assert_eq!(fold(&events).candidates[0].parts[0].as_text(), Some("Hi"));
}

#[test]
fn a_completed_text_may_say_the_rest() {
    for kind in ["response.output_text.done", "response.content_part.done"] {
        let part = json!({"type": "output_text", "text": "Hello"});
        let events = decode(&stream(&[
            (
                "response.output_text.delta",
                json!({"output_index": 0, "content_index": 0, "delta": "He"}),
            ),
            (
                kind,
                json!({"output_index": 0, "content_index": 0, "text": "Hello", "part": part}),
            ),
            (
                "response.incomplete",
                json!({"response": {"incomplete_details": {"reason": "content_filter"}}}),
            ),
        ]));
        let answer = fold(&events);
        assert_eq!(
            answer.candidates[0].parts[0].as_text(),
            Some("Hello"),
            "{kind}"
        );
        assert_eq!(answer.candidates[0].stop.reason, StopReason::Safety);
    }
}

#[test]
fn missing_and_repeated_call_ids_are_told_apart() {
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"});
    let events = decode(&stream(&[
        (
            "response.output_item.done",
            json!({"output_index": 0, "item": call("c")}),
        ),
        (
            "response.output_item.done",
            json!({"output_index": 1, "item": call("c")}),
        ),
        (
            "response.output_item.done",
            json!({"output_index": 2, "item": call("")}),
        ),
        ("response.completed", json!({"response": {"output": []}})),
    ]));
    let ids: HashSet<String> = events
        .iter()
        .filter_map(|event| match event {
            Event::Open {
                opening: Opening::ToolCall { id, .. },
                ..
            } => Some(id.clone().into_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| !id.is_empty()));
}

#[test]
fn a_stream_that_is_cut_anywhere_is_a_fault() {
    for fixture in fixtures::streams().filter(|one| one.format == Format::OpenAiResponses) {
        let text = String::from_utf8(fixture.body)
            .unwrap()
            .replace("\r\n", "\n");
        let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
        for end in 0..blocks.len() - 1 {
            // Cut before the event that ends it: the error may come before the last one.
            if blocks[..end]
                .iter()
                .any(|block| block.contains("event: error"))
            {
                break;
            }
            let events = decode(blocks[..end].join("\n\n").as_bytes());
            let Some(Event::Fault(fault)) = events.last() else {
                panic!("{} after {end}", fixture.name)
            };
            assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
            both(&events, &reply());
        }
    }
}
