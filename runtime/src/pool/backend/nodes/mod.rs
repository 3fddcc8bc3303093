//! Other machines, or other ranks of a launch on this one.
//!
//! A launcher such as `mpirun` starts the same program as several ranks. Rank 0 runs `main`. Every other rank stays
//! before `main`, as the [agent] of a node: for each pool of rank 0 it has a pool of its own, whose workers are
//! processes beside it, and to which it submits what it is given. So what ends a worker costs one item there as it
//! does here, and limits, retries and hooks are seen to where the workers are. What is rank 0's own affair is which
//! [node] has which chunk, and what becomes of the chunks of a node that is lost.
//!
//! One thread of each rank does everything with the [line] to the others: in rank 0 that of the [center].

mod agent;
mod backend;
mod casts;
mod center;
mod gate;
mod hello;
mod hosted;
mod line;
mod message;
mod news;
mod node;
mod outgoing;
mod pace;
mod plan;
mod room;
mod stay;
mod steal;
mod telling;

pub(in crate::pool) use backend::Nodes;
pub(in crate::pool) use message::Init as InitPlan;
pub(in crate::pool) use node::Node;
pub(in crate::pool) use plan::Division;
