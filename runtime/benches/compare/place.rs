//! On which CPUs the two processes of a round trip are.
//!
//! It decides more than all the rest: a switch on one CPU, a wake-up across to another one and a
//! spinning exchange between two cost very different times, and the kernel puts two processes that
//! talk to each other now on one CPU and now on two.

use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Wherever the kernel puts them.
    Free,
    /// The caller on one CPU, the other process on another one.
    TwoCpus,
    /// All on one CPU, as in a container that has no more.
    OneCpu,
}

/// The place of this thread and of those it talks to; drop it to let this thread go anywhere again.
#[derive(Debug)]
pub(crate) struct Placed {
    place: Place,
    all: CpuSet,
    cpus: Vec<usize>,
}

impl Placed {
    /// On one CPU this thread is put there at once, so that a pool that it makes knows of no other.
    ///
    /// None if there are not enough CPUs.
    pub(crate) fn new(place: Place) -> io::Result<Option<Self>> {
        let all = sched_getaffinity(None)?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| all.is_set(*cpu))
            .collect();
        if cpus.len() < 2 && place == Place::TwoCpus {
            return Ok(None);
        }
        let placed = Self { place, all, cpus };
        if place == Place::OneCpu {
            placed.pin(None, 0)?;
        }
        Ok(Some(placed))
    }

    /// Puts the processes at the other end, and this thread, in their places.
    pub(crate) fn settle(&self, peers: &[Pid]) -> io::Result<()> {
        let (here, there) = match self.place {
            Place::Free => return Ok(()),
            Place::OneCpu => (0, 0),
            Place::TwoCpus => (0, 1),
        };
        self.pin(None, here)?;
        peers
            .iter()
            .try_for_each(|peer| self.pin(Some(*peer), there))
    }

    fn pin(&self, process: Option<Pid>, index: usize) -> io::Result<()> {
        let mut one = CpuSet::new();
        one.set(self.cpus[index]);
        Ok(sched_setaffinity(process, &one)?)
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        // It was allowed before, so it is again.
        let _ = sched_setaffinity(None, &self.all);
    }
}
