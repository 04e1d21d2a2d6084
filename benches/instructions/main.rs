//! How many instructions the hot pieces take. `make bench-instructions` runs this under callgrind and
//! compares with `benches/instructions/baseline.json`; unlike times, counts are the same on a busy
//! machine.
//!
//! Each piece runs inside [`counted`], which callgrind is told to look for. The program prints the
//! pieces in the order in which it runs them, with the number that a count is to be divided by.

mod samples;

use std::hint::black_box;
use std::sync::Arc;

use ai_proxy::chat::{Extra, Format, OnLoss};
use ai_proxy::wire::fit::Restore;
use ai_proxy::wire::json::{Splicer, request_head};
use ai_proxy::wire::media::Media;
use ai_proxy::wire::sse::Blocks;
use ai_proxy::wire::translate::{Answer, Route, Source, Target, request};
use ai_proxy::wire::{Profile, Reply, Shape, codec};
use bytes::Bytes;

/// Chunks of text in a stream.
const CHUNKS: usize = 200;
const SIZES: [(&str, usize); 2] = [("1K", 1_000), ("200K", 200_000)];
const DEPTH: usize = 128;
const LONGEST_EVENT: usize = 32 << 20;

/// What callgrind counts: everything that is called from here. Its name is known to the script.
#[inline(never)]
fn counted(piece: &mut dyn FnMut()) {
    piece();
}

/// Runs a piece once to fill caches of the process, such as tables made on first use, and once counted.
fn count(name: &str, per: usize, mut piece: impl FnMut()) {
    println!("{name}\t{per}");
    piece();
    counted(&mut piece);
}

fn main() {
    heads();
    requests();
    taps();
    streams();
}

/// What every request goes through: the look for model and stream flag, and the change of the name.
fn heads() {
    for (size, bytes) in SIZES {
        let body = samples::request(Format::OpenAiChat, bytes);
        count(&format!("head/{size}"), 1, || {
            black_box(request_head(black_box(body.as_bytes()), DEPTH).is_ok());
        });
        count(&format!("splice/{size}"), 1, || {
            let mut out = Vec::with_capacity(body.len() + 64);
            let mut splicer = Splicer::new(&["model"], "another-model");
            splicer.push(black_box(body.as_bytes()), &mut out);
            splicer.end(&mut out);
            black_box(&out);
        });
    }
}

/// Translation of requests, for all pairs.
fn requests() {
    let profile = Arc::new(Profile::default());
    for (size, bytes) in SIZES {
        for (from, to) in pairs() {
            let body = samples::request(from, bytes);
            count(
                &format!("request/{}-{}/{size}", from.name(), to.name()),
                1,
                || {
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
                    black_box(request(source, target, OnLoss::Warn).is_ok());
                },
            );
        }
    }
}

/// What an event of a stream costs that is relayed: while it is held back, and once the stream is open.
fn taps() {
    for format in Format::ALL {
        let codec = codec(format);
        let events: Vec<Bytes> = samples::stream(format, CHUNKS)
            .into_iter()
            .map(Bytes::from)
            .collect();
        count(&format!("tap/{}/held", format.name()), events.len(), || {
            let mut blocks = Blocks::new(LONGEST_EVENT);
            for event in &events {
                let passed = blocks.push(black_box(event.clone()), |block| {
                    black_box(codec.weigh(block, Shape::Sse));
                });
                black_box(passed.is_ok());
            }
        });
        count(&format!("tap/{}/open", format.name()), events.len(), || {
            let mut blocks = Blocks::new(LONGEST_EVENT);
            for event in &events {
                if let Ok(ready) = blocks.pass(black_box(event.clone())) {
                    black_box(codec.may_end(&ready));
                }
            }
        });
    }
}

/// Translation of streams, for all pairs: one event of it.
fn streams() {
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
    for (from, to) in pairs() {
        let events = samples::stream(from, CHUNKS);
        count(
            &format!("event/{}-{}", from.name(), to.name()),
            events.len(),
            || {
                let route = Route {
                    from,
                    framed: Shape::Sse,
                    to,
                    wanted: Shape::Sse,
                };
                let mut answer = Answer::new(route, Restore::default(), &reply);
                let mut out = Vec::new();
                for event in &events {
                    answer.push(Shape::Sse, black_box(event.as_bytes()), &mut out);
                    black_box(&out);
                    out.clear();
                }
            },
        );
    }
}

fn pairs() -> impl Iterator<Item = (Format, Format)> {
    let to = |from: Format| Format::ALL.into_iter().map(move |to| (from, to));
    let all = Format::ALL.into_iter().flat_map(to);
    all.filter(|(from, to)| from != to)
}
