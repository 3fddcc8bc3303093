//! One item: its arguments are taken, the function is called, its result or failure is put.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clock::ItemClock;
use super::panic::{forget, take_report};
use crate::registry::Registration;
use crate::wire::{Arguments, Reply, Sink, Status, TaskFailure};

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
) {
    arguments.begin(function.arguments);
    // A panicking task may leave its own state broken, as in a thread; none of ours is touched.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        (function.call)(arguments, Reply::new(&mut *sink, scratch))
    }));
    arguments.finish();
    let failure = match outcome {
        Ok(Ok(())) => return forget(),
        Ok(Err(failure)) => TaskFailure::Failed(failure),
        Err(payload) => {
            let report = take_report(&*payload);
            // The value of a panic is the user's, and can panic once more when it is dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            TaskFailure::Panicked(report, clock.circumstances())
        }
    };
    sink.record(
        Status::Failed,
        &postcard::to_stdvec(&failure).unwrap_or_default(),
    );
    forget();
}
