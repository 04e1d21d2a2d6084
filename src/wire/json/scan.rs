//! A strict walk over one JSON object that reports its top-level members and where they stand.
//!
//! It accepts what `serde_json` accepts as a raw value: the grammar and UTF-8. It does not judge
//! values, so numbers of any size and escaped lone surrogates pass, as they do at the providers.
//! Open containers are kept in a list instead of the call stack: a body of a million `[` is an
//! error, not a crash.

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use super::error::JsonError;
use super::record::Record;
use super::strings::{self, Escapes, Seen, Strings};
use super::unquote;
use crate::wire::Marks;

/// One top-level member of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// The key with its escapes decoded. A key with an escaped lone surrogate, which is no text, is
    /// given as it is written.
    pub key: Cow<'a, str>,
    /// The key as it is written, quotes included.
    pub raw_key: &'a [u8],
    /// The value as it is written.
    pub raw: &'a [u8],
    /// Where the value stands in the body.
    pub span: Range<usize>,
}

/// Where an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Where its `}` stands.
    pub close: usize,
    /// Whether it has no member.
    pub is_empty: bool,
    /// Whether its text holds [`TRACE`](super::TRACE).
    pub holds_trace: bool,
}

/// Walks one object, from the first byte of the body to the last, and gives each top-level member to
/// `each`. Members seen before an error are given too: judge them only after `Ok`.
pub fn shallow<'a>(
    body: &'a [u8],
    max_depth: usize,
    each: impl FnMut(Member<'a>),
) -> Result<Outline, JsonError> {
    noted(body, max_depth, each, &mut ())
}

/// The same, with the marks that it bears.
pub(super) fn marked<'a>(
    body: &'a [u8],
    max_depth: usize,
    each: impl FnMut(Member<'a>),
    record: &mut impl Record,
) -> Result<(Outline, Marks), JsonError> {
    let mut both = (Marks::default(), record);
    let outline = noted(body, max_depth, each, &mut both)?;
    let (mut marks, _) = both;
    if outline.holds_trace {
        marks.add(Marks::CARRIER);
    }
    Ok((outline, marks))
}

/// The same, telling `record` of the values in it.
fn noted<'a>(
    body: &'a [u8],
    max_depth: usize,
    each: impl FnMut(Member<'a>),
    record: &mut impl Record,
) -> Result<Outline, JsonError> {
    match walk(body, max_depth, each, record) {
        // Nothing else than ASCII may stand outside of strings.
        Ok((outline, seen)) if !seen.beyond_ascii => Ok(outline),
        Ok((outline, _)) => text(body).map(|_| outline),
        Err(error) => Err(text(body).err().unwrap_or(error)),
    }
}

/// Checks a whole body, and tells `record` of the values in it. Gives its text without white space around.
pub(super) fn check<'a>(
    body: &'a [u8],
    max_depth: usize,
    record: &mut impl Record,
) -> Result<&'a str, JsonError> {
    let text = text(body)?;
    walk(body, max_depth, |_| {}, record)?;
    Ok(text)
}

fn walk<'a, R: Record>(
    body: &'a [u8],
    max_depth: usize,
    mut each: impl FnMut(Member<'a>),
    record: &mut R,
) -> Result<(Outline, Seen), JsonError> {
    let mut scanner = Scanner {
        body,
        strings: Strings::new(body),
        record,
        at: 0,
        max_depth,
    };
    scanner.skip_space();
    match scanner.peek() {
        Some(b'{') => {}
        Some(b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => {
            return Err(JsonError::NotAnObject);
        }
        _ => return scanner.fail("expected a value"),
    }
    if max_depth == 0 {
        return scanner.too_deep();
    }
    scanner.at += 1;
    scanner.skip_space();
    let is_empty = scanner.peek() == Some(b'}');
    if !is_empty {
        scanner.members(&mut each)?;
    }
    let close = scanner.at;
    scanner.at += 1;
    scanner.skip_space();
    if scanner.at < body.len() {
        return scanner.fail("expected nothing more");
    }
    let seen = scanner.strings.seen();
    let outline = Outline {
        close,
        is_empty,
        holds_trace: seen.trace,
    };
    Ok((outline, seen))
}

/// The body as text.
pub(super) fn text(body: &[u8]) -> Result<&str, JsonError> {
    simdutf8::basic::from_utf8(body).map_err(|_| {
        // Only the standard library says where.
        let invalid = std::str::from_utf8(body).err();
        JsonError::NotJson {
            offset: invalid.map_or(0, |invalid| invalid.valid_up_to()),
            problem: "invalid UTF-8",
        }
    })
}

#[derive(Clone, Copy)]
enum Container {
    Object,
    Array,
}

struct Scanner<'a, 'r, R> {
    body: &'a [u8],
    strings: Strings<'a>,
    record: &'r mut R,
    at: usize,
    max_depth: usize,
}

impl<'a, R: Record> Scanner<'a, '_, R> {
    /// The members of the outermost object, up to its `}`.
    fn members(&mut self, each: &mut impl FnMut(Member<'a>)) -> Result<(), JsonError> {
        loop {
            each(self.member()?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => return Ok(()),
                _ => return self.fail("expected `,` or `}`"),
            }
            self.skip_space();
        }
    }

    fn member(&mut self) -> Result<Member<'a>, JsonError> {
        let raw_key = self.key()?;
        self.skip_space();
        let start = self.at;
        self.value()?;
        let span = start..self.at;
        Ok(Member {
            key: unquote(raw_key).unwrap_or_else(|| as_written(raw_key)),
            raw_key,
            raw: &self.body[span.clone()],
            span,
        })
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<&'a [u8], JsonError> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return self.fail("expected a key");
        }
        self.string()?;
        let key = &self.body[start..self.at];
        self.record.quoted(key);
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.fail("expected `:`");
        }
        self.at += 1;
        Ok(key)
    }

    /// Any value inside the outermost object.
    fn value(&mut self) -> Result<(), JsonError> {
        let mut open: SmallVec<[Container; 32]> = SmallVec::new();
        loop {
            self.skip_space();
            let opened = match self.peek() {
                Some(b'{') => Some(Container::Object),
                Some(b'[') => Some(Container::Array),
                _ => None,
            };
            if let Some(container) = opened {
                // The outermost object is one level too.
                if open.len() + 2 > self.max_depth {
                    return self.too_deep();
                }
                self.record.opened(self.at);
                self.at += 1;
                self.skip_space();
                match (container, self.peek()) {
                    (Container::Object, Some(b'}')) | (Container::Array, Some(b']')) => {
                        self.at += 1;
                        self.record.closed(self.at);
                    }
                    (Container::Object, _) => {
                        self.key()?;
                        open.push(container);
                        continue;
                    }
                    (Container::Array, _) => {
                        open.push(container);
                        continue;
                    }
                }
            } else {
                self.scalar()?;
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    /// After a value: leaves the containers that end here and stops before the next value, or says
    /// that none is open any more.
    fn close(&mut self, open: &mut SmallVec<[Container; 32]>) -> Result<bool, JsonError> {
        while let Some(container) = open.last() {
            self.skip_space();
            match (container, self.peek()) {
                (Container::Object, Some(b',')) => {
                    self.at += 1;
                    self.skip_space();
                    self.key()?;
                    return Ok(false);
                }
                (Container::Array, Some(b',')) => {
                    self.at += 1;
                    return Ok(false);
                }
                (Container::Object, Some(b'}')) | (Container::Array, Some(b']')) => {
                    self.at += 1;
                    self.record.closed(self.at);
                    open.pop();
                }
                (Container::Object, _) => return self.fail("expected `,` or `}`"),
                (Container::Array, _) => return self.fail("expected `,` or `]`"),
            }
        }
        Ok(true)
    }

    fn scalar(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => {
                let start = self.at;
                let escapes = self.string()?;
                self.record.quoted(&self.body[start..self.at]);
                self.record.string(start, self.at, escapes);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.fail("expected a value"),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.body[self.at..].starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
            if matches!(self.peek(), Some(b'0'..=b'9')) {
                return self.fail("a number with a leading zero");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.body[self.at..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if count == 0 {
            return self.fail("expected a digit");
        }
        self.at += count;
        Ok(())
    }

    fn string(&mut self) -> Result<Escapes, JsonError> {
        match self.strings.end(self.at + 1) {
            Some((quote, escapes)) => {
                self.at = quote + 1;
                Ok(escapes)
            }
            None => {
                let (at, problem) = strings::flaw(self.body, self.at + 1);
                self.at = at;
                self.fail(problem)
            }
        }
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    fn fail<T>(&self, problem: &'static str) -> Result<T, JsonError> {
        Err(JsonError::NotJson {
            offset: self.at,
            problem,
        })
    }

    fn too_deep<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::TooDeep {
            offset: self.at,
            max_depth: self.max_depth,
        })
    }
}

/// The inside of a key that cannot be decoded. The body was checked to be UTF-8, so nothing is lost.
fn as_written(raw_key: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&raw_key[1..raw_key.len() - 1])
}

#[cfg(test)]
#[path = "scan_tests.rs"]
pub(super) mod tests;
