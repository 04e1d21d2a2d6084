//! The contract of request bodies: of any size and framing, sent again as they are, and the
//! connection serves the next request. Run these before moving the pin of Pingora.

use std::hash::{DefaultHasher, Hash, Hasher};

use bytes::Bytes;
use futures::future::join_all;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::{Client, RequestBuilder};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

/// How a client frames its body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Length,
    Chunked,
    H2,
    H2Length,
}

const FRAMINGS: [Framing; 4] = [
    Framing::Length,
    Framing::Chunked,
    Framing::H2,
    Framing::H2Length,
];

impl Framing {
    async fn connect(self, gateway: &Gateway) -> Client {
        match self {
            Self::Length | Self::Chunked => Client::connect(gateway.addr()).await,
            Self::H2 | Self::H2Length => Client::h2c(gateway.addr()).await,
        }
    }

    fn send<'a>(self, request: RequestBuilder<'a>, body: &Bytes) -> RequestBuilder<'a> {
        // Pieces of an odd size, so that no border of the gateway's own falls on theirs.
        let pieces = || {
            let mut rest = body.clone();
            let mut pieces = Vec::new();
            while rest.len() > 40_009 {
                pieces.push(rest.split_to(40_009));
            }
            pieces.push(rest);
            pieces
        };
        match self {
            Self::Length => request.body(body.clone()),
            Self::Chunked | Self::H2 => request.upload(pieces()),
            Self::H2Length => request.upload_of(body.len() as u64, pieces()),
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// A JSON request of exactly `size` bytes whose every part differs from the others.
fn padded(size: usize) -> Bytes {
    let head = r#"{"model":"gpt-5","messages":[{"role":"user","content":""#;
    let tail = r#""}]}"#;
    let mut body = String::with_capacity(size);
    body += head;
    let mut n = 0_u64;
    while body.len() + tail.len() < size {
        n += 1;
        body += &format!("{:x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    }
    body.truncate(size - tail.len());
    body += tail;
    body.into()
}

/// A gateway with two keys of one provider, which refuses every other request.
async fn arrange() -> (Upstream, Gateway) {
    let dialect = Dialect::Chat;
    let script: Vec<_> = (0..30)
        .flat_map(|_| {
            let refusal = dialect.refusal(429, "rate_limit_error", "no");
            [
                refusal.header("retry-after-ms", "1"),
                dialect.answer(Mode::Whole),
            ]
        })
        .collect();
    let upstream = Upstream::script(script).await;
    let entries = [("a", UPSTREAM_KEY_A), ("b", UPSTREAM_KEY_B)]
        .map(|(name, key)| account(name, key, &upstream.url(), ""));
    // Nobody rests for long, so that each request is refused once and served once.
    let settings = "cooldown: {min: 0.001, max: 0.001}";
    let gateway = Gateway::start(&dialect.config(settings, &entries)).await;
    (upstream, gateway)
}

async fn bodies_are_sent_again_as_they_are(sizes: &[usize], framing: Framing) {
    let (upstream, gateway) = arrange().await;
    let mut client = framing.connect(&gateway).await;
    for (n, size) in sizes.iter().enumerate() {
        let body = padded(*size);
        assert_eq!(body.len(), *size);
        let request = client
            .request("POST", "/v1/chat/completions")
            .key(CLIENT_KEY);
        let request = request.header("content-type", "application/json");
        let response = framing.send(request, &body).send().await;
        let what = format!("{size} bytes, {framing:?}: {response:?}");
        assert!(response.status == 200 && response.complete, "{what}");
        for attempt in [2 * n, 2 * n + 1] {
            let got = upstream.request(attempt).await;
            assert_eq!(got.body.len(), *size, "{what}");
            assert_eq!(hash(&got.body), hash(&body), "{what}");
            assert_eq!(
                got.header("content-length"),
                Some(&*size.to_string()),
                "{what}"
            );
            assert_eq!(got.header("transfer-encoding"), None, "{what}");
        }
    }
    assert_eq!(upstream.requests().len(), 2 * sizes.len());
}

#[tokio::test]
async fn bodies_around_every_border_are_sent_again_as_they_are() {
    // The connection of the client serves them all.
    let sizes = [60, 65_535, 65_536, 65_537, 300_000, 5_000_000, 61];
    join_all(FRAMINGS.map(|framing| bodies_are_sent_again_as_they_are(&sizes, framing))).await;
}

#[tokio::test]
async fn a_body_of_fifty_megabytes_is_sent_again_as_it_is() {
    bodies_are_sent_again_as_they_are(&[50_000_000, 100], Framing::Chunked).await;
}

#[tokio::test]
async fn bodies_that_are_not_looked_into_are_sent_again_as_they_are() {
    let cases = FRAMINGS.map(|framing| async move {
        let (upstream, gateway) = arrange().await;
        let mut client = framing.connect(&gateway).await;
        // Larger ones without a length pass through once; see the suites of the client's side.
        let sizes: &[usize] = match framing {
            Framing::Length | Framing::H2Length => &[0, 1, 65_535, 65_536, 65_537, 300_000],
            Framing::Chunked | Framing::H2 => &[],
        };
        for (n, size) in sizes.iter().enumerate() {
            let body = padded(300_000).slice(..*size);
            let request = client.request("POST", "/v1/embeddings").key(CLIENT_KEY);
            let request = request.header("x-provider", "openai");
            let response = framing.send(request, &body).send().await;
            let what = format!("{size} bytes, {framing:?}: {response:?}");
            assert!(response.status == 200 && response.complete, "{what}");
            for attempt in [2 * n, 2 * n + 1] {
                assert_eq!(upstream.request(attempt).await.body, body, "{what}");
            }
        }
        assert_eq!(upstream.requests().len(), 2 * sizes.len());
    });
    join_all(cases).await;
}

#[tokio::test]
async fn an_empty_body_is_no_request_for_a_model() {
    let upstream = Upstream::always(Reply::status(200)).await;
    for dialect in Dialect::ALL {
        let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
        let gateway = Gateway::start(&dialect.config("", &[only])).await;
        for framing in FRAMINGS {
            let mut client = framing.connect(&gateway).await;
            for body in ["", "{"] {
                let path = dialect.path(dialect.model(), Mode::Whole);
                let request = client.request("POST", &path).key(dialect.key());
                let response = framing.send(request, &Bytes::from(body)).send().await;
                let what = format!("{dialect:?} {framing:?} {body:?}: {response:?}");
                assert_eq!(response.status, 400, "{what}");
                assert_eq!(
                    response.header("x-aiproxy-error"),
                    Some("invalid_json"),
                    "{what}"
                );
            }
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn a_provider_that_refuses_before_it_has_read_the_body_is_passed_over() {
    let dialect = Dialect::Chat;
    let refusal = || dialect.refusal(429, "rate_limit_error", "no").early();
    let cases = [
        ("reads on", refusal()),
        ("closes", refusal().close()),
        ("resets", refusal().then(Step::Reset)),
    ];
    for (name, refusal) in cases {
        for framing in FRAMINGS {
            let script = [refusal.clone(), dialect.answer(Mode::Whole)];
            let upstream = Upstream::script(script).await;
            let entries = [("a", UPSTREAM_KEY_A), ("b", UPSTREAM_KEY_B)]
                .map(|(name, key)| account(name, key, &upstream.url(), ""));
            let gateway = Gateway::start(&dialect.config("request-retry: 0", &entries)).await;
            let mut client = framing.connect(&gateway).await;
            let body = padded(5_000_000);
            let request = client
                .request("POST", "/v1/chat/completions")
                .key(CLIENT_KEY);
            let response = framing.send(request, &body).send().await;
            let what = format!("{name}, {framing:?}: {response:?}");
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(upstream.requests().len(), 2, "{what}");
            assert_eq!(hash(&upstream.request(1).await.body), hash(&body), "{what}");
        }
    }
}

#[tokio::test]
async fn a_413_before_the_body_was_read_is_relayed() {
    let dialect = Dialect::Claude;
    let refusal = dialect.refusal(413, "request_too_large", "too long");
    let upstream = Upstream::always(refusal.early()).await;
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    let gateway = Gateway::start(&dialect.config("", &[only])).await;
    for framing in FRAMINGS {
        let mut client = framing.connect(&gateway).await;
        let request = client.request("POST", "/v1/messages").key(dialect.key());
        let body = String::from_utf8(padded(5_000_000).to_vec()).unwrap();
        let body = body.replace("gpt-5", dialect.model()).into();
        let response = framing.send(request, &body).send().await;
        assert_eq!(response.status, 413, "{framing:?}: {response:?}");
        assert!(
            response.text().contains("too long"),
            "{framing:?}: {response:?}"
        );
    }
    assert_eq!(upstream.requests().len(), FRAMINGS.len(), "never retried");
}
