//! The error of one item: what its task did to itself or to its worker.

mod display;
mod saved;
mod travel;

use std::borrow::Cow;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use self::display::Bytes;
use self::saved::Saved;
use super::Error;
use crate::sys::{Exit, Stack};

/// Why one item gave no result.
///
/// It names the function and the item, and the worker when there was one. The other items of the call are not
/// affected: [`Pool::outcomes`](crate::Pool::outcomes) gives them all side by side.
///
/// ```
/// use parproc::{Pool, parallel};
///
/// #[parallel]
/// fn read(address: usize) -> u8 {
///     eprintln!("about to read {address}");
///     unsafe { std::ptr::without_provenance::<u8>(address).read_volatile() }
/// }
///
/// let outcomes = Pool::global()?.outcomes(read, [16])?;
/// let error = outcomes[0].as_ref().unwrap_err();
/// assert!(error.is_crash());
/// assert_eq!((error.index(), error.attempt()), (0, 1));
/// assert_eq!((error.signal(), error.fault_address()), (Some(11), Some(16)));
/// assert!(error.function().ends_with("read"));
/// assert_eq!(error.stderr().trim_end(), "about to read 16");
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Clone)]
pub struct TaskError {
    inner: Box<Inner>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Inner {
    function: Cow<'static, str>,
    index: usize,
    pid: Option<u32>,
    /// Counted from 1.
    attempt: u32,
    quarantined: bool,
    /// It was all of its call, so that its position says nothing.
    only: bool,
    /// What the process is called that was the call's own, if one was.
    process: Option<String>,
    kind: TaskErrorKind,
    circumstances: Circumstances,
    saved: Option<Saved>,
    /// The names of the stack, once somebody asked for them.
    #[serde(skip)]
    backtrace: OnceLock<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum TaskErrorKind {
    /// The task panicked; `aborted` when the program aborts on panics, so that the worker ended too.
    Panicked { report: PanicReport, aborted: bool },
    /// The worker ended while it ran the item.
    Crashed { exit: Exit, fault: Option<Fault> },
    /// The nodes that had the item were lost, so many of them; the last one.
    NodeLost {
        rank: usize,
        host: String,
        times: u32,
    },
    /// The worker overwrote what it shares with its parent, and was killed for it.
    Corrupted,
    /// The item ran longer than it may, and its worker was killed.
    TimedOut { limit: Duration },
    /// The item used more memory than it may, and its worker was ended for that.
    MemoryExceeded(MemoryExceeded),
    /// A value could not be turned into bytes or back.
    Failed(Failure),
    /// The item was not run to its end because its call or its pool was ended.
    Cancelled { reason: String },
    /// The time of the whole call was over before the item was done.
    CallTimedOut { limit: Duration },
}

/// Who found out about too much memory, and what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryExceeded {
    /// In bytes, if one was set.
    pub(crate) limit: Option<u64>,
    /// The most that was seen, or asked for, in bytes.
    pub(crate) peak: u64,
    /// The kernel killed the worker because the machine, or the cgroup, had no memory left.
    pub(crate) by_kernel: bool,
}

/// What else is known of an item that failed; what is not known is empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Circumstances {
    /// Time since the item began.
    pub(crate) wall: Option<Duration>,
    /// Processor time of the worker, all its threads, since the item began.
    pub(crate) cpu: Option<Duration>,
    /// The most memory that the worker ever used, in bytes.
    pub(crate) peak: Option<u64>,
    /// The last lines that it wrote to standard error during the item.
    pub(crate) stderr: String,
}

/// What a panic said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PanicReport {
    pub(crate) message: String,
    pub(crate) location: String,
    /// Empty when it was turned off.
    pub(crate) stack: Stack,
    /// The panic was to end the process.
    pub(crate) fatal: bool,
}

/// Where the hardware stopped the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    pub(crate) address: u64,
    pub(crate) stack_overflow: bool,
}

/// A value that did not pass between the processes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Failure {
    step: Step,
    type_name: String,
    reason: String,
}

/// Where it did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// The caller could not encode an argument.
    EncodeArgument,
    /// The worker could not decode an argument.
    DecodeArgument,
    /// The worker could not encode the result.
    EncodeResult,
    /// The caller could not decode the result.
    DecodeResult,
}

/// Longer texts are cut: they travel in the ring with the results.
const TEXT_BYTES: usize = 16 << 10;

/// As much of a text as travels.
pub(crate) fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES));
    text
}

impl TaskError {
    pub(crate) fn new(
        function: &'static str,
        index: usize,
        pid: Option<u32>,
        kind: TaskErrorKind,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                function: Cow::Borrowed(function),
                index,
                pid,
                attempt: 1,
                quarantined: false,
                only: false,
                process: None,
                kind,
                circumstances: Circumstances::default(),
                saved: None,
                backtrace: OnceLock::new(),
            }),
        }
    }

    /// The same error, of the item's attempt number `attempt`.
    pub(crate) fn in_attempt(mut self, attempt: u32) -> Self {
        self.inner.attempt = attempt;
        self
    }

    /// The same error, of an item that is not tried again since it ended too many workers.
    pub(crate) fn quarantined(mut self) -> Self {
        self.inner.quarantined = true;
        self
    }

    /// The same error, of an item that was all of its call.
    pub(crate) fn of_only_item(mut self) -> Self {
        self.inner.only = true;
        self
    }

    /// The same error, of a call that had a process of its own.
    pub(crate) fn in_process(mut self, label: &str) -> Self {
        self.inner.process = Some(label.to_owned());
        self
    }

    /// The same error, with what else is known.
    pub(crate) fn under(mut self, circumstances: Circumstances) -> Self {
        self.inner.circumstances = circumstances;
        self
    }

    pub(crate) fn failed(
        function: &'static str,
        index: usize,
        pid: Option<u32>,
        failure: Failure,
    ) -> Self {
        Self::new(function, index, pid, TaskErrorKind::Failed(failure))
    }

    pub(crate) fn cancelled(function: &'static str, index: usize, cause: &Error) -> Self {
        Self::new(
            function,
            index,
            None,
            TaskErrorKind::Cancelled {
                reason: cause.to_string(),
            },
        )
    }

    /// The registered name of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        &self.inner.function
    }

    /// The position of the item in the input of its call, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.inner.index
    }

    /// The process id of the worker that ran the item, if one did.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.inner.pid
    }

    /// True when the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self.inner.kind, TaskErrorKind::Panicked { .. })
    }

    /// True when the worker ended during the item: killed, aborted, by a fault, by `exit`, or with its node.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        matches!(
            self.inner.kind,
            TaskErrorKind::Crashed { .. }
                | TaskErrorKind::Corrupted
                | TaskErrorKind::NodeLost { .. }
        )
    }

    /// True when the item ran into its time limit, or its call into that of the whole call.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(
            self.inner.kind,
            TaskErrorKind::TimedOut { .. } | TaskErrorKind::CallTimedOut { .. }
        )
    }

    /// True when the item used more memory than its limit, or more than the machine had.
    ///
    /// [`memory_limit`](Self::memory_limit) is the limit, if one was set, and
    /// [`peak_memory`](Self::peak_memory) what was used.
    #[must_use]
    pub fn is_memory(&self) -> bool {
        matches!(self.inner.kind, TaskErrorKind::MemoryExceeded(_))
    }

    /// True when an argument or the result could not be turned into bytes.
    #[must_use]
    pub fn is_encode(&self) -> bool {
        self.failure().is_some_and(Failure::is_encode)
    }

    /// True when an argument or the result could not be read back from its bytes.
    #[must_use]
    pub fn is_decode(&self) -> bool {
        self.failure().is_some_and(|failure| !failure.is_encode())
    }

    /// True when the item was dropped because its call or its pool had ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.inner.kind, TaskErrorKind::Cancelled { .. })
    }

    /// Which attempt at the item this error is from: 1, or more if it was tried again.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.attempt
    }

    /// True when the item was not tried again because it had ended as many workers as
    /// [`quarantine_after`](crate::PoolBuilder::quarantine_after) allows.
    #[must_use]
    pub fn is_quarantined(&self) -> bool {
        self.inner.quarantined
    }

    /// The time limit that was passed.
    #[must_use]
    pub fn time_limit(&self) -> Option<Duration> {
        match self.inner.kind {
            TaskErrorKind::TimedOut { limit } | TaskErrorKind::CallTimedOut { limit } => {
                Some(limit)
            }
            _ => None,
        }
    }

    /// The memory limit that was passed, in bytes; none if the kernel ended the worker for want of
    /// memory without one.
    #[must_use]
    pub fn memory_limit(&self) -> Option<u64> {
        match self.inner.kind {
            TaskErrorKind::MemoryExceeded(MemoryExceeded { limit, .. }) => limit,
            _ => None,
        }
    }

    /// The most memory that the worker is known to have used, in bytes. For an item that passed its
    /// memory limit: what it and its children used when that was found, or asked for.
    ///
    /// Otherwise it is the peak of the worker's life, which may have been during an earlier item.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        match self.inner.kind {
            TaskErrorKind::MemoryExceeded(MemoryExceeded { peak, .. }) => Some(peak),
            _ => self.inner.circumstances.peak,
        }
    }

    /// How long the item had run.
    ///
    /// In chunks of 256 items and more the clock is read only now and then, unless there is a time
    /// limit: the time may include some items before it.
    #[must_use]
    pub fn wall_time(&self) -> Option<Duration> {
        self.inner.circumstances.wall
    }

    /// How much processor time the worker had used for the item, in all its threads, to about a
    /// millisecond.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        self.inner.circumstances.cpu
    }

    /// The last lines that the worker, and programs it started, wrote to standard error while the
    /// item ran; empty if there were none.
    ///
    /// [`stderr_lines`](crate::PoolBuilder::stderr_lines) sets how many are kept, 16 KiB at most. Nothing is
    /// if the pool [inherits](crate::Output::Inherit) or [drops](crate::Output::Null) the stream, nor for
    /// values that could not be encoded or decoded. In chunks of 256 items and more that have no time limit,
    /// the first lines may be from an item shortly before it.
    #[must_use]
    pub fn stderr(&self) -> &str {
        &self.inner.circumstances.stderr
    }

    /// The signal that ended the worker, as in `signal(7)`.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        match self.inner.kind {
            TaskErrorKind::Crashed {
                exit: Exit::Signal(signal),
                ..
            } => Some(signal),
            _ => None,
        }
    }

    /// The exit code, when the task ended its worker by exiting.
    #[must_use]
    pub fn exit_code(&self) -> Option<i32> {
        match self.inner.kind {
            TaskErrorKind::Crashed {
                exit: Exit::Code(code),
                ..
            } => Some(code),
            _ => None,
        }
    }

    /// The address whose use faulted, when a fault ended the worker.
    #[must_use]
    pub fn fault_address(&self) -> Option<u64> {
        match self.inner.kind {
            TaskErrorKind::Crashed {
                fault: Some(fault), ..
            } => Some(fault.address),
            _ => None,
        }
    }

    /// True when the task ran out of stack.
    #[must_use]
    pub fn is_stack_overflow(&self) -> bool {
        matches!(
            self.inner.kind,
            TaskErrorKind::Crashed {
                fault: Some(Fault {
                    stack_overflow: true,
                    ..
                }),
                ..
            }
        )
    }

    /// What the panic said.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        self.panic_report().map(|report| report.message.as_str())
    }

    /// Where the panic was raised, as `file:line:column`.
    #[must_use]
    pub fn panic_location(&self) -> Option<&str> {
        self.panic_report().map(|report| report.location.as_str())
    }

    /// The task's stack at the panic, innermost function first, unless `RUST_BACKTRACE=0` turned it
    /// off. The names are looked up when they are first asked for.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        let report = self.panic_report()?;
        let text = self.inner.backtrace.get_or_init(|| report.stack.resolve());
        Some(text.as_str()).filter(|text| !text.is_empty())
    }

    fn panic_report(&self) -> Option<&PanicReport> {
        match &self.inner.kind {
            TaskErrorKind::Panicked { report, .. } => Some(report),
            _ => None,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.inner.kind {
            TaskErrorKind::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl Failure {
    /// A value of type `T` that did not pass.
    pub(crate) fn of<T>(step: Step, reason: String) -> Self {
        Self {
            step,
            type_name: cut(std::any::type_name::<T>().to_owned()),
            reason: cut(reason),
        }
    }

    /// A value that did not pass, whose type is not known here.
    #[cfg(feature = "mpi")]
    pub(crate) fn new(step: Step, type_name: String, reason: String) -> Self {
        Self {
            step,
            type_name,
            reason: cut(reason),
        }
    }

    fn is_encode(&self) -> bool {
        matches!(self.step, Step::EncodeArgument | Step::EncodeResult)
    }
}

// All that is known of a cause is its text, which is part of this error's.
impl std::error::Error for TaskError {}
