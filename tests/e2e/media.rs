//! Media behind URLs, for providers that want the content.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Mode};
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const MODEL: &str = "any";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
const PDF: &[u8] = b"%PDF-1.7\n";
const LISTED: &str = "translation: {media-fetch: allowlist, media-hosts: [127.0.0.1]}";
const ON: &str = "translation: {media-fetch: on}";

fn entry(provider: Dialect, name: &str, url: &str) -> String {
    let api = match provider {
        Dialect::Chat => ", wire-api: chat",
        _ => "",
    };
    format!(
        "{{name: {name}, api-key: {UPSTREAM_KEY_A}{name}, base-url: '{url}'{api}, \
         models: [{{id: {}, alias: {MODEL}}}]}}",
        provider.model()
    )
}

async fn start(settings: &str, provider: Dialect, urls: &[String]) -> Gateway {
    let entries: Vec<_> = urls
        .iter()
        .enumerate()
        .map(|(n, url)| entry(provider, &format!("p{n}"), url))
        .collect();
    Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n{settings}\nrouting: {{strategy: fill-first}}\n{}: [{}]\n",
        provider.list(),
        entries.join(", ")
    ))
    .await
}

/// What an Anthropic client sends with media at these URLs.
fn body(media: &[(&str, &str)]) -> Value {
    let source = |url: &str| json!({"type": "url", "url": url});
    let mut content = vec![json!({"type": "text", "text": "look"})];
    content.extend(
        media
            .iter()
            .map(|(kind, url)| json!({"type": kind, "source": source(url)})),
    );
    json!({"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": content}]})
}

async fn ask(gateway: &Gateway, media: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(gateway.addr()).await;
    let request = client.request("POST", "/v1/messages");
    let request = request.header("anthropic-version", "2023-06-01");
    request
        .key(Dialect::Claude.key())
        .json(&body(media))
        .send()
        .await
}

/// Why media were not fetched: the gateway's words without what stands before them.
fn why(response: &Response) -> String {
    assert_eq!(response.status, 400, "{response:?}");
    let code = response.header("x-aiproxy-error");
    assert_eq!(code, Some("media_not_fetched"), "{response:?}");
    let answer = response.json();
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("messages[0].content[1]"), "{message}");
    assert!(!response.text().contains("secret"), "{response:?}");
    let (_, why) = message.split_once(": ").unwrap();
    why.to_owned()
}

#[tokio::test]
async fn an_image_and_a_pdf_are_sent_as_content() {
    let files = Upstream::handler(|request| match &*request.target {
        "/a.png?key=secret" => Reply::content_length_body(PNG),
        "/hop" => Reply::status(302).header("location", "/a.pdf"),
        "/a.pdf" => Reply::content_length_body(PDF),
        _ => Reply::status(404),
    })
    .await;
    let (png, pdf) = (files.url() + "/a.png?key=secret", files.url() + "/hop");
    let media = [("image", &*png), ("document", &*pdf)];

    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let gateway = start(LISTED, Dialect::Gemini, &[gemini.url()]).await;
    let response = ask(&gateway, &media).await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = gemini.request(0).await.json();
    let part = |n: usize| sent["contents"][0]["parts"][n]["inlineData"].clone();
    assert_eq!(
        part(1),
        json!({"mimeType": "image/png", "data": BASE64_STANDARD.encode(PNG)})
    );
    assert_eq!(
        part(2),
        json!({"mimeType": "application/pdf", "data": BASE64_STANDARD.encode(PDF)})
    );
    for request in files.requests() {
        assert_eq!(request.method, "GET");
        let agent = request.header("user-agent").unwrap_or_default();
        assert!(agent.starts_with("ai-proxy/"), "{agent}");
        for name in ["authorization", "x-api-key", "anthropic-version", "cookie"] {
            assert_eq!(request.header(name), None, "{name}");
        }
    }
    let log = gateway.log();
    assert!(!log.iter().any(|line| line.contains("secret")), "{log:?}");

    // Chat reads images where they are, PDFs not.
    let before = files.requests().len();
    let chat = Upstream::always(Dialect::Chat.answer(Mode::Whole)).await;
    let gateway = start(LISTED, Dialect::Chat, &[chat.url()]).await;
    let response = ask(&gateway, &media).await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = chat.request(0).await.json();
    let content = &sent["messages"][0]["content"];
    assert_eq!(content[1]["image_url"]["url"], png);
    assert_eq!(
        content[2]["file"]["file_data"],
        format!(
            "data:application/pdf;base64,{}",
            BASE64_STANDARD.encode(PDF)
        )
    );
    assert_eq!(files.requests().len() - before, 2, "the hop and the PDF");
}

#[tokio::test]
async fn a_question_for_the_number_of_tokens_holds_the_content_too() {
    let files = Upstream::always(Reply::content_length_body(PNG)).await;
    let count = Reply::json(200, json!({"totalTokens": 7}));
    let gemini = Upstream::always(count).await;
    let gateway = start(LISTED, Dialect::Gemini, &[gemini.url()]).await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = client.request("POST", "/v1/messages/count_tokens");
    let request = request.header("anthropic-version", "2023-06-01");
    let url = files.url() + "/a";
    let request = request.key(Dialect::Claude.key());
    let response = request.json(&body(&[("image", &url)])).send().await;
    assert_eq!(response.json()["input_tokens"], 7, "{response:?}");
    assert_eq!(files.requests().len(), 1);
    let sent = gemini.request(0).await;
    let content = BASE64_STANDARD.encode(PNG);
    assert!(String::from_utf8_lossy(&sent.body).contains(&content));
}

#[tokio::test]
async fn nothing_is_fetched_unless_the_config_says_so() {
    let files = Upstream::always(Reply::content_length_body(PNG)).await;
    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let gateway = start("", Dialect::Gemini, &[gemini.url()]).await;
    let url = files.url() + "/a.png";
    let response = ask(&gateway, &[("image", &url)]).await;
    assert_eq!(response.status, 400, "{response:?}");
    let code = response.header("x-aiproxy-error");
    assert_eq!(code, Some("unsupported_parameter"), "{response:?}");
    assert_eq!(files.requests().len(), 0);
    assert_eq!(gemini.requests().len(), 0);
}

#[tokio::test]
async fn an_address_that_is_not_public_is_not_connected_to() {
    let files = Upstream::always(Reply::content_length_body(PNG)).await;
    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let gateway = start(ON, Dialect::Gemini, &[gemini.url()]).await;
    let port = files.addr().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "169.254.169.254",
    ] {
        let url = format!("http://{host}:{port}/a.png?key=secret");
        let response = ask(&gateway, &[("image", &url)]).await;
        assert_eq!(why(&response), "the host has no public address", "{host}");
    }
    // A host that is not listed, under another name of a listed one.
    let gateway = start(LISTED, Dialect::Gemini, &[gemini.url()]).await;
    let url = format!("http://localhost:{port}/a.png");
    let response = ask(&gateway, &[("image", &url)]).await;
    assert_eq!(why(&response), "the gateway does not fetch from this host");
    assert_eq!(files.connections(), 0);
    assert_eq!(gemini.connections(), 0);
}

#[tokio::test]
async fn what_is_not_wanted_is_refused_with_the_reason() {
    let inside = Upstream::always(Reply::content_length_body(PNG)).await;
    let port = inside.addr().port();
    let private = format!("http://localhost:{port}/secret");
    let files = Upstream::handler(
        move |request| match request.target.split('?').next().unwrap() {
            "/private" => Reply::status(302).header("location", &private),
            "/metadata" => Reply::status(307).header("location", "http://169.254.169.254/secret"),
            "/loop" => Reply::status(302).header("location", "/loop"),
            "/large" => Reply::content_length_body(PNG).declared_length(20 * 1024 * 1024 + 1),
            "/html" => Reply::content_length_body("<!DOCTYPE html><p>secret</p>")
                .header("content-type", "image/png"),
            "/pdf" => Reply::content_length_body(PDF),
            "/text" => Reply::content_length_body("secret = 1"),
            _ => Reply::status(404),
        },
    )
    .await;
    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let gateway = start(LISTED, Dialect::Gemini, &[gemini.url()]).await;
    let away = "the host redirects to where the gateway does not fetch from";
    for (path, reason) in [
        ("/private", away),
        ("/metadata", away),
        ("/loop", "the host redirects too often"),
        ("/large", "it is larger than 20 MiB"),
        ("/html", "it is a web page, not an image"),
        ("/pdf", "it is not an image"),
        ("/text", "it is not an image"),
        ("/none", "the host answered with status 404"),
    ] {
        let url = files.url() + path + "?key=secret";
        let response = ask(&gateway, &[("image", &url)]).await;
        assert_eq!(why(&response), reason, "{path}");
    }
    assert_eq!(inside.connections(), 0);
    assert_eq!(gemini.connections(), 0);
    let log = gateway.log();
    assert!(!log.iter().any(|line| line.contains("secret")), "{log:?}");
    assert!(!log.iter().any(|line| line.contains("rests")), "{log:?}");
}

#[tokio::test]
async fn what_was_fetched_is_not_fetched_again_for_another_account() {
    let files = Upstream::always(Reply::content_length_body(PNG)).await;
    let refusal = Dialect::Gemini.refusal(503, "UNAVAILABLE", "no");
    let first = Upstream::always(refusal).await;
    let second = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let gateway = start(LISTED, Dialect::Gemini, &[first.url(), second.url()]).await;
    let url = files.url() + "/a.png";
    let response = ask(&gateway, &[("image", &url), ("image", &url)]).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(first.requests().len(), 1);
    assert_eq!(second.request(0).await.body, first.request(0).await.body);
    assert_eq!(files.requests().len(), 1);
}

#[tokio::test]
async fn an_account_that_reads_addresses_takes_what_cannot_be_fetched() {
    let files = Upstream::always(Reply::status(404)).await;
    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let chat = Upstream::always(Dialect::Chat.answer(Mode::Whole)).await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n{LISTED}\nroutes: [{{model: {MODEL}, providers: [p0, p1]}}]\n\
         gemini-api-key: [{}]\nopenai-api-key: [{}]\n",
        entry(Dialect::Gemini, "p0", &gemini.url()),
        entry(Dialect::Chat, "p1", &chat.url()),
    ))
    .await;
    let url = files.url() + "/a.png";
    let response = ask(&gateway, &[("image", &url)]).await;
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!((gemini.requests().len(), chat.requests().len()), (0, 1));
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_fetching() {
    for h2 in [false, true] {
        let gate = Gate::new();
        let files = Upstream::always(Reply::content_length_body(PNG).first(&gate)).await;
        let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
        let gateway = start(LISTED, Dialect::Gemini, &[gemini.url()]).await;
        let mut client = match h2 {
            false => Client::connect(gateway.addr()).await,
            true => Client::h2c(gateway.addr()).await,
        };
        let url = files.url() + "/a.png";
        let request = client.request("POST", "/v1/messages");
        let request = request.key(Dialect::Claude.key());
        let request = request.json(&body(&[("image", &url)]));
        tokio::select! {
            early = request.try_stream() => panic!("{:?}", early.map(|early| early.status)),
            _ = files.request(0) => {}
        }
        let left = Instant::now();
        drop(client);
        files.cancelled(0).await;
        assert!(left.elapsed() < Duration::from_secs(1), "h2: {h2}");
        gateway.wait_log(|line| line.contains("status=499")).await;
        assert_eq!(gemini.connections(), 0);
    }
}

#[tokio::test]
async fn the_time_of_the_whole_request_holds_while_media_are_fetched() {
    let files = Upstream::always(Reply::silence()).await;
    let gemini = Upstream::always(Dialect::Gemini.answer(Mode::Whole)).await;
    let settings = format!("{LISTED}\ntimeouts: {{total: 0.5}}");
    let gateway = start(&settings, Dialect::Gemini, &[gemini.url()]).await;
    let url = files.url() + "/a.png";
    let begun = Instant::now();
    let response = ask(&gateway, &[("image", &url)]).await;
    assert_eq!(response.status, 504, "{response:?}");
    let code = response.header("x-aiproxy-error");
    assert_eq!(code, Some("request_timeout_total"), "{response:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    files.cancelled(0).await;
    assert_eq!(gemini.connections(), 0);
}
