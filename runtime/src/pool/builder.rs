//! Settings of a pool.

mod hooks;
mod seen;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use super::Pool;
#[cfg(feature = "mpi")]
use super::backend::Division;
use super::keep::folder;
use super::output::Output;
use super::rules::Backoff;
use super::setup::Setup;
use crate::error::{Error, Result};
use crate::sys::cpus;
use crate::worker::is_worker;

pub use worker::Resource;

/// How many workers a pool has when nothing else is said.
const WORKERS: &str = "PARPROC_WORKERS";
/// Set to 1, every pool runs everything in its own process.
const INLINE: &str = "PARPROC_INLINE";
/// More workers than this are a mistake.
const MOST_WORKERS: usize = 4096;

/// Makes a [`Pool`]: [`Pool::builder`].
///
/// | variable | meaning |
/// | --- | --- |
/// | `PARPROC_WORKERS` | workers of pools for which the program sets no number: 1 to 4096, values outside are moved to the nearer end |
/// | `PARPROC_INLINE` | with `1`, every pool of the program runs everything in the program's own process |
/// | `PARPROC_CRASH_DIR` | the [`crash_dir`](Self::crash_dir) of pools for which the program sets none |
/// | `PARPROC_REPLAY` | a file from such a folder: the program [repeats that call](crate::replay) and does nothing else |
/// | `PARPROC_REPLAY_ANY_BUILD` | with `1`, it does so for a file of another build of the program too |
///
/// ```
/// use std::time::Duration;
/// use parproc::{Output, Pool, parallel};
///
/// #[parallel]
/// fn shout(word: &str) -> String {
///     eprintln!("shouting");
///     word.to_uppercase()
/// }
///
/// let pool = Pool::builder()
///     .workers(2)
///     .timeout(Duration::from_secs(10))
///     .memory_limit(1 << 30)
///     .retries(1)
///     .stderr(Output::Null)
///     .build()?;
/// assert_eq!(pool.map(shout, ["a", "b"])?, ["A", "B"]);
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing before `build`"]
pub struct PoolBuilder {
    workers: Option<usize>,
    inline: bool,
    setup: Setup,
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// How many worker processes the pool has at most; they are started when there is work for
    /// them.
    ///
    /// Without it: `PARPROC_WORKERS` if that is set, else as many as CPUs that this process may use
    /// by its affinity mask and its cgroup's quota.
    ///
    /// ```
    /// let pool = parproc::Pool::builder().workers(3).build()?;
    /// assert_eq!(pool.workers(), 3);
    /// assert!(parproc::Pool::builder().workers(0).build().unwrap_err().is_invalid());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Runs everything in this process, one item after the other, in the thread that asks.
    ///
    /// For debuggers and profilers, and as the serial baseline. Results and errors are the same,
    /// except that nothing protects this process from a task that crashes. A task is done when the call that
    /// asks for it returns: one that waits for what its caller does next, with a
    /// [channel](mod@crate::channel) say, waits for ever. That needs a worker, or a
    /// [`Process`](crate::Process), also inside of a worker, where every pool is of this kind.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn who() -> u32 {
    ///     std::process::id()
    /// }
    ///
    /// let pool = Pool::builder().inline().build()?;
    /// assert_eq!(pool.map(who, [()])?, [std::process::id()]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn inline(mut self) -> Self {
        self.inline = true;
        self
    }

    /// How long an item may run, from its start in the worker. Then the worker is killed, with all that
    /// it started, and the item fails: see [`TaskError::is_timeout`](crate::TaskError::is_timeout).
    ///
    /// A job or a function that has a limit of its own goes by that. An inline pool cannot enforce it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn wait(seconds: u64) -> u64 {
    ///     std::thread::sleep(Duration::from_secs(seconds));
    ///     seconds
    /// }
    ///
    /// let pool = Pool::builder().workers(2).timeout(Duration::from_millis(200)).build()?;
    /// let outcomes = pool.outcomes(wait, [0, 3600])?;
    /// assert!(outcomes[0].is_ok());
    /// assert!(outcomes[1].as_ref().unwrap_err().is_timeout());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.setup.rules.timeout = Some(timeout);
        self
    }

    /// How much memory a worker, and all that it started, may use for an item, in bytes. When they use
    /// more, the worker is killed and the item fails: see [`TaskError::is_memory`](crate::TaskError::is_memory).
    ///
    /// What counts is memory that is really in use and that no file stands behind: heap, stacks,
    /// anonymous and shared mappings. It is looked at every 4 ms, less often if the worker has very many
    /// children, so a fast task can use a little more for a moment. A single allocation that the system refuses,
    /// and that Rust's standard library gives up on, counts as exceeded memory too. An inline pool cannot enforce it.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn fill(bytes: usize) -> usize {
    ///     let filled = vec![1_u8; bytes];
    ///     // The limit is looked at every few milliseconds.
    ///     std::thread::sleep(std::time::Duration::from_millis(if bytes > 1 << 20 { 1000 } else { 0 }));
    ///     filled.len()
    /// }
    ///
    /// let pool = Pool::builder().workers(2).memory_limit(64 << 20).build()?;
    /// let outcomes = pool.outcomes(fill, [1 << 10, 100 << 20])?;
    /// assert!(outcomes[0].is_ok());
    /// let error = outcomes[1].as_ref().unwrap_err();
    /// assert!(error.is_memory() && error.memory_limit() == Some(64 << 20));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.setup.rules.memory = Some(bytes);
        self
    }

    /// By how much the memory limit of an item is multiplied when it is tried again because it passed
    /// the limit; at least 1, which it is unless set.
    pub fn memory_growth(mut self, factor: f64) -> Self {
        self.setup.rules.memory_growth = Some(factor);
        self
    }

    /// How often an item is tried again that crashed its worker, ran too long or used too much memory;
    /// 0 unless set.
    pub fn retries(mut self, retries: u32) -> Self {
        self.setup.rules.retries = Some(retries);
        self
    }

    /// The pauses before items are tried again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.setup.rules.backoff = Some(backoff);
        self
    }

    /// An item that ended this many workers is not tried again, whatever the retries say: see
    /// [`TaskError::is_quarantined`](crate::TaskError::is_quarantined).
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn abort() {
    ///     std::process::abort();
    /// }
    ///
    /// let pool = Pool::builder().workers(1).retries(9).quarantine_after(2).build()?;
    /// let reports = pool.job(abort).reports([()])?;
    /// assert!(reports[0].result.as_ref().unwrap_err().is_quarantined());
    /// assert_eq!(reports[0].attempts, 2);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn quarantine_after(mut self, workers: u32) -> Self {
        self.setup.rules.quarantine = Some(workers);
        self
    }

    /// How many workers all items together may end by crashes, timeouts and exceeded memory. One more, and
    /// all calls end with an error for which [`Error::is_crash_budget`](crate::Error::is_crash_budget) is
    /// true, and the pool takes no more work.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn abort() {
    ///     std::process::abort();
    /// }
    ///
    /// let pool = Pool::builder().workers(1).crash_budget(2).build()?;
    /// let error = pool.job(abort).outcomes([(); 5]).unwrap_err();
    /// assert!(error.is_crash_budget());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn crash_budget(mut self, crashes: u32) -> Self {
        self.setup.crash_budget = Some(crashes);
        self
    }

    /// What becomes of what workers write to standard output; [`Output::Inherit`] unless set.
    pub fn stdout(mut self, output: Output) -> Self {
        self.setup.outputs[0] = output;
        self
    }

    /// What becomes of what workers write to standard error; [`Output::Tail`] unless set.
    ///
    /// Then it is a pipe for them, and no terminal.
    pub fn stderr(mut self, output: Output) -> Self {
        self.setup.outputs[1] = output;
        self
    }

    /// How many of the last lines that a worker wrote to standard error an item's error keeps; 20 unless set.
    pub fn stderr_lines(mut self, lines: usize) -> Self {
        self.setup.stderr_lines = lines;
        self
    }

    /// Keeps the input of each item that fails in a file in this folder, which is made if it is missing. With
    /// the file the call can be repeated under a debugger: see [`replay`](crate::replay).
    ///
    /// A file that cannot be written fails nothing: the item's error says why there is none.
    pub fn crash_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.setup.crash_dir = Some(folder.into());
        self
    }

    /// How many items a worker runs at most; then it ends and another one takes its place.
    ///
    /// For functions, or libraries behind them, that leak.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn who() -> u32 {
    ///     std::process::id()
    /// }
    ///
    /// let pool = Pool::builder().workers(1).max_tasks_per_worker(2).build()?;
    /// let ids = pool.map(who, [(); 4])?;
    /// assert_eq!(ids[0], ids[1]);
    /// assert_ne!(ids[1], ids[2]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn max_tasks_per_worker(mut self, tasks: usize) -> Self {
        self.setup.lifespan.items = Some(tasks);
        self
    }

    /// How much memory, in bytes, a worker may have in use; with more it ends when it is done with the
    /// item that it runs, and another one takes its place.
    ///
    /// Nothing fails: it is for workers that grow slowly. [`memory_limit`](Self::memory_limit) is for items
    /// that use too much.
    pub fn max_memory_per_worker(mut self, bytes: u64) -> Self {
        self.setup.lifespan.memory = Some(bytes);
        self
    }

    /// How old a worker becomes; then it ends when it is done with the items that it has begun, and another
    /// one takes its place.
    pub fn max_age_per_worker(mut self, age: Duration) -> Self {
        self.setup.lifespan.age = Some(age);
        self
    }

    /// How long a worker may have nothing to do before it ends. It is started again when there is work.
    /// Without this it stays until the pool ends.
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.setup.lifespan.idle = Some(idle);
        self
    }

    /// How many workers are kept ready besides those that work, so that one that crashes or is killed is
    /// replaced without the time that a start takes; 0 unless set.
    ///
    /// They are started with the first work.
    pub fn spares(mut self, workers: usize) -> Self {
        self.setup.spares = workers;
        self
    }

    /// Makes the pool. No worker is started yet.
    ///
    /// In a worker every pool is [inline](PoolBuilder::inline): tasks that use pools themselves
    /// neither wait for each other nor multiply processes.
    ///
    /// # Errors
    /// When a setting is out of range, when two functions have the same name, when this code is part
    /// of a plugin in a foreign program, or when the operating system refuses memory, descriptors or
    /// threads.
    pub fn build(mut self) -> Result<Pool> {
        let workers = match self.workers {
            Some(workers) => check_workers(workers)?,
            None => match std::env::var_os(WORKERS).filter(|value| !value.is_empty()) {
                Some(value) => parse_workers(&value.to_string_lossy())?,
                None => default_workers(&self.setup)?,
            },
        };
        let inline = self.inline || is_worker() || std::env::var(INLINE).is_ok_and(|v| v == "1");
        self.setup.check()?;
        self.setup.crash_dir = folder(self.setup.crash_dir);
        Pool::start(if inline { 0 } else { workers }, self.setup)
    }
}

/// As many as CPUs, here and on the other ranks of the launch.
fn default_workers(setup: &Setup) -> Result<usize> {
    #[cfg(feature = "mpi")]
    if !is_worker()
        && let Some(division) = Division::new(setup)?
    {
        return Ok(division.workers().clamp(1, MOST_WORKERS));
    }
    let _ = setup;
    Ok(cpus())
}

/// Fails when the number is out of range.
pub(super) fn check_workers(workers: usize) -> Result<usize> {
    match workers {
        0 => Err(Error::invalid("a pool of 0 workers: it needs at least 1")),
        1..=MOST_WORKERS => Ok(workers),
        _ => Err(Error::invalid(format!(
            "a pool of {workers} workers: {MOST_WORKERS} is the most"
        ))),
    }
}

fn parse_workers(value: &str) -> Result<usize> {
    match value.trim().parse::<usize>() {
        Ok(workers) => Ok(workers.clamp(1, MOST_WORKERS)),
        Err(_) => Err(Error::invalid(format!(
            "{WORKERS}={value}: it has to be a whole number"
        ))),
    }
}
