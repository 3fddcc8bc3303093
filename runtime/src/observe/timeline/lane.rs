//! One worker: what its processes lived through, what it ran, and the sums.

use serde::Serialize;

use super::spans::{Span, Spans};

/// Whose lane it is: the pool's number and the worker's.
pub(super) type LaneKey = (usize, Option<usize>);

/// A worker and those that took its place.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) key: LaneKey,
    /// The place of its node among all; none if it is of this process.
    pub(super) node: Option<usize>,
    pub(super) spans: Spans,
    pub(super) lives: Vec<Life>,
    pub(super) totals: Totals,
    /// What it was given and is not done with.
    given: Option<Given>,
}

/// Chunks that a worker has.
#[derive(Debug, Clone)]
struct Given {
    function: usize,
    since: u64,
    chunks: u64,
}

/// A worker is at work, for all that is known.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Running {
    function: usize,
    /// Since the last item ended, or since it was given work.
    since: u64,
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
    /// How long it has been at work on what is not known to have ended.
    pub(super) at_work: u64,
    /// From the start of its processes to their end, or till now.
    pub(super) alive: u64,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) peak_memory: u64,
    pub(super) cpu: u64,
    pub(super) processes: u64,
}

impl Lane {
    pub(super) fn new(key: LaneKey, node: Option<usize>) -> Self {
        Self {
            key,
            node,
            spans: Spans::default(),
            lives: Vec::new(),
            totals: Totals::default(),
            given: None,
        }
    }

    /// It was given a chunk.
    pub(super) fn give(&mut self, function: usize, at: u64) {
        let given = self.given.get_or_insert(Given {
            function,
            since: at,
            chunks: 0,
        });
        given.function = function;
        given.chunks += 1;
    }

    /// It is done with a chunk.
    pub(super) fn take_back(&mut self) {
        if let Some(given) = &mut self.given {
            given.chunks -= 1;
            self.given = self.given.take().filter(|given| given.chunks > 0);
        }
    }

    /// It is done with everything, since its process is gone.
    pub(super) fn take_all_back(&mut self) {
        self.given = None;
    }

    /// What it does now.
    pub(super) fn running(&self) -> Option<Running> {
        let given = self.given.as_ref()?;
        let last = self.spans.iter().next_back().map_or(0, |span| span.end);
        Some(Running {
            function: given.function,
            since: given.since.max(last),
        })
    }

    /// What people call it; pools have numbers as soon as there are several.
    pub(super) fn label(&self, pools: usize) -> String {
        let name = match self.key.1 {
            Some(number) => format!("worker {number}"),
            None => "processes".to_owned(),
        };
        match pools {
            0 | 1 => name,
            _ => format!("{name} of pool {}", self.key.0),
        }
    }

    /// The process `pid`, if it lives.
    pub(super) fn life(&mut self, pid: u32) -> Option<&mut Life> {
        let mut lives = self.lives.iter_mut().rev();
        lives.find(|life| life.pid == pid && life.ended.is_none())
    }

    /// Something ran in it, which was known at the time `at`. Gives how many spans it has more.
    pub(super) fn add(&mut self, mut span: Span, at: u64, cell: u64) -> usize {
        if self.lives.is_empty() {
            // An inline pool has no process of its own, and who observes from the middle knows of none.
            self.lives.push(Life {
                prepared: Some(span.begin),
                ..Life::new(std::process::id(), span.begin)
            });
        }
        // A worker's clock is the pool's; what it says is not believed beyond now.
        span.end = span.end.min(at.max(span.begin));
        let before = self.spans.len();
        self.spans.add(span, cell);
        self.spans.len() - before
    }

    /// The sums at the time `now`.
    pub(super) fn totals(&self, now: u64) -> Totals {
        let lives = self.lives.iter().filter(|life| life.ended.is_none());
        let since: u64 = lives.map(|life| now.saturating_sub(life.started)).sum();
        let running = self.running();
        Totals {
            alive: self.totals.alive + since,
            at_work: running.map_or(0, |running| now.saturating_sub(running.since)),
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
