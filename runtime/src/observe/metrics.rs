//! Events as metrics of the crate `metrics`.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use super::{Event, EventKind, FailureKind, Interest, Observer};

const CALLS: &str = "parproc_calls";
const DONE: &str = "parproc_items_done_total";
const FAILED: &str = "parproc_items_failed_total";
const RETRIED: &str = "parproc_items_retried_total";
const DROPPED: &str = "parproc_items_dropped_total";
const GIVEN: &str = "parproc_items_given";
const SECONDS: &str = "parproc_item_seconds";
const ARGUMENTS: &str = "parproc_argument_bytes_total";
const RESULTS: &str = "parproc_result_bytes_total";
const WORKERS: &str = "parproc_workers";
const STARTED: &str = "parproc_workers_started_total";
const LOST: &str = "parproc_workers_lost_total";
const READY: &str = "parproc_worker_start_seconds";
const NODES: &str = "parproc_nodes";
const NODES_LOST: &str = "parproc_nodes_lost_total";

/// Feeds the recorder of the crate [`metrics`](https://docs.rs/metrics) that the program has installed, with
/// what happens in a pool.
///
/// ```
/// use parproc::observe::Metrics;
/// use parproc::{Pool, parallel};
///
/// #[parallel]
/// fn square(x: u64) -> u64 {
///     x * x
/// }
///
/// let pool = Pool::builder().observe(Metrics::new().pool("squares")).build()?;
/// pool.map(square, 0..100)?;
/// # Ok::<(), parproc::Error>(())
/// ```
///
/// | metric | kind | labels besides `pool` | meaning |
/// | --- | --- | --- | --- |
/// | `parproc_calls` | gauge | `function` | calls that are not over |
/// | `parproc_items_given` | gauge | `function` | items that workers have, running or waiting there |
/// | `parproc_items_done_total` | counter | `function` | items that gave a result |
/// | `parproc_items_failed_total` | counter | `function`, `failure` | attempts that failed: `panic`, `crash`, `timeout`, `memory`, `cancelled`, `codec` |
/// | `parproc_items_retried_total` | counter | `function` | attempts that followed another one |
/// | `parproc_items_dropped_total` | counter | `function` | items that were not run, since their call was ended |
/// | `parproc_item_seconds` | histogram | `function` | how long the function ran, with [`item_seconds`](Self::item_seconds) |
/// | `parproc_argument_bytes_total`, `parproc_result_bytes_total` | counter | `function` | bytes to and from workers |
/// | `parproc_workers` | gauge | | workers that live |
/// | `parproc_workers_started_total` | counter | | workers that were started |
/// | `parproc_workers_lost_total` | counter | | workers that ended by themselves, or were killed by somebody else |
/// | `parproc_worker_start_seconds` | histogram | | how long a worker took until it could run items |
/// | `parproc_nodes` | gauge | | other ranks of a launch that have workers |
/// | `parproc_nodes_lost_total` | counter | | ranks that are gone |
///
/// The label `pool` is there if the pool has a [name](Self::pool). The recorder is the one that is installed when
/// something happens; a name that it is told is as the Prometheus exporter wants it.
#[derive(Debug, Default)]
pub struct Metrics {
    pool: Option<String>,
    item_seconds: bool,
    described: bool,
    calls: HashMap<u64, Call>,
    workers: u64,
    /// Other ranks.
    nodes: HashSet<usize>,
    /// Chunks that workers have: the calls and the first items, and how many items.
    given: HashMap<Option<usize>, HashMap<(u64, usize), usize>>,
}

#[derive(Debug)]
struct Call {
    function: &'static str,
    /// Its chunks that workers have; its name is needed until they are done.
    chunks: usize,
    over: bool,
}

impl Metrics {
    /// For one pool, without a name.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With a label `pool`, to tell pools apart.
    #[must_use]
    pub fn pool(mut self, name: impl Into<String>) -> Self {
        self.pool = Some(name.into());
        self
    }

    /// With the time of each item. Workers read the clock for each one then, which tiny items notice.
    #[must_use]
    pub fn item_seconds(mut self) -> Self {
        self.item_seconds = true;
        self
    }

    fn describe(&mut self) {
        if std::mem::replace(&mut self.described, true) {
            return;
        }
        describe_gauge!(CALLS, "Calls that are not over");
        describe_gauge!(GIVEN, "Items that workers have");
        describe_counter!(DONE, "Items that gave a result");
        describe_counter!(FAILED, "Attempts at items that failed");
        describe_counter!(RETRIED, "Attempts at items that followed another one");
        describe_counter!(
            DROPPED,
            "Items that were not run, since their call was ended"
        );
        describe_histogram!(
            SECONDS,
            Unit::Seconds,
            "How long the function ran for an item"
        );
        describe_counter!(
            ARGUMENTS,
            Unit::Bytes,
            "Arguments that were handed to workers"
        );
        describe_counter!(RESULTS, Unit::Bytes, "Results that workers gave");
        describe_gauge!(WORKERS, "Workers that live");
        describe_counter!(STARTED, "Workers that were started");
        describe_counter!(LOST, "Workers that ended without the pool's doing");
        describe_histogram!(
            READY,
            Unit::Seconds,
            "How long a worker took until it could run items"
        );
        describe_gauge!(NODES, "Other ranks of a launch that have workers");
        describe_counter!(NODES_LOST, "Ranks that are gone");
    }

    fn labels(&self, more: &[(&'static str, &'static str)]) -> Vec<metrics::Label> {
        let pool = self.pool.iter();
        let pool = pool.map(|pool| metrics::Label::new("pool", pool.clone()));
        let more = more.iter();
        pool.chain(more.map(|(key, value)| metrics::Label::from_static_parts(key, value)))
            .collect()
    }

    fn function(&self, call: u64) -> &'static str {
        // None is known of a call that began before this was told anything.
        self.calls.get(&call).map_or("", |call| call.function)
    }

    fn of(&self, call: u64) -> Vec<metrics::Label> {
        self.labels(&[("function", self.function(call))])
    }

    fn given(&mut self, worker: Option<usize>, call: u64, first: usize, count: usize) {
        gauge!(GIVEN, self.of(call)).increment(count as f64);
        let chunks = self.given.entry(worker).or_default();
        if let Some(before) = chunks.insert((call, first), count) {
            // It came back there without a word.
            gauge!(GIVEN, self.of(call)).decrement(before as f64);
        } else if let Some(call) = self.calls.get_mut(&call) {
            call.chunks += 1;
        }
    }

    fn taken(&mut self, call: u64, count: usize) {
        gauge!(GIVEN, self.of(call)).decrement(count as f64);
        if let Some(known) = self.calls.get_mut(&call) {
            known.chunks = known.chunks.saturating_sub(1);
            if known.over && known.chunks == 0 {
                self.calls.remove(&call);
            }
        }
    }

    fn worker_ended(&mut self, worker: Option<usize>) {
        for ((call, _), count) in self.given.remove(&worker).unwrap_or_default() {
            self.taken(call, count);
        }
    }

    fn call_ended(&mut self, call: u64) {
        gauge!(CALLS, self.of(call)).decrement(1.0);
        if let Some(known) = self.calls.get_mut(&call) {
            known.over = true;
            if known.chunks == 0 {
                self.calls.remove(&call);
            }
        }
    }

    fn failed(&self, call: u64, failure: FailureKind) {
        let labels = [
            ("function", self.function(call)),
            ("failure", failure.name()),
        ];
        counter!(FAILED, self.labels(&labels)).increment(1);
    }

    fn take_note(&mut self, kind: &EventKind) {
        match kind {
            EventKind::CallStarted { call, function, .. } => {
                let known = Call {
                    function,
                    chunks: 0,
                    over: false,
                };
                self.calls.insert(*call, known);
                gauge!(CALLS, self.of(*call)).increment(1.0);
            }
            EventKind::CallEnded { call } => self.call_ended(*call),
            EventKind::ChunkGiven {
                call,
                worker,
                first,
                count,
                bytes,
            } => {
                self.given(*worker, *call, *first, *count);
                counter!(ARGUMENTS, self.of(*call)).increment(*bytes as u64);
            }
            EventKind::ChunkDone {
                call,
                worker,
                first,
                ..
            } => {
                let chunks = self.given.get_mut(worker);
                if let Some(count) = chunks.and_then(|chunks| chunks.remove(&(*call, *first))) {
                    self.taken(*call, count);
                }
            }
            EventKind::ItemsDone {
                call, count, bytes, ..
            } => {
                counter!(DONE, self.of(*call)).increment(*count as u64);
                counter!(RESULTS, self.of(*call)).increment(*bytes as u64);
            }
            EventKind::ItemsTimed { call, spans, .. } => {
                let seconds = histogram!(SECONDS, self.of(*call));
                for span in spans {
                    seconds.record(Duration::from_nanos(span.running));
                }
            }
            EventKind::ItemFailed { call, failure, .. } => self.failed(*call, *failure),
            EventKind::ItemRetried { call, .. } => {
                counter!(RETRIED, self.of(*call)).increment(1);
            }
            EventKind::ItemsDropped { call, count } => {
                counter!(DROPPED, self.of(*call)).increment(*count as u64);
            }
            EventKind::WorkerStarted { .. } => {
                self.workers += 1;
                gauge!(WORKERS, self.labels(&[])).increment(1.0);
                counter!(STARTED, self.labels(&[])).increment(1);
            }
            EventKind::WorkerReady { took, .. } => {
                histogram!(READY, self.labels(&[])).record(*took);
            }
            EventKind::WorkerEnded {
                worker, unexpected, ..
            } => {
                self.worker_ended(*worker);
                self.workers = self.workers.saturating_sub(1);
                gauge!(WORKERS, self.labels(&[])).decrement(1.0);
                if *unexpected {
                    counter!(LOST, self.labels(&[])).increment(1);
                }
            }
            EventKind::NodeJoined { rank, .. } => {
                if self.nodes.insert(*rank) {
                    gauge!(NODES, self.labels(&[])).increment(1.0);
                }
            }
            EventKind::NodeLost { rank, .. } => {
                if self.nodes.remove(rank) {
                    gauge!(NODES, self.labels(&[])).decrement(1.0);
                }
                counter!(NODES_LOST, self.labels(&[])).increment(1);
            }
            EventKind::WorkerInitialized { .. } | EventKind::WorkerFinalized { .. } => {}
        }
    }
}

impl Observer for Metrics {
    fn interest(&self) -> Interest {
        if self.item_seconds {
            Interest::ITEM_TIMES
        } else {
            Interest::USUAL
        }
    }

    fn observe(&mut self, events: &[Event]) {
        self.describe();
        for event in events {
            self.take_note(&event.kind);
        }
    }

    fn finish(&mut self) {
        // Nothing of the pool is left, whatever was not said of its end.
        let workers: Vec<_> = self.given.keys().copied().collect();
        for worker in workers {
            self.worker_ended(worker);
        }
        let calls: Vec<_> = self.calls.keys().copied().collect();
        for call in calls {
            if !self.calls[&call].over {
                self.call_ended(call);
            }
        }
        let workers = std::mem::take(&mut self.workers);
        gauge!(WORKERS, self.labels(&[])).decrement(workers as f64);
        let nodes = std::mem::take(&mut self.nodes);
        gauge!(NODES, self.labels(&[])).decrement(nodes.len() as f64);
    }
}
