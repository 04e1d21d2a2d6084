//! Answers as clients get them.

use std::sync::Arc;

use serde_json::{Value, json};

use super::stream_tests::{both, decode, encode, fold, reply};
use super::validate_tests::check;
use super::*;
use crate::chat::{
    CallKind, Citation, CitationKind, Content, Event, Format, Json, Native, Opaque, OpaqueKind,
    Opening, Part, ReasonKind, Reasoned, ServerCall, ServerResult, ServerTool, Start, Stop,
    StopReason, Usage, WebSource,
};
use crate::wire::carrier;

fn open(block: u32, opening: Opening<'static>) -> Event<'static> {
    Event::Open {
        block,
        candidate: 0,
        opening,
    }
}

fn tool(id: &'static str, name: &'static str, kind: CallKind) -> Opening<'static> {
    Opening::ToolCall {
        id: id.into(),
        name: name.into(),
        kind,
        namespace: None,
    }
}

fn text(block: u32, text: &'static str) -> Event<'static> {
    Event::Text {
        block,
        text: text.into(),
        logprobs: None,
    }
}

fn arguments(block: u32, text: &'static str) -> Event<'static> {
    Event::Arguments {
        block,
        text: text.into(),
    }
}

fn close(block: u32) -> Event<'static> {
    Event::Close { block }
}

fn stop(reason: StopReason) -> Event<'static> {
    Event::Stop {
        candidate: 0,
        stop: Stop::new(reason),
    }
}

fn begin() -> Event<'static> {
    Event::Start(Start {
        id: Some("chatcmpl-abc".into()),
        model: Some("m".into()),
        created: Some(5),
        ..Start::default()
    })
}

fn kinds(stream: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(stream).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("event: response."))
        .map(str::to_owned)
        .collect()
}

/// Section 26's chunks of Chat Completions, as events.
fn interleaved() -> Vec<Event<'static>> {
    vec![
        begin(),
        open(0, Opening::Text),
        text(0, "Checking"),
        open(1, tool("call_a", "w", CallKind::Function)),
        arguments(1, "{\"c\":"),
        open(2, tool("call_b", "t", CallKind::Function)),
        arguments(2, "{\"z\":1}"),
        arguments(1, "\"P\"}"),
        close(0),
        close(1),
        close(2),
        Event::Usage(Usage {
            input: 20,
            cache_read: 5,
            output: 9,
            exact: true,
            ..Usage::default()
        }),
        stop(StopReason::ToolUse),
        Event::End,
    ]
}

#[test]
fn interleaved_calls_are_open_at_once() {
    let out = encode(&interleaved(), Shape::Sse, reply());
    let response = check(&out);
    assert_eq!(
        kinds(&out),
        [
            "created",
            "in_progress",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
    );
    assert_eq!(response["id"], "resp_abc");
    let output = &response["output"];
    assert_eq!(
        output[0],
        json!({"id": "msg_abc_0", "type": "message", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": "Checking", "annotations": [], "logprobs": []}]})
    );
    assert_eq!(
        output[1],
        json!({"id": "fc_abc_1", "type": "function_call", "status": "completed",
        "call_id": "call_a", "name": "w", "arguments": "{\"c\":\"P\"}"})
    );
    assert_eq!(output[2]["arguments"], "{\"z\":1}");
    assert_eq!(
        response["usage"],
        json!({"input_tokens": 20, "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 29})
    );
    both(&interleaved(), &reply());
}

#[test]
fn text_that_resumes_after_a_call_is_a_new_message() {
    let response = both(
        &[
            begin(),
            open(0, Opening::Text),
            text(0, "a"),
            open(1, tool("c", "f", CallKind::Function)),
            arguments(1, "{"),
            text(0, "b"),
            arguments(1, "}"),
            close(1),
            close(0),
            stop(StopReason::ToolUse),
            Event::End,
        ],
        &reply(),
    );
    let texts: Vec<_> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["content"][0]["text"].as_str())
        .collect();
    assert_eq!(texts, [Some("a"), None, Some("b")]);
}

#[test]
fn consecutive_texts_are_one_part_and_places_in_them_move() {
    let cite = |block| Event::Cite {
        block,
        citation: Citation {
            kind: CitationKind::Web,
            url: Some("https://x".into()),
            title: Some("X".into()),
            cited: None,
            span: None,
            file_id: None,
            filename: None,
            native: None,
        },
    };
    let response = both(
        &[
            begin(),
            open(0, Opening::Text),
            text(0, "é😀 "),
            close(0),
            open(1, Opening::Text),
            text(1, "cited"),
            cite(1),
            close(1),
            open(2, Opening::Refusal),
            Event::Refusal {
                block: 2,
                text: "no".into(),
            },
            close(2),
            stop(StopReason::Stop),
            Event::End,
        ],
        &reply(),
    );
    let content = &response["output"][0]["content"];
    assert_eq!(content[0]["text"], "é😀 cited");
    assert_eq!(
        content[0]["annotations"],
        json!([{"type": "url_citation", "url": "https://x", "title": "X", "start_index": 3, "end_index": 8}])
    );
    assert_eq!(content[1], json!({"type": "refusal", "refusal": "no"}));
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let response = both(
        &[
            begin(),
            open(0, tool("c", "f", CallKind::Function)),
            close(0),
            open(1, tool("d", "g", CallKind::Custom)),
            arguments(1, "free"),
            close(1),
            open(2, tool("e", "shell", CallKind::Typed("shell_call"))),
            arguments(2, "{\"commands\":[\"ls\"]}"),
            close(2),
            stop(StopReason::ToolUse),
            Event::End,
        ],
        &reply(),
    );
    let output = &response["output"];
    assert_eq!(output[0]["arguments"], "{}");
    assert_eq!(
        (&output[1]["type"], &output[1]["input"]),
        (&json!("custom_tool_call"), &json!("free"))
    );
    assert_eq!(output[2]["action"], json!({"commands": ["ls"]}));
}

#[test]
fn a_cut_answer_ends_with_an_incomplete_item() {
    for (reason, said) in [
        (StopReason::Length, "max_output_tokens"),
        (StopReason::ContextWindow, "max_output_tokens"),
        (StopReason::Safety, "content_filter"),
        (StopReason::Recitation, "content_filter"),
    ] {
        let response = both(
            &[
                begin(),
                open(0, tool("a", "f", CallKind::Function)),
                arguments(0, "{}"),
                close(0),
                open(1, tool("b", "f", CallKind::Function)),
                arguments(1, "{\"x\":"),
                close(1),
                // Usage in between must not complete it.
                Event::Usage(Usage::default()),
                stop(reason),
                Event::End,
            ],
            &reply(),
        );
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"]["reason"], said);
        assert_eq!(response["output"][0]["status"], "completed");
        assert_eq!(response["output"][1]["status"], "incomplete");
    }
}

#[test]
fn thinking_only_is_an_incomplete_answer_with_reasoning() {
    let response = both(
        &[
            begin(),
            open(0, Opening::Reasoning),
            Event::Reason {
                block: 0,
                kind: ReasonKind::Raw,
                index: 0,
                text: "hm".into(),
            },
            close(0),
            stop(StopReason::Length),
            Event::End,
        ],
        &reply(),
    );
    assert_eq!(response["output"].as_array().unwrap().len(), 1);
    assert_eq!(
        response["output"][0]["summary"],
        json!([{"type": "summary_text", "text": "hm"}])
    );
}

fn opaque(origin: Format, kind: OpaqueKind, data: &'static str) -> Opaque<'static> {
    Opaque {
        origin,
        kind,
        family: "".into(),
        data: data.into(),
    }
}

#[test]
fn reasoning_is_shown_only_to_those_who_asked() {
    let events = [
        begin(),
        open(0, Opening::Reasoning),
        Event::Reason {
            block: 0,
            kind: ReasonKind::Summary,
            index: 0,
            text: "one".into(),
        },
        Event::Reason {
            block: 0,
            kind: ReasonKind::Summary,
            index: 1,
            text: "two".into(),
        },
        Event::Signature {
            block: 0,
            opaque: opaque(Format::Claude, OpaqueKind::Signature, "sig"),
        },
        close(0),
        open(1, Opening::Text),
        text(1, "x"),
        close(1),
        stop(StopReason::Stop),
        Event::End,
    ];
    let shown = both(&events, &reply());
    assert_eq!(
        shown["output"][0]["summary"],
        json!([{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}])
    );
    let hidden = both(
        &events,
        &Reply {
            expose_reasoning: false,
            ..reply()
        },
    );
    assert_eq!(hidden["output"][0]["summary"], json!([]));
    // The signed text travels with the signature.
    let state =
        carrier::unwrap(hidden["output"][0]["encrypted_content"].as_str().unwrap()).unwrap();
    assert_eq!((state.origin, &*state.family), (Format::Claude, "fam-1"));
    assert_eq!(&*state.data, r#"{"t":"one\n\ntwo","s":"sig"}"#);
}

#[test]
fn raw_reasoning_is_raw_where_it_is_wanted() {
    let mut profile = Profile::default();
    profile.responses.raw_reasoning = true;
    let events = [
        begin(),
        open(0, Opening::Reasoning),
        Event::Reason {
            block: 0,
            kind: ReasonKind::Summary,
            index: 0,
            text: "s".into(),
        },
        Event::Reason {
            block: 0,
            kind: ReasonKind::Raw,
            index: 1,
            text: "r".into(),
        },
        close(0),
        stop(StopReason::Stop),
        Event::End,
    ];
    let response = both(
        &events,
        &Reply {
            profile: Arc::new(profile),
            ..reply()
        },
    );
    let item = &response["output"][0];
    assert_eq!(
        item["summary"],
        json!([{"type": "summary_text", "text": "s"}])
    );
    assert_eq!(
        item["content"],
        json!([{"type": "reasoning_text", "text": "r"}])
    );
}

#[test]
fn reasoning_that_leaves_nothing_behind_is_no_item() {
    let response = both(
        &[
            begin(),
            open(0, Opening::Reasoning),
            Event::Reason {
                block: 0,
                kind: ReasonKind::Raw,
                index: 0,
                text: "hm".into(),
            },
            close(0),
            stop(StopReason::Stop),
            Event::End,
        ],
        &Reply {
            expose_reasoning: false,
            ..reply()
        },
    );
    assert_eq!(response["output"], json!([]));
}

#[test]
fn a_thought_signature_stands_before_its_call() {
    let events = [
        begin(),
        open(0, Opening::Text),
        text(0, "x"),
        close(0),
        open(1, tool("c", "f", CallKind::Function)),
        Event::Signature {
            block: 1,
            opaque: opaque(Format::Gemini, OpaqueKind::Thought, "QUJD"),
        },
        arguments(1, "{}"),
        close(1),
        stop(StopReason::ToolUse),
        Event::End,
    ];
    let response = both(&events, &reply());
    let output = response["output"].as_array().unwrap();
    let types: Vec<_> = output
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["message", "reasoning", "function_call"]);
    assert_eq!(output[1]["summary"], json!([]));
    // The client sends it back: it is the call's again.
    let history =
        json!({"input": [{"role": "user", "content": "q"}, output[0], output[1], output[2]]})
            .to_string();
    let request = OpenAiResponses
        .decode_request(Node::parse(history.as_bytes(), 64).unwrap())
        .unwrap();
    let parts = &request.turns[1].parts;
    assert_eq!(parts.len(), 2);
    let signature = parts[1].signature.clone().unwrap();
    assert_eq!(
        (signature.origin, signature.kind, &*signature.data),
        (Format::Gemini, OpaqueKind::Thought, "QUJD")
    );
}

#[test]
fn own_state_goes_through_as_it_is() {
    let data = r#"{"id":"rs_1","encrypted_content":"gAAA"}"#;
    let response = both(
        &[
            begin(),
            open(0, Opening::Reasoning),
            Event::Signature {
                block: 0,
                opaque: opaque(Format::OpenAiResponses, OpaqueKind::Encrypted, data),
            },
            close(0),
            stop(StopReason::Stop),
            Event::End,
        ],
        &reply(),
    );
    assert_eq!(response["output"][0]["encrypted_content"], "gAAA");
}

#[test]
fn searches_code_and_pictures_have_items() {
    let call = |id: &'static str, tool, input: &'static str| Event::Part {
        candidate: 0,
        part: Part::new(Content::ServerCall(ServerCall {
            id: id.into(),
            tool,
            input: Json::trusted(input),
            native: None,
        })),
    };
    let result = |id: &'static str, tool| Event::Part {
        candidate: 0,
        part: Part::new(Content::ServerResult(ServerResult {
            call: id.into(),
            tool,
            error: None,
            sources: vec![WebSource {
                url: "https://x".into(),
                title: None,
            }],
            output: Some("4\n".into()),
            native: None,
        })),
    };
    let image = Event::Part {
        candidate: 0,
        part: Part::new(Content::Image(crate::chat::Image {
            source: crate::chat::Source::Bytes {
                mime: "image/png".into(),
                base64: "QUJD".into(),
            },
            detail: None,
        })),
    };
    let native = Event::Part {
        candidate: 0,
        part: Part::new(Content::Native(Native {
            format: Format::Claude,
            json: Json::trusted("{}"),
        })),
    };
    let failed = Event::Part {
        candidate: 0,
        part: Part::new(Content::ServerResult(ServerResult {
            call: "s2".into(),
            tool: ServerTool::WebFetch,
            error: Some("unavailable".into()),
            sources: Vec::new(),
            output: None,
            native: None,
        })),
    };
    let events = [
        begin(),
        call("s1", ServerTool::WebSearch, r#"{"query":"q"}"#),
        call("s2", ServerTool::WebFetch, r#"{"url":"https://y"}"#),
        failed,
        result("s1", ServerTool::WebSearch),
        call("s3", ServerTool::CodeExecution, r#"{"code":"2+2"}"#),
        result("s3", ServerTool::CodeExecution),
        image,
        native,
        stop(StopReason::Stop),
        Event::End,
    ];
    let response = both(&events, &reply());
    let output = response["output"].as_array().unwrap();
    assert_eq!(output.len(), 4);
    assert_eq!(
        output[0]["action"],
        json!({"type": "search", "query": "q", "sources": [{"type": "url", "url": "https://x"}]})
    );
    assert_eq!(output[1]["status"], "failed");
    assert_eq!(
        output[1]["action"],
        json!({"type": "open_page", "url": "https://y"})
    );
    assert_eq!(
        (&output[2]["code"], &output[2]["outputs"]),
        (&json!("2+2"), &json!([{"type": "logs", "logs": "4\n"}]))
    );
    assert_eq!(output[3]["result"], "QUJD");
    let mut losses = Losses::default();
    let mut encoder = OpenAiResponses.encoder(Shape::Whole, &Arc::new(reply()));
    for event in events {
        encoder.event(event, &mut losses, &mut Vec::new());
    }
    assert_eq!(losses.notes().len(), 1, "{:?}", losses.notes());
}

#[test]
fn a_fault_completes_nothing() {
    let mut events = interleaved();
    events.truncate(8);
    events.push(Event::Fault(Fault::new(
        FaultKind::Overloaded,
        "overloaded",
        "busy",
    )));
    events.push(text(0, "late"));
    let out = encode(&events, Shape::Sse, reply());
    let response = check(&out);
    assert_eq!(
        response["error"],
        json!({"code": "overloaded", "message": "busy"})
    );
    // The message was done before the call; the calls never were.
    assert_eq!(response["output"].as_array().unwrap().len(), 1);
    assert!(encode(&events, Shape::Whole, reply()).is_empty());
}

#[test]
fn a_fault_may_come_first() {
    let fault = Event::Fault(Fault::new(FaultKind::Internal, "c", "m"));
    let response = both(&[fault], &reply());
    assert_eq!(response["id"], "resp_ABCDEFGHIJKLMNOPQRSTUVWX");
}

#[test]
fn an_unreadable_call_is_a_failure_only_if_nothing_else_came() {
    let bare = [begin(), stop(StopReason::MalformedTool), Event::End];
    assert_eq!(both(&bare, &reply())["status"], "failed");
    let some = [
        begin(),
        open(0, Opening::Text),
        text(0, "x"),
        close(0),
        stop(StopReason::MalformedTool),
        Event::End,
    ];
    assert_eq!(both(&some, &reply())["status"], "completed");
}

#[test]
fn the_first_event_may_be_anything() {
    for first in [
        open(0, tool("c", "f", CallKind::Function)),
        open(0, Opening::Reasoning),
        open(0, Opening::Text),
    ] {
        both(
            &[first, close(0), stop(StopReason::Stop), Event::End],
            &reply(),
        );
    }
    both(
        &[
            Event::Usage(Usage::default()),
            stop(StopReason::Stop),
            Event::End,
        ],
        &reply(),
    );
}

#[test]
fn the_last_usage_counts_wherever_it_comes() {
    let usage = |input| {
        Event::Usage(Usage {
            input,
            exact: true,
            ..Usage::default()
        })
    };
    for events in [
        vec![
            begin(),
            usage(1),
            usage(7),
            stop(StopReason::Stop),
            Event::End,
        ],
        vec![
            begin(),
            usage(1),
            stop(StopReason::Stop),
            usage(7),
            Event::End,
        ],
    ] {
        assert_eq!(both(&events, &reply())["usage"]["total_tokens"], 7);
    }
    assert_eq!(
        both(&[begin(), stop(StopReason::Stop), Event::End], &reply())["usage"]["total_tokens"],
        0
    );
}

#[test]
fn done_ends_a_stream_for_those_who_want_it() {
    let mut profile = Profile::default();
    profile.responses.done = true;
    let out = encode(
        &interleaved(),
        Shape::Sse,
        Reply {
            profile: Arc::new(profile),
            ..reply()
        },
    );
    let text = String::from_utf8(out).unwrap();
    check(text.strip_suffix("data: [DONE]\n\n").unwrap().as_bytes());
}

#[test]
fn log_probabilities_have_bytes() {
    let logprobs = r#"[{"token":"a","bytes":null,"logprob":-1.0,"top_logprobs":[{"token":"b","bytes":null,"logprob":-2}]}]"#;
    let events = [
        begin(),
        open(0, Opening::Text),
        Event::Text {
            block: 0,
            text: "a".into(),
            logprobs: Some(Json::trusted(logprobs)),
        },
        Event::Text {
            block: 0,
            text: "b".into(),
            logprobs: Some(Json::trusted(r#"[{"token":"b","bytes":[98],"logprob":0}]"#)),
        },
        close(0),
        stop(StopReason::Stop),
        Event::End,
    ];
    let response = both(&events, &reply());
    let logprobs = &response["output"][0]["content"][0]["logprobs"];
    assert_eq!(logprobs[0]["bytes"], json!([]));
    assert_eq!(logprobs[0]["top_logprobs"][0]["bytes"], json!([]));
    assert_eq!(logprobs[1]["bytes"], json!([98]));
}

#[test]
fn large_arguments_arrive_whole() {
    let piece = "x".repeat(100);
    let mut events = vec![
        begin(),
        open(0, tool("c", "f", CallKind::Function)),
        arguments(0, "{\"a\":\""),
    ];
    for _ in 0..10_000 {
        events.push(Event::Arguments {
            block: 0,
            text: piece.clone().into(),
        });
    }
    events.extend([
        arguments(0, "\"}"),
        close(0),
        stop(StopReason::ToolUse),
        Event::End,
    ]);
    let out = encode(&events, Shape::Sse, reply());
    let again = decode(&out);
    let answer = fold(&again);
    let Content::ToolCall(call) = &answer.candidates[0].parts[0].content else {
        panic!()
    };
    assert_eq!(call.arguments.len(), 1_000_000 + 8);
}

/// What the client of an answer sends back next time.
fn next_request(response: &Value) -> String {
    let mut input = vec![json!({"role": "user", "content": "q"})];
    input.extend(response["output"].as_array().unwrap().iter().cloned());
    json!({"model": "m", "input": input}).to_string()
}

#[test]
fn state_comes_back_as_it_was() {
    for (origin, kind, data) in [
        (Format::Claude, OpaqueKind::Signature, "EqQB/+=="),
        (Format::Claude, OpaqueKind::Redacted, "redacted"),
        (Format::Gemini, OpaqueKind::Thought, "QUJD"),
        (Format::OpenAiChat, OpaqueKind::Encrypted, "x"),
        (
            Format::OpenAiResponses,
            OpaqueKind::Encrypted,
            r#"{"encrypted_content":"gAAA"}"#,
        ),
    ] {
        for (expose_reasoning, words) in [(true, "why"), (false, "why"), (true, "")] {
            let mut events = vec![begin(), open(0, Opening::Reasoning)];
            if !words.is_empty() {
                events.push(Event::Reason {
                    block: 0,
                    kind: ReasonKind::Raw,
                    index: 0,
                    text: words.into(),
                });
            }
            events.extend([
                Event::Signature {
                    block: 0,
                    opaque: opaque(origin, kind, data),
                },
                close(0),
                open(1, Opening::Text),
                text(1, "x"),
                close(1),
                stop(StopReason::Stop),
                Event::End,
            ]);
            let body = next_request(&both(
                &events,
                &Reply {
                    expose_reasoning,
                    ..reply()
                },
            ));
            let request = OpenAiResponses
                .decode_request(Node::parse(body.as_bytes(), 64).unwrap())
                .unwrap();
            let Content::Reasoning(Reasoned { opaque, texts, .. }) =
                &request.turns[1].parts[0].content
            else {
                panic!()
            };
            assert_eq!(
                (opaque[0].origin, opaque[0].kind, &*opaque[0].data),
                (origin, kind, data)
            );
            // What a signature signs is there too, shown or not.
            if kind == OpaqueKind::Signature {
                assert_eq!(
                    texts.iter().map(|text| &*text.text).collect::<String>(),
                    words
                );
            }
        }
    }
}

#[test]
fn no_event_of_a_stream_can_be_left_out() {
    let mut events = interleaved();
    events.splice(
        1..1,
        [
            open(9, Opening::Reasoning),
            Event::Reason {
                block: 9,
                kind: ReasonKind::Summary,
                index: 0,
                text: "r".into(),
            },
            close(9),
        ],
    );
    let text = String::from_utf8(encode(&events, Shape::Sse, reply())).unwrap();
    let blocks: Vec<&str> = text.trim_end().split("\n\n").collect();
    let numbered = |left_out: Option<usize>| {
        let kept = blocks
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != left_out);
        let mut out = String::new();
        for (number, (at, block)) in kept.enumerate() {
            let (was, is) = (
                format!("\"sequence_number\":{at},"),
                format!("\"sequence_number\":{number},"),
            );
            out.push_str(&block.replace(&was, &is));
            out.push_str("\n\n");
        }
        out
    };
    check(numbered(None).as_bytes());
    for (left_out, block) in blocks.iter().enumerate() {
        let broken = numbered(Some(left_out));
        let result = std::panic::catch_unwind(|| check(broken.as_bytes()));
        assert!(result.is_err(), "without {block}");
    }
}

#[test]
fn sources_named_before_a_text_are_those_of_all_of_it() {
    let cite = |block| Event::Cite {
        block,
        citation: Citation {
            kind: CitationKind::Web,
            url: Some("http://x".into()),
            title: Some("T".into()),
            cited: None,
            span: None,
            file_id: None,
            filename: None,
            native: Some(Native {
                format: Format::Claude,
                json: Json::trusted("{}"),
            }),
        },
    };
    let events = vec![
        begin(),
        open(0, Opening::Text),
        text(0, "So: "),
        close(0),
        open(1, Opening::Text),
        cite(1),
        text(1, "fünf"),
        text(1, "!"),
        close(1),
        stop(StopReason::Stop),
        Event::End,
    ];
    let document = both(&events, &reply());
    let part = &document["output"][0]["content"][0];
    assert_eq!(part["text"], "So: fünf!");
    let want = json!([{"type": "url_citation", "url": "http://x", "title": "T", "start_index": 4, "end_index": 9}]);
    assert_eq!(part["annotations"], want);
}
