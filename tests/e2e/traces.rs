//! Traces, as a collector gets them. Only in builds with the feature `otel`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::DeadPort;
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B, assert_no_secret};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// One field of a protobuf message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(data: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let (byte, rest) = data.split_first().unwrap();
        *data = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The fields of a message by number.
fn fields(mut data: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !data.is_empty() {
        let tag = varint(&mut data);
        let length = match tag & 7 {
            0 => {
                fields.push((tag >> 3, Field::Number(varint(&mut data))));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut data)).unwrap(),
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (bytes, rest) = data.split_at(length);
        fields.push((tag >> 3, Field::Bytes(bytes)));
        data = rest;
    }
    fields
}

fn all(data: &[u8], number: u64) -> Vec<&[u8]> {
    let found = fields(data).into_iter().filter(|(it, _)| *it == number);
    found
        .map(|(_, field)| match field {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => panic!("field {number} is a number"),
        })
        .collect()
}

fn text(data: &[u8], number: u64) -> String {
    let found = all(data, number).pop().unwrap_or_default();
    String::from_utf8(found.to_vec()).unwrap()
}

fn hex(data: &[u8], number: u64) -> String {
    let found = all(data, number).pop().unwrap_or_default();
    found.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn number(data: &[u8], wanted: u64) -> Option<u64> {
    fields(data)
        .into_iter()
        .find_map(|(it, field)| match field {
            Field::Number(number) if it == wanted => Some(number),
            _ => None,
        })
}

#[derive(Debug)]
struct Span {
    trace: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    failed: bool,
    attributes: BTreeMap<String, String>,
}

impl Span {
    fn read(data: &[u8]) -> Self {
        let attribute = |data: &&[u8]| {
            let value = all(data, 2).pop().unwrap();
            let number = number(value, 3).map(|number| number.to_string());
            (text(data, 1), number.unwrap_or_else(|| text(value, 1)))
        };
        let status = all(data, 15).pop();
        Self {
            trace: hex(data, 1),
            id: hex(data, 2),
            parent: hex(data, 4),
            name: text(data, 5),
            kind: number(data, 6).unwrap_or_default(),
            failed: status.is_some_and(|status| number(status, 3) == Some(2)),
            attributes: all(data, 9).iter().map(attribute).collect(),
        }
    }

    fn is(&self, name: &str, value: &str) {
        let found = self.attributes.get(name).map(String::as_str);
        assert_eq!(found, Some(value), "{name} of {self:?}");
    }

    fn has_no(&self, name: &str) {
        assert!(!self.attributes.contains_key(name), "{name} of {self:?}");
    }
}

const SERVER: u64 = 2;
const CLIENT: u64 = 3;

/// The spans of the collector's request `n`.
async fn batch(collector: &Upstream, n: usize) -> Vec<Span> {
    let request = collector.request(n).await;
    assert_eq!((&*request.method, &*request.target), ("POST", "/v1/traces"));
    let kind = request.header("content-type");
    assert_eq!(kind, Some("application/x-protobuf"));
    assert_no_secret("a trace", &request.body);
    assert!(!String::from_utf8_lossy(&request.body).contains("prompt-text"));
    let mut spans = Vec::new();
    for resource in all(&request.body, 1) {
        let about = String::from_utf8_lossy(all(resource, 1)[0]);
        assert!(about.contains("service.name") && about.contains("ai-proxy"));
        for scope in all(resource, 2) {
            spans.extend(all(scope, 2).into_iter().map(Span::read));
        }
    }
    spans
}

fn config(collector: &str, upstream: &Upstream) -> String {
    let url = upstream.url();
    format!(
        "api-keys: [{CLIENT_KEY}]\notel: {{endpoint: '{collector}'}}\nopenai-api-key:\n\
         - {{name: first, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', priority: 1, models: [{{id: gpt-5, alias: smart}}, gpt-5]}}\n\
         - {{name: second, api-key: {UPSTREAM_KEY_B}, base-url: '{url}', models: [{{id: gpt-5, alias: smart}}, gpt-5]}}\n"
    )
}

fn answer() -> Reply {
    Reply::json(
        200,
        json!({"id": "c", "object": "chat.completion", "model": "gpt-5-2026", "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "prompt-text"}}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}),
    )
}

async fn ask(gateway: &Gateway, model: &str, headers: &[(&str, &str)]) -> Response {
    let mut client = Client::connect(gateway.addr()).await;
    let mut request = client
        .request("POST", "/v1/chat/completions?query=prompt-text")
        .key(CLIENT_KEY);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let turn = json!({"role": "user", "content": "prompt-text"});
    let body = json!({"model": model, "messages": [turn]});
    request.json(&body).send().await
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_request_is_a_span_and_each_try_a_child_of_it() {
    let collector = Upstream::always(Reply::status(200)).await;
    let no = Reply::json(429, json!({"error": {"message": "prompt-text"}}));
    let upstream = Upstream::script([no, answer()]).await;
    let gateway = Gateway::start(&config(&collector.url(), &upstream)).await;
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("traceparent", &*traceparent),
        ("tracestate", "vendor=1"),
        ("x-request-id", "req-7"),
    ];
    assert_eq!(ask(&gateway, "gpt-5", &headers).await.status, 200);
    let spans = batch(&collector, 0).await;
    assert_eq!(spans.len(), 3, "{spans:?}");
    assert!(spans.iter().all(|span| span.trace == TRACE));
    let find = |name: &str, value: &str| {
        let mut spans = spans.iter();
        spans
            .find(|span| span.attributes.get(name).is_some_and(|it| it == value))
            .unwrap()
    };
    let request = find("aiproxy.request.id", "req-7");
    assert_eq!((&*request.parent, request.kind), (PARENT, SERVER));
    assert_eq!(request.name, "POST /v1/chat/completions");
    assert!(!request.failed);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/v1/chat/completions"),
        ("http.response.status_code", "200"),
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.request.model", "gpt-5"),
        ("gen_ai.response.model", "gpt-5-2026"),
        ("gen_ai.usage.input_tokens", "11"),
        ("gen_ai.usage.output_tokens", "7"),
    ] {
        request.is(name, value);
    }
    request.has_no("error.type");
    let refused = find("aiproxy.account", "first");
    let served = find("aiproxy.account", "second");
    for (n, attempt) in [refused, served].into_iter().enumerate() {
        assert_eq!((&attempt.parent, attempt.kind), (&request.id, CLIENT));
        assert_eq!(attempt.name, "chat gpt-5");
        attempt.is("gen_ai.provider.name", "openai");
        attempt.is("gen_ai.request.model", "gpt-5");
        attempt.is("server.address", "127.0.0.1");
        let sent = upstream.request(n).await;
        let carried = format!("00-{TRACE}-{}-01", attempt.id);
        assert_eq!(sent.header("traceparent"), Some(&*carried));
        assert_eq!(sent.header("tracestate"), Some("vendor=1"));
    }
    refused.is("http.response.status_code", "429");
    refused.is("error.type", "429");
    assert!(refused.failed && !served.failed);
    refused.has_no("http.request.resend_count");
    served.is("http.request.resend_count", "1");
    served.is("http.response.status_code", "200");
    served.is("gen_ai.usage.output_tokens", "7");
    served.has_no("error.type");
}

#[tokio::test]
async fn a_caller_that_does_not_sample_is_followed() {
    let collector = Upstream::always(Reply::status(200)).await;
    let upstream = Upstream::always(answer()).await;
    let gateway = Gateway::start(&config(
        &format!("{}/v1/traces/", collector.url()),
        &upstream,
    ))
    .await;
    let unsampled = format!("00-{TRACE}-{PARENT}-00");
    let response = ask(&gateway, "gpt-5", &[("traceparent", &unsampled)]).await;
    assert_eq!(response.status, 200);
    let sent = upstream
        .request(0)
        .await
        .header("traceparent")
        .unwrap()
        .to_owned();
    assert!(
        sent.starts_with(&format!("00-{TRACE}-")) && sent.ends_with("-00"),
        "{sent}"
    );
    // What is none begins a trace of its own.
    for (model, traceparent) in [("smart", "nonsense"), ("nobodys", "")] {
        ask(&gateway, model, &[("traceparent", traceparent)]).await;
    }
    let mut spans = batch(&collector, 0).await;
    if spans.len() < 3 {
        spans.extend(batch(&collector, 1).await);
    }
    assert_eq!(spans.len(), 3, "{spans:?}");
    let roots: Vec<_> = spans.iter().filter(|span| span.parent.is_empty()).collect();
    assert_eq!(roots.len(), 2);
    assert!(
        spans
            .iter()
            .all(|span| span.trace != TRACE && span.trace.len() == 32)
    );
    let aliased = roots
        .iter()
        .find(|span| !span.attributes.contains_key("error.type"))
        .unwrap();
    aliased.is("gen_ai.request.model", "smart");
    aliased.has_no("gen_ai.response.model");
    let unknown = roots.iter().find(|span| span.id != aliased.id).unwrap();
    unknown.is("http.response.status_code", "404");
    unknown.is("error.type", "model_not_found");
    let sent = upstream
        .request(1)
        .await
        .header("traceparent")
        .unwrap()
        .to_owned();
    assert!(sent.contains(&aliased.trace) && sent.ends_with("-01"));
}

#[tokio::test]
async fn the_last_spans_are_sent_before_the_process_ends() {
    let collector = Upstream::always(Reply::status(200)).await;
    let upstream = Upstream::always(answer()).await;
    let gateway = Gateway::start(&config(&collector.url(), &upstream)).await;
    assert_eq!(ask(&gateway, "gpt-5", &[]).await.status, 200);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.wait_exit().await.code(), Some(0));
    assert_eq!(collector.requests().len(), 1);
    assert_eq!(batch(&collector, 0).await.len(), 2);
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    let upstream = Upstream::always(answer()).await;
    let dead = DeadPort::take();
    let silent = Upstream::always(Reply::status(200).first(&Gate::new())).await;
    let refusing = Upstream::always(Reply::status(500)).await;
    for collector in [dead.url(), silent.url(), refusing.url()] {
        let gateway = Gateway::start(&config(&collector, &upstream)).await;
        let begun = Instant::now();
        for _ in 0..40 {
            assert_eq!(ask(&gateway, "gpt-5", &[]).await.status, 200);
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(10), "took {took:?}");
        gateway.signal(Signal::SIGTERM);
        assert_eq!(gateway.wait_exit().await.code(), Some(0));
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(20), "took {took:?}");
        let log = gateway.log();
        assert!(log.iter().any(|line| line.contains("traces: ")), "{log:?}");
    }
}
