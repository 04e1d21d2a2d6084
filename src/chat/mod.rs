//! The neutral model of a conversation, in which no provider's format is privileged.
//!
//! A [`Request`] is what a client asks; an answer is a sequence of [`Event`]s, which [`Fold`] makes into
//! an [`Answer`]. What only one format understands is carried as text, tagged with its origin, and goes
//! back only to that format. What a translation drops or changes is noted in [`Losses`].

mod answer;
mod event;
mod fault;
mod format;
mod glob;
mod json;
mod lazy;
mod loss;
mod media;
mod owned;
mod part;
mod reasoning;
mod request;
mod stop;
mod tool;
mod usage;

pub use answer::{Answer, Candidate, Fold};
pub use event::{Event, Opening, Start};
pub use fault::{Fault, FaultKind};
pub use format::Format;
pub use glob::{Glob, InvalidGlob};
pub use json::{Extra, Json};
pub use lazy::LazyStr;
pub use loss::{Change, Loss, Losses, OnLoss, Place};
pub use media::{Audio, Detail, Document, Image, Source, Video};
pub use part::{
    CacheMark, CallKind, Citation, CitationKind, Content, Native, Part, ServerCall, ServerResult,
    ServerTool, Text, ToolCall, ToolResult, WebSource,
};
pub use reasoning::{
    Effort, Expose, Opaque, OpaqueKind, ReasonKind, ReasonText, Reasoned, Reasoning, ReasoningMode,
};
pub use request::{
    Caching, Level, Logprobs, Modality, Output, OutputFormat, Request, Role, Sampling, State, Tier,
    Turn, User, Verbosity,
};
pub use stop::{Stop, StopReason};
pub use tool::{
    Common, CustomFormat, CustomTool, Function, Location, McpServer, ProviderKind, ProviderTool,
    Tool, ToolChoice, ToolKind,
};
pub use usage::{CacheWrites, Odd, Usage};
