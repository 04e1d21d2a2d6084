//! Recorded errors, and the words of servers that were not recorded.

use super::*;
use crate::wire::Format;
use crate::wire::fixtures;
use std::time::Duration;

/// Kind, code and message of an error answer.
fn read(status: u16, body: &str) -> (FaultKind, Option<String>, String) {
    let fault = decode(status, body.as_bytes());
    (
        fault.kind,
        fault.code.map(Cow::into_owned),
        fault.message.into_owned(),
    )
}

fn kind(status: u16, body: &str) -> FaultKind {
    decode(status, body.as_bytes()).kind
}

#[test]
fn recorded_errors_are_understood() {
    use FaultKind::*;
    let expected = [
        (429, "auth-rate-limit.json", RateLimit),
        (500, "auth-server-error.json", Internal),
        (422, "auth-fastapi-detail.json", Unprocessable),
        (404, "ollm-chat-reasoning-1.json", ModelNotFound),
        (
            400,
            "ollm-vision-with-events-with-content-2.json",
            InvalidRequest,
        ),
        (404, "pyd-model-name-suggestion-groq.json", ModelNotFound),
        (
            404,
            "pyd-model-name-suggestion-openai-chat.json",
            ModelNotFound,
        ),
        (
            400,
            "pyd-multimodal-tool-return-matrix-direct-url-audio-openai-chat-2.json",
            InvalidRequest,
        ),
        (
            400,
            "pyd-openai-o1-mini-system-role-system.json",
            InvalidRequest,
        ),
        (
            400,
            "pyd-openai-web-search-tool-model-not-supported.json",
            InvalidRequest,
        ),
        (
            400,
            "vai-reasoning-model-legacy-parameter-error.json",
            InvalidRequest,
        ),
        (
            400,
            "pyd-model-name-suggestion-openai-responses.json",
            ModelNotFound,
        ),
        (
            400,
            "pyd-multimodal-tool-return-matrix-tool-return-content-url-audi-1.json",
            InvalidRequest,
        ),
        (
            400,
            "pyd-multimodal-tool-return-matrix-tool-return-content-url-forc-2.json",
            InvalidRequest,
        ),
        (
            400,
            "pyd-openai-responses-model-http-error.json",
            InvalidRequest,
        ),
        (429, "vai-openai-error-1.json", Billing),
        (
            400,
            "vai-reasoning-model-temperature-error.json",
            InvalidRequest,
        ),
        (402, "auth-billing.json", Billing),
        (400, "auth-prompt-too-long.json", ContextLength),
        (401, "dd-anthropic-completion-invalid-api-key.json", Auth),
        (404, "pyd-anthropic-count-tokens-error.json", ModelNotFound),
        (
            400,
            "pyd-anthropic-explicit-effort-xhigh-unsupported-model-errors.json",
            InvalidRequest,
        ),
        (400, "auth-api-key-invalid.json", Auth),
        (429, "auth-array-wrapped.json", RateLimit),
        (400, "auth-thought-signature.json", InvalidRequest),
        (
            400,
            "otel-generate-content-invalid-temperature.json",
            InvalidRequest,
        ),
        (
            404,
            "otel-generate-content-missing-model.json",
            ModelNotFound,
        ),
        (404, "pyd-model-name-suggestion-google.json", ModelNotFound),
        (
            400,
            "pyd-multimodal-tool-return-matrix-direct-url-image-google-vert-2.json",
            InvalidRequest,
        ),
    ];
    for fixture in fixtures::errors() {
        let name = &fixture.name;
        let (status, _, kind) = *expected
            .iter()
            .find(|(_, expected, _)| expected == name)
            .unwrap_or_else(|| panic!("no expectation for {name}"));
        let fault = decode(status, &fixture.body);
        assert_eq!(fault.kind, kind, "{name}");
        assert!(
            !fault.message.starts_with("The provider answered"),
            "{name}: no message"
        );
    }
}

#[test]
fn recorded_fields_survive() {
    let read = |format, name| decode(400, &fixtures::read(format, name));
    let fault = read(
        Format::OpenAiChat,
        "errors/vai-reasoning-model-legacy-parameter-error.json",
    );
    assert_eq!(fault.code.as_deref(), Some("unsupported_parameter"));
    assert_eq!(fault.param.as_deref(), Some("max_tokens"));
    let fault = read(Format::OpenAiChat, "errors/auth-fastapi-detail.json");
    assert_eq!(
        (&*fault.message, fault.param.as_deref()),
        ("Field required", Some("messages"))
    );
    let fault = read(Format::Gemini, "errors/auth-api-key-invalid.json");
    assert_eq!(fault.code.as_deref(), Some("api_key_invalid"));
}

#[test]
fn bodies_of_compatible_servers_are_understood() {
    for (status, body, expected) in [
        (500, r#"{"error":"out of memory"}"#, "out of memory"),
        (
            404,
            r#"{"error":"Not Found","message":"no such route"}"#,
            "no such route",
        ),
        (400, r#"{"message":"bad"}"#, "bad"),
        (400, r#"{"detail":"worse"}"#, "worse"),
        (400, r#"{"detail":{"message":"inner"}}"#, "inner"),
        (
            400,
            r#"{"object":"error","message":"flat","type":"BadRequestError","code":400}"#,
            "flat",
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"wrapped","status":"INVALID_ARGUMENT"}}]"#,
            "wrapped",
        ),
        (502, "  upstream connect error\n", "upstream connect error"),
        (500, "\"quoted\"", "quoted"),
    ] {
        assert_eq!(read(status, body).2, expected, "{body}");
    }
    assert_eq!(
        kind(
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#
        ),
        FaultKind::ModelNotFound
    );
    assert_eq!(
        kind(
            404,
            r#"{"error":"model \"x\" not found, try pulling it first"}"#
        ),
        FaultKind::ModelNotFound
    );
}

#[test]
fn html_and_noise_are_never_forwarded() {
    for body in [
        "<!DOCTYPE html><h1>Bad gateway</h1>",
        "  <html>",
        "502: <HTML lang=en>",
        "",
        "{}",
        "[]",
        "{\"error\":",
        "{\"error\":{\"message\":\"<html>\"}}",
        "{\"error\":null}",
        "{\"error\":[]}",
        "a\0b",
        "null\0",
    ] {
        let (kind, code, message) = read(502, body);
        assert_eq!(kind, FaultKind::BadUpstream, "{body}");
        assert_eq!(
            (code, &*message),
            (None, "The provider answered with status 502."),
            "{body}"
        );
    }
    assert_eq!(
        decode(500, b"\xff\xfe").message,
        "The provider answered with status 500."
    );
}

#[test]
fn the_status_decides_when_the_body_says_nothing() {
    use FaultKind::*;
    for (status, expected) in [
        (302, BadUpstream),
        (400, InvalidRequest),
        (401, Auth),
        (402, Billing),
        (403, Permission),
        (404, NotFound),
        (405, MethodNotAllowed),
        (408, Timeout),
        (409, Conflict),
        (413, TooLarge),
        (415, UnsupportedMedia),
        (418, InvalidRequest),
        (422, Unprocessable),
        (429, RateLimit),
        (431, HeadersTooLarge),
        (500, Internal),
        (501, NotImplemented),
        (502, BadUpstream),
        (503, Overloaded),
        (504, Timeout),
        (520, BadUpstream),
        (524, Timeout),
        (529, Overloaded),
        (599, Internal),
        (200, Internal),
    ] {
        assert_eq!(kind(status, ""), expected, "{status}");
    }
}

#[test]
fn the_most_exact_word_decides() {
    use FaultKind::*;
    for (status, body, expected) in [
        (
            400,
            r#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"x"}}"#,
            ContextLength,
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","code":"content_policy_violation","message":"x"}}"#,
            ContentPolicy,
        ),
        (
            401,
            r#"{"error":{"type":"invalid_request_error","code":null,"message":"x"}}"#,
            Auth,
        ),
        (
            429,
            r#"{"error":{"type":"invalid_request_error","message":"slow"}}"#,
            RateLimit,
        ),
        (
            500,
            r#"{"error":{"type":"invalid_request_error","message":"x"}}"#,
            Internal,
        ),
        (
            503,
            r#"{"error":{"type":"server_error","code":null,"message":"x"}}"#,
            Overloaded,
        ),
        (
            503,
            r#"{"error":{"type":"server_error","code":"slow_down","message":"x"}}"#,
            Overloaded,
        ),
        (
            400,
            r#"{"error":{"type":"server_error","message":"x"}}"#,
            Internal,
        ),
        (
            200,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Overloaded,
        ),
        (
            200,
            r#"{"error":{"type":"api_error","message":"x"}}"#,
            Internal,
        ),
        (
            200,
            r#"{"error":{"type":"invalid_request_error","message":"x"}}"#,
            InvalidRequest,
        ),
        (200, r#"{"error":{"code":503,"message":"x"}}"#, Overloaded),
        (200, r#"{"error":{"code":"429","message":"x"}}"#, RateLimit),
        (
            404,
            r#"{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}"#,
            NotFound,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
            Billing,
        ),
        (
            413,
            r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#,
            TooLarge,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"Please enable billing on project"}}"#,
            Billing,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"User location is not supported"}}"#,
            InvalidRequest,
        ),
        (
            403,
            r#"{"error":{"code":403,"status":"PERMISSION_DENIED","message":"x","details":[{"reason":"SERVICE_DISABLED"}]}}"#,
            Permission,
        ),
        (
            499,
            r#"{"error":{"code":499,"status":"CANCELLED","message":"x"}}"#,
            Internal,
        ),
        (
            500,
            r#"{"error":{"code":500,"status":"UNKNOWN","message":"x"}}"#,
            Internal,
        ),
        (
            504,
            r#"{"error":{"code":504,"status":"DEADLINE_EXCEEDED","message":"x"}}"#,
            Timeout,
        ),
        // Google says this of limits per minute too, so the words are no sign of an empty account.
        (
            429,
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota, please check your plan and billing details."}}"#,
            RateLimit,
        ),
        (
            429,
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}]}}"#,
            Billing,
        ),
        (
            400,
            r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"API key not valid. Please pass a valid API key."}}"#,
            Auth,
        ),
    ] {
        assert_eq!(kind(status, body), expected, "{status} {body}");
    }
}

#[test]
fn a_long_prompt_is_recognised_by_its_words() {
    for message in [
        "prompt is too long: 5 tokens > 4 maximum",
        "This model's Maximum Context Length is 8192 tokens",
        "Your input exceeds the context window of this model.",
        "The input token count (1) exceeds the maximum number of tokens allowed (0).",
        "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
    ] {
        let body =
            format!(r#"{{"error":{{"type":"invalid_request_error","message":"{message}"}}}}"#);
        assert_eq!(kind(400, &body), FaultKind::ContextLength, "{message}");
        // What may be retried must stay so.
        assert_eq!(kind(429, &body), FaultKind::RateLimit, "{message}");
    }
}

#[test]
fn google_says_when_to_come_back() {
    for (detail, millis) in [
        (
            r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}"#,
            34_400,
        ),
        (
            r#"{"reason":"RATE_LIMIT_EXCEEDED","metadata":{"quotaResetDelay":"1h16m0.5s"}}"#,
            4_560_500,
        ),
        (
            r#"{"reason":"X"},{"metadata":{"quotaResetDelay":"373.8ms"}}"#,
            373,
        ),
    ] {
        let body = format!(
            r#"{{"error":{{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x","details":[{detail}]}}}}"#
        );
        let wait = decode(429, body.as_bytes()).retry_after.unwrap();
        assert_eq!(wait.as_millis(), millis, "{detail}");
    }
    assert_eq!(
        decode(429, b"{\"error\":{\"details\":[7,{\"retryDelay\":\"x\"}]}}").retry_after,
        None::<Duration>
    );
}

#[test]
fn details_name_field_and_code() {
    let fault = decode(400, br#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"fieldViolations":[{"field":"contents[0]","description":"d"}]}]}}"#);
    assert_eq!(fault.param.as_deref(), Some("contents[0]"));
    let fault = decode(400, br#"{"type":"error","error":{"type":"invalid_request_error","message":"x","details":{"error_code":"too_odd"}}}"#);
    assert_eq!(fault.code.as_deref(), Some("too_odd"));
}

#[test]
fn messages_are_cut_and_carry_no_keys() {
    let long = format!(r#"{{"message":"{}"}}"#, "é".repeat(5000));
    assert_eq!(read(400, &long).2.chars().count(), MAX_MESSAGE);
    for (message, shown) in [
        (
            "Incorrect API key provided: sk-abc123***wxyz. See",
            "Incorrect API key provided: *** See",
        ),
        (
            "in organization org-AbCdEfGhIj on tokens",
            "in organization *** on tokens",
        ),
        ("use a risk-based org-chart", "use a risk-based org-chart"),
    ] {
        assert_eq!(presentable(message), shown);
    }
}

proptest::proptest! {
    #[test]
    fn any_body_gives_a_presentable_message(status: u16, body in "(\\{|\\}|\\[|\\]|\"error\":|\"message\":|\"x\"|,|<html>|\\PC){0,12}") {
        let fault = decode(status, body.as_bytes());
        proptest::prop_assert!(!fault.message.is_empty());
        proptest::prop_assert!(!fault.message.to_lowercase().contains("<html"));
    }
}
