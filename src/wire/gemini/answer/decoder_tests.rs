//! What is read of Gemini's answers.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::super::fixtures::{read, streams};
use super::super::super::sse::{Elements, Event as SseEvent};
use super::super::super::{Codec, Format, Gemini, Profile, Reply, Shape};
use crate::chat::{
    Answer, Content, Event, Extra, FaultKind, Fold, Opening, Part, ReasonKind, ServerTool,
    StopReason, Tier,
};

pub(super) fn reply() -> Arc<Reply> {
    lenient(false)
}

fn lenient(lenient_eof: bool) -> Arc<Reply> {
    let mut profile = Profile::default();
    profile.gemini.lenient_eof = lenient_eof;
    profile.family = "gemini-3".to_owned();
    Arc::new(Reply {
        model: String::new(),
        request_id: "req".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 1,
        include_usage: false,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(profile),
    })
}

/// Holds an answer's events to the grammar that all decoders keep.
#[derive(Default)]
struct Grammar {
    has_started: bool,
    is_over: bool,
    blocks: u32,
    open: HashMap<u32, u32>,
    stopped: Vec<u32>,
}

impl Grammar {
    fn check(&mut self, event: &Event<'_>) {
        assert!(!self.is_over, "{event:?} after the end");
        if let Event::Fault(_) = event {
            self.is_over = true;
            return;
        }
        let is_start = matches!(event, Event::Start(_));
        assert_eq!(
            is_start,
            !std::mem::replace(&mut self.has_started, true),
            "{event:?}"
        );
        let mut said = None;
        match event {
            Event::Open {
                block, candidate, ..
            } => {
                assert_eq!(*block, self.blocks, "blocks are numbered in order");
                assert!(!self.stopped.contains(candidate));
                self.blocks += 1;
                self.open.insert(*block, *candidate);
            }
            Event::Text { block, text, .. } => said = Some((block, text.is_empty())),
            Event::Refusal { block, text } => said = Some((block, text.is_empty())),
            Event::Reason { block, text, .. } => said = Some((block, text.is_empty())),
            Event::Arguments { block, .. }
            | Event::Signature { block, .. }
            | Event::Cite { block, .. } => said = Some((block, false)),
            Event::Close { block } => assert!(self.open.remove(block).is_some(), "{event:?}"),
            Event::Part { candidate, .. } => assert!(!self.stopped.contains(candidate)),
            Event::Stop { candidate, .. } => {
                assert!(!self.open.values().any(|open| open == candidate));
                assert!(!self.stopped.contains(candidate));
                self.stopped.push(*candidate);
            }
            Event::End => {
                assert!(self.open.is_empty() && !self.stopped.is_empty());
                self.is_over = true;
            }
            Event::Start(_) | Event::Usage(_) | Event::Fault(_) => {}
        }
        if let Some((block, is_empty)) = said {
            assert!(self.open.contains_key(block) && !is_empty, "{event:?}");
        }
    }
}

/// Feeds the events of an answer; gives what was read and the errors.
pub(super) fn events<D: AsRef<[u8]>>(
    shape: Shape,
    reply: &Arc<Reply>,
    data: &[D],
    mut each: impl FnMut(Event<'_>),
) {
    let mut grammar = Grammar::default();
    let mut emit = |event: Event<'_>| {
        grammar.check(&event);
        each(event);
    };
    let mut decoder = Gemini.decoder(shape, reply);
    for data in data {
        decoder.event(None, data.as_ref(), &mut emit);
    }
    decoder.end(&mut emit);
    decoder.end(&mut emit);
    decoder.event(
        None,
        br#"{"candidates":[{"content":{"parts":[{"text":"late"}]}}]}"#,
        &mut emit,
    );
    assert!(grammar.is_over, "an answer without an end");
}

pub(super) fn decoded<D: AsRef<[u8]>>(shape: Shape, data: &[D]) -> Answer<'static> {
    let mut fold = Fold::default();
    let mut fault = None;
    events(shape, &reply(), data, |event| match event {
        Event::Fault(error) => fault = Some(error),
        event => fold.push(event),
    });
    assert_eq!(fault, None);
    fold.finish().unwrap()
}

fn fault<D: AsRef<[u8]>>(shape: Shape, reply: &Arc<Reply>, data: &[D]) -> crate::chat::Fault {
    let mut fault = None;
    events(shape, reply, data, |event| {
        if let Event::Fault(error) = event {
            fault = Some(error);
        }
    });
    fault.expect("no error")
}

/// The events of a recorded stream without their framing.
pub(super) fn split(body: &[u8], is_sse: bool) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    if is_sse {
        let text = String::from_utf8(body.to_vec())
            .unwrap()
            .replace("\r\n", "\n");
        for block in text.split_inclusive("\n\n") {
            out.extend(SseEvent::parse(block.as_bytes()).map(|event| event.data.into_owned()));
        }
    } else {
        let mut elements = Elements::new(1 << 20);
        elements
            .push(body.to_vec().into(), |element| out.push(element.to_vec()))
            .unwrap();
    }
    out
}

fn chunk(parts: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"index":0}}]}}"#)
}

fn last(parts: &str) -> String {
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{parts}]}},"finishReason":"STOP"}}],"responseId":"r"}}"#
    )
}

fn calls(answer: &Answer<'_>) -> Vec<(String, String, Option<String>)> {
    let parts = answer.candidates[0].parts.iter();
    parts
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some((
                call.name.to_string(),
                call.arguments.to_string(),
                part.signature.as_ref().map(|state| state.data.to_string()),
            )),
            _ => None,
        })
        .collect()
}

fn texts(answer: &Answer<'_>) -> Vec<String> {
    let parts = answer.candidates[0].parts.iter();
    parts
        .filter_map(|part| Some(part.as_text()?.to_owned()))
        .collect()
}

#[test]
fn the_recorded_streams_are_read() {
    let mut count = 0;
    for fixture in streams().filter(|fixture| fixture.format == Format::Gemini) {
        let shape = if fixture.is_sse() {
            Shape::Sse
        } else {
            Shape::JsonArray
        };
        let data = split(&fixture.body, fixture.is_sse());
        count += 1;
        if fixture.name.contains("truncated") {
            let fault = fault(shape, &reply(), &data);
            assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
            let mut stops = Vec::new();
            events(shape, &lenient(true), &data, |event| {
                if let Event::Stop { stop, .. } = event {
                    stops.push(stop.reason);
                }
            });
            assert_eq!(stops, [StopReason::Stop]);
            continue;
        }
        let answer = decoded(shape, &data);
        assert!(
            answer.start.id.is_some() && answer.start.model.is_some(),
            "{}",
            fixture.name
        );
        assert!(!answer.candidates[0].parts.is_empty(), "{}", fixture.name);
        assert!(answer.usage.unwrap().output > 0, "{}", fixture.name);
        // A cut at any event is no end.
        for end in 0..data.len() - 1 {
            let fault = fault(shape, &reply(), &data[..end]);
            assert_eq!(
                fault.kind,
                FaultKind::BadUpstream,
                "{} cut at {end}",
                fixture.name
            );
        }
    }
    assert_eq!(count, 8);
}

#[test]
fn arguments_in_pieces_are_put_together() {
    let body = read(
        Format::Gemini,
        "streams/vai-google-stream-tool-call-arguments.sse",
    );
    let answer = decoded(Shape::Sse, &split(&body, true));
    let calls = calls(&answer);
    let read: Vec<_> = calls
        .iter()
        .map(|(name, args, _)| (&**name, &**args))
        .collect();
    assert_eq!(
        read,
        [
            ("getWeather", r#"{"location":"Boston"}"#),
            ("getWeather", r#"{"location":"San Francisco"}"#)
        ]
    );
    assert!(calls[0].2.is_some() && calls[1].2.is_none());
    assert_eq!(answer.candidates[0].stop.reason, StopReason::ToolUse);
}

#[test]
fn a_call_in_pieces_that_is_cut_is_no_json() {
    let begin = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}},{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true}}]}}]}"#;
    let end = |reason: &str| format!(r#"{{"candidates":[{{"finishReason":"{reason}"}}]}}"#);
    let answer = decoded(Shape::Sse, &[begin.to_owned(), end("MAX_TOKENS")]);
    assert_eq!(calls(&answer), [("f".into(), r#"{"a":"x"#.into(), None)]);
    assert_eq!(answer.candidates[0].stop.reason, StopReason::Length);
    let answer = decoded(Shape::Sse, &[begin.to_owned(), end("STOP")]);
    assert_eq!(calls(&answer), [("f".into(), r#"{"a":"x"}"#.into(), None)]);
    // Nor may it be taken for an end.
    assert_eq!(
        fault(Shape::Sse, &lenient(true), &[begin]).kind,
        FaultKind::BadUpstream
    );
}

#[test]
fn a_new_name_ends_the_call_before_it() {
    let answer = decoded(
        Shape::Sse,
        &[last(
            r#"{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a","numberValue":1}],"willContinue":true}},{"functionCall":{"name":"g"}},{"functionCall":{}}"#,
        )],
    );
    assert_eq!(
        calls(&answer),
        [
            ("f".into(), r#"{"a":1}"#.into(), None),
            ("g".into(), "{}".into(), None)
        ]
    );
}

#[test]
fn calls_come_whole_and_keep_their_ids_once() {
    let answer = decoded(
        Shape::Sse,
        &[last(
            r#"{"functionCall":{"id":"a","name":"f","args":{ "x": 1.0 }}},{"functionCall":{"id":"a","name":"f"}},{"functionCall":{"name":"g"}}"#,
        )],
    );
    let parts = &answer.candidates[0].parts;
    let ids: Vec<_> = parts
        .iter()
        .filter_map(|part| match &part.content {
            Content::ToolCall(call) => Some(&*call.id),
            _ => None,
        })
        .collect();
    assert_eq!(ids[0], "a");
    assert!(ids[1].starts_with("call_") && ids[2].starts_with("call_") && ids[1] != ids[2]);
    assert_eq!(calls(&answer)[0].1, r#"{"x":1.0}"#);
}

#[test]
fn a_stream_joins_texts_and_a_document_keeps_its_parts_apart() {
    let parts = r#"{"text":"a"},{"text":"b"},{"text":"t","thought":true},{"text":"c"}"#;
    assert_eq!(texts(&decoded(Shape::Sse, &[last(parts)])), ["ab", "c"]);
    assert_eq!(
        texts(&decoded(Shape::Whole, &[last(parts)])),
        ["a", "b", "c"]
    );
}

#[test]
fn a_signature_on_an_empty_text_is_that_of_the_text_before() {
    for shape in [Shape::Sse, Shape::Whole] {
        let signed = |answer: &Answer<'_>| -> Vec<(String, Option<String>)> {
            let parts = answer.candidates[0].parts.iter();
            parts
                .filter_map(|part| {
                    let state = part.signature.as_ref().map(|state| state.data.to_string());
                    Some((part.as_text()?.to_owned(), state))
                })
                .collect()
        };
        let empty = r#"{"text":"","thoughtSignature":"s"}"#;
        let answer = decoded(
            shape,
            &[last(&format!(r#"{{"text":"a"}},{{"text":""}},{empty}"#))],
        );
        assert_eq!(signed(&answer), [("a".into(), Some("s".into()))]);
        let answer = decoded(
            shape,
            &[last(&format!(
                r#"{{"functionCall":{{"name":"f"}}}},{empty}"#
            ))],
        );
        assert_eq!(signed(&answer), [("".into(), Some("s".into()))]);
        // A signature is about its own part: what follows is another one.
        let answer = decoded(
            shape,
            &[last(&format!(
                r#"{{"text":"a","thoughtSignature":"1"}},{empty},{{"text":"b"}}"#
            ))],
        );
        assert_eq!(
            signed(&answer),
            [
                ("a".into(), Some("1".into())),
                ("".into(), Some("s".into())),
                ("b".into(), None)
            ]
        );
    }
}

#[test]
fn thoughts_are_summaries() {
    let answer = decoded(
        Shape::Sse,
        &[
            chunk(r#"{"text":"a","thought":true}"#),
            chunk(r#"{"text":"b","thought":true,"thoughtSignature":"s"}"#),
            last(r#"{"text":"","thought":true}"#),
        ],
    );
    let Content::Reasoning(reasoned) = &answer.candidates[0].parts[0].content else {
        panic!();
    };
    assert_eq!(
        (&*reasoned.text(), reasoned.texts[0].kind),
        ("ab", ReasonKind::Summary)
    );
    assert_eq!(reasoned.opaque[0].data, "s");
}

#[test]
fn the_first_event_may_be_anything() {
    for first in [
        r#"{"usageMetadata":{"promptTokenCount":5}}"#.to_owned(),
        chunk(r#"{"functionCall":{"name":"f"}}"#),
        chunk(r#"{"text":"t","thought":true}"#),
        r#"{"candidates":[{}]}"#.to_owned(),
        r#"{"candidates":[{"content":{"role":"model"}}]}"#.to_owned(),
        "{}".to_owned(),
        r#"{"response":{"candidates":null,"usageMetadata":{"promptTokenCount":5}}}"#.to_owned(),
    ] {
        decoded(Shape::Sse, &[first, last(r#"{"text":"x"}"#)]);
    }
}

#[test]
fn usage_is_what_was_said_last() {
    let usage = |count: u32| {
        format!(
            r#"{{"candidates":[],"usageMetadata":{{"promptTokenCount":{count},"serviceTier":"flex"}}}}"#
        )
    };
    let silent = r#"{"usageMetadata":{"trafficType":"ON_DEMAND"}}"#.to_owned();
    let answer = decoded(
        Shape::Sse,
        &[usage(1), last(r#"{"text":"x"}"#), usage(7), silent],
    );
    assert_eq!(answer.start.usage.unwrap().input, 1);
    assert_eq!(answer.start.tier, Some(Tier::Flex));
    assert_eq!(answer.usage.unwrap().input, 7);
}

#[test]
fn a_refused_prompt_is_an_answer() {
    let body = read(Format::Gemini, "responses/agw-blocked.json");
    for shape in [Shape::Whole, Shape::Sse] {
        let answer = decoded(shape, &[&body]);
        let stop = &answer.candidates[0].stop;
        assert_eq!(
            (&stop.reason, stop.detail.as_deref()),
            (&StopReason::Safety, Some("SAFETY"))
        );
        assert!(answer.candidates[0].parts.is_empty());
        assert_eq!(answer.usage.unwrap().input, 12);
    }
}

#[test]
fn a_prompt_refused_in_the_middle_is_no_success() {
    let answer = decoded(
        Shape::Sse,
        &[
            chunk(r#"{"text":"x"}"#),
            r#"{"promptFeedback":{"blockReason":"OTHER"}}"#.to_owned(),
        ],
    );
    assert_eq!(answer.candidates[0].stop.reason, StopReason::Safety);
}

#[test]
fn thinking_only_and_then_no_room_is_an_answer_without_parts() {
    let body = read(
        Format::Gemini,
        "responses/pyd-google-model-max-tokens-thinking-model-empty-response.json",
    );
    let answer = decoded(Shape::Whole, &[&body]);
    assert!(answer.candidates[0].parts.is_empty());
    assert_eq!(answer.candidates[0].stop.reason, StopReason::Length);
}

#[test]
fn several_candidates_are_kept_apart() {
    let data = [
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":0},{"content":{"parts":[{"text":"x"}]},"index":1}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"y"}]},"finishReason":1,"index":1}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS","index":0}]}"#,
    ];
    let answer = decoded(Shape::Sse, &data);
    let read: Vec<_> = answer
        .candidates
        .iter()
        .map(|one| (one.parts[0].as_text().unwrap(), &one.stop.reason))
        .collect();
    assert_eq!(
        read,
        [("ab", &StopReason::Length), ("xy", &StopReason::Stop)]
    );
    assert_eq!(
        fault(Shape::Sse, &reply(), &data[..2]).kind,
        FaultKind::BadUpstream
    );
    let huge = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":4000000000,"finishReason":"STOP"}]}"#;
    assert_eq!(
        fault(Shape::Sse, &reply(), &[huge]).kind,
        FaultKind::BadUpstream
    );
}

#[test]
fn errors_in_a_stream_end_it() {
    for error in [
        r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#,
        r#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#,
        r#"{"response":{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}}"#,
    ] {
        let open = chunk(r#"{"functionCall":{"name":"f","willContinue":true}}"#);
        let fault = fault(Shape::Sse, &reply(), &[open, error.to_owned()]);
        assert_eq!(fault.kind, FaultKind::Overloaded, "{error}");
    }
    let fault = fault(Shape::Sse, &reply(), &[r#"{"candidates":[{"#]);
    assert_eq!(fault.kind, FaultKind::BadUpstream);
}

#[test]
fn nothing_is_no_answer() {
    for document in ["{}", r#"{"candidates":[]}"#, r#"{"promptFeedback":{}}"#] {
        let fault = fault(Shape::Whole, &reply(), &[document]);
        assert_eq!(
            (fault.kind, fault.code.as_deref()),
            (FaultKind::BadUpstream, Some("bad_upstream"))
        );
    }
}

#[test]
fn done_is_an_end_if_there_was_a_reason() {
    let done = "[DONE]".to_owned();
    decoded(Shape::Sse, &[last(r#"{"text":"x"}"#), done.clone()]);
    let fault = fault(Shape::Sse, &reply(), &[chunk(r#"{"text":"x"}"#), done]);
    assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
}

#[test]
fn what_the_provider_did_itself_is_read() {
    let body = read(
        Format::Gemini,
        "streams/oi-validate-token-counts-stream.sse",
    );
    let answer = decoded(Shape::Sse, &split(&body, true));
    let parts = &answer.candidates[0].parts;
    let call = parts.iter().find_map(|part| match &part.content {
        Content::ServerCall(call) => Some(call),
        _ => None,
    });
    let result = parts.iter().find_map(|part| match &part.content {
        Content::ServerResult(result) => Some(result),
        _ => None,
    });
    let (call, result) = (call.unwrap(), result.unwrap());
    assert_eq!(
        (&call.tool, &call.id),
        (&ServerTool::CodeExecution, &result.call)
    );
    assert!(!call.id.is_empty() && result.error.is_none());
    assert!(call.input.as_str().starts_with(r#"{"code":"def is_prime"#));
    assert!(result.output.as_deref().unwrap().contains("5117"));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.tool_input > 0, usage.reasoning), (true, 240));
}

#[test]
fn citations_come_before_the_text_ends_and_the_search_after_it() {
    let metadata = r#"{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://a.example","title":"A"}}],"groundingSupports":[{"segment":{"startIndex":3,"endIndex":5,"text":"ab"},"groundingChunkIndices":[0]}]}"#;
    let end =
        format!(r#"{{"candidates":[{{"finishReason":"STOP","groundingMetadata":{metadata}}}]}}"#);
    let mut seen = Vec::new();
    events(
        Shape::Sse,
        &reply(),
        &[chunk(r#"{"text":"é a"}"#), chunk(r#"{"text":"b"}"#), end],
        |event| {
            seen.push(match event {
                Event::Open {
                    opening: Opening::Text,
                    ..
                } => "open".to_owned(),
                Event::Text { text, .. } => text.into_owned(),
                Event::Cite { citation, .. } => format!("{:?}", citation.span.unwrap()),
                Event::Close { .. } => "close".to_owned(),
                Event::Part {
                    part:
                        Part {
                            content: Content::ServerCall(call),
                            ..
                        },
                    ..
                } => call.input.as_str().to_owned(),
                Event::Part { .. } => "result".to_owned(),
                Event::Stop { .. } => "stop".to_owned(),
                _ => return,
            });
        },
    );
    assert_eq!(
        seen,
        [
            "open",
            "é a",
            "b",
            "(2, 4)",
            "close",
            r#"{"query":"q"}"#,
            "result",
            "stop"
        ]
    );
}

#[test]
fn logprobs_stay_with_their_text() {
    let data = r#"{"candidates":[{"content":{"parts":[{"text":"h","thought":true},{"text":"a"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"a","logProbability":-1}]}}]}"#;
    let answer = decoded(Shape::Sse, &[data]);
    let Content::Text(text) = &answer.candidates[0].parts[1].content else {
        panic!();
    };
    assert_eq!(
        text.logprobs.as_ref().unwrap().as_str(),
        r#"[{"token":"a","bytes":[97],"logprob":-1,"top_logprobs":[]}]"#
    );
}

#[test]
fn media_come_whole_and_those_of_thoughts_not_at_all() {
    let picture = r#"{"inlineData":{"mimeType":"image/png","data":"AA=="}"#;
    let answer = decoded(
        Shape::Sse,
        &[last(&format!(
            r#"{picture},"thought":true}},{picture},"thoughtSignature":"s"}}"#
        ))],
    );
    let parts = &answer.candidates[0].parts;
    assert_eq!(parts.len(), 1);
    assert!(matches!(parts[0].content, Content::Image(_)));
    assert_eq!(parts[0].signature.as_ref().unwrap().data, "s");
}
