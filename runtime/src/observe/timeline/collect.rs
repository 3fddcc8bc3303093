//! Takes events in.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::event::{Event, EventKind, FailureKind, ItemSpan};
use crate::sys;

use super::calls::Calls;
use super::durations::Durations;
use super::failures::{Failure, Failures};
use super::lane::{Lane, LaneKey, Life, Totals};
use super::nodes::Nodes;
use super::spans::Span;
use super::{LANES, LIVES, SPANS};

/// The narrowest cell in which items are merged, in nanoseconds.
const CELL: u64 = 256;
/// What a function is called whose call began before anybody observed.
const UNKNOWN: &str = "?";

/// What happened so far.
#[derive(Debug, Clone)]
pub(in crate::observe) struct Timeline {
    /// The time of the first event, by the clock of events; none before it.
    pub(super) origin: Option<u64>,
    /// When that was by the calendar, in milliseconds since 1970.
    pub(super) started: u64,
    /// The latest time that was told, since the origin.
    pub(super) latest: u64,
    /// Spans are items, and not chunks.
    pub(super) detailed: bool,
    pub(super) functions: Vec<&'static str>,
    pub(super) lanes: Vec<Lane>,
    /// Place of the lane; none if there were too many.
    places: HashMap<LaneKey, Option<usize>>,
    pub(super) lanes_left_out: usize,
    pub(super) nodes: Nodes,
    pub(super) calls: Calls,
    pub(super) failures: Failures,
    pub(super) durations: Durations,
    /// What no single worker has: items, failed and retried of all calls.
    pub(super) sums: Sums,
    pub(super) pools: usize,
    pub(super) finished: bool,
    /// Counts the changes.
    pub(in crate::observe) revision: u64,
    pub(super) cell: u64,
    spans: usize,
    lives: usize,
}

/// Sums over all calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) items: u64,
    pub(super) failed: u64,
    pub(super) retried: u64,
    pub(super) dropped: u64,
    pub(super) crashes: u64,
}

impl Timeline {
    /// An empty one, which takes the times of single items if it is `detailed`, and else those of chunks.
    pub(in crate::observe) fn new(detailed: bool) -> Self {
        Self {
            origin: None,
            started: unix_millis(0),
            latest: 0,
            detailed,
            functions: Vec::new(),
            lanes: Vec::new(),
            places: HashMap::new(),
            lanes_left_out: 0,
            nodes: Nodes::default(),
            calls: Calls::default(),
            failures: Failures::default(),
            durations: Durations::default(),
            sums: Sums::default(),
            pools: 0,
            finished: false,
            revision: 0,
            cell: 0,
            spans: 0,
            lives: 0,
        }
    }

    /// Whether spans are items, and else chunks.
    pub(in crate::observe) fn set_detailed(&mut self, detailed: bool) {
        self.detailed = detailed;
        self.revision += 1;
    }

    /// Another pool is told of from now on. Gives its number, from 1.
    pub(in crate::observe) fn add_pool(&mut self) -> usize {
        self.pools += 1;
        self.pools
    }

    /// Whether nothing more comes.
    pub(in crate::observe) fn finish(&mut self, finished: bool) {
        self.finished = finished;
        if finished {
            self.rest(|_| true);
        }
        self.revision += 1;
    }

    /// True when nothing more comes.
    #[cfg(feature = "dashboard")]
    pub(in crate::observe) fn is_finished(&self) -> bool {
        self.finished
    }

    /// How many calls run.
    pub(in crate::observe) fn running(&self) -> usize {
        self.calls.running()
    }

    /// These things happened in the pool with this number.
    pub(in crate::observe) fn feed(&mut self, pool: usize, events: &[Event]) {
        for event in events {
            self.take(pool, event);
        }
        self.revision += 1;
    }

    /// Nothing runs in these lanes.
    fn rest(&mut self, which: impl Fn(&Lane) -> bool) {
        let lanes = self.lanes.iter_mut().filter(|lane| which(lane));
        lanes.for_each(Lane::take_all_back);
    }

    /// Makes the cells twice as wide until half of the room for spans is free.
    fn widen(&mut self) {
        while self.spans > SPANS / 2 {
            self.cell = (self.cell * 2).max(CELL);
            self.spans = 0;
            for lane in &mut self.lanes {
                lane.spans.merge(self.cell);
                self.spans += lane.spans.len();
            }
        }
    }

    fn since_origin(&mut self, at: u64) -> u64 {
        let origin = *self.origin.get_or_insert_with(|| {
            self.started = unix_millis(sys::now_nanos().saturating_sub(at));
            at
        });
        at.saturating_sub(origin)
    }

    fn take(&mut self, pool: usize, event: &Event) {
        if let (None, EventKind::WorkerStarted { took, .. }) = (self.origin, &event.kind) {
            // The picture begins where the first worker does.
            self.since_origin(event.at.saturating_sub(sys::nanos_of(*took)));
        }
        let at = self.since_origin(event.at);
        self.latest = self.latest.max(at);
        match &event.kind {
            EventKind::CallStarted {
                call,
                function,
                items,
            } => {
                let function = self.function(function);
                self.calls.begin((pool, *call), function, *items, at);
            }
            EventKind::CallEnded { call } => {
                self.calls.end((pool, *call), at);
                if !self.calls.runs(pool) {
                    self.rest(|lane| lane.key.0 == pool);
                }
            }
            EventKind::ChunkGiven {
                call,
                worker,
                bytes,
                ..
            } => {
                let function = self.function_of((pool, *call));
                if let Some(lane) = self.lane((pool, *worker)) {
                    lane.totals.bytes_in += *bytes as u64;
                    lane.give(function, at);
                }
            }
            EventKind::ChunkDone {
                call,
                worker,
                first,
                count,
                took,
            } => {
                if let Some(lane) = self.lane((pool, *worker)) {
                    lane.take_back();
                }
                if self.detailed || *count == 0 {
                    return;
                }
                let took = sys::nanos_of(*took);
                let function = self.function_of((pool, *call));
                let span = Span {
                    count: *count as u64,
                    longest: 0,
                    ..Span::item(function, *first, at.saturating_sub(took), took)
                };
                self.durations.add(function, took / span.count, span.count);
                self.totals((pool, *worker), |sums| sums.running += took);
                self.span((pool, *worker), span, at);
            }
            EventKind::ItemsDone {
                call,
                worker,
                count,
                bytes,
            } => {
                let count = *count as u64;
                self.sums.items += count;
                if let Some(call) = self.calls.get((pool, *call)) {
                    call.done += count;
                }
                self.totals((pool, *worker), |sums| {
                    sums.items += count;
                    sums.bytes_out += *bytes as u64;
                });
            }
            EventKind::ItemsTimed {
                call,
                worker,
                spans,
            } if self.detailed => {
                let function = self.function_of((pool, *call));
                self.items((pool, *worker), function, spans, at);
            }
            EventKind::ItemFailed { .. } => self.failed(pool, at, &event.kind),
            EventKind::ItemRetried {
                call,
                index,
                revoked,
                ..
            } => {
                self.sums.retried += 1;
                let revoked_failure = *revoked && self.failures.revoke(pool, *call, *index);
                let call = self.calls.get((pool, *call));
                let (done, failed) = match (revoked, revoked_failure) {
                    (false, _) => (0, 0),
                    (true, true) => (0, 1),
                    (true, false) => (1, 0),
                };
                self.sums.items = self.sums.items.saturating_sub(done);
                self.sums.failed = self.sums.failed.saturating_sub(failed);
                if let Some(call) = call {
                    call.retried += 1;
                    call.done = call.done.saturating_sub(done);
                    call.failed = call.failed.saturating_sub(failed);
                }
            }
            EventKind::ItemsDropped { count, .. } => self.sums.dropped += *count as u64,
            _ => self.worker(pool, at, &event.kind),
        }
    }

    /// Something became of a worker.
    fn worker(&mut self, pool: usize, at: u64, kind: &EventKind) {
        match kind {
            EventKind::WorkerStarted { worker, pid, took } => {
                let room = self.lives < LIVES;
                self.lives += 1;
                let Some(lane) = self.lane((pool, *worker)) else {
                    return;
                };
                lane.totals.processes += 1;
                let started = at.saturating_sub(sys::nanos_of(*took));
                match lane.lives.last_mut() {
                    // There is no room to tell it from the one before, whose place it takes.
                    Some(last) if !room => {
                        lane.totals.alive +=
                            last.ended.map_or(0, |end| end.saturating_sub(last.started));
                        *last = Life::new(*pid, started);
                    }
                    _ => lane.lives.push(Life::new(*pid, started)),
                }
            }
            EventKind::WorkerReady { worker, pid, took } => {
                if let Some(lane) = self.lane((pool, *worker)) {
                    lane.totals.starting += sys::nanos_of(*took);
                    if let Some(life) = lane.life(*pid) {
                        life.prepared = Some(at);
                    }
                }
            }
            EventKind::WorkerInitialized { worker, pid, took } => {
                if let Some(lane) = self.lane((pool, *worker)) {
                    lane.totals.initializing += sys::nanos_of(*took);
                    if let Some(life) = lane.life(*pid) {
                        life.prepared = Some(at);
                    }
                }
            }
            EventKind::WorkerEnded {
                worker,
                pid,
                how,
                unexpected,
                peak_memory,
                cpu,
            } => {
                self.sums.crashes += u64::from(*unexpected);
                if let Some(lane) = self.lane((pool, *worker)) {
                    lane.totals.peak_memory = lane.totals.peak_memory.max(*peak_memory);
                    lane.totals.cpu += sys::nanos_of(*cpu);
                    lane.take_all_back();
                    if let Some(life) = lane.life(*pid) {
                        life.ended = Some(at);
                        life.how.clone_from(how);
                        life.unexpected = *unexpected;
                        lane.totals.alive += at.saturating_sub(life.started);
                    }
                }
            }
            EventKind::NodeJoined {
                rank,
                host,
                first,
                workers,
            } => {
                let workers = *first..first.saturating_add(*workers);
                let node = self.nodes.join(pool, *rank, host, workers.clone());
                // Who observes a call may have met them before.
                let lanes = self.lanes.iter_mut();
                let of_node = |lane: &&mut Lane| {
                    lane.key.0 == pool && lane.key.1.is_some_and(|worker| workers.contains(&worker))
                };
                lanes
                    .filter(of_node)
                    .for_each(|lane| lane.node = Some(node));
            }
            EventKind::NodeLost { rank, host } => self.nodes.lose(*rank, host, at),
            _ => {}
        }
    }

    fn failed(&mut self, pool: usize, at: u64, kind: &EventKind) {
        let EventKind::ItemFailed {
            call,
            worker,
            index,
            attempt,
            failure,
            report,
            began,
            retried,
        } = kind
        else {
            return;
        };
        let key = (pool, *worker);
        let function = self.function_of((pool, *call));
        self.failures.count(*failure);
        if !retried {
            self.sums.failed += 1;
            if let Some(call) = self.calls.get((pool, *call)) {
                call.failed += 1;
            }
        }
        if worker.is_some() {
            self.totals(key, |sums| {
                *(if *retried {
                    &mut sums.retried
                } else {
                    &mut sums.failed
                }) += 1;
            });
        }
        let began = began.map(|began| self.since_origin(began));
        // What ended its worker is in no chunk and among no items that the worker timed.
        let ended_worker = !matches!(failure, FailureKind::Panic | FailureKind::Codec);
        if let (Some(began), true, true) = (began, ended_worker, worker.is_some()) {
            let length = at.saturating_sub(began);
            self.totals(key, |sums| sums.running += length);
            let span = Span {
                failed: 1,
                ..Span::item(function, *index, began, length)
            };
            self.durations.add(function, length, 1);
            let lane = self.place(key);
            self.durations.offer(&span, lane);
            self.span(key, span, at);
        }
        let lane = worker.and_then(|_| self.place(key));
        self.failures.keep(Failure {
            at,
            began,
            lane,
            pool,
            call: *call,
            function,
            index: *index,
            attempt: *attempt,
            kind: failure.name(),
            report: report.clone(),
            retried: *retried,
        });
    }

    /// Items ran in a worker, which is a hot place: there may be millions.
    fn items(&mut self, key: LaneKey, function: usize, items: &[ItemSpan], at: u64) {
        let Some(first) = items.first() else { return };
        self.since_origin(first.began);
        let origin = self.origin.unwrap_or_default();
        let place = self.place(key);
        for item in items {
            let begin = item.began.saturating_sub(origin);
            let span = Span {
                failed: u64::from(item.failed),
                ..Span::item(function, item.index, begin, item.total())
            };
            self.durations.add(function, span.busy, 1);
            self.durations.offer(&span, place);
            let Some(lane) = place.and_then(|place| self.lanes.get_mut(place)) else {
                continue;
            };
            lane.totals.decoding += item.decoding;
            lane.totals.running += item.running;
            lane.totals.encoding += item.encoding;
            self.spans += lane.add(span, at, self.cell);
            if self.spans > SPANS {
                self.widen();
            }
        }
    }

    fn span(&mut self, key: LaneKey, span: Span, at: u64) {
        let cell = self.cell;
        if let Some(lane) = self.lane(key) {
            self.spans += lane.add(span, at, cell);
        }
        if self.spans > SPANS {
            self.widen();
        }
    }

    fn totals(&mut self, key: LaneKey, change: impl FnOnce(&mut Totals)) {
        if let Some(lane) = self.lane(key) {
            change(&mut lane.totals);
        }
    }

    fn lane(&mut self, key: LaneKey) -> Option<&mut Lane> {
        let place = self.place(key)?;
        self.lanes.get_mut(place)
    }

    /// The number of a lane, which is made if there is room for it.
    fn place(&mut self, key: LaneKey) -> Option<usize> {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = self.lanes.len();
        if place < LANES {
            let node = self.nodes.of(key);
            self.lanes.push(Lane::new(key, node));
            self.places.insert(key, Some(place));
            return Some(place);
        }
        self.lanes_left_out += 1;
        self.places.insert(key, None);
        None
    }

    /// The number of a function; there are as many as a program registers.
    fn function(&mut self, name: &'static str) -> usize {
        let known = self.functions.iter().position(|one| *one == name);
        known.unwrap_or_else(|| {
            self.functions.push(name);
            self.functions.len() - 1
        })
    }

    fn function_of(&mut self, call: (usize, u64)) -> usize {
        match self.calls.get(call) {
            Some(call) => call.function,
            None => self.function(UNKNOWN),
        }
    }
}

/// The time of the calendar some nanoseconds ago, in milliseconds since 1970.
fn unix_millis(ago: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = now.map_or(0, |since| since.as_millis() as u64);
    millis.saturating_sub(ago / 1_000_000)
}
