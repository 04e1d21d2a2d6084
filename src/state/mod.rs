//! What outlives a process or is shared by several: databases, Redis, and how they are spoken to.
//!
//! [`sql`] is one dialect of SQL over SQLite, MySQL (MariaDB) and PostgreSQL; [`redis`] is what instances
//! share at once; in an [`Outbox`] waits what is to be told to either. What is stored there and why is the
//! business of the modules above, except for what several of them need: [`accounts`] and [`proxies`].

pub mod accounts;
mod outbox;
pub mod proxies;
pub mod redis;
pub mod sql;

pub use outbox::Outbox;
