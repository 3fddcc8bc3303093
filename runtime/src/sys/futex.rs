//! Sleeping on a word of shared memory, and waking who sleeps there.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use rustix::thread::futex;

/// Sleeps while `word` holds `expected`, at most for `timeout`.
///
/// Returns early on a wake-up, on a changed word, on a signal and sometimes for no reason: the caller looks again.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|limit| rustix::time::Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    // Every error means "look again": EAGAIN, EINTR and ETIMEDOUT are all that can come.
    let _ = futex::wait(word, futex::Flags::empty(), expected, timeout.as_ref());
}

/// Wakes everyone who sleeps on `word`.
pub(crate) fn futex_wake(word: &AtomicU32) {
    let _ = futex::wake(word, futex::Flags::empty(), u32::MAX >> 1);
}

/// Wakes up to `count` of those who sleep on `word`; gives how many that were.
pub(crate) fn futex_wake_some(word: &AtomicU32, count: u32) -> usize {
    futex::wake(word, futex::Flags::empty(), count.min(u32::MAX >> 1)).unwrap_or(0)
}
