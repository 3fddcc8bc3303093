//! What one rank of a launch did, as statistics tell it.

use std::sync::Arc;
use std::time::Duration;

use super::stats::{WorkerStats, share};

/// What the workers of one rank of a launch did together: see [`Stats::nodes`](super::Stats::nodes).
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStats {
    pub(super) rank: usize,
    pub(super) host: Arc<str>,
    pub(super) lost: bool,
    pub(super) workers: usize,
    pub(super) processes: u64,
    pub(super) items: u64,
    pub(super) failed: u64,
    pub(super) working: Duration,
    pub(super) life: Duration,
    pub(super) argument_bytes: u64,
    pub(super) result_bytes: u64,
    pub(super) peak_memory: u64,
}

impl NodeStats {
    /// The sums of those of the workers that are there.
    pub(super) fn new(rank: usize, host: Arc<str>, lost: bool, workers: &[WorkerStats]) -> Self {
        let mut node = Self {
            rank,
            host,
            lost,
            workers: 0,
            processes: 0,
            items: 0,
            failed: 0,
            working: Duration::ZERO,
            life: Duration::ZERO,
            argument_bytes: 0,
            result_bytes: 0,
            peak_memory: 0,
        };
        for worker in workers.iter().filter(|worker| worker.rank == rank) {
            node.workers += 1;
            node.processes += worker.processes;
            node.items += worker.items;
            node.failed += worker.failed;
            node.working += worker.working();
            node.life += worker.life();
            node.argument_bytes += worker.argument_bytes;
            node.result_bytes += worker.result_bytes;
            node.peak_memory = node.peak_memory.max(worker.peak_memory);
        }
        node
    }

    /// The rank; 0 is the one that runs `main`.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The name of its machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// True if the rank is gone: killed, or not heard any more.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// How many workers were started there, counted by their numbers.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// How many processes these were, one after the other.
    #[must_use]
    pub fn processes(&self) -> u64 {
        self.processes
    }

    /// How many results they gave. That of an item that was tried again counts too.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// How many attempts failed there.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// At chunks of items, of all workers together.
    #[must_use]
    pub fn working(&self) -> Duration {
        self.working
    }

    /// From the order to start a process until it was gone, of all workers together.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// The part of the workers' life in which they worked, from 0 to 1; 0 if none lived.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        share(self.working, self.life)
    }

    /// How many bytes of arguments they were handed.
    #[must_use]
    pub fn argument_bytes(&self) -> u64 {
        self.argument_bytes
    }

    /// How many bytes of results they handed back.
    #[must_use]
    pub fn result_bytes(&self) -> u64 {
        self.result_bytes
    }

    /// The most memory that a single process had in use, in bytes; 0 if that is not known. Of other machines it is
    /// known of processes that have ended.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        let lost = if self.lost { ", lost" } else { "" };
        format!("{}:{}{lost}", self.host, self.rank)
    }
}
