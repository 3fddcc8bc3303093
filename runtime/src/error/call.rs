//! The error of a whole call: nothing could be run, or one of its items failed.

use std::fmt;
use std::io;

use super::TaskError;

/// A [`Result`](std::result::Result) whose error is parproc's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call gave no result.
///
/// The error says what happened and what to do about it; the `is_…` methods tell the cases apart. An item that
/// failed is inside: [`task`](Error::task) gives its [`TaskError`].
///
/// ```
/// # use parproc::{Pool, parallel};
/// #[parallel]
/// fn half(x: u32) -> u32 {
///     assert!(x % 2 == 0, "{x} is odd");
///     x / 2
/// }
///
/// let error = parproc::par_map(half, [2, 4, 5]).unwrap_err();
/// let task = error.task().expect("an item failed");
/// assert_eq!(task.index(), 2);
/// assert_eq!(task.panic_message(), Some("5 is odd"));
/// ```
pub struct Error {
    pub(super) kind: Box<ErrorKind>,
}

#[derive(Debug, Clone)]
pub(crate) enum ErrorKind {
    /// An item of the call failed.
    Task(TaskError),
    /// The function has no registration.
    NotRegistered { function: String },
    /// Two registrations share a name.
    Duplicate {
        name: String,
        first: String,
        second: String,
    },
    /// A setting is out of range.
    Invalid { what: String },
    /// The pool was shut down or dropped.
    Closed,
    /// The pool was killed.
    Killed,
    /// More workers crashed than the pool allows; the last item that crashed one.
    CrashBudget { budget: u32, last: TaskError },
    /// The pool's `init` function failed in a new worker.
    Init {
        function: String,
        reason: String,
        /// What the worker said of it, if it did not just return an `Err`.
        source: Option<TaskError>,
    },
    /// The state of an actor could not be made.
    ActorStart {
        actor: String,
        reason: String,
        /// What its process said of it, if the constructor did not just return an `Err`.
        source: Option<TaskError>,
    },
    /// The process of an actor ended before it should.
    ActorDied {
        actor: String,
        reason: String,
        source: Option<TaskError>,
    },
    /// An actor was shut down.
    ActorEnded { actor: String },
    /// An actor was killed.
    ActorKilled { actor: String },
    /// This process is a copy of the one that made the pool.
    Forked,
    /// A wait ran out of time.
    TimedOut { what: String },
    /// The result was handed out before.
    AlreadyJoined { function: String },
    /// Workers could not be started, or died before they were ready.
    Start { reason: String },
    /// This program cannot be executed again as a worker.
    Foreign { reason: String },
    /// The other ranks of the launch cannot be used.
    #[cfg(feature = "mpi")]
    Launch { reason: String },
    /// A file is no saved input that can be used here.
    SavedInput { path: String, reason: String },
    /// The journal of a call cannot be used for it.
    Journal { path: String, reason: String },
    /// The operating system refused something.
    Os { what: String, error: SharedIo },
    /// As it came from what processes share.
    Io(SharedIo),
}

/// An [`io::Error`] that can be handed to every call that it fails.
#[derive(Debug, Clone)]
pub(crate) struct SharedIo(std::sync::Arc<io::Error>);

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self {
            kind: Box::new(kind),
        }
    }

    pub(crate) fn os(what: impl Into<String>, error: impl Into<io::Error>) -> Self {
        Self::new(ErrorKind::Os {
            what: what.into(),
            error: SharedIo(std::sync::Arc::new(error.into())),
        })
    }

    /// What the system refused, as somebody else told it.
    pub(crate) fn os_text(what: impl Into<String>, text: String) -> Self {
        Self::os(what, io::Error::other(text))
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid { what: what.into() })
    }

    /// The same error for another call that the same cause ended.
    #[cfg(feature = "mpi")]
    pub(crate) fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    pub(crate) fn again(&self) -> Self {
        Self {
            kind: self.kind.clone(),
        }
    }

    /// The same error, of a call of one item.
    pub(crate) fn of_only_item(mut self) -> Self {
        if let ErrorKind::Task(error) = *self.kind {
            *self.kind = ErrorKind::Task(error.of_only_item());
        }
        self
    }

    /// The same error, of a call that had a process of its own.
    pub(crate) fn in_process(mut self, label: &str) -> Self {
        if let ErrorKind::Task(error) = *self.kind {
            *self.kind = ErrorKind::Task(error.in_process(label));
        }
        self
    }

    /// The item that failed, when it was an item that failed the call.
    #[must_use]
    pub fn task(&self) -> Option<&TaskError> {
        match &*self.kind {
            ErrorKind::Task(error) => Some(error),
            _ => None,
        }
    }

    /// True when an item of the call failed: see [`task`](Error::task).
    #[must_use]
    pub fn is_task(&self) -> bool {
        self.task().is_some()
    }

    /// True when the function carries no `#[parallel]`, or its crate is not linked.
    #[must_use]
    pub fn is_not_registered(&self) -> bool {
        matches!(*self.kind, ErrorKind::NotRegistered { .. })
    }

    /// True when two functions are registered under one name.
    #[must_use]
    pub fn is_duplicate(&self) -> bool {
        matches!(*self.kind, ErrorKind::Duplicate { .. })
    }

    /// True when a setting was out of range.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(*self.kind, ErrorKind::Invalid { .. })
    }

    /// True when the pool or the actor was shut down, killed or dropped, or belongs to the process that this
    /// one was forked from.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(
            *self.kind,
            ErrorKind::Closed
                | ErrorKind::Killed
                | ErrorKind::ActorEnded { .. }
                | ErrorKind::ActorKilled { .. }
                | ErrorKind::Forked
        )
    }

    /// True when the call was refused by a closed pool.
    pub(crate) fn is_pool_closed(&self) -> bool {
        matches!(*self.kind, ErrorKind::Closed)
    }

    /// True when the call, the task, its pool or its actor was cancelled or killed before it was done.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let killed = matches!(
            *self.kind,
            ErrorKind::Killed | ErrorKind::ActorKilled { .. }
        );
        killed || self.task().is_some_and(TaskError::is_cancelled)
    }

    /// True when the pool gave up because its items crashed too many workers: see
    /// [`crash_budget`](crate::PoolBuilder::crash_budget).
    #[must_use]
    pub fn is_crash_budget(&self) -> bool {
        matches!(*self.kind, ErrorKind::CrashBudget { .. })
    }

    /// True when the pool's [`init`](crate::PoolBuilder::init) function, or the constructor of an
    /// [actor](crate::actor), failed or was not done in time.
    #[must_use]
    pub fn is_init(&self) -> bool {
        matches!(
            *self.kind,
            ErrorKind::Init { .. } | ErrorKind::ActorStart { .. }
        )
    }

    /// True when an [actor](crate::actor) died before this call was done, by another call or between two
    /// calls. Its [source](std::error::Error::source) is the [`TaskError`] of what ended it.
    #[must_use]
    pub fn is_actor_died(&self) -> bool {
        matches!(*self.kind, ErrorKind::ActorDied { .. })
    }

    /// True when time ran out: that of a wait, as of [`join_timeout`](crate::Task::join_timeout) or of a
    /// [lock](crate::sync::Mutex::lock_timeout), or the [limit](crate::Job::timeout) of a task or of its
    /// [call](crate::Job::deadline), which ended the task.
    ///
    /// A wait can be repeated; [`is_task`](Self::is_task) is true of the others, which are final.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match &*self.kind {
            ErrorKind::TimedOut { .. } => true,
            ErrorKind::Task(error) => error.is_timeout(),
            ErrorKind::Io(error) => error.0.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// True when workers could not be started or died before they were ready.
    #[must_use]
    pub fn is_start(&self) -> bool {
        matches!(*self.kind, ErrorKind::Start { .. })
    }

    /// True when a file is no [saved input](crate::replay), is damaged, or is of another build of the program.
    #[must_use]
    pub fn is_saved_input(&self) -> bool {
        matches!(*self.kind, ErrorKind::SavedInput { .. })
    }

    /// True when the [journal](crate::Job::journal) of a call is of something else, is damaged or in use, or
    /// when its results cannot be kept.
    #[must_use]
    pub fn is_journal(&self) -> bool {
        matches!(*self.kind, ErrorKind::Journal { .. })
    }

    /// True when the running program is not the one that holds parproc, as in a plugin of a foreign host.
    #[must_use]
    pub fn is_foreign_host(&self) -> bool {
        matches!(*self.kind, ErrorKind::Foreign { .. })
    }
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Self {
        Self::new(ErrorKind::Task(error))
    }
}

/// What making and sharing arrays, locks and channels fails with, so that `?` works beside calls.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::new(ErrorKind::Io(SharedIo(std::sync::Arc::new(error))))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            ErrorKind::Task(error) => error.fmt(f),
            ErrorKind::NotRegistered { function } => write!(
                f,
                "`{function}` is not registered: put `#[parallel]` on it; if it has the attribute, its crate is listed \
                 in Cargo.toml but never named in code, so it was not linked: add `use the_crate as _;`"
            ),
            ErrorKind::Duplicate {
                name,
                first,
                second,
            } => write!(
                f,
                "two functions are registered as `{name}`, at {first} and at {second}: give one of them another name \
                 with `#[parallel(name = \"…\")]`"
            ),
            ErrorKind::Invalid { what } => f.write_str(what),
            ErrorKind::Closed => f.write_str("the pool is closed: it was shut down or dropped"),
            ErrorKind::Killed => f.write_str("the pool was killed"),
            ErrorKind::CrashBudget { budget, last } => write!(
                f,
                "the pool's budget of {budget} crashes is used up, so it takes no more work; the last one: {last}"
            ),
            ErrorKind::Init {
                function, reason, ..
            } => write!(
                f,
                "no worker could be made ready: the pool's init function `{function}` failed: {reason}"
            ),
            #[cfg(feature = "mpi")]
            ErrorKind::Launch { reason } => {
                write!(f, "the ranks of this launch cannot work together: {reason}")
            }
            ErrorKind::ActorStart { actor, reason, .. } => {
                write!(f, "the actor `{actor}` could not be made: {reason}")
            }
            ErrorKind::ActorDied { actor, reason, .. } => write!(
                f,
                "the actor `{actor}` died before this call was done: {reason}"
            ),
            ErrorKind::ActorEnded { actor } => {
                write!(f, "the actor `{actor}` was shut down")
            }
            ErrorKind::ActorKilled { actor } => write!(f, "the actor `{actor}` was killed"),
            ErrorKind::Forked => f.write_str(
                "this process was forked from the one that made the pool, whose workers it cannot use: make \
                 a pool of its own here",
            ),
            ErrorKind::TimedOut { what } => {
                write!(f, "{what} is not done yet: the wait can be repeated")
            }
            ErrorKind::AlreadyJoined { function } => {
                write!(
                    f,
                    "the result of this task of `{function}` was handed out by an earlier join"
                )
            }
            ErrorKind::Start { reason } => write!(f, "no worker could be started: {reason}"),
            ErrorKind::Foreign { reason } => f.write_str(reason),
            ErrorKind::SavedInput { path, reason } => write!(f, "`{path}`: {reason}"),
            ErrorKind::Journal { path, reason } => {
                write!(f, "the journal `{path}` cannot be used: {reason}")
            }
            ErrorKind::Os { what, error } => write!(f, "{what}: {}", error.0),
            ErrorKind::Io(error) => error.0.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `main() -> parproc::Result<()>` prints the Debug form: the message is what its reader needs.
        match &*self.kind {
            ErrorKind::Task(error) => fmt::Debug::fmt(error, f),
            _ => write!(f, "Error({self})"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            ErrorKind::Task(error) => error.source(),
            ErrorKind::CrashBudget { last, .. } => Some(last),
            ErrorKind::Init {
                source: Some(task), ..
            }
            | ErrorKind::ActorStart {
                source: Some(task), ..
            }
            | ErrorKind::ActorDied {
                source: Some(task), ..
            } => Some(task),
            ErrorKind::Os { error, .. } | ErrorKind::Io(error) => Some(&*error.0),
            _ => None,
        }
    }
}
