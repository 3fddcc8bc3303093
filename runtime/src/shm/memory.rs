//! What a ring is made of, behind a trait so that a model checker can supply it.

#![expect(unsafe_code, reason = "bytes are copied into and out of shared memory")]

use std::cell::Cell;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::Mapping;

/// A 64-bit word that two processes use.
pub(crate) trait Word {
    fn load(&self, order: Ordering) -> u64;
    fn store(&self, value: u64, order: Ordering);
    /// Stores `new` if the word is `current` (acquire and release), or gives what it is (acquire).
    fn swap_if(&self, current: u64, new: u64) -> Result<(), u64>;
}

impl Word for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }

    fn store(&self, value: u64, order: Ordering) {
        AtomicU64::store(self, value, order);
    }

    fn swap_if(&self, current: u64, new: u64) -> Result<(), u64> {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }
}

/// The memory of one ring: a power of two of bytes, and the two positions.
///
/// `offset + len` never exceeds [`capacity`](Memory::capacity) in the calls below.
pub(crate) trait Memory {
    type Word: Word;

    fn capacity(&self) -> usize;
    /// How many bytes were ever written; stored by the producer.
    fn tail(&self) -> &Self::Word;
    /// How many bytes were ever read; stored by the consumer.
    fn head(&self) -> &Self::Word;
    fn write(&self, offset: usize, bytes: &[u8]);
    fn read(&self, offset: usize, bytes: &mut [u8]);
    /// Reads `len` bytes to the end of `out`, which has room for them.
    fn append(&self, offset: usize, len: usize, out: &mut Vec<u8>);
}

/// A value of atomics inside a mapping, which it keeps alive.
#[derive(Debug)]
pub(crate) struct Placed<T> {
    value: NonNull<T>,
    mapping: Arc<Mapping>,
}

// SAFETY: `T` is made of atomics and lives as long as the mapping, which belongs to the process.
unsafe impl<T: Sync> Send for Placed<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Placed<T> {}

impl<T> Placed<T> {
    /// # Safety
    /// `T` consists of atomics only, for which every bit pattern is valid; `offset` is a multiple
    /// of its alignment.
    pub(crate) unsafe fn new(mapping: &Arc<Mapping>, offset: usize) -> Self {
        let value = mapping.at(offset, size_of::<T>()).cast();
        Self {
            value,
            mapping: Arc::clone(mapping),
        }
    }
}

impl<T> Placed<T> {
    /// The value for the rest of the process's life; its mapping is never unmapped.
    pub(crate) fn leak(&self) -> &'static T {
        std::mem::forget(Arc::clone(&self.mapping));
        // SAFETY: see `deref`; the mapping just got one owner that never goes.
        unsafe { self.value.as_ref() }
    }
}

impl<T> Clone for Placed<T> {
    fn clone(&self) -> Self {
        Self {
            value: self.value,
            mapping: Arc::clone(&self.mapping),
        }
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: in bounds and aligned by construction, alive as long as the mapping, and valid
        // whatever another process writes, since it consists of atomics.
        unsafe { self.value.as_ref() }
    }
}

/// A ring in shared memory. `T` and `H` hold the positions.
#[derive(Debug)]
pub(crate) struct RingMemory<T, H> {
    bytes: Arc<Mapping>,
    start: usize,
    capacity: usize,
    tail: (Placed<T>, fn(&T) -> &AtomicU64),
    head: (Placed<H>, fn(&H) -> &AtomicU64),
}

impl<T, H> RingMemory<T, H> {
    pub(crate) fn new(
        bytes: &Arc<Mapping>,
        start: usize,
        capacity: usize,
        tail: (Placed<T>, fn(&T) -> &AtomicU64),
        head: (Placed<H>, fn(&H) -> &AtomicU64),
    ) -> Self {
        Self {
            bytes: Arc::clone(bytes),
            start,
            capacity,
            tail,
            head,
        }
    }
}

impl<T, H> RingMemory<T, H> {
    /// The bytes, for the producer to write to, and its position.
    pub(crate) fn cells(&self) -> (&[Cell<u8>], &AtomicU64) {
        let bytes = self.bytes.at(self.start, self.capacity);
        let cells = NonNull::slice_from_raw_parts(bytes.cast::<Cell<u8>>(), self.capacity);
        // SAFETY: `at` checked the bounds, and the mapping lives as long as `self`. Nobody writes to it but
        // the producer, which no other thread has.
        let cells = unsafe { cells.as_ref() };
        (cells, self.tail())
    }
}

impl<T, H> Memory for RingMemory<T, H> {
    type Word = AtomicU64;

    #[inline]
    fn capacity(&self) -> usize {
        self.capacity
    }

    #[inline]
    fn tail(&self) -> &AtomicU64 {
        (self.tail.1)(&self.tail.0)
    }

    #[inline]
    fn head(&self) -> &AtomicU64 {
        (self.head.1)(&self.head.0)
    }

    #[inline]
    fn write(&self, offset: usize, bytes: &[u8]) {
        let target = self.bytes.at(self.start + offset, bytes.len());
        // SAFETY: `at` checked the bounds; the mapping of the producer is writable, and `bytes` is
        // private memory, so they do not overlap.
        unsafe { target.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }

    #[inline]
    fn read(&self, offset: usize, bytes: &mut [u8]) {
        let source = self.bytes.at(self.start + offset, bytes.len());
        // SAFETY: `at` checked the bounds. A hostile producer can write at the same time: then the
        // copy holds some mixture of bytes, which the caller treats as untrusted anyway.
        unsafe { source.copy_to_nonoverlapping(NonNull::from(&mut *bytes).cast(), bytes.len()) };
    }

    fn append(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
        out.reserve(len);
        let source = self.bytes.at(self.start + offset, len);
        let spare = NonNull::from(out.spare_capacity_mut()).cast();
        // SAFETY: the vector has room for `len` more bytes; for the source see `read`.
        unsafe { source.copy_to_nonoverlapping(spare, len) };
        // SAFETY: the bytes up to the new length were written just above.
        unsafe { out.set_len(out.len() + len) };
    }
}
