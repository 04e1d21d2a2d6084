//! The operators' listener: who may ask what, and what they are told.

use std::net::{SocketAddr, TcpListener};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::chat::{answer, answered, config, text};
use crate::support::client::{Client, Key, Response, get, raw};
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY, UNKNOWN_KEY};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;
use crate::support::within;

const NOWHERE: &str = "http://127.0.0.1:9";

pub(crate) fn with_key(yaml: &str) -> String {
    format!("admin: {{port: 0, key: {ADMIN_KEY}}}\n{yaml}")
}

async fn started() -> (Gateway, SocketAddr) {
    let gateway = Gateway::start(&with_key(&config(&[("a", NOWHERE, "")]))).await;
    let admin = gateway.admin().await;
    (gateway, admin)
}

pub(crate) async fn post(
    addr: SocketAddr,
    path: &str,
    key: &str,
    body: impl Into<String>,
) -> Response {
    let mut client = Client::connect(addr).await;
    let request = client.request("POST", path).key(key);
    request.body(body.into()).send().await
}

fn is_guarded(response: &Response) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        assert_eq!(response.header(name), Some(value), "{response:?}");
    }
    assert_eq!(response.header("access-control-allow-origin"), None);
}

fn assert_error(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.json()["error"]["code"], code, "{response:?}");
    is_guarded(response);
}

#[tokio::test]
async fn health_metrics_and_the_api_are_open_and_the_rest_asks_for_the_key() {
    let (_gateway, admin) = started().await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let response = get(admin, path, Key::None).await;
        assert_eq!(
            (response.status, &response.json()["status"]),
            (200, &json!("ok"))
        );
        is_guarded(&response);
    }
    let metrics = get(admin, "/metrics", Key::None).await;
    assert_eq!(metrics.status, 200);
    assert!(
        metrics
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let api = get(admin, "/openapi.json", Key::None).await.json();
    assert_eq!(api["openapi"], "3.1.0");
    for path in ["config", "metrics", "models", "accounts", "nothing", ""] {
        let path = format!("/admin/{path}");
        assert_error(
            &get(admin, &path, Key::None).await,
            401,
            "missing_admin_key",
        );
        let refused = get(admin, &path, CLIENT_KEY).await;
        assert_error(&refused, 401, "invalid_admin_key");
        assert!(
            refused
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    for key in [
        Key::Bearer(ADMIN_KEY.into()),
        Key::Anthropic(ADMIN_KEY.into()),
    ] {
        let response = get(admin, "/admin/config", key).await;
        assert_eq!(response.status, 200);
        is_guarded(&response);
    }
    assert_error(
        &get(admin, "/admin/nothing", ADMIN_KEY).await,
        404,
        "unknown_path",
    );
    assert_error(
        &get(admin, "/v1/models", ADMIN_KEY).await,
        404,
        "unknown_path",
    );
    let wrong = get(admin, "/admin/reload", ADMIN_KEY).await;
    assert_error(&wrong, 405, "method_not_allowed");
    assert_eq!(wrong.header("allow"), Some("POST"));
    let wrong = post(admin, "/admin/config", ADMIN_KEY, "x".repeat(100_000)).await;
    assert_error(&wrong, 405, "method_not_allowed");
}

#[tokio::test]
async fn a_head_has_no_body_and_a_connection_serves_many_questions() {
    let (_gateway, admin) = started().await;
    let head = "HEAD /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = raw(admin, head).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("Content-Length: ") && !answer.contains('{'),
        "{answer}"
    );
    let mut client = Client::connect(admin).await;
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/health").send().await.status, 200);
        let refused = client
            .request("POST", "/admin/reload")
            .body("x".repeat(9))
            .send();
        assert_eq!(refused.await.status, 401);
    }
}

#[tokio::test]
async fn without_a_key_there_is_no_admin_interface_but_there_are_metrics() {
    let gateway = Gateway::start(&config(&[("a", NOWHERE, "")])).await;
    let admin = gateway.admin().await;
    for key in [Key::None, Key::Bearer(ADMIN_KEY.into())] {
        assert_error(&get(admin, "/admin/config", key).await, 404, "unknown_path");
    }
    assert_eq!(get(admin, "/metrics", Key::None).await.status, 200);
}

#[tokio::test]
async fn many_wrong_keys_are_answered_no_more() {
    let (_gateway, admin) = started().await;
    for _ in 0..10 {
        let refused = get(admin, "/admin/config", UNKNOWN_KEY).await;
        assert_error(&refused, 401, "invalid_admin_key");
    }
    for key in [UNKNOWN_KEY, ADMIN_KEY] {
        let refused = get(admin, "/admin/config", key).await;
        assert_error(&refused, 429, "too_many_failures");
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let metrics = get(admin, "/metrics", Key::None).await;
    assert!(
        metrics
            .text()
            .contains("aiproxy_admin_login_failures_total 12\n")
    );
}

#[tokio::test]
async fn the_config_is_shown_without_secrets() {
    let yaml = with_key(&config(&[(
        "a",
        NOWHERE,
        "headers: {x-team: core}, prefix: team/, models: [{id: real, alias: nice}], tags: {t: v}",
    )]));
    let gateway = Gateway::start(&yaml).await;
    let shown = get(gateway.admin().await, "/admin/config", ADMIN_KEY)
        .await
        .json();
    let account = &shown["accounts"][0];
    assert_eq!(account["api-key"], "sk-…et-a");
    assert_eq!(account["headers"]["x-team"], "***");
    assert_eq!(
        (&account["prefix"], &account["base-url"]),
        (&json!("team/"), &json!(NOWHERE))
    );
    assert_eq!(account["models"][0], json!({"id": "real", "alias": "nice"}));
    assert_eq!(shown["api-keys"][0]["key"], "***");
    assert_eq!(shown["admin"]["key"], "***");
    assert_eq!(shown["request-retry"], 3);
}

#[tokio::test]
async fn models_and_accounts_say_who_serves_what_and_how_they_are() {
    let limited = Reply::status(429).header("retry-after", "100");
    let upstream = Upstream::script([limited, answer("x")]).await;
    let url = upstream.url();
    let gateway = Gateway::start(&with_key(&config(&[
        ("resting", &url, "priority: 1, models: [gpt-5]"),
        ("well", &url, "models: [gpt-5]"),
        ("idle", &url, "excluded-models: ['*-preview']"),
    ])))
    .await;
    assert_eq!(text(&answered(&gateway).await), "x");
    let admin = gateway.admin().await;
    let models = get(admin, "/admin/models", ADMIN_KEY).await.json();
    let servers = models["models"][0]["accounts"].as_array().unwrap();
    let names: Vec<_> = servers
        .iter()
        .map(|one| one["account"].as_str().unwrap())
        .collect();
    assert_eq!(
        (models["models"][0]["name"].as_str(), names),
        (Some("gpt-5"), vec!["resting", "well"])
    );
    assert_eq!(models["open"][0]["account"], "idle");
    assert_eq!(models["open"][0]["excluded"], json!(["*-preview"]));
    // The client has its answer before the account has.
    let settled = async {
        loop {
            let accounts = get(admin, "/admin/accounts", ADMIN_KEY).await.json();
            if accounts["accounts"][1]["last_outcome"].is_object() {
                return accounts;
            }
        }
    };
    let accounts = within("the outcome", settled).await;
    let [resting, well, idle] = [0, 1, 2].map(|n| accounts["accounts"][n].clone());
    assert_eq!(
        (&resting["name"], &resting["state"]),
        (&json!("resting"), &json!("ready"))
    );
    let model = &resting["models"][0];
    assert_eq!(model["model"], "gpt-5");
    assert_eq!(
        (&model["state"], &model["cause"]),
        (&json!("resting"), &json!("limit"))
    );
    assert_eq!(model["failures"], 1);
    assert!(model["until"].as_str().unwrap().ends_with('Z'), "{model}");
    assert_eq!(resting["last_outcome"]["outcome"], "rate_limit");
    assert_eq!(well["last_outcome"]["outcome"], "ok");
    assert_eq!((idle.get("last_outcome"), idle.get("models")), (None, None));
}

#[tokio::test]
async fn a_reload_is_done_at_once_and_tells_every_error() {
    let (old, new) = (
        Upstream::always(answer("old")).await,
        Upstream::always(answer("new")).await,
    );
    let yaml = |upstream: &Upstream| with_key(&config(&[("a", &upstream.url(), "")]));
    let gateway = Gateway::start(&yaml(&old)).await;
    let admin = gateway.admin().await;
    gateway.write_config(&format!("request-retry: often\nhots: x\n{}", yaml(&new)));
    let refused = post(admin, "/admin/reload", ADMIN_KEY, "").await;
    assert_eq!(refused.status, 422);
    let errors = refused.json()["errors"].clone();
    let paths: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["path"])
        .collect();
    assert_eq!(paths, ["hots", "request-retry"], "{errors}");
    assert_eq!(text(&answered(&gateway).await), "old");
    let shown = get(admin, "/metrics", Key::None).await;
    assert!(
        shown
            .text()
            .contains("aiproxy_config_last_reload_successful 0\n")
    );
    gateway.write_config(&format!("port: 1\n{}", yaml(&new)));
    let done = post(admin, "/admin/reload", ADMIN_KEY, "").await;
    assert_eq!(done.status, 200);
    assert_eq!(
        done.json(),
        json!({"accounts": 1, "needs_restart": ["host, port or allow-http2"]})
    );
    assert_eq!(text(&answered(&gateway).await), "new");
    gateway.write_config(&yaml(&new).replace(
        ADMIN_KEY,
        "'sha256:0000000000000000000000000000000000000000000000000000000000000000'",
    ));
    assert_eq!(
        post(admin, "/admin/reload", ADMIN_KEY, "").await.status,
        200
    );
    assert_error(
        &get(admin, "/admin/config", ADMIN_KEY).await,
        401,
        "invalid_admin_key",
    );
}

#[tokio::test]
async fn the_clients_port_has_it_only_when_told_so() {
    let gateway = Gateway::start(&with_key(&config(&[("a", NOWHERE, "")]))).await;
    for path in ["/metrics", "/admin/config", "/admin"] {
        let response = get(gateway.addr(), path, CLIENT_KEY).await;
        assert_eq!(response.header("x-aiproxy-error"), Some("unknown_path"));
        assert_eq!(get(gateway.addr(), path, ADMIN_KEY).await.status, 401);
    }
    let open = format!(
        "metrics-public: true\nadmin: {{port: 0, mount: true, key: {ADMIN_KEY}}}\n{}",
        config(&[("a", NOWHERE, "")])
    );
    let gateway = Gateway::start(&open).await;
    let metrics = get(gateway.addr(), "/metrics", Key::None).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.text().contains("aiproxy_build_info"));
    is_guarded(&metrics);
    assert_error(
        &get(gateway.addr(), "/admin/config", CLIENT_KEY).await,
        401,
        "invalid_admin_key",
    );
    assert_eq!(
        get(gateway.addr(), "/admin/config", ADMIN_KEY).await.status,
        200
    );
    let mut h2 = Client::h2c(gateway.addr()).await;
    let reload = h2.request("POST", "/admin/reload").key(ADMIN_KEY);
    assert_eq!(reload.body("").send().await.status, 200);
    assert_error(
        &get(gateway.addr(), "/admin/nothing", ADMIN_KEY).await,
        404,
        "unknown_path",
    );
}

/// Who has shown no key may not have the gateway hold a body for him.
#[tokio::test]
async fn a_body_that_nobody_needs_is_not_waited_for() {
    let open = format!(
        "metrics-public: true\nadmin: {{port: 0, key: {ADMIN_KEY}}}\n{}",
        config(&[("a", NOWHERE, "")])
    );
    let gateway = Gateway::start(&open).await;
    for addr in [gateway.addr(), gateway.admin().await] {
        let head = "GET /metrics HTTP/1.1\r\nhost: x\r\ncontent-length: 60000000\r\n\r\nx";
        let answer = within("an answer", raw(addr, head)).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    }
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_fails_for_itself() {
    let mounted = format!(
        "trusted-proxies: [127.0.0.1]\nadmin: {{port: 0, mount: true, key: {ADMIN_KEY}}}\n{}",
        config(&[("a", NOWHERE, "")])
    );
    let gateway = Gateway::start(&mounted).await;
    let ask = async |key: &'static str, from: &str| {
        let mut client = Client::connect(gateway.addr()).await;
        let request = client.request("GET", "/admin/config").key(key);
        request.header("x-forwarded-for", from).send().await.status
    };
    for _ in 0..10 {
        assert_eq!(ask(UNKNOWN_KEY, "192.0.2.1").await, 401);
    }
    assert_eq!(ask(ADMIN_KEY, "192.0.2.1").await, 429);
    assert_eq!(ask(ADMIN_KEY, "192.0.2.2").await, 200);
}

#[tokio::test]
async fn a_taken_address_is_an_error_only_when_it_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let yaml = format!(
        "host: 127.0.0.1\nport: 0\nadmin: {{port: {}}}\n{}",
        address.port(),
        config(&[("a", NOWHERE, "")])
    );
    let (code, stderr) = Gateway::expect_failure(&yaml).await;
    assert_eq!(code, 1);
    assert!(
        stderr.contains(&format!("cannot listen on {address}: ")),
        "{stderr}"
    );
    // Whoever has it now, another gateway of this run or this test.
    let _taken = TcpListener::bind("127.0.0.1:8318");
    let yaml = format!("admin:\n{}", config(&[("a", NOWHERE, "")]));
    let gateway = Gateway::start(&yaml).await;
    gateway
        .wait_log(|line| {
            line.contains("WARN") && line.contains("cannot listen on 127.0.0.1:8318: ")
        })
        .await;
    assert_eq!(get(gateway.addr(), "/health", Key::None).await.status, 200);
}

#[tokio::test]
async fn readiness_ends_with_draining_and_an_upgrade_hands_the_socket_over() {
    let upstream = Upstream::always(answer("x")).await;
    let old = Gateway::start(&with_key(&config(&[("a", &upstream.url(), "")]))).await;
    let admin = old.admin().await;
    let mut kept = Client::connect(admin).await;
    assert_eq!(
        kept.request("GET", "/health/ready").send().await.status,
        200
    );
    let new = old.start_upgrade();
    new.wait_log(|line| line.contains("No incoming socket transfer"))
        .await;
    old.signal(Signal::SIGQUIT);
    new.ready().await;
    new.wait_log(|line| line.contains("admin on ")).await;
    let ready = kept.request("GET", "/health/ready").send().await;
    assert_eq!(
        (ready.status, &ready.json()["status"]),
        (503, &json!("draining"))
    );
    old.wait_exit().await;
    let served = async { while get(admin, "/admin/config", ADMIN_KEY).await.status != 200 {} };
    within(
        "the new process to answer operators at the old address",
        served,
    )
    .await;
    let shown = get(admin, "/admin/metrics", ADMIN_KEY).await.json();
    let families = shown["families"].as_array().unwrap();
    let draining = families
        .iter()
        .find(|one| one["name"] == "aiproxy_draining");
    assert_eq!(draining.unwrap()["series"][0]["value"], Value::from(0.0));
}
