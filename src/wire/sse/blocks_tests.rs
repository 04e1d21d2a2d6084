//! Cutting event blocks, whole and split at every byte.

use super::*;
use crate::wire::fixtures;
use crate::wire::sse::Event;
use proptest::prelude::*;

/// What a relay sees of a stream: its blocks and the bytes it may pass on, tail last.
fn relay<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Vec<u8>>, Vec<u8>, Vec<u8>) {
    let mut blocks = Blocks::new(usize::MAX);
    let mut unseen = Blocks::new(usize::MAX);
    let mut seen: Vec<Vec<u8>> = Vec::new();
    let mut passed = Vec::new();
    for part in parts {
        let out = blocks
            .push(Bytes::copy_from_slice(part), |block| {
                seen.push(block.to_vec())
            })
            .unwrap();
        let also = unseen.pass(Bytes::copy_from_slice(part)).unwrap();
        assert_eq!(out, also, "seeing the blocks changes nothing");
        passed.extend_from_slice(&out);
        assert_eq!(seen.concat(), passed, "what is passed on is whole blocks");
    }
    (seen, passed, blocks.tail().to_vec())
}

fn blocks(stream: &str) -> Vec<String> {
    let (seen, passed, tail) = relay([stream.as_bytes()]);
    assert_eq!([passed, tail].concat(), stream.as_bytes());
    seen.into_iter()
        .map(|block| String::from_utf8(block).unwrap())
        .collect()
}

#[test]
fn a_block_ends_with_its_blank_line_whatever_the_line_ends() {
    for (stream, expected) in [
        ("a\n\nb\n\n", vec!["a\n\n", "b\n\n"]),
        ("a\r\n\r\nb\r\n\r\n", vec!["a\r\n\r\n", "b\r\n\r\n"]),
        ("a\r\rb\r\rc", vec!["a\r\r", "b\r\r"]),
        ("a\r\n\nb\n\r\nc", vec!["a\r\n\n", "b\n\r\n"]),
        ("a\n\rb\n\r", vec!["a\n\r"]),
        ("a\nb\n\n", vec!["a\nb\n\n"]),
        ("\n\n\na\n\n", vec!["\n", "\n", "\n", "a\n\n"]),
        ("a\n\nb\n", vec!["a\n\n"]),
        ("\u{feff}a\n\n", vec!["\u{feff}a\n\n"]),
        ("", vec![]),
    ] {
        assert_eq!(blocks(stream), expected, "{stream:?}");
    }
}

#[test]
fn a_carriage_return_at_a_chunk_end_waits_for_its_other_half() {
    let mut blocks = Blocks::new(100);
    let mut seen = Vec::new();
    let mut push = |part: &'static str| {
        blocks
            .push(Bytes::from_static(part.as_bytes()), |block| {
                seen.push(block.to_vec())
            })
            .unwrap()
    };
    assert_eq!(push("a\r\n\r"), "");
    assert_eq!(push("\nb\r\r"), "a\r\n\r\n");
    assert_eq!(push("c"), "b\r\r");
    assert_eq!(seen, [&b"a\r\n\r\n"[..], b"b\r\r"]);
}

#[test]
fn whole_blocks_pass_without_a_copy() {
    let chunk = Bytes::from_static(b"data: 1\n\ndata: 2\n\nda");
    let out = Blocks::new(100).push(chunk.clone(), |_| {}).unwrap();
    assert_eq!(out.as_ptr(), chunk.as_ptr());
    assert_eq!(out.len(), 18);
}

#[test]
fn an_event_over_the_limit_is_an_error() {
    let mut blocks = Blocks::new(8);
    assert!(
        blocks
            .push(Bytes::from_static(b"12345678\n\n12345678"), |_| {})
            .is_ok()
    );
    assert_eq!(
        blocks.push(Bytes::from_static(b"9"), |_| {}),
        Err(TooLong { limit: 8 })
    );
}

#[test]
fn the_tail_is_the_event_without_an_end() {
    let mut blocks = Blocks::new(100);
    blocks
        .push(Bytes::from_static(b"data: 1\n\ndata: 2\n"), |_| {})
        .unwrap();
    assert_eq!(blocks.tail(), "data: 2\n");
    assert_eq!(blocks.tail(), "");
}

fn events(blocks: &[Vec<u8>]) -> Vec<(Option<&[u8]>, Vec<u8>)> {
    blocks
        .iter()
        .filter_map(|block| Event::parse(block))
        .map(|event| (event.name, event.data.into_owned()))
        .collect()
}

#[test]
fn every_split_of_every_recorded_stream_gives_the_same() {
    for fixture in fixtures::streams().filter(|fixture| fixture.is_sse()) {
        let body = &fixture.body;
        let whole = relay([&body[..]]);
        assert!(!events(&whole.0).is_empty(), "{}", fixture.name);
        // Far from a line's end all splits are alike, so long lines are split at some places only.
        let is_near_a_line_end = |at: usize| {
            body[at.saturating_sub(6)..body.len().min(at + 6)]
                .iter()
                .any(|byte| matches!(byte, b'\n' | b'\r'))
        };
        for at in (0..=body.len()).filter(|at| at % 97 == 0 || is_near_a_line_end(*at)) {
            assert_eq!(
                relay([&body[..at], &body[at..]]),
                whole,
                "{} at {at}",
                fixture.name
            );
        }
        assert_eq!(relay(body.chunks(1)), whole, "{}", fixture.name);
    }
}

proptest! {
    #[test]
    fn any_chunks_give_the_same(
        stream in "(data: [ab]|\u{feff}|:|\r|\n|\r\n|\n\n){0,24}",
        sizes in prop::collection::vec(1..5usize, 1..5)
    ) {
        let body = stream.as_bytes();
        let whole = relay([body]);
        let mut parts = Vec::new();
        let mut rest = body;
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (part, after) = rest.split_at((*size).min(rest.len()));
            parts.push(part);
            rest = after;
        }
        let (blocks, passed, tail) = relay(parts);
        prop_assert_eq!([passed, tail].concat(), body);
        prop_assert_eq!(blocks, whole.0);
    }

    #[test]
    fn blocks_are_what_a_line_by_line_reader_finds(stream in "(a|b|\r|\n|\r\n){0,24}") {
        // Normalised to `\n` and followed by text, so that no end waits.
        let body = format!("{stream}x");
        let expected = body.replace("\r\n", "\n").replace('\r', "\n");
        let mut count = 0;
        let mut is_blank = true;
        for byte in expected.bytes() {
            if byte == b'\n' && is_blank {
                count += 1;
            }
            is_blank = byte == b'\n';
        }
        prop_assert_eq!(relay([body.as_bytes()]).0.len(), count);
    }
}
