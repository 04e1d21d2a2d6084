//! An answer of any format and framing, translated to any other. The first three bytes say which; the
//! events of the rest are separated by 0xFF.
#![no_main]

use std::sync::{Arc, LazyLock};

use ai_proxy::chat::{Extra, Format};
use ai_proxy::wire::fit::Restore;
use ai_proxy::wire::translate::{Answer, Route};
use ai_proxy::wire::{Profile, Reply, Shape};
use libfuzzer_sys::fuzz_target;

static REPLY: LazyLock<Arc<Reply>> = LazyLock::new(|| {
    Arc::new(Reply {
        model: String::new(),
        request_id: "req".to_owned(),
        seed: "abcdefghijklmnopqrstuvwx".to_owned(),
        now: 0,
        include_usage: true,
        legacy_functions: false,
        expose_reasoning: true,
        echo: Extra::default(),
        profile: Arc::new(Profile::default()),
    })
});

fuzz_target!(|input: &[u8]| {
    let [from, to, shapes, events @ ..] = input else {
        return;
    };
    let framed = shape(shapes & 3);
    let route = Route {
        from: format(*from),
        framed,
        to: format(*to),
        wanted: shape(shapes >> 2),
    };
    let mut answer = Answer::new(route, Restore::default(), &REPLY);
    let mut out = Vec::new();
    for event in events.split(|byte| *byte == 0xFF) {
        answer.push(framed, event, &mut out);
    }
    answer.end(&mut out);
    // Nothing grows without bound: an answer is a small multiple of what was read.
    assert!(out.len() < 64 * 1024 + events.len() * 200);
});

fn format(byte: u8) -> Format {
    Format::ALL[usize::from(byte) % 4]
}

fn shape(byte: u8) -> Shape {
    [Shape::Whole, Shape::Sse, Shape::JsonArray][usize::from(byte) % 3]
}
