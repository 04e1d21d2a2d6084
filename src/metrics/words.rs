//! The values of labels that this program knows, so that each has a place in an array.

use crate::chat::{Change, FaultKind};
use crate::wire::Format;

/// A format, or none of them.
pub(super) const SPEAKERS: usize = 5;

/// Where `format` stands in an array; requests that have none come last.
pub(super) fn speaker(format: Option<Format>) -> usize {
    match format {
        Some(Format::OpenAiChat) => 0,
        Some(Format::OpenAiResponses) => 1,
        Some(Format::Claude) => 2,
        Some(Format::Gemini) => 3,
        None => 4,
    }
}

/// The word of what [`speaker`] gives.
pub(super) fn speaker_word(place: usize) -> &'static str {
    Format::ALL.get(place).map_or("other", |one| one.name())
}

/// The classes of statuses.
pub(super) const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "client_left"];

/// Where the class of `status` stands; 499 and none: the client has left.
pub(super) fn class(status: u16) -> usize {
    match status {
        // A WebSocket has been served to its end.
        101 | 200..300 => 0,
        499 | 0..200 => 4,
        300..400 => 1,
        400..500 => 2,
        _ => 3,
    }
}

/// How the renewal of a token has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// The provider has granted one.
    Granted,
    /// The store had one that another instance has got.
    Shared,
    /// It did not work.
    Failed,
    /// The refresh token is dead.
    Dead,
}

impl Renewal {
    /// Of a token that came from the provider, or else from the store.
    pub const fn of(granted: bool) -> Self {
        match granted {
            true => Self::Granted,
            false => Self::Shared,
        }
    }

    /// Its word.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Shared => "shared",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// Why a request or a try has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// For this, whoever said so.
    Fault(FaultKind),
    /// The client has left.
    ClientLeft,
    /// The provider's own error, passed on unread.
    ProviderAnswer,
    /// No connection, or one that broke.
    Unreachable,
    /// Nothing came for too long.
    Silent,
    /// A pooled connection had been closed.
    Stale,
    /// The provider does not take the reasoning state.
    BadState,
    /// The request's time is over.
    OutOfTime,
    /// The provider refuses a token that is renewed then.
    BadToken,
    /// The account has no token.
    NoToken,
}

/// How many causes there are.
pub(super) const CAUSES: usize = OTHERS + 9;
/// Where those that are no faults begin.
const OTHERS: usize = FaultKind::NotImplemented as usize + 1;

impl Cause {
    /// Where it stands in an array of [`CAUSES`].
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Fault(kind) => kind as usize,
            Self::ClientLeft => OTHERS,
            Self::ProviderAnswer => OTHERS + 1,
            Self::Unreachable => OTHERS + 2,
            Self::Silent => OTHERS + 3,
            Self::Stale => OTHERS + 4,
            Self::BadState => OTHERS + 5,
            Self::OutOfTime => OTHERS + 6,
            Self::BadToken => OTHERS + 7,
            Self::NoToken => OTHERS + 8,
        }
    }

    /// The one that stands there.
    pub(super) fn at(place: usize) -> Option<Self> {
        let others = [
            Self::ClientLeft,
            Self::ProviderAnswer,
            Self::Unreachable,
            Self::Silent,
            Self::Stale,
            Self::BadState,
            Self::OutOfTime,
            Self::BadToken,
            Self::NoToken,
        ];
        match place.checked_sub(OTHERS) {
            Some(place) => others.get(place).copied(),
            None => FaultKind::ALL.get(place).copied().map(Self::Fault),
        }
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fault(kind) => fault(kind),
            Self::ClientLeft => "client_left",
            Self::ProviderAnswer => "provider_answer",
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Stale => "stale",
            Self::BadState => "bad_state",
            Self::OutOfTime => "out_of_time",
            Self::BadToken => "bad_token",
            Self::NoToken => "no_token",
        }
    }
}

const fn fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::InvalidRequest => "invalid_request",
        FaultKind::ContextLength => "context_length",
        FaultKind::ContentPolicy => "content_policy",
        FaultKind::Auth => "auth",
        FaultKind::Permission => "permission",
        FaultKind::Billing => "billing",
        FaultKind::NotFound => "not_found",
        FaultKind::ModelNotFound => "model_not_found",
        FaultKind::Conflict => "conflict",
        FaultKind::TooLarge => "too_large",
        FaultKind::UnsupportedMedia => "unsupported_media",
        FaultKind::Unprocessable => "unprocessable",
        FaultKind::RateLimit => "rate_limit",
        FaultKind::Overloaded => "overloaded",
        FaultKind::Internal => "internal",
        FaultKind::BadUpstream => "bad_upstream",
        FaultKind::MethodNotAllowed => "method_not_allowed",
        FaultKind::SlowRequest => "slow_request",
        FaultKind::HeadersTooLarge => "headers_too_large",
        FaultKind::Timeout => "timeout",
        FaultKind::Cancelled => "cancelled",
        FaultKind::NotImplemented => "not_implemented",
    }
}

/// How many changes there are.
pub(super) const CHANGES: usize = Change::Renamed as usize + 1;

/// The kinds of tokens.
pub(super) const TOKENS: [&str; 5] = ["input", "output", "cache_read", "cache_write", "reasoning"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_words_belong_together() {
        for format in Format::ALL {
            assert_eq!(speaker_word(speaker(Some(format))), format.name());
        }
        assert_eq!(speaker_word(speaker(None)), "other");
        for (status, word) in [
            (200, "2xx"),
            (101, "2xx"),
            (100, "client_left"),
            (304, "3xx"),
            (404, "4xx"),
            (499, "client_left"),
            (0, "client_left"),
            (529, "5xx"),
        ] {
            assert_eq!(CLASSES[class(status)], word);
        }
        for place in 0..CAUSES {
            assert_eq!(Cause::at(place).unwrap().place(), place);
        }
        assert_eq!(Cause::at(CAUSES), None);
    }
}
