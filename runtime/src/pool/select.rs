//! Waiting for several tasks at once: the first one, all of them, one after the other as they end.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Task;
use super::shared::Shared;
use super::wait::Interest;
use crate::error::Result;
use crate::sys::{Notify, forks};
use crate::wire::Output;

/// Waits until one of the tasks is done, and gives its place in the slice.
///
/// The result stays with the task: `tasks.swap_remove(place).join()` takes it. When several tasks are
/// done it is one of them. Tasks whose result was taken do not count; when there are no others, or no
/// tasks at all, it is `None` at once.
///
/// The tasks may belong to several pools. To take many results as they come,
/// [`as_completed`] costs less.
///
/// ```
/// use parproc::{Pool, parallel, wait_any};
/// use std::time::Duration;
///
/// #[parallel]
/// fn sleep(millis: u64) -> u64 {
///     std::thread::sleep(Duration::from_millis(millis));
///     millis
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// let mut tasks = vec![pool.spawn(sleep, 5_000)?, pool.spawn(sleep, 1)?];
/// let first = wait_any(&tasks).expect("there are tasks");
/// assert_eq!(tasks.swap_remove(first).join()?, 1);
/// # Ok::<(), parproc::Error>(())
/// ```
pub fn wait_any<R: Output>(tasks: &[Task<R>]) -> Option<usize> {
    any(tasks, None)
}

/// As [`wait_any`], but waits for `timeout` at most: `None` also says that no task was done in time.
///
/// ```
/// use std::time::Duration;
/// use parproc::{Pool, wait_any_timeout, parallel};
///
/// #[parallel]
/// fn wait(millis: u64) -> u64 {
///     std::thread::sleep(Duration::from_millis(millis));
///     millis
/// }
///
/// let task = Pool::global()?.spawn(wait, 3_600_000)?;
/// assert_eq!(wait_any_timeout(&[task], Duration::from_millis(20)), None);
/// # Ok::<(), parproc::Error>(())
/// ```
pub fn wait_any_timeout<R: Output>(tasks: &[Task<R>], timeout: Duration) -> Option<usize> {
    // A time past what the clock can say is no limit.
    any(tasks, Instant::now().checked_add(timeout))
}

/// Waits until all tasks are done, and gives the result or the failure of each in its place.
///
/// The tasks may belong to several pools. An iterator is read to its end before the wait, so
/// it may spawn the tasks that it gives.
///
/// ```
/// use parproc::{Pool, parallel, wait_all};
///
/// #[parallel]
/// fn root(x: f64) -> f64 {
///     assert!(x >= 0.0, "no root");
///     x.sqrt()
/// }
///
/// let pool = Pool::global()?;
/// let tasks = [4.0, -1.0].map(|x| pool.spawn(root, x).expect("an open pool"));
/// let results = wait_all(tasks);
/// assert_eq!(*results[0].as_ref().unwrap(), 2.0);
/// assert!(results[1].as_ref().unwrap_err().task().unwrap().is_panic());
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use = "it tells which tasks failed"]
pub fn wait_all<R: Output>(tasks: impl IntoIterator<Item = Task<R>>) -> Vec<Result<R>> {
    // Joined as the iterator gives them, tasks that it spawns would run one after the other.
    let tasks: Vec<_> = tasks.into_iter().collect();
    tasks.into_iter().map(Task::join).collect()
}

/// As [`wait_all`], but waits for `timeout` at most.
///
/// ```
/// use std::time::Duration;
/// use parproc::{Pool, wait_all_timeout, parallel};
///
/// #[parallel]
/// fn wait(millis: u64) -> u64 {
///     std::thread::sleep(Duration::from_millis(millis));
///     millis
/// }
///
/// let pool = Pool::builder().workers(2).build()?;
/// let mut tasks = vec![pool.spawn(wait, 10)?, pool.spawn(wait, 100)?];
/// let results = loop {
///     match wait_all_timeout(tasks, Duration::from_millis(20)) {
///         Ok(results) => break results,
///         Err(back) => tasks = back, // not done yet: here the program does something else
///     }
/// };
/// assert_eq!(results.len(), 2);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// # Errors
/// When some task is not done in time: all tasks are given back, and the wait can be repeated.
pub fn wait_all_timeout<R: Output>(
    tasks: impl IntoIterator<Item = Task<R>>,
    timeout: Duration,
) -> Result<Vec<Result<R>>, Vec<Task<R>>> {
    let tasks: Vec<_> = tasks.into_iter().collect();
    let deadline = Instant::now().checked_add(timeout);
    if tasks.iter().all(|task| task.wait_until_done(deadline)) {
        Ok(wait_all(tasks))
    } else {
        Err(tasks)
    }
}

/// Gives the results of the tasks as they come, each with the task's place in the input.
///
/// The tasks may belong to several pools.
///
/// ```
/// use parproc::{Pool, as_completed, parallel};
///
/// #[parallel]
/// fn double(x: u32) -> u32 {
///     2 * x
/// }
///
/// let pool = Pool::global()?;
/// let tasks = (0..10).map(|x| pool.spawn(double, x)).collect::<Result<Vec<_>, _>>()?;
/// for (place, result) in as_completed(tasks) {
///     assert_eq!(result?, 2 * place as u32);
/// }
/// # Ok::<(), parproc::Error>(())
/// ```
pub fn as_completed<R: Output>(tasks: impl IntoIterator<Item = Task<R>>) -> AsCompleted<R> {
    let tasks: Vec<_> = tasks.into_iter().collect();
    let waiting = Waiting::new(&tasks);
    for (place, task) in tasks.iter().enumerate() {
        task.select(&waiting.selection, place);
    }
    AsCompleted {
        left: tasks.len(),
        tasks: tasks.into_iter().map(Some).collect(),
        waiting,
        generation: forks(),
    }
}

/// The results of tasks as they come: [`as_completed`].
///
/// Dropping it detaches the tasks that are left: they run, and their results are lost.
#[must_use = "dropping it detaches the tasks"]
pub struct AsCompleted<R> {
    tasks: Vec<Option<Task<R>>>,
    left: usize,
    waiting: Waiting,
    /// How often the process was forked when this was made.
    generation: u32,
}

impl<R: Output> AsCompleted<R> {
    /// As `next`, but waits for `timeout` at most: `None` says that no further task was done in time,
    /// or that none is left, for which [`len`](ExactSizeIterator::len) is 0.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::{Pool, as_completed, parallel};
    ///
    /// #[parallel]
    /// fn wait(millis: u64) -> u64 {
    ///     std::thread::sleep(Duration::from_millis(millis));
    ///     millis
    /// }
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// let tasks = [pool.spawn(wait, 0)?, pool.spawn(wait, 3_600_000)?];
    /// let mut completed = as_completed(tasks);
    /// assert_eq!(completed.next().unwrap().0, 0);
    /// assert!(completed.next_timeout(Duration::from_millis(20)).is_none());
    /// assert_eq!(completed.len(), 1);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<(usize, Result<R>)> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<(usize, Result<R>)> {
        if self.left == 0 {
            return None;
        }
        let place = if forks() == self.generation {
            self.waiting.wait(deadline)?
        } else {
            // In a copy of the process no task ends any more: each has its error.
            self.tasks.iter().position(Option::is_some)?
        };
        let task = self.tasks.get_mut(place)?.take()?;
        self.left -= 1;
        Some((place, task.join()))
    }
}

impl<R: Output> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R>);

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R: Output> ExactSizeIterator for AsCompleted<R> {}

impl<R: Output> FusedIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

fn any<R: Output>(tasks: &[Task<R>], deadline: Option<Instant>) -> Option<usize> {
    let wanted = || {
        let all = tasks.iter().enumerate();
        all.filter(|(_, task)| !task.is_joined())
    };
    wanted().next()?;
    if let Some((place, _)) = wanted().find(|(_, task)| task.is_finished()) {
        return Some(place);
    }
    let waiting = Waiting::new(tasks);
    for (place, task) in wanted() {
        task.select(&waiting.selection, place);
    }
    let first = waiting.wait(deadline);
    for (_, task) in wanted() {
        task.unselect(&waiting.selection);
    }
    first
}

/// Tasks that one thread waits for.
#[derive(Debug)]
pub(super) struct Selection {
    /// The thread moves their results itself, when it waits.
    pub(super) leads: bool,
    done: Mutex<Done>,
    /// Wakes the thread, if it does not lead.
    come: Condvar,
    /// Wakes the thread, if it waits for descriptors.
    notify: Option<Notify>,
}

#[derive(Debug, Default)]
struct Done {
    /// Places of the tasks that are done and were not given out.
    places: VecDeque<usize>,
    /// Wakes the thread while it follows in a pool.
    waiter: Option<Arc<Condvar>>,
}

impl Selection {
    /// For a thread that waits for descriptors; this one, if there is one, becomes readable when a task is
    /// done.
    pub(super) fn with_descriptor() -> Self {
        Self {
            leads: false,
            done: Mutex::default(),
            come: Condvar::new(),
            notify: Notify::new().ok(),
        }
    }

    /// What becomes readable when a task is done.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.notify.as_ref().map(AsFd::as_fd)
    }

    /// A task is done. It may be called under the lock of a pool.
    pub(super) fn add(&self, place: usize) {
        let mut done = self.lock();
        done.places.push_back(place);
        if let Some(notify) = &self.notify {
            notify.notify();
        }
        match &done.waiter {
            Some(waiter) => waiter.notify_one(),
            None if self.leads => {}
            None => self.come.notify_one(),
        }
    }

    /// Called under the lock of the pool in which the thread follows.
    pub(super) fn set_waiter(&self, waiter: Option<Arc<Condvar>>) {
        self.lock().waiter = waiter;
    }

    fn lock(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A selection from the side of the thread that waits.
struct Waiting {
    selection: Arc<Selection>,
    /// The pool of all tasks, if it is one.
    home: Option<Arc<Shared>>,
}

impl Waiting {
    fn new<R: Output>(tasks: &[Task<R>]) -> Self {
        // Tasks of inline pools are done.
        let mut pools = tasks
            .iter()
            .map(Task::shared)
            .filter(|pool| !pool.is_inline());
        let home = pools
            .next()
            .filter(|first| pools.all(|pool| Arc::ptr_eq(pool, first)));
        let selection = Selection {
            leads: home.is_some(),
            done: Mutex::default(),
            come: Condvar::new(),
            notify: None,
        };
        Self {
            selection: Arc::new(selection),
            home: home.map(Arc::clone),
        }
    }

    /// Waits until one of the tasks is done.
    fn wait(&self, deadline: Option<Instant>) -> Option<usize> {
        let is_empty = || self.selection.lock().places.is_empty();
        if let Some(home) = self.home.as_ref().filter(|_| is_empty()) {
            let interest = Interest::Selection(&self.selection);
            let _ = home.wait_for(home.lock(), interest, deadline, |_| !is_empty());
        }
        let mut done = self.selection.lock();
        while done.places.is_empty() {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            done = match left {
                None => self
                    .selection
                    .come
                    .wait(done)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return None,
                Some(left) => {
                    let waited = self.selection.come.wait_timeout(done, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        done.places.pop_front()
    }
}
