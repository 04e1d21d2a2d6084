//! The neutral model of a conversation, which no provider's format is privileged in.
//!
//! So far it holds what every format needs even when bytes pass untouched: the neutral error.

mod fault;

pub use fault::{Fault, FaultKind};
