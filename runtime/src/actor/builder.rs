//! Settings of an actor.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::{Actor, Handle};
use crate::error::Result;
use crate::pool::{Backoff, Output, Plan};

/// An actor in the making: from the `builder` function that `#[parallel]` gives its type.
///
/// ```
/// use std::time::Duration;
/// use parproc::{Backoff, parallel};
///
/// struct Feed(Vec<String>);
///
/// #[parallel]
/// impl Feed {
///     fn new(first: &str) -> Self {
///         Feed(vec![first.to_owned()])
///     }
///
///     fn push(&mut self, line: &str) -> usize {
///         self.0.push(line.to_owned());
///         self.0.len()
///     }
/// }
///
/// let feed = Feed::builder("begin")
///     .max_restarts(3)
///     .backoff(Backoff::new(Duration::from_millis(50)))
///     .timeout(Duration::from_secs(1))
///     .spawn()?;
/// assert_eq!(feed.push("more").join()?, 2);
/// # Ok::<(), parproc::Error>(())
/// ```
#[must_use = "a builder does nothing before `spawn`"]
pub struct ActorBuilder<H> {
    pub(super) plan: Plan,
    pub(super) marker: PhantomData<fn() -> H>,
}

impl<H: Handle> ActorBuilder<H> {
    /// Adds the next argument of the constructor.
    #[doc(hidden)]
    pub fn argument<T: Serialize>(mut self, argument: T) -> Self {
        self.plan.argument(argument);
        self
    }

    /// How often the actor is started again after it died, with a state that the constructor makes anew from
    /// the same arguments; 0 unless set.
    ///
    /// `u32::MAX` is without end. A constructor that fails then counts as a death of its own. When no restart
    /// is left, the call that ended the actor, and all later ones, have their errors, and it stays dead.
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.plan.max_restarts(restarts);
        self
    }

    /// Counts only the restarts of the last so much time; else they are counted for the whole life.
    pub fn restart_window(mut self, window: Duration) -> Self {
        self.plan.restart_window(window);
        self
    }

    /// The pauses before the actor is started again; they grow with deaths between which no call was done.
    /// Calls that are made meanwhile wait.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.plan.backoff(backoff);
        self
    }

    /// Whether calls that a dying actor had not begun are run with the fresh state, in their order; else,
    /// and unless this is set, they fail: they were meant for the state that is lost.
    ///
    /// ```
    /// use parproc::parallel;
    ///
    /// struct Counter(u64);
    ///
    /// #[parallel]
    /// impl Counter {
    ///     fn new() -> Self {
    ///         Counter(0)
    ///     }
    ///
    ///     fn add(&mut self, n: u64) -> u64 {
    ///         if n == 13 {
    ///             std::process::abort();
    ///         }
    ///         self.0 += n;
    ///         self.0
    ///     }
    /// }
    ///
    /// let counter = Counter::builder().max_restarts(1).keep_calls(true).spawn()?;
    /// let (evil, behind) = (counter.add(13), counter.add(1));
    /// assert!(evil.join().is_err());
    /// assert_eq!(behind.join()?, 1); // with a fresh state
    /// # Ok::<(), parproc::Error>(())
    /// ```
    pub fn keep_calls(mut self, keep: bool) -> Self {
        self.plan.keep_calls(keep);
        self
    }

    /// How long a call may run, from its start in the actor. Then the actor is killed, and the call's error
    /// is one for which [`TaskError::is_timeout`](crate::TaskError::is_timeout) is true.
    ///
    /// A method with a `#[parallel(timeout = "…")]` goes by that.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout(timeout);
        self
    }

    /// How much memory the actor, and all that it started, may use during a call, in bytes: see
    /// [`PoolBuilder::memory_limit`](crate::PoolBuilder::memory_limit).
    ///
    /// A method with a `#[parallel(memory_limit = "…")]` goes by that.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.plan.memory_limit(bytes);
        self
    }

    /// How long the constructor may take; unless set, what its attribute says, or else 60 seconds.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.plan.start_timeout(timeout);
        self
    }

    /// Sets a variable in the actor's environment, which is otherwise that of this program.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.plan.env(key.into(), value.into());
        self
    }

    /// Removes a variable from the actor's environment.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.plan.env_remove(key.into());
        self
    }

    /// The actor's working directory. One that is relative begins at this program's.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.plan.current_dir(directory.into());
        self
    }

    /// What becomes of what the actor writes to standard output; [`Output::Inherit`] unless set.
    pub fn stdout(mut self, output: Output) -> Self {
        self.plan.outputs()[0] = output;
        self
    }

    /// What becomes of what the actor writes to standard error; [`Output::Tail`] unless set.
    pub fn stderr(mut self, output: Output) -> Self {
        self.plan.outputs()[1] = output;
        self
    }

    /// Keeps the arguments of each call that fails in a file in this folder: see
    /// [`replay`](crate::replay), which repeats the call with the state that the constructor makes.
    pub fn crash_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.plan.crash_dir(folder.into());
        self
    }

    /// Starts the actor, and waits until its state is made.
    ///
    /// # Errors
    /// When the constructor returns an `Err`, panics, crashes its process or takes too long:
    /// [`Error::is_init`](crate::Error::is_init) is true then. When the arguments cannot be encoded, a
    /// setting is out of range, or the operating system refuses the process.
    pub fn spawn(self) -> Result<H> {
        Actor::start(self.plan).map(H::from)
    }
}

impl<H> fmt::Debug for ActorBuilder<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorBuilder")
            .field("actor", &self.plan.name())
            .finish_non_exhaustive()
    }
}
