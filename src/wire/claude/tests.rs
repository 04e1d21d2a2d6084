//! What a Messages event weighs and how its errors are written.

use super::*;

fn weigh(kind: &str, members: &str) -> Weight {
    let data = format!(r#"{{"type":"{kind}"{members}}}"#);
    let named = Claude.weigh(
        format!("event: {kind}\ndata: {data}\n\n").as_bytes(),
        Shape::Sse,
    );
    let bare = Claude.weigh(format!("data: {data}\r\n\r\n").as_bytes(), Shape::Sse);
    assert_eq!(named, bare, "the event's name matters for {kind}");
    named
}

fn delta(delta: &str) -> Weight {
    weigh(
        "content_block_delta",
        &format!(r#","index":0,"delta":{delta}"#),
    )
}

#[test]
fn errors_are_written_in_anthropics_words() {
    for (kind, status, class) in [
        (FaultKind::InvalidRequest, 400, "invalid_request_error"),
        (FaultKind::ContentPolicy, 400, "invalid_request_error"),
        (FaultKind::Auth, 401, "authentication_error"),
        (FaultKind::Billing, 402, "billing_error"),
        (FaultKind::Permission, 403, "permission_error"),
        (FaultKind::NotFound, 404, "not_found_error"),
        (FaultKind::ModelNotFound, 404, "not_found_error"),
        (FaultKind::TooLarge, 413, "request_too_large"),
        (FaultKind::Unprocessable, 400, "invalid_request_error"),
        (FaultKind::RateLimit, 429, "rate_limit_error"),
        (FaultKind::Internal, 500, "api_error"),
        (FaultKind::BadUpstream, 500, "api_error"),
        (FaultKind::Timeout, 504, "timeout_error"),
        (FaultKind::Overloaded, 529, "overloaded_error"),
        (FaultKind::NotImplemented, 400, "invalid_request_error"),
    ] {
        let reply = Claude.encode_fault(
            &Fault {
                code: None,
                ..Fault::new(kind, "", "m")
            },
            "req_1",
        );
        let body = format!(
            r#"{{"type":"error","error":{{"type":"{class}","message":"m"}},"request_id":"req_1"}}"#
        );
        assert_eq!(
            (reply.status, String::from_utf8(reply.body).unwrap()),
            (status, body)
        );
    }
}

#[test]
fn the_code_stands_in_the_details_and_the_field_in_the_message() {
    let fault =
        Fault::new(FaultKind::InvalidRequest, "bad_model", "no such thing").with_param("model");
    assert_eq!(
        String::from_utf8(Claude.encode_fault(&fault, "req_1").body).unwrap(),
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"model: no such thing","details":{"error_code":"bad_model"}},"request_id":"req_1"}"#
    );
}

#[test]
fn a_long_prompt_is_said_in_the_words_agents_match_on() {
    let fault = Fault::new(
        FaultKind::ContextLength,
        "context_length_exceeded",
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 140001 tokens.",
    );
    assert_eq!(
        message(&fault),
        "prompt is too long: 140001 tokens > 128000 maximum"
    );
}

#[test]
fn an_error_ends_a_stream() {
    let fault = Fault {
        code: None,
        ..Fault::new(FaultKind::Overloaded, "", "m")
    };
    let mut out = Vec::new();
    Claude.encode_stream_fault(&fault, "r", Shape::Sse, true, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"},\"request_id\":\"r\"}\n\n"
    );
}

#[test]
fn beginnings_are_quiet() {
    assert_eq!(
        weigh("message_start", r#","message":{"id":"m"}"#),
        Weight::Quiet
    );
    assert_eq!(weigh("ping", ""), Weight::Quiet);
    assert_eq!(weigh("content_block_stop", r#","index":0"#), Weight::Quiet);
    for block in [
        r#"{"type":"text","text":""}"#,
        r#"{"type":"thinking","thinking":"","signature":""}"#,
    ] {
        assert_eq!(
            weigh(
                "content_block_start",
                &format!(r#","content_block":{block}"#)
            ),
            Weight::Quiet
        );
    }
    for empty in [
        r#"{"type":"text_delta","text":""}"#,
        r#"{"partial_json":"","type":"input_json_delta"}"#,
    ] {
        assert_eq!(delta(empty), Weight::Quiet, "{empty}");
    }
    assert_eq!(
        weigh(
            "message_delta",
            r#","delta":{"stop_reason":null},"usage":{}"#
        ),
        Weight::Quiet
    );
}

#[test]
fn text_calls_and_unknown_blocks_are_content() {
    for block in [
        r#"{"type":"text","text":"Hi"}"#,
        r#"{"type":"tool_use","id":"t","name":"n","input":{}}"#,
        r#"{"type":"redacted_thinking","data":"x"}"#,
        r#"{"type":"web_search_tool_result","content":[]}"#,
        r#"{"type":"fallback"}"#,
    ] {
        assert_eq!(
            weigh(
                "content_block_start",
                &format!(r#","content_block":{block}"#)
            ),
            Weight::Content,
            "{block}"
        );
    }
    for content in [
        r#"{"type":"text_delta","text":"Hi"}"#,
        r#"{"type":"text_delta","text":"\"\""}"#,
        r#"{"type":"signature_delta","signature":"s"}"#,
        r#"{"type":"citations_delta","citation":{"title":""}}"#,
        r#"{"type":"new_delta","a":"","b":1}"#,
    ] {
        assert_eq!(delta(content), Weight::Content, "{content}");
    }
}

#[test]
fn a_stop_reason_is_the_end() {
    assert_eq!(
        weigh(
            "message_delta",
            r#","delta":{"stop_reason":"end_turn"},"usage":{}"#
        ),
        Weight::Final
    );
    assert_eq!(weigh("message_stop", ""), Weight::Final);
    assert_eq!(
        weigh(
            "completion",
            r#","completion":"x","stop_reason":"stop_sequence""#
        ),
        Weight::Final
    );
    assert_eq!(
        weigh("completion", r#","completion":"x","stop_reason":null"#),
        Weight::Content
    );
}

#[test]
fn an_error_event_is_a_fault() {
    let Weight::Fault(fault) = weigh(
        "error",
        r#","error":{"type":"overloaded_error","message":"Overloaded"}"#,
    ) else {
        panic!()
    };
    assert_eq!(
        (fault.kind, &*fault.message),
        (FaultKind::Overloaded, "Overloaded")
    );
}

/// The places of all values in a document, as JSON pointers.
pub(super) fn pointers(value: &serde_json::Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                pointers(value, &format!("{at}/{key}"), all);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), all);
            }
        }
        _ => {}
    }
}
