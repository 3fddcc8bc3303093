//! One event.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Something that happened in a pool.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// When, in nanoseconds of the system's monotonic clock (`CLOCK_MONOTONIC`). What a worker measured and
    /// what the pool saw are by the same clock.
    pub at: u64,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// What happened at a time, for tests of observers.
    #[must_use]
    pub fn new(at: u64, kind: EventKind) -> Self {
        Self { at, kind }
    }
}

/// What happened.
///
/// A call has a number that is never used again in its pool; the tasks of one function that were submitted one
/// by one share calls. A worker has its number among the living ones ([`worker::id`](crate::worker::id)), which
/// its replacement gets again; a [`Process`](crate::Process) has none, and in an inline pool the program itself
/// is worker 0. Workers on other ranks of a launch have numbers behind those of this machine, which
/// [`NodeJoined`](Self::NodeJoined) tells; there, [`worker::id`](crate::worker::id) counts from 0 on each rank.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A call began.
    CallStarted {
        /// The number of the call.
        call: u64,
        /// The registered name of the function.
        function: &'static str,
        /// How many items there are, if the iterator knows that.
        items: Option<usize>,
    },
    /// Nobody asks for anything of the call any more, and nothing of it runs.
    CallEnded {
        /// The number of the call.
        call: u64,
    },
    /// Items were handed to a worker. It may still be busy with others, and what it has not begun can be taken
    /// back and given to another one.
    ChunkGiven {
        /// The number of the call.
        call: u64,
        /// The number of the worker.
        worker: Option<usize>,
        /// The index of the first item.
        first: usize,
        /// How many items.
        count: usize,
        /// How many bytes their arguments are.
        bytes: usize,
    },
    /// A worker is done with a chunk, or has ended in the middle of it.
    ChunkDone {
        /// The number of the call.
        call: u64,
        /// The number of the worker.
        worker: Option<usize>,
        /// The index of the first item.
        first: usize,
        /// How many items it did; the others were taken back, or one of them ended the worker.
        count: usize,
        /// How long they took, from the worker's own clock.
        took: Duration,
    },
    /// Items gave results.
    ItemsDone {
        /// The number of the call.
        call: u64,
        /// The number of the worker.
        worker: Option<usize>,
        /// How many items.
        count: usize,
        /// How many bytes their results are.
        bytes: usize,
    },
    /// When items ran; told only if an observer asks for [`Interest::ITEM_TIMES`](crate::observe::Interest::ITEM_TIMES).
    ItemsTimed {
        /// The number of the call.
        call: u64,
        /// The number of the worker.
        worker: Option<usize>,
        /// One for each item, in the order in which they ran. An item that ended its worker has none.
        spans: Vec<ItemSpan>,
    },
    /// An attempt at an item failed.
    ItemFailed {
        /// The number of the call.
        call: u64,
        /// The number of the worker; none if the item did not reach one.
        worker: Option<usize>,
        /// The index of the item.
        index: usize,
        /// The attempt, counted from 1.
        attempt: u32,
        /// In what way.
        failure: FailureKind,
        /// The whole report: what the item's error says. Written by tasks in part, so anything can stand there.
        /// Empty where nobody observes.
        report: String,
        /// When the attempt began, by the clock of [`Event::at`], if that is known.
        began: Option<u64>,
        /// It is tried again.
        retried: bool,
    },
    /// An item is tried again.
    ItemRetried {
        /// The number of the call.
        call: u64,
        /// The index of the item.
        index: usize,
        /// The attempt that comes, counted from 1.
        attempt: u32,
        /// How long it waits before.
        pause: Duration,
        /// It had a result, or a failure that was told as final, which does not count any more.
        revoked: bool,
        /// In what way the attempt before failed; none if it had a result.
        failed: Option<FailureKind>,
    },
    /// Items are not run, since their call was cancelled or its time was over.
    ItemsDropped {
        /// The number of the call.
        call: u64,
        /// How many items.
        count: usize,
    },
    /// A worker was started.
    WorkerStarted {
        /// Its number.
        worker: Option<usize>,
        /// Its process.
        pid: u32,
        /// How long that took the pool; the worker is not ready yet.
        took: Duration,
    },
    /// A worker can run items, after so long a time since it was started.
    WorkerReady {
        /// Its number.
        worker: Option<usize>,
        /// Its process.
        pid: u32,
        /// Since it was started.
        took: Duration,
    },
    /// A worker ran the pool's init function.
    WorkerInitialized {
        /// Its number.
        worker: Option<usize>,
        /// Its process.
        pid: u32,
        /// How long the function ran.
        took: Duration,
    },
    /// A worker ran the pool's exit function; it ends next.
    WorkerFinalized {
        /// Its number.
        worker: Option<usize>,
        /// Its process.
        pid: u32,
        /// How long the function ran.
        took: Duration,
    },
    /// A worker is gone.
    WorkerEnded {
        /// Its number.
        worker: Option<usize>,
        /// Its process.
        pid: u32,
        /// How, in words: `exited with code 0`, `was ended by signal 11 (…)`.
        how: String,
        /// It was not the pool that ended it.
        unexpected: bool,
        /// The most memory that it had in use, in bytes; 0 if that is not known.
        peak_memory: u64,
        /// Its processor time.
        cpu: Duration,
    },
    /// The pool has workers on another rank of the launch (feature `mpi`); told before anything else of that node.
    /// A pool that is [resized](crate::Pool::resize) may get more of them there: then it is told again, with those.
    NodeJoined {
        /// The rank.
        rank: usize,
        /// The name of its machine.
        host: String,
        /// The number of the first of its workers.
        first: usize,
        /// How many there are, with the numbers that follow.
        workers: usize,
    },
    /// A rank is gone. For each of its workers that lived [`WorkerEnded`](Self::WorkerEnded) follows, and what they
    /// had not done is run elsewhere.
    NodeLost {
        /// The rank.
        rank: usize,
        /// The name of its machine.
        host: String,
    },
}

impl EventKind {
    /// The number of the call that it is about, if it is about one.
    #[must_use]
    pub fn call(&self) -> Option<u64> {
        match self {
            Self::CallStarted { call, .. }
            | Self::CallEnded { call }
            | Self::ChunkGiven { call, .. }
            | Self::ChunkDone { call, .. }
            | Self::ItemsDone { call, .. }
            | Self::ItemsTimed { call, .. }
            | Self::ItemFailed { call, .. }
            | Self::ItemRetried { call, .. }
            | Self::ItemsDropped { call, .. } => Some(*call),
            Self::WorkerStarted { .. }
            | Self::WorkerReady { .. }
            | Self::WorkerInitialized { .. }
            | Self::WorkerFinalized { .. }
            | Self::WorkerEnded { .. }
            | Self::NodeJoined { .. }
            | Self::NodeLost { .. } => None,
        }
    }
}

/// When one item ran, from the worker's own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ItemSpan {
    /// The index of the item.
    pub index: usize,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// When it began, by the clock of [`Event::at`].
    pub began: u64,
    /// Nanoseconds for making its arguments out of bytes.
    pub decoding: u64,
    /// Nanoseconds in the function.
    pub running: u64,
    /// Nanoseconds for making bytes of its result and handing them over.
    pub encoding: u64,
    /// How many bytes its result is.
    pub bytes: usize,
    /// It gave no result.
    pub failed: bool,
}

impl ItemSpan {
    /// An item that ran for `running` nanoseconds, for tests of observers.
    #[must_use]
    pub fn new(index: usize, began: u64, running: u64) -> Self {
        Self {
            index,
            attempt: 1,
            began,
            decoding: 0,
            running,
            encoding: 0,
            bytes: 0,
            failed: false,
        }
    }

    /// Nanoseconds from its beginning to its end.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.decoding
            .saturating_add(self.running)
            .saturating_add(self.encoding)
    }
}

/// In what way an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum FailureKind {
    /// It panicked.
    Panic,
    /// Its worker crashed, exited or was killed from outside.
    Crash,
    /// It ran longer than its limit.
    Timeout,
    /// It used more memory than its limit, or than there is.
    Memory,
    /// It was cancelled while it ran.
    Cancelled,
    /// An argument or its result did not pass between the processes.
    Codec,
}

impl FailureKind {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// All of them, each at the place of its number.
    pub const ALL: [Self; 6] = [
        Self::Panic,
        Self::Crash,
        Self::Timeout,
        Self::Memory,
        Self::Cancelled,
        Self::Codec,
    ];

    /// A word for it, in small letters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::Crash => "crash",
            Self::Timeout => "timeout",
            Self::Memory => "memory",
            Self::Cancelled => "cancelled",
            Self::Codec => "codec",
        }
    }
}
