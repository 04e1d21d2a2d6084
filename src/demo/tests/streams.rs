//! Streamed answers: the order of events that the accumulators of the official clients insist on.

use super::*;

#[test]
fn a_chat_stream_begins_with_the_role_and_ends_with_usage_when_asked() {
    let mut body = streamed(chat("hi"));
    let plain = events(CHAT, &body);
    assert!(plain.iter().all(|chunk| chunk.get("usage").is_none()));
    assert_eq!(plain[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(
        joined(&plain, "/choices/0/delta/content"),
        said("hi", "demo-gpt")
    );
    assert_eq!(
        plain[plain.len() - 2]["choices"][0]["finish_reason"],
        "stop"
    );
    assert_eq!(plain[plain.len() - 1], "[DONE]");

    body["stream_options"] = json!({"include_usage": true});
    let counted = events(CHAT, &body);
    assert_eq!(counted.len(), plain.len() + 1);
    let last = &counted[counted.len() - 2];
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"], document(CHAT, &chat("hi"))["usage"]);
    assert_eq!(counted[0].get("usage"), Some(&Value::Null));
}

#[test]
fn a_streamed_chat_call_names_itself_before_its_arguments() {
    let events = events(CHAT, &streamed(chat_tool()));
    let call = "/choices/0/delta/tool_calls/0";
    assert_eq!(events[0].pointer(call).unwrap()["function"]["name"], "f");
    assert!(events[0].pointer(call).unwrap()["id"].is_string());
    assert_eq!(
        joined(&events, &format!("{call}/function/arguments")),
        arguments().to_string()
    );
    assert_eq!(joined(&events, "/choices/0/finish_reason"), "tool_calls");
}

#[test]
fn a_responses_stream_opens_fills_closes_and_repeats_everything() {
    let events = events(RESPONSES, &streamed(responses("hi")));
    assert_eq!(
        order(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    assert_eq!(joined(&events[4..], "/delta"), said("hi", "demo-gpt"));
    assert_eq!(events[0]["response"]["output"], json!([]));
    let last = &events[events.len() - 1]["response"];
    assert_eq!(last, &document(RESPONSES, &responses("hi")));
    assert_eq!(last["output"][0], events[events.len() - 2]["item"]);
}

#[test]
fn a_streamed_responses_call_keeps_one_identity() {
    let events = events(RESPONSES, &streamed(responses_tool()));
    assert_eq!(
        order(&events)[2..],
        [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let (added, done) = (&events[2]["item"], &events[events.len() - 2]["item"]);
    for field in ["id", "type", "call_id", "name"] {
        assert_eq!(added[field], done[field], "{field}");
    }
    assert_eq!(added["arguments"], "");
    assert_eq!(joined(&events, "/delta"), arguments().to_string());
}

#[test]
fn a_claude_stream_opens_one_block_and_counts_at_the_end() {
    let want = [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    let text = events(CLAUDE, &streamed(claude("hi")));
    assert_eq!(order(&text), want);
    assert_eq!(joined(&text, "/delta/text"), said("hi", "demo-claude"));
    let usage = &text[text.len() - 2]["usage"];
    let whole = document(CLAUDE, &claude("hi"));
    for field in ["input_tokens", "output_tokens"] {
        assert_eq!(usage[field], whole["usage"][field], "{field}");
    }

    let call = events(CLAUDE, &streamed(claude_tool()));
    assert_eq!(order(&call), want);
    assert_eq!(call[1]["content_block"]["input"], json!({}));
    assert_eq!(
        joined(&call, "/delta/partial_json"),
        arguments().to_string()
    );
    assert_eq!(joined(&call, "/delta/stop_reason"), "tool_use");
}

#[test]
fn a_gemini_stream_is_the_same_chunks_as_events_or_as_an_array() {
    for (body, pointer) in [
        (gemini("hi"), "/candidates/0/content/parts/0/text"),
        (
            gemini_tool(),
            "/candidates/0/content/parts/0/functionCall/name",
        ),
    ] {
        let events = events(GEMINI_SSE, &body);
        let reply = ask(GEMINI_ARRAY, &body);
        assert_eq!(reply.shape, Shape::JsonArray);
        let array: Value = serde_json::from_str(&reply.pieces.concat()).unwrap();
        assert_eq!(array, json!(events));
        assert!(!joined(&events, pointer).is_empty());
        assert_eq!(joined(&events, "/candidates/0/finishReason"), "STOP");
        let usage = &events[events.len() - 1]["usageMetadata"];
        assert_eq!(usage, &document(GEMINI, &body)["usageMetadata"]);
    }
}
