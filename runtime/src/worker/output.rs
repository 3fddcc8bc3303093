//! Which item wrote what: where in the worker's standard output and error an item begins and ends.
//!
//! The parent knows what was written, the worker knows when items begin. Asking how much is in the pipe
//! is a system call, so it is asked only when the item before can have written something: when it took
//! long enough, or when something was written lately.

use std::cell::Cell;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use super::link::Link;
use crate::shm::{Lane, ParentWords, Placed, WorkerWords};
use crate::sys::{Standard, flush_streams, unread};
use crate::wire::{Note, Sink, Spans, Status};

/// An item that took no longer than this is taken to have written nothing, in nanoseconds.
const SILENT: u64 = 1_000;
/// Of many items, each one takes this long anyway.
const USUAL: u64 = 64;
/// When something was written, every item is looked at for so long.
const NOISY: u64 = 10_000_000;
/// Otherwise it is so long between two looks at what the parent has read.
const QUIET: u64 = 10_000;
/// How often to look at once when the parent is reading at the same time.
const TRIES: u32 = 16;
/// How long to wait until it has read, which takes microseconds, if the kernel does not let it go on:
/// for the lines of an error, and for what is captured.
const PATIENCE: Duration = Duration::from_millis(5);
const LONG_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Outputs {
    parent: Placed<ParentWords>,
    worker: Placed<WorkerWords>,
    /// Streams that the parent wants to know about, but that are not captured.
    watched: [bool; 2],
    captured: [bool; 2],
    /// Where the item begins that runs, or what was not told of an earlier one.
    begin: [Cell<u64>; 2],
    /// What the parent had read at the last look.
    heard: Cell<[u64; 2]>,
    /// When the current item began, in nanoseconds.
    began: Cell<u64>,
    /// The last item of the chunk before can have written something.
    stale: Cell<bool>,
    /// When to look next, unless an item takes long.
    look_at: Cell<u64>,
    noisy_until: Cell<u64>,
}

impl Outputs {
    pub(super) fn new(lane: &Lane) -> Self {
        let parent = lane.parent.clone();
        let told = Standard::BOTH.map(|one| heard(&parent, one) != 0);
        let captured = Standard::BOTH.map(|one| {
            let word = &parent.captured[one as usize];
            told[one as usize] && word.load(Ordering::Relaxed) != 0
        });
        let outputs = Self {
            parent,
            worker: lane.worker.clone(),
            watched: [told[0] && !captured[0], told[1] && !captured[1]],
            captured,
            begin: Default::default(),
            heard: Cell::default(),
            began: Cell::new(0),
            stale: Cell::new(true),
            look_at: Cell::new(0),
            noisy_until: Cell::new(0),
        };
        // What was written before the first item, by constructors say, belongs to none.
        for one in Standard::BOTH {
            if outputs.captured[one as usize] {
                let begin = outputs.position(one, LONG_PATIENCE);
                outputs.set_begin(one, begin);
            }
        }
        outputs
    }

    /// True if each item's output has to be told.
    pub(super) fn is_capturing(&self) -> bool {
        self.captured != [false; 2]
    }

    /// An item begins, `items` after the last one that this was said of; the first one of a chunk is none
    /// after any. True when each single item is worth a look.
    #[inline]
    pub(super) fn item_begins(&self, now: u64, items: u32) -> bool {
        let took = now.saturating_sub(self.began.replace(now));
        let stale = match items.checked_sub(1) {
            None => self.stale.replace(false),
            Some(others) => took > SILENT + u64::from(others) * USUAL,
        };
        (stale || now >= self.look_at.get()) && self.look(now, stale)
    }

    fn look(&self, now: u64, stale: bool) -> bool {
        if self.watched == [false; 2] {
            self.look_at.set(u64::MAX);
            return false;
        }
        let heard = Standard::BOTH.map(|one| heard(&self.parent, one));
        if self.heard.replace(heard) != heard {
            self.noisy_until.set(now.saturating_add(NOISY));
        }
        if stale || now < self.noisy_until.get() {
            for one in Standard::BOTH {
                if self.watched[one as usize] {
                    let begin = self.position(one, PATIENCE);
                    if begin != self.begin[one as usize].get() {
                        self.set_begin(one, begin);
                        self.noisy_until.set(now.saturating_add(NOISY));
                    }
                }
            }
        }
        let noisy = now < self.noisy_until.get();
        self.look_at
            .set(if noisy { 0 } else { now.saturating_add(QUIET) });
        noisy
    }

    /// A chunk ends.
    pub(super) fn chunk_ends(&self, now: u64) {
        let took = now.saturating_sub(self.began.get());
        self.stale.set(self.stale.get() || took > SILENT);
    }

    fn set_begin(&self, standard: Standard, begin: u64) {
        self.begin[standard as usize].set(begin);
        self.worker.said[standard as usize].store(begin, Ordering::Relaxed);
    }

    /// Tells where the current item wrote: of captured streams, and of all if the item fails.
    pub(super) fn tell(&self, link: &mut Link, fails: bool) {
        if self.is_capturing() {
            flush_streams();
        }
        let mut spans = Spans::default();
        for one in Standard::BOTH {
            let end = match (self.captured[one as usize], self.watched[one as usize]) {
                (true, _) => self.position(one, LONG_PATIENCE),
                (false, true) if fails => self.position(one, PATIENCE),
                _ => continue,
            };
            spans.0[one as usize] = (self.begin[one as usize].get(), end);
        }
        if spans.is_empty() {
            return;
        }
        link.record(Status::Note, &Note::Wrote(spans).to_bytes());
        for one in Standard::BOTH {
            if self.captured[one as usize] {
                self.set_begin(one, spans.0[one as usize].1);
            }
        }
    }

    /// How much was written to a stream; or less, if the parent is in the middle of reading for longer
    /// than `patience`.
    fn position(&self, standard: Standard, patience: Duration) -> u64 {
        let mut end = None;
        loop {
            if let Some(found) = (0..TRIES).find_map(|_| self.try_position(standard)) {
                return found;
            }
            if Instant::now() > *end.get_or_insert_with(|| Instant::now() + patience) {
                let least = heard(&self.parent, standard) >> 1;
                return least.max(self.begin[standard as usize].get());
            }
            // The kernel may have put the parent on this very core.
            std::thread::yield_now();
        }
    }

    fn try_position(&self, standard: Standard) -> Option<u64> {
        let before = heard(&self.parent, standard);
        if before & 1 != 0 {
            std::hint::spin_loop();
            return None;
        }
        // Fails, and counts as nothing, if the task has put something else in the place of the stream.
        let unread = unread(standard).unwrap_or(0);
        fence(Ordering::SeqCst);
        let after = heard(&self.parent, standard);
        (before == after).then_some((before >> 1) + unread)
    }
}

/// What the parent has read, as its word says it.
fn heard(parent: &ParentWords, standard: Standard) -> u64 {
    parent.heard.0[standard as usize].load(Ordering::Acquire)
}
