//! The recorded answers: read, written and read again.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::testing::{read, sse, strict};
use crate::chat::{Content, StopReason};
use crate::wire::Shape;

fn folder(category: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/anthropic")
        .join(category);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

fn stream(name: &str) -> Vec<u8> {
    let path = folder("streams").into_iter();
    let path = path.into_iter().find(|path| path.ends_with(name)).unwrap();
    fs::read(path).unwrap()
}

/// Those that do not end well, and how.
fn ends_badly(name: &str) -> bool {
    name.starts_with("auth-error") || name.starts_with("vai-spliced")
}

#[test]
fn recorded_streams_are_read_written_and_read_again() {
    let mut count = 0;
    for path in folder("streams") {
        let name = path.file_name().unwrap().to_str().unwrap();
        if ends_badly(name) {
            continue;
        }
        let first = read(Shape::Sse, &fs::read(&path).unwrap());
        let answer = first.answer.unwrap();
        strict(&first.stream);
        let again = read(Shape::Sse, &first.stream);
        assert_eq!(again.answer.unwrap(), answer, "{name}");
        assert_eq!(again.stream, first.stream, "{name}");
        let whole = read(Shape::Whole, &first.whole).answer.unwrap();
        assert_eq!(
            (&whole.candidates, whole.usage),
            (&answer.candidates, answer.usage),
            "{name}"
        );
        count += 1;
    }
    assert!(count >= 9);
}

/// What a document is as it is written: no nulls, no counts of nothing, nothing that only a client
/// who speaks with Anthropic itself has a use for.
fn normal(mut document: Value) -> Value {
    let members = document.as_object_mut().unwrap();
    members.remove("context_management");
    members.remove("container");
    if members.get("stop_details") == Some(&Value::Null) {
        members.remove("stop_details");
    }
    for block in members["content"].as_array_mut().unwrap() {
        let block = block.as_object_mut().unwrap();
        // Who called is not part of the model.
        if block["type"] == "tool_use" {
            block.remove("caller");
        }
        block.retain(|_, value| !value.is_null());
    }
    // Where there are calls, they are what the client is to do.
    let calls = members["content"].as_array().unwrap().iter();
    let mut calls = calls.filter(|block| block["type"] == "tool_use");
    if calls.next().is_some() && members["stop_reason"] == "end_turn" {
        members["stop_reason"] = json!("tool_use");
    }
    let usage = members["usage"].as_object_mut().unwrap();
    usage.remove("inference_geo");
    usage.retain(|_, value| {
        let numbers = value.as_object();
        let is_kept =
            numbers.is_some_and(|numbers| numbers.contains_key("ephemeral_1h_input_tokens"));
        is_kept || !numbers.is_some_and(|numbers| numbers.values().all(|value| *value == json!(0)))
    });
    document
}

#[test]
fn recorded_documents_are_written_as_they_were() {
    let mut count = 0;
    for path in folder("responses") {
        let body = fs::read(&path).unwrap();
        let first = read(Shape::Whole, &body);
        let written: Value = serde_json::from_slice(&first.whole).unwrap();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            normal(written),
            normal(document.clone()),
            "{}",
            path.display()
        );
        strict(&first.stream);
        let streamed = read(Shape::Sse, &first.stream).whole;
        let streamed: Value = serde_json::from_slice(&streamed).unwrap();
        assert_eq!(normal(streamed), normal(document), "{}", path.display());
        count += 1;
    }
    assert!(count >= 9);
}

#[test]
fn a_stream_that_is_cut_is_never_a_success() {
    for path in folder("streams") {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let events = sse(&fs::read(&path).unwrap());
        let ended = events.iter().position(|(_, data)| {
            let value: Value = serde_json::from_slice(data).unwrap();
            value["delta"]["stop_reason"].is_string()
        });
        for count in 0..events.len() {
            let mut cut = Vec::new();
            for (_, data) in &events[..count] {
                cut.extend_from_slice(b"data: ");
                cut.extend_from_slice(data);
                cut.extend_from_slice(b"\n\n");
            }
            let result = read(Shape::Sse, &cut);
            let is_whole = ended.is_some_and(|ended| count > ended) && !ends_badly(&name);
            assert_eq!(result.answer.is_some(), is_whole, "{name} after {count}");
            assert_eq!(result.fault.is_none(), is_whole, "{name} after {count}");
            if !is_whole {
                let text = String::from_utf8(result.stream).unwrap();
                assert!(!text.contains("message_stop"), "{name} after {count}");
                assert!(text.contains("event: error\n"), "{name} after {count}");
                assert_eq!(result.whole, b"");
            }
        }
    }
}

#[test]
fn usage_is_replaced_not_added() {
    let answer = read(
        Shape::Sse,
        &stream("vai-anthropic-message-delta-input-tokens.sse"),
    );
    let usage = answer.answer.unwrap().usage.unwrap();
    assert_eq!((usage.input, usage.output), (61, 2));
}

#[test]
fn a_call_without_arguments_has_none() {
    let answer = read(Shape::Sse, &stream("vai-anthropic-tool-no-args.sse"));
    let candidate = &answer.answer.unwrap().candidates[0];
    let Content::ToolCall(call) = &candidate.parts[1].content else {
        panic!("{:?}", candidate.parts)
    };
    assert_eq!((&*call.name, &*call.arguments), ("updateIssueList", ""));
    assert_eq!(candidate.stop.reason, StopReason::ToolUse);
    let whole: Value = serde_json::from_slice(&answer.whole).unwrap();
    assert_eq!(whole["content"][1]["input"], json!({}));
}

#[test]
fn a_refusal_keeps_its_details() {
    let answer = read(Shape::Sse, &stream("vai-anthropic-refusal.sse"));
    let stop = answer.answer.unwrap().candidates.remove(0).stop;
    assert_eq!(stop.reason, StopReason::Refusal);
    assert!(stop.detail.unwrap().contains("Usage Policy"));
    let whole: Value = serde_json::from_slice(&answer.whole).unwrap();
    assert_eq!(whole["stop_details"]["category"], "cyber");
    assert_eq!(whole["content"], json!([]));
}

#[test]
fn an_answer_that_begins_anew_after_a_call_fails() {
    let answer = read(Shape::Sse, &stream("vai-spliced-message-start.sse"));
    assert!(answer.answer.is_none() && answer.fault.is_some());
    let text = String::from_utf8(answer.stream).unwrap();
    assert!(!text.contains("toolu_second"), "{text}");
}

#[test]
fn an_error_in_the_stream_is_passed_on() {
    let answer = read(Shape::Sse, &stream("auth-error-mid-stream.sse"));
    let fault = answer.fault.unwrap();
    assert_eq!(fault.kind, crate::chat::FaultKind::Overloaded);
    let events = strict(&answer.stream);
    assert_eq!(events.last().unwrap()["error"]["type"], "overloaded_error");
}
