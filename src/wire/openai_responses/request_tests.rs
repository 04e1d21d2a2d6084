//! Requests, both ways.

use serde_json::{Value, json};

use super::*;
use crate::chat::{
    CacheMark, CallKind, Content, Effort, Expose, Format, Level, OnLoss, Opaque, OpaqueKind, Part,
    ReasonKind, ReasonText, Reasoned, Reasoning, ReasoningMode, Role, Source, ToolCall, ToolChoice,
    ToolKind, ToolResult, Turn,
};
use crate::wire::{carrier, fixtures};

fn with<T>(body: &Value, then: impl FnOnce(Request<'_>) -> T) -> T {
    let body = body.to_string();
    then(
        OpenAiResponses
            .decode_request(Node::parse(body.as_bytes(), 64).unwrap())
            .unwrap(),
    )
}

fn encode(request: &Request<'_>, profile: &Profile) -> Value {
    let (mut losses, mut out) = (Losses::new(OnLoss::Reject), Vec::new());
    OpenAiResponses
        .encode_request(request, profile, &mut losses, &mut out)
        .unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn again(body: &Value) -> Value {
    with(body, |request| encode(&request, &Profile::default()))
}

/// Written rules: what is `null` is not there, no stream is the default.
fn plain(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(walk);
            }
            Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    if value["stream"] == false {
        value.as_object_mut().unwrap().remove("stream");
    }
    value
}

#[test]
fn recorded_requests_come_back_the_same() {
    for name in [
        "dd-response-function-call-streamed",
        "pyd-cross-provider-capability-replay-openai-responses-gpt-5-4-1",
        "pyd-multimodal-tool-return-matrix-direct-url-image-openai-resp-1",
        "pyd-multimodal-tool-return-matrix-tool-return-content-binary-d",
        "pyd-openai-include-raw-annotations-streaming-2",
        "pyd-openai-native-tool-search-gpt-5-6-1",
        "pyd-openai-previous-response-id",
    ] {
        let body = fixtures::read(Format::OpenAiResponses, &format!("requests/{name}.json"));
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(plain(again(&body)), plain(body), "{name}");
    }
}

/// Everything the format has, as its clients write it.
fn everything() -> Value {
    json!({
        "model": "m", "stream": true, "instructions": "be brief",
        "input": [
            {"type": "message", "role": "developer", "content": "dev"},
            {"role": "user", "content": [
                {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
                {"type": "input_image", "image_url": "data:image/png;base64,QUJD", "detail": "high"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QUJD"},
                {"type": "input_file", "file_url": "https://x/a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
                {"type": "input_odd", "x": 1},
            ]},
            {"role": "user", "content": "and"},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary",
                "content": [{"type": "output_text", "text": "t", "annotations": [{"type": "url_citation", "url": "u", "title": "x", "start_index": 0, "end_index": 1}]}]},
            {"type": "message", "id": "msg_2", "role": "assistant", "status": "completed",
                "content": [{"type": "refusal", "refusal": "no"}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "QUJD"},
            {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "l", "tools": []},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{\"a\": 1.0}", "status": "completed"},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "free"},
            {"type": "computer_call", "id": "cu_1", "call_id": "c3", "action": {"type": "click", "x": 1}, "pending_safety_checks": [], "status": "completed"},
            {"type": "shell_call", "call_id": "c4", "action": {"commands": ["ls"]}, "status": "completed"},
            {"type": "apply_patch_call", "call_id": "c5", "operation": {"type": "delete_file", "path": "a"}, "status": "completed"},
            {"type": "local_shell_call", "id": "lsh_1", "call_id": "c6", "action": {"type": "exec", "command": ["ls"]}, "status": "completed"},
            {"type": "function_call_output", "call_id": "c1", "output": "plain"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "x"}]},
            {"type": "computer_call_output", "call_id": "c3", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,QUJD"}},
            {"type": "shell_call_output", "call_id": "c4", "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]},
            {"type": "apply_patch_call_output", "call_id": "c5", "status": "completed"},
            {"type": "local_shell_call_output", "id": "c6", "output": "{}"},
            {"type": "message", "role": "system", "content": "mid"},
            {"type": "item_reference", "id": "msg_9"},
            {"type": "compaction", "encrypted_content": "x"},
            {"role": "user", "content": "go"},
        ],
        "tools": [
            {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "z": 1, "a": 2}, "strict": true, "defer_loading": true},
            {"type": "function", "name": "h", "parameters": {}},
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "start: \"x\""}},
            {"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function", "name": "f", "parameters": {}}]},
            {"type": "web_search", "filters": {"allowed_domains": ["a.b"]}, "search_context_size": "low", "external_web_access": true},
            {"type": "mcp", "server_label": "l", "server_url": "https://x", "allowed_tools": {"tool_names": ["t"]}, "require_approval": "never"},
            {"type": "computer", "display_width": 1},
        ],
        "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_label": "l"}]},
        "parallel_tool_calls": false, "temperature": 0.7, "top_p": 0.9, "max_output_tokens": 100, "max_tool_calls": 3, "top_logprobs": 2,
        "reasoning": {"effort": "high", "summary": "detailed", "context": "all_turns"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}, "verbosity": "low", "odd": 1},
        "prompt_cache_key": "k", "prompt_cache_options": {"mode": "implicit"}, "prompt_cache_retention": "24h",
        "user": "u", "safety_identifier": "s", "metadata": {"a": "b"}, "service_tier": "flex", "truncation": "auto",
        "include": ["message.output_text.logprobs", "reasoning.encrypted_content"], "store": false, "background": true,
        "previous_response_id": "resp_0", "conversation": {"id": "conv"}, "prompt": {"id": "p"},
        "stream_options": {"include_obfuscation": false}, "new_member": [1, 2.0],
    })
}

#[test]
fn everything_comes_back_the_same() {
    let body = everything();
    let once = again(&body);
    assert_eq!(plain(once.clone()), plain(body));
    assert_eq!(again(&once), once, "and stays so");
}

#[test]
fn two_encodings_are_the_same_bytes() {
    let body = everything().to_string();
    let encode = || {
        let request = OpenAiResponses
            .decode_request(Node::parse(body.as_bytes(), 64).unwrap())
            .unwrap();
        let mut out = Vec::new();
        OpenAiResponses
            .encode_request(
                &request,
                &Profile::default(),
                &mut Losses::default(),
                &mut out,
            )
            .unwrap();
        out
    };
    assert_eq!(encode(), encode());
}

#[test]
fn items_are_gathered_into_turns() {
    with(&everything(), |request| {
        let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
        assert_eq!(
            roles,
            [
                Role::User,
                Role::Assistant,
                Role::User,
                Role::Instruction(Level::System),
                Role::Assistant,
                Role::User
            ]
        );
        assert_eq!(request.instructions.len(), 2);
        assert_eq!(
            request.instructions[0].role,
            Role::Instruction(Level::System)
        );
        assert_eq!(
            request.instructions[1].role,
            Role::Instruction(Level::Developer)
        );
        assert_eq!(request.turns[0].at.to_string(), "input[1]");
        assert_eq!(
            request.turns[0].parts[1].at.to_string(),
            "input[1].content[1]"
        );
        assert_eq!(request.turns[0].parts[0].cache, Some(CacheMark::Default));
    });
}

#[test]
fn calls_and_results_have_their_kinds() {
    with(&everything(), |request| {
        let calls: Vec<_> = request
            .turns
            .iter()
            .flat_map(|turn| &turn.parts)
            .filter_map(|part| match &part.content {
                Content::ToolCall(call) => Some((&*call.id, call.kind, &*call.arguments)),
                _ => None,
            })
            .collect();
        assert_eq!(
            calls[..3],
            [
                ("c1", CallKind::Function, "{\"a\": 1.0}"),
                ("c2", CallKind::Custom, "free"),
                (
                    "c3",
                    CallKind::Typed("computer_call"),
                    r#"{"type":"click","x":1}"#
                ),
            ]
        );
        let results: Vec<_> = request
            .turns
            .iter()
            .flat_map(|turn| &turn.parts)
            .filter_map(|part| match &part.content {
                Content::ToolResult(result) => Some((&*result.call, result.kind)),
                _ => None,
            })
            .collect();
        assert_eq!(results[5], ("c6", CallKind::Typed("local_shell_call")));
        assert_eq!(results.len(), calls.len());
    });
}

#[test]
fn native_state_is_kept_and_carriers_are_opened() {
    let foreign = carrier::wrap(
        &Opaque {
            origin: Format::Claude,
            kind: OpaqueKind::Signature,
            family: "".into(),
            data: "sig".into(),
        },
        "claude-x",
    );
    let signed = carrier::wrap(
        &Opaque {
            origin: Format::Claude,
            kind: OpaqueKind::Signature,
            family: "".into(),
            data: r#"{"t":"the text","s":"sig"}"#.into(),
        },
        "claude-x",
    );
    let thought = carrier::wrap(
        &Opaque {
            origin: Format::Gemini,
            kind: OpaqueKind::Thought,
            family: "".into(),
            data: "QUJD".into(),
        },
        "gemini-3",
    );
    let reasoning = |state: &str| json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": state});
    let call = json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"});
    let body = json!({"input": [reasoning("gAAA"), reasoning(&foreign), reasoning(&signed), reasoning(&thought), call, reasoning(&thought), {"role": "user", "content": "x"}]});
    with(&body, |request| {
        let parts = &request.turns[0].parts;
        let state = |at: usize| match &parts[at].content {
            Content::Reasoning(Reasoned { opaque, id, texts }) => {
                (opaque[0].clone(), id.clone(), texts.len())
            }
            other => panic!("{other:?}"),
        };
        let (native, id, _) = state(0);
        assert_eq!(
            (&*native.family, &*native.data),
            ("", r#"{"id":"rs_1","encrypted_content":"gAAA"}"#)
        );
        assert_eq!(id.as_deref(), Some("rs_1"));
        let (claude, id, _) = state(1);
        assert_eq!(
            (claude.origin, &*claude.family, id),
            (Format::Claude, "claude-x", None)
        );
        let (exact, _, texts) = state(2);
        assert_eq!((&*exact.data, texts), ("sig", 1));
        assert_eq!(
            parts[3].signature.as_ref().unwrap().kind,
            OpaqueKind::Thought
        );
        // No call follows this one.
        assert_eq!(state(4).0.kind, OpaqueKind::Thought);
        assert_eq!(parts.len(), 5);
        assert_eq!(request.turns.len(), 2);
        // What is not R's never reaches R.
        let input = encode(&request, &Profile::default())["input"].to_string();
        assert!(
            !input.contains("aip1.") && !input.contains("sig"),
            "{input}"
        );
    });
}

#[test]
fn a_lone_text_is_one_turn() {
    with(&json!({"input": "hi"}), |request| {
        assert_eq!(request.turns[0].parts[0].as_text(), Some("hi"));
        assert_eq!(request.turns[0].parts[0].at.to_string(), "input");
    });
    assert_eq!(
        again(&json!({"model": "m", "input": "hi"})),
        json!({"model": "m", "input": "hi"})
    );
}

#[test]
fn what_cannot_be_understood_names_its_path() {
    for (body, path) in [
        (json!({"input": 3}), "input"),
        (
            json!({"input": [{"role": "user", "content": "x"}, 3]}),
            "input[1]",
        ),
        (
            json!({"input": [{"role": "king", "content": "x"}]}),
            "input[0].role",
        ),
        (json!({"instructions": 3}), "instructions"),
    ] {
        let text = body.to_string();
        let fault = OpenAiResponses
            .decode_request(Node::parse(text.as_bytes(), 64).unwrap())
            .unwrap_err();
        assert_eq!(fault.param.as_deref(), Some(path));
    }
}

#[test]
fn settings_have_neutral_names() {
    with(&everything(), |request| {
        let reasoning = request.reasoning.unwrap();
        assert_eq!(
            (reasoning.mode, reasoning.effort, reasoning.expose),
            (
                ReasoningMode::On,
                Some(Effort::High),
                Some(Expose::Detailed)
            )
        );
        assert_eq!(request.logprobs.unwrap().top, Some(2));
        assert!(
            matches!(&request.tool_choice, Some(ToolChoice::Allowed { required: false, names }) if names[..] == ["f"])
        );
        assert!(request.state.background);
        let ToolKind::Namespace { tools, .. } = &request.tools[3].kind else {
            panic!()
        };
        assert_eq!(tools[0].at.to_string(), "tools[3].tools[0]");
        assert!(request.native.get("max_tool_calls").is_some());
    });
    with(
        &json!({"reasoning": {"effort": "none", "generate_summary": "concise"}}),
        |request| {
            let reasoning = request.reasoning.unwrap();
            assert_eq!(
                (reasoning.mode, reasoning.expose),
                (ReasoningMode::Off, Some(Expose::Concise))
            );
        },
    );
}

#[test]
fn tools_added_in_the_input_are_tools() {
    let body = json!({"model": "m", "input": [{"role": "user", "content": "x"}, {"type": "additional_tools", "role": "developer",
        "tools": [{"type": "function", "name": "late", "parameters": {}}]}], "tools": [{"type": "function", "name": "f", "parameters": {}}]});
    with(&body, |mut request| {
        assert_eq!(request.tools.len(), 2);
        assert_eq!(request.tools[1].at.to_string(), "input[1].tools[0]");
        // Whoever removes the empty turn does not lose the tool.
        request.turns.retain(|turn| !turn.parts.is_empty());
        let tools = &encode(&request, &Profile::default())["tools"];
        assert_eq!(tools.as_array().unwrap().len(), 2);
    });
    assert_eq!(again(&body), body);
}

/// A request as another format's client makes it.
fn foreign() -> Request<'static> {
    let mut request = Request::new(Format::Claude);
    request.model = "m".into();
    request.instructions.push(Turn::new(
        Role::Instruction(Level::System),
        vec![Part::text("a"), Part::text("b")],
    ));
    let native = Opaque {
        origin: Format::OpenAiResponses,
        kind: OpaqueKind::Encrypted,
        family: "gpt-5".into(),
        data: r#"{"id":"rs_1","encrypted_content":"gAAA"}"#.into(),
    };
    let think = |opaque| {
        Part::new(Content::Reasoning(Reasoned {
            texts: vec![ReasonText {
                kind: ReasonKind::Summary,
                text: "s".into(),
            }],
            opaque,
            id: Some("rs_1".into()),
        }))
    };
    let call = |id: &'static str| {
        Part::new(Content::ToolCall(ToolCall {
            id: id.into(),
            name: "f".into(),
            arguments: "".into(),
            kind: CallKind::Function,
            namespace: None,
            item_id: Some("fc_x".into()),
        }))
    };
    request
        .turns
        .push(Turn::new(Role::User, vec![Part::text("q")]));
    request.turns.push(Turn::new(
        Role::Assistant,
        vec![
            think(vec![native]),
            think(Vec::new()),
            Part::text("t"),
            Part::text("u"),
            call("c1"),
            call("c2"),
        ],
    ));
    let result = |call: &'static str, content, is_error| {
        Part::new(Content::ToolResult(ToolResult {
            call: call.into(),
            name: None,
            content,
            is_error,
            kind: CallKind::Function,
        }))
    };
    let image = Part::new(Content::Image(crate::chat::Image {
        source: Source::Url {
            url: "https://x".into(),
            mime: None,
        },
        detail: None,
    }));
    request.turns.push(Turn::new(
        Role::User,
        vec![
            Part::text("also"),
            result("c1", vec![Part::text("boom")], Some(true)),
            result("c2", vec![Part::text("see"), image], None),
        ],
    ));
    request.tools.push(crate::chat::Tool {
        at: Default::default(),
        cache: None,
        extra: Extra::default(),
        kind: ToolKind::Function(crate::chat::Function {
            name: "f".into(),
            description: None,
            schema: None,
            strict: None,
        }),
    });
    request.reasoning = Some(Reasoning {
        mode: ReasoningMode::On,
        effort: Some(Effort::Low),
        budget: None,
        expose: Some(Expose::Full),
    });
    request
}

#[test]
fn foreign_requests_are_written_as_documented() {
    let body = encode(&foreign(), &Profile::default());
    assert_eq!(
        body,
        json!({
            "model": "m", "instructions": "a\n\nb",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA"},
                {"type": "message", "role": "assistant", "content": [
                    {"type": "output_text", "text": "t", "annotations": []}, {"type": "output_text", "text": "u", "annotations": []}]},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "Error: boom"},
                {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "https://x", "detail": "auto"}]},
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "also"}]},
            ],
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false}],
            "reasoning": {"effort": "low", "summary": "auto"},
            "store": false, "include": ["reasoning.encrypted_content"],
        })
    );
}

#[test]
fn cache_marks_are_written_where_they_are_understood() {
    let mut request = foreign();
    request.instructions[0].parts[1].cache = Some(CacheMark::Hour1);
    request.turns[0].parts[0].cache = Some(CacheMark::Minutes5);
    assert!(
        !encode(&request, &Profile::default())
            .to_string()
            .contains("breakpoint")
    );
    let mut profile = Profile::default();
    profile.chat.cache_breakpoints = true;
    let body = encode(&request, &profile);
    assert!(body.get("instructions").is_none());
    assert_eq!(body["input"][0]["role"], "system");
    assert_eq!(
        body["input"][0]["content"][1]["prompt_cache_breakpoint"],
        json!({"mode": "explicit", "ttl": "12h"})
    );
    assert_eq!(
        body["input"][1]["content"][0]["prompt_cache_breakpoint"],
        json!({"mode": "explicit"})
    );
}

#[test]
fn no_tools_no_choice() {
    let mut request = foreign();
    request.tool_choice = Some(ToolChoice::Auto);
    request.parallel_tools = Some(false);
    let body = encode(&request, &Profile::default());
    assert_eq!(
        (&body["tool_choice"], &body["parallel_tool_calls"]),
        (&json!("auto"), &json!(false))
    );
    request.tools.clear();
    let body = encode(&request, &Profile::default());
    assert!(body.get("tool_choice").is_none() && body.get("parallel_tool_calls").is_none());
}

#[test]
fn the_choice_of_a_tool() {
    let named = |kind| ToolChoice::Named {
        name: "f".into(),
        kind,
    };
    for (choice, want) in [
        (ToolChoice::None, json!("none")),
        (ToolChoice::Required, json!("required")),
        (
            named(CallKind::Function),
            json!({"type": "function", "name": "f"}),
        ),
        (
            named(CallKind::Custom),
            json!({"type": "custom", "name": "f"}),
        ),
        (
            ToolChoice::Allowed {
                required: true,
                names: vec!["f".into()],
            },
            json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}),
        ),
        (
            ToolChoice::Provider {
                kind: crate::chat::ProviderKind::WebSearch,
                native: crate::chat::Json::trusted("{}"),
            },
            json!({"type": "web_search"}),
        ),
    ] {
        let mut request = foreign();
        request.tool_choice = Some(choice);
        assert_eq!(encode(&request, &Profile::default())["tool_choice"], want);
    }
}

#[test]
fn a_longer_history_begins_with_the_shorter_one() {
    let whole = foreign();
    let mut before = String::new();
    for count in 1..=whole.turns.len() {
        let mut request = whole.clone();
        request.turns.truncate(count);
        let input = encode(&request, &Profile::default())["input"].to_string();
        assert!(input.starts_with(before.trim_end_matches(']')), "{input}");
        before = input;
    }
}
