//! Failures as events tell them.

use std::time::Duration;

use crate::error::TaskError;
use crate::event::{EventKind, FailureKind};
use crate::pool::chunk::{Chunk, Origin};
use crate::pool::results::open_failure;
use crate::pool::shared::Shared;
use crate::pool::state::State;
use crate::registry::FunctionId;
use crate::sys::now_nanos;

/// What the error is for those who count.
pub(in crate::pool) fn failure_kind(error: &TaskError) -> FailureKind {
    if error.is_panic() {
        FailureKind::Panic
    } else if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_memory() {
        FailureKind::Memory
    } else if error.is_cancelled() {
        FailureKind::Cancelled
    } else if error.is_encode() || error.is_decode() {
        FailureKind::Codec
    } else {
        FailureKind::Crash
    }
}

impl State {
    /// An attempt failed with `error`.
    pub(in crate::pool) fn tell_failure(
        &mut self,
        call: usize,
        worker: Option<usize>,
        index: usize,
        error: &TaskError,
        retried: bool,
    ) {
        let observed = self.is_observed();
        let wall = error.wall_time();
        let nanos = |wall: Duration| u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let Some(call) = self.serial(call) else {
            return;
        };
        self.emit_timed(EventKind::ItemFailed {
            call,
            worker,
            index,
            attempt: error.attempt(),
            failure: failure_kind(error),
            report: if observed {
                error.to_string()
            } else {
                String::new()
            },
            began: wall.map(|wall| now_nanos().saturating_sub(nanos(wall))),
            retried,
        });
    }
}

impl Shared {
    /// A worker said in a record that an item of the chunk failed, and lives.
    #[cold]
    pub(in crate::pool) fn tell_said(&self, state: &mut State, worker: Option<usize>, said: &Said) {
        let name = self.table.name(said.function);
        let error = open_failure(name, said.index, said.origin, &said.record);
        state.tell_failure(said.call, worker, said.index, &error, false);
    }
}

/// The record of an item that failed.
#[derive(Debug)]
pub(in crate::pool) struct Said {
    call: usize,
    function: FunctionId,
    index: usize,
    origin: Origin,
    record: Vec<u8>,
}

impl Said {
    /// The item of the chunk that comes after `done` others.
    pub(in crate::pool) fn new(chunk: &Chunk, done: u32, pid: Option<u32>, record: &[u8]) -> Self {
        Self {
            call: chunk.call,
            function: chunk.function,
            index: chunk.first + done as usize,
            origin: Origin {
                pid,
                attempt: chunk.history.attempt,
            },
            record: record.to_vec(),
        }
    }
}
