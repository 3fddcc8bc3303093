//! A value of any size in shared memory that is read and written whole; see [`copies`](super::copies).

#![expect(
    unsafe_code,
    reason = "values are copied into and out of shared memory"
)]

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::copies::{self, Copies};
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

    /// Where a word of a copy is.
    fn place(&self, copy: usize, index: usize) -> usize {
        Self::COPIES + copy * self.size.next_multiple_of(LINE) + WORD * index
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        let word: NonNull<AtomicU64> = self.mapping.at(offset, WORD).cast();
        // SAFETY: in bounds, as was asserted, and aligned; atomics have no invalid values.
        unsafe { word.as_ref() }
    }

    /// Reads the current copy, unless a writer overwrites it meanwhile: then false.
    fn read_once(&self, bytes: &mut [MaybeUninit<u8>]) -> bool {
        let mut chunks = bytes.chunks_mut(WORD);
        copies::read(self, |word| {
            if let Some(chunk) = chunks.next() {
                let word = word.to_ne_bytes();
                chunk.write_copy_of_slice(&word[..chunk.len()]);
            }
        })
    }

    fn write_once(&self, bytes: &[u8]) {
        let mut chunks = bytes.chunks(WORD);
        copies::write(self, || {
            let mut word = [0; WORD];
            if let Some(chunk) = chunks.next() {
                word[..chunk.len()].copy_from_slice(chunk);
            }
            u64::from_ne_bytes(word)
        });
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

impl Copies for Double {
    fn words(&self) -> usize {
        self.size.div_ceil(WORD)
    }

    fn load_writes(&self, order: Ordering) -> u64 {
        self.word(Self::WRITES).load(order)
    }

    fn store_writes(&self, writes: u64, order: Ordering) {
        self.word(Self::WRITES).store(writes, order);
    }

    fn load_word(&self, copy: usize, index: usize) -> u64 {
        let word = self.word(self.place(copy, index));
        word.load(Ordering::Relaxed)
    }

    fn store_word(&self, copy: usize, index: usize, value: u64) {
        let word = self.word(self.place(copy, index));
        word.store(value, Ordering::Relaxed);
    }

    fn fence(&self, order: Ordering) {
        fence(order);
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
