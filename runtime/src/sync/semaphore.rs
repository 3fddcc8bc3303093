//! A number of permits that processes share out among them.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::home::{Home, State};
use super::raw::{self, Ledger, RawLock};
use crate::family::Wake;
use crate::object::PAYLOAD;
use crate::sys::{Mapping, futex_wake};

/// What a semaphore consists of in a process: a lock with its spare words, and a ledger of the permits
/// that processes hold.
///
/// 1. The ledger and `total` are the truth: `total` permits there are, and those in the ledger are out.
/// 2. `free` is their difference, so that nobody has to add up the ledger. It is changed together with
///    them, under the lock. Who gets the lock from a dead holder computes it again.
/// 3. Permits of dead processes are taken out of the ledger, and are free again, when somebody finds
///    too few.
/// 4. `news` changes whenever permits become free. Who wants some reads it under the lock and sleeps
///    on it.
#[derive(Debug)]
struct Permits {
    lock: RawLock,
    held: Ledger,
}

impl State for Permits {
    const KIND: &'static str = "semaphore";
    const LEN: usize = RawLock::SIZE + Ledger::SIZE;
    const WAITS: bool = true;

    #[expect(unsafe_code, reason = "a lock is placed in shared memory")]
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: the start of the payload, of which nobody else makes use.
            lock: unsafe { RawLock::at(mapping, PAYLOAD) },
            // SAFETY: the bytes behind.
            held: unsafe { Ledger::at(mapping, PAYLOAD + RawLock::SIZE) }?,
        })
    }
}

impl Permits {
    fn total(&self) -> &AtomicU32 {
        &self.lock.spare()[0]
    }

    fn free(&self) -> &AtomicU32 {
        &self.lock.spare()[1]
    }

    /// As many as there may be; 0 is no bound.
    fn bound(&self) -> &AtomicU32 {
        &self.lock.spare()[2]
    }

    fn news(&self) -> &AtomicU32 {
        &self.lock.spare()[3]
    }

    fn waiting(&self) -> &AtomicU32 {
        &self.lock.spare()[4]
    }

    /// Runs `body` under the lock.
    fn locked<T>(
        &self,
        deadline: Option<Instant>,
        body: impl FnOnce() -> T,
    ) -> Result<T, SemaphoreError> {
        let acquired = match deadline {
            Some(deadline) => self.lock.lock_until(deadline)?,
            None => Some(self.lock.lock()?),
        };
        let acquired = acquired.ok_or(SemaphoreError::TimedOut)?;
        if acquired.died {
            self.recount();
        }
        let result = body();
        self.lock.unlock();
        Ok(result)
    }

    fn recount(&self) {
        self.held.take_back();
        let out = self.held.entries().map(|(_, count)| u64::from(count));
        let total = u64::from(self.total().load(Ordering::Relaxed));
        let free = total.saturating_sub(out.sum());
        self.free().store(free as u32, Ordering::Relaxed);
        self.tell();
    }

    /// Takes `count` permits, under the lock; false if there are too few.
    fn take(&self, count: u32) -> io::Result<bool> {
        let free = self.free().load(Ordering::Relaxed);
        if free < count && self.held.take_back() {
            self.recount();
        }
        let Some(rest) = self.free().load(Ordering::Relaxed).checked_sub(count) else {
            return Ok(false);
        };
        self.held.add(count)?;
        self.free().store(rest, Ordering::Relaxed);
        Ok(true)
    }

    /// Wakes those who wait: there are permits, or there may be.
    fn tell(&self) {
        self.news().fetch_add(1, Ordering::SeqCst);
        if self.waiting().load(Ordering::SeqCst) > 0 {
            futex_wake(self.news());
        }
    }

    fn acquire(&self, count: u32, deadline: Option<Instant>) -> Result<(), SemaphoreError> {
        let bound = self.bound().load(Ordering::Relaxed);
        if bound != 0 && count > bound {
            return Err(SemaphoreError::TooMany);
        }
        let family = self.held.family();
        loop {
            let deaths = family.deaths();
            let (taken, news) = self.locked(deadline, || {
                (self.take(count), self.news().load(Ordering::SeqCst))
            })?;
            if taken.map_err(SemaphoreError::System)? {
                return Ok(());
            }
            self.waiting().fetch_add(1, Ordering::SeqCst);
            let wake = family.wait(self.news(), news, deaths, deadline);
            self.waiting().fetch_sub(1, Ordering::SeqCst);
            if wake == Wake::TimedOut {
                return Err(SemaphoreError::TimedOut);
            }
        }
    }

    /// Gives back permits of this process, for good if they are `forgotten`.
    fn give_back(&self, count: u32, forgotten: bool) {
        if self.held.is_copy() {
            return;
        }
        // A lock that cannot be had now was never to be had.
        let _ = self.locked(None, || {
            if forgotten {
                let total = self.total().load(Ordering::Relaxed);
                self.total()
                    .store(total.saturating_sub(count), Ordering::Relaxed);
                self.held.sub(count);
                return;
            }
            self.held.sub(count);
            self.free().fetch_add(count, Ordering::Relaxed);
            self.tell();
        });
    }
}

/// A number of permits that tasks of all processes share.
///
/// Permits that a process holds when it dies come back by themselves, as they do when a
/// [`Permit`] is dropped.
///
/// ```
/// use std::time::Duration;
/// use parproc::sync::Semaphore;
/// use parproc::{par_map, parallel};
///
/// #[parallel]
/// fn download(name: String, connections: Semaphore) -> usize {
///     let _permit = connections.acquire().expect("a connection");
///     name.len()
/// }
///
/// let connections = Semaphore::new(2)?;
/// let names = ["a", "bc", "def"].map(|name| (name.to_owned(), connections.clone()));
/// assert_eq!(par_map(download, names)?, [1, 2, 3]);
/// assert_eq!(connections.available()?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Semaphore {
    home: Home<Permits>,
}

impl Semaphore {
    /// A semaphore in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it, and when too many processes share something.
    pub fn new(permits: u32) -> io::Result<Self> {
        let home = Home::<Permits>::new()?;
        home.total().store(permits, Ordering::Relaxed);
        home.free().store(permits, Ordering::Relaxed);
        Ok(Self { home })
    }

    /// A semaphore that never has more permits than it has at first: to [release](Self::release) more is
    /// an error.
    ///
    /// ```
    /// use parproc::sync::{Semaphore, SemaphoreError};
    ///
    /// let places = Semaphore::bounded(2)?;
    /// assert!(matches!(places.release(1), Err(SemaphoreError::TooMany)));
    /// let both = places.acquire_many(2)?;
    /// assert!(matches!(places.try_acquire(), Err(SemaphoreError::WouldBlock)));
    /// drop(both);
    /// assert_eq!(places.available()?, 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`new`](Self::new); and for 0 permits, which would never be more.
    pub fn bounded(permits: u32) -> io::Result<Self> {
        if permits == 0 {
            let what = "a bounded semaphore without a permit never has one";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let semaphore = Self::new(permits)?;
        semaphore.home.bound().store(permits, Ordering::Relaxed);
        Ok(semaphore)
    }

    /// Waits for a permit.
    ///
    /// # Errors
    /// [`System`](SemaphoreError::System) when the system refuses.
    pub fn acquire(&self) -> Result<Permit, SemaphoreError> {
        self.acquire_many(1)
    }

    /// Waits until there are so many permits at once. Others that want fewer may go first.
    ///
    /// # Errors
    /// [`TooMany`](SemaphoreError::TooMany) for more than a bounded semaphore can have; else as
    /// [`acquire`](Self::acquire).
    pub fn acquire_many(&self, count: u32) -> Result<Permit, SemaphoreError> {
        self.acquire_until(count, None)
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`WouldBlock`](SemaphoreError::WouldBlock) if there is none; else as [`acquire`](Self::acquire).
    pub fn try_acquire(&self) -> Result<Permit, SemaphoreError> {
        self.try_acquire_many(1)
    }

    /// Takes so many permits if there are as many.
    ///
    /// # Errors
    /// [`WouldBlock`](SemaphoreError::WouldBlock) if there are fewer; else as
    /// [`acquire_many`](Self::acquire_many).
    pub fn try_acquire_many(&self, count: u32) -> Result<Permit, SemaphoreError> {
        let taken = self.home.locked(None, || self.home.take(count))?;
        if taken.map_err(SemaphoreError::System)? {
            Ok(self.permit(count))
        } else {
            Err(SemaphoreError::WouldBlock)
        }
    }

    /// Waits for a permit for a limited time.
    ///
    /// # Errors
    /// [`TimedOut`](SemaphoreError::TimedOut) when there was none; else as [`acquire`](Self::acquire).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Permit, SemaphoreError> {
        self.acquire_many_timeout(1, timeout)
    }

    /// Waits for so many permits at once for a limited time.
    ///
    /// # Errors
    /// [`TimedOut`](SemaphoreError::TimedOut) when there were fewer; else as
    /// [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_timeout(
        &self,
        count: u32,
        timeout: Duration,
    ) -> Result<Permit, SemaphoreError> {
        self.acquire_until(count, Instant::now().checked_add(timeout))
    }

    /// Adds permits: new ones, or those of permits that were [forgotten](Permit::forget).
    ///
    /// # Errors
    /// [`TooMany`](SemaphoreError::TooMany) when a bounded semaphore would have more than at first, and
    /// beyond `u32::MAX`; nothing is added then.
    pub fn release(&self, count: u32) -> Result<(), SemaphoreError> {
        self.home.locked(None, || {
            let bound = match self.home.bound().load(Ordering::Relaxed) {
                0 => u32::MAX,
                bound => bound,
            };
            let total = self.home.total().load(Ordering::Relaxed).checked_add(count);
            let total = total.filter(|total| *total <= bound);
            let total = total.ok_or(SemaphoreError::TooMany)?;
            self.home.total().store(total, Ordering::Relaxed);
            self.home.free().fetch_add(count, Ordering::Relaxed);
            self.home.tell();
            Ok(())
        })?
    }

    /// How many permits could be taken at this moment.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire).
    pub fn available(&self) -> Result<u32, SemaphoreError> {
        self.home.locked(None, || {
            if self.home.held.take_back() {
                self.home.recount();
            }
            self.home.free().load(Ordering::Relaxed)
        })
    }

    fn acquire_until(
        &self,
        count: u32,
        deadline: Option<Instant>,
    ) -> Result<Permit, SemaphoreError> {
        self.home.acquire(count, deadline)?;
        Ok(self.permit(count))
    }

    fn permit(&self, count: u32) -> Permit {
        Permit {
            semaphore: self.clone(),
            count,
        }
    }
}

impl Serialize for Semaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Semaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("permits", &self.home.total().load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// Permits of a [`Semaphore`]. Dropping it gives them back.
///
/// It can be kept anywhere, but stays in its process.
#[derive(Debug)]
#[must_use = "the permit is given back when this is dropped"]
pub struct Permit {
    semaphore: Semaphore,
    count: u32,
}

impl Permit {
    /// How many permits it stands for.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Takes the permits out of the semaphore, which has fewer from then on, until somebody, in
    /// whatever process, [releases](Semaphore::release) others.
    ///
    /// ```
    /// let semaphore = parproc::sync::Semaphore::new(1)?;
    /// semaphore.acquire()?.forget();
    /// assert!(semaphore.try_acquire().is_err());
    /// semaphore.release(1)?;
    /// assert!(semaphore.try_acquire().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn forget(mut self) {
        let count = std::mem::take(&mut self.count);
        self.semaphore.home.give_back(count, true);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.count > 0 {
            self.semaphore.home.give_back(self.count, false);
        }
    }
}

/// Why no permit was taken, or none added.
#[derive(Debug)]
#[non_exhaustive]
pub enum SemaphoreError {
    /// There are not enough permits now: of the `try_` forms only.
    WouldBlock,
    /// There were not enough permits until the time was over: of the `_timeout` forms only.
    TimedOut,
    /// More permits than the semaphore can ever have.
    TooMany,
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for SemaphoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SemaphoreError::WouldBlock => "the semaphore has too few permits at this moment",
            SemaphoreError::TimedOut => "the semaphore had too few permits until the time was over",
            SemaphoreError::TooMany => "the semaphore can never have so many permits",
            SemaphoreError::System(error) => return write!(f, "there is no semaphore: {error}"),
        })
    }
}

impl Error for SemaphoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SemaphoreError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<raw::LockError> for SemaphoreError {
    fn from(error: raw::LockError) -> Self {
        SemaphoreError::System(match error {
            raw::LockError::Deadlock => io::ErrorKind::Deadlock.into(),
            raw::LockError::Unsupported(error) => error,
        })
    }
}

impl From<SemaphoreError> for io::Error {
    fn from(error: SemaphoreError) -> Self {
        let kind = match &error {
            SemaphoreError::WouldBlock => io::ErrorKind::WouldBlock,
            SemaphoreError::TimedOut => io::ErrorKind::TimedOut,
            SemaphoreError::TooMany => io::ErrorKind::InvalidInput,
            SemaphoreError::System(_) => io::ErrorKind::Other,
        };
        match error {
            SemaphoreError::System(error) => error,
            other => io::Error::new(kind, other),
        }
    }
}

impl From<SemaphoreError> for crate::error::Error {
    fn from(error: SemaphoreError) -> Self {
        io::Error::from(error).into()
    }
}
