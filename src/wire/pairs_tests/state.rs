//! What a provider wants back comes back, byte for byte, through a client of any other format.

use serde_json::{Value, json};

use super::*;

/// An answer of a provider that hands out state, and the state.
struct Origin {
    format: Format,
    answer: Value,
    state: &'static str,
}

fn origins() -> Vec<Origin> {
    let claude = |block: Value, state| Origin {
        format: Format::Claude,
        answer: json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": model(Format::Claude),
            "content": [block, {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "sky"}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 5, "output_tokens": 7}
        }),
        state,
    };
    let gemini = |parts: Value, state| Origin {
        format: Format::Gemini,
        answer: json!({
            "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12},
            "modelVersion": model(Format::Gemini), "responseId": "r1"
        }),
        state,
    };
    vec![
        claude(
            json!({"type": "thinking", "thinking": "Up, \n\n then?", "signature": "EqQBsigned+/=="}),
            "EqQBsigned+/==",
        ),
        claude(
            json!({"type": "redacted_thinking", "data": "EmwKAhgBredacted+/=="}),
            "EmwKAhgBredacted+/==",
        ),
        Origin {
            format: Format::OpenAiResponses,
            answer: json!({
                "id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
                "model": model(Format::OpenAiResponses), "error": null, "incomplete_details": null,
                "output": [
                    {"id": "rs_1", "type": "reasoning", "encrypted_content": "gAAAAABsecret-_=",
                     "summary": [{"type": "summary_text", "text": "Up?"}]},
                    {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "look",
                     "arguments": "{\"at\":\"sky\"}", "status": "completed"}
                ],
                "usage": {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
            }),
            state: "gAAAAABsecret-_=",
        },
        gemini(
            json!([{"functionCall": {"name": "look", "args": {"at": "sky"}}, "thoughtSignature": "CiQBcall+/=="}]),
            "CiQBcall+/==",
        ),
        gemini(
            json!([
                {"text": "Up?", "thought": true},
                {"functionCall": {"name": "look", "args": {"at": "sky"}}, "thoughtSignature": "CiQBboth+/=="}
            ]),
            "CiQBboth+/==",
        ),
    ]
}

/// The next request of a client that got `answer`: what it said, what it got, the tool's result.
fn next(client: Format, answer: &Value) -> Value {
    let schema = json!({"type": "object", "properties": {"at": {"type": "string"}}});
    match client {
        Format::OpenAiChat => {
            let message = &answer["choices"][0]["message"];
            json!({
                "model": "m",
                "messages": [
                    {"role": "user", "content": "Look!"},
                    message,
                    {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "blue"}
                ],
                "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}]
            })
        }
        Format::OpenAiResponses => {
            let output = answer["output"].as_array().unwrap();
            let call = output
                .iter()
                .find(|item| item["type"] == "function_call")
                .unwrap();
            let mut input = vec![json!({"role": "user", "content": "Look!"})];
            input.extend(output.iter().cloned());
            input.push(json!({
                "type": "function_call_output", "call_id": call["call_id"], "output": "blue"
            }));
            json!({
                "model": "m", "input": input, "store": false,
                "tools": [{"type": "function", "name": "look", "parameters": schema}]
            })
        }
        Format::Claude => {
            let content = answer["content"].as_array().unwrap();
            let call = content
                .iter()
                .find(|block| block["type"] == "tool_use")
                .unwrap();
            json!({
                "model": "m", "max_tokens": 4096,
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "messages": [
                    {"role": "user", "content": "Look!"},
                    {"role": "assistant", "content": content},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": call["id"], "content": "blue"}
                    ]}
                ],
                "tools": [{"name": "look", "input_schema": schema}]
            })
        }
        Format::Gemini => {
            let content = &answer["candidates"][0]["content"];
            let parts = content["parts"].as_array().unwrap();
            let call = parts
                .iter()
                .find_map(|part| part.get("functionCall"))
                .unwrap();
            json!({
                "contents": [
                    {"role": "user", "parts": [{"text": "Look!"}]},
                    content,
                    {"role": "user", "parts": [{"functionResponse": {
                        "id": call["id"], "name": "look", "response": {"output": "blue"}
                    }}]}
                ],
                "tools": [{"functionDeclarations": [{"name": "look", "parameters": {
                    "type": "OBJECT", "properties": {"at": {"type": "STRING"}}
                }}]}]
            })
        }
    }
}

/// How often a string stands somewhere in a document, and whether a carrier does.
fn count(value: &Value, text: &str) -> usize {
    match value {
        Value::String(string) => usize::from(string == text),
        Value::Array(items) => items.iter().map(|item| count(item, text)).sum(),
        Value::Object(map) => map.values().map(|item| count(item, text)).sum(),
        _ => 0,
    }
}

#[test]
fn state_comes_back_once_and_as_it_was() {
    let mut complaints = Complaints::default();
    for Origin {
        format,
        answer,
        state,
    } in origins()
    {
        let body = serde_json::to_vec(&answer).unwrap();
        for client in others(format) {
            let name = format!("{} ({state}) via {}", format.name(), client.name());
            let got = whole(format, client, &Arc::new(reply(format)), &body);
            let Ok(seen) = serde_json::from_slice::<Value>(&got.text) else {
                complaints.note(format!("{name}: {got:?}"));
                continue;
            };
            let request = serde_json::to_vec(&next(client, &seen)).unwrap();
            match ask(client, format, &request) {
                Err(fault) => complaints.note(format!("{name}: {fault:?}")),
                Ok(done) => {
                    let text = String::from_utf8(done.body).unwrap();
                    let sent: Value = serde_json::from_str(&text).unwrap();
                    complaints.unless(count(&sent, state) == 1, || {
                        format!("{name}:\n  client {seen}\n  provider {text}")
                    });
                    let left = text.contains("aip1");
                    complaints.unless(!left, || format!("{name}: a carrier is left in {text}"));
                }
            }
        }
    }
    complaints.none();
}

/// OpenAI Chat clients that keep only what OpenAI documents still bring Gemini's state back.
#[test]
fn state_of_gemini_rides_in_the_ids_of_calls() {
    let calls = origins()
        .into_iter()
        .filter(|origin| origin.format == Format::Gemini);
    for Origin { answer, state, .. } in calls {
        let body = serde_json::to_vec(&answer).unwrap();
        let reply = Arc::new(reply(Format::Gemini));
        let got = whole(Format::Gemini, Format::OpenAiChat, &reply, &body);
        let mut seen: Value = serde_json::from_slice(&got.text).unwrap();
        let message = seen["choices"][0]["message"].as_object_mut().unwrap();
        message.retain(|key, _| matches!(key.as_str(), "role" | "content" | "tool_calls"));
        for call in message["tool_calls"].as_array_mut().unwrap() {
            let call = call.as_object_mut().unwrap();
            call.retain(|key, _| matches!(key.as_str(), "id" | "type" | "function"));
        }
        let request = serde_json::to_vec(&next(Format::OpenAiChat, &seen)).unwrap();
        let done = ask(Format::OpenAiChat, Format::Gemini, &request).unwrap();
        let sent: Value = serde_json::from_slice(&done.body).unwrap();
        assert_eq!(count(&sent, state), 1, "{seen} became {sent}");
    }
}

/// A client that goes on with a provider of another format: its state is nobody else's business.
#[test]
fn state_of_one_provider_never_reaches_another() {
    for Origin {
        format,
        answer,
        state,
    } in origins()
    {
        let body = serde_json::to_vec(&answer).unwrap();
        for client in others(format) {
            let got = whole(format, client, &Arc::new(reply(format)), &body);
            let seen: Value = serde_json::from_slice(&got.text).unwrap();
            let request = serde_json::to_vec(&next(client, &seen)).unwrap();
            for provider in others(format).filter(|provider| *provider != client) {
                let done = ask(client, provider, &request).unwrap();
                let text = String::from_utf8(done.body).unwrap();
                let name = format!("{} {} {}", format.name(), client.name(), provider.name());
                assert!(
                    !text.contains("aip1") && !text.contains(state),
                    "{name}: {text}"
                );
            }
        }
    }
}
