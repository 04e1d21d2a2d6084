//! The peer that Pingora connects to for one attempt.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora_core::protocols::ALPN;
use pingora_core::upstreams::peer::{HttpPeer, PeerOptions, Scheme};
use tokio_rustls::rustls::ClientConfig;

use super::media::Reach;
use super::plaintext::Plaintext;
use super::resolve::{ResolveError, Resolver};
use super::tunnel::Tunnel;
use super::{BaseUrl, OutboundProxy};

/// How long an unused connection is kept for the next request. Providers close theirs after one to
/// several minutes.
const IDLE: Duration = Duration::from_secs(60);
/// Requests that share one HTTP/2 connection.
const STREAMS: usize = 64;
/// HTTP/2 connections are probed this often, so that a dead one is found before a request is.
const PING: Duration = Duration::from_secs(30);

/// What a connection has to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A request that is at hand as a whole. Whoever sends it looks at the time.
    Request,
    /// A body as it comes. While the provider takes none of it Pingora looks nowhere else, so the
    /// connection itself must notice a silence of this length.
    Body {
        /// The longest.
        silence: Duration,
    },
    /// The same both ways, which only HTTP/1.1 can do.
    WebSocket {
        /// The longest.
        silence: Duration,
    },
}

/// Makes peers.
pub struct Peers {
    resolver: Arc<Resolver>,
    tls: Arc<ClientConfig>,
}

impl Peers {
    /// Peers whose hosts `resolver` finds; `tls` is for proxies inside TLS.
    pub fn new(resolver: Arc<Resolver>, tls: Arc<ClientConfig>) -> Self {
        Self { resolver, tls }
    }

    /// The resolver, to tell it of addresses that fail.
    pub fn resolver(&self) -> &Resolver {
        &self.resolver
    }

    /// The peer for `base`, through `proxy` when there is one. What it connects to itself must be within
    /// `reach`; what is behind a proxy the proxy finds.
    pub async fn peer(
        &self,
        base: &BaseUrl,
        proxy: Option<&Arc<OutboundProxy>>,
        reach: Option<Reach>,
        connect: Duration,
        load: Load,
    ) -> Result<Box<HttpPeer>, ResolveError> {
        let mut options = PeerOptions::new();
        options.connection_timeout = Some(connect);
        options.total_connection_timeout = Some(connect);
        options.idle_timeout = Some(IDLE);
        if let Load::Body { silence } | Load::WebSocket { silence } = load {
            options.read_timeout = Some(silence);
            options.write_timeout = Some(silence);
        }
        if base.tls && matches!(load, Load::WebSocket { .. }) {
            options.alpn = ALPN::H1;
        } else if base.tls {
            options.alpn = ALPN::H2H1;
            options.max_h2_streams = STREAMS;
            options.h2_ping_interval = Some(PING);
        } else {
            options.alpn = Plaintext::alpn();
        }
        let mut group_key = 0;
        let address = match proxy {
            None => {
                let address = self.resolver.resolve(&base.host, base.port).await?;
                if reach.is_some_and(|reach| Reach::of(address.ip()) > reach) {
                    return Err(ResolveError::out_of_reach(&base.host));
                }
                address
            }
            Some(proxy) => {
                let mut hasher = DefaultHasher::new();
                (proxy, &base.host, base.port).hash(&mut hasher);
                group_key = hasher.finish();
                options.custom_l4 = Some(Arc::new(Tunnel {
                    proxy: Arc::clone(proxy),
                    host: base.host.clone(),
                    port: base.port,
                    reach,
                    resolver: Arc::clone(&self.resolver),
                    tls: Arc::clone(&self.tls),
                    timeout: connect,
                }));
                // The proxy finds the target; the pool tells targets apart by `group_key`.
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), base.port)
            }
        };
        Ok(Box::new(HttpPeer {
            _address: pingora_core::protocols::l4::socket::SocketAddr::Inet(address),
            scheme: Scheme::from_tls_bool(base.tls),
            sni: if base.tls {
                base.host.to_string()
            } else {
                String::new()
            },
            proxy: None,
            client_cert_key: None,
            group_key,
            options,
        }))
    }
}
