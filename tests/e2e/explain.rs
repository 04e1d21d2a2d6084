//! What would become of a request is what becomes of it.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::admin::{post, with_key};
use crate::dialect::Dialect;
use crate::support::client::{Client, Key};
use crate::support::gateway::Gateway;
use crate::support::keys::{ADMIN_KEY, CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

#[derive(Deserialize)]
struct Explained<'a> {
    #[serde(borrow)]
    upstream: Option<Sent<'a>>,
    answered_here: bool,
    error: Option<Value>,
    candidates: Vec<Value>,
}

#[derive(Deserialize)]
struct Sent<'a> {
    method: String,
    url: String,
    headers: Value,
    body_bytes: usize,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

fn path(dialect: Dialect, streamed: bool) -> &'static str {
    match (dialect, streamed) {
        (Dialect::Chat, _) => "/v1/chat/completions",
        (Dialect::Responses, _) => "/v1/responses",
        (Dialect::Claude, _) => "/v1/messages?beta=true",
        (Dialect::Gemini, false) => "/v1beta/models/gemini-2.5-pro:generateContent",
        (Dialect::Gemini, true) => "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    }
}

/// The recorded requests of a format.
fn recorded(dialect: Dialect) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = root.join(dialect.fixtures()).join("requests");
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// The client's headers: some cross to some providers.
const HEADERS: [(&str, &str); 6] = [
    ("x-request-id", "req-explained"),
    ("anthropic-version", "2023-06-01"),
    ("anthropic-beta", "some-beta"),
    ("openai-beta", "x=y"),
    ("user-agent", "test/1"),
    ("content-type", "application/json"),
];

#[tokio::test]
async fn every_recorded_request_is_sent_as_it_is_explained() {
    // A client's error costs an account nothing, so that each request finds all of them well.
    let no = json!({"error": {"message": "no", "type": "invalid_request_error"}});
    let upstream = Upstream::always(Reply::json(400, no)).await;
    let url = upstream.url();
    // What operators have changed on the way is explained as it is sent.
    let cloak = "{mode: always, system-prompt: 'Be kind.', user-id: hash, hash-key: k, sensitive-words: [the, what]}";
    let gateway = Gateway::start(&with_key(&format!(
        "api-keys: [{CLIENT_KEY}]\n\
         translation: {{repair-retry: false}}\n\
         payload:\n  default: [{{params: {{metadata.team: core}}}}]\n  \
         override: [{{models: [{{protocol: openai}}, {{protocol: claude}}], params: {{temperature: 0.5}}}}]\n  \
         filter: [{{models: [{{from-protocol: gemini}}], params: [top_p, generationConfig.topK]}}]\n\
         claude-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}', headers: {{x-tenant: t}}, cloak: {cloak}}}]\n\
         gemini-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}'}}]\n\
         openai-compatibility:\n\
         - {{name: chat, api-key: {UPSTREAM_KEY_A}, base-url: '{url}/v1', wire-api: chat, cloak: {cloak}}}\n\
         - {{name: resp, api-key: {UPSTREAM_KEY_A}, base-url: '{url}/v1', wire-api: responses, cloak: {cloak}}}\n\
         - {{name: fixed, api-key: {UPSTREAM_KEY_A}, base-url: '{url}/v1', models: [{{id: real, alias: gpt-4o}}]}}\n"
    )))
    .await;
    let admin = gateway.admin().await;
    let (mut compared, mut refused) = (0, 0);
    for dialect in Dialect::ALL {
        for (name, body) in recorded(dialect) {
            for provider in ["anthropic", "gemini", "chat", "resp", "fixed"] {
                let what = format!("{name} at {provider}");
                let streamed = compared % 2 == 1;
                let mut headers = serde_json::Map::new();
                let given = HEADERS.into_iter().chain([("x-provider", provider)]);
                for (key, value) in given.clone() {
                    headers.insert(key.to_owned(), value.into());
                }
                headers.insert(
                    "authorization".to_owned(),
                    format!("Bearer {CLIENT_KEY}").into(),
                );
                let path = path(dialect, streamed);
                let question = format!(
                    "{{\"path\":\"{path}\",\"headers\":{},\"body\":{body}}}",
                    Value::Object(headers)
                );
                let explained = post(admin, "/admin/explain", ADMIN_KEY, question).await;
                assert_eq!(explained.status, 200, "{what}: {explained:?}");
                let explained: Explained<'_> = serde_json::from_slice(&explained.body).unwrap();
                let before = upstream.requests().len();
                let mut client = Client::connect(gateway.addr()).await;
                let mut request = client.request("POST", path).key(CLIENT_KEY);
                for (key, value) in given {
                    request = request.header(key, value);
                }
                let response = request.body(body.clone()).send().await;
                let came = upstream.requests()[before..].to_vec();
                let Some(sent) = explained.upstream else {
                    assert!(came.is_empty(), "{what}: {came:?}");
                    assert!(!explained.answered_here, "{what}");
                    match explained.error {
                        Some(error) => assert_eq!(error["status"], response.status, "{what}"),
                        None => {
                            let states = explained.candidates.iter();
                            let mut states = states.map(|one| &one["state"]);
                            assert!(states.all(|state| state == "cannot_carry"), "{what}");
                        }
                    }
                    refused += 1;
                    continue;
                };
                let [request] = &came[..] else {
                    panic!("{what}: {came:?}");
                };
                assert_eq!(
                    (&sent.method, &sent.url),
                    (&request.method, &format!("{url}{}", request.target)),
                    "{what}"
                );
                let body = sent.body.map_or("", RawValue::get);
                let text = std::str::from_utf8(&request.body).unwrap();
                assert_eq!(body, text.trim(), "{what}");
                // What surrounds the document is not in the question.
                assert_eq!(sent.body_bytes, body.len(), "{what}");
                for (name, value) in &request.headers.0 {
                    let name = name.to_lowercase();
                    let shown = &sent.headers[&name][0];
                    match name.as_str() {
                        "x-api-key" | "x-goog-api-key" => assert_eq!(shown, "sk-…et-a", "{what}"),
                        "authorization" => assert_eq!(shown, "Bearer sk-…et-a", "{what}"),
                        "x-tenant" => assert_eq!(shown, "***", "{what}"),
                        "content-length" => {
                            assert_eq!(shown, &sent.body_bytes.to_string(), "{what}")
                        }
                        "connection" => {}
                        _ => assert_eq!(shown, value, "{what}: {name}"),
                    }
                }
                let shown = sent.headers.as_object().unwrap();
                for name in shown.keys() {
                    assert!(
                        request.header(name).is_some(),
                        "{what}: {name} was not sent"
                    );
                }
                compared += 1;
            }
        }
    }
    println!("{compared} requests compared, {refused} refused alike");
    let bodies = upstream.requests();
    let bodies = bodies.iter().map(|one| String::from_utf8_lossy(&one.body));
    let changed = |word: &str| bodies.clone().filter(|body| body.contains(word)).count();
    for word in [
        "Be kind.",
        "MASK_",
        "\"team\":\"core\"",
        "\"temperature\":0.5",
    ] {
        assert!(changed(word) > 20, "{word}");
    }
    assert!(compared > 100 && refused > 5, "{compared}, {refused}");
}

async fn explained(gateway: &Gateway, question: Value) -> Value {
    let response = post(
        gateway.admin().await,
        "/admin/explain",
        ADMIN_KEY,
        question.to_string(),
    )
    .await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

fn states(explained: &Value) -> Vec<String> {
    let candidates = explained["candidates"].as_array().unwrap();
    let state = |one: &Value| {
        format!(
            "{} {}",
            one["account"].as_str().unwrap(),
            one["state"].as_str().unwrap()
        )
    };
    candidates.iter().map(state).collect()
}

#[tokio::test]
async fn an_entry_for_clients_own_keys_only_is_no_candidate_for_others() {
    let upstream = Upstream::always(Reply::json(200, json!({"ok": true}))).await;
    let url = upstream.url();
    let gateway = Gateway::start(&with_key(&format!(
        "api-keys: [{CLIENT_KEY}]\nopenai-api-key:\n\
         - {{name: theirs, base-url: '{url}', allow-client-keys: true, priority: 1, models: [m]}}\n\
         - {{name: ours, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', models: [m]}}\n"
    )))
    .await;
    let question = json!({
        "path": "/v1/chat/completions", "body": {"model": "m", "messages": []},
        "headers": {"authorization": format!("Bearer {CLIENT_KEY}")},
    });
    let told = explained(&gateway, question).await;
    assert_eq!(states(&told), ["theirs excluded", "ours next"]);
    assert_eq!(told["upstream"]["account"], "ours");
}

#[tokio::test]
async fn the_candidates_are_named_with_how_they_stand_and_nothing_changes() {
    let limited = Reply::status(429).header("retry-after", "100");
    let ok = Reply::json(200, json!({"ok": true}));
    let upstream = Upstream::script([limited, ok]).await;
    let url = upstream.url();
    let gateway = Gateway::start(&with_key(&format!(
        "api-keys: [{{key: {CLIENT_KEY}, name: team}}]\nprices: [{{model: m, input: 2.5, output: 10}}]\nopenai-api-key:\n\
         - {{name: rests, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', priority: 3, models: [{{id: real, alias: m}}]}}\n\
         - {{name: one, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', models: [m]}}\n\
         - {{name: two, api-key: {UPSTREAM_KEY_B}, base-url: '{url}', models: [m]}}\n"
    )))
    .await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x".repeat(400)}]});
    let question = json!({
        "path": "/v1/chat/completions", "body": body,
        "headers": {"authorization": format!("Bearer {CLIENT_KEY}")},
    });
    let before = explained(&gateway, question.clone()).await;
    assert_eq!(before["upstream"]["body"]["model"], "real");
    let mut client = Client::connect(gateway.addr()).await;
    let request = client
        .request("POST", "/v1/chat/completions")
        .key(CLIENT_KEY);
    assert_eq!(request.json(&body).send().await.status, 200);
    let after = explained(&gateway, question.clone()).await;
    assert_eq!(states(&after)[0], "rests resting");
    assert_eq!(after["candidates"][0]["why"], "rate limit or quota");
    assert!(after["candidates"][0]["until"].is_string());
    assert_eq!(
        (&after["client"], &after["format"]),
        (&json!("team"), &json!("openai-chat"))
    );
    assert_eq!(after["estimated_input_tokens"], 110);
    // 110 × 2.50 dollars a million.
    assert_eq!(after["estimated_cost"], "0.000275");
    assert_eq!(after["price"]["output"], "10");
    let version = after["price"]["version"].as_str().unwrap();
    assert!(version.starts_with("config-"), "{version}");
    for _ in 0..5 {
        assert_eq!(
            states(&explained(&gateway, question.clone()).await),
            states(&after)
        );
    }
    // The next in turn is the one that was named.
    let next = after["upstream"]["account"].as_str().unwrap().to_owned();
    let request = client
        .request("POST", "/v1/chat/completions")
        .key(CLIENT_KEY);
    request.json(&body).send().await;
    let key = upstream
        .requests()
        .last()
        .unwrap()
        .header("authorization")
        .unwrap()
        .to_owned();
    let want = if next == "one" {
        UPSTREAM_KEY_A
    } else {
        UPSTREAM_KEY_B
    };
    assert!(key.ends_with(want), "{next}");
    assert_eq!(upstream.requests().len(), 3);
}

#[tokio::test]
async fn the_request_itself_may_be_the_question_and_errors_are_told() {
    let gateway = Gateway::start(&with_key(&format!(
        "api-keys: [{CLIENT_KEY}]\nclaude-api-key: [{{name: a, api-key: {UPSTREAM_KEY_A}, excluded-models: ['claude-2*']}}]\n"
    )))
    .await;
    let admin = gateway.admin().await;
    let body = r#"{"model":"claude-x","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#;
    let mut client = Client::connect(admin).await;
    let request = client
        .request("POST", "/admin/explain?path=%2Fv1%2Fmessages")
        .key(Key::Anthropic(ADMIN_KEY.into()));
    let told = request.body(body).send().await.json();
    assert_eq!(
        told["upstream"]["url"],
        "https://api.anthropic.com/v1/messages"
    );
    assert_eq!(
        told["upstream"]["headers"]["x-api-key"],
        json!(["sk-…et-a"])
    );
    assert_eq!(
        (&told["client"], &told["losses"]),
        (&Value::Null, &json!([]))
    );
    let error = async |question: Value| explained(&gateway, question).await["error"].clone();
    let unknown = error(json!({"path": "/v1/messages", "body": {"model": "nobody"}})).await;
    assert_eq!(
        (&unknown["code"], &unknown["status"]),
        (&json!("model_not_found"), &json!(404))
    );
    let wrong =
        error(json!({"path": "/v1/messages", "headers": {"x-api-key": "wrong"}, "body": {}})).await;
    assert_eq!(wrong["code"], "invalid_api_key");
    assert_eq!(
        error(json!({"path": "/v1/nothing", "body": {}})).await["code"],
        "unknown_path"
    );
    assert_eq!(
        error(json!({"path": "/v1/messages"})).await["code"],
        "invalid_json"
    );
    for (path, body) in [("/admin/explain", "no"), ("/admin/explain?path=x", "{}")] {
        let refused = post(admin, path, ADMIN_KEY, body).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["code"]),
            (400, &json!("invalid_question"))
        );
    }
    let told = explained(&gateway, json!({
        "path": "/v1/chat/completions",
        "body": {"model": "claude-x", "seed": 7, "messages": [{"role": "user", "content": "hi"}]},
    }))
    .await;
    assert_eq!(
        told["losses"],
        json!([{"path": "seed", "change": "dropped"}])
    );
    assert_eq!(told["upstream"]["format"], "claude");
}
