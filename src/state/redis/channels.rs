//! What instances tell each other.

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::broadcast::{self, error::RecvError};

/// Messages that a slow listener may lag behind.
const ROOM: usize = 4_096;

/// What is heard on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// What an instance said, this one too.
    Message(Bytes),
    /// Listening begins (again): what was said before was not heard. Read what stands.
    Anew,
}

/// Hears what is said on one channel.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Heard>);

impl Listener {
    /// The next thing. Waits as long as Redis is away.
    pub async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(heard) => heard,
            Err(RecvError::Lagged(_)) => Heard::Anew,
            // Nobody will ever say anything: the process ends.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// The channels that somebody here listens to, by their full names.
#[derive(Debug, Default)]
pub(super) struct Channels(Mutex<HashMap<String, broadcast::Sender<Heard>>>);

impl Channels {
    pub(super) fn listen(&self, name: String) -> Listener {
        let mut channels = self.0.lock();
        let channel = channels
            .entry(name)
            .or_insert_with(|| broadcast::channel(ROOM).0);
        Listener(channel.subscribe())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.0.lock().keys().cloned().collect()
    }

    /// Listening to `names` begins.
    pub(super) fn begin(&self, names: &[String]) {
        for name in names {
            self.tell(name, Heard::Anew);
        }
    }

    /// Takes what came unasked over the connection.
    pub(super) fn take(&self, push: PushInfo) {
        if push.kind != PushKind::Message {
            return;
        }
        let mut parts = push.data.into_iter();
        let (Some(Value::BulkString(name)), Some(Value::BulkString(message))) =
            (parts.next(), parts.next())
        else {
            return;
        };
        if let Ok(name) = std::str::from_utf8(&name) {
            self.tell(name, Heard::Message(message.into()));
        }
    }

    fn tell(&self, name: &str, heard: Heard) {
        if let Some(channel) = self.0.lock().get(name) {
            // Nobody may be listening any more.
            let _ = channel.send(heard);
        }
    }
}
