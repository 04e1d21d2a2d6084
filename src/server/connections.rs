//! Open client connections, so that the process does not end before the last bytes of an answer have
//! left it.
//!
//! A request has ended when its answer has been given to the connection. On HTTP/1.1 the bytes are
//! the kernel's then, and leave even after the process. An HTTP/2 connection may still hold a part of
//! them, for a client that reads slowly; it closes when it has written everything.
//!
//! A connection that never sends a whole header is closed here: Pingora limits the time of each read
//! only, and none for the bytes in which it looks for HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::lifecycle::{FirstRequest, Lifecycle};

/// A connection that was opened as the listener closed is about to send its first request; one that
/// has sent nothing for so long is kept in reserve by its client.
const SILENCE: Duration = Duration::from_millis(500);
/// How long a connection may take until its first header is there.
const HEADER: Duration = Duration::from_secs(60);
/// What HTTP/2 begins with, and no request of HTTP/1.
const HTTP2: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An application whose connections are counted.
pub(super) struct Counted<A> {
    app: Arc<A>,
    lifecycle: Arc<Lifecycle>,
}

impl<A> Counted<A> {
    /// Counts the connections of `app` in `lifecycle`.
    pub(super) fn new(app: A, lifecycle: Arc<Lifecycle>) -> Self {
        Self {
            app: Arc::new(app),
            lifecycle,
        }
    }
}

#[async_trait]
impl<A: ServerApp + Send + Sync + 'static> ServerApp for Counted<A> {
    async fn process_new(
        self: &Arc<Self>,
        mut stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = self.lifecycle.connect();
        let deadline = Instant::now() + HEADER;
        let (mut stop, mut first) = (shutdown.clone(), [0; 3]);
        let silent = async {
            // An error means that the sender is gone, which is an end too.
            let _ = stop.wait_for(|stop| *stop).await;
            tokio::time::sleep(SILENCE).await;
        };
        // Pingora waits for the first bytes whatever happens.
        tokio::select! {
            biased;
            peeked = stream.try_peek(&mut first) => peeked.ok()?,
            () = silent => return None,
            () = sleep_until(deadline) => return None,
        };
        if HTTP2.starts_with(&first) {
            // Its requests come in tasks of their own.
            let mut rest = [0; HTTP2.len()];
            let peeked = timeout_at(deadline, stream.try_peek(&mut rest)).await;
            peeked.ok()?.ok()?;
            return self.app.process_new(stream, shutdown).await;
        }
        let first = FirstRequest::default();
        let served = first.watch(self.app.process_new(stream, shutdown));
        tokio::pin!(served);
        tokio::select! {
            biased;
            kept = &mut served => return kept,
            () = sleep_until(deadline) => {}
        }
        if first.has_come() { served.await } else { None }
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}

#[cfg(test)]
mod tests {
    use pingora::protocols::l4::stream::Stream as Tcp;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;

    use super::*;
    use crate::lifecycle::request_came;

    const LONG: Duration = Duration::from_secs(1_000);

    /// Serves for a long time, a request or the wait for one.
    struct Slow {
        requests: bool,
    }

    #[async_trait]
    impl ServerApp for Slow {
        async fn process_new(
            self: &Arc<Self>,
            _stream: Stream,
            _shutdown: &ShutdownWatch,
        ) -> Option<Stream> {
            if self.requests {
                request_came();
            }
            tokio::time::sleep(LONG).await;
            None
        }
    }

    /// How long a connection that has sent `bytes` is served.
    async fn served(bytes: &[u8], requests: bool) -> Duration {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.write_all(bytes).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (_keep, shutdown) = watch::channel(false);
        let app = Arc::new(Counted::new(Slow { requests }, Arc::default()));
        let begun = Instant::now();
        app.process_new(Box::new(Tcp::from(server)), &shutdown)
            .await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_sends_a_whole_header_is_closed() {
        for bytes in [
            "",
            "P",
            "PRI * HTTP/2.0",
            "POST /v1/messages HTTP/1.1\r\nho",
        ] {
            let time = served(bytes.as_bytes(), false).await;
            assert!((HEADER..2 * HEADER).contains(&time), "{bytes:?}: {time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_with_a_request_may_last() {
        let request = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";
        assert!(served(request, true).await >= LONG);
        assert!(served(HTTP2, false).await >= LONG);
    }
}
