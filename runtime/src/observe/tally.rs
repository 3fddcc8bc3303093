//! What a pool counts of itself, always: the numbers behind its statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::longest::{LongItem, Longest};
use super::node::NodeStats;
use super::stats::{Parts, Stats, WorkerStats};
use super::timing::Timing;
use crate::event::{EventKind, FailureKind, ItemSpan};
use crate::sys::{host_name, nanos_of};

/// Counts what happens. It is told at once, by whoever has the pool's lock: it only adds, and what happens with each chunk
/// allocates nothing and looks nothing up.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// When the pool was made, in nanoseconds.
    since: u64,
    /// The program itself runs the items.
    own: Option<u32>,
    /// All items tell when they ran.
    insights: bool,
    /// By the number of the worker.
    workers: Vec<Worker>,
    /// Other ranks that have some.
    nodes: Vec<Node>,
    /// What happened outside of workers with a number.
    nobody: Worker,
    /// Results that were refused by who asked for them.
    refused: u64,
    failed: [u64; FailureKind::COUNT],
    retried: u64,
    dropped: u64,
    /// Only with insights: the functions of open calls.
    functions: BTreeMap<u64, &'static str>,
    longest: Longest,
}

/// A rank that has workers.
#[derive(Debug)]
struct Node {
    rank: usize,
    host: Arc<str>,
    lost: bool,
}

/// One worker number, with all processes that had it. Times are in nanoseconds.
#[derive(Debug, Default)]
struct Worker {
    /// The place of its node; none if it is of this process.
    node: Option<usize>,
    /// Results.
    done: u64,
    argument_bytes: u64,
    result_bytes: u64,
    working: u64,
    /// Items in chunks that are done.
    ran: u64,
    /// Failed attempts.
    failed: u64,
    processes: u64,
    unexpected: u64,
    /// The process that lives, and when it was begun to be started.
    living: Option<(u32, u64)>,
    /// Of those that ended.
    lived: u64,
    /// What it took to start the living one until now.
    starting: u64,
    start_up: Timing,
    init: Timing,
    exit: Timing,
    peak_memory: u64,
    parts: Parts,
}

impl Tally {
    /// Of a pool that is made now. If it runs everything in its own process, `own` is the id of that.
    pub(crate) fn new(now: u64, own: Option<u32>, insights: bool) -> Self {
        Self {
            since: now,
            own,
            insights,
            ..Self::default()
        }
    }

    /// Takes note of what happened at a time, in nanoseconds; 0 where the time does not matter.
    // Where it is told, it is known what happened: a few additions are left of all this there.
    #[inline(always)]
    pub(crate) fn count(&mut self, at: u64, kind: &EventKind) {
        match kind {
            EventKind::ChunkGiven { worker, bytes, .. } => {
                self.worker(*worker).argument_bytes += *bytes as u64;
            }
            EventKind::ItemsDone {
                worker,
                count,
                bytes,
                ..
            } => {
                let worker = self.worker(*worker);
                worker.done += *count as u64;
                worker.result_bytes += *bytes as u64;
            }
            EventKind::ChunkDone {
                worker,
                count,
                took,
                ..
            } => {
                let worker = self.worker(*worker);
                worker.ran += *count as u64;
                worker.working = worker.working.saturating_add(nanos_of(*took));
            }
            EventKind::CallStarted { .. } | EventKind::CallEnded { .. } if !self.insights => {}
            other => self.count_rare(at, other),
        }
    }

    #[inline]
    fn worker(&mut self, number: Option<usize>) -> &mut Worker {
        match number {
            Some(number) if number < self.workers.len() => &mut self.workers[number],
            Some(number) => self.new_worker(number),
            None => &mut self.nobody,
        }
    }

    #[cold]
    fn new_worker(&mut self, number: usize) -> &mut Worker {
        self.workers.resize_with(number + 1, Worker::default);
        &mut self.workers[number]
    }

    /// What does not happen with each chunk.
    #[cold]
    fn count_rare(&mut self, at: u64, kind: &EventKind) {
        match kind {
            EventKind::CallStarted { call, function, .. } => {
                self.functions.insert(*call, function);
            }
            EventKind::CallEnded { call } => {
                self.functions.remove(call);
            }
            EventKind::ItemsTimed {
                call,
                worker,
                spans,
            } if self.insights => self.count_spans(*call, *worker, spans),
            EventKind::ItemFailed {
                call,
                worker,
                index,
                attempt,
                failure,
                began,
                retried,
                ..
            } => {
                self.worker(*worker).failed += 1;
                self.failed[*failure as usize] += u64::from(!retried);
                // What ends a worker tells no times of its own.
                let ends = !matches!(failure, FailureKind::Panic | FailureKind::Codec);
                if let Some(began) = began.filter(|_| self.insights && ends) {
                    self.note_long(LongItem {
                        function: self.functions.get(call).copied().unwrap_or(""),
                        index: *index,
                        attempt: *attempt,
                        worker: *worker,
                        took: Duration::from_nanos(at.saturating_sub(began)),
                        failure: Some(*failure),
                    });
                }
            }
            EventKind::ItemRetried {
                revoked, failed, ..
            } => {
                self.retried += 1;
                match failed {
                    Some(failure) if *revoked => {
                        let failed = &mut self.failed[*failure as usize];
                        *failed = failed.saturating_sub(1);
                    }
                    _ => self.refused += u64::from(*revoked),
                }
            }
            EventKind::ItemsDropped { count, .. } => self.dropped += *count as u64,
            EventKind::WorkerStarted { worker, pid, took } => {
                let worker = self.worker(*worker);
                worker.processes += 1;
                worker.starting = nanos_of(*took);
                worker.living = Some((*pid, at.saturating_sub(worker.starting)));
            }
            EventKind::WorkerReady { worker, took, .. } => {
                let worker = self.worker(*worker);
                let nanos = worker.starting.saturating_add(nanos_of(*took));
                worker.start_up.add(nanos);
            }
            EventKind::WorkerInitialized { worker, took, .. } => {
                self.worker(*worker).init.add(nanos_of(*took));
            }
            EventKind::WorkerFinalized { worker, took, .. } => {
                self.worker(*worker).exit.add(nanos_of(*took));
            }
            EventKind::WorkerEnded {
                worker,
                unexpected,
                peak_memory,
                ..
            } => {
                let worker = self.worker(*worker);
                worker.unexpected += u64::from(*unexpected);
                worker.peak_memory = worker.peak_memory.max(*peak_memory);
                if let Some((_, born)) = worker.living.take() {
                    worker.lived += at.saturating_sub(born);
                }
            }
            EventKind::NodeJoined {
                rank,
                host,
                first,
                workers,
            } => {
                let known = self.nodes.iter().position(|node| node.rank == *rank);
                let node = known.unwrap_or(self.nodes.len());
                if known.is_none() {
                    self.nodes.push(Node {
                        rank: *rank,
                        host: host.as_str().into(),
                        lost: false,
                    });
                }
                for number in *first..first.saturating_add(*workers) {
                    self.worker(Some(number)).node = Some(node);
                }
            }
            EventKind::NodeLost { rank, .. } => {
                let lost = self.nodes.iter_mut().filter(|node| node.rank == *rank);
                lost.for_each(|node| node.lost = true);
            }
            _ => {}
        }
    }

    /// The process that has this number.
    #[cfg(feature = "mpi")]
    pub(crate) fn living(&self, number: usize) -> Option<u32> {
        let worker = self.workers.get(number)?;
        worker.living.map(|(pid, _)| pid)
    }

    fn count_spans(&mut self, call: u64, number: Option<usize>, spans: &[ItemSpan]) {
        for span in spans {
            self.worker(number).parts.add(span);
            if self.longest.takes(span.total()) {
                self.note_long(LongItem {
                    function: self.functions.get(&call).copied().unwrap_or(""),
                    index: span.index,
                    attempt: span.attempt,
                    worker: number,
                    took: Duration::from_nanos(span.total()),
                    failure: None,
                });
            }
        }
    }

    fn note_long(&mut self, item: LongItem) {
        if self.longest.takes(nanos_of(item.took)) {
            self.longest.add(item);
        }
    }

    /// All numbers as they are now. `running` tells since when workers are at what they run, in nanoseconds.
    pub(crate) fn stats(&self, now: u64, running: &[(usize, u64)]) -> Stats {
        let own_host: Arc<str> = host_name().into();
        let place = |worker: &Worker| match worker.node.and_then(|node| self.nodes.get(node)) {
            Some(node) => (node.rank, Arc::clone(&node.host)),
            None => (0, Arc::clone(&own_host)),
        };
        // Beside nodes there can be numbers of this process that nobody had.
        let shown = |worker: &Worker| self.nodes.is_empty() || worker.processes > 0;
        let workers = self.workers.iter().enumerate();
        let mut workers: Vec<_> = workers
            .filter(|(_, worker)| shown(worker))
            .map(|(number, worker)| worker.stats(number, place(worker), now, running))
            .collect();
        if let Some(own) = self.own {
            if workers.is_empty() {
                workers.push(Worker::default().stats(0, (0, Arc::clone(&own_host)), now, &[]));
            }
            for (worker, counted) in workers.iter_mut().zip(&self.workers) {
                worker.working = counted.working;
            }
            for worker in &mut workers {
                worker.processes = 1;
                worker.pid = Some(own);
                // Calls from several threads run beside each other.
                worker.life = now.saturating_sub(self.since).max(worker.working);
            }
        }
        let done = workers.iter().map(|worker| worker.items).sum::<u64>() + self.nobody.done;
        Stats {
            elapsed: now.saturating_sub(self.since),
            insights: self.insights,
            done: done.saturating_sub(self.refused),
            failed: self.failed,
            retried: self.retried,
            dropped: self.dropped,
            longest: self.longest.clone().into_items(),
            nodes: self.node_stats(&own_host, &workers),
            workers,
        }
    }
}

impl Tally {
    /// All ranks that have workers, if there are others than this one.
    fn node_stats(&self, own_host: &Arc<str>, workers: &[WorkerStats]) -> Vec<NodeStats> {
        if self.nodes.is_empty() {
            return Vec::new();
        }
        let own = (0, own_host, false);
        let others = self.nodes.iter();
        let others = others.map(|node| (node.rank, &node.host, node.lost));
        let mut nodes: Vec<_> = std::iter::once(own)
            .chain(others)
            .map(|(rank, host, lost)| NodeStats::new(rank, Arc::clone(host), lost, workers))
            .filter(|node| node.rank != 0 || node.workers > 0)
            .collect();
        nodes.sort_by_key(|node| node.rank);
        nodes
    }
}

impl Worker {
    fn stats(
        &self,
        number: usize,
        (rank, host): (usize, Arc<str>),
        now: u64,
        running: &[(usize, u64)],
    ) -> WorkerStats {
        let since = self.living.map(|(_, born)| born);
        let life = self.lived + since.map_or(0, |born| now.saturating_sub(born));
        let running = running.iter().find(|(worker, _)| *worker == number);
        // A worker says itself when it began: no more than its life is believed.
        let running = running.zip(since).map_or(0, |((_, began), born)| {
            now.saturating_sub(*began.max(&born))
        });
        WorkerStats {
            number,
            rank,
            host,
            processes: self.processes,
            unexpected: self.unexpected,
            pid: self.living.map(|(pid, _)| pid),
            items: self.done,
            failed: self.failed,
            ran: self.ran,
            life,
            start_up: self.start_up,
            init: self.init,
            exit: self.exit,
            working: self.working.saturating_add(running).min(life),
            argument_bytes: self.argument_bytes,
            result_bytes: self.result_bytes,
            peak_memory: self.peak_memory,
            parts: self.parts,
        }
    }
}
