//! Secrets put everywhere in the config, and looked for everywhere outside of it.
//!
//! Every secret holds the marker of `support::keys`, which the support looks for in all that clients get and in
//! every log line. Here everything is asked that could show one, and what is asked is wrong as well as right.

use std::fs;
use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::admin::post;
use crate::dialect::Dialect;
use crate::support::client::{Client, Key, get};
use crate::support::gateway::Gateway;
use crate::support::keys::{
    ADMIN_KEY, CLIENT_KEY, CLIENT_KEY_B, PROXY_PASSWORD, PROXY_USER, SECRET_MARKER, UPSTREAM_KEY_A,
    UPSTREAM_KEY_B, UPSTREAM_KEY_C, assert_no_secret,
};
use crate::support::proxies::Proxy;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// A secret wherever a config may hold one: in clear, from a variable, from a file.
fn yaml(url: &str, proxy: SocketAddr, more: &str) -> String {
    format!(
        "{more}\nlog-level: trace\nrequest-retry: 0\nmetrics-public: true\n\
         admin: {{port: 0, key: '${{ADMIN}}', mount: true}}\n\
         api-keys:\n- {CLIENT_KEY}\n- {{key: 'file:client.key', name: filed}}\n\
         claude-api-key:\n\
         - {{name: clear, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', \
            headers: {{x-tenant: tenant-{SECRET_MARKER}, authorization: 'Basic {SECRET_MARKER}'}}}}\n\
         openai-api-key:\n\
         - {{name: variable, api-key: '${{UPSTREAM}}', base-url: '{url}'}}\n\
         gemini-api-key:\n\
         - {{name: filed, api-key: 'file:upstream.key', base-url: '{url}', \
            proxy-url: 'http://{PROXY_USER}:{PROXY_PASSWORD}@{proxy}'}}\n\
         openai-compatibility:\n\
         - {{name: dead, api-key: {UPSTREAM_KEY_C}, base-url: 'http://127.0.0.1:9/{SECRET_MARKER}', models: [dead], \
            headers: {{x-tenant: {SECRET_MARKER}}}, proxy-url: 'socks5://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:9'}}\n"
    )
    // What is in an address is no secret: it is shown.
    .replace(&format!("127.0.0.1:9/{SECRET_MARKER}"), "127.0.0.1:9/v1")
}

async fn started(upstream: &Upstream, proxy: SocketAddr) -> Gateway {
    Gateway::builder(&yaml(&upstream.url(), proxy, ""))
        .env("ADMIN", ADMIN_KEY)
        .env("UPSTREAM", UPSTREAM_KEY_B)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .file("client.key", CLIENT_KEY_B)
        .file("upstream.key", UPSTREAM_KEY_A)
        .start()
        .await
}

fn body(dialect: Dialect) -> Value {
    let turn = json!([{"role": "user", "content": "hi"}]);
    match dialect {
        Dialect::Chat => json!({"model": "gpt-5", "messages": turn}),
        Dialect::Responses => json!({"model": "gpt-5", "input": "hi"}),
        Dialect::Claude => json!({"model": "claude-x", "max_tokens": 5, "messages": turn}),
        Dialect::Gemini => json!({"contents": [{"parts": [{"text": "hi"}]}]}),
    }
}

fn path(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat => "/v1/chat/completions",
        Dialect::Responses => "/v1/responses",
        Dialect::Claude => "/v1/messages",
        Dialect::Gemini => "/v1beta/models/gemini-x:generateContent",
    }
}

/// Everything that shows something of the gateway; the support looks into each answer.
async fn ask_everything(gateway: &Gateway) -> String {
    let admin = gateway.admin().await;
    let mut seen = String::new();
    for address in [admin, gateway.addr()] {
        for path in [
            "/health",
            "/health/ready",
            "/metrics",
            "/openapi.json",
            "/admin/config",
            "/admin/metrics",
            "/admin/models",
            "/admin/accounts",
            "/admin/nothing",
            "/v1/models",
            "/v1/nothing",
            "/",
        ] {
            for key in [
                Key::None,
                ADMIN_KEY.into(),
                Key::Anthropic(CLIENT_KEY_B.into()),
            ] {
                // Many wrong keys would close the door.
                if matches!(key, Key::Anthropic(_))
                    && path.starts_with("/admin")
                    && path != "/admin/config"
                {
                    continue;
                }
                seen += get(address, path, key).await.text();
            }
        }
    }
    for dialect in Dialect::ALL {
        for provider in ["anthropic", "openai", "gemini", "dead"] {
            let headers = json!({"x-provider": provider, "x-api-key": CLIENT_KEY});
            let question =
                json!({"path": path(dialect), "headers": headers, "body": body(dialect)});
            let told = post(admin, "/admin/explain", ADMIN_KEY, question.to_string()).await;
            assert_eq!(told.status, 200);
            seen += told.text();
        }
    }
    // Questions that are wrong, with secrets in them.
    for wrong in [
        format!("{{\"path\":\"/v1/messages\",\"headers\":{{\"x-api-key\":\"{CLIENT_KEY}\\n\"}}}}"),
        format!(
            "{{\"path\":\"/v1/messages\",\"headers\":{{\"x-api-key\":\"{UPSTREAM_KEY_C}\"}},\"body\":{{}}}}"
        ),
        format!("{{\"path\":\"/v1/messages?key={CLIENT_KEY}\",\"body\":{{\"model\":\"m\"}}}}"),
    ] {
        seen += post(admin, "/admin/explain", ADMIN_KEY, wrong).await.text();
    }
    seen
}

#[tokio::test]
async fn no_secret_of_the_config_is_seen_anywhere() {
    let replies = [
        Reply::json(200, json!({"ok": true})),
        Reply::json(
            401,
            json!({"error": {"message": format!("bad key {UPSTREAM_KEY_A}"), "type": "authentication_error"}}),
        ),
        Reply::json(
            429,
            json!({"error": {"message": "slow down", "type": "rate_limit_error"}}),
        ),
        Reply::json(
            500,
            json!({"error": {"message": "oops", "type": "api_error"}}),
        ),
        Reply::reset_before_header(),
    ];
    let upstream = Upstream::handler(move |request| {
        let turn = request.json()["turn"].as_u64().unwrap_or(0);
        replies[turn as usize % replies.len()].clone()
    })
    .await;
    let proxy = Proxy::http().authenticated().await;
    let gateway = started(&upstream, proxy.addr()).await;
    for turn in 0..5 {
        for dialect in Dialect::ALL {
            for key in [CLIENT_KEY, CLIENT_KEY_B, UPSTREAM_KEY_C] {
                let mut body = body(dialect);
                body["turn"] = json!(turn);
                let mut client = Client::connect(gateway.addr()).await;
                let request = client.request("POST", path(dialect)).key(key);
                request.json(&body).send().await;
            }
        }
    }
    let mut client = Client::connect(gateway.addr()).await;
    let dead = json!({"model": "dead", "messages": []});
    client
        .request("POST", path(Dialect::Chat))
        .key(CLIENT_KEY)
        .json(&dead)
        .send()
        .await;
    let with_key = format!("{}?key={CLIENT_KEY}", path(Dialect::Gemini));
    let mut client = Client::connect(gateway.addr()).await;
    client
        .request("POST", &with_key)
        .json(&body(Dialect::Gemini))
        .send()
        .await;
    let seen = ask_everything(&gateway).await;
    // It was all there: the accounts are named, their keys hinted at.
    for name in [
        "clear",
        "variable",
        "filed",
        "dead",
        "sk-…et-a",
        "http://***@",
        "socks5://***@",
    ] {
        assert!(seen.contains(name), "{name}");
    }
    assert!(!seen.contains(PROXY_PASSWORD) && !seen.contains(PROXY_USER));
    let sent = upstream.requests();
    let keys: Vec<_> = sent
        .iter()
        .filter_map(|one| one.header("x-tenant"))
        .collect();
    assert!(
        keys.iter().any(|key| key.contains(SECRET_MARKER)),
        "the headers are used"
    );
    // Configs that are wrong, each with a secret where it is wrong.
    let right = yaml(&upstream.url(), proxy.addr(), "");
    for (n, wrong) in [
        right.replace(CLIENT_KEY, &format!("{{key: {CLIENT_KEY}, modles: []}}")),
        right.replace(&format!("key: '{}'", "${ADMIN}"), &format!("key: {{a: {ADMIN_KEY}}}")),
        right.replace(&format!("api-key: {UPSTREAM_KEY_A}"), &format!("api-key: [{UPSTREAM_KEY_A}]")),
        right.replace("http://proxy-user", "gopher://proxy-user"),
        right.replace(&format!("tenant-{SECRET_MARKER}"), &format!("\"{SECRET_MARKER}\\0\"")),
        format!("{right}\nunknown: {UPSTREAM_KEY_C}\n"),
        format!("{right}\n  bad indentation {UPSTREAM_KEY_C}\n"),
        right.replace("port: 0, key", &format!("port: {ADMIN_KEY}, key")),
        format!("redis-url: 'redis://:{PROXY_PASSWORD}@x'\ndatabase-url: 'mysql://u:{PROXY_PASSWORD}@x'\n{right}"),
    ]
    .into_iter()
    .enumerate()
    {
        gateway.write_config(&wrong);
        let refused = post(gateway.admin().await, "/admin/reload", ADMIN_KEY, "").await;
        assert_eq!(refused.status, 422, "{n}: {refused:?}");
    }
    fs::write(gateway.directory().join("client.key"), "").unwrap();
    gateway.write_config(&right);
    assert_eq!(
        post(gateway.admin().await, "/admin/reload", ADMIN_KEY, "")
            .await
            .status,
        422
    );
    gateway.signal(Signal::SIGTERM);
    gateway.wait_exit().await;
    let log = gateway.log();
    assert!(log.len() > 50, "{log:#?}");
    for line in &log {
        assert_no_secret("the log", line.as_bytes());
    }
}
