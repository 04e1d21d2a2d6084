//! Requests that the gateway refuses by their header, their path or their key.

use crate::ask::{Ask, Bench};
use crate::support::client::{Client, Key, raw};
use crate::support::gate::Gate;
use crate::support::keys::{CLIENT_KEY, UNKNOWN_KEY};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// The status lines in what a raw exchange returned.
fn statuses(answer: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(answer);
    let lines = text.lines().filter(|line| line.starts_with("HTTP/1.1 "));
    lines.map(|line| line[9..12].to_owned()).collect()
}

#[tokio::test]
async fn headers_over_a_limit_are_refused_in_every_format() {
    let bench = Bench::new("").await;
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        let large = ask.bare(&mut client, ask.model());
        let large = large.header("x-large", &"x".repeat(70_000)).body("{}");
        ask.assert_error(&large.send().await, 431, "headers_too_large");
        ask.is_served(&mut client).await;

        let mut many = ask.bare(&mut client, ask.model());
        for n in 0..120 {
            many = many.header(&format!("x-{n}"), "1");
        }
        ask.assert_error(&many.body("{}").send().await, 431, "headers_too_large");
        ask.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn what_no_http_parser_takes_is_a_bare_400() {
    let bench = Bench::new("").await;
    let fields: String = (0..300).map(|n| format!("x-{n}: 1\r\n")).collect();
    let huge = format!("x: {}\r\n", "x".repeat(2 << 20));
    let head =
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\n");
    for more in [
        &*fields,
        &huge,
        "content-length: 2\r\ncontent-length: 3\r\n",
        "content-length: -2\r\n",
        "content-length: 2, 3\r\n",
        "transfer-encoding: gzip\r\n",
        "x-nul: a\0b\r\n",
        "bad name: 1\r\n",
    ] {
        let answer = raw(bench.gateway.addr(), format!("{head}{more}\r\n{{}}")).await;
        let shown = &more[..more.len().min(40)];
        assert_eq!(statuses(&answer), ["400"], "{shown:?}");
    }
    assert!(bench.upstream.requests().is_empty());
    Ask::Chat.is_served(&mut bench.client().await).await;
}

#[tokio::test]
async fn a_request_with_two_framings_smuggles_nothing() {
    let bench = Bench::new("").await;
    let body = Ask::Chat.body("gpt-5");
    let smuggled = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\n\
         content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n\
         GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
        body.len()
    );
    let answer = raw(bench.gateway.addr(), smuggled).await;
    // The chunks count, and nothing on this connection counts after them.
    assert_eq!(statuses(&answer), ["200"]);
    let request = bench.upstream.request(0).await;
    assert_eq!(request.body, body);
    assert_eq!(bench.upstream.requests().len(), 1);
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_told_apart() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for (method, path, ask, status, code) in [
        ("GET", "/", Ask::Chat, 404, "unknown_path"),
        (
            "POST",
            "/v2/chat/completions",
            Ask::Chat,
            404,
            "unknown_path",
        ),
        ("POST", "/v1/embeddings", Ask::Chat, 404, "unknown_path"),
        (
            "POST",
            "/v1/messages/batches",
            Ask::Messages,
            404,
            "unknown_path",
        ),
        (
            "GET",
            "/v1/chat/completions",
            Ask::Chat,
            405,
            "method_not_allowed",
        ),
        (
            "DELETE",
            "/v1/responses",
            Ask::Responses,
            405,
            "method_not_allowed",
        ),
        (
            "PUT",
            "/v1/messages",
            Ask::Messages,
            405,
            "method_not_allowed",
        ),
        (
            "GET",
            "/v1beta/models/g:generateContent",
            Ask::Gemini,
            405,
            "method_not_allowed",
        ),
        ("POST", "/v1/models", Ask::Chat, 405, "method_not_allowed"),
        (
            "POST",
            "/v1beta/models",
            Ask::Gemini,
            405,
            "method_not_allowed",
        ),
    ] {
        let response = client.request(method, path).key(CLIENT_KEY).send().await;
        ask.assert_error(&response, status, code);
        let allow = match (status, method) {
            (405, "POST") => Some("GET, HEAD"),
            (405, _) => Some("POST"),
            _ => None,
        };
        assert_eq!(response.header("allow"), allow, "{method} {path}");
        if matches!(ask, Ask::Chat | Ask::Responses) {
            assert_eq!(response.json()["error"]["param"], serde_json::Value::Null);
        }
    }
    Ask::Chat.is_served(&mut client).await;
}

#[tokio::test]
async fn without_a_valid_key_nothing_is_served() {
    let bench = Bench::new("").await;
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        let path = ask.path(ask.model());
        for (key, code) in [
            (Key::None, "missing_api_key"),
            (ask.key(UNKNOWN_KEY), "invalid_api_key"),
            (ask.key(""), "missing_api_key"),
            (ask.key(&format!("{CLIENT_KEY} ,")), "invalid_api_key"),
        ] {
            let request = client.request("POST", &path).key(key).body("{}");
            ask.assert_error(&request.send().await, 401, code);
        }
        let basic = client
            .request("POST", &path)
            .header("authorization", "Basic eDp5");
        ask.assert_error(&basic.send().await, 401, "missing_api_key");
        ask.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn a_key_in_the_query_counts_for_gemini_only_and_goes_no_further() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for ask in Ask::ALL {
        let path = format!("{}?a=1&key={CLIENT_KEY}&b=2", ask.path(ask.model()));
        let request = client.request("POST", &path).body(ask.body(ask.model()));
        let response = request.send().await;
        if ask == Ask::Gemini {
            assert_eq!(response.status, 200, "{response:?}");
        } else {
            ask.assert_error(&response, 401, "missing_api_key");
        }
    }
    let wrong = format!("{}?key={UNKNOWN_KEY}", Ask::Gemini.path("gemini-2.5-pro"));
    let response = client.request("POST", &wrong).body("{}").send().await;
    Ask::Gemini.assert_error(&response, 401, "invalid_api_key");

    let request = bench.upstream.request(0).await;
    assert_eq!(
        request.target,
        "/v1beta/models/gemini-2.5-pro:generateContent?a=1&b=2"
    );
    // Dropping the gateway looks for the key in its log.
}

#[tokio::test]
async fn too_many_requests_at_once_are_told_to_come_back() {
    let gate = Gate::new();
    let reply = Reply::json(200, serde_json::json!({})).first(&gate);
    let bench = Bench::with("limits: {concurrent: 1}", Upstream::always(reply).await).await;
    let mut first = bench.client().await;
    let body = Ask::Chat.body("gpt-5");
    let request = Ask::Chat.bare(&mut first, "").body(body).send();
    let others = async {
        gate.reached().await;
        for (ask, status) in Ask::ALL.into_iter().zip([503, 503, 529, 503]) {
            let response = ask.send(&mut bench.client().await, ask.model()).await;
            ask.assert_error(&response, status, "too_many_requests_at_once");
            assert_eq!(response.header("retry-after"), Some("1"));
        }
        let health = bench
            .client()
            .await
            .request("GET", "/health")
            .send()
            .await
            .status;
        assert_eq!(health, 200, "health is not counted");
        gate.open();
    };
    let (answer, ()) = tokio::join!(request, others);
    assert_eq!(answer.status, 200);
    // On the same connection the next request begins when this one has been counted out.
    Ask::Chat.is_served(&mut first).await;
}

/// It would be logged, and remembered where it fails.
#[tokio::test]
async fn a_models_name_has_a_longest_length() {
    let bench = Bench::new("").await;
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        let response = ask.send(&mut client, &"m".repeat(513)).await;
        ask.assert_error(&response, 400, "model_name_too_long");
    }
    assert!(bench.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_gemini_model_cannot_lead_to_another_path() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for model in [
        "..",
        "../../v1/x",
        "a/../b",
        "%2e%2e",
        "gemini-x%2F..%2f..%2fy",
        ".",
        "a//b",
    ] {
        let path = format!("/v1beta/models/{model}:generateContent");
        let response = client
            .request("POST", &path)
            .key(CLIENT_KEY)
            .body("{}")
            .send()
            .await;
        Ask::Gemini.assert_error(&response, 400, "missing_model");
    }
    let odd = "/v1beta/models/gemini-%00%0d%0ax:%20y:generateContent";
    let request = client.request("POST", odd).key(CLIENT_KEY).body("{}");
    assert_eq!(request.send().await.status, 200);
    let requests = bench.upstream.requests();
    assert_eq!(requests.len(), 1);
    assert!(requests[0].target.eq_ignore_ascii_case(odd));
}

#[tokio::test]
async fn line_breaks_in_a_model_name_stay_inside_of_the_body() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    let name = r"gpt-5\r\nx-evil: 1\r\n\r\n\u0000 status=200";
    let response = Ask::Chat.send(&mut client, name).await;
    assert_eq!(response.status, 200);
    let request = bench.upstream.request(0).await;
    assert_eq!(request.header("x-evil"), None);
    assert_eq!(request.body, Ask::Chat.body(name));

    let unknown = Ask::Chat.send(&mut client, r"no\r\nx-evil: 1").await;
    Ask::Chat.assert_error(&unknown, 404, "model_not_found");
    assert_eq!(unknown.header("x-evil"), None);
    Ask::Chat.is_served(&mut client).await;
}

#[tokio::test]
async fn head_requests_get_the_header_alone() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for (path, status) in [
        ("/health", 200),
        ("/v1/models", 200),
        ("/v1beta/models", 200),
        ("/v1/chat/completions", 405),
        ("/nothing", 404),
    ] {
        let response = client.request("HEAD", path).key(CLIENT_KEY).send().await;
        assert_eq!(response.status, status, "{path}");
        assert!(response.body.is_empty());
        Ask::Chat.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn an_http_1_0_client_is_served_and_hung_up_on() {
    let bench = Bench::new("").await;
    let body = Ask::Chat.body("gpt-5");
    let request = format!(
        "POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nauthorization: bearer {CLIENT_KEY}\r\n\
         expect: 100-continue\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(bench.gateway.addr(), request).await;
    assert_eq!(statuses(&answer), ["200"], "{answer:?}");
    assert!(answer.ends_with(br#"{"ok":true}"#), "{answer:?}");
}

#[tokio::test]
async fn requests_that_never_finish_their_header_harm_nobody() {
    let bench = Bench::new("").await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        idle.push(Client::connect(bench.gateway.addr()).await);
    }
    Ask::Chat.is_served(&mut bench.client().await).await;
    drop(idle);
    Ask::Chat.is_served(&mut bench.client().await).await;
}
