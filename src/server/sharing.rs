//! What outlives this process or is shared with other instances: turns, rests, who made which response.

use std::collections::HashMap;
use std::time::Duration;

use crate::live::Current;

/// How long the last turns and responses may take.
const LAST: Duration = Duration::from_secs(6);

/// Before the first request: goes on where the last process has ended.
pub(super) async fn begin(current: &Current) {
    current.restore_turns().await;
}

/// While requests are served.
pub(super) async fn share(current: &Current) {
    tokio::join!(current.share(), current.keep_turns(), current.made().keep());
}

/// After the last request.
pub(super) async fn end(current: &Current) {
    let mut saved = HashMap::new();
    let last = async { tokio::join!(current.save_turns(&mut saved), current.made().end()) };
    if tokio::time::timeout(LAST, last).await.is_err() {
        log::warn!("the last turns and responses were not saved in time");
    }
}
