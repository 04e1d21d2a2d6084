//! Why an answer ended.

use std::borrow::Cow;

use super::Native;

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop<'a> {
    /// The reason.
    pub reason: StopReason,
    /// The stop sequence that was met.
    pub sequence: Option<Cow<'a, str>>,
    /// What the provider says about it.
    pub detail: Option<Cow<'a, str>>,
    /// As its own format writes it (`stop_details`).
    pub native: Option<Native<'a>>,
}

impl Stop<'_> {
    /// Only a reason.
    pub const fn new(reason: StopReason) -> Self {
        Self {
            reason,
            sequence: None,
            detail: None,
            native: None,
        }
    }
}

/// The reasons that formats can tell apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// It was done.
    Stop,
    /// It wrote one of the client's stop sequences.
    StopSequence,
    /// It waits for the client's tools.
    ToolUse,
    /// As long as it may be.
    Length,
    /// The context window is full.
    ContextWindow,
    /// The model declined.
    Refusal,
    /// A safety filter stepped in.
    Safety,
    /// It would have recited its training data.
    Recitation,
    /// The provider paused a long turn of its own tools.
    Pause,
    /// The model wrote a call that is none.
    MalformedTool,
    /// The conversation was compacted.
    Compaction,
    /// Somebody cancelled it.
    Cancelled,
    /// Something else, in the provider's own word.
    Other(String),
}
