//! Open client connections, so that the process does not end before the last bytes of an answer have
//! left it.
//!
//! A request has ended when its answer has been given to the connection. On HTTP/1.1 the bytes are
//! the kernel's then, and leave even after the process. An HTTP/2 connection may still hold a part of
//! them, for a client that reads slowly; it closes when it has written everything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;

use crate::lifecycle::Lifecycle;

/// A connection that was opened as the listener closed is about to send its first request; one that
/// has sent nothing for so long is kept in reserve by its client.
const SILENCE: Duration = Duration::from_millis(500);

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
        let (mut stop, mut first) = (shutdown.clone(), [0]);
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
        };
        self.app.process_new(stream, shutdown).await
    }

    async fn cleanup(&self) {
        self.app.cleanup().await;
    }
}
