//! Connections to providers without TLS, which are mostly inference servers close by, where the
//! gateway's own share of a request is the largest.
//!
//! Pingora writes a request's header and body apart and takes an answer chunk by chunk. A
//! `Coalesced` stream between it and the socket makes one write of the two, and one chunk of all
//! that one read brings.
//!
//! Why through a custom connector? It is the one place where Pingora lets an HTTP/1 connection be
//! wrapped: such a connector may answer with a bare stream ([`custom::Connection::Stream`]), and the HTTP/1
//! session stays Pingora's own. A connection inside TLS has to
//! negotiate HTTP/2 and so cannot come this way.

mod chunks;
mod pool;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora_core::Result;
use pingora_core::connectors::http::custom;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::tls::{ALPN, CustomALPN};
use pingora_core::upstreams::peer::Peer;

pub use pool::Pool;
pub use stream::announce;
use stream::{Coalesced, Connection};

/// Connects to providers without TLS.
pub struct Plaintext {
    transport: TransportConnector,
    pool: Arc<Pool>,
}

impl Plaintext {
    /// Connects as `options` say; connections that can be used again wait in `pool`.
    pub fn new(options: ConnectorOptions, pool: Arc<Pool>) -> Self {
        Self {
            transport: TransportConnector::new(Some(options)),
            pool,
        }
    }

    /// What sends a peer to this connector. It is never negotiated: there is no TLS.
    pub(super) fn alpn() -> ALPN {
        ALPN::Custom(CustomALPN::new(b"plaintext".to_vec()))
    }
}

#[async_trait]
impl custom::Connector for Plaintext {
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(custom::Connection<()>, bool)> {
        let key = peer.reuse_hash();
        let connection = match self.pool.take(key) {
            Some(connection) => connection,
            // Its future is large, and few requests need it.
            None => Connection::new(Box::pin(self.transport.new_stream(peer)).await?),
        };
        let stream = Coalesced::new(connection, key, Arc::clone(&self.pool));
        // Pingora takes every stream for a new one; whoever wants to know asks `announce`.
        Ok((custom::Connection::Stream(Box::new(stream)), false))
    }

    /// There are no sessions of our own.
    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _peer: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        _session: (),
        _peer: &P,
        _idle_timeout: Option<Duration>,
    ) {
    }
}
