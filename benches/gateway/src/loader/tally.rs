//! What is counted, and the report made of it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::histogram::{Histogram, Summary};

/// Counts of a run. Failures count from its start, everything else from the end of the warm-up.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) measuring: bool,
    pub(super) answers: u64,
    pub(super) bad: u64,
    pub(super) errors: u64,
    pub(super) reconnects: u64,
    pub(super) queued: u64,
    pub(super) bytes: u64,
    pub(super) events: u64,
    pub(super) chunks: u64,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) latency: Histogram,
    pub(super) first_byte: Histogram,
    pub(super) chunk: Histogram,
    /// What was wrong first.
    pub(super) complaint: Option<String>,
}

impl Tally {
    /// Notes something that should not happen.
    pub(super) fn complain(&mut self, what: impl FnOnce() -> String) {
        self.complaint.get_or_insert_with(what);
    }
}

/// What a run found out.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Seconds that were measured.
    pub seconds: f64,
    /// Sound answers.
    pub answers: u64,
    /// Answers that were not what was expected, and what was wrong with the first.
    pub bad: u64,
    /// Connections that failed or broke.
    pub errors: u64,
    /// What was wrong first.
    pub complaint: Option<String>,
    /// Kept connections that the other side had closed.
    pub reconnects: u64,
    /// Requests that had to wait for a connection.
    pub queued: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Events of streams.
    pub events: u64,
    /// Chunks of the upstream in them, by their stamps: the same number in every format.
    pub chunks: u64,
    /// Requests without a whole answer at the end.
    pub open: usize,
    /// Seconds on a CPU of each group of processes, and of the loader.
    pub cpu: BTreeMap<String, f64>,
    /// From when a request was meant to begin to the end of its answer.
    pub latency: Option<Summary>,
    /// From when it began to the first byte of its answer.
    pub first_byte: Option<Summary>,
    /// From the upstream's write of a chunk to here.
    pub chunk: Option<Summary>,
}

impl Tally {
    /// Sums it up.
    pub(super) fn report(&self, seconds: f64, open: usize, cpu: BTreeMap<String, f64>) -> Report {
        Report {
            seconds,
            answers: self.answers,
            bad: self.bad,
            errors: self.errors,
            complaint: self.complaint.clone(),
            reconnects: self.reconnects,
            queued: self.queued,
            statuses: self.statuses.clone(),
            bytes: self.bytes,
            events: self.events,
            chunks: self.chunks,
            open,
            cpu,
            latency: self.latency.summary(),
            first_byte: self.first_byte.summary(),
            chunk: self.chunk.summary(),
        }
    }
}
