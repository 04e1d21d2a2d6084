//! What a Gemini chunk weighs and how its errors are written.

use super::*;
use std::time::Duration;

fn weigh(data: &str) -> Weight {
    let weight = Gemini.weigh(format!("data: {data}\r\n\r\n").as_bytes(), Shape::Sse);
    assert_eq!(
        Gemini.weigh(data.as_bytes(), Shape::JsonArray),
        weight,
        "the shape matters for {data}"
    );
    let wrapped = format!(r#"{{"response": {data},"traceId":"t"}}"#);
    assert_eq!(
        Gemini.weigh(wrapped.as_bytes(), Shape::JsonArray),
        weight,
        "the envelope matters for {data}"
    );
    weight
}

fn parts(parts: &str) -> Weight {
    weigh(&format!(
        r#"{{"candidates": [{{"content": {{"parts": [{parts}]}},"index": 0}}]}}"#
    ))
}

#[test]
fn errors_are_written_in_googles_words() {
    for (kind, code, status) in [
        (FaultKind::InvalidRequest, 400, "INVALID_ARGUMENT"),
        (FaultKind::Auth, 401, "UNAUTHENTICATED"),
        (FaultKind::Permission, 403, "PERMISSION_DENIED"),
        (FaultKind::Billing, 429, "RESOURCE_EXHAUSTED"),
        (FaultKind::NotFound, 404, "NOT_FOUND"),
        (FaultKind::Conflict, 409, "ABORTED"),
        (FaultKind::TooLarge, 413, "INVALID_ARGUMENT"),
        (FaultKind::RateLimit, 429, "RESOURCE_EXHAUSTED"),
        (FaultKind::Overloaded, 503, "UNAVAILABLE"),
        (FaultKind::BadUpstream, 500, "INTERNAL"),
        (FaultKind::Timeout, 504, "DEADLINE_EXCEEDED"),
        (FaultKind::NotImplemented, 501, "UNIMPLEMENTED"),
    ] {
        let reply = Gemini.encode_fault(
            &Fault {
                code: None,
                ..Fault::new(kind, "", "m")
            },
            "r",
        );
        let body = format!(r#"{{"error":{{"code":{code},"message":"m","status":"{status}"}}}}"#);
        assert_eq!(
            (reply.status, String::from_utf8(reply.body).unwrap()),
            (code, body)
        );
    }
}

#[test]
fn code_wait_and_field_stand_in_the_details() {
    let fault = Fault::new(FaultKind::RateLimit, "all_cooling", "m")
        .with_param("model")
        .with_retry_after(Duration::from_secs(12));
    assert_eq!(
        String::from_utf8(Gemini.encode_fault(&fault, "r").body).unwrap(),
        concat!(
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":["#,
            r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ALL_COOLING","domain":"ai-proxy"},"#,
            r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"12s"},"#,
            r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"model","description":"m"}]}]}}"#
        )
    );
}

#[test]
fn codes_become_reasons() {
    assert_eq!(screaming("model_not_found"), "MODEL_NOT_FOUND");
    assert_eq!(screaming("DeploymentNotFound"), "DEPLOYMENT_NOT_FOUND");
    assert_eq!(screaming("a.b-2"), "A_B_2");
}

#[test]
fn an_error_closes_the_framing_it_finds() {
    let fault = Fault {
        code: None,
        ..Fault::new(FaultKind::Internal, "", "m")
    };
    let error = r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#;
    for (shape, begun, expected) in [
        (Shape::Sse, true, format!("data: {error}\n\n")),
        (Shape::Sse, false, format!("data: {error}\n\n")),
        (Shape::JsonArray, true, format!(",{error}]")),
        (Shape::JsonArray, false, format!("[{error}]")),
        (Shape::Whole, true, String::new()),
    ] {
        let mut out = Vec::new();
        Gemini.encode_stream_fault(&fault, "r", shape, begun, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn parts_with_something_in_them_are_content() {
    for content in [
        r#"{"text": "Hi"}"#,
        r#"{"text":"\""}"#,
        r#"{"text":"Hm","thought":true}"#,
        r#"{"text": "the \"finishReason\": \"STOP\" and \"error\""}"#,
        r#"{"text": "finishReason"}"#,
        r#"{"text":"","thoughtSignature":"c2ln"}"#,
        r#"{"functionCall":{"name":"f","args":{}}}"#,
        r#"{"functionCall":{}}"#,
        r#"{"inlineData":{"data":"x"}}"#,
        r#"{"text":""},{"text":"x"}"#,
    ] {
        assert_eq!(parts(content), Weight::Content, "{content}");
    }
}

#[test]
fn empty_parts_and_usage_are_quiet() {
    for quiet in ["", r#"{"text":""}"#, r#"{"text": "", "thought": true}"#] {
        assert_eq!(parts(quiet), Weight::Quiet, "{quiet}");
    }
    assert_eq!(
        weigh(r#"{"usageMetadata":{"promptTokenCount":1}}"#),
        Weight::Quiet
    );
    assert_eq!(weigh(r#"{"candidates":[{"index":0}]}"#), Weight::Quiet);
    assert_eq!(
        weigh(r#"{"candidates":[{"content":{"role":"model"}}]}"#),
        Weight::Quiet
    );
    assert_eq!(Gemini.weigh(b"data: [DONE]\n\n", Shape::Sse), Weight::Quiet);
}

#[test]
fn a_finish_reason_or_a_refused_prompt_is_the_end() {
    for end in [
        r#"{"candidates":[{"content":{"parts":[{"text":"bye"}]},"finishReason":"STOP"}]}"#,
        r#"{"candidates": [{"finishReason": "MAX_TOKENS"}]}"#,
        r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
    ] {
        assert_eq!(weigh(end), Weight::Final, "{end}");
    }
    for open in [
        r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":null}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"FINISH_REASON_UNSPECIFIED"}]}"#,
    ] {
        assert_eq!(weigh(open), Weight::Content, "{open}");
    }
}

#[test]
fn an_error_chunk_is_a_fault() {
    let error = r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#;
    for data in [error.to_owned(), format!("[{error}]")] {
        let event = format!("data: {data}\n\n");
        let Weight::Fault(fault) = Gemini.weigh(event.as_bytes(), Shape::Sse) else {
            panic!("{data}")
        };
        assert_eq!(
            (fault.kind, &*fault.message),
            (FaultKind::Overloaded, "m"),
            "{data}"
        );
    }
}
