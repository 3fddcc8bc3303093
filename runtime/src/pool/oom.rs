//! Whether the kernel has killed for lack of memory since the supervisor looked last.

use crate::sys::oom_kills;

/// What the supervisor knows of such kills.
#[derive(Debug, Default)]
pub(super) struct OomKills {
    /// So many at the last look; none before the first one, and if nothing counts them.
    seen: Option<u64>,
    stale: bool,
}

impl OomKills {
    /// A worker is about to be started: what was killed before then was none of it.
    ///
    /// The look itself takes some time, and is left to the next moment in which there is nothing else to
    /// do. A worker has not begun anything until then.
    pub(super) fn worker_starts(&mut self) {
        self.stale = true;
    }

    /// Has the look that was left for later.
    pub(super) fn catch_up(&mut self) {
        if std::mem::take(&mut self.stale) {
            self.seen = oom_kills();
        }
    }

    /// True if something was killed since the last look.
    pub(super) fn happened(&mut self) -> bool {
        let before = std::mem::replace(&mut self.seen, oom_kills());
        self.stale = false;
        before.is_some() && self.seen > before
    }
}
