//! The tokens of an account as they are kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Tokens as they are kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) access: String,
    refresh: Option<String>,
    /// What they were asked for.
    scopes: String,
    /// The operator's refresh token that they come from.
    origin: String,
    /// Milliseconds since 1970.
    issued: i64,
    expires: Option<i64>,
}

/// Shows no token.
impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Kept(issued {}, expires {:?})",
            self.issued, self.expires
        )
    }
}

impl Kept {
    pub(super) fn new(
        access: &Secret,
        refresh: Option<Secret>,
        life: Option<Duration>,
        scopes: &str,
        origin: &str,
        issued: SystemTime,
    ) -> Self {
        Self {
            access: access.expose().to_owned(),
            refresh: refresh.map(|token| token.expose().to_owned()),
            scopes: scopes.to_owned(),
            origin: origin.to_owned(),
            issued: millis(issued),
            expires: life.map(|life| millis(issued + life)),
        }
    }

    pub(super) fn refresh(&self) -> Option<&str> {
        self.refresh.as_deref()
    }

    /// Whether it comes from `origin`.
    pub(super) fn is_of(&self, origin: &str) -> bool {
        self.origin == origin
    }

    /// Whether its access token was asked for with these scopes.
    pub(super) fn has(&self, scopes: &str) -> bool {
        self.scopes == scopes
    }

    pub(super) fn issued(&self) -> SystemTime {
        moment(self.issued)
    }

    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.expires.map(moment)
    }

    /// How long it lives at all.
    pub(super) fn life(&self) -> Option<Duration> {
        let life = self.expires?.saturating_sub(self.issued);
        Some(Duration::from_millis(u64::try_from(life).unwrap_or(0)))
    }

    /// How long it still lives; never longer than it does at all, whatever the clock does.
    pub(super) fn left(&self, now: SystemTime) -> Option<Duration> {
        let left = self.expires()?.duration_since(now).unwrap_or_default();
        Some(left.min(self.life()?))
    }

    /// `None`: it is no token.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        if self.access.is_empty() {
            return None;
        }
        let mut value = HeaderValue::try_from(["Bearer ", &self.access].concat()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

pub(super) fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn moment(millis: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
