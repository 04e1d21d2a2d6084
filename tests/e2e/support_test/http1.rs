use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::certs::{Authority, H2_OR_HTTP1};
use crate::support::client::{Client, Key, get, post_json, raw};
use crate::support::gate::Gate;
use crate::support::keys::{CLIENT_KEY, assert_no_secret};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;
use crate::support::{DeadPort, within};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_script_is_answered_in_order_and_its_last_reply_repeats() {
    let replies = [Reply::json(429, json!({"n": 0})), Reply::status(204)];
    let upstream = Upstream::script(replies).await;
    let mut client = Client::connect(upstream.addr()).await;
    let first = client.request("POST", "/v1/a?b=c").json(&json!([1])).send();
    let first = first.await;
    assert_eq!((first.status, first.json()), (429, json!({"n": 0})));
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(client.request("GET", "/").send().await.status, 204);
    assert_eq!(get(upstream.addr(), "/", CLIENT_KEY).await.status, 204);

    let requests = upstream.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.connection, request.reused))
        .collect();
    assert_eq!(seen, [(0, false), (0, true), (1, false)]);
    assert_eq!(upstream.connections(), 2);
    assert_eq!(requests[0].method, "POST");
    assert_eq!(requests[0].target, "/v1/a?b=c");
    assert_eq!(requests[0].version, http::Version::HTTP_11);
    assert_eq!(requests[0].json(), json!([1]));
}

#[tokio::test]
async fn each_dialect_carries_its_key_in_its_own_field() {
    let upstream = Upstream::always(Reply::json(200, json!({}))).await;
    let fields = [
        (Key::Bearer("k".into()), "authorization", "Bearer k"),
        (Key::Anthropic("k".into()), "x-api-key", "k"),
        (Key::Gemini("k".into()), "x-goog-api-key", "k"),
    ];
    for (n, (key, field, value)) in fields.into_iter().enumerate() {
        post_json(upstream.addr(), "/", key, &json!({})).await;
        assert_eq!(upstream.request(n).await.header(field), Some(value));
    }
}

#[tokio::test]
async fn a_handler_sees_a_body_that_was_uploaded_in_pieces() {
    let upstream =
        Upstream::handler(|request| Reply::content_length_body(request.body.clone())).await;
    let gate = Gate::new();
    let steps = [Step::from("one "), Step::from(&gate), Step::from("two")];
    let mut client = Client::connect(upstream.addr()).await;
    for (n, length) in [None, Some(7)].into_iter().enumerate() {
        let request = client.request("POST", "/");
        let request = match length {
            None => request.upload(steps.clone()),
            Some(length) => request.upload_of(length, steps.clone()),
        };
        let sending = request.send();
        let watching = async {
            upstream.request_head(n).await;
            gate.reached().await;
            assert!(n > 0 || !upstream.requests()[n].complete);
            gate.open();
        };
        let (response, ()) = tokio::join!(sending, watching);
        assert_eq!(response.text(), "one two");
    }
}

#[tokio::test]
async fn an_early_reply_does_not_wait_for_the_body() {
    let upstream = Upstream::always(Reply::status(413).early()).await;
    let gate = Gate::new();
    let mut client = Client::connect(upstream.addr()).await;
    let request = client.request("POST", "/");
    let response = request.upload([Step::from("x"), Step::from(&gate)]).send();
    assert_eq!(response.await.status, 413);
    assert!(!upstream.requests()[0].complete);
    gate.open();
    assert_eq!(upstream.request(0).await.body, "x");
}

#[tokio::test]
async fn the_body_is_asked_for_with_100_continue() {
    let upstream = Upstream::always(Reply::status(204).close()).await;
    let request =
        "POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\nx";
    let answer = raw(upstream.addr(), request).await;
    assert!(answer.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 "));
}

#[tokio::test]
async fn pieces_of_a_stream_arrive_when_the_script_says() {
    let gate = Gate::new();
    let delay = Duration::from_millis(50);
    let reply = Reply::sse(["data: 1\n\n"]).then(&gate).then("data: 2\n\n");
    let upstream = Upstream::always(reply.then(delay).then("data: 3\n\n")).await;
    let mut client = Client::connect(upstream.addr()).await;
    let mut stream = client.request("POST", "/").stream().await;
    assert_eq!(
        stream.headers.get("content-type"),
        Some("text/event-stream")
    );
    assert_eq!(stream.next().await.unwrap().text(), "data: 1\n\n");
    gate.reached().await;
    gate.open();
    let second = stream.next().await.unwrap();
    let third = stream.next().await.unwrap();
    assert!(third.at - second.at > delay / 2);
    let whole = stream.rest().await;
    assert_eq!(whole.text(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    assert!(whole.complete);
    assert!(!upstream.requests()[0].cancelled);
}

#[tokio::test]
async fn a_response_may_be_cut_after_any_byte() {
    let reply = || Reply::sse(["ab", "c"]).close();
    let whole = raw(Upstream::always(reply()).await.addr(), GET).await;
    assert!(whole.ends_with(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"));
    for n in 0..=whole.len() {
        for reply in [reply().cut_after(n), reply().end_after(n)] {
            let upstream = Upstream::always(reply).await;
            assert_eq!(raw(upstream.addr(), GET).await, whole[..n]);
        }
    }
}

#[tokio::test]
async fn a_broken_body_is_told_from_a_complete_one() {
    let endings = [
        (Reply::sse(["a"]), true),
        (Reply::sse(["a"]).until_close(), true),
        (Reply::sse(["a"]).declared_length(1), true),
        (Reply::sse(["a"]).in_pieces_of(1), true),
        (Reply::sse(["a"]).declared_length(2).close(), false),
        (Reply::sse(["a"]).then(Step::Reset), false),
        (Reply::sse(["a"]).then(Step::Close), false),
    ];
    for (reply, complete) in endings {
        let context = format!("{reply:?}");
        let upstream = Upstream::always(reply).await;
        let response = get(upstream.addr(), "/", Key::None).await;
        assert_eq!(
            (response.text(), response.complete),
            ("a", complete),
            "{context}"
        );
    }
}

#[tokio::test]
async fn a_chunked_body_may_come_byte_by_byte() {
    let wire = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nt: 1\r\n\r\n";
    let upstream = Upstream::always(Reply::raw(wire).in_pieces_of(1)).await;
    let mut client = Client::connect(upstream.addr()).await;
    for _ in 0..2 {
        let response = client.request("GET", "/").send().await;
        assert_eq!((response.text(), response.complete), ("abcd", true));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_reset_may_come_before_the_header() {
    let upstream = Upstream::always(Reply::reset_before_header()).await;
    let mut client = Client::connect(upstream.addr()).await;
    let answer = client.request("GET", "/").try_stream().await;
    assert!(answer.err().unwrap().contains("reset"));
}

#[tokio::test]
async fn a_hang_up_is_seen_while_the_upstream_is_silent_or_streams() {
    let streaming = Reply::sse(["data: 1\n\n"]).then(&Gate::new());
    let upstream = Upstream::script([streaming, Reply::silence()]).await;
    let mut client = Client::connect(upstream.addr()).await;
    let mut stream = client.request("GET", "/").stream().await;
    stream.until("data: 1").await;
    drop(client);
    let prompt = Duration::from_secs(1);
    let seen = tokio::time::timeout(prompt, upstream.cancelled(0)).await;
    assert!(seen.unwrap().complete);

    let mut client = Client::connect(upstream.addr()).await;
    tokio::select! {
        _ = client.request("GET", "/").send() => panic!("silence has no answer"),
        _ = upstream.request(1) => {}
    }
    drop(client);
    let seen = tokio::time::timeout(prompt, upstream.cancelled(1)).await;
    assert!(seen.is_ok());
}

#[tokio::test]
async fn the_client_notices_that_the_server_closes() {
    let replies = [Reply::status(200), Reply::status(200).close()];
    let upstream = Upstream::script(replies).await;
    let mut client = Client::connect(upstream.addr()).await;
    client.request("GET", "/").send().await;
    assert!(!client.closes_within(Duration::from_millis(20)).await);
    client.request("GET", "/").send().await;
    client.closed().await;
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host_and_by_the_authority() {
    let authority = Authority::new();
    let reply = || Reply::json(200, json!({}));
    let good = Upstream::always(reply())
        .tls_by(&authority)
        .http1_only()
        .await;
    assert!(good.url().starts_with("https://localhost:"));
    assert!(good.ca_pem().exists());
    let mut client = Client::tls(good.addr(), &authority, H2_OR_HTTP1)
        .await
        .unwrap();
    assert_eq!(client.request("GET", "/").send().await.status, 200);
    assert_eq!(good.requests()[0].version, http::Version::HTTP_11);

    let elsewhere = Upstream::always(reply())
        .tls_by(&authority)
        .wrong_host()
        .await;
    let stranger = Upstream::always(reply()).tls().await;
    for upstream in [elsewhere, stranger] {
        let refused = Client::tls(upstream.addr(), &authority, H2_OR_HTTP1).await;
        assert!(refused.is_err());
        assert!(upstream.requests().is_empty());
    }
}

#[tokio::test]
async fn a_dead_port_refuses() {
    let port = DeadPort::take();
    let started = Instant::now();
    let connecting = tokio::net::TcpStream::connect(port.addr());
    let error = within("a refusal", connecting).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
#[should_panic = "request 1 came to a script of 1"]
async fn a_closed_script_reports_a_request_too_many() {
    let script = Upstream::script([Reply::status(200)]);
    let upstream = script.exhausted_is_failure().await;
    get(upstream.addr(), "/", Key::None).await;
    let response = get(upstream.addr(), "/", Key::None).await;
    assert_eq!(response.status, 500);
}

#[tokio::test]
#[should_panic = "content-length beside transfer-encoding"]
async fn a_smuggled_request_is_reported() {
    let upstream = Upstream::always(Reply::status(200)).await;
    let request =
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    raw(upstream.addr(), request).await;
}

#[tokio::test]
#[should_panic = "a secret leaked into an answer's body"]
async fn a_secret_in_an_answer_is_found_across_pieces() {
    let (half, rest) = CLIENT_KEY.split_at(CLIENT_KEY.len() / 2);
    let upstream = Upstream::always(Reply::sse([half, rest])).await;
    get(upstream.addr(), "/", Key::None).await;
}

#[test]
#[should_panic = "a secret leaked into the log"]
fn a_secret_in_the_log_is_found() {
    assert_no_secret("the log", format!("key {CLIENT_KEY}").as_bytes());
}
