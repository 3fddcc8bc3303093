//! What there is to see of a pool, from its events.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use parproc::observe::{Event, EventKind};

/// So many failures are kept.
const FAILURES: usize = 100;

/// Times are nanoseconds of the clock of events.
#[derive(Default)]
pub(crate) struct Model {
    pub workers: BTreeMap<usize, Worker>,
    pub failures: VecDeque<(u64, String)>,
    pub done: usize,
    pub failed: usize,
    pub retried: usize,
    /// Of the calls until now, as far as they know.
    pub items: usize,
    /// When the first call began.
    pub began: Option<u64>,
    functions: BTreeMap<u64, &'static str>,
}

#[derive(Default)]
pub(crate) struct Worker {
    pub pid: u32,
    pub life: Life,
    pub done: usize,
    pub failed: usize,
    pub restarts: usize,
    pub working: Duration,
    /// Since when it is at the first of its chunks.
    pub since: u64,
    pub chunks: VecDeque<Chunk>,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Life {
    #[default]
    Starting,
    Ready,
    /// Another one has its number soon, or it stays free.
    Gone,
}

/// Items that a worker has; it runs those of the first chunk.
pub(crate) struct Chunk {
    call: u64,
    pub function: &'static str,
    pub first: usize,
    pub count: usize,
}

impl Model {
    pub(crate) fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::CallStarted {
                call,
                function,
                items,
            } => {
                self.functions.insert(*call, function);
                self.items += items.unwrap_or(0);
                self.began.get_or_insert(event.at);
            }
            EventKind::CallEnded { call } => {
                self.functions.remove(call);
            }
            EventKind::ChunkGiven {
                call,
                worker: Some(worker),
                first,
                count,
                ..
            } => {
                self.taken_back(*call, *first);
                let function = self.functions.get(call).copied().unwrap_or("");
                let worker = self.workers.entry(*worker).or_default();
                if worker.chunks.is_empty() {
                    worker.since = event.at;
                }
                worker.chunks.push_back(Chunk {
                    call: *call,
                    function,
                    first: *first,
                    count: *count,
                });
            }
            EventKind::ChunkDone {
                worker: Some(worker),
                took,
                ..
            } => {
                let worker = self.workers.entry(*worker).or_default();
                worker.chunks.pop_front();
                worker.since = event.at;
                worker.working += *took;
            }
            EventKind::ItemsDone { worker, count, .. } => {
                self.done += count;
                if let Some(worker) = worker {
                    self.workers.entry(*worker).or_default().done += count;
                }
            }
            EventKind::ItemFailed {
                worker,
                report,
                retried,
                ..
            } => {
                self.failed += usize::from(!retried);
                if let Some(worker) = worker {
                    self.workers.entry(*worker).or_default().failed += 1;
                }
                self.failures.push_front((event.at, report.clone()));
                self.failures.truncate(FAILURES);
            }
            EventKind::ItemRetried {
                revoked, failed, ..
            } => {
                self.retried += 1;
                match failed {
                    Some(_) if *revoked => self.failed -= 1,
                    None if *revoked => self.done -= 1,
                    _ => {}
                }
            }
            EventKind::WorkerStarted {
                worker: Some(worker),
                pid,
                ..
            } => {
                let worker = self.workers.entry(*worker).or_default();
                worker.restarts += usize::from(worker.pid != 0);
                worker.pid = *pid;
                worker.life = Life::Starting;
            }
            EventKind::WorkerReady {
                worker: Some(worker),
                ..
            } => self.workers.entry(*worker).or_default().life = Life::Ready,
            EventKind::WorkerEnded {
                worker: Some(worker),
                ..
            } => {
                let worker = self.workers.entry(*worker).or_default();
                worker.life = Life::Gone;
                // What it had begun has failed, and the rest is given to others.
                worker.chunks.clear();
            }
            _ => {}
        }
    }

    /// Items from this one on are given to somebody: nobody else has them any more.
    fn taken_back(&mut self, call: u64, first: usize) {
        for worker in self.workers.values_mut() {
            for chunk in &mut worker.chunks {
                let items = chunk.first..chunk.first + chunk.count;
                if chunk.call == call && items.contains(&first) {
                    chunk.count = first - chunk.first;
                }
            }
            // The first one may have been begun: it says itself when it is done.
            let mut index = 0;
            worker.chunks.retain(|chunk| {
                index += 1;
                index == 1 || chunk.count > 0
            });
        }
    }
}
