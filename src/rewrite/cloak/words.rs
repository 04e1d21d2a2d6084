//! Words that a provider does not see: each stands in the request as a mask, and in the answer as itself.
//!
//! A mask is `MASK_` with ten digits and an underscore. It is a word like an identifier, which models copy as
//! one; it needs no escape in any string of JSON, however deep; all have one length, so that in the answer it
//! is known where one ends and how much of one may still be to come. Its digits are a keyed hash of the word as it was
//! spelled: the same word has the same mask in every request, which keeps the provider's prompt cache.

use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::key::Key;
use super::places;
use crate::chat::Format;
use crate::rewrite::edit::Document;
use crate::rewrite::unmask::{DIGITS, Masks, mask};

/// Largest pattern that all words together may make, in bytes of memory.
const PATTERN: usize = 16 << 20;

/// Words to be masked.
#[derive(Debug)]
pub struct Words {
    pattern: Regex,
    key: Key,
    /// The masks of the words in their usual spellings.
    usual: Arc<Masks>,
    /// The same the other way round.
    masks: HashMap<Box<str>, Box<str>>,
}

/// Why a word cannot be masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWord {
    /// Nothing in it.
    #[error("must not be empty")]
    Empty,
    /// What JSON writes in another way, and JSON inside of JSON in a third.
    #[error("must not have quotes, backslashes or control characters")]
    Character,
    /// All of them together.
    #[error("are too many or too long")]
    TooMany,
}

impl Words {
    /// Whether `word` can be masked.
    pub fn check(word: &str) -> Result<(), InvalidWord> {
        let is_bad = |char: char| matches!(char, '"' | '\\') || char.is_control();
        if word.trim().is_empty() {
            return Err(InvalidWord::Empty);
        }
        match word.contains(is_bad) {
            true => Err(InvalidWord::Character),
            false => Ok(()),
        }
    }

    /// Of words that were checked.
    pub fn try_new(words: &[String], key: Key) -> Result<Self, InvalidWord> {
        let mut longest_first: Vec<&str> = words.iter().map(String::as_str).collect();
        longest_first.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let patterns: Vec<String> = longest_first
            .iter()
            .map(|word| regex::escape(word))
            .collect();
        let pattern = RegexBuilder::new(&patterns.join("|"))
            .case_insensitive(true)
            .size_limit(PATTERN)
            .build()
            .map_err(|_| InvalidWord::TooMany)?;
        let mut usual = Known {
            key,
            usual: &HashMap::new(),
            of_word: HashMap::new(),
            masks: Masks::default(),
        };
        for word in words {
            let mut chars = word.chars();
            let first: String = chars
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .collect();
            let lower = word.to_lowercase();
            let capital = first + &chars.as_str().to_lowercase();
            for spelled in [word, &lower, &word.to_uppercase(), &capital] {
                usual.mask(spelled);
            }
        }
        Ok(Self {
            pattern,
            key,
            usual: Arc::new(usual.masks),
            masks: usual.of_word,
        })
    }

    /// The masks of the words in their usual spellings.
    pub(super) const fn usual(&self) -> &Arc<Masks> {
        &self.usual
    }

    /// The request with its words masked (`None`: it has none of them), and what its answer may hold.
    pub(super) fn mask(&self, text: &str, format: Format) -> (Option<String>, Option<Arc<Masks>>) {
        let document = Document::new(text, format == Format::Gemini);
        let mut known = Known {
            key: self.key,
            usual: &self.masks,
            of_word: HashMap::new(),
            masks: Masks::beside(&self.usual),
        };
        let mut edits = Vec::new();
        places::each(
            document,
            format,
            &mut |said| {
                let found = self.pattern.find_iter(said);
                found
                    .map(|word| (word.range(), known.mask(word.as_str())))
                    .collect()
            },
            &mut edits,
        );
        if edits.is_empty() {
            // What the provider has stored may have been masked before.
            let goes_on = ["previous_response_id", "conversation"];
            let goes_on = goes_on.iter().any(|key| {
                let member = document.member(document.root(), key);
                member.is_some_and(|member| !member.is_null())
            });
            let masks =
                (format == Format::OpenAiResponses && goes_on).then(|| Arc::clone(&self.usual));
            return (None, masks);
        }
        edits.sort_by_key(|(range, _)| range.start);
        let mut out = String::with_capacity(text.len() + edits.len() * 16);
        let mut at = 0;
        for (range, mask) in edits {
            out.push_str(&text[at..range.start]);
            out.push_str(&mask);
            at = range.end;
        }
        out.push_str(&text[at..]);
        (Some(out), Some(Arc::new(known.masks)))
    }
}

/// Words as they were spelled, and the mask of each.
struct Known<'u> {
    key: Key,
    /// Those that were known before.
    usual: &'u HashMap<Box<str>, Box<str>>,
    of_word: HashMap<Box<str>, Box<str>>,
    masks: Masks,
}

impl Known<'_> {
    /// The mask of a word as it is spelled.
    fn mask(&mut self, word: &str) -> Box<str> {
        if let Some(mask) = self.usual.get(word).or_else(|| self.of_word.get(word)) {
            return mask.clone();
        }
        let mut salt = 0_u32;
        let mask = loop {
            let digits = self
                .key
                .hash(&[b"mask", word.as_bytes(), &salt.to_be_bytes()], DIGITS);
            let mask = mask(&digits);
            // Two words with one mask: as good as never.
            match self.masks.word(&mask) {
                Some(other) if other != word => salt += 1,
                _ => break mask,
            }
        };
        self.masks.add(&mask, word);
        self.of_word.insert(word.into(), mask.clone());
        mask
    }
}
