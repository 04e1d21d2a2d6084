//! Which of several keys serves.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::dialect::{Dialect, Mode, account};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::UPSTREAM_KEY_A;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const DIALECT: Dialect = Dialect::Chat;

fn key(n: usize) -> String {
    format!("{UPSTREAM_KEY_A}-{n:02}")
}

/// A gateway whose keys have these further settings.
async fn start(upstream: &Upstream, keys: &[&str], settings: &str) -> Gateway {
    let entry =
        |(n, more): (usize, &&str)| account(&format!("a{n}"), &key(n), &upstream.url(), more);
    let entries: Vec<_> = keys.iter().enumerate().map(entry).collect();
    Gateway::start(&DIALECT.config(settings, &entries)).await
}

/// Sends `count` requests, one after the other on one connection.
async fn ask(gateway: &Gateway, count: usize) {
    let mut client = Client::connect(gateway.addr()).await;
    for _ in 0..count {
        let request = DIALECT.request(&mut client, "gpt-5", Mode::Whole);
        assert_eq!(request.send().await.status, 200);
    }
}

/// How many requests each key has served.
fn shares(upstream: &Upstream) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for request in upstream.requests() {
        *shares.entry(DIALECT.key_of(&request)).or_insert(0) += 1;
    }
    shares
}

#[tokio::test]
async fn ten_equal_keys_serve_a_hundred_of_a_thousand_requests_each() {
    let upstream = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let gateway = start(&upstream, &[""; 10], "").await;
    join_all((0..10).map(|_| ask(&gateway, 100))).await;
    let shares = shares(&upstream);
    assert_eq!(shares.len(), 10);
    assert!(shares.values().all(|share| *share == 100), "{shares:?}");
}

#[tokio::test]
async fn weights_are_shares() {
    let upstream = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let gateway = start(&upstream, &["weight: 3", "weight: 1"], "").await;
    ask(&gateway, 40).await;
    assert_eq!(
        shares(&upstream),
        BTreeMap::from([(key(0), 30), (key(1), 10)])
    );
}

#[tokio::test]
async fn the_higher_priority_serves_as_long_as_it_can() {
    let resting = DIALECT
        .refusal(429, "rate_limit_error", "no")
        .header("retry-after", "60");
    let good = || DIALECT.answer(Mode::Whole);
    let upstream = Upstream::script([good(), good(), resting, good()]).await;
    let keys = ["priority: -1", "priority: 5", "priority: -1"];
    let gateway = start(&upstream, &keys, "").await;
    ask(&gateway, 6).await;
    let requests = upstream.requests();
    let shown: Vec<_> = requests.iter().map(|one| DIALECT.key_of(one)).collect();
    assert_eq!(shown[..3], [key(1), key(1), key(1)]);
    assert!(!shown[3..].contains(&key(1)), "{shown:?}");
    assert_eq!(
        shares(&upstream),
        BTreeMap::from([(key(0), 2), (key(1), 3), (key(2), 2)])
    );
}

#[tokio::test]
async fn fill_first_uses_one_key_until_it_rests() {
    let refusing = |n: usize| {
        let reply = DIALECT.refusal(429, "rate_limit_error", "no");
        Upstream::handler(move |request| match DIALECT.key_of(request) == key(n) {
            true => reply.clone().header("retry-after", "60"),
            false => DIALECT.answer(Mode::Whole),
        })
    };
    let settings = "routing: {strategy: fill-first}";
    let well = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let gateway = start(&well, &[""; 3], settings).await;
    ask(&gateway, 7).await;
    assert_eq!(shares(&well), BTreeMap::from([(key(0), 7)]));

    let ill = refusing(0).await;
    let gateway = start(&ill, &[""; 3], settings).await;
    ask(&gateway, 7).await;
    assert_eq!(shares(&ill), BTreeMap::from([(key(0), 1), (key(1), 7)]));
}

#[tokio::test]
async fn the_share_of_a_key_that_rests_goes_to_the_others() {
    let upstream = Upstream::handler(|request| match DIALECT.key_of(request) == key(1) {
        true => Reply::status(500).header("retry-after", "60"),
        false => DIALECT.answer(Mode::Whole),
    })
    .await;
    let gateway = start(&upstream, &[""; 4], "").await;
    ask(&gateway, 90).await;
    let shares = shares(&upstream);
    assert_eq!(shares[&key(1)], 1, "{shares:?}");
    assert_eq!(shares.values().sum::<usize>(), 91, "{shares:?}");
}
