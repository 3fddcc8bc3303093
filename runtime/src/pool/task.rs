//! A single task that was submitted, and its result to come.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::chunk::{Delivery, Ending};
use super::results::{open_large, open_record};
use super::shared::Shared;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::FunctionId;
use crate::wire::{Output, Records};

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
#[must_use = "dropping a task detaches it: it runs, and its result is lost"]
pub struct Task<R> {
    shared: Arc<Shared>,
    function: FunctionId,
    key: usize,
    joined: bool,
    marker: PhantomData<fn() -> R>,
}

impl<R: Output> Task<R> {
    pub(super) fn new(shared: &Arc<Shared>, function: FunctionId, key: usize) -> Self {
        Self {
            shared: Arc::clone(shared),
            function,
            key,
            joined: false,
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
    /// error. A result is given out once: later calls are errors.
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<R> {
        // A time past what the clock can say is no limit.
        self.wait(Instant::now().checked_add(timeout))
    }

    /// Ends the task: if it waits it is dropped, if it runs its worker is killed.
    ///
    /// [`join`](Task::join) then gives an error for which [`Error::is_cancelled`] is true, once the worker is
    /// gone; or the result, if that was there already.
    pub fn cancel(&self) {
        if !self.joined && self.shared.check_fork().is_ok() {
            let mut state = self.shared.lock();
            self.shared
                .end_call(&mut state, self.key, Ending::Cancelled);
        }
    }

    /// True once the result, or the failure, is there: [`join`](Task::join) will not wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        if self.joined || self.shared.check_fork().is_err() {
            return true;
        }
        let mut state = self.shared.lock();
        if !state.led {
            self.shared.pump(&mut state);
        }
        state
            .calls
            .get(self.key)
            .is_none_or(|call| !call.mail.is_empty())
    }

    fn wait(&mut self, deadline: Option<Instant>) -> Result<R> {
        self.shared.check_fork()?;
        let name = self.shared.table.name(self.function);
        if self.joined {
            return Err(Error::new(ErrorKind::AlreadyJoined {
                function: name.to_owned(),
            }));
        }
        let (mut state, come) = self
            .shared
            .wait_for_mail(self.shared.lock(), self.key, deadline);
        if !come {
            let what = format!("the task of `{name}`");
            return Err(Error::new(ErrorKind::TimedOut { what }));
        }
        // A closed pool may have written behind the result.
        let mail = state
            .calls
            .get_mut(self.key)
            .map(|call| std::mem::take(&mut call.mail));
        let delivery = mail.and_then(|mail| mail.into_iter().next());
        drop(state);
        self.joined = true;
        match delivery {
            Some(Delivery::Records { origin, bytes, .. }) => match Records(&bytes).next() {
                Some((status, value)) => Ok(open_record(name, 0, origin, status, value)?),
                None => Err(Error::new(ErrorKind::Closed)),
            },
            Some(Delivery::Large {
                origin, landing, ..
            }) => Ok(open_large(name, 0, origin, landing)?),
            Some(Delivery::Failed(error)) => Err(error.into()),
            Some(Delivery::Ended { ending, .. }) => Err(ending.error(name, 0).into()),
            Some(Delivery::Aborted(error)) => Err(error),
            Some(Delivery::Returned(_)) | None => Err(Error::new(ErrorKind::Closed)),
        }
    }
}

impl<R> Drop for Task<R> {
    fn drop(&mut self) {
        if self.shared.check_fork().is_ok() {
            self.shared.lock().detach_call(self.key, true);
        }
    }
}

impl<R> fmt::Debug for Task<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.shared.table.name(self.function);
        f.debug_struct("Task")
            .field("function", &name)
            .finish_non_exhaustive()
    }
}
