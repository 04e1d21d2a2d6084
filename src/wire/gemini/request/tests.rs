//! What is read is written again.

use super::super::super::fixtures::read;
use super::super::super::json::Node;
use super::super::super::{Codec, Gemini, Profile};
use super::*;
use crate::chat::{
    CallKind, Content, Effort, Expose, Losses, OnLoss, Opaque, OpaqueKind, OutputFormat,
    ProviderKind, Reasoning, ReasoningMode, Source, ToolChoice, ToolKind,
};
use serde_json::{Value, json};

fn decode(body: &str) -> Request<'_> {
    Gemini
        .decode_request(Node::parse(body.as_bytes(), 64).unwrap())
        .unwrap()
}

fn encode(request: &Request<'_>, profile: &Profile) -> Value {
    let mut out = Vec::new();
    let mut losses = Losses::new(OnLoss::Warn);
    Gemini
        .encode_request(request, profile, &mut losses, &mut out)
        .unwrap();
    assert_eq!(losses.notes(), []);
    serde_json::from_slice(&out).unwrap()
}

fn newest() -> Profile {
    let mut profile = Profile::default();
    profile.gemini.json_schema = true;
    profile.gemini.fn_ids = true;
    profile.gemini.fn_response_parts = true;
    profile
}

/// Reads and writes a document that must stay what it is.
fn same(profile: &Profile, document: &Value) {
    let text = document.to_string();
    assert_eq!(&encode(&decode(&text), profile), document);
}

#[test]
fn the_recorded_requests_are_written_as_they_were() {
    for name in [
        "oi-streaming-text-content",
        "pyd-google-decimal-native-output",
        "pyd-google-model-thinking-part",
        "pyd-google-native-output",
        "pyd-multimodal-tool-return-matrix-direct-url-video-google-gemi-1",
        "pyd-multimodal-tool-return-matrix-tool-return-content-url-imag-2",
        "pyd-multiple-agent-tool-calls-1",
    ] {
        let body = read(Format::Gemini, &format!("requests/{name}.json"));
        let body = String::from_utf8(body).unwrap();
        let mut profile = newest();
        if name.ends_with("agent-tool-calls-1") {
            profile = Profile::default();
        }
        // What is written in one way only: camelCase, a list of tools, no role of the system.
        let written = body
            .replace("include_thoughts", "includeThoughts")
            .replace("parameters_json_schema", "parametersJsonSchema")
            .replace("function_declarations", "functionDeclarations");
        let mut want: Value = serde_json::from_str(&written).unwrap();
        if want["tools"].is_object() {
            want["tools"] = json!([want["tools"]]);
        }
        if let Some(Value::Object(system)) = want.get_mut("systemInstruction") {
            system.remove("role");
        }
        assert_eq!(encode(&decode(&body), &profile), want, "{name}");
    }
}

#[test]
fn a_document_with_everything_stays_what_it_is() {
    same(
        &newest(),
        &json!({
            "systemInstruction": {"parts": [{"text": "a"}, {"text": "b"}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "x"},
                    {"inlineData": {"mimeType": "image/png", "data": "AA==", "displayName": "n"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}},
                    {"inlineData": {"mimeType": "image/png", "data": "AA=="}, "mediaResolution": {"level": "MEDIA_RESOLUTION_ULTRA_HIGH"}},
                    {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://b/v"}, "videoMetadata": {"fps": 1.0}},
                    {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}},
                    {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
                    {"someday": {"a": 1}}
                ]},
                {"role": "model", "parts": [
                    {"text": "hm", "thought": true},
                    {"text": "hm", "thought": true, "thoughtSignature": "c2ln"},
                    {"text": "t", "thoughtSignature": "c2ln"},
                    {"text": "", "thoughtSignature": "c2ln"},
                    {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "c2ln"},
                    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
                    {"toolCall": {"id": "i", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": 1}}},
                    {"toolResponse": {"id": "i", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}},
                    {"functionCall": {"id": "1", "name": "f", "args": {"a": 1.0}}, "thoughtSignature": "c2ln"},
                    {"functionCall": {"id": "2", "name": "f", "args": {}}}
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"id": "1", "name": "f", "response": {"output": "{\"a\":1}"}, "scheduling": "SILENT"}},
                    {"functionResponse": {"id": "2", "name": "f", "response": {"output": {"$ref": "p"}}, "parts": [
                        {"inlineData": {"mimeType": "image/png", "data": "AA==", "displayName": "p"}}
                    ]}}
                ]}
            ],
            "tools": [
                {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}, "behavior": "BLOCKING"}]},
                {"googleSearch": {"excludeDomains": ["a.example"]}},
                {"codeExecution": {}},
                {"mcpServers": [{"name": "m", "streamableHttpTransport": {"url": "https://m.example", "headers": {"Authorization": "Bearer t"}}}]}
            ],
            "toolConfig": {
                "functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"], "streamFunctionCallArguments": true},
                "retrievalConfig": {"languageCode": "en"}
            },
            "generationConfig": {
                "temperature": 0.5, "topP": 0.25, "topK": 40, "presencePenalty": 1, "frequencyPenalty": -1, "seed": 7,
                "candidateCount": 2, "maxOutputTokens": 100, "stopSequences": ["a"],
                "responseLogprobs": true, "logprobs": 3,
                "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
                "responseModalities": ["TEXT", "AUDIO"], "speechConfig": {"languageCode": "en"},
                "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": true},
                "imageConfig": {"aspectRatio": "1:1"}
            },
            "safetySettings": [{"category": "C", "threshold": "T"}],
            "cachedContent": "cachedContents/1",
            "labels": {"some_label": "x"},
            "store": false,
            "serviceTier": "flex"
        }),
    );
}

#[test]
fn small_documents_stay_what_they_are() {
    let with = |member: &str, value: Value| {
        let mut document = json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]});
        document[member] = value;
        document
    };
    let functions = json!([{"functionDeclarations": [{"name": "f"}, {"name": "g"}]}]);
    for config in [
        json!({"mode": "AUTO"}),
        json!({"mode": "NONE"}),
        json!({"mode": "ANY"}),
        json!({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}),
        json!({"mode": "VALIDATED"}),
        json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ] {
        let mut document = with("tools", functions.clone());
        document["toolConfig"] = json!({"functionCallingConfig": config});
        same(&newest(), &document);
    }
    for config in [
        json!({"responseMimeType": "application/json"}),
        json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "string", "enum": ["a"]}}),
        json!({"responseFormat": [{"text": {"mimeType": "application/json", "schema": {}}}]}),
        json!({"thinkingConfig": {"thinkingBudget": 0}}),
        json!({"thinkingConfig": {"thinkingBudget": -1, "includeThoughts": false}}),
        json!({"thinkingConfig": {"includeThoughts": true}}),
        json!({"someday": 1}),
    ] {
        same(&newest(), &with("generationConfig", config));
    }
}

#[test]
fn both_spellings_are_read() {
    let snake = r#"{"contents":[{"parts":[{"function_call":{"name":"f","args":{"snake_key":1}},"thought_signature":"s"},{"inline_data":{"mime_type":"image/png","data":"AA=="}},{"thought_signature":"t"}],"role":"model"},{"role":"function","parts":[{"function_response":{"name":"f","response":{"output":"x"}}}]}],"system_instruction":"sys","tool_config":{"function_calling_config":{"mode":"ANY","allowed_function_names":["f"]}},"generation_config":{"max_output_tokens":5,"stop_sequences":["s"],"thinking_config":{"thinking_budget":-1,"include_thoughts":true}},"cached_content":"c","tools":{"google_search":{}}}"#;
    let request = decode(snake);
    assert_eq!(request.max_output_tokens, Some(5));
    assert_eq!(request.instructions[0].parts[0].as_text(), Some("sys"));
    assert_eq!(request.state.cached_content.as_deref(), Some("c"));
    assert_eq!(
        request.reasoning,
        Some(Reasoning {
            mode: ReasoningMode::Auto,
            effort: None,
            budget: Some(-1),
            expose: Some(Expose::Auto)
        })
    );
    assert_eq!(
        request.tool_choice,
        Some(ToolChoice::Named {
            name: "f".into(),
            kind: CallKind::Function
        })
    );
    let parts = &request.turns[0].parts;
    let Content::ToolCall(call) = &parts[0].content else {
        panic!("{parts:?}");
    };
    assert_eq!(call.arguments, r#"{"snake_key":1}"#);
    assert_eq!(parts[0].signature.as_ref().unwrap().data, "s");
    assert!(
        matches!(&parts[1].content, Content::Image(image) if matches!(&image.source, Source::Bytes { mime, .. } if mime == "image/png"))
    );
    assert_eq!(parts[2].as_text(), Some(""));
    assert_eq!(request.turns[1].role, Role::User);
    let ToolKind::Provider(tool) = &request.tools[0].kind else {
        panic!();
    };
    assert_eq!(
        (tool.kind, tool.native.as_str()),
        (ProviderKind::WebSearch, r#"{"googleSearch":{}}"#)
    );
}

#[test]
fn places_are_those_of_the_document() {
    let request = decode(
        r#"{"systemInstruction":{"parts":[{"text":"a"},{"text":"b"}]},"contents":[{"parts":[{"text":"x"}]},{},{"parts":[{"text":"x"},{"text":"y"}]}],"tools":[{"codeExecution":{}},{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]}"#,
    );
    let places = [
        request.instructions[1].parts[0].at,
        request.turns[1].at,
        request.turns[2].parts[1].at,
        request.tools[0].at,
        request.tools[2].at,
    ];
    assert_eq!(
        places.map(|place| place.to_string()),
        [
            "systemInstruction.parts[1]",
            "contents[1]",
            "contents[2].parts[1]",
            "tools[0]",
            "tools[1].functionDeclarations[1]"
        ]
    );
}

fn ids(body: &str) -> (Vec<String>, Vec<String>) {
    let (mut calls, mut results) = (Vec::new(), Vec::new());
    for part in decode(body).turns.iter().flat_map(|turn| &turn.parts) {
        match &part.content {
            Content::ToolCall(call) => calls.push(call.id.to_string()),
            Content::ToolResult(result) => results.push(result.call.to_string()),
            _ => {}
        }
    }
    (calls, results)
}

#[test]
fn results_without_ids_belong_to_the_calls_of_that_name_in_order() {
    let call = |name: &str| format!(r#"{{"functionCall":{{"name":"{name}"}}}}"#);
    let result =
        |name: &str| format!(r#"{{"functionResponse":{{"name":"{name}","response":{{}}}}}}"#);
    let body = format!(
        r#"{{"contents":[{{"role":"model","parts":[{},{},{}]}},{{"parts":[{},{},{},{}]}},{{"role":"model","parts":[{}]}},{{"parts":[{}]}}]}}"#,
        call("f"),
        call("g"),
        call("f"),
        result("g"),
        result("f"),
        result("f"),
        result("h"),
        call("f"),
        result("f"),
    );
    let (calls, results) = ids(&body);
    assert_eq!(
        results[..3],
        [calls[1].clone(), calls[0].clone(), calls[2].clone()]
    );
    assert!(!calls.contains(&results[3]));
    assert_eq!(results[4], calls[3]);
    assert_ne!(calls[0], calls[2]);
    // printf 0/0/f | sha256sum
    assert_eq!(calls[0], "call_b1e6518439af4a9f535c");
    assert_eq!(
        ids(&body),
        (calls, results),
        "an id changed between two readings"
    );
}

#[test]
fn calls_of_neighbouring_contents_are_answered_together() {
    let (calls, results) = ids(
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f"}}]},{"role":"model","parts":[{"functionCall":{"name":"g"}}]},{"parts":[{"functionResponse":{"name":"f","response":{}}}]},{"parts":[{"functionResponse":{"name":"g","response":{}}}]}]}"#,
    );
    assert_eq!(calls, results);
}

#[test]
fn an_id_of_the_client_is_kept_and_used() {
    let (calls, results) = ids(
        r#"{"contents":[{"role":"model","parts":[{"functionCall":{"id":"a","name":"f"}},{"functionCall":{"id":"b","name":"f"}}]},{"parts":[{"functionResponse":{"id":"b","name":"f","response":{}}},{"functionResponse":{"name":"f","response":{}}}]}]}"#,
    );
    assert_eq!(
        (calls, results),
        (
            vec!["a".to_owned(), "b".to_owned()],
            vec!["b".to_owned(), "a".to_owned()]
        )
    );
}

#[test]
fn what_a_tool_gave_is_read_without_its_wrapping() {
    for (response, text, is_error) in [
        (r#"{"output":"x"}"#, "x", None),
        (r#"{"output":{"a": 1.0}}"#, r#"{"a":1.0}"#, None),
        (r#"{"error":"bad"}"#, "bad", Some(true)),
        (
            r#"{"output":"x","error":"y"}"#,
            r#"{"output":"x","error":"y"}"#,
            None,
        ),
        (r#"{"result":"x"}"#, r#"{"result":"x"}"#, None),
        ("{}", "{}", None),
    ] {
        let body = format!(
            r#"{{"contents":[{{"parts":[{{"functionResponse":{{"name":"f","response":{response}}}}}]}}]}}"#
        );
        let request = decode(&body);
        let Content::ToolResult(result) = &request.turns[0].parts[0].content else {
            panic!();
        };
        assert_eq!(result.content[0].at.to_string(), "contents[0].parts[0]");
        let texts: Vec<_> = result
            .content
            .iter()
            .map(|part| part.as_text().unwrap())
            .collect();
        assert_eq!(
            (texts, result.is_error),
            (vec![text], is_error),
            "{response}"
        );
    }
}

#[test]
fn carried_state_is_unwrapped() {
    use base64::Engine;
    let carrier = |origin: char, kind: &str, data: &str| {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(data);
        let carrier = format!("aip1.{origin}.{kind}.fam.{payload}");
        base64::engine::general_purpose::STANDARD.encode(carrier)
    };
    let state = |origin, kind, data: &'static str| Opaque {
        origin,
        kind,
        family: "fam".into(),
        data: data.into(),
    };
    let parts = |parts: String| {
        let body = format!(r#"{{"contents":[{{"role":"model","parts":[{parts}]}}]}}"#);
        decode(&body).turns[0]
            .parts
            .iter()
            .cloned()
            .map(Part::into_owned)
            .collect::<Vec<_>>()
    };
    // The pieces of a stream are one thought again, and only those.
    let read = parts(format!(
        r#"{{"text":"old","thought":true,"thoughtSignature":"c2ln"}},{{"text":"a","thought":true}},{{"text":"b","thought":true}},{{"text":"","thought":true,"thoughtSignature":"{}"}}"#,
        carrier('a', "sig", "S")
    ));
    assert_eq!(read.len(), 2);
    let Content::Reasoning(reasoned) = &read[1].content else {
        panic!();
    };
    assert_eq!(reasoned.text(), "ab");
    assert_eq!(
        reasoned.opaque,
        [state(Format::Claude, OpaqueKind::Signature, "S")]
    );
    // What the client could not see comes out of the carrier.
    let read = parts(format!(
        r#"{{"text":"","thought":true,"thoughtSignature":"{}"}}"#,
        carrier('a', "sig", r#"{"t":"hidden","s":"S"}"#)
    ));
    let Content::Reasoning(reasoned) = &read[0].content else {
        panic!();
    };
    assert_eq!(
        (&*reasoned.text(), &*reasoned.opaque[0].data),
        ("hidden", "S")
    );
    // On a call, the state of another provider is reasoning before it; Gemini's own is the call's.
    let call = |signature: String| {
        parts(format!(
            r#"{{"functionCall":{{"name":"f"}},"thoughtSignature":"{signature}"}}"#
        ))
    };
    let read = call(carrier('r', "enc", "E"));
    assert!(
        matches!(&read[0].content, Content::Reasoning(reasoned) if reasoned.opaque == [state(Format::OpenAiResponses, OpaqueKind::Encrypted, "E")])
    );
    assert_eq!((read.len(), &read[1].signature), (2, &None));
    let read = call(carrier('g', "ts", "c2ln"));
    assert_eq!(
        read[0].signature,
        Some(state(Format::Gemini, OpaqueKind::Thought, "c2ln"))
    );
}

#[test]
fn what_is_no_request_is_refused() {
    for (body, word) in [
        ("{}", "missing"),
        (r#"{"request":{"contents":[]},"model":"m"}"#, "envelope"),
        (r#"{"contents":[1]}"#, "contents[0]"),
    ] {
        let fault = Gemini
            .decode_request(Node::parse(body.as_bytes(), 8).unwrap())
            .unwrap_err();
        assert_eq!(fault.kind, FaultKind::InvalidRequest);
        assert!(fault.message.contains(word), "{fault:?}");
    }
    let envelope = read(Format::Gemini, "requests/auth-code-assist-envelope.json");
    let node = Node::parse(&envelope, 64).unwrap();
    assert!(Gemini.decode_request(node).is_err());
}

#[test]
fn the_request_inside_of_a_count_is_read() {
    let request = decode(
        r#"{"generateContentRequest":{"model":"models/m","contents":[{"parts":{"text":"x"}}]}}"#,
    );
    assert_eq!(request.turns[0].parts[0].as_text(), Some("x"));
    assert_eq!(request.native, crate::chat::Extra::default());
}

#[test]
fn schemas_become_json_schema() {
    let request = decode(
        r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"ARRAY","items":{"type":"STRING"}}}}"#,
    );
    let ToolKind::Function(function) = &request.tools[0].kind else {
        panic!();
    };
    assert_eq!(
        function.schema.as_ref().unwrap().as_str(),
        r#"{"type":"object","properties":{"a":{"type":["string","null"]}}}"#
    );
    let OutputFormat::JsonSchema { schema, .. } = &request.output.format else {
        panic!();
    };
    assert_eq!(
        schema.as_str(),
        r#"{"type":"array","items":{"type":"string"}}"#
    );
}

#[test]
fn levels_are_efforts() {
    for (level, effort) in [
        ("HIGH", Effort::High),
        ("minimal", Effort::Minimal),
        ("XHIGH", Effort::XHigh),
    ] {
        let body = format!(
            r#"{{"contents":[],"generationConfig":{{"thinkingConfig":{{"thinkingLevel":"{level}"}}}}}}"#
        );
        assert_eq!(decode(&body).reasoning.unwrap().effort, Some(effort));
    }
}

#[test]
fn state_that_only_the_call_still_has_comes_before_what_was_said() {
    let opaque = Opaque {
        origin: Format::Claude,
        kind: OpaqueKind::Signature,
        family: "claude-opus-4-8".into(),
        data: r#"{"t":"hm yes","s":"EqQB"}"#.into(),
    };
    let carrier = super::super::members::signature(&opaque, "").into_owned();
    let plain = Opaque {
        data: "EqQB".into(),
        ..opaque
    };
    let signed = super::super::members::signature(&plain, "").into_owned();
    let call = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": carrier});
    let said = json!({"text": "I look."});
    for parts in [
        // Gemini's command line forgets thoughts.
        json!([said, call]),
        // Others keep them, whole or in pieces.
        json!([{"text": "hm yes", "thought": true, "thoughtSignature": signed}, said, call]),
        json!([{"text": "hm ", "thought": true}, {"text": "yes", "thought": true}, {"text": "", "thought": true, "thoughtSignature": signed}, said, call]),
    ] {
        let body = json!({"contents": [{"role": "model", "parts": parts}]}).to_string();
        let request = decode(&body);
        let turn = &request.turns[0].parts;
        assert_eq!(turn.len(), 3, "{turn:?}");
        let Content::Reasoning(reasoned) = &turn[0].content else {
            panic!("{turn:?}");
        };
        assert_eq!(reasoned.text(), "hm yes");
        assert_eq!(reasoned.opaque, std::slice::from_ref(&plain));
        assert_eq!(turn[1].as_text(), Some("I look."));
        assert!(turn[2].signature.is_none());
    }
}
