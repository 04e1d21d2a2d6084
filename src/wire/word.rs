//! Words that are looked for in whole bodies.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
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

/// Several words that are looked for at once: a look through a long body costs more than any word does.
pub struct Vocabulary<const N: usize>(LazyLock<Option<AhoCorasick>>);

impl<const N: usize> Vocabulary<N> {
    /// The words, as a function that prepares them: `Vocabulary::new(|| vocabulary(["…", "…"]))`. None of them may
    /// begin in another one.
    pub const fn new(prepare: fn() -> Option<AhoCorasick>) -> Self {
        Self(LazyLock::new(prepare))
    }

    /// Which of them `text` holds, in their order.
    pub fn in_text(&self, text: &[u8]) -> [bool; N] {
        let Some(words) = &*self.0 else {
            // Never, for words that are text; and then each may be there.
            return [true; N];
        };
        let mut found = [false; N];
        for one in words.find_iter(text) {
            found[one.pattern().as_usize()] = true;
            if found.iter().all(|found| *found) {
                break;
            }
        }
        found
    }
}

/// Prepares `words` for [`Vocabulary`].
pub fn vocabulary<const N: usize>(words: [&str; N]) -> Option<AhoCorasick> {
    AhoCorasick::new(words).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_words_are_found_in_one_look() {
        static WORDS: Vocabulary<3> = Vocabulary::new(|| vocabulary(["\"a\"", "\"bc\"", "de."]));
        for (text, found) in [
            ("", [false; 3]),
            ("{\"a\":1,\"a\":\"de\"}", [true, false, false]),
            ("\"bc\"de.\"a\"", [true, true, true]),
            ("xxde.", [false, false, true]),
        ] {
            assert_eq!(WORDS.in_text(text.as_bytes()), found, "{text}");
        }
    }

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
