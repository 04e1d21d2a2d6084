//! A timer for waits that are cut short all the time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::time::{Instant, Sleep};

/// Keeps the timer of the last wait and uses it again while it is due no later: a timer is registered
/// once in a while instead of once an event.
///
/// All waits must be of one task: a timer that was registered wakes the task that did so, and is not
/// asked again.
#[derive(Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    /// The timer runs and knows whom to wake.
    registered: bool,
}

impl Alarm {
    /// Waits until `wake`, or a while less; for ever when there is nothing to wait for.
    pub(super) async fn ring_at(&mut self, wake: Option<Instant>) {
        let Some(wake) = wake else {
            return std::future::pending().await;
        };
        let sleep = match &mut self.sleep {
            Some(sleep) => {
                if sleep.is_elapsed() || sleep.deadline() > wake {
                    sleep.as_mut().reset(wake);
                    self.registered = false;
                }
                sleep
            }
            empty => {
                self.registered = false;
                empty.insert(Box::pin(tokio::time::sleep_until(wake)))
            }
        };
        let registered = &mut self.registered;
        poll_fn(|cx| match (*registered, sleep.is_elapsed()) {
            (true, true) => Poll::Ready(()),
            (true, false) => Poll::Pending,
            (false, _) => {
                *registered = true;
                sleep.as_mut().poll(cx)
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_cut_short_goes_on_with_the_same_timer() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        for n in 0..3 {
            let cut = tokio::time::timeout(SECOND, alarm.ring_at(Some(begun + 10 * SECOND))).await;
            assert!(cut.is_err(), "{n}");
        }
        alarm.ring_at(Some(begun + 10 * SECOND)).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_wait_moves_the_timer_and_a_later_one_ends_early_once() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        let cut = tokio::time::timeout(SECOND, alarm.ring_at(Some(begun + 10 * SECOND))).await;
        assert!(cut.is_err());
        alarm.ring_at(Some(begun + 5 * SECOND)).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        let cut = tokio::time::timeout(SECOND, alarm.ring_at(Some(begun + 8 * SECOND))).await;
        assert!(cut.is_err());
        alarm.ring_at(Some(begun + 20 * SECOND)).await;
        assert_eq!(begun.elapsed().as_secs(), 8, "the timer of the last wait");
        alarm.ring_at(Some(begun + 20 * SECOND)).await;
        assert_eq!(begun.elapsed().as_secs(), 20);
    }
}
