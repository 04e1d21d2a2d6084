//! The gateway's own endpoints, and the relay of each endpoint of a format to its own provider.

use serde_json::json;

use crate::ask::{Ask, Bench};
use crate::support::client::{Key, get};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::Upstream;

#[tokio::test]
async fn health_is_open_to_all() {
    let bench = Bench::new("").await;
    for path in ["/health", "/health/live", "/health/ready"] {
        let response = get(bench.gateway.addr(), path, Key::None).await;
        assert_eq!(
            (response.status, &response.json()["status"]),
            (200, &json!("ok"))
        );
    }
}

#[tokio::test]
async fn a_gateway_whose_keys_are_all_refused_is_alive_but_not_ready() {
    let refusing = Reply::json(
        401,
        json!({"error": {"message": "no", "type": "invalid_request_error"}}),
    );
    let upstream = Upstream::always(refusing).await;
    let url = upstream.url();
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nrequest-retry: 0\nopenai-api-key:\n\
         - {{api-key: {UPSTREAM_KEY_A}, base-url: '{url}'}}\n\
         - {{api-key: {UPSTREAM_KEY_B}, base-url: '{url}'}}\n"
    ))
    .await;
    let ready = async || get(gateway.addr(), "/health/ready", Key::None).await.status;
    assert_eq!(ready().await, 200);
    let mut client = crate::support::client::Client::connect(gateway.addr()).await;
    let response = Ask::Chat.send(&mut client, "gpt-5").await;
    assert!(
        response.status >= 500,
        "our key is not the client's fault: {response:?}"
    );
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(ready().await, 503);
    assert_eq!(
        get(gateway.addr(), "/health/live", Key::None).await.status,
        200
    );
}

#[tokio::test]
async fn models_are_listed_in_the_form_of_the_caller() {
    let settings = "openai-compatibility:\n\
        - {name: c, base-url: 'http://127.0.0.1:9', models: [{id: x, alias: big}, small]}\n\
        - {name: d, base-url: 'http://127.0.0.1:9', prefix: team/, models: [small, big-preview], \
           excluded-models: ['*-preview']}\n";
    let bench = Bench::new(settings).await;
    let mut client = bench.client().await;

    let list = client
        .request("GET", "/v1/models")
        .key(CLIENT_KEY)
        .send()
        .await;
    let model =
        |id: &str, by: &str| json!({"id": id, "object": "model", "created": 0, "owned_by": by});
    let all = [
        model("big", "c"),
        model("small", "c"),
        model("team/small", "d"),
    ];
    assert_eq!(list.json(), json!({"object": "list", "data": all}));
    for (path, want) in [
        ("/v1/models/big", &all[0]),
        ("/v1/models/team/small", &all[2]),
        ("/v1/models/team%2Fsmall", &all[2]),
    ] {
        let one = client.request("GET", path).key(CLIENT_KEY).send().await;
        assert_eq!((one.status, &one.json()), (200, want), "{path}");
    }

    let request = client
        .request("GET", "/v1/models")
        .key(Key::Anthropic(CLIENT_KEY.into()));
    let list = request
        .header("anthropic-version", "2023-06-01")
        .send()
        .await
        .json();
    assert_eq!(list["data"][2]["id"], "team/small");
    assert_eq!(list["data"][0]["type"], "model");
    assert!(list["data"][0]["created_at"].is_string());
    assert_eq!(list["has_more"], false);
    assert_eq!(
        (&list["first_id"], &list["last_id"]),
        (&json!("big"), &json!("team/small"))
    );

    for version in ["v1beta", "v1alpha"] {
        let path = format!("/{version}/models");
        let list = client
            .request("GET", &path)
            .key(CLIENT_KEY)
            .send()
            .await
            .json();
        assert_eq!(list["models"][1]["name"], "models/small");
        let methods = &list["models"][1]["supportedGenerationMethods"];
        assert!(
            methods
                .as_array()
                .unwrap()
                .contains(&json!("streamGenerateContent"))
        );
    }
    let one = client
        .request("GET", "/v1beta/models/big")
        .key(CLIENT_KEY)
        .send()
        .await;
    assert_eq!(one.json()["name"], "models/big");
    for (ask, path) in [
        (Ask::Chat, "/v1/models/none"),
        (Ask::Gemini, "/v1beta/models/none"),
    ] {
        let none = client.request("GET", path).key(CLIENT_KEY).send().await;
        ask.assert_error(&none, 404, "model_not_found");
    }
}

/// Endpoints with their provider's field for the key, and what they answer.
const RELAYED: [(&str, &str, &str); 10] = [
    ("/v1/chat/completions", "gpt-5", "authorization"),
    ("/v1/chat/completions?x=1&y", "o3-mini", "authorization"),
    ("/v1/responses", "gpt-5", "authorization"),
    ("/v1/responses/input_tokens", "gpt-5", "authorization"),
    ("/v1/messages?beta=true", "claude-sonnet-4-5", "x-api-key"),
    (
        "/v1/messages/count_tokens",
        "claude-sonnet-4-5",
        "x-api-key",
    ),
    (
        "/v1beta/models/gemini-2.5-pro:generateContent",
        "",
        "x-goog-api-key",
    ),
    (
        "/v1alpha/models/gemini-2.5-pro:countTokens",
        "",
        "x-goog-api-key",
    ),
    (
        "/v1/models/gemini-2.5-pro:embedContent",
        "",
        "x-goog-api-key",
    ),
    (
        "/v1beta/models/gemini-2.5-pro:batchEmbedContents",
        "",
        "x-goog-api-key",
    ),
];

#[tokio::test]
async fn each_endpoint_of_a_format_is_relayed_untouched() {
    let answer = "{ \"n\": 1.0,\n \"a\":\"\\u00e9\" }\n";
    let reply = Reply::content_length_body(answer).header("content-type", "application/json");
    let bench = Bench::with("", Upstream::always(reply).await).await;
    let mut client = bench.client().await;
    for (path, model, field) in RELAYED {
        let body = match model {
            "" => "{ \"contents\" : [] ,\"n\":1.0}".to_owned(),
            model => format!("{{ \"model\":\"{model}\", \"n\":1.0 }} "),
        };
        let request = client
            .request("POST", path)
            .key(CLIENT_KEY)
            .body(body.clone());
        let response = request.send().await;
        assert_eq!((response.status, response.text()), (200, answer), "{path}");
        assert_eq!(
            response.header("content-length"),
            Some(&*answer.len().to_string())
        );

        let sent = bench.upstream.requests().pop().unwrap();
        assert_eq!((&*sent.target, &sent.body), (path, &body.into()));
        let key = match field {
            "authorization" => format!("Bearer {UPSTREAM_KEY_A}"),
            _ => UPSTREAM_KEY_A.to_owned(),
        };
        for name in ["authorization", "x-api-key", "x-goog-api-key"] {
            let want = (name == field).then_some(&*key);
            assert_eq!(sent.header(name), want, "{path}");
        }
        assert_eq!(
            sent.header("host"),
            Some(&*bench.upstream.addr().to_string())
        );
        assert_eq!(sent.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn gemini_streams_are_relayed_in_both_of_their_framings() {
    let chunk = |text: &str, end: &str| {
        format!("{{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}{end}}}]}}")
    };
    let chunks = [chunk("a", ""), chunk("b", ",\"finishReason\":\"STOP\"")];
    let array = format!("[{}\r\n,\r\n{}\n]\n", chunks[0], chunks[1]);
    let events = format!("data: {}\r\n\r\ndata: {}\r\n\r\n", chunks[0], chunks[1]);
    let upstream = Upstream::handler(move |request| {
        let (body, kind) = match request.target.ends_with("?alt=sse") {
            true => (&events, "text/event-stream"),
            false => (&array, "application/json; charset=UTF-8"),
        };
        let reply = Reply::sse([body.clone()]).in_pieces_of(7);
        reply.header("content-type", kind)
    })
    .await;
    let bench = Bench::with("", upstream).await;
    for (query, kind) in [
        ("?alt=sse", "text/event-stream"),
        ("", "application/json; charset=UTF-8"),
    ] {
        let path = format!("/v1beta/models/gemini-2.5-pro:streamGenerateContent{query}");
        let mut client = bench.client().await;
        let request = client.request("POST", &path).key(CLIENT_KEY).body("{}");
        let response = request.send().await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), Some(kind));
        assert!(response.complete && response.text().matches("\"parts\"").count() == 2);
        let separated = if query.is_empty() {
            "\r\n,\r\n"
        } else {
            "\r\n\r\n"
        };
        assert!(response.text().contains(separated), "{response:?}");
        Ask::Gemini.is_served(&mut client).await;
    }
}

#[tokio::test]
async fn what_only_one_format_has_is_not_asked_of_another() {
    let bench = Bench::new("").await;
    for other in Ask::IN_BODY {
        let mut client = bench.client().await;
        let path = format!("/v1beta/models/{}:embedContent", other.model());
        let request = client
            .request("POST", &path)
            .key(Ask::Gemini.key(CLIENT_KEY));
        let response = request.body("{}").send().await;
        Ask::Gemini.assert_error(&response, 501, "format_not_supported");
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert!(bench.upstream.requests().is_empty());
}

#[tokio::test]
async fn a_client_may_choose_the_provider() {
    let providers = Upstream::handler(|request| {
        let by = request.target.split('/').nth(1).unwrap().to_owned();
        Reply::json(200, json!({"by": by}))
    })
    .await;
    let url = providers.url();
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n\
         openai-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}/openai'}}]\n\
         claude-api-key: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{url}/anthropic'}}]\n\
         openai-compatibility:\n\
         - {{name: mine, base-url: '{url}/mine'}}\n\
         - {{name: deep, preset: deepseek, base-url: '{url}/deepseek'}}\n"
    ))
    .await;
    let mut client = crate::support::client::Client::connect(gateway.addr()).await;
    for (ask, provider, by) in [
        (Ask::Chat, "openai", "openai"),
        (Ask::Chat, "mine", "mine"),
        (Ask::Chat, "deepseek", "deepseek"),
        (Ask::Chat, "deep", "deepseek"),
        (Ask::Messages, "anthropic", "anthropic"),
        (Ask::Messages, "claude", "anthropic"),
    ] {
        let request = ask.bare(&mut client, "").header("x-provider", provider);
        let response = request.body(ask.body("whatever")).send().await;
        assert_eq!(
            (response.status, &response.json()["by"]),
            (200, &json!(by)),
            "{provider}"
        );
    }
    for ask in Ask::ALL {
        let request = ask
            .bare(&mut client, ask.model())
            .header("x-provider", "nobody");
        let response = request.body(ask.body("gpt-5")).send().await;
        ask.assert_error(&response, 400, "unknown_provider");
        let error = response.json()["error"]["message"].to_string();
        for name in ["anthropic", "openai", "mine", "deepseek"] {
            assert!(error.contains(name), "{error}");
        }
    }
    for request in providers.requests() {
        assert_eq!(request.header("x-provider"), None);
    }
}
