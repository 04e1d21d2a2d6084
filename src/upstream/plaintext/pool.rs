//! Connections that wait for their next request.
//!
//! Pingora's own pool has a task watch every connection that waits: it is spawned with each request
//! and woken with the next, which costs a sixth of all that Pingora does for a small request. Here a
//! connection waits unwatched; whether it still stands is asked when it is taken, and [`Pool::sweep`]
//! closes those that nobody takes.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use super::stream::Connection;

/// How long a connection waits. Servers close theirs after one to several minutes.
const IDLE: Duration = Duration::from_secs(60);

/// Connections that wait, by the peer they lead to.
#[derive(Debug)]
pub struct Pool {
    waiting: Mutex<Waiting>,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The one that has waited longest stands first.
    by_peer: HashMap<u64, VecDeque<(Instant, Connection)>>,
    count: usize,
}

impl Pool {
    /// Keeps `most` connections at most.
    pub fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            most,
        }
    }

    /// The connection to `peer` that was used last, if one stands.
    pub(super) fn take(&self, peer: u64) -> Option<Connection> {
        loop {
            let mut waiting = self.waiting.lock();
            let (since, mut connection) = waiting.by_peer.get_mut(&peer)?.pop_back()?;
            waiting.count -= 1;
            drop(waiting);
            if since.elapsed() < IDLE && stands(&mut connection) {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection to `peer` whose answer has ended.
    pub(super) fn put(&self, peer: u64, connection: Connection) {
        let mut waiting = self.waiting.lock();
        let full = waiting.count >= self.most;
        let queue = waiting.by_peer.entry(peer).or_default();
        queue.push_back((Instant::now(), connection));
        // One of another peer's would be as good, but is not as easily found.
        let closed = full.then(|| queue.pop_front());
        waiting.count += usize::from(!full);
        drop(waiting);
        drop(closed);
    }

    /// Closes what has waited long enough.
    pub fn sweep(&self) {
        let mut closed = Vec::new();
        let mut waiting = self.waiting.lock();
        let waiting = &mut *waiting;
        waiting.by_peer.retain(|_, queue| {
            while queue
                .front()
                .is_some_and(|(since, _)| since.elapsed() >= IDLE)
            {
                closed.extend(queue.pop_front());
                waiting.count -= 1;
            }
            !queue.is_empty()
        });
    }
}

/// Whether nothing has come on a connection that waits: neither its end nor bytes that nobody asked
/// for.
fn stands(connection: &mut Connection) -> bool {
    let mut byte = [0];
    let read = pin!(connection.stream.read(&mut byte));
    // A task's budget must not look like silence, nor silence cost any.
    let read = pin!(tokio::task::unconstrained(read));
    read.poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A connection, and the other end of it.
    fn connection() -> (Connection, DuplexStream) {
        let (near, far) = duplex(64);
        (Connection::new(Box::new(near)), far)
    }

    /// Writes `word` to a connection and drops it.
    async fn say(mut connection: Connection, word: &[u8]) {
        connection.stream.write_all(word).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_connection_that_was_used_last_is_taken_first() {
        let pool = Pool::new(10);
        let ((one, _far_one), (two, mut far_two)) = (connection(), connection());
        pool.put(7, one);
        pool.put(7, two);
        assert!(pool.take(8).is_none());
        say(pool.take(7).unwrap(), b"x").await;
        assert_eq!(far_two.read_u8().await.unwrap(), b'x');
        assert!(pool.take(7).is_some());
        assert!(pool.take(7).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_its_server_has_closed_or_written_to_is_not_taken() {
        let pool = Pool::new(10);
        let ((good, _far), (closed, far_closed), (odd, mut far_odd)) =
            (connection(), connection(), connection());
        pool.put(7, good);
        pool.put(7, closed);
        pool.put(7, odd);
        drop(far_closed);
        far_odd.write_all(b"?").await.unwrap();
        assert!(pool.take(7).is_some());
        assert!(pool.take(7).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_is_closed() {
        let pool = Pool::new(10);
        let ((old, mut far_old), (young, _far)) = (connection(), connection());
        pool.put(7, old);
        tokio::time::advance(IDLE / 2).await;
        pool.put(7, young);
        tokio::time::advance(IDLE / 2).await;
        pool.sweep();
        assert_eq!(far_old.read(&mut [0]).await.unwrap(), 0, "closed");
        assert_eq!(pool.waiting.lock().count, 1);
        tokio::time::advance(IDLE / 2).await;
        assert!(pool.take(7).is_none());
        assert_eq!(pool.waiting.lock().count, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_kept_than_may_be() {
        let pool = Pool::new(2);
        let mut far = Vec::new();
        for peer in [1, 1, 1, 2] {
            let (near, end) = connection();
            far.push(end);
            pool.put(peer, near);
        }
        assert_eq!(pool.waiting.lock().count, 2);
        assert_eq!(far[0].read(&mut [0]).await.unwrap(), 0, "the oldest went");
        assert_eq!(
            far[3].read(&mut [0]).await.unwrap(),
            0,
            "no other of its peer's could go"
        );
        assert!(pool.take(1).is_some() && pool.take(1).is_some());
    }
}
