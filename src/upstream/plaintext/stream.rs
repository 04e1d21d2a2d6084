//! A connection whose writes and reads come in fewer, larger pieces.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora_core::protocols::raw_connect::ProxyDigest;
use pingora_core::protocols::{
    Digest, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chunks::Merge;
use super::pool::Pool;

/// Pieces that Pingora hands over at once: a chunk's head, its data, its end.
const PIECES: usize = 4;

/// A connection to a provider, as Pingora's HTTP/1 session sees it.
#[derive(Debug)]
pub(super) struct Coalesced {
    /// Until it goes home.
    connection: Option<Connection>,
    /// The flush that follows the header is still to come.
    waits: bool,
    merge: Merge,
    home: Home,
}

/// What stays of a connection from one request to the next.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// A header that waits for its body.
    held: BytesMut,
    /// Pingora shows the phases a connection's digest, and nothing else of it.
    digest: Arc<ProxyDigest>,
}

/// Where a connection goes when its answer has ended.
#[derive(Debug)]
struct Home {
    pool: Arc<Pool>,
    peer: u64,
    /// Pingora has found it fit to be used again.
    fit: bool,
}

/// What is known about a connection beside its digest, and what a phase says about what is written
/// next.
#[derive(Debug, Default)]
struct Notice {
    next: AtomicU8,
    reused: AtomicBool,
}

impl Notice {
    const NOTHING: u8 = 0;
    /// The header of a request.
    const HEADER: u8 = 1;
    /// The same, and its body is at hand.
    const HEADER_AND_BODY: u8 = 2;
}

/// Says that a request's header is written next to the connection with this digest, and whether its
/// body follows at once. Returns whether the connection has served a request before, of which Pingora
/// does not know. Does nothing for connections of another kind.
pub fn announce(digest: &Digest, with_body: bool) -> bool {
    let Some(notice) = digest.proxy_digest.as_deref().and_then(notice) else {
        return false;
    };
    let next = match with_body {
        true => Notice::HEADER_AND_BODY,
        false => Notice::HEADER,
    };
    notice.next.store(next, Ordering::Relaxed);
    notice.reused.swap(true, Ordering::Relaxed)
}

fn notice(digest: &ProxyDigest) -> Option<&Notice> {
    digest.user_data.as_ref()?.downcast_ref()
}

impl Connection {
    /// A new one.
    pub(super) fn new(stream: Stream) -> Self {
        // A place for the notice; nobody reads this header.
        let response = Box::new(http::Response::new(()).into_parts().0.into());
        let digest = ProxyDigest::new(response, Some(Box::new(Notice::default())));
        Self {
            stream,
            held: BytesMut::new(),
            digest: Arc::new(digest),
        }
    }

    /// What was announced, once.
    fn announced(&self) -> u8 {
        let Some(Notice { next, .. }) = notice(&self.digest) else {
            return Notice::NOTHING;
        };
        // Who announces and who writes are one task.
        match next.load(Ordering::Relaxed) {
            Notice::NOTHING => Notice::NOTHING,
            what => {
                next.store(Notice::NOTHING, Ordering::Relaxed);
                what
            }
        }
    }

    /// Writes the header that was held, and `bufs` behind it. Returns how much of `bufs` was written.
    fn poll_behind(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        while !self.held.is_empty() {
            let inner = Pin::new(&mut self.stream);
            let written = if inner.is_write_vectored() && !bufs.is_empty() {
                let all: SmallVec<[IoSlice<'_>; PIECES + 1]> = [IoSlice::new(&self.held)]
                    .into_iter()
                    .chain(bufs.iter().map(|buf| IoSlice::new(buf)))
                    .collect();
                ready!(inner.poll_write_vectored(cx, &all))?
            } else {
                ready!(inner.poll_write(cx, &self.held))?
            };
            let header = self.held.len();
            match written {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                part if part < header => self.held.advance(part),
                more => {
                    self.held.clear();
                    if more > header {
                        return Poll::Ready(Ok(more - header));
                    }
                }
            }
        }
        if bufs.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}

impl Coalesced {
    /// Around `connection`, which leads to `peer` and goes into `pool` when its answer has ended.
    pub(super) fn new(connection: Connection, peer: u64, pool: Arc<Pool>) -> Self {
        Self {
            connection: Some(connection),
            waits: false,
            merge: Merge::Off,
            home: Home {
                pool,
                peer,
                fit: false,
            },
        }
    }

    /// The connection, which is there until this is dropped.
    fn connection(&mut self) -> io::Result<&mut Connection> {
        let connection = self.connection.as_mut();
        connection.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Coalesced {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.home.fit) {
            self.home.pool.put(self.home.peer, connection);
        }
    }
}

/// Whether this read is Pingora's question whether a connection is fit to wait in its pool: may a byte
/// be read from it, now, by nobody in particular? A waker that wakes nobody has no data; a task's has.
fn is_question(cx: &Context<'_>, buf: &ReadBuf<'_>) -> bool {
    buf.remaining() == 1 && cx.waker().data().is_null()
}

impl AsyncRead for Coalesced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let stream = Pin::new(&mut this.connection()?.stream);
        let before = buf.filled().len();
        if is_question(cx, buf) {
            let silent = stream.poll_read(cx, buf).is_pending();
            // To Pingora it looks closed, and it lets go of it.
            this.home.fit = silent;
            return Poll::Ready(Ok(()));
        }
        ready!(stream.poll_read(cx, buf))?;
        let left = this.merge.apply(&mut buf.filled_mut()[before..]);
        buf.set_filled(before + left);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Coalesced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let announced = this.connection()?.announced();
        if announced != Notice::NOTHING {
            this.merge = Merge::Header;
        }
        this.waits = announced == Notice::HEADER_AND_BODY;
        let connection = this.connection()?;
        if announced == Notice::HEADER_AND_BODY {
            connection.held.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        match connection.held.is_empty() {
            true => Pin::new(&mut connection.stream).poll_write(cx, buf),
            false => connection.poll_behind(cx, &[IoSlice::new(buf)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.waits = false;
        self.connection()?.poll_behind(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        let connection = self.connection.as_ref();
        connection.is_some_and(|connection| connection.stream.is_write_vectored())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.waits) {
            return Poll::Ready(Ok(()));
        }
        let connection = self.connection()?;
        ready!(connection.poll_behind(cx, &[]))?;
        Pin::new(&mut connection.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.connection()?;
        ready!(connection.poll_behind(cx, &[]))?;
        Pin::new(&mut connection.stream).poll_shutdown(cx)
    }
}

#[async_trait]
impl Shutdown for Coalesced {
    async fn shutdown(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.stream.shutdown().await;
        }
    }
}

impl UniqueID for Coalesced {
    fn id(&self) -> UniqueIDType {
        let connection = self.connection.as_ref();
        connection.map_or(-1, |connection| connection.stream.id())
    }
}

impl Ssl for Coalesced {}

impl GetTimingDigest for Coalesced {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        let connection = self.connection.as_ref();
        connection.map_or_else(Vec::new, |connection| connection.stream.get_timing_digest())
    }

    fn get_read_pending_time(&self) -> Duration {
        let connection = self.connection.as_ref();
        connection.map_or(Duration::ZERO, |connection| {
            connection.stream.get_read_pending_time()
        })
    }

    fn get_write_pending_time(&self) -> Duration {
        let connection = self.connection.as_ref();
        connection.map_or(Duration::ZERO, |connection| {
            connection.stream.get_write_pending_time()
        })
    }
}

impl GetProxyDigest for Coalesced {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(Arc::clone(&self.connection.as_ref()?.digest))
    }
}

impl GetSocketDigest for Coalesced {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.connection.as_ref()?.stream.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Coalesced {}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
