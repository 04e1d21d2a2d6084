//! Words that are looked for in whole bodies.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// A word whose search is prepared once: preparing it takes as long as searching a kilobyte.
pub struct Word(LazyLock<Finder<'static>>);

impl Word {
    /// A word, as a function that prepares it: `Word::new(|| Finder::new("…"))`.
    pub const fn new(prepare: fn() -> Finder<'static>) -> Self {
        Self(LazyLock::new(prepare))
    }

    /// Whether `text` holds it.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.0.find(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_anywhere() {
        static WORD: Word = Word::new(|| Finder::new("aip1"));
        for (text, found) in [
            ("aip1", true),
            ("xxaip1.", true),
            ("aip", false),
            ("", false),
        ] {
            assert_eq!(WORD.is_in(text.as_bytes()), found, "{text}");
        }
    }
}
