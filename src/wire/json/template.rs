//! Documents that are alike: the first is read, the others are recognized.
//!
//! The events of a stream differ in a piece of text and some counts, and in nothing else. A template
//! is one such document with gaps. A document that equals it up to the gaps, and has the inside of a
//! string or a number in each, is JSON of the same structure: what was found out about the first is
//! true of it, at the price of comparing bytes.

use std::ops::Range;

use smallvec::SmallVec;

use super::text::next_escape;
use super::{Node, decode_lossy_into};

/// Most templates of one stream: as many kinds of events as take turns.
const KEPT: usize = 4;
/// Longer documents are not kept.
const LONGEST: usize = 4 * 1024;
/// Most gaps of one template.
const GAPS: usize = 24;
/// How many documents are kept without one that is like them before it is seldom tried again.
const PATIENCE: u32 = 16;

/// What may stand in a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The text that matters. Each template has one.
    Text,
    /// The inside of a string that nobody reads.
    Padding,
    /// A whole number, not negative, that a `u64` can hold.
    Digits,
}

/// What stands in the gaps of a document that is like a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled<'d> {
    /// The text as it is written: the inside of its string.
    raw: &'d str,
    is_escaped: bool,
    /// From the first number to the last one; empty where there is none.
    pub digits: Range<usize>,
}

impl<'d> Filled<'d> {
    /// The text. An escaped one is decoded into `scratch`, so that it costs no allocation each time.
    /// An escaped surrogate without its other half is read as U+FFFD.
    pub fn text<'t>(&self, scratch: &'t mut String) -> &'t str
    where
        'd: 't,
    {
        if !self.is_escaped {
            return self.raw;
        }
        scratch.clear();
        decode_lossy_into(self.raw, scratch);
        scratch
    }
}

/// The templates of one stream, and what was found out about each.
#[derive(Debug)]
pub struct Templates<T> {
    kept: Vec<(Template, T)>,
    /// The one that was met last.
    last: usize,
    /// Kept since something was met.
    vain: u32,
}

impl<T> Default for Templates<T> {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            last: 0,
            vain: 0,
        }
    }
}

impl<T: Copy> Templates<T> {
    /// What was found out about the template that `document` is like, and what fills its gaps.
    pub fn find<'d>(&mut self, document: &'d [u8]) -> Option<(T, Filled<'d>)> {
        #[cfg(test)]
        if blind::is_on() {
            return None;
        }
        // Nearly always it is the one that was met last.
        for step in 0..self.kept.len() {
            let at = (self.last + step) % self.kept.len();
            let Some((template, meaning)) = self.kept.get(at) else {
                continue;
            };
            if let Some(filled) = template.fill(document) {
                let meaning = *meaning;
                #[cfg(test)]
                blind::count();
                self.last = at;
                self.vain = 0;
                return Some((meaning, filled));
            }
        }
        None
    }

    /// Whether to look for the gaps of a document that was like none: in a stream in which none is
    /// like another it is not worth the while.
    pub const fn is_worthwhile(&mut self) -> bool {
        self.vain = self.vain.saturating_add(1);
        self.vain < PATIENCE || self.vain.is_multiple_of(PATIENCE)
    }

    /// Keeps a document that was checked to be JSON. `gaps` are pieces of it: values of strings and
    /// numbers. A string is one without its quotes.
    pub fn keep<'d>(&mut self, document: &'d str, gaps: &[(Gap, &'d str)], meaning: T) {
        let Some(template) = Template::new(document, gaps) else {
            return;
        };
        if self.kept.len() < KEPT {
            self.last = self.kept.len();
            self.kept.push((template, meaning));
        } else {
            // The one after the last is the one that was not met for longest, or near to it.
            self.last = (self.last + 1) % KEPT;
            if let Some(place) = self.kept.get_mut(self.last) {
                *place = (template, meaning);
            }
        }
    }
}

/// The inside of a string, for a gap.
pub fn inside(node: Node<'_>) -> Option<&str> {
    node.raw().strip_prefix('"')?.strip_suffix('"')
}

/// The text of a number that fits in a [`Gap::Digits`].
pub fn digits(node: Node<'_>) -> Option<&str> {
    let text = node.raw();
    (digits_end(text.as_bytes(), 0) == Some(text.len())).then_some(text)
}

/// Where `piece` stands in `whole`, of which it is a part.
pub fn place(whole: &str, piece: &str) -> Option<Range<usize>> {
    let start = piece.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    let end = start + piece.len();
    (whole.get(start..end)? == piece).then_some(start..end)
}

#[derive(Debug)]
struct Template {
    /// What stands between the gaps, without the gaps.
    fixed: Vec<u8>,
    /// The gaps, and where in `fixed` each is.
    gaps: SmallVec<[(usize, Gap); 8]>,
}

impl Template {
    fn new(document: &str, gaps: &[(Gap, &str)]) -> Option<Self> {
        if document.len() > LONGEST || gaps.len() > GAPS {
            return None;
        }
        let mut places: SmallVec<[(Range<usize>, Gap); 8]> = SmallVec::new();
        for (gap, piece) in gaps {
            places.push((place(document, piece)?, *gap));
        }
        places.sort_by_key(|(place, _)| place.start);
        let mut template = Self {
            fixed: Vec::with_capacity(document.len()),
            gaps: SmallVec::new(),
        };
        let mut at = 0;
        for (place, gap) in places {
            let fixed = document.as_bytes().get(at..place.start)?;
            template.fixed.extend_from_slice(fixed);
            template.gaps.push((template.fixed.len(), gap));
            at = place.end;
        }
        let fixed = document.as_bytes().get(at..)?;
        template.fixed.extend_from_slice(fixed);
        Some(template)
    }

    fn fill<'d>(&self, document: &'d [u8]) -> Option<Filled<'d>> {
        let mut filled = Filled {
            raw: "",
            is_escaped: false,
            digits: 0..0,
        };
        let (mut at, mut compared) = (0, 0);
        for (place, gap) in &self.gaps {
            let rest = document.get(at..)?;
            let fixed = self.fixed.get(compared..*place)?;
            if !rest.starts_with(fixed) {
                return None;
            }
            at += fixed.len();
            compared = *place;
            if *gap == Gap::Digits {
                let end = digits_end(document, at)?;
                if filled.digits.is_empty() {
                    filled.digits = at..end;
                }
                filled.digits.end = end;
                at = end;
                continue;
            }
            let (end, is_escaped) = string_end(document, at)?;
            let raw = std::str::from_utf8(document.get(at..end)?).ok()?;
            if *gap == Gap::Text {
                filled.raw = raw;
                filled.is_escaped = is_escaped;
            }
            at = end;
        }
        (document.get(at..)? == self.fixed.get(compared..)?).then_some(filled)
    }
}

/// Where the string ends whose inside begins at `at`: the place of its closing quote, and whether it
/// has escapes. `None`: it is no JSON string.
fn string_end(text: &[u8], mut at: usize) -> Option<(usize, bool)> {
    let mut is_escaped = false;
    loop {
        at = next_escape(text, at)?;
        match text.get(at)? {
            b'"' => return Some((at, is_escaped)),
            b'\\' => {
                is_escaped = true;
                at += match text.get(at + 1)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                    b'u' => {
                        let hex = text.get(at + 2..at + 6)?;
                        hex.iter().all(u8::is_ascii_hexdigit).then_some(6)?
                    }
                    _ => return None,
                };
            }
            _ => return None,
        }
    }
}

/// Where the digits end that begin at `at`. `None`: there are none, more than a `u64` surely holds,
/// or one zero too many.
fn digits_end(text: &[u8], at: usize) -> Option<usize> {
    const MOST: usize = 19;
    let rest = text.get(at..)?;
    let count = rest
        .iter()
        .take(MOST + 1)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let is_number = match rest.first()? {
        b'0' => count == 1,
        _ => (1..=MOST).contains(&count),
    };
    is_number.then_some(at + count)
}

/// For tests that compare what is recognized with what is read.
#[cfg(test)]
pub(crate) mod blind {
    use std::cell::Cell;

    thread_local! {
        static IS_ON: Cell<bool> = const { Cell::new(false) };
        static RECOGNIZED: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) fn count() {
        RECOGNIZED.set(RECOGNIZED.get() + 1);
    }

    /// How many documents were recognized on this thread so far.
    pub(crate) fn recognized() -> usize {
        RECOGNIZED.get()
    }

    pub(super) fn is_on() -> bool {
        IS_ON.get()
    }

    /// Does something while nothing is recognized on this thread.
    pub(crate) fn run<R>(work: impl FnOnce() -> R) -> R {
        IS_ON.set(true);
        let done = work();
        IS_ON.set(false);
        done
    }
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
