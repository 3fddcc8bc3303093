//! A single task that was submitted, and its result to come.

use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::callbacks::Callback;
use super::chunk::{Delivery, Ending};
use super::observer::Observer;
use super::output::Patience;
use super::results::{open_large, open_record};
use super::select::Selection;
use super::shared::Shared;
use super::state::CallSpec;
use super::tasks::TaskKey;
use crate::error::{Error, ErrorKind, Failure, Result, Step, TaskError};
use crate::registry::{FunctionId, NO_FUNCTION};
use crate::wire::{NoMemory, Output, Records, landing};

/// A task that runs in a worker, from [`Pool::spawn`](crate::Pool::spawn).
///
/// Dropping it detaches the task: it runs to its end, and its result is dropped.
///
/// ```
/// # use parproc::{Pool, parallel};
/// #[parallel]
/// fn add(a: u32, b: u32) -> u32 {
///     a + b
/// }
///
/// let task = Pool::global()?.spawn(add, (1, 2))?;
/// assert_eq!(task.join()?, 3);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// # In async code
///
/// A task is a future with the same output as [`join`](Task::join), on any runtime. It runs whether
/// it is polled or not, and dropping the future detaches it, as in a `select` that it lost. Polling
/// it again after its end gives an error.
///
/// ```
/// # use parproc::{Pool, parallel};
/// #[parallel]
/// fn words(text: &str) -> usize {
///     text.split_whitespace().count()
/// }
///
/// async fn both(pool: &Pool) -> parproc::Result<usize> {
///     let (one, two) = (pool.spawn(words, "a b c")?, pool.spawn(words, "d e")?);
///     Ok(one.await? + two.await?)
/// }
///
/// let pool = Pool::global()?;
/// assert_eq!(futures_lite::future::block_on(both(pool))?, 5);
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// Several tasks are waited for with [`wait_any`](crate::wait_any), [`wait_all`](crate::wait_all)
/// and [`as_completed`](crate::as_completed).
#[must_use = "dropping a task detaches it: it runs, and its result is lost"]
pub struct Task<R> {
    shared: Arc<Shared>,
    ticket: Ticket,
    marker: PhantomData<fn() -> R>,
}

/// What a handle knows of its task.
#[derive(Debug, Clone, Copy)]
enum Ticket {
    Open(TaskKey),
    /// The result was handed out, or is for a callback.
    Joined(FunctionId),
}

impl<R: Output> Task<R> {
    pub(super) fn new(shared: &Arc<Shared>, key: TaskKey) -> Self {
        Self {
            shared: Arc::clone(shared),
            ticket: Ticket::Open(key),
            marker: PhantomData,
        }
    }

    /// A task that has failed before it was handed in.
    pub(super) fn failed(shared: &Arc<Shared>, function: FunctionId, error: Error) -> Self {
        let mut state = shared.lock();
        let ticket = match state.open_task(function, CallSpec::of(function, landing::<R>), true) {
            Ok(key) => {
                state.deliver(key.call(), Delivery::Aborted(error));
                Ticket::Open(key)
            }
            Err(NoMemory) => Ticket::Joined(function),
        };
        drop(state);
        Self {
            shared: Arc::clone(shared),
            ticket,
            marker: PhantomData,
        }
    }

    /// Waits for the task's end and gives its result.
    ///
    /// # Errors
    /// When the task failed (see [`Error::task`]), or the pool was dropped before it was done.
    pub fn join(mut self) -> Result<R> {
        self.wait(None)
    }

    /// As [`join`](Task::join), but waits for `timeout` at most. The wait can be repeated.
    ///
    /// # Errors
    /// As for `join`. When the task is not done in time, [`Error::is_timeout`] is true of the
    /// error, and [`Error::is_task`] is not. A result is given out once: later calls are errors.
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<R> {
        // A time past what the clock can say is no limit.
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Ends the task: if it waits it is dropped, if it runs its worker is killed.
    ///
    /// [`join`](Task::join) then gives an error for which [`Error::is_cancelled`] is true, once the worker is
    /// gone; or the result, if that was there already.
    pub fn cancel(&self) {
        if let Ok(key) = self.open_key() {
            let mut state = self.shared.lock();
            self.shared.end_task(&mut state, key, Ending::Cancelled);
        }
    }

    /// As [`join`](Task::join), but does not wait: gives `None` while the task is not done.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn halve(x: u32) -> u32 {
    ///     x / 2
    /// }
    ///
    /// let mut task = Pool::global()?.spawn(halve, 42)?;
    /// let half = loop {
    ///     if let Some(half) = task.try_join()? {
    ///         break half;
    ///     }
    ///     // Here the program does something else.
    /// };
    /// assert_eq!(half, 21);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for `join`. A result is given out once: later calls are errors.
    pub fn try_join(&mut self) -> Result<Option<R>> {
        self.open_key()?;
        if self.is_finished() {
            self.wait(None).map(Some)
        } else {
            Ok(None)
        }
    }

    /// True once the result, or the failure, is there: [`join`](Task::join) will not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let Ok(key) = self.open_key() else {
            return true;
        };
        let mut state = self.shared.lock();
        if !state.led && !state.is_done(key) {
            self.shared.pump(&mut state);
        }
        state.is_done(key)
    }

    /// Has `callback` called with the task's result, or its failure, once that is there.
    ///
    /// ```
    /// # use parproc::{Pool, parallel};
    /// #[parallel]
    /// fn cube(x: i64) -> i64 {
    ///     x.pow(3)
    /// }
    ///
    /// let (sender, results) = std::sync::mpsc::channel();
    /// let pool = Pool::builder().workers(2).build()?;
    /// for x in 1..=3 {
    ///     let sender = sender.clone();
    ///     pool.spawn(cube, x)?.on_done(move |result| {
    ///         let _ = sender.send(result);
    ///     });
    /// }
    /// drop(pool); // waits for the callbacks: those of unfinished tasks get an error
    /// assert_eq!(results.try_iter().count(), 3);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// It is called exactly once, by a thread of the pool that calls the callbacks of all its tasks
    /// one after the other, in the order in which the pool learns of their ends, and after what they logged;
    /// also if the task is done already, has failed, or its pool was dropped. It may use the pool: submit
    /// tasks, wait for them, even drop it. What it must not wait for is a later callback of the same pool. A
    /// panic in it ends it, and nothing else.
    ///
    /// Who drops a pool, [shuts it down](crate::Pool::shutdown) or [kills](crate::Pool::kill) it waits
    /// until its callbacks were called, unless it is one of them that does so. When the program ends, those of the
    /// [global pool](crate::Pool::global) are not called any more.
    ///
    /// In an [inline](crate::PoolBuilder::inline) pool the task is done already, and `callback` is
    /// called here. If the operating system refuses the pool a thread for callbacks, the task is
    /// waited for and `callback` called here too.
    pub fn on_done(mut self, callback: impl FnOnce(Result<R>) + Send + 'static) {
        let function = self.function();
        let name = self.shared.table.name(function);
        let in_actor = self.shared.setup.actor.is_some();
        let callback = Callback::new(move |delivery| {
            // Decoding runs code of the user's as well, and is not to cost the call.
            let opened = catch_unwind(AssertUnwindSafe(|| open_in(in_actor, name, delivery)));
            callback(opened.unwrap_or_else(|_| {
                let failure = Failure::of::<R>(Step::DecodeResult, "decoding it panicked".into());
                let error = TaskError::failed(name, 0, None, failure);
                Err(error.of_only_item().into())
            }));
        });
        let here = self.shared.is_inline() || self.shared.check_fork().is_err();
        let refused = if here {
            Err(callback)
        } else {
            self.shared.call_when_done(self.open_key(), callback)
        };
        match refused {
            Ok(()) => self.ticket = Ticket::Joined(function),
            Err(callback) => callback.call(self.fetch(None)),
        }
    }

    /// Has the selection told of the task's end, as that of its task at `place`.
    pub(super) fn select(&self, selection: &Arc<Selection>, place: usize) {
        let Ok(key) = self.open_key() else {
            return selection.add(place);
        };
        let mut state = self.shared.lock();
        if state.is_done(key) {
            selection.add(place);
        } else {
            state.observe(key, Observer::Selection(Arc::clone(selection), place));
            if !selection.leads {
                self.shared.summon_courier(&mut state);
            }
        }
    }

    /// Takes the task out of the selection.
    pub(super) fn unselect(&self, selection: &Arc<Selection>) {
        if let Ok(key) = self.open_key() {
            let mut state = self.shared.lock();
            state.unobserve(key, |observer| {
                matches!(observer, Observer::Selection(one, _) if Arc::ptr_eq(one, selection))
            });
        }
    }

    /// Waits until the result is there; says whether that was in time.
    pub(super) fn wait_until_done(&self, deadline: Option<Instant>) -> bool {
        self.open_key().map_or(true, |key| {
            let state = self.shared.lock();
            self.shared.wait_for_task(state, key, deadline).1
        })
    }

    /// True when the result was handed out.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.ticket, Ticket::Joined(_))
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The key of a task whose result was not handed out; fails when there is nothing to wait for.
    fn open_key(&self) -> Result<TaskKey> {
        self.shared.check_fork()?;
        match self.ticket {
            Ticket::Open(key) => Ok(key),
            Ticket::Joined(function) => Err(Error::new(ErrorKind::AlreadyJoined {
                function: self.shared.table.name(function).to_owned(),
            })),
        }
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<R> {
        let delivery = self.fetch(deadline);
        open_in(self.shared.setup.actor.is_some(), self.name(), delivery)
    }

    /// Waits for the result, and for what has to be heard before it is the caller's, or gives the reason why there is
    /// none.
    fn fetch(&mut self, deadline: Option<Instant>) -> Delivery {
        let key = match self.open_key() {
            Ok(key) => key,
            Err(error) => return Delivery::Aborted(error),
        };
        let state = self.shared.lock();
        let (mut state, come) = self.shared.wait_for_task(state, key, deadline);
        if !come {
            drop(state);
            let what = format!("the task of `{}`", self.name());
            return Delivery::Aborted(Error::new(ErrorKind::TimedOut { what }));
        }
        let function = state.function_of(key).unwrap_or(NO_FUNCTION);
        let (delivery, heard) = state.take_result(key);
        drop(state);
        self.ticket = Ticket::Joined(function);
        let relay = &self.shared.relay;
        relay.wait_for_logs(heard, Patience::default());
        delivery
    }
}

/// As [`open`]; the error says that it is of a task, or of an actor's call.
fn open_in<R: Output>(in_actor: bool, name: &'static str, delivery: Delivery) -> Result<R> {
    open(name, delivery).map_err(|error| match in_actor {
        true => error.in_process("an actor"),
        false => error.of_only_item(),
    })
}

/// Makes the result of a call's only item.
pub(super) fn open<R: Output>(name: &'static str, delivery: Delivery) -> Result<R> {
    match delivery {
        Delivery::Records {
            origin,
            bytes,
            objects: _named,
            ..
        } => match Records(&bytes).next() {
            Some((status, value)) => Ok(open_record(name, 0, origin, status, value)?),
            None => Err(Error::new(ErrorKind::Closed)),
        },
        Delivery::Large {
            origin,
            landing,
            objects: _named,
            ..
        } => Ok(open_large(name, 0, origin, landing)?),
        Delivery::Failed { error, .. } => Err(error.into()),
        Delivery::Ended { ending, .. } => Err(ending.error(name, 0).into()),
        Delivery::Aborted(error) => Err(error),
        Delivery::Returned(_) | Delivery::Unsaved(_) => Err(Error::new(ErrorKind::Closed)),
    }
}

impl<R: Output> Future for Task<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<R>> {
        loop {
            if let Some(result) = self.try_join().transpose() {
                return Poll::Ready(result);
            }
            // Cloned and dropped without the lock: what a waker does is not ours.
            let waker = context.waker().clone();
            let key = match self.open_key() {
                Ok(key) => key,
                Err(error) => return Poll::Ready(Err(error)),
            };
            let mut state = self.shared.lock();
            if state.is_done(key) {
                continue;
            }
            let before = state.unobserve(key, |observer| matches!(observer, Observer::Waker(_)));
            state.observe(key, Observer::Waker(waker));
            self.shared.summon_courier(&mut state);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
    }
}

impl<R> Drop for Task<R> {
    fn drop(&mut self) {
        if let Ticket::Open(key) = self.ticket
            && self.shared.check_fork().is_ok()
        {
            let observers = self.shared.lock().detach_task(key);
            // What dropping a waker does is not ours.
            drop(observers);
        }
    }
}

impl<R> Task<R> {
    fn function(&self) -> FunctionId {
        match self.ticket {
            Ticket::Joined(function) => function,
            Ticket::Open(_) if self.shared.check_fork().is_err() => NO_FUNCTION,
            Ticket::Open(key) => {
                let function = self.shared.lock().function_of(key);
                function.unwrap_or(NO_FUNCTION)
            }
        }
    }

    fn name(&self) -> &'static str {
        self.shared.table.name(self.function())
    }
}

impl<R> fmt::Debug for Task<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.shared.table.name(self.function());
        f.debug_struct("Task")
            .field("function", &name)
            .finish_non_exhaustive()
    }
}
