//! What the two OpenAI formats share: how an error is written.

use crate::chat::{Fault, FaultKind};

use super::fault::{Dialect, phrase};
use super::json::{quote, quote_or_null};

/// An error in OpenAI's words.
pub(super) struct OpenAiError {
    pub(super) status: u16,
    class: &'static str,
    code: Option<String>,
    message: String,
    param: Option<String>,
}

impl OpenAiError {
    pub(super) fn new(fault: &Fault) -> Self {
        let (status, class, code) = words(fault.kind);
        let message = match fault.kind {
            FaultKind::ContextLength => phrase(Dialect::OpenAi, &fault.message),
            _ => fault.message.as_ref().into(),
        };
        Self {
            status,
            class,
            code: fault.code.as_deref().or(code).map(str::to_owned),
            message: message.into_owned(),
            param: fault.param.as_deref().map(str::to_owned),
        }
    }

    /// `{"message":…,"type":…,"param":…,"code":…}`
    pub(super) fn object(&self) -> String {
        format!(
            r#"{{"message":{},"type":{},"param":{},"code":{}}}"#,
            quote(&self.message),
            quote(self.class),
            quote_or_null(self.param.as_deref()),
            quote_or_null(self.code.as_deref()),
        )
    }

    /// The members of an error event outside of its `error` object, for clients that look there.
    pub(super) fn flat_members(&self) -> String {
        format!(
            r#""code":{},"message":{},"param":{}"#,
            quote_or_null(self.code.as_deref()),
            quote(&self.message),
            quote_or_null(self.param.as_deref()),
        )
    }

    /// The error of a failed response, whose code is never null.
    pub(super) fn response_error(&self) -> String {
        format!(
            r#"{{"code":{},"message":{}}}"#,
            quote(self.code.as_deref().unwrap_or("server_error")),
            quote(&self.message),
        )
    }
}

/// Status, type and code of a kind of fault.
const fn words(kind: FaultKind) -> (u16, &'static str, Option<&'static str>) {
    const INVALID: &str = "invalid_request_error";
    const SERVER: &str = "server_error";
    match kind {
        FaultKind::InvalidRequest => (400, INVALID, None),
        FaultKind::ContextLength => (400, INVALID, Some("context_length_exceeded")),
        FaultKind::ContentPolicy => (400, INVALID, Some("content_policy_violation")),
        FaultKind::Auth => (401, INVALID, Some("invalid_api_key")),
        FaultKind::Permission => (403, "permission_error", None),
        FaultKind::Billing => (429, "insufficient_quota", Some("insufficient_quota")),
        FaultKind::NotFound => (404, INVALID, None),
        FaultKind::ModelNotFound => (404, INVALID, Some("model_not_found")),
        FaultKind::Conflict => (409, INVALID, None),
        FaultKind::TooLarge => (413, INVALID, Some("request_too_large")),
        FaultKind::UnsupportedMedia => (400, INVALID, None),
        FaultKind::Unprocessable => (422, INVALID, None),
        FaultKind::RateLimit => (429, "rate_limit_error", Some("rate_limit_exceeded")),
        FaultKind::Overloaded => (503, SERVER, Some("overloaded")),
        FaultKind::Internal => (500, SERVER, None),
        FaultKind::BadUpstream => (502, SERVER, Some("bad_upstream")),
        FaultKind::MethodNotAllowed => (405, INVALID, Some("method_not_allowed")),
        FaultKind::SlowRequest => (408, INVALID, Some("request_timeout")),
        FaultKind::HeadersTooLarge => (431, INVALID, Some("headers_too_large")),
        FaultKind::Timeout => (504, SERVER, Some("timeout")),
        FaultKind::Cancelled => (499, INVALID, None),
        FaultKind::NotImplemented => (501, INVALID, Some("unsupported")),
    }
}
