//! Reasoning: how much is asked for, what came, and the state that providers want back.

use std::borrow::Cow;

use super::Format;

/// How much a model should think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasoning {
    /// Whether it should.
    pub mode: ReasoningMode,
    /// How hard, in words.
    pub effort: Option<Effort>,
    /// How hard, in tokens; −1: as the model likes.
    pub budget: Option<i64>,
    /// What the client wants to see of it; `None`: it did not say.
    pub expose: Option<Expose>,
}

/// Whether a model should think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReasoningMode {
    /// Yes.
    On,
    /// No.
    Off,
    /// As it likes.
    Auto,
}

/// How hard a model should think, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// Very much.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// All of them, weakest first.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Minimal,
        Self::Low,
        Self::Medium,
        Self::High,
        Self::XHigh,
        Self::Max,
    ];

    /// The word that all formats use (Gemini in capitals).
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of that name, in any case.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|effort| effort.name().eq_ignore_ascii_case(name))
    }
}

/// What a client wants to see of the reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expose {
    /// Nothing.
    Nothing,
    /// A summary, as the model likes.
    Auto,
    /// A short summary.
    Concise,
    /// A long summary.
    Detailed,
    /// All of it.
    Full,
}

/// One stretch of reasoning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reasoned<'a> {
    /// What is visible of it.
    pub texts: Vec<ReasonText<'a>>,
    /// What its provider wants back.
    pub opaque: Vec<Opaque<'a>>,
    /// The id of the item it was in (OpenAI Responses).
    pub id: Option<Cow<'a, str>>,
}

impl Reasoned<'_> {
    /// The visible text, parts of a summary separated by a blank line.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.texts[..] {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(&one.text),
            many => {
                let texts: Vec<&str> = many.iter().map(|part| &*part.text).collect();
                Cow::Owned(texts.join("\n\n"))
            }
        }
    }
}

/// A piece of visible reasoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonText<'a> {
    /// What kind of text.
    pub kind: ReasonKind,
    /// The text.
    pub text: Cow<'a, str>,
}

/// What a reasoning text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReasonKind {
    /// A summary made for people.
    Summary,
    /// The reasoning itself.
    Raw,
}

/// State that a provider hands out and wants back unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque<'a> {
    /// Whose it is.
    pub origin: Format,
    /// What it is.
    pub kind: OpaqueKind,
    /// The family of the model that made it; empty when it came natively, from a client of its own
    /// format.
    pub family: Cow<'a, str>,
    /// The state, as the provider wrote it.
    pub data: Cow<'a, str>,
}

/// What kind of state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpaqueKind {
    /// Signs a visible text (Anthropic `thinking.signature`).
    Signature,
    /// Holds the reasoning itself (OpenAI `encrypted_content`). From a carrier the data is the compact
    /// JSON of `{"id":…,"encrypted_content":…}`.
    Encrypted,
    /// Holds reasoning that may not be shown (Anthropic `redacted_thinking.data`).
    Redacted,
    /// Gemini's `thoughtSignature`, in base64.
    Thought,
}
