//! Cuts a JSON array that arrives piece by piece into its elements: Gemini's stream without
//! `alt=sse`.
//!
//! It looks at brackets and strings only; whether an element is good JSON is for its reader to say.

use bytes::Bytes;

use super::TooLong;
use super::carry::Carry;
use crate::wire::json::string_end;

/// Cuts a streamed JSON array into its elements.
///
/// An object outside of an array is an element too: an error answer may come bare, and NDJSON is a
/// sequence of such objects.
#[derive(Debug)]
pub struct Elements {
    carry: Carry,
    scanner: Scanner,
    /// Where the current element begins, counted from the start of the carry.
    start: usize,
}

impl Elements {
    /// At most `limit` bytes of an unfinished element are kept.
    pub fn new(limit: usize) -> Self {
        Self {
            carry: Carry::new(limit),
            scanner: Scanner::default(),
            start: 0,
        }
    }

    /// Calls `each` with every element that is whole now and returns the bytes up to the end of the
    /// last one, or of the array. The `[` and the comma before an element come with it, so that
    /// what was returned can always be followed by a comma and one more element. After an error the
    /// stream cannot go on.
    pub fn push(&mut self, chunk: Bytes, mut each: impl FnMut(&[u8])) -> Result<Bytes, TooLong> {
        let bytes = chunk.clone();
        let mut joined = self.carry.join(chunk);
        let mut passed = 0;
        let mut at = 0;
        while at < bytes.len() {
            let (next, found) = self.scanner.scan(&bytes, at);
            at = next;
            match found {
                Found::Start => self.start = joined.base() + at - 1,
                Found::End => {
                    each(joined.unit(self.start, at));
                    passed = joined.base() + at;
                }
                Found::Close => {
                    joined.pass(at);
                    passed = joined.base() + at;
                }
                Found::Nothing => {}
            }
        }
        if self.scanner.is_closed && !bytes.is_empty() {
            joined.pass(at);
        }
        // What is carried from now on begins where the passed bytes end.
        self.start = self.start.saturating_sub(passed);
        joined.finish()
    }

    /// At the end of the stream: what is left, an element that never ended.
    pub fn tail(&mut self) -> Bytes {
        self.start = 0;
        self.carry.take()
    }

    /// Whether the array, or the object that stands in its place, has ended.
    pub const fn closed(&self) -> bool {
        self.scanner.is_closed
    }
}

#[derive(Debug, Default)]
struct Scanner {
    place: Place,
    is_in_array: bool,
    is_closed: bool,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Before or after an element.
    #[default]
    Outside,
    /// In a container or a string: how many containers deep, and whether in a string.
    Inside { depth: usize, in_string: bool },
    /// In a number or a word.
    Bare,
}

/// What the byte before the returned place was; an element's end may also lie between bytes.
enum Found {
    Nothing,
    /// The first byte of an element.
    Start,
    /// The last byte of an element.
    End,
    /// The end of the array.
    Close,
}

impl Scanner {
    /// Reads on to the next border, or to the end of the chunk.
    fn scan(&mut self, chunk: &[u8], at: usize) -> (usize, Found) {
        match self.place {
            Place::Outside => self.outside(chunk[at], at),
            Place::Inside { depth, in_string } => self.inside(chunk, at, depth, in_string),
            Place::Bare => self.bare(chunk, at),
        }
    }

    fn outside(&mut self, byte: u8, at: usize) -> (usize, Found) {
        let found = match byte {
            b'[' if !self.is_in_array => {
                self.is_in_array = true;
                self.is_closed = false;
                Found::Nothing
            }
            b']' if self.is_in_array => {
                self.is_in_array = false;
                self.is_closed = true;
                Found::Close
            }
            b'{' | b'[' => self.begin(Place::Inside {
                depth: 1,
                in_string: false,
            }),
            b' ' | b'\t' | b'\r' | b'\n' | b',' => Found::Nothing,
            b'"' if self.is_in_array => self.begin(Place::Inside {
                depth: 0,
                in_string: true,
            }),
            _ if self.is_in_array => self.begin(Place::Bare),
            // Text that is no JSON document stays in the tail.
            _ => Found::Nothing,
        };
        (at + 1, found)
    }

    const fn begin(&mut self, place: Place) -> Found {
        self.place = place;
        self.is_closed = false;
        Found::Start
    }

    fn inside(
        &mut self,
        chunk: &[u8],
        mut at: usize,
        mut depth: usize,
        mut in_string: bool,
    ) -> (usize, Found) {
        loop {
            if in_string {
                let Some(end) = string_end(chunk, at, &mut self.is_escaped) else {
                    break;
                };
                at = end;
                in_string = false;
            }
            if depth == 0 {
                self.place = Place::Outside;
                self.is_closed = !self.is_in_array;
                return (at, Found::End);
            }
            let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
            let Some(skipped) = chunk[at..].iter().position(is_mark) else {
                break;
            };
            at += skipped + 1;
            match chunk[at - 1] {
                b'"' => in_string = true,
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
        }
        self.place = Place::Inside { depth, in_string };
        (chunk.len(), Found::Nothing)
    }

    fn bare(&mut self, chunk: &[u8], at: usize) -> (usize, Found) {
        let is_end = |byte: &u8| matches!(byte, b',' | b']' | b' ' | b'\t' | b'\r' | b'\n');
        match chunk[at..].iter().position(is_end) {
            Some(length) => {
                self.place = Place::Outside;
                (at + length, Found::End)
            }
            None => (chunk.len(), Found::Nothing),
        }
    }
}

#[cfg(test)]
#[path = "elements_tests.rs"]
mod tests;
