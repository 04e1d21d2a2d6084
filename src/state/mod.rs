//! What outlives a process or is shared by several: databases, and how they are spoken to.
//!
//! [`sql`] is one dialect of SQL over SQLite, MySQL (MariaDB) and PostgreSQL. What is stored there and why
//! is the business of the modules above, except for what several of them need: [`accounts`].

pub mod accounts;
pub mod sql;
