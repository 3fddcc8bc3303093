//! A lock in shared memory for many readers or one writer.
//!
//! A [`RawLock`], a flag, and a [`Ledger`] of readers:
//!
//! 1. A reader counts itself in the word of its process, and then looks at the flag. If that is down it
//!    is in. Else it counts itself out and takes the lock, under which no writer is; it counts
//!    itself in again there, and lets go of the lock.
//! 2. A writer takes the lock, raises the flag, and then looks at all counts until those of the living
//!    are 0. All four accesses are sequentially consistent: a reader sees the flag, or the writer
//!    sees the count.
//! 3. A reader that counts itself out looks at the flag. If it is up, it changes `drain` and wakes the
//!    writer, which sleeps on it and on the deaths of the family.
//! 4. A writer lowers the flag before it lets go of the lock. One that dies leaves it up, and whoever
//!    gets the lock next lowers it: at `WRITING` the data is poisoned, at `DRAINING` it is not.
//! 5. A process counts, in memory of its own, the readers that stay [inside](RawRwLock::read_inside) for long.
//!    While there is one, other readers of the process pass a writer that waits: their count was
//!    added to one that is not 0 since before, so the writer has not seen a 0 and will not until they are out.
//!
//! Readers of one process write the same cache line, those of others do not.

#![expect(unsafe_code, reason = "a lock is placed in shared memory")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::ledger::Ledger;
use super::lock::{Acquired, LockError, RawLock};
use crate::family::Wake;
use crate::sys::{Mapping, futex_wake};

/// The flag: no writer, one that waits for readers, one that has the data.
const DOWN: u32 = 0;
const DRAINING: u32 = 1;
const WRITING: u32 = 2;

/// How often a writer looks for readers before it sleeps.
const SPINS: u32 = 20;

/// The lock, as one handle of this process has it. See [`RawLock`] about handles.
#[derive(Debug)]
pub(crate) struct RawRwLock {
    lock: RawLock,
    readers: Ledger,
    /// Written by readers of this process after their entry in `readers` was made, and before it goes.
    inside: AtomicU32,
}

impl RawRwLock {
    pub(crate) const SIZE: usize = RawLock::SIZE + Ledger::SIZE;

    /// The lock at `offset`; zeroes are a free one.
    ///
    /// # Safety
    /// The mapping is writable, and its [`SIZE`](Self::SIZE) bytes from there, a multiple of 64, are
    /// used for nothing but such a lock.
    ///
    /// # Errors
    /// When this process is no member of the family.
    pub(crate) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: the first part, as the caller promises.
            lock: unsafe { RawLock::at(mapping, offset) },
            // SAFETY: the second part, as the caller promises.
            readers: unsafe { Ledger::at(mapping, offset + RawLock::SIZE) }?,
            inside: AtomicU32::new(0),
        })
    }

    /// Waits until no writer has the data. Each call counts, and is ended by one
    /// [`unlock_read`](Self::unlock_read), of any thread of the process.
    ///
    /// A thread that reads already may wait for ever if a writer has come in between, unless it
    /// reads [inside](Self::read_inside).
    ///
    /// # Errors
    /// When this thread writes, and when the process cannot be a reader.
    #[inline]
    pub(crate) fn read(&self) -> Result<(), LockError> {
        while !self.read_now()? {
            if self.read_behind_writer(|| self.lock.lock().map(Some))? {
                break;
            }
        }
        Ok(())
    }

    /// As [`read`](Self::read), and until [`leave`](Self::leave) no reader of this process waits for a writer.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn read_inside(&self) -> Result<(), LockError> {
        self.read()?;
        self.inside.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Ends a [`read_inside`](Self::read_inside).
    pub(crate) fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::SeqCst);
        self.unlock_read();
    }

    /// True if this thread writes through this handle.
    pub(crate) fn is_mine(&self) -> bool {
        self.lock.is_mine()
    }

    /// False if a writer has the data or waits for it.
    ///
    /// # Errors
    /// When the process cannot be a reader.
    #[inline]
    pub(crate) fn try_read(&self) -> Result<bool, LockError> {
        Ok(self.read_now()? || self.read_behind_writer(|| self.lock.try_lock())?)
    }

    /// False if a writer had the data until `deadline`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub(crate) fn read_until(&self, deadline: Instant) -> Result<bool, LockError> {
        Ok(self.read_now()? || self.read_behind_writer(|| self.lock.lock_until(deadline))?)
    }

    #[inline]
    pub(crate) fn unlock_read(&self) {
        self.readers.sub(1);
        if self.flag().load(Ordering::SeqCst) != DOWN {
            self.wake_writer();
        }
    }

    /// Waits until nobody else has the data.
    ///
    /// # Errors
    /// When this thread writes already, and when the process cannot have such locks. A thread that
    /// reads waits for itself.
    pub(crate) fn write(&self) -> Result<(), LockError> {
        let acquired = self.lock.lock()?;
        self.enter(acquired, None);
        Ok(())
    }

    /// False if somebody else has the data.
    ///
    /// # Errors
    /// When the process cannot have such locks.
    pub(crate) fn try_write(&self) -> Result<bool, LockError> {
        match self.lock.try_lock()? {
            Some(acquired) => Ok(self.enter(acquired, Some(Instant::now()))),
            None => Ok(false),
        }
    }

    /// False if somebody else had the data until `deadline`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(crate) fn write_until(&self, deadline: Instant) -> Result<bool, LockError> {
        match self.lock.lock_until(deadline)? {
            Some(acquired) => Ok(self.enter(acquired, Some(deadline))),
            None => Ok(false),
        }
    }

    /// True if this thread writes through this handle.
    pub(crate) fn is_written_here(&self) -> bool {
        self.lock.is_mine()
    }

    /// False, and nothing done, if this thread does not write through this handle.
    pub(crate) fn unlock_write(&self) -> bool {
        if !self.is_written_here() {
            return false;
        }
        self.flag().store(DOWN, Ordering::SeqCst);
        self.lock.unlock()
    }

    /// True after a writer has died, or has said so itself, until it is cleared.
    #[inline]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poison().load(Ordering::Acquire) != 0
    }

    pub(crate) fn set_poisoned(&self, poisoned: bool) {
        self.poison().store(u32::from(poisoned), Ordering::Release);
    }

    /// True while no writer has the data or waits for it.
    #[cfg(test)]
    pub(crate) fn is_readable(&self) -> bool {
        self.flag().load(Ordering::SeqCst) == DOWN
    }

    #[inline]
    fn flag(&self) -> &AtomicU32 {
        &self.lock.spare()[0]
    }

    fn drain(&self) -> &AtomicU32 {
        &self.lock.spare()[1]
    }

    #[inline]
    fn poison(&self) -> &AtomicU32 {
        &self.lock.spare()[2]
    }

    #[inline]
    fn read_now(&self) -> Result<bool, LockError> {
        self.readers.add(1).map_err(LockError::Unsupported)?;
        let flag = self.flag().load(Ordering::SeqCst);
        if flag == DOWN || (flag == DRAINING && self.inside.load(Ordering::SeqCst) != 0) {
            return Ok(true);
        }
        self.unlock_read();
        Ok(false)
    }

    /// Counts the reader in while no writer can be.
    #[cold]
    fn read_behind_writer(
        &self,
        lock: impl FnOnce() -> Result<Option<Acquired>, LockError>,
    ) -> Result<bool, LockError> {
        let Some(acquired) = lock()? else {
            return Ok(false);
        };
        self.heal(acquired);
        let counted = self.readers.add(1).map_err(LockError::Unsupported);
        self.lock.unlock();
        counted.map(|()| true)
    }

    /// The lock is taken: clears away what a dead writer left.
    fn heal(&self, acquired: Acquired) {
        if acquired.died {
            if self.flag().load(Ordering::SeqCst) == WRITING {
                self.set_poisoned(true);
            }
            self.flag().store(DOWN, Ordering::SeqCst);
        }
    }

    /// Waits until the readers are out; lets go of the lock if they are not until `deadline`.
    fn enter(&self, acquired: Acquired, deadline: Option<Instant>) -> bool {
        self.heal(acquired);
        self.flag().store(DRAINING, Ordering::SeqCst);
        if !self.wait_for_readers(deadline) {
            self.unlock_write();
            return false;
        }
        self.flag().store(WRITING, Ordering::SeqCst);
        true
    }

    fn wait_for_readers(&self, deadline: Option<Instant>) -> bool {
        for _ in 0..SPINS {
            if self.readers.entries().next().is_none() {
                return true;
            }
            std::hint::spin_loop();
        }
        let family = self.readers.family();
        loop {
            let (deaths, drain) = (family.deaths(), self.drain().load(Ordering::SeqCst));
            if !self.readers.is_used() {
                return true;
            }
            if family.wait(self.drain(), drain, deaths, deadline) == Wake::TimedOut {
                return !self.readers.is_used();
            }
        }
    }

    #[cold]
    fn wake_writer(&self) {
        self.drain().fetch_add(1, Ordering::SeqCst);
        futex_wake(self.drain());
    }
}
