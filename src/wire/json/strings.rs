//! Reading the inside of JSON strings sixty-four bytes at a time: one bit a byte, and whole words of
//! bits instead of a branch for each escape. Chat texts are full of escapes; a search that starts anew
//! behind each, and guesses where the next one is, costs more than the runs between them.
//!
//! The way is that of simdjson: <https://arxiv.org/abs/1902.08318>, section 3.1. Whatever else has to be
//! known of every byte is learned on the way, while the bytes are in a register.

use fearless_simd::prelude::*;
use fearless_simd::{Level, dispatch, u8x64};

/// Bytes in a block: one bit each in a word.
const BLOCK: usize = u64::BITS as usize;
/// Blocks that are looked at together, with the widest registers that the CPU has.
const BATCH: usize = 16;

/// The word that is looked for on the way.
pub const TRACE: &str = "aip1";

/// The bytes of one block that mean something in a string, the lowest bit for the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Block {
    quotes: u64,
    backslashes: u64,
    controls: u64,
    /// `n`, which most escapes in texts are of.
    newlines: u64,
}

/// What the bytes were that were looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Some were no ASCII.
    pub(super) beyond_ascii: bool,
    /// Some made [`TRACE`].
    pub(super) trace: bool,
}

/// Looks at the blocks of `text` from `start` on, as many as there is room for. Behind the end is
/// nothing of meaning.
#[inline(always)]
fn look<S: Simd>(simd: S, text: &[u8], start: usize, blocks: &mut [Block; BATCH], seen: &mut Seen) {
    let [.., before_last, last] = TRACE.as_bytes() else {
        return;
    };
    let rest = text.get(start..).unwrap_or_default();
    let (whole, tail) = rest.as_chunks::<BLOCK>();
    let mut padded = [[b' '; BLOCK]];
    padded[0][..tail.len()].copy_from_slice(tail);
    let mut all = u8x64::splat(simd, 0);
    // Whether the byte before the block could be the word's last but one.
    let mut carried = u64::from(start > 0 && text[start - 1] == *before_last);
    for (n, (bytes, block)) in whole.iter().chain(&padded).zip(blocks).enumerate() {
        let bytes = u8x64::from_slice(simd, bytes);
        let equal = |byte: u8| bytes.simd_eq(u8x64::splat(simd, byte)).to_bitmask();
        *block = Block {
            quotes: equal(b'"'),
            backslashes: equal(b'\\'),
            controls: bytes.simd_lt(u8x64::splat(simd, b' ')).to_bitmask(),
            newlines: equal(b'n'),
        };
        all |= bytes;
        let (firsts, seconds) = (equal(*before_last), equal(*last));
        let pairs = (firsts << 1 | carried) & seconds;
        carried = firsts >> (BLOCK - 1);
        if pairs != 0 {
            seen.trace |= ends_trace(text, start + n * BLOCK, pairs);
        }
    }
    seen.beyond_ascii |= all.simd_ge(u8x64::splat(simd, 0x80)).to_bitmask() != 0;
}

/// Whether [`TRACE`] ends at one of the bytes of the block at `start` that `places` names.
#[cold]
fn ends_trace(text: &[u8], start: usize, mut places: u64) -> bool {
    while places != 0 {
        let at = start + places.trailing_zeros() as usize;
        if text
            .get(..=at)
            .is_some_and(|text| text.ends_with(TRACE.as_bytes()))
        {
            return true;
        }
        places &= places - 1;
    }
    false
}

impl Block {
    /// The bytes behind a backslash that is not itself behind one. `carried` is 1 if the first byte of
    /// this block is one, and then if that of the next is. None before `from` counts.
    #[inline(always)]
    const fn escaped(&self, from: u64, carried: &mut u64) -> u64 {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let backslashes = self.backslashes & from & !*carried;
        if backslashes == 0 {
            return std::mem::replace(carried, 0);
        }
        let follows = backslashes << 1 | *carried;
        // Runs of backslashes that begin at an odd place, moved by an addition to the place behind their
        // end: there they tell which of the bytes behind a run follow an odd number of them.
        let odd_starts = backslashes & !EVEN & !follows;
        let (ends, beyond) = odd_starts.overflowing_add(backslashes);
        *carried = beyond as u64;
        (EVEN ^ (ends << 1)) & follows
    }
}

/// What a string has of escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Escapes {
    /// None: it is its text.
    None,
    /// Some, each of a character.
    Some,
    /// Surrogates too, which need not be halves of a character.
    Surrogates,
}

/// Reads strings of one text, front to back.
pub(super) struct Strings<'a> {
    text: &'a [u8],
    /// Where the blocks begin that were looked at last.
    batch: usize,
    blocks: [Block; BATCH],
    /// Where the block begins that is read.
    start: usize,
    block: Block,
    seen: Seen,
}

impl<'a> Strings<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let mut strings = Self {
            text,
            batch: 0,
            blocks: [Block::default(); BATCH],
            start: 0,
            block: Block::default(),
            seen: Seen::default(),
        };
        strings.look_from(0);
        strings
    }

    /// What the strings were made of that were read.
    pub(super) const fn seen(&self) -> Seen {
        self.seen
    }

    /// Goes to the block at `start`, which is not before the one that is read.
    #[inline(always)]
    fn go_to(&mut self, start: usize) {
        match self.blocks.get((start - self.batch) / BLOCK) {
            Some(block) => {
                self.start = start;
                self.block = *block;
            }
            None => self.look_from(start),
        }
    }

    #[inline(never)]
    fn look_from(&mut self, start: usize) {
        let (text, blocks, seen) = (self.text, &mut self.blocks, &mut self.seen);
        dispatch!(Level::new(), simd => look(simd, text, start, blocks, seen));
        self.batch = start;
        self.start = start;
        self.block = self.blocks[0];
    }

    /// Where the string's closing quote stands whose inside begins at `inside`, and what it has of
    /// escapes. `None` if it has no end, a control character or an escape that is none; what exactly, is
    /// left to somebody slower.
    pub(super) fn end(&mut self, inside: usize) -> Option<(usize, Escapes)> {
        let start = inside - inside % BLOCK;
        if start != self.start {
            self.go_to(start);
        }
        let mut from = u64::MAX << (inside % BLOCK);
        let (mut carried, mut backslashes, mut has_surrogates) = (0, 0, false);
        loop {
            let escaped = self.block.escaped(from, &mut carried);
            let quotes = self.block.quotes & from & !escaped;
            // All below the closing quote; all, if it is not here.
            let inner = from & (quotes.wrapping_sub(1) & !quotes);
            if self.block.controls & inner != 0 {
                return None;
            }
            let rare = escaped
                & inner
                & !(self.block.newlines | self.block.quotes | self.block.backslashes);
            if rare != 0 {
                has_surrogates |= self.have_surrogates(rare)?;
            }
            backslashes |= self.block.backslashes & inner;
            if quotes != 0 {
                let escapes = match (backslashes, has_surrogates) {
                    (0, _) => Escapes::None,
                    (_, false) => Escapes::Some,
                    (_, true) => Escapes::Surrogates,
                };
                return Some((self.start + quotes.trailing_zeros() as usize, escapes));
            }
            if self.text.len() - self.start <= BLOCK {
                return None;
            }
            self.go_to(self.start + BLOCK);
            from = u64::MAX;
        }
    }

    /// Whether there are surrogates among the bytes of this block that `places` names. `None` if one of
    /// them makes no escape with the backslash before it.
    fn have_surrogates(&self, mut places: u64) -> Option<bool> {
        let mut found = false;
        while places != 0 {
            let at = self.start + places.trailing_zeros() as usize;
            match self.text.get(at..)? {
                [b'/' | b'b' | b'f' | b'r' | b't', ..] => {}
                [b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => {
                    found |= matches!(
                        (a, b),
                        (b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
                    );
                }
                _ => return None,
            }
            places &= places - 1;
        }
        Some(found)
    }
}

/// What is wrong with the string whose inside begins at `inside`, and where.
#[cold]
pub(super) fn flaw(text: &[u8], inside: usize) -> (usize, &'static str) {
    let mut at = inside;
    loop {
        match text.get(at..) {
            Some([b'\\', b'u', rest @ ..]) => {
                let digits = rest.first_chunk::<4>();
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return (at + 1, "expected four hex digits");
                }
                at += 6;
            }
            Some(
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    ..,
                ],
            ) => at += 2,
            Some([b'\\', ..]) => return (at + 1, "an unknown escape"),
            Some([..0x20, ..]) => return (at, "a control character in a string"),
            Some([_, ..]) => at += 1,
            _ => return (at, "expected the end of a string"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The same, byte by byte.
    fn slow_end(text: &[u8], inside: usize) -> Option<usize> {
        let mut at = inside;
        loop {
            match text.get(at..)? {
                [b'"', ..] => return Some(at),
                [b'\\', b'u', a, b, c, d, ..]
                    if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) =>
                {
                    at += 6;
                }
                [
                    b'\\',
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't',
                    ..,
                ] => at += 2,
                [] | [b'\\' | ..0x20, ..] => return None,
                _ => at += 1,
            }
        }
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\\".to_vec()),
            1 => Just(b"\"".to_vec()),
            4 => prop::collection::vec(prop::sample::select(b"\"\\/bfnrtu0aF".to_vec()), 0..3),
            2 => Just(b"\\u00eF".to_vec()),
            6 => prop::collection::vec(any::<u8>().prop_filter("no control", |byte| *byte >= 0x20), 0..30),
            1 => prop::collection::vec(any::<u8>(), 0..2),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn strings_end_where_they_do_byte_by_byte(text in text()) {
            let mut strings = Strings::new(&text);
            let mut at = 0;
            while at <= text.len() {
                let end = strings.end(at).map(|(quote, _)| quote);
                prop_assert_eq!(end, slow_end(&text, at), "from {}", at);
                at = end.unwrap_or(at) + 1;
            }
        }

        #[test]
        fn what_the_bytes_were_is_seen(
            mut text in prop::collection::vec(prop::sample::select(b"aip1 ".to_vec()), 0..2500),
            word in any::<prop::sample::Index>(),
            other in any::<prop::sample::Index>(),
        ) {
            for (at, piece) in [(word, TRACE.as_bytes()), (other, "é".as_bytes())] {
                let mut seen = text.clone();
                let at = at.index(seen.len() + 1);
                seen.splice(at..at, piece.iter().copied());
                seen.push(b'"');
                let mut strings = Strings::new(&seen);
                prop_assert!(strings.end(0).is_some());
                let expected = Seen {
                    beyond_ascii: !seen.is_ascii(),
                    trace: memchr::memmem::find(&seen, TRACE.as_bytes()).is_some(),
                };
                prop_assert_eq!(strings.seen(), expected);
                text.retain(|byte| *byte != b'1');
            }
        }
    }
}
