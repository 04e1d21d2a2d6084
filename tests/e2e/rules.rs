//! Payload rules: what they change of a request on its way, and that nothing else changes.

use futures::future::join_all;
use serde_json::json;

use crate::ask::{Ask, Bench, every_provider};
use crate::dialect::{Dialect, Mode};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

/// Rules for each format, of which only one's are for a request.
const RULES: &str = "
payload:
  default:
  - {models: [{protocol: chat}, {protocol: responses}], params: {service_tier: flex, n: 7}}
  - {models: [{protocol: claude}], params: {service_tier: auto, n: 7}}
  - {models: [{protocol: gemini}], params: {generationConfig.topK: 5, n: 7}}
  override:
  - {params: {meta.forced: [1.5, null]}}
  filter:
  - {params: [list, nothing.here]}
";

/// What the rules make of the body that [`Ask::body`] gives.
fn ruled(ask: Ask) -> String {
    let (body, model) = (ask.body(ask.model()), ask.model());
    let forced = r#""forced":[1.5,null]"#;
    match ask {
        Ask::Gemini => body.replace(
            "\"n\":1.0}",
            &format!("\"n\":1.0,\"generationConfig\":{{\"topK\":5}},\"meta\":{{{forced}}}}}"),
        ),
        _ => {
            let tier = if ask == Ask::Messages { "auto" } else { "flex" };
            let list = r#","list":[{"model":"deep"}]"#;
            assert!(body.contains(list) && body.contains(model));
            body.replace(list, &format!(",\"service_tier\":\"{tier}\""))
                .replace(
                    r#"{"model":"nested"}"#,
                    &format!(r#"{{"model":"nested",{forced}}}"#),
                )
        }
    }
}

#[tokio::test]
async fn a_rule_changes_its_place_and_no_other_byte() {
    for ask in Ask::ALL {
        let bench = Bench::new(RULES).await;
        let mut client = bench.client().await;
        for n in 0..2 {
            assert_eq!(ask.send(&mut client, ask.model()).await.status, 200);
            let sent = bench.upstream.request(n).await;
            assert_eq!(sent.body, ruled(ask), "{ask:?}");
            let length = sent.header("content-length").unwrap();
            assert_eq!(length, ruled(ask).len().to_string(), "{ask:?}");
        }
    }
}

#[tokio::test]
async fn without_a_rule_for_it_a_request_keeps_every_byte() {
    let rules = "payload: {override: [{models: [{name: nobody}, {headers: {x-tier: gold}}], params: {a: 1}}]}";
    for ask in Ask::ALL {
        let bench = Bench::new(rules).await;
        let mut client = bench.client().await;
        assert_eq!(ask.send(&mut client, ask.model()).await.status, 200);
        let sent = bench.upstream.request(0).await;
        assert_eq!(sent.body, ask.body(ask.model()), "{ask:?}");
    }
}

#[tokio::test]
async fn a_rule_looks_at_formats_headers_and_the_body() {
    let rules = "
payload:
  override:
  - models: [{from-protocol: claude, protocol: gemini, name: 'gemini-*'}]
    params: {a: 1}
  - models: [{headers: {X-Tier: 'gold*'}, match: {messages.0.role: user}, exist: [max_tokens], not-exist: [tools]}]
    params: {b: 1}
";
    let bench = Bench::new(rules).await;
    let body = Ask::Messages.body("claude-sonnet-4-5");
    for (n, (tier, body, is_ruled)) in [
        ("golden", body.clone(), true),
        ("silver", body.clone(), false),
        ("golden", body.replace("\"user\"", "\"assistant\""), false),
        ("golden", body.replace("\"max_tokens\"", "\"tools\""), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = bench.client().await;
        let request = Ask::Messages.bare(&mut client, "claude-sonnet-4-5");
        let request = request.header("x-tier", tier).body(body.clone());
        assert_eq!(request.send().await.status, 200);
        let sent = bench.upstream.request(n).await;
        let want = match is_ruled {
            true => body.replace("}] } \n", "}],\"b\":1 } \n"),
            false => body,
        };
        assert_eq!(sent.body, want, "{tier}");
    }
}

#[tokio::test]
async fn a_translated_request_is_ruled_in_the_providers_format() {
    let rules = "
payload:
  default:
  - {models: [{protocol: openai, from-protocol: claude}], params: {seed: 5, messages: []}}
  override:
  - {models: [{protocol: gemini}], params: {generationConfig.temperature: 0.5}}
  - {models: [{protocol: responses}], params: {text.verbosity: low}}
  - {models: [{protocol: claude}], params: {max_tokens: 77}}
";
    let cells = Dialect::ALL.into_iter().flat_map(|client| {
        let others = Dialect::ALL.into_iter().filter(move |one| *one != client);
        others.map(move |upstream| (client, upstream))
    });
    join_all(cells.map(|(from, to)| async move {
        let provider = Upstream::always(to.answer(Mode::Whole)).await;
        let api = match to {
            Dialect::Chat => ", wire-api: chat",
            Dialect::Responses => ", wire-api: responses",
            _ => "",
        };
        let gateway = Gateway::start(&format!(
            "api-keys: [{CLIENT_KEY}]\n{rules}\n{}: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{}'{api}, models: [{{id: {}, alias: any}}]}}]\n",
            to.list(),
            provider.url(),
            to.model(),
        ))
        .await;
        let mut client = Client::connect(gateway.addr()).await;
        let response = from.request(&mut client, "any", Mode::Whole).send().await;
        assert_eq!(response.status, 200, "{from:?} {to:?} {response:?}");
        let sent = provider.request(0).await;
        let (pointer, want) = match to {
            Dialect::Chat if from == Dialect::Claude => ("/seed", json!(5)),
            Dialect::Chat => ("/model", json!(to.model())),
            Dialect::Responses => ("/text/verbosity", json!("low")),
            Dialect::Claude => ("/max_tokens", json!(77)),
            Dialect::Gemini => ("/generationConfig/temperature", json!(0.5)),
        };
        assert_eq!(sent.json().pointer(pointer), Some(&want), "{from:?} {to:?} {sent:?}");
        assert_ne!(sent.json()["messages"], json!([]));
    }))
    .await;
}

#[tokio::test]
async fn rules_are_applied_for_each_account_anew() {
    let script = [
        Dialect::Chat.refusal(500, "server_error", "no"),
        Dialect::Chat.answer(Mode::Whole),
    ];
    let upstream = Upstream::script(script).exhausted_is_failure().await;
    let url = upstream.url();
    let entry = |name: &str, key: &str, priority: u32, id: &str| {
        format!(
            "{{name: {name}, api-key: {key}, base-url: '{url}', priority: {priority}, models: [{{id: {id}, alias: both}}]}}"
        )
    };
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nopenai-api-key: [{}, {}]\n\
         payload: {{override: [{{params: {{stop.-1: x}}}}, {{models: [{{name: second}}], params: {{seed: 2}}}}]}}",
        entry("a", UPSTREAM_KEY_A, 1, "first"),
        entry("b", UPSTREAM_KEY_B, 0, "second"),
    ))
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = Ask::Chat.bare(&mut client, "both");
    let body = r#"{"model":"both","messages":[],"stop":["a"]}"#;
    assert_eq!(request.body(body).send().await.status, 200);
    assert_eq!(
        upstream.request(0).await.body,
        r#"{"model":"first","messages":[],"stop":["a","x"]}"#
    );
    assert_eq!(
        upstream.request(1).await.body,
        r#"{"model":"second","messages":[],"stop":["a","x"],"seed":2}"#
    );
}

#[tokio::test]
async fn the_envelope_is_around_what_the_rules_made() {
    let upstream = Upstream::always(Reply::json(
        200,
        json!({"response": {"candidates": [{"content": {"parts": [{"text": "ok"}]}, "finishReason": "STOP"}]}}),
    ))
    .await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\ngemini-api-key: [{{preset: antigravity, project: p, api-key: {UPSTREAM_KEY_A}, base-url: '{}'}}]\n\
         payload: {{default: [{{params: {{generationConfig.seed: 3}}}}]}}",
        upstream.url()
    ))
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let response = Ask::Gemini.send(&mut client, "gemini-2.5-pro").await;
    assert_eq!(response.status, 200, "{response:?}");
    let sent = upstream.request(0).await.json();
    assert_eq!(sent["request"]["generationConfig"]["seed"], 3, "{sent}");
    assert_eq!(sent.get("generationConfig"), None);
}

#[tokio::test]
async fn counting_tokens_is_not_ruled() {
    let bench = Bench::new("payload: {override: [{params: {max_tokens: 5}}]}").await;
    let mut client = bench.client().await;
    let body = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}"#;
    let request = client.request("POST", "/v1/messages/count_tokens");
    let request = request.key(Ask::Messages.key(CLIENT_KEY)).body(body);
    assert_eq!(request.send().await.status, 200);
    assert_eq!(bench.upstream.request(0).await.body, body);
}

#[tokio::test]
async fn a_reload_brings_new_rules_and_bad_ones_are_refused() {
    let bench = Bench::new("payload: {override: [{params: {a: 1}}]}").await;
    let mut client = bench.client().await;
    assert_eq!(Ask::Chat.send(&mut client, "gpt-5").await.status, 200);
    let url = bench.upstream.url();
    let rules = |path: &str| {
        every_provider(
            &format!("payload: {{override: [{{params: {{{path}: 2}}}}]}}"),
            &url,
        )
    };
    bench.gateway.write_config(&rules("a..b"));
    let refused = |line: &str| {
        line.contains("payload.override[0].params.a..b: path 'a..b' has an empty part")
    };
    bench.gateway.wait_log(refused).await;
    bench.gateway.write_config(&rules("b"));
    bench
        .gateway
        .wait_log(|line| line.contains("config reloaded"))
        .await;
    assert_eq!(Ask::Chat.send(&mut client, "gpt-5").await.status, 200);
    assert!(bench.upstream.request(0).await.json().get("a").is_some());
    let last = bench.upstream.request(1).await.json();
    assert!(last.get("a").is_none() && last["b"] == 2, "{last}");
}
