//! What waits to be told to a store, off the path of requests.

use parking_lot::Mutex;
use tokio::sync::Notify;

/// A queue with a limit and a bell. Putting something into it never waits.
#[derive(Debug)]
pub struct Outbox<T> {
    waiting: Mutex<Vec<T>>,
    room: usize,
    bell: Notify,
}

impl<T> Outbox<T> {
    /// One in which at most `room` things wait.
    pub fn new(room: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            room,
            bell: Notify::new(),
        }
    }

    /// Takes `thing`; `false`: there was no room, and it is gone.
    pub fn put(&self, thing: T) -> bool {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.room {
            return false;
        }
        waiting.push(thing);
        drop(waiting);
        self.bell.notify_one();
        true
    }

    /// Everything that waits, at most `most`, the oldest first. Waits until there is something.
    pub async fn take(&self, most: usize) -> Vec<T> {
        loop {
            self.filled().await;
            let taken = self.take_now(most);
            if !taken.is_empty() {
                return taken;
            }
        }
    }

    /// Waits until something waits. For one who takes.
    pub async fn filled(&self) {
        while self.waiting.lock().is_empty() {
            self.bell.notified().await;
        }
    }

    /// What waits now, at most `most`.
    pub fn take_now(&self, most: usize) -> Vec<T> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(most);
        waiting.drain(..count).collect()
    }

    /// Puts `things` back, to be taken first. What finds no room is gone.
    pub fn put_back(&self, mut things: Vec<T>) {
        let mut waiting = self.waiting.lock();
        things.truncate(self.room.saturating_sub(waiting.len()));
        things.append(&mut waiting);
        *waiting = things;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_is_taken_in_order_and_there_is_a_limit() {
        let outbox = Outbox::new(3);
        assert!((0..3).all(|n| outbox.put(n)));
        assert!(!outbox.put(3));
        let first = outbox.take(2).await;
        assert_eq!(first, [0, 1]);
        outbox.put(4);
        outbox.put_back(first);
        assert_eq!(outbox.take(9).await, [0, 2, 4]);
        assert!(outbox.take_now(9).is_empty());
    }
}
