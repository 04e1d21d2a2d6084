//! The whole retry policy, as one function without side effects.
//!
//! It is told what happened to one attempt and what the request may still do, and says what the
//! account has to take and what happens next. The phases perform it.

use std::time::Duration;

use crate::account::health::{Cause, Failure, Rest, Scope};
use crate::account::oauth::NoToken;
use crate::chat::{Fault, FaultKind};

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An error status, its body as the format reads it, and the header's hint.
    Refused {
        /// HTTP status.
        status: u16,
        /// What the body says.
        fault: Fault,
        /// How long the provider wants to be left alone.
        hint: Option<Duration>,
    },
    /// An error event in a 200 stream.
    BrokeOff(Fault),
    /// No connection, a connection that broke, or an answer that ended too soon.
    Unreachable,
    /// The provider refuses the reasoning state in the request; it may be sent without.
    BadState,
    /// The provider refuses the account's token; there may be another one.
    BadToken,
    /// The account has no token.
    NoToken(NoToken),
    /// A pooled connection that the provider had closed meanwhile.
    Stale,
    /// No first byte, or a silence, for too long.
    Silent,
    /// The request's own time is over.
    OutOfTime,
}

/// What the request may still do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means {
    /// Something of an answer has reached the client.
    pub begun: bool,
    /// The request can be sent again.
    pub replayable: bool,
    /// Tries left after a provider had answered 200.
    pub bootstrap: u32,
    /// The provider had answered 200.
    pub answered: bool,
    /// It comes with the client's own key: what is wrong with that is the client's to hear.
    pub own_key: bool,
}

/// What follows from an outcome.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// What the account takes; `None`: it is not its fault.
    pub failure: Option<Failure>,
    /// What the request does.
    pub next: Next,
}

/// What the request does.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// The provider's answer goes to the client as it is.
    Relay,
    /// The same account once more: nothing happened yet.
    Again,
    /// Another account.
    Retry,
    /// Another provider: this one does not know the model. Its answer, if there is none.
    RetryElsewhere,
    /// This error goes to the client.
    Refuse(Fault),
}

/// Whether another address of the same account may do better.
pub(super) fn is_about_address(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unreachable | Outcome::Silent => true,
        Outcome::Refused { status, .. } => matches!(status, 429 | 500 | 502..),
        _ => false,
    }
}

/// Judges one attempt.
pub(super) fn verdict(outcome: &Outcome, means: Means) -> Verdict {
    let failure = failure(outcome).filter(|failure| !(means.own_key && is_about_key(*failure)));
    let next = match outcome {
        _ if means.begun => Next::Refuse(interrupted(outcome)),
        Outcome::OutOfTime => Next::Refuse(out_of_time()),
        Outcome::Refused { fault, .. } if fault.kind == FaultKind::ModelNotFound => {
            Next::RetryElsewhere
        }
        Outcome::Refused { .. } if failure.is_none() => Next::Relay,
        Outcome::BrokeOff(fault) if failure.is_none() => Next::Refuse(fault.clone()),
        _ if !means.replayable => Next::Refuse(exhausted(outcome)),
        Outcome::Stale | Outcome::BadState | Outcome::BadToken => Next::Again,
        _ if means.answered && means.bootstrap == 0 => Next::Refuse(exhausted(outcome)),
        _ => Next::Retry,
    };
    Verdict { failure, next }
}

/// Whether another key could have fared better.
fn is_about_key(failure: Failure) -> bool {
    failure.scope == Scope::Key || failure.cause == Cause::Limit
}

/// What the account takes.
pub(super) fn failure(outcome: &Outcome) -> Option<Failure> {
    let trouble = Failure {
        scope: Scope::Model,
        cause: Cause::Trouble,
        rest: Rest::Backoff,
    };
    match outcome {
        Outcome::Stale | Outcome::BadState | Outcome::BadToken | Outcome::OutOfTime => None,
        Outcome::NoToken(why) => Some(Failure {
            scope: Scope::Key,
            rest: match why {
                NoToken::Dead => Rest::Refused,
                NoToken::Failed | NoToken::Slow => Rest::Backoff,
            },
            ..trouble
        }),
        Outcome::Unreachable | Outcome::Silent => Some(trouble),
        Outcome::BrokeOff(fault) => by_kind(fault),
        Outcome::Refused {
            status,
            fault,
            hint,
        } => {
            let hint = hint.or(fault.retry_after);
            let hinted = hint.map_or(Rest::Backoff, Rest::Hint);
            match (*status, fault.kind) {
                (_, FaultKind::Billing) | (402, _) => {
                    by_kind(&Fault::new(FaultKind::Billing, "", ""))
                }
                (401 | 403, _) | (400, FaultKind::Auth) => Some(Failure {
                    scope: Scope::Key,
                    cause: Cause::Trouble,
                    rest: Rest::Refused,
                }),
                (429, _) => Some(Failure {
                    scope: Scope::Model,
                    cause: Cause::Limit,
                    rest: hinted,
                }),
                // 501: the provider will never do this, whichever account asks. A redirect is no
                // answer to a call: the base URL is wrong, or something stands before the provider.
                (300..=399 | 408 | 500 | 502.., _) => Some(Failure {
                    rest: hinted,
                    ..trouble
                }),
                _ => None,
            }
        }
    }
}

/// For errors inside a 200 stream, which have no status.
fn by_kind(fault: &Fault) -> Option<Failure> {
    let rest = fault.retry_after.map_or(Rest::Backoff, Rest::Hint);
    match fault.kind {
        FaultKind::Billing => Some(Failure {
            scope: Scope::Key,
            cause: Cause::Limit,
            rest: Rest::Longest,
        }),
        FaultKind::Auth | FaultKind::Permission => Some(Failure {
            scope: Scope::Key,
            cause: Cause::Trouble,
            rest: Rest::Refused,
        }),
        FaultKind::RateLimit => Some(Failure {
            scope: Scope::Model,
            cause: Cause::Limit,
            rest,
        }),
        FaultKind::Overloaded
        | FaultKind::Internal
        | FaultKind::Timeout
        | FaultKind::BadUpstream => Some(Failure {
            scope: Scope::Model,
            cause: Cause::Trouble,
            rest,
        }),
        _ => None,
    }
}

/// The error for a client whose answer had begun.
fn interrupted(outcome: &Outcome) -> Fault {
    match outcome {
        Outcome::BrokeOff(fault) => fault.clone(),
        Outcome::Silent => Fault::new(
            FaultKind::Timeout,
            "stream_timeout",
            "the provider fell silent in the middle of its answer",
        ),
        Outcome::OutOfTime => out_of_time(),
        _ => Fault::new(
            FaultKind::BadUpstream,
            "stream_interrupted",
            "the provider's answer was cut off before its end",
        ),
    }
}

fn out_of_time() -> Fault {
    Fault::new(
        FaultKind::Timeout,
        "request_timeout_total",
        "the request took longer than it may",
    )
}

/// The error for a client when no account is left to try.
pub(super) fn exhausted(outcome: &Outcome) -> Fault {
    match outcome {
        Outcome::Silent => Fault::new(
            FaultKind::Timeout,
            "upstream_timeout",
            "the provider did not answer in time",
        ),
        Outcome::OutOfTime => out_of_time(),
        _ if failure(outcome).is_some_and(|failure| failure.cause == Cause::Limit) => limited(),
        _ => unavailable(),
    }
}

/// All accounts rest, all for a limit.
pub(super) fn limited() -> Fault {
    Fault::new(
        FaultKind::RateLimit,
        "all_accounts_rate_limited",
        "every account that serves this model has reached its rate limit or quota",
    )
}

/// All accounts rest.
pub(super) fn unavailable() -> Fault {
    Fault::new(
        FaultKind::Overloaded,
        "no_account_available",
        "no account that serves this model is usable right now",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Means = Means {
        begun: false,
        replayable: true,
        bootstrap: 3,
        answered: false,
        own_key: false,
    };
    const SECOND: Duration = Duration::from_secs(1);

    fn refused(status: u16, kind: FaultKind, hint: Option<Duration>) -> Outcome {
        Outcome::Refused {
            status,
            fault: Fault::new(kind, "", ""),
            hint,
        }
    }

    fn model(cause: Cause, rest: Rest) -> Option<Failure> {
        Some(Failure {
            scope: Scope::Model,
            cause,
            rest,
        })
    }

    fn key(cause: Cause, rest: Rest) -> Option<Failure> {
        Some(Failure {
            scope: Scope::Key,
            cause,
            rest,
        })
    }

    #[test]
    fn the_policy() {
        use Cause::{Limit, Trouble};
        use FaultKind as K;
        use Rest::{Backoff, Hint, Longest, Refused};
        for (outcome, failure, next) in [
            // The client's fault: never retried, never held against an account.
            (refused(400, K::InvalidRequest, None), None, Next::Relay),
            (refused(400, K::ContextLength, None), None, Next::Relay),
            (refused(404, K::NotFound, None), None, Next::Relay),
            (refused(409, K::Conflict, None), None, Next::Relay),
            (refused(413, K::TooLarge, None), None, Next::Relay),
            (refused(422, K::Unprocessable, None), None, Next::Relay),
            (refused(501, K::NotImplemented, None), None, Next::Relay),
            // The provider does not know the model.
            (
                refused(404, K::ModelNotFound, None),
                None,
                Next::RetryElsewhere,
            ),
            (
                refused(400, K::ModelNotFound, None),
                None,
                Next::RetryElsewhere,
            ),
            // The key.
            (
                refused(401, K::Auth, None),
                key(Trouble, Refused),
                Next::Retry,
            ),
            (
                refused(400, K::Auth, None),
                key(Trouble, Refused),
                Next::Retry,
            ),
            (
                refused(403, K::Permission, None),
                key(Trouble, Refused),
                Next::Retry,
            ),
            (
                refused(402, K::Billing, None),
                key(Limit, Longest),
                Next::Retry,
            ),
            (
                refused(429, K::Billing, None),
                key(Limit, Longest),
                Next::Retry,
            ),
            (
                refused(400, K::Billing, None),
                key(Limit, Longest),
                Next::Retry,
            ),
            // Capacity.
            (
                refused(429, K::RateLimit, None),
                model(Limit, Backoff),
                Next::Retry,
            ),
            (
                refused(429, K::RateLimit, Some(SECOND)),
                model(Limit, Hint(SECOND)),
                Next::Retry,
            ),
            (
                refused(408, K::Timeout, None),
                model(Trouble, Backoff),
                Next::Retry,
            ),
            (
                refused(500, K::Internal, None),
                model(Trouble, Backoff),
                Next::Retry,
            ),
            (
                refused(502, K::BadUpstream, None),
                model(Trouble, Backoff),
                Next::Retry,
            ),
            (
                refused(503, K::Overloaded, Some(SECOND)),
                model(Trouble, Hint(SECOND)),
                Next::Retry,
            ),
            (
                refused(504, K::Timeout, None),
                model(Trouble, Backoff),
                Next::Retry,
            ),
            (
                refused(529, K::Overloaded, None),
                model(Trouble, Backoff),
                Next::Retry,
            ),
            // The way there.
            (Outcome::Unreachable, model(Trouble, Backoff), Next::Retry),
            (Outcome::Silent, model(Trouble, Backoff), Next::Retry),
            (Outcome::Stale, None, Next::Again),
            (Outcome::BadToken, None, Next::Again),
            (
                Outcome::NoToken(NoToken::Dead),
                key(Trouble, Refused),
                Next::Retry,
            ),
            (
                Outcome::NoToken(NoToken::Failed),
                key(Trouble, Backoff),
                Next::Retry,
            ),
            (Outcome::OutOfTime, None, Next::Refuse(out_of_time())),
        ] {
            let got = verdict(&outcome, FRESH);
            assert_eq!(got, Verdict { failure, next }, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_clients_own_key_is_the_clients_to_hear() {
        let means = Means {
            own_key: true,
            ..FRESH
        };
        for (status, kind) in [
            (401, FaultKind::Auth),
            (403, FaultKind::Permission),
            (402, FaultKind::Billing),
            (429, FaultKind::RateLimit),
            (400, FaultKind::Auth),
        ] {
            let got = verdict(&refused(status, kind, None), means);
            assert_eq!((got.failure, got.next), (None, Next::Relay), "{status}");
        }
        let limit = Fault::new(FaultKind::RateLimit, "", "");
        let got = verdict(&Outcome::BrokeOff(limit.clone()), means);
        assert_eq!((got.failure, got.next), (None, Next::Refuse(limit)));
        let got = verdict(&refused(503, FaultKind::Overloaded, None), means);
        assert_eq!(got.next, Next::Retry);
    }

    #[test]
    fn an_error_event_before_content_is_judged_by_its_kind() {
        let answered = Means {
            answered: true,
            ..FRESH
        };
        let overloaded = Outcome::BrokeOff(Fault::new(FaultKind::Overloaded, "", ""));
        assert_eq!(verdict(&overloaded, answered).next, Next::Retry);
        assert_eq!(
            verdict(&overloaded, answered).failure,
            model(Cause::Trouble, Rest::Backoff)
        );
        let clients = Fault::new(FaultKind::InvalidRequest, "", "");
        let got = verdict(&Outcome::BrokeOff(clients.clone()), answered);
        assert_eq!(
            got,
            Verdict {
                failure: None,
                next: Next::Refuse(clients)
            }
        );
        let spent = Means {
            bootstrap: 0,
            ..answered
        };
        assert_eq!(
            verdict(&overloaded, spent).next,
            Next::Refuse(unavailable())
        );
    }

    #[test]
    fn nothing_is_retried_once_an_answer_has_begun_but_the_account_still_takes_it() {
        let begun = Means {
            begun: true,
            answered: true,
            ..FRESH
        };
        let got = verdict(&Outcome::Unreachable, begun);
        assert_eq!(got.failure, model(Cause::Trouble, Rest::Backoff));
        let Next::Refuse(fault) = got.next else {
            panic!("{got:?}")
        };
        assert_eq!(fault.code.as_deref(), Some("stream_interrupted"));
    }

    #[test]
    fn a_body_that_is_gone_cannot_be_sent_again() {
        let once = Means {
            replayable: false,
            ..FRESH
        };
        assert_eq!(
            verdict(&refused(429, FaultKind::RateLimit, None), once).next,
            Next::Refuse(limited())
        );
        assert_eq!(
            verdict(&Outcome::Stale, once).next,
            Next::Refuse(unavailable())
        );
        assert_eq!(
            verdict(&refused(400, FaultKind::InvalidRequest, None), once).next,
            Next::Relay
        );
    }
}
