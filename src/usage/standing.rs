//! How the stores are.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How often a store that stays away is mentioned in the log.
const AGAIN: Duration = Duration::from_secs(60);

/// How the database and the spool are. A clone is a handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Standing(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    database: AtomicU8,
    spool: AtomicU8,
    written: AtomicU64,
    spooled: AtomicU64,
    refused: AtomicU64,
}

/// Whether a store works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nobody has tried.
    Unknown,
    /// It took the last that it was given.
    Up,
    /// It did not.
    Down,
}

impl State {
    /// Whether it works, if that is known.
    pub fn is_up(self) -> Option<bool> {
        match self {
            Self::Unknown => None,
            Self::Up => Some(true),
            Self::Down => Some(false),
        }
    }
}

const STATES: [State; 3] = [State::Unknown, State::Up, State::Down];

fn state(cell: &AtomicU8) -> State {
    STATES[usize::from(cell.load(Ordering::Relaxed)).min(2)]
}

fn set(cell: &AtomicU8, up: bool) {
    let state = if up { State::Up } else { State::Down };
    cell.store(state as u8, Ordering::Relaxed);
}

impl Standing {
    /// How the database is.
    pub fn database(&self) -> State {
        state(&self.0.database)
    }

    /// How the spool is.
    pub fn spool(&self) -> State {
        state(&self.0.spool)
    }

    /// Rows that this process has written to the database.
    pub fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Rows that wait in the spool.
    pub fn spooled(&self) -> u64 {
        self.0.spooled.load(Ordering::Relaxed)
    }

    /// Rows that the database or the spool could not take or give back, and that are in the log instead.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(super) fn refuse(&self, rows: u64) {
        self.0.refused.fetch_add(rows, Ordering::Relaxed);
    }

    pub(super) fn set_database(&self, up: bool) {
        set(&self.0.database, up);
    }

    pub(super) fn set_spool(&self, up: bool) {
        set(&self.0.spool, up);
    }

    pub(super) fn wrote(&self, rows: usize) {
        self.0.written.fetch_add(rows as u64, Ordering::Relaxed);
    }

    pub(super) fn set_spooled(&self, rows: u64) {
        self.0.spooled.store(rows, Ordering::Relaxed);
    }
}

/// Says in the log when a store goes and when it is back, and sometimes that it is still away.
#[derive(Debug)]
pub(super) struct Watch {
    store: String,
    /// What goes on while it is away.
    meanwhile: &'static str,
    level: log::Level,
    said: Mutex<Option<Instant>>,
}

impl Watch {
    pub(super) fn new(store: String, meanwhile: &'static str, level: log::Level) -> Self {
        Self {
            store,
            meanwhile,
            level,
            said: Mutex::default(),
        }
    }

    /// It failed.
    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        let now = Instant::now();
        let mut said = self.said.lock();
        if said.is_none_or(|said| now.duration_since(said) >= AGAIN) {
            *said = Some(now);
            let Self {
                store, meanwhile, ..
            } = self;
            log::log!(self.level, "usage: {store}: {error}; {meanwhile}");
        }
    }

    /// It works.
    pub(super) fn worked(&self) {
        if self.said.lock().take().is_some() {
            log::info!("usage: {} is back", self.store);
        }
    }
}
