//! Keeps the connection to Redis, which several instances share their state through.

use crate::live::Current;

/// Connects, and again whenever the connection is lost. Does nothing without a Redis.
pub(super) async fn keep_connected(current: &Current) {
    if let Some(redis) = current.redis() {
        redis.run().await;
    }
}
