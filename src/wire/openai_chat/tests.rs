//! What a Chat Completions chunk weighs and how its errors are written.

use super::*;
use crate::chat::FaultKind;
use std::time::Duration;

fn weigh(data: &str) -> Weight {
    OpenAiChat.weigh(format!("data: {data}\n\n").as_bytes(), Shape::Sse)
}

fn delta(delta: &str) -> Weight {
    let weight = weigh(&format!(
        r#"{{"choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":null}}"#
    ));
    let spaced =
        format!(r#"{{ "choices" : [ {{ "delta" : {delta} , "finish_reason" : null }} ] }}"#);
    assert_eq!(weigh(&spaced), weight, "spacing matters for {delta}");
    weight
}

#[test]
fn errors_are_written_in_openais_words() {
    for (kind, status, class, code) in [
        (
            FaultKind::InvalidRequest,
            400,
            "invalid_request_error",
            "null",
        ),
        (
            FaultKind::ContextLength,
            400,
            "invalid_request_error",
            "\"context_length_exceeded\"",
        ),
        (
            FaultKind::ContentPolicy,
            400,
            "invalid_request_error",
            "\"content_policy_violation\"",
        ),
        (
            FaultKind::Auth,
            401,
            "invalid_request_error",
            "\"invalid_api_key\"",
        ),
        (FaultKind::Permission, 403, "permission_error", "null"),
        (
            FaultKind::Billing,
            429,
            "insufficient_quota",
            "\"insufficient_quota\"",
        ),
        (FaultKind::NotFound, 404, "invalid_request_error", "null"),
        (
            FaultKind::ModelNotFound,
            404,
            "invalid_request_error",
            "\"model_not_found\"",
        ),
        (
            FaultKind::TooLarge,
            413,
            "invalid_request_error",
            "\"request_too_large\"",
        ),
        (
            FaultKind::RateLimit,
            429,
            "rate_limit_error",
            "\"rate_limit_exceeded\"",
        ),
        (FaultKind::Overloaded, 503, "server_error", "\"overloaded\""),
        (
            FaultKind::BadUpstream,
            502,
            "server_error",
            "\"bad_upstream\"",
        ),
        (FaultKind::Timeout, 504, "server_error", "\"timeout\""),
        (
            FaultKind::SlowRequest,
            408,
            "invalid_request_error",
            "\"request_timeout\"",
        ),
    ] {
        let message = "maximum context length";
        let fault = Fault {
            code: None,
            ..Fault::new(kind, "", message)
        };
        let reply = OpenAiChat.encode_fault(&fault, "r");
        let body = format!(
            r#"{{"error":{{"message":"{message}","type":"{class}","param":null,"code":{code}}}}}"#
        );
        assert_eq!(
            (reply.status, String::from_utf8(reply.body).unwrap()),
            (status, body)
        );
    }
}

#[test]
fn a_faults_own_code_and_field_win() {
    let fault = Fault::new(FaultKind::Auth, "no_client_key", "No \"key\"").with_param("a.b");
    assert_eq!(
        OpenAiChat.encode_fault(&fault, "r").body,
        br#"{"error":{"message":"No \"key\"","type":"invalid_request_error","param":"a.b","code":"no_client_key"}}"#
    );
}

#[test]
fn an_error_ends_a_stream_without_done() {
    let fault =
        Fault::new(FaultKind::Overloaded, "gone", "m").with_retry_after(Duration::from_secs(1));
    let mut out = Vec::new();
    OpenAiChat.encode_stream_fault(&fault, "r", Shape::Sse, true, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "data: {\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":\"gone\"}}\n\n"
    );
}

#[test]
fn deltas_with_something_in_them_are_content() {
    for content in [
        r#"{"content":"Hi"}"#,
        r#"{"content":"\""}"#,
        r#"{"role":"assistant","content":" "}"#,
        r#"{"role":"assistant","content":"","reasoning":"Hm"}"#,
        r#"{"reasoning_content":"Hm"}"#,
        r#"{"refusal":"No"}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#,
        r#"{"audio":{"id":"a"}}"#,
        r#"{"content":"error"}"#,
        r#"{"content":"say \"error\": \"finish_reason\":\"stop\""}"#,
        r#"{"content":"finish_reason"}"#,
    ] {
        assert_eq!(delta(content), Weight::Content, "{content}");
    }
}

#[test]
fn empty_deltas_are_quiet() {
    for quiet in [
        "{}",
        "null",
        r#"{"role":"assistant"}"#,
        r#"{"role":"assistant","content":""}"#,
        r#"{"role":"assistant","content":null,"refusal":null,"reasoning_details":[]}"#,
    ] {
        let chunk = format!(r#"{{"choices":[{{"delta":{quiet},"finish_reason":null}}]}}"#);
        let expected = if quiet == "null" {
            Weight::Content
        } else {
            Weight::Quiet
        };
        assert_eq!(weigh(&chunk), expected, "{quiet}");
    }
    assert_eq!(
        weigh(r#"{"choices":[],"usage":{"total_tokens":7}}"#),
        Weight::Quiet
    );
    assert_eq!(weigh(r#"{"usage":{"total_tokens":7}}"#), Weight::Quiet);
    assert_eq!(
        weigh(r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#),
        Weight::Quiet
    );
}

#[test]
fn done_and_a_finish_reason_are_the_end() {
    for end in [
        "[DONE]",
        " [DONE] ",
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"bye"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"delta":{"content":"bye"},"finish_reason" : "stop"}]}"#,
        r#"{"choices":[{"delta":{},"finish_reason":"stop"},{"delta":{"content":"x"},"finish_reason":null}]}"#,
        r#"{"choices":[{"text":"old","finish_reason":"stop"}]}"#,
    ] {
        assert_eq!(weigh(end), Weight::Final, "{end}");
    }
}

#[test]
fn errors_inside_a_stream_are_faults() {
    for (error, kind) in [
        (
            r#"{"error":{"message":"m","type":"server_error"}}"#,
            FaultKind::Internal,
        ),
        (r#"{"error":"m"}"#, FaultKind::Internal),
        (
            r#"{"error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            FaultKind::RateLimit,
        ),
        (
            r#"{"error":{"message":"m","code":"rate_limit_exceeded"},"choices":[{"delta":{"content":"text"}}]}"#,
            FaultKind::RateLimit,
        ),
    ] {
        let Weight::Fault(fault) = weigh(error) else {
            panic!("{error}")
        };
        assert_eq!((fault.kind, &*fault.message), (kind, "m"), "{error}");
    }
    let named = OpenAiChat.weigh(b"event: error\ndata: {\"message\":\"m\"}\n\n", Shape::Sse);
    assert!(matches!(named, Weight::Fault(_)));
    assert_eq!(
        weigh(r#"{"error":null,"choices":[{"delta":{"content":"x"}}]}"#),
        Weight::Content
    );
}
