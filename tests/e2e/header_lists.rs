//! Which headers cross the gateway, seen from both sides.

use serde_json::json;

use crate::ask::{Ask, Bench};
use crate::chat::{
    answer, ask, config_trusting, end, event, gated_bytes, gated_stream, question,
    streamed_question, text, wants_stream,
};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};

/// What belongs to one provider each.
const OWN: [(&str, &[&str]); 3] = [
    ("anthropic", &["anthropic-version", "anthropic-beta"]),
    (
        "openai",
        &["openai-organization", "openai-project", "openai-beta"],
    ),
    ("gemini", &["x-goog-user-project", "x-goog-request-params"]),
];

/// What never leaves for any provider.
const NEVER: [(&str, &str); 18] = [
    ("authorization", "Bearer another"),
    ("cookie", "session=1"),
    ("x-aiproxy-key", "mine"),
    ("proxy-authorization", "Basic eDp5"),
    ("proxy-connection", "keep-alive"),
    ("keep-alive", "timeout=5"),
    ("te", "trailers"),
    ("trailer", "x-checksum"),
    ("upgrade", "websocket"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("forwarded", "for=192.0.2.1"),
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-host", "gateway.example"),
    ("x-real-ip", "192.0.2.1"),
    ("via", "1.1 proxy"),
    ("origin", "https://app.example"),
    ("x-provider", ""),
    ("x-anything", "else"),
];

/// A request to each provider in its own format, or past all formats.
async fn ask_all(bench: &Bench, fields: &[(&str, &str)]) -> Vec<(&'static str, Request)> {
    let mut sent = Vec::new();
    for (ask, provider) in [
        (Ask::Messages, "anthropic"),
        (Ask::Chat, "openai"),
        (Ask::Responses, "openai"),
        (Ask::Gemini, "gemini"),
    ] {
        for unseen in [false, true] {
            let mut client = bench.client().await;
            let mut request = match unseen {
                true => client.request("POST", "/v1/other"),
                false => client.request("POST", &ask.path(ask.model())),
            };
            request = request.header("x-api-key", CLIENT_KEY);
            request = request.header("x-goog-api-key", "another");
            for (name, value) in fields.iter().filter(|(name, _)| *name != "x-provider") {
                request = request.header(name, value);
            }
            let request = request.header("x-provider", provider);
            let response = request.body(ask.body(ask.model())).send().await;
            assert_eq!(response.status, 200, "{ask:?} {response:?}");
            sent.push((provider, bench.upstream.requests().pop().unwrap()));
        }
    }
    sent
}

#[tokio::test]
async fn a_providers_headers_go_to_it_alone_and_a_clients_own_to_nobody() {
    let bench = Bench::new("").await;
    let mut fields = NEVER.to_vec();
    for (_, names) in OWN {
        fields.extend(names.iter().map(|name| (*name, "theirs")));
    }
    for (provider, sent) in ask_all(&bench, &fields).await {
        for (owner, names) in OWN {
            for name in names {
                let want = (owner == provider).then_some("theirs");
                assert_eq!(sent.header(name), want, "{provider} {name}");
            }
        }
        for (name, value) in NEVER {
            let there = sent.headers.all(name).any(|it| it == value);
            assert!(!there, "{provider} {name}: {sent:?}");
        }
        // The account's key, in its place, and no other.
        let keys = ["authorization", "x-api-key", "x-goog-api-key"];
        let shown: Vec<_> = keys
            .iter()
            .flat_map(|name| sent.headers.all(name))
            .collect();
        assert_eq!(shown.len(), 1, "{sent:?}");
        assert!(shown[0].ends_with(UPSTREAM_KEY_A), "{shown:?}");
    }
}

#[tokio::test]
async fn what_connection_names_goes_no_further_in_either_direction() {
    let reply = Reply::json(200, json!({"ok": true}))
        .header("x-told", "1")
        .header("x-hop", "1")
        .header("connection", "keep-alive, X-Hop , content-length");
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let named = "close, Anthropic-Beta , openai-project,x-goog-user-project, user-agent, \
                 x-api-key, authorization, x-goog-api-key, x-request-id, host, content-length";
    let mut fields = vec![
        ("connection", named),
        ("user-agent", "client/1"),
        ("accept", "application/json"),
        ("x-request-id", "mine"),
    ];
    for (_, names) in OWN {
        fields.extend(names.iter().map(|name| (*name, "theirs")));
    }
    for (provider, sent) in ask_all(&bench, &fields).await {
        for gone in [
            "anthropic-beta",
            "openai-project",
            "x-goog-user-project",
            "user-agent",
        ] {
            assert_eq!(sent.header(gone), None, "{provider} {sent:?}");
        }
        assert_eq!(sent.header("accept"), Some("application/json"));
        // What the gateway writes itself is not the client's to take away.
        assert_eq!(sent.header("x-request-id"), Some("mine"));
        assert!(
            sent.header("host")
                .is_some_and(|host| host.starts_with("127."))
        );
        let keys = ["authorization", "x-api-key", "x-goog-api-key"];
        assert!(keys.iter().any(|name| sent.header(name).is_some()));
        assert!(!sent.body.is_empty() && sent.complete);
    }
    let mut client = bench.client().await;
    let answer = Ask::Chat.send(&mut client, "gpt-5").await;
    assert_eq!(answer.header("x-told"), Some("1"));
    assert_eq!(answer.header("x-hop"), None, "{answer:?}");
    assert!(!answer.headers.lists("connection", "x-hop"), "{answer:?}");
    assert_eq!(answer.json(), json!({"ok": true}));
}

#[tokio::test]
async fn what_a_provider_says_after_its_body_goes_no_further() {
    let after = [
        ("set-cookie", "a=b"),
        ("openai-organization", "org-ours"),
        ("access-control-allow-origin", "*"),
    ];
    let gate = Gate::new();
    gate.open();
    let reply = move |request: &Request| match wants_stream(request) {
        true => gated_stream(&gate).trailers(&after),
        false => answer("x").trailers(&after),
    };
    let upstream = Upstream::handler(reply).tls().await;
    let yaml = config_trusting(&upstream.ca_pem(), &[("a", &upstream.url(), "")]);
    let gateway = Gateway::start(&yaml).await;
    let mut http1 = Client::connect(gateway.addr()).await;
    let mut http2 = Client::h2c(gateway.addr()).await;
    // The client itself fails on fields after a body.
    for client in [&mut http1, &mut http2] {
        assert_eq!(text(&ask(client, &question()).send().await), "x");
        let whole = ask(client, &streamed_question()).send().await;
        assert!(whole.complete && whole.text() == gated_bytes());
        let request = client.request("POST", "/v1/other").key(CLIENT_KEY);
        let request = request.header("x-provider", "openai").json(&question());
        assert_eq!(text(&request.send().await), "x");
    }
    assert_eq!(upstream.request(0).await.version, http::Version::HTTP_2);
}

#[tokio::test]
async fn an_answer_that_ends_with_fields_is_judged_like_any_other() {
    let after = [("x-checksum", "1")];
    let refusal = json!({"error": {"message": "slow down", "type": "requests"}});
    for (broken, stream) in [
        (Reply::json(429, refusal), false),
        (Reply::json(500, json!({})), true),
        (Reply::sse([": hello\n\n"]), true),
    ] {
        let good = match stream {
            true => Reply::sse([event("one"), event("two"), end()]),
            false => answer("x"),
        };
        let upstream = Upstream::script([broken.trailers(&after), good.trailers(&after)]);
        let upstream = upstream.exhausted_is_failure().tls().await;
        let accounts = [("a", &*upstream.url(), ""), ("b", &upstream.url(), "")];
        let gateway = Gateway::start(&config_trusting(&upstream.ca_pem(), &accounts)).await;
        let mut client = Client::h2c(gateway.addr()).await;
        match stream {
            true => {
                let whole = ask(&mut client, &streamed_question()).send().await;
                assert_eq!(whole.text(), gated_bytes());
            }
            false => assert_eq!(text(&ask(&mut client, &question()).send().await), "x"),
        }
        assert_eq!(upstream.requests().len(), 2);
    }
    // A stream that stops in the middle is told, not ended.
    let gate = Gate::new();
    let cut = Reply::sse([event("one")]).then(&gate).trailers(&after);
    let upstream = Upstream::always(cut).tls().await;
    let yaml = config_trusting(&upstream.ca_pem(), &[("a", &upstream.url(), "")]);
    let gateway = Gateway::start(&yaml).await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    gate.open();
    let whole = stream.rest().await;
    assert!(whole.text().starts_with(&event("one")), "{}", whole.text());
    assert!(
        whole.text().contains("stream_interrupted"),
        "{}",
        whole.text()
    );
}

#[tokio::test]
async fn a_configured_copy_of_a_header_of_one_connection_is_no_copy() {
    let upstream = Upstream::always(Reply::json(200, json!({"ok": true}))).await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nopenai-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: '{}', headers: {{x-copied: $x-team}}}}\n",
        upstream.url()
    ))
    .await;
    for (connection, want) in [("keep-alive", Some("search")), ("x-team", None)] {
        let mut client = Client::connect(gateway.addr()).await;
        let request = Ask::Chat.bare(&mut client, "gpt-5");
        let request = request.header("x-team", "search");
        let request = request.header("connection", connection);
        let response = request.body(Ask::Chat.body("gpt-5")).send().await;
        assert_eq!(response.status, 200);
        let sent = upstream.requests().pop().unwrap();
        assert_eq!(sent.header("x-copied"), want);
        assert_eq!(sent.header("x-team"), None);
    }
}

#[tokio::test]
async fn no_name_of_a_model_becomes_a_header() {
    let bench = Bench::new("request-retry: 0").await;
    for name in [
        r"gpt-5\r\nx-evil: 1",
        r"gpt-5\nx-evil: 1\n\n{}",
        r"gpt-5 HTTP/1.1\r\nx-evil: 1",
        r"gpt-5\u000d\u000ax-evil: 1",
        r"gpt-5\u0000x-evil: 1",
        r"gpt-5\u2028x-evil: 1",
    ] {
        for ask in Ask::IN_BODY {
            for provider in ["anthropic", "openai", "gemini"] {
                let mut client = bench.client().await;
                let request = ask.bare(&mut client, "").header("x-provider", provider);
                let answer = request.body(ask.body(name)).send().await;
                assert_eq!(answer.header("x-evil"), None, "{answer:?}");
                assert!(answer.status < 600 && answer.complete, "{answer:?}");
            }
        }
    }
    for name in [
        "gemini%0d%0ax-evil:%201",
        "gemini%20HTTP/1.1%0d%0ax-evil:%201",
        "gemini%00x-evil",
    ] {
        let mut client = bench.client().await;
        let request = Ask::Gemini.bare(&mut client, name);
        let request = request.header("x-provider", "gemini");
        let answer = request.body(Ask::Gemini.body("")).send().await;
        assert_eq!(answer.header("x-evil"), None, "{answer:?}");
    }
    for sent in bench.upstream.requests() {
        assert_eq!(sent.header("x-evil"), None, "{sent:?}");
        assert!(!sent.target.contains([' ', '\r', '\n']), "{sent:?}");
        assert!(sent.complete);
    }
    assert!(!bench.upstream.requests().is_empty());
    // Nor a line of the log.
    let log = bench.gateway.log();
    assert!(log.iter().any(|line| line.contains(" rests ")), "{log:?}");
    let whole = |line: &String| line.starts_with("20") && !line.contains(['\0', '\u{2028}']);
    assert!(log.iter().all(whole), "{log:?}");
}

#[tokio::test]
async fn no_value_of_the_config_becomes_two_headers() {
    let entry = |more: &str| format!("openai-api-key: [{{api-key: k, {more}}}]");
    for (yaml, says) in [
        (
            entry(r#"headers: {x-a: "1\r\nx-evil: 1"}"#),
            "openai-api-key[0].headers.x-a: has characters that cannot be in a header",
        ),
        (
            entry(r#"headers: {"x-a: 1\r\nx-evil": "1"}"#),
            "is not a header name",
        ),
        (
            entry(r#"headers: {x-a: "$x-b\r\nx-evil"}"#),
            "must have the name of a header after $",
        ),
        (
            entry("headers: {x-a: $x-forwarded-for, x-b: $forwarded, x-c: $x-real-ip}"),
            "openai-api-key[0].headers.x-b: must not copy the client's forwarded",
        ),
        (
            entry("headers: {x-a: $authorization, connection: x-b, transfer-encoding: chunked}"),
            "openai-api-key[0].headers.connection: is a header that the gateway sets itself",
        ),
        (
            r#"openai-api-key: [{api-key: "k\r\nx-evil: 1"}]"#.to_owned(),
            "openai-api-key[0].api-key: ",
        ),
        (
            entry(r#"base-url: "http://127.0.0.1/\r\nx-evil: 1""#),
            "openai-api-key[0].base-url: ",
        ),
    ] {
        let check = Gateway::command(["check"]).file("config.yaml", &yaml);
        let done = check.run().await;
        assert_eq!(done.code, Some(2), "{yaml}: {done:?}");
        assert!(done.stderr.contains(says), "{yaml}: {}", done.stderr);
    }
}
