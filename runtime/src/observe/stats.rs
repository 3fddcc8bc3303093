//! The statistics of a pool.

use std::sync::Arc;
use std::time::Duration;

use super::longest::LongItem;
use super::node::NodeStats;
use super::timing::Timing;
use crate::event::{FailureKind, ItemSpan};
use crate::sys::peak_memory;

/// What a pool did until now: [`Pool::stats`](crate::Pool::stats). Printed, it is a table.
///
/// The table has a row for each worker: how often it was started, how many results it gave, how many attempts
/// failed there, how its life divides, its utilization (`busy`), bytes of arguments (`in`) and results (`out`), and
/// its peak memory; if there are other ranks, also where it is (`host:rank`). Below are sums, for each rank and for
/// all, mean and deviation (of start-up, init and exit function over processes, of waiting and working over
/// workers), and the share of the workers' whole life.
///
/// Counts, the times of workers and bytes are always there. How the time of items divides, its deviation and the
/// items that took longest are known only with [`insights`](crate::PoolBuilder::insights), and are empty without.
///
/// ```
/// # use parproc::{Pool, parallel};
/// # use std::time::Duration;
/// #[parallel]
/// fn rest(millis: u64) {
///     std::thread::sleep(Duration::from_millis(millis));
/// }
///
/// let pool = Pool::builder().workers(1).insights(true).build()?;
/// pool.for_each(rest, [1, 10, 20])?;
/// let stats = pool.stats();
/// assert_eq!((stats.done(), stats.failed()), (3, 0));
/// assert!(stats.working().total() >= Duration::from_millis(31));
/// assert_eq!(stats.longest()[0].index, 2);
/// println!("{stats}");
/// # Ok::<(), parproc::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    pub(super) elapsed: u64,
    pub(super) insights: bool,
    pub(super) done: u64,
    pub(super) failed: [u64; FailureKind::COUNT],
    pub(super) retried: u64,
    pub(super) dropped: u64,
    pub(super) longest: Vec<LongItem>,
    pub(super) workers: Vec<WorkerStats>,
    pub(super) nodes: Vec<NodeStats>,
}

/// What one worker did: all processes that had its number, one after the other.
///
/// Its life divides into start-up, init function, waiting, working and exit function. These add up to it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerStats {
    pub(super) number: usize,
    pub(super) rank: usize,
    pub(super) host: Arc<str>,
    pub(super) processes: u64,
    pub(super) unexpected: u64,
    pub(super) pid: Option<u32>,
    pub(super) items: u64,
    pub(super) failed: u64,
    pub(super) ran: u64,
    pub(super) life: u64,
    pub(super) start_up: Timing,
    pub(super) init: Timing,
    pub(super) exit: Timing,
    pub(super) working: u64,
    pub(super) argument_bytes: u64,
    pub(super) result_bytes: u64,
    pub(super) peak_memory: u64,
    pub(super) parts: Parts,
}

/// How the time of items divides.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) whole: Timing,
    pub(super) decoding: Timing,
    pub(super) running: Timing,
    pub(super) encoding: Timing,
}

impl Parts {
    pub(super) fn add(&mut self, span: &ItemSpan) {
        self.whole.add(span.total());
        self.decoding.add(span.decoding);
        self.running.add(span.running);
        self.encoding.add(span.encoding);
    }
}

impl Stats {
    /// How long ago the pool was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.elapsed)
    }

    /// True if times of single items are known: see [`insights`](crate::PoolBuilder::insights).
    #[must_use]
    pub fn has_insights(&self) -> bool {
        self.insights
    }

    /// How many items gave results. One that was tried again for its result
    /// ([`retry_if`](crate::Job::retry_if)) counts once. Those
    /// whose results a [journal](crate::Job::journal) had count too, though no worker ran them.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How many items failed for good.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// How many items failed for good in this way.
    #[must_use]
    pub fn failed_by(&self, failure: FailureKind) -> u64 {
        self.failed[failure as usize]
    }

    /// How often items were tried again.
    #[must_use]
    pub fn retried(&self) -> u64 {
        self.retried
    }

    /// How many items were submitted and are not run, since their call failed, was cancelled or ran out of time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What each worker did, by number. An inline pool has one: the program itself.
    #[must_use]
    pub fn workers(&self) -> &[WorkerStats] {
        &self.workers
    }

    /// What each rank of a launch (feature `mpi`) did, by rank, as far as it had workers of this pool. Empty if no
    /// other rank had some.
    #[must_use]
    pub fn nodes(&self) -> &[NodeStats] {
        &self.nodes
    }

    /// From the order to start a process until it could run items, by process.
    #[must_use]
    pub fn start_up(&self) -> Timing {
        self.merged(|worker| worker.start_up)
    }

    /// In the [init function](crate::PoolBuilder::init), by process.
    #[must_use]
    pub fn init(&self) -> Timing {
        self.merged(|worker| worker.init)
    }

    /// Ready, with nothing to do, by worker.
    #[must_use]
    pub fn waiting(&self) -> Timing {
        self.workers.iter().map(WorkerStats::waiting).collect()
    }

    /// At chunks of items, by worker: what is encoded and decoded there included.
    #[must_use]
    pub fn working(&self) -> Timing {
        self.workers.iter().map(WorkerStats::working).collect()
    }

    /// In the [exit function](crate::PoolBuilder::exit), by process.
    #[must_use]
    pub fn exit(&self) -> Timing {
        self.merged(|worker| worker.exit)
    }

    /// From the order to start a process until it was gone, by worker.
    #[must_use]
    pub fn life(&self) -> Timing {
        self.workers.iter().map(WorkerStats::life).collect()
    }

    /// The part of the workers' life in which they worked, from 0 to 1; 0 if none lived.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        share(self.working().total(), self.life().total())
    }

    /// What an item took, decoding and encoding included, from the times of chunks. None if none was run.
    #[must_use]
    pub fn mean_item(&self) -> Option<Duration> {
        let ran: u64 = self.workers.iter().map(|worker| worker.ran).sum();
        let working: u64 = self.workers.iter().map(|worker| worker.working).sum();
        Some(Duration::from_nanos(working.checked_div(ran)?))
    }

    /// What items took, decoding and encoding included. Empty without insights.
    #[must_use]
    pub fn items(&self) -> Timing {
        self.merged(|worker| worker.parts.whole)
    }

    /// What it took to make the arguments of items out of bytes. Empty without insights, and in an inline pool.
    #[must_use]
    pub fn decoding(&self) -> Timing {
        self.merged(|worker| worker.parts.decoding)
    }

    /// What functions took for items. Empty without insights.
    #[must_use]
    pub fn running(&self) -> Timing {
        self.merged(|worker| worker.parts.running)
    }

    /// What it took to make bytes of the results of items and to hand them over. Empty without insights, and in
    /// an inline pool.
    #[must_use]
    pub fn encoding(&self) -> Timing {
        self.merged(|worker| worker.parts.encoding)
    }

    /// How many bytes of arguments were handed to workers. What was taken back and given to another one counts
    /// each time.
    #[must_use]
    pub fn argument_bytes(&self) -> u64 {
        self.sum(|worker| worker.argument_bytes)
    }

    /// How many bytes of results workers handed back.
    #[must_use]
    pub fn result_bytes(&self) -> u64 {
        self.sum(|worker| worker.result_bytes)
    }

    /// How many processes took the place of one that had ended, for whatever reason.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.sum(WorkerStats::restarts)
    }

    /// The most memory that a single worker had in use, in bytes; 0 if that is not known.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let peaks = self.workers.iter().map(|worker| worker.peak_memory);
        peaks.max().unwrap_or(0)
    }

    /// The five items that took longest, longest first, those that ended their worker among them. Empty without
    /// insights.
    #[must_use]
    pub fn longest(&self) -> &[LongItem] {
        &self.longest
    }

    fn merged(&self, timing: impl Fn(&WorkerStats) -> Timing) -> Timing {
        let mut merged = Timing::default();
        for worker in &self.workers {
            merged.merge(&timing(worker));
        }
        merged
    }

    fn sum(&self, number: impl Fn(&WorkerStats) -> u64) -> u64 {
        self.workers.iter().map(number).sum()
    }

    /// Looks how much memory those workers have had that live here.
    pub(crate) fn look_at_memory(&mut self) {
        for worker in self.workers.iter_mut().filter(|worker| worker.rank == 0) {
            let peak = worker.pid.and_then(peak_memory);
            worker.peak_memory = worker.peak_memory.max(peak.unwrap_or(0));
            let own = self.nodes.iter_mut().filter(|node| node.rank == 0);
            own.for_each(|node| node.peak_memory = node.peak_memory.max(worker.peak_memory));
        }
    }
}

impl WorkerStats {
    /// The number of the worker.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The rank of the launch (feature `mpi`) that it is on; 0 for workers of this process.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The name of its machine.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How many processes had the number.
    #[must_use]
    pub fn processes(&self) -> u64 {
        self.processes
    }

    /// How many of them took the place of one that had ended.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.processes.saturating_sub(1)
    }

    /// How many of them ended without the pool's doing: by crashes, exits, or kills from outside.
    #[must_use]
    pub fn unexpected_ends(&self) -> u64 {
        self.unexpected
    }

    /// The process that has the number now.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// How many results it gave. That of an item that was tried again counts too.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }

    /// How many attempts failed here.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// From the order to start a process until it was gone, or now.
    #[must_use]
    pub fn life(&self) -> Duration {
        Duration::from_nanos(self.life)
    }

    /// From the order to start a process until it could run items, by process.
    #[must_use]
    pub fn start_up(&self) -> Timing {
        self.start_up
    }

    /// In the [init function](crate::PoolBuilder::init), by process.
    #[must_use]
    pub fn init(&self) -> Timing {
        self.init
    }

    /// Ready, with nothing to do.
    #[must_use]
    pub fn waiting(&self) -> Duration {
        let others = [self.start_up, self.init, self.exit].map(|timing| timing.total());
        let others = others
            .into_iter()
            .fold(self.working(), |sum, one| sum + one);
        self.life().saturating_sub(others)
    }

    /// At chunks of items: what is encoded and decoded there included.
    #[must_use]
    pub fn working(&self) -> Duration {
        Duration::from_nanos(self.working)
    }

    /// In the [exit function](crate::PoolBuilder::exit), by process.
    #[must_use]
    pub fn exit(&self) -> Timing {
        self.exit
    }

    /// The part of its life in which it worked, from 0 to 1; 0 if it did not live.
    #[must_use]
    pub fn utilization(&self) -> f64 {
        share(self.working(), self.life())
    }

    /// What its items took, decoding and encoding included. Empty without insights.
    #[must_use]
    pub fn item_times(&self) -> Timing {
        self.parts.whole
    }

    /// How many bytes of arguments it was handed.
    #[must_use]
    pub fn argument_bytes(&self) -> u64 {
        self.argument_bytes
    }

    /// How many bytes of results it handed back.
    #[must_use]
    pub fn result_bytes(&self) -> u64 {
        self.result_bytes
    }

    /// The most memory that one of its processes had in use, in bytes; 0 if that is not known.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        self.peak_memory
    }
}

/// The part that one is of the other.
pub(super) fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        return 0.0;
    }
    (part.as_secs_f64() / whole.as_secs_f64()).min(1.0)
}
