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

/// Puts this thread in its place; drop it to let it go anywhere again.
#[derive(Debug)]
pub(crate) struct Placed {
    place: Place,
    all: CpuSet,
    cpus: Vec<usize>,
}

impl Placed {
    /// None if there are not enough CPUs.
    pub(crate) fn here(place: Place) -> io::Result<Option<Self>> {
        let all = sched_getaffinity(None)?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|cpu| all.is_set(*cpu))
            .collect();
        if cpus.len() < 2 && place == Place::TwoCpus {
            return Ok(None);
        }
        let placed = Self { place, all, cpus };
        if place != Place::Free {
            placed.pin(None, 0)?;
        }
        Ok(Some(placed))
    }

    /// Puts the process at the other end in its place.
    pub(crate) fn put(&self, peer: Pid) -> io::Result<()> {
        match self.place {
            Place::Free => Ok(()),
            Place::OneCpu => self.pin(Some(peer), 0),
            Place::TwoCpus => self.pin(Some(peer), 1),
        }
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
