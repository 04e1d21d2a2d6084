//! From a model's name to an account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use serde_json::json;

use crate::ask::Ask;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};

/// An upstream that says which path below its address was asked for which model.
async fn mirror() -> Upstream {
    Upstream::handler(|request| {
        let by = request.target.split('/').nth(1).unwrap();
        match by {
            "down" => Reply::json(503, json!({"error": {"message": "no"}})),
            _ => Reply::json(200, json!({"by": by, "asked": request.json()["model"]})),
        }
    })
    .await
}

async fn start(upstream: &Upstream, yaml: &str) -> Gateway {
    let yaml = yaml
        .replace("URL", &upstream.url())
        .replace("KEY", UPSTREAM_KEY_A);
    Gateway::start(&format!("api-keys: [{CLIENT_KEY}]\n{yaml}")).await
}

/// `provider:model` of the answer, or its status.
async fn served(client: &mut Client, model: &str) -> String {
    let response = Ask::Chat.send(client, model).await;
    match response.status {
        200 => {
            let answer = response.json();
            format!(
                "{}:{}",
                answer["by"].as_str().unwrap(),
                answer["asked"].as_str().unwrap()
            )
        }
        status => status.to_string(),
    }
}

#[tokio::test]
async fn a_prefix_chooses_its_entry_and_is_taken_off() {
    let upstream = mirror().await;
    let gateway = start(
        &upstream,
        "openai-compatibility:\n\
         - {name: a, base-url: URL/a, prefix: team-a}\n\
         - {name: b, base-url: URL/b, prefix: /x/team-b/, models: [{id: big, alias: m}]}\n\
         openai-api-key: [{api-key: KEY, base-url: URL/openai}]\n",
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    for (model, want) in [
        ("team-a/gpt-5", "a:gpt-5"),
        ("team-a/org/model", "a:org/model"),
        ("x/team-b/m", "b:big"),
        ("x/team-b/other", "404"),
        ("gpt-5", "openai:gpt-5"),
        ("m", "404"),
    ] {
        assert_eq!(served(&mut client, model).await, want, "{model}");
        client = Client::connect(gateway.addr()).await;
    }
}

#[tokio::test]
async fn an_alias_is_a_pool_over_ids_and_entries() {
    let upstream = mirror().await;
    let gateway = start(
        &upstream,
        "openai-compatibility:\n\
         - {name: a, base-url: URL/a, models: [{id: a1, alias: m}, {id: a2, alias: m}]}\n\
         - {name: b, base-url: URL/b, models: [{name: b1, alias: m}, b2]}\n",
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(served(&mut client, "m").await);
    }
    seen.sort();
    assert_eq!(seen, ["a:a1", "a:a1", "a:a2", "a:a2", "b:b1", "b:b1"]);
    assert_eq!(served(&mut client, "b2").await, "b:b2");
    assert_eq!(
        served(&mut client, "a1").await,
        "404",
        "an id with an alias has no other name"
    );
}

#[tokio::test]
async fn excluded_and_disabled_entries_serve_nothing() {
    let upstream = mirror().await;
    let gateway = start(
        &upstream,
        "openai-api-key:\n\
         - {api-key: KEY, name: off, base-url: URL/off, disabled: true}\n\
         - {api-key: KEY, base-url: URL/on, excluded-models: ['*-preview', 'gpt-4*']}\n",
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    for (model, want) in [
        ("gpt-5", "on:gpt-5"),
        ("gpt-5", "on:gpt-5"),
        ("gpt-5-preview", "404"),
        ("gpt-4o", "404"),
    ] {
        assert_eq!(served(&mut client, model).await, want, "{model}");
    }
    let request = client
        .request("POST", "/v1/x")
        .key(CLIENT_KEY)
        .header("x-provider", "off");
    Ask::Chat.assert_error(&request.body("{}").send().await, 400, "unknown_provider");
}

#[tokio::test]
async fn a_route_tries_its_providers_and_models_in_order() {
    let upstream = mirror().await;
    let gateway = start(
        &upstream,
        "request-retry: 0\n\
         routes:\n\
         - {model: 'p-*', providers: [down, second, third]}\n\
         - {model: 'm-*', providers: [down, third], models: [first-model, second-model]}\n\
         - {model: 'any', models: [big]}\n\
         - {model: 'p-never', providers: [second]}\n\
         openai-compatibility:\n\
         - {name: down, base-url: URL/down}\n\
         - {name: second, base-url: URL/second, models: [p-1, p-never]}\n\
         - {name: third, base-url: URL/third, models: [p-1, p-2, second-model, big]}\n",
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    for (model, want) in [
        ("p-1", "second:p-1"),
        ("p-2", "third:p-2"),
        ("m-x", "third:second-model"),
        ("any", "third:big"),
        ("p-never", "second:p-never"),
    ] {
        assert_eq!(served(&mut client, model).await, want, "{model}");
    }
}

#[tokio::test]
async fn a_route_may_be_longer_than_any_number_of_tries() {
    let models: Vec<_> = (0..40).map(|n| format!("m{n}")).collect();
    let refusals = (1..models.len()).map(|_| Reply::json(500, json!({})));
    let answer = Reply::json(200, json!({"by": "last", "asked": "m39"}));
    let upstream = Upstream::script(refusals.chain([answer])).await;
    let settings = format!(
        "request-retry: 0\nroutes:\n- {{model: any, models: [{}]}}\n\
         openai-compatibility:\n- {{name: only, base-url: URL}}\n",
        models.join(", ")
    );
    let gateway = start(&upstream, &settings).await;
    let mut client = Client::connect(gateway.addr()).await;
    assert_eq!(served(&mut client, "any").await, "last:m39");
}

#[tokio::test]
async fn a_base_url_is_taken_with_or_without_version_and_slash() {
    let upstream = Upstream::always(Reply::json(200, json!({}))).await;
    for (base, chat, embeddings) in [
        ("", "/v1/chat/completions", "/v1/embeddings"),
        ("/", "/v1/chat/completions", "/v1/embeddings"),
        ("/v1", "/v1/chat/completions", "/v1/embeddings"),
        ("/v1/", "/v1/chat/completions", "/v1/embeddings"),
        (
            "/openai",
            "/openai/v1/chat/completions",
            "/openai/v1/embeddings",
        ),
        (
            "/api/paas/v4",
            "/api/paas/v4/chat/completions",
            "/api/paas/v4/embeddings",
        ),
        (
            "/v1beta/openai/",
            "/v1beta/openai/chat/completions",
            "/v1beta/openai/embeddings",
        ),
    ] {
        let list = format!(
            "openai-compatibility: [{{name: c, base-url: '{}{base}'}}]",
            upstream.url()
        );
        let gateway = start(&upstream, &list).await;
        let mut client = Client::connect(gateway.addr()).await;
        assert_eq!(Ask::Chat.send(&mut client, "m").await.status, 200);
        assert_eq!(upstream.requests().pop().unwrap().target, chat, "{base}");
        let request = client.request("POST", "/v1/embeddings").key(CLIENT_KEY);
        request.header("x-provider", "c").body("{}").send().await;
        assert_eq!(
            upstream.requests().pop().unwrap().target,
            embeddings,
            "{base}"
        );
    }
}

#[tokio::test]
async fn an_entrys_headers_are_added_and_may_copy_the_clients() {
    let upstream = Upstream::always(Reply::json(200, json!({}))).await;
    let gateway = start(
        &upstream,
        "openai-api-key: [{api-key: KEY, base-url: URL, headers: {x-fixed: one, \
         user-agent: ours, x-copied: $x-mine, x-absent: $x-nothing, openai-beta: $openai-beta}}]",
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = Ask::Chat.bare(&mut client, "").header("x-mine", "two");
    let request = request
        .header("user-agent", "theirs")
        .header("x-fixed", "theirs");
    assert_eq!(
        request.body(Ask::Chat.body("gpt-5")).send().await.status,
        200
    );
    let sent = upstream.request(0).await;
    for (name, values) in [
        ("x-fixed", vec!["one"]),
        ("user-agent", vec!["ours"]),
        ("x-copied", vec!["two"]),
        ("x-mine", vec![]),
        ("x-absent", vec![]),
    ] {
        assert_eq!(sent.headers.all(name).collect::<Vec<_>>(), values, "{name}");
    }
}

fn key(request: &Request) -> String {
    let value = request.header("authorization").unwrap_or_default();
    value.trim_start_matches("Bearer ").to_owned()
}

/// The body of turn `n` of a conversation that began with `topic`.
fn turn(topic: &str, n: usize) -> String {
    let mut turns = vec![
        json!({"role": "system", "content": "You help."}),
        json!({"role": "user", "content": topic}),
    ];
    for n in 0..n {
        turns.push(json!({"role": "assistant", "content": format!("answer {n}")}));
        turns.push(json!({"role": "user", "content": format!("and {n}?")}));
    }
    json!({"model": "gpt-5", "messages": turns}).to_string()
}

#[tokio::test]
async fn a_conversation_stays_with_one_key_until_that_one_rests() {
    let limited: Arc<Mutex<Option<String>>> = Arc::default();
    let refused = Arc::new(AtomicBool::new(false));
    let (limit, seen) = (Arc::clone(&limited), Arc::clone(&refused));
    let upstream = Upstream::handler(move |request| {
        if limit.lock().as_ref() == Some(&key(request)) {
            seen.store(true, Ordering::Release);
            return Reply::json(429, json!({"error": {"message": "slow down"}}))
                .header("retry-after", "100");
        }
        Reply::json(200, json!({"key": "…"}))
    })
    .await;
    let gateway = start(
        &upstream,
        &format!(
            "routing: {{session-affinity: true}}\nopenai-api-key:\n\
             - {{api-key: {UPSTREAM_KEY_A}, base-url: URL}}\n\
             - {{api-key: {UPSTREAM_KEY_B}, base-url: URL}}\n"
        ),
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let mut ask = async |topic: &str, n| {
        let request = Ask::Chat.bare(&mut client, "").body(turn(topic, n));
        assert_eq!(request.send().await.status, 200);
        key(&upstream.requests().pop().unwrap())
    };
    let home = ask("topic", 0).await;
    for n in 1..20 {
        assert_eq!(ask("topic", n).await, home, "turn {n}");
    }
    let mut homes = Vec::new();
    for n in 0..20 {
        homes.push(ask(&format!("topic {n}"), 0).await);
    }
    assert!(homes.contains(&home) && homes.iter().any(|other| *other != home));

    *limited.lock() = Some(home.clone());
    for n in 20..30 {
        assert_ne!(ask("topic", n).await, home, "turn {n}");
    }
    assert!(refused.load(Ordering::Acquire));
}
