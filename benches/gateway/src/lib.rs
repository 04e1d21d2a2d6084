//! What the benchmark of ai-proxy is made of, besides its Python part.
//!
//! | Program | What it is | Module |
//! | --- | --- | --- |
//! | `mock` | an upstream that answers in four formats, whole and streamed | [`mock`] |
//! | `loader` | a client that makes load and measures | [`loader`] |
//! | `floor` | bare Pingora passing requests through: what a gateway built on it cannot cost less than without changing Pingora's settings | – |
//!
//! `mock` and `loader` are one thread each over `epoll`, so that one core of them outruns one core of
//! any gateway. They speak HTTP/1.1 without TLS, to the loopback address only.

pub mod clock;
pub mod histogram;
pub mod http;
pub mod limits;
pub mod loader;
pub mod mock;
pub mod poll;
pub mod stamp;

#[cfg(test)]
mod together_tests;
