//! What happened in one or more pools over time, as much of it as can be looked at, in bounded memory.
//!
//! Reports and live pages are made from it. It is fed with [events](crate::event::Event) and keeps
//!
//! - sums, for all calls, workers and functions, exactly;
//! - a histogram of how long items took, with ten bins a decade, and the [longest](LONGEST) of them;
//! - the first [`FAILURES`](failures::FAILURES) failures with their reports, and the last [`CALLS`](calls::CALLS) calls;
//! - for each of at most [`LANES`] workers what ran when, as spans. A span is an item, until there are more than
//!   [`SPANS`] of them: then neighbours in the same cell of time become one, and cells are made twice as wide until
//!   half of the spans are left. Long items stay themselves, however many short ones there are.

mod calls;
mod collect;
mod durations;
mod failures;
mod lane;
mod nodes;
mod snapshot;
mod spans;
#[cfg(test)]
mod tests;

pub(super) use collect::Timeline;

/// How many spans are kept at most; as JSON they are about 1.5 MB.
const SPANS: usize = 50_000;
/// How many workers have a lane.
const LANES: usize = 512;
/// How many processes are told apart in the lanes.
const LIVES: usize = 4_000;
/// How many of the longest items are named.
const LONGEST: usize = 10;
