//! Settings of a pool.

use super::Pool;
use crate::error::{Error, Result};
use crate::sys::cpus;
use crate::worker::is_worker;

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
#[derive(Debug, Clone, Default)]
#[must_use = "a builder does nothing before `build`"]
pub struct PoolBuilder {
    workers: Option<usize>,
    inline: bool,
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
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Runs everything in this process, one item after the other, in the thread that asks.
    ///
    /// For debuggers and profilers, and as the serial baseline. Results and errors are the same,
    /// except that nothing protects this process from a task that crashes.
    pub fn inline(mut self) -> Self {
        self.inline = true;
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
    pub fn build(self) -> Result<Pool> {
        let workers = match self.workers {
            Some(0) => return Err(Error::invalid("a pool of 0 workers: it needs at least 1")),
            Some(workers) if workers > MOST_WORKERS => {
                let what = format!("a pool of {workers} workers: {MOST_WORKERS} is the most");
                return Err(Error::invalid(what));
            }
            Some(workers) => workers,
            None => match std::env::var_os(WORKERS).filter(|value| !value.is_empty()) {
                Some(value) => parse_workers(&value.to_string_lossy())?,
                None => cpus(),
            },
        };
        let inline = self.inline || is_worker() || std::env::var(INLINE).is_ok_and(|v| v == "1");
        Pool::start(if inline { 0 } else { workers })
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
