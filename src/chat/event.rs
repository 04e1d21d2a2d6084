//! The grammar that all answers share, streamed or whole.
//!
//! `Start` first and once; every block is opened before anything is said about it and closed once,
//! before its candidate's `Stop`; then `Usage` if it is known, then `End`. `Fault` ends an answer that
//! has no end. Several blocks may be open at once.

use std::borrow::Cow;

use super::{CallKind, Citation, Fault, Json, Opaque, Part, ReasonKind, Stop, Tier, Usage};

/// One thing that happens in an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// It begins.
    Start(Start<'a>),
    /// A block begins. Numbers go up from 0 in the order of first appearance.
    Open {
        /// Its number, unique in the answer.
        block: u32,
        /// Which of several answers it belongs to; 0 where there is one.
        candidate: u32,
        /// What it is.
        opening: Opening<'a>,
    },
    /// More of a text block. Never empty.
    Text {
        /// The block.
        block: u32,
        /// The text.
        text: Cow<'a, str>,
        /// Its log probabilities, as [`Text::logprobs`](super::Text::logprobs).
        logprobs: Option<Json<'a>>,
    },
    /// More of a refusal. Never empty.
    Refusal {
        /// The block.
        block: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// More visible reasoning. Never empty.
    Reason {
        /// The block.
        block: u32,
        /// What kind.
        kind: ReasonKind,
        /// Which part of the summary; goes up.
        index: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// More of a call's arguments, as the model wrote them. A call that closes without any has none.
    Arguments {
        /// The block.
        block: u32,
        /// The text.
        text: Cow<'a, str>,
    },
    /// State for this block that the provider wants back. A later one of the same kind replaces it.
    Signature {
        /// The block.
        block: u32,
        /// The state.
        opaque: Opaque<'a>,
    },
    /// Where the block's text is from.
    Cite {
        /// The block.
        block: u32,
        /// The citation.
        citation: Citation<'a>,
    },
    /// The block is complete.
    Close {
        /// The block.
        block: u32,
    },
    /// A block that comes all at once: media, what the provider did itself, what one format has.
    Part {
        /// Which of several answers it belongs to.
        candidate: u32,
        /// The block.
        part: Part<'a>,
    },
    /// What it cost so far; replaces what was said before.
    Usage(Usage),
    /// One of several answers ended.
    Stop {
        /// Which.
        candidate: u32,
        /// Why.
        stop: Stop<'a>,
    },
    /// All of it is here.
    End,
    /// It has no end.
    Fault(Fault),
}

/// How an answer begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Start<'a> {
    /// The provider's id for it.
    pub id: Option<Cow<'a, str>>,
    /// The provider's name for the model.
    pub model: Option<Cow<'a, str>>,
    /// When, in unix seconds.
    pub created: Option<u64>,
    /// What is known about its cost.
    pub usage: Option<Usage>,
    /// How it was served.
    pub tier: Option<Tier>,
    /// `system_fingerprint` (OpenAI Chat).
    pub fingerprint: Option<Cow<'a, str>>,
}

/// What a block is that comes in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening<'a> {
    /// Text.
    Text,
    /// The model declines.
    Refusal,
    /// Reasoning.
    Reasoning,
    /// A call for the client to run.
    ToolCall {
        /// Pairs it with its result.
        id: Cow<'a, str>,
        /// The tool.
        name: Cow<'a, str>,
        /// How it is run.
        kind: CallKind,
        /// The namespace of the tool (OpenAI Responses).
        namespace: Option<Cow<'a, str>>,
    },
}
