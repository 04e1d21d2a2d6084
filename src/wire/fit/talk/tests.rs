//! Rule by rule.

use super::property_tests::{call, failed, image, result, state, thought};
use super::{fit, ids, pairing, signed_text, thought::SENTINEL};
use crate::chat::{
    Audio, CacheMark, Change, Content, Document, Effort, Fault, Format, Json, Level, Losses,
    Native, OnLoss, Opaque, OpaqueKind, Part, Place, ReasonKind, ReasonText, Reasoned, Reasoning,
    ReasoningMode, Request, Role, ServerCall, ServerTool, Source, Text, Tool, ToolKind, Turn,
};
use crate::wire::{Profile, ReasoningField, TrailingAssistant};

use Format::{Claude, Gemini, OpenAiChat, OpenAiResponses};

fn user(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::User, parts)
}

fn model(parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn::new(Role::Assistant, parts)
}

fn system(text: &'static str) -> Turn<'static> {
    Turn::new(Role::Instruction(Level::System), vec![Part::text(text)])
}

fn says(text: &'static str) -> Turn<'static> {
    user(vec![Part::text(text)])
}

fn answers(text: &'static str) -> Turn<'static> {
    model(vec![Part::text(text)])
}

/// A request from a client of `origin`, each turn with its place.
fn request(origin: Format, turns: Vec<Turn<'static>>) -> Request<'static> {
    let mut request = Request::new(origin);
    request.turns = turns;
    for (index, turn) in request.turns.iter_mut().enumerate() {
        turn.at = Place::field("messages").item(index);
        for (number, part) in turn.parts.iter_mut().enumerate() {
            part.at = turn.at.of("content").part(number);
        }
    }
    request
}

fn named() -> Profile {
    Profile {
        family: "m".to_owned(),
        ..Profile::default()
    }
}

/// What became of it, and the notes as `path change`.
fn try_fit(
    request: &mut Request<'static>,
    target: Format,
    profile: &Profile,
) -> Result<Vec<String>, Fault> {
    let mut losses = Losses::new(OnLoss::Warn);
    fit(request, target, profile, &mut losses)?;
    let note = |loss: &crate::chat::Loss| format!("{} {}", loss.path, loss.change.name());
    Ok(losses.notes().iter().map(note).collect())
}

fn fitted(request: &mut Request<'static>, target: Format) -> Vec<String> {
    try_fit(request, target, &named()).unwrap()
}

/// The turns, short.
fn show(request: &Request<'_>) -> Vec<String> {
    let turns = request.turns.iter().map(|turn| {
        let role = match turn.role {
            Role::User => "user",
            Role::Assistant => "model",
            Role::Instruction(_) => "system",
        };
        let parts: Vec<_> = turn.parts.iter().map(show_part).collect();
        format!("{role}: {}", parts.join(" | "))
    });
    turns.collect()
}

fn show_part(part: &Part<'_>) -> String {
    let signed = part.signature.as_ref().map(|one| format!("<{}>", one.data));
    let content = match &part.content {
        Content::Text(text) => text.text.to_string(),
        Content::Image(_) => "image".to_owned(),
        Content::Audio(_) => "audio".to_owned(),
        Content::Document(_) => "document".to_owned(),
        Content::ToolCall(call) => format!("call {}", call.id),
        Content::ToolResult(result) => {
            let parts: Vec<_> = result.content.iter().map(show_part).collect();
            format!("result {}({})", result.call, parts.join(" + "))
        }
        Content::Reasoning(reasoned) => {
            let state: Vec<_> = reasoned.opaque.iter().map(|one| &*one.data).collect();
            format!("thinks {:?} {:?}", reasoned.text(), state)
        }
        _ => "other".to_owned(),
    };
    content + &signed.unwrap_or_default()
}

fn text_result(id: &str, text: &'static str) -> Part<'static> {
    result(id, vec![Part::text(text)])
}

#[test]
fn results_come_first_and_in_the_order_of_their_calls() {
    // Split over messages, after other text, in another order.
    let turns = vec![
        says("go"),
        model(vec![call("a"), call("b")]),
        user(vec![Part::text("note"), text_result("b", "2")]),
        user(vec![text_result("a", "1"), Part::text("more")]),
    ];
    for target in [Claude, Gemini] {
        let mut request = request(OpenAiChat, turns.clone());
        assert!(fitted(&mut request, target).is_empty());
        assert_eq!(
            show(&request),
            [
                "user: go",
                "model: call a | call b",
                "user: result a(1) | result b(2) | note | more"
            ]
        );
    }
}

#[test]
fn the_last_of_two_results_counts_and_unknown_ones_become_text() {
    let mut request = request(
        Claude,
        vec![
            user(vec![text_result("zero", "early"), Part::text("go")]),
            model(vec![call("a")]),
            user(vec![
                text_result("a", "old"),
                text_result("a", "new"),
                text_result("x", "lost"),
            ]),
        ],
    );
    let notes = fitted(&mut request, OpenAiChat);
    assert_eq!(
        show(&request),
        [
            "user: [result of unknown tool call zero]\nearly | go",
            "model: call a",
            "user: result a(new) | [result of unknown tool call x]\nlost",
        ]
    );
    assert_eq!(
        notes,
        [
            "messages[0].content[0] approximated",
            "messages[2].content[2] approximated",
            "messages[2].content[0] dropped",
        ]
    );
}

#[test]
fn a_call_that_nobody_answered_gets_an_error() {
    let turns = vec![says("go"), model(vec![call("a")]), says("well?")];
    let mut followed = request(Claude, turns);
    let notes = fitted(&mut followed, OpenAiResponses);
    assert_eq!(notes, ["messages[1].content[0] synthesised"]);
    let no_result = format!("user: result a(Error: {}) | well?", pairing::NO_RESULT);
    assert_eq!(show(&followed)[2], no_result);

    // At the very end OpenAI's formats wait for it.
    let mut last = request(Claude, vec![says("go"), model(vec![call("a")])]);
    fitted(&mut last, OpenAiChat);
    assert_eq!(show(&last), ["user: go", "model: call a"]);
    let mut last = request(OpenAiChat, vec![says("go"), model(vec![call("a")])]);
    fitted(&mut last, Claude);
    assert_eq!(
        show(&last)[2],
        format!("user: result a({})", pairing::NO_RESULT)
    );
}

#[test]
fn a_system_message_between_call_and_result_parts_nothing() {
    let turns = vec![
        says("go"),
        model(vec![call("a")]),
        system("be brief"),
        user(vec![text_result("a", "1"), Part::text("on")]),
        answers("done"),
        says("again"),
    ];
    let expected = |target| match target {
        OpenAiResponses => vec![
            "user: result a(1)",
            "system: be brief",
            "user: on",
            "model: done",
        ],
        Claude => vec!["user: result a(1) | on", "system: be brief", "model: done"],
        _ => vec![
            "user: result a(1) | <system>be brief</system> | on",
            "model: done",
        ],
    };
    let mut profile = named();
    profile.claude.mid_system = true;
    for target in [OpenAiResponses, Claude, Gemini] {
        let mut request = request(OpenAiChat, turns.clone());
        let notes = try_fit(&mut request, target, &profile).unwrap();
        let shown = show(&request);
        assert_eq!(shown[2..shown.len() - 1], expected(target), "{target:?}");
        let told = ["messages[2] approximated"];
        assert_eq!(notes, &told[..usize::from(target == Gemini)]);
    }
}

#[test]
fn instructions_stay_where_they_are() {
    let turns = vec![
        says("hi"),
        system("one"),
        system("two"),
        answers("yes"),
        system("three"),
        answers("no"),
        says("bye"),
    ];
    let mut profile = named();
    profile.claude.mid_system = true;
    let mut native = request(OpenAiChat, turns.clone());
    let notes = try_fit(&mut native, Claude, &profile).unwrap();
    assert_eq!(
        show(&native),
        [
            "user: hi",
            "system: one | two",
            "model: yes",
            "user: .",
            "system: three",
            "model: no",
            "user: bye"
        ]
    );
    assert_eq!(notes, ["messages[4] synthesised"]);

    let mut plain = request(OpenAiChat, turns);
    fitted(&mut plain, Claude);
    assert_eq!(
        show(&plain),
        [
            "user: hi | <system>one</system> | <system>two</system>",
            "model: yes",
            "user: <system>three</system>",
            "model: no",
            "user: bye"
        ]
    );
}

#[test]
fn leading_instructions_keep_their_blocks_and_the_system_comes_first() {
    let developer = Turn::new(
        Role::Instruction(Level::Developer),
        vec![Part::text("dev"), Part::text(" "), Part::text("eloper")],
    );
    let mut for_claude = request(OpenAiResponses, vec![says("hi")]);
    for_claude.instructions = vec![developer, system("sys"), system(" \n")];
    let mut for_gemma = for_claude.clone();
    fitted(&mut for_claude, Claude);
    let texts: Vec<_> = for_claude
        .instructions
        .iter()
        .map(|turn| turn.parts.iter().filter_map(Part::as_text).collect())
        .collect::<Vec<Vec<_>>>();
    assert_eq!(texts, [vec!["sys"], vec!["dev", "eloper"]]);

    let mut gemma = named();
    gemma.gemini.system = false;
    try_fit(&mut for_gemma, Gemini, &gemma).unwrap();
    assert!(for_gemma.instructions.is_empty());
    assert_eq!(show(&for_gemma), ["user: sys\n\ndev\n\neloper\n\nhi"]);
}

#[test]
fn anthropic_begins_and_ends_with_the_user() {
    let turns = vec![
        answers("hello"),
        answers("there"),
        says("x"),
        answers("so "),
    ];
    let mut profile = named();
    let mut continued = request(OpenAiChat, turns.clone());
    let notes = try_fit(&mut continued, Claude, &profile).unwrap();
    assert_eq!(
        show(&continued),
        [
            "user: .",
            "model: hello | there",
            "user: x",
            "model: so ",
            "user: Continue."
        ]
    );
    assert_eq!(
        notes,
        ["messages[0] synthesised", "messages[3] synthesised"]
    );

    profile.claude.trailing_assistant = TrailingAssistant::Prefill;
    let mut prefilled = request(OpenAiChat, turns.clone());
    try_fit(&mut prefilled, Claude, &profile).unwrap();
    assert_eq!(show(&prefilled).last().unwrap(), "model: so");

    profile.claude.trailing_assistant = TrailingAssistant::Reject;
    let fault = try_fit(&mut request(OpenAiChat, turns), Claude, &profile).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("messages[3]"));
}

#[test]
fn a_prefill_is_a_turn_elsewhere() {
    let mut request = request(Claude, vec![says("x"), answers("{")]);
    let notes = fitted(&mut request, OpenAiChat);
    assert_eq!(show(&request), ["user: x", "model: {"]);
    assert_eq!(notes, ["messages[1] approximated"]);
}

#[test]
fn gemini_does_not_begin_with_a_call() {
    let turns = vec![model(vec![call("a")]), user(vec![text_result("a", "1")])];
    let mut request = request(OpenAiChat, turns);
    assert_eq!(fitted(&mut request, Gemini), ["messages[0] synthesised"]);
    assert_eq!(show(&request)[0], "user: .");
}

#[test]
fn anthropic_gets_no_empty_text() {
    let mut marked = Part::text(" ");
    marked.cache = Some(CacheMark::Minutes5);
    let turns = vec![
        user(vec![Part::text(""), image(), marked]),
        model(vec![Part::text("\n"), call("a")]),
        user(vec![result("a", vec![Part::text("")]), Part::text("")]),
        answers(""),
        says("end"),
    ];
    let mut request = request(OpenAiChat, turns);
    fitted(&mut request, Claude);
    assert_eq!(
        show(&request),
        ["user: image", "model: call a", "user: result a() | end"]
    );
    assert_eq!(
        request.turns[0].parts[0].cache,
        Some(CacheMark::Minutes5),
        "the mark moves to the block before"
    );
}

#[test]
fn a_conversation_of_nothing_is_refused() {
    for target in [Claude, Gemini] {
        let mut request = request(OpenAiResponses, vec![says("")]);
        let fault = try_fit(&mut request, target, &named()).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("input"));
    }
    let mut request = request(Claude, vec![says("")]);
    fitted(&mut request, OpenAiChat);
    assert_eq!(show(&request), ["user: "], "OpenAI takes it");
}

#[test]
fn blocks_of_a_result_stay_apart() {
    let parts = vec![Part::text("one"), Part::text("two")];
    let turns = vec![
        says("go"),
        model(vec![call("a")]),
        user(vec![result("a", parts)]),
    ];
    for target in [OpenAiChat, OpenAiResponses, Gemini] {
        let mut request = request(Claude, turns.clone());
        fitted(&mut request, target);
        assert_eq!(show(&request)[2], "user: result a(one + two)");
    }
}

#[test]
fn pictures_of_a_result_go_where_the_target_takes_them() {
    let turns = vec![
        says("go"),
        model(vec![call("a"), call("b")]),
        user(vec![
            result("a", vec![Part::text("see"), image()]),
            result("b", vec![image()]),
            Part::text("rest"),
        ]),
    ];
    let mut for_chat = request(Claude, turns.clone());
    fitted(&mut for_chat, OpenAiChat);
    assert_eq!(
        show(&for_chat)[2],
        "user: result a(see) | result b(See attached content for this result.) \
         | Tool result 1 for weather (call a): | image \
         | Tool result 2 for weather (call b): | image | rest"
    );
    let mut for_gemini = request(Claude, turns.clone());
    fitted(&mut for_gemini, Gemini);
    assert_eq!(
        show(&for_gemini)[2],
        "user: result a(see) | result b(See attached content for this result.) \
         | Content returned by weather: | image | Content returned by weather: | image | rest"
    );
    let mut profile = named();
    profile.gemini.fn_response_parts = true;
    profile.chat.tool_image = true;
    for target in [OpenAiChat, OpenAiResponses, Gemini] {
        let mut request = request(Claude, turns.clone());
        try_fit(&mut request, target, &profile).unwrap();
        assert_eq!(
            show(&request)[2],
            "user: result a(see + image) | result b(image) | rest"
        );
    }
}

#[test]
fn a_failed_result_says_so() {
    let turns = |content| {
        vec![
            says("go"),
            model(vec![call("a")]),
            user(vec![failed("a", content)]),
        ]
    };
    let last = |origin, target, content| {
        let mut request = request(origin, turns(content));
        fitted(&mut request, target);
        show(&request)[2].clone()
    };
    for target in [OpenAiChat, OpenAiResponses] {
        let told = last(Claude, target, vec![Part::text("no such file")]);
        assert_eq!(told, "user: result a(Error: no such file)");
        let known = last(Claude, target, vec![Part::text("ERROR 7")]);
        assert_eq!(known, "user: result a(ERROR 7)");
        assert_eq!(last(Claude, target, vec![]), "user: result a(Error)");
    }
    // Anthropic takes nothing but text with the flag.
    let shown = last(OpenAiResponses, Claude, vec![Part::text("no"), image()]);
    assert_eq!(shown, "user: result a(no) | image");
}

#[test]
fn ids_are_mapped_for_calls_and_results_alike() {
    let long = "call_123456789_123456789_123456789_123456789";
    let turns = vec![
        says("go"),
        model(vec![call(long), call("b:1")]),
        user(vec![text_result(long, "1"), text_result("b:1", "2")]),
    ];
    let (long, odd) = (ids::mapped(long), ids::mapped("b:1"));
    assert_eq!(long.len(), 26);
    assert!(
        long.strip_prefix("t_")
            .unwrap()
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
    );
    for (target, first, second) in [
        (OpenAiChat, &*long, "b:1"),
        (
            Claude,
            "call_123456789_123456789_123456789_123456789",
            &*odd,
        ),
    ] {
        let mut request = request(OpenAiResponses, turns.clone());
        fitted(&mut request, target);
        let shown = show(&request);
        assert_eq!(shown[1], format!("model: call {first} | call {second}"));
        assert_eq!(
            shown[2],
            format!("user: result {first}(1) | result {second}(2)")
        );
    }
    // The first 15 bytes of sha256("a").
    assert_eq!(ids::mapped("a"), "t_zklycewkdo64v6wcggzzui64");
}

#[test]
fn an_id_that_comes_again_is_another_call() {
    let round = || [model(vec![call("0")]), user(vec![text_result("0", "x")])];
    let turns = [vec![says("go")], round().into(), round().into()].concat();
    let mut request = request(OpenAiChat, turns);
    fitted(&mut request, Claude);
    let shown = show(&request);
    assert_eq!(shown[1..3], ["model: call 0", "user: result 0(x)"]);
    let other = ids::mapped("0 2");
    assert_eq!(shown[3], format!("model: call {other}"));
    assert_eq!(shown[4], format!("user: result {other}(x)"));
}

#[test]
fn long_ids_between_responses_are_mapped_where_that_is_asked_for() {
    let long = "c".repeat(69);
    let mut profile = named();
    let turns = vec![
        model(vec![call(&long)]),
        user(vec![text_result(&long, "1")]),
    ];
    let mut request = request(OpenAiResponses, turns);
    try_fit(&mut request, OpenAiResponses, &profile).unwrap();
    assert_eq!(show(&request)[0], format!("model: call {long}"));
    profile.responses.fix_long_call_ids = true;
    try_fit(&mut request, OpenAiResponses, &profile).unwrap();
    assert_eq!(
        show(&request)[0],
        format!("model: call {}", ids::mapped(&long))
    );
}

fn reasoning(text: &'static str, opaque: Vec<Opaque<'static>>) -> Part<'static> {
    Part::new(Content::Reasoning(Reasoned {
        texts: vec![ReasonText {
            kind: ReasonKind::Raw,
            text: text.into(),
        }],
        opaque,
        id: Some("rs_1".into()),
    }))
}

#[test]
fn only_native_state_reaches_a_provider() {
    let states = [
        (Claude, OpaqueKind::Signature),
        (OpenAiResponses, OpaqueKind::Encrypted),
        (Gemini, OpaqueKind::Thought),
    ];
    for (target, _) in states {
        for (origin, kind) in states {
            for family in ["", "m", "other"] {
                let parts = vec![
                    reasoning("why", vec![state(origin, kind, family)]),
                    Part::text("so"),
                ];
                let mut request = request(OpenAiChat, vec![says("q"), model(parts), says("and")]);
                let notes = fitted(&mut request, target);
                let native = origin == target && family != "other";
                let thinks = format!("thinks \"why\" [\"state of {}\"] | ", origin.name());
                let thinks = if native { &*thinks } else { "" };
                assert_eq!(show(&request)[1], format!("model: {thinks}so"));
                assert!(notes.is_empty(), "earlier turns may lose it in silence");
            }
        }
    }
}

#[test]
fn what_is_lost_inside_a_tool_loop_is_told_for_anthropic() {
    let foreign = || {
        reasoning(
            "why",
            vec![state(OpenAiResponses, OpaqueKind::Encrypted, "")],
        )
    };
    let turns = vec![
        says("go"),
        model(vec![foreign(), call("a")]),
        user(vec![text_result("a", "1")]),
    ];
    let mut open = request(OpenAiResponses, turns.clone());
    assert_eq!(
        fitted(&mut open, Claude),
        ["messages[1].content[0] dropped"]
    );
    let mut open = request(OpenAiResponses, turns);
    assert!(fitted(&mut open, Gemini).is_empty());
}

#[test]
fn a_thinking_budget_needs_thinking_before_the_last_calls() {
    let think = Reasoning {
        mode: ReasoningMode::On,
        effort: Some(Effort::High),
        budget: Some(8192),
        expose: None,
    };
    let own = thought(state(Claude, OpaqueKind::Signature, "m"));
    for (parts, adaptive, keeps) in [
        (vec![call("a")], false, false),
        (vec![call("a")], true, true),
        (vec![own, call("a")], false, true),
    ] {
        let turns = vec![says("go"), model(parts), user(vec![text_result("a", "1")])];
        let mut request = request(OpenAiChat, turns);
        request.reasoning = Some(think.clone());
        let mut profile = named();
        profile.claude.thinking.adaptive = adaptive;
        let notes = try_fit(&mut request, Claude, &profile).unwrap();
        assert_eq!(request.reasoning.is_some(), keeps);
        assert_eq!(
            notes.contains(&"reasoning_effort approximated".to_owned()),
            !keeps
        );
    }
}

#[test]
fn the_text_that_was_signed_comes_back_with_its_signature() {
    let mut signature = state(Claude, OpaqueKind::Signature, "m");
    signature.data = r#"{"t":"exact \"text\"","s":"c2ln"}"#.into();
    assert_eq!(
        signed_text(&signature.data),
        Some(("exact \"text\"".to_owned(), "c2ln".to_owned()))
    );
    assert_eq!(signed_text("c2ln"), None);
    // In the id of a call, where nothing else is kept.
    let mut in_id = call("a");
    in_id.signature = Some(signature.clone());
    let changed = reasoning("exacttext", vec![signature]);
    for parts in [vec![in_id.clone()], vec![changed, in_id]] {
        let turns = vec![says("go"), model(parts), user(vec![text_result("a", "1")])];
        let mut request = request(OpenAiChat, turns);
        fitted(&mut request, Claude);
        assert_eq!(
            show(&request)[1],
            r#"model: thinks "exact \"text\"" ["c2ln"] | call a"#
        );
    }
}

#[test]
fn geminis_signatures_find_their_parts_and_go_back_once() {
    let mut profile = named();
    profile.gemini.signatures_required = true;
    let bare = |data: &'static str| {
        let mut one = state(Gemini, OpaqueKind::Thought, "m");
        one.data = data.into();
        one
    };
    let mut signed = call("b");
    signed.signature = Some(bare("s2"));
    let mut text = Part::text("t");
    text.signature = Some(bare("s2"));
    let turns = vec![
        says("go"),
        model(vec![thought(bare("s1")), call("a"), text, signed]),
        user(vec![text_result("a", "1"), text_result("b", "2")]),
        model(vec![call("c"), call("d")]),
        user(vec![text_result("c", "3"), text_result("d", "4")]),
        model(vec![Part::text("end"), thought(bare("s3"))]),
        says("thanks"),
    ];
    let mut request = request(Claude, turns);
    assert!(try_fit(&mut request, Gemini, &profile).unwrap().is_empty());
    let shown = show(&request);
    assert_eq!(shown[1], "model: call a<s1> | t | call b<s2>");
    assert_eq!(shown[3], format!("model: call c<{SENTINEL}> | call d"));
    assert_eq!(shown[5], "model: end | <s3>");
}

#[test]
fn compatible_servers_get_reasoning_as_they_read_it() {
    let native = || state(Claude, OpaqueKind::Signature, "");
    let turns = vec![
        says("one"),
        model(vec![reasoning("old", vec![native()]), Part::text("1")]),
        says("two"),
        model(vec![reasoning("new", vec![native()]), call("a")]),
        user(vec![text_result("a", "x")]),
    ];
    let seen = |field, all| {
        let mut profile = named();
        profile.chat.reasoning_field = field;
        profile.chat.reasoning_all_turns = all;
        let mut request = request(Claude, turns.clone());
        assert!(
            try_fit(&mut request, OpenAiChat, &profile)
                .unwrap()
                .is_empty()
        );
        let shown = show(&request);
        (shown[1].clone(), shown[3].clone())
    };
    let pair = |one: &str, two: &str| (one.to_owned(), two.to_owned());
    assert_eq!(
        seen(ReasoningField::None, true),
        pair("model: 1", "model: call a")
    );
    assert_eq!(
        seen(ReasoningField::ReasoningContent, false),
        pair("model: 1", "model: thinks \"new\" [] | call a")
    );
    assert_eq!(
        seen(ReasoningField::ReasoningContent, true),
        pair(
            "model: thinks \"old\" [] | 1",
            "model: thinks \"new\" [] | call a"
        )
    );
    assert_eq!(
        seen(ReasoningField::Reasoning, false).0,
        "model: thinks \"old\" [\"state of claude\"] | 1"
    );
}

#[test]
fn reasoning_that_nothing_follows_goes() {
    let own = |target, kind| thought(state(target, kind, "m"));
    for (target, kind) in [
        (Claude, OpaqueKind::Signature),
        (OpenAiResponses, OpaqueKind::Encrypted),
    ] {
        let turns = vec![
            says("a"),
            model(vec![own(target, kind)]),
            says("b"),
            model(vec![Part::text("t"), own(target, kind)]),
            says("c"),
        ];
        let mut request = request(OpenAiChat, turns);
        fitted(&mut request, target);
        let shown = show(&request);
        assert_eq!(shown[shown.len() - 2..], ["model: t", "user: c"]);
        assert!(!shown.iter().any(|turn| turn.contains("thinks")));
    }
}

#[test]
fn ids_of_reasoning_are_the_providers_own_or_none() {
    let kept = reasoning(
        "why",
        vec![state(OpenAiResponses, OpaqueKind::Encrypted, "m")],
    );
    let mut request = request(Claude, vec![says("q"), model(vec![kept, Part::text("t")])]);
    fitted(&mut request, OpenAiResponses);
    let Content::Reasoning(reasoned) = &request.turns[1].parts[0].content else {
        panic!("{:?}", show(&request));
    };
    assert_eq!(reasoned.id, None);
}

#[test]
fn in_its_own_format_only_foreign_state_goes() {
    let turns = vec![
        answers(""),
        model(vec![reasoning(
            "own",
            vec![state(Claude, OpaqueKind::Signature, "")],
        )]),
        model(vec![
            thought(state(Claude, OpaqueKind::Signature, "m")),
            Part::text("t"),
        ]),
        model(vec![reasoning(
            "x",
            vec![state(Gemini, OpaqueKind::Thought, "g")],
        )]),
        model(vec![
            thought(state(Claude, OpaqueKind::Signature, "other")),
            call("a:b"),
        ]),
    ];
    let mut request = request(Claude, turns);
    assert!(fitted(&mut request, Claude).is_empty());
    assert_eq!(
        show(&request),
        [
            "model: ",
            "model: thinks \"own\" [\"state of claude\"]",
            "model: thinks \"\" [\"state of claude\"] | t",
            "model: call a:b",
        ]
    );
}

#[test]
fn an_empty_text_goes_with_the_signature_that_it_was_there_for() {
    let mut empty = Part::text("");
    empty.signature = Some(state(Gemini, OpaqueKind::Thought, "other"));
    let mut signed = call("a");
    signed.signature = empty.signature.clone();
    let turns = vec![model(vec![Part::text("t"), empty]), model(vec![signed])];
    let mut profile = named();
    profile.gemini.signatures_required = true;
    let mut request = request(Gemini, turns);
    try_fit(&mut request, Gemini, &profile).unwrap();
    let call = format!("model: call a<{SENTINEL}>");
    assert_eq!(show(&request), ["model: t", &*call]);
}

#[test]
fn what_only_one_format_has_goes_or_is_refused() {
    let native = |json| {
        Part::new(Content::Native(Native {
            format: OpenAiResponses,
            json: Json::trusted(json),
        }))
    };
    let searched = Part::new(Content::ServerCall(ServerCall {
        id: "s".into(),
        tool: ServerTool::WebSearch,
        input: Json::trusted("{}"),
        native: None,
    }));
    let parts = vec![searched, native(r#"{"type":"mcp_list"}"#), Part::text("t")];
    let mut kept = request(OpenAiResponses, vec![says("q"), model(parts), says("r")]);
    assert_eq!(
        fitted(&mut kept, Claude),
        [
            "messages[1].content[0] dropped",
            "messages[1].content[1] dropped"
        ]
    );
    assert_eq!(show(&kept)[1], "model: t");
    for kind in [
        r#"{"type":"item_reference","id":"x"}"#,
        r#"{"type":"compaction"}"#,
        r#"{"type":"compaction_trigger"}"#,
    ] {
        let mut request = request(OpenAiResponses, vec![user(vec![native(kind)])]);
        let fault = try_fit(&mut request, Gemini, &named()).unwrap_err();
        assert_eq!(fault.param.as_deref(), Some("messages[0].content[0]"));
    }
}

#[test]
fn what_a_tool_gave_in_an_unknown_form_is_read_as_it_is() {
    let json = r#"{"type":"tool_reference","tool_name":"f"}"#;
    let native = Part::new(Content::Native(Native {
        format: Claude,
        json: Json::trusted(json),
    }));
    let turns = vec![
        says("go"),
        model(vec![call("a")]),
        user(vec![result("a", vec![native])]),
    ];
    let mut request = request(Claude, turns);
    fitted(&mut request, OpenAiChat);
    assert_eq!(show(&request)[2], format!("user: result a({json})"));
}

#[test]
fn a_refusal_is_text_where_there_are_none() {
    let refusal = || Part::new(Content::Refusal("I cannot".into()));
    let mut request = request(
        OpenAiChat,
        vec![says("q"), model(vec![refusal()]), says("r")],
    );
    fitted(&mut request, Gemini);
    assert_eq!(show(&request)[1], "model: I cannot");
}

fn picture(source: Source<'static>) -> Part<'static> {
    Part::new(Content::Image(crate::chat::Image {
        source,
        detail: None,
    }))
}

fn document(source: Source<'static>) -> Document<'static> {
    Document {
        source,
        title: Some("a \"b\"".into()),
        context: None,
        filename: None,
        citations: None,
    }
}

fn bytes(mime: &'static str, base64: &'static str) -> Source<'static> {
    Source::Bytes {
        mime: mime.into(),
        base64: base64.into(),
    }
}

fn url() -> Source<'static> {
    Source::Url {
        url: "https://example.com/x".into(),
        mime: None,
    }
}

fn one(
    origin: Format,
    part: Part<'static>,
    target: Format,
) -> Result<Part<'static>, Option<String>> {
    let mut request = request(origin, vec![user(vec![part])]);
    match try_fit(&mut request, target, &named()) {
        Ok(_) => Ok(request.turns.remove(0).parts.remove(0)),
        Err(fault) => Err(fault.param.map(std::borrow::Cow::into_owned)),
    }
}

#[test]
fn base64_is_written_plainly() {
    for (given, want) in [
        ("-_-_", "+/+/"),
        ("aGVs\r\nbG8", "aGVsbG8="),
        ("aGVsbG8=", "aGVsbG8="),
    ] {
        let part = one(OpenAiChat, picture(bytes("image/jpg", given)), Claude).unwrap();
        let Content::Image(image) = part.content else {
            panic!("no image");
        };
        assert_eq!(image.source, bytes("image/jpeg", want));
    }
    let part = one(OpenAiChat, picture(bytes("", "iVBORw0KGgo")), Claude).unwrap();
    let Content::Image(image) = part.content else {
        panic!("no image");
    };
    assert_eq!(image.source, bytes("image/png", "iVBORw0KGgo="));
}

#[test]
fn media_that_the_target_does_not_take_are_refused_with_their_place() {
    let refused = Err(Some("messages[0].content[0]".to_owned()));
    let file = |origin| Source::File {
        id: "file_1".into(),
        origin,
    };
    let audio = |mime| {
        Part::new(Content::Audio(Audio {
            source: bytes(mime, "AAAA"),
            transcript: None,
            expires_at: None,
        }))
    };
    let video = || {
        Part::new(Content::Video(crate::chat::Video {
            source: bytes("video/mp4", "AAAA"),
        }))
    };
    let paper = |source| Part::new(Content::Document(document(source)));
    for (origin, part, target, taken) in [
        (
            OpenAiChat,
            picture(bytes("image/tiff", "AAAA")),
            Claude,
            false,
        ),
        (
            Claude,
            picture(bytes("image/tiff", "AAAA")),
            OpenAiChat,
            true,
        ),
        (OpenAiChat, picture(url()), Claude, true),
        (OpenAiChat, picture(url()), Gemini, false),
        (
            OpenAiResponses,
            picture(file(OpenAiResponses)),
            OpenAiChat,
            false,
        ),
        (Claude, picture(file(Claude)), OpenAiResponses, false),
        (OpenAiChat, paper(file(OpenAiChat)), OpenAiResponses, true),
        (OpenAiChat, paper(file(OpenAiChat)), Claude, false),
        (Claude, paper(url()), OpenAiChat, false),
        (Claude, paper(url()), OpenAiResponses, true),
        (
            OpenAiChat,
            paper(bytes("application/pdf", "AAAA")),
            Claude,
            true,
        ),
        (
            OpenAiChat,
            paper(bytes("application/zip", "AAAA")),
            Claude,
            false,
        ),
        (OpenAiChat, audio("audio/wav"), Claude, false),
        (OpenAiChat, audio("audio/wav"), OpenAiResponses, false),
        (OpenAiChat, audio("audio/wav"), Gemini, true),
        (Gemini, audio("audio/flac"), OpenAiChat, false),
        (Gemini, video(), OpenAiChat, false),
        (Gemini, video(), Claude, false),
    ] {
        let place = format!("{origin:?} {target:?} {part:?}");
        let given = one(origin, part, target);
        if taken {
            given.expect(&place);
        } else {
            assert_eq!(given.map(|_| ()), refused, "{place}");
        }
    }
}

#[test]
fn sound_in_a_result_is_named_for_anthropic() {
    let audio = Part::new(Content::Audio(Audio {
        source: bytes("audio/wav", "AAAAAA=="),
        transcript: None,
        expires_at: None,
    }));
    let turns = vec![
        says("go"),
        model(vec![call("a")]),
        user(vec![result("a", vec![audio])]),
    ];
    let mut request = request(Gemini, turns);
    fitted(&mut request, Claude);
    assert_eq!(show(&request)[2], "user: result a([audio/wav, 4 bytes])");
}

#[test]
fn documents_of_text_are_text() {
    let want = "<document title=\"a &quot;b&quot;\">\nhello\n</document>";
    for source in [Source::Text("hello".into()), bytes("text/plain", "aGVsbG8")] {
        let part = Part::new(Content::Document(document(source)));
        for target in [OpenAiChat, OpenAiResponses, Gemini] {
            let fitted = one(Claude, part.clone(), target);
            assert_eq!(fitted.unwrap().as_text(), Some(want));
        }
        let Content::Document(kept) = one(Gemini, part, Claude).unwrap().content else {
            panic!("no document");
        };
        assert_eq!(kept.source, Source::Text("hello".into()));
    }
    let mut cited = document(Source::Text("hello".into()));
    cited.citations = Some(true);
    let mut request = request(
        Claude,
        vec![user(vec![Part::new(Content::Document(cited))])],
    );
    assert_eq!(
        fitted(&mut request, Gemini),
        ["messages[0].content[0] dropped"]
    );
}

fn marked(text: &'static str, mark: CacheMark) -> Part<'static> {
    let mut part = Part::text(text);
    part.cache = Some(mark);
    part
}

fn marks(request: &Request<'_>) -> Vec<Option<CacheMark>> {
    let tools = request.tools.iter().map(|tool| tool.cache);
    let turns = request.instructions.iter().chain(&request.turns);
    let parts = turns.flat_map(|turn| turn.parts.iter().map(|part| part.cache));
    tools.chain(parts).collect()
}

fn with_marks(origin: Format, mark: CacheMark) -> Request<'static> {
    let parts = ["a", "b", "c"].map(|text| marked(text, mark));
    let mut request = request(origin, vec![user(parts.into())]);
    request.instructions = vec![Turn::new(
        Role::Instruction(Level::System),
        vec![marked("s", mark)],
    )];
    request.tools = vec![Tool {
        at: Place::default(),
        kind: ToolKind::Namespace {
            name: "n".into(),
            description: None,
            tools: Vec::new(),
        },
        cache: Some(mark),
        extra: crate::chat::Extra::default(),
    }];
    request
}

#[test]
fn cache_marks_are_the_targets_own() {
    use CacheMark::{Default, Hour1, Hours12, Minutes5, Minutes30};
    for target in [OpenAiChat, OpenAiResponses, Gemini] {
        let mut request = with_marks(Claude, Hour1);
        request.caching.auto = Some(Minutes5);
        assert!(fitted(&mut request, target).is_empty());
        assert!(marks(&request).iter().all(Option::is_none));
        assert_eq!(request.caching.auto, None);
    }
    let mut request = with_marks(OpenAiChat, Minutes30);
    fitted(&mut request, Claude);
    let hour = Some(Hour1);
    assert_eq!(marks(&request), [None, hour, hour, hour, hour]);

    let mut profile = named();
    profile.chat.cache_breakpoints = true;
    let mut request = with_marks(Claude, Hour1);
    request.instructions[0].parts[0].cache = None;
    request.turns[0].parts[2].cache = Some(Minutes5);
    try_fit(&mut request, OpenAiResponses, &profile).unwrap();
    let half = Some(Hours12);
    assert_eq!(marks(&request), [None, half, half, half, Some(Default)]);

    // What lives longer comes first.
    let mut request = with_marks(OpenAiChat, Default);
    request.turns[0].parts[2].cache = Some(Hours12);
    fitted(&mut request, Claude);
    let own = Some(Default);
    assert_eq!(marks(&request), [None, own, own, own, Some(Minutes5)]);
}

#[test]
fn on_loss_reject_refuses_what_would_be_dropped() {
    let parts = vec![
        Part::new(Content::Native(Native {
            format: Claude,
            json: Json::trusted(r#"{"type":"fallback"}"#),
        })),
        Part::new(Content::Text(Text::new("t"))),
    ];
    let mut request = request(Claude, vec![says("q"), model(parts), says("r")]);
    let mut losses = Losses::new(OnLoss::Reject);
    let fault = fit(&mut request, Gemini, &named(), &mut losses).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("messages[1].content[0]"));
    assert!(
        losses
            .notes()
            .iter()
            .all(|loss| loss.change != Change::Dropped)
    );
}
