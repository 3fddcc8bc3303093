//! A value that one at a time reaches.

#![expect(unsafe_code, reason = "references to shared memory are made")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::panicking;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{LockError, LockResult, Poisoned};
use super::home::{Home, State, offset_behind};
use super::raw::{Acquired, RawLock};
use super::value::Value;
use crate::object::PAYLOAD;
use crate::shared::Plain;
use crate::sys::Mapping;

/// What a mutex consists of in a process.
#[derive(Debug)]
pub(super) struct Locked<T> {
    /// Its first spare word is not 0 while the value is poisoned.
    pub(super) lock: RawLock,
    pub(super) value: Value<T>,
}

impl<T: Plain> State for Locked<T> {
    const KIND: &'static str = "mutex";
    const LEN: usize = offset_behind::<T>(RawLock::SIZE) + size_of::<T>() - PAYLOAD;
    const WAITS: bool = false;

    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: the first bytes of the payload, of which nobody else makes use.
            lock: unsafe { RawLock::at(mapping, PAYLOAD) },
            // SAFETY: the bytes behind, aligned; the lock keeps the mapping.
            value: unsafe { Value::at(mapping, offset_behind::<T>(RawLock::SIZE)) },
        })
    }
}

impl<T> Locked<T> {
    #[inline]
    pub(super) fn is_poisoned(&self) -> bool {
        self.lock.spare()[0].load(Ordering::Relaxed) != 0
    }

    pub(super) fn set_poisoned(&self, poisoned: bool) {
        self.lock.spare()[0].store(u32::from(poisoned), Ordering::Relaxed);
    }
}

/// A lock around a value in shared memory, for all processes of the program.
///
/// Clones, and what arrives in another process when it is an argument, a result or part of one, are
/// handles of the same lock and value.
///
/// When the holder dies, in whatever way, the kernel hands the lock to the next one at once, and
/// [`lock`](Self::lock) says so: [`Poisoned`], with the guard. So does it after a panic of the holder. An
/// uncontended lock and unlock takes about 20 ns. A thread that asks for a lock that it has gets
/// [`LockError::Deadlock`].
///
/// The kernel hands on the last 2048 locks that a thread holds; those below these are found to be
/// abandoned within a second.
///
/// ```
/// use parproc::sync::Mutex;
/// use parproc::{par_map, parallel};
///
/// #[parallel]
/// fn deposit(account: Mutex<u64>, amount: u64) -> Result<(), String> {
///     *account.lock().map_err(|error| error.to_string())? += amount;
///     Ok(())
/// }
///
/// let account = Mutex::new(0)?;
/// par_map(deposit, (1..=10).map(|amount| (account.clone(), amount)))?;
/// assert_eq!(*account.lock().unwrap(), 55);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Mutex<T: Plain> {
    home: Home<Locked<T>>,
}

impl<T: Plain> Mutex<T> {
    /// A mutex in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new(value: T) -> io::Result<Self> {
        let home = Home::<Locked<T>>::new()?;
        // SAFETY: nobody else has it yet.
        unsafe { home.value.set(value) };
        Ok(Self { home })
    }

    /// Waits for the lock as long as it takes.
    ///
    /// # Errors
    /// [`Poisoned`](LockError::Poisoned), with the guard, when a holder died or panicked;
    /// [`Deadlock`](LockError::Deadlock) when this thread has the lock; [`System`](LockError::System) when
    /// the C library does not support such locks.
    #[inline]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let acquired = self.home.lock.lock()?;
        self.guard(acquired)
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock) when somebody has it, this thread included; else as
    /// [`lock`](Self::lock).
    #[inline]
    pub fn try_lock(&self) -> LockResult<MutexGuard<'_, T>> {
        match self.home.lock.try_lock()? {
            Some(acquired) => self.guard(acquired),
            None => Err(LockError::WouldBlock),
        }
    }

    /// Waits for the lock for a limited time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::sync::{LockError, Mutex};
    ///
    /// let mutex = Mutex::new(0)?;
    /// let guard = mutex.lock()?;
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| {
    ///         let late = mutex.lock_timeout(Duration::from_millis(10));
    ///         assert!(matches!(late, Err(LockError::TimedOut)));
    ///     });
    /// });
    /// # drop(guard);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TimedOut`](LockError::TimedOut) when somebody else had it for so long; else as
    /// [`lock`](Self::lock).
    #[inline]
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<MutexGuard<'_, T>> {
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return self.lock();
        };
        match self.home.lock.lock_until(deadline)? {
            Some(acquired) => self.guard(acquired),
            None => Err(LockError::TimedOut),
        }
    }

    /// True if a holder died or panicked since the poison was cleared last. A death is known once
    /// somebody has taken the lock after it.
    pub fn is_poisoned(&self) -> bool {
        self.home.is_poisoned()
    }

    /// Makes the value count as sound again, after it was put right.
    pub fn clear_poison(&self) {
        self.home.set_poisoned(false);
    }

    #[inline]
    fn guard(&self, acquired: Acquired) -> LockResult<MutexGuard<'_, T>> {
        if acquired.died {
            self.home.set_poisoned(true);
        }
        // SAFETY: this thread holds the lock.
        unsafe { self.home.value.repair() };
        let guard = MutexGuard {
            mutex: self,
            was_panicking: panicking(),
            _not_send: PhantomData,
        };
        if self.home.is_poisoned() {
            Err(LockError::Poisoned(Poisoned::new(guard)))
        } else {
            Ok(guard)
        }
    }
}

impl<T: Plain> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self {
            home: self.home.clone(),
        }
    }
}

impl<T: Plain> Serialize for Mutex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for Mutex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("Mutex");
        match self.try_lock().or_else(LockError::recover) {
            Ok(guard) => all.field("value", &*guard),
            Err(_) => all.field("value", &format_args!("<locked>")),
        };
        all.field("poisoned", &self.is_poisoned()).finish()
    }
}

/// The lock of a [`Mutex`], and the way to its value. Dropping it lets go of the lock.
///
/// One that is forgotten keeps the lock until its process ends.
#[must_use = "the lock is let go of when the guard is dropped"]
pub struct MutexGuard<'a, T: Plain> {
    mutex: &'a Mutex<T>,
    was_panicking: bool,
    /// The lock belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

// SAFETY: through a reference to the guard, only `&T` can be had.
unsafe impl<T: Plain> Sync for MutexGuard<'_, T> {}

impl<'a, T: Plain> MutexGuard<'a, T> {
    /// The mutex of a guard.
    pub(super) fn mutex(guard: &Self) -> &'a Mutex<T> {
        guard.mutex
    }
}

impl<T: Plain> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this thread holds the lock, so nobody else writes; the bytes are a `T` since the
        // lock was taken.
        unsafe { &*self.mutex.home.value.get() }
    }
}

impl<T: Plain> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above; and this guard is borrowed alone.
        unsafe { &mut *self.mutex.home.value.get() }
    }
}

impl<T: Plain> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let home = &self.mutex.home;
        // A copy of the process that took it has done nothing to the value.
        if !self.was_panicking && panicking() && home.lock.is_mine() {
            home.set_poisoned(true);
        }
        home.lock.unlock();
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
