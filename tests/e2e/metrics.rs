//! What is counted while requests run, read as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use prometheus_parse::{Scrape, Value};

use crate::admin::with_key;
use crate::chat::{answer, answered, ask, config, gated_stream, question, streamed_question, text};
use crate::dialect::{Dialect, Mode};
use crate::support::client::{Client, Key, get, post_json};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// The series of one scrape, by name and labels.
struct Scraped(BTreeMap<String, Value>);

impl Scraped {
    async fn of(gateway: &Gateway) -> Self {
        let response = get(gateway.admin().await, "/metrics", Key::None).await;
        assert_eq!(response.status, 200);
        Self::parse(response.text())
    }

    /// Checks what every exposition has to keep to.
    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'));
        let mut declared = BTreeSet::new();
        let mut lines = BTreeSet::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let name = rest.split(' ').next().unwrap();
                assert!(declared.insert(name), "{name} is declared twice");
                continue;
            }
            if line.starts_with('#') {
                assert!(line.starts_with("# HELP "), "{line}");
                continue;
            }
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(lines.insert(series), "{series} is there twice");
            value.parse::<f64>().unwrap();
            let name = series.split('{').next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end).filter(|one| declared.contains(one)));
            assert!(
                declared.contains(family.unwrap_or(name)),
                "{line} has no type"
            );
        }
        let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap();
        let mut all = BTreeMap::new();
        for sample in scrape.samples {
            let labels: BTreeMap<_, _> = sample.labels.iter().collect();
            let labels: Vec<_> = labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let key = format!("{} {}", sample.metric, labels.join(" "));
            if let Value::Histogram(buckets) = &sample.value {
                assert!(
                    buckets.is_sorted_by(|a, b| a.less_than < b.less_than && a.count <= b.count)
                );
            }
            assert!(all.insert(key, sample.value).is_none());
        }
        assert!(all.len() > 20, "{text}");
        Self(all)
    }

    /// The number of one series; 0 when it is not there.
    fn number(&self, series: &str) -> f64 {
        match self.0.get(series) {
            None => 0.0,
            Some(Value::Counter(n) | Value::Gauge(n) | Value::Untyped(n)) => *n,
            Some(Value::Histogram(buckets)) => buckets.last().unwrap().count,
            Some(other) => panic!("{series}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_served_request_is_counted_everywhere() {
    let gate = Gate::new();
    let upstream = Upstream::script([answer("one"), gated_stream(&gate)]).await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    assert_eq!(text(&answered(&gateway).await), "one");
    let mut client = Client::connect(gateway.addr()).await;
    let mut stream = ask(&mut client, &streamed_question()).stream().await;
    stream.until("one").await;
    let scraped = Scraped::of(&gateway).await;
    assert_eq!(
        scraped.number("aiproxy_streams_open format=openai-chat"),
        1.0
    );
    assert_eq!(scraped.number("aiproxy_requests_running "), 1.0);
    assert!(scraped.number("aiproxy_connections_open ") >= 1.0);
    gate.open();
    assert!(stream.rest().await.complete);
    // The line is written before the request is counted; a health question comes after both.
    gateway
        .wait_lines(2, |line| line.contains("/v1/chat/completions"))
        .await;
    get(gateway.addr(), "/health", Key::None).await;
    let scraped = Scraped::of(&gateway).await;
    for (series, want) in [
        (
            "aiproxy_requests_total format=openai-chat provider=openai status=2xx",
            2.0,
        ),
        (
            "aiproxy_request_duration_seconds format=openai-chat provider=openai",
            2.0,
        ),
        (
            "aiproxy_time_to_first_token_seconds format=openai-chat provider=openai",
            1.0,
        ),
        ("aiproxy_gateway_overhead_seconds part=request", 2.0),
        ("aiproxy_gateway_overhead_seconds part=answer", 2.0),
        ("aiproxy_attempts_total account=a", 2.0),
        ("aiproxy_streams_open format=openai-chat", 0.0),
        ("aiproxy_requests_running ", 0.0),
        ("aiproxy_account_usable account=a provider=openai", 1.0),
    ] {
        assert_eq!(scraped.number(series), want, "{series} in {:#?}", scraped.0);
    }
    assert!(scraped.number("process_resident_memory_bytes ") > 1e6);
    assert!(scraped.number("aiproxy_config_last_reload_success_timestamp_seconds ") > 1e9);
    assert!(
        !scraped
            .0
            .keys()
            .any(|series| series.starts_with("aiproxy_errors_total"))
    );
}

#[tokio::test]
async fn failures_retries_and_rests_have_their_cause() {
    let limited = Reply::status(429).header("retry-after", "100");
    let refused = Reply::status(401);
    let upstream = Upstream::script([limited, refused, answer("x")]).await;
    let url = upstream.url();
    let gateway = Gateway::start(&config(&[
        ("limited", &url, "priority: 2"),
        ("refused", &url, "priority: 1"),
        ("well", &url, ""),
    ]))
    .await;
    assert_eq!(text(&answered(&gateway).await), "x");
    let keyless = post_json(gateway.addr(), crate::chat::PATH, Key::None, &question()).await;
    assert_eq!(keyless.status, 401);
    get(gateway.addr(), "/health", Key::None).await;
    let scraped = Scraped::of(&gateway).await;
    for (series, want) in [
        ("aiproxy_retries_total cause=rate_limit", 1.0),
        ("aiproxy_retries_total cause=auth", 1.0),
        (
            "aiproxy_cooldowns_total account=limited cause=rate_limit scope=model",
            1.0,
        ),
        (
            "aiproxy_cooldowns_total account=refused cause=auth scope=key",
            1.0,
        ),
        (
            "aiproxy_account_usable account=refused provider=openai",
            0.0,
        ),
        (
            "aiproxy_account_usable account=limited provider=openai",
            1.0,
        ),
        (
            "aiproxy_account_resting_models account=limited provider=openai",
            1.0,
        ),
        ("aiproxy_errors_total cause=auth", 1.0),
        (
            "aiproxy_requests_total format=other provider=none status=4xx",
            1.0,
        ),
    ] {
        assert_eq!(scraped.number(series), want, "{series} in {:#?}", scraped.0);
    }
}

#[tokio::test]
async fn made_up_models_make_no_series() {
    let upstream = Upstream::always(Dialect::Claude.answer(Mode::Whole)).await;
    let yaml = format!(
        "api-keys: [{CLIENT_KEY}]\nclaude-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{}'}}]\n\
         openai-compatibility: [{{name: c, base-url: '{}', models: [known]}}]\n\
         routes: [{{model: 'claude-*', providers: [anthropic]}}]\n",
        upstream.url(),
        upstream.url(),
    );
    let builder = Gateway::builder(&yaml).env("RUST_LOG", "info,access=off");
    let gateway = builder.start().await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut ask = async |model: &str| {
        let mut question = question();
        question["model"] = model.into();
        let request = client.request("POST", crate::chat::PATH).key(CLIENT_KEY);
        request.json(&question).send().await.status
    };
    assert_eq!(ask("claude-x").await, 200);
    assert_eq!(ask("nobody").await, 404);
    let before = Scraped::of(&gateway).await;
    for n in 0..300 {
        assert_eq!(ask(&format!("claude-{n}")).await, 200);
        assert_eq!(ask(&format!("nobody-{n}")).await, 404);
    }
    let after = Scraped::of(&gateway).await;
    let names = |scraped: &Scraped| scraped.0.keys().cloned().collect::<BTreeSet<_>>();
    let new: Vec<_> = names(&after).difference(&names(&before)).cloned().collect();
    assert!(new.is_empty(), "{new:#?}");
    assert!(after.number("aiproxy_tokens_total kind=input model=other provider=anthropic") > 0.0);
}

#[tokio::test]
async fn metrics_come_as_json_to_those_who_ask_for_it() {
    let gateway = Gateway::start(&with_key(&config(&[("a", "http://127.0.0.1:9", "")]))).await;
    let mut client = Client::connect(gateway.admin().await).await;
    for (accept, is_json) in [
        ("application/json", true),
        ("application/json;q=0.9, text/plain", true),
        ("text/plain", false),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1",
            false,
        ),
        ("*/*", false),
    ] {
        let response = client
            .request("GET", "/metrics")
            .header("accept", accept)
            .send()
            .await;
        let kind = response.header("content-type").unwrap();
        assert_eq!(kind == "application/json", is_json, "{accept}: {kind}");
        if is_json {
            assert!(response.json()["families"].as_array().unwrap().len() > 10);
        }
    }
}
