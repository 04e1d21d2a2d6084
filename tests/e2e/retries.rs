//! Rounds over the keys, rests between them, and what a provider's hint is worth.

use std::time::{Duration, Instant, SystemTime};

use futures::future::join_all;
use serde_json::json;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const DIALECT: Dialect = Dialect::Chat;

async fn ask(gateway: &Gateway, dialect: Dialect, model: &str) -> Response {
    let mut client = Client::connect(gateway.addr()).await;
    dialect
        .request(&mut client, model, Mode::Whole)
        .send()
        .await
}

/// A gateway whose accounts a, b, … are keys of `upstream`.
async fn start(upstream: &Upstream, dialect: Dialect, keys: usize, settings: &str) -> Gateway {
    let entry = |n| account(&format!("a{n}"), &key(n), &upstream.url(), "");
    let entries: Vec<_> = (0..keys).map(entry).collect();
    Gateway::start(&dialect.config(settings, &entries)).await
}

fn key(n: usize) -> String {
    format!("{UPSTREAM_KEY_A}-{n:02}")
}

fn refusal(status: u16) -> Reply {
    DIALECT.refusal(status, "server_error", "no")
}

#[tokio::test]
async fn every_round_tries_every_key_once() {
    let upstream = Upstream::always(refusal(500)).await;
    // Rests so short that every key is back when its turn comes.
    let settings = "request-retry: 2\ncooldown: {min: 0.001, max: 0.001}";
    let gateway = start(&upstream, DIALECT, 3, settings).await;
    let response = ask(&gateway, DIALECT, "gpt-5").await;
    let (status, class, code) = DIALECT.unavailable();
    DIALECT.assert_told(&response, status, class, code);
    let mut shown: Vec<_> = upstream
        .requests()
        .iter()
        .map(|one| DIALECT.key_of(one))
        .collect();
    assert_eq!(shown.len(), 9);
    for round in shown.chunks_mut(3) {
        round.sort();
        assert_eq!(round, [key(0), key(1), key(2)]);
    }
}

#[tokio::test]
async fn no_key_is_left_out_however_many_there_are() {
    let script = (0..39)
        .map(|_| refusal(503))
        .chain([DIALECT.answer(Mode::Whole)]);
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    let settings = "request-retry: 3\ncooldown: {min: 0.001, max: 0.001}";
    let gateway = start(&upstream, DIALECT, 10, settings).await;
    assert_eq!(ask(&gateway, DIALECT, "gpt-5").await.status, 200);
    assert_eq!(upstream.requests().len(), 40);
}

#[tokio::test]
async fn a_key_that_is_back_first_is_not_kept_waiting_for_another() {
    let hint = |millis: &str| refusal(429).header("retry-after-ms", millis);
    let script = [
        hint("60000"),
        DIALECT.answer(Mode::Whole),
        hint("200"),
        DIALECT.answer(Mode::Whole),
    ];
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    let settings = "request-retry: 1\ncooldown: {min: 0.05}";
    let gateway = start(&upstream, DIALECT, 2, settings).await;
    for _ in 0..2 {
        assert_eq!(ask(&gateway, DIALECT, "gpt-5").await.status, 200);
    }
    let requests = upstream.requests();
    let shown: Vec<_> = requests.iter().map(|one| DIALECT.key_of(one)).collect();
    assert_eq!(shown, [key(0), key(1), key(1), key(1)]);
}

#[tokio::test]
async fn hints_are_respected_up_to_the_cap() {
    // Far off, so that it is the cap that counts, however long the test takes to begin.
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(600));
    let gemini = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "no",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.6s"}]}});
    let ms = Duration::from_millis;
    let cases = [
        (DIALECT, "none", refusal(429), ms(50)),
        (
            DIALECT,
            "seconds",
            refusal(429).header("retry-after", "1"),
            ms(1_000),
        ),
        (
            DIALECT,
            "ms",
            refusal(429).header("retry-after-ms", "600"),
            ms(600),
        ),
        (
            DIALECT,
            "ms first",
            refusal(503)
                .header("retry-after", "9")
                .header("retry-after-ms", "600"),
            ms(600),
        ),
        (
            DIALECT,
            "date",
            refusal(429).header("retry-after", &date),
            ms(2_500),
        ),
        (
            DIALECT,
            "empty",
            Reply::status(429).header("retry-after-ms", "600"),
            ms(600),
        ),
        (
            DIALECT,
            "bucket",
            refusal(429)
                .header("x-ratelimit-remaining-tokens", "0")
                .header("x-ratelimit-reset-tokens", "600ms"),
            ms(600),
        ),
        (
            Dialect::Gemini,
            "RetryInfo",
            Reply::json(429, gemini),
            ms(600),
        ),
        (
            DIALECT,
            "capped",
            refusal(429).header("retry-after", "3600"),
            ms(2_500),
        ),
    ];
    join_all(cases.map(|(dialect, name, reply, least)| async move {
        let upstream = Upstream::script([reply, dialect.answer(Mode::Whole)]).await;
        let settings = "request-retry: 1\ncooldown: {min: 0.05, max: 2.5}";
        let gateway = start(&upstream, dialect, 1, settings).await;
        let begun = Instant::now();
        let response = ask(&gateway, dialect, dialect.model()).await;
        let took = begun.elapsed();
        assert_eq!(response.status, 200, "{name}: {response:?}");
        assert!(
            took >= least && took < least + ms(8_000),
            "{name}: {took:?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_hint_that_is_too_long_to_wait_for_is_passed_on_at_once() {
    for dialect in Dialect::ALL {
        let reply = dialect
            .refusal(429, "rate_limit_error", "no")
            .header("retry-after", "40");
        let upstream = Upstream::always(reply).await;
        let settings = "request-retry: 3\nmax-retry-interval: 5";
        let gateway = start(&upstream, dialect, 1, settings).await;
        for _ in 0..2 {
            let begun = Instant::now();
            let response = ask(&gateway, dialect, dialect.model()).await;
            assert!(begun.elapsed() < Duration::from_secs(2));
            let (status, class, code) = dialect.limited();
            dialect.assert_told(&response, status, class, code);
            let seconds: u32 = response.header("retry-after").unwrap().parse().unwrap();
            assert!((20..=40).contains(&seconds), "{response:?}");
            let millis: u32 = response.header("retry-after-ms").unwrap().parse().unwrap();
            assert!((20_000..=40_000).contains(&millis), "{response:?}");
            if dialect == Dialect::Gemini {
                assert!(response.text().contains("RetryInfo"), "{response:?}");
            }
        }
        assert_eq!(
            upstream.requests().len(),
            1,
            "while it rests it is not asked"
        );
    }
}

#[tokio::test]
async fn after_a_rest_one_request_probes_and_the_others_wait_for_it() {
    let gate = Gate::new();
    let probe = DIALECT.answer(Mode::Whole).first(&gate);
    let resting = refusal(429).header("retry-after-ms", "300");
    let upstream = Upstream::script([resting, probe, DIALECT.answer(Mode::Whole)]).await;
    let settings = "request-retry: 3\ncooldown: {min: 0.05}";
    let gateway = start(&upstream, DIALECT, 1, settings).await;
    let first = ask(&gateway, DIALECT, "gpt-5");
    let others = async {
        gateway.wait_log(|line| line.contains("rests")).await;
        join_all((0..5).map(|_| ask(&gateway, DIALECT, "gpt-5"))).await
    };
    let watch = async {
        gate.reached().await;
        // Long enough for each of them to look again several times.
        let third = tokio::time::timeout(Duration::from_millis(1_500), upstream.request_head(2));
        assert!(third.await.is_err());
        gate.open();
    };
    let (first, others, ()) = tokio::join!(first, others, watch);
    assert_eq!(first.status, 200, "{first:?}");
    for response in others {
        assert_eq!(response.status, 200, "{response:?}");
    }
    assert_eq!(upstream.requests().len(), 7);
}

#[tokio::test]
async fn while_one_key_is_probed_the_other_serves() {
    let gate = Gate::new();
    let probe = DIALECT.answer(Mode::Whole).first(&gate);
    let resting = refusal(500);
    let first = Upstream::script([resting, probe])
        .exhausted_is_failure()
        .await;
    let second = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let entries = [
        account("a", UPSTREAM_KEY_A, &first.url(), "priority: 1"),
        account("b", UPSTREAM_KEY_B, &second.url(), ""),
    ];
    let settings = "cooldown: {min: 0.05}";
    let gateway = Gateway::start(&DIALECT.config(settings, &entries)).await;
    assert_eq!(ask(&gateway, DIALECT, "gpt-5").await.status, 200);
    let probing = async {
        // The rest is short; the first request after it is the probe.
        while first.requests().len() < 2 {
            assert_eq!(ask(&gateway, DIALECT, "gpt-5").await.status, 200);
        }
    };
    let others = async {
        gate.reached().await;
        for _ in 0..5 {
            assert_eq!(ask(&gateway, DIALECT, "gpt-5").await.status, 200);
        }
        gate.open();
    };
    tokio::join!(probing, others);
    assert_eq!(first.requests().len(), 2);
}

#[tokio::test]
async fn a_limit_rests_a_model_and_a_refused_key_rests_the_key() {
    for (status, other_model) in [(429, 200), (500, 200), (401, 503), (403, 503), (402, 429)] {
        let upstream = Upstream::script([refusal(status), DIALECT.answer(Mode::Whole)]).await;
        let settings = "request-retry: 0\ncooldown: {min: 30}";
        let gateway = start(&upstream, DIALECT, 1, settings).await;
        assert!(ask(&gateway, DIALECT, "gpt-5").await.status >= 429);
        let response = ask(&gateway, DIALECT, "gpt-4.1").await;
        assert_eq!(response.status, other_model, "after {status}: {response:?}");
        assert!(
            ask(&gateway, DIALECT, "gpt-5").await.status >= 429,
            "it still rests"
        );
    }
}

#[tokio::test]
async fn keys_that_rest_for_different_reasons_are_no_rate_limit() {
    let upstream = Upstream::script([refusal(500), refusal(429)])
        .exhausted_is_failure()
        .await;
    let gateway = start(
        &upstream,
        DIALECT,
        2,
        "request-retry: 0\ncooldown: {min: 30}",
    )
    .await;
    for _ in 0..2 {
        let (status, class, code) = DIALECT.unavailable();
        DIALECT.assert_told(&ask(&gateway, DIALECT, "gpt-5").await, status, class, code);
    }
}

#[tokio::test]
async fn tries_after_a_provider_had_answered_are_capped() {
    for (cap, tries) in [(0, 1), (1, 2), (2, 3), (9, 5)] {
        let upstream = Upstream::always(Reply::sse([DIALECT.overloaded_event()])).await;
        let settings = format!("request-retry: 0\nstreaming: {{bootstrap-retries: {cap}}}");
        let gateway = start(&upstream, DIALECT, 5, &settings).await;
        let mut client = Client::connect(gateway.addr()).await;
        let request = DIALECT.request(&mut client, "gpt-5", Mode::Stream);
        let (status, class, code) = DIALECT.unavailable();
        DIALECT.assert_told(&request.send().await, status, class, code);
        assert_eq!(upstream.requests().len(), tries, "bootstrap-retries: {cap}");
    }
}
