//! How the process is told to end: handing its sockets over, draining, at once.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::server::{ShutdownSignal, ShutdownSignalWatch};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Barrier;

use crate::lifecycle::Lifecycle;
use crate::logging;

/// How long a terminated process goes on accepting while its answers tell clients to go elsewhere.
const NOTICE: Duration = Duration::from_secs(1);
/// …unless nobody has asked for anything for so long.
const NOBODY: Duration = Duration::from_millis(500);

/// SIGQUIT hands the sockets to a successor, SIGTERM drains, SIGINT stops at once.
pub(super) struct Signals {
    pub(super) lifecycle: Arc<Lifecycle>,
    pub(super) ready: Arc<Barrier>,
}

#[async_trait]
impl ShutdownSignalWatch for Signals {
    async fn recv(&self) -> ShutdownSignal {
        let signals = (
            signal(SignalKind::quit()),
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        );
        self.ready.wait().await;
        let (Ok(mut quit), Ok(mut term), Ok(mut int)) = signals else {
            log::error!("cannot listen for signals");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = quit.recv() => {
                self.lifecycle.drain();
                log::info!("SIGQUIT: handing the sockets over");
                tokio::spawn(end_when_told_again(term, int, Arc::clone(&self.lifecycle)));
                ShutdownSignal::GracefulUpgrade
            }
            _ = term.recv() => {
                self.lifecycle.drain();
                log::info!("SIGTERM: draining");
                tokio::spawn(end_when_told_again(term, int, Arc::clone(&self.lifecycle)));
                // Connections that are reused in this time hear that they should not be.
                tokio::select! {
                    () = self.lifecycle.quiet(NOBODY) => {}
                    () = tokio::time::sleep(NOTICE) => {}
                }
                ShutdownSignal::GracefulTerminate
            }
            _ = int.recv() => {
                log::info!("SIGINT: stopping at once");
                logging::flush();
                ShutdownSignal::FastShutdown
            }
        }
    }
}

/// Ends the process when it is told to stop a second time. From the first time on: Pingora listens
/// to no signal any more, not even in the seconds that it takes to hand sockets over.
async fn end_when_told_again(mut term: Signal, mut int: Signal, lifecycle: Arc<Lifecycle>) {
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
    log::warn!(
        "told to stop again: {} requests are dropped",
        lifecycle.running()
    );
    logging::flush();
    std::process::exit(0);
}
