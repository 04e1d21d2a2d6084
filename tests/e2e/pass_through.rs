//! Paths that nobody looks into, for a provider that the client names.

use bytes::Bytes;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::ask::{Ask, Bench};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::{Request, Upstream};
use crate::support::within;

/// Every byte value, many times: nothing that a text would survive.
fn binary(length: usize) -> Bytes {
    (0..length)
        .map(|n| u8::try_from((n * 7 + n / 256) % 256).unwrap())
        .collect()
}

async fn two_keys(upstream: &Upstream) -> Gateway {
    let url = upstream.url();
    Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nrequest-retry: 0\nopenai-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: '{url}'}}\n\
         - {{api-key: {UPSTREAM_KEY_B}, base-url: '{url}'}}\n"
    ))
    .await
}

#[tokio::test]
async fn any_path_and_method_is_relayed_byte_for_byte() {
    let answer = binary(70_000);
    let reply = Reply::content_length_body(answer.clone()).header("content-type", "audio/mpeg");
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    for (method, path, body) in [
        ("POST", "/v1/embeddings", binary(10_000)),
        ("POST", "/v1/images/generations?x=%20y", binary(1)),
        ("GET", "/v1/responses/resp_1?include[]=a", Bytes::new()),
        ("DELETE", "/v1/responses/resp_1", Bytes::new()),
        ("GET", "/v1/files/file-1/content", Bytes::new()),
        ("PATCH", "/v1/x", binary(300)),
        ("PUT", "/v1/x/y%2Fz", binary(300)),
        ("POST", "/v1/batches/b/cancel", Bytes::new()),
        ("GET", "/v1/files/", Bytes::new()),
        ("OPTIONS", "/v1/files", Bytes::new()),
        ("DELETE", "/v1/models/ft:gpt-5", Bytes::new()),
    ] {
        let request = client.request(method, path).key(CLIENT_KEY);
        let request = request
            .header("x-provider", "openai")
            .header("content-type", "x/y");
        let request = if body.is_empty() {
            request
        } else {
            request.body(body.clone())
        };
        let response = request.send().await;
        assert_eq!(
            (response.status, &response.body),
            (200, &answer),
            "{method} {path}"
        );
        assert_eq!(response.header("content-type"), Some("audio/mpeg"));
        let sent = bench.upstream.requests().pop().unwrap();
        assert_eq!((&*sent.method, &*sent.target), (method, path));
        assert_eq!(sent.body, body);
        assert_eq!(sent.header("content-type"), Some("x/y"));
        let key = format!("Bearer {UPSTREAM_KEY_A}");
        assert_eq!(sent.header("authorization"), Some(&*key));
        assert!(!format!("{sent:?}").contains(CLIENT_KEY));
    }
}

#[tokio::test]
async fn a_large_upload_streams_through_with_the_framing_that_it_has() {
    let upstream =
        Upstream::handler(|request| Reply::json(200, json!({"received": request.body.len()})))
            .await;
    let bench = Bench::with("max-body-size: 1MiB", upstream).await;
    let body = binary(3 << 20);
    let pieces = || body.chunks(100_000).map(|piece| Step::from(piece.to_vec()));
    for with_length in [true, false] {
        let mut client = bench.client().await;
        let request = client.request("POST", "/v1/files").key(CLIENT_KEY);
        let request = request
            .header("x-provider", "openai")
            .header("content-type", "multipart/form-data; boundary=b");
        let request = match with_length {
            true => request.upload_of(body.len() as u64, pieces()),
            false => request.upload(pieces()),
        };
        let response = request.send().await;
        assert_eq!(
            response.json(),
            json!({"received": body.len()}),
            "{response:?}"
        );
        let sent = bench.upstream.requests().pop().unwrap();
        assert!(sent.body == body, "other bytes arrived");
        assert_eq!(sent.header("content-length").is_some(), with_length);
        assert_eq!(sent.header("transfer-encoding").is_some(), !with_length);
        Ask::Chat.is_served(&mut client).await;
    }
}

/// An embedding request, read as a whole or streamed.
async fn embed(client: &mut Client, streamed: bool) -> crate::support::client::Response {
    let request = client.request("POST", "/v1/embeddings").key(CLIENT_KEY);
    let request = request.header("x-provider", "openai");
    match streamed {
        true => request.upload(["{\"input\"", ":\"x\"}"]).send().await,
        false => request.body("{\"input\":\"x\"}").send().await,
    }
}

#[tokio::test]
async fn a_body_that_was_read_is_sent_again_and_a_streamed_one_is_not() {
    for streamed in [false, true] {
        let ok = Reply::json(200, json!({"ok": true}));
        let upstream = Upstream::script([Reply::reset_before_header(), ok]).await;
        let gateway = two_keys(&upstream).await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = embed(&mut client, streamed).await;
        match streamed {
            true => assert!(response.status >= 500, "{response:?}"),
            false => assert_eq!(response.status, 200, "{response:?}"),
        }
        let tries = upstream.requests().len();
        assert_eq!(tries, if streamed { 1 } else { 2 });
    }
}

#[tokio::test]
async fn what_one_account_refuses_another_may_serve() {
    for status in [401, 403, 429, 500, 503] {
        let refused = Reply::json(status, json!({"error": {"message": "no"}}));
        let ok = Reply::json(200, json!({"ok": true}));
        let upstream = Upstream::script([refused, ok]).await;
        let gateway = two_keys(&upstream).await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = embed(&mut client, false).await;
        assert_eq!(response.status, 200, "{status} {response:?}");
        let keys: Vec<_> = upstream
            .requests()
            .iter()
            .map(|request| request.header("authorization").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 2);
        assert_ne!(keys[0], keys[1]);
        assert_eq!(embed(&mut client, false).await.status, 200);
        let third = upstream.request(2).await;
        assert_eq!(
            third.header("authorization"),
            Some(&*keys[1]),
            "the other rests"
        );
    }
}

#[tokio::test]
async fn an_account_that_refuses_a_streamed_upload_rests_too() {
    let refused = Reply::json(429, json!({"error": {"message": "no"}}));
    let ok = || Reply::json(200, json!({"ok": true}));
    let upstream = Upstream::script([refused, ok(), ok()]).await;
    let gateway = two_keys(&upstream).await;
    let mut client = Client::connect(gateway.addr()).await;
    assert_eq!(embed(&mut client, true).await.status, 429);
    let refused = upstream.request(0).await;
    for n in [1, 2] {
        assert_eq!(embed(&mut client, false).await.status, 200);
        let served = upstream.request(n).await;
        let key = served.header("authorization");
        assert_ne!(key, refused.header("authorization"), "it rests");
    }
}

#[tokio::test]
async fn the_clients_own_errors_come_back_as_the_provider_wrote_them() {
    for (status, body) in [
        (400, "no such field"),
        (404, "<html>"),
        (409, "{}"),
        (422, ""),
    ] {
        for streamed in [false, true] {
            let reply = Reply::content_length_body(body).with_status(status);
            let upstream = Upstream::always(reply).await;
            let gateway = two_keys(&upstream).await;
            let mut client = Client::connect(gateway.addr()).await;
            let response = embed(&mut client, streamed).await;
            assert_eq!((response.status, response.text()), (status, body));
            assert_eq!(upstream.requests().len(), 1);
        }
    }
}

#[tokio::test]
async fn head_answers_have_no_body() {
    let reply = Reply::status(200).declared_length(7);
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    let request = client.request("HEAD", "/v1/files/f").key(CLIENT_KEY);
    let response = request.header("x-provider", "openai").send().await;
    assert_eq!((response.status, response.body.len()), (200, 0));
    assert_eq!(response.header("content-length"), Some("7"));
}

#[tokio::test]
async fn compressed_bodies_and_files_pass_untouched() {
    let gzip = [&[0x1f, 0x8b, 8, 0][..], &binary(500)].concat();
    let reply = Reply::content_length_body(gzip.clone())
        .header("content-encoding", "gzip")
        .header("vary", "accept-encoding");
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    let file = [
        &b"--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"[..],
        &binary(3_000),
        b"\r\n--b--\r\n",
    ]
    .concat();
    for (field, value, body) in [
        ("content-encoding", "gzip", gzip.clone()),
        ("content-type", "multipart/form-data; boundary=b", file),
    ] {
        for chunked in [false, true] {
            let request = client.request("POST", "/v1/audio/transcriptions");
            let request = request.key(CLIENT_KEY).header("x-provider", "openai");
            let request = request
                .header(field, value)
                .header("accept-encoding", "gzip, br");
            let request = match chunked {
                true => request.upload(body.chunks(700).map(<[u8]>::to_vec)),
                false => request.body(body.clone()),
            };
            let response = request.send().await;
            assert_eq!(
                (response.status, &response.body),
                (200, &gzip.clone().into())
            );
            assert_eq!(response.header("content-encoding"), Some("gzip"));
            let sent = bench.upstream.requests().pop().unwrap();
            assert!(sent.body == body, "other bytes arrived");
            assert_eq!(sent.header(field), Some(value));
            assert_eq!(sent.header("accept-encoding"), Some("gzip, br"));
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_continue_is_told() {
    let bench = Bench::new("").await;
    for framing in ["content-length: 5", "transfer-encoding: chunked"] {
        let mut socket = TcpStream::connect(bench.gateway.addr()).await.unwrap();
        let head = format!(
            "PUT /v1/files/f HTTP/1.1\r\nhost: x\r\nx-provider: openai\r\nconnection: close\r\n\
             authorization: Bearer {CLIENT_KEY}\r\nexpect: 100-continue\r\n{framing}\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 25];
        let told = socket.read_exact(&mut answer);
        within("100 Continue", told).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        let body: &[u8] = match framing {
            "content-length: 5" => b"hello",
            _ => b"5\r\nhello\r\n0\r\n\r\n",
        };
        socket.write_all(body).await.unwrap();
        let mut rest = String::new();
        within("the answer", socket.read_to_string(&mut rest))
            .await
            .unwrap();
        assert!(rest.starts_with("HTTP/1.1 200"), "{rest}");
        let sent = bench.upstream.requests().pop().unwrap();
        assert_eq!(sent.body, "hello");
        assert_eq!(sent.header("expect"), None);
    }
}

#[tokio::test]
async fn gemini_files_are_uploaded_beside_the_versions() {
    let upstream = Upstream::always(Reply::json(200, json!({"file": {}}))).await;
    let yaml = format!(
        "api-keys: [{CLIENT_KEY}]\ngemini-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: '{}/v1beta'}}\n",
        upstream.url()
    );
    let gateway = Gateway::start(&yaml).await;
    let mut client = Client::connect(gateway.addr()).await;
    let path = format!("/upload/v1beta/files?key={CLIENT_KEY}&uploadType=media");
    let request = client
        .request("POST", &path)
        .header("x-provider", "gemini")
        .header("x-goog-upload-protocol", "raw")
        .body(binary(100));
    assert_eq!(request.send().await.status, 200);
    let sent = upstream.request(0).await;
    assert_eq!(sent.target, "/upload/v1beta/files?uploadType=media");
    assert_eq!(sent.header("x-goog-api-key"), Some(UPSTREAM_KEY_A));
    assert_eq!(sent.header("x-goog-upload-protocol"), Some("raw"));
    let refused = client.request("POST", "/upload/v1beta/files").send().await;
    Ask::Gemini.assert_error(&refused, 401, "missing_api_key");
}

#[tokio::test]
async fn a_path_cannot_climb_out_of_its_version() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    for path in [
        "/v1/../admin",
        "/v1/x/%2e%2e/y",
        "/v1/x/..%2fy",
        "/v1/%2E/y",
        "/upload/v1beta/../x",
    ] {
        let request = client.request("GET", path).key(CLIENT_KEY);
        let response = request.header("x-provider", "openai").send().await;
        let ask = match path.starts_with("/v1/") {
            true => Ask::Chat,
            false => Ask::Gemini,
        };
        ask.assert_error(&response, 404, "unknown_path");
    }
    assert!(bench.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_clients_key_in_the_query_stays_here() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    let path = format!("/v1beta/cachedContents?key={CLIENT_KEY}&pageSize=3");
    for path in [&path, &path.replace("&pageSize=3", "")] {
        let request = client.request("GET", path).header("x-provider", "gemini");
        assert_eq!(request.send().await.status, 200);
    }
    let targets: Vec<_> = bench
        .upstream
        .requests()
        .into_iter()
        .map(|it| it.target)
        .collect();
    assert_eq!(
        targets,
        [
            "/v1beta/cachedContents?pageSize=3",
            "/v1beta/cachedContents"
        ]
    );
}

/// What a client might send, beside what every request has.
const SENT: [(&str, &str); 17] = [
    ("user-agent", "test/1"),
    ("accept", "*/*"),
    ("idempotency-key", "i"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "b"),
    ("openai-organization", "o"),
    ("openai-project", "p"),
    ("openai-beta", "b"),
    ("x-goog-user-project", "g"),
    ("cookie", "c=canary"),
    ("x-forwarded-for", "10.1.1.1"),
    ("x-real-ip", "10.1.1.1"),
    ("te", "trailers"),
    ("proxy-authorization", "Basic x"),
    ("x-stainless-lang", "js"),
    ("origin", "https://x"),
    // Only a gateway that traces says whose request it is.
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
];

fn fields(request: &Request) -> Vec<String> {
    let mut names: Vec<_> = request
        .headers
        .0
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .filter(|name| name != "connection")
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_provider_gets_the_headers_that_are_its_own_and_no_others() {
    let bench = Bench::new("").await;
    let common = [
        "accept",
        "accept-encoding",
        "content-length",
        "host",
        "idempotency-key",
        "user-agent",
        "x-request-id",
    ];
    let openai = [
        "authorization",
        "openai-beta",
        "openai-organization",
        "openai-project",
    ];
    let mut client = bench.client().await;
    for (ask, own) in Ask::ALL.into_iter().zip([
        &openai[..],
        &openai[..],
        &["anthropic-beta", "anthropic-version", "x-api-key"],
        &["x-goog-api-key", "x-goog-user-project"],
    ]) {
        let mut request = ask.bare(&mut client, ask.model());
        for (name, value) in SENT {
            request = request.header(name, value);
        }
        assert_eq!(request.body(ask.body(ask.model())).send().await.status, 200);
        let mut want = [&common[..], own].concat();
        want.sort_unstable();
        assert_eq!(
            fields(&bench.upstream.requests().pop().unwrap()),
            want,
            "{ask:?}"
        );
    }
}

#[tokio::test]
async fn a_client_learns_nothing_about_our_accounts_from_an_answers_header() {
    let mut reply = Reply::json(200, json!({"ok": true}));
    for (name, value) in [
        ("set-cookie", "__cf_bm=x"),
        ("cf-ray", "1"),
        ("CF-Cache-Status", "HIT"),
        ("alt-svc", "h3"),
        ("server", "cloudflare"),
        ("via", "1.1 x"),
        ("openai-organization", "org-ours"),
        ("openai-project", "proj-ours"),
        ("anthropic-organization-id", "ours"),
        ("strict-transport-security", "max-age=1"),
        ("x-request-id", "theirs"),
        ("keep-alive", "timeout=5"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-custom", "kept"),
    ] {
        reply = reply.header(name, value);
    }
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    let want = [
        "content-length",
        "content-type",
        "openai-processing-ms",
        "openai-version",
        "x-aiproxy-upstream-request-id",
        "x-custom",
        "x-request-id",
    ];
    for path in ["/v1/chat/completions", "/v1/embeddings"] {
        let request = client.request("POST", path).key(CLIENT_KEY);
        let request = request
            .header("x-request-id", "ours")
            .header("x-provider", "openai");
        let response = request.body(Ask::Chat.body("gpt-5")).send().await;
        let mut names: Vec<_> = response
            .headers
            .0
            .iter()
            .map(|(name, _)| name.to_ascii_lowercase())
            .filter(|name| !matches!(&**name, "connection" | "date"))
            .collect();
        names.sort();
        assert_eq!(names, want);
        assert_eq!(response.header("x-request-id"), Some("ours"));
        assert_eq!(
            response.header("x-aiproxy-upstream-request-id"),
            Some("theirs")
        );
    }
}
