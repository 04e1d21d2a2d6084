//! End-to-end tests: the real binary between a client and a scripted upstream.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy only knows #[test] functions as tests; what they call here is test code too"
)]
#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` marks what other files may use"
)]

mod access_log;
mod accounts;
mod admin;
mod affinity;
mod aliases;
mod ask;
mod bad_body;
mod bad_input;
mod bill;
mod body;
mod canary;
mod chat;
mod cli;
mod client_side;
mod conformance;
mod cors;
mod cost;
mod departures;
mod dialect;
mod drain;
mod endpoints;
mod explain;
mod faults;
mod fleet;
mod header_lists;
mod health_checks;
mod keepalive;
mod large;
mod ledger;
mod ledger_stores;
mod media;
mod metrics;
mod odd_requests;
mod own_key;
mod packaging;
mod pass_through;
mod provider_pages;
mod proxies_e2e;
mod proxy_pool;
mod redis;
mod refusals;
mod reload;
mod retries;
mod routing;
mod rules;
mod shaping;
mod shares;
mod stored;
mod streams;
mod support;
mod support_test;
mod timeouts;
mod tls;
mod tokens;
#[cfg(feature = "otel")]
mod traces;
mod traffic;
mod translation;
mod trusted_proxies;
mod unreachable;
mod upgrade;
mod upstream_tls;
mod websocket;
mod written_down;
