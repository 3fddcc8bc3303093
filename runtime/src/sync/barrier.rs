//! A place where a number of tasks wait for each other.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::home::{Home, State};
use super::raw::{self, Ledger, RawLock};
use crate::family::Wake;
use crate::object::PAYLOAD;
use crate::shm::Placed;
use crate::sys::{Mapping, futex_wake};

/// The words; they are changed under the lock only, and who waits reads them without.
#[derive(Debug)]
#[repr(C, align(64))]
struct Words {
    parties: AtomicU32,
    /// How often all have come, or those who had were sent away.
    phase: AtomicU32,
    /// How many have come in this phase.
    arrived: AtomicU32,
    /// Why it is broken, 0 if it is not.
    broken: AtomicU32,
    /// The process that died, if that is why.
    broken_by: AtomicU32,
    /// Changes with all that those who wait have to know; they sleep on it.
    news: AtomicU32,
    /// A bit for each of the last phases: 1 if those who waited were sent away.
    sent_away: AtomicU64,
}

const ABORTED: u32 = 1;
const TIMED_OUT: u32 = 2;
const DIED: u32 = 3;

/// How often one that waits looks before it sleeps.
const SPINS: u32 = 100;

/// What a barrier consists of in a process. The ledger counts the handles of each process: where one
/// died that had some, those who wait would wait for it.
#[derive(Debug)]
struct Room {
    lock: RawLock,
    words: Placed<Words>,
    handles: Ledger,
}

impl State for Room {
    const KIND: &'static str = "barrier";
    const LEN: usize = RawLock::SIZE + size_of::<Words>() + Ledger::SIZE;
    const WAITS: bool = true;

    #[expect(unsafe_code, reason = "words are placed in shared memory")]
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        let words = PAYLOAD + RawLock::SIZE;
        Ok(Self {
            // SAFETY: the start of the payload, of which nobody else makes use.
            lock: unsafe { RawLock::at(mapping, PAYLOAD) },
            // SAFETY: made of atomics, behind the lock.
            words: unsafe { Placed::new(mapping, words) },
            // SAFETY: the bytes behind.
            handles: unsafe { Ledger::at(mapping, words + size_of::<Words>()) }?,
        })
    }
}

impl Room {
    fn locked<T>(&self, body: impl FnOnce() -> Result<T, BarrierError>) -> Result<T, BarrierError> {
        let acquired = self.lock.lock()?;
        if acquired.died {
            self.break_it(DIED, 0);
        }
        let result = body();
        self.lock.unlock();
        result
    }

    /// Breaks the barrier, unless it is broken, and sends away those who wait.
    fn break_it(&self, why: u32, by: u32) {
        let words = &self.words;
        if words.broken.load(Ordering::SeqCst) == 0 {
            words.broken_by.store(by, Ordering::SeqCst);
            words.broken.store(why, Ordering::SeqCst);
        }
        self.end_phase(true);
    }

    fn end_phase(&self, sent_away: bool) {
        let words = &self.words;
        let phase = words.phase.load(Ordering::SeqCst);
        let bit = 1 << (phase % 64);
        if sent_away {
            words.sent_away.fetch_or(bit, Ordering::SeqCst);
        } else {
            words.sent_away.fetch_and(!bit, Ordering::SeqCst);
        }
        words.arrived.store(0, Ordering::SeqCst);
        words.phase.store(phase.wrapping_add(1), Ordering::SeqCst);
        words.news.fetch_add(1, Ordering::SeqCst);
        futex_wake(&words.news);
    }

    /// Why it is broken, or why somebody was sent away.
    fn why(&self) -> BarrierError {
        match self.words.broken.load(Ordering::SeqCst) {
            ABORTED => BarrierError::Aborted,
            TIMED_OUT => BarrierError::PeerTimedOut,
            DIED => {
                let pid = self.words.broken_by.load(Ordering::SeqCst);
                BarrierError::Died {
                    pid: (pid != 0).then_some(pid),
                }
            }
            _ => BarrierError::Reset,
        }
    }

    /// A dead process that had a handle; 0 if its id is not known any more.
    fn dead(&self) -> Option<u32> {
        let dead = self.handles.dead()?;
        Some(dead.map_or(0, |member| self.handles.family().pid(member).unwrap_or(0)))
    }

    fn check(&self) -> Result<(), BarrierError> {
        if self.words.broken.load(Ordering::SeqCst) == 0
            && let Some(pid) = self.dead()
        {
            self.break_it(DIED, pid);
        }
        if self.words.broken.load(Ordering::SeqCst) == 0 {
            Ok(())
        } else {
            Err(self.why())
        }
    }

    /// Counts one in: its index and the phase.
    fn arrive(&self) -> Result<(u32, u32), BarrierError> {
        self.locked(|| {
            self.check()?;
            let phase = self.words.phase.load(Ordering::SeqCst);
            let index = self.words.arrived.load(Ordering::SeqCst);
            if index + 1 >= self.words.parties.load(Ordering::SeqCst) {
                self.end_phase(false);
            } else {
                self.words.arrived.store(index + 1, Ordering::SeqCst);
            }
            Ok((index, phase))
        })
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<BarrierWaitResult, BarrierError> {
        let (index, phase) = self.arrive()?;
        let words = &self.words;
        let is_over = || words.phase.load(Ordering::SeqCst) != phase;
        let mut spins = 0;
        while !is_over() && spins < SPINS {
            spins += 1;
            std::hint::spin_loop();
        }
        let family = self.handles.family();
        while !is_over() {
            let (deaths, news) = (family.deaths(), words.news.load(Ordering::SeqCst));
            if is_over() {
                break;
            }
            if self.dead().is_some() {
                let _ = self.locked(|| self.check());
                continue;
            }
            if family.wait(&words.news, news, deaths, deadline) == Wake::TimedOut {
                let gave_up = self.locked(|| {
                    let gives_up = !is_over();
                    if gives_up {
                        self.break_it(TIMED_OUT, 0);
                    }
                    Ok(gives_up)
                })?;
                if gave_up {
                    return Err(BarrierError::TimedOut);
                }
            }
        }
        if words.sent_away.load(Ordering::SeqCst) & 1 << (phase % 64) != 0 {
            return Err(self.why());
        }
        Ok(BarrierWaitResult {
            index: index as usize,
            is_leader: index + 1 >= words.parties.load(Ordering::SeqCst),
        })
    }
}

/// Lets a number of tasks wait until all of them have come to the same point.
///
/// A barrier is used any number of times. It breaks when one that waits gives up, when somebody
/// [aborts](Self::abort) it, and when a process dies that has a handle of it, in whatever way: then all
/// that wait, and all that come later, get an error until it is [reset](Self::reset). To drop a handle
/// does not break it.
///
/// All parties have to run at the same time: a pool needs as many workers.
///
/// ```
/// use parproc::sync::Barrier;
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn step_by_step(barrier: Barrier) -> usize {
///     let mut led = 0;
///     for _ in 0..10 {
///         led += usize::from(barrier.wait().expect("all are there").is_leader());
///     }
///     led
/// }
///
/// let barrier = Barrier::new(2)?;
/// let other = Process::spawn(step_by_step, barrier.clone())?;
/// let led = step_by_step(barrier);
/// assert_eq!(led + other.join()?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Barrier {
    home: Home<Room>,
}

impl Barrier {
    /// A barrier for so many parties, in shared memory of its own.
    ///
    /// # Errors
    /// For 0 parties, when there is no memory or no descriptor for it, and when too many processes
    /// share something.
    pub fn new(parties: usize) -> io::Result<Self> {
        let parties = u32::try_from(parties).ok().filter(|parties| *parties > 0);
        let parties = parties.ok_or_else(|| {
            let what = "a barrier is for at least one party, and at most u32::MAX";
            io::Error::new(io::ErrorKind::InvalidInput, what)
        })?;
        let this = Self::of(Home::new()?)?;
        this.home.words.parties.store(parties, Ordering::SeqCst);
        Ok(this)
    }

    /// Counts the handle.
    fn of(home: Home<Room>) -> io::Result<Self> {
        home.handles.add(1)?;
        Ok(Self { home })
    }

    /// Waits until all parties wait. One of them, the last one to come, is the leader.
    ///
    /// # Errors
    /// When the barrier is broken, or breaks or is reset meanwhile.
    pub fn wait(&self) -> Result<BarrierWaitResult, BarrierError> {
        self.home.wait(None)
    }

    /// Waits for a limited time, after which the barrier is broken.
    ///
    /// # Errors
    /// [`TimedOut`](BarrierError::TimedOut) when the others did not come; else as [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<BarrierWaitResult, BarrierError> {
        self.home.wait(Instant::now().checked_add(timeout))
    }

    /// Breaks the barrier: all that wait, and that come before it is reset, get an error.
    ///
    /// # Errors
    /// [`System`](BarrierError::System) when the system refuses.
    pub fn abort(&self) -> Result<(), BarrierError> {
        self.home.locked(|| {
            self.home.break_it(ABORTED, 0);
            Ok(())
        })
    }

    /// Makes the barrier whole and empty: those who wait get an error, and it can be used again. Handles of
    /// dead processes do not break it any more.
    ///
    /// # Errors
    /// [`System`](BarrierError::System) when the system refuses.
    pub fn reset(&self) -> Result<(), BarrierError> {
        self.home.locked(|| {
            self.home.handles.take_back();
            self.home.words.broken.store(0, Ordering::SeqCst);
            self.home.end_phase(true);
            Ok(())
        })
    }

    /// True if waiting is an error before it is [reset](Self::reset).
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.home.words.broken.load(Ordering::SeqCst) != 0 || self.home.dead().is_some()
    }

    /// How many wait at this moment.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.home.words.arrived.load(Ordering::SeqCst) as usize
    }

    /// How many it takes.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.home.words.parties.load(Ordering::SeqCst) as usize
    }
}

impl Clone for Barrier {
    fn clone(&self) -> Self {
        let home = self.home.clone();
        // Beyond two thousand million handles one more makes no difference. In a copy of a process
        // none is counted.
        let _ = home.handles.add(1);
        Self { home }
    }
}

impl Drop for Barrier {
    fn drop(&mut self) {
        self.home.handles.sub(1);
    }
}

impl Serialize for Barrier {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Barrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Home::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.n_waiting())
            .field("broken", &self.is_broken())
            .finish_non_exhaustive()
    }
}

/// That all parties have come to a [`Barrier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BarrierWaitResult {
    index: usize,
    is_leader: bool,
}

impl BarrierWaitResult {
    /// True for exactly one of them.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }

    /// A number for each of them, from 0, in the order in which they came.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

/// Why a barrier did not bring all together.
///
/// ```
/// use std::time::Duration;
/// use parproc::sync::{Barrier, BarrierError};
///
/// let barrier = Barrier::new(2)?;
/// let alone = barrier.wait_timeout(Duration::from_millis(10));
/// assert!(matches!(alone, Err(BarrierError::TimedOut)));
/// assert!(barrier.is_broken());
/// barrier.reset().unwrap();
/// assert!(!barrier.is_broken());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BarrierError {
    /// The others did not come in time: of [`wait_timeout`](Barrier::wait_timeout) only.
    TimedOut,
    /// One of those who waited gave up.
    PeerTimedOut,
    /// Somebody has [aborted](Barrier::abort) it.
    Aborted,
    /// Somebody has [reset](Barrier::reset) it.
    Reset,
    /// A process that had a handle of it died.
    #[non_exhaustive]
    Died {
        /// Its process id, if that is known.
        pid: Option<u32>,
    },
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for BarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BarrierError::TimedOut => "the other parties did not come to the barrier in time",
            BarrierError::PeerTimedOut => "another party gave up waiting at the barrier",
            BarrierError::Aborted => "the barrier was aborted",
            BarrierError::Reset => "the barrier was reset",
            BarrierError::Died { pid: Some(pid) } => {
                return write!(f, "process {pid}, which had a handle of the barrier, died");
            }
            BarrierError::Died { pid: None } => "a process that had a handle of the barrier died",
            BarrierError::System(error) => return write!(f, "there is no barrier: {error}"),
        })
    }
}

impl Error for BarrierError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BarrierError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<raw::LockError> for BarrierError {
    fn from(error: raw::LockError) -> Self {
        BarrierError::System(match error {
            raw::LockError::Deadlock => io::ErrorKind::Deadlock.into(),
            raw::LockError::Unsupported(error) => error,
        })
    }
}

impl From<BarrierError> for io::Error {
    fn from(error: BarrierError) -> Self {
        match error {
            BarrierError::System(error) => error,
            BarrierError::TimedOut => io::Error::new(io::ErrorKind::TimedOut, error),
            other => io::Error::other(other),
        }
    }
}

impl From<BarrierError> for crate::error::Error {
    fn from(error: BarrierError) -> Self {
        io::Error::from(error).into()
    }
}
