//! Answers in the terms of the request, however they are cut.

use super::*;
use crate::chat::{Fold, Part, Start};
use proptest::prelude::*;

fn tool(sent: &str, name: &str, undo: Undo) -> Known {
    Known {
        sent: sent.to_owned(),
        name: name.to_owned(),
        namespace: None,
        kind: if undo == Undo::Input {
            CallKind::Custom
        } else {
            CallKind::Function
        },
        undo,
    }
}

fn knowing(tools: impl IntoIterator<Item = Known>) -> Restore {
    let mut restore = Restore::default();
    tools.into_iter().for_each(|tool| restore.know(tool));
    restore
}

fn call(block: u32, id: &'static str, name: &'static str) -> Event<'static> {
    Event::Open {
        block,
        candidate: 0,
        opening: Opening::ToolCall {
            id: id.into(),
            name: name.into(),
            kind: CallKind::Function,
            namespace: None,
        },
    }
}

const TEXT: Event<'static> = Event::Open {
    block: 0,
    candidate: 0,
    opening: Opening::Text,
};

/// The pieces of `text`, cut before each of `cuts`.
fn pieces<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut cuts: Vec<usize> = cuts
        .iter()
        .copied()
        .filter(|at| *at > 0 && *at < text.len() && text.is_char_boundary(*at))
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut from = 0;
    let mut all = Vec::new();
    for at in cuts.into_iter().chain([text.len()]) {
        all.push(&text[from..at]);
        from = at;
    }
    all.retain(|piece| !piece.is_empty());
    all
}

fn run(mut restore: Restore, events: Vec<Event<'_>>) -> Vec<Event<'static>> {
    let mut out: Vec<Event<'static>> = Vec::new();
    for event in events {
        restore.event(event, &mut |event| out.push(keep(event)));
    }
    for event in &out {
        let is_empty = match event {
            Event::Text { text, .. } | Event::Arguments { text, .. } => text.is_empty(),
            _ => false,
        };
        assert!(!is_empty, "{event:?}");
    }
    out
}

fn keep(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Start(start) => Event::Start(start.into_owned()),
        Event::Open {
            block,
            candidate,
            opening,
        } => Event::Open {
            block,
            candidate,
            opening: match opening {
                Opening::Text => Opening::Text,
                Opening::Refusal => Opening::Refusal,
                Opening::Reasoning => Opening::Reasoning,
                Opening::ToolCall {
                    id,
                    name,
                    kind,
                    namespace,
                } => Opening::ToolCall {
                    id: id.into_owned().into(),
                    name: name.into_owned().into(),
                    kind,
                    namespace: namespace.map(|text| text.into_owned().into()),
                },
            },
        },
        Event::Text {
            block,
            text,
            logprobs,
        } => Event::Text {
            block,
            text: text.into_owned().into(),
            logprobs: logprobs.map(Json::into_owned),
        },
        Event::Arguments { block, text } => Event::Arguments {
            block,
            text: text.into_owned().into(),
        },
        Event::Close { block } => Event::Close { block },
        Event::Usage(usage) => Event::Usage(usage),
        Event::Stop { candidate, stop } => Event::Stop {
            candidate,
            stop: stop.into_owned(),
        },
        Event::End => Event::End,
        other => panic!("not used here: {other:?}"),
    }
}

/// The first block of the answer, and why it ended.
fn answer(restore: Restore, events: Vec<Event<'_>>) -> (Vec<Part<'static>>, Stop<'static>) {
    let mut fold = Fold::default();
    for event in run(restore, events) {
        fold.push(event);
    }
    let mut answer = fold.finish().unwrap();
    let candidate = answer.candidates.remove(0);
    (candidate.parts, candidate.stop)
}

fn with_arguments<'t>(name: &'static str, pieces: &[&'t str]) -> Vec<Event<'t>> {
    let mut events = vec![Event::Start(Start::default()), call(0, "c", name)];
    events.extend(pieces.iter().map(|piece| Event::Arguments {
        block: 0,
        text: Cow::Borrowed(piece),
    }));
    events.extend([
        Event::Close { block: 0 },
        Event::Stop {
            candidate: 0,
            stop: Stop::new(StopReason::ToolUse),
        },
        Event::End,
    ]);
    events
}

fn arguments_of(restore: Restore, pieces: &[&str]) -> String {
    let (parts, _) = answer(restore, with_arguments("f", pieces));
    match &parts[0].content {
        crate::chat::Content::ToolCall(call) => call.arguments.clone().into_owned(),
        other => panic!("{other:?}"),
    }
}

fn text_of(restore: Restore, pieces: &[&str]) -> (String, Stop<'static>) {
    let mut events = vec![Event::Start(Start::default()), TEXT];
    events.extend(pieces.iter().map(|piece| Event::Text {
        block: 0,
        text: Cow::Borrowed(piece),
        logprobs: None,
    }));
    events.extend([
        Event::Close { block: 0 },
        Event::Stop {
            candidate: 0,
            stop: Stop::new(StopReason::Stop),
        },
        Event::End,
    ]);
    let (parts, stop) = answer(restore, events);
    (parts[0].as_text().unwrap().to_owned(), stop)
}

fn stopping(stops: &[&str]) -> Restore {
    let mut restore = Restore::default();
    restore.stop_at(stops.iter().copied());
    restore
}

#[test]
fn names_and_kinds_come_back() {
    let restore = || {
        let mut patch = tool("ns__patch", "patch", Undo::Input);
        patch.namespace = Some("ns".to_owned());
        knowing([tool("a_b_12345678", "a.b", Undo::Nothing), patch])
    };
    for (sent, name, kind, namespace) in [
        ("a_b_12345678", "a.b", CallKind::Function, None),
        ("default_api:a_b_12345678", "a.b", CallKind::Function, None),
        ("functions.ns__patch", "patch", CallKind::Custom, Some("ns")),
        ("tools.unknown", "tools.unknown", CallKind::Function, None),
    ] {
        let out = run(restore(), vec![call(0, "c", sent)]);
        let wanted = Event::Open {
            block: 0,
            candidate: 0,
            opening: Opening::ToolCall {
                id: "c".into(),
                name: name.into(),
                kind,
                namespace: namespace.map(Cow::Borrowed),
            },
        };
        assert_eq!(out, [wanted], "{sent}");
    }
}

#[test]
fn one_id_for_two_calls_becomes_two() {
    let events = ["c", "c", "c_2", "", ""]
        .iter()
        .zip(0..)
        .map(|(id, block)| call(block, id, "f"))
        .collect();
    let ids: Vec<String> = run(Restore::default(), events)
        .into_iter()
        .map(|event| match event {
            Event::Open {
                opening: Opening::ToolCall { id, .. },
                ..
            } => id.into_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["c", "c_2", "c_2_2", "", ""]);
}

#[test]
fn the_input_of_free_form_tools() {
    let custom = || knowing([tool("f", "f", Undo::Input)]);
    for (sent, wanted) in [
        (r#"{"input":"a\n\"b\"\u00e9😀"}"#, "a\n\"b\"é😀"),
        (" { \"input\" : \"x\" } ", "x"),
        (r#"{"input":"\ud83d\ude00"}"#, "😀"),
        (
            r#"{"input":"\ud83dx\ude00\q"}"#,
            "\u{fffd}x\u{fffd}\u{fffd}",
        ),
        (r#"{"input":""}"#, ""),
        (r#"{}"#, ""),
        ("", ""),
        (r#"{"\u0069nput":"x"}"#, "x"),
        // Other keys: all of it.
        (r#"{"code":"x"}"#, r#"{"code":"x"}"#),
        (r#"{"code":1,"input":"x"}"#, r#"{"code":1,"input":"x"}"#),
        (r#"{"input":{"a":1}}"#, r#"{"input":{"a":1}}"#),
        ("no json", "no json"),
        // Cut off.
        (r#"{"inp"#, r#"{"inp"#),
        (r#"{"input":"abc"#, "abc"),
    ] {
        assert_eq!(arguments_of(custom(), &[sent]), wanted, "{sent}");
    }
}

#[test]
fn the_value_of_wrapped_arguments() {
    for (sent, wanted) in [
        (r#"{"value":[1, 2]}"#, "[1, 2]"),
        (r#"{"value":null}"#, "null"),
        (r#"{"value":1,"more":2}"#, r#"{"value":1,"more":2}"#),
        (r#"{"value":"#, r#"{"value":"#),
    ] {
        let restore = knowing([tool("f", "f", Undo::Value)]);
        assert_eq!(arguments_of(restore, &[sent]), wanted);
    }
}

#[test]
fn a_call_that_is_the_answer_is_text() {
    let answered = |is_wrapped, pieces: &[&str]| {
        let mut restore = knowing([tool("g", "g", Undo::Nothing)]);
        restore.answer_is_json(is_wrapped);
        let (parts, stop) = answer(restore, with_arguments(JSON_TOOL, pieces));
        (parts[0].as_text().unwrap().to_owned(), stop.reason)
    };
    let done = |text: &str| (text.to_owned(), StopReason::Stop);
    assert_eq!(answered(false, &["{\"a\"", ":1}"]), done("{\"a\":1}"));
    assert_eq!(answered(false, &[]), done("{}"));
    assert_eq!(answered(true, &["{\"value\"", ":[1]}"]), done("[1]"));

    // Another call is a call.
    let mut restore = knowing([tool("g", "g", Undo::Nothing)]);
    restore.answer_is_json(false);
    let (_, stop) = answer(restore, with_arguments("g", &["{}"]));
    assert_eq!(stop.reason, StopReason::ToolUse);
}

#[test]
fn one_of_several_words() {
    let mut restore = Restore::default();
    restore.answer_is_value();
    assert_eq!(
        text_of(restore.clone(), &["{\"value\"", ":\"yes\"}"]).0,
        "yes"
    );
    assert_eq!(text_of(restore, &["yes"]).0, "yes");
}

#[test]
fn an_answer_ends_before_a_stop_sequence() {
    let mut events = vec![
        Event::Start(Start {
            usage: Some(Usage::default()),
            ..Start::default()
        }),
        call(1, "c", "f"),
        TEXT,
    ];
    for piece in ["one ", "E", "N", "D two"] {
        events.push(Event::Text {
            block: 0,
            text: piece.into(),
            logprobs: None,
        });
    }
    events.push(Event::Close { block: 0 });
    events.push(Event::End);
    let out = run(stopping(&["END"]), events);
    let text = Event::Text {
        block: 0,
        text: "one ".into(),
        logprobs: None,
    };
    let stop = Event::Stop {
        candidate: 0,
        stop: Stop {
            sequence: Some("END".into()),
            ..Stop::new(StopReason::StopSequence)
        },
    };
    let wanted = [
        text,
        Event::Close { block: 1 },
        Event::Close { block: 0 },
        stop,
        Event::Usage(Usage::default()),
        Event::End,
    ];
    assert_eq!(out[3..], wanted);
}

#[test]
fn what_only_looks_like_a_stop_sequence_is_text() {
    let (text, stop) = text_of(stopping(&["END", "é!"]), &["xEN", "é", "ENE", "N"]);
    assert_eq!((&*text, stop.reason), ("xENéENEN", StopReason::Stop));
}

#[test]
fn log_probabilities_go_with_the_text() {
    let mut events = vec![TEXT];
    for (piece, one) in [("a<", "[1]"), ("b", "[2]"), ("c", "[3]")] {
        events.push(Event::Text {
            block: 0,
            text: piece.into(),
            logprobs: Some(Json::trusted(one)),
        });
    }
    let seen: Vec<(String, String)> = run(stopping(&["<<"]), events)
        .into_iter()
        .filter_map(|event| match event {
            Event::Text { text, logprobs, .. } => {
                Some((text.into_owned(), logprobs?.as_str().to_owned()))
            }
            _ => None,
        })
        .collect();
    let wanted = [("a", "[1]"), ("<b", "[2]"), ("c", "[3]")];
    assert_eq!(seen, wanted.map(|(a, b)| (a.to_owned(), b.to_owned())));
}

proptest! {
    #[test]
    fn free_text_is_the_same_however_it_is_cut(
        text in r#"[a-c"\\/\né😀\u{1}]{0,12}"#,
        ascii in any::<bool>(),
        cuts in proptest::collection::vec(0_usize..80, 0..20),
    ) {
        let mut quoted = serde_json::to_string(&text).unwrap();
        if ascii {
            quoted = quoted.chars().map(|char| {
                let mut units = [0; 2];
                if char.is_ascii() { char.to_string() } else {
                    char.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }
            }).collect();
        }
        let sent = format!("{{\"input\":{quoted}}}");
        let restore = || knowing([tool("f", "f", Undo::Input)]);
        prop_assert_eq!(arguments_of(restore(), &pieces(&sent, &cuts)), text);
    }

    #[test]
    fn any_arguments_are_the_same_however_they_are_cut(
        sent in r#"(\{"input":"|\{"in|)[a{}":,\\u0-9dD8cé]{0,16}"#,
        cuts in proptest::collection::vec(0_usize..40, 0..20),
    ) {
        for undo in [Undo::Nothing, Undo::Input, Undo::Value] {
            let restore = || knowing([tool("f", "f", undo)]);
            let whole = arguments_of(restore(), &pieces(&sent, &[]));
            let singly: Vec<usize> = (0..sent.len()).collect();
            prop_assert_eq!(arguments_of(restore(), &pieces(&sent, &cuts)), &*whole);
            prop_assert_eq!(arguments_of(restore(), &pieces(&sent, &singly)), whole);
        }
    }

    #[test]
    fn stop_sequences_are_found_however_the_text_is_cut(
        text in "[abé]{0,20}",
        stops in proptest::collection::vec("[abé]{1,4}", 1..4),
        cuts in proptest::collection::vec(0_usize..40, 0..20),
    ) {
        let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
        let whole = text_of(stopping(&stops), &pieces(&text, &[]));
        let cut = text_of(stopping(&stops), &pieces(&text, &cuts));
        prop_assert_eq!(&whole, &cut);
        let met = stops.iter().any(|stop| text.contains(stop));
        prop_assert_eq!(met, whole.1.sequence.is_some());
        prop_assert!(text.starts_with(&whole.0));
        if !met { prop_assert_eq!(whole.0, text); }
    }
}
