//! Shared memory between a parent and its workers: byte rings, and sleeping until they move.
//!
//! A worker and its parent share one segment. Its first half is written by the parent and mapped
//! read-only in the worker, its second half is written by the worker:
//!
//! | part | written by | holds |
//! | --- | --- | --- |
//! | parent's words | parent | tail of the task ring, head of the result ring, the worker's bell |
//! | orders | parent | what the worker does to itself before it serves |
//! | task ring | parent | frames of tasks |
//! | worker's words | worker | head of the task ring, tail of the result ring, what it is running |
//! | last words | worker | the report of a panic that is about to abort it, or why it cannot serve |
//! | result ring | worker | records of results |
//!
//! All workers of a pool share a second segment with the one bell that the parent sleeps on. A
//! worker that scribbles over all it can write to therefore damages nothing but its own results.
//!
//! The guardian of a pool shares a third segment with it, which it only reads: the process groups of
//! workers, for when the program is gone.
//!
//! What a worker wrote is untrusted: the parent keeps its own positions in its own memory, checks
//! every word that it reads, and copies bytes out before it looks at them.

mod begun;
mod bell;
mod claim;
mod groups;
mod layout;
mod memory;
mod patience;
mod ring;

pub(crate) use begun::{begin, begun, cut};
pub(crate) use bell::{Park, Ringer, Sleeper};
pub(crate) use claim::{Claim, claim_word};
pub(crate) use groups::{GROUPS, GROUPS_BYTES, Groups, Leader};
pub(crate) use layout::{
    CLAIMS, Lane, LastWords, POOL_BYTES, ParentWords, PoolPark, PoolSide, READY, REFUSED,
    RING_BYTES, ResultRing, SEGMENT_BYTES, TaskRing, WorkerPark, WorkerWords,
};
pub(crate) use memory::Placed;
use memory::{Memory, Word};
pub(crate) use patience::Patience;
pub(crate) use ring::{Consumer, Corrupt, Producer};

#[cfg(test)]
mod tests;
