//! Bodies that the gateway refuses: each in the words of its client's format, and nobody else notices.

use std::io::Write;

use crate::ask::{Ask, Bench};
use crate::support::client::{Response, raw};
use crate::support::gate::Gate;
use crate::support::keys::CLIENT_KEY;
use crate::support::reply::Step;

/// An object with `depth` levels, itself included.
fn nested(depth: usize) -> String {
    let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
    format!(r#"{{"model":"gpt-5","x":{open}{close}}}"#)
}

async fn refused(ask: Ask, bench: &Bench, body: impl Into<bytes::Bytes>, code: &str) {
    let mut client = bench.client().await;
    let response = ask.bare(&mut client, ask.model()).body(body).send().await;
    ask.assert_error(&response, 400, code);
    ask.is_served(&mut client).await;
}

#[tokio::test]
async fn what_is_not_a_json_object_is_refused_in_every_format() {
    let bench = Bench::new("").await;
    let million = format!(r#"{{"model":"gpt-5","x":{}"#, "[".repeat(1_000_000));
    let not_utf8 = b"{\"model\":\"gpt-5\",\"x\":\"\xff\xfe\"}".to_vec();
    let bodies: [(Vec<u8>, &str); 12] = [
        ("".into(), "invalid_json"),
        ("hello".into(), "invalid_json"),
        ("{".into(), "invalid_json"),
        (r#"{"a":1,}"#.into(), "invalid_json"),
        (r#"{"a":1} {"b":2}"#.into(), "invalid_json"),
        (r#"{"a":NaN}"#.into(), "invalid_json"),
        ("{\"a\":\"\u{1}\"}".into(), "invalid_json"),
        (not_utf8, "invalid_json"),
        ("[]".into(), "not_an_object"),
        ("5".into(), "not_an_object"),
        (nested(129).into(), "json_too_deep"),
        (million.into(), "json_too_deep"),
    ];
    for ask in Ask::ALL {
        for (body, code) in &bodies {
            refused(ask, &bench, body.clone(), code).await;
        }
    }
    let served = Ask::ALL.len() * bodies.len();
    assert_eq!(bench.upstream.requests().len(), served);
}

#[tokio::test]
async fn wrong_and_missing_fields_are_named() {
    let bench = Bench::new("").await;
    for ask in Ask::IN_BODY {
        for (body, code, param) in [
            ("{}", "missing_model", "model"),
            (r#"{"model":""}"#, "missing_model", "model"),
            (r#"{"model":5}"#, "invalid_type", "model"),
            (r#"{"model":null}"#, "invalid_type", "model"),
            (
                r#"{"model":"gpt-5","stream":"yes"}"#,
                "invalid_type",
                "stream",
            ),
            (
                r#"{"model":"gpt-5","model":"gpt-5"}"#,
                "duplicate_key",
                "model",
            ),
            (
                r#"{"model":"gpt-5","mod\u0065l":"b"}"#,
                "duplicate_key",
                "model",
            ),
        ] {
            refused(ask, &bench, body, code).await;
            let mut client = bench.client().await;
            let response = ask.bare(&mut client, "").body(body).send().await;
            let error = &response.json()["error"];
            assert!(
                error["message"].as_str().unwrap().contains(param),
                "{error}"
            );
            if ask != Ask::Messages {
                assert_eq!(error["param"], param);
            }
        }
    }
}

#[tokio::test]
async fn nesting_up_to_the_limit_is_fine() {
    let bench = Bench::new("limits: {json-depth: 20}").await;
    for (depth, status) in [(20, 200), (21, 400)] {
        let mut client = bench.client().await;
        let request = Ask::Chat.bare(&mut client, "").body(nested(depth));
        assert_eq!(request.send().await.status, status, "{depth}");
    }
}

#[tokio::test]
async fn an_unknown_model_is_not_found_as_each_format_says_it() {
    let bench = Bench::new("").await;
    let statuses = [404, 400, 404, 404];
    for (ask, status) in Ask::ALL.into_iter().zip(statuses) {
        let mut client = bench.client().await;
        let response = ask.send(&mut client, "nobody-has-this").await;
        ask.assert_error(&response, status, "model_not_found");
        ask.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_its_length_is_told() {
    let bench = Bench::new("max-body-size: 1KiB").await;
    let big = format!(r#"{{"model":"gpt-5","x":"{}"}}"#, "x".repeat(2_000));
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        let request = ask.bare(&mut client, ask.model()).body(big.clone());
        ask.assert_error(&request.send().await, 413, "request_too_large");
        ask.is_served(&mut client).await;

        let chunks = [&big[..700], &big[700..1400], &big[1400..]];
        let request = ask.bare(&mut client, ask.model()).upload(chunks);
        ask.assert_error(&request.send().await, 413, "request_too_large");
    }
}

#[tokio::test]
async fn a_client_that_is_still_uploading_can_read_why_it_was_refused() {
    let bench = Bench::new("max-body-size: 1MiB").await;
    let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
    let pieces = || std::iter::repeat_n(piece.clone(), 12);
    let mut client = bench.client().await;
    let request = Ask::Chat.bare(&mut client, "").upload(pieces());
    Ask::Chat.assert_error(&request.send().await, 413, "request_too_large");

    let mut client = bench.client().await;
    let request = Ask::Chat
        .bare(&mut client, "")
        .upload_of(12 << 20, pieces());
    Ask::Chat.assert_error(&request.send().await, 413, "request_too_large");
    Ask::Chat.is_served(&mut bench.client().await).await;
}

#[tokio::test]
async fn a_refused_client_that_would_send_forever_is_told_that_the_connection_ends() {
    let bench = Bench::new("max-body-size: 1MiB").await;
    let never = Gate::new();
    let steps = [Step::from("x"), Step::from(&never)];
    let mut client = bench.client().await;
    let request = Ask::Chat.bare(&mut client, "").upload_of(1 << 40, steps);
    let response = request.send().await;
    Ask::Chat.assert_error(&response, 413, "request_too_large");
    assert_eq!(response.header("connection"), Some("close"));
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_a_408() {
    let bench = Bench::new("limits: {body-timeout: 0.2}").await;
    for ask in Ask::ALL {
        let never = Gate::new();
        let steps = [Step::from("{"), Step::from(&never)];
        let mut client = bench.client().await;
        let request = ask.bare(&mut client, ask.model()).upload_of(100, steps);
        ask.assert_error(&request.send().await, 408, "request_timeout");
    }
    Ask::Chat.is_served(&mut bench.client().await).await;
}

#[tokio::test]
async fn chunks_that_are_no_chunks_are_refused() {
    let bench = Bench::new("").await;
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {CLIENT_KEY}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    for chunks in [
        "zz\r\n{}\r\n0\r\n\r\n",
        "-1\r\n{}\r\n",
        "2\r\n{}garbage\r\n0\r\n\r\n",
    ] {
        let answer = raw(bench.gateway.addr(), format!("{head}{chunks}")).await;
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.starts_with("http/1.1 400"), "{chunks:?}: {answer}");
        assert!(
            answer.contains("x-aiproxy-error: invalid_body_framing"),
            "{answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
    }
    assert!(bench.upstream.requests().is_empty());
    Ask::Chat.is_served(&mut bench.client().await).await;
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

async fn encoded(ask: Ask, bench: &Bench, coding: &str, body: Vec<u8>) -> Response {
    let mut client = bench.client().await;
    let request = ask.bare(&mut client, ask.model());
    let request = request.header("content-encoding", coding).body(body);
    let response = request.send().await;
    ask.is_served(&mut client).await;
    response
}

#[tokio::test]
async fn compressed_bodies_reach_the_provider_as_plain_text() {
    let bench = Bench::new("").await;
    for ask in Ask::ALL {
        let body = ask.body(ask.model());
        let plain = body.as_bytes();
        for (coding, body) in [
            ("gzip", gzip(plain)),
            ("x-gzip", gzip(plain)),
            ("GZIP", gzip(plain)),
            ("deflate", deflate(plain)),
            ("zstd", zstd::encode_all(plain, 1).unwrap()),
            ("identity", plain.to_vec()),
        ] {
            let response = encoded(ask, &bench, coding, body).await;
            assert_eq!(response.status, 200, "{coding} {response:?}");
        }
        for request in bench.upstream.requests() {
            assert_eq!(request.header("content-encoding"), None);
        }
        assert_eq!(bench.upstream.requests().last().unwrap().body, plain);
    }
}

#[tokio::test]
async fn compressed_bodies_are_measured_by_what_they_hold() {
    let bench = Bench::new("max-body-size: 1MiB").await;
    let bomb = vec![b' '; 100 << 20];
    let bombs = [
        ("gzip", gzip(&bomb)),
        ("zstd", zstd::encode_all(&bomb[..], 1).unwrap()),
    ];
    for ask in Ask::ALL {
        for (coding, body) in &bombs {
            assert!(body.len() < 1 << 20);
            let response = encoded(ask, &bench, coding, body.clone()).await;
            ask.assert_error(&response, 413, "request_too_large");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_decompressed_is_the_clients_fault() {
    let bench = Bench::new("").await;
    let whole = gzip(&vec![b'x'; 100_000]);
    for ask in Ask::ALL {
        for (coding, body, code) in [
            (
                "gzip",
                whole[..whole.len() / 2].to_vec(),
                "invalid_content_encoding",
            ),
            ("zstd", whole.clone(), "invalid_content_encoding"),
            ("gzip", b"{}".to_vec(), "invalid_content_encoding"),
            ("br", whole.clone(), "unsupported_content_encoding"),
            ("gzip, gzip", whole.clone(), "unsupported_content_encoding"),
        ] {
            let response = encoded(ask, &bench, coding, body).await;
            ask.assert_error(&response, 400, code);
        }
    }
}
