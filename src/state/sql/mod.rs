//! One SQL for three databases.
//!
//! Statements are written once, with `?` for each value. Values and cells are 64-bit integers, texts and
//! bytes, nothing else; what the three spell differently stands in [`Dialect`]. A [`Database`] opens
//! itself with the first statement, so that a database which is away at the start is one that comes later.

mod address;
mod dialect;
mod error;
mod migrations;
mod pool;
mod value;
mod version;

pub use address::{DatabaseUrl, InvalidDatabaseUrl};
pub use dialect::{Column, Dialect};
pub use error::{SqlError, Trouble};
pub use migrations::{Migrated, latest};
pub use pool::{Database, Transaction};
pub use value::{Row, Value};
