//! The error of one item: what its task did to itself or to its worker.

use std::fmt;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::sys::{Exit, Stack};

/// Why one item gave no result.
///
/// It names the function and the item, and the worker when there was one. The other items of the call are not
/// affected: [`Pool::outcomes`](crate::Pool::outcomes) gives them all side by side.
#[derive(Clone)]
pub struct TaskError {
    inner: Box<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    function: &'static str,
    index: usize,
    pid: Option<u32>,
    kind: TaskErrorKind,
    /// The names of the stack, once somebody asked for them.
    backtrace: OnceLock<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum TaskErrorKind {
    /// The task panicked; `aborted` when the program aborts on panics, so that the worker ended too.
    Panicked { report: PanicReport, aborted: bool },
    /// The worker ended while it ran the item.
    Crashed { exit: Exit, fault: Option<Fault> },
    /// The worker overwrote what it shares with its parent, and was killed for it.
    Corrupted,
    /// A value could not be turned into bytes or back; the reason is kept as the source.
    Failed { failure: Failure, reason: Reason },
    /// The item was not run to its end because its call or its pool was ended.
    Cancelled { reason: Reason },
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// A cause that is only known by its text, or by another error of ours.
#[derive(Debug, Clone)]
pub(crate) struct Reason(pub(crate) String);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Reason {}

impl TaskError {
    pub(crate) fn new(
        function: &'static str,
        index: usize,
        pid: Option<u32>,
        kind: TaskErrorKind,
    ) -> Self {
        Self {
            inner: Box::new(Inner {
                function,
                index,
                pid,
                kind,
                backtrace: OnceLock::new(),
            }),
        }
    }

    pub(crate) fn failed(
        function: &'static str,
        index: usize,
        pid: Option<u32>,
        failure: Failure,
    ) -> Self {
        let reason = Reason(failure.reason.clone());
        Self::new(
            function,
            index,
            pid,
            TaskErrorKind::Failed { failure, reason },
        )
    }

    pub(crate) fn cancelled(function: &'static str, index: usize, cause: &Error) -> Self {
        Self::new(
            function,
            index,
            None,
            TaskErrorKind::Cancelled {
                reason: Reason(cause.to_string()),
            },
        )
    }

    /// The registered name of the function.
    #[must_use]
    pub fn function(&self) -> &str {
        self.inner.function
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

    /// True when the worker ended during the item: killed, aborted, by a fault, or by `exit`.
    #[must_use]
    pub fn is_crash(&self) -> bool {
        matches!(
            self.inner.kind,
            TaskErrorKind::Crashed { .. } | TaskErrorKind::Corrupted
        )
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
            TaskErrorKind::Failed { failure, .. } => Some(failure),
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

    fn is_encode(&self) -> bool {
        matches!(self.step, Step::EncodeArgument | Step::EncodeResult)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.step {
            Step::EncodeArgument => "its argument could not be encoded",
            Step::DecodeArgument => "its argument could not be decoded in the worker",
            Step::EncodeResult => "its result could not be encoded in the worker",
            Step::DecodeResult => "its result could not be decoded",
        };
        write!(f, "{what}: `{}`: {}", self.type_name, self.reason)
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner {
            function,
            index,
            pid,
            kind,
            ..
        } = &*self.inner;
        write!(f, "`{function}`, item {index}: ")?;
        match kind {
            TaskErrorKind::Panicked { report, aborted } => {
                write!(f, "panicked at {}: {}", report.location, report.message)?;
                if *aborted {
                    f.write_str(" (and aborted its worker)")?;
                }
            }
            TaskErrorKind::Crashed { exit, fault } => {
                write!(f, "its worker {exit}")?;
                match fault {
                    Some(Fault {
                        stack_overflow: true,
                        address,
                    }) => {
                        write!(f, ", a stack overflow at address {address:#x}")?;
                    }
                    Some(Fault { address, .. }) => write!(f, " at address {address:#x}")?,
                    None => {}
                }
            }
            TaskErrorKind::Corrupted => f.write_str(
                "its worker overwrote the memory that it shares with its parent, and was killed",
            )?,
            TaskErrorKind::Failed { failure, .. } => failure.fmt(f)?,
            TaskErrorKind::Cancelled { reason } => write!(f, "cancelled: {reason}")?,
        }
        match pid {
            Some(pid) => write!(f, " (worker {pid})"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskError({self})")?;
        match self.backtrace() {
            Some(backtrace) => write!(f, "\nbacktrace of the worker:\n{backtrace}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.kind {
            TaskErrorKind::Failed { reason, .. } | TaskErrorKind::Cancelled { reason } => {
                Some(reason)
            }
            TaskErrorKind::Panicked { .. }
            | TaskErrorKind::Crashed { .. }
            | TaskErrorKind::Corrupted => None,
        }
    }
}
