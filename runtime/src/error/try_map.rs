//! The error of `try_map`: an item returned `Err`, or the call itself failed.

use std::fmt;

use super::Error;

/// Why [`Pool::try_map`](crate::Pool::try_map) gave no vector.
///
/// ```
/// use parproc::{Pool, TryMapError, parallel};
///
/// #[parallel]
/// fn half(x: u32) -> Result<u32, String> {
///     if x % 2 == 0 { Ok(x / 2) } else { Err(format!("{x} is odd")) }
/// }
///
/// match Pool::global()?.try_map(half, [4, 5, 6]) {
///     Err(TryMapError::Item { index, error }) => assert_eq!((index, error.as_str()), (1, "5 is odd")),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TryMapError<E> {
    /// The function returned `Err` for an item; no item before it did.
    Item {
        /// The position of the item in the input, from 0.
        index: usize,
        /// What the function returned.
        error: E,
    },
    /// The call failed: an item crashed or panicked, or nothing could be run.
    Call(Error),
}

impl<E> TryMapError<E> {
    /// The position of the item that failed, if it was an item.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Item { index, .. } => Some(*index),
            Self::Call(error) => error.task().map(super::TaskError::index),
        }
    }
}

impl<E> From<Error> for TryMapError<E> {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl<E: fmt::Display> fmt::Display for TryMapError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item { index, error } => write!(f, "item {index}: {error}"),
            Self::Call(error) => error.fmt(f),
        }
    }
}

// Of any `E` that can be shown, text for one: an error that crossed processes is often no more than that. What
// an item returned is told above, so it is no source of its own.
impl<E: fmt::Display + fmt::Debug> std::error::Error for TryMapError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Item { .. } => None,
            Self::Call(error) => error.source(),
        }
    }
}
