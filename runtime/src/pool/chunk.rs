//! What is given to a worker at once, and what comes back of it.

use crate::error::{Error, TaskError};
use crate::registry::FunctionId;
use crate::wire::{Landing, Payload};

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
}

/// News for a call, not yet decoded.
#[derive(Debug)]
pub(super) enum Delivery {
    /// Records of `count` successive items.
    Records {
        first: usize,
        count: usize,
        pid: Option<u32>,
        bytes: Vec<u8>,
    },
    /// One large value.
    Large {
        index: usize,
        pid: u32,
        landing: Box<dyn Landing>,
    },
    /// An item that gave no record.
    Failed(TaskError),
    /// The call is over.
    Aborted(Error),
}
