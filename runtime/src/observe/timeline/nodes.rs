//! Other ranks of a launch that have workers.

use std::collections::HashMap;
use std::ops::Range;

use serde::Serialize;

use super::lane::LaneKey;
use crate::sys::host_name;

/// A rank.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Node {
    rank: usize,
    host: String,
    /// When it was noticed that it is gone, in nanoseconds since the origin.
    lost: Option<u64>,
}

/// All of them; several pools can have workers on one.
#[derive(Debug, Clone, Default)]
pub(super) struct Nodes {
    /// This process is the first one, if there are others.
    all: Vec<Node>,
    /// On which of them workers are.
    places: HashMap<LaneKey, usize>,
}

impl Nodes {
    /// A pool has these workers on a rank. Gives the place of that among all.
    pub(super) fn join(
        &mut self,
        pool: usize,
        rank: usize,
        host: &str,
        workers: Range<usize>,
    ) -> usize {
        let node = self.place(rank, host);
        let keys = workers.map(|worker| (pool, Some(worker)));
        self.places.extend(keys.map(|key| (key, node)));
        node
    }

    /// A rank is gone since `at`.
    pub(super) fn lose(&mut self, rank: usize, host: &str, at: u64) {
        let place = self.place(rank, host);
        // Each pool says so.
        self.all[place].lost.get_or_insert(at);
    }

    fn place(&mut self, rank: usize, host: &str) -> usize {
        if self.all.is_empty() {
            self.all.push(Node::new(0, host_name()));
        }
        let known = self.all.iter().position(|node| node.rank == rank);
        known.unwrap_or_else(|| {
            self.all.push(Node::new(rank, host.to_owned()));
            self.all.len() - 1
        })
    }

    /// Where a worker is; none if it is of this process.
    pub(super) fn of(&self, key: LaneKey) -> Option<usize> {
        self.places.get(&key).copied()
    }

    /// All of them, in the order in which lanes name them.
    pub(super) fn list(&self) -> &[Node] {
        &self.all
    }
}

impl Node {
    fn new(rank: usize, host: String) -> Self {
        Self {
            rank,
            host,
            lost: None,
        }
    }
}
