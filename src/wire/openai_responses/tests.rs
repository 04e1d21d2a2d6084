//! What a Responses event weighs and how its errors are written.

use super::*;

fn weigh(kind: &str, members: &str) -> Weight {
    let data = format!(r#"{{"type":"{kind}"{members}}}"#);
    let named = OpenAiResponses.weigh(
        format!("event: {kind}\ndata: {data}\n\n").as_bytes(),
        Shape::Sse,
    );
    let bare = OpenAiResponses.weigh(format!("data: {data}\n\n").as_bytes(), Shape::Sse);
    assert_eq!(named, bare, "the event's name matters for {kind}");
    named
}

#[test]
fn an_unknown_model_is_a_bad_request_here() {
    let fault = Fault {
        code: None,
        ..Fault::new(FaultKind::ModelNotFound, "", "m")
    };
    let reply = OpenAiResponses.encode_fault(&fault, "r");
    assert_eq!(reply.status, 400);
    assert_eq!(
        reply.body,
        br#"{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#
    );
    assert_eq!(
        OpenAiResponses
            .encode_fault(&Fault::new(FaultKind::NotFound, "c", "m"), "r")
            .status,
        404
    );
}

#[test]
fn an_error_in_a_stream_comes_in_all_forms_clients_read() {
    let fault = Fault {
        code: None,
        ..Fault::new(FaultKind::Internal, "", "m")
    };
    let mut out = Vec::new();
    OpenAiResponses.encode_stream_fault(&fault, "42", Shape::Sse, false, &mut out);
    let out = String::from_utf8(out).unwrap();
    let (error, failed) = out.split_once("\n\n").unwrap();
    assert_eq!(
        error,
        "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":null,\"message\":\"m\",\"param\":null,\"error\":{\"message\":\"m\",\"type\":\"server_error\",\"param\":null,\"code\":null}}"
    );
    let data = failed
        .strip_prefix("event: response.failed\ndata: ")
        .unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["type"], "response.failed");
    let response = &data["response"];
    assert_eq!(response["id"], "resp_42");
    assert_eq!(response["status"], "failed");
    assert_eq!(
        response["error"],
        serde_json::json!({"code": "server_error", "message": "m"})
    );
    assert_eq!(response["output"], serde_json::json!([]));
    assert!(response["created_at"].as_u64().unwrap() > 0);
}

#[test]
fn beginnings_are_quiet() {
    for (kind, members) in [
        ("response.created", r#","response":{"error":null}"#),
        ("response.in_progress", ""),
        ("response.queued", ""),
        (
            "response.output_item.added",
            r#","item":{"id":"m","type":"message","content":[]}"#,
        ),
        (
            "response.output_item.added",
            r#","item":{"type":"reasoning","summary":[]}"#,
        ),
        (
            "response.content_part.added",
            r#","part":{"type":"output_text","text":""}"#,
        ),
        ("response.reasoning_summary_part.added", ""),
        ("response.output_text.delta", r#","delta":"","logprobs":[]"#),
        ("keepalive", ""),
    ] {
        assert_eq!(weigh(kind, members), Weight::Quiet, "{kind}");
    }
    assert_eq!(
        OpenAiResponses.weigh(b"data: [DONE]\n\n", Shape::Sse),
        Weight::Quiet
    );
}

#[test]
fn text_and_calls_are_content() {
    for (kind, members) in [
        (
            "response.output_text.delta",
            r#","delta":"Hi","obfuscation":"""#,
        ),
        ("response.output_text.delta", r#","delta":"\"\"""#),
        ("response.function_call_arguments.delta", r#","delta":"{""#),
        (
            "response.output_item.added",
            r#","item":{"type":"function_call","arguments":""}"#,
        ),
        (
            "response.output_item.added",
            r#","item":{"type":"web_search_call"}"#,
        ),
        ("response.output_item.added", ""),
        ("response.output_item.done", r#","item":{"type":"message"}"#),
        ("response.some_new_thing", ""),
    ] {
        assert_eq!(weigh(kind, members), Weight::Content, "{kind} {members}");
    }
}

#[test]
fn a_response_ends_completed_or_incomplete() {
    assert_eq!(
        weigh("response.completed", r#","response":{}"#),
        Weight::Final
    );
    assert_eq!(
        weigh("response.incomplete", r#","response":{}"#),
        Weight::Final
    );
}

#[test]
fn failures_are_faults() {
    for (kind, members) in [
        (
            "response.failed",
            r#","response":{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}"#,
        ),
        (
            "error",
            r#","code":"rate_limit_exceeded","message":"m","param":null"#,
        ),
        (
            "error",
            r#","error":{"type":"requests","code":null,"message":"m"}"#,
        ),
    ] {
        let Weight::Fault(fault) = weigh(kind, members) else {
            panic!("{kind}")
        };
        assert_eq!(
            (fault.kind, &*fault.message),
            (FaultKind::RateLimit, "m"),
            "{kind} {members}"
        );
    }
    let Weight::Fault(fault) = weigh("response.failed", "") else {
        panic!()
    };
    assert_eq!(fault.kind, FaultKind::Internal);
}
