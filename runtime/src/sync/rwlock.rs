//! A value that many read or one writes.

#![expect(unsafe_code, reason = "references to shared memory are made")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread::panicking;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{LockError, LockResult, Poisoned};
use super::home::{Home, State, offset_behind};
use super::raw::{self, RawRwLock};
use super::value::Value;
use crate::object::PAYLOAD;
use crate::shared::Plain;
use crate::sys::Mapping;

/// What a lock consists of in a process.
#[derive(Debug)]
struct Locked<T> {
    lock: RawRwLock,
    value: Value<T>,
}

impl<T: Plain> State for Locked<T> {
    const KIND: &'static str = "rwlock";
    const LEN: usize = offset_behind::<T>(RawRwLock::SIZE) + size_of::<T>() - PAYLOAD;
    const WAITS: bool = false;

    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: the first bytes of the payload, of which nobody else makes use.
            lock: unsafe { RawRwLock::at(mapping, PAYLOAD) }?,
            // SAFETY: the bytes behind, aligned; the lock keeps the mapping.
            value: unsafe { Value::at(mapping, offset_behind::<T>(RawRwLock::SIZE)) },
        })
    }
}

/// A lock around a value in shared memory that many processes read at once, or one writes.
///
/// As with a [`Mutex`](super::Mutex), clones and what arrives elsewhere are handles of the same lock. A
/// writer that dies or panics poisons it, and the next reader or writer is told. A reader that dies
/// keeps no writer waiting. An uncontended read lock and unlock takes about 15 ns, also while others
/// read.
///
/// A writer that waits keeps new readers out, so a thread that reads and reads once more may wait for
/// ever, and so does one that reads and then writes.
///
/// ```
/// use parproc::sync::RwLock;
///
/// let limits = RwLock::new([0.0, 1.0])?;
/// {
///     let one = limits.read()?;
///     assert!(limits.try_write().is_err());
///     assert_eq!(one[1], 1.0);
/// }
/// limits.write()?[1] = 2.0;
/// assert_eq!(*limits.read()?, [0.0, 2.0]);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RwLock<T: Plain> {
    home: Home<Locked<T>>,
}

impl<T: Plain> RwLock<T> {
    /// A lock in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it, and when too many processes share something.
    pub fn new(value: T) -> io::Result<Self> {
        let home = Home::<Locked<T>>::new()?;
        // SAFETY: nobody else has it yet.
        unsafe { home.value.set(value) };
        Ok(Self { home })
    }

    /// Waits until nobody writes.
    ///
    /// # Errors
    /// [`Poisoned`](LockError::Poisoned), with the guard, when a writer died or panicked;
    /// [`Deadlock`](LockError::Deadlock) when this thread writes; [`System`](LockError::System) when the
    /// system refuses.
    #[inline]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.reading(|lock| lock.read().map(|()| true), LockError::WouldBlock)
    }

    /// Reads if nobody writes or waits to write.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock) when somebody does; else as [`read`](Self::read).
    #[inline]
    pub fn try_read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.reading(RawRwLock::try_read, LockError::WouldBlock)
    }

    /// Waits for a limited time until nobody writes.
    ///
    /// # Errors
    /// [`TimedOut`](LockError::TimedOut) when somebody wrote for so long; else as [`read`](Self::read).
    pub fn read_timeout(&self, timeout: Duration) -> LockResult<RwLockReadGuard<'_, T>> {
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return self.read();
        };
        self.reading(|lock| lock.read_until(deadline), LockError::TimedOut)
    }

    /// Waits until nobody else reads or writes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    #[inline]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.writing(|lock| lock.write().map(|()| true), LockError::WouldBlock)
    }

    /// Writes if nobody reads or writes.
    ///
    /// ```
    /// use parproc::sync::{LockError, RwLock};
    ///
    /// let lock = RwLock::new(1)?;
    /// let reading = lock.read()?;
    /// assert!(matches!(lock.try_write(), Err(LockError::WouldBlock)));
    /// drop(reading);
    /// *lock.try_write().unwrap() += 1;
    /// assert_eq!(*lock.read()?, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock) when somebody does; else as [`read`](Self::read).
    #[inline]
    pub fn try_write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.writing(RawRwLock::try_write, LockError::WouldBlock)
    }

    /// Waits for a limited time until nobody reads or writes.
    ///
    /// # Errors
    /// [`TimedOut`](LockError::TimedOut) when somebody did for so long; else as [`read`](Self::read).
    pub fn write_timeout(&self, timeout: Duration) -> LockResult<RwLockWriteGuard<'_, T>> {
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return self.write();
        };
        self.writing(|lock| lock.write_until(deadline), LockError::TimedOut)
    }

    /// True if a writer died or panicked since the poison was cleared last. A death is known once
    /// somebody has asked for the lock after it.
    pub fn is_poisoned(&self) -> bool {
        self.home.lock.is_poisoned()
    }

    /// Makes the value count as sound again, after it was put right.
    pub fn clear_poison(&self) {
        self.home.lock.set_poisoned(false);
    }

    #[inline]
    fn reading<'a>(
        &'a self,
        take: impl Fn(&RawRwLock) -> Result<bool, raw::LockError>,
        busy: LockError<RwLockReadGuard<'a, T>>,
    ) -> LockResult<RwLockReadGuard<'a, T>> {
        loop {
            if !take(&self.home.lock)? {
                return Err(busy);
            }
            let guard = RwLockReadGuard {
                lock: self,
                _not_send: PhantomData,
            };
            // SAFETY: nobody writes while there is a guard.
            if !unsafe { self.home.value.is_valid() } {
                drop(guard);
                // Somebody has overwritten it: writers repair it.
                drop(self.write());
                continue;
            }
            if self.is_poisoned() {
                return Err(LockError::Poisoned(Poisoned::new(guard)));
            }
            return Ok(guard);
        }
    }

    #[inline]
    fn writing<'a>(
        &'a self,
        take: impl FnOnce(&RawRwLock) -> Result<bool, raw::LockError>,
        busy: LockError<RwLockWriteGuard<'a, T>>,
    ) -> LockResult<RwLockWriteGuard<'a, T>> {
        if !take(&self.home.lock)? {
            return Err(busy);
        }
        // SAFETY: this thread has the lock alone.
        unsafe { self.home.value.repair() };
        let guard = RwLockWriteGuard {
            lock: self,
            was_panicking: panicking(),
            _not_send: PhantomData,
        };
        if self.is_poisoned() {
            return Err(LockError::Poisoned(Poisoned::new(guard)));
        }
        Ok(guard)
    }
}

impl<T: Plain> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self {
            home: self.home.clone(),
        }
    }
}

impl<T: Plain> Serialize for RwLock<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for RwLock<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("RwLock");
        match self.try_read().or_else(LockError::recover) {
            Ok(guard) => all.field("value", &*guard),
            Err(_) => all.field("value", &format_args!("<locked>")),
        };
        all.field("poisoned", &self.is_poisoned()).finish()
    }
}

/// The right to read the value of a [`RwLock`]. Dropping it gives it back.
#[must_use = "the lock is let go of when the guard is dropped"]
pub struct RwLockReadGuard<'a, T: Plain> {
    lock: &'a RwLock<T>,
    /// As with the locks of `std`.
    _not_send: PhantomData<*const ()>,
}

// SAFETY: through a reference to the guard, only `&T` can be had.
unsafe impl<T: Plain> Sync for RwLockReadGuard<'_, T> {}

impl<T: Plain> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: nobody writes while there is a guard, and the bytes were a `T` at its beginning.
        unsafe { &*self.lock.home.value.get() }
    }
}

impl<T: Plain> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.home.lock.unlock_read();
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The right to write the value of a [`RwLock`]. Dropping it gives it back.
///
/// One that is forgotten keeps the lock until its process ends.
#[must_use = "the lock is let go of when the guard is dropped"]
pub struct RwLockWriteGuard<'a, T: Plain> {
    lock: &'a RwLock<T>,
    was_panicking: bool,
    /// The lock belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

// SAFETY: through a reference to the guard, only `&T` can be had.
unsafe impl<T: Plain> Sync for RwLockWriteGuard<'_, T> {}

impl<T: Plain> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread has the lock alone, and the bytes are a `T` since it was taken.
        unsafe { &*self.lock.home.value.get() }
    }
}

impl<T: Plain> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and this guard is borrowed alone.
        unsafe { &mut *self.lock.home.value.get() }
    }
}

impl<T: Plain> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let lock = &self.lock.home.lock;
        // A copy of the process that took it has done nothing to the value.
        if !self.was_panicking && panicking() && lock.is_written_here() {
            lock.set_poisoned(true);
        }
        lock.unlock_write();
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for RwLockWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
