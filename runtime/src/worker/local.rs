//! What a worker knows of itself.

use std::sync::OnceLock;

static ID: OnceLock<usize> = OnceLock::new();

/// The number of this worker in its pool: the lowest from 0 on that no living worker of the pool had
/// when it was started. None outside of workers, in tasks of an inline pool, and in a
/// [`Process`](crate::Process).
///
/// It serves to share out things of which there are a few: ports, devices, folders. The worker that
/// takes the place of one that ended may have the same number, once that one is gone.
///
/// ```
/// use parproc::{Pool, parallel, worker};
///
/// #[parallel]
/// fn who() -> Option<usize> {
///     worker::id()
/// }
///
/// let pool = Pool::builder().workers(1).build()?;
/// assert_eq!(pool.map(who, [()])?, [Some(0)]);
/// assert_eq!(worker::id(), None);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use]
pub fn id() -> Option<usize> {
    ID.get().copied()
}

/// From now on the process is the worker with this number.
pub(super) fn become_worker(id: usize) {
    // Set once: a process becomes a worker once.
    let _ = ID.set(id);
}
