//! Several instances as one: two and three gateways beside each other, and what Redis does to them when it
//! leaves, hangs, forgets, refuses, or holds what nobody here has written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::redis::cmd;
use ai_proxy::state::sql::Dialect as Sql;
use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::dialect::{Dialect, Mode, account};
use crate::redis::{client, until};
use crate::support::client::{Client, Key, get};
use crate::support::gateway::Gateway;
use crate::support::keys::UPSTREAM_KEY_A;
use crate::support::reply::Reply;
use crate::support::servers::{PASSWORD, Server, database};
use crate::support::upstream::{Request, Upstream};
use crate::support::within;

const DIALECT: Dialect = Dialect::Chat;
/// A request may take so long however Redis is.
const FAST: Duration = Duration::from_secs(2);

fn key(n: usize) -> String {
    format!("{UPSTREAM_KEY_A}-{n:02}")
}

fn config(dialect: Dialect, upstream: &Upstream, keys: usize, settings: &str) -> String {
    let entry = |n| account(&format!("a{n}"), &key(n), &upstream.url(), "");
    let entries: Vec<_> = (0..keys).map(entry).collect();
    dialect.config(settings, &entries)
}

fn with_redis(url: &str) -> String {
    format!("redis-url: '{url}'\nredis-prefix: 'test:'")
}

/// Gateways that share a Redis, and are connected to it.
async fn fleet(yaml: &str, count: usize) -> Vec<Gateway> {
    let gateways = join_all((0..count).map(|_| Gateway::start(yaml))).await;
    for gateway in &gateways {
        connected(gateway, 1).await;
    }
    gateways
}

/// Waits until it has connected so many times.
async fn connected(gateway: &Gateway, times: usize) {
    let is = |line: &str| line.contains("redis: connected to");
    within("redis", gateway.wait_lines(times, is)).await;
}

/// Sends `count` requests, one after the other on one connection; none may fail or be slow.
async fn ask(gateway: &Gateway, count: usize) {
    let mut client = Client::connect(gateway.addr()).await;
    for n in 0..count {
        let begin = Instant::now();
        let request = DIALECT.request(&mut client, "gpt-5", Mode::Whole);
        assert_eq!(request.send().await.status, 200);
        assert!(begin.elapsed() < FAST, "{n} took {:?}", begin.elapsed());
    }
}

/// Counts who is asked, without keeping the requests.
#[derive(Default)]
struct Counted([AtomicUsize; 10]);

impl Counted {
    async fn upstream(self: &Arc<Self>) -> Upstream {
        let counted = Arc::clone(self);
        Upstream::handler(move |request| {
            let shown = DIALECT.key_of(request);
            let n: usize = shown[shown.len() - 2..].parse().unwrap();
            counted.0[n].fetch_add(1, Ordering::Relaxed);
            DIALECT.answer(Mode::Whole)
        })
        .await
    }

    fn shares(&self) -> Vec<usize> {
        self.0
            .iter()
            .map(|one| one.load(Ordering::Relaxed))
            .collect()
    }
}

async fn metric(gateway: &Gateway, series: &str) -> f64 {
    let page = get(gateway.admin().await, "/metrics", Key::None).await;
    let text = page.text().to_owned();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{series} in {text}"))
}

async fn metric_is(gateway: &Gateway, series: &str, is: impl Fn(f64) -> bool) {
    let wait = async {
        while !is(metric(gateway, series).await) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(series, wait).await;
}

#[tokio::test]
async fn three_thousand_requests_over_ten_keys_are_even_however_they_fall_on_instances() {
    for loads in [&[2_000, 1_000][..], &[2_500, 400, 100]] {
        let redis = Server::redis().await;
        let counted = Arc::new(Counted::default());
        let upstream = counted.upstream().await;
        let yaml = config(DIALECT, &upstream, 10, &with_redis(&redis.url()));
        let gateways = fleet(&yaml, loads.len()).await;
        let each = gateways.iter().zip(loads).flat_map(|(gateway, load)| {
            // Some connections each, of unequal length.
            let part = load / 10;
            [part * 7, part * 2, part].map(|count| ask(gateway, count))
        });
        join_all(each).await;
        let shares = counted.shares();
        assert_eq!(shares.iter().sum::<usize>(), 3_000);
        assert!(
            shares.iter().all(|share| (297..=303).contains(share)),
            "{shares:?}"
        );
        // They did use one count, not one each.
        let redis = client(&redis.url());
        until(&redis, true).await;
        let keys: Vec<String> = redis
            .ask(cmd("KEYS").arg("test:turn:*"), FAST)
            .await
            .unwrap();
        assert_eq!(keys.len(), 1, "{keys:?}");
        let count: usize = redis.ask(cmd("GET").arg(&keys[0]), FAST).await.unwrap();
        assert!(count > 2_000, "{count}");
    }
}

#[tokio::test]
async fn one_request_each_of_many_instances_meets_all_keys() {
    let redis = Server::redis().await;
    let counted = Arc::new(Counted::default());
    let upstream = counted.upstream().await;
    let yaml = config(DIALECT, &upstream, 10, &with_redis(&redis.url()));
    let gateways = fleet(&yaml, 3).await;
    // The first turn of each is its own: nothing was asked for yet.
    for round in 0..11 {
        for gateway in &gateways {
            ask(gateway, 1).await;
            // The next turn has come before the next request, as with little load.
            let turns = "test:turn:*";
            let redis = client(&redis.url());
            until(&redis, true).await;
            let keys: Vec<String> = redis.ask(cmd("KEYS").arg(turns), FAST).await.unwrap();
            assert!(round == 0 || keys.len() == 1);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let shares = counted.shares();
    assert_eq!(shares.iter().sum::<usize>(), 33);
    // 30 turns of one count are 3 each; 3 were the instances' own.
    assert!(
        shares.iter().all(|share| (3..=6).contains(share)),
        "{shares:?}"
    );
}

#[tokio::test]
async fn a_rate_limit_seen_by_one_cools_the_key_for_all() {
    let redis = Server::redis().await;
    let limited = Arc::new(AtomicBool::new(true));
    let upstream = {
        let limited = Arc::clone(&limited);
        Upstream::handler(move |request| {
            match DIALECT.key_of(request) == key(0) && limited.load(Ordering::Relaxed) {
                true => DIALECT
                    .refusal(429, "rate_limit_error", "no")
                    .header("retry-after", "60"),
                false => DIALECT.answer(Mode::Whole),
            }
        })
        .await
    };
    let hits = || {
        let requests = upstream.requests();
        let hits = requests.iter().filter(|one| DIALECT.key_of(one) == key(0));
        hits.count()
    };
    let yaml = config(DIALECT, &upstream, 2, &with_redis(&redis.url()));
    let gateways = fleet(&yaml, 3).await;
    while hits() == 0 {
        ask(&gateways[0], 1).await;
    }
    assert_eq!(hits(), 1);
    let resting = r#"aiproxy_account_resting_models{account="a0",provider="openai"}"#;
    for gateway in &gateways[1..] {
        metric_is(gateway, resting, |n| n == 1.0).await;
    }
    join_all(gateways.iter().map(|gateway| ask(gateway, 30))).await;
    assert_eq!(hits(), 1, "nobody else has asked it");
    // One that begins later knows too.
    let late = fleet(&yaml, 1).await;
    metric_is(&late[0], resting, |n| n == 1.0).await;
    ask(&late[0], 30).await;
    assert_eq!(hits(), 1);
    // Nothing of a key is in Redis.
    let watcher = client(&redis.url());
    until(&watcher, true).await;
    let all: BTreeMap<String, String> = watcher
        .ask(cmd("HGETALL").arg("test:rests"), FAST)
        .await
        .unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    let shown = format!("{all:?}");
    assert!(
        shown.contains("gpt-5") && !shown.contains(UPSTREAM_KEY_A),
        "{shown}"
    );
}

#[tokio::test]
async fn a_key_that_proves_itself_to_one_is_well_for_all() {
    let redis = Server::redis().await;
    let limited = Arc::new(AtomicBool::new(true));
    let upstream = {
        let limited = Arc::clone(&limited);
        Upstream::handler(move |_| match limited.load(Ordering::Relaxed) {
            true => DIALECT
                .refusal(429, "rate_limit_error", "no")
                .header("retry-after", "1"),
            false => DIALECT.answer(Mode::Whole),
        })
        .await
    };
    let settings = format!("request-retry: 0\n{}", with_redis(&redis.url()));
    let yaml = config(DIALECT, &upstream, 1, &settings);
    let gateways = fleet(&yaml, 2).await;
    let mut client = Client::connect(gateways[0].addr()).await;
    let request = DIALECT.request(&mut client, "gpt-5", Mode::Whole);
    assert_eq!(request.send().await.status, 429);
    let usable = r#"aiproxy_account_resting_models{account="a0",provider="openai"}"#;
    metric_is(&gateways[1], usable, |n| n == 1.0).await;
    limited.store(false, Ordering::Relaxed);
    metric_is(&gateways[0], usable, |n| n == 0.0).await;
    ask(&gateways[0], 1).await;
    let health = async {
        loop {
            let redis = crate::redis::client(&redis.url());
            until(&redis, true).await;
            let left: i64 = redis
                .ask(cmd("HLEN").arg("test:rests"), FAST)
                .await
                .unwrap();
            if left == 0 {
                return;
            }
        }
    };
    within("the rest to be forgotten", health).await;
    ask(&gateways[1], 3).await;
}

/// Asks all gateways until `stop`; how many were answered.
async fn load(gateways: &[Gateway], stop: &AtomicBool) -> usize {
    let each = gateways.iter().map(|gateway| async {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            ask(gateway, 20).await;
            count += 20;
        }
        count
    });
    join_all(each).await.into_iter().sum()
}

#[tokio::test]
async fn no_request_fails_while_redis_is_killed_frozen_and_flushed() {
    let mut redis = Server::redis().await;
    let counted = Arc::new(Counted::default());
    let upstream = counted.upstream().await;
    let yaml = config(DIALECT, &upstream, 10, &with_redis(&redis.url()));
    let gateways = fleet(&yaml, 2).await;
    let stop = AtomicBool::new(false);
    let trouble = async {
        let up =
            |wanted: f64| {
                join_all(gateways.iter().map(move |gateway| {
                    metric_is(gateway, "aiproxy_redis_up", move |n| n == wanted)
                }))
            };
        up(1.0).await;
        redis.kill().await;
        up(0.0).await;
        ask(&gateways[0], 100).await;
        redis.start().await;
        up(1.0).await;
        redis.freeze();
        up(0.0).await;
        ask(&gateways[1], 100).await;
        redis.thaw();
        up(1.0).await;
        let watcher = client(&redis.url());
        until(&watcher, true).await;
        watcher.ask::<()>(&cmd("FLUSHALL"), FAST).await.unwrap();
        ask(&gateways[0], 100).await;
        // It is counted there again.
        let counting = async {
            loop {
                let keys = watcher.ask(cmd("KEYS").arg("test:turn:*"), FAST).await;
                let keys: Vec<String> = keys.unwrap();
                if !keys.is_empty() {
                    return;
                }
            }
        };
        within("turns", counting).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (asked, ()) = tokio::join!(load(&gateways, &stop), trouble);
    let shares = counted.shares();
    assert_eq!(shares.iter().sum::<usize>(), asked + 300);
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(most - least <= 20, "{shares:?}");
    for gateway in &gateways {
        let log = gateway.log();
        let lines = log.iter().filter(|line| line.contains("redis:"));
        let count = lines.count();
        assert!((2..=20).contains(&count), "{count} lines: {log:#?}");
        assert!(!log.iter().any(|line| line.contains(PASSWORD)));
        let reason = r#"aiproxy_redis_failures_total{reason="away"}"#;
        assert!(metric(gateway, reason).await > 0.0);
    }
}

#[tokio::test]
async fn when_one_instance_dies_the_others_go_on() {
    let redis = Server::redis().await;
    let counted = Arc::new(Counted::default());
    let upstream = counted.upstream().await;
    let yaml = config(DIALECT, &upstream, 10, &with_redis(&redis.url()));
    let mut gateways = fleet(&yaml, 3).await;
    join_all(gateways.iter().map(|gateway| ask(gateway, 200))).await;
    let dead = gateways.pop().unwrap();
    dead.signal(Signal::SIGKILL);
    dead.wait_exit().await;
    join_all(gateways.iter().map(|gateway| ask(gateway, 1_200))).await;
    let shares = counted.shares();
    assert_eq!(shares.iter().sum::<usize>(), 3_000);
    assert!(
        shares.iter().all(|share| (297..=303).contains(share)),
        "{shares:?}"
    );
}

#[tokio::test]
async fn a_redis_that_is_away_or_refuses_from_the_start_costs_nothing_but_a_line() {
    let mut redis = Server::redis().await;
    let upstream = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let wrong = redis.url().replace(PASSWORD, "not-the-password");
    let yaml = config(DIALECT, &upstream, 3, &with_redis(&wrong));
    let gateway = Gateway::start(&yaml).await;
    ask(&gateway, 30).await;
    let line = gateway
        .wait_log(|line| line.contains("redis:") && line.contains("is away"))
        .await;
    assert!(
        line.contains("WRONGPASS") && !line.contains("not-the-password"),
        "{line}"
    );
    let reason = r#"aiproxy_redis_failures_total{reason="refused"}"#;
    metric_is(&gateway, reason, |n| n > 0.0).await;
    assert_eq!(metric(&gateway, "aiproxy_redis_up").await, 0.0);
    redis.kill().await;
    let yaml = config(DIALECT, &upstream, 3, &with_redis(&redis.url()));
    let gateway = Gateway::start(&yaml).await;
    ask(&gateway, 30).await;
    redis.start().await;
    connected(&gateway, 1).await;
    assert_eq!(metric(&gateway, "aiproxy_redis_up").await, 1.0);
}

#[tokio::test]
async fn what_others_have_written_under_the_keys_is_left_alone() {
    let redis = Server::redis().await;
    let counted = Arc::new(Counted::default());
    let upstream = counted.upstream().await;
    let yaml = config(DIALECT, &upstream, 10, &with_redis(&redis.url()));
    let gateways = fleet(&yaml, 2).await;
    ask(&gateways[0], 10).await;
    let watcher = client(&redis.url());
    until(&watcher, true).await;
    let turns: Vec<String> = watcher
        .ask(cmd("KEYS").arg("test:turn:*"), FAST)
        .await
        .unwrap();
    for (name, value) in [(turns[0].as_str(), "a list"), ("test:rests", "a text")] {
        watcher.ask::<()>(cmd("DEL").arg(name), FAST).await.unwrap();
        let write = match value {
            "a list" => cmd("RPUSH").arg(name).arg("x").clone(),
            _ => cmd("SET").arg(name).arg("x").clone(),
        };
        watcher.ask::<()>(&write, FAST).await.unwrap();
    }
    watcher
        .publish("rests", b"\xff garbage", FAST)
        .await
        .unwrap();
    join_all(gateways.iter().map(|gateway| ask(gateway, 300))).await;
    let shares = counted.shares();
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(most - least <= 10, "{shares:?}");
    for gateway in &gateways {
        let reason = r#"aiproxy_redis_failures_total{reason="strange"}"#;
        metric_is(gateway, reason, |n| n > 0.0).await;
        let complaints = gateway
            .log()
            .iter()
            .filter(|line| line.contains("WARN"))
            .count();
        assert!(complaints <= 4, "{:#?}", gateway.log());
    }
}

#[tokio::test]
async fn turns_go_on_over_a_restart_without_redis() {
    let counted = Arc::new(Counted::default());
    let upstream = counted.upstream().await;
    for dialect in Sql::ALL {
        let before = counted.shares();
        let url = database(dialect).await;
        migrate(&url).await;
        let yaml = config(DIALECT, &upstream, 10, &format!("database-url: '{url}'"));
        // Fewer than there are keys: a process that begins anew asks one for a second time.
        for count in [5, 5] {
            let gateway = Gateway::start(&yaml).await;
            ask(&gateway, count).await;
            gateway.signal(Signal::SIGTERM);
            assert!(gateway.wait_exit().await.success());
        }
        let shares = counted.shares();
        let shares: Vec<_> = shares.iter().zip(before).map(|(a, b)| a - b).collect();
        assert_eq!(shares, [1; 10], "{dialect:?}");
    }
}

async fn migrate(url: &str) {
    use ai_proxy::state::sql::{Database, DatabaseUrl};
    let database = Database::new(DatabaseUrl::parse(url).unwrap());
    database.migrate().await.unwrap();
    database.close().await;
}

#[tokio::test]
async fn a_conversation_stays_with_its_account_on_every_instance() {
    let redis = Server::redis().await;
    let upstream = Upstream::always(DIALECT.answer(Mode::Whole)).await;
    let settings = format!(
        "routing: {{session-affinity: true}}\n{}",
        with_redis(&redis.url())
    );
    let yaml = config(DIALECT, &upstream, 10, &settings);
    let gateways = fleet(&yaml, 2).await;
    let turn = async |gateway: &Gateway, session: &str| {
        let mut client = Client::connect(gateway.addr()).await;
        let request = DIALECT.request(&mut client, "gpt-5", Mode::Whole);
        let request = request.header("x-session-id", session);
        assert_eq!(request.send().await.status, 200);
        DIALECT.key_of(upstream.requests().last().unwrap())
    };
    let watcher = client(&redis.url());
    until(&watcher, true).await;
    let mut met = std::collections::BTreeSet::new();
    for n in 0..15 {
        let session = format!("session-{n}");
        let home = turn(&gateways[n % 2], &session).await;
        let told = async {
            let homes = async || {
                let keys = watcher.ask(cmd("KEYS").arg("test:home:*"), FAST).await;
                let keys: Vec<String> = keys.unwrap();
                keys.len()
            };
            while homes().await <= n {}
        };
        within("the conversation in Redis", told).await;
        assert_eq!(turn(&gateways[(n + 1) % 2], &session).await, home);
        assert_eq!(turn(&gateways[n % 2], &session).await, home);
        met.insert(home);
    }
    assert!(met.len() >= 5, "{met:?}");
    // Without Redis, known ones stay and new ones find an account at once.
    redis.freeze();
    let begin = Instant::now();
    turn(&gateways[0], "session-0").await;
    turn(&gateways[0], "session-new").await;
    assert!(begin.elapsed() < FAST, "{:?}", begin.elapsed());
    redis.thaw();
}

/// A provider whose response ids name the key that made them.
async fn provider() -> Upstream {
    const RESPONSES: Dialect = Dialect::Responses;
    Upstream::handler(|request: &Request| {
        let shown = RESPONSES.key_of(request);
        let mut document = RESPONSES.document("fine");
        document["id"] = json!(format!("resp_{}", &shown[shown.len() - 2..]));
        Reply::json(200, document)
    })
    .await
}

async fn respond(gateway: &Gateway, previous: Option<&str>) -> (u16, serde_json::Value) {
    let mut client = Client::connect(gateway.addr()).await;
    let mut body = Dialect::Responses.body("gpt-5", Mode::Whole);
    if let Some(previous) = previous {
        body["previous_response_id"] = json!(previous);
    }
    let request = client.request("POST", "/v1/responses");
    let request = request.key(Dialect::Responses.key());
    let response = request.json(&body).send().await;
    (response.status, response.json())
}

/// Goes on from what `maker` makes, on `other`: with the same key, whichever that is.
async fn goes_on(maker: &Gateway, other: &Gateway, upstream: &Upstream) {
    for _ in 0..4 {
        let (status, made) = respond(maker, None).await;
        assert_eq!(status, 200);
        let id = made["id"].as_str().unwrap().to_owned();
        known(other, &id, upstream).await;
    }
}

async fn known(gateway: &Gateway, id: &str, upstream: &Upstream) {
    let (status, again) = respond(gateway, Some(id)).await;
    assert_eq!(status, 200, "{again}");
    let last = || {
        let requests = upstream.requests();
        Dialect::Responses.key_of(requests.last().unwrap())
    };
    assert!(last().ends_with(&id[5..]), "{id} by {}", last());
    for method in ["GET", "DELETE"] {
        let mut client = Client::connect(gateway.addr()).await;
        let request = client.request(method, &format!("/v1/responses/{id}"));
        let response = request.key(Dialect::Responses.key()).send().await;
        assert_eq!(response.status, 200, "{method}");
        assert!(last().ends_with(&id[5..]));
    }
}

#[tokio::test]
async fn a_response_of_one_instance_is_continued_on_another() {
    let redis = Server::redis().await;
    let upstream = provider().await;
    let yaml = config(Dialect::Responses, &upstream, 5, &with_redis(&redis.url()));
    let gateways = fleet(&yaml, 2).await;
    goes_on(&gateways[0], &gateways[1], &upstream).await;
    goes_on(&gateways[1], &gateways[0], &upstream).await;
    let (status, body) = respond(&gateways[0], Some("resp_unknown")).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn a_response_is_known_after_a_restart_and_to_instances_of_one_database() {
    let upstream = provider().await;
    for dialect in Sql::ALL {
        let url = database(dialect).await;
        migrate(&url).await;
        let settings = format!("database-url: '{url}'");
        let yaml = config(Dialect::Responses, &upstream, 5, &settings);
        let gateway = Gateway::start(&yaml).await;
        let (_, made) = respond(&gateway, None).await;
        let id = made["id"].as_str().unwrap().to_owned();
        gateway.signal(Signal::SIGTERM);
        gateway.wait_exit().await;
        let gateway = Gateway::start(&yaml).await;
        known(&gateway, &id, &upstream).await;
        // Another client's is nobody's.
        let other = "sk-client-other-0123456789";
        let yaml = yaml.replacen("api-keys: [", &format!("api-keys: [{other}, "), 1);
        let stranger = Gateway::start(&yaml).await;
        let mut client = Client::connect(stranger.addr()).await;
        let request = client.request("GET", &format!("/v1/responses/{id}"));
        let response = request.key(Key::Bearer(other.into())).send().await;
        assert_eq!(response.status, 404, "{dialect:?}");
    }
}

#[tokio::test]
async fn a_response_that_redis_has_lost_or_garbled_is_found_in_the_database() {
    let redis = Server::redis().await;
    let upstream = provider().await;
    let url = database(Sql::Sqlite).await;
    let settings = format!("database-url: '{url}'\n{}", with_redis(&redis.url()));
    let yaml = config(Dialect::Responses, &upstream, 5, &settings);
    let gateways = fleet(&yaml, 2).await;
    let (_, made) = respond(&gateways[0], None).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let watcher = client(&redis.url());
    until(&watcher, true).await;
    let key = format!("test:response:{id}");
    let written = async {
        while !watcher
            .ask::<bool>(cmd("EXISTS").arg(&key), FAST)
            .await
            .unwrap()
        {}
    };
    within("the response in Redis", written).await;
    watcher
        .ask::<()>(cmd("SET").arg(&key).arg("\u{fffd}garbage"), FAST)
        .await
        .unwrap();
    let database = async {
        loop {
            let (status, _) = respond(&gateways[1], Some(&id)).await;
            if status == 200 {
                return;
            }
        }
    };
    within("the response in the database", database).await;
    // Redis hangs: whoever asks for what nobody knows waits for the deadline and no longer.
    redis.freeze();
    let begin = Instant::now();
    let (status, _) = respond(&gateways[1], Some("resp_nobody")).await;
    assert_eq!(status, 400);
    assert!(begin.elapsed() < FAST, "{:?}", begin.elapsed());
    redis.thaw();
}
