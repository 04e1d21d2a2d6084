//! Answers of other formats as this format's clients get them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::{open, read, reply, strict, write};
use crate::chat::*;
use crate::wire::{Reply, Shape, carrier};

fn call(id: &'static str, name: &'static str) -> Opening<'static> {
    Opening::ToolCall {
        id: id.into(),
        name: name.into(),
        kind: CallKind::Function,
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

const fn close(block: u32) -> Event<'static> {
    Event::Close { block }
}

fn reason(block: u32, index: u32, text: &'static str) -> Event<'static> {
    Event::Reason {
        block,
        kind: ReasonKind::Summary,
        index,
        text: text.into(),
    }
}

fn state(block: u32, origin: Format, kind: OpaqueKind, data: &'static str) -> Event<'static> {
    Event::Signature {
        block,
        opaque: Opaque {
            origin,
            kind,
            family: "".into(),
            data: data.into(),
        },
    }
}

fn carried(origin: Format, kind: OpaqueKind, data: &'static str) -> String {
    let opaque = Opaque {
        origin,
        kind,
        family: "".into(),
        data: data.into(),
    };
    carrier::wrap(&opaque, "fam")
}

fn part(content: Content<'static>) -> Event<'static> {
    Event::Part {
        candidate: 0,
        part: Part::new(content),
    }
}

/// Events between a start and an end.
fn around(middle: Vec<Event<'static>>, reason: StopReason) -> Vec<Event<'static>> {
    let mut events = vec![Event::Start(Start::default())];
    events.extend(middle);
    let stop = Stop::new(reason);
    events.extend([Event::Stop { candidate: 0, stop }, Event::End]);
    events
}

/// What is written as a stream, in short: starts, deltas and stops with their content.
fn streamed(reply: Reply, middle: Vec<Event<'static>>) -> Vec<String> {
    let (out, _) = write(Shape::Sse, reply, around(middle, StopReason::Stop));
    let short = |event: &Value| match event["type"].as_str().unwrap() {
        "content_block_start" => {
            let block = &event["content_block"];
            let more = ["id", "data", "tool_use_id"];
            let more = more.iter().find_map(|key| block[key].as_str());
            Some(format!(
                "+{} {}",
                block["type"].as_str().unwrap(),
                more.unwrap_or_default()
            ))
        }
        "content_block_delta" => {
            let delta = &event["delta"];
            let keys = ["text", "thinking", "signature", "partial_json"];
            let said = keys.iter().find_map(|key| delta[key].as_str());
            Some(said.map_or_else(|| delta.to_string(), str::to_owned))
        }
        "content_block_stop" => Some("-".to_owned()),
        _ => None,
    };
    strict(&out).iter().filter_map(short).collect()
}

/// The content of what is written as a document.
fn content(reply: Reply, middle: Vec<Event<'static>>) -> Value {
    let (out, _) = write(Shape::Whole, reply, around(middle, StopReason::Stop));
    let mut document: Value = serde_json::from_slice(&out).unwrap();
    document["content"].take()
}

fn hidden() -> Reply {
    Reply {
        expose_reasoning: false,
        ..reply()
    }
}

#[test]
fn two_interleaved_calls_as_in_the_specification() {
    let usage = Usage {
        input: 20,
        cache_read: 5,
        output: 9,
        exact: true,
        ..Usage::default()
    };
    let start = Start {
        id: Some("chatcmpl-1".into()),
        model: Some("m".into()),
        ..Start::default()
    };
    let events = vec![
        Event::Start(start),
        open(0, Opening::Text),
        text(0, "Checking"),
        open(1, call("call_a", "w")),
        arguments(1, "{\"c\":"),
        open(2, call("call_b", "t")),
        arguments(2, "{\"z\":1}"),
        arguments(1, "\"P\"}"),
        close(0),
        close(1),
        close(2),
        Event::Stop {
            candidate: 0,
            stop: Stop::new(StopReason::ToolUse),
        },
        Event::Usage(usage),
        Event::End,
    ];
    let (out, _) = write(Shape::Sse, reply(), events);
    let zero = json!({"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let input = |index, json: &str| {
        delta(
            index,
            json!({"type": "input_json_delta", "partial_json": json}),
        )
    };
    let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    assert_eq!(
        strict(&out),
        [
            json!({"type": "message_start", "message": {"id": "msg_chatcmpl-1", "type": "message", "role": "assistant", "model": "m",
                "content": [], "stop_reason": null, "stop_sequence": null, "usage": zero}}),
            json!({"type": "ping"}),
            start(0, json!({"type": "text", "text": ""})),
            delta(0, json!({"type": "text_delta", "text": "Checking"})),
            stop(0),
            start(
                1,
                json!({"type": "tool_use", "id": "call_a", "name": "w", "input": {}})
            ),
            input(1, "{\"c\":"),
            input(1, "\"P\"}"),
            stop(1),
            start(
                2,
                json!({"type": "tool_use", "id": "call_b", "name": "t", "input": {}})
            ),
            input(2, "{\"z\":1}"),
            stop(2),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
                "usage": {"input_tokens": 15, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 9}}),
            json!({"type": "message_stop"}),
        ]
    );
}

#[test]
fn what_comes_late_for_text_opens_a_new_block() {
    let events = vec![
        open(0, Opening::Text),
        text(0, "a"),
        open(1, Opening::Reasoning),
        reason(1, 0, "r"),
        text(0, "b"),
        reason(1, 0, "s"),
        close(0),
        close(1),
    ];
    assert_eq!(
        streamed(reply(), events),
        [
            "+text ",
            "a",
            "-",
            "+thinking ",
            "r",
            "-",
            "+text ",
            "b",
            "-",
            "+thinking ",
            "s",
            "-"
        ]
    );
}

#[test]
fn no_piece_of_a_call_is_lost_or_misplaced() {
    // Three calls, each piece one byte, in turns; each is closed at the end only.
    let inputs = [
        r#"{"a":"}\"\ud83d\ude00"}"#,
        r#"{"b":[1,{"c":2}]}"#,
        r#"{"d":12}"#,
    ];
    let mut events = vec![Event::Start(Start::default())];
    for (block, id) in (0..).zip(["t0", "t1", "t2"]) {
        events.push(open(block, call(id, "f")));
    }
    for at in 0..inputs.iter().map(|input| input.len()).max().unwrap() {
        for (block, input) in (0..).zip(inputs) {
            if let Some(piece) = input.get(at..=at) {
                events.push(Event::Arguments {
                    block,
                    text: piece.into(),
                });
            }
        }
    }
    events.extend([close(0), close(1), close(2)]);
    let stop = Stop::new(StopReason::ToolUse);
    events.extend([Event::Stop { candidate: 0, stop }, Event::End]);
    let (out, _) = write(Shape::Sse, reply(), events);
    strict(&out);
    let answer = read(Shape::Sse, &out).answer.unwrap();
    let calls: Vec<(&str, &str)> = answer.candidates[0]
        .parts
        .iter()
        .map(|part| match &part.content {
            Content::ToolCall(call) => (&*call.id, &*call.arguments),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [("t0", inputs[0]), ("t1", inputs[1]), ("t2", inputs[2])]
    );
}

#[test]
fn a_call_that_is_cut_off_stays_cut_off() {
    let events = around(
        vec![open(0, call("t", "f")), arguments(0, "{\"a\":"), close(0)],
        StopReason::Length,
    );
    let (out, _) = write(Shape::Sse, reply(), events.clone());
    let events_out = strict(&out);
    let last = &events_out[events_out.len() - 2];
    assert_eq!(last["delta"]["stop_reason"], "max_tokens");
    let (out, _) = write(Shape::Whole, reply(), events);
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        document["content"][0]["input"],
        json!({"__invalid_json__": "{\"a\":"})
    );
    assert_eq!(document["stop_reason"], "max_tokens");
}

#[test]
fn blank_text_makes_no_block() {
    let middle = || {
        vec![
            open(0, Opening::Text),
            text(0, "\n"),
            text(0, " \n"),
            Event::Close { block: 0 },
            open(1, Opening::Text),
            text(1, "\n "),
            text(1, "x"),
            text(1, "\n"),
            Event::Close { block: 1 },
        ]
    };
    let said = json!([{"type": "text", "text": "\n x\n"}]);
    assert_eq!(content(reply(), middle()), said);
    assert_eq!(streamed(reply(), middle()), ["+text ", "\n x", "\n", "-"]);
}

#[test]
fn a_call_without_arguments_has_one_empty_delta() {
    let events = || vec![open(0, call("t", "f")), close(0)];
    assert_eq!(streamed(reply(), events()), ["+tool_use t", "", "-"]);
    assert_eq!(content(reply(), events())[0]["input"], json!({}));
}

#[test]
fn a_first_event_that_is_no_start_gets_one() {
    let mut encoder = crate::wire::Codec::encoder(
        &crate::wire::Claude,
        Shape::Sse,
        &std::sync::Arc::new(reply()),
    );
    let (mut losses, mut out) = (Losses::default(), Vec::new());
    encoder.event(open(0, call("t", "f")), &mut losses, &mut out);
    encoder.event(close(0), &mut losses, &mut out);
    encoder.event(Event::End, &mut losses, &mut out);
    let events = strict(&out);
    let message = &events[0]["message"];
    assert_eq!(message["id"], "msg_abcdefghijklmnopqrstuvwx");
    assert_eq!(message["usage"]["input_tokens"], 0);
    let delta = &events[events.len() - 2];
    assert_eq!(delta["delta"]["stop_reason"], "tool_use");
    assert_eq!(delta["usage"]["output_tokens"], 0);
}

#[test]
fn foreign_state_rides_in_a_signature_where_text_is_shown() {
    let encrypted = || state(0, Format::OpenAiResponses, OpaqueKind::Encrypted, "E");
    let carrier = carried(Format::OpenAiResponses, OpaqueKind::Encrypted, "E");
    let events = || {
        vec![
            open(0, Opening::Reasoning),
            reason(0, 0, "one"),
            reason(0, 1, "two"),
            encrypted(),
            close(0),
        ]
    };
    assert_eq!(
        streamed(reply(), events()),
        ["+thinking ", "one", "\n\ntwo", &carrier, "-"]
    );
    assert_eq!(
        content(reply(), events()),
        json!([{"type": "thinking", "thinking": "one\n\ntwo", "signature": carrier}])
    );
    let redacted = format!("+redacted_thinking {carrier}");
    assert_eq!(streamed(hidden(), events()), [&*redacted, "-"]);
    let silent = vec![open(0, Opening::Reasoning), encrypted(), close(0)];
    assert_eq!(streamed(reply(), silent.clone()), [&*redacted, "-"]);
    assert_eq!(
        content(reply(), silent),
        json!([{"type": "redacted_thinking", "data": carrier}])
    );
}

#[test]
fn anthropics_own_thinking_keeps_its_signature_when_it_is_hidden() {
    let events = || {
        vec![
            open(0, Opening::Reasoning),
            reason(0, 0, "r"),
            state(0, Format::Claude, OpaqueKind::Signature, "S"),
            close(0),
            open(1, Opening::Reasoning),
            state(1, Format::Claude, OpaqueKind::Redacted, "R"),
            close(1),
        ]
    };
    assert_eq!(
        streamed(hidden(), events()),
        ["+thinking ", "S", "-", "+redacted_thinking R", "-"]
    );
    assert_eq!(
        content(hidden(), events()),
        json!([{"type": "thinking", "thinking": "", "signature": "S"}, {"type": "redacted_thinking", "data": "R"}])
    );
}

#[test]
fn reasoning_without_state_is_shown_only_to_those_who_ask() {
    let events = || vec![open(0, Opening::Reasoning), reason(0, 0, "r"), close(0)];
    assert_eq!(streamed(reply(), events()), ["+thinking ", "r", "-"]);
    assert!(streamed(hidden(), events()).is_empty());
    assert_eq!(content(hidden(), events()), json!([]));
}

#[test]
fn a_calls_state_comes_just_before_it() {
    let events = || {
        vec![
            open(0, call("t", "f")),
            state(0, Format::Gemini, OpaqueKind::Thought, "T"),
            arguments(0, "{}"),
            close(0),
        ]
    };
    let carrier = carried(Format::Gemini, OpaqueKind::Thought, "T");
    let redacted = format!("+redacted_thinking {carrier}");
    assert_eq!(
        streamed(reply(), events()),
        [&*redacted, "-", "+tool_use t", "{}", "-"]
    );
    assert_eq!(
        content(reply(), events()),
        json!([{"type": "redacted_thinking", "data": carrier}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}])
    );
}

#[test]
fn state_of_a_text_follows_it() {
    let events = || {
        vec![
            open(0, Opening::Text),
            text(0, "x"),
            state(0, Format::Gemini, OpaqueKind::Thought, "T"),
            close(0),
        ]
    };
    let redacted = format!(
        "+redacted_thinking {}",
        carried(Format::Gemini, OpaqueKind::Thought, "T")
    );
    assert_eq!(
        streamed(reply(), events()),
        ["+text ", "x", "-", &redacted, "-"]
    );
    assert_eq!(content(reply(), events())[1]["type"], "redacted_thinking");
}

#[test]
fn a_refusal_is_text_and_a_reason() {
    let refusal = Event::Refusal {
        block: 0,
        text: "No.".into(),
    };
    let middle = vec![open(0, Opening::Refusal), refusal, close(0)];
    let (out, _) = write(
        Shape::Whole,
        reply(),
        around(middle.clone(), StopReason::Stop),
    );
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        document["content"],
        json!([{"type": "text", "text": "No."}])
    );
    assert_eq!(document["stop_reason"], "refusal");
    assert_eq!(streamed(reply(), middle), ["+text ", "No.", "-"]);
}

fn search(id: &'static str) -> Event<'static> {
    part(Content::ServerCall(ServerCall {
        id: id.into(),
        tool: ServerTool::WebSearch,
        input: Json::trusted(r#"{"query":"q"}"#),
        native: None,
    }))
}

fn found(id: &'static str) -> Event<'static> {
    part(Content::ServerResult(ServerResult {
        call: id.into(),
        tool: ServerTool::WebSearch,
        error: None,
        sources: vec![WebSource {
            url: "https://x".into(),
            title: None,
        }],
        output: None,
        native: None,
    }))
}

#[test]
fn searches_of_others_are_shown_and_always_have_a_result() {
    let want = json!([
        {"type": "server_tool_use", "id": "srvtoolu_ws_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_ws_1", "content": [
            {"type": "web_search_result", "url": "https://x", "title": "https://x", "encrypted_content": "", "page_age": null}]}]);
    assert_eq!(content(reply(), vec![search("ws_1"), found("ws_1")]), want);
    assert_eq!(
        streamed(reply(), vec![search("ws_1"), found("ws_1")]),
        [
            "+server_tool_use srvtoolu_ws_1",
            "{\"query\":\"q\"}",
            "-",
            "+web_search_tool_result srvtoolu_ws_1",
            "-"
        ]
    );
    for tail in [vec![], vec![open(0, Opening::Text), text(0, "x"), close(0)]] {
        let mut events = vec![search("ws_1"), search("ws_2")];
        events.extend(tail);
        let kinds: Vec<String> = content(reply(), events.clone())
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["type"].as_str().unwrap().to_owned())
            .collect();
        let pair = ["server_tool_use", "web_search_tool_result"];
        assert_eq!(kinds[..4], [pair, pair].concat());
        let starts = streamed(reply(), events)
            .into_iter()
            .filter_map(|line| Some(line.strip_prefix('+')?.split(' ').next()?.to_owned()));
        assert_eq!(starts.collect::<Vec<_>>(), kinds);
    }
}

#[test]
fn media_leave_a_word_and_a_note() {
    let image = part(Content::Image(Image {
        source: Source::Bytes {
            mime: "image/png".into(),
            base64: "AAAA".into(),
        },
        detail: None,
    }));
    let (out, losses) = write(
        Shape::Whole,
        reply(),
        around(vec![image.clone()], StopReason::Stop),
    );
    let document: Value = serde_json::from_slice(&out).unwrap();
    let words = "[image/png output omitted: 3 bytes]";
    assert_eq!(
        document["content"],
        json!([{"type": "text", "text": words}])
    );
    assert_eq!(losses.notes().len(), 1);
    assert_eq!(streamed(reply(), vec![image]), ["+text ", words, "-"]);
}

#[test]
fn links_are_listed_where_they_are_wanted() {
    let cite = || Event::Cite {
        block: 0,
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
    let events = || {
        vec![
            open(0, Opening::Text),
            text(0, "a"),
            cite(),
            cite(),
            close(0),
        ]
    };
    assert_eq!(streamed(reply(), events()), ["+text ", "a", "-"]);
    let mut wanted = reply();
    let mut profile = (*wanted.profile).clone();
    profile.claude.append_citations = true;
    wanted.profile = profile.into();
    let list = "\n\nSources:\n1. [X](https://x)";
    assert_eq!(
        streamed(wanted.clone(), events()),
        ["+text ", "a", "-", "+text ", list, "-"]
    );
    assert_eq!(content(wanted, events())[1]["text"], list);
}

#[test]
fn other_alternatives_are_left_out() {
    let other = Event::Open {
        block: 1,
        candidate: 1,
        opening: Opening::Text,
    };
    let events = vec![
        open(0, Opening::Text),
        text(0, "a"),
        other,
        text(1, "b"),
        close(1),
        text(0, "c"),
        close(0),
    ];
    assert_eq!(streamed(reply(), events.clone()), ["+text ", "a", "c", "-"]);
    assert_eq!(
        content(reply(), events),
        json!([{"type": "text", "text": "ac"}])
    );
}

#[test]
fn usage_is_the_last_that_was_said() {
    let usage = |output| {
        Event::Usage(Usage {
            output,
            ..Usage::default()
        })
    };
    let mut events = around(vec![usage(1)], StopReason::Stop);
    let end = events.len() - 1;
    events.insert(end, usage(7));
    let (out, _) = write(Shape::Sse, reply(), events);
    let events = strict(&out);
    assert_eq!(events[events.len() - 2]["usage"]["output_tokens"], 7);
}

#[test]
fn a_fault_ends_a_stream_and_leaves_a_document_unwritten() {
    let events = || {
        vec![
            Event::Start(Start::default()),
            open(0, call("t", "f")),
            arguments(0, "{\"a\":"),
            Event::Fault(Fault::new(FaultKind::Overloaded, "x", "busy")),
        ]
    };
    let (out, _) = write(Shape::Sse, reply(), events());
    let written = strict(&out);
    let last = written.last().unwrap();
    assert_eq!(last["error"]["type"], "overloaded_error");
    assert_eq!(last["request_id"], "req_1");
    assert!(
        !written
            .iter()
            .any(|event| event["type"] == "content_block_stop")
    );
    assert_eq!(write(Shape::Whole, reply(), events()).0, b"");
}

#[test]
fn the_models_name_is_the_clients() {
    let named = Reply {
        model: "mine".to_owned(),
        ..reply()
    };
    let (out, _) = write(Shape::Whole, named, around(vec![], StopReason::Stop));
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(document["model"], "mine");
    assert_eq!(document["usage"]["service_tier"], "standard");
}

#[test]
fn thinking_that_met_the_limit_is_all_there_is() {
    let middle = vec![open(0, Opening::Reasoning), reason(0, 0, "r"), close(0)];
    let (out, _) = write(Shape::Whole, reply(), around(middle, StopReason::Length));
    let document: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(
        document["content"],
        json!([{"type": "thinking", "thinking": "r", "signature": ""}])
    );
    assert_eq!(document["stop_reason"], "max_tokens");
}

#[test]
fn state_that_comes_while_a_call_waits_still_comes_before_it() {
    let events = vec![
        open(0, call("a", "f")),
        arguments(0, "{"),
        open(1, call("b", "f")),
        arguments(1, "{}"),
        state(1, Format::Gemini, OpaqueKind::Thought, "T"),
        arguments(0, "}"),
        close(0),
        close(1),
    ];
    let redacted = format!(
        "+redacted_thinking {}",
        carried(Format::Gemini, OpaqueKind::Thought, "T")
    );
    assert_eq!(
        streamed(reply(), events),
        [
            "+tool_use a",
            "{",
            "}",
            "-",
            &redacted,
            "-",
            "+tool_use b",
            "{}",
            "-"
        ]
    );
}

#[test]
fn state_that_comes_too_late_leaves_a_note() {
    let middle = vec![
        open(0, call("a", "f")),
        arguments(0, "{}"),
        state(0, Format::Gemini, OpaqueKind::Thought, "T"),
        close(0),
    ];
    let (out, losses) = write(Shape::Sse, reply(), around(middle, StopReason::Stop));
    strict(&out);
    assert_eq!(losses.notes().len(), 1);
}

proptest! {
    /// Whatever is interleaved how: one block at a time, every piece once, those of a block in order,
    /// those of a call together.
    #[test]
    fn interleaved_blocks_are_written_one_after_the_other(
        kinds in prop::collection::vec(0_u8..3, 1..5),
        turns in prop::collection::vec((0_usize..5, prop::bool::weighted(0.15)), 0..40),
    ) {
        let mut events = vec![Event::Start(Start::default())];
        let mut said = vec![0; kinds.len()];
        let mut closed = vec![false; kinds.len()];
        let mut opened = 0;
        let push_open = |at: usize, events: &mut Vec<Event<'static>>| {
            let block = u32::try_from(at).unwrap();
            events.push(open(block, match kinds[at] {
                0 => Opening::Text,
                1 => Opening::Reasoning,
                _ => Opening::ToolCall {
                    id: format!("t{at}").into(),
                    name: "f".into(),
                    kind: CallKind::Function,
                    namespace: None,
                },
            }));
        };
        let push_end = |at: usize, said: usize, events: &mut Vec<Event<'static>>| {
            let block = u32::try_from(at).unwrap();
            if kinds[at] == 2 && said > 0 {
                events.push(arguments(block, "]}"));
            }
            events.push(close(block));
        };
        for (at, ends) in turns {
            let at = at % kinds.len();
            while opened <= at {
                push_open(opened, &mut events);
                opened += 1;
            }
            if closed[at] {
                continue;
            }
            let block = u32::try_from(at).unwrap();
            let number = said[at];
            said[at] += 1;
            let token = format!("<{at}.{number}>");
            events.push(match kinds[at] {
                0 => Event::Text { block, text: token.into(), logprobs: None },
                1 => Event::Reason { block, kind: ReasonKind::Raw, index: 0, text: token.into() },
                _ => {
                    let before = if number == 0 { "{\"l\":[" } else { "," };
                    Event::Arguments { block, text: format!("{before}\"{token}\"").into() }
                }
            });
            if ends {
                push_end(at, said[at], &mut events);
                closed[at] = true;
            }
        }
        for at in 0..opened {
            if !closed[at] {
                push_end(at, said[at], &mut events);
            }
        }
        let stop = Stop::new(StopReason::Stop);
        events.extend([Event::Stop { candidate: 0, stop }, Event::End]);
        let (out, _) = write(Shape::Sse, reply(), events);
        strict(&out);
        let answer = read(Shape::Sse, &out).answer.unwrap();
        let mut all = String::new();
        for part in &answer.candidates[0].parts {
            match &part.content {
                Content::Text(text) => all.push_str(&text.text),
                Content::Reasoning(reasoned) => all.push_str(&reasoned.text()),
                Content::ToolCall(call) => {
                    let at: usize = call.id[1..].parse().unwrap();
                    let tokens: Vec<String> = (0..said[at]).map(|number| format!("\"<{at}.{number}>\"")).collect();
                    let want = if tokens.is_empty() { String::new() } else { format!("{{\"l\":[{}]}}", tokens.join(",")) };
                    prop_assert_eq!(&*call.arguments, want);
                    all.push_str(&call.arguments);
                }
                other => panic!("{other:?}"),
            }
        }
        for (at, count) in said.iter().enumerate() {
            let mut from = 0;
            for number in 0..*count {
                let token = format!("<{at}.{number}>");
                prop_assert_eq!(all.matches(&token).count(), 1);
                let found = all.find(&token).unwrap();
                prop_assert!(found >= from);
                from = found;
            }
        }
    }
}

#[test]
fn arguments_that_are_no_object_become_one() {
    for (pieces, want) in [
        (vec!["[1,", "2]"], r#"{"value":[1,2]}"#),
        (vec![" ", "nonsense"], r#"{"__invalid_json__":" nonsense"}"#),
        (vec!["\n", "{\"a\":1}"], "\n{\"a\":1}"),
        (vec![" "], ""),
    ] {
        let mut events = vec![open(0, call("t", "f"))];
        events.extend(pieces.into_iter().map(|piece| arguments(0, piece)));
        events.push(close(0));
        assert_eq!(streamed(reply(), events), ["+tool_use t", want, "-"]);
    }
}

#[test]
fn endless_space_is_read_once() {
    let mut middle = vec![open(0, call("a", "f")), open(1, Opening::Text)];
    for _ in 0..200_000 {
        middle.push(arguments(0, "\n"));
    }
    middle.push(arguments(0, "{}"));
    middle.push(Event::Close { block: 0 });
    for _ in 0..200_000 {
        middle.push(text(1, " "));
    }
    middle.push(Event::Close { block: 1 });
    let begun = std::time::Instant::now();
    assert_eq!(streamed(reply(), middle).len(), 3);
    // Seconds on a busy machine; hours if it were done again and again.
    assert!(begun.elapsed().as_secs() < 60);
}
