//! One worker: what its processes lived through, what it ran, and the sums.

use serde::Serialize;

use super::spans::Spans;

/// Whose lane it is: the pool's number and the worker's.
pub(super) type LaneKey = (usize, Option<usize>);

/// A worker and those that took its place.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) key: LaneKey,
    pub(super) spans: Spans,
    pub(super) lives: Vec<Life>,
    pub(super) totals: Totals,
}

/// One process, in nanoseconds since the origin.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Life {
    pub(super) pid: u32,
    pub(super) started: u64,
    /// When it could run items: ready, and initialised where there is an init function.
    pub(super) prepared: Option<u64>,
    pub(super) ended: Option<u64>,
    pub(super) how: String,
    pub(super) unexpected: bool,
}

/// Sums of a worker; times in nanoseconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Totals {
    pub(super) items: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) starting: u64,
    pub(super) initializing: u64,
    pub(super) decoding: u64,
    pub(super) running: u64,
    pub(super) encoding: u64,
    /// From the start of its processes to their end, or till now.
    pub(super) alive: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) peak_memory: u64,
    pub(super) cpu: u64,
    pub(super) processes: u64,
}

impl Lane {
    pub(super) fn new(key: LaneKey) -> Self {
        Self {
            key,
            spans: Spans::default(),
            lives: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// What people call it; pools have numbers as soon as there are several.
    pub(super) fn label(&self, pools: usize) -> String {
        let name = match self.key.1 {
            Some(number) => format!("worker {number}"),
            None => "processes".to_owned(),
        };
        match pools {
            0 | 1 => name,
            _ => format!("{name} of {}", self.key.0),
        }
    }

    /// The process `pid`, if it lives.
    pub(super) fn life(&mut self, pid: u32) -> Option<&mut Life> {
        let mut lives = self.lives.iter_mut().rev();
        lives.find(|life| life.pid == pid && life.ended.is_none())
    }

    /// Some life that has not ended stands for all that happens: an inline pool has no process of its own, and
    /// something that was observed from its middle began before.
    pub(super) fn live(&mut self, pid: u32, at: u64) {
        if self.lives.is_empty() {
            self.lives.push(Life {
                prepared: Some(at),
                ..Life::new(pid, at)
            });
        }
    }

    /// The sums at the time `now`.
    pub(super) fn totals(&self, now: u64) -> Totals {
        let lives = self.lives.iter().filter(|life| life.ended.is_none());
        let since: u64 = lives.map(|life| now.saturating_sub(life.started)).sum();
        Totals {
            alive: self.totals.alive + since,
            ..self.totals.clone()
        }
    }
}

impl Life {
    pub(super) fn new(pid: u32, started: u64) -> Self {
        Self {
            pid,
            started,
            prepared: None,
            ended: None,
            how: String::new(),
            unexpected: false,
        }
    }
}
