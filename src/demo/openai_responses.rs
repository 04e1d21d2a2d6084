//! OpenAI Responses, as the demo provider speaks it.

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
    for item in each(&body["input"]) {
        if item.is_string() {
            ask.hear(user(item));
        } else if item["role"] == "user" {
            ask.hear(user(&item["content"]));
        } else if let Some("function_call_output" | "custom_tool_call_output") =
            item["type"].as_str()
        {
            ask.hear(Message {
                result: Some(Message::text_of(&item["output"])),
                ..Message::default()
            });
        }
    }
    for tool in each(&body["tools"]) {
        if tool["type"] == "function" {
            ask.declare(&tool["name"], &tool["parameters"]);
        }
    }
    ask
}

/// A whole answer.
pub(super) fn whole(answer: &Answer, body: &Value) -> Value {
    let item = item(answer, "completed");
    response(answer, body, "completed", &[item])
}

/// A streamed answer. The order is what the accumulators of OpenAI's clients insist on: the item
/// before its parts, the part before its text, and all of it again in `response.completed`.
pub(super) fn stream(answer: &Answer, body: &Value) -> Vec<String> {
    let begun = response(answer, body, "in_progress", &[]);
    let done = item(answer, "completed");
    let mut open = item(answer, "in_progress");
    let id = open["id"].clone();
    let mut events = vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
    ];
    match &answer.say {
        Say::Text(text) => {
            open["content"] = json!([]);
            events.push(json!({
                "type": "response.output_item.added", "output_index": 0, "item": open,
            }));
            events.push(json!({
                "type": "response.content_part.added", "item_id": id, "output_index": 0,
                "content_index": 0, "part": part(""),
            }));
            events.extend(pieces(text).iter().map(|piece| {
                json!({
                    "type": "response.output_text.delta", "delta": piece, "item_id": id,
                    "output_index": 0, "content_index": 0, "logprobs": [],
                })
            }));
            events.push(json!({
                "type": "response.output_text.done", "text": text, "item_id": id,
                "output_index": 0, "content_index": 0, "logprobs": [],
            }));
            events.push(json!({
                "type": "response.content_part.done", "part": part(text), "item_id": id,
                "output_index": 0, "content_index": 0,
            }));
        }
        Say::Call { name, arguments } => {
            let arguments = arguments.to_string();
            open["arguments"] = json!("");
            events.push(json!({
                "type": "response.output_item.added", "output_index": 0, "item": open,
            }));
            events.extend(pieces(&arguments).iter().map(|piece| {
                json!({
                    "type": "response.function_call_arguments.delta", "delta": piece,
                    "item_id": id, "output_index": 0,
                })
            }));
            events.push(json!({
                "type": "response.function_call_arguments.done", "item_id": id,
                "output_index": 0, "name": name, "arguments": arguments,
            }));
        }
    }
    events.push(json!({
        "type": "response.output_item.done", "output_index": 0, "item": done,
    }));
    events.push(json!({
        "type": "response.completed",
        "response": response(answer, body, "completed", &[done]),
    }));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = json!(number);
    }
    events.iter().map(event).collect()
}

/// The response object. Clients check many of its fields, so all of them are there; what the request
/// said about itself is repeated.
fn response(answer: &Answer, body: &Value, status: &str, output: &[Value]) -> Value {
    let said = |name: &str, otherwise: Value| match &body[name] {
        Value::Null => otherwise,
        value => value.clone(),
    };
    let completed = status == "completed";
    json!({
        "id": format!("resp_{}", answer.id),
        "object": "response",
        "created_at": answer.created,
        "status": status,
        "model": answer.model,
        "output": output,
        "usage": if completed { usage(answer) } else { Value::Null },
        "background": false,
        "completed_at": if completed { json!(answer.created) } else { Value::Null },
        "error": null,
        "incomplete_details": null,
        "instructions": body["instructions"],
        "max_output_tokens": body["max_output_tokens"],
        "max_tool_calls": null,
        "parallel_tool_calls": said("parallel_tool_calls", json!(true)),
        "previous_response_id": body["previous_response_id"],
        "prompt_cache_key": body["prompt_cache_key"],
        "reasoning": {
            "effort": body["reasoning"]["effort"],
            "summary": body["reasoning"]["summary"],
        },
        "safety_identifier": null,
        "service_tier": "default",
        "store": false,
        "temperature": said("temperature", json!(1)),
        "text": said("text", json!({"format": {"type": "text"}})),
        "tool_choice": said("tool_choice", json!("auto")),
        "tools": said("tools", json!([])),
        "top_logprobs": 0,
        "top_p": said("top_p", json!(1)),
        "truncation": "disabled",
        "user": body["user"],
        "metadata": said("metadata", json!({})),
    })
}

/// The one item of the output.
fn item(answer: &Answer, status: &str) -> Value {
    match &answer.say {
        Say::Text(text) => json!({
            "id": format!("msg_{}", answer.id),
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part(text)],
        }),
        Say::Call { name, arguments } => json!({
            "id": format!("fc_{}", answer.id),
            "type": "function_call",
            "status": status,
            "call_id": format!("call_{}", answer.id),
            "name": name,
            "arguments": arguments.to_string(),
        }),
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn usage(answer: &Answer) -> Value {
    json!({
        "input_tokens": answer.input,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": answer.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": answer.input + answer.output,
    })
}

fn user(content: &Value) -> Message {
    let mut message = Message::default();
    for part in each(content) {
        if let Some(text) = part.as_str().or_else(|| part["text"].as_str()) {
            message.add_text(text);
        }
        message.images += usize::from(part["type"] == "input_image");
    }
    message
}

fn choice(choice: &Value) -> Choice {
    if let Some(word) = choice.as_str() {
        return match word {
            "none" => Choice::Never,
            "required" => Choice::Forced(None),
            _ => Choice::Free,
        };
    }
    let name = |tool: &Value| Choice::Forced(tool["name"].as_str().map(str::to_owned));
    match choice["type"].as_str() {
        Some("function") => name(choice),
        Some("allowed_tools") if choice["mode"] == "required" => name(&choice["tools"][0]),
        _ => Choice::Free,
    }
}
