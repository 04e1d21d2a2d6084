//! Which mask stands for which word.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, LazyLock};

use memchr::{memmem, memrchr};

/// What a mask begins with. Its first letter is not in the rest of a mask.
const HEAD: &[u8] = b"MASK_";
/// Hexadecimal digits of a mask.
pub(in crate::rewrite) const DIGITS: usize = 10;
/// Bytes of a mask: the head, the digits, an underscore.
const LENGTH: usize = HEAD.len() + DIGITS + 1;

static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(HEAD));

/// The mask with these digits.
pub(in crate::rewrite) fn mask(digits: &str) -> Box<str> {
    format!("MASK_{digits}_").into()
}

/// Masks and the word that each stands for. Words need no escape in JSON.
#[derive(Default)]
pub struct Masks {
    own: HashMap<Box<str>, Box<str>>,
    /// Others that hold as well.
    usual: Option<Arc<Self>>,
}

impl Masks {
    /// None yet but `usual`.
    pub(in crate::rewrite) fn beside(usual: &Arc<Self>) -> Self {
        Self {
            own: HashMap::new(),
            usual: Some(Arc::clone(usual)),
        }
    }

    /// Makes `mask` stand for `word`.
    pub(in crate::rewrite) fn add(&mut self, mask: &str, word: &str) {
        self.own.insert(mask.into(), word.into());
    }

    /// The word that `mask` stands for.
    pub(in crate::rewrite) fn word(&self, mask: &str) -> Option<&str> {
        match (self.own.get(mask), &self.usual) {
            (Some(word), _) => Some(word),
            (None, usual) => usual.as_ref()?.word(mask),
        }
    }

    /// The text with its words back; `None`: there is no mask in it.
    pub fn reveal(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut at = 0;
        while let Some((found, word)) = self.next(text, at) {
            out.extend_from_slice(&text[at..found.start]);
            out.extend_from_slice(word.as_bytes());
            at = found.end;
        }
        if at == 0 {
            return None;
        }
        out.extend_from_slice(&text[at..]);
        Some(out)
    }

    /// The first mask from `from` on, and its word.
    pub(super) fn next(&self, text: &[u8], mut from: usize) -> Option<(Range<usize>, &str)> {
        loop {
            let start = from + FINDER.find(text.get(from..)?)?;
            let found = start..start + LENGTH;
            let mask = text.get(found.clone());
            let mask = mask.and_then(|mask| std::str::from_utf8(mask).ok());
            if let Some(word) = mask.and_then(|mask| self.word(mask)) {
                return Some((found, word));
            }
            from = start + HEAD.len();
        }
    }

    /// How many bytes at the end of `text` may be the beginning of a mask.
    pub(super) fn begun(&self, text: &[u8]) -> usize {
        let last = &text[text.len().saturating_sub(LENGTH - 1)..];
        let Some(start) = memrchr(HEAD[0], last) else {
            return 0;
        };
        let begun = &last[start..];
        if self.begin_with(begun) {
            begun.len()
        } else {
            0
        }
    }

    fn begin_with(&self, begun: &[u8]) -> bool {
        // All begin with the head.
        HEAD.starts_with(begun)
            || self
                .own
                .keys()
                .any(|mask| mask.as_bytes().starts_with(begun))
            || self
                .usual
                .as_ref()
                .is_some_and(|usual| usual.begin_with(begun))
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Masks({})", self.own.len())
    }
}
