//! The prompt is too long: recognised by its words and said again in the words of the client's
//! format, because agents match on them to know that they must compact the conversation.

use std::borrow::Cow;

/// Whose words to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Chat Completions and Responses.
    OpenAi,
    /// Messages.
    Claude,
    /// generateContent.
    Gemini,
}

impl Dialect {
    /// Words of this format, in lower case, that clients know already.
    const fn native(self) -> [&'static str; 2] {
        match self {
            Self::OpenAi => ["maximum context length", "context window"],
            Self::Claude => ["prompt is too long", "input length and `max_tokens` exceed"],
            Self::Gemini => ["input token count", "exceeds the maximum number of tokens"],
        }
    }
}

/// Whether a message in lower case says that the prompt is too long.
pub(super) fn is_meant(message: &str) -> bool {
    [
        "prompt is too long",
        "maximum context length",
        "context window",
        "exceeds the maximum number of tokens",
    ]
    .iter()
    .any(|words| message.contains(words))
        || follow(message, "input token count", "exceeds")
        || follow(
            &message.replace('`', ""),
            "input length and max_tokens",
            "exceed",
        )
}

/// The message in the words of a format.
pub fn phrase(dialect: Dialect, message: &str) -> Cow<'_, str> {
    let lower = message.to_ascii_lowercase();
    if dialect.native().iter().any(|words| lower.contains(words)) {
        return Cow::Borrowed(message);
    }
    Cow::Owned(match (dialect, sizes(message)) {
        (Dialect::OpenAi, Some((asked, allowed))) => format!(
            "This model's maximum context length is {allowed} tokens. However, your messages resulted in {asked} tokens. Please reduce the length of the messages."
        ),
        (Dialect::OpenAi, None) => {
            format!("Your input exceeds the context window of this model. {message}")
        }
        (Dialect::Claude, Some((asked, allowed))) => {
            format!("prompt is too long: {asked} tokens > {allowed} maximum")
        }
        (Dialect::Claude, None) => format!("prompt is too long: {message}"),
        (Dialect::Gemini, Some((asked, allowed))) => format!(
            "The input token count ({asked}) exceeds the maximum number of tokens allowed ({allowed})."
        ),
        (Dialect::Gemini, None) => {
            format!("The input token count exceeds the maximum number of tokens allowed. {message}")
        }
    })
}

fn follow(text: &str, first: &str, second: &str) -> bool {
    text.find(first)
        .is_some_and(|at| text[at..].contains(second))
}

/// How many tokens were asked for and how many are allowed.
fn sizes(message: &str) -> Option<(u64, u64)> {
    let numbers = numbers(message);
    let (first, second) = match numbers[..] {
        // Anthropic: "188240 + 21333 > 200000", prompt and answer together.
        [prompt, answer, allowed, ..] if message.contains(&format!("{prompt} + {answer}")) => {
            (prompt + answer, allowed)
        }
        [first, second, ..] => (first, second),
        _ => return None,
    };
    (first != second).then(|| (first.max(second), first.min(second)))
}

/// The numbers of a message that can be token counts, not parts of names.
fn numbers(message: &str) -> Vec<u64> {
    let is_name = |character: char| character.is_alphanumeric() || "-_./:".contains(character);
    message
        .split(|character: char| !is_name(character) && character != ',')
        .map(|word| word.trim_matches(|character: char| !character.is_ascii_alphanumeric()))
        .filter_map(|word| word.replace(',', "").parse().ok())
        .filter(|number| (100..1 << 40).contains(number))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPENAI: &str = "This model's maximum context length is 128000 tokens. However, your messages resulted in 140001 tokens. Please reduce the length of the messages.";
    const CLAUDE: &str = "prompt is too long: 140001 tokens > 128000 maximum";
    const GEMINI: &str =
        "The input token count (140001) exceeds the maximum number of tokens allowed (128000).";

    #[test]
    fn each_format_says_it_in_its_own_words() {
        for message in [OPENAI, CLAUDE, GEMINI] {
            assert!(is_meant(&message.to_ascii_lowercase()));
            assert_eq!(phrase(Dialect::OpenAi, message), OPENAI);
            assert_eq!(phrase(Dialect::Claude, message), CLAUDE);
            assert_eq!(phrase(Dialect::Gemini, message), GEMINI);
        }
    }

    #[test]
    fn native_words_are_kept_whole() {
        let message = "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease it";
        assert!(is_meant(message));
        assert_eq!(phrase(Dialect::Claude, message), message);
        assert_eq!(
            phrase(Dialect::Gemini, message),
            "The input token count (209573) exceeds the maximum number of tokens allowed (200000)."
        );
        let window =
            "Your input exceeds the context window of this model. Please adjust your input.";
        assert!(is_meant(&window.to_ascii_lowercase()));
        assert_eq!(phrase(Dialect::OpenAi, window), window);
        assert_eq!(
            phrase(Dialect::Claude, window),
            format!("prompt is too long: {window}")
        );
    }

    #[test]
    fn names_are_no_numbers() {
        assert_eq!(
            numbers("gpt-4-32768 takes 1,000 (of 8192), not v2.5000: 7."),
            [1000, 8192]
        );
    }

    #[test]
    fn other_messages_are_not_meant() {
        for message in [
            "max_tokens must be positive",
            "rate limit reached",
            "string too long",
        ] {
            assert!(!is_meant(message), "{message}");
        }
    }
}
