//! Requests: what is read, what is written, and that the one is the other.

#![expect(
    clippy::needless_pass_by_value,
    reason = "literals of JSON read better"
)]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::chat::*;
use crate::wire::claude::tests::pointers;
use crate::wire::json::Node;
use crate::wire::{Profile, carrier};

fn decoded(text: &str) -> Request<'_> {
    decode(Node::parse(text.as_bytes(), 64).unwrap()).unwrap()
}

fn encoded(request: &Request<'_>) -> (Value, Losses) {
    let (mut losses, mut out) = (Losses::new(OnLoss::Warn), Vec::new());
    encode(request, &Profile::default(), &mut losses, &mut out).unwrap();
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// What is written for a request of the same format.
fn round(document: &Value) -> Value {
    let text = document.to_string();
    let (value, losses) = encoded(&decoded(&text));
    assert_eq!(losses.notes(), [], "{text}");
    value
}

/// A document in the form in which it is written: no nulls, no defaults, texts as blocks.
fn normal(mut document: Value) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(members) => {
                members.retain(|_, value| !value.is_null());
                members.values_mut().for_each(strip);
                let is_block = members.contains_key("role") || members.contains_key("tool_use_id");
                if let (true, Some(content)) = (is_block, members.get_mut("content"))
                    && let Value::String(text) = content
                {
                    *content = json!([{"type": "text", "text": text}]);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    strip(&mut document);
    let members = document.as_object_mut().unwrap();
    if members.get("stream") == Some(&json!(false)) {
        members.remove("stream");
    }
    if let Some([only]) = members
        .get("system")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        && only.as_object().unwrap().len() == 2
    {
        let text = only["text"].clone();
        members.insert("system".to_owned(), text);
    }
    document
}

fn user(content: Value) -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": content}]})
}

fn assistant(content: Value) -> Value {
    json!({"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": content}]})
}

fn parts(document: &Value) -> Vec<Part<'static>> {
    let text = document.to_string();
    let mut request = decoded(&text);
    let turn = request.turns.remove(0);
    turn.parts.into_iter().map(Part::into_owned).collect()
}

fn opaque(origin: Format, kind: OpaqueKind, data: &str) -> Opaque<'static> {
    Opaque {
        origin,
        kind,
        family: "f".into(),
        data: data.to_owned().into(),
    }
}

#[test]
fn recorded_requests_are_written_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/anthropic/requests");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let document: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let once = round(&document);
        assert_eq!(once, normal(document), "{}", path.display());
        assert_eq!(round(&once), once, "{}", path.display());
        count += 1;
    }
    assert!(count >= 10);
}

/// A request with everything that this format has.
fn everything() -> Value {
    json!({
        "model": "m", "max_tokens": 0, "stream": true,
        "system": [
            {"type": "text", "text": "one", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "two"}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}, "title": "t", "context": "c", "citations": {"enabled": true}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
                {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
                {"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}], "citations": {"enabled": true}},
                {"type": "container_upload", "file_id": "file_2"},
                {"type": "text", "text": "ask", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "S1"},
                {"type": "redacted_thinking", "data": "R1"},
                {"type": "text", "text": "a", "citations": [{"type": "char_location", "cited_text": "x", "document_index": 0}]},
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
                {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": "E", "page_age": "1"}]},
                {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "n", "server_name": "s", "input": {}},
                {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": false, "content": []},
                {"type": "compaction", "content": "c"},
                {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": 1.5}, "caller": {"type": "direct"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": true, "content": [
                    {"type": "text", "text": "x"},
                    {"type": "tool_reference", "tool_name": "g"}]}]},
            {"role": "system", "content": [{"type": "text", "text": "now"}], "clear_at": "x"}],
        "thinking": {"type": "adaptive", "display": "summarized"},
        "output_config": {"effort": "xhigh", "format": {"type": "json_schema", "schema": {"type": "object"}}, "task_budget": {"type": "tokens", "total": 5}},
        "tools": [
            {"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": true, "input_examples": [{}], "defer_loading": true, "cache_control": {"type": "ephemeral", "ttl": "5m"}},
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "blocked_domains": ["x.y"], "user_location": {"type": "approximate", "city": "c"}},
            {"type": "bash_20250124", "name": "bash"},
            {"type": "mcp_toolset", "mcp_server_name": "s"}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "metadata": {"user_id": "a@b.c", "more": 1},
        "service_tier": "standard_only", "speed": "fast", "inference_geo": "eu",
        "stop_sequences": ["x"], "temperature": 1.0, "top_p": 0.5, "top_k": 3,
        "cache_control": {"type": "ephemeral"},
        "mcp_servers": [{"type": "url", "name": "s", "url": "https://s", "authorization_token": "t"}, {"type": "url", "name": "other", "url": "https://o"}],
        "context_management": {"edits": []}, "container": "c", "unknown": {"a": [1.0]}
    })
}

#[test]
fn everything_that_only_anthropic_has_goes_back_to_it() {
    let document = everything();
    assert_eq!(round(&document), document);
}

#[test]
fn kinds_of_thinking_keep_their_meaning() {
    for (thinking, effort) in [
        (json!({"type": "enabled", "budget_tokens": 2000}), None),
        (
            json!({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}),
            None,
        ),
        (json!({"type": "adaptive"}), Some("low")),
        (json!({"type": "disabled"}), None),
        (json!({"type": "between_tools"}), None),
        (Value::Null, Some("max")),
    ] {
        let mut document = user(json!([{"type": "text", "text": "x"}]));
        if !thinking.is_null() {
            document["thinking"] = thinking;
        }
        if let Some(effort) = effort {
            document["output_config"] = json!({"effort": effort});
        }
        assert_eq!(round(&document), document);
    }
}

#[test]
fn reasoning_that_was_fitted_is_written_in_its_final_form() {
    let mut request = Request::new(Format::OpenAiChat);
    let mut thinking = |mode, budget, expose| {
        request.reasoning = Some(Reasoning {
            mode,
            effort: Some(Effort::High),
            budget,
            expose,
        });
        let (document, _) = encoded(&request);
        assert_eq!(document["output_config"], json!({"effort": "high"}));
        document["thinking"].clone()
    };
    let (on, auto, off) = (ReasoningMode::On, ReasoningMode::Auto, ReasoningMode::Off);
    for (mode, budget, expose, want) in [
        (
            on,
            Some(2048),
            Some(Expose::Auto),
            json!({"type": "enabled", "budget_tokens": 2048}),
        ),
        (on, None, None, Value::Null),
        (on, Some(-1), None, Value::Null),
        (
            auto,
            None,
            Some(Expose::Detailed),
            json!({"type": "adaptive", "display": "summarized"}),
        ),
        (
            auto,
            None,
            Some(Expose::Nothing),
            json!({"type": "adaptive", "display": "omitted"}),
        ),
        (off, None, Some(Expose::Auto), json!({"type": "disabled"})),
    ] {
        assert_eq!(thinking(mode, budget, expose), want);
    }
}

#[test]
fn carriers_are_state_of_their_origin() {
    let state = opaque(
        Format::OpenAiResponses,
        OpaqueKind::Encrypted,
        r#"{"id":"rs_1"}"#,
    );
    let carried = carrier::wrap(&state, "");
    let parts = parts(&assistant(json!([
        {"type": "thinking", "thinking": "hm", "signature": carried},
        {"type": "redacted_thinking", "data": carried},
        {"type": "thinking", "thinking": "", "signature": "native"},
    ])));
    let reasoned = |part: &Part<'static>| match &part.content {
        Content::Reasoning(reasoned) => (reasoned.text().into_owned(), reasoned.opaque[0].clone()),
        other => panic!("{other:?}"),
    };
    let want = reasoned(&parts[0]);
    assert_eq!((&*want.0, &want.1), ("hm", &state));
    assert_eq!(reasoned(&parts[1]).1, state);
    let native = reasoned(&parts[2]).1;
    assert_eq!((native.origin, &*native.data), (Format::Claude, "native"));
}

#[test]
fn a_calls_state_stands_just_before_it() {
    let carried = |data| {
        let state = opaque(Format::Gemini, OpaqueKind::Thought, data);
        json!({"type": "redacted_thinking", "data": carrier::wrap(&state, "")})
    };
    let call = |id| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let parts = parts(&assistant(json!([
        {"type": "text", "text": "x"}, carried("of the text"),
        carried("of the call"), call("a"), call("b"), carried("alone"),
    ])));
    let signatures: Vec<_> = parts
        .iter()
        .map(|part| part.signature.as_ref().map(|state| &*state.data))
        .collect();
    assert_eq!(
        signatures,
        [Some("of the text"), Some("of the call"), None, None]
    );
    let Content::Reasoning(reasoned) = &parts[3].content else {
        panic!("{:?}", parts[3])
    };
    assert_eq!(reasoned.opaque[0].data, "alone");
    assert_eq!(parts[1].at.to_string(), "messages[0].content[3]");
}

#[test]
fn searches_that_the_gateway_made_are_taken_out() {
    let search = |id, content| {
        [
            json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "q"}}),
            json!({"type": "web_search_tool_result", "tool_use_id": id, "content": [
                {"type": "web_search_result", "url": "u", "title": "t", "encrypted_content": content}]}),
        ]
    };
    let [ours, ours_found] = search("srvtoolu_a", "");
    let [theirs, theirs_found] = search("srvtoolu_b", "E");
    let document = assistant(json!([ours, ours_found, theirs, theirs_found]));
    assert_eq!(round(&document), assistant(json!([theirs, theirs_found])));
}

#[test]
fn arguments_are_the_text_of_the_input() {
    let text = r#"{"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"z":1.0,"a":12345678901234567890123}}]}]}"#;
    let request = decoded(text);
    let Content::ToolCall(call) = &request.turns[0].parts[0].content else {
        panic!()
    };
    assert_eq!(call.arguments, r#"{"z":1.0,"a":12345678901234567890123}"#);
    let mut out = Vec::new();
    let mut losses = Losses::default();
    encode(&request, &Profile::default(), &mut losses, &mut out).unwrap();
    let written = String::from_utf8(out).unwrap();
    assert!(written.contains(&*call.arguments), "{written}");
}

#[test]
fn what_cannot_be_understood_names_its_place() {
    for (document, param) in [
        (json!({}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": ["x"]}), "messages[0].role"),
        (json!({"messages": [{"role": "tool"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": 1}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type":"text","text":"x"}, 1]}]}),
            "messages[0].content[1]",
        ),
        (json!({"messages": [], "system": 1}), "system"),
        (json!({"messages": [], "tools": {}}), "tools"),
        (json!({"messages": [], "tools": [{}]}), "tools[0].name"),
        (json!({"messages": [], "max_tokens": "x"}), "max_tokens"),
        (
            json!({"messages": [], "stop_sequences": [1]}),
            "stop_sequences",
        ),
    ] {
        let text = document.to_string();
        let fault = decode(Node::parse(text.as_bytes(), 64).unwrap()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidRequest);
        assert_eq!(fault.code.as_deref(), Some("invalid_request"));
        assert_eq!(fault.param.as_deref(), Some(param), "{text}");
    }
}

#[test]
fn provider_tools_tell_what_they_share() {
    let document = json!({"messages": [], "tools": [
        {"type": "web_search_20260209", "name": "web_search", "max_uses": 3, "allowed_domains": ["a.b"],
         "user_location": {"type": "approximate", "city": "c", "country": "DE", "timezone": "t"}},
        {"type": "mcp_toolset", "mcp_server_name": "s", "default_config": {"enabled": false},
         "configs": {"x": {"enabled": true}, "y": {"enabled": false}}}],
        "mcp_servers": [{"type": "url", "name": "s", "url": "https://s", "authorization_token": "t"},
                        {"type": "url", "name": "o", "url": "https://o", "tool_configuration": {"allowed_tools": ["z"]}}]});
    let text = document.to_string();
    let request = decoded(&text);
    let provided: Vec<_> = request
        .tools
        .iter()
        .map(|tool| match &tool.kind {
            ToolKind::Provider(tool) => tool,
            other => panic!("{other:?}"),
        })
        .collect();
    let search = &provided[0].common;
    assert_eq!(provided[0].kind, ProviderKind::WebSearch);
    assert_eq!(
        (search.max_uses, &*search.allowed_domains[0]),
        (Some(3), "a.b")
    );
    let place = search.location.as_ref().unwrap();
    assert_eq!(place.country.as_deref(), Some("DE"));
    let servers: Vec<_> = provided[1..]
        .iter()
        .map(|tool| tool.common.mcp.clone().unwrap())
        .collect();
    assert_eq!(
        (&*servers[0].url, servers[0].token.as_deref()),
        ("https://s", Some("t"))
    );
    assert_eq!(servers[0].allowed_tools, Some(vec!["x".into()]));
    assert_eq!(servers[1].allowed_tools, Some(vec!["z".into()]));
    assert_eq!(request.tools[2].at.to_string(), "mcp_servers[1]");
}

#[test]
fn tools_of_other_formats_become_anthropics_equivalents() {
    let provided = |kind, common| Tool {
        at: Place::field("tools"),
        kind: ToolKind::Provider(ProviderTool {
            origin: Format::OpenAiResponses,
            kind,
            name: None,
            native: Json::trusted("{}"),
            common,
        }),
        cache: None,
        extra: Extra::default(),
    };
    let mut request = Request::new(Format::OpenAiResponses);
    request.parallel_tools = Some(false);
    request.tools = vec![
        provided(
            ProviderKind::WebSearch,
            Common {
                allowed_domains: vec!["a.b".into()],
                max_uses: Some(2),
                location: Some(Location {
                    city: Some("c".into()),
                    ..Location::default()
                }),
                ..Common::default()
            },
        ),
        provided(
            ProviderKind::Mcp,
            Common {
                mcp: Some(McpServer {
                    label: "s".into(),
                    url: "https://s".into(),
                    token: None,
                    allowed_tools: Some(vec!["x".into()]),
                }),
                ..Common::default()
            },
        ),
        provided(ProviderKind::CodeExecution, Common::default()),
        provided(ProviderKind::FileSearch, Common::default()),
    ];
    let (document, losses) = encoded(&request);
    assert_eq!(
        document["tools"],
        json!([
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "allowed_domains": ["a.b"],
             "user_location": {"type": "approximate", "city": "c"}},
            {"type": "mcp_toolset", "mcp_server_name": "s", "default_config": {"enabled": false}, "configs": {"x": {"enabled": true}}},
            {"type": "code_execution_20250825", "name": "code_execution"}])
    );
    assert_eq!(
        document["mcp_servers"],
        json!([{"type": "url", "name": "s", "url": "https://s"}])
    );
    assert_eq!(
        document["tool_choice"],
        json!({"type": "auto", "disable_parallel_tool_use": true})
    );
    assert_eq!(losses.notes().len(), 1);
    assert_eq!(
        betas(&request, &Profile::default()),
        ["mcp-client-2025-11-20"]
    );
}

#[test]
fn a_choice_among_no_tools_is_not_sent() {
    let mut request = Request::new(Format::OpenAiChat);
    request.tool_choice = Some(ToolChoice::Required);
    request.parallel_tools = Some(false);
    assert_eq!(encoded(&request).0.get("tool_choice"), None);
}

#[test]
fn foreign_members_and_state_stay_behind() {
    let mut request = Request::new(Format::OpenAiResponses);
    request
        .native
        .0
        .push(("include".into(), Json::trusted("[]")));
    request.user.end_user = Some("someone@example.org".into());
    request.caching.auto = Some(CacheMark::Minutes30);
    request.max_output_tokens = Some(7);
    let mut text = Part::text("x");
    text.extra.0.push(("id".into(), Json::trusted("1")));
    let foreign = Reasoned {
        opaque: vec![opaque(Format::OpenAiResponses, OpaqueKind::Encrypted, "E")],
        ..Reasoned::default()
    };
    request.turns = vec![Turn::new(
        Role::Assistant,
        vec![Part::new(Content::Reasoning(foreign)), text],
    )];
    assert_eq!(
        encoded(&request).0,
        json!({"model": "", "max_tokens": 7, "cache_control": {"type": "ephemeral", "ttl": "1h"},
               "messages": [{"role": "assistant", "content": [{"type": "text", "text": "x"}]}]})
    );
    request.user.end_user = Some("user-1234567".into());
    assert_eq!(
        encoded(&request).0["metadata"],
        json!({"user_id": "user-1234567"})
    );
}

#[test]
fn media_that_a_result_cannot_hold_are_told_in_words() {
    let audio = Audio {
        source: Source::Bytes {
            mime: "audio/wav".into(),
            base64: "AAAAAAA=".into(),
        },
        transcript: None,
        expires_at: None,
    };
    let mut request = Request::new(Format::Gemini);
    let result = ToolResult {
        call: "c".into(),
        name: None,
        content: vec![Part::new(Content::Audio(audio))],
        is_error: None,
        kind: CallKind::Function,
    };
    let place = Place::field("contents").item(1);
    let part = Part::new(Content::ToolResult(result)).at(place);
    request.turns = vec![Turn::new(Role::User, vec![part])];
    let (document, losses) = encoded(&request);
    assert_eq!(
        document["messages"][0]["content"][0]["content"],
        json!([{"type": "text", "text": "[audio/wav, 5 bytes]"}])
    );
    assert_eq!(losses.notes()[0].path, "contents[1]");
}

#[test]
fn text_files_are_sent_as_text() {
    let mut request = Request::new(Format::OpenAiChat);
    let document = Document {
        source: Source::Bytes {
            mime: "text/csv".into(),
            base64: "YSxi".into(),
        },
        title: None,
        context: None,
        filename: Some("x.csv".into()),
        citations: None,
    };
    let part = Part::new(Content::Document(document));
    request.turns = vec![Turn::new(Role::User, vec![part])];
    assert_eq!(
        encoded(&request).0["messages"][0]["content"],
        json!([{"type": "document", "title": "x.csv", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}}])
    );
}

#[test]
fn betas_are_those_of_the_features_that_are_used() {
    let mut profile = Profile::default();
    profile.claude.interleaved = true;
    let tool = json!({"name": "f", "input_schema": {}});
    for (members, want) in [
        (json!({}), vec![]),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [tool]}),
            vec!["interleaved-thinking-2025-05-14"],
        ),
        (
            json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
            vec![],
        ),
        (
            json!({"context_management": {}}),
            vec!["context-management-2025-06-27"],
        ),
        (
            json!({"tools": [{"type": "code_execution_20250522", "name": "code_execution"}]}),
            vec!["code-execution-2025-05-22"],
        ),
        (
            json!({"tools": [{"type": "code_execution_20250825", "name": "code_execution"}]}),
            vec![],
        ),
        (
            json!({"messages": [{"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}]}),
            vec!["files-api-2025-04-14"],
        ),
    ] {
        let mut document = json!({"messages": []});
        for (key, value) in members.as_object().unwrap() {
            document[key] = value.clone();
        }
        let text = document.to_string();
        assert_eq!(betas(&decoded(&text), &profile), want, "{text}");
    }
}

#[test]
fn two_encodings_of_one_history_begin_alike() {
    let messages = |count: usize| {
        let turn = |at: usize| {
            let role = if at.is_multiple_of(2) {
                "user"
            } else {
                "assistant"
            };
            json!({"role": role, "content": format!("text {at}")})
        };
        let all: Vec<Value> = (0..count).map(turn).collect();
        let text = json!({"model": "m", "max_tokens": 9, "messages": all}).to_string();
        let mut out = Vec::new();
        let mut losses = Losses::default();
        encode(&decoded(&text), &Profile::default(), &mut losses, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let (shorter, longer) = (messages(3), messages(4));
    let shared = shorter.strip_suffix("]}").unwrap();
    assert!(longer.starts_with(shared), "{longer}");
}

#[test]
fn a_picture_alone_gets_no_text() {
    let image = Image {
        source: Source::Url {
            url: "https://x/y.png".into(),
            mime: None,
        },
        detail: Some(Detail::High),
    };
    let mut request = Request::new(Format::OpenAiChat);
    let part = Part::new(Content::Image(image));
    request.turns = vec![Turn::new(Role::User, vec![part])];
    assert_eq!(
        encoded(&request).0["messages"][0]["content"],
        json!([{"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}])
    );
}

#[test]
fn headers_name_the_version_and_the_betas() {
    use crate::wire::{Claude, Codec};
    let mut request = Request::new(Format::OpenAiChat);
    let version = ("anthropic-version", "2023-06-01".to_owned());
    let profile = Profile::default();
    let headers = Claude.request_headers(&request, &profile);
    assert_eq!(headers, std::slice::from_ref(&version));
    let file = Source::File {
        id: "f".into(),
        origin: Format::Claude,
    };
    let image = Image {
        source: file,
        detail: None,
    };
    let part = Part::new(Content::Image(image));
    request.turns = vec![Turn::new(Role::User, vec![part])];
    assert_eq!(
        Claude.request_headers(&request, &profile),
        [
            version,
            ("anthropic-beta", "files-api-2025-04-14".to_owned())
        ]
    );
}

#[test]
fn whatever_stands_anywhere_is_refused_or_written_as_json() {
    let document = everything();
    let mut all = Vec::new();
    pointers(&document, "", &mut all);
    let (mut read, mut refused) = (0, 0);
    for at in all.iter().filter(|at| !at.is_empty()) {
        for odd in [
            json!(null),
            json!(-1.5),
            json!("x"),
            json!([]),
            json!([{}]),
            json!({}),
        ] {
            let mut document = document.clone();
            *document.pointer_mut(at).unwrap() = odd;
            let text = document.to_string();
            match decode(Node::parse(text.as_bytes(), 64).unwrap()) {
                Ok(request) => {
                    assert!(encoded(&request).0.is_object());
                    read += 1;
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::InvalidRequest);
                    assert!(fault.param.is_some());
                    refused += 1;
                }
            }
        }
    }
    assert!(read > refused && refused > 20, "{read} {refused}");
}

#[test]
fn a_choice_of_the_providers_search_is_no_function() {
    let body = r#"{"model":"m","messages":[],"tools":[{"type":"web_search_20250305","name":"web_search"},{"type":"bash_20250124","name":"bash"}],"tool_choice":{"type":"tool","name":"NAME"}}"#;
    let chosen = |name: &str| {
        let text = body.replace("NAME", name);
        let request = decode(Node::parse(text.as_bytes(), 99).unwrap()).unwrap();
        match request.tool_choice.unwrap() {
            ToolChoice::Provider { kind, .. } => Some(kind),
            _ => None,
        }
    };
    assert_eq!(chosen("web_search"), Some(ProviderKind::WebSearch));
    assert_eq!(chosen("bash"), None, "the client runs it");
}

#[test]
fn a_strict_tool_without_a_schema_takes_nothing() {
    let mut request = Request::new(Format::OpenAiResponses);
    request.tools = vec![Tool {
        at: Place::field("tools").item(0),
        kind: ToolKind::Function(Function {
            name: "f".into(),
            description: None,
            schema: None,
            strict: Some(true),
        }),
        cache: None,
        extra: Extra::default(),
    }];
    let schema = encoded(&request).0["tools"][0]["input_schema"].clone();
    assert_eq!(schema["additionalProperties"], false);
}
