//! What can be wrong with a lock.

use std::error::Error;
use std::fmt;
use std::io;

use super::raw;
use crate::shared::ArrayError;

/// The lock was taken, but whoever had it before died or panicked meanwhile: what it protects may be
/// half changed.
///
/// It stays poisoned until `clear_poison` is called.
///
/// ```
/// use parproc::sync::{LockError, Mutex};
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn half_done(pair: Mutex<[u64; 2]>) {
///     let mut pair = pair.lock().unwrap();
///     pair[0] += 1;
///     std::process::abort(); // before it came to the other one
/// }
///
/// let pair = Mutex::new([0, 0])?;
/// assert!(Process::spawn(half_done, pair.clone())?.join().is_err());
/// match pair.lock() {
///     Err(LockError::Poisoned(poisoned)) => {
///         let mut pair = poisoned.into_inner();
///         pair[1] = pair[0];
///     }
///     _ => panic!("the holder died"),
/// }
/// pair.clear_poison();
/// assert_eq!(*pair.lock()?, [1, 1]);
/// # Ok::<(), parproc::Error>(())
/// ```
pub struct Poisoned<G> {
    guard: G,
}

impl<G> Poisoned<G> {
    pub(crate) fn new(guard: G) -> Self {
        Self { guard }
    }

    /// The guard: the lock is held nevertheless.
    pub fn into_inner(self) -> G {
        self.guard
    }

    /// The guard, to look at the value.
    pub fn get_ref(&self) -> &G {
        &self.guard
    }

    /// The guard, to put the value right.
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

impl<G> fmt::Debug for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poisoned").finish_non_exhaustive()
    }
}

impl<G> fmt::Display for Poisoned<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(POISONED)
    }
}

impl<G> Error for Poisoned<G> {}

const POISONED: &str =
    "whoever held the lock before died or panicked, so what it protects may be half changed";

/// What taking a lock gives: its guard, or a [`LockError`], which has the guard too if the lock is poisoned.
pub type LockResult<G> = Result<G, LockError<G>>;

/// Why a lock was not taken, or was taken with a warning.
///
/// In functions that return [`io::Result`] or [`parproc::Result`](crate::Result) the `?` operator turns it
/// into an error without the guard; a lock that was taken is let go of then.
///
/// ```
/// use parproc::sync::{LockError, Mutex};
///
/// let count = Mutex::new(1_u64)?;
/// // What a dead holder left is good enough for a counter.
/// let mut guard = count.lock().or_else(LockError::recover)?;
/// *guard += 1;
/// # drop(guard);
/// # assert_eq!(*count.lock()?, 2);
/// # Ok::<(), std::io::Error>(())
/// ```
#[non_exhaustive]
pub enum LockError<G> {
    /// The lock was taken, from one that died or panicked.
    Poisoned(Poisoned<G>),
    /// Somebody else has the lock: of the `try_` forms only.
    WouldBlock,
    /// Somebody else had the lock until the time was over: of the `_timeout` forms only.
    TimedOut,
    /// The calling thread has the lock already, and would wait for itself.
    Deadlock,
    /// Parts of the [array](crate::SharedArray::split) were not back, now or until the time was over: of the
    /// `try_` and `_timeout` forms of a [`SharedArray`](crate::SharedArray) only.
    Split {
        /// How many parts are out.
        out: usize,
    },
    /// The system refuses.
    System(io::Error),
}

impl<G> LockError<G> {
    /// The guard of a poisoned lock; any other error stays one. For `or_else`.
    ///
    /// # Errors
    /// When the lock was not taken.
    pub fn recover(self) -> Result<G, Self> {
        match self {
            LockError::Poisoned(poisoned) => Ok(poisoned.into_inner()),
            other => Err(other),
        }
    }

    /// True if the lock was taken from one that died or panicked.
    pub fn is_poisoned(&self) -> bool {
        matches!(self, LockError::Poisoned(_))
    }

    /// The same with another guard.
    pub(super) fn map<H>(self, guard: impl FnOnce(G) -> H) -> LockError<H> {
        match self {
            LockError::Poisoned(poisoned) => {
                LockError::Poisoned(Poisoned::new(guard(poisoned.into_inner())))
            }
            LockError::WouldBlock => LockError::WouldBlock,
            LockError::TimedOut => LockError::TimedOut,
            LockError::Deadlock => LockError::Deadlock,
            LockError::Split { out } => LockError::Split { out },
            LockError::System(error) => LockError::System(error),
        }
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Poisoned(_) => f.write_str("Poisoned(..)"),
            LockError::WouldBlock => f.write_str("WouldBlock"),
            LockError::TimedOut => f.write_str("TimedOut"),
            LockError::Deadlock => f.write_str("Deadlock"),
            LockError::Split { out } => f.debug_struct("Split").field("out", out).finish(),
            LockError::System(error) => f.debug_tuple("System").field(error).finish(),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LockError::Poisoned(_) => POISONED,
            LockError::WouldBlock => "somebody else holds the lock",
            LockError::TimedOut => "somebody else held the lock until the time was over",
            LockError::Deadlock => "this thread holds the lock already and would wait for itself",
            LockError::Split { out } => return ArrayError::Split { out: *out }.fmt(f),
            LockError::System(error) => return write!(f, "there is no lock: {error}"),
        })
    }
}

impl<G> Error for LockError<G> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LockError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl<G> From<raw::LockError> for LockError<G> {
    fn from(error: raw::LockError) -> Self {
        match error {
            raw::LockError::Deadlock => LockError::Deadlock,
            raw::LockError::Unsupported(error) => LockError::System(error),
        }
    }
}

impl<G> From<LockError<G>> for io::Error {
    fn from(error: LockError<G>) -> Self {
        let kind = match &error {
            LockError::WouldBlock => io::ErrorKind::WouldBlock,
            LockError::TimedOut => io::ErrorKind::TimedOut,
            LockError::Deadlock => io::ErrorKind::Deadlock,
            LockError::Split { .. } => io::ErrorKind::ResourceBusy,
            LockError::Poisoned(_) | LockError::System(_) => io::ErrorKind::Other,
        };
        match error {
            LockError::System(error) => error,
            other => io::Error::new(kind, other.to_string()),
        }
    }
}

impl<G> From<LockError<G>> for crate::error::Error {
    fn from(error: LockError<G>) -> Self {
        io::Error::from(error).into()
    }
}
