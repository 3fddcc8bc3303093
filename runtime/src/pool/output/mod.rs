//! What workers write to standard output and error: where it goes, and which item it is from.
//!
//! What the pool itself has to see comes through a pipe for each stream of a worker, its
//! [source](source::Source). One thread, the [relay](relay::Relay), reads from all of them and passes on
//! what it reads, from the first thing on that a worker writes; when it cannot, since nobody reads the program's own stream, only output waits. Who
//! needs what is in a pipe before that thread had its turn reads it himself, and leaves to it what is to
//! be passed on.
//!
//! A byte of a stream is named by its position, counted from 1. The worker tells the position at which
//! an item begins, and where it ends if that is of interest; it finds them by what the parent has read
//! and what is in the pipe ([`WorkerWords::said`](crate::shm::WorkerWords)).

mod kept;
mod lines;
mod patience;
mod relay;
mod sink;
mod source;
mod streams;
#[cfg(test)]
mod tests;

pub(super) use patience::Patience;
pub(super) use relay::Relay;
pub(super) use streams::{Streams, Written};

/// What becomes of what workers write to standard output or standard error: see
/// [`stdout`](crate::PoolBuilder::stdout) and [`stderr`](crate::PoolBuilder::stderr).
///
/// ```
/// use parproc::{Output, Pool, parallel};
///
/// #[parallel]
/// fn shout(word: &str) -> usize {
///     print!("{word}!");
///     word.len()
/// }
///
/// let pool = Pool::builder().stdout(Output::Captured).build()?;
/// let reports = pool.job(shout).reports(["one", "two", "three"])?;
/// assert_eq!(reports[2].stdout, b"three!");
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// Pools that run everything in the program's own process leave its streams alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Workers have the program's own stream. Nothing is kept, so errors do not show what was written, and
    /// an allocation that the system refuses is told as the abort that follows it.
    Inherit,
    /// All that comes is passed on to the program's own stream at once and unchanged. For standard error,
    /// what an item wrote last is kept for its error: [`TaskError::stderr`](crate::TaskError::stderr).
    ///
    /// What a task writes may come a moment after its result. What workers wrote before their pool was
    /// dropped, or before the program ended by returning from `main` or by `exit`, is passed on before
    /// that is over, unless nobody reads it for two seconds. On a terminal with
    /// [progress bars](crate::Job::progress) it comes above them, with a newline behind what has none.
    Tail,
    /// As `Tail`, but whole lines only, each one behind the name of the program and the worker's process
    /// id: `[name 4242] line`. Those of other ranks of a launch (feature `mpi`) have the name of the machine, too:
    /// `[name 4242@host] line`.
    ///
    /// A line of more than 64 KiB becomes several, and the last one ends with a newline when the worker
    /// ends, if it had none.
    Prefixed,
    /// Nothing is passed on: what an item wrote is in its [`Report`](crate::Report), up to 1 MiB for each
    /// stream, and standard error in the error of an item that fails.
    ///
    /// It counts what was written by the task, by libraries and by programs that the task started, until
    /// the item's result was there; what they write later counts for the next item of that worker. The
    /// buffers of Rust's standard output and of C streams are written out after each item.
    Captured,
    /// It goes to `/dev/null`.
    Null,
}

#[cfg(feature = "mpi")]
impl Output {
    const ALL: [Self; 5] = [
        Self::Inherit,
        Self::Tail,
        Self::Prefixed,
        Self::Captured,
        Self::Null,
    ];

    /// As it is written down.
    pub(in crate::pool) fn to_byte(self) -> u8 {
        let position = Self::ALL.iter().position(|one| *one == self);
        position.unwrap_or_default() as u8
    }

    pub(in crate::pool) fn from_byte(byte: u8) -> Self {
        Self::ALL
            .get(usize::from(byte))
            .copied()
            .unwrap_or(Self::Inherit)
    }
}
