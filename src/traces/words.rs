//! The words in spans: OpenTelemetry's where it has one.

use crate::chat::FaultKind;

/// What a Gemini request for an answer does.
pub const GENERATE_CONTENT: &str = "generate_content";
/// What a request for the number of tokens does.
pub const COUNT_TOKENS: &str = "count_tokens";
/// A pooled connection turned out to be closed.
pub const STALE_CONNECTION: &str = "stale_connection";

/// OpenTelemetry's name for a provider, where it is not the preset's.
pub fn provider(preset: &'static str) -> Option<&'static str> {
    match preset {
        "" => None,
        "gemini" | "antigravity" => Some("gcp.gemini"),
        "mistral" => Some("mistral_ai"),
        "xai" => Some("x_ai"),
        other => Some(other),
    }
}

/// A kind of error as a word.
pub fn kind(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Auth => "authentication",
        FaultKind::Permission => "permission",
        FaultKind::RateLimit => "rate_limit",
        FaultKind::Billing => "billing",
        FaultKind::Overloaded => "overloaded",
        FaultKind::Timeout => "timeout",
        FaultKind::BadUpstream => "bad_upstream",
        FaultKind::Internal => "internal",
        FaultKind::ModelNotFound => "model_not_found",
        FaultKind::NotFound => "not_found",
        _ => "invalid_request",
    }
}
