//! A lock that its holder can take again.

#![expect(unsafe_code, reason = "references to shared memory are made")]

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::panicking;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::{LockError, LockResult, Poisoned};
use super::home::{Home, State};
use super::mutex::Locked as Inner;
use super::raw::{self, Acquired, RawLock};
use crate::shared::Plain;
use crate::sys::Mapping;

/// As a mutex, with how often the holder has it, if that is in this process: nobody else can overwrite
/// the count.
#[derive(Debug)]
struct Locked<T> {
    inner: Inner<T>,
    /// Of the holder only.
    count: AtomicU32,
}

impl<T: Plain> State for Locked<T> {
    const KIND: &'static str = "reentrant";
    const LEN: usize = Inner::<T>::LEN;
    const WAITS: bool = false;

    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            inner: Inner::at(mapping)?,
            count: AtomicU32::new(0),
        })
    }
}

/// A [`Mutex`](super::Mutex) that the thread which has it can lock again, any number of times; it is free
/// when as many guards are dropped.
///
/// Since a thread can have several guards at once, they give a [`Cell`] and no reference to the value.
///
/// ```
/// use parproc::sync::ReentrantMutex;
///
/// fn add(count: &ReentrantMutex<u64>, n: u64) -> std::io::Result<()> {
///     let guard = count.lock()?;
///     guard.set(guard.get() + n);
///     Ok(())
/// }
///
/// let count = ReentrantMutex::new(0)?;
/// {
///     let _both_or_none = count.lock()?;
///     add(&count, 1)?;
///     add(&count, 10)?;
/// }
/// assert_eq!(count.lock()?.get(), 11);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReentrantMutex<T: Plain> {
    home: Home<Locked<T>>,
}

impl<T: Plain> ReentrantMutex<T> {
    /// A lock in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new(value: T) -> io::Result<Self> {
        let home = Home::<Locked<T>>::new()?;
        // SAFETY: nobody else has it yet.
        unsafe { home.inner.value.set(value) };
        Ok(Self { home })
    }

    /// Waits for the lock as long as it takes; at once if this thread has it.
    ///
    /// # Errors
    /// [`Poisoned`](LockError::Poisoned), with the guard, when a holder died or panicked;
    /// [`System`](LockError::System) when the C library does not support such locks, or when this
    /// thread has it four thousand million times.
    pub fn lock(&self) -> LockResult<ReentrantMutexGuard<'_, T>> {
        self.take(|lock| lock.lock().map(Some), LockError::WouldBlock)
    }

    /// Takes the lock if it is free, or this thread has it.
    ///
    /// # Errors
    /// [`WouldBlock`](LockError::WouldBlock) when another thread has it; else as [`lock`](Self::lock).
    pub fn try_lock(&self) -> LockResult<ReentrantMutexGuard<'_, T>> {
        self.take(RawLock::try_lock, LockError::WouldBlock)
    }

    /// Waits for the lock for a limited time.
    ///
    /// # Errors
    /// [`TimedOut`](LockError::TimedOut) when another thread had it for so long; else as
    /// [`lock`](Self::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<ReentrantMutexGuard<'_, T>> {
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return self.lock();
        };
        self.take(|lock| lock.lock_until(deadline), LockError::TimedOut)
    }

    /// True if a holder died or panicked since the poison was cleared last. A death is known once
    /// somebody has taken the lock after it.
    pub fn is_poisoned(&self) -> bool {
        self.home.inner.is_poisoned()
    }

    /// Makes the value count as sound again, after it was put right.
    pub fn clear_poison(&self) {
        self.home.inner.set_poisoned(false);
    }

    fn take<'a>(
        &'a self,
        take: impl FnOnce(&RawLock) -> Result<Option<Acquired>, raw::LockError>,
        busy: LockError<ReentrantMutexGuard<'a, T>>,
    ) -> LockResult<ReentrantMutexGuard<'a, T>> {
        let Locked { inner, count } = &*self.home;
        let Inner { lock, value } = inner;
        if lock.is_mine() {
            let more = count.load(Ordering::Relaxed).checked_add(1);
            let more = more.ok_or_else(|| {
                LockError::System(io::Error::other("a thread has one lock too many times"))
            })?;
            count.store(more, Ordering::Relaxed);
        } else {
            let Some(acquired) = take(lock)? else {
                return Err(busy);
            };
            if acquired.died {
                inner.set_poisoned(true);
            }
            // SAFETY: this thread has just taken the lock, and nobody has a guard.
            unsafe { value.repair() };
            // A thread that has ended may have left its count.
            count.store(1, Ordering::Relaxed);
        }
        let guard = ReentrantMutexGuard {
            mutex: self,
            was_panicking: panicking(),
            _not_send: PhantomData,
        };
        if self.is_poisoned() {
            Err(LockError::Poisoned(Poisoned::new(guard)))
        } else {
            Ok(guard)
        }
    }
}

impl<T: Plain> Clone for ReentrantMutex<T> {
    fn clone(&self) -> Self {
        Self {
            home: self.home.clone(),
        }
    }
}

impl<T: Plain> Serialize for ReentrantMutex<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de, T: Plain> Deserialize<'de> for ReentrantMutex<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = f.debug_struct("ReentrantMutex");
        match self.try_lock().or_else(LockError::recover) {
            Ok(guard) => all.field("value", &guard.get()),
            Err(_) => all.field("value", &format_args!("<locked>")),
        };
        all.field("poisoned", &self.is_poisoned()).finish()
    }
}

/// One of the locks that a thread has of a [`ReentrantMutex`]. Dropping the last one lets go of it.
///
/// One that is forgotten keeps the lock until its process ends.
#[must_use = "the lock is let go of when the guard is dropped"]
pub struct ReentrantMutexGuard<'a, T: Plain> {
    mutex: &'a ReentrantMutex<T>,
    was_panicking: bool,
    /// The lock belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

impl<T: Plain> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;

    #[inline]
    fn deref(&self) -> &Cell<T> {
        // SAFETY: a cell has the layout of its value, the bytes are a `T` since the lock was taken,
        // and only this thread reaches them, through cells only.
        unsafe { &*self.mutex.home.inner.value.get().cast() }
    }
}

impl<T: Plain> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let home = &self.mutex.home;
        // A copy of the process that took it has nothing to let go of.
        if !home.inner.lock.is_mine() {
            return;
        }
        if !self.was_panicking && panicking() {
            home.inner.set_poisoned(true);
        }
        let count = home.count.load(Ordering::Relaxed);
        if count > 1 {
            home.count.store(count - 1, Ordering::Relaxed);
        } else {
            home.inner.lock.unlock();
        }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_write_to_its_memory_frees_no_lock_that_has_guards() {
        for scribble in [0, 1, u32::MAX] {
            let mutex = ReentrantMutex::new(0).unwrap();
            let (first, second) = (mutex.lock().unwrap(), mutex.lock().unwrap());
            for word in mutex.home.inner.lock.spare() {
                word.store(scribble, Ordering::Relaxed);
            }
            let is_free = || {
                std::thread::scope(|scope| {
                    let other =
                        scope.spawn(|| !matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
                    other.join().unwrap()
                })
            };
            drop(first);
            assert!(!is_free());
            drop(second);
            assert!(is_free());
        }
    }
}
