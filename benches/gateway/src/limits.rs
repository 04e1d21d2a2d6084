//! What the system grants a process: thousands of connections, timers that fire when they should.

use std::num::NonZeroU64;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the number of open files to what is allowed and makes timers exact. Best effort: a run
/// that needs more connections than there are fails by itself, with the reason.
pub fn raise() {
    let now = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: now.maximum,
            maximum: now.maximum,
        },
    );
    // By default the kernel may be 50 µs late, to save wake-ups.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}
