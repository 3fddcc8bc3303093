//! What tasks log, on its way to the parent: from `tracing` by a [subscriber], from `log` by a [logger], both
//! into one [pipe](writer).
//!
//! Neither is there before a chunk comes whose caller wants to hear of it. From then on it is the process's, so
//! that it hears further threads of a task as well, unless the program has set another one before.

#[cfg(feature = "log")]
mod logger;
#[cfg(feature = "tracing")]
mod subscriber;
#[cfg(feature = "tracing")]
mod values;
mod writer;

use std::os::fd::OwnedFd;

use crate::shm::{Placed, WorkerWords};
use crate::wire::{FrameHeader, Levels};

/// The worker's state of what it tells of.
#[derive(Debug)]
pub(super) struct Logs {
    /// There is a parent to tell.
    open: bool,
    /// What is told of now.
    levels: Levels,
    /// During the init function: the program may set a subscriber of its own in it.
    #[cfg(feature = "tracing")]
    scoped: Option<tracing_core::dispatcher::DefaultGuard>,
}

impl Logs {
    /// With the pipe to the parent, if there is one.
    pub(super) fn open(pipe: Option<OwnedFd>, words: Placed<WorkerWords>) -> Self {
        Self {
            open: pipe.is_some_and(|pipe| writer::open(pipe, words)),
            levels: Levels::default(),
            #[cfg(feature = "tracing")]
            scoped: None,
        }
    }

    /// A chunk begins, that of the init function or another one; `before` items had begun before.
    pub(super) fn chunk_begins(&mut self, header: &FrameHeader, before: u64, init: bool) {
        if !self.open {
            return;
        }
        let mut levels = header.levels;
        if init {
            // A logger cannot be set for a while only.
            levels.log = 0;
        }
        if levels != self.levels {
            self.levels = levels;
            #[cfg(feature = "log")]
            logger::set_level(levels.log);
            #[cfg(feature = "tracing")]
            subscriber::set_level(levels.tracing);
        }
        if self.levels == Levels::default() {
            return;
        }
        writer::chunk_begins(header.number, before);
        #[cfg(feature = "tracing")]
        if self.levels.tracing > 0 {
            self.scoped = subscriber::install(init);
        }
    }

    /// The chunk ends.
    pub(super) fn chunk_ends(&mut self) {
        if self.levels != Levels::default() {
            writer::chunk_ends();
            #[cfg(feature = "tracing")]
            drop(self.scoped.take());
        }
    }
}
