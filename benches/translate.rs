//! What a translation costs: requests of four sizes and answers, streamed and whole, for every pair of
//! formats; and what reading alone costs, which every request pays for. `cargo bench --bench translate`,
//! or with a filter: `-- request/claude`.

#[path = "translate/answers.rs"]
mod answers;

use std::hint::black_box;
use std::sync::Arc;

use ai_proxy::chat::{Format, OnLoss};
use ai_proxy::wire::Profile;
use ai_proxy::wire::json::{Node, request_head};
use ai_proxy::wire::media::Media;
use ai_proxy::wire::translate::{Source, Target, request};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The sizes of requests.
const SIZES: [(&str, usize); 4] = [
    ("1K", 1_000),
    ("4K", 4_000),
    ("200K", 200_000),
    ("2M", 2_000_000),
];

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
                        note: None,
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

criterion_group!(
    benches,
    scans,
    requests,
    answers::streams,
    answers::reads,
    answers::documents,
    answers::taps
);
criterion_main!(benches);
