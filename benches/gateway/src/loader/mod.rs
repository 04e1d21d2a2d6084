//! A client that sends the same request over and over, and measures.
//!
//! Two kinds of load. *Closed*: each connection sends its next request when it has its answer, which
//! finds out what the gateway can do at most. *Rate*: requests begin at fixed times whatever becomes of
//! the others, and latency counts from the time at which a request was meant to begin, so one that had
//! to wait for a connection is not reported faster than its user found it.

mod connection;
mod cpu;
mod drive;
mod plan;
mod tally;

pub use drive::run;
pub use plan::{Expected, Load, Plan};
pub use tally::Report;
