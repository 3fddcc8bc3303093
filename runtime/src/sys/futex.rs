//! Sleeping on a word of shared memory, and waking who sleeps there.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{ClockId, futex};

use super::clock::now_nanos;

/// How often the second of two words is looked at where the kernel cannot wait for both.
const LOOK_EVERY: Duration = Duration::from_millis(5);

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

/// Sleeps while both words hold what is expected of them, at most for `timeout`. May return early.
///
/// Kernels before 5.16 cannot wait for two words; then it is the first one that wakes at once.
pub(crate) fn futex_wait_either(words: [(&AtomicU32, u32); 2], timeout: Duration) {
    static ABSENT: AtomicBool = AtomicBool::new(false);
    if !ABSENT.load(Ordering::Relaxed) {
        let waits = words.map(|(word, expected)| {
            let mut wait = futex::Wait::new();
            wait.val = u64::from(expected);
            wait.uaddr = futex::WaitPtr::new(ptr::from_ref(word).cast_mut().cast());
            wait.flags = futex::WaitFlags::SIZE_U32;
            wait
        });
        let end = now_nanos().saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        let end = rustix::time::Timespec {
            tv_sec: i64::try_from(end / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: (end % 1_000_000_000) as i64,
        };
        let flags = futex::WaitvFlags::empty();
        let waited = futex::waitv(&waits, flags, Some(&end), ClockId::Monotonic);
        if !matches!(waited, Err(Errno::NOSYS | Errno::PERM)) {
            return;
        }
        ABSENT.store(true, Ordering::Relaxed);
    }
    let [(word, expected), (other, unchanged)] = words;
    if other.load(Ordering::SeqCst) == unchanged {
        futex_wait(word, expected, Some(timeout.min(LOOK_EVERY)));
    }
}
