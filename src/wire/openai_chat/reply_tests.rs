//! Answers as they are written for clients.

use serde_json::{Value, json};

use super::answer_tests::{read_sse, read_whole, reply};
use super::*;
use crate::chat::{
    Answer, CallKind, Candidate, Change, Citation, CitationKind, Content, Event, FaultKind, Format,
    OnLoss, Opaque, OpaqueKind, Opening, Part, ReasonKind, ReasonText, Reasoned, Start, Stop,
    StopReason, Text, ToolCall, Usage,
};
use crate::wire::{EmitReasoning, StateInToolId, carrier};

/// What is sent for events: the documents, and whether the end was marked.
fn stream(reply: &Arc<Reply>, events: Vec<Event<'_>>) -> (Vec<Value>, bool) {
    let mut encoder = OpenAiChat.encoder(Shape::Sse, reply);
    let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
    for event in events {
        encoder.event(event, &mut losses, &mut out);
    }
    documents(&out)
}

fn documents(out: &[u8]) -> (Vec<Value>, bool) {
    let text = std::str::from_utf8(out).unwrap();
    let mut is_done = false;
    let mut all = Vec::new();
    for block in text.split_terminator("\n\n") {
        assert!(!is_done, "nothing follows [DONE]");
        let data = block.strip_prefix("data: ").unwrap();
        assert!(!data.contains('\n'));
        if data == "[DONE]" {
            is_done = true;
        } else {
            all.push(serde_json::from_str(data).unwrap());
        }
    }
    (all, is_done)
}

fn deltas(documents: &[Value]) -> Vec<Value> {
    let choices = documents.iter().filter_map(|one| one["choices"].get(0));
    choices.map(|choice| choice["delta"].clone()).collect()
}

fn start() -> Event<'static> {
    Event::Start(Start {
        id: Some("msg_1.x".into()),
        model: Some("up".into()),
        ..Start::default()
    })
}

fn open(block: u32, opening: Opening<'static>) -> Event<'static> {
    Event::Open {
        block,
        candidate: 0,
        opening,
    }
}

fn open_call(block: u32, id: &'static str, kind: CallKind) -> Event<'static> {
    let opening = Opening::ToolCall {
        id: id.into(),
        name: "f".into(),
        kind,
        namespace: None,
    };
    open(block, opening)
}

fn text(block: u32, text: &'static str) -> Event<'static> {
    Event::Text {
        block,
        text: text.into(),
        logprobs: None,
    }
}

fn arguments(block: u32, text: &'static str) -> Event<'static> {
    let text = text.into();
    Event::Arguments { block, text }
}

fn stop(reason: StopReason) -> Event<'static> {
    let stop = Stop::new(reason);
    Event::Stop { candidate: 0, stop }
}

fn state(origin: Format, kind: OpaqueKind, data: &str) -> Opaque<'static> {
    Opaque {
        origin,
        kind,
        family: "".into(),
        data: data.to_owned().into(),
    }
}

fn signature(block: u32, opaque: Opaque<'static>) -> Event<'static> {
    Event::Signature { block, opaque }
}

#[test]
fn a_stream_begins_with_the_role_and_ends_with_usage_for_those_who_asked() {
    let events = || {
        vec![
            start(),
            open(0, Opening::Text),
            text(0, "Hi"),
            Event::Close { block: 0 },
            stop(StopReason::Stop),
            Event::Usage(Usage {
                input: 3,
                output: 2,
                cache_write: 1,
                ..Usage::default()
            }),
            Event::End,
        ]
    };
    let with = reply(|reply, _| reply.model = "mine".to_owned());
    let (all, is_done) = stream(&with, events());
    assert!(is_done);
    for one in &all {
        assert_eq!(
            (&one["id"], &one["model"], &one["created"], &one["object"]),
            (
                &json!("chatcmpl-msg_1x"),
                &json!("mine"),
                &json!(77),
                &json!("chat.completion.chunk")
            )
        );
    }
    assert_eq!(
        deltas(&all),
        [
            json!({"role": "assistant", "content": ""}),
            json!({"content": "Hi"}),
            json!({})
        ]
    );
    assert_eq!(all[2]["choices"][0]["finish_reason"], "stop");
    assert_eq!(all[1]["choices"][0]["finish_reason"], Value::Null);
    assert_eq!(all[1]["choices"][0]["logprobs"], Value::Null);
    assert!(
        all[..3]
            .iter()
            .all(|one| one.get("usage") == Some(&Value::Null))
    );
    let usage = &all[3]["usage"];
    assert_eq!(all[3]["choices"], json!([]));
    assert_eq!(usage["total_tokens"], 5);
    assert_eq!(usage["prompt_tokens_details"]["cache_write_tokens"], 1);
    let without = reply(|reply, _| reply.include_usage = false);
    let (all, _) = stream(&without, events());
    assert_eq!(all.len(), 3, "nobody gets a chunk without choices unasked");
    assert!(all.iter().all(|one| one.get("usage").is_none()));
}

#[test]
fn interleaved_calls_have_running_numbers() {
    let (all, _) = stream(
        &reply(|_, _| {}),
        vec![
            start(),
            open(0, Opening::Text),
            text(0, "Checking"),
            open_call(1, "call_a", CallKind::Function),
            arguments(1, "{\"c\":"),
            open_call(2, "call_b", CallKind::Custom),
            arguments(2, "ls"),
            arguments(1, "1}"),
            open_call(3, "call_c", CallKind::Function),
            open_call(4, "call_d", CallKind::Custom),
            Event::Close { block: 0 },
            Event::Close { block: 1 },
            Event::Close { block: 2 },
            Event::Close { block: 3 },
            Event::Close { block: 4 },
            stop(StopReason::ToolUse),
            Event::End,
        ],
    );
    let call = |value: Value| json!({"tool_calls": [value]});
    assert_eq!(
        deltas(&all)[2..],
        [
            call(
                json!({"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}})
            ),
            call(json!({"index":0,"function":{"arguments":"{\"c\":"}})),
            call(json!({"index":1,"id":"call_b","type":"custom","custom":{"name":"f","input":""}})),
            call(json!({"index":1,"custom":{"input":"ls"}})),
            call(json!({"index":0,"function":{"arguments":"1}"}})),
            call(
                json!({"index":2,"id":"call_c","type":"function","function":{"name":"f","arguments":""}})
            ),
            call(json!({"index":3,"id":"call_d","type":"custom","custom":{"name":"f","input":""}})),
            call(json!({"index":2,"function":{"arguments":"{}"}})),
            json!({}),
        ]
    );
}

#[test]
fn a_thought_signature_rides_in_the_first_delta_and_in_the_id() {
    let events = |data: &str| {
        vec![
            start(),
            open_call(0, "call_a", CallKind::Function),
            signature(0, state(Format::Gemini, OpaqueKind::Thought, data)),
            arguments(0, "{}"),
            Event::Close { block: 0 },
            stop(StopReason::ToolUse),
            Event::End,
        ]
    };
    let (all, _) = stream(&reply(|_, _| {}), events("T"));
    let first = &deltas(&all)[1]["tool_calls"][0];
    assert_eq!(
        first["extra_content"],
        json!({"google": {"thought_signature": "T"}})
    );
    let (id, hidden) = carrier::reveal(first["id"].as_str().unwrap());
    assert_eq!(id, "call_a");
    let hidden = hidden.unwrap();
    assert_eq!((&*hidden.data, &*hidden.family), ("T", "fam"));
    // Too long for an id, or not wanted there.
    let long = "T".repeat(8 * 1024 + 1);
    let (all, _) = stream(&reply(|_, _| {}), events(&long));
    assert_eq!(deltas(&all)[1]["tool_calls"][0]["id"], "call_a");
    let off = reply(|_, profile| profile.chat.state_in_tool_id = StateInToolId::Off);
    let (all, _) = stream(&off, events("T"));
    assert_eq!(deltas(&all)[1]["tool_calls"][0]["id"], "call_a");
}

fn reasoning_events() -> Vec<Event<'static>> {
    let reason = |block, index, text: &'static str| Event::Reason {
        block,
        kind: ReasonKind::Raw,
        index,
        text: text.into(),
    };
    vec![
        start(),
        open(0, Opening::Reasoning),
        reason(0, 0, "ex"),
        reason(0, 0, "act"),
        signature(0, state(Format::Claude, OpaqueKind::Signature, "SIG")),
        Event::Close { block: 0 },
        open(1, Opening::Reasoning),
        reason(1, 0, "b"),
        reason(1, 1, "c"),
        signature(
            1,
            state(
                Format::OpenAiResponses,
                OpaqueKind::Encrypted,
                r#"{"id":"rs_1","encrypted_content":"E"}"#,
            ),
        ),
        Event::Close { block: 1 },
        open_call(2, "call_a", CallKind::Function),
        Event::Close { block: 2 },
        stop(StopReason::ToolUse),
        Event::End,
    ]
}

#[test]
fn reasoning_is_seen_as_the_profile_says_and_its_state_comes_back() {
    let (all, _) = stream(&reply(|_, _| {}), reasoning_events());
    let deltas_of = deltas(&all);
    let plain: Vec<&str> = deltas_of
        .iter()
        .filter_map(|delta| delta["reasoning_content"].as_str())
        .collect();
    assert_eq!(plain, ["ex", "act", "\n\nb", "\n\nc"]);
    let details: Vec<Value> = deltas_of
        .iter()
        .filter_map(|delta| delta.get("reasoning_details")?.get(0).cloned())
        .collect();
    assert_eq!(
        details[0],
        json!({"type":"reasoning.text","text":"ex","format":"unknown","index":0})
    );
    assert_eq!(details[2]["format"], "anthropic-claude-v1");
    assert_eq!(details[5]["format"], "openai-responses-v1");
    assert_eq!(
        (&details[5]["id"], &details[5]["index"]),
        (&json!("rs_1"), &json!(1))
    );
    // A client that sends back what it got.
    let message =
        json!({"messages": [{"role":"assistant","content":"x","reasoning_details":details}]});
    let message = message.to_string();
    let request = OpenAiChat
        .decode_request(Node::parse(message.as_bytes(), 99).unwrap())
        .unwrap();
    let parts = request.turns[0].parts.iter();
    let back: Vec<&Reasoned<'_>> = parts
        .filter_map(|part| match &part.content {
            Content::Reasoning(reasoned) => Some(reasoned),
            _ => None,
        })
        .collect();
    assert_eq!(back.len(), 2);
    assert_eq!(
        (&*back[0].text(), &*back[0].opaque[0].data),
        ("exact", "SIG")
    );
    assert_eq!(back[0].opaque[0].family, "fam");
    assert_eq!(
        back[1].opaque[0].data,
        r#"{"id":"rs_1","encrypted_content":"E"}"#
    );
    // Other settings.
    let only = |emit| {
        let reply = reply(|_, profile| profile.chat.emit_reasoning = emit);
        let (all, _) = stream(&reply, reasoning_events());
        serde_json::to_string(&deltas(&all)).unwrap()
    };
    let text = only(EmitReasoning::Reasoning);
    assert!(
        text.contains(r#"{"reasoning":"ex"}"#) && !text.contains("details"),
        "{text}"
    );
    assert!(!only(EmitReasoning::None).contains("reasoning"));
    // State in ids, of whatever kind.
    let all_in_ids = reply(|_, profile| profile.chat.state_in_tool_id = StateInToolId::All);
    let (all, _) = stream(&all_in_ids, reasoning_events());
    let last = deltas(&all);
    let id = last
        .iter()
        .find_map(|delta| delta["tool_calls"][0]["id"].as_str());
    let hidden = carrier::reveal(id.unwrap()).1.unwrap();
    assert_eq!(hidden.origin, Format::OpenAiResponses);
}

#[test]
fn a_whole_answer_carries_state_as_a_stream_does() {
    let answer = || Answer {
        start: Start::default(),
        candidates: vec![Candidate {
            parts: vec![
                Part::new(Content::Reasoning(Reasoned {
                    texts: vec![ReasonText {
                        kind: ReasonKind::Raw,
                        text: "why".into(),
                    }],
                    opaque: vec![state(Format::Claude, OpaqueKind::Signature, "SIG")],
                    id: None,
                })),
                Part {
                    signature: Some(state(Format::Gemini, OpaqueKind::Thought, "T")),
                    ..Part::new(Content::ToolCall(ToolCall {
                        id: "a".into(),
                        name: "f".into(),
                        arguments: "".into(),
                        kind: CallKind::Function,
                        namespace: None,
                        item_id: None,
                    }))
                },
            ],
            stop: Stop::new(StopReason::ToolUse),
        }],
        usage: None,
    };
    let whole = |reply: &Arc<Reply>| -> Value {
        let mut encoder = OpenAiChat.encoder(Shape::Whole, reply);
        let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
        answer().into_events(&mut |event| encoder.event(event, &mut losses, &mut out));
        serde_json::from_slice(&out).unwrap()
    };
    let document = whole(&reply(|_, _| {}));
    assert_eq!(document["id"], "chatcmpl-abcdefghijklmnopqrstuvwx");
    assert_eq!(document["usage"]["prompt_tokens"], 0);
    let message = &document["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["reasoning_content"], "why");
    let signed = carrier::unwrap(
        message["reasoning_details"][1]["signature"]
            .as_str()
            .unwrap(),
    );
    assert_eq!(signed.unwrap().data, r#"{"t":"why","s":"SIG"}"#);
    let call = &message["tool_calls"][0];
    assert_eq!(call["function"]["arguments"], "{}");
    assert_eq!(call["extra_content"]["google"]["thought_signature"], "T");
    assert!(call["id"].as_str().unwrap().starts_with("a__aip1_"));
    // In the form before tools.
    let document = whole(&reply(|reply, _| reply.legacy_functions = true));
    let choice = &document["choices"][0];
    assert_eq!(
        choice["message"]["function_call"],
        json!({"name":"f","arguments":"{}"})
    );
    assert_eq!(choice["finish_reason"], "function_call");
}

#[test]
fn calls_in_the_form_before_tools() {
    let legacy = reply(|reply, _| reply.legacy_functions = true);
    let mut encoder = OpenAiChat.encoder(Shape::Sse, &legacy);
    let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
    for event in [
        start(),
        open_call(0, "a", CallKind::Function),
        arguments(0, "{}"),
        open_call(1, "b", CallKind::Function),
        arguments(1, "{}"),
        Event::Close { block: 0 },
        Event::Close { block: 1 },
        stop(StopReason::ToolUse),
        Event::End,
    ] {
        encoder.event(event, &mut losses, &mut out);
    }
    let (all, _) = documents(&out);
    assert_eq!(
        deltas(&all)[1..],
        [
            json!({"function_call": {"name": "f", "arguments": ""}}),
            json!({"function_call": {"arguments": "{}"}}),
            json!({})
        ]
    );
    assert_eq!(all[3]["choices"][0]["finish_reason"], "function_call");
    assert_eq!(losses.notes()[0].change, Change::Dropped);
}

#[test]
fn an_error_ends_a_stream_after_what_is_known_of_its_cost() {
    let fault = || Event::Fault(Fault::new(FaultKind::Overloaded, "gone", "m"));
    let events = vec![
        start(),
        open_call(0, "a", CallKind::Function),
        Event::Usage(Usage::default()),
        fault(),
        Event::End,
    ];
    let (all, is_done) = stream(&reply(|_, _| {}), events);
    assert!(!is_done);
    assert_eq!(all.len(), 4);
    assert!(all[2].get("usage").is_some());
    assert_eq!(all[3]["error"]["code"], "gone");
    let (all, _) = stream(&reply(|_, _| {}), vec![start(), fault()]);
    assert_eq!(all.len(), 2);
    let mut encoder = OpenAiChat.encoder(Shape::Whole, &reply(|_, _| {}));
    let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
    encoder.event(start(), &mut losses, &mut out);
    encoder.event(fault(), &mut losses, &mut out);
    assert!(out.is_empty());
}

#[test]
fn ends_without_a_word() {
    let (all, _) = stream(
        &reply(|_, _| {}),
        vec![start(), stop(StopReason::Refusal), Event::End],
    );
    assert_eq!(
        deltas(&all)[1],
        json!({"refusal": "The model declined to answer."})
    );
    assert_eq!(all[2]["choices"][0]["finish_reason"], "stop");
    let (all, _) = stream(
        &reply(|_, _| {}),
        vec![start(), stop(StopReason::MalformedTool), Event::End],
    );
    assert_eq!(all[1]["error"]["code"], "bad_upstream");
    for (reason, want) in [
        (StopReason::ContextWindow, "length"),
        (StopReason::Recitation, "content_filter"),
        (StopReason::Pause, "stop"),
        (StopReason::Other("x".to_owned()), "stop"),
        (StopReason::ToolUse, "tool_calls"),
    ] {
        let (all, _) = stream(&reply(|_, _| {}), vec![start(), stop(reason), Event::End]);
        assert_eq!(all[1]["choices"][0]["finish_reason"], want);
    }
    // Only reasoning, and then no more room.
    let mut events = reasoning_events();
    events.truncate(6);
    events.extend([stop(StopReason::Length), Event::End]);
    let (all, is_done) = stream(&reply(|_, _| {}), events);
    assert!(is_done);
    assert_eq!(all[0]["choices"][0]["delta"]["content"], "");
}

#[test]
fn citations_point_into_the_whole_text() {
    let cited = |text: &'static str, span| {
        let mut text = Text::new(text);
        text.citations.push(Citation {
            kind: CitationKind::Web,
            url: Some("u".into()),
            title: None,
            cited: None,
            span,
            file_id: None,
            filename: None,
            native: None,
        });
        Part::new(Content::Text(text))
    };
    let reasoning = Part::new(Content::Reasoning(Reasoned::default()));
    let answer = Answer {
        start: Start::default(),
        candidates: vec![Candidate {
            parts: vec![
                cited("é1", None),
                cited("23", Some((1, 2))),
                reasoning,
                cited("4", None),
            ],
            stop: Stop::new(StopReason::Stop),
        }],
        usage: None,
    };
    let spans = |annotations: &Value| -> Vec<(u64, u64)> {
        let all = annotations.as_array().unwrap().iter();
        all.map(|one| {
            let cited = &one["url_citation"];
            (
                cited["start_index"].as_u64().unwrap(),
                cited["end_index"].as_u64().unwrap(),
            )
        })
        .collect()
    };
    let written = |shape| {
        let mut encoder = OpenAiChat.encoder(shape, &reply(|_, _| {}));
        let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
        answer
            .clone()
            .into_events(&mut |event| encoder.event(event, &mut losses, &mut out));
        out
    };
    let whole: Value = serde_json::from_slice(&written(Shape::Whole)).unwrap();
    let message = &whole["choices"][0]["message"];
    assert_eq!(
        message["content"], "é123\n\n4",
        "a blank line only where something stood between"
    );
    assert_eq!(spans(&message["annotations"]), [(0, 2), (3, 4), (6, 7)]);
    let (all, _) = documents(&written(Shape::Sse));
    let last = &deltas(&all)[all.len() - 3];
    assert_eq!(spans(&last["annotations"]), [(0, 2), (3, 4), (4, 5)]);
    assert!(
        read_whole(&reply(|_, _| {}), &written(Shape::Whole))
            .fault
            .is_none()
    );
    assert!(
        read_sse(&reply(|_, _| {}), &written(Shape::Sse))
            .fault
            .is_none()
    );
}

#[test]
fn what_belongs_to_no_call_comes_back_too() {
    let (all, _) = stream(
        &reply(|_, _| {}),
        vec![
            start(),
            open(0, Opening::Reasoning),
            signature(0, state(Format::Claude, OpaqueKind::Redacted, "RED")),
            Event::Close { block: 0 },
            open(1, Opening::Text),
            text(1, "Hi"),
            signature(1, state(Format::Gemini, OpaqueKind::Thought, "T")),
            Event::Close { block: 1 },
            stop(StopReason::Stop),
            Event::End,
        ],
    );
    let mut message = json!({"role": "assistant"});
    for delta in deltas(&all) {
        for (name, value) in delta.as_object().unwrap() {
            message[name] = value.clone();
        }
    }
    let document = json!({"messages": [message]}).to_string();
    let node = Node::parse(document.as_bytes(), 99).unwrap();
    let turn = OpenAiChat.decode_request(node).unwrap().turns.remove(0);
    let [reasoning, said] = &turn.parts[..] else {
        panic!("{turn:?}")
    };
    let Content::Reasoning(reasoned) = &reasoning.content else {
        panic!("{turn:?}")
    };
    let known = &reasoned.opaque[0];
    assert_eq!((known.kind, &*known.data), (OpaqueKind::Redacted, "RED"));
    assert_eq!(said.as_text(), Some("Hi"));
    assert_eq!(said.signature.as_ref().unwrap().data, "T");
}

#[test]
fn thinking_until_there_is_no_more_room_is_an_empty_text() {
    let mut encoder = OpenAiChat.encoder(Shape::Whole, &reply(|_, _| {}));
    let (mut out, mut losses) = (Vec::new(), Losses::new(OnLoss::Warn));
    let mut events = reasoning_events();
    events.truncate(6);
    events.extend([stop(StopReason::Length), Event::End]);
    for event in events {
        encoder.event(event, &mut losses, &mut out);
    }
    let document: Value = serde_json::from_slice(&out).unwrap();
    let choice = &document["choices"][0];
    assert_eq!(choice["finish_reason"], "length");
    assert_eq!(choice["message"]["content"], "");
}
