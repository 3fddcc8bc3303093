//! Sleeping until another process acts, or is gone.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::segment::Family;
use crate::sys::futex_wait_either;

/// Processes whose parent has died are looked at as often: nobody counts their deaths.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a sleep ended. The caller looks again in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    /// The word was changed, or woken, or neither.
    Word,
    /// A member may be gone.
    Death,
    TimedOut,
}

impl Family {
    /// Sleeps while `word` is `expected` and no more members have gone than `deaths` says, until
    /// `deadline` at most.
    pub(crate) fn wait(
        &self,
        word: &AtomicU32,
        expected: u32,
        deaths: u32,
        deadline: Option<Instant>,
    ) -> Wake {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Wake::TimedOut;
        }
        let slice = left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY));
        let start = Instant::now();
        futex_wait_either([(word, expected), (&self.slots().deaths, deaths)], slice);
        if self.slots().deaths.load(Ordering::SeqCst) != deaths || start.elapsed() >= LOOK_EVERY {
            Wake::Death
        } else if word.load(Ordering::SeqCst) != expected
            || deadline.is_none_or(|deadline| deadline > Instant::now())
        {
            Wake::Word
        } else {
            Wake::TimedOut
        }
    }
}
