//! The calls: those that run, and the last ones that ended.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

/// How many calls that ended are kept.
pub(super) const CALLS: usize = 300;

/// One call; times in nanoseconds since the origin.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Call {
    pub(super) function: usize,
    pub(super) began: u64,
    pub(super) ended: Option<u64>,
    pub(super) items: Option<usize>,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
}

/// All calls of all pools.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    /// By pool and number.
    open: BTreeMap<(usize, u64), Call>,
    ended: VecDeque<Call>,
    pub(super) count: u64,
    pub(super) left_out: u64,
    /// How many items all calls together have, as far as that is known.
    expected: u64,
    /// For how long at least one call ran, up to `busy_since`.
    calling: u64,
    busy_since: u64,
}

impl Calls {
    pub(super) fn begin(
        &mut self,
        key: (usize, u64),
        function: usize,
        items: Option<usize>,
        at: u64,
    ) {
        if self.open.is_empty() {
            self.busy_since = at;
        }
        self.count += 1;
        let call = Call {
            function,
            began: at,
            ended: None,
            items,
            done: 0,
            failed: 0,
            retried: 0,
        };
        self.open.insert(key, call);
    }

    pub(super) fn end(&mut self, key: (usize, u64), at: u64) {
        let Some(mut call) = self.open.remove(&key) else {
            return;
        };
        call.ended = Some(at);
        self.expected += expected(&call);
        if self.open.is_empty() {
            self.calling += at.saturating_sub(self.busy_since);
        }
        self.ended.push_back(call);
        if self.ended.len() > CALLS {
            self.ended.pop_front();
            self.left_out += 1;
        }
    }

    /// A call that runs.
    pub(super) fn get(&mut self, key: (usize, u64)) -> Option<&mut Call> {
        self.open.get_mut(&key)
    }

    /// True while a call runs in this pool.
    pub(super) fn runs(&self, pool: usize) -> bool {
        let mut calls = self.open.range((pool, 0)..=(pool, u64::MAX));
        // Asked at each end of a call: nothing is counted.
        calls.next().is_some()
    }

    /// How many run.
    pub(super) fn running(&self) -> usize {
        self.open.len()
    }

    pub(super) fn expected(&self) -> u64 {
        self.expected + self.open.values().map(expected).sum::<u64>()
    }

    /// For how long at least one call ran.
    pub(super) fn calling(&self, now: u64) -> u64 {
        match self.open.is_empty() {
            true => self.calling,
            false => self.calling + now.saturating_sub(self.busy_since),
        }
    }

    /// Those that are kept, in the order in which they began. Of many that run, the first are shown.
    pub(super) fn list(&self) -> Vec<Call> {
        let mut list: Vec<_> = self.ended.iter().cloned().collect();
        list.extend(self.open.values().take(CALLS).cloned());
        list.sort_by_key(|call| call.began);
        list
    }
}

/// How many items it has; where nobody knows, those that came.
fn expected(call: &Call) -> u64 {
    call.items
        .map_or(call.done + call.failed, |items| items as u64)
}
