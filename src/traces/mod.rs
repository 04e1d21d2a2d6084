//! Traces: one span for each request and one for each of its tries, with OpenTelemetry's names for
//! generative AI, sent to a collector over OTLP.
//!
//! They are compiled in with the feature `otel` and made where `otel.endpoint` is set. Without the feature
//! nobody can make [`Traces`], and an `Option` of it is all that a request looks at. Spans hold
//! names and numbers, never a prompt, a key or a query.

pub mod words;

#[cfg(feature = "otel")]
mod export;
#[cfg(feature = "otel")]
mod spans;

#[cfg(not(feature = "otel"))]
mod off;

#[cfg(not(feature = "otel"))]
pub use off::{Exporting, RequestTrace, Traces, start};
#[cfg(feature = "otel")]
pub use {
    export::Exporting,
    spans::{RequestTrace, Traces, start},
};

/// Why there are no traces.
#[derive(Debug, thiserror::Error)]
#[error("cannot send traces: {0}")]
pub struct CannotTrace(String);

/// One try, as it begins.
#[derive(Debug, Clone, Copy)]
pub struct Tried<'a> {
    /// What is done, in OpenTelemetry's words.
    pub operation: Option<&'static str>,
    /// The provider, in OpenTelemetry's words where it has one.
    pub provider: &'a str,
    /// The operator's name for the account.
    pub account: &'a str,
    /// The provider's name for the model; may be empty.
    pub model: &'a str,
    /// Where it goes.
    pub host: &'a str,
    /// The same.
    pub port: u16,
    /// Tries before it.
    pub before: u32,
}

/// How a request or a try has ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ended<'a> {
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What went wrong, as a word of a small set.
    pub error: Option<&'a str>,
    /// Tokens of the request, if the answer told.
    pub input_tokens: Option<u64>,
    /// Tokens of the answer, if it told.
    pub output_tokens: Option<u64>,
    /// The model that the answer names.
    pub answered_by: Option<&'a str>,
}
