//! Cuts server-sent events at the blank lines between them.

use bytes::Bytes;
use memchr::memchr2;

use super::TooLong;
use super::carry::Carry;

/// Cuts a stream of server-sent events into blocks: an event with the blank line that ends it.
///
/// Lines end in `\n`, `\r\n` or `\r`, mixed too. A block that ends in `\r` at the end of a chunk
/// waits for the next byte, which may be the other half of `\r\n`. Every byte is looked at once.
#[derive(Debug)]
pub struct Blocks {
    carry: Carry,
    /// The current line has a byte.
    is_in_line: bool,
    /// The last byte was `\r`; if it ended a blank line, the block ends once the next byte is known.
    after_cr: Option<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Blank,
    Text,
}

impl Blocks {
    /// At most `limit` bytes of an unfinished block are kept.
    pub fn new(limit: usize) -> Self {
        Self {
            carry: Carry::new(limit),
            is_in_line: false,
            after_cr: None,
        }
    }

    /// Calls `each` with every block that is whole now and returns all bytes up to the end of the
    /// last one, together and as they came: without a copy when no block was begun before. After
    /// an error the stream cannot go on.
    pub fn push(&mut self, chunk: Bytes, mut each: impl FnMut(&[u8])) -> Result<Bytes, TooLong> {
        if chunk.is_empty() {
            return Ok(chunk);
        }
        let bytes = chunk.clone();
        let mut joined = self.carry.join(chunk);
        let mut start = 0;
        let mut at = 0;
        if let Some(line) = self.after_cr.take() {
            at = usize::from(bytes[0] == b'\n');
            if line == Line::Blank {
                each(joined.unit(start, at));
                start = joined.base() + at;
            }
        }
        while let Some(skipped) = memchr2(b'\n', b'\r', &bytes[at..]) {
            let line = if skipped == 0 && !self.is_in_line {
                Line::Blank
            } else {
                Line::Text
            };
            self.is_in_line = false;
            at += skipped + 1;
            if bytes[at - 1] == b'\r' {
                match bytes.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => {
                        self.after_cr = Some(line);
                        break;
                    }
                }
            }
            if line == Line::Blank {
                each(joined.unit(start, at));
                start = joined.base() + at;
            }
        }
        self.is_in_line |= at < bytes.len();
        joined.finish()
    }

    /// As [`push`](Self::push) for who does not want to see the blocks: a chunk that begins and ends
    /// with whole ones, as nearly all do, passes without a look inside.
    pub fn pass(&mut self, chunk: Bytes) -> Result<Bytes, TooLong> {
        let ends_whole = chunk.ends_with(b"\n\n") || chunk.ends_with(b"\r\n\r\n");
        if ends_whole && self.after_cr.is_none() && self.carry.is_empty() {
            return Ok(chunk);
        }
        self.push(chunk, |_| ())
    }

    /// At the end of the stream: what is left, an event whose blank line never came.
    pub fn tail(&mut self) -> Bytes {
        self.is_in_line = false;
        self.after_cr = None;
        self.carry.take()
    }
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
