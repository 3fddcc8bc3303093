//! Settings of the worker processes themselves.

use std::ffi::OsString;
use std::path::PathBuf;

use super::PoolBuilder;

/// What a worker may be kept from using too much of: see [`PoolBuilder::rlimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Processor time of all threads of a worker from its start to its end, in seconds; at least 1. The
    /// kernel then ends the worker with SIGXCPU.
    CpuTime,
    /// Descriptors that are open at a time. A worker has a few of its own.
    OpenFiles,
    /// The size of a file that is written, in bytes. The kernel ends a worker that goes on writing with
    /// SIGXFSZ.
    FileSize,
    /// The size of the core file that a crash leaves, in bytes; 0 for none.
    CoreSize,
}

impl PoolBuilder {
    /// Limits a resource in each worker; the program itself keeps its limits. What a task starts has the
    /// same limits, each of its processes for itself.
    ///
    /// A task that ends its worker this way fails as one that crashes, with the signal; one that is refused
    /// something gets an error from the system. [`memory_limit`](Self::memory_limit) and
    /// [`timeout`](Self::timeout) are of another kind: they hold for each item.
    ///
    /// A limit above what the program itself may use fails the start of workers, unless the program may
    /// raise it.
    ///
    /// ```
    /// use std::fs::File;
    /// use parproc::{Pool, Resource, parallel};
    ///
    /// #[parallel]
    /// fn open_many() -> usize {
    ///     let files = (0..100).map_while(|_| File::open("/dev/null").ok());
    ///     files.collect::<Vec<_>>().len()
    /// }
    ///
    /// let pool = Pool::builder().rlimit(Resource::OpenFiles, 50).build()?;
    /// assert!(pool.map(open_many, [()])?[0] < 50);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn rlimit(mut self, resource: Resource, limit: u64) -> Self {
        let orders = &mut self.setup.orders;
        let place = match resource {
            Resource::CpuTime => &mut orders.cpu_time,
            Resource::OpenFiles => &mut orders.open_files,
            Resource::FileSize => &mut orders.file_size,
            Resource::CoreSize => &mut orders.core_size,
        };
        *place = Some(limit);
        self
    }

    /// The nice value of workers, from -20 to 19: the higher, the more processor time other programs get.
    ///
    /// Values below that of the program need a permission; without it no worker starts.
    pub fn nice(mut self, nice: i32) -> Self {
        self.setup.orders.nice = Some(nice);
        self
    }

    /// Keeps each worker on one CPU of those that the program may use: worker 0 on the first one, and so on,
    /// beginning again when there are no more.
    ///
    /// It serves tasks that gain from a warm cache and take about equally long. On a machine that does
    /// other things too, workers then wait for their CPU while others are free.
    pub fn pin_cpus(mut self, pin: bool) -> Self {
        self.setup.pin_cpus = pin;
        self
    }

    /// The user that workers run as, by number. Only a program with the right to change its user can have
    /// that; else no worker starts.
    ///
    /// Set the [group](Self::gid) too: else workers keep that of the program. They lose the program's
    /// further groups either way.
    pub fn uid(mut self, uid: u32) -> Self {
        self.setup.orders.uid = Some(uid);
        self
    }

    /// The group that workers run as, by number, and the only one: they lose the program's further groups.
    pub fn gid(mut self, gid: u32) -> Self {
        self.setup.orders.gid = Some(gid);
        self
    }

    /// Sets an environment variable of workers.
    ///
    /// Workers have the program's environment as it is when they start, with the changes made here, in
    /// this order: as with [`std::process::Command`].
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn threads() -> Option<String> {
    ///     std::env::var("OMP_NUM_THREADS").ok()
    /// }
    ///
    /// let pool = Pool::builder().workers(1).env("OMP_NUM_THREADS", "1").build()?;
    /// assert_eq!(pool.map(threads, [()])?, [Some("1".to_owned())]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.setup.environment.set(key.into(), value.into());
        self
    }

    /// Removes an environment variable of workers.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.setup.environment.remove(key.into());
        self
    }

    /// Removes all environment variables of workers, those set before this included.
    pub fn env_clear(mut self) -> Self {
        self.setup.environment.clear();
        self
    }

    /// The working directory of workers; unless set, that of the program when they start.
    ///
    /// A relative path starts from the program's own working directory. If there is no such folder no worker
    /// starts.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.setup.directory = Some(directory.into());
        self
    }
}
