//! What operations on shared memory fail with.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sync::{LockError, raw};

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
    /// It was locked, but who held the lock before died or panicked; a
    /// [`LockError::Poisoned`] whose guard was dropped.
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
            ArrayError::Poisoned => f.write_str(
                "who held the lock of the shared array before died or panicked in the middle of its work",
            ),
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

impl From<raw::LockError> for ArrayError {
    fn from(error: raw::LockError) -> Self {
        match error {
            raw::LockError::Deadlock => ArrayError::Deadlock,
            raw::LockError::Unsupported(error) => ArrayError::System {
                reason: error.to_string(),
            },
        }
    }
}

/// Lets go of the lock if it was taken, so that `?` works where guards cannot be passed on.
impl<G> From<LockError<G>> for ArrayError {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::Poisoned(_) => ArrayError::Poisoned,
            LockError::WouldBlock | LockError::TimedOut => ArrayError::Busy,
            LockError::Deadlock => ArrayError::Deadlock,
            LockError::Split { out } => ArrayError::Split { out },
            LockError::System(error) => ArrayError::System {
                reason: error.to_string(),
            },
        }
    }
}
