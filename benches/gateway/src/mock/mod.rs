//! An upstream that answers at once, always the same, in the four formats.
//!
//! `POST` to a path that ends in `/chat/completions`, `/messages`, `/responses`, `:generateContent` or
//! `:streamGenerateContent`. A body with `"stream": true` gets a stream. `GET /_mock` tells counters,
//! and its query sets the shape of streams; see [`Shape`].

mod connection;
mod format;
mod server;
mod shape;
mod stream;
mod wanted;
mod whole;

pub use server::run;
pub use shape::Shape;
