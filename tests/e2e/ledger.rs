//! Every request is written down, whatever happens to the process and to the database.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ai_proxy::state::sql::{Database, DatabaseUrl};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::admin::with_key;
use crate::chat::{PATH, answer, config, question};
use crate::support::client::{Client, Key, get, post_json};
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY};
use crate::support::servers::{PASSWORD, Server};
use crate::support::upstream::Upstream;
use crate::support::within;

async fn upstream() -> Upstream {
    Upstream::handler(|_| answer("whole")).await
}

/// Asks `count` times at once.
async fn ask(addr: SocketAddr, count: usize) {
    let asked = (0..count).map(|_| async move {
        let answered = post_json(addr, PATH, CLIENT_KEY, &question()).await;
        assert_eq!(answered.status, 200, "{answered:?}");
    });
    futures::future::join_all(asked).await;
}

/// Rows, and what the sums by day say.
async fn counted(url: &str) -> (i64, i64) {
    let database = Database::new(DatabaseUrl::parse(url).unwrap());
    let dialect = database.dialect();
    let sum = dialect.int("COALESCE(SUM(requests), 0)");
    let statement = format!("SELECT COUNT(*), (SELECT {sum} FROM usage_daily) FROM request_logs");
    let rows = database.rows(&statement, Vec::new()).await.unwrap();
    let counted = (rows[0].int(0).unwrap(), rows[0].int(1).unwrap());
    database.close().await;
    counted
}

fn file(directory: &Path) -> String {
    format!("sqlite:{}", directory.join("data/ai-proxy.db").display())
}

/// The number of a metric without labels.
async fn metric(admin: SocketAddr, name: &str) -> f64 {
    let text = get(admin, "/metrics", Key::None).await.text().to_owned();
    let line = text
        .lines()
        .find(|line| line.starts_with(&format!("{name} ")));
    line.and_then(|line| line.rsplit_once(' '))
        .map_or(f64::NAN, |(_, number)| number.parse().unwrap())
}

async fn until(admin: SocketAddr, name: &str, wanted: f64) {
    within(name, async {
        while metric(admin, name).await != wanted {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_terminated_gateway_has_written_everything_down() {
    let upstream = upstream().await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    ask(gateway.addr(), 150).await;
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    assert_eq!(counted(&file(gateway.directory())).await, (150, 150));
}

#[tokio::test]
async fn an_upgrade_loses_nothing_and_counts_nothing_twice() {
    let upstream = upstream().await;
    let old = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    ask(old.addr(), 40).await;
    let new = old.start_upgrade();
    old.signal(Signal::SIGQUIT);
    new.ready().await;
    ask(new.addr(), 40).await;
    old.wait_exit().await;
    ask(new.addr(), 40).await;
    new.signal(Signal::SIGTERM);
    new.wait_exit().await;
    assert_eq!(counted(&file(old.directory())).await, (120, 120));
}

#[tokio::test]
async fn a_killed_gateway_loses_only_what_has_just_ended() {
    let upstream = upstream().await;
    let gateway = Gateway::start(&config(&[("a", &upstream.url(), "")])).await;
    ask(gateway.addr(), 60).await;
    // The promise is 100 ms on a machine that is not busy with other tests.
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.signal(Signal::SIGKILL);
    gateway.wait_exit().await;
    assert_eq!(counted(&file(gateway.directory())).await, (60, 60));
}

#[tokio::test]
async fn the_demo_leaves_no_file() {
    let demo = Gateway::command(["demo", "--once", "--port", "0"]);
    let path = demo.path("data");
    // The folder lives as long as one who knows it.
    let finished = demo.clone().run().await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn without_a_place_for_the_database_the_gateway_serves_on() {
    let upstream = upstream().await;
    for (yaml, level) in [
        ("", "WARN"),
        ("database-url: 'sqlite:data/other.db'\n", "ERROR"),
    ] {
        let yaml = format!("{yaml}{}", with_key(&config(&[("a", &upstream.url(), "")])));
        // A file stands where the folder should be.
        let gateway = Gateway::builder(&yaml).file("data", "x").start().await;
        let line = gateway
            .wait_log(|line| line.contains("usage: ") && line.contains("cannot create"))
            .await;
        assert!(line.contains(level), "{line}");
        ask(gateway.addr(), 5).await;
        let admin = gateway.admin().await;
        let text = get(admin, "/metrics", Key::None).await.text().to_owned();
        assert!(text.contains("aiproxy_usage_store_up{store=\"database\"} 0"));
        let asked = get(admin, "/admin/usage", ADMIN_KEY).await;
        assert_eq!(asked.status, 503, "{asked:?}");
        assert_eq!(asked.json()["error"]["code"], "database_unavailable");
    }
}

/// A gateway with a database of `server`, which has no tables yet.
async fn with_server(server: &Server, upstream: &Upstream) -> (Gateway, String) {
    let url = server.database().await;
    let accounts = config(&[("a", &upstream.url(), "")]);
    let yaml = format!("database-url: '{url}'\n{}", with_key(&accounts));
    (Gateway::start(&yaml).await, url)
}

async fn survives(mut server: Server) {
    let upstream = upstream().await;
    let (gateway, url) = with_server(&server, &upstream).await;
    let admin = gateway.admin().await;
    // Nobody has migrated.
    gateway
        .wait_log(|line| line.contains("run `ai-proxy migrate`"))
        .await;
    ask(gateway.addr(), 20).await;
    until(admin, "aiproxy_usage_spool_records", 20.0).await;
    let migrated = Gateway::command(["migrate", "--config", "c.yaml"])
        .file("c.yaml", format!("database-url: '{url}'\n"))
        .run()
        .await;
    assert_eq!(migrated.code, Some(0), "{migrated:?}");
    until(admin, "aiproxy_usage_records_written_total", 20.0).await;
    ask(gateway.addr(), 20).await;
    until(admin, "aiproxy_usage_records_written_total", 40.0).await;
    server.kill().await;
    ask(gateway.addr(), 20).await;
    until(admin, "aiproxy_usage_spool_records", 20.0).await;
    server.start().await;
    ask(gateway.addr(), 20).await;
    until(admin, "aiproxy_usage_records_written_total", 80.0).await;
    match url.starts_with("mysql") {
        // It takes connections and says nothing.
        true => server.freeze(),
        // Its children would go on.
        false => server.kill().await,
    }
    ask(gateway.addr(), 20).await;
    until(admin, "aiproxy_usage_spool_records", 20.0).await;
    gateway.signal(Signal::SIGKILL);
    gateway.wait_exit().await;
    match url.starts_with("mysql") {
        true => server.thaw(),
        false => server.start().await,
    }
    // The next process finds the spool.
    let next = gateway.start_again().await;
    let admin = next.admin().await;
    until(admin, "aiproxy_usage_records_written_total", 20.0).await;
    until(admin, "aiproxy_usage_spool_records", 0.0).await;
    assert_eq!(counted(&url).await, (100, 100));
}

#[tokio::test]
async fn mariadb_may_go_and_come_back() {
    survives(Server::mariadb().await).await;
}

#[tokio::test]
async fn postgres_may_go_and_come_back() {
    survives(Server::postgres().await).await;
}

#[tokio::test]
async fn a_record_that_a_server_refuses_blocks_no_others() {
    let upstream = upstream().await;
    let server = Server::postgres().await;
    let url = server.database().await;
    let database = Database::new(DatabaseUrl::parse(&url).unwrap());
    database.migrate().await.unwrap();
    let refusing = "ALTER TABLE request_logs ADD CHECK (request_id <> 'poison')";
    database.execute(refusing, Vec::new()).await.unwrap();
    let accounts = with_key(&config(&[("a", &upstream.url(), "")]));
    let gateway = Gateway::start(&format!("database-url: '{url}'\n{accounts}")).await;
    let mut client = Client::connect(gateway.addr()).await;
    let asking = client.request("POST", PATH).key(CLIENT_KEY);
    let asking = asking.header("x-request-id", "poison");
    assert_eq!(asking.json(&question()).send().await.status, 200);
    ask(gateway.addr(), 20).await;
    let admin = gateway.admin().await;
    until(admin, "aiproxy_usage_records_written_total", 20.0).await;
    until(admin, "aiproxy_usage_spool_records", 0.0).await;
    until(admin, "aiproxy_usage_records_dropped_total", 1.0).await;
    gateway
        .wait_log(|line| line.contains("the database refuses it") && line.contains("poison"))
        .await;
    assert_eq!(counted(&url).await, (20, 20));
}

#[tokio::test]
async fn a_wrong_password_is_said_and_stops_nobody() {
    let upstream = upstream().await;
    let server = Server::postgres().await;
    let url = server
        .database()
        .await
        .replace(PASSWORD, "wrong-canary-secret");
    let yaml = format!(
        "database-url: '{url}'\n{}",
        with_key(&config(&[("a", &upstream.url(), "")]))
    );
    let gateway = Gateway::start(&yaml).await;
    gateway
        .wait_log(|line| line.contains("ERROR") && line.contains("password authentication failed"))
        .await;
    ask(gateway.addr(), 3).await;
    until(gateway.admin().await, "aiproxy_usage_spool_records", 3.0).await;
}

#[tokio::test]
async fn operators_ask_what_was_used() {
    let upstream = upstream().await;
    let accounts = config(&[("=cmd", &upstream.url(), "tags: {team: 'a,b'}")]);
    let gateway = Gateway::start(&with_key(&accounts)).await;
    let admin = gateway.admin().await;
    ask(gateway.addr(), 7).await;
    until(admin, "aiproxy_usage_records_written_total", 7.0).await;
    let path = "/admin/usage?group_by=account,tag:team,day&from=-1d";
    let answered = get(admin, path, ADMIN_KEY).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    assert!(answered.complete);
    let answered: Value = answered.json();
    let rows = answered["rows"].as_array().unwrap();
    let requests: i64 = rows
        .iter()
        .map(|row| row["requests"].as_i64().unwrap())
        .sum();
    assert_eq!(requests, 7, "{answered}");
    assert_eq!(
        (&rows[0]["account"], &rows[0]["tag:team"]),
        (&"=cmd".into(), &"a,b".into())
    );
    assert_eq!(answered["complete"], true);
    let cost = rows[0]["cost_usd"].as_str().unwrap();
    assert_eq!(cost.split_once('.').unwrap().1.len(), 9, "{cost}");

    let csv = get(admin, &format!("{path}&format=csv"), ADMIN_KEY).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    let text = csv.text();
    assert!(
        text.starts_with("account,tag:team,day,requests,errors,"),
        "{text}"
    );
    assert!(text.contains("\r\n'=cmd,\"a,b\",20"), "{text}");

    let records = get(
        admin,
        "/admin/usage/records?limit=3&account=%3Dcmd",
        ADMIN_KEY,
    )
    .await
    .json();
    assert_eq!(records["rows"].as_array().unwrap().len(), 3, "{records}");
    assert_eq!(records["complete"], false);
    assert_eq!(records["rows"][0]["model_used"], "gpt-5");
    let now = get(admin, "/admin/usage/now", ADMIN_KEY).await.json();
    assert_eq!(now["rows"][0]["whose"], "all", "{now}");
    assert_eq!(now["rows"][0]["day"]["requests"], 7, "{now}");
    for (query, word) in [
        ("group_by=x", "group_by"),
        ("from=never", "from"),
        ("limit=-1", "limit"),
        ("hour=1", "hour"),
    ] {
        let refused = get(admin, &format!("/admin/usage?{query}"), ADMIN_KEY).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        assert_eq!(refused.json()["error"]["code"], "invalid_question");
        assert!(refused.text().contains(word), "{refused:?}");
    }
    let refused = get(admin, "/admin/usage", Key::None).await;
    assert_eq!(refused.status, 401);
    let mut client = Client::connect(admin).await;
    let head = client
        .request("HEAD", "/admin/usage")
        .key(ADMIN_KEY)
        .send()
        .await;
    assert_eq!((head.status, head.text().len()), (200, 0));
}

#[tokio::test]
async fn a_reload_switches_the_ledger_off_and_on() {
    let upstream = upstream().await;
    let yaml = with_key(&config(&[("a", &upstream.url(), "")]));
    let off = format!("usage: {{enabled: false}}\n{yaml}");
    let gateway = Gateway::start(&off).await;
    let admin = gateway.admin().await;
    ask(gateway.addr(), 3).await;
    gateway.write_config(&yaml);
    gateway
        .wait_log(|line| line.contains("config reloaded"))
        .await;
    ask(gateway.addr(), 4).await;
    until(admin, "aiproxy_usage_records_written_total", 4.0).await;
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    assert_eq!(counted(&file(gateway.directory())).await, (4, 4));
}
