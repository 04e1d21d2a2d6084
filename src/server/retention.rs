//! Deletes records of requests that are older than the config wants to keep them.

use std::time::{Duration, SystemTime};

use super::housekeeping::Housekeeping;
use crate::state::sql::SqlError;
use crate::usage::retention::{thin, thin_hours};
use crate::usage::standing::State;

/// The first time after the start.
const FIRST: Duration = Duration::from_secs(60);
/// And between two times.
const PAUSE: Duration = Duration::from_secs(60 * 60);
/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Housekeeping {
    pub(super) async fn forget_old_usage(&self) {
        let mut pause = FIRST;
        loop {
            tokio::time::sleep(pause).await;
            pause = PAUSE;
            if self.reloader.current.standing().database() == State::Up
                && let Err(error) = self.forget_usage().await
            {
                log::warn!("usage: deleting old records: {error}");
            }
        }
    }

    async fn forget_usage(&self) -> Result<(), SqlError> {
        let current = &self.reloader.current;
        let (database, now) = (current.database(), SystemTime::now());
        let kept = current.load().config.usage;
        let mut deleted = 0;
        if let Some(days) = kept.retention {
            deleted += thin(database, now, DAY * days.get()).await?;
        }
        if let Some(days) = kept.hourly_retention {
            deleted += thin_hours(database, now, DAY * days.get()).await?;
        }
        if deleted > 0 {
            log::info!("usage: {deleted} old rows were deleted");
        }
        Ok(())
    }
}
