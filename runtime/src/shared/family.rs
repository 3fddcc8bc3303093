//! Stand-in for `crate::family` until it lands.
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

pub(super) fn me() -> u64 {
    u64::from(std::process::id())
}

pub(super) fn is_alive(member: u64) -> bool {
    std::path::Path::new(&format!("/proc/{member}")).exists()
}

pub(super) fn wait(word: &AtomicU32, expected: u32, deadline: Option<Instant>) {
    let mut slice = Duration::from_millis(10);
    if let Some(deadline) = deadline {
        slice = slice.min(deadline.saturating_duration_since(Instant::now()));
    }
    crate::sys::futex_wait(word, expected, Some(slice));
}
