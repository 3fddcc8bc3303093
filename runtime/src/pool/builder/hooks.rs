//! Functions that run once in each worker.

use std::time::Duration;

use super::PoolBuilder;
use crate::pool::hooks::{ExitHook, InitHook, InitOutput};
use crate::registry::Function;

impl PoolBuilder {
    /// Has each new worker call `function` before it runs tasks: to load or to open what its tasks use. See
    /// [`worker`](crate::worker) for keeping it.
    ///
    /// `function` carries `#[parallel]` and returns nothing, or a `Result<(), E>`. One argument is passed
    /// as it is, several as a tuple, none as `()`; they are encoded here, once for all workers.
    ///
    /// When it returns an `Err`, panics, uses more memory than the pool's
    /// [`memory_limit`](Self::memory_limit), or is not done within [`init_timeout`](Self::init_timeout), the
    /// calls that wait for results end with an error for which
    /// [`Error::is_init`](crate::Error::is_init) is true. When it crashes its worker, they do so after a few
    /// tries. The next call tries again. As long as a worker is ready that began well, calls go on with
    /// that, and the others are tried again now and then.
    ///
    /// An inline pool calls it once, in the thread that uses the pool first.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn open(path: &str) -> Result<(), String> {
    ///     Err(format!("{path}: not there"))
    /// }
    ///
    /// #[parallel]
    /// fn task() {}
    ///
    /// let pool = Pool::builder().workers(1).init(open, "/no/data").build()?;
    /// let error = pool.map(task, [()]).unwrap_err();
    /// assert!(error.is_init());
    /// assert!(error.to_string().contains("/no/data: not there"));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn init<F, A, M>(mut self, _function: F, arguments: A) -> Self
    where
        F: Function<A, M>,
        F::Output: InitOutput,
    {
        const { assert_function::<F>() };
        self.setup.init = Some(InitHook::new::<F, A, M>(arguments));
        self
    }

    /// How long the [`init`](Self::init) function may take in each worker; unless set, what its
    /// attribute says, or else 60 seconds. An inline pool cannot enforce it.
    pub fn init_timeout(mut self, timeout: Duration) -> Self {
        self.setup.init_timeout = Some(timeout);
        self
    }

    /// Has each worker call `function` when it ends by itself: with the pool or the program, or when it is
    /// replaced though it is well.
    ///
    /// It is for things that the system does not tidy up, such as temporary files. It has two seconds,
    /// and what it returns or how it fails is not told. It is not called in workers that are killed or
    /// crash, and not in those that are busy when the pool is dropped: use [`shutdown`](crate::Pool::shutdown).
    ///
    /// An inline pool that was used calls it once, in the thread that drops it or shuts it down.
    ///
    /// ```
    /// use std::path::{Path, PathBuf};
    /// use parproc::{Pool, parallel, worker};
    ///
    /// struct Scratch(PathBuf);
    ///
    /// #[parallel]
    /// fn open(folder: &Path) {
    ///     let folder = folder.join(format!("scratch-{}", std::process::id()));
    ///     std::fs::create_dir(&folder).expect("a writable folder");
    ///     worker::set_local(Scratch(folder));
    /// }
    ///
    /// #[parallel]
    /// fn clean_up() {
    ///     worker::with_local(|scratch: &mut Scratch| std::fs::remove_dir_all(&scratch.0));
    /// }
    ///
    /// #[parallel]
    /// fn work() -> bool {
    ///     worker::with_local(|scratch: &mut Scratch| scratch.0.is_dir()).is_some()
    /// }
    ///
    /// # let folder = std::env::temp_dir().join(format!("parproc-exit-{}", std::process::id()));
    /// # std::fs::create_dir(&folder).unwrap();
    /// let pool = Pool::builder().workers(1).init(open, folder.as_path()).exit(clean_up).build()?;
    /// assert!(pool.map(work, [()])?[0]);
    /// pool.shutdown()?;
    /// assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn exit<F, M>(mut self, _function: F) -> Self
    where
        F: Function<(), M>,
    {
        const { assert_function::<F>() };
        self.setup.exit = Some(ExitHook::new::<F>());
        self
    }
}

const fn assert_function<F>() {
    assert!(
        size_of::<F>() == 0,
        "only functions can be called in a worker, no closures that capture"
    );
}
