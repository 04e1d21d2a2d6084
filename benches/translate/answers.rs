//! Answers: every event of a long stream, whole documents, and streams that are only looked through.

use std::hint::black_box;
use std::sync::Arc;

use ai_proxy::chat::{Extra, Format};
use ai_proxy::wire::fit::Restore;
use ai_proxy::wire::json::Splicer;
use ai_proxy::wire::sse::Blocks;
use ai_proxy::wire::translate::{Answer, Route};
use ai_proxy::wire::{Profile, Reply, Shape, codec};
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput};

use super::pairs;

/// Pieces of text or of arguments in a stream.
const EVENTS: usize = 1_000;

/// What the pieces of a stream are.
#[derive(Clone, Copy, PartialEq)]
enum Pieces {
    /// Text without escapes.
    Text,
    /// Arguments of a call, which are JSON in JSON.
    Arguments,
}

impl Pieces {
    /// The inside of the JSON string of piece `n`. Lengths differ, as tokens do.
    fn inside(self, n: usize) -> &'static str {
        let all = match self {
            Self::Text => [
                " word",
                " a",
                " longer",
                ",",
                " and",
                " sentence",
                " of",
                " it",
            ],
            Self::Arguments => [
                "\\\"pa",
                "th",
                "\\\": \\\"",
                "src",
                "/main",
                ".rs",
                "\\\\n",
                ",",
            ],
        };
        all[n % all.len()]
    }
}

/// A stream as providers write it today: numbers, counts and padding change from event to event.
fn stream(format: Format, pieces: Pieces) -> Vec<String> {
    let named =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let padding = |n: usize| &"aB3dE6gH9jK2mN5p"[..n % 16 + 1];
    let mut events = Vec::new();
    match format {
        Format::OpenAiChat => {
            let chat = |delta: &str, finish: &str, n: usize| {
                format!(
                    "data: {{\"id\":\"chatcmpl-C1\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,\"model\":\"gpt-4.1\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_1\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}],\"obfuscation\":\"{}\"}}\n\n",
                    padding(n)
                )
            };
            events.push(chat(r#"{"role":"assistant","content":null}"#, "null", 0));
            if pieces == Pieces::Arguments {
                events.push(chat(
                    r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"read","arguments":""}}]}"#,
                    "null",
                    1,
                ));
            }
            for n in 0..EVENTS {
                let piece = pieces.inside(n);
                let delta = match pieces {
                    Pieces::Text => format!(r#"{{"content":"{piece}"}}"#),
                    Pieces::Arguments => format!(
                        r#"{{"tool_calls":[{{"index":0,"function":{{"arguments":"{piece}"}}}}]}}"#
                    ),
                };
                events.push(chat(&delta, "null", n));
            }
            events.push(chat("{}", "\"stop\"", 0));
            events.push("data: [DONE]\n\n".to_owned());
        }
        Format::Claude => {
            events.push(named(
                "message_start",
                r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}"#,
            ));
            let block = match pieces {
                Pieces::Text => r#"{"type":"text","text":""}"#,
                Pieces::Arguments => {
                    r#"{"type":"tool_use","id":"toolu_1","name":"read","input":{}}"#
                }
            };
            let block = format!(r#","index":0,"content_block":{block}"#);
            events.push(named("content_block_start", &block));
            for n in 0..EVENTS {
                let piece = pieces.inside(n);
                let delta = match pieces {
                    Pieces::Text => format!(r#"{{"type":"text_delta","text":"{piece}"}}"#),
                    Pieces::Arguments => {
                        format!(r#"{{"type":"input_json_delta","partial_json":"{piece}"}}"#)
                    }
                };
                let delta = format!(r#","index":0,"delta":{delta}"#);
                events.push(named("content_block_delta", &delta));
            }
            events.push(named("content_block_stop", r#","index":0"#));
            events.push(named(
                "message_delta",
                r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}"#,
            ));
            events.push(named("message_stop", ""));
        }
        Format::OpenAiResponses => {
            let response = |status: &str| {
                format!(
                    r#","response":{{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"{status}","output":[]}}"#
                )
            };
            events.push(named("response.created", &response("in_progress")));
            let item = match pieces {
                Pieces::Text => {
                    r#"{"id":"it_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#
                }
                Pieces::Arguments => {
                    r#"{"id":"it_1","type":"function_call","status":"in_progress","call_id":"call_1","name":"read","arguments":""}"#
                }
            };
            let item = format!(r#","output_index":0,"item":{item}"#);
            events.push(named("response.output_item.added", &item));
            if pieces == Pieces::Text {
                events.push(named(
                    "response.content_part.added",
                    r#","item_id":"it_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}"#,
                ));
            }
            for n in 0..EVENTS {
                let (piece, padding) = (pieces.inside(n), padding(n));
                let number = n + 4;
                events.push(match pieces {
                    Pieces::Text => named(
                        "response.output_text.delta",
                        &format!(r#","sequence_number":{number},"item_id":"it_1","output_index":0,"content_index":0,"delta":"{piece}","logprobs":[],"obfuscation":"{padding}""#),
                    ),
                    Pieces::Arguments => named(
                        "response.function_call_arguments.delta",
                        &format!(r#","sequence_number":{number},"item_id":"it_1","output_index":0,"delta":"{piece}","obfuscation":"{padding}""#),
                    ),
                });
            }
            events.push(named("response.completed", &response("completed")));
        }
        Format::Gemini => {
            let gemini = |parts: &str, finish: &str, n: usize| {
                format!(
                    "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{parts}],\"role\":\"model\"}},\"index\":0{finish}}}],\"usageMetadata\":{{\"promptTokenCount\":11,\"candidatesTokenCount\":{n},\"totalTokenCount\":{},\"promptTokensDetails\":[{{\"modality\":\"TEXT\",\"tokenCount\":11}}]}},\"modelVersion\":\"m\",\"responseId\":\"r\"}}\r\n\r\n",
                    n + 11
                )
            };
            for n in 0..EVENTS {
                // Calls come whole: the pieces of one are as good as text.
                let part = format!(r#"{{"text":"{}"}}"#, pieces.inside(n));
                events.push(gemini(&part, "", n));
            }
            events.push(gemini(
                r#"{"text":""}"#,
                ",\"finishReason\":\"STOP\"",
                EVENTS,
            ));
        }
    }
    events
}

/// A whole answer of about `size` bytes: text and a call.
fn document(format: Format, size: usize) -> String {
    let text =
        "fn main() { println!(\\\"hello, world\\\"); } // and some more text\\n".repeat(size / 70);
    match format {
        Format::OpenAiChat => format!(
            r#"{{"id":"chatcmpl-C1","object":"chat.completion","created":1760000000,"model":"gpt-4.1","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","tool_calls":[{{"id":"call_1","type":"function","function":{{"name":"read","arguments":"{{\"path\":\"a.rs\"}}"}}}}]}},"logprobs":null,"finish_reason":"tool_calls"}}],"usage":{{"prompt_tokens":11,"completion_tokens":12,"total_tokens":23,"prompt_tokens_details":{{"cached_tokens":3}}}}}}"#
        ),
        Format::Claude => format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{text}"}},{{"type":"tool_use","id":"toolu_1","name":"read","input":{{"path":"a.rs"}}}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{{"input_tokens":11,"output_tokens":12}}}}"#
        ),
        Format::OpenAiResponses => format!(
            r#"{{"id":"resp_1","object":"response","created_at":1,"status":"completed","model":"m","output":[{{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"{text}","annotations":[],"logprobs":[]}}]}},{{"id":"fc_1","type":"function_call","status":"completed","call_id":"call_1","name":"read","arguments":"{{\"path\":\"a.rs\"}}"}}],"usage":{{"input_tokens":11,"output_tokens":12,"total_tokens":23}}}}"#
        ),
        Format::Gemini => format!(
            r#"{{"candidates":[{{"content":{{"role":"model","parts":[{{"text":"{text}"}},{{"functionCall":{{"id":"call_1","name":"read","args":{{"path":"a.rs"}}}}}}]}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":11,"candidatesTokenCount":12,"totalTokenCount":23}},"modelVersion":"m","responseId":"r"}}"#
        ),
    }
}

fn reply() -> Arc<Reply> {
    Arc::new(Reply {
        model: String::new(),
        request_id: "req".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 0,
        include_usage: false,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(Profile::default()),
    })
}

/// Streams event by event.
pub(super) fn streams(criterion: &mut Criterion) {
    let reply = reply();
    for (name, pieces) in [("stream", Pieces::Text), ("arguments", Pieces::Arguments)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(EVENTS as u64));
        for (from, to) in pairs() {
            let events = stream(from, pieces);
            let id = format!("{}-{}", from.name(), to.name());
            group.bench_function(id, |bencher| {
                let mut out = Vec::new();
                bencher.iter(|| {
                    let route = Route {
                        from,
                        framed: Shape::Sse,
                        to,
                        wanted: Shape::Sse,
                    };
                    let mut answer = Answer::new(route, Restore::default(), &reply);
                    let mut written = 0;
                    for event in &events {
                        answer.push(Shape::Sse, black_box(event.as_bytes()), &mut out);
                        written += out.len();
                        out.clear();
                    }
                    written
                });
            });
        }
        group.finish();
    }
}

/// Streams as they are read: several events at once, some of them cut.
pub(super) fn reads(criterion: &mut Criterion) {
    let reply = reply();
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (from, to) in pairs() {
        let body = Bytes::from(stream(from, Pieces::Text).concat());
        let id = format!("{}-{}", from.name(), to.name());
        group.bench_function(id, |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                let route = Route {
                    from,
                    framed: Shape::Sse,
                    to,
                    wanted: Shape::Sse,
                };
                let mut answer = Answer::new(route, Restore::default(), &reply);
                let mut blocks = Blocks::new(usize::MAX);
                let (mut rest, mut written) = (black_box(body.clone()), 0);
                while !rest.is_empty() {
                    let read = rest.split_to(rest.len().min(1_400));
                    let cut = blocks.push(read, |block| {
                        answer.push(Shape::Sse, block, &mut out);
                    });
                    written += out.len() + cut.map_or(0, |passed| passed.len());
                    out.clear();
                }
                written
            });
        });
    }
    group.finish();
}

/// Documents.
pub(super) fn documents(criterion: &mut Criterion) {
    let reply = reply();
    let mut group = criterion.benchmark_group("whole");
    for (name, size) in [("1K", 1_000), ("20K", 20_000)] {
        for (from, to) in pairs() {
            let body = document(from, size);
            group.throughput(Throughput::Bytes(body.len() as u64));
            let id = BenchmarkId::new(format!("{}-{}", from.name(), to.name()), name);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let route = Route {
                        from,
                        framed: Shape::Whole,
                        to,
                        wanted: Shape::Whole,
                    };
                    let mut answer = Answer::new(route, Restore::default(), &reply);
                    let mut out = Vec::new();
                    answer.push(Shape::Whole, black_box(body.as_bytes()), &mut out);
                    answer.end(&mut out);
                    out
                });
            });
        }
    }
    group.finish();
}

/// Streams that pass as they are: looked through for their end, and with the model's name replaced.
pub(super) fn taps(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tap");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for format in Format::ALL {
        let events: Vec<Bytes> = stream(format, Pieces::Text)
            .into_iter()
            .take(EVENTS)
            .map(Bytes::from)
            .collect();
        let codec = codec(format);
        group.bench_function(format!("pass/{}", format.name()), |bencher| {
            bencher.iter(|| {
                let mut blocks = Blocks::new(usize::MAX);
                let mut ends = 0;
                for event in &events {
                    let passed = blocks.pass(black_box(event.clone())).unwrap_or_default();
                    ends += usize::from(codec.may_end(&passed));
                }
                ends
            });
        });
        group.bench_function(format!("rename/{}", format.name()), |bencher| {
            bencher.iter(|| {
                let mut blocks = Blocks::new(usize::MAX);
                let path = codec.answer_model_path(Shape::Sse);
                let mut splicer = Splicer::new(path, "alias");
                let mut written = 0;
                for event in &events {
                    let mut out = Vec::with_capacity(event.len() + 64);
                    let _ = blocks.push(black_box(event.clone()), |block| {
                        black_box(codec.may_end(block));
                        let start = memchr::memchr(b'{', block).unwrap_or(block.len());
                        out.extend_from_slice(&block[..start]);
                        splicer.document(&block[start..], &mut out);
                    });
                    written += out.len();
                }
                written
            });
        });
    }
    group.finish();
}
