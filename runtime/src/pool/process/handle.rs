//! A process as its user sees it.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::chunk::Delivery;
use super::super::output::Patience;
use super::super::shared::Shared;
use super::super::state::State;
use super::super::task::open;
use super::ProcessBuilder;
use super::life::{Life, Started};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{Function, FunctionId};
use crate::sys::{Exit, is_readable, terminate};
use crate::wire::Output;

/// What a process may take to end after SIGTERM, unless something else is said.
const GRACE: Duration = Duration::from_secs(5);

/// When a process has ended, its input may have to be saved, and what it logged to be heard: for so long that is
/// waited for by who does not wait.
const SETTLING: Duration = Duration::from_secs(1);

/// A fresh process that makes one call of a `#[parallel]` function and ends.
///
/// ```
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn greet(name: &str) -> String {
///     format!("hello {name}, from process {}", std::process::id())
/// }
///
/// let process = Process::spawn(greet, "world")?;
/// let id = process.pid();
/// assert_eq!(process.join()?, format!("hello world, from process {id}"));
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// It is this program, executed again, as a [`Pool`](crate::Pool)'s workers are: its statics have the
/// values that constructors gave them, and nothing of an earlier call is in it. There can be any
/// number of processes at once, and a function that runs in one, or in a worker of a pool, can start
/// others. Settings that make pools run in the program's own process have no effect on it.
///
/// # How it ends
///
/// When its function has returned, it ends as a program does that returns from `main`: exit handlers
/// are run, outputs flushed, and its exit code is 0; 101 after a panic, and 1 when an argument or the
/// result could not be passed. [`join`](Process::join) gives the result once all that is over. A
/// result that was there stays valid whatever happens in an exit handler.
///
/// What the function does to its process is an error of [`join`](Process::join): a
/// [`TaskError`](crate::TaskError) of item 0, with the process's id and the signal or the exit code.
///
/// A process lives no longer than its handle and its program: dropping the handle kills it, with all
/// that it has started, and waits until it is gone, and so does the end of the program, in whatever
/// way that ends. There is no way to detach one; a program that is to live on is for
/// [`std::process::Command`].
#[must_use = "dropping a process kills it"]
pub struct Process<R> {
    shared: Arc<Shared>,
    function: FunctionId,
    /// Of its call.
    key: usize,
    life: Arc<Life>,
    started: Started,
    joined: bool,
    marker: PhantomData<fn() -> R>,
}

impl<R: Output> Process<R> {
    /// Starts a process that calls `function`.
    ///
    /// Several arguments are passed as a tuple, none as `()`.
    ///
    /// # Errors
    /// As for [`ProcessBuilder::spawn`].
    pub fn spawn<F, A, M>(function: F, arguments: A) -> Result<Self>
    where
        F: Function<A, M, Output = R>,
    {
        Self::builder(function, arguments).spawn()
    }

    /// Settings for a process that is to call `function`.
    pub fn builder<F, A, M>(function: F, arguments: A) -> ProcessBuilder<R>
    where
        F: Function<A, M, Output = R>,
    {
        ProcessBuilder::new(function, arguments)
    }

    pub(super) fn new(
        shared: &Arc<Shared>,
        function: FunctionId,
        key: usize,
        life: Arc<Life>,
        started: Started,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            function,
            key,
            life,
            started,
            joined: false,
            marker: PhantomData,
        }
    }

    /// Waits until the process has ended, and gives the function's result.
    ///
    /// # Errors
    /// When the function gave none: see [`Error::task`].
    pub fn join(mut self) -> Result<R> {
        self.wait(None)?.ok_or_else(|| self.not_over())
    }

    /// As [`join`](Process::join), but waits for `timeout` at most. The wait can be repeated.
    ///
    /// ```
    /// use std::time::Duration;
    /// use parproc::{Process, parallel};
    ///
    /// #[parallel]
    /// fn wait(millis: u64) -> u64 {
    ///     std::thread::sleep(Duration::from_millis(millis));
    ///     millis
    /// }
    ///
    /// let mut process = Process::spawn(wait, 100)?;
    /// let result = loop {
    ///     match process.join_timeout(Duration::from_millis(20)) {
    ///         Err(error) if error.is_timeout() && !error.is_task() => {} // not done yet
    ///         result => break result,
    ///     }
    /// };
    /// assert_eq!(result?, 100);
    /// # Ok::<(), parproc::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for `join`. When the process has not ended in time, [`Error::is_timeout`] is true of the
    /// error, and [`Error::is_task`] is not. A result is given out once: later calls are errors.
    pub fn join_timeout(&mut self, timeout: Duration) -> Result<R> {
        // A time past what the clock can say is no limit.
        let deadline = Instant::now().checked_add(timeout);
        self.wait(deadline)?.ok_or_else(|| self.not_over())
    }

    /// As [`join`](Process::join), but does not wait: gives `None` while the process runs.
    ///
    /// When it has ended, what is left to do with its result is waited for, for a second at most: an input that is
    /// kept, and what it logged.
    ///
    /// # Errors
    /// As for `join`. A result is given out once: later calls are errors.
    pub fn try_join(&mut self) -> Result<Option<R>> {
        let pause = if self.is_alive() {
            Duration::ZERO
        } else {
            SETTLING
        };
        self.wait(Instant::now().checked_add(pause))
    }

    /// Waits for the end and the result; gives none if that is not in time.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<R>> {
        self.check()?;
        let state = self.shared.lock();
        let (state, in_time) = self
            .shared
            .wait_until(state, Some(self.key), deadline, |state| self.is_over(state));
        if !in_time {
            return Ok(None);
        }
        let heard = state.calls.get(self.key).map_or(0, |call| call.heard);
        drop(state);
        let patience = Patience::until(deadline);
        if !self.shared.relay.wait_for_logs(heard, patience) {
            return Ok(None);
        }
        let mut state = self.shared.lock();
        let call = state.calls.get_mut(self.key);
        let mail = call.map(|call| std::mem::take(&mut call.mail));
        drop(state);
        self.joined = true;
        let delivery = mail.and_then(|mail| mail.into_iter().next());
        let closed = || Delivery::Aborted(Error::new(ErrorKind::Closed));
        open(self.function(), delivery.unwrap_or_else(closed))
            .map(Some)
            .map_err(|error| error.in_process(&self.life.label()))
    }

    /// True when the process has ended, and all is known that will be.
    fn is_over(&self, state: &State) -> bool {
        let call = state.calls.get(self.key);
        let told = call.is_none_or(|call| !call.mail.is_empty() || call.outstanding == 0);
        told && self.life.end().is_some()
    }

    fn not_over(&self) -> Error {
        let what = format!("{} of `{}`", self.life.label(), self.function());
        Error::new(ErrorKind::TimedOut { what })
    }

    /// Fails when there is no result to wait for.
    fn check(&self) -> Result<()> {
        self.shared.check_fork()?;
        if self.joined {
            return Err(Error::new(ErrorKind::AlreadyJoined {
                function: self.function().to_owned(),
            }));
        }
        Ok(())
    }
}

impl<R> Process<R> {
    /// True until the process has ended.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.end().is_none()
    }

    /// The process's id. Once it has ended, the system may give the id to another process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.started.pid
    }

    /// The name that it was [given](ProcessBuilder::name).
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.life.name.as_deref()
    }

    /// The registered name of its function.
    #[must_use]
    pub fn function(&self) -> &'static str {
        self.shared.table.name(self.function)
    }

    /// How the process ended, by a code or by a signal; none while it runs.
    ///
    /// Also none when another part of the program waited for it first, so that nobody can know.
    ///
    /// ```
    /// use parproc::{Process, parallel};
    ///
    /// #[parallel]
    /// fn leave(code: i32) {
    ///     std::process::exit(code);
    /// }
    ///
    /// let mut process = Process::spawn(leave, 3)?;
    /// while process.try_join().is_ok_and(|end| end.is_none()) {
    ///     std::thread::yield_now();
    /// }
    /// assert_eq!(process.exit_status().and_then(|status| status.code()), Some(3));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    #[must_use]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        match self.end()? {
            Exit::Code(code) => Some(ExitStatus::from_raw((code & 0xff) << 8)),
            Exit::Signal(signal) => Some(ExitStatus::from_raw(signal)),
            Exit::Unknown => None,
        }
    }

    /// Asks the process to end, with SIGTERM; what is left of it and of what it started is killed
    /// after 5 s.
    ///
    /// It does not wait. A process that does nothing about the signal ends at once, and its error has
    /// the signal 15.
    ///
    /// ```
    /// use parproc::{Process, parallel};
    ///
    /// #[parallel]
    /// fn wait_for_ever() {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// let process = Process::spawn(wait_for_ever, ())?;
    /// process.terminate();
    /// let error = process.join().unwrap_err();
    /// assert_eq!(error.task().and_then(|task| task.signal()), Some(15));
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn terminate(&self) {
        self.terminate_within(GRACE);
    }

    /// As [`terminate`](Process::terminate), with another time than 5 s.
    pub fn terminate_within(&self, grace: Duration) {
        if self.shared.check_fork().is_ok() && self.is_alive() {
            terminate(&self.started.descriptor);
            let mut state = self.shared.lock();
            self.shared.kill_after(&mut state, self.started.id, grace);
        }
    }

    /// Kills the process, with all that it has started.
    ///
    /// It does not wait. One that has ended is not affected, and a result that is there stays valid.
    pub fn kill(&self) {
        if self.shared.check_fork().is_ok() && self.is_alive() {
            self.shared.lock().condemned.push(self.started.id);
            self.shared.notify.notify();
        }
    }

    fn end(&self) -> Option<Exit> {
        self.life.end().or_else(|| {
            // It may have ended without the supervisor having had a look yet.
            let gone = is_readable(self);
            (gone && self.shared.check_fork().is_ok())
                .then(|| self.life.wait_for_end())
                .flatten()
        })
    }
}

/// Becomes readable when the process ends, for `poll` and the like; there is nothing to be read.
///
/// It is a pidfd.
impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.started.descriptor.as_fd()
    }
}

impl<R> Drop for Process<R> {
    fn drop(&mut self) {
        if self.shared.check_fork().is_ok() {
            self.kill();
            self.life.wait_for_end();
            self.shared.lock().detach_call(self.key, false);
        }
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("function", &self.function())
            .field("name", &self.name())
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
