//! Whole answers, both ways.

use std::sync::Arc;

use serde_json::{Value, json};

use super::stream_tests::{both, encode, fold, grammar, owned, reply, same};
use super::*;
use crate::chat::{Content, Event, Format, StopReason};
use crate::wire::fixtures;

fn decode(body: &[u8]) -> Vec<Event<'static>> {
    let mut decoder = OpenAiResponses.decoder(Shape::Whole, &Arc::new(reply()));
    let mut events = Vec::new();
    decoder.event(None, body, &mut |event| events.push(owned(event)));
    decoder.end(&mut |event| events.push(owned(event)));
    grammar(&events);
    events
}

const NAMES: [&str; 9] = [
    "agw-truncated-tool-call",
    "lf-responses",
    "pyd-cross-provider-capability-replay-openai-responses-gpt-5-4-1",
    "pyd-multimodal-tool-return-matrix-tool-return-content-binary-d",
    "pyd-openai-native-tool-search-gpt-5-6-1",
    "pyd-openai-responses-model-retry",
    "pyd-openai-responses-model-web-search-tool-without-external-ac",
    "pyd-openai-responses-thinking-with-code-execution-tool-1",
    "vai-openai-reasoning-encrypted-content-1",
];

fn fixture(name: &str) -> Vec<u8> {
    fixtures::read(Format::OpenAiResponses, &format!("responses/{name}.json"))
}

#[test]
fn recorded_answers_come_back_the_same() {
    for name in NAMES {
        let events = decode(&fixture(name));
        let answer = fold(&events);
        assert!(!answer.candidates[0].parts.is_empty(), "{name}");
        both(&events, &reply());
        let again = decode(&encode(&events, Shape::Whole, reply()));
        let mut before = same(answer);
        let after = same(fold(&again));
        // Whoever says nothing about the cost, the time or the reason is made to.
        before.usage = before.usage.or(after.usage);
        before.start.created = before.start.created.or(after.start.created);
        assert_eq!(after.candidates, before.candidates, "{name}");
        let count = |usage: Option<Usage>| {
            usage.map(|usage| (usage.input, usage.output, usage.reasoning, usage.cache_read))
        };
        assert_eq!(count(after.usage), count(before.usage), "{name}");
        assert_eq!(after.start, before.start, "{name}");
    }
}

#[test]
fn recorded_items_keep_what_they_say() {
    for name in NAMES {
        let body: Value = serde_json::from_slice(&fixture(name)).unwrap();
        let again = both(&decode(&fixture(name)), &reply());
        let plain = |value: &Value| -> Vec<Value> {
            let mut items = value["output"].as_array().unwrap().clone();
            for item in &mut items {
                let item = item.as_object_mut().unwrap();
                // Ids are ours. A phase has no place in neutral answers, nor does how a cut call stood.
                for key in ["id", "phase", "status"] {
                    item.remove(key);
                }
                item.retain(|_, value| !value.is_null());
                for part in item
                    .get_mut("content")
                    .into_iter()
                    .flat_map(|content| content.as_array_mut().unwrap())
                {
                    part.as_object_mut()
                        .unwrap()
                        .entry("logprobs")
                        .or_insert(json!([]));
                }
            }
            items
        };
        assert_eq!(plain(&again), plain(&body), "{name}");
    }
}

#[test]
fn a_cut_answer_is_cut() {
    let answer = fold(&decode(&fixture("agw-truncated-tool-call")));
    assert_eq!(answer.candidates[0].stop.reason, StopReason::Length);
}

#[test]
fn why_it_ended() {
    let text = json!([{"type": "message", "content": [{"type": "output_text", "text": "x"}]}]);
    let refusal = json!([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]);
    let call = json!([{"type": "custom_tool_call", "call_id": "c", "name": "f", "input": "x"}]);
    let typed = json!([{"type": "computer_call", "call_id": "c", "action": {"type": "click"}}]);
    let compaction = json!([{"type": "compaction", "encrypted_content": "x"}]);
    for (output, status, details, reason) in [
        (&text, "completed", Value::Null, StopReason::Stop),
        (&text, "complete", Value::Null, StopReason::Stop),
        (&refusal, "completed", Value::Null, StopReason::Refusal),
        (&call, "completed", Value::Null, StopReason::ToolUse),
        (&typed, "completed", Value::Null, StopReason::ToolUse),
        (
            &compaction,
            "completed",
            Value::Null,
            StopReason::Compaction,
        ),
        (
            &call,
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            StopReason::Length,
        ),
        (
            &text,
            "incomplete",
            json!({"reason": "content_filter"}),
            StopReason::Safety,
        ),
        (
            &text,
            "incomplete",
            json!({"reason": "steered"}),
            StopReason::Cancelled,
        ),
        (
            &text,
            "incomplete",
            json!({"reason": "odd"}),
            StopReason::Other("odd".into()),
        ),
        (&text, "cancelled", Value::Null, StopReason::Cancelled),
    ] {
        let body = json!({"id": "resp_1", "status": status, "incomplete_details": details, "output": output});
        let answer = fold(&decode(body.to_string().as_bytes()));
        assert_eq!(answer.candidates[0].stop.reason, reason, "{body}");
    }
}

#[test]
fn what_is_no_answer_is_a_fault() {
    for body in [
        r#"{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"},"output":[]}"#,
        r#"{"error":{"code":"rate_limit_exceeded","message":"m"}}"#,
        r#"{"status":"in_progress","output":[]}"#,
        r#"{"id":"resp_1"}"#,
        "<html>",
        "",
    ] {
        let events = decode(body.as_bytes());
        assert!(
            matches!(events[..], [Event::Fault(_)]),
            "{body}: {events:?}"
        );
    }
    let Event::Fault(fault) =
        &decode(br#"{"error":{"code":"rate_limit_exceeded","message":"m"}}"#)[0]
    else {
        panic!()
    };
    assert_eq!(fault.kind, FaultKind::RateLimit);
}

#[test]
fn a_picture_is_a_part_and_comes_back() {
    let body = json!({"status": "completed", "output": [
        {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "QUJD", "output_format": "webp"}]});
    let events = decode(body.to_string().as_bytes());
    let answer = fold(&events);
    let Content::Image(image) = &answer.candidates[0].parts[1].content else {
        panic!()
    };
    assert_eq!(
        image.source,
        crate::chat::Source::Bytes {
            mime: "image/webp".into(),
            base64: "QUJD".into()
        }
    );
    let output = both(&events, &reply());
    assert_eq!(output["output"].as_array().unwrap().len(), 1);
    assert_eq!(output["output"][0]["result"], "QUJD");
}

#[test]
fn what_the_request_said_is_repeated() {
    let request = json!({"model": "m", "input": "hi", "instructions": "be brief", "temperature": 0.50, "metadata": {"a": "b"},
        "reasoning": {"effort": "low"}, "text": {"verbosity": "low"}, "tools": [{"type": "function", "name": "f"}],
        "tool_choice": "required", "max_output_tokens": 50, "store": true, "user": "u", "stream": true}).to_string();
    let echo = OpenAiResponses.echo(Node::parse(request.as_bytes(), 64).unwrap());
    assert_eq!(echo.get("store"), None);
    let response = both(
        &decode(br#"{"status":"completed","output":[]}"#),
        &Reply {
            echo,
            model: "alias".into(),
            ..reply()
        },
    );
    assert_eq!(response["model"], "alias");
    assert_eq!(response["instructions"], "be brief");
    assert_eq!(response["temperature"], 0.5);
    assert_eq!(
        response["reasoning"],
        json!({"effort": "low", "summary": null})
    );
    assert_eq!(
        response["text"],
        json!({"format": {"type": "text"}, "verbosity": "low"})
    );
    assert_eq!(
        response["tools"],
        json!([{"type": "function", "name": "f"}])
    );
    assert_eq!(response["tool_choice"], "required");
    assert_eq!(
        (
            &response["max_output_tokens"],
            &response["user"],
            &response["store"]
        ),
        (&json!(50), &json!("u"), &json!(false))
    );
    let bare = both(&decode(br#"{"status":"completed","output":[]}"#), &reply());
    assert_eq!(
        (
            &bare["temperature"],
            &bare["metadata"],
            &bare["tool_choice"]
        ),
        (&json!(1), &json!({}), &json!("auto"))
    );
    assert_eq!(bare["created_at"], 1_700_000_000);
}
