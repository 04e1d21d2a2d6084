//! Event streams and arrays, cut into pieces: what passes is what came, and no cut changes that.
#![no_main]

use ai_proxy::wire::sse::{Blocks, Elements};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let [size, rest @ ..] = input else { return };
    let size = usize::from(*size) + 1;
    let mut blocks = Blocks::new(1 << 20);
    let (mut passed, mut events) = (Vec::new(), 0_usize);
    for piece in rest.chunks(size) {
        match blocks.push(piece.to_vec().into(), |_| events += 1) {
            Ok(ready) => passed.extend_from_slice(&ready),
            Err(_) => return,
        }
    }
    passed.extend_from_slice(&blocks.tail());
    assert_eq!(passed, rest);
    assert!(events <= rest.len());
    let mut elements = Elements::new(1 << 20);
    for piece in rest.chunks(size) {
        if elements.push(piece.to_vec().into(), |_| {}).is_err() {
            return;
        }
    }
    drop(elements.tail());
});
