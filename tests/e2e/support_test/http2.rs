use std::time::Duration;

use serde_json::json;

use crate::support::certs::{Authority, H2_OR_HTTP1, HTTP1};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn a_request_is_recorded_and_answered() {
    let upstream = Upstream::handler(|request| Reply::json(200, request.json())).h2c();
    let upstream = upstream.await;
    let mut client = Client::h2c(upstream.addr()).await;
    for _ in 0..2 {
        let request = client.request("POST", "/v1/a?b=c").header("x-a", "1");
        let response = request.json(&json!([1, 2])).send().await;
        assert_eq!((response.status, response.json()), (200, json!([1, 2])));
        assert_eq!(response.header("content-length"), Some("5"));
    }
    let request = upstream.request(1).await;
    assert_eq!(request.version, http::Version::HTTP_2);
    assert_eq!(request.target, "/v1/a?b=c");
    assert_eq!(request.header("x-a"), Some("1"));
    let authority = upstream.addr().to_string();
    assert_eq!(request.header(":authority"), Some(authority.as_str()));
    assert!(request.reused);
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn bodies_go_both_ways_step_by_step() {
    let (up, down) = (Gate::new(), Gate::new());
    let reply = Reply::sse(["data: 1\n\n"]).then(&down).then("data: 2\n\n");
    let upstream = Upstream::always(reply).h2c().await;
    let mut client = Client::h2c(upstream.addr()).await;
    let steps = [Step::from("one "), Step::from(&up), Step::from("two")];
    let sending = client.request("POST", "/").upload(steps).stream();
    let watching = async {
        up.reached().await;
        assert!(!upstream.request_head(0).await.complete);
        up.open();
    };
    let (mut stream, ()) = tokio::join!(sending, watching);
    assert_eq!(upstream.request(0).await.body, "one two");
    assert_eq!(stream.next().await.unwrap().text(), "data: 1\n\n");
    down.reached().await;
    down.open();
    let whole = stream.rest().await;
    assert_eq!(whole.text(), "data: 1\n\ndata: 2\n\n");
    assert!(whole.complete);
}

#[tokio::test]
async fn a_stream_breaks_off_after_what_was_sent() {
    let breaks = [
        (Reply::sse(["abc", "def"]).cut_after(4), "abcd"),
        (Reply::sse(["abc", "def"]).end_after(4), "abcd"),
        (Reply::sse(["abc"]).then(Step::Reset).then("def"), "abc"),
        (Reply::sse(["abc"]).then(Step::Close).then("def"), "abc"),
    ];
    for (reply, text) in breaks {
        let context = format!("{reply:?}");
        let upstream = Upstream::always(reply).h2c().await;
        let mut client = Client::h2c(upstream.addr()).await;
        let response = client.request("GET", "/").send().await;
        assert_eq!(
            (response.text(), response.complete),
            (text, false),
            "{context}"
        );
    }
}

#[tokio::test]
async fn a_reset_may_come_before_the_header() {
    let upstream = Upstream::always(Reply::reset_before_header()).h2c().await;
    let mut client = Client::h2c(upstream.addr()).await;
    let answer = client.request("GET", "/").try_stream().await;
    assert!(answer.is_err());
}

#[tokio::test]
async fn a_given_up_stream_and_a_hang_up_are_seen() {
    let prompt = Duration::from_secs(1);
    let streaming = Reply::sse(["data: 1\n\n"]).then(&Gate::new());
    let replies = [streaming, Reply::silence(), Reply::silence()];
    let upstream = Upstream::script(replies).h2c().await;
    let mut client = Client::h2c(upstream.addr()).await;
    let mut stream = client.request("GET", "/").stream().await;
    stream.until("data: 1").await;
    drop(stream);
    let seen = tokio::time::timeout(prompt, upstream.cancelled(0)).await;
    assert!(seen.is_ok());

    for n in 1..3 {
        tokio::select! {
            _ = client.request("GET", "/").send() => panic!("silence has no answer"),
            _ = upstream.request(n) => {}
        }
        if n == 2 {
            break;
        }
        let seen = tokio::time::timeout(prompt, upstream.cancelled(n)).await;
        assert!(seen.is_ok());
    }
    drop(client);
    let seen = tokio::time::timeout(prompt, upstream.cancelled(2)).await;
    assert!(seen.is_ok());
}

#[tokio::test]
async fn the_protocol_is_agreed_on_in_the_handshake() {
    let authority = Authority::new();
    let upstream = Upstream::always(Reply::json(200, json!({})));
    let upstream = upstream.tls_by(&authority).await;
    for (n, (alpn, version)) in [
        (H2_OR_HTTP1, http::Version::HTTP_2),
        (HTTP1, http::Version::HTTP_11),
    ]
    .into_iter()
    .enumerate()
    {
        let client = Client::tls(upstream.addr(), &authority, alpn).await;
        let response = client.unwrap().request("GET", "/").send().await;
        assert_eq!(response.status, 200);
        assert_eq!(upstream.request(n).await.version, version);
    }
}
