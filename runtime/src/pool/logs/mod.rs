//! What tasks log, on its way from the workers to the subscriber and the logger of this process.
//!
//! A call takes note of who wants to hear of its items, its [context]. Frames of a worker come through a pipe,
//! its [source]; the thread of the [output](super::output) reads it, and so does who finds results in the
//! worker's ring, or its end. What was read waits in the pool's [hub] for a thread of its own, which
//! [plays](player) it: code of the user's, which may be slow, or may use the pool.
//!
//! What workers of other ranks log [comes](away) from these, and is played as the rest.
//!
//! A call, a task with its callback, and a process do not end before what they had logged was played, unless nothing
//! of it goes on for a while.

#[cfg(feature = "mpi")]
mod away;
#[cfg(feature = "tracing")]
mod callsites;
mod context;
mod dropped;
mod hub;
mod player;
#[cfg(feature = "log")]
mod records;
mod source;
mod span;
#[cfg(feature = "tracing")]
mod values;

use std::io;
use std::os::fd::OwnedFd;

#[cfg(feature = "mpi")]
pub(super) use away::{Away, Batch, Site};
pub(super) use context::Context;
pub(super) use hub::Hub;
pub(super) use source::Source;
pub(super) use span::InlineSpan;

/// The pipe for a worker: what this process reads from, and what the worker writes to.
pub(super) fn pipe() -> io::Result<Option<(OwnedFd, OwnedFd)>> {
    crate::sys::pipe().map(Some)
}
