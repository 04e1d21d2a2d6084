//! The chat request, the answers and the configuration of the suites that are about running the
//! gateway rather than about what it translates.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::client::{Client, RequestBuilder, Response, post_json};
use crate::support::gate::Gate;
use crate::support::gateway::Gateway;
use crate::support::keys::{CLIENT_KEY, UPSTREAM_KEY_A};
use crate::support::reply::Reply;
use crate::support::upstream::Request;

/// Where chat requests go.
pub(crate) const PATH: &str = "/v1/chat/completions";

/// A configuration with these accounts of an OpenAI-format provider: its name, its base URL and more
/// keys of its entry, such as `proxy-url: none`.
pub(crate) fn config(accounts: &[(&str, &str, &str)]) -> String {
    let mut yaml = format!("api-keys: [{CLIENT_KEY}]\nopenai-api-key:\n");
    for (name, url, more) in accounts {
        yaml += &format!(
            "  - {{name: {name}, api-key: {UPSTREAM_KEY_A}, base-url: '{url}', {more}}}\n"
        );
    }
    yaml
}

/// The same with extra roots for providers.
pub(crate) fn config_trusting(ca: &Path, accounts: &[(&str, &str, &str)]) -> String {
    format!("upstream-ca: {}\n{}", ca.display(), config(accounts))
}

/// A question.
pub(crate) fn question() -> Value {
    json!({"model": "gpt-5", "messages": [{"role": "user", "content": "Why?"}]})
}

/// A question whose answer is to be streamed.
pub(crate) fn streamed_question() -> Value {
    let mut question = question();
    question["stream"] = json!(true);
    question
}

/// Whether a request asks for a stream.
pub(crate) fn wants_stream(request: &Request) -> bool {
    request.json()["stream"] == json!(true)
}

/// A whole answer with this text.
pub(crate) fn answer(text: &str) -> Reply {
    Reply::json(
        200,
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-5",
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }),
    )
}

/// One event of a streamed answer.
pub(crate) fn event(text: &str) -> String {
    let chunk = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    });
    format!("data: {chunk}\n\n")
}

/// The end of a streamed answer.
pub(crate) fn end() -> String {
    let last = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    });
    format!("data: {last}\n\ndata: [DONE]\n\n")
}

/// A stream that says `one`, waits for the gate and says `two`.
pub(crate) fn gated_stream(gate: &Gate) -> Reply {
    Reply::sse([event("one")])
        .then(gate)
        .then(event("two"))
        .then(end())
}

/// All bytes of [`gated_stream`].
pub(crate) fn gated_bytes() -> String {
    event("one") + &event("two") + &end()
}

/// A question on an open connection.
pub(crate) fn ask<'a>(client: &'a mut Client, question: &Value) -> RequestBuilder<'a> {
    client.request("POST", PATH).key(CLIENT_KEY).json(question)
}

/// A question on a connection of its own.
pub(crate) async fn answered(gateway: &Gateway) -> Response {
    post_json(gateway.addr(), PATH, CLIENT_KEY, &question()).await
}

/// The text of a whole answer.
pub(crate) fn text(answer: &Response) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.complete, "{answer:?}");
    let text = &answer.json()["choices"][0]["message"]["content"];
    text.as_str().unwrap().to_owned()
}
