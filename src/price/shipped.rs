//! Prices that are shipped: a convenience with a date, for whoever has not written down their own. They are
//! the public list prices in US dollars for pay-as-you-go use of the provider's own API. Models whose price
//! is not certain, differs by contract or is in another currency are left out: their cost is unknown.

use std::sync::Arc;

use super::{Dollars, Given, Price, Row};
use crate::chat::Glob;

/// The day for which they hold.
pub const DATE: &str = "2025-12-01";

/// Models of one price.
struct Line {
    provider: &'static str,
    models: &'static [&'static str],
    base: Given,
    tiers: &'static [(u64, Given)],
    web_search: Dollars,
}

/// The rows, with their version.
pub fn shipped() -> Vec<Row> {
    let version: Arc<str> = format!("shipped-{DATE}").into();
    let mut rows = Vec::new();
    for line in LINES {
        let price = Price {
            version: Arc::clone(&version),
            ..Price::new(line.base, line.tiers, Dollars::ZERO, line.web_search)
        };
        let price = Arc::new(price);
        // All of them are patterns: a test looks.
        let models = line
            .models
            .iter()
            .filter_map(|glob| Glob::try_new(glob).ok());
        rows.extend(models.map(|model| Row {
            provider: Some(line.provider.into()),
            model,
            price: Arc::clone(&price),
        }));
    }
    rows
}

#[rustfmt::skip]
static LINES: &[Line] = &[
    // https://docs.claude.com/en/docs/about-claude/pricing: writes 1.25 and 2 times the input, reads a tenth.
    claude(&["claude-opus-4-5*"], claude_tokens("5", "6.25", "10", "0.5", "25")),
    claude(&["claude-opus-4-1*", "claude-opus-4-0", "claude-opus-4-20*", "claude-3-opus-*"],
        claude_tokens("15", "18.75", "30", "1.5", "75")),
    Line { tiers: &[(200_000, claude_tokens("6", "7.5", "12", "0.6", "22.5"))],
        ..claude(&["claude-sonnet-4-5*", "claude-sonnet-4-0", "claude-sonnet-4-20*"], SONNET) },
    claude(&["claude-3-7-sonnet-*", "claude-3-5-sonnet-*"], SONNET),
    claude(&["claude-haiku-4-5*"], claude_tokens("1", "1.25", "2", "0.1", "5")),
    claude(&["claude-3-5-haiku-*"], claude_tokens("0.8", "1", "1.6", "0.08", "4")),
    claude(&["claude-3-haiku-*"], claude_tokens("0.25", "0.3", "0.5", "0.03", "1.25")),

    // https://platform.openai.com/docs/pricing, standard processing.
    openai(&["gpt-5", "gpt-5-20*", "gpt-5-chat-latest", "gpt-5-codex", "gpt-5.1", "gpt-5.1-20*",
        "gpt-5.1-chat-latest", "gpt-5.1-codex"], tokens("1.25", "10").read("0.125")),
    openai(&["gpt-5-mini", "gpt-5-mini-20*", "gpt-5.1-codex-mini"], tokens("0.25", "2").read("0.025")),
    openai(&["gpt-5-nano", "gpt-5-nano-20*"], tokens("0.05", "0.4").read("0.005")),
    openai(&["gpt-5-pro", "gpt-5-pro-20*"], tokens("15", "120")),
    openai(&["gpt-4.1", "gpt-4.1-20*"], tokens("2", "8").read("0.5")),
    openai(&["gpt-4.1-mini", "gpt-4.1-mini-20*"], tokens("0.4", "1.6").read("0.1")),
    openai(&["gpt-4.1-nano", "gpt-4.1-nano-20*"], tokens("0.1", "0.4").read("0.025")),
    openai(&["gpt-4o-2024-05-13"], tokens("5", "15")),
    openai(&["gpt-4o", "gpt-4o-20*"], tokens("2.5", "10").read("1.25")),
    openai(&["gpt-4o-mini", "gpt-4o-mini-20*"], tokens("0.15", "0.6").read("0.075")),
    openai(&["o1", "o1-20*"], tokens("15", "60").read("7.5")),
    openai(&["o1-pro", "o1-pro-20*"], tokens("150", "600")),
    openai(&["o3", "o3-20*"], tokens("2", "8").read("0.5")),
    openai(&["o3-pro", "o3-pro-20*"], tokens("20", "80")),
    openai(&["o1-mini", "o1-mini-20*", "o3-mini", "o3-mini-20*"], tokens("1.1", "4.4").read("0.55")),
    openai(&["o4-mini", "o4-mini-20*"], tokens("1.1", "4.4").read("0.275")),
    openai(&["gpt-4-turbo", "gpt-4-turbo-20*"], tokens("10", "30")),
    openai(&["gpt-4", "gpt-4-0613"], tokens("30", "60")),
    openai(&["gpt-3.5-turbo", "gpt-3.5-turbo-0125"], tokens("0.5", "1.5")),
    openai(&["text-embedding-3-small"], tokens("0.02", "0")),
    openai(&["text-embedding-3-large"], tokens("0.13", "0")),

    // https://ai.google.dev/gemini-api/docs/pricing, the paid tier.
    Line { tiers: &[(200_000, tokens("4", "18").read("0.4"))],
        ..line("gemini", &["gemini-3-pro-preview"], tokens("2", "12").read("0.2")) },
    Line { tiers: &[(200_000, tokens("2.5", "15").read("0.25"))],
        ..line("gemini", &["gemini-2.5-pro"], tokens("1.25", "10").read("0.125")) },
    line("gemini", &["gemini-2.5-flash"], tokens("0.3", "2.5").read("0.03").hear("1")),
    line("gemini", &["gemini-2.5-flash-lite"], tokens("0.1", "0.4").read("0.01").hear("0.3")),
    line("gemini", &["gemini-2.0-flash", "gemini-2.0-flash-001"], tokens("0.1", "0.4").read("0.025").hear("0.7")),

    // https://api-docs.deepseek.com/quick_start/pricing
    line("deepseek", &["deepseek-chat", "deepseek-reasoner"], tokens("0.28", "0.42").read("0.028")),
    // https://groq.com/pricing
    line("groq", &["llama-3.3-70b-versatile"], tokens("0.59", "0.79")),
    line("groq", &["llama-3.1-8b-instant"], tokens("0.05", "0.08")),
    // https://mistral.ai/pricing
    line("mistral", &["mistral-large-2411"], tokens("2", "6")),
    line("mistral", &["mistral-medium-2505", "mistral-medium-2508"], tokens("0.4", "2")),
    line("mistral", &["codestral-2501", "codestral-2508"], tokens("0.3", "0.9")),
    // https://docs.x.ai/docs/models
    line("xai", &["grok-3"], tokens("3", "15").read("0.75")),
    line("xai", &["grok-3-mini"], tokens("0.3", "0.5").read("0.075")),
    line("xai", &["grok-code-fast-1"], tokens("0.2", "1.5").read("0.02")),
    // https://platform.moonshot.ai/docs/pricing
    line("moonshot", &["kimi-k2-0711-preview", "kimi-k2-0905-preview", "kimi-k2-thinking"],
        tokens("0.6", "2.5").read("0.15")),
];

const SONNET: Given = claude_tokens("3", "3.75", "6", "0.3", "15");

const fn line(provider: &'static str, models: &'static [&'static str], base: Given) -> Line {
    Line {
        provider,
        models,
        base,
        tiers: &[],
        web_search: Dollars::ZERO,
    }
}

const fn claude(models: &'static [&'static str], base: Given) -> Line {
    Line {
        // Ten dollars for a thousand.
        web_search: dollars("0.01"),
        ..line("anthropic", models, base)
    }
}

const fn openai(models: &'static [&'static str], base: Given) -> Line {
    line("openai", models, base)
}

const fn tokens(input: &str, output: &str) -> Given {
    Given {
        input: Some(dollars(input)),
        output: Some(dollars(output)),
        cache_read: None,
        cache_write: None,
        cache_write_long: None,
        audio_input: None,
        image_input: None,
        reasoning: None,
        audio_output: None,
        image_output: None,
    }
}

const fn claude_tokens(input: &str, minutes: &str, hour: &str, read: &str, output: &str) -> Given {
    Given {
        cache_write: Some(dollars(minutes)),
        cache_write_long: Some(dollars(hour)),
        ..tokens(input, output).read(read)
    }
}

impl Given {
    /// With a price of what is read from a cache.
    const fn read(self, price: &str) -> Self {
        Self {
            cache_read: Some(dollars(price)),
            ..self
        }
    }

    /// With a price of sound in the input.
    const fn hear(self, price: &str) -> Self {
        Self {
            audio_input: Some(dollars(price)),
            ..self
        }
    }
}

/// A price in the table, which does not compile with another text.
const fn dollars(text: &str) -> Dollars {
    match Dollars::read(text) {
        Some(dollars) => dollars,
        None => panic!("a shipped price is no price"),
    }
}
