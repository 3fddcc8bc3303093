//! What is given to a worker at once, and what comes back of it.

use std::sync::Arc;
use std::time::Duration;

use super::keep::Failed;
use super::rules::History;
use super::tasks::TaskKey;
use crate::error::{Error, TaskError, TaskErrorKind};
use crate::object::Object;
use crate::registry::FunctionId;
use crate::task::Batch;
use crate::wire::{Landing, Numbering, Payload, Place};

/// More tasks than this, or more bytes, do not wait in one chunk.
const MOST_TASKS: u32 = 512;
const MOST_TASK_BYTES: usize = 16 << 10;

/// Some successive items of one call.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) call: usize,
    pub(super) function: FunctionId,
    /// Index of the first item.
    pub(super) first: usize,
    pub(super) count: u32,
    /// The items; kept until they are done, in case that the worker dies.
    pub(super) payload: Payload,
    /// The bytes of each result, if all are plain numbers; else 0. They come back in a row then.
    pub(super) row: usize,
    /// Each item is a task, and need not come after the one before it.
    pub(super) tasks: bool,
    /// Of all the items; one that was tried before is in a chunk of its own.
    pub(super) history: History,
    /// What its items know of themselves besides: see [`task`](crate::task).
    pub(super) numbering: Numbering,
    pub(super) seed: u64,
}

impl Chunk {
    /// The only item of a call, which was not tried before.
    pub(super) fn single(call: usize, function: FunctionId, payload: Payload) -> Self {
        Self {
            call,
            function,
            first: 0,
            count: 1,
            payload,
            row: 0,
            tasks: false,
            history: History::FIRST,
            numbering: Numbering::Unnumbered,
            seed: fastrand::u64(..),
        }
    }

    /// A task that was not tried before. Its numbering is that of tasks.
    pub(super) fn task(key: TaskKey, function: FunctionId, payload: Payload) -> Self {
        Self {
            first: key.index(),
            tasks: true,
            numbering: Numbering::Tasks,
            ..Self::single(key.call(), function, payload)
        }
    }

    /// True when the task is among the items.
    pub(super) fn has(&self, key: TaskKey) -> bool {
        let end = self.first + self.count as usize;
        self.tasks && self.call == key.call() && (self.first..end).contains(&key.index())
    }

    /// What its items have in common for those who run them.
    pub(super) fn batch(&self) -> Batch {
        Batch {
            function: self.function,
            numbering: self.numbering,
            first: self.first as u64,
            attempt: self.history.attempt,
            seed: self.seed,
        }
    }

    /// The index of an item as its user knows it.
    pub(super) fn known_index(&self) -> usize {
        if self.tasks { 0 } else { self.first }
    }

    /// Takes a task in behind the others, if it is one that can share a chunk with them; says whether it
    /// did.
    pub(super) fn absorb(&mut self, task: &Self) -> bool {
        let follows = task.tasks
            && self.tasks
            && self.call == task.call
            && self.first + self.count as usize == task.first;
        let fits = follows
            && self.count < MOST_TASKS
            && self.payload.len() + task.payload.len() <= MOST_TASK_BYTES
            && self.history == History::FIRST;
        let taken = fits && self.payload.absorb(&task.payload);
        self.count += u32::from(taken);
        taken
    }

    /// Takes the first `count` items, whose function has `arguments` arguments, out.
    pub(super) fn take_items(&mut self, count: u32, arguments: usize) -> Self {
        let taken = Self {
            payload: self.payload.take_items(count as usize, arguments),
            count,
            ..*self
        };
        self.first += count as usize;
        self.count -= count;
        taken
    }

    /// Takes the first item out, which is to be tried again or kept.
    pub(super) fn take_item(&mut self, arguments: usize) -> Self {
        let mut item = self.take_items(1, arguments);
        item.payload.leave_row();
        item
    }

    /// A copy of the item with this index, whose `arguments` arguments are the next ones behind `place`.
    pub(super) fn copy_item(&self, index: usize, place: &mut Place, arguments: usize) -> Self {
        Self {
            first: index,
            count: 1,
            payload: self.payload.copy_item(place, arguments),
            ..*self
        }
    }
}

/// Why a call ended before its items were done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// By the caller.
    Cancelled,
    /// With its pool.
    Killed,
    /// With its actor.
    ActorKilled,
    /// The time of the whole call was over.
    TimedOut(Duration),
}

impl Ending {
    /// The error of an item that was not done.
    pub(super) fn error(self, function: &'static str, index: usize) -> TaskError {
        let kind = match self {
            Ending::Cancelled => TaskErrorKind::Cancelled {
                reason: "before it was done".to_owned(),
            },
            Ending::Killed => TaskErrorKind::Cancelled {
                reason: "its pool was killed".to_owned(),
            },
            Ending::ActorKilled => TaskErrorKind::Cancelled {
                reason: "its actor was killed".to_owned(),
            },
            Ending::TimedOut(limit) => TaskErrorKind::CallTimedOut { limit },
        };
        TaskError::new(function, index, None, kind)
    }
}

/// Who ran an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    /// The worker's process id, if it was a worker.
    pub(super) pid: Option<u32>,
    pub(super) attempt: u32,
}

impl Origin {
    /// No attempt was made.
    pub(super) const NOBODY: Self = Self {
        pid: None,
        attempt: 1,
    };

    /// Who ran the item that failed with `error`.
    pub(super) fn of(error: &TaskError) -> Self {
        Self {
            pid: error.pid(),
            attempt: error.attempt(),
        }
    }
}

impl Delivery {
    /// What has to be here until it is decoded.
    pub(super) fn take_objects(&mut self) -> Vec<Arc<Object>> {
        match self {
            Delivery::Records { objects, .. } | Delivery::Large { objects, .. } => {
                std::mem::take(objects)
            }
            Delivery::Unsaved(failed) => failed.item.payload.take_objects(),
            Delivery::Returned(chunk) => chunk.payload.take_objects(),
            Delivery::Failed { .. } | Delivery::Ended { .. } | Delivery::Aborted(_) => Vec::new(),
        }
    }
}

/// News for a call, not yet decoded.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Records of `count` successive items.
    Records {
        first: usize,
        count: usize,
        origin: Origin,
        bytes: Vec<u8>,
        /// The records are the bytes of numbers in a row, and nothing else.
        row: bool,
        /// What the values name; needed until they are decoded.
        objects: Vec<Arc<Object>>,
    },
    /// One large value.
    Large {
        index: usize,
        origin: Origin,
        landing: Box<dyn Landing>,
        objects: Vec<Arc<Object>>,
    },
    /// An item that gave no record, or whose record was opened already.
    Failed { index: usize, error: TaskError },
    /// An item whose input is to be saved, unless the caller has it tried again.
    Unsaved(Failed),
    /// Items that were not done when the call ended.
    Ended {
        first: usize,
        count: usize,
        ending: Ending,
    },
    /// A chunk was done; its items are given back to a call that may try them again.
    Returned(Chunk),
    /// The call is over.
    Aborted(Error),
}
