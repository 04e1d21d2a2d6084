//! What was used, by whom, and what it cost.
//!
//! Every request ends with one [`Record`], which goes into the [`Ledger`]. A [`Writer`] takes it from there,
//! makes an [`Entry`] of it that every database can store, and writes it in batches ([`store`]): as a row,
//! and into the sums by hour and by day in the same transaction.

pub mod counters;
pub mod entry;
pub mod labels;
pub mod ledger;
pub mod query;
pub mod record;
pub mod retention;
mod spool;
pub mod standing;
pub mod store;
mod stores;
pub mod sums;
mod tokenizer;
pub mod uncounted;
pub mod writer;

pub use counters::Counters;
pub use entry::Entry;
pub use labels::Labels;
pub use ledger::{Ledger, Queue};
pub use record::{Amounts, Cost, Earlier, Media, Quality, Record, RecordId, Tokens};
pub use standing::Standing;
pub use uncounted::{Sample, Uncounted};
pub use writer::{Finish, Writer};

#[cfg(test)]
mod store_tests;
