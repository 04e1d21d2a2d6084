//! Databases that go away and come back, and many accounts.

use std::time::Instant;

use ai_proxy::secret::{About, Sealer, SealingKey};
use ai_proxy::state::accounts::{Entry, Step, write};
use ai_proxy::state::sql::{Database, DatabaseUrl, Dialect};
use serde_json::json;

use super::api::{Api, SECRET_A, code, entry, yaml};
use super::{fresh, migrated};
use crate::chat::{answer, answered, text};
use crate::support::gateway::Gateway;
use crate::support::keys::{UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::servers::Server;
use crate::support::upstream::Upstream;
use crate::support::within;

#[tokio::test]
async fn the_accounts_in_force_stay_while_the_database_is_away() {
    let upstream = Upstream::always(answer("stored")).await;
    let own = Upstream::always(answer("own")).await;
    for mut server in [Server::postgres().await, Server::mariadb().await] {
        let url = server.database().await;
        migrated(&url).await;
        let config = yaml(&url, &[SECRET_A], "");
        let gateway = Gateway::start(&config).await;
        let api = Api::of(&gateway).await;
        let made = api.post(&entry("a", &upstream.url(), UPSTREAM_KEY_A)).await;
        assert_eq!(made.status, 201, "{made:?}");

        server.kill().await;
        gateway
            .wait_log(|line| line.contains("those in force stay"))
            .await;
        assert_eq!(text(&answered(&gateway).await), "stored");
        assert_eq!(api.get("a").await.json()["state"], "ready");
        let metrics = api.call("GET", "/metrics", &[], None).await;
        assert!(metrics.text().contains("aiproxy_stored_accounts_stale 1"));
        let refused = api.patch("a", "*", &json!({"weight": 2})).await;
        assert_eq!(
            (refused.status, code(&refused)),
            (503, "database_unavailable".to_owned())
        );
        // A reload of the file keeps them.
        let more = format!(
            "openai-api-key:\n  - {{name: own, prefix: mine, api-key: {UPSTREAM_KEY_B}, base-url: '{}'}}\n",
            own.url()
        );
        gateway.write_config(&yaml(&url, &[SECRET_A], &more));
        within("the reload", async {
            while api.get("own").await.status != 200 {}
        })
        .await;
        assert_eq!(text(&answered(&gateway).await), "stored");

        // Who starts now has the file's accounts, and the others when the database is back.
        let late = Gateway::start(&config).await;
        assert_eq!(answered(&late).await.status, 404);
        server.start().await;
        within("the late one to see the account", async {
            while answered(&late).await.status != 200 {}
        })
        .await;
        gateway
            .wait_log(|line| line.contains("can be looked at again"))
            .await;
        let patched = api.patch("a", "*", &json!({"weight": 2})).await;
        assert_eq!(patched.status, 200, "{patched:?}");
    }
}

/// The row of an account, as the gateway would write it.
async fn stored(database: &Database, sealer: &Sealer, name: &str, document: &serde_json::Value) {
    let about = About {
        what: "account.document",
        whose: name,
    };
    let sealed = sealer.seal(about, &document.to_string()).unwrap();
    let entry = Entry {
        at: 1,
        actor: String::new(),
        address: String::new(),
        what: "create".to_owned(),
        subject: name.to_owned(),
        changed_keys: String::new(),
        old_version: None,
        new_version: None,
    };
    write(database, Step::Create(&sealed), &entry)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_thousand_accounts_serve_side_by_side() {
    const MANY: usize = 1_000;
    let upstream = Upstream::always(answer("one of many")).await;
    let url = fresh(Dialect::Sqlite).await;
    let database = Database::new(DatabaseUrl::parse(&url).unwrap());
    let sealer = Sealer::new([SealingKey::try_new(SECRET_A).unwrap()]).unwrap();
    for n in 0..MANY {
        let document = entry(
            &format!("n{n}"),
            &upstream.url(),
            &format!("{UPSTREAM_KEY_A}{n}"),
        );
        stored(&database, &sealer, &format!("n{n}"), &document).await;
    }
    // One that an older version may have known.
    let vanished = json!({"list": "openai-compatibility", "preset": "gone", "api-key": "k"});
    stored(&database, &sealer, "vanished", &vanished).await;
    database.close().await;

    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let api = Api::of(&gateway).await;
    let list = api.call("GET", "/admin/accounts", &[], None).await.json();
    assert_eq!(list["accounts"].as_array().unwrap().len(), MANY + 1);
    let shown = api.get("vanished").await.json();
    assert_eq!(shown["state"], "error", "{shown}");
    assert!(
        shown["error"].as_str().unwrap().starts_with("preset: "),
        "{shown}"
    );
    for _ in 0..20 {
        assert_eq!(text(&answered(&gateway).await), "one of many");
    }
    let keys: std::collections::HashSet<_> = upstream
        .requests()
        .iter()
        .map(|request| request.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 20, "they take turns");
    let began = Instant::now();
    let made = api
        .post(&entry("last", &upstream.url(), UPSTREAM_KEY_B))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}
