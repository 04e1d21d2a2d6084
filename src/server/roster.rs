//! Following the accounts of the database.

use std::time::Duration;

use tokio::sync::Barrier;
use tokio::time::{sleep, timeout};

use crate::roster::Roster;

/// How often the database is asked whether there is news: well under the second in which a change is in
/// force everywhere.
const EVERY: Duration = Duration::from_millis(300);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the first request may have to wait for the accounts of the database. When it is away by then,
/// the gateway begins with those of the file.
const FIRST: Duration = Duration::from_millis(1_500);

/// Keeps what is in force in step with the database, as long as the process runs. Nothing is served before
/// the first look.
pub(super) async fn follow(roster: &Roster, ready: &Barrier) {
    if roster.is_wanted() {
        look(roster, FIRST).await;
    }
    ready.wait().await;
    loop {
        sleep(EVERY).await;
        if roster.is_wanted() {
            look(roster, PATIENCE).await;
        }
    }
}

async fn look(roster: &Roster, patience: Duration) {
    match timeout(patience, roster.refresh()).await {
        Ok(Ok(())) => roster.looked(None),
        Ok(Err(error)) => roster.looked(Some(&error)),
        Err(_) => roster.looked(Some(&"it does not answer")),
    }
}
