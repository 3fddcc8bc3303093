//! The clock that every process of the machine reads alike.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock; comparable between processes.
pub(crate) fn now_nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
