//! An event that is recognized because it is like an earlier one means what reading it would have said.

use std::collections::HashMap;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::json::blind;
use super::super::sse::Event as SseEvent;
use super::*;

/// The events of all recorded streams, and of some that nobody has recorded.
static EVENTS: LazyLock<HashMap<Format, Vec<Vec<u8>>>> = LazyLock::new(|| {
    let mut all: HashMap<Format, Vec<Vec<u8>>> = HashMap::new();
    for fixture in fixtures::streams() {
        let events = all.entry(fixture.format).or_default();
        let body = Bytes::from(fixture.body.clone());
        let framed = framing(&fixture);
        let mut keep = |piece: &[u8]| match framed {
            Shape::Sse => {
                if let Some(event) = SseEvent::parse(piece) {
                    events.push(event.data.trim_ascii().to_vec());
                }
            }
            _ => events.push(piece.to_vec()),
        };
        match framed {
            Shape::Sse => Blocks::new(usize::MAX).push(body, &mut keep).map(drop),
            _ => Elements::new(usize::MAX).push(body, &mut keep).map(drop),
        }
        .unwrap();
    }
    for (format, events) in ODD {
        let events = events.iter().map(|event| event.as_bytes().to_vec());
        all.entry(format).or_default().extend(events);
    }
    all
});

const ODD: [(Format, &[&str]); 4] = [
    (
        Format::OpenAiChat,
        &[
            r#"{"choices":[{"delta":{"content":"a","content":""}}]}"#,
            r#"{"choices":[{"delta":{"content":"a","content":null}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"},"delta":null}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"index":1,"delta":{"content":"","reasoning":"b"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"<think>a"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a</think>"}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"reasoning_content":"b","content":null}}],"usage":null}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":3}}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"","function":{"name":"","arguments":"1"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"index":null,"function":{"arguments":"1"}}]}}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"obfuscation":"xy"}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}"#,
        ],
    ),
    (
        Format::OpenAiResponses,
        &[
            r#"{"type":"response.output_text.delta","delta":"a"}"#,
            r#"{"type":"response.output_text.delta","delta":"a","sequence_number":7,"obfuscation":"x","output_index":0,"content_index":0,"logprobs":[]}"#,
            r#"{"type":"response.output_text.delta","delta":"a","sequence_number":7,"output_index":0,"content_index":1,"logprobs":[{"token":"a"}]}"#,
            r#"{"type":"response.refusal.delta","delta":"a","output_index":1,"content_index":0}"#,
            r#"{"type":"response.reasoning_text.delta","delta":"a","output_index":2,"content_index":0}"#,
            r#"{"type":"response.reasoning_summary_text.delta","delta":"a","output_index":2,"summary_index":1}"#,
            r#"{"type":"response.output_item.added","output_index":3,"item":{"type":"function_call","call_id":"c","name":"f"}}"#,
            r#"{"type":"response.function_call_arguments.delta","delta":"{\"a\":","output_index":3,"sequence_number":-1}"#,
            r#"{"type":"response.function_call_arguments.done","arguments":"{\"a\":1}","output_index":3}"#,
            r#"{"type":"response.output_text.delta","delta":"a","delta":null}"#,
        ],
    ),
    (
        Format::Claude,
        &[
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{"b":1}}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a","text":1}}"#,
        ],
    ),
    (
        Format::Gemini,
        &[
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a","thought":true}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a","thoughtSignature":"s"}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"index":1}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":5}}"#,
            r#"{"usageMetadata":{"promptTokenCount":3,"candidates_tokens_details":[{"modality":"AUDIO","tokenCount":5}]},"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
            r#"{"response":{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3}},"traceId":"t"}"#,
            r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{},"willContinue":true}}]}}]}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"trafficType":"T"}}"#,
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9}}"#,
        ],
    ),
];

/// Changes an event, perhaps so that nobody can read it.
#[derive(Debug, Clone)]
enum Change {
    Nothing,
    /// Puts something in front of the last byte that is one of these.
    Before(u8, Index, String),
    /// Puts something anywhere.
    Anywhere(Index, Vec<u8>),
    /// Writes another number.
    Number(u32),
}

fn change() -> impl Strategy<Value = Change> {
    let inside = r#"([a-z ]|\\n|\\"|\\u00e9|\\ud83d|\\x|é|"|<think>|</think>){0,4}"#;
    prop_oneof![
        3 => Just(Change::Nothing),
        6 => (any::<Index>(), inside).prop_map(|(at, text)| Change::Before(b'"', at, text)),
        1 => (any::<Index>(), inside).prop_map(|(at, text)| Change::Before(b'}', at, text)),
        1 => (any::<Index>(), prop::collection::vec(any::<u8>(), 0..3))
            .prop_map(|(at, bytes)| Change::Anywhere(at, bytes)),
        2 => any::<u32>().prop_map(Change::Number),
    ]
}

fn changed(event: &[u8], change: &Change) -> Vec<u8> {
    let mut out = event.to_vec();
    match change {
        Change::Nothing => {}
        Change::Before(byte, at, text) => {
            let places: Vec<usize> = (0..event.len()).filter(|at| event[*at] == *byte).collect();
            if !places.is_empty() {
                let at = places[at.index(places.len())];
                out.splice(at..at, text.bytes());
            }
        }
        Change::Anywhere(at, bytes) => {
            let at = at.index(out.len() + 1);
            out.splice(at..at, bytes.iter().copied());
        }
        Change::Number(number) => {
            let start = event.iter().rposition(|byte| byte.is_ascii_digit());
            if let Some(at) = start {
                out.splice(at..=at, number.to_string().into_bytes());
            }
        }
    }
    out
}

/// What is read of events.
fn read(format: Format, think_tags: bool, events: &[Vec<u8>]) -> Vec<String> {
    let mut profile = profile(format);
    profile.chat.think_tags = think_tags;
    let mut reply = reply(format);
    reply.profile = Arc::new(profile);
    let mut decoder = codec(format).decoder(Shape::Sse, &Arc::new(reply));
    let mut all = Vec::new();
    let mut emit = |event: Event<'_>| all.push(format!("{event:?}"));
    for event in events {
        decoder.event(None, event, &mut emit);
    }
    decoder.end(&mut emit);
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_is_recognized_is_what_would_have_been_read(
        format in prop::sample::select(Format::ALL.to_vec()),
        think_tags in any::<bool>(),
        picks in prop::collection::vec(any::<Index>(), 1..5),
        steps in prop::collection::vec((any::<Index>(), change()), 1..24),
    ) {
        let known = &EVENTS[&format];
        let picked: Vec<&Vec<u8>> = picks.iter().map(|pick| pick.get(known)).collect();
        let events: Vec<Vec<u8>> = steps
            .iter()
            .map(|(pick, change)| changed(pick.get::<&Vec<u8>>(&picked), change))
            .collect();
        let recognized = read(format, think_tags, &events);
        let all_read = blind::run(|| read(format, think_tags, &events));
        prop_assert_eq!(recognized, all_read);
    }
}

#[test]
fn recorded_streams_are_recognized_and_mean_the_same() {
    for format in Format::ALL {
        let before = blind::recognized();
        for fixture in fixtures::streams().filter(|fixture| fixture.format == format) {
            let (framed, reply) = (framing(&fixture), reply_to(&fixture));
            for to in others(format) {
                let body = || std::iter::once(fixture.body.as_slice());
                let got = stream(format, framed, to, &reply, body());
                let want = blind::run(|| stream(format, framed, to, &reply, body()));
                assert_eq!(got, want, "{}", case(&fixture, to));
            }
        }
        // Without it the comparison would say nothing.
        assert!(blind::recognized() - before > 50, "{format:?}");
    }
}
