//! As much of HTTP/1.1 as a benchmark needs: where messages begin and end.

mod chunked;
mod framer;
mod head;

pub use framer::{Framer, Piece};
pub use head::{Body, Head};
