//! Requests: what is read, and that what is written for the same format is the same.

use serde_json::{Value, json};
use std::path::Path;

use super::*;
use crate::chat::{
    CallKind, Content, Format, Function, Level, OnLoss, Opaque, OpaqueKind, Part, Reasoned, Role,
    Source, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn,
};
use crate::wire::{ReasoningField, carrier};

fn parse(text: &str) -> Request<'_> {
    OpenAiChat
        .decode_request(Node::parse(text.as_bytes(), 99).unwrap())
        .unwrap()
}

fn fault(text: &str) -> Fault {
    let node = Node::parse(text.as_bytes(), 99).unwrap();
    OpenAiChat.decode_request(node).unwrap_err()
}

fn encode(request: &Request<'_>, profile: &Profile) -> Result<Value, Fault> {
    let mut losses = Losses::new(OnLoss::Warn);
    let mut out = Vec::new();
    OpenAiChat.encode_request(request, profile, &mut losses, &mut out)?;
    Ok(serde_json::from_slice(&out).unwrap())
}

fn again(text: &str) -> Value {
    encode(&parse(text), &Profile::default()).unwrap()
}

fn messages(request: &Request<'_>) -> Value {
    encode(request, &Profile::default()).unwrap()["messages"].clone()
}

/// A user turn between two others, from a client of another format.
fn foreign(turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(Format::Claude);
    request.model = "m".into();
    request.turns = turns;
    request
}

/// The written rules about what is left out, and what one thing is written as.
fn plain(mut document: Value) -> Value {
    let members = document.as_object_mut().unwrap();
    for (name, usual) in [
        ("n", json!(1)),
        ("stream", json!(false)),
        ("response_format", json!({"type": "text"})),
    ] {
        if members.get(name) == Some(&usual) {
            members.remove(name);
        }
    }
    if members.contains_key("stream") {
        members.insert("stream_options".into(), json!({"include_usage": true}));
    }
    for message in members["messages"].as_array_mut().unwrap() {
        let message = message.as_object_mut().unwrap();
        message.retain(|_, value| !value.is_null());
        let only = match &message.get("content") {
            Some(Value::Array(parts)) if parts.len() == 1 => parts[0].get("text").cloned(),
            _ => None,
        };
        if let Some(text) = only {
            message.insert("content".into(), text);
        }
    }
    document
}

#[test]
fn recorded_requests_are_written_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai-chat/requests");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let before: Value = serde_json::from_str(&text).unwrap();
        let after = again(&text);
        assert_eq!(plain(after.clone()), plain(before), "{path:?}");
        assert_eq!(again(&after.to_string()), after, "{path:?}: not stable");
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn what_only_this_format_has_goes_back() {
    let document = json!({
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief.", "name": "boss"},
            {"role": "user", "content": [
                {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "brand_new", "x": 1.0},
            ]},
            {"role": "assistant", "content": "ok", "tool_calls": [
                {"id": "call_1", "type": "custom", "custom": {"name": "sh", "input": "ls \"x\""}},
                {"id": "call_2", "type": "function", "function": {"name": "f", "arguments": "{\"z\": 1.0, \"a\":2}"}},
            ], "brand_new": true},
            {"role": "tool", "tool_call_id": "call_1", "content": "out"},
            {"role": "tool", "tool_call_id": "call_2", "content": "{\"b\":1}"},
            {"role": "system", "content": "Now in verse."},
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": null, "refusal": "No."},
            {"role": "assistant", "content": null, "audio": {"id": "audio_1"}},
        ],
        "tools": [
            {"type": "custom", "custom": {"name": "sh", "description": "d", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": ".*"}}}},
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"z": {"type": "number", "minimum": 1.0}}}, "strict": true, "new_in_function": 1}},
        ],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "custom", "custom": {"name": "sh"}}, {"type": "function", "function": {"name": "f"}}]}},
        "parallel_tool_calls": false,
        "web_search_options": {"search_context_size": "low", "user_location": {"type": "approximate", "approximate": {"city": "Oslo"}}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": false}},
        "temperature": 1.0, "top_p": 0.5, "presence_penalty": 0.1, "frequency_penalty": -1, "seed": 7,
        "logit_bias": {"50256": -100}, "top_k": 5, "stop": ["x", "y"], "n": 2, "max_tokens": 9,
        "logprobs": true, "top_logprobs": 3, "reasoning_effort": "xhigh", "verbosity": "high",
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"},
        "user": "u", "safety_identifier": "s", "metadata": {"k": "v"},
        "prompt_cache_key": "k", "prompt_cache_options": {"mode": "explicit"}, "prompt_cache_retention": "24h",
        "service_tier": "flex", "store": true, "stream": true,
        "stream_options": {"include_usage": true, "include_obfuscation": false},
        "prediction": {"type": "content", "content": "p"}, "moderation": {"model": "m"},
        "min_p": 0.1, "brand_new": [1.50],
    });
    assert_eq!(again(&document.to_string()), document);
}

#[test]
fn functions_from_before_tools_go_back_as_they_came() {
    let document = json!({
        "model": "m",
        "messages": [
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "2"},
        ],
        "functions": [{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        "function_call": {"name": "f"},
    });
    let text = document.to_string();
    let request = parse(&text);
    assert!(request.legacy_functions);
    let ids: Vec<String> = request
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(call.id.to_string()),
            Content::ToolResult(result) => Some(result.call.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["fc_0", "fc_0", "fc_1", "fc_1"]);
    assert_eq!(again(&text), document);
}

#[test]
fn results_join_into_one_turn_with_what_the_user_says_next() {
    let request = parse(
        r#"{"model":"m","messages":[
        {"role":"developer","content":"d"},
        {"role":"user","content":"q"},
        {"role":"assistant","content":"","tool_calls":[
            {"id":"a","type":"function","function":{"name":"f","arguments":{"x":1}}},
            {"id":"b","type":"custom","custom":{"name":"g","input":""}}]},
        {"role":"tool","tool_call_id":"a","content":"1"},
        {"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"2"}]},
        {"role":"user","content":"and?","name":"Ann"}]}"#,
    );
    assert_eq!(
        request.instructions[0].role,
        Role::Instruction(Level::Developer)
    );
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
    let calls = &request.turns[1].parts;
    assert_eq!(calls.len(), 2, "an empty text beside calls is none");
    let Content::ToolCall(call) = &calls[0].content else {
        panic!("{calls:?}")
    };
    assert_eq!(call.arguments, r#"{"x":1}"#);
    assert_eq!(calls[0].at.to_string(), "messages[2].tool_calls[0]");
    let last = &request.turns[2];
    assert_eq!(last.name.as_deref(), Some("Ann"));
    let kinds: Vec<CallKind> = last
        .parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::ToolResult(result) => Some(result.kind),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [CallKind::Function, CallKind::Custom]);
    assert_eq!(last.parts[2].as_text(), Some("and?"));
}

#[test]
fn what_is_in_an_address_is_told_from_what_is_at_one() {
    let url = |url: &str| {
        let text = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]});
        let text = text.to_string();
        match parse(&text).turns.remove(0).parts.remove(0).content {
            Content::Image(image) => match image.source {
                Source::Bytes { mime, base64 } => format!("{mime} {base64}"),
                Source::Url { url, .. } => url.into_owned(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(url("data:image/png;base64,AAA="), "image/png AAA=");
    assert_eq!(url("DATA:image/png;charset=x;base64,AA"), "image/png AA");
    assert_eq!(url("https://x/data:,"), "https://x/data:,");
    assert_eq!(url("data:text/plain,hi"), "data:text/plain,hi");
}

#[test]
fn what_makes_no_sense_is_an_error_that_names_its_path() {
    for (document, path) in [
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"messages":"hi"}"#, "messages"),
        (r#"{"messages":[{"content":"x"}]}"#, "messages[0].role"),
        (
            r#"{"messages":[{"role":"tool","content":"x"}]}"#,
            "messages[0].tool_call_id",
        ),
        (r#"{"messages":[],"max_tokens":"many"}"#, "max_tokens"),
        (r#"{"messages":[],"tools":{}}"#, "tools"),
        (
            r#"{"messages":[],"tools":[{"type":"function","function":{}}]}"#,
            "tools[0].name",
        ),
    ] {
        let fault = fault(document);
        assert_eq!(fault.param.as_deref(), Some(path), "{document}");
        assert_eq!(fault.kind, crate::chat::FaultKind::InvalidRequest);
    }
}

#[test]
fn neither_choice_nor_parallel_calls_without_tools() {
    let written = again(
        r#"{"model":"m","messages":[],"tool_choice":"auto","parallel_tool_calls":true,"web_search_options":{}}"#,
    );
    assert_eq!(
        written,
        json!({"model":"m","messages":[],"web_search_options":{}})
    );
}

#[test]
fn fields_follow_the_profile() {
    let text = r#"{"model":"m","max_tokens":5,"stream":true,"top_k":1,"reasoning":{"effort":"low"},
        "tools":[{"function":{"name":"f","strict":true}}],"parallel_tool_calls":true,
        "messages":[{"role":"system","content":"s"}]}"#;
    let mut profile = Profile::default();
    profile.chat.developer_role = true;
    profile.chat.max_completion_tokens = true;
    profile.chat.accepts_unknown = false;
    profile.chat.parallel_param = false;
    profile.chat.strict_param = false;
    profile.chat.stream_usage = false;
    let written = encode(&parse(text), &profile).unwrap();
    assert_eq!(
        written,
        json!({"model":"m","max_completion_tokens":5,"stream":true,
            "messages":[{"role":"developer","content":"s"}],
            "tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]})
    );
}

#[test]
fn what_a_foreign_result_shows_follows_in_the_users_message() {
    let image = Part::new(Content::Image(crate::chat::Image {
        source: Source::Bytes {
            mime: "image/png".into(),
            base64: "AAAA".into(),
        },
        detail: None,
    }));
    let result = |call: &'static str, content, is_error| {
        Part::new(Content::ToolResult(ToolResult {
            call: call.into(),
            name: None,
            content,
            is_error,
            kind: CallKind::Function,
        }))
    };
    let call = Part::new(Content::ToolCall(ToolCall {
        id: "a".into(),
        name: "look".into(),
        arguments: "{}".into(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    }));
    let request = foreign(vec![
        Turn::new(Role::Assistant, vec![Part::text("x"), Part::text("y")]),
        Turn::new(Role::Assistant, vec![call]),
        Turn::new(
            Role::User,
            vec![
                Part::text("and?"),
                result("a", vec![image], None),
                result("b", vec![Part::text("1"), Part::text("2")], Some(true)),
                result("c", vec![Part::text("ERROR: 3")], Some(true)),
                result("d", Vec::new(), None),
            ],
        ),
    ]);
    assert_eq!(
        messages(&request),
        json!([
            {"role":"assistant","content":"xy","tool_calls":[{"id":"a","type":"function","function":{"name":"look","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"a","content":"See attached content for this result."},
            {"role":"tool","tool_call_id":"b","content":"Error: 1\n2"},
            {"role":"tool","tool_call_id":"c","content":"ERROR: 3"},
            {"role":"tool","tool_call_id":"d","content":""},
            {"role":"user","content":[
                {"type":"text","text":"Tool result 1 for look (call a):"},
                {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}},
                {"type":"text","text":"and?"}]},
        ])
    );
}

#[test]
fn cache_marks_are_written_where_they_are_known() {
    let mut part = Part::text("a");
    part.cache = Some(CacheMark::Hour1);
    let request = foreign(vec![Turn::new(Role::User, vec![part])]);
    assert_eq!(messages(&request)[0]["content"], json!("a"));
    let mut profile = Profile::default();
    profile.chat.cache_breakpoints = true;
    assert_eq!(
        encode(&request, &profile).unwrap()["messages"][0]["content"],
        json!([{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit","ttl":"12h"}}])
    );
    let mut request = request;
    let mut result = Part::new(Content::ToolResult(ToolResult {
        call: "c".into(),
        name: None,
        content: vec![Part::text("r")],
        is_error: None,
        kind: CallKind::Function,
    }));
    result.cache = Some(CacheMark::Minutes5);
    request.turns[0].parts = vec![result];
    let system = Role::Instruction(Level::System);
    request.instructions = vec![Turn::new(system, vec![Part::text("s")])];
    request.tools = vec![Tool {
        at: crate::chat::Place::field("tools").item(0),
        kind: ToolKind::Function(Function {
            name: "f".into(),
            description: None,
            schema: None,
            strict: None,
        }),
        cache: Some(CacheMark::Default),
        extra: Extra::default(),
    }];
    let mark = json!({"mode": "explicit"});
    assert_eq!(
        encode(&request, &profile).unwrap()["messages"],
        json!([
            {"role":"system","content":[{"type":"text","text":"s","prompt_cache_breakpoint":mark}]},
            {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"r","prompt_cache_breakpoint":mark}]},
        ])
    );
    let text = r#"{"messages":[{"role":"user","content":"a","cache_control":{"type":"ephemeral","ttl":"5m"}}]}"#;
    assert_eq!(
        parse(text).turns[0].parts[0].cache,
        Some(CacheMark::Minutes5)
    );
}

#[test]
fn json_is_spoken_of_where_it_is_asked_for() {
    let mut request = foreign(vec![Turn::new(Role::User, vec![Part::text("hi")])]);
    request.output.format = crate::chat::OutputFormat::JsonObject;
    assert_eq!(messages(&request)[0]["content"], "Answer in JSON.");
    request.turns[0].parts[0] = Part::text("as Json please");
    assert_eq!(messages(&request).as_array().unwrap().len(), 1);
}

#[test]
fn pictures_by_a_file_id_are_refused() {
    let image = Content::Image(crate::chat::Image {
        source: Source::File {
            id: "f".into(),
            origin: Format::OpenAiResponses,
        },
        detail: None,
    });
    let at = crate::chat::Place::field("input").item(0);
    let part = Part::new(image).at(at);
    let request = foreign(vec![Turn::new(Role::User, vec![part])]);
    let fault = encode(&request, &Profile::default()).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("input[0]"));
}

fn reasoned(message: &Value) -> Vec<Reasoned<'static>> {
    let document = json!({"messages": [{"role": "user", "content": "q"}, message]}).to_string();
    let turn = parse(&document).turns.remove(1);
    let parts = turn.parts.into_iter();
    parts
        .filter_map(|part| match part.into_owned().content {
            Content::Reasoning(reasoned) => Some(reasoned),
            _ => None,
        })
        .collect()
}

#[test]
fn reasoning_comes_back_in_whatever_form() {
    let carrier = |origin, kind, data: &str| {
        let opaque = Opaque {
            origin,
            kind,
            family: "f".into(),
            data: data.to_owned().into(),
        };
        carrier::wrap(&opaque, "")
    };
    let signed = carrier(
        Format::Claude,
        OpaqueKind::Signature,
        r#"{"t":"exact \n","s":"SIG"}"#,
    );
    let encrypted = carrier(
        Format::OpenAiResponses,
        OpaqueKind::Encrypted,
        r#"{"id":"rs_1","encrypted_content":"E"}"#,
    );
    let summary = |message: &Value| -> Vec<String> {
        reasoned(message)
            .iter()
            .map(|one| {
                let state = one.opaque.iter();
                let state: Vec<String> = state
                    .map(|state| {
                        format!(
                            "{}:{:?}:{}:{}",
                            state.origin.name(),
                            state.kind,
                            state.family,
                            state.data
                        )
                    })
                    .collect();
                format!("{:?} {}", one.text(), state.join(" "))
            })
            .collect()
    };
    for (message, want) in [
        (json!({"reasoning_content": "t"}), vec!["\"t\" "]),
        (json!({"reasoning": "t", "content": "x"}), vec!["\"t\" "]),
        // The details as a stream gave them; the carrier has the exact text.
        (
            json!({"reasoning_content": "ex act", "reasoning_details": [
                {"type":"reasoning.text","text":"ex","index":0}, {"type":"reasoning.text","text":" act","index":0},
                {"type":"reasoning.text","text":"","signature":signed,"format":"anthropic-claude-v1","index":0},
                {"type":"reasoning.summary","summary":"why","index":1},
                {"type":"reasoning.encrypted","data":encrypted,"format":"openai-responses-v1","index":1}]}),
            vec![
                "\"exact \\n\" claude:Signature:f:SIG",
                "\"why\" openai-responses:Encrypted:f:{\"id\":\"rs_1\",\"encrypted_content\":\"E\"}",
            ],
        ),
        // Native state, told by its format.
        (
            json!({"reasoning_details": [
                {"type":"reasoning.text","text":"a","signature":"S","format":"anthropic-claude-v1"},
                {"type":"reasoning.encrypted","data":"R","format":"anthropic-claude-v1"}]}),
            vec!["\"a\" claude:Signature::S", "\"\" claude:Redacted::R"],
        ),
        (
            json!({"thinking_blocks": [{"type":"thinking","thinking":"a","signature":"S"},
                {"type":"redacted_thinking","data":"R"}], "reasoning_content": "a"}),
            vec!["\"a\" claude:Signature::S", "\"\" claude:Redacted::R"],
        ),
        // A carrier that cannot be read is nothing, least of all native.
        (
            json!({"reasoning_details": [{"type":"reasoning.text","text":"a","signature":"aip1.broken","format":"anthropic-claude-v1"}]}),
            vec!["\"a\" "],
        ),
    ] {
        let mut message = message;
        message["role"] = json!("assistant");
        assert_eq!(summary(&message), want, "{message}");
    }
}

#[test]
fn state_in_a_calls_id_is_taken_out_before_calls_and_results_meet() {
    let opaque = Opaque {
        origin: Format::Gemini,
        kind: OpaqueKind::Thought,
        family: "gemini-3".into(),
        data: "THOUGHT".into(),
    };
    let id = carrier::hide("call_1", &opaque, "");
    for extra in [
        json!({}),
        json!({"extra_content": {"vertex": {"thought_signature": "THOUGHT"}}}),
    ] {
        let mut call =
            json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
        call.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        let text = json!({"model": "m", "messages": [
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": id, "content": "1"}]})
        .to_string();
        let request = parse(&text);
        let part = &request.turns[0].parts[0];
        assert_eq!(part.signature.as_ref(), Some(&opaque));
        let written = messages(&request).to_string();
        assert!(!written.contains("aip1"), "{written}");
        assert!(written.contains(r#""tool_call_id":"call_1""#), "{written}");
    }
    // Other state in an id belongs to the reasoning before the call.
    let signed = Opaque {
        origin: Format::Claude,
        kind: OpaqueKind::Signature,
        family: "c".into(),
        data: r#"{"t":"why","s":"S"}"#.into(),
    };
    let id = carrier::hide("call_1", &signed, "");
    let message = json!({"role":"assistant","tool_calls":[{"id":id,"function":{"name":"f","arguments":"{}"}}]});
    let reasoned = reasoned(&message);
    assert_eq!(
        (&*reasoned[0].text(), &*reasoned[0].opaque[0].data),
        ("why", "S")
    );
}

#[test]
fn reasoning_is_sent_as_the_server_wants_it() {
    let text = r#"{"model":"m","messages":[{"role":"assistant","content":"x","reasoning":"why",
        "reasoning_details":[{"type":"reasoning.text","text":"why","format":"unknown","index":0}]}]}"#;
    let sent = |field| {
        let mut profile = Profile::default();
        profile.chat.reasoning_field = field;
        let mut message = encode(&parse(text), &profile).unwrap()["messages"][0].clone();
        let members = message.as_object_mut().unwrap();
        members.remove("role");
        assert_eq!(members.remove("content"), Some(json!("x")));
        message
    };
    assert_eq!(sent(ReasoningField::None), json!({}));
    assert_eq!(
        sent(ReasoningField::ReasoningContent),
        json!({"reasoning_content": "why"})
    );
    let details = json!([{"type":"reasoning.text","text":"why","format":"unknown","index":0}]);
    assert_eq!(
        sent(ReasoningField::Reasoning),
        json!({"reasoning_details": details})
    );
}

#[test]
fn tools_of_other_formats() {
    let tool = |kind| Tool {
        at: crate::chat::Place::field("tools").item(0),
        kind,
        cache: None,
        extra: Extra::default(),
    };
    let mut request = foreign(Vec::new());
    request.tools = vec![
        tool(ToolKind::Function(Function {
            name: "f".into(),
            description: Some("d".into()),
            schema: None,
            strict: None,
        })),
        tool(ToolKind::Provider(crate::chat::ProviderTool {
            origin: Format::Claude,
            kind: crate::chat::ProviderKind::WebSearch,
            name: Some("web_search".into()),
            native: crate::chat::Json::trusted("{}"),
            common: crate::chat::Common {
                context_size: Some("low".into()),
                ..crate::chat::Common::default()
            },
        })),
    ];
    request.tool_choice = Some(ToolChoice::Named {
        name: "f".into(),
        kind: CallKind::Function,
    });
    let written = encode(&request, &Profile::default()).unwrap();
    assert_eq!(written["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        written["web_search_options"],
        json!({"search_context_size": "low"})
    );
    assert_eq!(
        written["tool_choice"],
        json!({"type":"function","function":{"name":"f"}})
    );
}

#[test]
fn a_longer_history_begins_as_the_shorter_one_did() {
    let all = [
        r#"{"role":"system","content":"s"}"#,
        r#"{"role":"user","content":"q"}"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}"#,
        r#"{"role":"tool","tool_call_id":"a","content":"1"}"#,
        r#"{"role":"user","content":"more"}"#,
        r#"{"role":"assistant","content":"x"}"#,
    ];
    let written = |count: usize| {
        let text = format!(r#"{{"model":"m","messages":[{}]}}"#, all[..count].join(","));
        let mut out = Vec::new();
        let mut losses = Losses::new(OnLoss::Warn);
        let request = parse(&text);
        OpenAiChat
            .encode_request(&request, &Profile::default(), &mut losses, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    for count in 1..all.len() {
        let (shorter, longer) = (written(count), written(count + 1));
        let begin = shorter.strip_suffix("]}").unwrap();
        assert!(longer.starts_with(begin), "{longer}");
    }
}

#[test]
fn state_of_a_compatible_server_goes_back_as_its_own_entries() {
    let opaque = |kind, data: &'static str| Opaque {
        origin: Format::OpenAiChat,
        kind,
        family: "f".into(),
        data: data.into(),
    };
    let reasoning = Part::new(Content::Reasoning(Reasoned {
        texts: vec![crate::chat::ReasonText {
            kind: crate::chat::ReasonKind::Raw,
            text: "why".into(),
        }],
        opaque: vec![
            opaque(
                OpaqueKind::Signature,
                r#"{"type":"reasoning.text","signature":"S","format":"anthropic-claude-v1","index":0}"#,
            ),
            opaque(
                OpaqueKind::Encrypted,
                r#"{"type":"reasoning.encrypted","data":"E","id":"rs_1","index":1}"#,
            ),
        ],
        id: None,
    }));
    let mut call = Part::new(Content::ToolCall(ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: "{}".into(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    }));
    call.signature = Some(opaque(OpaqueKind::Thought, "T"));
    let request = foreign(vec![Turn::new(Role::Assistant, vec![reasoning, call])]);
    let mut profile = Profile::default();
    profile.chat.reasoning_field = ReasoningField::Reasoning;
    let message = &encode(&request, &profile).unwrap()["messages"][0];
    assert_eq!(
        message["reasoning_details"],
        json!([
            {"type":"reasoning.text","text":"why","signature":"S","format":"anthropic-claude-v1","index":0},
            {"type":"reasoning.encrypted","data":"E","id":"rs_1","index":1},
        ])
    );
    assert_eq!(
        message["tool_calls"][0]["extra_content"],
        json!({"google": {"thought_signature": "T"}})
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let call = Content::ToolCall(ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: "".into(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    });
    let turn = Turn::new(Role::Assistant, vec![Part::new(call)]);
    let said = messages(&foreign(vec![turn]));
    assert_eq!(said[0]["tool_calls"][0]["function"]["arguments"], "{}");
}
