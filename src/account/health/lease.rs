//! An account in use by one attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Bounds, Failure, Health};

/// An account that was picked for one attempt. Settle it: dropped without, the client left, which
/// costs the account nothing.
#[derive(Debug)]
pub struct Lease {
    health: Arc<Health>,
    model: Arc<str>,
    began: Instant,
    probe: bool,
    proven: bool,
    settled: bool,
}

impl Lease {
    /// For a model that [`Health::admit`] let through at `began`.
    pub fn new(health: Arc<Health>, model: Arc<str>, probe: bool, began: Instant) -> Self {
        Self {
            health,
            model,
            began,
            probe,
            proven: false,
            settled: false,
        }
    }

    /// The account has begun to do its work: it is spotless again. It may still fail before the end.
    pub fn prove(&mut self) {
        if !std::mem::replace(&mut self.proven, true) {
            self.probe = false;
            self.health.succeed(&self.model, self.began);
        }
    }

    /// Which of the account's addresses is asked first.
    pub fn address(&self) -> usize {
        self.health.address(self.began)
    }

    /// Its address before the one at `place` could not be used: that comes first for some time.
    pub fn moved(&self, place: usize, now: Instant) {
        self.health.moved(place, now);
    }

    /// The account did its work: it is spotless again.
    pub fn succeeded(mut self) {
        self.prove();
        self.settled = true;
    }

    /// The account failed: it rests for what is returned.
    pub fn failed(mut self, failure: Failure, bounds: Bounds, now: Instant) -> Duration {
        self.settled = true;
        self.health.fail(&self.model, failure, bounds, now)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.health.release(&self.model);
        }
    }
}
