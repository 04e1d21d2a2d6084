//! OpenAI's dialects on either side: what careless clients and servers of them really send.

use std::sync::Arc;

use serde_json::{Value, json};

use super::media::Media;
use super::translate::{Answer, Route, Source, Target, request};
use super::{Format, Profile, Reply, Shape};
use crate::chat::{Extra, Fault, FaultKind, OnLoss};

use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};

/// The request as `model`'s provider gets it.
fn asked(from: Format, to: Format, model: &str, body: &Value) -> Value {
    let done = request(
        Source {
            note: None,
            format: from,
            body: body.to_string().as_bytes(),
            stream: false,
            media: Media::none(),
        },
        Target {
            format: to,
            model,
            profile: &Arc::new(Profile::shipped(to, "api.openai.com", model)),
        },
        OnLoss::Warn,
    );
    serde_json::from_slice(&done.unwrap().body).unwrap()
}

/// The whole answer as the client gets it.
fn answered(from: Format, to: Format, body: &Value) -> Result<Value, Fault> {
    let reply = Reply {
        model: String::new(),
        request_id: "req_1".to_owned(),
        seed: "seed00000000000000000000".to_owned(),
        now: 0,
        include_usage: true,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(Profile::default()),
    };
    let route = Route {
        from,
        framed: Shape::Whole,
        to,
        wanted: Shape::Whole,
    };
    let mut answer = Answer::new(route, super::fit::Restore::default(), &Arc::new(reply));
    let mut out = Vec::new();
    let seen = answer.push(Shape::Whole, body.to_string().as_bytes(), &mut out);
    match seen.fault {
        Some(fault) => Err(fault),
        None => Ok(serde_json::from_slice(&out).unwrap()),
    }
}

#[test]
fn an_output_of_the_local_shell_finds_its_call_by_either_id() {
    for id in ["lsh_1", "call_1"] {
        let body = json!({"model": "m", "input": [
            {"role": "user", "content": "go"},
            {"type": "local_shell_call", "id": "lsh_1", "call_id": "call_1", "status": "completed",
             "action": {"type": "exec", "command": ["ls"], "env": {}}},
            {"type": "local_shell_call_output", "id": id, "output": "x"},
        ]});
        let sent = asked(OpenAiResponses, Claude, "claude-sonnet-4-5", &body);
        let result = &sent["messages"][2]["content"][0];
        assert_eq!(result["tool_use_id"], "call_1");
        assert_eq!(result["content"][0]["text"], "x");
    }
}

#[test]
fn a_patch_that_failed_is_an_error() {
    let body = json!({"model": "m", "input": [
        {"role": "user", "content": "go"},
        {"type": "apply_patch_call", "call_id": "c", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no such file"},
    ]});
    let sent = asked(OpenAiResponses, Claude, "claude-sonnet-4-5", &body);
    assert_eq!(sent["messages"][2]["content"][0]["is_error"], true);
}

#[test]
fn a_call_without_arguments_has_an_empty_object_for_servers_that_parse_it() {
    let body = json!({"model": "m", "input": [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
    ]});
    let sent = asked(OpenAiResponses, OpenAiChat, "m", &body);
    let function = &sent["messages"][1]["tool_calls"][0]["function"];
    assert_eq!(function["arguments"], "{}");
}

#[test]
fn only_tools_that_are_there_are_allowed_or_forced() {
    let tools =
        json!([{"type": "function", "name": "f"}, {"type": "local_shell"}, {"type": "web_search"}]);
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": [
        {"type": "function", "name": "f"}, {"type": "local_shell"}, {"type": "web_search"},
        {"type": "function", "name": "gone"}]});
    let body = json!({"model": "m", "input": "x", "tools": tools, "tool_choice": allowed});
    let sent = asked(OpenAiResponses, OpenAiChat, "gpt-4o", &body);
    assert_eq!(
        sent["tool_choice"]["allowed_tools"]["tools"],
        json!([{"type": "function", "function": {"name": "f"}},
               {"type": "function", "function": {"name": "local_shell"}}])
    );
    let sent = asked(OpenAiResponses, Gemini, "gemini-2.5-pro", &body);
    assert_eq!(
        sent["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"],
        json!(["f", "local_shell"])
    );
    let sent = asked(OpenAiResponses, Claude, "claude-sonnet-4-5", &body);
    assert_eq!(sent["tools"].as_array().unwrap().len(), 3);

    let choice = json!({"type": "local_shell"});
    let body = json!({"model": "m", "input": "x", "tools": tools, "tool_choice": choice});
    let sent = asked(OpenAiResponses, Claude, "claude-sonnet-4-5", &body);
    assert_eq!(
        sent["tool_choice"],
        json!({"type": "tool", "name": "local_shell"})
    );

    // A search that has a name only for the client.
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "tool_choice": {"type": "tool", "name": "web_search"}});
    let sent = asked(Claude, OpenAiResponses, "gpt-5", &body);
    assert_eq!(sent["tool_choice"], json!({"type": "web_search"}));

    // A free-form tool stays one among the allowed.
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "custom", "custom": {"name": "g"}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto",
            "tools": [{"type": "custom", "custom": {"name": "g"}}]}}});
    let sent = asked(OpenAiChat, OpenAiResponses, "gpt-5", &body);
    assert_eq!(
        sent["tool_choice"]["tools"],
        json!([{"type": "custom", "name": "g"}])
    );
}

#[test]
fn a_model_that_does_not_reason_is_not_asked_for_its_state() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    for (model, want) in [
        ("gpt-4.1-mini", Value::Null),
        ("gpt-5", json!(["reasoning.encrypted_content"])),
        ("o1-mini", json!(["reasoning.encrypted_content"])),
        ("who-knows", json!(["reasoning.encrypted_content"])),
    ] {
        let sent = asked(OpenAiChat, OpenAiResponses, model, &body);
        assert_eq!(sent["include"], want, "{model}");
    }
}

#[test]
fn a_model_that_does_not_reason_is_not_told_how_much_to_say() {
    let body = json!({"model": "m", "input": "x", "text": {"verbosity": "low"}});
    for (model, want) in [
        ("gpt-4o", Value::Null),
        ("gpt-5", json!("low")),
        ("who-knows", json!("low")),
    ] {
        let sent = asked(OpenAiResponses, OpenAiChat, model, &body);
        assert_eq!(sent["verbosity"], want, "{model}");
    }
}

#[test]
fn sound_is_asked_for_with_a_voice_and_its_text() {
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}], "generationConfig": {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "alloy"}}}}});
    let sent = asked(Gemini, OpenAiChat, "gpt-4o-audio-preview", &body);
    assert_eq!(sent["modalities"], json!(["text", "audio"]));
    assert_eq!(sent["audio"]["voice"], "alloy");
}

#[test]
fn a_lone_instruction_is_an_input() {
    let body = json!({"model": "m", "messages": [{"role": "system", "content": "Greet."}]});
    let sent = asked(OpenAiChat, OpenAiResponses, "gpt-5", &body);
    assert_eq!(sent["input"][0]["role"], "system");
    assert_eq!(sent["instructions"], Value::Null);
}

#[test]
fn a_long_id_of_a_user_is_cut_to_what_openai_takes() {
    let id = format!("user_{}_session_{}", "a".repeat(64), "b".repeat(36));
    let body = json!({"model": "m", "max_tokens": 9, "metadata": {"user_id": id},
        "messages": [{"role": "user", "content": "x"}]});
    for to in [OpenAiChat, OpenAiResponses] {
        let sent = asked(Claude, to, "gpt-5", &body);
        let user = sent["user"].as_str().unwrap();
        assert!(user.starts_with("user_") && user.len() <= 64, "{user}");
        assert_eq!(asked(Claude, to, "gpt-5", &body)["user"], user);
    }
}

#[test]
fn the_older_reasoning_models_hear_nothing_of_parallel_calls() {
    let body = json!({"model": "m", "input": "x", "parallel_tool_calls": true,
        "tools": [{"type": "function", "name": "f"}]});
    let sent = asked(OpenAiResponses, OpenAiChat, "o4-mini", &body);
    assert_eq!(sent["parallel_tool_calls"], Value::Null);
    let sent = asked(OpenAiResponses, OpenAiChat, "gpt-5", &body);
    assert_eq!(sent["parallel_tool_calls"], true);
}

#[test]
fn an_error_is_told_wherever_the_server_puts_it() {
    for (body, kind, message) in [
        (
            json!({"id": "x", "choices": [{"index": 0, "finish_reason": "error",
                "error": {"code": 429, "message": "slow down"},
                "message": {"role": "assistant", "content": "par"}}]}),
            FaultKind::RateLimit,
            "slow down",
        ),
        (
            json!({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}),
            FaultKind::InvalidRequest,
            "too long",
        ),
        (
            json!({"detail": "no such route"}),
            FaultKind::Internal,
            "no such route",
        ),
    ] {
        let fault = answered(OpenAiChat, Claude, &body).unwrap_err();
        assert_eq!((fault.kind, &*fault.message), (kind, message));
    }
}

#[test]
fn a_message_whose_content_is_a_string_is_text() {
    let body = json!({"id": "resp_1", "status": "completed", "model": "m",
        "output": [{"type": "message", "role": "assistant", "content": "plain"}]});
    let got = answered(OpenAiResponses, Claude, &body).unwrap();
    assert_eq!(got["content"], json!([{"type": "text", "text": "plain"}]));
}

#[test]
fn a_call_that_is_none_is_no_empty_answer() {
    let body = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "hm", "thought": true}]},
        "finishReason": "MALFORMED_FUNCTION_CALL"}]});
    let fault = answered(Gemini, OpenAiChat, &body).unwrap_err();
    assert_eq!(fault.kind, FaultKind::BadUpstream);
    let body = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]},
        "finishReason": "MALFORMED_FUNCTION_CALL"}]});
    let got = answered(Gemini, OpenAiChat, &body).unwrap();
    assert_eq!(got["choices"][0]["finish_reason"], "stop");
    assert_eq!(got["choices"][0]["message"]["content"], "Hi");
}
