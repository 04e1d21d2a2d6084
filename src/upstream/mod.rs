//! Where providers are and how they are reached: provider rows, base URLs, name resolution, outbound
//! proxies, the peer that Pingora connects to. Media of the web is fetched here too.

mod base_url;
pub mod media;
pub mod oauth;
mod outbound;
pub mod peer;
pub mod plaintext;
pub mod presets;
pub mod resolve;
pub mod roots;
pub mod tunnel;

use std::time::Duration;

pub use base_url::{BaseUrl, InvalidBaseUrl};
pub use outbound::{InvalidProxyUrl, OutboundProxy, ProxyScheme};

/// How long the steps of one request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP connection and TLS handshake together.
    pub connect: Duration,
    /// From the connection to the first byte of the answer's header.
    pub first_byte: Duration,
    /// The longest silence inside an answer.
    pub idle: Duration,
    /// The whole request, all attempts included.
    pub total: Duration,
    /// The life of a WebSocket; `None`: as long as both sides want.
    pub websocket: Option<Duration>,
}
