//! What servers send that the recorded answers do not show.

#![expect(
    clippy::needless_pass_by_value,
    reason = "literals of JSON read better"
)]

use serde_json::{Value, json};

use super::testing::{read, strict};
use crate::chat::*;
use crate::wire::Shape;
use crate::wire::claude::tests::pointers;

fn stream(events: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for event in events {
        out.extend_from_slice(format!("data: {event}\n\n").as_bytes());
    }
    out
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 3, "output_tokens": 1}}})
}

fn block(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, delta: Value) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": delta})
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn ended(reason: &str) -> Value {
    json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}})
}

/// The parts of a message whose blocks are `middle`, and why it ended.
fn parts(middle: &[Value]) -> (Vec<Content<'static>>, StopReason) {
    let mut events = vec![start()];
    events.extend_from_slice(middle);
    events.push(ended("end_turn"));
    events.push(json!({"type": "message_stop"}));
    let candidate = read(Shape::Sse, &stream(&events))
        .answer
        .unwrap()
        .candidates
        .remove(0);
    let contents = candidate.parts.into_iter().map(|part| part.content);
    (contents.collect(), candidate.stop.reason)
}

fn call(content: &Content<'_>) -> (String, String) {
    match content {
        Content::ToolCall(call) => (call.id.to_string(), call.arguments.to_string()),
        other => panic!("{other:?}"),
    }
}

fn tool_use(id: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": "f", "input": input})
}

fn input(index: u64, text: &str) -> Value {
    delta(
        index,
        json!({"type": "input_json_delta", "partial_json": text}),
    )
}

#[test]
fn input_at_the_start_counts_only_without_deltas() {
    let (contents, reason) = parts(&[
        block(0, tool_use("a", json!({"x": 1}))),
        stop(0),
        block(1, tool_use("b", json!({"x": 1}))),
        input(1, "{\"y\":"),
        input(1, "2}"),
        stop(1),
    ]);
    let calls: Vec<_> = contents.iter().map(call).collect();
    assert_eq!(
        calls,
        [
            ("a".to_owned(), "{\"x\":1}".to_owned()),
            ("b".to_owned(), "{\"y\":2}".to_owned())
        ]
    );
    // The provider said `end_turn`.
    assert_eq!(reason, StopReason::ToolUse);
}

#[test]
fn missing_and_repeated_ids_are_made_up() {
    let (contents, _) = parts(&[
        block(0, tool_use("a", json!({}))),
        stop(0),
        block(1, tool_use("a", json!({}))),
        stop(1),
        block(2, json!({"type": "tool_use", "name": "f"})),
        stop(2),
    ]);
    let ids: Vec<String> = contents.iter().map(|content| call(content).0).collect();
    assert_eq!(ids[0], "a");
    assert!(
        ids[1].starts_with("toolu_") && ids[2].starts_with("toolu_"),
        "{ids:?}"
    );
    assert_ne!(ids[1], ids[2]);
}

#[test]
fn a_signature_replaces_the_one_before() {
    let signature = |text: &str| delta(0, json!({"type": "signature_delta", "signature": text}));
    let thinking = json!({"type": "thinking", "thinking": "a", "signature": "S0"});
    let more = delta(0, json!({"type": "thinking_delta", "thinking": "b"}));
    let (contents, _) = parts(&[
        block(0, thinking),
        more,
        signature("S1"),
        signature("S2"),
        stop(0),
    ]);
    let Content::Reasoning(reasoned) = &contents[0] else {
        panic!("{contents:?}")
    };
    assert_eq!((&*reasoned.text(), &*reasoned.opaque[0].data), ("ab", "S2"));
    assert_eq!(reasoned.opaque.len(), 1);
}

#[test]
fn what_the_server_does_is_put_together() {
    let (contents, _) = parts(&[
        block(
            0,
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        ),
        input(0, ""),
        input(0, "{\"query\":"),
        input(0, "\"q\"}"),
        stop(0),
        block(1, json!({"type": "compaction", "content": null})),
        delta(1, json!({"type": "compaction_delta", "content": "all "})),
        delta(1, json!({"type": "compaction_delta", "content": "of it"})),
        stop(1),
    ]);
    let Content::ServerCall(call) = &contents[0] else {
        panic!("{contents:?}")
    };
    assert_eq!(
        (call.tool.clone(), call.input.as_str()),
        (ServerTool::WebSearch, r#"{"query":"q"}"#)
    );
    let native: Value = serde_json::from_str(call.native.as_ref().unwrap().json.as_str()).unwrap();
    assert_eq!(native["input"], json!({"query": "q"}));
    let Content::Native(native) = &contents[1] else {
        panic!("{contents:?}")
    };
    let native: Value = serde_json::from_str(native.json.as_str()).unwrap();
    assert_eq!(
        native,
        json!({"type": "compaction", "content": "all of it"})
    );
}

#[test]
fn lenient_servers_are_read() {
    // No start, no block starts, no block stops, nulls, unknown events, the end marker of others.
    let events = [
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ""}}),
        json!({"type": "brand_new"}),
        json!({"type": "content_block_stop", "index": 7}),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": null}),
        ended("max_tokens"),
    ];
    let mut body = stream(&events);
    body.extend_from_slice(b": comment\n\ndata: [DONE]\n\n");
    let answer = read(Shape::Sse, &body).answer.unwrap();
    let candidate = &answer.candidates[0];
    assert_eq!(candidate.parts[0].as_text(), Some("a"));
    assert_eq!(candidate.stop.reason, StopReason::Length);
    assert_eq!(answer.usage.unwrap().output, 9);
}

#[test]
fn an_answer_that_begins_anew_before_any_call_goes_on() {
    let text = |text: &str| delta(0, json!({"type": "text_delta", "text": text}));
    let empty = json!({"type": "text", "text": ""});
    let (contents, _) = parts(&[
        start(),
        block(0, empty.clone()),
        text("first"),
        start(),
        block(0, empty),
        text("second"),
        stop(0),
    ]);
    let texts: Vec<_> = contents
        .iter()
        .map(|content| match content {
            Content::Text(text) => &*text.text,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["first", "second"]);
}

#[test]
fn what_cannot_be_read_is_a_fault() {
    for (shape, body, kind) in [
        (Shape::Whole, "<html>", FaultKind::BadUpstream),
        (Shape::Whole, "{}", FaultKind::BadUpstream),
        (
            Shape::Whole,
            r#"{"type":"message","content":"x"}"#,
            FaultKind::BadUpstream,
        ),
        (
            Shape::Whole,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
            FaultKind::Overloaded,
        ),
        (
            Shape::Whole,
            r#"{"error":{"message":"m","code":429}}"#,
            FaultKind::RateLimit,
        ),
        (Shape::Sse, "data: {\n\n", FaultKind::BadUpstream),
        (Shape::Sse, "", FaultKind::BadUpstream),
    ] {
        let result = read(shape, body.as_bytes());
        assert_eq!(result.fault.unwrap().kind, kind, "{body}");
        assert!(result.answer.is_none());
    }
}

#[test]
fn citations_keep_what_others_can_use() {
    let citation = json!({"type": "web_search_result_location", "url": "u", "title": "t", "cited_text": "c", "encrypted_index": "E"});
    let (contents, _) = parts(&[
        block(
            0,
            json!({"type": "text", "text": "a", "citations": [citation]}),
        ),
        delta(
            0,
            json!({"type": "citations_delta", "citation": {"type": "search_result_location", "source": "s", "title": "t2"}}),
        ),
        stop(0),
    ]);
    let Content::Text(text) = &contents[0] else {
        panic!("{contents:?}")
    };
    let kinds: Vec<_> = text
        .citations
        .iter()
        .map(|one| (one.kind, one.url.as_deref(), one.title.as_deref()))
        .collect();
    assert_eq!(
        kinds,
        [
            (CitationKind::Web, Some("u"), Some("t")),
            (CitationKind::SearchResult, Some("s"), Some("t2"))
        ]
    );
}

#[test]
fn a_large_input_in_small_pieces_is_read_in_one_go() {
    // A megabyte in small pieces: anything that looked at it again and again would take minutes.
    let piece = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let mut events = vec![
        start(),
        block(0, tool_use("a", json!({}))),
        input(0, "{\"x\":\""),
    ];
    for _ in 0..16_384 {
        events.push(input(0, piece));
    }
    events.extend([input(0, "\"}"), stop(0), ended("tool_use")]);
    let result = read(Shape::Sse, &stream(&events));
    let answer = result.answer.unwrap();
    let (_, arguments) = call(&answer.candidates[0].parts[0].content);
    assert_eq!(arguments.len(), 16_384 * 64 + 8);
}

#[test]
fn whatever_stands_anywhere_keeps_to_the_grammar() {
    let citation =
        json!({"type": "web_search_result_location", "url": "u", "encrypted_index": "E"});
    let found =
        json!([{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "E"}]);
    let events = [
        start(),
        block(
            0,
            json!({"type": "thinking", "thinking": "", "signature": ""}),
        ),
        delta(0, json!({"type": "thinking_delta", "thinking": "a"})),
        delta(0, json!({"type": "signature_delta", "signature": "S"})),
        stop(0),
        block(1, json!({"type": "redacted_thinking", "data": "R"})),
        stop(1),
        block(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "a"})),
        delta(2, json!({"type": "citations_delta", "citation": citation})),
        stop(2),
        block(
            3,
            json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        ),
        input(3, "{\"query\":\"q\"}"),
        stop(3),
        block(
            4,
            json!({"type": "web_search_tool_result", "tool_use_id": "s", "content": found}),
        ),
        stop(4),
        block(5, tool_use("a", json!({}))),
        input(5, "{\"x\":1}"),
        stop(5),
        ended("tool_use"),
        json!({"type": "message_stop"}),
    ];
    for (changed, event) in events.iter().enumerate() {
        let mut all = Vec::new();
        pointers(event, "", &mut all);
        for at in all {
            for odd in [json!(null), json!(1), json!("x"), json!([{}]), json!({})] {
                let mut events = events.to_vec();
                *events[changed].pointer_mut(&at).unwrap() = odd;
                // Checks the grammar; an event that is no object at all is a fault.
                let result = read(Shape::Sse, &stream(&events));
                assert_ne!(result.answer.is_some(), result.fault.is_some());
                strict(&result.stream);
            }
        }
    }
}
