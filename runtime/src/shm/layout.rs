//! Where everything lies in the two segments.

#![expect(unsafe_code, reason = "values of atomics are placed in shared memory")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

use super::memory::{Placed, RingMemory};
use super::{Memory, Park};
use crate::sys::{FaultRecord, Mapping, Segment, futex_wait, futex_wake};

/// Bytes of each ring of a worker.
pub(crate) const RING_BYTES: usize = 1 << 20;
/// How many chunks can be queued in a worker at once: each has a word to settle who takes it.
pub(crate) const CLAIMS: usize = 64;

/// Parts with different protection start at multiples of the largest page size of our targets.
const PART: usize = 64 << 10;
const PARENT_BYTES: usize = PART + RING_BYTES;
/// Bytes of a worker's segment.
pub(crate) const SEGMENT_BYTES: usize = PARENT_BYTES + PART + RING_BYTES;
/// Bytes of a pool's segment.
pub(crate) const POOL_BYTES: usize = 2 * PART;
/// Texts stand behind the words of their half.
const TEXT_START: usize = 4 << 10;
const TEXT_BYTES: usize = PART - TEXT_START;

/// See [`WorkerWords::ready`].
pub(crate) const READY: u32 = 1;
/// See [`WorkerWords::ready`].
pub(crate) const REFUSED: u32 = 2;

/// A value alone on its cache lines (two, since processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// Words that the parent writes and the worker reads.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ParentWords {
    /// Rule 1 of the task ring.
    pub(crate) task_tail: Line<AtomicU64>,
    /// Rule 2 of the result ring.
    pub(crate) result_head: Line<AtomicU64>,
    /// The worker sleeps on it; the parent increments it.
    pub(crate) bell: Line<AtomicU32>,
    /// 1 once the worker shall end when its task ring is empty (release, acquire).
    pub(crate) closing: Line<AtomicU32>,
    /// Number of the chunk that the worker shall end after its current item (relaxed: it is enough
    /// that the worker sees it soon).
    pub(crate) cut: Line<AtomicU64>,
    /// For standard output and error: 0 if the parent does not want to know who writes what, else twice
    /// the bytes that it has read, counted from 1, and 1 more while it is reading on. See
    /// [`WorkerWords::said`].
    pub(crate) heard: Line<[AtomicU64; 2]>,
    /// Grows with each message that has come to the worker's socket though no chunk says so (release,
    /// acquire).
    pub(crate) notes: Line<AtomicU32>,
    /// For both: 1 if all that an item writes goes into its report, else 0; written before the worker
    /// starts.
    pub(crate) captured: [AtomicU32; 2],
    /// The parent's table of functions; written before the worker starts.
    pub(crate) fingerprint: AtomicU64,
    /// Bytes of the orders; written before the worker starts.
    orders_len: AtomicU64,
}

/// Words that the worker writes and the parent reads, without trust.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct WorkerWords {
    /// Rule 2 of the task ring.
    pub(crate) task_head: Line<AtomicU64>,
    pub(crate) results: Line<ResultWords>,
    pub(crate) sleep: Line<SleepWords>,
    /// How many items the worker ever began; read after its death to see whether it was between two
    /// items. See [`begin`](super::begin) for how the parent takes back those not begun.
    pub(crate) started: Line<AtomicU64>,
    /// When it began the one that it is running, in nanoseconds of the monotonic clock; 0 between
    /// chunks, and while it waits for its parent (relaxed). For runs of tiny items it is refreshed now and then only, unless the chunk's
    /// header asks for every item.
    pub(crate) began: AtomicU64,
    /// Nanoseconds of processor time that it had used about then: at most a millisecond before
    /// (relaxed).
    pub(crate) cpu: AtomicU64,
    /// When it began the chunk that it is running, by the same clock; 0 between chunks (relaxed).
    pub(crate) chunk_began: AtomicU64,
    /// When it was ready, by the same clock; stored (relaxed) before `ready`.
    pub(crate) ready_at: AtomicU64,
    /// How much it had written to standard output and error when the item began that it began last, as
    /// `heard` counts; stored (relaxed) before `started`.
    ///
    /// The worker finds out what it has written, through the C library or in children too, by adding
    /// what is in the pipe to what was `heard`: that is right if `heard` is even and the same before
    /// and after it looks into the pipe. The parent makes the word odd before it reads and even after
    /// it, each with a fence.
    pub(crate) said: [AtomicU64; 2],
    /// The parent's `notes` when it took in last what they tell of (release, acquire).
    pub(crate) noted: AtomicU32,
    /// Grows whenever it could not take in something that was sent (relaxed: it is read when a failed
    /// chunk has ended).
    pub(crate) lost: AtomicU32,
    /// Bytes that it has written to the stream of what it logs (release, acquire); stored before the results
    /// of the items that wrote them are published.
    pub(crate) logged: AtomicU64,
    /// [`READY`] once the worker can serve, [`REFUSED`] when it cannot and has left the reason as its
    /// text (release, acquire).
    pub(crate) ready: AtomicU32,
    /// Of the worker's table of functions; stored before `ready`.
    pub(crate) fingerprint: AtomicU64,
    /// Bytes of the text, 0 while there is none (release, acquire).
    pub(crate) text_len: AtomicU64,
    pub(crate) fault: FaultRecord,
    /// Who takes the chunk with number `n`: word `n % CLAIMS`, changed by compare-and-swap on both
    /// sides. See [`Claim`](super::Claim).
    pub(crate) claims: [AtomicU64; CLAIMS],
    /// How many results of the chunk with number `n` come in a row, at word `n % CLAIMS`: `u64::MAX` when the
    /// chunk begins, and another number before a record is published that is no part of the row (relaxed: it is
    /// read when results of the chunk were found in the ring).
    pub(crate) rows: [AtomicU64; CLAIMS],
}

/// What the parent looks at whenever it looks for results. What the worker writes with each item is on other
/// lines: these would travel as often.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct ResultWords {
    /// Rule 1 of the result ring.
    pub(crate) tail: AtomicU64,
    /// How many messages with what results name it has sent; stored before the results are published,
    /// and so seen with them (relaxed).
    pub(crate) carried: AtomicU64,
}

/// What the worker writes when it goes to sleep.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SleepWords {
    /// Rule 1 of the worker's bell.
    pub(super) asleep: AtomicU32,
    /// 1 while it waits for room in the result ring, and not for tasks. Stored before it announces
    /// its sleep, and read by the parent after a fence that follows its store of `result_head`:
    /// by the argument of the bell the parent sees it, or the worker sees the room.
    pub(crate) wants_room: AtomicU32,
}

/// The bell of a pool: rung by its workers, written by all of them.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct PoolBell {
    bell: AtomicU32,
}

/// Words of a pool that its workers only read.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct PoolWords {
    asleep: Line<AtomicU32>,
    /// How long a worker may spin before it sleeps, in nanoseconds; 0 when cores are scarce.
    pub(crate) spin: Line<AtomicU32>,
}

/// A bell and its sleeper's word in shared memory.
#[derive(Debug)]
pub(crate) struct WordPark<B, A> {
    bell: (Placed<B>, fn(&B) -> &AtomicU32),
    asleep: (Placed<A>, fn(&A) -> &AtomicU32),
}

impl<B, A> Park for WordPark<B, A> {
    fn bell(&self) -> u32 {
        (self.bell.1)(&self.bell.0).load(Ordering::Acquire)
    }

    fn ring(&self) {
        let bell = (self.bell.1)(&self.bell.0);
        bell.fetch_add(1, Ordering::Release);
        futex_wake(bell);
    }

    fn asleep(&self) -> u32 {
        (self.asleep.1)(&self.asleep.0).load(Ordering::Acquire)
    }

    fn set_asleep(&self, value: u32) {
        (self.asleep.1)(&self.asleep.0).store(value, Ordering::Release);
    }

    fn wait(&self, seen: u32, timeout: Option<Duration>) {
        futex_wait((self.bell.1)(&self.bell.0), seen, timeout);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

pub(crate) type TaskRing = RingMemory<ParentWords, WorkerWords>;
pub(crate) type ResultRing = RingMemory<WorkerWords, ParentWords>;
pub(crate) type WorkerPark = WordPark<ParentWords, WorkerWords>;
pub(crate) type PoolPark = WordPark<PoolBell, PoolWords>;

/// A text that one side leaves for the other: the orders of the parent, or the worker's last words.
#[derive(Debug)]
pub(crate) struct Text<W> {
    mapping: Arc<Mapping>,
    words: Placed<W>,
    len: fn(&W) -> &AtomicU64,
}

pub(crate) type LastWords = Text<WorkerWords>;

impl<W> Text<W> {
    /// Leaves `text`, cut to what there is room for.
    pub(crate) fn put(&self, text: &[u8]) {
        let text = &text[..text.len().min(TEXT_BYTES)];
        self.memory().write(0, text);
        (self.len)(&self.words).store(text.len() as u64, Ordering::Release);
    }

    /// Forgets the text.
    pub(crate) fn clear(&self) {
        (self.len)(&self.words).store(0, Ordering::Relaxed);
    }

    /// What was left, if anything was.
    pub(crate) fn get(&self) -> Option<Vec<u8>> {
        let len = usize::try_from((self.len)(&self.words).load(Ordering::Acquire)).ok()?;
        let mut text = vec![0; Some(len).filter(|len| (1..=TEXT_BYTES).contains(len))?];
        self.memory().read(0, &mut text);
        Some(text)
    }

    fn memory(&self) -> RingMemory<W, W> {
        let (tail, head) = (
            (self.words.clone(), self.len),
            (self.words.clone(), self.len),
        );
        RingMemory::new(&self.mapping, TEXT_START, TEXT_BYTES, tail, head)
    }
}

/// One worker's segment, as mapped by its parent or by the worker itself.
#[derive(Debug)]
pub(crate) struct Lane {
    parent_part: Arc<Mapping>,
    worker_part: Arc<Mapping>,
    pub(crate) parent: Placed<ParentWords>,
    pub(crate) worker: Placed<WorkerWords>,
}

impl Lane {
    /// The worker can write only its own half.
    pub(crate) fn map(segment: &Segment, in_parent: bool) -> io::Result<Self> {
        let parent_part = Arc::new(segment.map(0, PARENT_BYTES, in_parent)?);
        let worker_part =
            Arc::new(segment.map(PARENT_BYTES, SEGMENT_BYTES - PARENT_BYTES, true)?);
        // SAFETY: made of atomics, at offset 0 of a page.
        let parent = unsafe { Placed::new(&parent_part, 0) };
        // SAFETY: made of atomics, at offset 0 of a page.
        let worker = unsafe { Placed::new(&worker_part, 0) };
        Ok(Self {
            parent_part,
            worker_part,
            parent,
            worker,
        })
    }

    pub(crate) fn tasks(&self) -> TaskRing {
        let tail: fn(&ParentWords) -> &AtomicU64 = |words| &words.task_tail.0;
        let head: fn(&WorkerWords) -> &AtomicU64 = |words| &words.task_head.0;
        let (tail, head) = ((self.parent.clone(), tail), (self.worker.clone(), head));
        RingMemory::new(&self.parent_part, PART, RING_BYTES, tail, head)
    }

    pub(crate) fn results(&self) -> ResultRing {
        let tail: fn(&WorkerWords) -> &AtomicU64 = |words| &words.results.0.tail;
        let head: fn(&ParentWords) -> &AtomicU64 = |words| &words.result_head.0;
        let (tail, head) = ((self.worker.clone(), tail), (self.parent.clone(), head));
        RingMemory::new(&self.worker_part, PART, RING_BYTES, tail, head)
    }

    /// Where the worker sleeps.
    pub(crate) fn park(&self) -> WorkerPark {
        WordPark {
            bell: (self.parent.clone(), |words| &words.bell.0),
            asleep: (self.worker.clone(), |words| &words.sleep.0.asleep),
        }
    }

    /// Where the worker's fault handler writes.
    pub(crate) fn fault_record(&self) -> &'static FaultRecord {
        &self.worker.leak().fault
    }

    /// What the worker leaves: why it cannot serve, or the report of a panic that ends it.
    pub(crate) fn last_words(&self) -> LastWords {
        Text {
            mapping: Arc::clone(&self.worker_part),
            words: self.worker.clone(),
            len: |words| &words.text_len,
        }
    }

    /// What the parent wants of the worker.
    pub(crate) fn orders(&self) -> Text<ParentWords> {
        Text {
            mapping: Arc::clone(&self.parent_part),
            words: self.parent.clone(),
            len: |words| &words.orders_len,
        }
    }
}

/// A pool's segment, in the parent or in a worker.
#[derive(Debug)]
pub(crate) struct PoolSide {
    bell: Placed<PoolBell>,
    pub(crate) words: Placed<PoolWords>,
}

impl PoolSide {
    pub(crate) fn map(segment: &Segment, parent: bool) -> io::Result<Self> {
        let bell_part = Arc::new(segment.map(0, PART, true)?);
        let words_part = Arc::new(segment.map(PART, PART, parent)?);
        // SAFETY: made of atomics, at offset 0 of a page.
        let bell = unsafe { Placed::new(&bell_part, 0) };
        // SAFETY: made of atomics, at offset 0 of a page.
        let words = unsafe { Placed::new(&words_part, 0) };
        Ok(Self { bell, words })
    }

    pub(crate) fn park(&self) -> PoolPark {
        WordPark {
            bell: (self.bell.clone(), |bell| &bell.bell),
            asleep: (self.words.clone(), |words| &words.asleep.0),
        }
    }
}
