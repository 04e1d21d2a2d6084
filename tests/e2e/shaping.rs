//! Shaping: what a provider sees of a request, and what the client gets back.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::ask::Ask;
use crate::dialect::{Dialect, Mode};
use crate::support::client::{Client, Response};
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A, UPSTREAM_KEY_B};
use crate::support::reply::Reply;
use crate::support::upstream::{Request, Upstream};

/// The name that clients use for every provider's model.
const MODEL: &str = "any";
const WORDS: &str = "mode: always, sensitive-words: [Falcon, 'Grüner Weg']";
/// What clients say, and what answers have to say.
const SAID: &str = "Is FALCON a falcon? Grüner Weg!";

fn entry(dialect: Dialect, key: &str, url: &str, cloak: &str) -> String {
    let api = match dialect {
        Dialect::Chat => ", wire-api: chat",
        Dialect::Responses => ", wire-api: responses",
        _ => "",
    };
    let model = dialect.model();
    format!(
        "{{api-key: {key}, base-url: '{url}'{api}, cloak: {{{cloak}}}, models: [{{id: {model}, alias: {MODEL}}}]}}"
    )
}

async fn start(dialect: Dialect, url: &str, cloak: &str) -> Gateway {
    Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\n{}: [{}]\n",
        dialect.list(),
        entry(dialect, UPSTREAM_KEY_A, url, cloak)
    ))
    .await
}

/// What `dialect`'s clients send to have `text` said.
fn body(dialect: Dialect, text: &str, mode: Mode) -> Value {
    let mut body = dialect.body(MODEL, mode);
    match dialect {
        Dialect::Gemini => body["contents"] = json!([{"role": "user", "parts": [{"text": text}]}]),
        Dialect::Responses => body["input"] = json!([{"role": "user", "content": text}]),
        _ => body["messages"] = json!([{"role": "user", "content": text}]),
    }
    body
}

async fn ask(gateway: &Gateway, dialect: Dialect, text: &str, mode: Mode) -> Response {
    let mut client = Client::connect(gateway.addr()).await;
    let request = client.request("POST", &dialect.path(MODEL, mode));
    let request = request.key(dialect.key());
    request.json(&body(dialect, text, mode)).send().await
}

/// What the request that a provider got says last.
fn heard(dialect: Dialect, request: &Request) -> String {
    let body = request.json();
    let (list, pointer) = match dialect {
        Dialect::Gemini => ("contents", "/parts/0/text"),
        Dialect::Responses => ("input", "/content/0/text"),
        _ => ("messages", "/content"),
    };
    let last = body[list].as_array().unwrap().last().unwrap().clone();
    let said = last.pointer(pointer).or_else(|| last.get("content"));
    let said = said.unwrap_or_else(|| panic!("{body}"));
    match said {
        Value::Array(parts) => parts[0]["text"].as_str().unwrap().to_owned(),
        said => said.as_str().unwrap().to_owned(),
    }
}

/// An answer that says back what was asked, in pieces of `size` characters.
fn echo(dialect: Dialect, mode: Mode, size: usize) -> impl Fn(&Request) -> Reply {
    move |request| {
        let said = heard(dialect, request);
        match mode {
            Mode::Whole => Reply::json(200, dialect.document(&said)).in_pieces_of(7),
            Mode::Stream => {
                let chars: Vec<char> = said.chars().collect();
                let pieces = chars
                    .chunks(size)
                    .map(|piece| dialect.says(&piece.iter().collect::<String>()));
                let stream = dialect.prelude() + &pieces.collect::<String>() + &dialect.finale();
                Reply::sse([stream]).in_pieces_of(11)
            }
        }
    }
}

/// What an answer says, read as a client of `dialect` reads it.
fn said(dialect: Dialect, mode: Mode, response: &Response) -> String {
    let documents: Vec<Value> = match mode {
        Mode::Whole => vec![response.json()],
        Mode::Stream => response
            .text()
            .split("\n\n")
            .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
            .filter_map(|data| serde_json::from_str(data).ok())
            .collect(),
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
    documents
        .iter()
        .filter_map(|one| one.pointer(pointer)?.as_str())
        .collect()
}

#[tokio::test]
async fn words_leave_masked_and_come_back_in_every_format() {
    let cells = Dialect::ALL
        .into_iter()
        .flat_map(|from| Dialect::ALL.into_iter().map(move |to| (from, to)));
    join_all(cells.map(|(from, to)| async move {
        for (mode, size) in [
            (Mode::Whole, 1),
            (Mode::Stream, 1),
            (Mode::Stream, 3),
            (Mode::Stream, 17),
            (Mode::Stream, 99),
        ] {
            let what = format!("{from:?} at {to:?}, {mode:?}, {size}");
            let upstream = Upstream::handler(echo(to, mode, size)).await;
            let gateway = start(to, &upstream.url(), WORDS).await;
            let response = ask(&gateway, from, SAID, mode).await;
            assert!(
                response.status == 200 && response.complete,
                "{what}: {response:?}"
            );
            assert_eq!(said(from, mode, &response), SAID, "{what}: {response:?}");
            assert!(!response.text().contains("MASK_"), "{what}: {response:?}");
            let sent = upstream.request(0).await;
            let text = String::from_utf8_lossy(&sent.body).to_lowercase();
            assert!(
                !text.contains("falcon") && !text.contains("weg"),
                "{what}: {text}"
            );
            assert_eq!(
                sent.header("content-length").unwrap(),
                sent.body.len().to_string()
            );
        }
    }))
    .await;
}

#[tokio::test]
async fn an_array_of_gemini_gets_its_words_back() {
    let dialect = Dialect::Gemini;
    let upstream = Upstream::handler(move |request| {
        let said = heard(dialect, request);
        let chunk = |text: &str, end: &str| {
            let text = json!(text);
            format!(
                "{{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": {text}}}]}}{end}}}]}}"
            )
        };
        let (one, two) = said.split_at(9);
        let body = format!(
            "[{}\n,\r\n{}]\n",
            chunk(one, ""),
            chunk(two, ", \"finishReason\": \"STOP\"")
        );
        Reply::sse([body])
            .header("content-type", "application/json")
            .in_pieces_of(5)
    })
    .await;
    let gateway = start(dialect, &upstream.url(), WORDS).await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = client.request(
        "POST",
        &format!("/v1beta/models/{MODEL}:streamGenerateContent"),
    );
    let response = request
        .key(dialect.key())
        .json(&body(dialect, SAID, Mode::Whole))
        .send()
        .await;
    let texts: Vec<String> = response
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            one["candidates"][0]["content"]["parts"][0]["text"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(texts.concat(), SAID, "{response:?}");
}

#[tokio::test]
async fn words_come_back_in_the_arguments_of_tools() {
    for to in [Dialect::Chat, Dialect::Claude] {
        let upstream = Upstream::handler(move |request| {
            let said = heard(to, request);
            let arguments = json!({"q": said, "quoted": format!("\"{said}\"")}).to_string();
            let chars: Vec<char> = arguments.chars().collect();
            let pieces = chars.chunks(5).map(|piece| piece.iter().collect::<String>());
            let mut stream = String::new();
            match to {
                Dialect::Claude => {
                    let mut event = |kind: &str, data: Value| stream += &format!("event: {kind}\ndata: {data}\n\n");
                    event("message_start", json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
                        "model": "c", "content": [], "stop_reason": null, "usage": {"input_tokens": 1, "output_tokens": 1}}}));
                    event("content_block_start", json!({"type": "content_block_start", "index": 0,
                        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}}}));
                    for piece in pieces {
                        event("content_block_delta", json!({"type": "content_block_delta", "index": 0,
                            "delta": {"type": "input_json_delta", "partial_json": piece}}));
                    }
                    event("content_block_stop", json!({"type": "content_block_stop", "index": 0}));
                    event("message_delta", json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}));
                    event("message_stop", json!({"type": "message_stop"}));
                }
                _ => {
                    let mut event = |delta: Value, finish: Value| {
                        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]});
                        stream += &format!("data: {chunk}\n\n");
                    };
                    event(json!({"role": "assistant", "tool_calls": [{"index": 0, "id": "t", "type": "function",
                        "function": {"name": "f", "arguments": ""}}]}), Value::Null);
                    for piece in pieces {
                        event(json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}), Value::Null);
                    }
                    event(json!({}), json!("tool_calls"));
                    stream += "data: [DONE]\n\n";
                }
            }
            Reply::sse([stream])
        })
        .await;
        let gateway = start(to, &upstream.url(), WORDS).await;
        for from in [Dialect::Chat, Dialect::Claude, Dialect::Gemini] {
            let response = ask(&gateway, from, SAID, Mode::Stream).await;
            let events = response
                .text()
                .split("\n\n")
                .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
                .filter_map(|data| serde_json::from_str::<Value>(data).ok());
            let mut arguments = String::new();
            for event in events {
                let piece = match from {
                    Dialect::Claude => event.pointer("/delta/partial_json"),
                    Dialect::Chat => {
                        event.pointer("/choices/0/delta/tool_calls/0/function/arguments")
                    }
                    _ => event.pointer("/candidates/0/content/parts/0/functionCall/args"),
                };
                match piece {
                    Some(Value::String(piece)) => arguments += piece,
                    Some(args) => arguments += &args.to_string(),
                    None => {}
                }
            }
            let what = format!("{from:?} at {to:?}: {arguments} {response:?}");
            let arguments: Value =
                serde_json::from_str(&arguments).unwrap_or_else(|error| panic!("{error} {what}"));
            assert_eq!(
                arguments,
                json!({"q": SAID, "quoted": format!("\"{SAID}\"")}),
                "{what}"
            );
        }
    }
}

#[tokio::test]
async fn a_refusal_gets_its_words_back() {
    let dialect = Dialect::Chat;
    let upstream = Upstream::handler(move |request| {
        dialect.refusal(
            400,
            "invalid_request_error",
            &format!("not '{}'", heard(dialect, request)),
        )
    })
    .await;
    let gateway = start(dialect, &upstream.url(), WORDS).await;
    for from in [Dialect::Chat, Dialect::Claude] {
        let response = ask(&gateway, from, SAID, Mode::Whole).await;
        assert!(response.status == 400 && response.complete, "{response:?}");
        let message = response.json()["error"]["message"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(message.contains(SAID), "{message}");
    }
}

#[tokio::test]
async fn the_system_prompt_and_the_user_are_the_entrys() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::always(dialect.answer(Mode::Whole)).await;
        let cloak = "mode: auto, system-prompt: Be brief., user-id: hash, hash-key: k, skip-user-agents: ['own/*']";
        let gateway = start(dialect, &upstream.url(), cloak).await;
        for agent in ["other/1", "other/2", "own/1"] {
            let mut client = Client::connect(gateway.addr()).await;
            let request = client.request("POST", &dialect.path(MODEL, Mode::Whole));
            let request = request.key(dialect.key()).header("user-agent", agent);
            let response = request.json(&dialect.body(MODEL, Mode::Whole)).send().await;
            assert_eq!(response.status, 200, "{dialect:?} {response:?}");
        }
        let (system, user) = match dialect {
            Dialect::Chat => ("/messages/0/content", Some("/user")),
            Dialect::Responses => ("/instructions", Some("/safety_identifier")),
            Dialect::Claude => ("/system", Some("/metadata/user_id")),
            Dialect::Gemini => ("/systemInstruction/parts/0/text", None),
        };
        let requests = upstream.requests();
        let sent: Vec<Value> = requests.iter().map(Request::json).collect();
        assert_eq!(
            sent[0].pointer(system),
            Some(&json!("Be brief.")),
            "{sent:?}"
        );
        assert_eq!(sent[0], sent[1]);
        if let Some(user) = user {
            let user = sent[0].pointer(user).and_then(Value::as_str).unwrap();
            assert!(user.starts_with("user_") && user.len() == 37, "{user}");
        }
        let mut plain = dialect.body(MODEL, Mode::Whole);
        if dialect != Dialect::Gemini {
            plain["model"] = json!(dialect.model());
        }
        assert_eq!(sent[2], plain);
    }
}

/// A conversation in which client and developer say what the system says.
fn instructed(dialect: Dialect) -> Value {
    let mut body = body(dialect, "hi", Mode::Whole);
    match dialect {
        Dialect::Claude => body["system"] = json!([{"type": "text", "text": "Be long."}]),
        Dialect::Gemini => body["systemInstruction"] = json!({"parts": [{"text": "Be long."}]}),
        Dialect::Responses => {
            body["instructions"] = json!("Be long.");
            body["input"] = json!([{"role": "developer", "content": "Be long."}, {"role": "user", "content": "hi"}]);
        }
        Dialect::Chat => {
            body["messages"] = json!([{"role": "system", "content": "Be long."}, {"role": "user", "content": "hi"}]);
        }
    }
    body
}

#[tokio::test]
async fn a_strict_prompt_stands_alone_whoever_asks() {
    let cells = Dialect::ALL
        .into_iter()
        .flat_map(|from| Dialect::ALL.into_iter().map(move |to| (from, to)));
    join_all(cells.map(|(from, to)| async move {
        for (strict, is_left) in [(false, true), (true, false)] {
            let upstream = Upstream::always(to.answer(Mode::Whole)).await;
            let cloak = format!("mode: always, system-prompt: Be brief., strict-mode: {strict}");
            let gateway = start(to, &upstream.url(), &cloak).await;
            let mut client = Client::connect(gateway.addr()).await;
            let request = client.request("POST", &from.path(MODEL, Mode::Whole));
            let response = request.key(from.key()).json(&instructed(from)).send().await;
            let sent = upstream.request(0).await.json().to_string();
            let what = format!("{from:?} at {to:?}: {sent}");
            assert_eq!(response.status, 200, "{what}");
            assert_eq!(sent.matches("Be brief.").count(), 1, "{what}");
            assert_eq!(sent.contains("Be long."), is_left, "{what}");
            assert!(sent.contains("\"hi\""), "{what}");
        }
    }))
    .await;
}

#[tokio::test]
async fn a_random_user_is_kept_for_each_client_where_that_is_wished() {
    for (cached, is_kept) in [(true, true), (false, false)] {
        let upstream = Upstream::always(Dialect::Claude.answer(Mode::Whole)).await;
        let cloak = format!("mode: always, user-id: random, cache-user-id: {cached}");
        let gateway = Gateway::start(&format!(
            "api-keys: [{CLIENT_KEY}, another-client-key]\nclaude-api-key: [{}]\n",
            entry(Dialect::Claude, UPSTREAM_KEY_A, &upstream.url(), &cloak)
        ))
        .await;
        for key in [CLIENT_KEY, CLIENT_KEY, "another-client-key"] {
            let mut client = Client::connect(gateway.addr()).await;
            let request = client
                .request("POST", "/v1/messages")
                .header("x-api-key", key);
            let response = request
                .json(&Dialect::Claude.body(MODEL, Mode::Whole))
                .send()
                .await;
            assert_eq!(response.status, 200, "{response:?}");
        }
        let requests = upstream.requests();
        let user = |n: usize| {
            requests[n].json()["metadata"]["user_id"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(user(0) == user(1), is_kept, "{cached}");
        assert_ne!(user(1), user(2));
    }
}

#[tokio::test]
async fn a_request_goes_to_another_account_as_that_one_wants_it() {
    let (claude, chat) = (Dialect::Claude, Dialect::Chat);
    let first = Upstream::always(claude.refusal(500, "api_error", "no")).await;
    let second = Upstream::handler(echo(chat, Mode::Stream, 2)).await;
    let gateway = Gateway::start(&format!(
        "api-keys: [{CLIENT_KEY}]\nroutes: [{{model: {MODEL}, providers: [anthropic, openai]}}]\n\
         payload: {{override: [{{models: [{{protocol: chat}}], params: {{seed: 4}}}}]}}\n\
         claude-api-key: [{}]\nopenai-api-key: [{}]\n",
        entry(
            claude,
            UPSTREAM_KEY_A,
            &first.url(),
            "mode: always, system-prompt: Be brief."
        ),
        entry(chat, UPSTREAM_KEY_B, &second.url(), WORDS),
    ))
    .await;
    let response = ask(&gateway, claude, SAID, Mode::Stream).await;
    assert_eq!(said(claude, Mode::Stream, &response), SAID, "{response:?}");
    let (one, two) = (first.request(0).await, second.request(0).await);
    assert_eq!(one.json()["system"], "Be brief.");
    assert!(heard(claude, &one).contains("FALCON") && one.json().get("seed").is_none());
    assert!(!heard(chat, &two).contains("FALCON"));
    assert_eq!(two.json()["seed"], 4);
    assert_eq!(two.json()["messages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_counted_is_masked_too() {
    let upstream = Upstream::always(Reply::json(200, json!({"input_tokens": 3}))).await;
    let gateway = start(
        Dialect::Claude,
        &upstream.url(),
        &format!("{WORDS}, system-prompt: FALCON, user-id: random"),
    )
    .await;
    let mut client = Client::connect(gateway.addr()).await;
    let request = client
        .request("POST", "/v1/messages/count_tokens")
        .key(Dialect::Claude.key());
    let response = request
        .json(&json!({"model": MODEL, "messages": [{"role": "user", "content": SAID}]}))
        .send()
        .await;
    assert_eq!(response.json()["input_tokens"], 3, "{response:?}");
    let sent = upstream.request(0).await.json();
    assert!(
        !sent.to_string().to_lowercase().contains("falcon"),
        "{sent}"
    );
    assert!(sent["system"].as_str().unwrap().starts_with("MASK_"));
    assert_eq!(sent.get("metadata"), None);
}

#[tokio::test]
async fn a_stored_response_gets_its_words_back() {
    let dialect = Dialect::Responses;
    let upstream = Upstream::handler(move |request| match request.method.as_str() {
        "POST" => echo(dialect, Mode::Whole, 1)(request),
        _ => Reply::json(200, dialect.document(request.header("x-said").unwrap())),
    })
    .await;
    let cloak = format!("{WORDS}, hash-key: k}}, headers: {{x-said: $x-said");
    let gateway = start(dialect, &upstream.url(), &cloak).await;
    let made = ask(&gateway, dialect, "a falcon", Mode::Whole).await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let masked = heard(dialect, &upstream.request(0).await);
    assert!(masked.starts_with("a MASK_"), "{masked}");
    let mut client = Client::connect(gateway.addr()).await;
    let stored = client
        .request("GET", &format!("/v1/responses/{id}"))
        .key(dialect.key());
    let stored = stored
        .header("accept-encoding", "gzip")
        .header("range", "bytes=0-9");
    let response = stored.header("x-said", &masked).send().await;
    let sent = upstream.request(1).await;
    assert_eq!(sent.header("accept-encoding"), Some("identity"));
    assert_eq!(sent.header("range"), None);
    assert_eq!(
        said(dialect, Mode::Whole, &response),
        "a falcon",
        "{response:?}"
    );
}

#[tokio::test]
async fn without_a_cloak_every_byte_is_kept() {
    for ask in Ask::ALL {
        let upstream = Arc::new(Upstream::always(Reply::json(200, json!({"ok": true}))).await);
        let gateway = Gateway::start(&format!(
            "api-keys: [{CLIENT_KEY}]\n{}: [{{api-key: {UPSTREAM_KEY_A}, base-url: '{}', cloak: {{mode: always, sensitive-words: [nowhere]}}}}]\n",
            ask.list(),
            upstream.url()
        ))
        .await;
        let mut client = Client::connect(gateway.addr()).await;
        assert_eq!(ask.send(&mut client, ask.model()).await.status, 200);
        assert_eq!(
            upstream.request(0).await.body,
            ask.body(ask.model()),
            "{ask:?}"
        );
    }
}
