//! Which kind of error it is: by the provider's most exact word first, then by its vaguest, then by
//! the HTTP status.
//!
//! Why are some words vague? `invalid_request_error` and `server_error` come with any status of
//! their family, a 429 among them; there the status says more, and what may be retried must stay so.

use crate::chat::FaultKind;

use super::context_length;
use super::report::Report;

pub(super) fn kind(report: &Report<'_>, status: u16) -> FaultKind {
    let words = [&report.reason, &report.code, &report.class, &report.status].map(|word| {
        word.as_deref()
            .map(str::to_ascii_lowercase)
            .unwrap_or_default()
    });
    let named = words.iter().find_map(|word| exact(word));
    let kind = named
        .or_else(|| words.iter().find_map(|word| vague(word, status)))
        .unwrap_or_else(|| by_status(status));
    by_message(kind, report)
}

/// Codes, types, statuses and reasons that say it all.
fn exact(word: &str) -> Option<FaultKind> {
    Some(match word {
        "context_length_exceeded" | "context_window_exceeded" | "prompt_too_long" => {
            FaultKind::ContextLength
        }
        "content_filter" | "moderation_blocked" | "content_blocked" => FaultKind::ContentPolicy,
        _ if word.contains("policy") => FaultKind::ContentPolicy,
        "invalid_api_key"
        | "api_key_invalid"
        | "authentication_error"
        | "unauthenticated"
        | "unauthorized"
        | "invalid_authentication_error"
        | "credentials_missing"
        | "access_token_expired"
        | "access_token_type_unsupported"
        | "token_expired"
        | "account_deactivated" => FaultKind::Auth,
        "permission_error"
        | "permission_denied"
        | "service_disabled"
        | "consumer_suspended"
        | "consumer_invalid"
        | "api_key_service_blocked"
        | "api_key_http_referrer_blocked"
        | "api_key_ip_address_blocked"
        | "access_token_scope_insufficient"
        | "unsupported_country_region_territory"
        | "user_location_invalid" => FaultKind::Permission,
        "insufficient_quota"
        | "billing_error"
        | "billing_disabled"
        | "billing_not_active"
        | "billing_hard_limit_reached"
        | "exceeded_current_quota_error"
        | "insufficient_balance"
        | "insufficient_credits"
        | "quota_exhausted"
        | "quota_exceeded" => FaultKind::Billing,
        "model_not_found" | "deploymentnotfound" | "model_not_supported" | "invalid_model" => {
            FaultKind::ModelNotFound
        }
        "not_found_error" | "not_found" => FaultKind::NotFound,
        "conflict_error" | "aborted" | "already_exists" => FaultKind::Conflict,
        "request_too_large" => FaultKind::TooLarge,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "rate_limit_reached"
        | "rate_limited"
        | "requests"
        | "tokens"
        | "too_many_requests"
        | "resource_exhausted" => FaultKind::RateLimit,
        "overloaded_error"
        | "overloaded"
        | "slow_down"
        | "unavailable"
        | "service_unavailable"
        | "engine_overloaded_error"
        | "model_capacity_exhausted"
        | "server_overloaded" => FaultKind::Overloaded,
        "timeout_error" | "timeout" | "request_timeout" | "deadline_exceeded" => FaultKind::Timeout,
        "unimplemented" => FaultKind::NotImplemented,
        _ => return None,
    })
}

/// Words for a whole family of errors: they count where the status does not say more.
fn vague(word: &str, status: u16) -> Option<FaultKind> {
    match word {
        "invalid_request_error"
        | "invalid_argument"
        | "failed_precondition"
        | "out_of_range"
        | "invalid_prompt"
        | "invalid_value"
        | "bad_request"
            if status < 400 =>
        {
            Some(FaultKind::InvalidRequest)
        }
        // A provider's `cancelled` does not mean that our client left.
        "server_error"
        | "api_error"
        | "internal_error"
        | "internal_server_error"
        | "internal"
        | "unknown"
        | "data_loss"
        | "cancelled"
            if status < 500 && status != 429 =>
        {
            Some(FaultKind::Internal)
        }
        _ => None,
    }
}

const fn by_status(status: u16) -> FaultKind {
    match status {
        401 => FaultKind::Auth,
        402 => FaultKind::Billing,
        403 => FaultKind::Permission,
        404 => FaultKind::NotFound,
        405 => FaultKind::MethodNotAllowed,
        // The gateway had sent all of it, so the slow one is the provider.
        408 | 504 | 524 => FaultKind::Timeout,
        409 => FaultKind::Conflict,
        413 => FaultKind::TooLarge,
        415 => FaultKind::UnsupportedMedia,
        422 => FaultKind::Unprocessable,
        429 => FaultKind::RateLimit,
        431 => FaultKind::HeadersTooLarge,
        499 => FaultKind::Internal,
        400..=498 => FaultKind::InvalidRequest,
        501 => FaultKind::NotImplemented,
        300..=399 | 502 | 520..=523 => FaultKind::BadUpstream,
        503 | 529 => FaultKind::Overloaded,
        _ => FaultKind::Internal,
    }
}

/// What only the message tells apart.
fn by_message(kind: FaultKind, report: &Report<'_>) -> FaultKind {
    use FaultKind::{
        Auth, Billing, ContextLength, InvalidRequest, ModelNotFound, NotFound, Permission,
        RateLimit, TooLarge, Unprocessable,
    };
    let message = report
        .message
        .as_deref()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_missing_model = message.contains("model")
        && (message.contains("does not exist")
            || (kind == NotFound && message.contains("not found")));
    match kind {
        InvalidRequest | TooLarge | Unprocessable if context_length::is_meant(&message) => {
            ContextLength
        }
        // Anthropic answers 400 for an account without credit.
        InvalidRequest | Permission if message.contains("credit balance is too low") => Billing,
        // Google answers 400 FAILED_PRECONDITION for a project without billing.
        InvalidRequest
            if report.status.as_deref() == Some("FAILED_PRECONDITION")
                && message.contains("billing") =>
        {
            Billing
        }
        InvalidRequest if message.starts_with("api key not valid") => Auth,
        InvalidRequest | NotFound if is_missing_model => ModelNotFound,
        // Anthropic: `not_found_error` with nothing but `model: <name>`; Gemini's is found above,
        // unless it says `models/x is not found`.
        NotFound if message.starts_with("model: ") || message.starts_with("models/") => {
            ModelNotFound
        }
        RateLimit if report.is_daily_quota => Billing,
        kind => kind,
    }
}
