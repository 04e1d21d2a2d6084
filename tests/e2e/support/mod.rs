//! What the end-to-end tests stand on: a scripted upstream, the gateway as a child process, a client
//! that sees every byte, and outbound proxies.
//!
//! Nothing sleeps in order to wait: each wait ends with the event that it is for, and [`within`]
//! turns an event that never comes into a failure that names it.
#![allow(
    dead_code,
    reason = "support is written for all suites; a suite may be away or not written yet"
)]
#![allow(
    unreachable_pub,
    reason = "a test binary has no outside; `pub` marks what suites may use"
)]

pub mod certs;
pub mod client;
pub mod gate;
pub mod gateway;
pub mod keys;
pub mod ledger;
pub mod oauth;
pub mod process;
pub mod proxies;
pub mod reply;
pub mod servers;
pub mod upstream;
pub mod websocket;
pub mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

/// How long anything may take before the test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Every line that any child of this test run has printed so far.
pub fn transcript() -> Vec<String> {
    process::transcript()
}

/// The value of `future`, or a panic that says what was waited for.
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
    }
}

/// A spawned task that stops when its owner goes away.
pub struct Task<T>(pub JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A port that refuses connections for as long as this lives: it is bound, so nobody else gets it,
/// and nobody listens on it.
pub struct DeadPort(TcpSocket);

impl DeadPort {
    /// Takes a free port.
    pub fn take() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self(socket)
    }

    /// Where nobody listens.
    pub fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr())
    }
}
