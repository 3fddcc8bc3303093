//! How often to look for messages that nothing announces.

use std::time::Duration;

use crate::sys::{online_cpus, sleep_exactly};

/// While something was heard this lately, and there are CPUs, it is looked without pause.
const SPIN_NANOS: u64 = 100_000;
/// A large message goes in steps, some of which find nothing: it is looked without pause for so long, and who
/// else wants the CPU gets it.
const MOVING_NANOS: u64 = 2_000_000;
/// What has to be told is mostly told within this time.
const SOON_NANOS: u64 = 1_000_000;
/// The pauses in between; a longer one costs an answer that much.
const SHORTEST: u64 = 20_000;
/// About one per cent of a CPU, at 15 to 30 µs for each look.
const LONGEST: u64 = 3_000_000;

/// The looks of one thread.
#[derive(Debug)]
pub(super) struct Pace {
    /// There is a CPU for a thread that does nothing but look.
    spins: bool,
    /// When something was found last.
    found: u64,
}

impl Pace {
    /// Of this thread, which is one of `ranks` at most on this machine.
    pub(super) fn new(ranks: usize) -> Self {
        sleep_exactly();
        Self {
            spins: 2 * ranks <= online_cpus(),
            found: 0,
        }
    }

    /// How long to wait until the next look, if `found` says whether this one found something, and `moving` whether
    /// something is on its way; none if not at all.
    pub(super) fn next(&mut self, found: bool, moving: bool, now: u64) -> Option<Duration> {
        if found {
            self.found = now;
            return None;
        }
        let since = now.saturating_sub(self.found);
        if self.spins && since < SPIN_NANOS || moving && since < MOVING_NANOS {
            std::thread::yield_now();
            return None;
        }
        // A pause is a part of what was waited already, so that it makes that little longer: least where much is
        // to and fro.
        let part = if since < SOON_NANOS { 8 } else { 4 };
        Some(Duration::from_nanos(
            (since / part).clamp(SHORTEST, LONGEST),
        ))
    }
}
