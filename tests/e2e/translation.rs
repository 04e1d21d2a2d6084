//! Clients of every format at providers of every format.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Mode};
use crate::support::client::{Client, Response};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::{Reply, Step};
use crate::support::upstream::Upstream;

/// The name that clients use for every provider's model.
const MODEL: &str = "any";

fn entry(upstream: Dialect, name: &str, url: &str) -> String {
    let api = match upstream {
        Dialect::Chat => ", wire-api: chat",
        Dialect::Responses => ", wire-api: responses",
        Dialect::Claude | Dialect::Gemini => "",
    };
    let model = upstream.model();
    format!(
        "{{name: {name}, api-key: {UPSTREAM_KEY_A}, base-url: '{url}'{api}, \
         models: [{{id: {model}, alias: {MODEL}}}]}}"
    )
}

async fn gateway(upstream: Dialect, url: &str, settings: &str) -> Gateway {
    Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n{settings}\n{}: [{}]\n",
        upstream.list(),
        entry(upstream, "only", url)
    ))
    .await
}

/// Every client at every provider of another format.
fn cells() -> impl Iterator<Item = (Dialect, Dialect)> {
    Dialect::ALL.into_iter().flat_map(|client| {
        let others = Dialect::ALL.into_iter().filter(move |one| *one != client);
        others.map(move |upstream| (client, upstream))
    })
}

/// The JSON of the events of a stream.
fn events(body: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(body)
        .split("\n\n")
        .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

/// What an answer says, read as a client of `dialect` reads it.
fn said(dialect: Dialect, mode: Mode, response: &Response) -> String {
    let documents = match mode {
        Mode::Whole => vec![response.json()],
        Mode::Stream => events(&response.body),
    };
    let pointer = match (dialect, mode) {
        (Dialect::Chat, Mode::Whole) => "/choices/0/message/content",
        (Dialect::Chat, Mode::Stream) => "/choices/0/delta/content",
        (Dialect::Responses, Mode::Whole) => "/output/0/content/0/text",
        (Dialect::Responses, Mode::Stream) => "/delta",
        (Dialect::Claude, Mode::Whole) => "/content/0/text",
        (Dialect::Claude, Mode::Stream) => "/delta/text",
        (Dialect::Gemini, _) => "/candidates/0/content/parts/0/text",
    };
    let texts = documents
        .iter()
        .filter_map(|one| one.pointer(pointer)?.as_str());
    texts.collect()
}

#[tokio::test]
async fn every_client_reads_every_providers_answer() {
    join_all(cells().map(|(client, upstream)| async move {
        let replies = [Mode::Whole, Mode::Stream].map(|mode| upstream.answer(mode));
        let provider = Upstream::script(replies).exhausted_is_failure().await;
        let gateway = gateway(upstream, &provider.url(), "").await;
        for mode in [Mode::Whole, Mode::Stream] {
            let what = format!("{client:?} at {upstream:?}, {mode:?}");
            let mut connection = Client::connect(gateway.addr()).await;
            let response = client.request(&mut connection, MODEL, mode).send().await;
            assert_eq!(response.status, 200, "{what}: {response:?}");
            assert_eq!(
                said(client, mode, &response),
                "fine",
                "{what}: {response:?}"
            );
            let way = format!("{};{}", name(client), name(upstream));
            assert_eq!(
                response.header("x-aiproxy-translation"),
                Some(&*way),
                "{what}"
            );
            let kind = response.header("content-type").unwrap_or_default();
            let is_stream = kind.starts_with("text/event-stream");
            assert_eq!(is_stream, mode == Mode::Stream, "{what}: {kind}");
        }
        for (request, mode) in provider.requests().iter().zip([Mode::Whole, Mode::Stream]) {
            assert_eq!(request.target, upstream.path(upstream.model(), mode));
            assert_eq!(upstream.key_of(request), UPSTREAM_KEY_A);
            if upstream != Dialect::Gemini {
                assert_eq!(request.json()["model"], upstream.model());
            }
            let version = request.header("anthropic-version");
            assert_eq!(version.is_some(), upstream == Dialect::Claude);
        }
    }))
    .await;
}

fn name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat => "openai-chat",
        Dialect::Responses => "openai-responses",
        Dialect::Claude => "claude",
        Dialect::Gemini => "gemini",
    }
}

#[tokio::test]
async fn a_providers_refusal_is_told_in_the_clients_words() {
    join_all(cells().map(|(client, upstream)| async move {
        let class = match upstream {
            Dialect::Gemini => "INVALID_ARGUMENT",
            _ => "invalid_request_error",
        };
        let refusal = upstream.refusal(400, class, "the field is wrong");
        let provider = Upstream::always(refusal).await;
        let gateway = gateway(upstream, &provider.url(), "").await;
        for mode in [Mode::Whole, Mode::Stream] {
            let mut connection = Client::connect(gateway.addr()).await;
            let response = client.request(&mut connection, MODEL, mode).send().await;
            let what = format!("{client:?} at {upstream:?}: {response:?}");
            assert_eq!(response.status, 400, "{what}");
            let error = &response.json()["error"];
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains("the field is wrong"), "{what}");
            let class = match client {
                Dialect::Gemini => &error["status"],
                _ => &error["type"],
            };
            let wanted = match client {
                Dialect::Gemini => "INVALID_ARGUMENT",
                _ => "invalid_request_error",
            };
            assert_eq!(class, wanted, "{what}");
        }
        assert_eq!(
            provider.requests().len(),
            2,
            "the client's error is not retried"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_stream_that_is_cut_ends_in_an_error_and_never_in_an_end() {
    join_all(cells().map(|(client, upstream)| async move {
        let cut = Reply::sse([upstream.prelude() + &upstream.says("half")]).then(Step::Reset);
        let provider = Upstream::always(cut).await;
        let gateway = gateway(upstream, &provider.url(), "").await;
        let mut connection = Client::connect(gateway.addr()).await;
        let request = client.request(&mut connection, MODEL, Mode::Stream);
        let response = request.send().await;
        let text = String::from_utf8_lossy(&response.body).into_owned();
        let what = format!("{client:?} at {upstream:?}: {text}");
        assert!(text.contains("error"), "{what}");
        for end in [
            "[DONE]",
            "message_stop",
            "response.completed",
            "\"STOP\"",
            "end_turn",
        ] {
            assert!(!text.contains(end), "{what}");
        }
    }))
    .await;
}

#[tokio::test]
async fn one_request_falls_back_from_format_to_format() {
    for client in Dialect::ALL {
        for mode in [Mode::Whole, Mode::Stream] {
            let order = [Dialect::Claude, Dialect::Responses, Dialect::Gemini];
            let failing = |dialect: Dialect| dialect.refusal(503, "server_error", "no");
            let first = Upstream::always(failing(order[0])).await;
            let second = match mode {
                Mode::Whole => Upstream::always(failing(order[1])).await,
                // A stream that fails before any content is as good as none.
                Mode::Stream => {
                    let broken = order[1].prelude() + &order[1].overloaded_event();
                    Upstream::always(Reply::sse([broken])).await
                }
            };
            let third = Upstream::always(order[2].answer(mode)).await;
            let mut yaml = format!(
                "api-keys: [{CLIENT_KEY}]\nroutes: [{{model: {MODEL}, providers: [p0, p1, p2]}}]\n"
            );
            for (n, (dialect, upstream)) in order.iter().zip([&first, &second, &third]).enumerate()
            {
                let entry = entry(*dialect, &format!("p{n}"), &upstream.url());
                yaml += &format!("{}: [{entry}]\n", dialect.list());
            }
            let gateway = Gateway::start(&yaml).await;
            let mut connection = Client::connect(gateway.addr()).await;
            let response = client.request(&mut connection, MODEL, mode).send().await;
            let what = format!("{client:?} {mode:?}: {response:?}");
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(said(client, mode, &response), "fine", "{what}");
            for upstream in [&first, &second, &third] {
                assert_eq!(upstream.requests().len(), 1, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_carried_is_told_or_refused() {
    let upstream = Dialect::Claude;
    let provider = Upstream::always(upstream.answer(Mode::Whole)).await;
    let gateway = gateway(upstream, &provider.url(), "").await;
    let mut body = Dialect::Chat.body(MODEL, Mode::Whole);
    body["seed"] = json!(7);
    let mut connection = Client::connect(gateway.addr()).await;
    let mut ask = async |policy: Option<&str>| {
        let request = connection.request("POST", "/v1/chat/completions");
        let request = request.key(Dialect::Chat.key()).json(&body);
        match policy {
            Some(policy) => request.header("x-aiproxy-on-loss", policy).send().await,
            None => request.send().await,
        }
    };
    let told = ask(None).await;
    assert_eq!(
        told.header("x-aiproxy-loss"),
        Some("seed dropped"),
        "{told:?}"
    );
    let quiet = ask(Some("quiet")).await;
    assert_eq!((quiet.status, quiet.header("x-aiproxy-loss")), (200, None));
    assert_eq!(ask(Some("maybe")).await.status, 400);
    let refused = ask(Some("reject")).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert_eq!(refused.json()["error"]["param"], "seed");
    assert_eq!(provider.requests().len(), 2, "a refusal asks nobody");
}

#[tokio::test]
async fn tokens_are_counted_where_the_provider_can_and_estimated_where_it_cannot() {
    let counts = [
        (
            Dialect::Claude,
            "/v1/messages/count_tokens",
            json!({"input_tokens": 42}),
        ),
        (
            Dialect::Responses,
            "/v1/responses/input_tokens",
            json!({"object": "response.input_tokens", "input_tokens": 42}),
        ),
        (
            Dialect::Gemini,
            "/v1beta/models/gemini-2.5-pro:countTokens",
            json!({"totalTokens": 42}),
        ),
        (Dialect::Chat, "", json!(null)),
    ];
    for (client, path) in [
        (Dialect::Claude, "/v1/messages/count_tokens"),
        (Dialect::Responses, "/v1/responses/input_tokens"),
        (Dialect::Gemini, "/v1beta/models/any:countTokens"),
    ] {
        for (upstream, target, answer) in &counts {
            if *upstream == client {
                continue;
            }
            let provider = Upstream::always(Reply::json(200, answer.clone())).await;
            let gateway = gateway(*upstream, &provider.url(), "").await;
            let mut connection = Client::connect(gateway.addr()).await;
            let mut body = client.body(MODEL, Mode::Whole);
            if let Some(body) = body.as_object_mut() {
                body.remove("max_tokens");
                body.remove("stream");
            }
            let request = connection.request("POST", path).key(client.key());
            let response = request.json(&body).send().await;
            let what = format!("{client:?} at {upstream:?}: {response:?}");
            assert_eq!(response.status, 200, "{what}");
            let field = match client {
                Dialect::Gemini => "totalTokens",
                _ => "input_tokens",
            };
            let tokens = response.json()[field].as_u64().unwrap_or_default();
            if *upstream == Dialect::Chat {
                assert!((1..40).contains(&tokens), "{what}");
                assert_eq!(
                    response.header("x-aiproxy-usage"),
                    Some("estimated"),
                    "{what}"
                );
                assert!(provider.requests().is_empty());
            } else {
                assert_eq!(tokens, 42, "{what}");
                assert_eq!(provider.requests()[0].target, *target);
                assert!(provider.requests()[0].json().get("max_tokens").is_none());
            }
        }
    }
}

#[tokio::test]
async fn a_provider_that_answers_in_the_other_mode_is_understood() {
    for (client, upstream) in cells() {
        let replies = [upstream.answer(Mode::Stream), upstream.answer(Mode::Whole)];
        let provider = Upstream::script(replies).exhausted_is_failure().await;
        let gateway = gateway(upstream, &provider.url(), "").await;
        for mode in [Mode::Whole, Mode::Stream] {
            let mut connection = Client::connect(gateway.addr()).await;
            let response = client.request(&mut connection, MODEL, mode).send().await;
            let what = format!("{client:?} at {upstream:?}, {mode:?}: {response:?}");
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(said(client, mode, &response), "fine", "{what}");
        }
    }
}

#[tokio::test]
async fn the_code_assist_envelope_is_put_on_and_taken_off() {
    let path = "tests/fixtures/gemini/streams/auth-code-assist-envelope.sse";
    let stream = std::fs::read(path).unwrap();
    let whole = json!({"response": Dialect::Gemini.document("fine"), "traceId": "t"});
    let replies = [Reply::sse([stream]), Reply::json(200, whole)];
    let provider = Upstream::script(replies).exhausted_is_failure().await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\ngemini-api-key: [{{preset: antigravity, project: p-1, \
         api-key: {UPSTREAM_KEY_A}, base-url: '{}', models: [{{id: gemini-3-pro, alias: {MODEL}}}]}}]\n",
        provider.url()
    ))
    .await;
    let mut connection = Client::connect(gateway.addr()).await;
    let request = Dialect::Claude.request(&mut connection, MODEL, Mode::Stream);
    let response = request.send().await;
    let text = response.text();
    assert_eq!(response.status, 200, "{response:?}");
    assert!(
        text.contains("\"tool_use\"") && text.contains("message_stop"),
        "{text}"
    );
    let request = Dialect::Gemini.request(&mut connection, MODEL, Mode::Whole);
    let response = request.send().await;
    assert_eq!(
        said(Dialect::Gemini, Mode::Whole, &response),
        "fine",
        "{response:?}"
    );
    let requests = provider.requests();
    let targets: Vec<&str> = requests.iter().map(|one| &*one.target).collect();
    let wanted = [
        "/v1internal:streamGenerateContent?alt=sse",
        "/v1internal:generateContent",
    ];
    assert_eq!(targets, wanted);
    for request in &requests {
        let body = request.json();
        assert_eq!(body["model"], "gemini-3-pro");
        assert_eq!(body["project"], "p-1");
        assert_eq!(body["request"]["contents"][0]["parts"][0]["text"], "hi");
        assert_eq!(
            request.header("authorization"),
            Some(&*format!("Bearer {UPSTREAM_KEY_A}"))
        );
    }
}

/// A conversation in which a Claude client sends back reasoning that came from another model.
fn with_carrier(signature: &str) -> Value {
    json!({
        "model": MODEL, "max_tokens": 4096,
        "thinking": {"type": "enabled", "budget_tokens": 2048},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": signature},
                {"type": "text", "text": "hello"},
            ]},
            {"role": "user", "content": "go on"},
        ],
    })
}

#[tokio::test]
async fn foreign_reasoning_state_never_reaches_a_provider_of_the_clients_own_format() {
    let upstream = Dialect::Claude;
    let provider = Upstream::always(upstream.answer(Mode::Whole)).await;
    let gateway = gateway(upstream, &provider.url(), "").await;
    let mut connection = Client::connect(gateway.addr()).await;
    for signature in [
        "aip1.g.ts.gemini-3.YWJj",
        "EqQBnative",
        "aip1.a.sig.claude-sonnet-4-5.bmF0aXZl",
    ] {
        let request = connection
            .request("POST", "/v1/messages")
            .key(upstream.key());
        let response = request.json(&with_carrier(signature)).send().await;
        assert_eq!(response.status, 200, "{response:?}");
    }
    let [foreign, native, ours] = &provider.requests()[..] else {
        panic!("three requests");
    };
    let content = |request: &crate::support::upstream::Request| {
        request.json()["messages"][1]["content"].clone()
    };
    assert_eq!(content(foreign), json!([{"type": "text", "text": "hello"}]));
    assert_eq!(content(native)[0]["signature"], "EqQBnative");
    assert_eq!(content(ours)[0]["signature"], "native");
}

#[tokio::test]
async fn a_refused_signature_is_left_out_and_the_request_sent_again() {
    for (client, upstream) in [
        (Dialect::Claude, Dialect::Claude),
        (Dialect::Chat, Dialect::Claude),
    ] {
        let message = "messages.1.content.0: Invalid `signature` in `thinking` block";
        let refusal = upstream.refusal(400, "invalid_request_error", message);
        let replies = [refusal, upstream.answer(Mode::Whole)];
        let provider = Upstream::script(replies).exhausted_is_failure().await;
        let gateway = gateway(upstream, &provider.url(), "").await;
        let mut connection = Client::connect(gateway.addr()).await;
        let path = client.path(MODEL, Mode::Whole);
        let body = match client {
            Dialect::Claude => with_carrier("EqQBstale"),
            _ => client.body(MODEL, Mode::Whole),
        };
        let request = connection.request("POST", &path).key(client.key());
        let response = request.json(&body).send().await;
        assert_eq!(response.status, 200, "{response:?}");
        let requests = provider.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(
            response.header("x-aiproxy-loss"),
            Some("reasoning dropped"),
            "{response:?}"
        );
        assert!(
            !requests[1].json().to_string().contains("EqQBstale"),
            "{:?}",
            requests[1]
        );
    }
}

#[tokio::test]
async fn rate_limits_are_told_in_the_clients_words_when_there_is_one_account() {
    let upstream = Dialect::Claude;
    let answer = upstream
        .answer(Mode::Whole)
        .header("anthropic-ratelimit-requests-limit", "50")
        .header("anthropic-organization-id", "org");
    let provider = Upstream::always(answer).await;
    for (settings, shown) in [
        ("", true),
        ("translation: {rate-limit-headers: off}", false),
    ] {
        let gateway = gateway(upstream, &provider.url(), settings).await;
        let mut connection = Client::connect(gateway.addr()).await;
        for (client, name) in [
            (Dialect::Chat, "x-ratelimit-limit-requests"),
            (Dialect::Claude, "anthropic-ratelimit-requests-limit"),
        ] {
            let request = client.request(&mut connection, MODEL, Mode::Whole);
            let response = request.send().await;
            assert_eq!(response.header(name), shown.then_some("50"), "{response:?}");
            assert_eq!(response.header("anthropic-organization-id"), None);
        }
    }
}

#[tokio::test]
async fn a_stop_sequence_that_the_provider_does_not_know_ends_the_answer_at_once() {
    let (client, upstream) = (Dialect::Claude, Dialect::Responses);
    let gate = Gate::new();
    let speech = upstream.prelude() + &upstream.says("one ST") + &upstream.says("OP two");
    // So many that they cannot all come in one read with the stop sequence.
    let more = std::iter::repeat_n(upstream.says(" three"), 5_000);
    let stream = Reply::sse(std::iter::once(speech).chain(more)).then(&gate);
    let whole = Reply::json(200, {
        let mut document = upstream.document("one STOP two");
        document["usage"] = json!({"input_tokens": 7, "output_tokens": 3, "total_tokens": 10});
        document
    });
    let provider = Upstream::script([stream, whole])
        .exhausted_is_failure()
        .await;
    let gateway = gateway(upstream, &provider.url(), "").await;
    for mode in [Mode::Stream, Mode::Whole] {
        let mut connection = Client::connect(gateway.addr()).await;
        let mut body = client.body(MODEL, mode);
        body["stop_sequences"] = json!(["STOP"]);
        let path = client.path(MODEL, mode);
        let request = connection.request("POST", &path).key(client.key());
        // The provider is still in the middle of its answer.
        let response = request.json(&body).send().await;
        assert_eq!(said(client, mode, &response), "one ", "{response:?}");
        let text = response.text();
        assert!(text.contains("\"stop_reason\":\"stop_sequence\""), "{text}");
        assert!(text.contains("\"stop_sequence\":\"STOP\""), "{text}");
        if mode == Mode::Whole {
            assert_eq!(response.json()["usage"]["input_tokens"], 7, "{text}");
        }
    }
    gate.open();
}

#[tokio::test]
async fn openai_is_not_shown_reasoning_that_a_client_brings_back() {
    let upstream = Dialect::Chat;
    let mut body = upstream.body(MODEL, Mode::Whole);
    body["messages"] = json!([
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "a", "reasoning_content": "hm"},
        {"role": "user", "content": "go on"},
    ]);
    let provider = Upstream::always(upstream.answer(Mode::Whole)).await;
    for (settings, shown) in [
        ("translation: {c.accepts-unknown: false}", false),
        ("", true),
    ] {
        let gateway = gateway(upstream, &provider.url(), settings).await;
        let mut connection = Client::connect(gateway.addr()).await;
        let request = connection
            .request("POST", "/v1/chat/completions")
            .key(upstream.key());
        assert_eq!(request.json(&body).send().await.status, 200);
        let sent = provider.requests().last().unwrap().json();
        assert_eq!(
            sent["messages"][1].get("reasoning_content").is_some(),
            shown,
            "{sent}"
        );
    }
}

#[tokio::test]
async fn each_provider_that_refuses_a_signature_gets_the_request_without_it() {
    let upstream = Dialect::Claude;
    let message = "messages.1.content.0: Invalid `signature` in `thinking` block";
    let refusal = || upstream.refusal(400, "invalid_request_error", message);
    let busy = upstream.refusal(503, "overloaded_error", "no");
    let first = Upstream::script([refusal(), busy])
        .exhausted_is_failure()
        .await;
    let second = Upstream::script([refusal(), upstream.answer(Mode::Whole)])
        .exhausted_is_failure()
        .await;
    let entries =
        [("a", &first), ("b", &second)].map(|(name, at)| entry(upstream, name, &at.url()));
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nrouting: {{strategy: fill-first}}\nclaude-api-key: [{}]\n",
        entries.join(", ")
    ))
    .await;
    let mut connection = Client::connect(gateway.addr()).await;
    let request = connection
        .request("POST", "/v1/messages")
        .key(upstream.key());
    let response = request.json(&with_carrier("EqQBstale")).send().await;
    assert_eq!(response.status, 200, "{response:?}");
    for provider in [&first, &second] {
        let sent = provider.requests();
        let held = |n: usize| sent[n].json().to_string().contains("EqQBstale");
        assert_eq!((sent.len(), held(0), held(1)), (2, true, false));
    }
}

#[tokio::test]
async fn an_error_behind_content_is_no_whole_answer() {
    for (client, upstream) in cells() {
        // All in one write: what was said and the error come in the same read.
        let broken = upstream.prelude() + &upstream.says("half") + &upstream.overloaded_event();
        let provider = Upstream::always(Reply::sse([broken])).await;
        let gateway = gateway(upstream, &provider.url(), "request-retry: 0").await;
        let mut connection = Client::connect(gateway.addr()).await;
        let request = client.request(&mut connection, MODEL, Mode::Whole);
        let response = request.send().await;
        let what = format!("{client:?} at {upstream:?}: {response:?}");
        assert!(response.status >= 500, "{what}");
        assert!(response.json()["error"]["message"].is_string(), "{what}");
    }
}
