//! Pages that call the gateway from a browser.

use crate::ask::{Ask, Bench};
use crate::chat::{event, gated_bytes, gated_stream, streamed_question};
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::keys::CLIENT_KEY;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";
const SETTINGS: &str = "cors: {origins: ['https://app.example.com', 'https://*.apps.example']}";

const ABOUT: [&str; 6] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-allow-credentials",
];

/// What a provider would have browsers believe.
fn boastful(reply: Reply) -> Reply {
    reply
        .header("access-control-allow-origin", "*")
        .header("access-control-allow-credentials", "true")
        .header("access-control-expose-headers", "x-none")
        .header("vary", "Accept-Encoding")
}

fn ok() -> Reply {
    boastful(Reply::json(200, serde_json::json!({"ok": true})))
}

async fn preflight(client: &mut Client, path: &str, origin: &str, headers: &str) -> Response {
    let request = client.request("OPTIONS", path).header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    match headers {
        "" => request.send().await,
        headers => {
            let request = request.header("access-control-request-headers", headers);
            request.send().await
        }
    }
}

/// That pages of `origin` may read this answer, and what they need of its header.
fn assert_shared(answer: &Response, origin: &str) {
    let allowed = answer.headers.all(ABOUT[0]).collect::<Vec<_>>();
    assert_eq!(allowed, [origin], "{answer:?}");
    assert!(answer.headers.lists("vary", "origin"), "{answer:?}");
    for name in ["x-request-id", "x-aiproxy-error", "retry-after", "*"] {
        assert!(answer.headers.lists(ABOUT[3], name), "{name} {answer:?}");
    }
    assert_eq!(answer.header(ABOUT[5]), None, "{answer:?}");
}

/// That no page may read it.
fn assert_kept(answer: &Response) {
    for name in ABOUT {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
}

#[tokio::test]
async fn a_preflight_is_answered_before_a_key_is_asked_for() {
    let bench = Bench::new(SETTINGS).await;
    let mut client = bench.client().await;
    let asked = "authorization, content-type,x-stainless-os";
    for path in Ask::ALL
        .map(|ask| ask.path(ask.model()))
        .iter()
        .map(|path| &**path)
        .chain(["/v1/models", "/health", "/v1/files/1", "/nowhere"])
    {
        for origin in [APP, "https://a.b.apps.example"] {
            let answer = preflight(&mut client, path, origin, asked).await;
            assert_eq!((answer.status, answer.text()), (204, ""), "{path}");
            assert_shared(&answer, origin);
            assert_eq!(answer.header(ABOUT[2]), Some(asked));
            for method in ["GET", "POST", "DELETE"] {
                assert!(answer.headers.lists(ABOUT[1], method));
            }
            assert_eq!(answer.header(ABOUT[4]), Some("7200"));
            let vary = "access-control-request-headers";
            assert!(answer.headers.lists("vary", vary), "{answer:?}");
            assert!(answer.header("x-request-id").is_some());
        }
    }
    // What is not asked for by names that are names is not repeated.
    for odd in ["", "a b, c", "x-a,,x-b", &"x-long,".repeat(1_000)] {
        let answer = preflight(&mut client, "/v1/messages", APP, odd).await;
        assert_eq!(answer.status, 204);
        assert!(
            answer.headers.lists(ABOUT[2], "authorization"),
            "{answer:?}"
        );
    }
    assert_eq!(bench.upstream.requests().len(), 0);
    let line = bench
        .gateway
        .wait_log(|line| line.contains("OPTIONS"))
        .await;
    assert!(line.contains("status=204"), "{line}");
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_no() {
    let bench = Bench::with(SETTINGS, Upstream::always(ok()).await).await;
    let mut client = bench.client().await;
    for origin in [
        EVIL,
        "null",
        "http://app.example.com",
        "https://app.example.com.evil.example",
        "https://apps.example",
        "*",
        "",
    ] {
        for ask in Ask::ALL {
            let refused = preflight(&mut client, &ask.path(ask.model()), origin, "").await;
            assert_eq!(refused.status, 403, "{origin} {refused:?}");
            assert_eq!(
                refused.header("x-aiproxy-error"),
                Some("origin_not_allowed")
            );
            assert_kept(&refused);
            // Its browser keeps the answer from it; others are served as ever.
            let request = ask.bare(&mut client, ask.model()).header("origin", origin);
            let answer = request.body(ask.body(ask.model())).send().await;
            assert_eq!(answer.status, 200);
            assert_kept(&answer);
            assert!(answer.headers.lists("vary", "origin"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn every_kind_of_answer_names_the_origin_and_none_is_the_providers_word() {
    let gate = Gate::new();
    gate.open();
    let stream = boastful(gated_stream(&gate));
    let reply = move |request: &crate::support::upstream::Request| {
        if memchr::memmem::find(&request.body, b"\"stream\":true").is_some() {
            return stream.clone();
        }
        match request.target.contains("bad") {
            true => boastful(Reply::json(400, serde_json::json!({"error": {}}))),
            false => ok(),
        }
    };
    let bench = Bench::with(SETTINGS, Upstream::handler(reply).await).await;
    let mut http1 = bench.client().await;
    let mut http2 = Client::h2c(bench.gateway.addr()).await;
    for client in [&mut http1, &mut http2] {
        // Whole answers, each relayed from its own provider.
        for ask in Ask::ALL {
            let request = ask.bare(client, ask.model()).header("origin", APP);
            let answer = request.body(ask.body(ask.model())).send().await;
            assert_eq!(answer.status, 200);
            assert_shared(&answer, APP);
            assert!(answer.headers.lists("vary", "accept-encoding"));
        }
        // A stream.
        let request = client.request("POST", "/v1/chat/completions");
        let request = request.key(CLIENT_KEY).header("origin", APP);
        let answer = request.json(&streamed_question()).send().await;
        assert_eq!((answer.status, answer.text()), (200, &*gated_bytes()));
        assert_shared(&answer, APP);
        // Local ones, and what passes through.
        for (method, path, key, provider, status) in [
            ("GET", "/health", "", "", 200),
            ("GET", "/v1/models", CLIENT_KEY, "", 200),
            ("GET", "/v1/models", "", "", 401),
            ("GET", "/v1/messages", CLIENT_KEY, "", 405),
            ("OPTIONS", "/v1/messages", CLIENT_KEY, "", 405),
            ("POST", "/v1/nowhere", CLIENT_KEY, "", 404),
            ("POST", "/v1/embeddings", CLIENT_KEY, "openai", 200),
            ("GET", "/v1/bad", CLIENT_KEY, "openai", 400),
            ("HEAD", "/v1/files", CLIENT_KEY, "openai", 200),
        ] {
            let mut request = client.request(method, path).header("origin", APP);
            if !key.is_empty() {
                request = request.key(key);
            }
            if !provider.is_empty() {
                request = request.header("x-provider", provider);
            }
            let answer = request.send().await;
            assert_eq!(answer.status, status, "{method} {path} {answer:?}");
            assert_shared(&answer, APP);
        }
    }
}

#[tokio::test]
async fn a_stream_that_a_keep_alive_begins_names_the_origin() {
    let gate = Gate::new();
    let reply = Reply::sse([] as [String; 0])
        .first(&gate)
        .then(event("one"))
        .then(crate::chat::end());
    let settings = format!("{SETTINGS}\nstreaming: {{keepalive-seconds: 0.05}}");
    let bench = Bench::with(&settings, Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    let request = client.request("POST", "/v1/chat/completions");
    let request = request.key(CLIENT_KEY).header("origin", APP);
    let mut stream = request.json(&streamed_question()).stream().await;
    stream.until(":").await;
    gate.open();
    let whole = stream.rest().await;
    assert!(whole.complete && whole.text().contains("one"));
    assert_shared(&whole, APP);
}

#[tokio::test]
async fn a_translated_answer_names_the_origin() {
    let bench = Bench::with(
        &format!("{SETTINGS}\nroutes: [{{model: gpt-5, providers: [openai]}}]"),
        Upstream::always(boastful(crate::chat::answer("x"))).await,
    )
    .await;
    let mut client = bench.client().await;
    let request = Ask::Messages
        .bare(&mut client, "gpt-5")
        .header("origin", APP);
    let answer = request.body(Ask::Messages.body("gpt-5")).send().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.header("x-aiproxy-translation").is_some());
    assert_shared(&answer, APP);
}

#[tokio::test]
async fn every_page_may_where_a_star_says_so() {
    let bench = Bench::with("cors: {origins: ['*']}", Upstream::always(ok()).await).await;
    let mut client = bench.client().await;
    for origin in [APP, EVIL, "null"] {
        let answer = preflight(&mut client, "/v1/messages", origin, "x-api-key").await;
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header(ABOUT[0]), Some("*"));
        let request = Ask::Chat
            .bare(&mut client, "gpt-5")
            .header("origin", origin);
        let answer = request.body(Ask::Chat.body("gpt-5")).send().await;
        let allowed: Vec<_> = answer.headers.all(ABOUT[0]).collect();
        assert_eq!(allowed, ["*"], "{answer:?}");
        assert_eq!(answer.header(ABOUT[5]), None);
    }
}

#[tokio::test]
async fn without_origins_nothing_is_said_about_them() {
    let bench = Bench::with("", Upstream::always(ok()).await).await;
    let mut client = bench.client().await;
    let refused = preflight(&mut client, "/v1/messages", APP, "x-api-key").await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert_kept(&refused);
    let request = Ask::Chat.bare(&mut client, "gpt-5").header("origin", APP);
    let answer = request.body(Ask::Chat.body("gpt-5")).send().await;
    assert_eq!(answer.status, 200);
    assert_kept(&answer);
    assert!(!answer.headers.lists("vary", "origin"));
}
