//! Event streams, cut for relaying: bytes pass as they came, but only up to the end of a whole
//! event, so that an error can always be written after what was sent.
//!
//! Why not decode and write again? Clients are picky in ways no parser preserves (a comment before
//! `data:` breaks one, a missing space another), and untouched bytes cost nothing.

mod blocks;
mod carry;
mod elements;
mod event;

pub use blocks::Blocks;
pub use carry::TooLong;
pub use elements::Elements;
pub use event::Event;
