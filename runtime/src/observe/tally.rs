//! What a pool counts of itself, always: the numbers behind its statistics.

use crate::event::EventKind;

/// Counts what happens. It is told at once, by whoever has the pool's lock: it only adds.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    done: u64,
}

impl Tally {
    /// Takes note of what happened at a time, in nanoseconds; 0 where the time does not matter.
    #[inline]
    pub(crate) fn count(&mut self, _at: u64, kind: &EventKind) {
        if let EventKind::ItemsDone { count, .. } = kind {
            self.done += *count as u64;
        }
    }
}
