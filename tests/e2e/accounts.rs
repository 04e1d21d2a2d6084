//! Accounts that are made, changed and deleted while gateways run, on every database.

mod api;
mod away;
mod refused;

use std::time::{Duration, Instant};

use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect};
use serde_json::json;

use crate::chat::{answer, answered, text};
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B, assert_no_secret};
use crate::support::servers::database;
use crate::support::upstream::Upstream;
use api::{Api, SECRET_A, SECRET_B, entry, yaml};

/// A migrated, empty database.
async fn fresh(dialect: Dialect) -> String {
    let url = database(dialect).await;
    migrated(&url).await;
    url
}

async fn migrated(url: &str) {
    let database = Database::new(DatabaseUrl::parse(url).unwrap());
    database.migrate().await.unwrap();
    database.close().await;
}

/// How long a change may take to be in force on another instance.
const SECOND: Duration = Duration::from_secs(1);

/// Waits until the gateway has heard of so many changes; how long that took.
async fn heard(gateway: &Gateway, changes: usize) -> Duration {
    let began = Instant::now();
    let is_change = |line: &str| line.contains("the accounts of the database have changed");
    gateway.wait_lines(changes, is_change).await;
    began.elapsed()
}

#[tokio::test]
async fn a_change_on_one_instance_is_in_force_there_at_once_and_on_the_other_within_a_second() {
    for dialect in Dialect::ALL {
        let (first, second) = (
            Upstream::always(answer("first")).await,
            Upstream::always(answer("second")).await,
        );
        let config = yaml(&fresh(dialect).await, &[SECRET_A], "");
        let (one, other) = (Gateway::start(&config).await, Gateway::start(&config).await);
        let (api, there) = (Api::of(&one).await, Api::of(&other).await);
        assert_eq!(answered(&one).await.status, 404, "nobody serves yet");

        let made = api.post(&entry("a", &first.url(), UPSTREAM_KEY_A)).await;
        assert_eq!(made.status, 201, "{dialect:?} {made:?}");
        let mut times = vec![heard(&other, 1).await];
        assert_eq!(made.header("location"), Some("/admin/accounts/a"));
        for gateway in [&one, &other] {
            assert_eq!(text(&answered(gateway).await), "first", "{dialect:?}");
        }
        let key = format!("Bearer {UPSTREAM_KEY_A}");
        assert_eq!(first.requests()[0].header("authorization"), Some(&*key));

        let tag = made.header("etag").unwrap().to_owned();
        let change = json!({"base-url": second.url(), "api-key": UPSTREAM_KEY_B});
        let changed = there.patch("a", &tag, &change).await;
        assert_eq!(changed.status, 200, "{dialect:?} {changed:?}");
        times.push(heard(&one, 2).await);
        for gateway in [&one, &other] {
            assert_eq!(text(&answered(gateway).await), "second", "{dialect:?}");
        }
        // What the first one has read is out of date.
        let stale = api.patch("a", &tag, &json!({"weight": 2})).await;
        assert_eq!(stale.status, 412);
        assert_eq!(api::code(&stale), "stale_version");

        let path = "/admin/accounts/a";
        let disabled = api
            .call("POST", &format!("{path}/disable"), &[], None)
            .await;
        assert_eq!(disabled.json()["state"], "disabled", "{disabled:?}");
        times.push(heard(&other, 3).await);
        for gateway in [&one, &other] {
            assert_eq!(answered(gateway).await.status, 404, "{dialect:?}");
        }
        let enabled = there
            .call("POST", &format!("{path}/enable"), &[], None)
            .await;
        let tag = enabled.header("etag").unwrap().to_owned();
        times.push(heard(&one, 4).await);
        assert_eq!(text(&answered(&one).await), "second");
        let gone = there
            .call("DELETE", path, &[("if-match", &tag)], None)
            .await;
        assert_eq!(gone.json()["deleted"], "a", "{gone:?}");
        times.push(heard(&one, 5).await);
        assert_eq!(api.get("a").await.status, 404);
        // One of them may meet with a machine that is busy with other tests.
        times.sort_unstable();
        assert!(times[2] < SECOND, "{dialect:?} {times:?}");

        let audit = there.call("GET", "/admin/audit?account=a", &[], None).await;
        let rows = audit.json()["audit"].clone();
        let of = |key: &str| -> Vec<String> {
            let rows = rows.as_array().unwrap().iter();
            rows.map(|row| row[key].to_string().replace('"', ""))
                .collect()
        };
        let actions = ["delete", "enable", "disable", "change", "create"];
        assert_eq!(of("action"), actions);
        assert_eq!(rows[3]["changed"], json!(["api-key", "base-url"]));
        assert_eq!(rows[0]["new_version"], json!(null));
        assert_eq!(of("address")[0], "127.0.0.1");
        assert!(of("key")[0].starts_with("sha256:"), "{rows}");
    }
}

#[tokio::test]
async fn secrets_are_written_and_never_read() {
    let upstream = Upstream::always(answer("x")).await;
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let api = Api::of(&gateway).await;
    let mut document = entry("a", &upstream.url(), UPSTREAM_KEY_A);
    document["headers"] = json!({"x-more": UPSTREAM_KEY_B, "x-copied": "$user-agent"});
    let made = api.post(&document).await;
    assert_eq!(made.status, 201, "{made:?}");
    let shown = made.json()["config"].clone();
    assert_eq!(shown["api-key"], "sk-…et-a");
    assert_eq!(
        shown["headers"],
        json!({"x-copied": "$user-agent", "x-more": "sk-…et-b"})
    );
    assert_eq!(shown["base-url"], json!(upstream.url()));
    let tag = made.header("etag").unwrap().to_owned();

    // What is shown is no secret, and is not taken for one.
    for change in [
        json!({"api-key": "sk-…et-a"}),
        json!({"headers": {"x-more": "***"}}),
    ] {
        let refused = api.patch("a", &tag, &change).await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
    let patched = api
        .patch(
            "a",
            &tag,
            &json!({"weight": 7, "headers": {"x-copied": null}}),
        )
        .await;
    assert_eq!(patched.json()["weight"], 7, "{patched:?}");
    assert_eq!(text(&answered(&gateway).await), "x");
    let sent = &upstream.requests()[0];
    assert_eq!(
        sent.header("authorization"),
        Some(&*format!("Bearer {UPSTREAM_KEY_A}"))
    );
    assert_eq!(
        sent.header("x-more"),
        Some(UPSTREAM_KEY_B),
        "a patch keeps the old secrets"
    );
    assert_eq!(sent.header("x-copied"), None);

    for path in [
        "/admin/accounts",
        "/admin/accounts/a",
        "/admin/config",
        "/admin/audit",
        "/metrics",
    ] {
        let answer = api.call("GET", path, &[], None).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_no_secret(path, answer.text().as_bytes());
    }
    let file = url.strip_prefix("sqlite:").unwrap();
    for file in [file.to_owned(), format!("{file}-wal")] {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert_no_secret(&file, &bytes);
    }
}

#[tokio::test]
async fn accounts_outlive_the_process_and_the_keys_that_seal_them_rotate() {
    let upstream = Upstream::always(answer("kept")).await;
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let made = Api::of(&gateway)
        .await
        .post(&entry("a", &upstream.url(), UPSTREAM_KEY_A))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    drop(gateway);

    // The first request finds them: nothing is served before they were looked for.
    let gateway = Gateway::start(&yaml(&url, &[SECRET_B, SECRET_A], "")).await;
    assert_eq!(text(&answered(&gateway).await), "kept");
    gateway
        .wait_log(|line| line.contains("account a: sealed with the newest"))
        .await;
    drop(gateway);

    let gateway = Gateway::start(&yaml(&url, &[SECRET_B], "")).await;
    assert_eq!(text(&answered(&gateway).await), "kept");
    assert_eq!(
        Api::of(&gateway).await.get("a").await.header("etag"),
        made.header("etag"),
        "it is the same version"
    );

    // Without its key an account stays as it is in force.
    gateway.write_config(&yaml(&url, &[SECRET_A], ""));
    gateway
        .wait_log(|line| line.contains("account a: it stays as it is in force"))
        .await;
    assert_eq!(text(&answered(&gateway).await), "kept");
    drop(gateway);

    // A key that is lost takes its accounts out of service at a start, and nothing else.
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let api = Api::of(&gateway).await;
    gateway
        .wait_log(|line| line.contains("account a of the database is out of service"))
        .await;
    let shown = api.get("a").await.json();
    assert_eq!(shown["state"], "error");
    assert_eq!(shown["error"], "none of the secret-keys has sealed it");
    let metrics = api.call("GET", "/metrics", &[], None).await;
    assert!(
        metrics
            .text()
            .contains("aiproxy_stored_accounts{state=\"wrong\"} 1")
    );
    let tag = made.header("etag").unwrap();
    let refused = api.patch("a", tag, &json!({"weight": 2})).await;
    assert_eq!(api::code(&refused), "unreadable_account");
    let replaced = api
        .put(
            "a",
            &[("if-match", tag)],
            &entry("a", &upstream.url(), UPSTREAM_KEY_B),
        )
        .await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    assert_eq!(text(&answered(&gateway).await), "kept");
}

#[tokio::test]
async fn accounts_of_the_file_stay_as_they_are_and_names_are_unique_over_both() {
    let upstream = Upstream::always(answer("x")).await;
    let file = format!(
        "openai-api-key:\n  - {{name: own, api-key: {UPSTREAM_KEY_A}, base-url: '{}', disabled: true}}\n  - {{api-key: {UPSTREAM_KEY_A}, base-url: '{0}'}}\n",
        upstream.url()
    );
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], &file)).await;
    let api = Api::of(&gateway).await;
    for name in ["own", "openai-1"] {
        let change = api.patch(name, "*", &json!({"weight": 2})).await;
        assert_eq!(
            (change.status, api::code(&change)),
            (409, "account_in_file".to_owned())
        );
        let gone = api
            .call(
                "DELETE",
                &format!("/admin/accounts/{name}"),
                &[("if-match", "*")],
                None,
            )
            .await;
        assert_eq!(api::code(&gone), "account_in_file");
    }
    let taken = api
        .post(&entry("own", &upstream.url(), UPSTREAM_KEY_B))
        .await;
    assert_eq!(
        (taken.status, api::code(&taken)),
        (409, "account_exists".to_owned())
    );
    let shown = api.get("openai-1").await;
    assert_eq!(shown.json()["source"], "file");
    assert_eq!(shown.header("etag"), None);

    // One that comes into the file later goes before the one of the database.
    let made = api
        .post(&entry("later", &upstream.url(), UPSTREAM_KEY_B))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    gateway.write_config(&yaml(&url, &[SECRET_A], &file.replace("own", "later")));
    gateway
        .wait_log(|line| line.contains("account later of the database is out of service"))
        .await;
    let list = api.call("GET", "/admin/accounts", &[], None).await.json();
    let states: Vec<_> = list["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["source"].as_str().unwrap(),
                one["state"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(states, [("file", "ready"), ("database", "error")]);
    assert_eq!(text(&answered(&gateway).await), "x");
}

#[tokio::test]
async fn weights_priorities_prefixes_and_cooldowns_hold_for_stored_accounts() {
    let (busy, calm) = (
        Upstream::always(
            crate::support::reply::Reply::json(429, json!({"error": {"message": "slow down"}}))
                .header("retry-after", "60"),
        )
        .await,
        Upstream::always(answer("calm")).await,
    );
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let api = Api::of(&gateway).await;
    let mut first = entry("busy", &busy.url(), UPSTREAM_KEY_A);
    first["priority"] = json!(5);
    assert_eq!(api.post(&first).await.status, 201);
    assert_eq!(
        api.post(&entry("calm", &calm.url(), UPSTREAM_KEY_B))
            .await
            .status,
        201
    );
    assert_eq!(text(&answered(&gateway).await), "calm");
    let shown = api.get("busy").await.json();
    assert!(
        shown["state"] == "resting" || shown["models"][0]["state"] == "resting",
        "{shown}"
    );
    assert!(shown["last_error"]["at"].is_string(), "{shown}");
    let well = api.get("calm").await.json();
    assert_eq!(well["last_outcome"]["outcome"], "ok");
    assert_eq!(well["last_error"], json!(null));
    // Its health is its own as long as its key and address are: a change of something else keeps it.
    let changed = api.patch("busy", "*", &json!({"weight": 3})).await.json();
    assert!(
        changed["state"] == "resting" || changed["models"][0]["state"] == "resting",
        "{changed}"
    );
    assert_eq!(text(&answered(&gateway).await), "calm");
    assert_eq!(busy.requests().len(), 1);
}
