//! TLS towards clients: the handshake, with the certificate that is in force when a connection comes.
//!
//! Why not Pingora's own TLS listener? It keeps what it was built with, the roots for client
//! certificates among it, and serves HTTP/2 connections past [`connections`](super::connections),
//! which counts them and does not wait for ever for their first bytes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::Stream as Tcp;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::{SslDigest, TlsRef, TlsStream};
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio_rustls::rustls::ServerConfig;

/// The certificate of a listener; reloads replace it, open connections keep theirs.
pub(super) struct Tls {
    acceptor: ArcSwap<Acceptor>,
    http2: bool,
}

impl Tls {
    /// For a listener that speaks HTTP/2 as well if `http2` says so.
    pub(super) fn new(config: &ServerConfig, http2: bool) -> Self {
        Self {
            acceptor: ArcSwap::from_pointee(acceptor(config, http2)),
            http2,
        }
    }

    /// From now on new connections are served with `config`.
    pub(super) fn replace(&self, config: &ServerConfig) {
        self.acceptor.store(Arc::new(acceptor(config, self.http2)));
    }

    /// Shakes hands on a new connection; `None` when it comes to nothing.
    pub(super) async fn accept(&self, stream: Stream) -> Option<Stream> {
        let stream = stream.into_any().downcast::<Tcp>().ok()?;
        let peer = stream.get_socket_digest();
        let acceptor = self.acceptor.load_full();
        match acceptor.tls_handshake(*stream).await {
            Ok(stream) => Some(Box::new(Peekable::new(stream))),
            Err(error) => {
                let peer = peer.as_ref().and_then(|digest| digest.peer_addr());
                let peer = peer.map_or_else(|| "a client".to_owned(), ToString::to_string);
                log::debug!("TLS with {peer} failed: {}", error.root_cause());
                None
            }
        }
    }
}

fn acceptor(config: &ServerConfig, http2: bool) -> Acceptor {
    let mut config = config.clone();
    config.alpn_protocols = match http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    Acceptor::from_server_config(Arc::new(config))
}

/// A connection whose first bytes can be seen before they are read, as Pingora offers it without TLS.
#[derive(Debug)]
struct Peekable {
    stream: TlsStream<Tcp>,
    /// Seen and not read yet.
    seen: Vec<u8>,
}

impl Peekable {
    fn new(stream: TlsStream<Tcp>) -> Self {
        let seen = Vec::new();
        Self { stream, seen }
    }
}

#[async_trait]
impl Peek for Peekable {
    async fn try_peek(&mut self, first: &mut [u8]) -> io::Result<bool> {
        // One read after the other, so that nothing is lost when this is given up.
        while self.seen.len() < first.len() {
            let mut more = [0; 24];
            let room = more.len().min(first.len() - self.seen.len());
            match self.stream.read(&mut more[..room]).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => self.seen.extend_from_slice(&more[..read]),
            }
        }
        first.copy_from_slice(&self.seen[..first.len()]);
        Ok(true)
    }
}

impl AsyncRead for Peekable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.seen.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let length = self.seen.len().min(buf.remaining());
        buf.put_slice(&self.seen[..length]);
        self.seen.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peekable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Peekable {
    async fn shutdown(&mut self) {
        // Pingora's own logs a warning for a client that is gone already.
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut self.stream).await;
    }
}

impl Ssl for Peekable {
    fn get_ssl(&self) -> Option<&TlsRef> {
        self.stream.get_ssl()
    }

    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl UniqueID for Peekable {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl GetTimingDigest for Peekable {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Peekable {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Peekable {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}
