//! In place of what tells the parent what tasks log, when nothing does: without the features `tracing` and `log`.

use std::os::fd::OwnedFd;

use crate::shm::{Placed, WorkerWords};
use crate::wire::FrameHeader;

#[derive(Debug)]
pub(super) struct Logs;

impl Logs {
    pub(super) fn open(_: Option<OwnedFd>, _: Placed<WorkerWords>) -> Self {
        Self
    }

    pub(super) fn chunk_begins(&mut self, _: &FrameHeader, _: u64, _: bool) {}

    pub(super) fn chunk_ends(&mut self) {}
}
