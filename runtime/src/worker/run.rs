//! What comes of an item that gives no value: its panic, or why a value did not pass, becomes a record.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clock::ItemClock;
use super::panic::{forget, take_report};
use crate::error::Failure;
use crate::wire::{Sink, Status, TaskFailure};

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

/// The record of an item whose arguments or result did not pass.
pub(crate) fn record_failure(failure: Failure, sink: &mut dyn Sink) {
    put(TaskFailure::Failed(failure), sink);
}

/// The record of an item that panicked. It is in full while a [`Recording`](super::Recording) lives.
pub(crate) fn record_panic(payload: Box<dyn Any + Send>, clock: &ItemClock, sink: &mut dyn Sink) {
    let report = take_report(&*payload);
    // The value of a panic is the user's, and can panic once more when it is dropped; so can that panic's.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    put(TaskFailure::Panicked(report, clock.circumstances()), sink);
    forget();
}

fn put(failure: TaskFailure, sink: &mut dyn Sink) {
    sink.fails();
    sink.record(
        Status::Failed,
        &postcard::to_stdvec(&failure).unwrap_or_default(),
    );
}
