//! How much this process shares.

use crate::object::usage;

/// What this process has of what processes share, from [`stats`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Shared values, arrays, cells, locks, and ends of channels; each counts once however many
    /// handles there are.
    pub objects: usize,
    /// The size of their memory. Pages that nobody has written take none.
    pub bytes: usize,
    /// Open file descriptors for them.
    pub descriptors: usize,
}

/// Counts what this process has of what processes share: what it made, and what came to it and has not gone.
///
/// Nothing shared has a name in a file system. It goes with the last handle that a process has, or
/// with the process; so a program whose handles are all dropped shares nothing, whatever happened
/// to its workers. Workers keep [`Shared`](super::Shared) values, arrays and cells from one task to
/// the next, until the program that sent them has dropped its last handle.
///
/// ```
/// use parproc::{SharedArray, shared};
///
/// let before = shared::stats();
/// let array = SharedArray::<u64>::new(1000)?;
/// let handle = array.clone();
/// let stats = shared::stats();
/// assert_eq!(stats.objects, before.objects + 1);
/// assert!(stats.bytes >= before.bytes + 8000);
/// drop((array, handle));
/// assert_eq!(shared::stats(), before);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn stats() -> Stats {
    let usage = usage();
    Stats {
        objects: usage.objects,
        bytes: usage.bytes,
        descriptors: usage.descriptors,
    }
}
