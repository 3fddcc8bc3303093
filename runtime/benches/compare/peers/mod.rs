//! The peers: other ways to have functions called in other processes.
//!
//! Those that send typed values do the same [`work`](work::Request); each is a [`Farm`](farm::Farm).
//!
//! crossmist 1.1.2 is not among them: with Rust 1.95 its first `spawn` panics, for what it finds out
//! about types relies on a specialisation that the standard library no longer has.

pub(crate) mod farm;
pub(crate) mod ipc;
pub(crate) mod procspawn;
pub(crate) mod python;
pub(crate) mod work;

use farm::Farm;

use super::measure::Outcome;

/// The peers with typed values.
pub(crate) fn farms(workers: usize) -> Outcome<[Box<dyn Farm>; 2]> {
    Ok([
        Box::new(ipc::farm(workers)?),
        Box::new(procspawn::farm(workers)?),
    ])
}

/// What peers need at the begin of `main`: a process that they started goes no further.
pub(crate) fn init() {
    procspawn::init();
}
