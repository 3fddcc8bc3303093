//! The pool as its users see it.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

#[cfg(feature = "mpi")]
use super::backend::Division;
use super::builder::check_workers;
use super::call::Results;
use super::callbacks::{is_own, join_others};
use super::chunk::Ending;
use super::hooks::Hooks;
use super::output::Relay;
use super::rules::Rules;
use super::setup::Setup;
use super::shared::Shared;
use super::state::{Phase, State, Thread};
use super::{Imap, ImapUnordered, Job, PoolBuilder, Task};
use crate::error::{Error, ErrorKind, Result, TryMapError};
use crate::observe::Stats;
use crate::registry::{Function, FunctionId, table};
use crate::shm::{POOL_BYTES, PoolSide, Ringer, Sleeper};
use crate::sys::{Notify, Segment, cpus, forks, spawn_quiet};
use crate::worker::can_start_workers;

/// Worker processes that call functions of this program.
///
/// Workers are started when there is work for them, and replaced when a task crashes them. A pool can
/// be used from many threads at once.
///
/// Dropping a pool ends its workers, whatever they do, and waits until they are gone. Tasks that were
/// not done become errors; [`shutdown`](Pool::shutdown) finishes them first.
///
/// ```
/// use parproc::{Pool, parallel};
///
/// #[parallel]
/// fn cube(x: i64) -> i64 {
///     x.pow(3)
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// assert_eq!(pool.map(cube, -2..=2)?, [-8, -1, 0, 1, 8]);
/// # Ok::<(), parproc::Error>(())
/// ```
pub struct Pool {
    shared: Arc<Shared>,
    /// Started with the first work: making a pool that is not used costs next to nothing.
    pub(super) threads: Mutex<Vec<JoinHandle<()>>>,
    /// All of them were started.
    ready: AtomicBool,
}

impl Pool {
    /// Settings for a new pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new()
    }

    /// A pool with `workers` workers, or one that runs everything in this process if that is 0.
    pub(super) fn start(workers: usize, mut setup: Setup) -> Result<Self> {
        let table = table()?;
        if workers > 0 {
            can_start_workers()?;
        }
        #[cfg(feature = "mpi")]
        let division = if workers > 0 {
            Division::new(&setup)?
        } else {
            None
        };
        #[cfg(feature = "mpi")]
        let (own, nodes) = match &division {
            Some(division) => division.divide(workers),
            None => (workers, Vec::new()),
        };
        #[cfg(feature = "mpi")]
        let (reserved, workers) = (
            own == 0 && !nodes.is_empty(),
            own.max(usize::from(workers > 0)),
        );
        let os = |error| Error::os("a pool could not be made", error);
        let pool_segment = Segment::new(POOL_BYTES).map_err(os)?;
        let pool = PoolSide::map(&pool_segment, true).map_err(os)?;
        let hooks = Hooks::new(&setup, table)?;
        // They have what it names.
        setup.init = None;
        let mut observers = std::mem::take(&mut setup.observers);
        observers.extend(setup.seen.observers()?);
        let notify = Arc::new(Notify::new().map_err(os)?);
        let mut state = State::new(
            table,
            Sleeper::new(pool.park()),
            Ringer::new(pool.park()),
            Arc::clone(&notify),
        );
        let courier = Arc::clone(&state.observers.courier);
        state.init_rules = hooks.rules();
        let make = |_this: &Weak<Shared>| Shared {
            #[cfg(feature = "mpi")]
            launched: !nodes.is_empty(),
            #[cfg(feature = "mpi")]
            reserved,
            #[cfg(feature = "mpi")]
            share: division.as_ref().map_or(0, Division::share),
            #[cfg(feature = "mpi")]
            this: Weak::clone(_this),
            state: Mutex::new(state),
            table,
            usual_rules: (setup.rules != Rules::default()).then(|| Arc::new(setup.rules)),
            setup,
            hooks,
            size: AtomicUsize::new(workers),
            generation: forks(),
            cpus: cpus(),
            pool,
            pool_segment,
            notify,
            courier,
            gauge: Condvar::new(),
            keeper: Condvar::new(),
            over: Condvar::new(),
            stream: Arc::default(),
            relay: Relay::default(),
        };
        let shared = Arc::new_cyclic(make);
        #[cfg(feature = "mpi")]
        if let Some(division) = division {
            division.enter(&shared.this, &mut shared.lock(), own, nodes);
        }
        shared.observe(&observers);
        Ok(Self {
            shared,
            threads: Mutex::default(),
            ready: AtomicBool::new(false),
        })
    }

    /// How many workers the pool has at most; 1 if it runs everything in this process.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.shared.all_workers(&self.shared.lock()).max(1)
    }

    /// True when everything runs in this process: see [`inline`](PoolBuilder::inline).
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.shared.is_inline()
    }

    /// The address of the live page that shows the pool, with the token without which it shows nothing; none if there
    /// is no such page.
    #[cfg(feature = "dashboard")]
    #[must_use]
    pub fn dashboard_address(&self) -> Option<&str> {
        self.shared.setup.seen.address.as_deref()
    }

    /// What the pool did until now: counts, the times of its workers, bytes and memory. Printed, it is a table.
    ///
    /// It can be asked for at any time, also after [`shutdown`](Self::shutdown), and keeps nobody from working.
    /// [`PoolBuilder::insights`] adds times of single items.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Settings for one call of `function`.
    pub fn job<F: Copy + 'static>(&self, _function: F) -> Job<'_, F> {
        const {
            assert!(
                size_of::<F>() == 0,
                "only functions can be called in a worker, no closures that capture"
            )
        };
        Job::new(self)
    }

    /// Calls `function` on every item and gives the results in the order of the items.
    ///
    /// The items are read in the calling thread, a bounded number ahead of the workers.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// assert_eq!(pool.map(square, [1, 2, 3])?, [1, 4, 9]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When an item fails: the error is that of the first such item, and [`Error::task`] tells which
    /// one it is. Items after it are not begun any more. [`outcomes`](Pool::outcomes) gives all
    /// results instead. Also when the function is not registered, when the pool is closed, and when no
    /// worker can be started.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    pub fn map<F, A, M, I>(&self, function: F, items: I) -> Result<Vec<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).map(items)
    }

    /// Calls a function that returns a `Result` on every item, and gives the values in the order of
    /// the items, or the first error.
    ///
    /// ```
    /// # use parproc::{Pool, TryMapError, parallel};
    /// #[parallel]
    /// fn parse(text: &str) -> Result<i32, String> {
    ///     text.parse().map_err(|_| format!("{text:?} is no number"))
    /// }
    ///
    /// let pool = Pool::global()?;
    /// assert_eq!(pool.try_map(parse, ["1", "2"]).unwrap(), [1, 2]);
    /// match pool.try_map(parse, ["1", "x", "y"]).unwrap_err() {
    ///     TryMapError::Item { index, error } => assert_eq!((index, error.as_str()), (1, "\"x\" is no number")),
    ///     other => panic!("{other}"),
    /// }
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`TryMapError::Item`] with the `Err` of the first item that returned one; what is queued behind
    /// it is dropped. [`TryMapError::Call`] for everything that [`map`](Pool::map) fails with.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    pub fn try_map<F, A, M, I, T, E>(&self, function: F, items: I) -> Result<Vec<T>, TryMapError<E>>
    where
        F: Function<A, M, Output = Result<T, E>>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).try_map(items)
    }

    /// Calls `function` on every item for its effects, and drops the results.
    ///
    /// ```
    /// # use parproc::{Pool, SharedCell, parallel};
    /// #[parallel]
    /// fn count(total: &SharedCell<u64>, n: u64) {
    ///     total.fetch_add(n);
    /// }
    ///
    /// let total = SharedCell::new(0)?;
    /// Pool::global()?.for_each(count, (1..=10).map(|n| (&total, n)))?;
    /// assert_eq!(total.load(), 55);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`map`](Pool::map).
    ///
    /// # Panics
    /// When the iterator of the items panics.
    pub fn for_each<F, A, M, I>(&self, function: F, items: I) -> Result<()>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).for_each(items)
    }

    /// Calls `function` on every item and gives the result or the error of each one, in the order of
    /// the items.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn checked(x: u32) -> u32 {
    ///     if x == 1 {
    ///         std::process::abort();
    ///     }
    ///     x
    /// }
    ///
    /// let outcomes = Pool::global()?.outcomes(checked, [0, 1, 2_u32])?;
    /// assert_eq!(*outcomes[0].as_ref().unwrap(), 0);
    /// assert!(outcomes[1].as_ref().unwrap_err().is_crash());
    /// assert_eq!(*outcomes[2].as_ref().unwrap(), 2);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the function is not registered, when the pool is closed, and when no worker can be
    /// started; never for an item.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    pub fn outcomes<F, A, M, I>(&self, function: F, items: I) -> Result<Results<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).outcomes(items)
    }

    /// Calls `function` on items as results are taken, in the order of the items.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn collatz(start: u64) -> u32 {
    ///     let step = |n: &u64| Some(if n % 2 == 0 { n / 2 } else { 3 * n + 1 });
    ///     std::iter::successors(Some(start), step).take_while(|n| *n != 1).count() as u32
    /// }
    ///
    /// let mut lengths = Pool::global()?.imap(collatz, 1..)?;
    /// let long = lengths.position(|length| length.is_ok_and(|length| length > 100));
    /// assert_eq!(long, Some(26)); // 27 takes 111 steps
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// The iterator can be endless: at most 1024 items are read ahead of the results taken
    /// ([`read_ahead`](Job::read_ahead) sets it). An item that fails gives its error in its place.
    ///
    /// # Errors
    /// When the function is not registered or the pool is closed.
    pub fn imap<F, A, M, I>(&self, function: F, items: I) -> Result<Imap<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap(items)
    }

    /// As [`imap`](Pool::imap), but gives each result as soon as it is there, with the item's index.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let mut sum = 0;
    /// for (index, result) in Pool::global()?.imap_unordered(square, 0..100)? {
    ///     let square = result?;
    ///     assert_eq!(square, (index * index) as u64);
    ///     sum += square;
    /// }
    /// assert_eq!(sum, 328_350);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the function is not registered or the pool is closed.
    pub fn imap_unordered<F, A, M, I>(
        &self,
        function: F,
        items: I,
    ) -> Result<ImapUnordered<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
    {
        self.job(function).imap_unordered(items)
    }

    /// Submits one call of `function` and returns at once.
    ///
    /// Any number of tasks can be submitted; they wait in this process's memory. Several arguments are
    /// passed as a tuple, none as `()`.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let pool = Pool::global()?;
    /// let (three, four) = (pool.spawn(square, 3)?, pool.spawn(square, 4)?);
    /// assert_eq!(three.join()? + four.join()?, 25);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the function is not registered, the pool is closed, or the arguments cannot be encoded.
    pub fn spawn<F, A, M>(&self, function: F, arguments: A) -> Result<Task<F::Output>>
    where
        F: Function<A, M>,
    {
        self.job(function).spawn(arguments)
    }

    /// Takes no more work, waits until what was submitted is done, and ends the workers.
    ///
    /// Tasks keep their results. Calls that other threads are in the middle of are finished too.
    ///
    /// It must not be called from within such a call, by the iterator that gives the items: that call
    /// would wait for itself.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let task = pool.spawn(square, 3)?;
    /// pool.shutdown()?;
    /// assert_eq!(task.join()?, 9);
    /// assert!(pool.spawn(square, 4).unwrap_err().is_closed());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the pool was shut down or killed before, or has used up its crash budget.
    pub fn shutdown(&self) -> Result<()> {
        self.shared.check_fork()?;
        let mut state = self.shared.lock();
        state.check_open()?;
        state.phase = Phase::Closing;
        state.events.lasting = true;
        let state = self.shared.wait_until(state, None, None, |state| {
            state.outstanding == 0 && state.maps == 0 || state.phase == Phase::Closed
        });
        drop(state);
        self.close();
        Ok(())
    }

    /// Ends the pool at once: what waits is dropped, and workers are killed whatever they do; they
    /// are gone when this returns.
    ///
    /// Every call and task that was not done gives an error for which
    /// [`Error::is_cancelled`] is true, in whatever thread it is waited for. The pool takes no more work.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn wait_for_ever() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let task = pool.spawn(wait_for_ever, ())?;
    /// pool.kill();
    /// assert!(task.join().unwrap_err().is_cancelled());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn kill(&self) {
        self.kill_as(Ending::Killed, &Error::new(ErrorKind::Killed));
    }

    /// As [`kill`](Self::kill), with other words for what was not done, and for what comes later.
    pub(super) fn kill_as(&self, ending: Ending, error: &Error) {
        if self.shared.check_fork().is_err() {
            return;
        }
        let mut state = self.shared.lock();
        if state.phase != Phase::Closed {
            self.shared.end_all_calls(&mut state, ending);
            state.broken.get_or_insert_with(|| error.again());
            state.killed = true;
            state.phase = Phase::Closed;
            state.abort_calls(error);
        }
        drop(state);
        self.shared.exit_inline(false);
        self.join_threads();
        self.shared.end_callbacks();
    }

    /// Changes how many workers the pool has at most.
    ///
    /// More are started when there is work for them. When there are too many, idle ones end at once and
    /// others when they are done with the items that they have begun. Pools that run
    /// everything in this process stay as they are.
    ///
    /// ```
    /// let pool = parproc::Pool::builder().workers(4).build()?;
    /// pool.resize(2)?;
    /// assert_eq!(pool.workers(), 2);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `workers` is 0 or more than 4096.
    pub fn resize(&self, workers: usize) -> Result<()> {
        check_workers(workers)?;
        self.shared.check_fork()?;
        if !self.is_inline() {
            self.shared.resize(workers);
        }
        Ok(())
    }

    /// Drops all work and ends the workers; they are gone when this returns.
    fn close(&self) {
        let mut state = self.shared.lock();
        if state.phase != Phase::Closed {
            state.phase = Phase::Closed;
            state.abort_calls(&Error::new(ErrorKind::Closed));
        }
        drop(state);
        self.shared.exit_inline(true);
        self.join_threads();
        self.shared.end_callbacks();
    }

    /// Ends the workers with the program. Threads that wait for results go on waiting, until the
    /// program is gone under them: whatever they would say would be about that.
    pub(super) fn close_silently(&self) {
        let mut state = self.shared.lock();
        state.silent = state.phase != Phase::Closed;
        state.phase = Phase::Closed;
        drop(state);
        self.join_threads();
    }

    fn join_threads(&self) {
        self.shared.lock().ringer.ring();
        self.shared.notify.notify();
        self.shared.courier.notify_all();
        self.shared.keeper.notify_all();
        #[cfg(feature = "mpi")]
        self.shared.close_on_nodes();
        // What they call may ask for them, so the list is not locked while they end.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let ending = std::mem::take(&mut *threads);
        drop(threads);
        let started = !ending.is_empty();
        // The workers are not gone yet if this is the thread that ends them.
        let gone = !ending.iter().any(is_own);
        join_others(ending);
        // The supervisor started it, and starts nothing more.
        let courier = std::mem::replace(&mut self.shared.lock().courier_thread, Thread::Absent);
        if let Thread::Runs(courier) = courier {
            join_others([courier]);
        }
        // They have something to tell of their end.
        #[cfg(feature = "mpi")]
        self.shared.wait_for_nodes();
        if started {
            self.shared.relay.close(gone);
        }
        self.shared.end_stream();
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The function's place in the table, in a pool that is ready to run it.
    pub(super) fn find<F: 'static>(&self) -> Result<FunctionId> {
        let function = self.shared.table.find::<F>()?;
        if !self.shared.is_inline() {
            self.start_threads()?;
        }
        Ok(function)
    }

    pub(super) fn start_threads(&self) -> Result<()> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        const THREADS: [(&str, Life); 2] = [
            ("parproc-supervisor", |shared| shared.supervise()),
            ("parproc-keeper", |shared| shared.keep_inputs()),
        ];
        let needed = if self.shared.keeps() { 2 } else { 1 };
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if threads.len() < needed {
            // One after a shutdown would see the end of the pool and return at once.
            self.shared.lock().check_open()?;
        }
        for (name, life) in THREADS.into_iter().take(needed).skip(threads.len()) {
            let thread = spawn_life(&self.shared, name, life);
            threads.push(
                thread.map_err(|error| Error::os("a pool's thread could not be started", error))?,
            );
        }
        self.ready.store(true, Ordering::Release);
        Ok(())
    }
}

/// What a thread of a pool does.
#[cfg(feature = "mpi")]
impl Pool {
    /// A node's part of a pool: what happens is told to rank 0.
    pub(super) fn hosted(workers: usize, setup: Setup, timed: bool) -> Result<Self> {
        let pool = Self::start(workers, setup)?;
        pool.shared.lock().events.begin_forward(timed);
        pool.start_threads()?;
        Ok(pool)
    }
}

type Life = fn(&Arc<Shared>);

/// Starts a thread of a pool.
pub(super) fn spawn_life(
    shared: &Arc<Shared>,
    name: &'static str,
    life: Life,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    spawn_quiet(name, move || {
        // Only a fault of ours can end here early; nobody shall wait for ever then.
        if catch_unwind(AssertUnwindSafe(|| life(&shared))).is_err() {
            shared.abandon(&format!("the thread {name} ended by a panic"));
            drop(shared.wake_due(shared.lock()));
        }
    })
}

impl Drop for Pool {
    fn drop(&mut self) {
        // In a copy of the process that `fork` made there are no workers and threads to end.
        if self.shared.check_fork().is_err() {
            // Nor do its observers have anything to write.
            std::mem::forget(Arc::clone(&self.shared));
        } else if !self.shared.lock().actor.ends {
            self.close();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("workers", &self.workers())
            .field("inline", &self.is_inline())
            .finish_non_exhaustive()
    }
}
