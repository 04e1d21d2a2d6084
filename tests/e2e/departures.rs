//! Clients that leave, and clients that do not read.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

const DIALECT: Dialect = Dialect::Claude;

async fn connect(gateway: &Gateway, h2: bool) -> Client {
    match h2 {
        false => Client::connect(gateway.addr()).await,
        true => Client::h2c(gateway.addr()).await,
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_upstream_and_costs_the_account_nothing() {
    let gate = Gate::new();
    let moments = [
        (
            "before the header",
            DIALECT.answer(Mode::Stream).first(&gate),
            "",
        ),
        (
            "before content",
            Reply::sse([DIALECT.prelude()]).then(&gate),
            "",
        ),
        (
            "inside a refusal",
            DIALECT
                .refusal(429, "x", "no")
                .declared_length(999)
                .then(&gate),
            "",
        ),
        (
            "in the stream",
            Reply::sse([DIALECT.prelude() + &DIALECT.says("one")]).then(&gate),
            "one",
        ),
    ];
    let cases = moments.iter().flat_map(|(name, reply, seen)| {
        [false, true].map(|h2| leaves(name, reply.clone(), seen, h2))
    });
    join_all(cases).await;
}

async fn leaves(name: &str, reply: Reply, seen: &str, h2: bool) {
    let upstream = Upstream::script([reply, DIALECT.answer(Mode::Whole)]).await;
    let other = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let entries = [
        account("a", UPSTREAM_KEY_A, &upstream.url(), "priority: 1"),
        account("b", UPSTREAM_KEY_B, &other.url(), ""),
    ];
    let gateway = Gateway::start(&DIALECT.config("", &entries)).await;
    let mut client = connect(&gateway, h2).await;
    let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Stream);
    match seen {
        "" => tokio::select! {
            early = request.try_stream() => panic!("{name}: {:?}", early.map(|early| early.status)),
            // It has begun to answer, if it is to: the gate is the last step.
            _ = upstream.request(0) => {}
        },
        seen => {
            request.stream().await.until(seen).await;
        }
    }
    let left = Instant::now();
    drop(client);
    upstream.cancelled(0).await;
    assert!(left.elapsed() < Duration::from_secs(1), "{name}, h2: {h2}");

    let mut client = connect(&gateway, h2).await;
    let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Whole);
    assert_eq!(request.send().await.status, 200, "{name}, h2: {h2}");
    assert_eq!(
        upstream.requests().len(),
        2,
        "{name}, h2: {h2}: the account is well"
    );
    assert_eq!(
        other.requests().len(),
        0,
        "{name}, h2: {h2}: nobody else was asked"
    );
    let wrong = |line: &String| line.contains("internal error") || line.contains("rests");
    assert!(!gateway.log().iter().any(wrong), "{name}, h2: {h2}");
}

#[tokio::test]
async fn a_client_that_leaves_between_rounds_is_not_waited_for() {
    for h2 in [false, true] {
        let refusal = DIALECT.refusal(500, "api_error", "no");
        let upstream = Upstream::script([refusal, DIALECT.answer(Mode::Whole)]).await;
        let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
        let settings = "cooldown: {min: 20}";
        let gateway = Gateway::start(&DIALECT.config(settings, &[only])).await;
        let mut client = connect(&gateway, h2).await;
        let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Whole);
        tokio::select! {
            early = request.try_stream() => panic!("{:?}", early.map(|early| early.status)),
            _ = gateway.wait_log(|line| line.contains("rests 20s")) => {}
        }
        let left = Instant::now();
        drop(client);
        let line = gateway.wait_log(|line| line.contains("/v1/messages")).await;
        assert!(left.elapsed() < Duration::from_secs(1), "h2: {h2}");
        assert!(line.contains("499"), "h2: {h2}: {line}");
        let wrong = |line: &String| line.contains("internal error");
        assert!(
            !gateway.log().iter().any(wrong),
            "h2: {h2}: {:?}",
            gateway.log()
        );
        assert_eq!(upstream.requests().len(), 1);
    }
}

/// Resident memory of the gateway in MiB.
fn resident(gateway: &Gateway) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        / 1024
}

/// A stream of 200 MB behind `settings`; the gate is at its end.
async fn flood(settings: &str) -> (Upstream, Gateway, Gate) {
    flood_of(200, settings).await
}

/// The same with so many megabytes.
async fn flood_of(megabytes: usize, settings: &str) -> (Upstream, Gateway, Gate) {
    let event = DIALECT.says(&"x".repeat(10_000));
    let megabyte = Bytes::from(event.repeat(100));
    let gate = Gate::new();
    let mut steps = vec![Step::from(DIALECT.prelude())];
    steps.extend((0..megabytes).map(|_| Step::Send(megabyte.clone())));
    let reply = Reply::sse(steps).then(&gate).then(DIALECT.finale());
    let upstream = Upstream::always(reply).await;
    let only = account("a", UPSTREAM_KEY_A, &upstream.url(), "");
    let gateway = Gateway::start(&DIALECT.config(settings, &[only])).await;
    (upstream, gateway, gate)
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_fill_the_gateways_memory() {
    for h2 in [false, true] {
        let (upstream, gateway, gate) = flood("").await;
        let mut client = connect(&gateway, h2).await;
        let before = resident(&gateway);
        let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Stream);
        let stream = request.stream().await;
        // Given all the time it could want, the upstream does not get rid of its stream.
        let flooded = tokio::time::timeout(Duration::from_secs(2), gate.reached()).await;
        assert!(flooded.is_err(), "h2: {h2}: all of it was taken");
        let after = resident(&gateway);
        assert!(
            after < before + 40,
            "h2: {h2}: from {before} to {after} MiB"
        );
        drop(stream);
        drop(client);
        upstream.cancelled(0).await;
    }
}

#[tokio::test]
async fn a_client_that_reads_late_gets_all_of_it() {
    for h2 in [false, true] {
        let (upstream, gateway, gate) = flood_of(30, "timeouts: {idle: 0.3}").await;
        let mut client = connect(&gateway, h2).await;
        let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Stream);
        let stream = request.stream().await;
        // Long enough for the provider to seem silent, if what waits here were counted as its silence.
        tokio::time::sleep(Duration::from_secs(1)).await;
        gate.open();
        let response = stream.rest().await;
        assert!(response.complete, "h2: {h2}");
        let rests = |line: &String| line.contains("rests");
        assert!(!gateway.log().iter().any(rests), "h2: {h2}");
        assert_eq!(upstream.requests().len(), 1, "h2: {h2}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_cannot_hold_a_request_past_its_time() {
    for h2 in [false, true] {
        let (upstream, gateway, _gate) = flood("timeouts: {total: 1}").await;
        let mut client = connect(&gateway, h2).await;
        let request = DIALECT.request(&mut client, DIALECT.model(), Mode::Stream);
        let begun = Instant::now();
        let stream = request.stream().await;
        upstream.cancelled(0).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "h2: {h2}");
        // What it reads now breaks off where the gateway gave up writing, or ends in an error when
        // time was up before the way to the client was full.
        let response = stream.rest().await;
        if response.complete {
            let (_, class, code) = DIALECT.timed_out("request_timeout_total");
            DIALECT.before_error(response.text(), class, code);
        }
    }
}
