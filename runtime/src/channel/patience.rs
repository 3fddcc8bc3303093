//! How long to wait behind somebody who waits for the same.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(1);

/// Parts of a wait, after each of which one looks: the one in front may be stopped, by a debugger, say.
#[derive(Debug)]
pub(super) struct Patience {
    next: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Patience {
    /// When to look again, `deadline` at the latest. Each part is longer than the one before.
    pub(super) fn until(&mut self, deadline: Option<Instant>) -> Instant {
        let end = Instant::now() + self.next;
        self.next = LONGEST.min(2 * self.next);
        deadline.map_or(end, |deadline| deadline.min(end))
    }
}

/// True if `deadline` has come.
pub(super) fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
