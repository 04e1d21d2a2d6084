//! What reads bodies that pass untouched: the head of a request, the model's name, errors, weights.
#![no_main]

use ai_proxy::chat::Format;
use ai_proxy::wire::json::{Splicer, request_head};
use ai_proxy::wire::{Shape, codec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [first, rest @ ..] = input else { return };
    let codec = codec(Format::ALL[usize::from(*first) % 4]);
    let _ = request_head(rest, 64);
    let _ = codec.decode_fault(400 + u16::from(*first), rest);
    for shape in [Shape::Sse, Shape::JsonArray] {
        let _ = codec.weigh(rest, shape);
        let mut splicer = Splicer::new(codec.answer_model_path(shape), "alias");
        let mut out = Vec::new();
        splicer.push(rest, &mut out);
        splicer.end(&mut out);
    }
});
