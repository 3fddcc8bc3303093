//! Results from bytes: what a worker wrote becomes the value of an item, or its error.

use super::chunk::Origin;
use crate::error::{Failure, Step, TaskError, TaskErrorKind};
use crate::wire::{Landing, Output, Status, TaskFailure, decode, land};

/// Makes the result of one item from its record.
#[inline]
pub(super) fn open_record<R: Output>(
    name: &'static str,
    index: usize,
    origin: Origin,
    status: Status,
    bytes: &[u8],
) -> Result<R, TaskError> {
    match status {
        Status::Value => decode(bytes).map_err(|reason| {
            let failure = TaskFailure::Failed(undecodable::<R>(reason));
            task_error(name, index, origin, failure)
        }),
        Status::Failed | Status::End | Status::Note => {
            Err(open_failure(name, index, origin, bytes))
        }
    }
}

/// Makes the error of an item that failed from its record.
#[cold]
pub(super) fn open_failure(
    name: &'static str,
    index: usize,
    origin: Origin,
    bytes: &[u8],
) -> TaskError {
    let failure = postcard::from_bytes(bytes)
        .unwrap_or_else(|error| TaskFailure::Failed(undecodable::<TaskFailure>(error.to_string())));
    task_error(name, index, origin, failure)
}

#[cold]
fn task_error(name: &'static str, index: usize, origin: Origin, failure: TaskFailure) -> TaskError {
    let error = match failure {
        TaskFailure::Failed(failure) => TaskError::failed(name, index, origin.pid, failure),
        TaskFailure::Panicked(report, circumstances) => {
            let kind = TaskErrorKind::Panicked {
                report,
                aborted: false,
            };
            TaskError::new(name, index, origin.pid, kind).under(circumstances)
        }
    };
    error.in_attempt(origin.attempt)
}

/// Makes the result of one item from the memory that it was received into.
pub(super) fn open_large<R: Output>(
    name: &'static str,
    index: usize,
    origin: Origin,
    landing: Box<dyn Landing>,
) -> Result<R, TaskError> {
    land(landing).map_err(|reason| {
        TaskError::failed(name, index, origin.pid, undecodable::<R>(reason))
            .in_attempt(origin.attempt)
    })
}

fn undecodable<R>(reason: String) -> Failure {
    Failure::of::<R>(Step::DecodeResult, reason)
}
