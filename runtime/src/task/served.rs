//! The chunk that a worker runs, which any of its threads may ask about.
//!
//! The thread that serves writes down a chunk when it begins and when it is over; which item of it runs follows
//! from the number of items that were begun, which the worker counts for its parent anyway. So an item costs
//! nothing here.
//!
//! | field | written | read |
//! | --- | --- | --- |
//! | `version` | made odd (relaxed, a release fence behind it) before anything else is written, even (release) after it | even (acquire) before, and the same behind an acquire fence after the rest |
//! | the others | relaxed | relaxed |
//!
//! The way of H.-J. Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::batch::{Batch, Item};
use crate::registry::FunctionId;
use crate::shm::begun;
use crate::wire::Numbering;

/// A copy of the process that was forked off while the version was odd finds it so for ever.
const LOOKS: u32 = 1000;

#[derive(Debug)]
pub(super) struct Served {
    version: AtomicU64,
    /// Items that were begun before the chunk; [`NOTHING`] between two chunks.
    before: AtomicU64,
    function: AtomicU32,
    numbering: AtomicU32,
    first: AtomicU64,
    attempt: AtomicU32,
    seed: AtomicU64,
}

const NOTHING: u64 = u64::MAX;

static SERVED: Served = Served::new();
/// How many items this process ever began; none in one that serves nobody.
static STARTED: OnceLock<&'static AtomicU64> = OnceLock::new();

/// This process serves, and counts the items that it begins there.
pub(crate) fn serve(started: &'static AtomicU64) {
    // A process begins to serve once.
    let _ = STARTED.set(started);
}

/// The next item is the first of these; `before` items were begun ever.
pub(crate) fn begin_chunk(batch: &Batch, before: u64) {
    SERVED.begin(batch, before);
}

/// No item runs.
pub(crate) fn end_chunk() {
    SERVED.end();
}

/// The item that this process serves now.
pub(super) fn item() -> Option<Item> {
    SERVED.item(STARTED.get()?)
}

// Only one thread may write.
impl Served {
    pub(super) const fn new() -> Self {
        Self {
            version: AtomicU64::new(0),
            before: AtomicU64::new(NOTHING),
            function: AtomicU32::new(0),
            numbering: AtomicU32::new(0),
            first: AtomicU64::new(0),
            attempt: AtomicU32::new(0),
            seed: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(&self, batch: &Batch, before: u64) {
        let Batch {
            function,
            numbering,
            first,
            attempt,
            seed,
        } = *batch;
        self.write(|| {
            self.before.store(before, Ordering::Relaxed);
            self.function.store(function.0, Ordering::Relaxed);
            self.numbering.store(numbering.to_bits(), Ordering::Relaxed);
            self.first.store(first, Ordering::Relaxed);
            self.attempt.store(attempt, Ordering::Relaxed);
            self.seed.store(seed, Ordering::Relaxed);
        });
    }

    pub(super) fn end(&self) {
        self.write(|| self.before.store(NOTHING, Ordering::Relaxed));
    }

    fn write(&self, write: impl FnOnce()) {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        write();
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
    }

    /// The item that runs, as the counter says.
    pub(super) fn item(&self, started: &AtomicU64) -> Option<Item> {
        for _ in 0..LOOKS {
            if let Some((batch, before, started)) = self.read(started) {
                let number = started.checked_sub(before)?;
                return Some(batch.item(number.checked_sub(1)?));
            }
            std::hint::spin_loop();
        }
        None
    }

    /// The chunk, what stands in `before`, and what the counter says; none while it is written.
    fn read(&self, started: &AtomicU64) -> Option<(Batch, u64, u64)> {
        let version = self.version.load(Ordering::Acquire);
        let batch = Batch {
            function: FunctionId(self.function.load(Ordering::Relaxed)),
            numbering: Numbering::from_bits(self.numbering.load(Ordering::Relaxed)),
            first: self.first.load(Ordering::Relaxed),
            attempt: self.attempt.load(Ordering::Relaxed),
            seed: self.seed.load(Ordering::Relaxed),
        };
        let before = self.before.load(Ordering::Relaxed);
        let started = begun(started, Ordering::Relaxed);
        fence(Ordering::Acquire);
        let same = self.version.load(Ordering::Relaxed) == version;
        (same && version.is_multiple_of(2)).then_some((batch, before, started))
    }
}
