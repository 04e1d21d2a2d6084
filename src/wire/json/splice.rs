//! Changes one string of a JSON document while its bytes stream past: the model's name in answers.
//!
//! Only the containers on the way to the path are followed; all others are skipped by counting
//! brackets. Text around documents is copied, so a raw SSE block can be given as it is. What breaks
//! the grammar on the way makes the rest pass untouched: a relay must not eat a provider's bytes.

use std::ops::Range;

use memchr::memmem::{self, Finder};

use super::{quote, string_end, unquote};

/// A string longer than this is not a model's name and passes untouched.
const MAX_HELD: usize = 64 << 10;
/// What a letter begins with that is escaped.
const ESCAPED: &[u8] = b"\\u";
/// The beginning of a longer document is not kept to compare others with.
const MAX_FRONT: usize = 16 << 10;
/// Arrays on the way to the path; deeper ones are not looked into.
const MAX_OPEN: usize = 128;

/// Replaces the string at an object path, in any number of chunks.
///
/// A path is the object keys from the root; arrays are not counted, so `["model"]` is found in
/// `{"model":"x"}` and in each element of `[{"model":"x"}]`. A value that is not a string stays.
#[derive(Debug, Clone)]
pub struct Splicer {
    path: &'static [&'static str],
    replacement: Vec<u8>,
    state: State,
    /// The open containers, all of them on the way to the path.
    open: Vec<Container>,
    /// How many of them are objects.
    objects: usize,
    /// The key being read, its opening quote included.
    key: Vec<u8>,
    /// The string that will be replaced, until it is known to end.
    held: Vec<u8>,
    /// The last byte was a backslash in a string.
    is_escaped: bool,
    /// The last key of the path, in quotes.
    wanted: Finder<'static>,
    /// Where the string was that was replaced last, in its chunk.
    replaced: Option<Range<usize>>,
    /// The document before, up to the end of the string that was replaced in it, and where that begins.
    front: (Vec<u8>, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Outside of a document.
    Between,
    /// Before a key, or the end of an empty object.
    Key,
    InKey,
    /// After a key; it is the path's next one or it is not.
    Colon {
        is_wanted: bool,
    },
    /// Before a value that is on the path or is not.
    Value {
        is_wanted: bool,
    },
    /// In the string to be replaced.
    InWanted,
    /// In a value that is of no interest: how many containers deep, and whether in a string.
    Skip {
        depth: usize,
        in_string: bool,
    },
    /// In a number or a word, or behind any value.
    After,
    /// Behind a byte that is not JSON.
    Lost,
}

impl Splicer {
    /// Replaces the string at `path` by `replacement`, which is plain text.
    pub fn new(path: &'static [&'static str], replacement: &str) -> Self {
        Self {
            path,
            replacement: quote(replacement).into_bytes(),
            state: State::Between,
            open: Vec::new(),
            objects: 0,
            key: Vec::new(),
            held: Vec::new(),
            is_escaped: false,
            wanted: Finder::new(&quote(path.last().unwrap_or(&""))).into_owned(),
            replaced: None,
            front: (Vec::new(), 0),
        }
    }

    /// Copies one whole document to `out`, with the string replaced: what [`reset`](Self::reset),
    /// [`push`](Self::push) and [`end`](Self::end) do, but documents of a stream are alike. Most have no
    /// such string, or are the same up to its end.
    pub fn document(&mut self, document: &[u8], out: &mut Vec<u8>) {
        let (front, at) = &self.front;
        if !front.is_empty()
            && let Some(rest) = document.strip_prefix(&**front)
            && !self.may_change(rest)
        {
            out.extend_from_slice(&front[..*at]);
            out.extend_from_slice(&self.replacement);
            out.extend_from_slice(rest);
            return;
        }
        if !self.may_change(document) {
            return out.extend_from_slice(document);
        }
        self.reset();
        self.replaced = None;
        self.push(document, out);
        self.end(out);
        if let Some(place) = self.replaced.take()
            && let Some(front) = document.get(..place.end)
            && document.len() <= MAX_FRONT
            // With an earlier one in it, what stands before it is changed too.
            && self.wanted.find_iter(front).count() == 1
            && memmem::find(front, ESCAPED).is_none()
        {
            self.front.0.clear();
            self.front.0.extend_from_slice(front);
            self.front.1 = place.start;
        }
    }

    /// Whether a key like the last one of the path stands in a document: plainly, or perhaps with
    /// escaped letters.
    fn may_change(&self, document: &[u8]) -> bool {
        self.wanted.find(document).is_some() || memmem::find(document, ESCAPED).is_some()
    }

    /// Forgets the document begun; the next byte starts a new one. What was held is dropped: call
    /// [`Splicer::end`] to keep it.
    pub fn reset(&mut self) {
        self.state = State::Between;
        self.open.clear();
        self.objects = 0;
        self.key.clear();
        self.held.clear();
        self.is_escaped = false;
    }

    /// Writes what was held back for a string that never ended, and starts over.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.reset();
    }

    /// Copies a chunk to `out`, with the string replaced.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let mut at = 0;
        while at < chunk.len() {
            let start = at;
            let is_held = self.state == State::InWanted;
            at = match self.state {
                State::Between => self.find_document(chunk, at),
                State::InKey => self.read_key(chunk, at),
                State::InWanted => self.hold(chunk, at, out),
                State::Skip { depth, in_string } => self.skip(chunk, at, depth, in_string),
                State::Lost => chunk.len(),
                State::Key | State::Colon { .. } | State::Value { .. } | State::After => {
                    self.step(chunk[at]);
                    at + 1
                }
            };
            if self.state == State::InWanted && !is_held {
                // The opening quote.
                self.held.extend_from_slice(&chunk[start..at]);
            } else if !is_held {
                out.extend_from_slice(&chunk[start..at]);
            }
        }
    }

    fn find_document(&mut self, chunk: &[u8], at: usize) -> usize {
        match memchr::memchr2(b'{', b'[', &chunk[at..]) {
            Some(skipped) => {
                self.begin_value(chunk[at + skipped], true);
                at + skipped + 1
            }
            None => chunk.len(),
        }
    }

    /// One byte of structure.
    fn step(&mut self, byte: u8) {
        if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
            return;
        }
        match (self.state, byte) {
            (State::Key, b'"') => {
                self.key.clear();
                self.key.push(byte);
                self.state = State::InKey;
            }
            (State::Colon { is_wanted }, b':') => self.state = State::Value { is_wanted },
            (State::Key | State::After, b'}') => self.close(Container::Object),
            (State::Value { .. } | State::After, b']') => self.close(Container::Array),
            (State::Value { is_wanted }, _) => self.begin_value(byte, is_wanted),
            (State::After, b',') => {
                self.state = match self.open.last() {
                    Some(Container::Object) => State::Key,
                    _ => State::Value { is_wanted: true },
                };
            }
            (State::After, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') => {}
            _ => self.state = State::Lost,
        }
    }

    fn begin_value(&mut self, first: u8, is_wanted: bool) {
        let leads_on = is_wanted && self.objects < self.path.len() && self.open.len() < MAX_OPEN;
        self.state = match first {
            b'"' if is_wanted && self.objects == self.path.len() => State::InWanted,
            b'"' => State::Skip {
                depth: 0,
                in_string: true,
            },
            b'{' if leads_on => {
                self.open.push(Container::Object);
                self.objects += 1;
                State::Key
            }
            b'[' if leads_on => {
                self.open.push(Container::Array);
                State::Value { is_wanted: true }
            }
            b'{' | b'[' => State::Skip {
                depth: 1,
                in_string: false,
            },
            b'-' | b'0'..=b'9' | b'a'..=b'z' => State::After,
            _ => State::Lost,
        };
    }

    fn close(&mut self, container: Container) {
        if self.open.pop() != Some(container) {
            self.state = State::Lost;
            return;
        }
        if container == Container::Object {
            self.objects -= 1;
        }
        self.after_value();
    }

    const fn after_value(&mut self) {
        self.state = if self.open.is_empty() {
            State::Between
        } else {
            State::After
        };
    }

    fn read_key(&mut self, chunk: &[u8], at: usize) -> usize {
        let ended = string_end(chunk, at, &mut self.is_escaped);
        let end = ended.unwrap_or(chunk.len());
        let wanted = self.path[self.objects - 1];
        // A character takes six bytes at most, so a longer key is another one.
        let longest = wanted.len() * 6 + 2;
        let room = (longest + 1).saturating_sub(self.key.len());
        self.key.extend_from_slice(&chunk[at..end.min(at + room)]);
        if ended.is_some() {
            let is_wanted =
                self.key.len() <= longest && unquote(&self.key).is_some_and(|key| key == wanted);
            self.state = State::Colon { is_wanted };
        }
        end
    }

    fn hold(&mut self, chunk: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
        let ended = string_end(chunk, at, &mut self.is_escaped);
        let end = ended.unwrap_or(chunk.len());
        self.held.extend_from_slice(&chunk[at..end]);
        let is_too_long = self.held.len() > MAX_HELD;
        if is_too_long {
            out.append(&mut self.held);
        }
        if ended.is_some() {
            if !is_too_long {
                let begun = end.checked_sub(self.held.len());
                self.replaced = begun.map(|start| start..end);
                out.extend_from_slice(&self.replacement);
                self.held.clear();
            }
            self.after_value();
        } else if is_too_long {
            self.state = State::Skip {
                depth: 0,
                in_string: true,
            };
        }
        end
    }

    fn skip(&mut self, chunk: &[u8], mut at: usize, mut depth: usize, in_string: bool) -> usize {
        let mut in_string = in_string;
        loop {
            if in_string {
                let Some(end) = string_end(chunk, at, &mut self.is_escaped) else {
                    break;
                };
                at = end;
                in_string = false;
            }
            if depth == 0 {
                self.after_value();
                return at;
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
        self.state = State::Skip { depth, in_string };
        chunk.len()
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
