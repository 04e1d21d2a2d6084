//! What a translation costs: requests of four sizes and the events of a stream, for every pair of
//! formats; and what reading alone costs, which every request pays for. `cargo bench --bench translate`,
//! or with a filter: `-- request/claude`.

use std::hint::black_box;
use std::sync::Arc;

use ai_proxy::chat::{Extra, Format, OnLoss};
use ai_proxy::wire::fit::Restore;
use ai_proxy::wire::json::{Node, request_head};
use ai_proxy::wire::media::Media;
use ai_proxy::wire::translate::{Answer, Route, Source, Target, request};
use ai_proxy::wire::{Profile, Reply, Shape};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The sizes of requests.
const SIZES: [(&str, usize); 4] = [
    ("1K", 1_000),
    ("4K", 4_000),
    ("200K", 200_000),
    ("2M", 2_000_000),
];

/// Pieces of text in a stream.
const EVENTS: usize = 1_000;

/// A conversation of about `size` bytes as coding agents send them: long texts, tools, results.
fn conversation(format: Format, size: usize) -> String {
    let text = "fn main() { println!(\\\"hello, world\\\"); } // and some more text\\n";
    let text = text.repeat(if size < 4_000 { 3 } else { 24 });
    let turns = (size / (2 * text.len() + 400)).max(1);
    let schema = r#"{"type":"object","properties":{"path":{"type":"string","description":"The file"}},"required":["path"]}"#;
    let (mut items, list, tools): (Vec<String>, _, _) = match format {
        Format::Claude => (
            Vec::new(),
            "messages",
            format!(
                r#","max_tokens":1024,"system":"Be brief.","tools":[{{"name":"read","description":"Reads","input_schema":{schema}}}]"#
            ),
        ),
        Format::OpenAiChat => (
            vec![r#"{"role":"system","content":"Be brief."}"#.to_owned()],
            "messages",
            format!(
                r#","tools":[{{"type":"function","function":{{"name":"read","description":"Reads","parameters":{schema}}}}}]"#
            ),
        ),
        Format::OpenAiResponses => (
            Vec::new(),
            "input",
            format!(
                r#","instructions":"Be brief.","tools":[{{"type":"function","name":"read","description":"Reads","parameters":{schema},"strict":false}}]"#
            ),
        ),
        Format::Gemini => (
            Vec::new(),
            "contents",
            format!(
                r#","systemInstruction":{{"parts":[{{"text":"Be brief."}}]}},"tools":[{{"functionDeclarations":[{{"name":"read","description":"Reads","parameters":{schema}}}]}}]"#
            ),
        ),
    };
    for n in 0..turns {
        items.push(match format {
            Format::Claude => format!(
                r#"{{"role":"user","content":"{text}"}},{{"role":"assistant","content":[{{"type":"tool_use","id":"call_{n}","name":"read","input":{{"path":"a.rs"}}}}]}},{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"call_{n}","content":"{text}"}}]}},{{"role":"assistant","content":"done"}}"#
            ),
            Format::OpenAiChat => format!(
                r#"{{"role":"user","content":"{text}"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_{n}","type":"function","function":{{"name":"read","arguments":"{{\"path\":\"a.rs\"}}"}}}}]}},{{"role":"tool","tool_call_id":"call_{n}","content":"{text}"}},{{"role":"assistant","content":"done"}}"#
            ),
            Format::OpenAiResponses => format!(
                r#"{{"role":"user","content":"{text}"}},{{"type":"function_call","call_id":"call_{n}","name":"read","arguments":"{{\"path\":\"a.rs\"}}"}},{{"type":"function_call_output","call_id":"call_{n}","output":"{text}"}},{{"role":"assistant","content":"done"}}"#
            ),
            Format::Gemini => format!(
                r#"{{"role":"user","parts":[{{"text":"{text}"}}]}},{{"role":"model","parts":[{{"functionCall":{{"id":"call_{n}","name":"read","args":{{"path":"a.rs"}}}}}}]}},{{"role":"user","parts":[{{"functionResponse":{{"id":"call_{n}","name":"read","response":{{"output":"{text}"}}}}}}]}},{{"role":"model","parts":[{{"text":"done"}}]}}"#
            ),
        });
    }
    let last = match format {
        Format::Gemini => r#"{"role":"user","parts":[{"text":"go on"}]}"#,
        _ => r#"{"role":"user","content":"go on"}"#,
    };
    items.push(last.to_owned());
    format!(r#"{{"model":"m","{list}":[{}]{tools}}}"#, items.join(","))
}

/// A stream of `EVENTS` pieces of text, event by event.
fn stream(format: Format) -> Vec<String> {
    let named =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let chat = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let gemini = |text: &str, finish: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"{text}\"}}]}},\"index\":0{finish}}}],\"modelVersion\":\"m\",\"responseId\":\"r\"}}\r\n\r\n"
        )
    };
    let (before, piece, after) = match format {
        Format::OpenAiChat => (
            vec![chat(r#"{"role":"assistant","content":""}"#, "null")],
            chat(r#"{"content":" word"}"#, "null"),
            vec![chat("{}", "\"stop\""), "data: [DONE]\n\n".to_owned()],
        ),
        Format::Claude => (
            vec![
                named(
                    "message_start",
                    r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}"#,
                ),
                named(
                    "content_block_start",
                    r#","index":0,"content_block":{"type":"text","text":""}"#,
                ),
            ],
            named(
                "content_block_delta",
                r#","index":0,"delta":{"type":"text_delta","text":" word"}"#,
            ),
            vec![
                named("content_block_stop", r#","index":0"#),
                named(
                    "message_delta",
                    r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}"#,
                ),
                named("message_stop", ""),
            ],
        ),
        Format::OpenAiResponses => (
            vec![
                named(
                    "response.created",
                    r#","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"in_progress","output":[]}"#,
                ),
                named(
                    "response.output_item.added",
                    r#","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}"#,
                ),
                named(
                    "response.content_part.added",
                    r#","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}"#,
                ),
            ],
            named(
                "response.output_text.delta",
                r#","item_id":"msg_1","output_index":0,"content_index":0,"delta":" word","sequence_number":5"#,
            ),
            vec![named(
                "response.completed",
                r#","response":{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"completed","output":[]}"#,
            )],
        ),
        Format::Gemini => (
            Vec::new(),
            gemini(" word", ""),
            vec![gemini("", ",\"finishReason\":\"STOP\"")],
        ),
    };
    let pieces = std::iter::repeat_n(piece, EVENTS);
    before.into_iter().chain(pieces).chain(after).collect()
}

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let to = |from: Format| Format::ALL.into_iter().map(move |to| (from, to));
    Format::ALL
        .into_iter()
        .flat_map(to)
        .filter(|(from, to)| from != to)
}

/// The check that every request passes, and what of a translation is only that.
fn scans(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, size) in SIZES {
        let chat = conversation(Format::OpenAiChat, size);
        let picture = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":[{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{}"}}}}]}}]}}"#,
            "iVBORw0K".repeat(size / 8)
        );
        let words = "Größe — «voilà» 日本語 ".repeat(size / 33);
        let words =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{words}"}}]}}"#);
        for (kind, body) in [("agent", &chat), ("picture", &picture), ("words", &words)] {
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(BenchmarkId::new(format!("head-{kind}"), name), |bencher| {
                bencher.iter(|| request_head(black_box(body.as_bytes()), 128).is_ok());
            });
        }
        group.throughput(Throughput::Bytes(chat.len() as u64));
        group.bench_function(BenchmarkId::new("node", name), |bencher| {
            bencher.iter(|| Node::parse(black_box(chat.as_bytes()), 128).is_ok());
        });
    }
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    let profile = Arc::new(Profile::default());
    let mut group = criterion.benchmark_group("request");
    for (name, size) in SIZES {
        for (from, to) in pairs() {
            let body = conversation(from, size);
            group.throughput(Throughput::Bytes(body.len() as u64));
            let id = BenchmarkId::new(format!("{}-{}", from.name(), to.name()), name);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let source = Source {
                        format: from,
                        body: black_box(body.as_bytes()),
                        stream: true,
                        media: Media::none(),
                    };
                    let target = Target {
                        format: to,
                        model: "model",
                        profile: &profile,
                    };
                    request(source, target, OnLoss::Warn).map(|one| one.body.len())
                });
            });
        }
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let reply = Arc::new(Reply {
        model: String::new(),
        request_id: "req".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 0,
        include_usage: false,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(Profile::default()),
    });
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(EVENTS as u64));
    for (from, to) in pairs() {
        let events = stream(from);
        let id = format!("{}-{}", from.name(), to.name());
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let route = Route {
                    from,
                    framed: Shape::Sse,
                    to,
                    wanted: Shape::Sse,
                };
                let mut answer = Answer::new(route, Restore::default(), &reply);
                let (mut out, mut written) = (Vec::new(), 0);
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

criterion_group!(benches, scans, requests, events);
criterion_main!(benches);
