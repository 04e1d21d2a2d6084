//! One line per request, with what happened and nothing secret.

use serde_json::{Value, json};

use crate::ask::{Ask, Bench, every_provider};
use crate::support::client::{Client, Key};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, CLIENT_KEY_B, UNKNOWN_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

const JSON: &str = "log-format: json";

/// The one access line of a request, as JSON, once no more can come.
async fn line(gateway: &Gateway, id: &str) -> Value {
    let lines = lines(gateway, id).await;
    serde_json::from_str(&lines).unwrap_or_else(|error| panic!("{error}: {lines}"))
}

/// The one access line of the request `id`, once the line of a later one is there.
async fn lines(gateway: &Gateway, id: &str) -> String {
    let is_access = |line: &str, id: &str| line.contains("access") && line.contains(id);
    gateway.wait_log(|line| is_access(line, id)).await;
    let after = format!("after-{id}");
    let mut client = Client::connect(gateway.addr()).await;
    client
        .request("GET", "/health")
        .header("x-request-id", &after)
        .send()
        .await;
    gateway.wait_log(|line| is_access(line, &after)).await;
    let log = gateway.log();
    let of_it: Vec<_> = log
        .iter()
        .filter(|line| is_access(line, id) && !is_access(line, &after))
        .collect();
    assert_eq!(of_it.len(), 1, "{of_it:#?}");
    of_it[0].clone()
}

#[tokio::test]
async fn a_served_request_has_one_line_with_all_of_it() {
    let bench = Bench::new(&format!(
        "{JSON}\napi-keys: [{{key: {CLIENT_KEY}, name: team-a}}]\n\
         openai-compatibility: [{{name: mine, base-url: 'http://127.0.0.1:9', \
         models: [{{id: real, alias: nobody}}]}}]"
    ))
    .await;
    for ask in Ask::ALL {
        let mut client = bench.client().await;
        let id = format!("req-{ask:?}");
        let request = ask
            .bare(&mut client, ask.model())
            .header("x-request-id", &id);
        request.body(ask.body(ask.model())).send().await;
        let line = line(&bench.gateway, &id).await;
        let format = match ask {
            Ask::Chat => "openai-chat",
            Ask::Responses => "openai-responses",
            Ask::Messages => "claude",
            Ask::Gemini => "gemini",
        };
        for (name, want) in [
            ("level", json!("INFO")),
            ("target", json!("access")),
            ("request_id", json!(id)),
            ("method", json!("POST")),
            ("path", json!(ask.path(ask.model()))),
            ("status", json!(200)),
            ("upstream_status", json!(200)),
            ("format", json!(format)),
            ("client", json!("team-a")),
            ("model", json!(ask.model())),
            ("tries", json!(1)),
            ("bytes", json!(11)),
            ("error", Value::Null),
        ] {
            assert_eq!(line[name], want, "{name} in {line}");
        }
        assert!(
            line["account"].is_string() && line["provider"].is_string(),
            "{line}"
        );
        assert!(line["ms"].is_u64() && line["time"].is_string(), "{line}");
        assert!(
            line["peer"].as_str().unwrap().starts_with("127.0.0.1:"),
            "{line}"
        );
    }
}

#[tokio::test]
async fn a_refused_request_has_one_line_with_its_error() {
    let bench = Bench::new(JSON).await;
    let mut client = bench.client().await;
    for (method, path, key, body, status, error) in [
        (
            "POST",
            "/v1/chat/completions",
            CLIENT_KEY,
            "{",
            400,
            "invalid_json",
        ),
        (
            "POST",
            "/v1/chat/completions",
            UNKNOWN_KEY,
            "{}",
            401,
            "invalid_api_key",
        ),
        (
            "POST",
            "/v1/messages",
            CLIENT_KEY,
            r#"{"model":"no"}"#,
            404,
            "model_not_found",
        ),
        (
            "PUT",
            "/v1/messages",
            CLIENT_KEY,
            "",
            405,
            "method_not_allowed",
        ),
        ("POST", "/nothing", CLIENT_KEY, "{}", 404, "unknown_path"),
        (
            "POST",
            "/v1beta/models/claude-x:embedContent",
            CLIENT_KEY,
            "{}",
            501,
            "format_not_supported",
        ),
    ] {
        let id = format!("refused-{error}");
        let request = client
            .request(method, path)
            .key(key)
            .header("x-request-id", &id);
        request.body(body).send().await;
        let line = line(&bench.gateway, &id).await;
        assert_eq!(
            (&line["status"], &line["error"]),
            (&json!(status), &json!(error)),
            "{line}"
        );
        assert_eq!(line["tries"], 0, "{line}");
        if status == 501 {
            client = bench.client().await;
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_a_499() {
    let gate = Gate::new();
    let events =
        Reply::sse(["data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n"]).then(&gate);
    for (reply, id) in [
        (events, "left-in-stream"),
        (Reply::silence(), "left-before"),
    ] {
        let bench = Bench::with(JSON, Upstream::always(reply).await).await;
        let mut client = bench.client().await;
        let body = r#"{"model":"gpt-5","stream":true}"#;
        let request = Ask::Chat
            .bare(&mut client, "")
            .header("x-request-id", id)
            .body(body);
        match id {
            "left-before" => {
                tokio::select! {
                    _ = request.try_stream() => panic!("answered"),
                    _ = bench.upstream.request(0) => {}
                }
            }
            _ => {
                request.stream().await.until("\"a\"").await;
            }
        }
        drop(client);
        bench.upstream.cancelled(0).await;
        let line = line(&bench.gateway, id).await;
        assert_eq!(
            (&line["status"], &line["tries"]),
            (&json!(499), &json!(1)),
            "{line}"
        );
    }
    gate.open();
}

#[tokio::test]
async fn an_unfinished_upload_is_a_499_too() {
    let bench = Bench::new(JSON).await;
    let mut client = bench.client().await;
    let request = Ask::Chat
        .bare(&mut client, "")
        .header("x-request-id", "half");
    let sent = request.upload_of(
        100,
        [
            crate::support::reply::Step::from("{"),
            crate::support::reply::Step::Close,
        ],
    );
    assert!(sent.try_stream().await.is_err());
    let line = line(&bench.gateway, "half").await;
    assert_eq!(
        (&line["status"], &line["tries"]),
        (&json!(499), &json!(0)),
        "{line}"
    );
}

#[tokio::test]
async fn retries_are_counted_in_the_one_line() {
    let busy = Reply::json(503, json!({"error": {"message": "busy"}}));
    let upstream = Upstream::script([busy, Reply::json(200, json!({}))]).await;
    let url = upstream.url();
    let gateway = Gateway::start(&format!(
        "{JSON}\napi-keys: [{CLIENT_KEY}]\nopenai-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: '{url}', name: one}}\n\
         - {{api-key: {UPSTREAM_KEY_B}, base-url: '{url}', name: two, \
            models: [{{id: real, alias: gpt-5}}], priority: -1}}\n\
         - {{api-key: {UPSTREAM_KEY_B}, base-url: '{url}', name: three, models: [gpt-5]}}\n"
    ))
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = Ask::Chat
        .bare(&mut client, "")
        .header("x-request-id", "twice");
    assert_eq!(
        request.body(Ask::Chat.body("gpt-5")).send().await.status,
        200
    );
    let line = line(&gateway, "twice").await;
    for (name, want) in [
        ("status", json!(200)),
        ("tries", json!(2)),
        ("account", json!("two")),
        ("model", json!("gpt-5")),
        ("upstream_model", json!("real")),
        ("error", Value::Null),
    ] {
        assert_eq!(line[name], want, "{name} in {line}");
    }
}

#[tokio::test]
async fn text_lines_cannot_be_forged_by_a_model_name() {
    let bench = Bench::new("").await;
    let mut client = bench.client().await;
    let name = r#"gpt-5 status=777 \"x\r\n2026 INFO access request=forged"#;
    let request = Ask::Chat
        .bare(&mut client, "")
        .header("x-request-id", "text-line");
    request.body(Ask::Chat.body(name)).send().await;
    let line = lines(&bench.gateway, "text-line").await;
    let quoted = r#" model="gpt-5 status=777 \"x\r\n2026 INFO access request=forged" "#;
    assert!(line.contains(quoted), "{line}");
    for want in [
        "INFO  access request=text-line POST /v1/chat/completions status=200 format=openai-chat client=key-1 ",
        " tries=1 ",
        " upstream_status=200 ",
    ] {
        assert!(line.contains(want), "{want:?} in {line}");
    }
}

#[tokio::test]
async fn the_environment_chooses_what_is_logged() {
    let upstream = Upstream::always(Reply::json(200, json!({}))).await;
    let yaml = every_provider("", &upstream.url());
    for (filter, has_line) in [("info", true), ("info,access=off", false), ("trace", true)] {
        let gateway = Gateway::builder(&yaml)
            .env("RUST_LOG", filter)
            .start()
            .await;
        let mut client = Client::connect(gateway.addr()).await;
        let wrong = client
            .request("GET", "/v1/models")
            .key(UNKNOWN_KEY)
            .send()
            .await;
        assert_eq!(wrong.status, 401);
        let path = format!("{}?key={CLIENT_KEY}", Ask::Gemini.path("gemini-2.5-pro"));
        let request = client
            .request("POST", &path)
            .header("x-request-id", "the-one")
            .body("{}");
        assert_eq!(request.send().await.status, 200);
        if has_line {
            lines(&gateway, "the-one").await;
        }
        gateway.signal(nix::sys::signal::Signal::SIGTERM);
        gateway.wait_exit().await;
        let logged = gateway
            .log()
            .iter()
            .any(|line| line.contains("request=the-one"));
        assert_eq!(logged, has_line, "{filter}");
        // Dropping the gateway looks for keys in all that it has printed.
    }
}

#[tokio::test]
async fn keys_from_the_environment_and_from_files_show_up_nowhere() {
    let upstream = Upstream::always(Reply::json(
        401,
        json!({"error": {
        "message": format!("Incorrect API key provided: {UPSTREAM_KEY_A}")}}),
    ))
    .await;
    let gateway = Gateway::builder(&format!(
        "request-retry: 0\nlog-level: trace\napi-keys: ['${{MY_KEY}}', 'file:b.key']\nopenai-api-key:\n\
         - {{api-key: '${{THEIR_KEY}}', base-url: '{0}', headers: {{x-secret: '${{THEIR_KEY}}'}}}}\n\
         - {{api-key: 'file:their.key', base-url: '{0}'}}\n",
        upstream.url()
    ))
    .env("MY_KEY", CLIENT_KEY)
    .env("THEIR_KEY", UPSTREAM_KEY_A)
    .file("b.key", format!("{CLIENT_KEY_B}\n"))
    .file("their.key", format!("{UPSTREAM_KEY_B}\n"))
    .start()
    .await;
    for (key, status) in [(CLIENT_KEY, 503), (CLIENT_KEY_B, 503), (UNKNOWN_KEY, 401)] {
        let mut client = Client::connect(gateway.addr()).await;
        let request = client
            .request("POST", "/v1/chat/completions")
            .key(Key::Bearer(key.into()));
        let response = request.body(Ask::Chat.body("gpt-5")).send().await;
        assert_eq!(response.status, status, "{response:?}");
    }
    let keys: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.header("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(
        keys,
        [UPSTREAM_KEY_A, UPSTREAM_KEY_B].map(|key| format!("Bearer {key}"))
    );
    gateway.write_config(
        "api-keys: ['file:nowhere.key']\nopenai-api-key: [{api-key: sk-canary-secret-x y}]\n",
    );
    gateway
        .wait_log(|line| line.contains("config not reloaded"))
        .await;
}
