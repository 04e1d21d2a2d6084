//! What runs beside the requests where several instances share a Redis.

use super::{Current, rests, turns};
use crate::metrics::RedisNow;

impl Current {
    /// How Redis is now.
    pub fn redis_now(&self) -> Option<RedisNow> {
        let redis = self.redis()?;
        Some(RedisNow {
            up: redis.is_up(),
            troubles: redis.troubles(),
        })
    }

    /// Shares with other instances what they share. Never ends, and does nothing where there are none.
    pub async fn share(&self) {
        let Some(redis) = self.redis() else {
            return;
        };
        let book = &self.shared.book;
        tokio::join!(
            redis.run(),
            turns::hand_out(book, redis),
            rests::share(book, redis),
            async {
                if let Some(counters) = &self.shared.shared_counters {
                    counters.share().await;
                }
            },
            async {
                if let Some(neighbours) = &self.shared.neighbours {
                    tokio::join!(neighbours.tell(), neighbours.hear(&self.shared.homes));
                }
            }
        );
    }

    /// Adds what the last records say to the counters of all.
    pub async fn share_last_counts(&self) {
        if let Some(counters) = &self.shared.shared_counters {
            counters.flush().await;
        }
    }
}
