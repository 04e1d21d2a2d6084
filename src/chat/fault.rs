//! What went wrong, in neutral words. Each wire format turns a [`Fault`] into its own status, type
//! and body, and reads its own errors back into one.

use std::borrow::Cow;
use std::time::Duration;

/// The class of an error: decides status and type in every format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// The request is malformed or asks for something impossible.
    InvalidRequest,
    /// The prompt does not fit the model's context window.
    ContextLength,
    /// The input was refused by a content policy.
    ContentPolicy,
    /// No key, or a wrong one.
    Auth,
    /// The key is known but may not do this.
    Permission,
    /// Credit or quota is used up; waiting a minute will not help.
    Billing,
    /// The path or object does not exist.
    NotFound,
    /// No such model here.
    ModelNotFound,
    /// The object is in another state than the request assumes.
    Conflict,
    /// The body is over a limit.
    TooLarge,
    /// The content type or encoding is not one we read.
    UnsupportedMedia,
    /// Well-formed but semantically wrong (422).
    Unprocessable,
    /// Too many requests or tokens for now.
    RateLimit,
    /// The provider or the gateway has no capacity right now.
    Overloaded,
    /// A bug on the answering side.
    Internal,
    /// The provider's answer could not be used.
    BadUpstream,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The client's body did not arrive in time.
    SlowRequest,
    /// The request's headers are over a limit.
    HeadersTooLarge,
    /// The provider did not answer in time.
    Timeout,
    /// The client went away.
    Cancelled,
    /// The gateway cannot do this (yet).
    NotImplemented,
}

impl FaultKind {
    /// All of them, in their order.
    pub const ALL: [Self; 22] = [
        Self::InvalidRequest,
        Self::ContextLength,
        Self::ContentPolicy,
        Self::Auth,
        Self::Permission,
        Self::Billing,
        Self::NotFound,
        Self::ModelNotFound,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Unprocessable,
        Self::RateLimit,
        Self::Overloaded,
        Self::Internal,
        Self::BadUpstream,
        Self::MethodNotAllowed,
        Self::SlowRequest,
        Self::HeadersTooLarge,
        Self::Timeout,
        Self::Cancelled,
        Self::NotImplemented,
    ];
}

/// One error on its way to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Decides status and type.
    pub kind: FaultKind,
    /// Stable, machine-readable, snake_case; never changes between versions. Gateway errors always
    /// have one; for errors of a provider it is the provider's own code, if it sent one.
    pub code: Option<Cow<'static, str>>,
    /// For people. Names the value that is wrong; never a key, an account or an internal host.
    pub message: Cow<'static, str>,
    /// The request field at fault, in the client's own spelling.
    pub param: Option<Cow<'static, str>>,
    /// How long to wait before trying again.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A gateway error with its stable `code`.
    pub fn new(kind: FaultKind, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            code: Some(Cow::Borrowed(code)),
            message: message.into(),
            param: None,
            retry_after: None,
        }
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Says when to come back.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}
