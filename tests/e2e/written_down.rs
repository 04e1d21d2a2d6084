//! Which requests are written down, and as what.

use futures::SinkExt;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{Client, Key};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, OWN_KEY, UNKNOWN_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::ledger::ledger;
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;
use crate::support::websocket::{Scene, Server, dial, echo};

const SAYS: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-5","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"hi"}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;

#[tokio::test]
async fn every_request_of_somebody_is_written_down_once() {
    let provider = Upstream::handler(|request| match request.target.starts_with("/v1/files") {
        true => Reply::json(200, json!({"data": [], "usage": {"prompt_tokens": 9}})),
        false => Reply::content_length_body(SAYS).header("content-type", "application/json"),
    })
    .await;
    let server = Server::start(&[Scene::Echo]).await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{{key: {CLIENT_KEY}, name: team-a, tags: {{team: search, 'q\"': x}}}}]\n\
         openai-api-key:\n\
         - {{name: chat, api-key: {UPSTREAM_KEY_A}, base-url: '{}', wire-api: chat, models: [gpt-5], \
         allow-client-keys: true, tags: {{team: core, env: prod}}}}\n\
         - {{name: live, api-key: {UPSTREAM_KEY_B}, base-url: '{}', models: [gpt-realtime]}}\n",
        provider.url(),
        server.url(),
    ))
    .await;
    let addr = gateway.addr();
    let turn = json!([{"role": "user", "content": "hi"}]);
    let ask = |model: &str| json!({"model": model, "messages": turn, "max_tokens": 9});
    let bearer = || Key::Bearer(CLIENT_KEY.into());
    for (id, method, path, key, body, extra, status) in [
        (
            "asks",
            "POST",
            "/v1/chat/completions",
            bearer(),
            Some(ask("gpt-5")),
            None,
            200,
        ),
        (
            "bad-key",
            "POST",
            "/v1/chat/completions",
            Key::Bearer(UNKNOWN_KEY.into()),
            Some(ask("gpt-5")),
            None,
            401,
        ),
        (
            "unknown",
            "POST",
            "/v1/chat/completions",
            bearer(),
            Some(ask("gpt-6")),
            None,
            404,
        ),
        (
            "no-body",
            "POST",
            "/v1/chat/completions",
            bearer(),
            Some(json!([])),
            None,
            400,
        ),
        ("no-path", "GET", "/v1/nothing", bearer(), None, None, 404),
        (
            "counts",
            "POST",
            "/v1/messages/count_tokens",
            bearer(),
            Some(ask("gpt-5")),
            None,
            200,
        ),
        (
            "passes",
            "GET",
            "/v1/files",
            bearer(),
            None,
            Some(("x-provider", "chat")),
            200,
        ),
        (
            "own",
            "POST",
            "/v1/chat/completions",
            Key::Bearer(OWN_KEY.into()),
            Some(ask("gpt-5")),
            Some(("x-aiproxy-key", CLIENT_KEY)),
            200,
        ),
        ("models", "GET", "/v1/models", bearer(), None, None, 200),
        ("health", "GET", "/health", bearer(), None, None, 200),
    ] {
        let mut client = Client::connect(addr).await;
        let mut request = client
            .request(method, path)
            .key(key)
            .header("x-request-id", id);
        if let Some((name, value)) = extra {
            request = request.header(name, value);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await;
        assert_eq!(answer.status, status, "{id}: {answer:?}");
    }
    let bearer = format!("Bearer {CLIENT_KEY}");
    let headers = [("authorization", &*bearer), ("x-request-id", "socket")];
    let path = "/v1/realtime?model=gpt-realtime";
    let (mut socket, _) = dial(addr, path, &headers).await.unwrap();
    echo(&mut socket, Message::text("hello")).await;
    socket.close(None).await.unwrap();
    server.ended(1).await;
    gateway
        .wait_log(|line| line.contains("request=socket"))
        .await;
    let _ = socket.flush().await;

    let rows = ledger(&gateway).await;
    let both = r#"{"env":"prod","q\"":"x","team":"search"}"#;
    let own = r#"{"q\"":"x","team":"search"}"#;
    for (id, status, error, attempts, account, tags, formats) in [
        (
            "asks",
            200,
            None,
            1,
            Some("chat"),
            both,
            Some("openai-chat"),
        ),
        ("unknown", 404, Some("model_not_found"), 0, None, own, None),
        ("no-body", 400, Some("invalid_request"), 0, None, own, None),
        ("no-path", 404, Some("not_found"), 0, None, own, None),
        ("counts", 200, None, 0, None, own, Some("claude")),
        ("passes", 200, None, 1, Some("chat"), both, None),
        ("own", 200, None, 1, Some("chat"), both, Some("openai-chat")),
        ("socket", 101, None, 1, Some("live"), own, None),
    ] {
        let row = rows.get(id).unwrap_or_else(|| panic!("{id} is missing"));
        assert_eq!(
            (row.status, row.error.as_deref(), row.attempts),
            (status, error, attempts),
            "{id}: {row:?}"
        );
        assert_eq!(row.client.as_deref(), Some("team-a"), "{id}");
        assert_eq!(row.account.as_deref(), account, "{id}");
        assert_eq!(row.tags, tags, "{id}");
        assert_eq!(row.formats.0.as_deref(), formats, "{id}");
        assert_eq!(row.own_key, id == "own", "{id}");
        let told = matches!(id, "asks" | "own");
        assert_eq!(row.numbers[0], if told { (5, 1) } else { (0, 0) }, "{id}");
        assert_eq!(row.numbers[3], if told { (2, 1) } else { (0, 0) }, "{id}");
        assert!(row.bytes.1 > 0, "{id}: {row:?}");
        assert_eq!(
            row.bytes.0 > 0,
            matches!(id, "asks" | "counts" | "own" | "socket"),
            "{id}: {row:?}"
        );
    }
    assert_eq!(rows.len(), 8, "{:?}", rows.keys());
}
