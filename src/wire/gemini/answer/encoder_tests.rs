//! What a Gemini client gets.

use std::sync::Arc;

use super::super::super::fixtures::{Fixture, read, streams};
use super::super::super::{Codec, Format, Gemini, Reply, Shape};
use super::decoder_tests::{decoded, events, reply, split};
use crate::chat::{
    Answer, CallKind, Candidate, Citation, CitationKind, Content, Event, Fault, FaultKind, Json,
    Losses, Native, OnLoss, Opaque, OpaqueKind, Opening, Part, ReasonKind, ReasonText, Reasoned,
    ServerCall, ServerResult, ServerTool, Start, Stop, StopReason, Text, ToolCall, Usage,
    WebSource,
};
use serde_json::{Value, json};

fn hidden() -> Arc<Reply> {
    Arc::new(Reply {
        expose_reasoning: false,
        ..(*reply()).clone()
    })
}

/// Writes the events; gives the bytes.
fn written(shape: Shape, reply: &Arc<Reply>, events: Vec<Event<'_>>) -> String {
    let mut encoder = Gemini.encoder(shape, reply);
    let mut losses = Losses::new(OnLoss::Warn);
    let mut out = Vec::new();
    for event in events {
        encoder.event(event, &mut losses, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn answered(shape: Shape, reply: &Arc<Reply>, answer: Answer<'_>) -> String {
    let mut encoder = Gemini.encoder(shape, reply);
    let mut losses = Losses::new(OnLoss::Warn);
    let mut out = Vec::new();
    answer.into_events(&mut |event| encoder.event(event, &mut losses, &mut out));
    assert_eq!(losses.notes(), []);
    String::from_utf8(out).unwrap()
}

/// The chunks of a written stream.
fn chunks(text: &str) -> Vec<Value> {
    assert!(text.ends_with("\n\n"), "{text}");
    text.split_terminator("\n\n")
        .map(|event| {
            let data = event.strip_prefix("data: ").expect("no `data: `");
            assert!(!data.contains('\n'), "{data}");
            serde_json::from_str(data).unwrap()
        })
        .collect()
}

fn parts(chunks: &[Value]) -> Vec<Value> {
    let parts = chunks
        .iter()
        .flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array());
    parts.flatten().cloned().collect()
}

fn start() -> Event<'static> {
    Event::Start(Start {
        id: Some("r".into()),
        model: Some("m".into()),
        ..Start::default()
    })
}

fn stop(reason: StopReason) -> Event<'static> {
    Event::Stop {
        candidate: 0,
        stop: Stop::new(reason),
    }
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

fn arguments(block: u32, text: &'static str) -> Event<'static> {
    let text = text.into();
    Event::Arguments { block, text }
}

fn opened(block: u32, opening: Opening<'static>) -> Event<'static> {
    Event::Open {
        block,
        candidate: 0,
        opening,
    }
}

fn said(block: u32, text: &'static str) -> Event<'static> {
    Event::Text {
        block,
        text: text.into(),
        logprobs: None,
    }
}

#[test]
fn the_recorded_answers_survive_being_written_and_read() {
    let whole = [
        "agw-blocked",
        "oi-response-with-multiple-tool-calls-false",
        "pyd-google-instructions-only-with-tool-calls",
        "pyd-google-model-file-search-grounding-gemini-3-false-3",
        "pyd-google-model-max-tokens-thinking-model-empty-response",
        "pyd-google-model-max-tokens",
        "pyd-google-model-thinking-part",
        "pyd-multimodal-tool-return-matrix-direct-url-video-google-gemi-1",
        "pyd-multimodal-tool-return-matrix-tool-return-content-url-imag-2",
    ];
    let mut answers: Vec<(String, Answer<'static>)> = whole
        .iter()
        .map(|name| {
            let body = read(Format::Gemini, &format!("responses/{name}.json"));
            ((*name).to_owned(), decoded(Shape::Whole, &[body]))
        })
        .collect();
    let recorded =
        |fixture: &Fixture| fixture.format == Format::Gemini && !fixture.name.contains("truncated");
    for fixture in streams().filter(recorded) {
        let data = split(&fixture.body, fixture.is_sse());
        answers.push((fixture.name, decoded(Shape::Sse, &data)));
    }
    assert_eq!(answers.len(), 9 + 7);
    for (name, answer) in answers {
        for shape in [Shape::Whole, Shape::Sse, Shape::JsonArray] {
            let text = answered(shape, &reply(), answer.clone());
            let mut again = match shape {
                Shape::Whole => decoded(shape, &[text]),
                Shape::Sse => decoded(shape, &split(text.as_bytes(), true)),
                Shape::JsonArray => {
                    let _: Vec<Value> = serde_json::from_str(&text).unwrap();
                    decoded(shape, &split(text.as_bytes(), false))
                }
            };
            // An answer does not say which numbers were known at its start.
            again.start.usage = answer.start.usage;
            // And it always has an id.
            if answer.start.id.is_none() {
                again.start.id = None;
            }
            assert_eq!(again, answer, "{name} as {shape:?}");
        }
    }
}

#[test]
fn interleaved_calls_come_whole_and_in_order() {
    // The worked example: two calls of an OpenAI stream, their pieces mixed.
    let usage = Usage {
        input: 20,
        cache_read: 5,
        output: 9,
        exact: true,
        ..Usage::default()
    };
    let text = written(
        Shape::Sse,
        &reply(),
        vec![
            start(),
            opened(0, Opening::Text),
            said(0, "Checking"),
            call(1, "call_a", "w"),
            arguments(1, "{\"c\":"),
            call(2, "call_b", "t"),
            arguments(2, "{\"z\":1}"),
            Event::Close { block: 2 },
            arguments(1, "\"P\"}"),
            Event::Close { block: 0 },
            Event::Close { block: 1 },
            stop(StopReason::ToolUse),
            Event::Usage(usage),
            Event::End,
        ],
    );
    let chunks = chunks(&text);
    assert_eq!(
        parts(&chunks),
        [
            json!({"text": "Checking"}),
            json!({"functionCall": {"id": "call_a", "name": "w", "args": {"c": "P"}}}),
            json!({"functionCall": {"id": "call_b", "name": "t", "args": {"z": 1}}}),
            json!({"text": ""}),
        ]
    );
    assert!(
        chunks[..3]
            .iter()
            .all(|chunk| chunk["candidates"][0].get("finishReason").is_none())
    );
    assert!(
        chunks
            .iter()
            .all(|chunk| chunk["responseId"] == "r" && chunk["modelVersion"] == "m")
    );
    let last = chunks.last().unwrap();
    assert_eq!(last["candidates"][0]["finishReason"], "STOP");
    assert_eq!(
        last["usageMetadata"],
        json!({"promptTokenCount": 20, "cachedContentTokenCount": 5, "candidatesTokenCount": 9, "totalTokenCount": 29})
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object_and_a_bad_one_is_left_out() {
    let calls = |reason: StopReason| {
        let text = written(
            Shape::Sse,
            &reply(),
            vec![
                start(),
                call(0, "a", "f"),
                Event::Close { block: 0 },
                call(1, "b", "g"),
                arguments(1, "{\"x\": "),
                Event::Close { block: 1 },
                call(2, "c", "h"),
                arguments(2, "{\n \"y\": 1\n}"),
                Event::Close { block: 2 },
                stop(reason),
                Event::End,
            ],
        );
        let chunks = chunks(&text);
        let last = chunks.last().unwrap()["candidates"][0].clone();
        (parts(&chunks), last)
    };
    let (parts, last) = calls(StopReason::ToolUse);
    assert_eq!(
        parts[..2],
        [
            json!({"functionCall": {"id": "a", "name": "f", "args": {}}}),
            json!({"functionCall": {"id": "c", "name": "h", "args": {"y": 1}}})
        ]
    );
    assert_eq!(last["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert_eq!(
        last["finishMessage"],
        "Malformed function call: g({\"x\": )"
    );
    // A call that was cut for length is no mistake of the model.
    assert_eq!(calls(StopReason::Length).1["finishReason"], "MAX_TOKENS");
}

#[test]
fn custom_calls_are_objects() {
    let mut answer = Answer {
        start: Start::default(),
        candidates: vec![Candidate {
            parts: vec![Part::new(Content::ToolCall(ToolCall {
                id: "a".into(),
                name: "f".into(),
                arguments: "free \"text\"".into(),
                kind: CallKind::Custom,
                namespace: None,
                item_id: None,
            }))],
            stop: Stop::new(StopReason::ToolUse),
        }],
        usage: None,
    };
    let text = answered(Shape::Whole, &reply(), answer.clone());
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        document["candidates"][0]["content"]["parts"][0]["functionCall"]["args"],
        json!({"input": "free \"text\""})
    );
    // Nobody said what it cost, and nobody named it.
    assert_eq!(document.get("usageMetadata"), None);
    assert_eq!(document["responseId"], "abcdefghijklmnopqrstuvwx");
    answer.candidates[0].parts.clear();
    let text = answered(Shape::Whole, &reply(), answer);
    assert!(text.contains(r#""parts":[{"text":""}]"#), "{text}");
}

fn foreign(kind: OpaqueKind) -> Opaque<'static> {
    Opaque {
        origin: if kind == OpaqueKind::Encrypted {
            Format::OpenAiResponses
        } else {
            Format::Claude
        },
        kind,
        family: "".into(),
        data: "S".into(),
    }
}

fn thinking(reply: &Arc<Reply>, shape: Shape, state: Vec<Opaque<'static>>) -> String {
    let reason = |index, text: &'static str| Event::Reason {
        block: 0,
        kind: ReasonKind::Summary,
        index,
        text: text.into(),
    };
    let mut events = vec![
        start(),
        opened(0, Opening::Reasoning),
        reason(0, "a"),
        reason(1, "b"),
    ];
    for opaque in state {
        events.push(Event::Signature { block: 0, opaque });
    }
    events.extend([
        Event::Close { block: 0 },
        stop(StopReason::Stop),
        Event::End,
    ]);
    written(shape, reply, events)
}

/// What Gemini's decoder of requests makes of the parts of an answer.
fn sent_back(parts: &[Value]) -> Vec<Part<'static>> {
    let body = json!({"contents": [{"role": "model", "parts": parts}]}).to_string();
    let node = super::super::super::json::Node::parse(body.as_bytes(), 64).unwrap();
    let mut request = Gemini.decode_request(node).unwrap();
    request
        .turns
        .remove(0)
        .parts
        .into_iter()
        .map(Part::into_owned)
        .collect()
}

#[test]
fn foreign_state_comes_back_with_its_text() {
    for (reply, shape) in [
        (reply(), Shape::Sse),
        (reply(), Shape::Whole),
        (hidden(), Shape::Sse),
        (hidden(), Shape::Whole),
    ] {
        let text = thinking(&reply, shape, vec![foreign(OpaqueKind::Signature)]);
        let chunks = match shape {
            Shape::Sse => chunks(&text),
            _ => vec![serde_json::from_str(&text).unwrap()],
        };
        let thoughts: Vec<Value> = parts(&chunks)
            .into_iter()
            .filter(|part| part["thought"] == true)
            .collect();
        let shown: String = thoughts
            .iter()
            .map(|part| part["text"].as_str().unwrap())
            .collect();
        assert_eq!(shown, if reply.expose_reasoning { "a\n\nb" } else { "" });
        let back = sent_back(&thoughts);
        let Content::Reasoning(reasoned) = &back[0].content else {
            panic!("{back:?}");
        };
        assert_eq!((back.len(), &*reasoned.text()), (1, "a\n\nb"));
        let want = Opaque {
            family: "gemini-3".into(),
            ..foreign(OpaqueKind::Signature)
        };
        assert_eq!(reasoned.opaque, [want]);
    }
}

#[test]
fn every_state_has_a_part_and_nothing_hidden_is_written() {
    let state = vec![
        foreign(OpaqueKind::Signature),
        foreign(OpaqueKind::Redacted),
    ];
    assert_eq!(
        parts(&chunks(&thinking(&hidden(), Shape::Sse, state))).len(),
        3
    );
    let text = thinking(&hidden(), Shape::Sse, Vec::new());
    assert_eq!(parts(&chunks(&text)), [json!({"text": ""})]);
    let encrypted = thinking(&hidden(), Shape::Sse, vec![foreign(OpaqueKind::Encrypted)]);
    let back = sent_back(&parts(&chunks(&encrypted))[..1]);
    assert!(
        matches!(&back[0].content, Content::Reasoning(reasoned) if reasoned.opaque[0].data == "S")
    );
}

#[test]
fn geminis_own_signature_is_written_once_and_as_it_was() {
    let opaque = Opaque {
        origin: Format::Gemini,
        kind: OpaqueKind::Thought,
        family: "".into(),
        data: "c2ln".into(),
    };
    let text = written(
        Shape::Sse,
        &reply(),
        vec![
            start(),
            opened(0, Opening::Text),
            said(0, "x"),
            Event::Close { block: 0 },
            call(1, "a", "f"),
            Event::Signature {
                block: 1,
                opaque: opaque.clone(),
            },
            Event::Close { block: 1 },
            stop(StopReason::ToolUse),
            Event::End,
        ],
    );
    assert_eq!(text.matches("thoughtSignature").count(), 1);
    assert_eq!(parts(&chunks(&text))[1]["thoughtSignature"], "c2ln");
    let text = written(
        Shape::Sse,
        &reply(),
        vec![
            start(),
            opened(0, Opening::Text),
            said(0, "x"),
            Event::Signature { block: 0, opaque },
            Event::Close { block: 0 },
            stop(StopReason::Stop),
            Event::End,
        ],
    );
    assert_eq!(
        parts(&chunks(&text))[..2],
        [
            json!({"text": "x"}),
            json!({"text": "", "thoughtSignature": "c2ln"})
        ]
    );
}

fn cited(text: &'static str, span: Option<(u64, u64)>) -> Answer<'static> {
    let citation = |kind, url: &'static str| Citation {
        kind,
        url: Some(url.into()),
        title: None,
        cited: None,
        span,
        file_id: None,
        filename: None,
        native: None,
    };
    let mut text = Text::new(text);
    text.citations = vec![
        citation(CitationKind::Web, "https://a.example"),
        citation(CitationKind::Web, "https://b.example"),
        citation(CitationKind::Document, "https://c.example"),
    ];
    Answer {
        start: Start::default(),
        candidates: vec![Candidate {
            parts: vec![
                Part::new(Content::ServerCall(ServerCall {
                    id: "s".into(),
                    tool: ServerTool::WebSearch,
                    input: Json::trusted(r#"{"query":"q"}"#),
                    native: None,
                })),
                Part::new(Content::ServerResult(ServerResult {
                    call: "s".into(),
                    tool: ServerTool::WebSearch,
                    error: None,
                    sources: vec![WebSource {
                        url: "https://b.example".into(),
                        title: None,
                    }],
                    output: None,
                    native: None,
                })),
                Part::new(Content::Text(text)),
            ],
            stop: Stop::new(StopReason::Stop),
        }],
        usage: None,
    }
}

#[test]
fn sources_stand_in_the_last_event_in_bytes() {
    let text = answered(Shape::Sse, &reply(), cited("é 𝄞x", Some((2, 4))));
    let chunks = chunks(&text);
    assert!(
        chunks[0]["candidates"][0]
            .get("groundingMetadata")
            .is_none()
    );
    assert_eq!(
        chunks.last().unwrap()["candidates"][0]["groundingMetadata"],
        json!({
            "webSearchQueries": ["q"],
            "groundingChunks": [{"web": {"uri": "https://b.example"}}, {"web": {"uri": "https://a.example"}}],
            "groundingSupports": [{
                "segment": {"startIndex": 3, "endIndex": 8, "text": "𝄞x"},
                "groundingChunkIndices": [1, 0]
            }]
        })
    );
    let text = answered(Shape::Whole, &reply(), cited("é", None));
    let document: Value = serde_json::from_str(&text).unwrap();
    let supports = &document["candidates"][0]["groundingMetadata"]["groundingSupports"];
    assert_eq!(supports[0]["segment"], json!({"endIndex": 2, "text": "é"}));
}

#[test]
fn errors_are_written_into_streams_only() {
    let error = || Event::Fault(Fault::new(FaultKind::Overloaded, "busy", "m"));
    let after = |shape, begun: bool| {
        let mut events = vec![start()];
        if begun {
            events.extend([opened(0, Opening::Text), said(0, "x"), call(1, "a", "f")]);
        }
        events.extend([error(), Event::End, error()]);
        written(shape, &reply(), events)
    };
    for begun in [false, true] {
        let text = after(Shape::Sse, begun);
        let chunks = chunks(&text);
        let last = &chunks.last().unwrap()["error"];
        assert_eq!(
            (&last["code"], &last["status"]),
            (&json!(503), &json!("UNAVAILABLE"))
        );
        assert!(!text.contains("functionCall") && !text.contains("finishReason"));
        let array: Vec<Value> = serde_json::from_str(&after(Shape::JsonArray, begun)).unwrap();
        assert_eq!(array.last().unwrap()["error"]["code"], 503);
        assert_eq!(after(Shape::Whole, begun), "");
    }
}

#[test]
fn an_array_has_googles_separators() {
    let text = written(
        Shape::JsonArray,
        &reply(),
        vec![
            start(),
            opened(0, Opening::Text),
            said(0, "x"),
            Event::Close { block: 0 },
            stop(StopReason::Stop),
            Event::End,
        ],
    );
    assert!(
        text.starts_with("[{\"candidates\"") && text.ends_with("}]"),
        "{text}"
    );
    assert_eq!(text.matches("},\r\n{").count(), 1);
}

#[test]
fn usage_is_in_every_event_once_it_is_known() {
    let usage = |input| Usage {
        input,
        ..Usage::default()
    };
    let known = Event::Start(Start {
        usage: Some(usage(3)),
        ..Start::default()
    });
    let rest = || {
        vec![
            opened(0, Opening::Text),
            said(0, "x"),
            Event::Close { block: 0 },
            stop(StopReason::Stop),
        ]
    };
    let mut events = vec![known];
    events.extend(rest());
    events.extend([Event::Usage(usage(4)), Event::End]);
    let counts: Vec<Value> = chunks(&written(Shape::Sse, &reply(), events))
        .iter()
        .map(|chunk| chunk["usageMetadata"]["promptTokenCount"].clone())
        .collect();
    assert_eq!(counts, [3, 4]);
}

#[test]
fn what_has_no_form_is_noted_and_what_is_native_is_written() {
    let part = |content| Event::Part {
        candidate: 0,
        part: Part::new(content),
    };
    let mut encoder = Gemini.encoder(Shape::Sse, &reply());
    let mut losses = Losses::new(OnLoss::Warn);
    let mut out = Vec::new();
    let native = |format| {
        Content::Native(Native {
            format,
            json: Json::trusted("{\n\"someday\": 1}"),
        })
    };
    for event in [
        start(),
        part(native(Format::Gemini)),
        part(native(Format::Claude)),
    ] {
        encoder.event(event, &mut losses, &mut out);
    }
    assert_eq!(losses.notes().len(), 1);
    assert_eq!(
        parts(&chunks(&String::from_utf8(out).unwrap())),
        [json!({"someday": 1})]
    );
}

#[test]
fn the_whole_document_of_interleaved_blocks_is_in_the_order_of_their_beginnings() {
    let text = written(
        Shape::Whole,
        &reply(),
        vec![
            start(),
            opened(0, Opening::Text),
            call(1, "a", "f"),
            Event::Close { block: 1 },
            said(0, "x"),
            Event::Close { block: 0 },
            stop(StopReason::ToolUse),
            Event::End,
        ],
    );
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(parts(&[document])[0], json!({"text": "x"}));
}

#[test]
fn candidates_and_their_logprobs_are_written() {
    let one = |token: &str, byte: u8| {
        let mut text = Text::new("a");
        let entry =
            format!(r#"[{{"token":"{token}","bytes":[{byte}],"logprob":-1,"top_logprobs":[]}}]"#);
        text.logprobs = Some(Json::trusted(entry));
        Candidate {
            parts: vec![
                Part::new(Content::Reasoning(Reasoned {
                    texts: vec![ReasonText {
                        kind: ReasonKind::Summary,
                        text: "t".into(),
                    }],
                    ..Reasoned::default()
                })),
                Part::new(Content::Text(text)),
            ],
            stop: Stop::new(StopReason::Stop),
        }
    };
    let answer = Answer {
        start: Start {
            id: Some("i".into()),
            model: Some("m".into()),
            ..Start::default()
        },
        candidates: vec![one("a", 97), one("b", 98)],
        usage: None,
    };
    for shape in [Shape::Whole, Shape::Sse] {
        let text = answered(shape, &reply(), answer.clone());
        let data = match shape {
            Shape::Sse => split(text.as_bytes(), true),
            _ => vec![text.into_bytes()],
        };
        let mut seen = 0;
        events(shape, &reply(), &data, |event| {
            seen += usize::from(matches!(event, Event::Stop { .. }))
        });
        assert_eq!(seen, 2);
        assert_eq!(decoded(shape, &data), answer);
    }
}

#[test]
fn what_was_stopped_before_it_spoke_has_no_parts() {
    for reason in [StopReason::Length, StopReason::Safety] {
        let events = vec![
            start(),
            opened(0, Opening::Reasoning),
            Event::Close { block: 0 },
            stop(reason),
            Event::End,
        ];
        let text = written(Shape::Sse, &hidden(), events);
        let chunks = chunks(&text);
        assert_eq!(
            chunks[0]["candidates"][0]["content"],
            json!({"role": "model"})
        );
    }
}

#[test]
fn characters_that_were_split_are_whole_again() {
    let text = written(
        Shape::Sse,
        &reply(),
        vec![
            start(),
            call(0, "a", "f"),
            arguments(0, r#"{"x":"\ud83d"#),
            arguments(0, r#"\ude00"}"#),
            Event::Close { block: 0 },
            stop(StopReason::ToolUse),
            Event::End,
        ],
    );
    let parts = parts(&chunks(&text));
    assert_eq!(parts[0]["functionCall"]["args"], json!({"x": "😀"}));
}

#[test]
fn a_megabyte_of_arguments_in_small_pieces_takes_no_time() {
    let mut events = vec![start(), call(0, "a", "f"), arguments(0, r#"{"x":""#)];
    events.extend((0..100_000).map(|_| arguments(0, "0123456789")));
    events.extend([
        arguments(0, r#""}"#),
        Event::Close { block: 0 },
        stop(StopReason::ToolUse),
        Event::End,
    ]);
    let text = written(Shape::Sse, &reply(), events);
    let parts = parts(&chunks(&text));
    assert_eq!(
        parts[0]["functionCall"]["args"]["x"]
            .as_str()
            .unwrap()
            .len(),
        1_000_000
    );
}

#[test]
fn the_names_of_client_and_upstream() {
    let named = Arc::new(Reply {
        model: "alias".to_owned(),
        ..(*reply()).clone()
    });
    let text = written(
        Shape::Sse,
        &named,
        vec![start(), stop(StopReason::Stop), Event::End],
    );
    assert_eq!(chunks(&text)[0]["modelVersion"], "alias");
}

proptest::proptest! {
    /// However a text is cut, it is read back, and no event spills into another line.
    #[test]
    fn any_text_comes_through(pieces in proptest::collection::vec(proptest::prelude::any::<String>(), 1..8)) {
        let whole = pieces.concat();
        for shape in [Shape::Whole, Shape::Sse, Shape::JsonArray] {
            let mut events = vec![start(), opened(0, Opening::Text)];
            events.extend(pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| Event::Text {
                block: 0,
                text: piece.as_str().into(),
                logprobs: None,
            }));
            events.extend([Event::Close { block: 0 }, stop(StopReason::Stop), Event::End]);
            let text = written(shape, &reply(), events);
            let data = match shape {
                Shape::Whole => vec![text.into_bytes()],
                shape => split(text.as_bytes(), shape == Shape::Sse),
            };
            let read: String = decoded(shape, &data).candidates[0]
                .parts
                .iter()
                .filter_map(|part| part.as_text())
                .collect();
            proptest::prop_assert_eq!(&read, &whole);
        }
    }
}

#[test]
fn a_call_carries_the_state_of_the_reasoning_before_it() {
    let signed = |block, state| Event::Signature {
        block,
        opaque: state,
    };
    let thought = |block| Event::Reason {
        block,
        index: 0,
        kind: ReasonKind::Raw,
        text: "Hm.".into(),
    };
    for (states, want) in [(1, true), (2, false)] {
        for reply in [reply(), hidden()] {
            for shape in [Shape::Sse, Shape::Whole] {
                let mut events = vec![start()];
                for block in 0..states {
                    events.push(opened(block, Opening::Reasoning));
                    events.push(thought(block));
                    events.push(signed(block, foreign(OpaqueKind::Signature)));
                    events.push(Event::Close { block });
                }
                for (block, id) in [(8, "a"), (9, "b")] {
                    events.push(call(block, id, "f"));
                    events.push(Event::Close { block });
                }
                events.push(stop(StopReason::ToolUse));
                events.push(Event::End);
                let text = written(shape, &reply, events);
                let parts = match shape {
                    Shape::Whole => {
                        let document: Value = serde_json::from_str(&text).unwrap();
                        let parts = &document["candidates"][0]["content"]["parts"];
                        parts.as_array().unwrap().clone()
                    }
                    _ => parts(&chunks(&text)),
                };
                let calls: Vec<Value> = parts
                    .into_iter()
                    .filter(|part| part.get("functionCall").is_some())
                    .collect();
                assert_eq!(calls.len(), 2);
                assert_eq!(calls[0].get("thoughtSignature").is_some(), want);
                assert!(calls[1].get("thoughtSignature").is_none());
                if want {
                    let back = sent_back(&calls);
                    let Content::Reasoning(reasoned) = &back[0].content else {
                        panic!("{back:?}");
                    };
                    assert_eq!(reasoned.text(), "Hm.");
                    assert_eq!(reasoned.opaque[0].data, "S");
                }
            }
        }
    }
}
