//! What the accumulators of OpenAI's SDKs and of Codex require of a stream, as a state machine. It
//! panics at the first event that would break one of them.

use serde_json::{Value, json};

/// What every response object has.
const ALWAYS: [&str; 27] = [
    "id",
    "object",
    "created_at",
    "status",
    "background",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "model",
    "output",
    "parallel_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "service_tier",
    "store",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "metadata",
];

#[derive(Default)]
struct Item {
    added: Value,
    done: Option<Value>,
    /// Text so far, and whether the text and the part are done; by kind of index.
    content: Vec<Piece>,
    summary: Vec<Piece>,
    arguments: String,
    arguments_done: bool,
}

#[derive(Default)]
struct Piece {
    kind: String,
    text: String,
    annotations: Vec<Value>,
    text_done: bool,
    part_done: bool,
}

#[derive(Default)]
struct Machine {
    response: Option<String>,
    items: Vec<Item>,
    error: bool,
    last: Option<Value>,
}

/// Checks a stream and gives the response that it ends with.
pub(super) fn check(stream: &[u8]) -> Value {
    let text = std::str::from_utf8(stream).unwrap();
    assert!(text.ends_with("\n\n"), "no blank line at the end");
    let mut machine = Machine::default();
    for (number, block) in text.trim_end_matches('\n').split("\n\n").enumerate() {
        let (name, data) = block.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        assert_eq!(data["type"], name);
        assert_eq!(data["sequence_number"], number, "{data}");
        assert!(machine.last.is_none(), "after the end: {data}");
        machine.event(number, name, &data);
    }
    machine.last.expect("a stream has an end")
}

/// Checks a response object.
pub(super) fn check_response(response: &Value) {
    for key in ALWAYS {
        assert!(response.get(key).is_some(), "no {key} in {response}");
    }
    assert_eq!(response["object"], "response");
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    assert!(response["created_at"].is_u64());
    let ids: Vec<_> = response["output"].as_array().unwrap().iter().collect();
    for item in &ids {
        if let Some(id) = item["id"].as_str() {
            assert!(id.len() <= 64, "{id}");
            assert_eq!(ids.iter().filter(|other| other["id"] == id).count(), 1);
        }
    }
    if response["usage"].is_null() {
        return;
    }
    for key in [
        "/input_tokens",
        "/output_tokens",
        "/total_tokens",
        "/input_tokens_details/cached_tokens",
        "/output_tokens_details/reasoning_tokens",
    ] {
        assert!(response["usage"].pointer(key).unwrap().is_u64(), "{key}");
    }
}

impl Machine {
    fn event(&mut self, number: usize, name: &str, data: &Value) {
        match number {
            0 => assert_eq!(name, "response.created"),
            1 => assert_eq!(name, "response.in_progress"),
            _ => {}
        }
        if let Some(response) = data.get("response") {
            check_response(response);
            let id = response["id"].as_str().unwrap().to_owned();
            assert_eq!(*self.response.get_or_insert_with(|| id.clone()), id);
        }
        match name {
            "response.created" | "response.in_progress" => {
                assert!(number < 2);
                assert_eq!(data["response"]["status"], "in_progress");
                assert_eq!(data["response"]["output"], json!([]));
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.end(name, data)
            }
            "error" => {
                for key in ["code", "message", "param", "error"] {
                    assert!(data.get(key).is_some(), "{data}");
                }
                assert!(data["error"]["message"].is_string());
                self.error = true;
            }
            "response.output_item.added" => {
                assert_eq!(data["output_index"], self.items.len());
                let added = data["item"].clone();
                assert!(added["id"].is_string(), "{added}");
                self.items.push(Item {
                    added,
                    ..Item::default()
                });
            }
            _ => {
                let index = usize::try_from(data["output_index"].as_u64().unwrap()).unwrap();
                let item = self.items.get_mut(index).expect("an item that was added");
                assert!(item.done.is_none(), "the item is done: {data}");
                item.event(name, data);
            }
        }
    }

    fn end(&mut self, name: &str, data: &Value) {
        let response = &data["response"];
        let failed = name == "response.failed";
        assert_eq!(response["status"], name["response.".len()..]);
        assert!(!self.error || failed);
        assert_eq!(failed, !response["error"].is_null());
        assert_eq!(
            name == "response.incomplete",
            !response["incomplete_details"].is_null()
        );
        let done = self.items.iter().filter_map(|item| item.done.clone());
        assert_eq!(response["output"], Value::Array(done.collect()));
        if !failed {
            assert!(
                self.items.iter().all(|item| item.done.is_some()),
                "an item is open"
            );
            assert!(response["usage"].is_object());
        }
        self.last = Some(response.clone());
    }
}

impl Item {
    fn event(&mut self, name: &str, data: &Value) {
        if name == "response.output_item.done" {
            self.finish(&data["item"]);
            return;
        }
        assert_eq!(data["item_id"], self.added["id"], "{data}");
        let kind = self.added["type"].as_str().unwrap();
        let summary = name.starts_with("response.reasoning_summary");
        let (pieces, key) = if summary {
            (&mut self.summary, "summary_index")
        } else {
            (&mut self.content, "content_index")
        };
        let index =
            || usize::try_from(data[key].as_u64().unwrap_or_else(|| panic!("{data}"))).unwrap();
        match name {
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert_eq!(index(), pieces.len(), "parts come in order");
                assert_eq!(
                    kind,
                    if data["part"]["type"] == "output_text" || data["part"]["type"] == "refusal" {
                        "message"
                    } else {
                        "reasoning"
                    }
                );
                pieces.push(Piece {
                    kind: data["part"]["type"].as_str().unwrap().to_owned(),
                    ..Piece::default()
                });
            }
            "response.output_text.delta"
            | "response.refusal.delta"
            | "response.reasoning_text.delta"
            | "response.reasoning_summary_text.delta" => {
                let piece = pieces.get_mut(index()).expect("a part that was added");
                assert!(!piece.text_done && !piece.part_done, "{data}");
                let delta = data["delta"].as_str().unwrap();
                assert!(!delta.is_empty());
                assert_eq!(
                    name == "response.output_text.delta",
                    piece.kind == "output_text"
                );
                assert_eq!(
                    name == "response.output_text.delta",
                    data.get("logprobs").is_some()
                );
                piece.text.push_str(delta);
            }
            "response.output_text.annotation.added" => {
                let piece = pieces.get_mut(index()).unwrap();
                assert!(!piece.part_done);
                assert_eq!(data["annotation_index"], piece.annotations.len());
                piece.annotations.push(data["annotation"].clone());
            }
            "response.output_text.done"
            | "response.refusal.done"
            | "response.reasoning_text.done"
            | "response.reasoning_summary_text.done" => {
                let piece = pieces.get_mut(index()).unwrap();
                let key = if name == "response.refusal.done" {
                    "refusal"
                } else {
                    "text"
                };
                assert_eq!(data[key], piece.text);
                assert!(!std::mem::replace(&mut piece.text_done, true));
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let piece = pieces.get_mut(index()).unwrap();
                piece.is(&data["part"]);
                assert!(piece.text_done);
                assert!(!std::mem::replace(&mut piece.part_done, true));
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                assert_eq!(name.contains("custom"), kind == "custom_tool_call");
                assert!(!self.arguments_done);
                self.arguments.push_str(data["delta"].as_str().unwrap());
            }
            "response.function_call_arguments.done" | "response.custom_tool_call_input.done" => {
                let key = if kind == "custom_tool_call" {
                    "input"
                } else {
                    "arguments"
                };
                assert_eq!(data[key], self.arguments);
                assert!(!std::mem::replace(&mut self.arguments_done, true));
            }
            name => {
                let known = [
                    "web_search_call",
                    "code_interpreter_call",
                    "image_generation_call",
                ];
                assert!(
                    known
                        .iter()
                        .any(|known| kind == *known && name.contains(known)),
                    "{name} for {kind}"
                );
            }
        }
    }

    fn finish(&mut self, item: &Value) {
        for key in ["id", "type", "call_id", "name"] {
            assert_eq!(item.get(key), self.added.get(key), "{key} changed");
        }
        let empty = Vec::new();
        match item["type"].as_str().unwrap() {
            "message" => {
                assert_eq!(self.added["content"], json!([]));
                assert_eq!(item["role"], "assistant");
                let content = item["content"].as_array().unwrap();
                assert_eq!(content.len(), self.content.len());
                assert!(!content.is_empty(), "an empty message");
                for (part, piece) in content.iter().zip(&self.content) {
                    piece.is(part);
                    assert!(piece.part_done);
                }
            }
            "reasoning" => {
                assert_eq!(self.added["summary"], json!([]));
                for (key, pieces) in [("summary", &self.summary), ("content", &self.content)] {
                    let texts = item
                        .get(key)
                        .map_or(&empty, |list| list.as_array().unwrap());
                    assert_eq!(texts.len(), pieces.len());
                    for (text, piece) in texts.iter().zip(pieces) {
                        piece.is(text);
                        assert!(piece.part_done);
                    }
                }
            }
            "function_call" | "custom_tool_call" => {
                let key = if item["type"] == "function_call" {
                    "arguments"
                } else {
                    "input"
                };
                assert_eq!(self.added[key], "");
                assert_eq!(item[key], self.arguments);
                assert!(self.arguments_done);
                assert!(!item["call_id"].as_str().unwrap().is_empty());
                if key == "arguments" && item["status"] == "completed" {
                    serde_json::from_str::<Value>(&self.arguments).unwrap();
                }
            }
            _ => {}
        }
        assert_ne!(item["status"], "in_progress");
        self.done = Some(item.clone());
    }
}

impl Piece {
    fn is(&self, part: &Value) {
        assert_eq!(part["type"], self.kind);
        let key = if self.kind == "refusal" {
            "refusal"
        } else {
            "text"
        };
        assert_eq!(part[key], self.text);
        if self.kind == "output_text" {
            assert_eq!(part["annotations"], Value::Array(self.annotations.clone()));
            assert!(part["logprobs"].is_array());
        }
    }
}
