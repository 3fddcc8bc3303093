//! How messages get from one process of a launch to another.
//!
//! A launcher such as `mpirun` starts one program many times, on one machine or on many. Each of these
//! processes has a rank; the one with rank 0 runs `main`. What they say to each other is not known here: a
//! message is bytes.

pub(crate) mod launch;
#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod mpi;

use std::io;
use std::sync::Arc;

/// Messages are no longer than this; what is longer goes in pieces.
pub(crate) const MOST_BYTES: usize = 4 << 20;

/// The way to the other ranks. One thread has it, and does everything with it.
pub(crate) trait Transport {
    /// The rank of this process.
    fn rank(&self) -> usize;

    /// How many ranks there were at the launch.
    fn size(&self) -> usize;

    /// Memory for a message of so many bytes.
    fn buffer(&mut self, bytes: usize) -> Vec<u8>;

    /// Takes memory of a message that nobody needs any more, to be used again.
    fn recycle(&mut self, message: Vec<u8>);

    /// Has a message sent, behind those that were sent to the same rank before. Nothing is waited for.
    fn send(&mut self, to: usize, message: Vec<u8>);

    /// Has a message sent to all other ranks that were not forgotten, behind those that each was sent before.
    /// Only rank 0 does.
    fn broadcast(&mut self, message: Arc<[u8]>);

    /// Bytes of messages to that rank that are still here.
    fn backlog(&self, to: usize) -> usize;

    /// True while a message is on its way that only looking moves on.
    fn is_moving(&self) -> bool;

    /// Moves what is on its way, and gives the next message that came, with the rank that sent it. From each
    /// rank they come in the order in which they were sent.
    fn poll(&mut self) -> io::Result<Option<(usize, Vec<u8>)>>;

    /// That rank is lost: what is on its way to it is dropped, and nothing comes from it. What is sent to it later
    /// may reach it, should it live; it has to be little.
    fn forget(&mut self, rank: usize);

    /// The end. If `orderly`, all ranks call it so, it waits until everything was sent, and nobody
    /// was lost; else nobody is waited for.
    fn finish(self: Box<Self>, orderly: bool);
}
