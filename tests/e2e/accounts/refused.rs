//! What the admin API does not take.

use ai_proxy::state::sql::Dialect;
use serde_json::{Value, json};

use super::api::{Api, SECRET_A, code, entry, yaml};
use super::fresh;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};

const NOWHERE: &str = "http://127.0.0.1:9";

async fn started() -> (Gateway, Api) {
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[SECRET_A], "")).await;
    let api = Api::of(&gateway).await;
    (gateway, api)
}

/// The paths of what is wrong.
fn paths(errors: &Value) -> Vec<&str> {
    let errors = errors["errors"].as_array().unwrap().iter();
    errors
        .map(|error| error["path"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn everything_that_is_wrong_with_an_account_is_said_at_once() {
    let (_gateway, api) = started().await;
    let all = json!({
        "list": "openai-api-key", "name": "a", "api-key": "two words", "base-url": "ftp://x",
        "weight": 0, "prioritty": 1, "models": [{"alias": "x"}], "timeouts": {"idle": 0},
        "proxy-url": "gopher://x", "wire-api": "smoke",
    });
    let refused = api.post(&all).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (422, "invalid_account".to_owned())
    );
    let said = refused.json();
    let mut found = paths(&said);
    found.sort_unstable();
    assert_eq!(
        found,
        [
            "api-key",
            "base-url",
            "models[0]",
            "prioritty",
            "proxy-url",
            "timeouts.idle",
            "weight",
            "wire-api"
        ],
        "{said}"
    );
    assert!(
        said.to_string().contains("did you mean `priority`?"),
        "{said}"
    );

    let base = entry("a", NOWHERE, UPSTREAM_KEY_A);
    for (change, path) in [
        (json!({"list": null}), "list"),
        (json!({"list": "accounts-of-mine"}), "list"),
        (json!({"list": 3}), "list"),
        (json!({"name": null}), "name"),
        (json!({"name": 5}), "name"),
        (json!({"name": ""}), "name"),
        (json!({"name": "a/b"}), "name"),
        (json!({"name": ".."}), "name"),
        (json!({"name": "x".repeat(65)}), "name"),
        (json!({"name": "openai-7"}), "name"),
        (json!({"api-key": null}), "api-key"),
        (json!({"api-key": "${HOME}"}), "api-key"),
        (json!({"api-key": "file:/etc/hostname"}), "api-key"),
        (json!({"base-url": "${HOME}"}), "base-url"),
        (json!({"base-url": "file:/etc/hostname"}), "base-url"),
        (
            json!({"headers": {"x-a": "file:/etc/hostname"}}),
            "headers.x-a",
        ),
        (json!({"headers": {"x-a": "${HOME}"}}), "headers.x-a"),
        (json!({"headers": {"x-a": "$authorization"}}), "headers.x-a"),
        (json!({"proxy-url": "file:/etc/hostname"}), "proxy-url"),
        (
            json!({"cloak": {"hash-key": "file:/etc/hostname"}}),
            "cloak.hash-key",
        ),
        (json!({"preset": "nobody"}), "preset"),
        (json!({"weight": 1.5}), "weight"),
        (json!({"priority": "high"}), "priority"),
        (json!({"tags": ["a"]}), "tags"),
        (json!({"disabled": "yes"}), "disabled"),
        (json!({"base-url": "http://169.254.169.254/"}), "base-url"),
        (json!({"base-url": "http://[fd00:ec2::254]/"}), "base-url"),
        (
            json!({"base-url": "http://[::ffff:169.254.1.1]/"}),
            "base-url",
        ),
        (
            json!({"proxy-url": "http://169.254.169.254:80"}),
            "proxy-url",
        ),
        (
            json!({"list": "accounts", "preset": "openai", "api-key": null, "auth": {
                "type": "oauth2", "grant": "client-credentials", "client-id": "c", "client-secret": "s",
                "token-url": "https://169.254.169.254/token"}}),
            "auth.token-url",
        ),
    ] {
        let mut document = base.clone();
        for (key, value) in change.as_object().unwrap() {
            match value {
                Value::Null => drop(document.as_object_mut().unwrap().remove(key)),
                value => document[key] = value.clone(),
            }
        }
        let refused = api.post(&document).await;
        assert_eq!(refused.status, 422, "{change} {refused:?}");
        assert_eq!(paths(&refused.json()), [path], "{change}");
    }
    let list = api.call("GET", "/admin/accounts", &[], None).await.json();
    assert_eq!(list, json!({"accounts": []}), "nothing of it was kept");
}

#[tokio::test]
async fn private_networks_take_a_word_of_the_operator() {
    let url = fresh(Dialect::Sqlite).await;
    let closed = yaml(&url, &[SECRET_A], "").replace(", allow-private-base-urls: true", "");
    let gateway = Gateway::start(&closed).await;
    let api = Api::of(&gateway).await;
    for base in [
        "http://127.0.0.1:1",
        "http://localhost:1",
        "http://10.1.2.3",
        "http://[::1]:1",
        "http://[fd12::1]",
    ] {
        let refused = api.post(&entry("a", base, UPSTREAM_KEY_A)).await;
        assert_eq!(refused.status, 422, "{base} {refused:?}");
        let said = refused.json()["errors"][0]["message"].to_string();
        assert!(said.contains("admin.allow-private-base-urls"), "{said}");
    }
    let made = api
        .post(&entry("a", "https://192.0.1.1/v1", UPSTREAM_KEY_A))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
}

#[tokio::test]
async fn a_change_says_which_version_it_means() {
    let (_gateway, api) = started().await;
    let document = entry("a", NOWHERE, UPSTREAM_KEY_A);
    let made = api.post(&document).await;
    let tag = made.header("etag").unwrap().to_owned();
    let path = "/admin/accounts/a";
    let change = json!({"weight": 2});
    for (method, body) in [
        ("PUT", Some(&document)),
        ("PATCH", Some(&change)),
        ("DELETE", None),
    ] {
        let without = api.call(method, path, &[], body).await;
        assert_eq!(
            (without.status, code(&without)),
            (428, "missing_if_match".to_owned()),
            "{method}"
        );
        for stale in ["\"0\"", "\"other\"", "W/\"1\""] {
            let refused = api.call(method, path, &[("if-match", stale)], body).await;
            assert_eq!(refused.status, 412, "{method} {stale} {refused:?}");
        }
        let malformed = api.call(method, path, &[("if-match", "17")], body).await;
        assert_eq!(
            (malformed.status, code(&malformed)),
            (400, "invalid_condition".to_owned())
        );
        let nobody = api
            .call(method, "/admin/accounts/nobody", &[("if-match", "*")], body)
            .await;
        let wanted = if method == "PUT" { 422 } else { 404 };
        assert_eq!(nobody.status, wanted, "{method} {nobody:?}");
    }
    let stale = api
        .call(
            "POST",
            "/admin/accounts/a/disable",
            &[("if-match", "\"0\"")],
            None,
        )
        .await;
    assert_eq!(stale.status, 412);
    let many = api.patch("a", &format!("\"0\", {tag}"), &change).await;
    assert_eq!(many.status, 200, "{many:?}");
    assert_ne!(many.header("etag"), Some(&*tag));

    let again = api.post(&document).await;
    assert_eq!(
        (again.status, code(&again)),
        (409, "account_exists".to_owned())
    );
    let absent = [("if-none-match", "*")];
    let there = api.put("a", &absent, &document).await;
    assert_eq!(there.status, 412, "{there:?}");
    let made = api
        .put(
            "b",
            &absent,
            &json!({"list": "openai-api-key", "api-key": UPSTREAM_KEY_B, "base-url": NOWHERE}),
        )
        .await;
    assert_eq!(
        (made.status, made.json()["name"].clone()),
        (201, json!("b")),
        "{made:?}"
    );
    let renamed = api.patch("b", "*", &json!({"name": "c"})).await;
    assert_eq!(paths(&renamed.json()), ["name"]);
    // One that is deleted and made again is another one.
    let tag = api.get("b").await.header("etag").unwrap().to_owned();
    let gone = api
        .call("DELETE", "/admin/accounts/b", &[("if-match", &tag)], None)
        .await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let made = api.post(&entry("b", NOWHERE, UPSTREAM_KEY_B)).await;
    assert_ne!(made.header("etag"), Some(&*tag));
    assert_eq!(api.patch("b", &tag, &change).await.status, 412);
}

#[tokio::test]
async fn who_has_no_key_or_sends_no_json_changes_nothing() {
    let (gateway, api) = started().await;
    let document = entry("a", NOWHERE, UPSTREAM_KEY_A).to_string();
    let mut client = Client::connect(api.0).await;
    for (key, status) in [(CLIENT_KEY, 401), (ADMIN_KEY, 415)] {
        let request = client.request("POST", "/admin/accounts").key(key);
        let request = request
            .header("content-type", "text/plain")
            .body(document.clone());
        assert_eq!(request.send().await.status, status);
    }
    for body in [
        "",
        "[]",
        "null",
        "{",
        "{\"a\": 1",
        "nonsense",
        "{\"name\": \"a\"} x",
    ] {
        let request = client.request("POST", "/admin/accounts").key(ADMIN_KEY);
        let refused = request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await;
        assert_eq!(
            (refused.status, code(&refused)),
            (400, "invalid_body".to_owned()),
            "{body}"
        );
    }
    let twice = document.replacen('{', "{\"weight\": 1, \"weight\": 2, ", 1);
    let request = client.request("POST", "/admin/accounts").key(ADMIN_KEY);
    let refused = request
        .header("content-type", "application/json")
        .body(twice)
        .send()
        .await;
    assert_eq!(paths(&refused.json()), ["weight"]);
    for query in ["from=x", "limit=0", "unknown=1", "to=2026-13-01"] {
        let refused = api
            .call("GET", &format!("/admin/audit?{query}"), &[], None)
            .await;
        assert_eq!(
            (refused.status, code(&refused)),
            (400, "invalid_question".to_owned()),
            "{query}"
        );
    }
    let wrong = api.call("POST", "/admin/accounts/a", &[], None).await;
    assert_eq!(
        (wrong.status, wrong.header("allow")),
        (405, Some("GET, HEAD, PUT, PATCH, DELETE"))
    );
    // The clients' port has none of it.
    let mut client = Client::connect(gateway.addr()).await;
    let there = client
        .request("GET", "/admin/accounts")
        .key(ADMIN_KEY)
        .send()
        .await;
    assert_ne!(there.status, 200);
}

#[tokio::test]
async fn without_keys_to_seal_with_nothing_is_stored() {
    let url = fresh(Dialect::Sqlite).await;
    let gateway = Gateway::start(&yaml(&url, &[], "")).await;
    let api = Api::of(&gateway).await;
    let refused = api.post(&entry("a", NOWHERE, UPSTREAM_KEY_A)).await;
    assert_eq!(
        (refused.status, code(&refused)),
        (409, "no_secret_keys".to_owned())
    );
}
