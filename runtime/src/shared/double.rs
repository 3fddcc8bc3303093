//! A value of any size in shared memory that is read and written whole.
//!
//! There are two copies of it and a count of the writes, whose lowest bit says which of them is
//! current. Who writes has the lock, fills the other copy and counts up; that is the
//! moment at which the value changes. So a writer that is killed has changed nothing, or all of it.
//!
//! | field | written by | read by |
//! | --- | --- | --- |
//! | `writes` | who has the lock, after the copy that becomes current (release) | anybody, before the current copy (acquire) and after it |
//! | the current copy | nobody | anybody, word by word |
//! | the other copy | who has the lock | nobody, but late readers that find `writes` changed and try again |
//!
//! A reader that has seen a word of a later write sees at least the count before that write: the writer's
//! fence stands between its load of the count and its words, the reader's between the words and its second look.

#![expect(
    unsafe_code,
    reason = "values are copied into and out of shared memory"
)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::object::PAYLOAD;
use crate::sync::raw::{LockError, RawLock};
use crate::sys::Mapping;

const LINE: usize = 64;
const WORD: usize = 8;
/// How often a reader tries again before it asks writers to wait.
const TRIES: usize = 100;

/// The value in this process, as bytes.
#[derive(Debug)]
pub(super) struct Double {
    lock: RawLock,
    mapping: Arc<Mapping>,
    /// Bytes of the value.
    size: usize,
}

/// What is done with the value under the lock.
pub(super) enum Change<R> {
    Keep(R),
    Put(R),
}

impl Double {
    const WRITES: usize = PAYLOAD + RawLock::SIZE.next_multiple_of(LINE);
    const COPIES: usize = Self::WRITES + LINE;

    /// Bytes of memory for a value of that size.
    pub(super) fn bytes(size: usize) -> usize {
        Self::COPIES - PAYLOAD + 2 * size.next_multiple_of(LINE)
    }

    /// The value in a mapping that has so many bytes behind the header.
    pub(super) fn new(mapping: &Arc<Mapping>, size: usize) -> Self {
        Self {
            // SAFETY: these bytes are for the lock alone, and aligned to a line.
            lock: unsafe { RawLock::at(mapping, PAYLOAD) },
            mapping: Arc::clone(mapping),
            size,
        }
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        let word: NonNull<AtomicU64> = self.mapping.at(offset, WORD).cast();
        // SAFETY: in bounds, as was asserted, and aligned; atomics have no invalid values.
        unsafe { word.as_ref() }
    }

    fn writes(&self) -> &AtomicU64 {
        self.word(Self::WRITES)
    }

    /// The words of the copy that is current after so many writes.
    fn copy(&self, writes: u64) -> impl Iterator<Item = &AtomicU64> {
        let odd = (writes & 1) as usize;
        let start = Self::COPIES + odd * self.size.next_multiple_of(LINE);
        let words = self.size.div_ceil(WORD);
        (0..words).map(move |index| self.word(start + WORD * index))
    }

    /// Reads the current copy unless a writer overwrites it meanwhile: then false.
    fn read_once(&self, bytes: &mut [MaybeUninit<u8>]) -> bool {
        let writes = self.writes().load(Ordering::Acquire);
        for (chunk, word) in bytes.chunks_mut(WORD).zip(self.copy(writes)) {
            let word = word.load(Ordering::Relaxed).to_ne_bytes();
            let len = chunk.len();
            chunk.write_copy_of_slice(&word[..len]);
        }
        fence(Ordering::Acquire);
        self.writes().load(Ordering::Relaxed) == writes
    }

    fn write_once(&self, bytes: &[u8]) {
        let writes = self.writes().load(Ordering::Relaxed);
        fence(Ordering::Release);
        for (chunk, word) in bytes.chunks(WORD).zip(self.copy(writes.wrapping_add(1))) {
            let mut whole = [0; WORD];
            whole[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
        }
        self.writes()
            .store(writes.wrapping_add(1), Ordering::Release);
    }

    /// Reads the value. `bytes` is as long as the value, and initialised afterwards.
    pub(super) fn read(&self, bytes: &mut [MaybeUninit<u8>]) {
        debug_assert_eq!(bytes.len(), self.size);
        for _ in 0..TRIES {
            if self.read_once(bytes) {
                return;
            }
            std::hint::spin_loop();
        }
        let _held = self.hold();
        self.read_once(bytes);
    }

    /// Has `change` look at the value, and change the bytes that it finds.
    pub(super) fn change<R>(
        &self,
        bytes: &mut [MaybeUninit<u8>],
        change: impl FnOnce(&mut [u8]) -> Change<R>,
    ) -> R {
        debug_assert_eq!(bytes.len(), self.size);
        let _held = self.hold();
        self.read_once(bytes);
        // SAFETY: all of them were written just now.
        let bytes = unsafe { bytes.assume_init_mut() };
        match change(bytes) {
            Change::Keep(result) => result,
            Change::Put(result) => {
                self.write_once(bytes);
                result
            }
        }
    }

    /// Takes the lock. A holder before that died has left the value whole.
    fn hold(&self) -> Held<'_> {
        // That there are such locks was found out when the handle was made, and nothing that can call
        // back is done under the lock. If the word says that this thread has it nevertheless,
        // somebody has scribbled over it, and waiting would not make that better.
        Held(self.lock.lock().is_ok().then_some(&self.lock))
    }

    /// Fails when there are no locks that survive their holders here.
    pub(super) fn check(&self) -> std::io::Result<()> {
        match self.lock.try_lock() {
            Ok(taken) => {
                if taken.is_some() {
                    self.lock.unlock();
                }
                Ok(())
            }
            Err(LockError::Unsupported(error)) => Err(error),
            Err(LockError::Deadlock) => Ok(()),
        }
    }
}

struct Held<'a>(Option<&'a RawLock>);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.0 {
            lock.unlock();
        }
    }
}
