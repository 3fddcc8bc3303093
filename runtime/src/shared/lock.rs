//! Stand-in for `sync::raw::RawRwLock` until it lands.

#![expect(unsafe_code, reason = "a lock is placed in shared memory")]

use std::io;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Instant;

use crate::sys::Mapping;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acquired {
    pub(crate) died: bool,
}

#[derive(Debug)]
#[expect(dead_code, reason = "stand-in")]
pub(crate) enum LockError {
    Deadlock,
    Unsupported(io::Error),
}

#[derive(Debug)]
pub(crate) struct RawRwLock {
    word: NonNull<AtomicU32>,
    _mapping: Arc<Mapping>,
}

// SAFETY: an atomic.
unsafe impl Send for RawRwLock {}
// SAFETY: an atomic.
unsafe impl Sync for RawRwLock {}

const WRITER: u32 = u32::MAX;

impl RawRwLock {
    pub(crate) const SIZE: usize = 64;

    pub(crate) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> Self {
        Self {
            word: mapping.at(offset, Self::SIZE).cast(),
            _mapping: Arc::clone(mapping),
        }
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped as long as `self`.
        unsafe { self.word.as_ref() }
    }

    pub(crate) fn read(&self) -> Result<Acquired, LockError> {
        loop {
            if let Some(acquired) = self.try_read()? {
                return Ok(acquired);
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn try_read(&self) -> Result<Option<Acquired>, LockError> {
        let word = self.word().load(SeqCst);
        let free = word != WRITER
            && self
                .word()
                .compare_exchange(word, word + 1, SeqCst, SeqCst)
                .is_ok();
        Ok(free.then_some(Acquired { died: false }))
    }

    pub(crate) fn unlock_read(&self) -> bool {
        self.word().fetch_sub(1, SeqCst);
        true
    }

    pub(crate) fn write(&self) -> Result<Acquired, LockError> {
        loop {
            if let Some(acquired) = self.try_write()? {
                return Ok(acquired);
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn try_write(&self) -> Result<Option<Acquired>, LockError> {
        let free = self.word().compare_exchange(0, WRITER, SeqCst, SeqCst);
        Ok(free.is_ok().then_some(Acquired { died: false }))
    }

    pub(crate) fn write_until(&self, deadline: Instant) -> Result<Option<Acquired>, LockError> {
        loop {
            if let Some(acquired) = self.try_write()? {
                return Ok(Some(acquired));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            std::thread::yield_now();
        }
    }

    pub(crate) fn unlock_write(&self) -> bool {
        self.word().store(0, SeqCst);
        true
    }
}
