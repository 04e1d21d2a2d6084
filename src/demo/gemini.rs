//! Gemini `generateContent`, as the demo provider speaks it.
//!
//! Google's servers read every field in camel case and in snake case, and so does this.

use serde_json::{Value, json};

use super::answer::{Answer, pieces};
use super::ask::{Ask, Choice, Message, Say, each};

/// Reads a request.
pub(super) fn read(body: &Value) -> Ask {
    let config = either(body, "toolConfig", "tool_config");
    let calling = either(config, "functionCallingConfig", "function_calling_config");
    let mut ask = Ask {
        choice: choice(calling),
        ..Ask::default()
    };
    for content in each(&body["contents"]) {
        // A bare string is what people write first.
        if content.is_string() {
            ask.hear(user(content));
        } else if content["role"] != "model" {
            ask.hear(user(&content["parts"]));
        }
    }
    for tool in each(&body["tools"]) {
        for function in each(either(
            tool,
            "functionDeclarations",
            "function_declarations",
        )) {
            let schema = match &function["parameters"] {
                Value::Null => either(function, "parametersJsonSchema", "parameters_json_schema"),
                schema => schema,
            };
            ask.declare(&function["name"], schema);
        }
    }
    ask
}

/// A whole answer.
pub(super) fn whole(answer: &Answer) -> Value {
    let part = match &answer.say {
        Say::Text(text) => json!({ "text": text }),
        Say::Call { name, arguments } => call(answer, name, arguments),
    };
    chunk(answer, &part, true)
}

/// The chunks of a streamed answer; how they are framed is up to the client.
pub(super) fn chunks(answer: &Answer) -> Vec<Value> {
    let mut chunks: Vec<Value> = match &answer.say {
        Say::Text(text) => pieces(text)
            .iter()
            .map(|piece| chunk(answer, &json!({ "text": piece }), false))
            .collect(),
        Say::Call { name, arguments } => {
            vec![chunk(answer, &call(answer, name, arguments), false)]
        }
    };
    chunks.push(chunk(answer, &json!({"text": ""}), true));
    chunks
}

/// The answer to `countTokens`.
pub(super) fn count(tokens: u64) -> Value {
    json!({
        "totalTokens": tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}],
    })
}

fn chunk(answer: &Answer, part: &Value, last: bool) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": [part]}, "index": 0});
    let mut usage = json!({
        "promptTokenCount": answer.input,
        "totalTokenCount": answer.input,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input}],
    });
    if last {
        candidate["finishReason"] = json!("STOP");
        usage["candidatesTokenCount"] = json!(answer.output);
        usage["totalTokenCount"] = json!(answer.input + answer.output);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": usage,
        "modelVersion": answer.model,
        "responseId": answer.id,
    })
}

fn call(answer: &Answer, name: &str, arguments: &Value) -> Value {
    let id = format!("call_{}", answer.id);
    json!({"functionCall": {"id": id, "name": name, "args": arguments}})
}

fn user(parts: &Value) -> Message {
    let mut message = Message::default();
    for part in each(parts) {
        if let Some(text) = part.as_str().or_else(|| part["text"].as_str()) {
            message.add_text(text);
        }
        for blob in [
            either(part, "inlineData", "inline_data"),
            either(part, "fileData", "file_data"),
        ] {
            let kind = either(blob, "mimeType", "mime_type").as_str();
            message.images += usize::from(kind.is_some_and(|kind| kind.starts_with("image/")));
        }
        match either(part, "functionResponse", "function_response") {
            Value::Null => {}
            result => message.result = Some(Message::text_of(&result["response"])),
        }
    }
    message
}

fn choice(calling: &Value) -> Choice {
    let names = either(calling, "allowedFunctionNames", "allowed_function_names");
    match calling["mode"].as_str() {
        Some("NONE") => Choice::Never,
        Some("ANY") => Choice::Forced(names[0].as_str().map(str::to_owned)),
        _ => Choice::Free,
    }
}

fn either<'a>(object: &'a Value, camel: &str, snake: &str) -> &'a Value {
    match &object[camel] {
        Value::Null => &object[snake],
        value => value,
    }
}
