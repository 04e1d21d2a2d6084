//! Why a Redis did not do what it was asked.

use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Trouble {
    /// Not connected, or no longer.
    Away = 0,
    /// It did not answer in time. It may have done what it was asked all the same.
    Slow = 1,
    /// It refuses: a wrong password, no right to do so, no memory left, a replica that takes no writes.
    Refused = 2,
    /// What stands under the key, or what was answered, is of another kind: someone else writes there.
    Strange = 3,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Away, Self::Slow, Self::Refused, Self::Strange];

    /// Its word in metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Slow => "slow",
            Self::Refused => "refused",
            Self::Strange => "strange",
        }
    }
}

/// Why a Redis did not do what it was asked. Never holds a password.
#[derive(Debug, Clone)]
pub struct NotDone {
    /// What kind of trouble.
    pub trouble: Trouble,
    /// It was asked, and may have been done all the same.
    pub was_sent: bool,
    message: String,
}

impl NotDone {
    /// It was not asked at all.
    pub(super) fn not_asked() -> Self {
        Self {
            was_sent: false,
            ..Self::new(Trouble::Away, "it is away")
        }
    }

    pub(super) fn new(trouble: Trouble, message: impl Into<String>) -> Self {
        Self {
            trouble,
            was_sent: true,
            message: message.into(),
        }
    }
}

impl std::error::Error for NotDone {}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<RedisError> for NotDone {
    fn from(error: RedisError) -> Self {
        let trouble = match error.kind() {
            ErrorKind::Io => Trouble::Away,
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Trouble::Strange,
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain,
            ) => Trouble::Away,
            _ if error.code() == Some("WRONGTYPE") => Trouble::Strange,
            // A script, or an INCR on what is no number.
            _ if error.detail().is_some_and(|detail| {
                detail.contains("WRONGTYPE") || detail.contains("not an integer")
            }) =>
            {
                Trouble::Strange
            }
            _ => Trouble::Refused,
        };
        let message = match error.kind() {
            ErrorKind::RESP3NotSupported => "it is older than Redis 6".to_owned(),
            _ => error.to_string(),
        };
        Self {
            // One that is not ready does nothing; the others say so after some of it, or with the connection.
            was_sent: trouble != Trouble::Away || error.kind() == ErrorKind::Io,
            ..Self::new(trouble, message)
        }
    }
}
