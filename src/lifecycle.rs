//! Whether the process is on its way out, and how much still runs in it.
//!
//! While it drains, every answer tells its client to use another connection next time, so that by
//! the time the listener closes nobody is about to send a request into a closing socket. The last
//! request to end lets the process exit at once.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;

/// Shared by everything that serves requests and by what stops the process.
#[derive(Debug, Default)]
pub struct Lifecycle {
    draining: AtomicBool,
    running: AtomicUsize,
    begun: AtomicU64,
    connections: AtomicUsize,
    changed: Notify,
    cut: AtomicBool,
    /// Told once, of `cut`.
    cutting: Notify,
}

impl Lifecycle {
    /// Counts a request in until the returned value is dropped. `None` when `limit` run already.
    pub fn enter(self: &Arc<Self>, limit: usize) -> Option<Running> {
        if self.running.fetch_add(1, Ordering::AcqRel) >= limit {
            self.leave();
            return None;
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        Some(Running(Arc::clone(self)))
    }

    /// How many requests run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Acquire)
    }

    /// How many connections of clients are open.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Acquire)
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// From now on the process is on its way out.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// Counts a client connection in until the returned value is dropped.
    pub fn connect(self: &Arc<Self>) -> Connected {
        self.connections.fetch_add(1, Ordering::AcqRel);
        Connected(Arc::clone(self))
    }

    /// Waits until no request runs.
    pub async fn idle(&self) {
        self.none(&self.running).await;
    }

    /// Waits until no connection is open. Connections are not closed by this.
    pub async fn disconnected(&self) {
        self.none(&self.connections).await;
    }

    async fn none(&self, count: &AtomicUsize) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if count.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Waits until no request has run for `time`: neither now nor in between.
    pub async fn quiet(&self, time: Duration) {
        loop {
            self.idle().await;
            let begun = self.begun.load(Ordering::Acquire);
            tokio::time::sleep(time).await;
            if self.running() == 0 && self.begun.load(Ordering::Acquire) == begun {
                return;
            }
        }
    }

    /// There is no more time: whatever runs [until it is cut off](Self::until_cut) ends now.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.cutting.notify_waiters();
    }

    /// Runs `work`, unless it is [cut off](Self::cut); then it is dropped. Costs one look at a flag each time
    /// that `work` is polled, which must be in one task.
    pub async fn until_cut(&self, work: impl Future<Output = ()>) {
        let mut cutting = pin!(self.cutting.notified());
        cutting.as_mut().enable();
        let mut work = pin!(work);
        let mut waits = false;
        poll_fn(|cx| {
            let waits = std::mem::replace(&mut waits, true);
            if self.cut.load(Ordering::Acquire) || !waits && cutting.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            work.as_mut().poll(cx)
        })
        .await;
    }

    fn leave(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 && self.is_draining() {
            self.changed.notify_waiters();
        }
    }
}

tokio::task_local! {
    static FIRST_REQUEST: Arc<AtomicBool>;
}

/// Whether the first request has come on the connection that a task serves.
#[derive(Debug, Default)]
pub struct FirstRequest(Arc<AtomicBool>);

impl FirstRequest {
    /// Watches the task that serves the connection for [`request_came`].
    pub fn watch<F: Future>(&self, served: F) -> impl Future<Output = F::Output> + use<F> {
        FIRST_REQUEST.scope(Arc::clone(&self.0), served)
    }

    /// Whether it has.
    pub fn has_come(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The header of a request has come. Does nothing where requests have tasks of their own.
pub fn request_came() {
    let _ = FIRST_REQUEST.try_with(|first| first.store(true, Ordering::Release));
}

/// One running request.
#[derive(Debug)]
pub struct Running(Arc<Lifecycle>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// One open client connection.
#[derive(Debug)]
pub struct Connected(Arc<Lifecycle>);

impl Drop for Connected {
    fn drop(&mut self) {
        let lifecycle = &self.0;
        if lifecycle.connections.fetch_sub(1, Ordering::AcqRel) == 1 && lifecycle.is_draining() {
            lifecycle.changed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn idle_comes_with_the_end_of_the_last_request() {
        let lifecycle = Arc::new(Lifecycle::default());
        lifecycle.idle().await;
        let (one, two) = (lifecycle.enter(9), lifecycle.enter(9));
        lifecycle.drain();
        let idle = tokio::spawn({
            let lifecycle = Arc::clone(&lifecycle);
            async move { lifecycle.idle().await }
        });
        drop(one);
        tokio::task::yield_now().await;
        assert!(!idle.is_finished());
        drop(two);
        idle.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn short_requests_one_after_the_other_are_no_quiet() {
        let lifecycle = Arc::new(Lifecycle::default());
        lifecycle.drain();
        let quiet = tokio::spawn({
            let lifecycle = Arc::clone(&lifecycle);
            async move { lifecycle.quiet(Duration::from_millis(100)).await }
        });
        for _ in 0..20 {
            drop(lifecycle.enter(9));
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(!quiet.is_finished());
        }
        quiet.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_cut_off_is_dropped_wherever_it_stands() {
        let lifecycle = Arc::new(Lifecycle::default());
        lifecycle.until_cut(std::future::ready(())).await;
        let running = lifecycle.enter(9);
        let cut = tokio::spawn({
            let lifecycle = Arc::clone(&lifecycle);
            async move {
                let work = async move {
                    let _running = running;
                    tokio::task::yield_now().await;
                    std::future::pending::<()>().await;
                };
                lifecycle.until_cut(work).await;
            }
        });
        for _ in 0..9 {
            tokio::task::yield_now().await;
        }
        assert!(!cut.is_finished());
        lifecycle.cut();
        cut.await.unwrap();
        assert_eq!(lifecycle.running(), 0);
        lifecycle.until_cut(std::future::pending()).await;
    }

    #[test]
    fn only_so_many_run_at_once() {
        let lifecycle = Arc::new(Lifecycle::default());
        let one = lifecycle.enter(1);
        assert!(one.is_some() && lifecycle.enter(1).is_none());
        drop(one);
        assert!(lifecycle.enter(1).is_some());
    }
}
