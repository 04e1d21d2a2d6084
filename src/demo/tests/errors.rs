//! What the provider refuses, in the words of each format.

use super::*;

#[test]
fn the_first_key_runs_out_of_quota_on_demand_and_no_other_does() {
    for (target, body, kind) in [
        (CHAT, streamed(chat("demo-error-429")), "/error/code"),
        (RESPONSES, responses("demo-error-429"), "/error/code"),
        (CLAUDE, claude("demo-error-429"), "/error/type"),
        (GEMINI_SSE, gemini("demo-error-429"), "/error/status"),
        (CHAT, json!({"model": "demo-error-429"}), "/error/code"),
    ] {
        let body = body.to_string();
        let refused = post(target, "k-1", &body);
        assert_eq!((refused.status, refused.shape), (429, Shape::Whole));
        let error: Value = serde_json::from_str(&refused.pieces[0]).unwrap();
        let kind = error.pointer(kind).unwrap().as_str().unwrap();
        let known = [
            "rate_limit_exceeded",
            "rate_limit_error",
            "RESOURCE_EXHAUSTED",
        ];
        assert!(known.contains(&kind), "{kind}");
        assert_eq!(post(target, "k-2", &body).status, 200);
    }
    assert_eq!(post(CHAT, "k-1", &chat("hi").to_string()).status, 200);
}

#[test]
fn what_cannot_be_answered_is_an_error_of_the_paths_format() {
    for (target, body, status, has) in [
        ("/nowhere", "{}", 404, r#""code":null"#),
        ("/v1/messages/batches", "{}", 404, r#""type":"error""#),
        (
            "/v1beta/models/m:embed",
            "{}",
            404,
            r#""status":"NOT_FOUND""#,
        ),
        (CHAT, "{", 400, r#""type":"invalid_request_error""#),
        (CLAUDE, "", 400, r#""request_id":null"#),
        (GEMINI, "no", 400, r#""status":"INVALID_ARGUMENT""#),
    ] {
        let reply = post(target, "k", body);
        assert_eq!(reply.status, status, "{target}");
        assert!(reply.pieces[0].contains(has), "{target}: {reply:?}");
    }
    for body in [
        "null",
        "[]",
        "{}",
        r#"{"messages":{"content":1},"tools":[{}]}"#,
    ] {
        for target in [CHAT, RESPONSES, CLAUDE, GEMINI, GEMINI_SSE, GEMINI_ARRAY] {
            assert_eq!(post(target, "k", body).status, 200, "{target} {body}");
        }
    }
}
