//! Connections through an outbound proxy: HTTP CONNECT (in clear or inside TLS) and SOCKS5.
//!
//! Pingora's own proxy support speaks CONNECT over Unix sockets only, so this is an [`L4Connect`] of
//! ours: it hands Pingora a stream that already leads to the provider, and Pingora runs TLS through
//! it as through any other. Pingora does not look at the connector when it looks for a pooled
//! connection; `peer.rs` keys the pool by proxy and target for that reason.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pingora_core::connectors::L4Connect;
use pingora_core::protocols::l4::socket::SocketAddr;
use pingora_core::protocols::l4::stream::Stream;
use pingora_core::{Error, ErrorType, OrErr, Result};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_socks::tcp::Socks5Stream;

use super::media::Reach;
use super::resolve::{ResolveError, Resolver};
use super::{OutboundProxy, ProxyScheme};

/// Longest answer to a CONNECT that is read.
const ANSWER: usize = 16 * 1024;

/// The way to one target through one proxy.
pub struct Tunnel {
    /// The proxy.
    pub proxy: Arc<OutboundProxy>,
    /// Host of the target.
    pub host: Box<str>,
    /// Port of the target.
    pub port: u16,
    /// How far the target may be where it is looked up here; `None`: anywhere.
    pub reach: Option<Reach>,
    /// Finds the proxy, and with `socks5` the target.
    pub resolver: Arc<Resolver>,
    /// Roots for proxies that are spoken to inside TLS.
    pub tls: Arc<ClientConfig>,
    /// For the way to the proxy and through it.
    pub timeout: Duration,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel({} through {})", self.host, self.proxy)
    }
}

#[async_trait]
impl L4Connect for Tunnel {
    async fn connect(&self, _address: &SocketAddr) -> Result<Stream> {
        match tokio::time::timeout(self.timeout, self.open()).await {
            Ok(stream) => stream,
            Err(_) => Error::e_explain(
                ErrorType::ConnectTimedout,
                format!(
                    "the way through {} took longer than {:?}",
                    self.proxy, self.timeout
                ),
            ),
        }
    }
}

impl Tunnel {
    async fn open(&self) -> Result<Stream> {
        let proxy = &self.proxy;
        let address = self
            .find(&proxy.host, proxy.port, proxy.reach)
            .await
            .map_err(|error| Error::explain(ErrorType::ConnectProxyFailure, error.to_string()))?;
        let tcp = TcpStream::connect(address)
            .await
            .or_err_with(ErrorType::ConnectProxyFailure, || {
                format!("cannot reach {}", self.proxy)
            })?;
        tcp.set_nodelay(true)
            .or_err(ErrorType::SocketError, "setting TCP_NODELAY")?;
        match self.proxy.scheme {
            ProxyScheme::Http => Ok(self.connect_method(tcp).await?.into()),
            ProxyScheme::Https => {
                let stream = self.connect_method(self.encrypt(tcp).await?).await?;
                behind_a_socket(stream)
            }
            ProxyScheme::Socks5 | ProxyScheme::Socks5h => Ok(self.socks(tcp).await?.into()),
        }
    }

    async fn find(
        &self,
        host: &str,
        port: u16,
        reach: Option<Reach>,
    ) -> Result<std::net::SocketAddr, ResolveError> {
        let address = self.resolver.resolve(host, port).await?;
        match reach.is_some_and(|reach| Reach::of(address.ip()) > reach) {
            true => Err(ResolveError::out_of_reach(host)),
            false => Ok(address),
        }
    }

    async fn encrypt(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.proxy.host.to_string()).or_err(
            ErrorType::ConnectProxyFailure,
            "the proxy's name is no host name",
        )?;
        TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, tcp)
            .await
            .or_err_with(ErrorType::ConnectProxyFailure, || {
                format!("TLS with {} failed", self.proxy)
            })
    }

    async fn connect_method<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Result<S> {
        let host = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let mut request = format!("CONNECT {host} HTTP/1.1\r\nhost: {host}\r\n");
        if let Some((user, password)) = &self.proxy.credentials {
            let basic = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
            request.push_str(&format!("proxy-authorization: Basic {basic}\r\n"));
        }
        request.push_str("\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .or_err(ErrorType::ConnectProxyFailure, "asking the proxy")?;
        let status = read_answer(&mut stream).await?;
        if (200..300).contains(&status) {
            return Ok(stream);
        }
        Error::e_explain(
            ErrorType::ConnectProxyFailure,
            format!("{} answered {status} to CONNECT", self.proxy),
        )
    }

    async fn socks(&self, tcp: TcpStream) -> Result<TcpStream> {
        let target = match self.proxy.scheme {
            ProxyScheme::Socks5 => {
                let address = self.find(&self.host, self.port, self.reach).await;
                let address = address
                    .map_err(|error| Error::explain(ErrorType::ConnectError, error.to_string()))?;
                tokio_socks::TargetAddr::Ip(address)
            }
            _ => tokio_socks::TargetAddr::Domain((&*self.host).into(), self.port),
        };
        let opened = match &self.proxy.credentials {
            None => Socks5Stream::connect_with_socket(tcp, target).await,
            Some((user, password)) => {
                Socks5Stream::connect_with_password_and_socket(tcp, target, user, password.expose())
                    .await
            }
        };
        match opened {
            Ok(stream) => Ok(stream.into_inner()),
            Err(error) => Error::e_explain(
                ErrorType::ConnectProxyFailure,
                format!("{} refused: {error}", self.proxy),
            ),
        }
    }
}

/// Reads up to the blank line, a byte at a time so that nothing behind it is taken, and returns the
/// status.
async fn read_answer<S: AsyncRead + Unpin>(stream: &mut S) -> Result<u16> {
    let mut answer = Vec::with_capacity(128);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == ANSWER {
            return Error::e_explain(
                ErrorType::ConnectProxyFailure,
                "the proxy's answer has no end",
            );
        }
        let byte = stream.read_u8().await;
        answer.push(byte.or_err(ErrorType::ConnectProxyFailure, "reading the proxy's answer")?);
    }
    let line = answer
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    std::str::from_utf8(line)
        .ok()
        .filter(|line| line.starts_with("HTTP/1."))
        .and_then(|line| line.split(' ').nth(1)?.parse().ok())
        .ok_or_else(|| {
            Error::explain(
                ErrorType::ConnectProxyFailure,
                "the proxy does not speak HTTP",
            )
        })
}

/// A connection inside TLS to the proxy, as Pingora takes foreign streams: one end of a pair of
/// sockets, with a task that copies between the other end and the proxy until one of them closes.
///
/// Why not a [`VirtualSocket`](pingora_core::protocols::l4::virt::VirtualSocket)? Pingora's pool knows
/// connections by their file descriptors, and those have none: they would all be the same one to it.
fn behind_a_socket(stream: TlsStream<TcpStream>) -> Result<Stream> {
    let (near, far) = UnixStream::pair().or_err(ErrorType::SocketError, "making a socket pair")?;
    let (mut from_proxy, mut to_proxy) = tokio::io::split(stream);
    let (mut from_us, mut to_us) = far.into_split();
    // Ends when Pingora drops its end, or the proxy closes.
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::io::copy(&mut from_us, &mut to_proxy) => {}
            _ = tokio::io::copy(&mut from_proxy, &mut to_us) => {}
        }
    });
    Ok(near.into())
}
