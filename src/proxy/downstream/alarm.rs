//! A timer for waits that are cut short all the time.

use std::pin::Pin;

use tokio::time::{Instant, Sleep};

/// Keeps the timer of the last wait and uses it again while it is due no later: a timer is registered
/// once in a while instead of once an event.
#[derive(Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Waits until `wake`, or a while less; for ever when there is nothing to wait for.
    pub(super) async fn ring_at(&mut self, wake: Option<Instant>) {
        let Some(wake) = wake else {
            return std::future::pending().await;
        };
        match &mut self.0 {
            Some(sleep) if !sleep.is_elapsed() && sleep.deadline() <= wake => sleep.as_mut().await,
            Some(sleep) => {
                sleep.as_mut().reset(wake);
                sleep.as_mut().await;
            }
            empty => {
                let sleep = empty.insert(Box::pin(tokio::time::sleep_until(wake)));
                sleep.as_mut().await;
            }
        }
    }
}
