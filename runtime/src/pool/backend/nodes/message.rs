//! What rank 0 and the agents of nodes say to each other.
//!
//! A message is a head, and for some a body of bytes: arguments or results. All ranks run the same program, as is
//! found out before anything else is said, so both sides read what the other one wrote.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::event::{EventKind, FailureKind, ItemSpan};
use crate::object::Twin;
use crate::pool::environment::Environment;
use crate::pool::rules::Rules;
use crate::pool::setup::Lifespan;
use crate::wire::Levels;
use crate::worker::Orders;

/// Names a pool of rank 0.
pub(in crate::pool) type PoolId = u64;
/// Names a chunk that a node was given, among those of its pool.
pub(in crate::pool) type Number = u64;

/// To a node.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) enum Order {
    /// There is such a pool.
    Open(PoolId, Box<Plan>),
    /// Run this chunk; its arguments are the body.
    Run(PoolId, Run),
    /// Items of the chunk from this one on need not be run.
    Cut(PoolId, Number, usize),
    /// End the chunk, or one item of it, by force.
    End {
        pool: PoolId,
        number: Number,
        item: Option<usize>,
        /// It may end by itself in a moment.
        soon: bool,
    },
    /// An object that others will name; to all nodes, and its bytes are the body.
    Object(Twin),
    /// Rank 0 has the object no more.
    Forget(u64),
    /// Give back what nobody has begun of the chunk: all of it, or half.
    TakeBack {
        pool: PoolId,
        number: Number,
        all: bool,
    },
    /// So many workers, from now on.
    Resize(PoolId, usize),
    /// So many things that tasks had logged were heard, which were so many bytes.
    Heard {
        pool: PoolId,
        jobs: u64,
        bytes: usize,
    },
    /// Somebody wants to know when each item ran, or nobody does any more.
    Time(PoolId, bool),
    /// The pool is over, or is killed.
    Close(PoolId, bool),
    /// The node was not heard for so long that others do its work.
    Retire,
    /// The program is over.
    Leave { orderly: bool },
}

/// From a node. Errors of items are [bytes](crate::error::TaskError::to_bytes).
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) enum News {
    Hello(Hello),
    /// Records of successive items: the body.
    Records {
        pool: PoolId,
        number: Number,
        first: usize,
        count: usize,
        pid: Option<u32>,
        attempt: u32,
        row: bool,
        /// What they name.
        objects: Vec<u64>,
    },
    /// One large value: the body.
    Large {
        pool: PoolId,
        number: Number,
        index: usize,
        pid: Option<u32>,
        attempt: u32,
        objects: Vec<u64>,
    },
    /// An object that results of the chunk will name: the body is its bytes.
    Object(PoolId, Number, Twin),
    /// An item failed; the error.
    Failed(PoolId, Number, usize, Vec<u8>),
    /// So many items from this one on were not run to their end, since they were ended from outside.
    Ended(PoolId, Number, usize, usize),
    /// What an item wrote to standard output and error, and whether that is not all of it.
    Wrote(PoolId, Number, usize, [Vec<u8>; 2], bool),
    /// The chunk is given back.
    Back(PoolId, Number),
    /// So many items of the chunk from this one on are given back.
    Rest(PoolId, Number, usize, usize),
    /// The chunk is done with; what an item of its function took lately, in nanoseconds.
    Done(PoolId, Number, Option<f64>),
    /// What happened in the node's part of the pool: the body is a list of what is [told](Told).
    Events(PoolId),
    /// What tasks logged: the body is a [batch](crate::pool::logs::Batch).
    Logs(PoolId),
    /// An item ended a worker, and may be tried again.
    Crashed(PoolId, Vec<u8>),
    /// The node cannot go on with the call of this chunk.
    Broken(PoolId, Number, Breach),
    /// The node has no such pool.
    Refused(PoolId, String),
    /// Nothing is left of the node's part of the pool.
    Closed(PoolId),
}

/// Who a rank is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::pool) struct Hello {
    pub(in crate::pool) host: String,
    pub(in crate::pool) pid: u32,
    /// When it was started, as its kernel counts.
    pub(in crate::pool) started: Option<u64>,
    /// By its clock, in nanoseconds.
    pub(in crate::pool) now: u64,
    /// How many CPUs it may use, and which ones, as a number that ranks with the same ones agree on.
    pub(in crate::pool) cpus: usize,
    pub(in crate::pool) which: u64,
    /// How many workers it is to have, if that was said.
    pub(in crate::pool) slots: Option<usize>,
    /// Of its program.
    pub(in crate::pool) fingerprint: u64,
    pub(in crate::pool) program: PathBuf,
}

/// A pool, as it is on a node.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) struct Plan {
    pub(in crate::pool) workers: usize,
    /// The numbers that they have among all workers of the pool.
    pub(in crate::pool) numbers: Vec<usize>,
    pub(in crate::pool) rules: Rules,
    pub(in crate::pool) stderr_lines: usize,
    /// Positions among the kinds of [`Output`](crate::Output).
    pub(in crate::pool) outputs: [u8; 2],
    pub(in crate::pool) lifespan: Lifespan,
    pub(in crate::pool) spares: usize,
    pub(in crate::pool) environment: Environment,
    pub(in crate::pool) directory: Option<PathBuf>,
    pub(in crate::pool) orders: Orders,
    pub(in crate::pool) pin_cpus: bool,
    pub(in crate::pool) init: Option<Init>,
    pub(in crate::pool) init_timeout: Option<Duration>,
    pub(in crate::pool) exit: Option<u32>,
    pub(in crate::pool) timed: bool,
    /// Of what hooks log.
    pub(in crate::pool) levels: Levels,
}

/// An init function, its arguments and the objects that they name.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) struct Init {
    pub(in crate::pool) function: u32,
    pub(in crate::pool) arguments: Vec<u8>,
    pub(in crate::pool) objects: Vec<u64>,
}

/// A chunk, without its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) struct Run {
    pub(in crate::pool) number: Number,
    /// Of its call.
    pub(in crate::pool) serial: u64,
    pub(in crate::pool) function: u32,
    pub(in crate::pool) first: usize,
    pub(in crate::pool) count: u32,
    pub(in crate::pool) width: usize,
    pub(in crate::pool) row: usize,
    pub(in crate::pool) tasks: bool,
    /// It is begun as soon as fewer chunks than this came before it and are not done yet.
    pub(in crate::pool) ahead: usize,
    /// What became of its items so far: attempts, ended workers, exceeded limits.
    pub(in crate::pool) history: [u32; 3],
    pub(in crate::pool) numbering: u32,
    pub(in crate::pool) seed: u64,
    pub(in crate::pool) rules: Option<Rules>,
    /// See [`CallSpec`](crate::pool::state::CallSpec).
    pub(in crate::pool) eager: bool,
    pub(in crate::pool) reported: bool,
    /// What its arguments name.
    pub(in crate::pool) objects: Vec<u64>,
    /// Of what its items log.
    pub(in crate::pool) levels: Levels,
}

/// Why a node cannot go on with a call.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) enum Breach {
    /// Workers cannot be started.
    Start {
        reason: String,
    },
    /// The init function failed; what it said, if it returned.
    Init {
        reason: String,
        said: Option<Vec<u8>>,
        source: Option<Vec<u8>>,
    },
    Other {
        reason: String,
    },
}

/// An event of a node, at a time of its clock.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::pool) struct Told {
    pub(in crate::pool) at: u64,
    #[serde(with = "Kind")]
    pub(in crate::pool) kind: EventKind,
}

/// Of a function.
type Name = &'static str;

/// An [`EventKind`], as it is written. Calls and nodes are rank 0's own affair.
#[derive(Serialize, Deserialize)]
#[serde(remote = "EventKind")]
enum Kind {
    ChunkGiven {
        call: u64,
        worker: Option<usize>,
        first: usize,
        count: usize,
        bytes: usize,
    },
    ChunkDone {
        call: u64,
        worker: Option<usize>,
        first: usize,
        count: usize,
        took: Duration,
    },
    ItemsDone {
        call: u64,
        worker: Option<usize>,
        count: usize,
        bytes: usize,
    },
    ItemsTimed {
        call: u64,
        worker: Option<usize>,
        spans: Vec<ItemSpan>,
    },
    ItemFailed {
        call: u64,
        worker: Option<usize>,
        index: usize,
        attempt: u32,
        failure: FailureKind,
        report: String,
        began: Option<u64>,
        retried: bool,
    },
    ItemRetried {
        call: u64,
        index: usize,
        attempt: u32,
        pause: Duration,
        revoked: bool,
        failed: Option<FailureKind>,
    },
    WorkerStarted {
        worker: Option<usize>,
        pid: u32,
        took: Duration,
    },
    WorkerReady {
        worker: Option<usize>,
        pid: u32,
        took: Duration,
    },
    WorkerInitialized {
        worker: Option<usize>,
        pid: u32,
        took: Duration,
    },
    WorkerFinalized {
        worker: Option<usize>,
        pid: u32,
        took: Duration,
    },
    WorkerEnded {
        worker: Option<usize>,
        pid: u32,
        how: String,
        unexpected: bool,
        peak_memory: u64,
        cpu: Duration,
    },
    // Behind the others, or what is read would be counted otherwise than what is written.
    #[serde(skip)]
    CallStarted {
        call: u64,
        function: Name,
        items: Option<usize>,
    },
    #[serde(skip)]
    CallEnded { call: u64 },
    #[serde(skip)]
    ItemsDropped { call: u64, count: usize },
    #[serde(skip)]
    NodeJoined {
        rank: usize,
        host: String,
        first: usize,
        workers: usize,
    },
    #[serde(skip)]
    NodeLost { rank: usize, host: String },
}
