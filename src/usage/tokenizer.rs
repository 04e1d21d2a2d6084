//! How many tokens a text is, by the tokenizers that OpenAI publishes.

use bpe_openai::{Tokenizer, cl100k_base, o200k_base};

/// Longer texts are counted to here; the rest is taken to be like it.
const LONGEST: usize = 256 << 10;
/// Models before this tokenizer's.
const EARLIER: [&str; 4] = ["gpt-4-", "gpt-3.5", "text-embedding-", "gpt-35"];

/// Counts texts. Other vendors do not publish their tokenizers: their models count about as OpenAI's
/// latest do. The tables are read on first use.
pub(super) struct Counter {
    tokenizer: &'static Tokenizer,
    counted: u64,
    /// Bytes that were counted.
    part: u64,
    /// Bytes there are.
    whole: u64,
}

impl Counter {
    /// As `model` would count.
    pub(super) fn new(model: &str) -> Self {
        Self {
            tokenizer: tokenizer(model),
            counted: 0,
            part: 0,
            whole: 0,
        }
    }

    /// One more text.
    pub(super) fn add(&mut self, text: &str) {
        self.whole += text.len() as u64;
        let room = LONGEST.saturating_sub(usize::try_from(self.part).unwrap_or(LONGEST));
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.part += end as u64;
        self.counted += self.tokenizer.count(&text[..end]) as u64;
    }

    /// How many tokens they are.
    pub(super) fn tokens(&self) -> u64 {
        scaled(self.counted, self.part, self.whole)
    }
}

/// How many tokens `whole` bytes are of which `part` are `counted`.
pub(super) fn scaled(counted: u64, part: u64, whole: u64) -> u64 {
    if part == 0 || part >= whole {
        return counted;
    }
    let scaled = u128::from(counted) * u128::from(whole) / u128::from(part);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn tokenizer(model: &str) -> &'static Tokenizer {
    let name = model.rsplit('/').next().unwrap_or(model);
    match name == "gpt-4" || EARLIER.iter().any(|prefix| name.starts_with(prefix)) {
        true => cl100k_base(),
        false => o200k_base(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(model: &str, text: &str) -> u64 {
        let mut counter = Counter::new(model);
        counter.add(text);
        counter.tokens()
    }

    #[test]
    fn texts_are_counted_as_openai_does() {
        for (model, text, tokens) in [
            ("gpt-5", "", 0),
            ("gpt-5", "hello world", 2),
            ("gpt-4", "tiktoken is great!", 6),
            ("openai/gpt-4-turbo", "antidisestablishmentarianism", 6),
            ("claude-opus-4-5", "お誕生日おめでとう", 8),
        ] {
            assert_eq!(count(model, text), tokens, "{model}: {text}");
        }
    }

    #[test]
    fn a_long_text_is_counted_in_part() {
        let text = "one two three four ".repeat(50_000);
        let tokens = count("gpt-5", &text);
        assert!((200_000..=210_000).contains(&tokens), "{tokens}");
    }
}
