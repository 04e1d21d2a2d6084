//! Answers as they are read: the recorded ones, and the odd ones that servers send.

use std::path::Path;

use super::*;
use crate::chat::{Answer, Content, Event, FaultKind, Fold, Opening, Part, StopReason};
use crate::wire::sse::Blocks;

/// What an event is, in few words. Panics where the grammar of events is broken.
#[derive(Default)]
pub(super) struct Notes {
    pub(super) lines: Vec<String>,
    open: Vec<(u32, u32)>,
    next: u32,
    started: bool,
    stopped: Vec<u32>,
    over: bool,
    pub(super) fold: Fold,
    pub(super) fault: Option<Fault>,
}

impl Notes {
    pub(super) fn push(&mut self, event: Event<'_>) {
        assert!(!self.over, "after the end: {event:?}");
        let line = match &event {
            Event::Start(start) => {
                assert!(!std::mem::replace(&mut self.started, true), "two starts");
                format!("start {}", start.id.as_deref().unwrap_or("-"))
            }
            Event::Open {
                block,
                candidate,
                opening,
            } => {
                assert_eq!(*block, self.next, "blocks are counted");
                assert!(!self.stopped.contains(candidate));
                self.next += 1;
                self.open.push((*block, *candidate));
                match opening {
                    Opening::Text => format!("{block}: text"),
                    Opening::Refusal => format!("{block}: refusal"),
                    Opening::Reasoning => format!("{block}: reasoning"),
                    Opening::ToolCall { id, name, .. } => format!("{block}: call {id} {name}"),
                }
            }
            Event::Text { block, text, .. } | Event::Refusal { block, text } => {
                self.said(*block, text)
            }
            Event::Arguments { block, text } | Event::Reason { block, text, .. } => {
                self.said(*block, text)
            }
            Event::Signature { block, opaque } => {
                self.said(*block, &format!("sig {}", opaque.data))
            }
            Event::Cite { block, citation } => {
                let line = format!("cite {:?} {:?}", citation.url, citation.span);
                self.said(*block, &line)
            }
            Event::Close { block } => {
                let at = self.open.iter().position(|(open, _)| open == block);
                self.open.remove(at.expect("it is open"));
                format!("{block}.")
            }
            Event::Part { part, .. } => format!("part {:?}", part.content),
            Event::Usage(usage) => format!("usage {} {}", usage.input, usage.output),
            Event::Stop { candidate, stop } => {
                assert!(!self.open.iter().any(|(_, open)| open == candidate));
                assert!(!self.stopped.contains(candidate), "two stops");
                self.stopped.push(*candidate);
                format!("stop {candidate} {:?}", stop.reason)
            }
            Event::End => {
                assert!(self.open.is_empty() && !self.stopped.is_empty());
                self.over = true;
                "end".to_owned()
            }
            Event::Fault(fault) => {
                self.over = true;
                self.fault = Some(fault.clone());
                format!("fault {}", fault.code.as_deref().unwrap_or("-"))
            }
        };
        assert!(self.started || self.fault.is_some(), "no start: {line}");
        self.lines.push(line);
        self.fold.push(event);
    }

    fn said(&self, block: u32, text: &str) -> String {
        assert!(self.open.iter().any(|(open, _)| *open == block), "{block}");
        assert!(!text.is_empty());
        format!("{block}> {text}")
    }
}

pub(super) fn reply(change: impl FnOnce(&mut Reply, &mut Profile)) -> Arc<Reply> {
    let mut profile = Profile {
        family: "fam".to_owned(),
        ..Profile::default()
    };
    let mut reply = Reply {
        model: String::new(),
        request_id: "req".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 77,
        include_usage: true,
        legacy_functions: false,
        expose_reasoning: false,
        echo: Extra::default(),
        profile: Arc::new(Profile::default()),
    };
    change(&mut reply, &mut profile);
    reply.profile = Arc::new(profile);
    Arc::new(reply)
}

/// Reads events whose data is given.
pub(super) fn read(reply: &Arc<Reply>, events: &[&str]) -> Notes {
    let mut decoder = OpenAiChat.decoder(Shape::Sse, reply);
    let mut notes = Notes::default();
    for data in events {
        decoder.event(None, data.as_bytes(), &mut |event| notes.push(event));
    }
    decoder.end(&mut |event| notes.push(event));
    notes
}

/// Reads a stream as it comes from the wire.
pub(super) fn read_sse(reply: &Arc<Reply>, body: &[u8]) -> Notes {
    let mut events = Vec::new();
    let mut blocks = Blocks::new(usize::MAX);
    let mut each = |block: &[u8]| {
        if let Some(event) = crate::wire::sse::Event::parse(block) {
            events.push(String::from_utf8(event.data.into_owned()).unwrap());
        }
    };
    blocks
        .push(bytes::Bytes::copy_from_slice(body), &mut each)
        .unwrap();
    each(&blocks.tail());
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    read(reply, &events)
}

/// Reads a document.
pub(super) fn read_whole(reply: &Arc<Reply>, body: &[u8]) -> Notes {
    let mut decoder = OpenAiChat.decoder(Shape::Whole, reply);
    let mut notes = Notes::default();
    decoder.event(None, body, &mut |event| notes.push(event));
    decoder.end(&mut |event| notes.push(event));
    notes
}

fn write(reply: &Arc<Reply>, shape: Shape, answer: Answer<'_>) -> Vec<u8> {
    let mut encoder = OpenAiChat.encoder(shape, reply);
    let (mut out, mut losses) = (Vec::new(), Losses::new(crate::chat::OnLoss::Warn));
    answer.into_events(&mut |event| encoder.event(event, &mut losses, &mut out));
    out
}

/// The rule for ids: they have this format's prefix.
fn prefixed(mut answer: Answer<'static>) -> Answer<'static> {
    let id = answer.start.id.take().unwrap_or_default();
    let prefix = if id.starts_with("chatcmpl-") {
        ""
    } else {
        "chatcmpl-"
    };
    answer.start.id = Some(format!("{prefix}{id}").into());
    answer
}

fn comes_back_the_same(name: &str, answer: &Answer<'static>) {
    let reply = reply(|_, _| {});
    let want = prefixed(answer.clone());
    let whole = write(&reply, Shape::Whole, answer.clone());
    let got = prefixed(read_whole(&reply, &whole).fold.finish().unwrap());
    assert_eq!(got, with_usage(want.clone()), "{name}");
    let stream = write(&reply, Shape::Sse, answer.clone());
    let got = read_sse(&reply, &stream).fold.finish().unwrap();
    assert_eq!(got, with_usage(want), "{name}");
}

/// Usage that nobody gave is written as zeros.
fn with_usage(mut answer: Answer<'static>) -> Answer<'static> {
    let nothing = || Usage {
        exact: true,
        ..Usage::default()
    };
    answer.usage.get_or_insert_with(nothing);
    answer
}

#[test]
fn recorded_streams_come_back_the_same() {
    let mut count = 0;
    for fixture in crate::wire::fixtures::streams() {
        if fixture.format != crate::chat::Format::OpenAiChat {
            continue;
        }
        let notes = read_sse(&reply(|_, _| {}), &fixture.body);
        let name = &fixture.name;
        if name.contains("error") {
            assert_eq!(notes.fault.unwrap().code.as_deref(), Some("stream_error"));
            continue;
        }
        assert_eq!(notes.fault, None, "{name}");
        comes_back_the_same(name, &notes.fold.finish().unwrap());
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn recorded_answers_come_back_the_same() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai-chat/responses");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let body = std::fs::read(&path).unwrap();
        let notes = read_whole(&reply(|_, _| {}), &body);
        assert_eq!(notes.fault, None, "{path:?}");
        let answer = notes.fold.finish().unwrap();
        assert!(answer.usage.unwrap().input > 0);
        comes_back_the_same(&path.to_string_lossy(), &answer);
        count += 1;
    }
    assert!(count > 5);
}

#[test]
fn a_stream_cut_before_its_end_is_a_fault() {
    for fixture in crate::wire::fixtures::streams() {
        if fixture.format != crate::chat::Format::OpenAiChat || fixture.name.contains("error") {
            continue;
        }
        let text = String::from_utf8(fixture.body).unwrap();
        let events: Vec<&str> = text
            .split("\n\n")
            .filter_map(|block| block.strip_prefix("data: "))
            .collect();
        let has_reason = |event: &str| {
            event.contains("\"finish_reason\":\"") && !event.contains("\"finish_reason\":\"\"")
        };
        let end = events.iter().position(|event| has_reason(event)).unwrap();
        for cut in 0..=end {
            let notes = read(&reply(|_, _| {}), &events[..cut]);
            let fault = notes.fault.expect("a cut is a fault");
            assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
            assert_eq!(fault.kind, FaultKind::BadUpstream);
        }
        assert_eq!(read(&reply(|_, _| {}), &events[..=end]).fault, None);
    }
}

/// Chunks of one choice.
fn chunks(deltas: &[&str], end: &[&str]) -> Vec<String> {
    let chunk = |delta: &&str| {
        format!(
            r#"{{"id":"c","model":"m","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#
        )
    };
    let mut all: Vec<String> = deltas.iter().map(chunk).collect();
    all.extend(end.iter().map(|event| (*event).to_owned()));
    all
}

fn lines_with(reply: &Arc<Reply>, deltas: &[&str], end: &[&str]) -> Vec<String> {
    let all = chunks(deltas, end);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    read(reply, &all).lines
}

fn lines(deltas: &[&str]) -> Vec<String> {
    let end = [
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    let mut lines = lines_with(&reply(|_, _| {}), deltas, &end);
    assert_eq!(lines.pop().as_deref(), Some("end"));
    assert_eq!(lines.remove(0), "start c");
    lines
}

#[test]
fn interleaved_calls_stay_apart() {
    let deltas = [
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":"Checking"}"#,
        r#"{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"w","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"c\":"}}]}"#,
        r#"{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"t","arguments":""}}]}"#,
        r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"z\":1}"}}]}"#,
        r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"P\"}"}}]}"#,
    ];
    let end = [
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":20,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":5}}}"#,
        "[DONE]",
    ];
    assert_eq!(
        lines_with(&reply(|_, _| {}), &deltas, &end),
        [
            "start c",
            "0: text",
            "0> Checking",
            "1: call call_a w",
            "1> {\"c\":",
            "2: call call_b t",
            "2> {\"z\":1}",
            "1> \"P\"}",
            "0.",
            "1.",
            "2.",
            "stop 0 ToolUse",
            "usage 20 9",
            "end"
        ]
    );
}

#[test]
fn calls_of_servers_that_count_in_their_own_way() {
    // Every call has index 0.
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"b","function":{"name":"g","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}"#,
        ]),
        [
            "0: call a f",
            "0> {}",
            "1: call b g",
            "1> {",
            "1> }",
            "0.",
            "1.",
            "stop 0 ToolUse"
        ]
    );
    // No index: the id tells, and without one it is the last.
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"function":{"arguments":"}"}}]}"#,
            r#"{"tool_calls":[{"id":"b","function":{"name":"g","arguments":"{}"}}]}"#,
            r#"{"tool_calls":[{"id":"a","function":{"arguments":" "}}]}"#,
        ]),
        [
            "0: call a f",
            "0> {",
            "0> }",
            "1: call b g",
            "1> {}",
            "0>  ",
            "0.",
            "1.",
            "stop 0 ToolUse"
        ]
    );
    // Neither, and the arguments are an object.
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"function":{"name":"f","arguments":{"a":1.0}}},{"function":{"name":"g","arguments":{}}}]}"#,
        ]),
        [
            "0: call call_abcdefghijklmnopqrstuvwx f",
            "0> {\"a\":1.0}",
            "1: call call_abcdefghijklmnopqrstuvx1 g",
            "1> {}",
            "0.",
            "1.",
            "stop 0 ToolUse"
        ]
    );
    // The same id twice in one answer.
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}},{"index":1,"id":"a","function":{"name":"g"}}]}"#,
        ]),
        [
            "0: call a f",
            "1: call call_abcdefghijklmnopqrstuvx1 g",
            "0.",
            "1.",
            "stop 0 ToolUse"
        ]
    );
}

#[test]
fn a_name_may_come_late_in_pieces_or_again() {
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"get_"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"weather","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{"}}]}"#,
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"get_weather","arguments":"}"}}]}"#,
        ]),
        [
            "0: call a get_weather",
            "0> {",
            "0> }",
            "0.",
            "stop 0 ToolUse"
        ]
    );
}

#[test]
fn the_form_before_tools_is_one_call() {
    assert_eq!(
        lines(&[
            r#"{"function_call":{"name":"f","arguments":""}}"#,
            r#"{"function_call":{"arguments":"{}"}}"#,
        ]),
        [
            "0: call call_abcdefghijklmnopqrstuvwx f",
            "0> {}",
            "0.",
            "stop 0 ToolUse"
        ]
    );
}

#[test]
fn reasoning_is_read_in_every_form_and_once() {
    assert_eq!(
        lines(&[
            r#"{"reasoning_content":"a"}"#,
            r#"{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","signature":"S","format":"anthropic-claude-v1","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.summary","summary":"c","index":1}]}"#,
            r#"{"content":"d"}"#,
        ]),
        [
            "0: reasoning",
            "0> a",
            "0> b",
            r#"0> sig {"type":"reasoning.text","signature":"S","format":"anthropic-claude-v1","index":0}"#,
            "0.",
            "1: reasoning",
            "1> c",
            "1.",
            "2: text",
            "2> d",
            "2.",
            "stop 0 Stop"
        ]
    );
    let tags = reply(|_, profile| profile.chat.think_tags = true);
    let end = [r#"{"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}"#];
    assert_eq!(
        lines_with(
            &tags,
            &[
                r#"{"content":"<thi"}"#,
                r#"{"content":"nk>why"}"#,
                r#"{"content":"</think>\nHi"}"#
            ],
            &end
        ),
        [
            "start c",
            "0: reasoning",
            "0> why",
            "0.",
            "1: text",
            "1> Hi",
            "1.",
            "stop 0 Length",
            "end"
        ]
    );
}

#[test]
fn a_thought_signature_comes_before_the_arguments() {
    assert_eq!(
        lines(&[
            r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"T"}}}]}"#,
        ]),
        ["0: call a f", "0> sig T", "0> {}", "0.", "stop 0 ToolUse"]
    );
}

#[test]
fn ends_in_all_their_forms() {
    let end = |deltas: &[&str], end: &[&str]| lines_with(&reply(|_, _| {}), deltas, end);
    let last = |lines: Vec<String>| lines[lines.len() - 2..].to_vec();
    let call =
        r#"{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":"}}]}"#;
    let finish = |reason: &str| {
        format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
    };
    for (delta, reason, want) in [
        (call, "stop", "ToolUse"),
        (call, "length", "Length"),
        (r#"{"content":"x"}"#, "tool_calls", "Stop"),
        (r#"{"refusal":"x"}"#, "stop", "Refusal"),
        (r#"{"content":"x"}"#, "eos", "Stop"),
        (r#"{"content":"x"}"#, "max_tokens", "Length"),
        (r#"{"content":"x"}"#, "content_filter", "Safety"),
        (r#"{"content":"x"}"#, "abort", "Cancelled"),
        (r#"{"content":"x"}"#, "odd", "Other(\"odd\")"),
        (r#"{"reasoning_content":"x"}"#, "length", "Length"),
    ] {
        let got = last(end(&[delta], &[&finish(reason)]));
        assert_eq!(got, [format!("stop 0 {want}"), "end".to_owned()], "{delta}");
    }
    // `[DONE]` without a reason: whatever came was all.
    assert_eq!(last(end(&[call], &["[DONE]"])), ["stop 0 ToolUse", "end"]);
    assert_eq!(
        last(end(&[r#"{"content":"x"}"#], &["[DONE]"])),
        ["stop 0 Stop", "end"]
    );
    let nothing = end(&[r#"{"role":"assistant"}"#], &["[DONE]"]);
    assert_eq!(nothing, ["start c", "fault stream_interrupted"]);
    assert_eq!(end(&[], &["[DONE]"]), ["fault stream_interrupted"]);
    // Usage is the last that was said, wherever.
    let usage = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let more = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":3}}"#;
    let got = end(
        &[r#"{"content":"x"}"#],
        &[usage, more, r#"{"choices":[],"usage":null}"#],
    );
    assert!(got.contains(&"usage 1 3".to_owned()), "{got:?}");
}

#[test]
fn errors_end_an_answer_and_nothing_follows() {
    let end = [
        r#"{"error":{"message":"m","code":429},"choices":[{"delta":{"content":"x"},"finish_reason":"error"}]}"#,
        r#"{"choices":[{"delta":{"content":"late"}}]}"#,
        "[DONE]",
    ];
    let all = chunks(&[r#"{"content":"x"}"#], &end);
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let notes = read(&reply(|_, _| {}), &all);
    assert_eq!(notes.fault.unwrap().kind, FaultKind::RateLimit);
    // A status of 200 does not make an error an answer.
    let body = br#"{"error":{"code":402,"message":"Insufficient credits"},"user_id":"u"}"#;
    let notes = read_whole(&reply(|_, _| {}), body);
    assert_eq!(notes.fault.unwrap().kind, FaultKind::Billing);
    for body in [&b"{\"id\":\"x\",\"choices\":[]}"[..], b"<html>", b""] {
        let fault = read_whole(&reply(|_, _| {}), body).fault.unwrap();
        assert_eq!(fault.kind, FaultKind::BadUpstream);
    }
}

#[test]
fn alternatives_are_kept_apart() {
    let chunk = |index: u32, delta: &str, reason: &str| {
        format!(
            r#"{{"id":"c","created":5,"choices":[{{"index":{index},"delta":{delta},"finish_reason":{reason}}}]}}"#
        )
    };
    let all = [
        chunk(1, r#"{"content":"b"}"#, "null"),
        chunk(0, r#"{"content":"a"}"#, "null"),
        chunk(1, r#"{"content":"b"}"#, "\"length\""),
        chunk(0, "{}", "\"stop\""),
    ];
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let reply = reply(|_, _| {});
    let answer = read(&reply, &all).fold.finish().unwrap();
    let texts: Vec<_> = answer
        .candidates
        .iter()
        .map(|one| one.parts[0].as_text())
        .collect();
    assert_eq!(texts, [Some("a"), Some("bb")]);
    assert_eq!(answer.candidates[1].stop.reason, StopReason::Length);
    let cut = read(&reply, &all[..3]);
    assert!(cut.fault.is_some(), "one of them has no end");
    comes_back_the_same("alternatives", &answer);
}

#[test]
fn what_else_an_answer_may_hold_comes_back() {
    let body = br#"{"id":"chatcmpl-1","created":5,"model":"m","service_tier":"flex","choices":[{"index":0,
        "message":{"role":"assistant","content":[{"type":"text","text":"h\u00e9 there"}],
        "annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":3,"end_index":8}}],
        "images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}],
        "audio":{"id":"audio_1","data":"AAAA","transcript":"t","expires_at":9}},
        "logprobs":{"content":[{"token":"h","logprob":-1.0,"bytes":[104],"top_logprobs":[]}]},
        "finish_reason":"stop"}],
        "usage":{"prompt_tokens":3,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":1,"cache_write_tokens":1}}}"#;
    let answer = read_whole(&reply(|_, _| {}), body).fold.finish().unwrap();
    let parts = &answer.candidates[0].parts;
    let Content::Text(text) = &parts[0].content else {
        panic!("{parts:?}")
    };
    assert_eq!(text.citations[0].span, Some((3, 8)));
    assert!(text.logprobs.is_some());
    assert!(matches!(
        parts[1],
        Part {
            content: Content::Image(_),
            ..
        }
    ));
    assert!(matches!(parts[2].content, Content::Audio(_)));
    comes_back_the_same("media", &answer);
}

#[test]
fn a_megabyte_of_arguments_is_passed_on_as_it_comes() {
    let piece = format!(
        r#"{{"tool_calls":[{{"index":0,"id":"a","function":{{"name":"f","arguments":"\"\ud83d\ude00{}"}}}}]}}"#,
        "x".repeat(120)
    );
    let deltas = vec![&*piece; 9_000];
    let notes = lines(&deltas);
    assert_eq!(notes.len(), 9_000 + 3);
}

/// What a client sees of an answer, however it is cut into blocks.
fn seen(answer: &Answer<'_>) -> Vec<String> {
    let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
    for part in &answer.candidates[0].parts {
        match &part.content {
            Content::Text(one) => text.push_str(&one.text),
            Content::Reasoning(one) => thought.push_str(&one.text()),
            Content::ToolCall(call) => {
                let arguments = if call.arguments.is_empty() {
                    "{}"
                } else {
                    &call.arguments
                };
                calls.push(format!(
                    "{} {} {arguments} {:?}",
                    call.id, call.name, part.signature
                ));
            }
            _ => {}
        }
    }
    calls.push(text);
    calls.push(thought.replace("\n\n", ""));
    calls.push(format!("{:?}", answer.candidates[0].stop));
    calls
}

proptest::proptest! {
    /// Whatever order deltas come in, the grammar of events holds and nothing is lost on the way to a
    /// client and back.
    #[test]
    fn any_order_of_deltas_is_an_answer(picks in proptest::collection::vec(0_usize..14, 0..14)) {
        const DELTAS: [&str; 14] = [
            r#"{"role":"assistant","content":""}"#,
            r#"{"content":"a"}"#,
            r#"{"content":"b ","refusal":null,"tool_calls":null}"#,
            r#"{"reasoning_content":"r"}"#,
            r#"{"reasoning_details":[{"type":"reasoning.text","text":"d","index":0}]}"#,
            r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"E","index":1}]}"#,
            r#"{"refusal":"no"}"#,
            r#"{"tool_calls":[{"index":0,"id":"x","function":{"name":"f"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"0"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"1"}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"2"}}]}"#,
            r#"{"tool_calls":[{"id":"z","function":{"name":"h","arguments":{}},"extra_content":{"google":{"thought_signature":"T"}}}]}"#,
            r#"{"images":[{"type":"image_url","image_url":{"url":"https://x/y"}}]}"#,
            r#"{"annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":0,"end_index":1}}]}"#,
        ];
        let deltas: Vec<&str> = picks.into_iter().map(|pick| DELTAS[pick]).collect();
        let all = chunks(&deltas, &[r#"{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#]);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let reply = reply(|_, _| {});
        let answer = read(&reply, &all).fold.finish().unwrap();
        for shape in [Shape::Sse, Shape::Whole] {
            let written = write(&reply, shape, answer.clone());
            let again = match shape {
                Shape::Whole => read_whole(&reply, &written),
                _ => read_sse(&reply, &written),
            };
            let again = again.fold.finish().unwrap();
            let (mut want, mut got) = (seen(&answer), seen(&again));
            if shape == Shape::Whole {
                // A blank line stands between texts that were apart.
                for side in [&mut want, &mut got] {
                    for line in side.iter_mut() {
                        line.retain(|letter| !letter.is_whitespace());
                    }
                }
            }
            proptest::prop_assert_eq!(want, got);
        }
    }
}
