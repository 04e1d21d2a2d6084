//! What few clients send, and what few providers answer.

use serde_json::json;

use crate::ask::{Ask, Bench};
use crate::support::client::{Client, raw};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn odd_targets_are_refused_and_harm_nobody() {
    let bench = Bench::new("").await;
    for target in [
        &b"*"[..],
        b"http://elsewhere/v1/models/none",
        b"//v1/models",
        b"/v1/chat/completions/",
        b"/v1/models/%ff:generateContent",
        b"/v1/\xff\xfe",
        b"/v1/models/:generateContent",
        b"/v1beta/models/x:",
        b"/v1/models/x:y:z",
        b"?",
        b"/v1/a b",
    ] {
        let request = [
            b"POST ",
            target,
            b" HTTP/1.1\r\nhost: x\r\nx-api-key: ",
            CLIENT_KEY.as_bytes(),
            b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}",
        ];
        let answer = raw(bench.gateway.addr(), request.concat()).await;
        let shown = String::from_utf8_lossy(target);
        assert!(answer.starts_with(b"HTTP/1.1 40"), "{shown}: {answer:?}");
    }
    assert!(bench.upstream.requests().is_empty());
    Ask::Chat.is_served(&mut bench.client().await).await;
}

#[tokio::test]
async fn limits_hold_on_http2_too() {
    let bench = Bench::new("max-body-size: 1KiB\nlimits: {body-timeout: 0.2}").await;
    let mut client = Client::h2c(bench.gateway.addr()).await;
    for ask in Ask::ALL {
        let pieces = || std::iter::repeat_n("x".repeat(300), 8);
        let chunks = ask.bare(&mut client, ask.model()).upload(pieces());
        ask.assert_error(&chunks.send().await, 413, "request_too_large");
        let length = ask
            .bare(&mut client, ask.model())
            .upload_of(2_400, pieces());
        ask.assert_error(&length.send().await, 413, "request_too_large");
        let never = Gate::new();
        let steps = [Step::from("{"), Step::from(&never)];
        let slow = ask.bare(&mut client, ask.model()).upload(steps);
        ask.assert_error(&slow.send().await, 408, "request_timeout");
        ask.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn uploads_stream_between_all_versions_of_http() {
    let body = "x".repeat(300_000);
    for h2_client in [false, true] {
        for h2_upstream in [false, true] {
            let upstream = Upstream::handler(|request| {
                Reply::json(200, json!({"received": request.body.len()}))
            })
            .tls();
            let upstream = if h2_upstream {
                upstream
            } else {
                upstream.http1_only()
            }
            .await;
            let gateway = Gateway::start(&format!(
                "api-keys: [{CLIENT_KEY}]\nupstream-ca: '{}'\n\
                 openai-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{}'}}]\n",
                upstream.ca_pem().display(),
                upstream.url()
            ))
            .await;
            let mut client = match h2_client {
                true => Client::h2c(gateway.addr()).await,
                false => Client::connect(gateway.addr()).await,
            };
            for with_length in [false, true] {
                let pieces = body.as_bytes().chunks(50_000).map(<[u8]>::to_vec);
                let request = client.request("POST", "/v1/files").key(CLIENT_KEY);
                let request = request.header("x-provider", "openai");
                let request = match with_length {
                    true => request.upload_of(300_000, pieces),
                    false => request.upload(pieces),
                };
                let response = request.send().await;
                let case = format!("{h2_client} {h2_upstream} {with_length} {response:?}");
                assert_eq!(response.status, 200, "{case}");
                assert_eq!(response.json(), json!({"received": 300_000}), "{case}");
            }
            let versions = upstream.requests().into_iter().map(|it| it.version);
            let want = if h2_upstream {
                http::Version::HTTP_2
            } else {
                http::Version::HTTP_11
            };
            assert!(versions.into_iter().all(|version| version == want));
        }
    }
}

#[tokio::test]
async fn a_provider_may_refuse_an_upload_before_it_is_complete() {
    let refused = Reply::json(413, json!({"error": {"message": "too large"}})).early();
    let bench = Bench::with("", Upstream::always(refused.close()).await).await;
    let never = Gate::new();
    let steps = [Step::from("x".repeat(100_000)), Step::from(&never)];
    let mut client = bench.client().await;
    let request = client.request("POST", "/v1/files").key(CLIENT_KEY);
    let request = request.header("x-provider", "openai").upload(steps);
    let response = request.send().await;
    assert_eq!(response.status, 413);
    assert_eq!(response.json()["error"]["message"], "too large");
}

#[tokio::test]
async fn answers_without_a_body_pass() {
    for status in [204, 304, 302, 200] {
        let reply = Reply::status(status).header("etag", "\"x\"");
        let bench = Bench::with("", Upstream::always(reply).await).await;
        let mut client = bench.client().await;
        for method in ["GET", "DELETE", "HEAD"] {
            let request = client.request(method, "/v1/files/f").key(CLIENT_KEY);
            let request = request
                .header("x-provider", "openai")
                .header("if-none-match", "\"x\"");
            let response = request.send().await;
            assert_eq!((response.status, response.text()), (status, ""), "{method}");
            assert_eq!(response.header("etag"), Some("\"x\""));
        }
        let sent = bench.upstream.request(0).await;
        assert_eq!(sent.header("if-none-match"), Some("\"x\""));
    }
}

#[tokio::test]
async fn an_error_code_that_cannot_be_a_header_is_told_in_the_body() {
    let event = "data: {\"error\":{\"message\":\"no good\",\"type\":\"invalid_request_error\",\
                 \"code\":\"b\\u00e4d\\r\\nx-evil: 1\"}}\n\n";
    let bench = Bench::with("", Upstream::always(Reply::sse([event])).await).await;
    let mut client = bench.client().await;
    let body = r#"{"model":"gpt-5","stream":true}"#;
    let response = Ask::Chat.bare(&mut client, "").body(body).send().await;
    assert_eq!(response.status, 400, "{response:?}");
    assert_eq!(response.header("x-evil"), None);
    assert_eq!(response.json()["error"]["message"], "no good");
}

#[tokio::test]
async fn a_clients_empty_error_answer_keeps_its_status() {
    for status in [400, 404, 422] {
        let bench = Bench::with("", Upstream::always(Reply::status(status)).await).await;
        for ask in Ask::ALL {
            let response = ask.send(&mut bench.client().await, ask.model()).await;
            assert_eq!(response.status / 100, 4, "{ask:?} {response:?}");
        }
    }
}
