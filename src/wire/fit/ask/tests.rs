//! What is asked for, fitted to each target, rule by rule.

use super::super::exposes_reasoning;
use super::*;
use crate::chat::{
    CallKind, Common, Content, CustomFormat, CustomTool, Effort, Event, Expose, Extra, Function,
    Json, Logprobs, Modality, OnLoss, Opening, OutputFormat, Part, Place, ProviderKind,
    ProviderTool, Reasoning, ReasoningMode, Role, Tier, Tool, ToolCall, ToolChoice, ToolKind,
    ToolResult, Turn,
};
use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};

fn shipped(format: Format, model: &str) -> Profile {
    let host = match format {
        OpenAiChat | OpenAiResponses => "api.openai.com",
        _ => "elsewhere.example",
    };
    Profile::shipped(format, host, model)
}

fn ask(request: &mut Request<'_>, target: Format, model: &str) -> Result<Vec<String>, Fault> {
    ask_as(request, target, &shipped(target, model), OnLoss::Warn)
}

fn ask_as(
    request: &mut Request<'_>,
    target: Format,
    profile: &Profile,
    policy: OnLoss,
) -> Result<Vec<String>, Fault> {
    let mut losses = Losses::new(policy);
    let mut restore = Restore::default();
    fit(request, target, profile, &mut losses, &mut restore)?;
    let notes = losses.notes().iter();
    Ok(notes
        .map(|loss| format!("{} {}", loss.path, loss.change.name()))
        .collect())
}

fn refused(request: &mut Request<'_>, target: Format, model: &str) -> String {
    let fault = ask(request, target, model).unwrap_err();
    fault.param.unwrap().into_owned()
}

fn function(name: &'static str) -> Tool<'static> {
    tool(ToolKind::Function(Function {
        name: name.into(),
        description: None,
        schema: Some(Json::trusted(
            r#"{"type":"object","properties":{"a":{"type":"string"}}}"#,
        )),
        strict: None,
    }))
}

fn custom(name: &'static str) -> Tool<'static> {
    tool(ToolKind::Custom(CustomTool {
        name: name.into(),
        description: None,
        format: CustomFormat::Text,
    }))
}

fn provider(origin: Format, kind: ProviderKind, native: &'static str) -> Tool<'static> {
    tool(ToolKind::Provider(ProviderTool {
        origin,
        kind,
        name: None,
        native: Json::trusted(native),
        common: Common::default(),
    }))
}

fn tool(kind: ToolKind<'static>) -> Tool<'static> {
    Tool {
        at: Place::field("tools").item(0),
        kind,
        cache: None,
        extra: Extra::default(),
    }
}

fn thinking(mode: ReasoningMode, effort: Option<Effort>, budget: Option<i64>) -> Reasoning {
    Reasoning {
        mode,
        effort,
        budget,
        expose: None,
    }
}

fn number(text: &'static str) -> Option<Json<'static>> {
    Some(Json::trusted(text))
}

fn names(request: &Request<'_>) -> Vec<String> {
    let name = |tool: &Tool<'_>| match &tool.kind {
        ToolKind::Function(function) => function.name.clone().into_owned(),
        ToolKind::Custom(custom) => format!("custom {}", custom.name),
        ToolKind::Provider(tool) => format!("{:?}", tool.kind),
        ToolKind::Namespace { .. } => "namespace".to_owned(),
    };
    request.tools.iter().map(name).collect()
}

fn call(name: &'static str, arguments: &'static str, kind: CallKind) -> Part<'static> {
    Part::new(Content::ToolCall(ToolCall {
        id: "c".into(),
        name: name.into(),
        arguments: arguments.into(),
        kind,
        namespace: None,
        item_id: None,
    }))
}

#[test]
fn a_request_that_stays_in_its_format_is_not_touched() {
    for format in Format::ALL {
        let mut request = Request::new(format);
        request.state.previous_response = Some("r".into());
        request.native = Extra(vec![("thread".into(), Json::trusted("{}"))]);
        request.sampling.top_k = number("3");
        request.tools = vec![function("a.b")];
        request.tool_choice = Some(ToolChoice::Required);
        let before = request.clone();
        assert_eq!(ask(&mut request, format, "who-knows").unwrap(), [""; 0]);
        assert_eq!(request, before);
    }
}

#[test]
fn what_another_provider_stores_is_refused() {
    for target in [OpenAiChat, Claude, Gemini] {
        let mut request = Request::new(OpenAiResponses);
        request.state.previous_response = Some("resp_1".into());
        assert_eq!(refused(&mut request, target, "m"), "previous_response_id");
        let mut request = Request::new(OpenAiResponses);
        request.state.background = true;
        assert_eq!(refused(&mut request, target, "m"), "background");
    }
    let mut request = Request::new(Gemini);
    request.state.cached_content = Some("c".into());
    assert_eq!(refused(&mut request, Claude, "m"), "cachedContent");

    let mut request = Request::new(OpenAiChat);
    request.state.store = Some(true);
    assert_eq!(ask(&mut request, Claude, "m").unwrap(), [""; 0]);
    request.state.store = Some(true);
    let profile = Profile::default();
    assert!(ask_as(&mut request, Claude, &profile, OnLoss::Reject).is_err());
}

#[test]
fn several_answers_only_where_there_are_some() {
    for (target, is_kept) in [(Gemini, true), (Claude, false), (OpenAiResponses, false)] {
        let mut request = Request::new(OpenAiChat);
        request.candidates = Some(2);
        assert_eq!(ask(&mut request, target, "m").is_ok(), is_kept);
        let mut request = Request::new(OpenAiChat);
        request.candidates = Some(1);
        ask(&mut request, target, "m").unwrap();
        assert_eq!(request.candidates, None);
    }
}

#[test]
fn native_members_are_lost_loudly_where_they_matter() {
    let native = |origin, key: &'static str, value: &'static str| {
        let mut request = Request::new(origin);
        request.native = Extra(vec![(key.into(), Json::trusted(value))]);
        let done = ask(&mut request, OpenAiChat, "m").map(|notes| notes.join(";"));
        (done.map_err(|fault| fault.param), request.native.0.len())
    };
    let quiet = (Ok(String::new()), 0);
    assert_eq!(native(Claude, "inference_geo", "\"eu\""), quiet);
    assert_eq!(native(OpenAiResponses, "truncation", "\"auto\""), quiet);
    assert_eq!(native(Claude, "context_management", "null"), quiet);
    let told = (Ok("context_management dropped".to_owned()), 0);
    assert_eq!(native(Claude, "context_management", "{}"), told);
    assert_eq!(
        native(Claude, "container", "\"c_1\"").0,
        Err(Some("container".into()))
    );
    assert_eq!(native(Claude, "thread", "{}").0, Err(Some("thread".into())));
    let strict = r#"[{"category":"c","threshold":"BLOCK_LOW_AND_ABOVE"}]"#;
    let loose = r#"[{"category":"c","threshold":"OFF"}]"#;
    assert_eq!(
        native(Gemini, "safety_settings", strict).0,
        Ok("safetySettings dropped".to_owned())
    );
    assert_eq!(native(Gemini, "safetySettings", loose), quiet);
}

#[test]
fn sampling_goes_only_where_it_is_taken() {
    let asked = || {
        let mut request = Request::new(OpenAiChat);
        let sampling = &mut request.sampling;
        sampling.temperature = number("1.5");
        sampling.top_p = number("0.5");
        sampling.top_k = number("3");
        sampling.seed = number("7");
        sampling.presence_penalty = number("1");
        sampling.logit_bias = number("{}");
        request.logprobs = Some(Logprobs { top: Some(1) });
        request
    };
    let mut request = asked();
    let notes = ask(&mut request, Claude, "claude-opus-4-7").unwrap();
    assert_eq!(request.sampling, crate::chat::Sampling::default());
    assert!(
        notes.contains(&"temperature dropped".to_owned()),
        "{notes:?}"
    );
    assert_eq!(request.logprobs, None);

    let mut request = asked();
    let notes = ask(&mut request, Claude, "claude-sonnet-4-5").unwrap();
    assert_eq!(request.sampling.temperature, number("1"));
    assert_eq!(
        (request.sampling.top_p, request.sampling.top_k),
        (None, number("3"))
    );
    assert!(
        notes.contains(&"temperature clamped".to_owned()),
        "{notes:?}"
    );

    let mut request = asked();
    request.reasoning = Some(thinking(ReasoningMode::On, Some(Effort::Low), None));
    ask(&mut request, Claude, "claude-sonnet-4-5").unwrap();
    assert_eq!(request.sampling.temperature, number("1"));
    assert_eq!(request.sampling.top_k, None);
    let mut request = asked();
    request.sampling.temperature = number("0.3");
    request.sampling.top_p = number("0.97");
    request.reasoning = Some(thinking(ReasoningMode::On, Some(Effort::Low), None));
    ask(&mut request, Claude, "claude-sonnet-4-5").unwrap();
    assert_eq!(request.sampling.temperature, None);
    assert_eq!(request.sampling.top_p, number("0.97"));

    let mut request = asked();
    ask(&mut request, OpenAiResponses, "gpt-4o").unwrap();
    assert_eq!(request.sampling.temperature, number("1.5"));
    assert_eq!(
        (request.sampling.seed, request.sampling.top_k),
        (None, None)
    );

    let mut request = Request {
        origin: Claude,
        ..asked()
    };
    ask(&mut request, OpenAiChat, "gpt-5").unwrap();
    assert_eq!(
        (request.sampling.temperature, request.logprobs),
        (None, None)
    );
    let mut request = Request {
        origin: Claude,
        ..asked()
    };
    request.reasoning = Some(thinking(ReasoningMode::Off, None, None));
    ask(&mut request, OpenAiChat, "gpt-5.2").unwrap();
    assert_eq!(request.sampling.temperature, number("1.5"));
    assert_eq!(request.sampling.presence_penalty, None);

    let mut request = asked();
    ask(&mut request, Gemini, "gemini-2.5-pro").unwrap();
    assert!(request.sampling.seed.is_some() && request.sampling.top_k.is_some());
    assert_eq!(request.sampling.logit_bias, None);
}

#[test]
fn more_stop_sequences_than_chat_takes_are_cut_here() {
    let mut request = Request::new(Claude);
    request.stop = ["a", "b", "c", "d", "e"].map(Into::into).to_vec();
    let notes = ask(&mut request, OpenAiChat, "gpt-4o").unwrap();
    assert_eq!(request.stop, ["a", "b", "c", "d"]);
    assert_eq!(notes, ["stop_sequences approximated"]);
}

#[test]
fn the_session_of_an_agent_is_a_user_that_openai_takes() {
    let session = format!(r#"{{"device_id":"{}","session_id":"s"}}"#, "0".repeat(64));
    let user = |target, model| {
        let mut request = Request::new(Claude);
        request.user.end_user = Some(session.clone().into());
        ask(&mut request, target, model).unwrap();
        request.user.end_user.unwrap().into_owned()
    };
    let name = user(OpenAiChat, "gpt-5");
    assert!(name.starts_with("user_") && name.len() < 64, "{name}");
    assert_eq!(name, user(OpenAiResponses, "gpt-5"), "always the same");
}

#[test]
fn stop_sequences() {
    let asked = |target, model, stops: &[&'static str]| {
        let mut request = Request::new(OpenAiChat);
        request.stop = stops.iter().map(|stop| (*stop).into()).collect();
        let notes = ask(&mut request, target, model).unwrap();
        (
            request.stop.len(),
            notes.contains(&"stop dropped".to_owned()),
        )
    };
    assert_eq!(asked(Claude, "m", &["a", " \n", ""]), (1, true));
    assert_eq!(
        asked(Gemini, "m", &["a", "b", "c", "d", "e", "f"]),
        (5, true)
    );
    assert_eq!(asked(Gemini, "m", &["a", "b"]), (2, false));
    assert_eq!(asked(OpenAiResponses, "m", &["a"]), (0, false));
    let mut request = Request::new(Claude);
    request.stop = vec!["a".into()];
    let notes = ask(&mut request, OpenAiChat, "o3").unwrap();
    assert_eq!(
        (request.stop.len(), notes),
        (0, vec!["stop_sequences approximated".to_owned()])
    );
    // More than the provider takes, and what is none.
    let stops = ["a", "", "b", "c", "d", "e"];
    assert_eq!(asked(Gemini, "m", &["a", ""]), (1, false));
    let mut request = Request::new(Claude);
    request.stop = stops.iter().map(|stop| (*stop).into()).collect();
    let notes = ask(&mut request, OpenAiChat, "gpt-4o").unwrap();
    assert_eq!(request.stop, ["a", "b", "c", "d"]);
    assert_eq!(notes, ["stop_sequences approximated"]);
}

#[test]
fn the_length_of_an_answer() {
    let asked = |target, model, limit| {
        let mut request = Request::new(OpenAiChat);
        request.max_output_tokens = limit;
        ask(&mut request, target, model).unwrap();
        request.max_output_tokens
    };
    assert_eq!(asked(Claude, "claude-sonnet-4-5", None), Some(32_000));
    assert_eq!(asked(Claude, "claude-opus-4-1", Some(99_999)), Some(32_000));
    assert_eq!(asked(Claude, "who-knows", None), Some(4096));
    assert_eq!(asked(OpenAiResponses, "m", Some(3)), Some(16));
    assert_eq!(asked(OpenAiResponses, "m", None), None);
    assert_eq!(asked(Gemini, "m", None), None);
    assert_eq!(asked(Gemini, "gemini-2.0-flash", Some(9000)), Some(8192));
    assert_eq!(asked(Gemini, "m", Some(900_000)), Some(900_000));
    assert_eq!(asked(OpenAiResponses, "gpt-4o", Some(32_000)), Some(16_384));

    let mut request = Request::new(Claude);
    request.max_output_tokens = Some(32_000);
    let notes = ask(&mut request, OpenAiChat, "gpt-4o").unwrap();
    assert_eq!(request.max_output_tokens, Some(16_384));
    assert_eq!(notes, ["max_tokens clamped"]);

    let mut request = Request::new(Claude);
    request.max_output_tokens = Some(0);
    assert_eq!(refused(&mut request, Gemini, "m"), "max_tokens");
    ask(&mut request, OpenAiResponses, "m").unwrap();
    let options = request.caching.options.unwrap();
    assert_eq!(
        (request.max_output_tokens, options.as_str()),
        (None, "{\"prewarm\":true}")
    );
}

#[test]
fn how_much_to_think() {
    use Effort::{High, Low, Max, Medium, Minimal, XHigh};
    use ReasoningMode::{Auto, Off, On};
    let fitted = |target, model, asked: (ReasoningMode, Option<Effort>, Option<i64>)| {
        let mut request = Request::new(OpenAiResponses);
        if target == OpenAiResponses {
            request.origin = OpenAiChat;
        }
        request.reasoning = Some(thinking(asked.0, asked.1, asked.2));
        ask(&mut request, target, model).unwrap();
        let found = request.reasoning;
        found.map(|found| (found.mode, found.effort, found.budget))
    };
    let effort = |effort| (On, Some(effort), None);
    let budget = |budget| (On, None, Some(budget));
    let none = Some(Effort::None);
    for (target, model, asked, wanted) in [
        // OpenAI.
        (OpenAiChat, "gpt-5", effort(High), Some(effort(High))),
        (OpenAiChat, "gpt-5", effort(XHigh), Some(effort(High))),
        (
            OpenAiChat,
            "gpt-5",
            (Off, None, None),
            Some(effort(Minimal)),
        ),
        (
            OpenAiChat,
            "gpt-5.2",
            (Off, None, None),
            Some(effort(Effort::None)),
        ),
        (OpenAiChat, "o3", effort(Minimal), Some(effort(Low))),
        (OpenAiChat, "o3", budget(5000), Some(effort(Medium))),
        (OpenAiChat, "gpt-4o", effort(Low), None),
        (OpenAiChat, "gpt-5", (Auto, None, None), None),
        // Adaptive.
        (
            Claude,
            "claude-opus-4-6",
            effort(XHigh),
            Some((Auto, Some(High), None)),
        ),
        (
            Claude,
            "claude-opus-4-7",
            effort(Minimal),
            Some((Auto, Some(Low), None)),
        ),
        (
            Claude,
            "claude-opus-5",
            budget(40_000),
            Some((Auto, Some(XHigh), None)),
        ),
        (
            Claude,
            "claude-opus-5",
            (Auto, None, None),
            Some((Auto, None, None)),
        ),
        (
            Claude,
            "claude-opus-5",
            (On, none, None),
            Some((Off, None, None)),
        ),
        (
            Claude,
            "claude-opus-5",
            (Off, Some(Max), None),
            Some((Off, Some(High), None)),
        ),
        (
            Claude,
            "claude-fable-5",
            (Off, None, None),
            Some(effort(Low)),
        ),
        // With a budget.
        (Claude, "claude-sonnet-4-5", effort(Low), Some(budget(2048))),
        (Claude, "claude-sonnet-4-5", budget(10), Some(budget(1024))),
        (
            Claude,
            "claude-sonnet-4-5",
            (Auto, None, None),
            Some(budget(8192)),
        ),
        (
            Claude,
            "claude-sonnet-4-5",
            effort(Max),
            Some(budget(62_976)),
        ),
        (
            Claude,
            "claude-sonnet-4-5",
            (Off, None, None),
            Some((Off, None, None)),
        ),
        // Levels.
        (Gemini, "gemini-3-pro", effort(Medium), Some(effort(Low))),
        (Gemini, "gemini-3-pro", effort(Max), Some(effort(High))),
        (Gemini, "gemini-3-pro", (Off, None, None), Some(effort(Low))),
        (Gemini, "gemini-3-flash", budget(600), Some(effort(Minimal))),
        (
            Gemini,
            "gemini-3-flash",
            (Auto, None, None),
            Some((Auto, None, None)),
        ),
        // Budgets.
        (
            Gemini,
            "gemini-2.5-pro",
            (Off, None, None),
            Some(budget(128)),
        ),
        (
            Gemini,
            "gemini-2.5-flash",
            (Off, None, None),
            Some(budget(0)),
        ),
        (
            Gemini,
            "gemini-2.5-flash",
            effort(Max),
            Some(budget(24_576)),
        ),
        (
            Gemini,
            "gemini-2.5-flash-lite",
            budget(5),
            Some(budget(512)),
        ),
        (
            Gemini,
            "gemini-2.5-flash",
            (Auto, None, None),
            Some((Auto, None, Some(-1))),
        ),
        (Gemini, "gemini-2.0-flash", effort(Low), None),
    ] {
        assert_eq!(
            fitted(target, model, asked),
            wanted,
            "{target:?} {model} {asked:?}"
        );
    }
}

#[test]
fn a_thinking_budget_leaves_room_for_the_answer() {
    let fitted = |limit, budget| {
        let mut request = Request::new(OpenAiChat);
        request.max_output_tokens = limit;
        request.reasoning = Some(thinking(ReasoningMode::On, None, Some(budget)));
        ask(&mut request, Claude, "claude-sonnet-4-5").unwrap();
        let budget = request.reasoning.and_then(|reasoning| reasoning.budget);
        (request.max_output_tokens.unwrap(), budget)
    };
    assert_eq!(fitted(Some(4096), 8000), (4096, Some(3072)));
    assert_eq!(fitted(Some(2000), 8000), (2000, None));
    assert_eq!(fitted(None, 40_000), (41_024, Some(40_000)));
    assert_eq!(fitted(None, 2000), (32_000, Some(2000)));
}

#[test]
fn who_sees_reasoning() {
    let mut request = Request::new(OpenAiChat);
    assert!(exposes_reasoning(&request));
    for origin in [OpenAiResponses, Claude, Gemini] {
        request = Request::new(origin);
        assert!(!exposes_reasoning(&request));
        request.reasoning = Some(thinking(ReasoningMode::On, Some(Effort::Low), None));
        assert!(!exposes_reasoning(&request), "{origin:?}");
        request.reasoning.as_mut().unwrap().expose = Some(Expose::Auto);
        assert!(exposes_reasoning(&request));
        request.reasoning.as_mut().unwrap().expose = Some(Expose::Nothing);
        assert!(!exposes_reasoning(&request));
    }
    request = Request::new(Claude);
    for asked in [(ReasoningMode::Auto, None), (ReasoningMode::On, Some(2048))] {
        request.reasoning = Some(thinking(asked.0, None, asked.1));
        assert!(exposes_reasoning(&request));
        let mut fitted = request.clone();
        ask(&mut fitted, Gemini, "gemini-3-pro").unwrap();
        assert_eq!(fitted.reasoning.unwrap().expose, Some(Expose::Auto));
    }
    // An effort alone does not turn thinking on.
    request.reasoning = Some(thinking(ReasoningMode::Auto, Some(Effort::Low), None));
    assert!(!exposes_reasoning(&request));
    request.native = Extra(vec![("thinking".into(), Json::trusted("{}"))]);
    assert!(exposes_reasoning(&request));
    ask(&mut request, OpenAiResponses, "gpt-5").unwrap();
    assert_eq!(request.reasoning.unwrap().expose, Some(Expose::Auto));
    // New models show nothing unless they are told to.
    let mut request = Request::new(OpenAiResponses);
    request.reasoning = Some(thinking(ReasoningMode::On, Some(Effort::Low), None));
    ask(&mut request, Claude, "claude-opus-5").unwrap();
    assert_eq!(request.reasoning.unwrap().expose, Some(Expose::Nothing));
}

#[test]
fn nothing_is_said_about_tools_that_are_not_there() {
    for target in [OpenAiChat, OpenAiResponses, Claude, Gemini] {
        let origin = if target == Claude { OpenAiChat } else { Claude };
        let mut request = Request::new(origin);
        request.tool_choice = Some(ToolChoice::Required);
        request.parallel_tools = Some(false);
        ask(&mut request, target, "m").unwrap();
        assert_eq!((request.tool_choice, request.parallel_tools), (None, None));
    }
}

#[test]
fn names_are_the_same_in_tools_choice_and_history() {
    let mut request = Request::new(Claude);
    request.tools = vec![function("srv.do/it"), function("ok")];
    request.tool_choice = Some(ToolChoice::Named {
        name: "srv.do/it".into(),
        kind: CallKind::Function,
    });
    let arguments = r#"{"format":1,"$ref":"x","const":1.0}"#;
    let result = Part::new(Content::ToolResult(ToolResult {
        call: "c".into(),
        name: Some("srv.do/it".into()),
        content: Vec::new(),
        is_error: None,
        kind: CallKind::Function,
    }));
    let called = call("srv.do/it", arguments, CallKind::Function);
    request.turns = vec![
        Turn::new(Role::Assistant, vec![called]),
        Turn::new(Role::User, vec![result]),
    ];
    let notes = ask(&mut request, OpenAiChat, "gpt-4o").unwrap();
    assert_eq!(notes, ["tools[0] renamed"]);
    let all = names(&request);
    let name = all[0].as_str();
    assert!(name.starts_with("srv_do_it_") && all[1] == "ok", "{all:?}");
    assert!(
        matches!(&request.tool_choice, Some(ToolChoice::Named { name: chosen, .. }) if chosen == name)
    );
    match &request.turns[0].parts[0].content {
        Content::ToolCall(call) => {
            assert_eq!((&*call.name, &*call.arguments), (name, arguments));
        }
        other => panic!("{other:?}"),
    }
    match &request.turns[1].parts[0].content {
        Content::ToolResult(result) => assert_eq!(result.name.as_deref(), Some(name)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn free_form_tools_and_namespaces() {
    let asked = || {
        let mut request = Request::new(OpenAiResponses);
        request.tools = vec![
            custom("patch"),
            tool(ToolKind::Namespace {
                name: "ns".into(),
                description: None,
                tools: vec![function("run")],
            }),
        ];
        let mut called = call("run", "{}", CallKind::Function);
        if let Content::ToolCall(call) = &mut called.content {
            call.namespace = Some("ns".into());
        }
        let patch = call("patch", "*** \"x\"\n", CallKind::Custom);
        request.turns = vec![Turn::new(Role::Assistant, vec![patch, called])];
        request
    };
    let calls = |request: &Request<'_>| -> Vec<(String, String, CallKind)> {
        let calls = request.turns[0]
            .parts
            .iter()
            .map(|part| match &part.content {
                Content::ToolCall(call) => {
                    (call.name.to_string(), call.arguments.to_string(), call.kind)
                }
                other => panic!("{other:?}"),
            });
        calls.collect()
    };
    let run = ("ns__run".to_owned(), "{}".to_owned(), CallKind::Function);
    for target in [Claude, Gemini] {
        let mut request = asked();
        ask(&mut request, target, "m").unwrap();
        assert_eq!(names(&request), ["patch", "ns__run"]);
        let input = r#"{"input":"*** \"x\"\n"}"#.to_owned();
        assert_eq!(
            calls(&request),
            [("patch".to_owned(), input, CallKind::Function), run.clone()]
        );
    }
    let mut request = asked();
    ask(&mut request, OpenAiChat, "gpt-5").unwrap();
    assert_eq!(names(&request), ["custom patch", "ns__run"]);
    assert_eq!(calls(&request)[0].2, CallKind::Custom);
    // Other servers of the dialect have functions only.
    let mut request = asked();
    let profile = Profile::shipped(OpenAiChat, "api.deepseek.com", "m");
    ask_as(&mut request, OpenAiChat, &profile, OnLoss::Warn).unwrap();
    assert_eq!(names(&request), ["patch", "ns__run"]);
}

#[test]
fn provider_tools() {
    use ProviderKind::{Bash, CodeExecution, FileSearch, ImageGeneration, WebFetch, WebSearch};
    let asked = |origin, kind, target, model: &str| {
        let mut request = Request::new(origin);
        request.tools = vec![provider(origin, kind, "{}")];
        let done = ask(&mut request, target, model);
        done.map(|notes| (names(&request).join(","), notes.join(",")))
            .map_err(|fault| fault.param.unwrap().into_owned())
    };
    let kept = |name: &str| Ok((name.to_owned(), String::new()));
    let dropped = || Ok((String::new(), "tools[0] dropped".to_owned()));
    let no = || Err("tools[0]".to_owned());
    assert_eq!(
        asked(Claude, WebSearch, OpenAiResponses, "m"),
        kept("WebSearch")
    );
    assert_eq!(asked(Claude, WebSearch, Gemini, "m"), kept("WebSearch"));
    assert_eq!(asked(Claude, WebSearch, OpenAiChat, "gpt-5"), dropped());
    assert_eq!(
        asked(Claude, WebSearch, OpenAiChat, "gpt-4o-search-preview"),
        kept("WebSearch")
    );
    assert_eq!(asked(Gemini, CodeExecution, OpenAiChat, "m"), dropped());
    assert_eq!(asked(OpenAiResponses, FileSearch, Claude, "m"), no());
    assert_eq!(asked(OpenAiResponses, ImageGeneration, Claude, "m"), no());
    let approximated = |name: &str| Ok((name.to_owned(), "tools[0] approximated".to_owned()));
    assert_eq!(
        asked(Claude, WebFetch, OpenAiResponses, "m"),
        approximated("WebSearch")
    );
    assert_eq!(
        asked(OpenAiResponses, ImageGeneration, Gemini, "m"),
        approximated("")
    );
    assert_eq!(asked(Claude, Bash, Gemini, "m"), approximated("bash"));

    // Older models of Gemini's do not mix them.
    for (model, wanted) in [
        ("gemini-2.5-pro", vec!["f"]),
        ("gemini-3-pro", vec!["f", "WebSearch"]),
    ] {
        let mut request = Request::new(Claude);
        request.tools = vec![provider(Claude, WebSearch, "{}"), function("f")];
        ask(&mut request, Gemini, model).unwrap();
        assert_eq!(names(&request), wanted);
    }
}

#[test]
fn which_pages_may_be_read_is_not_forgotten() {
    let search = |allowed: bool| {
        let mut request = Request::new(Claude);
        let mut tool = provider(Claude, ProviderKind::WebSearch, "{}");
        if let ToolKind::Provider(tool) = &mut tool.kind {
            let list = if allowed {
                &mut tool.common.allowed_domains
            } else {
                &mut tool.common.blocked_domains
            };
            list.push("example.com".into());
        }
        request.tools = vec![tool];
        request
    };
    let mut counted = search(true);
    if let ToolKind::Provider(tool) = &mut counted.tools[0].kind {
        tool.common.max_uses = Some(3);
    }
    let notes = ask(&mut counted, OpenAiResponses, "m").unwrap();
    assert_eq!(notes, ["tools[0].max_uses dropped"]);
    assert!(ask(&mut search(false), OpenAiResponses, "m").is_err());
    assert!(ask(&mut search(true), Gemini, "m").is_err());
    let profile = Profile::default();
    assert!(ask_as(&mut search(false), Gemini, &profile, OnLoss::Quiet).is_ok());
    // Pages are read by the search there: its list counts.
    let fetch = provider(Claude, ProviderKind::WebFetch, "{}");
    let mut both = search(true);
    both.tools.insert(0, fetch.clone());
    ask(&mut both, OpenAiResponses, "m").unwrap();
    assert_eq!(names(&both), ["WebSearch"]);
    assert!(matches!(&both.tools[0].kind, ToolKind::Provider(tool)
        if tool.common.allowed_domains == ["example.com"]));
    let mut both = search(false);
    if let ToolKind::Provider(tool) = &mut both.tools[0].kind {
        tool.common.blocked_domains.clear();
    }
    let mut fetch = fetch;
    if let ToolKind::Provider(tool) = &mut fetch.kind {
        tool.common.allowed_domains.push("example.com".into());
    }
    both.tools.push(fetch);
    assert!(ask(&mut both, OpenAiResponses, "m").is_err());
}

#[test]
fn calls_of_typed_tools_are_calls_of_functions() {
    let mut request = Request::new(OpenAiResponses);
    request.tools = vec![provider(
        OpenAiResponses,
        ProviderKind::Shell,
        r#"{"type":"local_shell"}"#,
    )];
    request.tool_choice = Some(ToolChoice::Provider {
        kind: ProviderKind::Shell,
        native: Json::trusted("{}"),
    });
    let called = call(
        "",
        "{\"type\":\"exec\"}",
        CallKind::Typed("local_shell_call"),
    );
    request.turns = vec![Turn::new(Role::Assistant, vec![called])];
    ask(&mut request, OpenAiChat, "m").unwrap();
    assert_eq!(names(&request), ["local_shell"]);
    assert!(
        matches!(&request.tool_choice, Some(ToolChoice::Named { name, .. }) if name == "local_shell")
    );
    match &request.turns[0].parts[0].content {
        Content::ToolCall(call) => {
            assert_eq!(
                (&*call.name, call.kind),
                ("local_shell", CallKind::Function)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tool_is_forced_only_where_it_may_be() {
    let asked = |model, choice: ToolChoice<'static>, thinks: bool| {
        let mut request = Request::new(OpenAiChat);
        request.tools = vec![function("f"), function("g")];
        request.tool_choice = Some(choice);
        request.reasoning = thinks.then(|| thinking(ReasoningMode::On, Some(Effort::Low), None));
        let notes = ask(&mut request, Claude, model).unwrap();
        let is_told = notes.contains(&"tool_choice approximated".to_owned());
        (
            request.tool_choice.clone().unwrap(),
            names(&request).len(),
            is_told,
        )
    };
    let named = || ToolChoice::Named {
        name: "g".into(),
        kind: CallKind::Function,
    };
    let auto = || ToolChoice::Auto;
    assert_eq!(
        asked("claude-sonnet-4-5", named(), false),
        (named(), 2, false)
    );
    assert_eq!(asked("claude-sonnet-4-5", named(), true), (auto(), 1, true));
    assert_eq!(asked("claude-opus-5", named(), true), (named(), 2, false));
    assert_eq!(asked("claude-opus-5-5", named(), false), (auto(), 1, true));
    assert_eq!(
        asked("claude-opus-5-5", ToolChoice::Required, false),
        (auto(), 2, true)
    );
    let allowed = ToolChoice::Allowed {
        required: true,
        names: vec!["g".into()],
    };
    assert_eq!(
        asked("claude-opus-5", allowed, false),
        (ToolChoice::Required, 1, true)
    );
}

#[test]
fn one_call_at_a_time() {
    let asked = |target, choice: Option<ToolChoice<'static>>| {
        let mut request = Request::new(OpenAiChat);
        request.tools = vec![function("f")];
        request.parallel_tools = Some(false);
        request.tool_choice = choice;
        let notes = ask(&mut request, target, "m").unwrap();
        (request.parallel_tools, notes)
    };
    assert_eq!(asked(Claude, None), (Some(false), vec![]));
    assert_eq!(asked(Claude, Some(ToolChoice::None)), (None, vec![]));
    let told = vec!["parallel_tool_calls dropped".to_owned()];
    assert_eq!(asked(Gemini, None), (None, told));
}

fn wants_schema(origin: Format, schema: &'static str) -> Request<'static> {
    let mut request = Request::new(origin);
    request.output.format = OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: Json::trusted(schema),
        strict: None,
    };
    request
}

const SAYABLE: &str = r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}"#;
const MAP: &str = r#"{"type":"object","additionalProperties":{"type":"string"}}"#;

#[test]
fn answers_that_fit_a_schema() {
    let mut request = wants_schema(OpenAiChat, SAYABLE);
    ask(&mut request, Claude, "claude-sonnet-4-5").unwrap();
    assert!(
        matches!(&request.output.format, OutputFormat::JsonSchema { schema, .. }
        if schema.as_str().contains("\"additionalProperties\":false"))
    );

    let mut request = wants_schema(Gemini, SAYABLE);
    ask(&mut request, OpenAiResponses, "m").unwrap();
    assert!(
        matches!(&request.output.format, OutputFormat::JsonSchema { name, strict, .. }
        if name.as_deref() == Some("response") && *strict == Some(true))
    );

    let mut request = wants_schema(OpenAiChat, SAYABLE);
    request.tools = vec![function("f")];
    ask(&mut request, Gemini, "gemini-2.5-pro").unwrap();
    assert_eq!(request.output.format, OutputFormat::Text);
    assert!(
        request.instructions[0].parts[0]
            .as_text()
            .unwrap()
            .contains(SAYABLE)
    );
    let mut request = wants_schema(OpenAiChat, SAYABLE);
    request.tools = vec![function("f")];
    ask(&mut request, Gemini, "gemini-3-pro").unwrap();
    assert!(matches!(
        request.output.format,
        OutputFormat::JsonSchema { .. }
    ));
}

#[test]
fn answers_as_the_input_of_a_tool() {
    for (model, schema) in [("claude-sonnet-4-5", MAP), ("claude-opus-4", SAYABLE)] {
        let mut request = wants_schema(OpenAiChat, schema);
        ask(&mut request, Claude, model).unwrap();
        assert_eq!(names(&request), ["__aiproxy_json"]);
        assert_eq!(request.output.format, OutputFormat::Text);
        assert!(
            matches!(&request.tool_choice, Some(ToolChoice::Named { name, .. })
            if name == "__aiproxy_json")
        );
    }
    let mut request = wants_schema(OpenAiChat, MAP);
    request.tools = vec![function("f")];
    ask(&mut request, Claude, "claude-opus-4").unwrap();
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));

    let mut request = wants_schema(OpenAiChat, MAP);
    ask(&mut request, Claude, "claude-opus-5-5").unwrap();
    assert_eq!(request.tool_choice, None);
    assert_eq!(request.instructions.len(), 1);
}

#[test]
fn answers_that_are_any_json() {
    let asked = |origin, target, said: &'static str| {
        let mut request = Request::new(origin);
        request.output.format = OutputFormat::JsonObject;
        request.turns = vec![Turn::new(Role::User, vec![Part::text(said)])];
        ask(&mut request, target, "m").unwrap();
        (request.output.format, request.instructions.len())
    };
    assert_eq!(
        asked(Gemini, OpenAiChat, "hi"),
        (OutputFormat::JsonObject, 1)
    );
    assert_eq!(
        asked(Gemini, OpenAiChat, "as Json"),
        (OutputFormat::JsonObject, 0)
    );
    assert_eq!(asked(OpenAiChat, Claude, "json"), (OutputFormat::Text, 1));
    assert_eq!(
        asked(OpenAiChat, Gemini, "hi"),
        (OutputFormat::JsonObject, 0)
    );
}

#[test]
fn one_of_several_words() {
    let asked = |stream| {
        let mut request = Request::new(Gemini);
        request.stream = stream;
        request.output.format = OutputFormat::Enum {
            schema: Json::trusted(r#"{"type":"string","enum":["yes","no"]}"#),
        };
        ask(&mut request, OpenAiChat, "m").unwrap();
        request
    };
    let whole = asked(false);
    assert!(
        matches!(&whole.output.format, OutputFormat::JsonSchema { schema, strict: Some(true), .. }
        if schema.as_str().contains(r#""enum":["yes","no"]"#))
    );
    let streamed = asked(true);
    assert_eq!(streamed.output.format, OutputFormat::Text);
    let text = streamed.instructions[0].parts[0].as_text().unwrap();
    assert_eq!(text, "Answer with exactly one of: yes, no");
}

#[test]
fn sound_and_pictures() {
    let asked = |origin, wanted, audio: Option<&'static str>, target, model: &str| {
        let mut request = Request::new(origin);
        request.output.modalities = vec![Modality::Text, wanted];
        request.output.audio = audio.map(Json::trusted);
        ask(&mut request, target, model).map(|_| request)
    };
    let kore = r#"{"voice":"Kore","format":"wav"}"#;
    let spoken = asked(OpenAiChat, Modality::Audio, Some(kore), Gemini, "m").unwrap();
    assert_eq!(spoken.output.audio.unwrap().as_str(), kore);
    let named = |name: &str| {
        format!(r#"{{"voiceConfig":{{"prebuiltVoiceConfig":{{"voiceName":"{name}"}}}}}}"#)
    };
    let (sage, puck) = (named("Sage"), named("Puck"));
    let mut request = Request::new(Gemini);
    request.output.modalities = vec![Modality::Audio];
    request.output.audio = Some(Json::trusted(&*sage));
    ask(&mut request, OpenAiChat, "gpt-4o").unwrap();
    let audio = request.output.audio.unwrap();
    assert_eq!(audio.as_str(), r#"{"voice":"sage","format":"pcm16"}"#);
    let mut request = Request::new(Gemini);
    request.output.modalities = vec![Modality::Audio];
    request.output.audio = Some(Json::trusted(&*puck));
    assert!(ask(&mut request, OpenAiChat, "gpt-4o").is_err());
    let alloy = r#"{"voice":"alloy","format":"wav"}"#;
    assert!(asked(OpenAiChat, Modality::Audio, Some(alloy), Gemini, "m").is_err());
    assert!(asked(OpenAiChat, Modality::Audio, Some(alloy), Claude, "m").is_err());
    assert!(asked(Gemini, Modality::Image, None, Claude, "m").is_err());
    assert!(asked(Gemini, Modality::Image, None, OpenAiChat, "gpt-5").is_err());
    let drawn = asked(Gemini, Modality::Image, None, OpenAiResponses, "gpt-5").unwrap();
    assert_eq!(names(&drawn), ["ImageGeneration"]);
    assert!(drawn.output.modalities.is_empty());
}

#[test]
fn who_asks_and_how_fast() {
    let asked = |target, tier| {
        let mut request = Request::new(OpenAiChat);
        request.user.end_user = Some("ann@example.com".into());
        request.user.metadata = number("{}");
        request.tier = tier;
        let notes = ask(&mut request, target, "m").unwrap();
        (request.user, request.tier, notes)
    };
    let (user, tier, notes) = asked(Claude, Some(Tier::Flex));
    assert_eq!(
        (user.end_user, user.metadata, tier),
        (None, None, Some(Tier::Standard))
    );
    assert_eq!(notes, ["service_tier dropped"]);
    let (user, tier, _) = asked(OpenAiResponses, Some(Tier::Flex));
    assert!(user.end_user.is_some() && user.metadata.is_some());
    assert_eq!(tier, Some(Tier::Flex));
    assert_eq!(asked(Gemini, Some(Tier::Auto)).1, None);
}

#[test]
fn what_is_fitted_comes_back() {
    use crate::chat::{Event, Opening};
    let mut request = Request::new(OpenAiResponses);
    request.tools = vec![custom("a.patch")];
    let profile = shipped(Claude, "claude-opus-5");
    let mut losses = Losses::new(OnLoss::Warn);
    let mut restore = Restore::default();
    fit(&mut request, Claude, &profile, &mut losses, &mut restore).unwrap();
    let sent = names(&request).remove(0);
    let mut opened = None;
    let event = Event::Open {
        block: 0,
        candidate: 0,
        opening: Opening::ToolCall {
            id: "c".into(),
            name: sent.into(),
            kind: CallKind::Function,
            namespace: None,
        },
    };
    restore.event(event, &mut |event| {
        if let Event::Open {
            opening: Opening::ToolCall { name, kind, .. },
            ..
        } = event
        {
            opened = Some((name.into_owned(), kind));
        }
    });
    assert_eq!(opened, Some(("a.patch".to_owned(), CallKind::Custom)));
}

/// The texts of an answer that comes as `events`, and why it ended.
fn answered(
    request: &mut Request<'_>,
    target: Format,
    model: &str,
    events: Vec<Event<'_>>,
) -> (Vec<String>, crate::chat::StopReason) {
    let mut losses = Losses::new(OnLoss::Warn);
    let profile = shipped(target, model);
    let mut restore = Restore::default();
    fit(request, target, &profile, &mut losses, &mut restore).unwrap();
    let mut fold = crate::chat::Fold::default();
    for event in events {
        restore.event(event, &mut |event| fold.push(event));
    }
    let candidate = fold.finish().unwrap().candidates.remove(0);
    let texts = candidate.parts.iter().filter_map(Part::as_text);
    let texts = texts.map(str::to_owned).collect();
    (texts, candidate.stop.reason)
}

#[test]
fn what_the_target_does_not_do_is_done_in_the_answer() {
    use crate::chat::{Event, Opening, Start, Stop, StopReason};
    let stop = |reason| Event::Stop {
        candidate: 0,
        stop: Stop::new(reason),
    };
    let mut request = Request::new(OpenAiChat);
    request.stop = vec!["END".into()];
    let events = vec![
        Event::Start(Start::default()),
        Event::Open {
            block: 0,
            candidate: 0,
            opening: Opening::Text,
        },
        Event::Text {
            block: 0,
            text: "one END two".into(),
            logprobs: None,
        },
        Event::Close { block: 0 },
        stop(StopReason::Stop),
        Event::End,
    ];
    let done = answered(&mut request, OpenAiResponses, "m", events);
    assert_eq!(done, (vec!["one ".to_owned()], StopReason::StopSequence));

    let mut request = wants_schema(OpenAiChat, r#"{"type":"array"}"#);
    let events = vec![
        Event::Start(Start::default()),
        Event::Open {
            block: 0,
            candidate: 0,
            opening: Opening::ToolCall {
                id: "c".into(),
                name: "__aiproxy_json".into(),
                kind: CallKind::Function,
                namespace: None,
            },
        },
        Event::Arguments {
            block: 0,
            text: r#"{"value":[1]}"#.into(),
        },
        Event::Close { block: 0 },
        stop(StopReason::ToolUse),
        Event::End,
    ];
    let done = answered(&mut request, Claude, "claude-opus-4", events);
    assert_eq!(done, (vec!["[1]".to_owned()], StopReason::Stop));
}

#[test]
fn arguments_go_into_the_object_that_a_tool_takes() {
    let mut list = function("f");
    if let ToolKind::Function(function) = &mut list.kind {
        function.schema = Some(Json::trusted(r#"{"type":"array"}"#));
    }
    let mut request = Request::new(OpenAiChat);
    request.tools = vec![list];
    request.turns = vec![Turn::new(
        Role::Assistant,
        vec![call("f", "[1.0]", CallKind::Function)],
    )];
    ask(&mut request, Claude, "m").unwrap();
    match &request.turns[0].parts[0].content {
        Content::ToolCall(call) => assert_eq!(call.arguments, r#"{"value":[1.0]}"#),
        other => panic!("{other:?}"),
    }
}

#[test]
fn seeds_have_the_bits_that_gemini_reads() {
    for (seed, want, count) in [
        ("7", "7", 0),
        ("-7", "-7", 0),
        ("4294967303", "7", 1),
        ("-4294967289", "7", 1),
        ("1e3", "1000", 1),
        ("99999999999999999999999999", "469762047", 1),
    ] {
        let mut request = Request::new(OpenAiChat);
        request.sampling.seed = number(seed);
        let notes = ask(&mut request, Gemini, "gemini-2.5-flash").unwrap();
        let got = request.sampling.seed.unwrap();
        assert_eq!(notes.len(), count, "{seed}");
        let got: i32 = got.as_str().parse().unwrap();
        if count == 0 || seed.len() < 20 {
            assert_eq!(got.to_string(), want);
        }
    }
}

#[test]
fn stop_sequences_that_openai_does_not_take_are_matched_here() {
    let mut request = Request::new(Gemini);
    request.stop = ["a", "b", "c", "d", "e"].map(Into::into).to_vec();
    let profile = Profile::shipped(OpenAiChat, "api.openai.com", "gpt-4o");
    let mut losses = Losses::new(OnLoss::Warn);
    let mut restore = Restore::default();
    fit(
        &mut request,
        OpenAiChat,
        &profile,
        &mut losses,
        &mut restore,
    )
    .unwrap();
    assert_eq!(request.stop.len(), 4);
    assert_eq!(losses.notes().len(), 1);
    let mut said = String::new();
    for event in [
        Event::Open {
            block: 0,
            candidate: 0,
            opening: Opening::Text,
        },
        Event::Text {
            block: 0,
            text: "xxeyy".into(),
            logprobs: None,
        },
    ] {
        restore.event(event, &mut |event| {
            if let Event::Text { text, .. } = event {
                said.push_str(&text);
            }
        });
    }
    assert_eq!(said, "xx");
}
