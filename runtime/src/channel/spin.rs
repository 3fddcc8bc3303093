//! Looking for a while before sleeping, where that has been worth it.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::sys::{now_nanos, online_cpus};

/// About the time that waking another process takes.
const LONGEST: u32 = 50_000;

/// How often to look between two looks at the clock.
const LOOKS: u32 = 96;

/// Those that this process may use do not matter: a worker that is pinned to one waits for others elsewhere.
static OTHER_CPUS: LazyLock<bool> = LazyLock::new(|| online_cpus() > 1);

/// How long to spin, in nanoseconds less than the longest time: halved whenever it was in vain.
#[derive(Debug, Default)]
pub(super) struct Spin {
    /// How often in a row it was in vain.
    misses: AtomicU32,
}

impl Spin {
    /// Looks for a while; true as soon as `ready` is.
    pub(super) fn wait(&self, mut ready: impl FnMut() -> bool) -> bool {
        if !*OTHER_CPUS {
            return ready();
        }
        let misses = self.misses.load(Ordering::Relaxed);
        let budget = u64::from(LONGEST >> misses.min(31));
        // Most news come before the clock is worth a look.
        let mut end = None;
        loop {
            for _ in 0..LOOKS {
                if ready() {
                    if misses > 0 {
                        self.misses.store(0, Ordering::Relaxed);
                    }
                    return true;
                }
                std::hint::spin_loop();
            }
            let now = now_nanos();
            if *end.get_or_insert(now + budget) <= now {
                break;
            }
            // The kernel may have put the other side on this very core.
            std::thread::yield_now();
        }
        self.misses
            .store(misses.saturating_add(1).min(5), Ordering::Relaxed);
        false
    }

    /// Tells how long a sleep took that began at `start`: after a short one spinning is worth a try.
    pub(super) fn slept_since(&self, start: Instant) {
        if start.elapsed() < Duration::from_nanos(2 * u64::from(LONGEST)) {
            self.misses.store(0, Ordering::Relaxed);
        }
    }
}
