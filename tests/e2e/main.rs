//! End-to-end tests: the real binary between a client and a scripted upstream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy only knows #[test] functions as tests; what they call here is test code too"
)]

mod chat;
mod cli;
mod drain;
mod proxies_e2e;
mod reload;
mod support;
mod support_test;
mod traffic;
mod upgrade;
mod upstream_tls;
