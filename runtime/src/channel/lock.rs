//! The locks of a channel, which the kernel hands on when their holders end.

#![expect(unsafe_code, reason = "locks are placed in shared memory")]

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use crate::sync::raw::{LockError, RawLock};
use crate::sys::Mapping;

/// The bytes of a lock.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct LockBytes([AtomicU64; 8]);

const _: () = assert!(size_of::<LockBytes>() >= RawLock::SIZE);

/// One lock of a channel.
///
/// Whoever had it before may have died: what it guards is right at any time.
#[derive(Debug)]
pub(super) struct Lock(RawLock);

/// Unlocks on drop, in the thread that has the lock.
#[derive(Debug)]
#[must_use = "dropping it unlocks"]
pub(super) struct Guard<'a>(&'a Lock, PhantomData<*const ()>);

impl Lock {
    /// # Safety
    /// The mapping is writable and has a [`LockBytes`] at `offset`.
    pub(super) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> Self {
        // SAFETY: as for this function; nothing else uses the bytes.
        Self(unsafe { RawLock::at(mapping, offset) })
    }

    #[inline]
    pub(super) fn lock(&self) -> io::Result<Guard<'_>> {
        self.0.lock().map_err(explain)?;
        Ok(Guard(self, PhantomData))
    }

    /// None when the lock was not free until `deadline`.
    pub(super) fn lock_until(&self, deadline: Option<Instant>) -> io::Result<Option<Guard<'_>>> {
        let Some(deadline) = deadline else {
            return self.lock().map(Some);
        };
        let acquired = self.0.lock_until(deadline).map_err(explain)?;
        Ok(acquired.map(|_| Guard(self, PhantomData)))
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.0.unlock();
    }
}

#[cold]
fn explain(error: LockError) -> io::Error {
    match error {
        LockError::Deadlock => io::Error::new(
            io::ErrorKind::Deadlock,
            "this thread is in the middle of using the channel",
        ),
        LockError::Unsupported(error) => error,
    }
}
