//! All of an array for one.

#![expect(unsafe_code, reason = "the elements are reached by a pointer")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use super::array::SharedArray;
use super::core::{Patience, Writing};
use super::{ArrayError, Plain};
use crate::sync::{LockError, LockResult, Poisoned};

/// All elements of an array, which nobody else uses as long as the guard lives; from [`SharedArray::lock`].
///
/// It stays with its thread. If the process dies or the thread panics while it has one, the next
/// holder of the lock is told.
#[must_use = "when it is dropped, others can use the array"]
pub struct ArrayGuard<'a, T: Plain> {
    /// No reference, since others use them from when the lock is let go of, in the middle of a drop.
    elements: NonNull<[T]>,
    _holding: Holding<'a>,
}

// SAFETY: a reference to it gives a reference to the elements, and no more.
unsafe impl<T: Plain> Sync for ArrayGuard<'_, T> {}

/// The lock, as the user sees it held.
struct Holding<'a> {
    writing: Writing<'a>,
    /// The thread was panicking before.
    panicking: bool,
    /// The lock belongs to the thread.
    _thread: PhantomData<*const ()>,
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.writing
            .end_guard(!self.panicking && std::thread::panicking());
    }
}

impl<T: Plain> SharedArray<T> {
    /// Waits until nobody uses the array and takes all of it. Dropping the guard lets go of it.
    ///
    /// It waits for other holders of the lock, for those that keep [`atomics`](Self::atomics) open, and
    /// for [parts](Self::split) that are out.
    ///
    /// ```
    /// let array = parproc::SharedArray::from_slice(&[3, 1, 2])?;
    /// array.lock()?.sort();
    /// assert_eq!(array.to_vec()?, [1, 2, 3]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// For counters, what a dead holder has left is good enough:
    ///
    /// ```
    /// use parproc::SharedArray;
    /// use parproc::sync::LockError;
    ///
    /// let counts = SharedArray::<u64>::new(8)?;
    /// counts.lock().or_else(LockError::recover)?[3] += 1;
    /// # assert_eq!(counts.get(3)?, 1);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Poisoned`](LockError::Poisoned), with the guard, when somebody died or panicked while it had the
    /// lock or a part, which can leave the elements half changed. It stays so until
    /// [`clear_poison`](Self::clear_poison). [`Deadlock`](LockError::Deadlock) when this thread has the lock;
    /// [`System`](LockError::System) when the C library does not support such locks.
    pub fn lock(&self) -> LockResult<ArrayGuard<'_, T>> {
        self.lock_for(Patience::Endless)
    }

    /// Takes all of the array if nobody uses it now.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock); [`WouldBlock`](LockError::WouldBlock) when somebody has the lock or keeps
    /// the array open, [`Split`](LockError::Split) when parts are out.
    pub fn try_lock(&self) -> LockResult<ArrayGuard<'_, T>> {
        self.lock_for(Patience::None)
    }

    /// Waits at most for `timeout` until nobody uses the array, and takes all of it.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock); once the time is over, [`TimedOut`](LockError::TimedOut) when somebody has
    /// the lock or keeps the array open, [`Split`](LockError::Split) when parts are out.
    pub fn lock_timeout(&self, timeout: Duration) -> LockResult<ArrayGuard<'_, T>> {
        let deadline = Instant::now().checked_add(timeout);
        self.lock_for(deadline.map_or(Patience::Endless, Patience::Until))
    }

    fn lock_for(&self, patience: Patience) -> LockResult<ArrayGuard<'_, T>> {
        let mut writing = self.core.write(patience).map_err(|error| match error {
            ArrayError::Busy if patience == Patience::None => LockError::WouldBlock,
            ArrayError::Busy => LockError::TimedOut,
            ArrayError::Deadlock => LockError::Deadlock,
            ArrayError::Split { out } => LockError::Split { out },
            ArrayError::System { reason } => LockError::System(io::Error::other(reason)),
            other => LockError::System(other.into()),
        })?;
        let poisoned = writing.begin_guard();
        let guard = ArrayGuard {
            elements: NonNull::from(self.slice(&mut writing)),
            _holding: Holding {
                writing,
                panicking: std::thread::panicking(),
                _thread: PhantomData,
            },
        };
        match poisoned {
            true => Err(LockError::Poisoned(Poisoned::new(guard))),
            false => Ok(guard),
        }
    }

    /// Whether somebody died or panicked while it had the [lock](Self::lock) or a [part](Self::split), as
    /// far as it is known: the death of who has the lock now is found by the next one.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.core.is_poisoned()
    }

    /// The elements are all right again: from now on [`lock`](Self::lock) succeeds.
    pub fn clear_poison(&self) {
        self.core.clear_poison();
    }
}

impl<T: Plain> Deref for ArrayGuard<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: mapped and valid, and this process's alone as long as the guard lives.
        unsafe { self.elements.as_ref() }
    }
}

impl<T: Plain> DerefMut for ArrayGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the guard is borrowed alone.
        unsafe { self.elements.as_mut() }
    }
}

impl<T: Plain + fmt::Debug> fmt::Debug for ArrayGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
