//! OpenAI Chat Completions, as the demo provider speaks it.

use serde_json::{Value, json};

use super::answer::{Answer, data, pieces};
use super::ask::{Ask, Choice, Message, Say, each};

/// Reads a request.
pub(super) fn read(body: &Value) -> Ask {
    let mut ask = Ask {
        streamed: body["stream"] == true,
        choice: choice(&body["tool_choice"]),
        ..Ask::default()
    };
    for message in each(&body["messages"]) {
        match message["role"].as_str() {
            Some("user") => ask.hear(user(&message["content"])),
            Some("tool" | "function") => ask.hear(Message {
                result: Some(Message::text_of(&message["content"])),
                ..Message::default()
            }),
            _ => {}
        }
    }
    for tool in each(&body["tools"]) {
        let function = &tool["function"];
        ask.declare(&function["name"], &function["parameters"]);
    }
    ask
}

/// A whole answer.
pub(super) fn whole(answer: &Answer) -> Value {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    match &answer.say {
        Say::Text(text) => {
            message["content"] = json!(text);
            message["annotations"] = json!([]);
        }
        Say::Call { name, arguments } => {
            message["tool_calls"] = json!([{
                "id": format!("call_{}", answer.id),
                "type": "function",
                "function": {"name": name, "arguments": arguments.to_string()},
            }]);
        }
    }
    json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": "chat.completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish_reason(answer),
        }],
        "usage": usage(answer),
        "system_fingerprint": "fp_demo",
    })
}

/// A streamed answer.
pub(super) fn stream(answer: &Answer, body: &Value) -> Vec<String> {
    let with_usage = body["stream_options"]["include_usage"] == true;
    let mut deltas = Vec::new();
    match &answer.say {
        Say::Text(text) => {
            deltas.push(json!({"role": "assistant", "content": "", "refusal": null}));
            deltas.extend(pieces(text).iter().map(|piece| json!({ "content": piece })));
        }
        Say::Call { name, arguments } => {
            let call = json!({
                "index": 0,
                "id": format!("call_{}", answer.id),
                "type": "function",
                "function": {"name": name, "arguments": ""},
            });
            deltas.push(json!({"role": "assistant", "content": null, "tool_calls": [call]}));
            let arguments = arguments.to_string();
            deltas.extend(pieces(&arguments).iter().map(
                |piece| json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
            ));
        }
    }
    let mut events: Vec<Value> = deltas
        .into_iter()
        .map(|delta| chunk(answer, &choices(&delta, &Value::Null)))
        .collect();
    events.push(chunk(
        answer,
        &choices(&json!({}), &json!(finish_reason(answer))),
    ));
    if with_usage {
        for event in &mut events {
            event["usage"] = json!(null);
        }
        let mut last = chunk(answer, &json!([]));
        last["usage"] = usage(answer);
        events.push(last);
    }
    let mut stream: Vec<String> = events
        .iter()
        .map(|event| data(&event.to_string()))
        .collect();
    stream.push(data("[DONE]"));
    stream
}

fn chunk(answer: &Answer, choices: &Value) -> Value {
    json!({
        "id": format!("chatcmpl-{}", answer.id),
        "object": "chat.completion.chunk",
        "created": answer.created,
        "model": answer.model,
        "system_fingerprint": "fp_demo",
        "choices": choices,
    })
}

fn choices(delta: &Value, finish_reason: &Value) -> Value {
    json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason}])
}

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.say {
        Say::Text(_) => "stop",
        Say::Call { .. } => "tool_calls",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input,
        "completion_tokens": answer.output,
        "total_tokens": answer.input + answer.output,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

fn user(content: &Value) -> Message {
    let mut message = Message::default();
    for part in each(content) {
        if let Some(text) = part.as_str().or_else(|| part["text"].as_str()) {
            message.add_text(text);
        }
        message.images += usize::from(part["type"] == "image_url");
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
    let allowed = &choice["allowed_tools"];
    if let Some(name) = choice["function"]["name"].as_str() {
        Choice::Forced(Some(name.to_owned()))
    } else if allowed["mode"] == "required" {
        let name = &allowed["tools"][0]["function"]["name"];
        Choice::Forced(name.as_str().map(str::to_owned))
    } else {
        Choice::Free
    }
}
