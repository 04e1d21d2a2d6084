//! What leaves and what comes, write by write and read by read.

use std::sync::Mutex;

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A socket that takes so many bytes a write and remembers each, and that reads what it was given.
#[derive(Debug, Default)]
struct Script {
    writes: Arc<Mutex<Vec<Vec<u8>>>>,
    most: usize,
    vectored: bool,
    reads: Vec<Vec<u8>>,
    /// Reads nothing, not even the end.
    silent: bool,
}

impl Script {
    fn accept(&self, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        all.truncate(self.most);
        let length = all.len();
        self.writes.lock().unwrap().push(all);
        Poll::Ready(Ok(length))
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.silent {
            return Poll::Pending;
        }
        if !self.reads.is_empty() {
            buf.put_slice(&self.reads.remove(0));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.accept(&[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.accept(&bufs[..if self.vectored { bufs.len() } else { 1 }])
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[async_trait]
impl Shutdown for Script {
    async fn shutdown(&mut self) {}
}

impl UniqueID for Script {
    fn id(&self) -> UniqueIDType {
        7
    }
}

impl Ssl for Script {}

impl GetTimingDigest for Script {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Script {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Script {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

#[async_trait]
impl Peek for Script {}

const HEADER: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n";

fn coalesced(script: Script) -> Coalesced {
    let connection = Connection::new(Box::new(script));
    Coalesced::new(connection, 1, Arc::new(Pool::new(4)))
}

fn digest(stream: &Coalesced) -> Digest {
    Digest {
        proxy_digest: stream.get_proxy_digest(),
        ..Digest::default()
    }
}

/// What arrives when a header, a flush, a body and another flush are written as Pingora does.
async fn written(most: usize, vectored: bool, with_body: bool) -> Vec<Vec<u8>> {
    let script = Script {
        most,
        vectored,
        ..Script::default()
    };
    let writes = Arc::clone(&script.writes);
    let mut stream = coalesced(script);
    announce(&digest(&stream), with_body);
    stream.write_all(HEADER).await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(b"body").await.unwrap();
    stream.flush().await.unwrap();
    writes.lock().unwrap().clone()
}

#[tokio::test]
async fn header_and_body_leave_in_one_write() {
    assert_eq!(
        written(1_000, true, true).await,
        [[HEADER, b"body"].concat()]
    );
}

#[tokio::test]
async fn a_header_that_was_not_announced_with_a_body_leaves_at_once() {
    assert_eq!(written(1_000, true, false).await, [HEADER, b"body"]);
}

#[tokio::test]
async fn every_byte_leaves_in_order_whatever_a_write_takes() {
    let all = [HEADER, b"body"].concat();
    for vectored in [true, false] {
        for most in 1..=all.len() {
            assert_eq!(
                written(most, vectored, true).await.concat(),
                all,
                "{most} {vectored}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_does_not_keep_its_header() {
    let script = Script {
        most: 1_000,
        ..Script::default()
    };
    let writes = Arc::clone(&script.writes);
    let mut stream = coalesced(script);
    announce(&digest(&stream), true);
    stream.write_all(HEADER).await.unwrap();
    stream.flush().await.unwrap();
    assert!(writes.lock().unwrap().is_empty());
    // Pingora flushes once more when a body is finished.
    stream.flush().await.unwrap();
    assert_eq!(*writes.lock().unwrap(), [HEADER]);
}

#[tokio::test]
async fn each_answer_is_looked_into_anew() {
    let header = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n";
    let answer = [&header[..], chunks].concat();
    let merged = [&header[..], b"4\r\nabcd\r\n0\r\n\r\n"].concat();
    let script = Script {
        most: 1_000,
        reads: vec![answer.clone(), answer.clone(), answer.clone()],
        ..Script::default()
    };
    let mut stream = coalesced(script);
    let mut buf = [0; 1_000];
    for expected in [&merged, &merged] {
        announce(&digest(&stream), true);
        stream.write_all(HEADER).await.unwrap();
        let read = stream.read(&mut buf).await.unwrap();
        assert_eq!(&buf[..read], expected.as_slice());
    }
    let read = stream.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..read], answer, "nobody asked for it");
}

#[test]
fn other_connections_are_told_nothing() {
    assert!(!announce(&Digest::default(), true));
}

/// Whether a connection waits in the pool after Pingora has asked whether it is fit, and let it go.
fn is_kept(reads: Vec<Vec<u8>>) -> bool {
    let pool = Arc::new(Pool::new(4));
    let script = Script {
        silent: reads.is_empty(),
        reads,
        ..Script::default()
    };
    let mut stream = Coalesced::new(Connection::new(Box::new(script)), 1, Arc::clone(&pool));
    let mut byte = [0];
    let question = tokio::task::unconstrained(stream.read(&mut byte)).now_or_never();
    assert!(question.is_some(), "Pingora must not keep it itself");
    drop(stream);
    pool.take(1).is_some()
}

#[test]
fn a_connection_that_is_fit_goes_into_the_pool() {
    assert!(is_kept(Vec::new()));
    assert!(!is_kept(vec![b"?".to_vec()]), "bytes that nobody asked for");
    assert!(!is_kept(vec![Vec::new()]), "closed");
}

#[tokio::test]
async fn a_read_of_one_byte_is_no_question() {
    let script = Script {
        reads: vec![b"x".to_vec()],
        ..Script::default()
    };
    let mut stream = coalesced(script);
    assert_eq!(stream.read_u8().await.unwrap(), b'x');
}

#[test]
fn a_connection_that_nobody_found_fit_is_closed() {
    let pool = Arc::new(Pool::new(4));
    let connection = Connection::new(Box::new(Script::default()));
    drop(Coalesced::new(connection, 1, Arc::clone(&pool)));
    assert!(pool.take(1).is_none());
}

#[test]
fn a_connection_knows_whether_it_has_served_before() {
    let stream = coalesced(Script::default());
    let digest = digest(&stream);
    assert!(!announce(&digest, true));
    assert!(announce(&digest, true));
}
