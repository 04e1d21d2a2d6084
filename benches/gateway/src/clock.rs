//! The clock that both programs share: stamps of the upstream are compared with the loader's.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in time: nanoseconds of the machine's monotonic clock, the same in all processes.
pub type Nanos = u64;

/// Now.
pub fn now() -> Nanos {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// A length of time in the clock's unit.
pub fn nanos(length: Duration) -> Nanos {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
