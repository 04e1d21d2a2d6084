//! What was used, by whom, and what it cost.
//!
//! Every request ends with one [`Record`], which goes into the [`Ledger`].

pub mod ledger;
pub mod record;
mod tokenizer;
pub mod uncounted;

pub use ledger::{Ledger, Queue};
pub use record::{Cost, Quality, Record, RecordId, Tokens};
pub use uncounted::{Sample, Uncounted};
