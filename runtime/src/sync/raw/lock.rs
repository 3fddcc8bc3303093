//! A lock in shared memory; see the head of the module for its word.

#![expect(unsafe_code, reason = "a lock is placed in shared memory")]

use std::io;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::protocol::{OWNER_DIED, Step, TID, WAITERS, freed, next};
use crate::sys::{
    Held, Mapping, Mark, RobustBlock, RobustList, cpus, futex_wait, futex_wake_some, thread_exists,
};

/// How often a sleeper looks whether the thread that has the lock exists.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a lock that is taken is looked at before sleeping.
const SPINS: u32 = 100;
/// The pause before a lock is tried again that a thread of this process holds, though its word, which
/// somebody must have overwritten, does not say so.
const OVERWRITTEN_PAUSE: Duration = Duration::from_millis(1);

/// The first pause before the process of a thread that ended with a lock is looked at again.
const ENDING_PAUSE: Duration = Duration::from_micros(100);

/// A lock that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    /// The process that had it before ended without letting go of it. The next one is not told again.
    pub(crate) died: bool,
}

/// Why a lock was not taken, though nobody else kept it.
#[derive(Debug)]
pub(crate) enum LockError {
    /// The calling thread has it, or a thread of this process has ended with it.
    Deadlock,
    /// This C library does not support such locks.
    Unsupported(io::Error),
}

/// What came of taking a lock that no thread has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    /// The word has changed.
    Changed,
    /// A thread has ended with it, and its process lives.
    Kept(Mark),
}

/// A lock in shared memory, as one handle of it.
///
/// It is let go of through the same handle by which it was taken, by the same thread. A handle that
/// is dropped while the lock is held (a guard was forgotten) leaves the memory mapped for good.
#[derive(Debug)]
pub(crate) struct RawLock {
    held: ManuallyDrop<Box<Held>>,
    block: NonNull<RobustBlock>,
    mapping: Arc<Mapping>,
}

// SAFETY: the block is made of atomics and mapped as long as the handle lives.
unsafe impl Send for RawLock {}
// SAFETY: as above; `Held` is used by the holder of the lock only.
unsafe impl Sync for RawLock {}

impl RawLock {
    /// Bytes of a lock, and their alignment.
    pub(crate) const SIZE: usize = size_of::<RobustBlock>();

    /// The lock at `offset`; zeroes are a free one.
    ///
    /// # Safety
    /// The mapping is writable, and its [`SIZE`](Self::SIZE) bytes from there, a multiple of as many
    /// from its start, are used for nothing but a lock.
    pub(crate) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> Self {
        let block = mapping.at(offset, Self::SIZE).cast();
        assert!(block.is_aligned(), "a lock at an odd place");
        Self {
            held: ManuallyDrop::new(Box::new(Held::new(block))),
            block,
            mapping: Arc::clone(mapping),
        }
    }

    /// Waits for the lock as long as it takes.
    ///
    /// # Errors
    /// When this thread has the lock, or when there are no such locks here.
    #[inline]
    pub(crate) fn lock(&self) -> Result<Acquired, LockError> {
        loop {
            if let Some(acquired) = self.acquire(|list| self.wait(list, None))? {
                return Ok(acquired);
            }
        }
    }

    /// Takes the lock if it is free; none if it is not, also when this thread has it.
    ///
    /// # Errors
    /// When there are no such locks here.
    #[inline]
    pub(crate) fn try_lock(&self) -> Result<Option<Acquired>, LockError> {
        self.acquire(|list| Ok(self.take_now(list)))
    }

    /// Waits for the lock until `deadline`; none if it was not to be had until then.
    ///
    /// # Errors
    /// As [`lock`](Self::lock).
    #[inline]
    pub(crate) fn lock_until(&self, deadline: Instant) -> Result<Option<Acquired>, LockError> {
        self.acquire(|list| self.wait(list, Some(deadline)))
    }

    /// Lets go of the lock. False, and nothing done, if this thread has not taken it by this handle.
    #[inline]
    pub(crate) fn unlock(&self) -> bool {
        let Ok(list) = RobustList::of_this_thread() else {
            return false;
        };
        if !self.held.is_held() {
            return false;
        }
        list.begin(&self.held);
        let unlinked = list.unlink(&self.held);
        if unlinked {
            let tid = list.tid();
            let word = self.word();
            self.block().set_process(Mark::NOBODY);
            let free = word.compare_exchange(tid, 0, Ordering::Release, Ordering::Relaxed);
            if free.is_err() {
                self.free(tid);
            }
        }
        list.end();
        unlinked
    }

    /// True if this thread has taken the lock by this handle.
    pub(crate) fn is_mine(&self) -> bool {
        let list = RobustList::of_this_thread();
        list.is_ok_and(|list| self.held.is_held_by(list))
    }

    /// The six words of its block that are for the user of the lock.
    pub(crate) fn spare(&self) -> &[AtomicU32; 6] {
        &self.block().spare
    }

    pub(super) fn block(&self) -> &RobustBlock {
        // SAFETY: in bounds and aligned by construction, alive as long as the mapping, and valid
        // whatever another process writes, since it consists of atomics.
        unsafe { self.block.as_ref() }
    }

    #[inline]
    pub(super) fn word(&self) -> &AtomicU32 {
        self.block().word()
    }

    #[inline]
    fn acquire(
        &self,
        slowly: impl FnOnce(RobustList) -> Result<Option<Acquired>, LockError>,
    ) -> Result<Option<Acquired>, LockError> {
        let list = RobustList::of_this_thread().map_err(LockError::Unsupported)?;
        list.begin(&self.held);
        let free =
            self.word()
                .compare_exchange(0, list.tid(), Ordering::Acquire, Ordering::Relaxed);
        let mut acquired = match free {
            Ok(_) => Ok(Some(Acquired { died: false })),
            Err(_) => slowly(list),
        };
        if matches!(acquired, Ok(Some(_))) {
            if let Some(holder) = self.held.holder() {
                acquired = self.give_back(list, holder);
            } else {
                self.block().set_process(list.process());
                // SAFETY: this handle keeps the block mapped and `held` in its box, even when it is
                // dropped before the lock is let go of.
                unsafe { list.link(&self.held) };
            }
        }
        list.end();
        acquired
    }

    /// Takes the lock if nobody has it, though its word has bits.
    #[cold]
    fn take_now(&self, list: RobustList) -> Option<Acquired> {
        loop {
            let word = self.word().load(Ordering::Relaxed);
            match next(word, list.tid(), false) {
                Step::Take { word: taken, died } => match self.take(word, taken, died, None) {
                    Taken::Yes => return Some(Acquired { died }),
                    Taken::Changed => {}
                    Taken::Kept(_) => return None,
                },
                _ => return None,
            }
        }
    }

    /// Swaps the word of a lock that no thread has. When a thread has ended with it, the process of
    /// that must be over, too: what the lock protects may still be borrowed there. `over` is one that is.
    #[inline]
    fn take(&self, word: u32, taken: u32, died: bool, over: Option<Mark>) -> Taken {
        if !died {
            return if self.swap(word, taken) {
                Taken::Yes
            } else {
                Taken::Changed
            };
        }
        self.inherit(word, taken, over)
    }

    #[cold]
    fn inherit(&self, word: u32, taken: u32, over: Option<Mark>) -> Taken {
        let process = self.block().process();
        if over != Some(process) && !process.is_over() {
            return Taken::Kept(process);
        }
        if !self.swap(word, taken) {
            return Taken::Changed;
        }
        if self.block().process() == process {
            return Taken::Yes;
        }
        // Meanwhile another thread had taken it, and has ended with it as well.
        self.leave();
        Taken::Changed
    }

    /// Marks the lock, which this thread has just taken, as that of a thread that has ended.
    #[cold]
    fn leave(&self) {
        let word = self.word();
        let leave = |word| Some(OWNER_DIED | word & WAITERS);
        let _ = word.fetch_update(Ordering::Release, Ordering::Relaxed, leave);
        futex_wake_some(word, 1);
    }

    /// Gives back the lock, which this thread has just taken though a thread of this process has it by this
    /// handle: somebody must have overwritten the block.
    #[cold]
    fn give_back(&self, list: RobustList, holder: u32) -> Result<Option<Acquired>, LockError> {
        if thread_exists(holder) {
            self.free(list.tid());
            std::thread::sleep(OVERWRITTEN_PAUSE);
            return Ok(None);
        }
        self.block().set_process(list.process());
        self.leave();
        Err(LockError::Deadlock)
    }

    /// Waits for a lock that was not free just now.
    #[cold]
    fn wait(
        &self,
        list: RobustList,
        deadline: Option<Instant>,
    ) -> Result<Option<Acquired>, LockError> {
        self.spin();
        let (tid, mut slept) = (list.tid(), false);
        let (mut over, mut pause) = (None, ENDING_PAUSE);
        loop {
            let word = self.word().load(Ordering::Relaxed);
            let step = next(word, tid, slept);
            let mut kept = None;
            match step {
                Step::Take { word: taken, died } => match self.take(word, taken, died, over) {
                    Taken::Yes => return Ok(Some(Acquired { died })),
                    Taken::Changed => continue,
                    Taken::Kept(process) => kept = Some(process),
                },
                Step::Deadlock => return Err(LockError::Deadlock),
                Step::Announce { .. } | Step::Sleep => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let is_late = left.is_some_and(|left| left.is_zero());
            if let Some(process) = kept {
                let forgotten = process == list.process();
                if forgotten || is_late {
                    // Another one that sleeps may wait longer for that process.
                    futex_wake_some(self.word(), 1);
                    return if forgotten {
                        Err(LockError::Deadlock)
                    } else {
                        Ok(None)
                    };
                }
                let slice = left.map_or(pause, |left| left.min(pause));
                over = process.ends_within(slice).then_some(process);
                pause = (2 * pause).min(LOOK_EVERY);
                continue;
            }
            if is_late {
                return Ok(None);
            }
            if let Step::Announce { word: announced } = step {
                self.swap(word, announced);
                continue;
            }
            let slice = left.map_or(LOOK_EVERY, |left| left.min(LOOK_EVERY));
            let start = Instant::now();
            futex_wait(self.word(), word, Some(slice));
            slept = true;
            if start.elapsed() >= LOOK_EVERY && !thread_exists(word & TID) {
                // As the kernel does it, for those locks that it has not seen.
                self.swap(word, OWNER_DIED | WAITERS);
            }
        }
    }

    fn swap(&self, word: u32, new: u32) -> bool {
        let swapped = self
            .word()
            .compare_exchange(word, new, Ordering::Acquire, Ordering::Relaxed);
        swapped.is_ok()
    }

    /// Looks at a lock for a while that is held for a short time, usually.
    fn spin(&self) {
        if !has_other_cpus() {
            return;
        }
        for _ in 0..SPINS {
            let word = self.word().load(Ordering::Relaxed);
            if word & TID == 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Lets go of a lock for which somebody may wait.
    #[cold]
    fn free(&self, tid: u32) {
        let word = self.word();
        let mut found = word.load(Ordering::Relaxed);
        while let Some(free) = freed(found, tid) {
            match word.compare_exchange(found, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) if free == 0 => return,
                Ok(_) => {
                    if futex_wake_some(word, 1) == 0 && self.swap(free, 0) {
                        // Nobody slept. But others may have taken and freed the lock since then, and
                        // woken somebody who is killed: then there are sleepers, and no bit.
                        futex_wake_some(word, 1);
                    }
                    return;
                }
                Err(now) => found = now,
            }
        }
    }
}

impl Drop for RawLock {
    fn drop(&mut self) {
        if self.held.is_held() {
            // A guard was forgotten: the thread's list leads to the block until the thread ends.
            std::mem::forget(Arc::clone(&self.mapping));
        } else {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.held) };
        }
    }
}

fn has_other_cpus() -> bool {
    static OTHERS: OnceLock<bool> = OnceLock::new();
    *OTHERS.get_or_init(|| cpus() > 1)
}
