//! In place of what passes on what tasks log, when nothing does: without the features `tracing` and `log`.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "mpi")]
use serde::{Deserialize, Serialize};

use super::chunk::Chunk;
use super::output::Patience;
use super::state::Litter;
use crate::shm::Lane;
use crate::sys::Notify;
use crate::wire::Levels;

pub(super) fn pipe() -> io::Result<Option<(OwnedFd, OwnedFd)>> {
    Ok(None)
}

#[derive(Debug, Clone, Default)]
pub(super) struct Context(());

impl Context {
    pub(super) fn capture() -> Self {
        Self(())
    }

    pub(super) fn ambient() -> Self {
        Self(())
    }

    pub(super) fn of_levels(_: Levels) -> Self {
        Self(())
    }

    #[cfg(feature = "mpi")]
    pub(super) fn of_chunk(_: Levels, _: u64) -> Self {
        Self(())
    }

    pub(super) fn is_on(&self) -> bool {
        false
    }

    pub(super) fn levels(&self) -> Levels {
        Levels::default()
    }

    pub(super) fn agrees(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Debug)]
pub(super) struct Hub;

impl Hub {
    pub(super) fn new(_: &Arc<Notify>, _: bool) -> Arc<Self> {
        Arc::new(Self)
    }

    pub(super) fn is_full(&self) -> Option<Duration> {
        None
    }

    pub(super) fn wait(&self, _: u64, _: Patience) -> bool {
        true
    }

    pub(super) fn flush(&self) {}

    pub(super) fn close(&self, _: bool) {}

    #[cfg(feature = "mpi")]
    pub(super) fn played(&self, _: u64, _: usize) {}
}

/// Nothing comes from nodes.
#[cfg(feature = "mpi")]
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Batch {}

#[cfg(feature = "mpi")]
impl Batch {
    pub(super) fn take(_: &Hub) -> Option<Self> {
        None
    }

    pub(super) fn amount(&self) -> (u64, usize) {
        match *self {}
    }

    pub(super) fn chunks(&self) -> std::iter::Empty<u64> {
        match *self {}
    }

    pub(super) fn put(
        self,
        _: &Arc<Hub>,
        _: &mut Away,
        _: &Site,
        _: impl Fn(u64) -> Option<(Context, &'static str)>,
        _: impl FnOnce() + Send + 'static,
    ) -> u64 {
        match self {}
    }
}

#[cfg(feature = "mpi")]
#[derive(Debug, Default)]
pub(super) struct Away(());

#[cfg(feature = "mpi")]
impl Away {
    pub(super) fn end(&mut self) {}
}

#[cfg(feature = "mpi")]
#[derive(Debug)]
pub(super) struct Site {
    #[expect(dead_code, reason = "nobody reads it")]
    pub(super) host: Arc<str>,
    #[expect(dead_code, reason = "nobody reads it")]
    pub(super) rank: usize,
}

/// There is none.
#[derive(Debug)]
pub(super) enum Source {}

impl Source {
    pub(super) fn new(_: &Arc<Hub>, _: u32, _: &Lane, _: OwnedFd) -> Arc<Self> {
        unreachable!("there is no pipe for it")
    }

    pub(super) fn give(&self, _: u64, _: &Chunk, _: &'static str, _: &Context) {
        match *self {}
    }

    pub(super) fn hear(&self, _: u64, _: &mut Vec<Litter>) -> u64 {
        match *self {}
    }

    pub(super) fn pipe(&self) -> Option<Arc<OwnedFd>> {
        match *self {}
    }

    pub(super) fn look(&self) -> bool {
        match *self {}
    }

    pub(super) fn read(&self, _: &mut Vec<u8>) {
        match *self {}
    }

    pub(super) fn end(&self) -> bool {
        match *self {}
    }
}

#[derive(Debug)]
pub(super) struct InlineSpan;

impl InlineSpan {
    pub(super) fn new(_: &Chunk, _: u32, _: &'static str) -> Option<Self> {
        None
    }
}
