//! Masks cut everywhere, in every format.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ONE: &str = "MASK_0123456789_";
const TWO: &str = "MASK_abcdefabcd_";

fn masks() -> Arc<Masks> {
    let mut masks = Masks::default();
    masks.add(ONE, "Acme");
    masks.add(TWO, "Müller & Söhne");
    Arc::new(masks)
}

fn revealed(text: &str) -> String {
    text.replace(ONE, "Acme").replace(TWO, "Müller & Söhne")
}

fn run(unmasker: &mut Unmasker, pieces: &[&[u8]]) -> String {
    let mut out = Vec::new();
    for (n, piece) in pieces.iter().enumerate() {
        let mut data = Some(Bytes::copy_from_slice(piece));
        unmasker.push(&mut data, n + 1 == pieces.len()).unwrap();
        out.extend_from_slice(&data.unwrap_or_default());
    }
    String::from_utf8(out).unwrap()
}

fn unmasker(format: Format, shape: Shape) -> Unmasker {
    Unmasker::new(masks(), format, shape, 1 << 20)
}

/// The events by which a stream of `format` says `text`, cut before each of `cuts`, as the text number `n`
/// of two that it consists of. `kind` 0 is text, 1 a tool's arguments, 2 reasoning.
fn events(format: Format, kind: usize, n: usize, texts: &[String]) -> Vec<Value> {
    let delta = |text: &String| match (format, kind) {
        (Format::Claude, kind) => {
            let (delta, key) = [
                ("text_delta", "text"),
                ("input_json_delta", "partial_json"),
                ("thinking_delta", "thinking"),
            ][kind];
            json!({"type": "content_block_delta", "index": n, "delta": {"type": delta, key: text}})
        }
        (Format::OpenAiChat, 0) => {
            json!({"id": "c", "choices": [{"index": n, "delta": {"content": text}}]})
        }
        (Format::OpenAiChat, 1) => json!({"choices": [{"index": n, "delta": {"tool_calls": [
            {"index": 0, "function": {"arguments": text}}]}}]}),
        (Format::OpenAiChat, _) => {
            json!({"choices": [{"index": n, "delta": {"reasoning_content": text}}]})
        }
        (Format::OpenAiResponses, kind) => {
            let kind = [
                "output_text",
                "function_call_arguments",
                "reasoning_summary_text",
            ][kind];
            json!({"type": format!("response.{kind}.delta"), "output_index": n, "delta": text})
        }
        (Format::Gemini, 0) => {
            json!({"candidates": [{"index": n, "content": {"parts": [{"text": text}]}}]})
        }
        (Format::Gemini, _) => {
            json!({"response": {"candidates": [{"index": n, "content": {"parts": [
            {"text": text, "thought": true}]}}]}})
        }
    };
    texts.iter().map(delta).collect()
}

/// What ends the text number `n`.
fn close(format: Format, n: usize) -> Value {
    match format {
        Format::Claude => json!({"type": "content_block_stop", "index": n}),
        Format::OpenAiChat => {
            json!({"choices": [{"index": n, "delta": {}, "finish_reason": "stop"}]})
        }
        Format::OpenAiResponses => {
            json!({"type": "response.output_item.done", "output_index": n, "item": {"was": ONE}})
        }
        Format::Gemini => json!({"candidates": [{"index": n, "finishReason": "STOP"}]}),
    }
}

/// What the events say in the text number `n`.
fn said(format: Format, n: usize, events: &[Value]) -> String {
    let group = |event: &Value| {
        let candidate = event.pointer("/response/candidates/0/index");
        candidate
            .or_else(|| event.pointer("/candidates/0/index"))
            .or_else(|| event.pointer("/choices/0/index"))
            .or_else(|| event.get("index"))
            .or_else(|| event.get("output_index"))
            .and_then(Value::as_u64)
    };
    let texts: &[&str] = match format {
        Format::Claude => &["/delta/text", "/delta/partial_json", "/delta/thinking"],
        Format::OpenAiChat => &[
            "/choices/0/delta/content",
            "/choices/0/delta/tool_calls/0/function/arguments",
            "/choices/0/delta/reasoning_content",
        ],
        Format::OpenAiResponses => &["/delta"],
        Format::Gemini => &[
            "/candidates/0/content/parts/0/text",
            "/response/candidates/0/content/parts/0/text",
        ],
    };
    let own = events.iter().filter(|event| group(event) == Some(n as u64));
    own.flat_map(|event| texts.iter().filter_map(|at| event.pointer(at)?.as_str()))
        .collect()
}

fn framed(shape: Shape, events: &[Value]) -> String {
    match shape {
        Shape::JsonArray => {
            let events: Vec<_> = events.iter().map(|event| format!("{event:#}")).collect();
            format!("[{}\n]\n", events.join("\n,\r\n"))
        }
        _ => events
            .iter()
            .map(|event| format!("event: x\ndata: {event}\n\n"))
            .collect(),
    }
}

fn unframed(shape: Shape, text: &str) -> Vec<Value> {
    match shape {
        Shape::JsonArray => {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
        }
        _ => text
            .split("\n\n")
            .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("data: ")))
            .map(|data| {
                serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
            })
            .collect(),
    }
}

/// Texts in pieces that begin and end anywhere.
fn texts() -> impl Strategy<Value = Vec<String>> {
    let word = prop_oneof![
        4 => Just(ONE.to_owned()),
        2 => Just(TWO.to_owned()),
        1 => Just("MASK_9999999999_".to_owned()),
        1 => (0..16_usize).prop_map(|end| ONE[..end].to_owned()),
        2 => "[xM\"é\\\\\n]{0,3}",
    ];
    let words = prop::collection::vec(word, 0..5).prop_map(|words| words.concat());
    (
        words,
        prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    )
        .prop_map(|(text, cuts)| {
            let chars: Vec<char> = text.chars().collect();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
            cuts.extend([0, chars.len()]);
            cuts.sort_unstable();
            cuts.windows(2)
                .map(|pair| chars[pair[0]..pair[1]].iter().collect())
                .collect()
        })
}

fn formats() -> impl Strategy<Value = (Format, Shape)> {
    prop_oneof![
        Just((Format::Claude, Shape::Sse)),
        Just((Format::OpenAiChat, Shape::Sse)),
        Just((Format::OpenAiResponses, Shape::Sse)),
        Just((Format::Gemini, Shape::Sse)),
        Just((Format::Gemini, Shape::JsonArray)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn words_come_back_however_texts_and_bytes_are_cut(
        (format, shape) in formats(),
        kind in 0..3_usize,
        one in texts(),
        other in texts(),
        order in prop::collection::vec(any::<bool>(), 0..24),
        bytes in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        is_closed in any::<bool>(),
    ) {
        // Two texts whose events are mixed.
        let (mut ones, mut others) = (events(format, kind, 0, &one), events(format, kind, 1, &other));
        if is_closed {
            ones.push(close(format, 0));
            others.push(close(format, 1));
        }
        let (mut ones, mut others) = (ones.into_iter(), others.into_iter());
        let mut stream: Vec<Value> = order
            .iter()
            .filter_map(|first| if *first { ones.next() } else { others.next() })
            .collect();
        stream.extend(ones.chain(others));
        prop_assume!(shape == Shape::Sse || !stream.is_empty());

        let text = framed(shape, &stream);
        let mut cuts: Vec<usize> = bytes.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        let out = run(&mut unmasker(format, shape), &pieces);
        let out = unframed(shape, &out);
        prop_assert_eq!(out.len(), stream.len());
        prop_assert_eq!(said(format, 0, &out), revealed(&one.concat()));
        prop_assert_eq!(said(format, 1, &out), revealed(&other.concat()));
    }

    #[test]
    fn a_whole_document_is_revealed_however_it_is_cut(text in texts(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let document = json!({"a": text.concat(), "b": [json!({"c": text.concat()}).to_string()]}).to_string();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(document.len() + 1)).collect();
        cuts.extend([0, document.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &document.as_bytes()[pair[0]..pair[1]]).collect();
        let out = run(&mut unmasker(Format::Claude, Shape::Whole), &pieces);
        prop_assert_eq!(out, revealed(&document));
    }
}

#[test]
fn a_mask_is_found_at_every_split_of_two_events() {
    for (format, shape) in [
        (Format::Claude, Shape::Sse),
        (Format::OpenAiChat, Shape::Sse),
        (Format::OpenAiResponses, Shape::Sse),
        (Format::Gemini, Shape::Sse),
        (Format::Gemini, Shape::JsonArray),
    ] {
        let text = format!("a {ONE}b");
        for kind in 0..3 {
            for at in 0..=text.len() {
                let texts = [text[..at].to_owned(), text[at..].to_owned()];
                let stream = framed(shape, &events(format, kind, 0, &texts));
                let out = run(&mut unmasker(format, shape), &[stream.as_bytes()]);
                let out = unframed(shape, &out);
                assert_eq!(said(format, 0, &out), "a Acmeb", "{format:?} {kind} {at}");
            }
        }
    }
}

fn block(event: &Value) -> String {
    format!("data: {event}\n\n")
}

#[test]
fn rarer_texts_are_put_together_too() {
    let (left, right) = ONE.split_at(7);
    let thought = |text| json!({"choices": [{"index": 0, "delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}}]});
    let part = |text| json!({"choices": [{"index": 0, "delta": {"content": [{"type": "text", "text": text}]}}]});
    let command = |text| json!({"type": "response.shell_call_command.delta", "output_index": 0, "command_index": 1, "delta": text});
    let untyped = |text| json!({"error": {"message": format!("{text}{ONE}")}});
    for (format, stream) in [
        (Format::OpenAiChat, [thought(left), thought(right)]),
        (Format::OpenAiChat, [part(left), part(right)]),
        (Format::OpenAiResponses, [command(left), command(right)]),
        (Format::Claude, [untyped("a"), untyped("b")]),
    ] {
        let stream = framed(Shape::Sse, &stream);
        let out = run(&mut unmasker(format, Shape::Sse), &[stream.as_bytes()]);
        assert!(out.contains("Acme") && !out.contains("MASK"), "{out}");
    }
}

#[test]
fn only_the_text_that_may_go_on_waits() {
    for format in Format::ALL {
        let open = block(&events(format, 0, 0, &["so MAS".to_owned()])[0]);
        let beside = block(&events(format, 0, 1, &["other".to_owned()])[0]);
        let rest = block(&events(format, 0, 0, &["TER".to_owned()])[0]);
        let mut unmasker = unmasker(format, Shape::Sse);
        let mut push = |text: &str| {
            let mut data = Some(Bytes::copy_from_slice(text.as_bytes()));
            unmasker.push(&mut data, false).unwrap();
            data.map(|data| String::from_utf8(data.to_vec()).unwrap())
        };
        assert_eq!(push(&open), None, "{format:?}");
        assert_eq!(push(&beside), Some(beside.clone()), "{format:?}");
        assert_eq!(push(": ping\n\n").as_deref(), Some(": ping\n\n"));
        assert_eq!(push(&rest), Some(open.clone() + &rest), "{format:?}");
        assert_eq!(push(&open), None);
        let close = block(&close(format, 0));
        assert_eq!(
            push(&close),
            Some(open.clone() + &revealed(&close)),
            "{format:?}"
        );
    }
}

#[test]
fn an_untouched_stream_keeps_its_bytes() {
    for text in [
        ": hi\r\n\r\nevent: x\r\ndata: {\"type\" :\"message_start\"}\r\n\r\ndata: [DONE]\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"IBM\"}}]}\n\ndata: [DONE]\n\n",
        "data: no JSON MASK_\n\ndata: {\"choices\":1}\n\nrest",
    ] {
        for format in Format::ALL {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(
                run(&mut unmasker(format, Shape::Sse), &pieces),
                text,
                "{format:?}"
            );
        }
    }
}

#[test]
fn data_on_several_lines_is_read_as_one() {
    let text = "event: e\ndata: {\"type\":\"content_block_delta\",\"index\":0,\ndata: \"delta\":{\"text\":\"MASK_0123456789_\"}}\n\n";
    let out = run(
        &mut unmasker(Format::Claude, Shape::Sse),
        &[text.as_bytes()],
    );
    assert_eq!(
        out,
        "event: e\ndata: {\"type\":\"content_block_delta\",\"index\":0, \"delta\":{\"text\":\"Acme\"}}\n\n"
    );
}

#[test]
fn the_last_piece_may_come_with_the_end() {
    let stream = [
        json!({"choices": [{"index": 0, "delta": {"content": ONE[..7]}}]}),
        json!({"choices": [{"index": 0, "delta": {"content": ONE[7..]}, "finish_reason": "stop"}]}),
    ];
    let out = run(
        &mut unmasker(Format::OpenAiChat, Shape::Sse),
        &[framed(Shape::Sse, &stream).as_bytes()],
    );
    assert_eq!(
        said(Format::OpenAiChat, 0, &unframed(Shape::Sse, &out)),
        "Acme"
    );
}

#[test]
fn another_text_of_the_same_block_ends_the_one_before() {
    let text = json!({"candidates": [{"content": {"parts": [{"text": "see MASK_"}]}}]});
    let call = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"q": ONE}}}]}}]});
    let stream = block(&text) + &block(&call);
    let out = run(
        &mut unmasker(Format::Gemini, Shape::Sse),
        &[stream.as_bytes()],
    );
    assert_eq!(out, revealed(&stream));
}
