//! The state of an account, for people who look at it. Looking changes nothing.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Cause, Cell, Health};

/// The state of one account.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// The key, unless it is spotless.
    pub key: Option<Mark>,
    /// The models that are not spotless, by name.
    pub models: Vec<(Box<str>, Mark)>,
}

/// What a failure has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Failures in a row.
    pub failures: u32,
    /// When the rest is over, or was: then the next request decides.
    pub until: Instant,
    /// Why it rests.
    pub cause: Cause,
    /// Another request finds out whether it is well again.
    pub probing: bool,
}

impl Mark {
    fn of(cell: &Cell) -> Self {
        Self {
            failures: cell.failures,
            until: cell.until,
            cause: cell.cause,
            probing: cell.probe.is_some(),
        }
    }

    /// Whether the rest is not over.
    pub fn rests(&self, now: Instant) -> bool {
        now < self.until
    }
}

impl Report {
    /// How many models rest.
    pub fn resting_models(&self, now: Instant) -> usize {
        let resting = self.models.iter().filter(|(_, mark)| mark.rests(now));
        resting.count()
    }
}

impl Health {
    /// Its state.
    pub fn report(&self) -> Report {
        if self.marked.load(Ordering::Acquire) == 0 {
            return Report::default();
        }
        let cells = self.cells.lock();
        let mut models: Vec<_> = cells
            .models
            .iter()
            .map(|(name, cell)| (name.clone(), Mark::of(cell)))
            .collect();
        let key = cells.key.as_ref().map(Mark::of);
        drop(cells);
        models.sort_by(|(a, _), (b, _)| a.cmp(b));
        Report { key, models }
    }
}
