//! Whether the kernel has killed for lack of memory since the supervisor looked last.

use std::time::{Duration, Instant};

use crate::sys::oom_kills;

/// The look that is due at the start of a worker waits so long: the worker cannot fill a machine's memory
/// until then, and many a program is done.
const DELAY: Duration = Duration::from_millis(10);

/// What the supervisor knows of such kills.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    /// So many at the last look; none before the first one, and if nothing counts them.
    seen: Option<u64>,
    /// When to look next.
    due: Option<Instant>,
    waived: bool,
}

impl OomKills {
    /// A worker is about to be started: what was killed before then was none of it.
    pub(super) fn worker_starts(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + DELAY);
    }

    /// When [`tend`](Self::tend) has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks, if that is due; says whether it did.
    pub(super) fn tend(&mut self) -> bool {
        let is_due = self.due.is_some_and(|due| due <= Instant::now());
        if is_due {
            self.due = None;
            self.seen = oom_kills();
        }
        is_due
    }

    /// Nobody will ask any more.
    pub(super) fn waive(&mut self) {
        self.waived = true;
    }

    /// True if something was killed since the last look.
    pub(super) fn happened(&mut self) -> bool {
        if self.waived {
            return false;
        }
        let before = std::mem::replace(&mut self.seen, oom_kills());
        self.due = None;
        before.is_some() && self.seen > before
    }
}
