//! Who may ask, and how a request may come.

use crate::ask::{Ask, Bench};
use crate::support::client::{Client, Key, get, raw};
use crate::support::gate::Gate;
use crate::support::keys::{CLIENT_KEY, CLIENT_KEY_B, UNKNOWN_KEY};
use crate::support::reply::Step;

#[tokio::test]
async fn a_key_is_taken_from_every_field_on_every_path() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for ask in Ask::ALL {
        for (name, value) in [
            ("authorization", format!("Bearer {CLIENT_KEY}")),
            ("authorization", format!("bearer {CLIENT_KEY}")),
            ("Authorization", format!("BEARER   {CLIENT_KEY}")),
            ("x-api-key", CLIENT_KEY.to_owned()),
            ("X-Goog-Api-Key", CLIENT_KEY.to_owned()),
        ] {
            let request = client.request("POST", &ask.path(ask.model()));
            let request = request.header(name, &value).body(ask.body(ask.model()));
            assert_eq!(request.send().await.status, 200, "{ask:?} {name}");
        }
    }
    for request in bench.upstream.requests() {
        let fields = format!("{:?}", request.headers);
        assert!(
            !fields.contains(CLIENT_KEY),
            "a client's key went upstream: {fields}"
        );
    }
}

#[tokio::test]
async fn one_valid_key_is_enough() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    let request = Ask::Chat
        .bare(&mut client, "")
        .header("x-api-key", UNKNOWN_KEY);
    let response = request.body(Ask::Chat.body("gpt-5")).send().await;
    assert_eq!(response.status, 200);
}

#[tokio::test]
async fn anonymous_clients_are_served_where_allowed_and_wrong_keys_are_still_wrong() {
    let settings = format!("api-keys: [{CLIENT_KEY}]\nallow-anonymous: true");
    let bench = Bench::new(&settings).await;
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        for (key, status) in [
            (Key::None, 200),
            (ask.key(CLIENT_KEY), 200),
            (ask.key(UNKNOWN_KEY), 401),
        ] {
            let request = client.request("POST", &ask.path(ask.model())).key(key);
            let response = request.body(ask.body(ask.model())).send().await;
            assert_eq!(response.status, status, "{ask:?}");
        }
    }
}

#[tokio::test]
async fn without_client_keys_any_key_is_ignored() {
    let bench = Bench::new("api-keys: []").await;
    Ask::Chat.is_served(&mut bench.client().await).await;
    let anonymous = get(bench.gateway.addr(), "/v1/models", Key::None).await;
    assert_eq!(anonymous.status, 200);
}

#[tokio::test]
async fn a_key_may_be_configured_as_its_hash() {
    use sha2::Digest;
    let hash: String = sha2::Sha256::digest(CLIENT_KEY)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let bench = Bench::new(&format!("api-keys: ['sha256:{hash}']")).await;
    Ask::Chat.is_served(&mut bench.client().await).await;
    for wrong in [&*hash, &format!("sha256:{hash}"), UNKNOWN_KEY] {
        let response = get(bench.gateway.addr(), "/v1/models", wrong).await;
        Ask::Chat.assert_error(&response, 401, "invalid_api_key");
    }
}

#[tokio::test]
async fn a_key_with_a_list_of_models_has_no_others() {
    let settings = format!(
        "api-keys: [{CLIENT_KEY}, {{key: {CLIENT_KEY_B}, name: b, models: ['gpt-*']}}]\n\
         openai-compatibility: [{{name: c, base-url: 'http://127.0.0.1:9', \
         models: [gpt-x, claude-x]}}]"
    );
    let bench = Bench::new(&settings).await;
    let mut client = bench.client().await;
    for (ask, status) in Ask::ALL.into_iter().zip([200, 200, 403, 403]) {
        let request = client.request("POST", &ask.path(ask.model()));
        let request = request
            .key(ask.key(CLIENT_KEY_B))
            .body(ask.body(ask.model()));
        let response = request.send().await;
        match status {
            200 => assert_eq!(response.status, 200),
            _ => ask.assert_error(&response, 403, "model_not_allowed"),
        }
        ask.is_served(&mut client).await;
    }
    let ids = async |key| {
        let list = get(bench.gateway.addr(), "/v1/models", key).await.json();
        let models = list["data"].as_array().unwrap().clone();
        models
            .iter()
            .map(|model| model["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(CLIENT_KEY).await, ["gpt-x", "claude-x"]);
    assert_eq!(ids(CLIENT_KEY_B).await, ["gpt-x"]);
    let one = get(bench.gateway.addr(), "/v1/models/claude-x", CLIENT_KEY_B).await;
    Ask::Chat.assert_error(&one, 404, "model_not_found");
    let mut pass = bench.client().await;
    let request = pass.request("POST", "/v1/embeddings").key(CLIENT_KEY_B);
    let response = request
        .header("x-provider", "openai")
        .body("{}")
        .send()
        .await;
    Ask::Chat.assert_error(&response, 403, "pass_through_not_allowed");
}

#[tokio::test]
async fn a_valid_request_id_is_kept_and_any_other_is_replaced() {
    let bench = Bench::new("").await;
    let long = "x".repeat(129);
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        for (id, kept) in [
            ("abc-1.2:3_Z", true),
            (&long[..128], true),
            (&*long, false),
            ("a b", false),
            ("a;b", false),
            ("é", false),
            ("", false),
        ] {
            let request = ask
                .bare(&mut client, ask.model())
                .header("x-request-id", id);
            let response = request.body(ask.body(ask.model())).send().await;
            assert_eq!(response.status, 200);
            let echoed = response.header("x-request-id").unwrap();
            assert_eq!(echoed == id, kept, "{id}");
            assert_eq!(echoed.starts_with("req_"), !kept, "{id}");
            let requests = bench.upstream.requests();
            assert_eq!(
                requests.last().unwrap().header("x-request-id"),
                Some(echoed)
            );
            let anthropics = (ask == Ask::Messages).then_some(echoed);
            assert_eq!(response.header("request-id"), anthropics);
        }
    }
}

#[tokio::test]
async fn an_accept_header_turns_streaming_on_when_the_body_says_nothing() {
    let bench = Bench::new("").await;
    for ask in Ask::IN_BODY {
        let mut client = bench.client().await;
        let quiet = ask.body(ask.model());
        let streaming = quiet.replacen("} \n", ",\"stream\":true} \n", 1);
        let no = quiet.replacen("{ ", "{ \"stream\": false, ", 1);
        let null = quiet.replacen("{ ", "{ \"stream\": null, ", 1);
        for (accept, body, sent) in [
            ("text/event-stream", &quiet, &streaming),
            ("text/event-stream; q=1", &quiet, &streaming),
            ("text/event-stream, */*", &quiet, &streaming),
            ("application/json, text/event-stream", &quiet, &quiet),
            ("*/*", &quiet, &quiet),
            ("text/event-stream", &no, &no),
            ("text/event-stream", &null, &null),
        ] {
            let request = ask.bare(&mut client, "").header("accept", accept);
            let response = request.body(body.clone()).send().await;
            assert_eq!(response.status, 200);
            let last = bench.upstream.requests().pop().unwrap();
            assert_eq!(last.body, sent, "{ask:?} {accept}");
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_invited_and_one_that_is_refused_is_not() {
    let bench = Bench::new("").await;
    let body = Ask::Chat.body("gpt-5");
    let head = |path: &str, key: &str, more: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nexpect: 100-continue\r\n\
             content-length: {}\r\n{more}\r\n",
            body.len()
        )
    };
    for (path, more) in [
        ("/v1/chat/completions", "connection: close\r\n"),
        (
            "/v1/embeddings",
            "x-provider: openai\r\nconnection: close\r\n",
        ),
    ] {
        let request = head(path, CLIENT_KEY, more) + &body;
        let answer = String::from_utf8(raw(bench.gateway.addr(), request).await.into()).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"),
            "{answer}"
        );
        assert_eq!(answer.matches("100 Continue").count(), 1, "{answer}");
    }
    let refused = raw(
        bench.gateway.addr(),
        head("/v1/chat/completions", UNKNOWN_KEY, ""),
    )
    .await;
    let answer = String::from_utf8(refused.into()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
    for request in bench.upstream.requests() {
        assert_eq!(request.header("expect"), None);
    }
}

#[tokio::test]
async fn a_streamed_upload_that_waits_for_100_continue_is_invited() {
    let bench = Bench::new("").await;
    let head = format!(
        "POST /v1/files HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\nx-provider: openai\r\n\
         expect: 100-continue\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n"
    );
    let answer = String::from_utf8(raw(bench.gateway.addr(), head).await.into()).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"),
        "{answer}"
    );
    assert_eq!(bench.upstream.request(0).await.body, "hello");
}

#[tokio::test]
async fn chunked_bodies_arrive_whole_with_their_length() {
    let bench = Bench::new("").await;
    for ask in Ask::ALL {
        let body = ask.body(ask.model());
        let gate = Gate::new();
        let half = body.len() / 2;
        let mut steps: Vec<Step> = body.as_bytes()[..half]
            .iter()
            .map(|byte| Step::from(vec![*byte]))
            .collect();
        steps.push(Step::from(&gate));
        steps.push(Step::from(body[half..].to_owned()));
        gate.open();
        let mut client = bench.client().await;
        let response = ask
            .bare(&mut client, ask.model())
            .upload(steps)
            .send()
            .await;
        assert_eq!(response.status, 200);
        let last = bench.upstream.requests().pop().unwrap();
        assert_eq!(last.body, body);
        assert_eq!(
            last.header("content-length"),
            Some(&*body.len().to_string())
        );
        ask.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken() {
    let bench = Bench::new("").await;
    let mut client = Client::h2c(bench.gateway.addr()).await;
    for ask in Ask::ALL {
        ask.is_served(&mut client).await;
        let unknown = ask.send(&mut client, "nobody-has-this").await;
        let status = if ask == Ask::Responses { 400 } else { 404 };
        ask.assert_error(&unknown, status, "model_not_found");
        let not_json = ask.bare(&mut client, ask.model()).body("{").send().await;
        ask.assert_error(&not_json, 400, "invalid_json");
        let early = client.request("POST", &ask.path(ask.model())).body("{}");
        ask.assert_error(&early.send().await, 401, "missing_api_key");
    }
}

#[tokio::test]
async fn requests_that_are_sent_early_are_answered_in_order() {
    let bench = Bench::new("").await;
    let body = Ask::Chat.body("gpt-5");
    let health = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n".to_owned();
    let models = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\n\r\n");
    let bad = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\n\
         content-length: 1\r\n\r\n{{"
    );
    let good = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {CLIENT_KEY}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let last = "GET /nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".to_owned();
    let all = [&health, &good, &models, &bad, &good, &good, &last].map(String::as_str);
    let answer = raw(bench.gateway.addr(), all.concat()).await;
    let text = String::from_utf8(answer.into()).unwrap();
    let statuses: Vec<&str> = text
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &text[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "200", "400", "200", "200", "401"]);
    assert_eq!(bench.upstream.requests().len(), 3);
}
