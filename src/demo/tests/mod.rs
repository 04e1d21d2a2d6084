//! The provider seen from outside: bytes in, bytes out, without a socket except in `socket`.

mod errors;
mod socket;
mod streams;

use serde_json::{Value, json};

use super::answer::{Reply, Request, reply};
use crate::wire::Shape;

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const CLAUDE: &str = "/v1/messages";
const GEMINI: &str = "/v1beta/models/demo-gemini:generateContent";
const GEMINI_SSE: &str = "/v1beta/models/demo-gemini:streamGenerateContent?alt=sse";
const GEMINI_ARRAY: &str = "/v1beta/models/demo-gemini:streamGenerateContent";

fn post(target: &str, key: &str, body: &str) -> Reply {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    reply(&Request {
        method: "POST",
        path,
        query,
        key,
        body: body.as_bytes(),
        serial: 7,
        now: 1_800_000_000,
    })
}

fn ask(target: &str, body: &Value) -> Reply {
    let reply = post(target, "k-2", &body.to_string());
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

fn document(target: &str, body: &Value) -> Value {
    let reply = ask(target, body);
    assert_eq!((reply.shape, reply.pieces.len()), (Shape::Whole, 1));
    serde_json::from_str(&reply.pieces[0]).unwrap()
}

/// The data of each event; every piece has to be one whole event. An event that is named is named
/// after its type.
fn events(target: &str, body: &Value) -> Vec<Value> {
    let reply = ask(target, body);
    assert_eq!(reply.shape, Shape::Sse);
    let event = |piece: &String| {
        let block = piece.strip_suffix("\n\n").unwrap();
        let (name, data) = match block.strip_prefix("event: ") {
            Some(named) => named.split_once('\n').unwrap(),
            None => ("", block),
        };
        let data = data.strip_prefix("data: ").unwrap();
        assert!(!data.contains('\n'), "{data}");
        if data == "[DONE]" {
            return json!(data);
        }
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["type"].as_str().unwrap_or_default(), name);
        data
    };
    reply.pieces.iter().map(event).collect()
}

/// The types of events, repeated ones once.
fn order(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = events
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    types.dedup();
    types
}

fn joined(events: &[Value], pointer: &str) -> String {
    let texts = events.iter().filter_map(|event| event.pointer(pointer));
    texts.filter_map(Value::as_str).collect()
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    })
}

fn arguments() -> Value {
    json!({"city": "demo", "days": 1})
}

fn chat(text: &str) -> Value {
    json!({"model": "demo-gpt", "messages": [{"role": "user", "content": text}]})
}

fn chat_tool() -> Value {
    let mut body = chat("use the tool");
    body["tools"] =
        json!([{"type": "function", "function": {"name": "f", "parameters": schema()}}]);
    body
}

fn responses(text: &str) -> Value {
    json!({"model": "demo-gpt", "input": text})
}

fn responses_tool() -> Value {
    let mut body = responses("use the tool");
    body["tools"] = json!([
        {"type": "web_search"},
        {"type": "function", "name": "f", "parameters": schema()},
    ]);
    body
}

fn claude(text: &str) -> Value {
    json!({
        "model": "demo-claude",
        "max_tokens": 64,
        "messages": [{"role": "user", "content": text}],
    })
}

fn claude_tool() -> Value {
    let mut body = claude("use the tool");
    body["tools"] = json!([{"name": "f", "input_schema": schema()}]);
    body
}

fn gemini(text: &str) -> Value {
    json!({"contents": [{"parts": [{"text": text}]}]})
}

fn gemini_tool() -> Value {
    let mut body = gemini("use the tool");
    body["tools"] = json!([{"functionDeclarations": [{"name": "f", "parameters": schema()}]}]);
    body
}

fn streamed(mut body: Value) -> Value {
    body["stream"] = json!(true);
    body
}

fn said(text: &str, model: &str) -> String {
    format!(
        "You said: \"{text}\". This answer was made offline by ai-proxy's demo provider (model {model})."
    )
}

#[test]
fn a_whole_answer_repeats_the_question_in_each_format() {
    let chat = document(CHAT, &chat("hi"));
    assert_eq!(
        chat["choices"][0]["message"]["content"],
        said("hi", "demo-gpt")
    );
    assert_eq!(chat["choices"][0]["finish_reason"], "stop");
    let responses = document(RESPONSES, &responses("hi"));
    assert_eq!(
        responses["output"][0]["content"][0]["text"],
        said("hi", "demo-gpt")
    );
    assert_eq!(responses["status"], "completed");
    let claude = document(CLAUDE, &claude("hi"));
    assert_eq!(claude["content"][0]["text"], said("hi", "demo-claude"));
    assert_eq!(claude["stop_reason"], "end_turn");
    let gemini = document(GEMINI, &gemini("hi"));
    let candidate = &gemini["candidates"][0];
    assert_eq!(
        candidate["content"]["parts"][0]["text"],
        said("hi", "demo-gemini")
    );
    assert_eq!(candidate["finishReason"], "STOP");
}

#[test]
fn a_whole_tool_call_has_the_required_arguments_in_each_format() {
    let chat = document(CHAT, &chat_tool());
    let call = &chat["choices"][0]["message"]["tool_calls"][0]["function"];
    assert_eq!(call["name"], "f");
    assert_eq!(call["arguments"], arguments().to_string());
    assert_eq!(chat["choices"][0]["finish_reason"], "tool_calls");
    let responses = document(RESPONSES, &responses_tool());
    let item = &responses["output"][0];
    assert_eq!(
        (&item["type"], &item["name"]),
        (&json!("function_call"), &json!("f"))
    );
    assert_eq!(item["arguments"], arguments().to_string());
    let claude = document(CLAUDE, &claude_tool());
    assert_eq!(claude["content"][0]["input"], arguments());
    assert_eq!(claude["stop_reason"], "tool_use");
    let gemini = document(GEMINI, &gemini_tool());
    let part = &gemini["candidates"][0]["content"]["parts"][0];
    assert_eq!(part["functionCall"]["args"], arguments());
}

#[test]
fn usage_adds_up_and_agrees_with_the_counting_paths() {
    let usage = document(CHAT, &chat("hi"))["usage"].clone();
    let sum =
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap();
    assert_eq!(usage["total_tokens"], sum);
    assert_eq!(
        document("/v1/messages/count_tokens", &claude_tool())["input_tokens"],
        document(CLAUDE, &claude_tool())["usage"]["input_tokens"]
    );
    let count = "/v1beta/models/demo-gemini:countTokens";
    let want = &document(GEMINI, &gemini("hello"))["usageMetadata"]["promptTokenCount"];
    let wrapped = json!({"generateContentRequest": gemini("hello")});
    assert_eq!(&document(count, &gemini("hello"))["totalTokens"], want);
    assert_eq!(&document(count, &wrapped)["totalTokens"], want);
}

#[test]
fn after_a_tool_result_the_answer_is_text_in_each_format() {
    let mut body = chat_tool();
    body["tool_choice"] = json!("required");
    body["messages"] = json!([
        {"role": "user", "content": "use the tool"},
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "tool_call_id": "c", "content": "sunny"},
    ]);
    let chat = document(CHAT, &body)["choices"][0]["message"]["content"].to_string();

    let mut body = responses_tool();
    body["input"] = json!([
        {"role": "user", "content": [{"type": "input_text", "text": "use the tool"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "sunny"},
    ]);
    let responses = document(RESPONSES, &body)["output"][0]["content"].to_string();

    let mut body = claude_tool();
    body["messages"] = json!([
        {"role": "user", "content": "use the tool"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "f", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "sunny"}]},
            {"type": "text", "text": "the tool has answered"},
        ]},
    ]);
    let claude = document(CLAUDE, &body)["content"].to_string();

    let mut body = gemini_tool();
    body["contents"] = json!([
        {"role": "user", "parts": [{"text": "use the tool"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"it": "sunny"}}}]},
    ]);
    let gemini = document(GEMINI, &body)["candidates"][0]["content"].to_string();

    for answer in [chat, responses, claude, gemini] {
        assert!(
            answer.contains("The tool answered:") && answer.contains("sunny"),
            "{answer}"
        );
    }
}

#[test]
fn a_forced_or_forbidden_tool_is_obeyed_in_each_format() {
    let with = |mut body: Value, field: &str, value: Value| {
        body[field] = value;
        body
    };
    let calling = |mode: &str| json!({"functionCallingConfig": {"mode": mode}});
    for (target, body, field, forced, never) in [
        (
            CHAT,
            chat_tool(),
            "tool_choice",
            json!({"type": "function", "function": {"name": "f"}}),
            json!("none"),
        ),
        (
            RESPONSES,
            responses_tool(),
            "tool_choice",
            json!({"type": "function", "name": "f"}),
            json!("none"),
        ),
        (
            CLAUDE,
            claude_tool(),
            "tool_choice",
            json!({"type": "any"}),
            json!({"type": "none"}),
        ),
        (
            GEMINI,
            gemini_tool(),
            "toolConfig",
            calling("ANY"),
            calling("NONE"),
        ),
    ] {
        let quiet: Value =
            serde_json::from_str(&body.to_string().replace("use the tool", "hi")).unwrap();
        let forced = document(target, &with(quiet, field, forced)).to_string();
        let never = document(target, &with(body, field, never)).to_string();
        assert!(!forced.contains("You said"), "{forced}");
        assert!(never.contains("You said"), "{never}");
    }
}

#[test]
fn images_are_counted_in_each_format() {
    let image = json!({"type": "image", "source": {"type": "base64", "data": "AAAA"}});
    for (target, body) in [
        (
            CHAT,
            json!({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}]}]}),
        ),
        (
            RESPONSES,
            json!({"input": [{"role": "user", "content": [
            {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "data:"}]}]}),
        ),
        (
            CLAUDE,
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}, image]}]}),
        ),
        (
            GEMINI,
            json!({"contents": {"parts": [
            {"text": "x"}, {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]}}),
        ),
    ] {
        let answer = document(target, &body).to_string();
        assert!(answer.contains("and 1 image."), "{target}: {answer}");
    }
}

#[test]
fn the_config_names_the_provider_for_every_entry() {
    let yaml = super::config_yaml("127.0.0.1:9".parse().unwrap());
    let config: Value = serde_yml::from_str(&yaml).unwrap();
    assert_eq!(config["host"], "127.0.0.1");
    assert_eq!(config["api-keys"], json!([super::CLIENT_KEY]));
    for (list, model) in [
        ("claude-api-key", "demo-claude"),
        ("openai-api-key", "demo-gpt"),
        ("gemini-api-key", "demo-gemini"),
    ] {
        for (entry, number) in config[list].as_array().unwrap().iter().zip(1..=2) {
            assert_eq!(entry["base-url"], "http://127.0.0.1:9");
            assert_eq!(entry["models"], json!([{"id": model}]));
            let key = entry["api-key"].as_str().unwrap();
            assert!(key.ends_with(&format!("-{number}")), "{key}");
        }
    }
}
