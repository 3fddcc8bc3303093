//! A call with settings of its own.

#[cfg(feature = "progress")]
mod progress;

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use super::call::{Call, Results, RetryIf, encode_single};
use super::cancel::CancelToken;
use super::events::Observing;
use super::imap::{Imap, ImapUnordered, READ_AHEAD};
use super::logs::Context;
use super::report::Report;
use super::rules::{Backoff, Rules};
use super::state::CallSpec;
use super::{Pool, Task, map};
use crate::error::{Error, Result, TaskError, TryMapError};
use crate::event::Observer;
use crate::registry::Function;
use crate::sys::{nanos_of, now_nanos};
use crate::wire::landing;

/// What one call can set.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) chunk_size: Option<usize>,
    pub(super) read_ahead: Option<usize>,
    pub(super) rules: Rules,
    /// For the whole call.
    limit: Option<Duration>,
    pub(super) token: Option<CancelToken>,
    /// Each item gets a result, also if it was not read before the call ended.
    pub(super) every: bool,
    /// What items write is wanted, if it is captured.
    pub(super) reported: bool,
    /// Who is told what happens.
    pub(super) observers: Vec<Observing>,
    pub(super) seed: Option<u64>,
    pub(super) journal: Option<PathBuf>,
}

impl Settings {
    /// When the call has to be done, if it begins now, in nanoseconds, and how long that is.
    pub(super) fn deadline(&self) -> Option<(u64, Duration)> {
        let limit = self.limit?;
        Some((now_nanos().saturating_add(nanos_of(limit)), limit))
    }
}

/// A function on its way into a pool, with settings of this one call.
///
/// ```
/// # use parproc::{Pool, parallel};
/// #[parallel]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// let squares = Pool::global()?.job(square).chunk_size(100).map(0..1000_u64)?;
/// assert_eq!(squares[999], 998_001);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use = "a job does nothing before items are given to it"]
pub struct Job<'pool, F, R = Final> {
    pool: &'pool Pool,
    settings: Settings,
    retry: R,
    function: PhantomData<fn(F)>,
}

/// A job whose results are final: see [`Job::retry_if`].
#[derive(Debug)]
pub struct Final(());

/// A job with a [`retry_if`](Job::retry_if).
pub struct Retrying<R>(RetryIf<R>);

/// What decides whether a result of type `R` is final.
pub trait Decide<R> {
    #[doc(hidden)]
    fn into_retry_if(self) -> Decision<R>;
}

/// See [`Decide`].
#[doc(hidden)]
pub struct Decision<R>(Option<RetryIf<R>>);

impl<R> Decide<R> for Final {
    fn into_retry_if(self) -> Decision<R> {
        Decision(None)
    }
}

impl<R> Decide<R> for Retrying<R> {
    fn into_retry_if(self) -> Decision<R> {
        Decision(Some(self.0))
    }
}

impl<R> fmt::Debug for Retrying<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Retrying")
    }
}

impl<R> fmt::Debug for Decision<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Decision").field(&self.0.is_some()).finish()
    }
}

impl<F, R: fmt::Debug> fmt::Debug for Job<'_, F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("settings", &self.settings)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

impl<'pool, F> Job<'pool, F> {
    pub(super) fn new(pool: &'pool Pool) -> Self {
        Self {
            pool,
            settings: Settings::default(),
            retry: Final(()),
            function: PhantomData,
        }
    }

    /// Tries items again whose result `retry` returns true for, up to the number of
    /// [`retries`](Self::retries) and with the same pauses (none in an inline pool).
    ///
    /// It is asked in the calling thread about what the function returned, and about panics and values
    /// that did not pass. Items that ended their worker are tried again without being asked about.
    ///
    /// ```
    /// # use parproc::{Backoff, Pool, parallel};
    /// #[parallel]
    /// fn fetch(mirror: u32) -> Result<String, String> {
    ///     // Busy the first time that a worker asks.
    ///     # use std::sync::atomic::{AtomicBool, Ordering};
    ///     static ASKED: AtomicBool = AtomicBool::new(false);
    ///     if ASKED.swap(true, Ordering::Relaxed) { Ok(format!("page of {mirror}")) } else { Err("busy".into()) }
    /// }
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let pages = pool
    ///     .job(fetch)
    ///     .retries(5)
    ///     .backoff(Backoff::none())
    ///     .retry_if(|outcome| matches!(outcome, Ok(Err(_))))
    ///     .map([7])?;
    /// assert_eq!(pages, [Ok("page of 7".to_owned())]);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn retry_if<R>(
        self,
        retry: impl Fn(&Result<R, TaskError>) -> bool + Send + Sync + 'static,
    ) -> Job<'pool, F, Retrying<R>> {
        Job {
            pool: self.pool,
            settings: self.settings,
            retry: Retrying(Box::new(retry)),
            function: PhantomData,
        }
    }
}

impl<F, P> Job<'_, F, P> {
    /// How many items a worker is given at once, instead of what the pool finds right by measuring.
    ///
    /// 1 gives the fairest distribution of uneven items; larger values save work for tiny ones.
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.settings.chunk_size = Some(items);
        self
    }

    /// How many items a lazy call ([`imap`](Job::imap), [`imap_unordered`](Job::imap_unordered))
    /// reads at most before their results are taken; 1024 unless set.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn square(x: u64) -> u64 {
    ///     x * x
    /// }
    ///
    /// let mut read = 0;
    /// let items = (0..).inspect(|_| read += 1);
    /// let first = Pool::global()?.job(square).read_ahead(10).imap(items)?.next();
    /// assert_eq!(first.unwrap()?, 0);
    /// assert!(read <= 11);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn read_ahead(mut self, items: usize) -> Self {
        self.settings.read_ahead = Some(items);
        self
    }

    /// How long an item may run, from its start in the worker. Then its worker is killed, with
    /// all that it started, and the item fails: see [`TaskError::is_timeout`]. Items that wait run elsewhere.
    ///
    /// It goes before what the function's `#[parallel(timeout = "…")]` and the pool say.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.rules.timeout = Some(timeout);
        self
    }

    /// How much memory the worker, and all that it started, may use for an item, in bytes. When it uses
    /// more it is killed, and the item fails: see [`TaskError::is_memory`].
    ///
    /// It goes before what the function's `#[parallel(memory_limit = "…")]` and the pool say. See
    /// [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit) for what is counted.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.settings.rules.memory = Some(bytes);
        self
    }

    /// By how much the memory limit of an item is multiplied when it is tried again because it passed
    /// the limit; at least 1.
    pub fn memory_growth(mut self, factor: f64) -> Self {
        self.settings.rules.memory_growth = Some(factor);
        self
    }

    /// How often an item is tried again that crashed its worker, ran too long or used too much memory.
    ///
    /// [`retry_if`](Job::retry_if) tries others again. [`reports`](Self::reports) tells how many attempts there were.
    pub fn retries(mut self, retries: u32) -> Self {
        self.settings.rules.retries = Some(retries);
        self
    }

    /// The pauses before items are tried again.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.rules.backoff = Some(backoff);
        self
    }

    /// Has the [seed of each item](crate::task::seed) follow from this one; a random number unless set.
    ///
    /// ```
    /// use parproc::{Pool, parallel, task};
    ///
    /// #[parallel]
    /// fn roll() -> u64 {
    ///     1 + task::seed() % 6
    /// }
    ///
    /// let roll = |workers| Pool::builder().workers(workers).build()?.job(roll).seed(7).map([(); 5]);
    /// assert_eq!(roll(1)?, roll(2)?);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = Some(seed);
        self
    }

    /// Keeps results in a file, so that a later run of the program goes on where this one was interrupted: items whose
    /// results are there are not run again.
    ///
    /// ```
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn simulate(temperature: f64) -> Result<f64, String> {
    ///     // …for hours
    ///     Ok(2.0 * temperature)
    /// }
    ///
    /// # let folder = std::env::temp_dir().join(format!("parproc-doc-journal-{}", std::process::id()));
    /// # std::fs::create_dir(&folder).unwrap();
    /// # let path = folder.join("sweep.journal");
    /// let sweep = || Pool::global()?.job(simulate).journal(&path).map([1.0, 2.0, 3.0]);
    /// let results = sweep()?;
    /// assert_eq!(sweep()?, results); // nothing was run
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// The file is made if it is missing. Each result is appended when it comes, before the caller has it; a lazy call
    /// takes in results while it is asked for some. What was appended is there however the program ends; for the end of the
    /// whole machine, it is also handed to the disk (`fdatasync`) once a second while results come, and when the call is over.
    /// A record that was torn by the end is cut off, and its item runs again.
    ///
    /// What is kept is what the function returned, an `Err` too: a result like any other. A result that
    /// [`retry_if`](Self::retry_if) says no to does not count; its item runs again. Nothing is kept of items that failed
    /// (panicked, crashed, ran out of time…): they run again in the next run. Of a [report](Self::reports), the number of
    /// attempts is kept.
    ///
    /// The file belongs to the function (its name, signature and type of results), to the version of parproc, and to the
    /// items: each result to an item by its index and a checksum of its arguments. More items can be added at the end, and
    /// some be left out there. A `HashMap` or `HashSet` among the arguments is written in another order in each run: give a
    /// `BTreeMap` or `BTreeSet` instead. What the code of the function does, the files that it reads and what the pool's `init` function
    /// loads is not known: remove the file when results would be others now.
    /// If the call has a [seed](Self::seed), it has to be the same; a call without one goes on with that of the file.
    ///
    /// One call at a time uses a file: it is locked (`flock`).
    ///
    /// # Errors
    /// The call fails, and leaves the file as it is, when that is of another function, version or seed, no journal, damaged
    /// elsewhere than at its end, or in use; when it comes to an item that is another one now; when arguments
    /// or results have something in them that processes share; and when a file cannot be made, read or written.
    /// [`Error::is_journal`] is true of all but the last. Lazy calls give what is found out later as the error
    /// of an item that was cancelled.
    pub fn journal(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.journal = Some(path.into());
        self
    }

    /// How long the whole call may take, from its beginning. Then items that are not done fail, those that run
    /// are killed, and what is finished is kept: [`outcomes`](Self::outcomes) gives both.
    ///
    /// The iterator of the items is not read any more then. If it knows how many are left, `outcomes` and
    /// [`reports`](Self::reports) give an error for each of them; else one error, for the first.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn wait(seconds: u64) {
    ///     std::thread::sleep(Duration::from_secs(seconds));
    /// }
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let outcomes = pool.job(wait).deadline(Duration::from_secs(1)).outcomes([0, 3600])?;
    /// assert!(outcomes[0].is_ok());
    /// assert!(outcomes[1].as_ref().unwrap_err().is_timeout());
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.settings.limit = Some(limit);
        self
    }

    /// Has the call end when the token is cancelled, as with [`deadline`](Self::deadline).
    pub fn cancel_token(mut self, token: &CancelToken) -> Self {
        self.settings.token = Some(token.clone());
        self
    }

    /// Has the observer told what happens in this call, and that it is over before the call returns.
    ///
    /// It is told nothing of workers, which the pool has for all its calls:
    /// [`PoolBuilder::observe`](crate::PoolBuilder::observe) is. A [`spawn`](Job::spawn)ed task is not observed.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use parproc::observe::{Event, EventKind};
    /// use parproc::{Pool, parallel};
    ///
    /// #[parallel]
    /// fn half(x: u32) -> u32 {
    ///     x / 2
    /// }
    ///
    /// let done = Arc::new(AtomicUsize::new(0));
    /// let counter = Arc::clone(&done);
    /// let count = move |events: &[Event]| {
    ///     for event in events {
    ///         if let EventKind::ItemsDone { count, .. } = event.kind {
    ///             counter.fetch_add(count, Ordering::Relaxed);
    ///         }
    ///     }
    /// };
    /// Pool::global()?.job(half).observe(count).map(0..100)?;
    /// assert_eq!(done.load(Ordering::Relaxed), 100);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn observe(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observers.push(Observing::new(observer));
        self
    }

    /// See [`Pool::map`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn map<A, M, I>(self, items: I) -> Result<Vec<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        let items = items.into_iter();
        let expected = expected::<F::Output>(&items);
        map::map(self.call(items, None)?, expected)
    }

    /// See [`Pool::try_map`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn try_map<A, M, I, T, E>(self, items: I) -> Result<Vec<T>, TryMapError<E>>
    where
        F: Function<A, M, Output = Result<T, E>>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        let items = items.into_iter();
        let expected = expected::<T>(&items);
        map::try_map(self.call(items, None)?, expected)
    }

    /// See [`Pool::for_each`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn for_each<A, M, I>(self, items: I) -> Result<()>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        map::for_each(self.call(items.into_iter(), None)?)
    }

    /// See [`Pool::outcomes`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn outcomes<A, M, I>(self, items: I) -> Result<Results<F::Output>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        let items = items.into_iter();
        let expected = expected::<F::Output>(&items);
        map::outcomes(self.for_every_item().call(items, None)?, expected)
    }

    /// As [`outcomes`](Self::outcomes), and tells how each result came about: after how many attempts,
    /// from which worker; and what the item wrote, if the pool [captures](crate::Output::Captured) that.
    ///
    /// ```
    /// # use parproc::{Output, Pool, parallel};
    /// #[parallel]
    /// fn greet(name: &str) -> usize {
    ///     println!("hello {name}");
    ///     name.len()
    /// }
    ///
    /// let pool = Pool::builder().stdout(Output::Captured).build()?;
    /// let reports = pool.job(greet).reports(["you", "world"])?;
    /// assert_eq!(*reports[1].result.as_ref().unwrap(), 5);
    /// assert_eq!(reports[1].stdout, b"hello world\n");
    /// assert_eq!(reports[1].attempts, 1);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    ///
    /// # Panics
    /// When the iterator of the items panics.
    pub fn reports<A, M, I>(self, items: I) -> Result<Vec<Report<F::Output>>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        let items = items.into_iter();
        let expected = expected::<Report<F::Output>>(&items);
        let mut job = self.for_every_item();
        job.settings.reported = true;
        map::reports(job.call(items, None)?, expected)
    }

    fn for_every_item(mut self) -> Self {
        self.settings.every = true;
        self
    }

    /// See [`Pool::imap`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn imap<A, M, I>(self, items: I) -> Result<Imap<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        Ok(Imap::new(self.call(items.into_iter(), Some(READ_AHEAD))?))
    }

    /// See [`Pool::imap_unordered`].
    ///
    /// # Errors
    /// As there, and when a setting is zero.
    pub fn imap_unordered<A, M, I>(self, items: I) -> Result<ImapUnordered<F, A, M, I::IntoIter>>
    where
        F: Function<A, M>,
        I: IntoIterator<Item = A>,
        P: Decide<F::Output>,
    {
        Ok(ImapUnordered::new(
            self.call(items.into_iter(), Some(READ_AHEAD))?,
        ))
    }

    fn call<A, M, I>(self, items: I, read_ahead: Option<usize>) -> Result<Call<F, A, M, I>>
    where
        F: Function<A, M>,
        I: Iterator<Item = A>,
        P: Decide<F::Output>,
    {
        let mut settings = self.settings;
        if settings.chunk_size == Some(0) {
            return Err(Error::invalid(
                "a chunk size of 0: a chunk has at least 1 item",
            ));
        }
        if settings.read_ahead == Some(0) {
            return Err(Error::invalid(
                "a read-ahead of 0: at least 1 item has to be read",
            ));
        }
        settings.read_ahead = read_ahead.map(|usual| settings.read_ahead.unwrap_or(usual));
        let function = self.pool.find::<F>()?;
        let Decision(retry_if) = self.retry.into_retry_if();
        Call::new(self.pool.shared(), function, settings, retry_if, items)
    }
}

impl<F> Job<'_, F> {
    /// See [`Pool::spawn`].
    ///
    /// # Errors
    /// As there, and when a limit is out of range.
    pub fn spawn<A, M>(self, arguments: A) -> Result<Task<F::Output>>
    where
        F: Function<A, M>,
    {
        if self.settings.journal.is_some() {
            return Err(Error::invalid(
                "a journal for a single task: it keeps the results of calls over items, such as `map`",
            ));
        }
        let function = self.pool.find::<F>()?;
        let shared = self.pool.shared();
        let name = shared.table.name(function);
        let payload = encode_single::<F, A, M>(name, arguments, take_scratch())?;
        let spec = CallSpec {
            rules: shared.rules(function, self.settings.rules)?,
            deadline: self.settings.deadline(),
            context: Context::capture(),
            ..CallSpec::of(function, landing::<F::Output>)
        };
        let token = self.settings.token.as_ref();
        let (key, buffer) =
            shared.submit_one(function, spec, token, self.settings.seed, payload)?;
        keep_scratch(buffer);
        Ok(Task::new(shared, key))
    }
}

thread_local! {
    /// For the arguments of the next task.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger buffer is not kept.
const SCRATCH_BYTES: usize = 16 << 10;

fn take_scratch() -> Vec<u8> {
    // At the end of a thread it may be gone.
    SCRATCH.try_with(Cell::take).unwrap_or_default()
}

fn keep_scratch(buffer: Vec<u8>) {
    if buffer.capacity() <= SCRATCH_BYTES {
        let _ = SCRATCH.try_with(|scratch| scratch.set(buffer));
    }
}

/// How much room to make for results; what an iterator claims is not trusted without limit.
fn expected<R>(items: &impl Iterator) -> usize {
    const MOST_BYTES: usize = 256 << 20;
    items.size_hint().0.min(MOST_BYTES / size_of::<R>().max(1))
}
