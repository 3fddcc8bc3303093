//! Waiting under a lock until somebody says that something has changed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::LockResult;
use super::home::{Home, State};
use super::mutex::{Mutex, MutexGuard};
use crate::family::{Family, Wake, family};
use crate::object::PAYLOAD;
use crate::shared::Plain;
use crate::shm::Placed;
use crate::sys::{Mapping, futex_wake_some};

/// The words; a waiter reads `news` before it lets go of its lock, and sleeps while it is the same.
#[derive(Debug)]
#[repr(C)]
struct Words {
    /// Incremented by who notifies.
    news: AtomicU32,
    /// How many wait, and how many died while they did.
    waiting: AtomicU32,
}

/// What a condition variable consists of in a process.
#[derive(Debug)]
struct Room {
    words: Placed<Words>,
    family: Arc<Family>,
}

impl State for Room {
    const KIND: &'static str = "condvar";
    const LEN: usize = size_of::<Words>();
    const WAITS: bool = true;

    #[expect(unsafe_code, reason = "words are placed in shared memory")]
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: made of atomics, at the start of the payload, of which nobody else makes use.
            words: unsafe { Placed::new(mapping, PAYLOAD) },
            family: family()?,
        })
    }
}

/// Whether a wait ended because its time was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// True if the time was over before anybody notified.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}

/// Lets processes wait for a change of what a [`Mutex`] protects.
///
/// As with `std`'s, a wait can end for no reason, so conditions are looked at again: use the forms that
/// end in `while`. In particular the death of any worker of the program ends all waits, so that
/// nobody waits for the notification of a dead process without having looked, and so that a notification
/// that reached a process in its last moment is not lost for others.
///
/// ```
/// use parproc::sync::{Condvar, Mutex};
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn produce(count: Mutex<u64>, changed: Condvar) {
///     for _ in 0..3 {
///         *count.lock().unwrap() += 1;
///         changed.notify_all();
///     }
/// }
///
/// let (count, changed) = (Mutex::new(0)?, Condvar::new()?);
/// let producer = Process::spawn(produce, (count.clone(), changed.clone()))?;
/// let guard = changed.wait_while(count.lock().unwrap(), |count| *count < 3).unwrap();
/// assert_eq!(*guard, 3);
/// # drop(guard);
/// # producer.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Condvar {
    home: Home<Room>,
}

type Waited<'a, T> = (MutexGuard<'a, T>, WaitTimeoutResult);

impl Condvar {
    /// A condition variable in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { home: Home::new()? })
    }

    /// Lets go of the lock, waits for a notification, and takes the lock again.
    ///
    /// # Errors
    /// What [`Mutex::lock`] says as it takes the lock.
    pub fn wait<'a, T: Plain>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let (mutex, _) = self.sleep(guard, None);
        mutex.lock()
    }

    /// Waits until `condition`, which looks at the value under the lock, is false.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_while<'a, T: Plain>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        while condition(&mut guard) {
            guard = self.wait(guard)?;
        }
        Ok(guard)
    }

    /// Waits for a notification for a limited time. The time to take the lock again comes on top.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout<'a, T: Plain>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<Waited<'a, T>> {
        self.wait_until(guard, Instant::now().checked_add(timeout))
    }

    /// Waits for a limited time until `condition` is false. If the time was over, the condition was true
    /// at the last look.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::sync::{Condvar, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(false)?, Condvar::new()?);
    /// let guard = ready.lock()?;
    /// let (guard, wait) = changed.wait_timeout_while(guard, Duration::from_millis(10), |ready| !*ready).unwrap();
    /// assert!(wait.timed_out());
    /// assert!(!*guard);
    /// # drop(guard);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout_while<'a, T: Plain>(
        &self,
        mut guard: MutexGuard<'a, T>,
        timeout: Duration,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<Waited<'a, T>> {
        let deadline = Instant::now().checked_add(timeout);
        let mut over = false;
        loop {
            if !condition(&mut guard) {
                return Ok((guard, WaitTimeoutResult(false)));
            }
            if over {
                return Ok((guard, WaitTimeoutResult(true)));
            }
            let (next, result) = self.wait_until(guard, deadline)?;
            (guard, over) = (next, result.timed_out());
        }
    }

    /// Wakes one that waits, if anybody does.
    pub fn notify_one(&self) {
        self.notify(1);
    }

    /// Wakes all that wait.
    pub fn notify_all(&self) {
        self.notify(usize::MAX);
    }

    /// Wakes as many, or all if fewer wait.
    pub fn notify(&self, count: usize) {
        let words = &self.home.words;
        if words.waiting.load(Ordering::SeqCst) == 0 || count == 0 {
            return;
        }
        words.news.fetch_add(1, Ordering::SeqCst);
        futex_wake_some(&words.news, u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn wait_until<'a, T: Plain>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> LockResult<Waited<'a, T>> {
        let (mutex, result) = self.sleep(guard, deadline);
        match mutex.lock() {
            Ok(guard) => Ok((guard, result)),
            Err(error) => Err(error.map(|guard| (guard, result))),
        }
    }

    /// Gives the mutex of the guard, which is not locked then.
    fn sleep<'a, T: Plain>(
        &self,
        guard: MutexGuard<'a, T>,
        deadline: Option<Instant>,
    ) -> (&'a Mutex<T>, WaitTimeoutResult) {
        let mutex = MutexGuard::mutex(&guard);
        let Room { words, family } = &*self.home;
        words.waiting.fetch_add(1, Ordering::SeqCst);
        let news = words.news.load(Ordering::SeqCst);
        let deaths = family.deaths();
        drop(guard);
        let wake = family.wait(&words.news, news, deaths, deadline);
        // One that died is counted for ever, which costs who notifies a system call.
        words.waiting.fetch_sub(1, Ordering::SeqCst);
        (mutex, WaitTimeoutResult(wake == Wake::TimedOut))
    }
}

impl Serialize for Condvar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condvar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}
