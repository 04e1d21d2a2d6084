//! What clients of other formats ask, in Gemini's form.

use super::super::super::{Codec, Gemini, Profile};
use super::*;
use crate::chat::{
    Audio, CallKind, Change, Common, Content, CustomFormat, CustomTool, Detail, Document, Effort,
    Expose, Function, Image, Json, Level, Loss, McpServer, Native, OnLoss, Opaque, OpaqueKind,
    OutputFormat, Part, Place, ProviderKind, ProviderTool, ReasonKind, ReasonText, Reasoned,
    Reasoning, ReasoningMode, Role, Source, Text, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
    Turn,
};
use serde_json::{Value, json};

fn encoded(request: &Request<'_>, profile: &Profile) -> (Value, Vec<Loss>) {
    let mut out = Vec::new();
    let mut losses = Losses::new(OnLoss::Warn);
    Gemini
        .encode_request(request, profile, &mut losses, &mut out)
        .unwrap();
    (
        serde_json::from_slice(&out).unwrap(),
        losses.notes().to_vec(),
    )
}

fn newest() -> Profile {
    let mut profile = Profile::default();
    profile.gemini.fn_ids = true;
    profile.gemini.fn_response_parts = true;
    profile.gemini.mix_tools = true;
    profile
}

fn asked(turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(Format::OpenAiChat);
    request.turns = turns;
    request
}

fn user(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::User, parts)
}

fn model(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::Assistant, parts)
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Part::new(Content::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: arguments.into(),
        kind: CallKind::Function,
        namespace: None,
        item_id: None,
    }))
}

fn result(id: &'static str, content: Vec<Part<'static>>, is_error: Option<bool>) -> Part<'static> {
    Part::new(Content::ToolResult(ToolResult {
        call: id.into(),
        name: None,
        content,
        is_error,
        kind: CallKind::Function,
    }))
}

fn picture() -> Part<'static> {
    Part::new(Content::Image(Image {
        source: Source::Bytes {
            mime: "image/png".into(),
            base64: "AA==".into(),
        },
        detail: Some(Detail::Low),
    }))
}

fn thought_signature() -> Opaque<'static> {
    Opaque {
        origin: Format::Gemini,
        kind: OpaqueKind::Thought,
        family: "gemini-3".into(),
        data: "c2ln".into(),
    }
}

fn parts(request: &Request<'_>, profile: &Profile) -> Vec<Value> {
    let (document, losses) = encoded(request, profile);
    assert_eq!(losses, []);
    let contents = document["contents"].as_array().unwrap();
    contents
        .iter()
        .flat_map(|content| content["parts"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn arguments_are_always_an_object() {
    for (arguments, want) in [
        (r#"{"a": 1.0}"#, r#"{"a": 1.0}"#),
        ("", "{}"),
        ("[1]", r#"{"input":[1]}"#),
        ("5", r#"{"input":5}"#),
        ("{\"cut", r#"{"input":"{\"cut"}"#),
    ] {
        let request = asked(vec![model(vec![call("1", arguments)])]);
        let args = &parts(&request, &newest())[0]["functionCall"]["args"];
        let want: Value = serde_json::from_str(want).unwrap();
        assert_eq!(args, &want, "{arguments}");
    }
}

#[test]
fn free_text_stays_text() {
    let mut custom = call("1", "5");
    if let Content::ToolCall(call) = &mut custom.content {
        call.kind = CallKind::Custom;
    }
    let request = asked(vec![model(vec![custom])]);
    let args = &parts(&request, &newest())[0]["functionCall"]["args"];
    assert_eq!(args, &json!({"input": "5"}));
}

#[test]
fn results_name_their_call_and_say_whether_it_failed() {
    let text = |text: &'static str| vec![Part::text(text)];
    let request = asked(vec![
        model(vec![
            call("1", "{}"),
            call("2", "{}"),
            call("3", "{}"),
            call("4", "{}"),
        ]),
        user(vec![
            result("1", text("plain"), None),
            result("2", text(" {\"a\":1.0} "), Some(false)),
            result("3", text("{broken"), Some(true)),
            result("4", Vec::new(), None),
        ]),
    ]);
    let results: Vec<Value> = parts(&request, &newest()).split_off(4);
    let response = |id: &str, response: Value| json!({"functionResponse": {"id": id, "name": "f", "response": response}});
    assert_eq!(
        results,
        [
            response("1", json!({"output": "plain"})),
            response("2", json!({"output": {"a": 1.0}})),
            response("3", json!({"error": "{broken"})),
            response("4", json!({"output": ""})),
        ]
    );
    let old = &parts(&request, &Profile::default())[4];
    assert_eq!(old["functionResponse"].get("id"), None);
}

#[test]
fn a_result_of_nobody_is_noted() {
    let at = Place::field("messages").item(2);
    let request = asked(vec![user(vec![result("1", Vec::new(), None).at(at)])]);
    let (document, losses) = encoded(&request, &newest());
    assert_eq!(
        document["contents"][0]["parts"][0]["functionResponse"]["name"],
        "unknown_function"
    );
    assert_eq!(
        (&*losses[0].path, losses[0].change),
        ("messages[2]", Change::Synthesised)
    );
}

#[test]
fn media_of_a_result_are_referred_to() {
    let output = |content: Vec<Part<'static>>| {
        let request = asked(vec![user(vec![result("1", content, None)])]);
        let (document, _) = encoded(&request, &newest());
        document["contents"][0]["parts"][0]["functionResponse"].clone()
    };
    let named = |name: &str| json!({"inlineData": {"mimeType": "image/png", "data": "AA==", "displayName": name}});
    let one = output(vec![picture()]);
    assert_eq!(one["response"], json!({"output": {"$ref": "r1"}}));
    assert_eq!(one["parts"], json!([named("r1")]));
    let more = output(vec![Part::text("x"), picture(), picture()]);
    assert_eq!(
        more["response"],
        json!({"output": ["x", {"$ref": "r1"}, {"$ref": "r2"}]})
    );
    assert_eq!(more["parts"], json!([named("r1"), named("r2")]));
}

#[test]
fn signatures_stand_where_they_were_and_once() {
    let mut signed = call("1", "{}");
    signed.signature = Some(thought_signature());
    let request = asked(vec![model(vec![Part::text("x"), signed, call("2", "{}")])]);
    let written = parts(&request, &newest());
    assert_eq!(written[1]["thoughtSignature"], "c2ln");
    let (document, _) = encoded(&request, &newest());
    assert_eq!(document.to_string().matches("c2ln").count(), 1);
}

#[test]
fn a_signature_that_a_client_kept_before_the_call_is_that_of_the_call() {
    let reasoning = |texts| {
        Part::new(Content::Reasoning(Reasoned {
            texts,
            opaque: vec![thought_signature()],
            id: None,
        }))
    };
    let request = asked(vec![
        model(vec![
            reasoning(Vec::new()),
            call("1", "{}"),
            call("2", "{}"),
        ]),
        model(vec![reasoning(Vec::new())]),
        model(vec![reasoning(vec![ReasonText {
            kind: ReasonKind::Summary,
            text: "t".into(),
        }])]),
    ]);
    let written = parts(&request, &newest());
    assert_eq!(written[0]["thoughtSignature"], "c2ln");
    assert_eq!(written[1].get("thoughtSignature"), None);
    assert_eq!(
        written[2..],
        [
            json!({"text": "", "thoughtSignature": "c2ln"}),
            json!({"text": "t", "thought": true, "thoughtSignature": "c2ln"})
        ]
    );
}

#[test]
fn media_and_documents_have_their_forms() {
    let document = |source| {
        Part::new(Content::Document(Document {
            source,
            title: Some("t".into()),
            context: None,
            filename: None,
            citations: None,
        }))
    };
    let request = asked(vec![user(vec![
        picture(),
        Part::new(Content::Audio(Audio {
            source: Source::Bytes {
                mime: "audio/wav".into(),
                base64: "AA==".into(),
            },
            transcript: None,
            expires_at: None,
        })),
        document(Source::Url {
            url: "https://x.example/a.pdf".into(),
            mime: Some("application/pdf".into()),
        }),
        document(Source::Text("plain".into())),
        document(Source::Parts(vec![Part::text("a"), Part::text("b")])),
        document(Source::File {
            id: "files/1".into(),
            origin: Format::Gemini,
        }),
        Part::new(Content::Refusal("no".into())),
    ])]);
    assert_eq!(
        parts(&request, &newest()),
        [
            json!({"inlineData": {"mimeType": "image/png", "data": "AA=="}, "mediaResolution": {"level": "MEDIA_RESOLUTION_LOW"}}),
            json!({"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}),
            json!({"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}}),
            json!({"text": "plain"}),
            json!({"text": "a"}),
            json!({"text": "b"}),
            json!({"fileData": {"fileUri": "files/1"}}),
            json!({"text": "no"}),
        ]
    );
    let old = &parts(&request, &Profile::default())[0];
    assert_eq!(old.get("mediaResolution"), None);
}

#[test]
fn what_has_no_form_is_noted_and_leaves_no_empty_content() {
    let native = Content::Native(Native {
        format: Format::Claude,
        json: Json::trusted("{}"),
    });
    let at = Place::field("messages").item(1);
    let mut request = asked(vec![
        user(Vec::new()),
        model(vec![Part::new(native).at(at)]),
        user(vec![Part::text("x")]),
    ]);
    let (document, losses) = encoded(&request, &newest());
    assert_eq!(
        document,
        json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]})
    );
    assert_eq!(
        (&*losses[0].path, losses[0].change),
        ("messages[1]", Change::Dropped)
    );
    // What another format has of its own is none of Gemini's business.
    request.turns.truncate(1);
    request
        .native
        .0
        .push(("safetySettings".into(), Json::trusted("1")));
    request.state.store = Some(true);
    assert_eq!(encoded(&request, &newest()).0, json!({"contents": []}));
}

fn tool(kind: ToolKind<'static>) -> Tool<'static> {
    Tool {
        at: Place::field("tools").item(0),
        kind,
        cache: None,
        extra: Extra(vec![("strict".into(), Json::trusted("true"))]),
    }
}

fn function() -> Tool<'static> {
    tool(ToolKind::Function(Function {
        name: "f".into(),
        description: None,
        schema: Some(Json::trusted(r#"{"type":"OBJECT"}"#)),
        strict: Some(true),
    }))
}

fn provider(kind: ProviderKind) -> Tool<'static> {
    tool(ToolKind::Provider(ProviderTool {
        origin: Format::Claude,
        kind,
        name: None,
        native: Json::trusted(r#"{"type":"web_search_20250305"}"#),
        common: Common {
            mcp: (kind == ProviderKind::Mcp).then(|| McpServer {
                label: "m".into(),
                url: "https://m.example".into(),
                token: Some("t".into()),
                allowed_tools: None,
            }),
            ..Common::default()
        },
    }))
}

#[test]
fn tools_of_others_have_geminis_names() {
    let mut request = asked(Vec::new());
    request.tools = vec![
        provider(ProviderKind::WebSearch),
        function(),
        provider(ProviderKind::Mcp),
        provider(ProviderKind::ImageGeneration),
    ];
    request.tool_choice = Some(ToolChoice::Auto);
    let (document, losses) = encoded(&request, &newest());
    assert_eq!(losses, []);
    assert_eq!(
        document["tools"],
        json!([
            {"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]},
            {"googleSearch": {}},
            {"mcpServers": [{"name": "m", "streamableHttpTransport": {"url": "https://m.example", "headers": {"Authorization": "Bearer t"}}}]}
        ])
    );
    assert_eq!(
        document["toolConfig"],
        json!({"functionCallingConfig": {"mode": "AUTO"}, "includeServerSideToolInvocations": true})
    );
    assert_eq!(
        document["generationConfig"]["responseModalities"],
        json!(["TEXT", "IMAGE"])
    );
}

#[test]
fn tools_that_gemini_has_not_are_noted() {
    let mut request = asked(Vec::new());
    request.tools = vec![
        provider(ProviderKind::Shell),
        tool(ToolKind::Custom(CustomTool {
            name: "c".into(),
            description: None,
            format: CustomFormat::Text,
        })),
    ];
    request.tool_choice = Some(ToolChoice::Required);
    let (document, losses) = encoded(&request, &newest());
    assert_eq!(losses.len(), 1, "one place, one note");
    assert_eq!(document, json!({"contents": []}));
}

#[test]
fn the_choice_of_a_tool_has_a_mode() {
    let named = |required| ToolChoice::Allowed {
        required,
        names: vec!["f".into()],
    };
    for (choice, want) in [
        (ToolChoice::Auto, json!({"mode": "AUTO"})),
        (ToolChoice::None, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (
            ToolChoice::Named {
                name: "f".into(),
                kind: CallKind::Function,
            },
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ),
        (
            named(true),
            json!({"mode": "ANY", "allowedFunctionNames": ["f"]}),
        ),
        (
            named(false),
            json!({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
        ),
    ] {
        let mut request = asked(Vec::new());
        request.tools = vec![function()];
        request.tool_choice = Some(choice);
        let (document, _) = encoded(&request, &newest());
        assert_eq!(
            document["toolConfig"],
            json!({"functionCallingConfig": want})
        );
    }
}

#[test]
fn schemas_go_where_the_model_reads_them() {
    let mut profile = newest();
    let mut request = asked(Vec::new());
    request.tools = vec![function()];
    request.output.format = OutputFormat::JsonSchema {
        name: Some("n".into()),
        description: None,
        schema: Json::trusted("{}"),
        strict: Some(true),
    };
    for (is_json, parameters, response) in [
        (false, "parameters", "responseSchema"),
        (true, "parametersJsonSchema", "responseJsonSchema"),
    ] {
        profile.gemini.json_schema = is_json;
        let (document, _) = encoded(&request, &profile);
        assert_eq!(
            document["tools"][0]["functionDeclarations"][0],
            json!({"name": "f", parameters: {"type": "OBJECT"}})
        );
        assert_eq!(
            document["generationConfig"],
            json!({"responseMimeType": "application/json", response: {}})
        );
    }
}

#[test]
fn a_budget_and_a_level_are_never_sent_together() {
    let thinking = |effort, budget, expose| {
        let mut request = asked(Vec::new());
        request.reasoning = Some(Reasoning {
            mode: ReasoningMode::On,
            effort,
            budget,
            expose,
        });
        encoded(&request, &newest()).0["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(
        thinking(Some(Effort::XHigh), None, Some(Expose::Detailed)),
        json!({"thinkingLevel": "XHIGH", "includeThoughts": true})
    );
    assert_eq!(
        thinking(Some(Effort::High), Some(5), None),
        json!({"thinkingBudget": 5})
    );
    assert_eq!(
        thinking(None, Some(0), Some(Expose::Nothing)),
        json!({"thinkingBudget": 0, "includeThoughts": false})
    );
    assert_eq!(thinking(None, None, Some(Expose::Nothing)), Value::Null);
}

#[test]
fn instructions_are_one_and_have_no_role() {
    let mut request = asked(vec![user(vec![Part::text("x")])]);
    for level in [Level::System, Level::Developer] {
        let parts = vec![Part::text("a"), Part::new(Content::Text(Text::new("b")))];
        request
            .instructions
            .push(Turn::new(Role::Instruction(level), parts));
    }
    assert_eq!(
        encoded(&request, &newest()).0["systemInstruction"],
        json!({"parts": [{"text": "a"}, {"text": "b"}, {"text": "a"}, {"text": "b"}]})
    );
}

#[test]
fn a_voice_is_a_prebuilt_one() {
    let mut request = asked(Vec::new());
    request.output.audio = Some(Json::trusted(r#"{"voice":"Kore","format":"wav"}"#));
    assert_eq!(
        encoded(&request, &newest()).0["generationConfig"]["speechConfig"],
        json!({"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}})
    );
}

#[test]
fn a_longer_history_begins_like_a_shorter_one() {
    let mut turns = vec![
        user(vec![Part::text("x")]),
        model(vec![call("1", "{}")]),
        user(vec![result("1", vec![Part::text("y")], None)]),
    ];
    let bytes = |turns: &[Turn<'static>]| {
        let mut out = Vec::new();
        let mut losses = Losses::new(OnLoss::Warn);
        let request = asked(turns.to_vec());
        Gemini
            .encode_request(&request, &newest(), &mut losses, &mut out)
            .unwrap();
        String::from_utf8(out).unwrap()
    };
    let all = bytes(&turns);
    turns.pop();
    let shorter = bytes(&turns);
    assert!(all.starts_with(shorter.strip_suffix("]}").unwrap()));
}
