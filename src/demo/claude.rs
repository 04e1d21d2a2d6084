//! Anthropic Messages, as the demo provider speaks it.

use serde_json::{Value, json};

use super::answer::{Answer, event, pieces};
use super::ask::{Ask, Choice, Message, Say, each};

/// Reads a request.
pub(super) fn read(body: &Value) -> Ask {
    let mut ask = Ask {
        streamed: body["stream"] == true,
        choice: choice(&body["tool_choice"]),
        ..Ask::default()
    };
    for message in each(&body["messages"]) {
        if message["role"] == "user" {
            ask.hear(user(&message["content"]));
        }
    }
    for tool in each(&body["tools"]) {
        // Tools that Anthropic runs or defines itself have no schema.
        if tool.get("input_schema").is_some() {
            ask.declare(&tool["name"], &tool["input_schema"]);
        }
    }
    ask
}

/// A whole answer.
pub(super) fn whole(answer: &Answer) -> Value {
    let mut block = opened_block(answer);
    match &answer.say {
        Say::Text(text) => block["text"] = json!(text),
        Say::Call { arguments, .. } => block["input"] = arguments.clone(),
    }
    let mut message = opened_message(answer);
    message["content"] = json!([block]);
    message["stop_reason"] = json!(stop_reason(answer));
    message["usage"] = usage(answer, answer.output);
    message
}

/// A streamed answer.
pub(super) fn stream(answer: &Answer) -> Vec<String> {
    let mut events = vec![
        json!({"type": "message_start", "message": opened_message(answer)}),
        json!({"type": "content_block_start", "index": 0, "content_block": opened_block(answer)}),
        json!({"type": "ping"}),
    ];
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": 0, "delta": delta});
    match &answer.say {
        Say::Text(text) => events.extend(
            pieces(text)
                .iter()
                .map(|piece| delta(json!({"type": "text_delta", "text": piece}))),
        ),
        Say::Call { arguments, .. } => {
            let arguments = arguments.to_string();
            // Anthropic opens with an empty fragment too.
            let fragments = [""].into_iter().chain(pieces(&arguments));
            events.extend(fragments.map(|fragment| {
                delta(json!({"type": "input_json_delta", "partial_json": fragment}))
            }));
        }
    }
    events.push(json!({"type": "content_block_stop", "index": 0}));
    events.push(json!({
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason(answer), "stop_sequence": null},
        "usage": {
            "input_tokens": answer.input,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": answer.output,
        },
    }));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(event).collect()
}

/// The message before anything is said.
fn opened_message(answer: &Answer) -> Value {
    json!({
        "id": format!("msg_{}", answer.id),
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(answer, 1),
    })
}

/// The one block, before anything is in it.
fn opened_block(answer: &Answer) -> Value {
    match &answer.say {
        Say::Text(_) => json!({"type": "text", "text": ""}),
        Say::Call { name, .. } => json!({
            "type": "tool_use",
            "id": format!("toolu_{}", answer.id),
            "name": name,
            "input": {},
        }),
    }
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.say {
        Say::Text(_) => "end_turn",
        Say::Call { .. } => "tool_use",
    }
}

fn usage(answer: &Answer, output: u64) -> Value {
    json!({
        "input_tokens": answer.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn user(content: &Value) -> Message {
    let mut message = Message::default();
    for block in each(content) {
        if let Some(text) = block.as_str() {
            message.add_text(text);
            continue;
        }
        match block["type"].as_str() {
            Some("text") => message.add_text(block["text"].as_str().unwrap_or_default()),
            Some("image") => message.images += 1,
            Some("tool_result") => message.result = Some(Message::text_of(&block["content"])),
            _ => {}
        }
    }
    message
}

fn choice(choice: &Value) -> Choice {
    match choice["type"].as_str() {
        Some("none") => Choice::Never,
        Some("any") => Choice::Forced(None),
        Some("tool") => Choice::Forced(choice["name"].as_str().map(str::to_owned)),
        _ => Choice::Free,
    }
}
