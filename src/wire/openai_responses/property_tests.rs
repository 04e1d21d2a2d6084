//! Whatever comes, what goes out keeps its rules.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::stream_tests::{both, decode, fold, reply};
use super::*;
use crate::chat::{
    CallKind, Citation, CitationKind, Content, Event, Format, Json, Opaque, OpaqueKind, Opening,
    Part, ReasonKind, ServerCall, ServerResult, ServerTool, Stop, StopReason, Usage,
};

/// An event of a careless provider.
fn careless() -> impl Strategy<Value = Value> {
    let item = prop_oneof![
        Just(
            json!({"type": "message", "content": [{"type": "output_text", "text": "ab", "annotations": []}]})
        ),
        Just(json!({"type": "message", "content": []})),
        Just(
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "x"})
        ),
        Just(json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"})),
        Just(json!({"type": "custom_tool_call", "call_id": "", "name": "f", "input": "ab"})),
        Just(json!({"type": "web_search_call", "id": "ws", "status": "completed"})),
        Just(json!({"type": "shell_call", "call_id": "s", "action": {}})),
        Just(json!({"type": "odd"})),
    ];
    let kind = prop::sample::select(vec![
        "response.created",
        "response.output_item.added",
        "response.output_item.added",
        "response.output_item.done",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_text.annotation.added",
        "response.refusal.delta",
        "response.refusal.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.delta",
        "response.custom_tool_call_input.done",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.reasoning_text.delta",
        "response.web_search_call.searching",
        "response.odd",
    ]);
    let part = prop::sample::select(vec!["output_text", "refusal", "reasoning_text", "odd"]);
    (kind, item, part, 0..3_u8, 0..2_u8, prop::sample::select(vec!["", "a", "ab"])).prop_map(
        |(kind, mut item, part, output, content, text)| {
            // Whatever else a provider does, its items have ids of their own.
            if item.get("id").is_some() {
                item["id"] = json!(format!("ws_{output}"));
            }
            json!({"type": kind, "output_index": output, "content_index": content, "summary_index": content,
                "item": item, "delta": text, "text": text, "refusal": text, "arguments": text, "input": text,
                "annotation": {"type": "url_citation", "url": "u", "start_index": 0, "end_index": 1},
                "part": {"type": part, "text": text, "refusal": text},
                "response": {"id": "resp_1", "output": [item]}})
        },
    )
}

/// One thing that happens to a block.
#[derive(Debug, Clone)]
enum Step {
    Open(u8),
    More(usize, u8),
    Close(usize),
    Part(u8),
    Usage,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_u8).prop_map(Step::Open),
        6 => (any::<usize>(), 0..4_u8).prop_map(|(at, what)| Step::More(at, what)),
        3 => any::<usize>().prop_map(Step::Close),
        1 => (0..4_u8).prop_map(Step::Part),
        1 => Just(Step::Usage),
    ]
}

/// Events that keep the grammar, of any steps.
fn grammatical(steps: Vec<Step>, reason: StopReason) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    let mut open: Vec<(u32, u8)> = Vec::new();
    let mut next = 0;
    for step in steps {
        match step {
            Step::Open(kind) => {
                let call = |kind| Opening::ToolCall {
                    id: format!("c{next}").into(),
                    name: "f".into(),
                    kind,
                    namespace: None,
                };
                let opening = match kind {
                    0 => Opening::Text,
                    1 => Opening::Refusal,
                    2 => Opening::Reasoning,
                    3 => call(CallKind::Custom),
                    _ => call(CallKind::Typed("shell_call")),
                };
                events.push(Event::Open {
                    block: next,
                    candidate: 0,
                    opening,
                });
                if kind >= 3 && next % 2 == 0 {
                    events.push(Event::Signature {
                        block: next,
                        opaque: state(OpaqueKind::Thought),
                    });
                }
                open.push((next, kind));
                next += 1;
            }
            Step::More(at, what) if !open.is_empty() => {
                let (block, kind) = open[at % open.len()];
                events.push(match kind {
                    0 if what == 3 => Event::Cite {
                        block,
                        citation: Citation {
                            kind: CitationKind::Web,
                            url: Some("u".into()),
                            title: None,
                            cited: None,
                            span: None,
                            file_id: None,
                            filename: None,
                            native: None,
                        },
                    },
                    0 => Event::Text {
                        block,
                        text: "é".into(),
                        logprobs: None,
                    },
                    1 => Event::Refusal {
                        block,
                        text: "no".into(),
                    },
                    2 if what == 3 => Event::Signature {
                        block,
                        opaque: state(OpaqueKind::Signature),
                    },
                    2 => Event::Reason {
                        block,
                        kind: ReasonKind::Summary,
                        index: what.into(),
                        text: "r".into(),
                    },
                    _ => Event::Arguments {
                        block,
                        text: "1".into(),
                    },
                });
            }
            Step::Close(at) if !open.is_empty() => {
                let (block, _) = open.remove(at % open.len());
                events.push(Event::Close { block });
            }
            Step::Part(what) => {
                let content = match what {
                    0 => Content::ServerResult(ServerResult {
                        call: "s".into(),
                        tool: ServerTool::WebSearch,
                        error: None,
                        sources: Vec::new(),
                        output: None,
                        native: None,
                    }),
                    1 => Content::ServerCall(ServerCall {
                        id: "k".into(),
                        tool: ServerTool::CodeExecution,
                        input: Json::trusted("{}"),
                        native: None,
                    }),
                    2 => Content::Video(crate::chat::Video {
                        source: crate::chat::Source::Text("".into()),
                    }),
                    _ => Content::ServerCall(ServerCall {
                        id: "s".into(),
                        tool: ServerTool::WebSearch,
                        input: Json::trusted("{}"),
                        native: None,
                    }),
                };
                events.push(Event::Part {
                    candidate: 0,
                    part: Part::new(content),
                });
            }
            Step::Usage => events.push(Event::Usage(Usage::default())),
            Step::More(..) | Step::Close(_) => {}
        }
    }
    events.extend(open.into_iter().map(|(block, _)| Event::Close { block }));
    events.push(Event::Stop {
        candidate: 0,
        stop: Stop::new(reason),
    });
    events.push(Event::End);
    events
}

fn state(kind: OpaqueKind) -> Opaque<'static> {
    let origin = if kind == OpaqueKind::Thought {
        Format::Gemini
    } else {
        Format::Claude
    };
    Opaque {
        origin,
        kind,
        family: "f".into(),
        data: "x".into(),
    }
}

proptest! {
    /// The grammar is checked in `decode`, what clients require in `both`.
    #[test]
    fn a_careless_stream_becomes_a_careful_one(
        events in prop::collection::vec(careless(), 0..24), ending in prop::option::of(any::<bool>())
    ) {
        let mut body = Vec::new();
        for event in &events {
            body.extend_from_slice(format!("data: {event}\n\n").as_bytes());
        }
        let end = ending.map(|whole| {
            let last = events.last().map_or(Value::Null, |event| event["item"].clone());
            json!({"type": "response.completed", "response": {"output": if whole { json!([last]) } else { json!([]) }}})
        });
        if let Some(end) = &end {
            body.extend_from_slice(format!("data: {end}\n\n").as_bytes());
        }
        let decoded = decode(&body);
        prop_assert_eq!(matches!(decoded.last(), Some(Event::End)), end.is_some());
        let mut calls = true;
        // Arguments of a careless provider need not be JSON, which a client would notice.
        for event in &decoded {
            calls &= !matches!(event, Event::Open { opening: Opening::ToolCall { kind: CallKind::Function, .. }, .. });
        }
        if calls {
            both(&decoded, &reply());
        }
    }

    #[test]
    fn any_answer_is_written_as_clients_require(
        steps in prop::collection::vec(step(), 0..32), cut in any::<bool>(), expose_reasoning in any::<bool>()
    ) {
        let reason = if cut { StopReason::Length } else { StopReason::Stop };
        let events = grammatical(steps, reason);
        stream_tests::grammar_without_start(&events);
        let reply = Reply { expose_reasoning, ..reply() };
        let response = both(&events, &reply);
        // Nothing that was said is lost.
        let text = |kind: &str, key: &str| -> String {
            let items = response["output"].as_array().unwrap().iter();
            items.filter_map(|item| item["content"].as_array()).flatten()
                .filter(|part| part["type"] == kind).map(|part| part[key].as_str().unwrap()).collect()
        };
        let answer = fold(&events);
        let said = answer.candidates[0].parts.iter().filter_map(Part::as_text).collect::<String>();
        prop_assert_eq!(text("output_text", "text").len(), said.len());
        let calls = answer.candidates[0].parts.iter().filter(|part| matches!(part.content, Content::ToolCall(_))).count();
        let items = response["output"].as_array().unwrap().iter().filter(|item| item.get("call_id").is_some()).count();
        prop_assert_eq!(items, calls);
    }
}
