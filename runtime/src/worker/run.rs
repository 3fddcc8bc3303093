//! One item: its arguments are taken, the function is called, its result or failure is put.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clock::ItemClock;
use super::panic::{forget, take_report};
use crate::registry::Registration;
use crate::wire::{Arguments, Reply, Sink, Status, TaskFailure};

/// How the run of an item went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Returned,
    /// An argument or the result did not pass.
    Failed,
    Panicked,
}

impl Outcome {
    /// What a process ends with that did nothing else.
    pub(super) fn exit_code(self) -> i32 {
        match self {
            Outcome::Returned => 0,
            Outcome::Failed => 1,
            // As after a panic in `main`.
            Outcome::Panicked => 101,
        }
    }
}

/// Runs the function on the next item of `arguments`. Exactly one record goes to `sink`.
///
/// Also what a pool does that runs everything in its own process. Panics are reported in full while a
/// [`Recording`](super::Recording) lives.
pub(crate) fn run_item(
    function: &Registration,
    arguments: &mut Arguments<'_>,
    sink: &mut dyn Sink,
    scratch: &mut Vec<u8>,
    clock: &ItemClock,
) -> Outcome {
    arguments.begin(function.arguments);
    // A panicking task may leave its own state broken, as in a thread; none of ours is touched.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        (function.call)(arguments, Reply::new(&mut *sink, scratch))
    }));
    arguments.finish();
    let (outcome, failure) = match outcome {
        Ok(Ok(())) => {
            forget();
            return Outcome::Returned;
        }
        Ok(Err(failure)) => (Outcome::Failed, TaskFailure::Failed(failure)),
        Err(payload) => {
            let report = take_report(&*payload);
            // The value of a panic is the user's, and can panic once more when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            let failure = TaskFailure::Panicked(report, clock.circumstances());
            (Outcome::Panicked, failure)
        }
    };
    sink.fails();
    sink.record(
        Status::Failed,
        &postcard::to_stdvec(&failure).unwrap_or_default(),
    );
    forget();
    outcome
}
