//! What operations on shared memory fail with.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Why an operation on a [`SharedArray`](super::SharedArray) was not done.
///
/// It is serde, so that a `#[parallel]` function can return it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ArrayError {
    /// The array has no element with this index.
    OutOfRange {
        /// The index that was asked for; the end of the range, for a range.
        index: usize,
        /// How many elements there are.
        len: usize,
    },
    /// A slice has another length than the place that it is copied to or from.
    Length {
        /// Elements of the slice.
        given: usize,
        /// Elements of the place.
        needed: usize,
    },
    /// The array is [split](super::SharedArray::split), and some of its parts are not back.
    Split {
        /// How many parts are out.
        out: usize,
    },
    /// The array cannot be split into so many parts, or into parts of no elements.
    Parts {
        /// How many parts were asked for.
        parts: usize,
        /// How many are possible.
        most: usize,
    },
    /// It was locked, but who held the lock before died or panicked; a [`LockError`] whose guard was dropped.
    Poisoned,
    /// This thread holds the [lock](super::SharedArray::lock) of the array, and would wait for itself.
    Deadlock,
    /// Somebody else holds the lock, or has a part, and there is no time to wait for it.
    Busy,
    /// The operating system refused what a lock needs.
    System {
        /// In its words.
        reason: String,
    },
}

impl ArrayError {
    /// Whether waiting longer could have helped.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, ArrayError::Busy | ArrayError::Split { .. })
    }
}

const POISONED: &str =
    "who held the lock of the shared array before died or panicked in the middle of its work";

impl fmt::Display for ArrayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArrayError::OutOfRange { index, len } => {
                write!(
                    f,
                    "index {index} is out of range for a shared array of {len} elements"
                )
            }
            ArrayError::Length { given, needed } => {
                write!(
                    f,
                    "a slice of {given} elements was given where {needed} are needed"
                )
            }
            ArrayError::Split { out } => write!(
                f,
                "the shared array is split and {out} of its parts are out: drop them, or take back \
                 with `reclaim` those that are in messages nobody received"
            ),
            ArrayError::Parts { parts, most } => write!(
                f,
                "the shared array was to be split into {parts} parts, but 1 to {most} are possible"
            ),
            ArrayError::Poisoned => f.write_str(POISONED),
            ArrayError::Deadlock => {
                f.write_str("this thread holds the lock of the shared array already")
            }
            ArrayError::Busy => f.write_str("the shared array is in use elsewhere"),
            ArrayError::System { reason } => {
                write!(f, "the lock of the shared array cannot be used: {reason}")
            }
        }
    }
}

impl std::error::Error for ArrayError {}

impl From<ArrayError> for io::Error {
    fn from(error: ArrayError) -> Self {
        io::Error::other(error)
    }
}

impl From<ArrayError> for Error {
    fn from(error: ArrayError) -> Self {
        io::Error::from(error).into()
    }
}

/// Why a lock of shared memory was not taken, or what is wrong with it.
#[non_exhaustive]
pub enum LockError<G> {
    /// It was taken: the guard is inside. But who held it before died or panicked in the middle of its work.
    Poisoned(G),
    /// It was not taken.
    Failed(ArrayError),
}

impl<G> LockError<G> {
    /// The guard, if the lock was taken: what another process has left behind is then looked at as it is.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn into_inner(self) -> Result<G, ArrayError> {
        match self {
            LockError::Poisoned(guard) => Ok(guard),
            LockError::Failed(error) => Err(error),
        }
    }

    /// The guard, if the lock was taken; any other error stays one. For `or_else`, as with
    /// [the locks of `sync`](crate::sync::LockError::recover).
    ///
    /// ```
    /// use parproc::shared::{LockError, SharedArray};
    ///
    /// let counts = SharedArray::<u64>::new(8)?;
    /// // What a dead holder left is good enough for counters.
    /// counts.lock().or_else(LockError::recover)?[3] += 1;
    /// # assert_eq!(counts.get(3)?, 1);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it was not taken.
    pub fn recover(self) -> Result<G, Self> {
        self.into_inner().map_err(LockError::Failed)
    }

    /// Whether who held it before died or panicked.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        matches!(self, LockError::Poisoned(_))
    }
}

impl<G> From<ArrayError> for LockError<G> {
    fn from(error: ArrayError) -> Self {
        LockError::Failed(error)
    }
}

/// Lets go of the lock, so that `?` works where guards cannot be passed on.
impl<G> From<LockError<G>> for ArrayError {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::Poisoned(_) => ArrayError::Poisoned,
            LockError::Failed(error) => error,
        }
    }
}

/// As for [`ArrayError`].
impl<G> From<LockError<G>> for Error {
    fn from(error: LockError<G>) -> Self {
        ArrayError::from(error).into()
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Poisoned(_) => f.debug_tuple("Poisoned").finish_non_exhaustive(),
            LockError::Failed(error) => f.debug_tuple("Failed").field(error).finish(),
        }
    }
}

impl<G> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Poisoned(_) => f.write_str(POISONED),
            LockError::Failed(error) => error.fmt(f),
        }
    }
}

impl<G> std::error::Error for LockError<G> {}
