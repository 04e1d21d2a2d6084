//! WebSockets through the gateway, as OpenAI's realtime clients use them.

use std::time::{Duration, Instant};

use futures::SinkExt;
use nix::sys::signal::Signal;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::certs::Authority;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, CLIENT_KEY_B, UNKNOWN_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::ledger::ledger;
use crate::support::upstream::Upstream;
use crate::support::websocket::{Client, Scene, Server, dial, echo, next, refusal};
use crate::support::within;

const PATH: &str = "/v1/realtime?model=gpt-realtime";

/// One account for each server, the first one first.
fn config(settings: &str, servers: &[&Server]) -> String {
    let mut yaml = format!("{settings}\napi-keys:\n- {CLIENT_KEY}\n");
    yaml += &format!("- {{key: {CLIENT_KEY_B}, models: ['other-*']}}\nopenai-api-key:\n");
    for (n, server) in servers.iter().enumerate() {
        let key = [UPSTREAM_KEY_A, UPSTREAM_KEY_B][n];
        let (url, priority) = (server.url(), 9 - n);
        yaml += &format!(
            "- {{api-key: {key}, base-url: '{url}', priority: {priority}, \
             models: [gpt-realtime, {{id: 'gpt live&1', alias: live}}]}}\n"
        );
    }
    yaml
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

async fn open(gateway: &Gateway) -> Client {
    let headers = [("authorization", &*bearer(CLIENT_KEY))];
    dial(gateway.addr(), PATH, &headers).await.unwrap().0
}

async fn start(settings: &str, scenes: &[Scene]) -> (Server, Gateway) {
    let server = Server::start(scenes).await;
    let gateway = Gateway::start(&config(settings, &[&server])).await;
    (server, gateway)
}

#[tokio::test]
async fn messages_of_all_kinds_and_sizes_pass_both_ways() {
    let (server, gateway) = start("", &[Scene::Echo]).await;
    let headers = [
        ("authorization", &*bearer(CLIENT_KEY)),
        ("sec-websocket-protocol", "realtime, x"),
        ("openai-beta", "realtime=v1"),
        ("cookie", "c=canary"),
        ("x-request-id", "ws-1"),
    ];
    let (mut client, answer) = dial(gateway.addr(), PATH, &headers).await.unwrap();
    assert_eq!(answer.status(), 101);
    assert_eq!(answer.headers()["x-request-id"], "ws-1");
    assert_eq!(answer.headers()["sec-websocket-protocol"], "realtime");
    assert!(!answer.headers().contains_key("set-cookie"));
    for message in [
        Message::text("hello"),
        Message::text(""),
        Message::binary(vec![1; 1 << 20]),
        Message::text("é".repeat(40_000)),
    ] {
        assert!(echo(&mut client, message.clone()).await == Some(message));
    }
    let pong = echo(&mut client, Message::Ping("p".into())).await;
    assert_eq!(pong, Some(Message::Pong("p".into())));
    let goodbye = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    client.close(Some(goodbye.clone())).await.unwrap();
    assert_eq!(next(&mut client).await, Some(Message::Close(Some(goodbye))));
    server.ended(1).await;
    let line = gateway.wait_log(|line| line.contains("request=ws-1")).await;
    for part in ["status=101", "account=", "model=gpt-realtime", "tries=1"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(!line.contains("error="), "{line}");
    let asked = server.asked().pop().unwrap();
    assert_eq!(asked.uri().to_string(), PATH);
    let sent = asked.headers();
    assert_eq!(sent["authorization"], bearer(UPSTREAM_KEY_A));
    assert_eq!(sent["sec-websocket-protocol"], "realtime, x");
    assert_eq!(sent["openai-beta"], "realtime=v1");
    assert!(!sent.contains_key("cookie"));
    assert!(!format!("{sent:?}").contains(CLIENT_KEY));
}

/// A provider may switch protocols before Pingora has looked whether the request has a body.
#[tokio::test]
async fn a_provider_may_be_very_quick() {
    let (server, gateway) = start("", &[Scene::Echo]).await;
    let one = async || {
        for _ in 0..20 {
            let mut client = open(&gateway).await;
            let hello = Message::text("hello");
            assert_eq!(echo(&mut client, hello.clone()).await, Some(hello));
        }
    };
    futures::future::join_all((0..16).map(|_| one())).await;
    for asked in server.asked() {
        for name in ["content-length", "transfer-encoding"] {
            assert!(!asked.headers().contains_key(name), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_browsers_key_comes_as_a_subprotocol_and_stays_here() {
    let (server, gateway) = start("", &[Scene::Echo]).await;
    let protocols = format!("realtime, openai-insecure-api-key.{CLIENT_KEY}, openai-beta.r-v1");
    let headers = [("sec-websocket-protocol", &*protocols)];
    let (mut client, answer) = dial(gateway.addr(), PATH, &headers).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "realtime");
    let hello = Message::text("hello");
    assert_eq!(echo(&mut client, hello.clone()).await, Some(hello));
    let asked = server.asked().pop().unwrap();
    let sent = asked.headers();
    assert_eq!(sent["authorization"], bearer(UPSTREAM_KEY_A));
    assert_eq!(sent["sec-websocket-protocol"], "realtime, openai-beta.r-v1");
    assert!(!format!("{asked:?}").contains(CLIENT_KEY));
    for (protocols, code) in [
        (
            &*format!("realtime, openai-insecure-api-key.{UNKNOWN_KEY}"),
            "invalid_api_key",
        ),
        ("realtime, openai-insecure-api-key.", "missing_api_key"),
        ("realtime", "missing_api_key"),
    ] {
        let headers = [("sec-websocket-protocol", protocols)];
        let refused = refusal(dial(gateway.addr(), PATH, &headers).await);
        assert_eq!(refused, (401, code.to_owned()));
    }
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn the_model_or_the_client_says_where_it_goes() {
    let (server, gateway) = start("", &[Scene::Echo]).await;
    let (key, key_b) = (bearer(CLIENT_KEY), bearer(CLIENT_KEY_B));
    let openai = ("x-provider", "openai");
    for (path, provider, sent) in [
        (
            "/v1/realtime?a=b&model=live",
            None,
            "/v1/realtime?a=b&model=gpt%20live%261",
        ),
        (
            "/v1/realtime?intent=transcription",
            Some(openai),
            "/v1/realtime?intent=transcription",
        ),
        ("/v1/responses", Some(openai), "/v1/responses"),
        ("/v1/x/", Some(openai), "/v1/x/"),
    ] {
        let headers = [("authorization", &*key)].into_iter().chain(provider);
        let headers: Vec<_> = headers.collect();
        let (mut client, _) = dial(gateway.addr(), path, &headers).await.unwrap();
        let hello = Message::text("hello");
        assert_eq!(echo(&mut client, hello.clone()).await, Some(hello));
        assert_eq!(server.asked().pop().unwrap().uri().to_string(), sent);
    }
    for (path, key, want) in [
        ("/v1/realtime?model=nobodys", &key, (404, "model_not_found")),
        ("/v1/realtime", &key, (404, "unknown_path")),
        ("/v1/responses", &key, (405, "method_not_allowed")),
        (PATH, &key_b, (403, "model_not_allowed")),
    ] {
        let refused = refusal(dial(gateway.addr(), path, &[("authorization", key)]).await);
        assert_eq!((refused.0, &*refused.1), want, "{path}");
    }
    assert_eq!(server.asked().len(), 4);
}

#[tokio::test]
async fn a_handshake_that_one_account_refuses_goes_to_the_next() {
    for scene in [Scene::Refuse(401), Scene::Refuse(429), Scene::Refuse(503)] {
        let first = Server::start(&[scene]).await;
        let second = Server::start(&[Scene::Echo]).await;
        let gateway = Gateway::start(&config("", &[&first, &second])).await;
        let mut client = open(&gateway).await;
        let hello = Message::text("hello");
        assert_eq!(echo(&mut client, hello.clone()).await, Some(hello));
        assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
        let mut other = open(&gateway).await;
        assert!(echo(&mut other, Message::text("x")).await.is_some());
        assert_eq!(
            (first.asked().len(), second.asked().len()),
            (1, 2),
            "it rests"
        );
    }
}

#[tokio::test]
async fn a_handshake_that_nobody_takes_ends_with_an_http_error() {
    for (scene, want) in [
        (Scene::Refuse(404), (404, "")),
        (Scene::Refuse(400), (400, "")),
        (Scene::Refuse(401), (503, "no_account_available")),
        (Scene::Refuse(429), (429, "all_accounts_rate_limited")),
    ] {
        let (server, gateway) = start("request-retry: 0", &[scene]).await;
        let headers = [("authorization", &*bearer(CLIENT_KEY))];
        let refused = refusal(dial(gateway.addr(), PATH, &headers).await);
        assert_eq!((refused.0, &*refused.1), want);
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_side_that_ends_ends_the_other() {
    let (server, gateway) = start("", &[Scene::Close, Scene::Die, Scene::Echo]).await;
    let mut client = open(&gateway).await;
    let closed = echo(&mut client, Message::text("x")).await;
    assert_eq!(closed, Some(Message::Close(None)));
    assert_eq!(next(&mut client).await, None);
    let mut client = open(&gateway).await;
    assert_eq!(echo(&mut client, Message::text("x")).await, None, "it died");
    let mut client = open(&gateway).await;
    assert!(echo(&mut client, Message::text("x")).await.is_some());
    drop(client);
    server.ended(3).await;
    gateway
        .wait_lines(3, |line| line.contains("status=101"))
        .await;
    let mut client = open(&gateway).await;
    assert!(
        echo(&mut client, Message::text("x")).await.is_some(),
        "no account rests"
    );
}

#[tokio::test]
async fn a_silence_of_both_sides_ends_it_and_the_total_does_not() {
    let (server, gateway) = start("timeouts: {idle: 0.5, total: 0.6}", &[Scene::Echo]).await;
    let mut client = open(&gateway).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_200) {
        assert!(echo(&mut client, Message::Ping("p".into())).await.is_some());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let silent = Instant::now();
    assert_eq!(next(&mut client).await, None);
    let took = silent.elapsed();
    assert!((400..3_000).contains(&took.as_millis()), "took {took:?}");
    server.ended(1).await;
    let line = gateway.wait_log(|line| line.contains("status=101")).await;
    assert!(line.contains("error=stream_timeout"), "{line}");
    let mut client = open(&gateway).await;
    assert!(
        echo(&mut client, Message::text("x")).await.is_some(),
        "no account rests"
    );
}

#[tokio::test]
async fn its_life_is_limited_where_the_operator_says_so() {
    let (_server, gateway) = start("timeouts: {websocket: 0.5}", &[Scene::Echo]).await;
    let mut client = open(&gateway).await;
    let begun = Instant::now();
    while echo(&mut client, Message::Ping("p".into())).await.is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    assert!((400..5_000).contains(&took.as_millis()), "took {took:?}");
    let line = gateway.wait_log(|line| line.contains("status=101")).await;
    assert!(line.contains("error=request_timeout_total"), "{line}");
}

#[tokio::test]
async fn a_side_that_does_not_read_cannot_keep_it_for_ever() {
    for scene in [Scene::Flood, Scene::Freeze] {
        let settings = "timeouts: {idle: 0.4, first-byte: 0.4}";
        let (server, gateway) = start(settings, &[scene]).await;
        let mut client = open(&gateway).await;
        if scene == Scene::Freeze {
            let piece = Message::binary(vec![7; 64 << 10]);
            let pump = async { while client.send(piece.clone()).await.is_ok() {} };
            within("a provider that does not read to be left", pump).await;
        } else {
            server.ended(1).await;
        }
        let line = gateway.wait_log(|line| line.contains("status=101")).await;
        assert!(line.contains("error=stream_timeout"), "{scene:?}: {line}");
    }
}

#[tokio::test]
async fn a_provider_that_offers_http2_gets_a_websocket_over_http1() {
    let authority = Authority::new();
    let server = Server::tls(&[Scene::Echo], &authority).await;
    let ca = format!("upstream-ca: '{}'", authority.ca_pem().display());
    let gateway = Gateway::start(&config(&ca, &[&server])).await;
    let mut client = open(&gateway).await;
    let big = Message::binary(vec![3; 1 << 20]);
    assert!(echo(&mut client, big.clone()).await == Some(big));
}

#[tokio::test]
async fn another_protocol_is_not_switched_to() {
    let upstream = Upstream::always(crate::chat::answer("x")).await;
    let yaml = crate::chat::config(&[("a", &upstream.url(), "")]);
    let gateway = Gateway::start(&yaml).await;
    let mut client = crate::support::client::Client::connect(gateway.addr()).await;
    let request = client.request("GET", "/v1/files").key(CLIENT_KEY);
    let request = request
        .header("x-provider", "a")
        .header("connection", "Upgrade, HTTP2-Settings")
        .header("upgrade", "h2c")
        .header("http2-settings", "AAMAAABkAAQAAP__");
    assert_eq!(request.send().await.status, 200);
    let sent = upstream.request(0).await;
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(sent.header(name), None);
    }
}

#[tokio::test]
async fn draining_waits_for_it_until_the_grace_period_is_over() {
    for leaves in [true, false] {
        let server = Server::start(&[Scene::Echo]).await;
        let gateway = Gateway::builder(&config("", &[&server]))
            .pingora("grace_period_seconds: 3")
            .start()
            .await;
        let mut client = open(&gateway).await;
        assert!(echo(&mut client, Message::text("x")).await.is_some());
        gateway.signal(Signal::SIGTERM);
        gateway
            .wait_log(|line| line.contains("SIGTERM: draining"))
            .await;
        assert!(
            echo(&mut client, Message::text("still here"))
                .await
                .is_some()
        );
        let begun = Instant::now();
        if leaves {
            client.close(None).await.unwrap();
            drop(client);
        }
        assert_eq!(gateway.wait_exit().await.code(), Some(0));
        let took = begun.elapsed();
        match leaves {
            true => assert!(took < Duration::from_millis(2_900), "took {took:?}"),
            false => assert!((1_500..8_000).contains(&took.as_millis()), "took {took:?}"),
        }
    }
}

#[tokio::test]
async fn one_that_outlives_the_gateway_is_written_down() {
    let server = Server::start(&[Scene::Echo]).await;
    let gateway = Gateway::builder(&config("", &[&server]))
        .pingora("grace_period_seconds: 16")
        .start()
        .await;
    let mut client = open(&gateway).await;
    assert!(echo(&mut client, Message::text("x")).await.is_some());
    let rows = ledger(&gateway).await;
    let rows: Vec<_> = rows.values().map(|row| (row.status, &row.error)).collect();
    assert_eq!(rows, [(101, &None)]);
    assert!(gateway.log().iter().any(|line| line.contains("done")));
}

/// Browsers do not ask before they open one, and let the page read all of it.
#[tokio::test]
async fn a_page_of_another_origin_gets_no_websocket_without_a_key() {
    let server = Server::start(&[Scene::Echo]).await;
    let url = server.url();
    let accounts = format!("openai-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}'}}]\n");
    let open = Gateway::start(&accounts).await;
    let friends = Gateway::start(&format!(
        "cors: {{origins: ['https://app.example']}}\n{accounts}"
    ))
    .await;
    let keyed = Gateway::start(&format!("api-keys: [{CLIENT_KEY}]\n{accounts}")).await;
    let strange = ("origin", "https://evil.example");
    for gateway in [&open, &friends] {
        let refused = refusal(dial(gateway.addr(), PATH, &[strange]).await);
        assert_eq!(refused, (403, "origin_not_allowed".to_owned()));
    }
    assert!(server.asked().is_empty());
    let own = format!("http://{}", open.addr());
    let key = bearer(CLIENT_KEY);
    for (gateway, headers) in [
        (&open, &[][..]),
        (&open, &[("origin", &*own)]),
        (&friends, &[("origin", "https://app.example")]),
        (&keyed, &[strange, ("authorization", &*key)]),
    ] {
        let (mut client, _) = dial(gateway.addr(), PATH, headers).await.unwrap();
        let hello = Message::text("hello");
        assert_eq!(echo(&mut client, hello.clone()).await, Some(hello));
    }
}

/// Whose word counts, the provider decides.
#[tokio::test]
async fn a_query_names_one_model_only() {
    let (server, gateway) = start("", &[Scene::Echo]).await;
    for query in [
        "model=gpt-realtime&model=other-1",
        "mod%65l=other-1&model=gpt-realtime",
    ] {
        let path = format!("/v1/realtime?{query}");
        let headers = [("authorization", &*bearer(CLIENT_KEY))];
        let refused = refusal(dial(gateway.addr(), &path, &headers).await);
        assert_eq!(refused.0, 404, "{query}");
    }
    assert!(server.asked().is_empty());
}
