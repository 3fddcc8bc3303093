//! Which events of a pool become which lines of a trace.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::event::{Event, EventKind, FailureKind, ItemSpan};
use crate::sys;

use super::record::{Args, BAD, Record};

/// How many bytes of a report are written.
const REPORT: usize = 4 << 10;
/// The track of calls.
const CALLS: usize = 0;

/// What the group of a node is called in the format is the number of its pool, and so much for each rank.
const RANK: usize = 1_000_000;

/// A track: the number of its group, and its own there.
type Track = (usize, usize);

/// One pool in a trace.
#[derive(Debug)]
pub(super) struct Tracks {
    pool: usize,
    detailed: bool,
    named: HashSet<Track>,
    /// So is the group of this process.
    own_named: bool,
    /// The ranks of nodes.
    nodes: HashSet<usize>,
    /// On which of them workers are; the others are of this process.
    places: HashMap<usize, usize>,
    /// The functions of the calls that run.
    calls: HashMap<u64, &'static str>,
    /// The chunks that workers have: calls and first items. That a chunk was taken back is not told, but who has it
    /// next, or that its call ended.
    given: BTreeMap<(u64, usize), Option<usize>>,
    /// How many of them a worker has; those that have none are not in it.
    chunks: HashMap<Option<usize>, usize>,
    /// How many workers have some, as far as it was written.
    busy: usize,
    /// Where the last bar of a track ends. Bars of one track must not overlap.
    ends: HashMap<Track, f64>,
    /// Bars that are written when it is known where the next one begins: a worker is busy before it is heard of.
    held: HashMap<Track, Held>,
}

/// A bar that may become shorter.
#[derive(Debug)]
struct Held {
    name: &'static str,
    ts: f64,
    dur: f64,
    process: u32,
}

impl Tracks {
    /// A pool with a number of which nothing was written yet; lines are items if it is `detailed`, and else chunks.
    pub(super) fn new(pool: usize, detailed: bool) -> Self {
        Self {
            pool,
            detailed,
            named: HashSet::new(),
            own_named: false,
            nodes: HashSet::new(),
            places: HashMap::new(),
            calls: HashMap::new(),
            given: BTreeMap::new(),
            chunks: HashMap::new(),
            busy: 0,
            ends: HashMap::new(),
            held: HashMap::new(),
        }
    }

    /// Writes what becomes of an event, with times since `origin`.
    pub(super) fn write(&mut self, event: &Event, origin: u64, write: &mut dyn FnMut(&Record<'_>)) {
        let since = |at: u64| micros(at.saturating_sub(origin));
        let (ts, pid) = (since(event.at), self.pool);
        let base = || Record {
            ts,
            pid,
            ..Record::default()
        };
        match &event.kind {
            EventKind::CallStarted {
                call,
                function,
                items,
            } => {
                self.calls.insert(*call, function);
                self.name(self.calls_track(), write);
                write(&Record {
                    name: function,
                    cat: "call",
                    ph: "b",
                    id: Some(&format!("{pid}.{call}")),
                    args: Some(Args::Call { items: *items }),
                    ..base()
                });
            }
            EventKind::CallEnded { call } => {
                let left = self.given.range((*call, 0)..=(*call, usize::MAX));
                let left: Vec<_> = left.map(|(chunk, _)| *chunk).collect();
                left.into_iter().for_each(|chunk| self.take(chunk));
                self.count_busy(base(), write);
                if let Some(function) = self.calls.remove(call) {
                    write(&Record {
                        name: function,
                        cat: "call",
                        ph: "e",
                        id: Some(&format!("{pid}.{call}")),
                        ..base()
                    });
                }
            }
            EventKind::ChunkGiven {
                call,
                worker,
                first,
                ..
            } => {
                self.take((*call, *first));
                self.given.insert((*call, *first), *worker);
                *self.chunks.entry(*worker).or_default() += 1;
                self.count_busy(base(), write);
            }
            EventKind::ChunkDone {
                call,
                worker,
                first,
                count,
                took,
            } => {
                // It may have been taken back and given to another worker before this one said so.
                if self.given.get(&(*call, *first)) == Some(worker) {
                    self.take((*call, *first));
                    self.count_busy(base(), write);
                }
                if !self.detailed && *count > 0 {
                    let took = sys::nanos_of(*took);
                    let track = self.worker(*worker, write);
                    let begin = since(event.at.saturating_sub(took));
                    let (begin, length) = self.bar(track, begin, micros(took), write);
                    write(&Record {
                        name: self.function(*call),
                        cat: "chunk",
                        ph: "X",
                        ts: begin,
                        dur: Some(length),
                        pid: track.0,
                        tid: track.1,
                        args: Some(Args::Chunk {
                            first: *first,
                            items: *count,
                        }),
                        ..base()
                    });
                }
            }
            EventKind::ItemsTimed {
                call,
                worker,
                spans,
            } if self.detailed => {
                let track = self.worker(*worker, write);
                let name = self.function(*call);
                for span in spans {
                    let bar = (since(span.began), micros(span.total()));
                    let (begin, length) = self.bar(track, bar.0, bar.1, write);
                    write(&Record {
                        pid: track.0,
                        tid: track.1,
                        ts: begin,
                        dur: Some(length),
                        ..item(name, span, base())
                    });
                }
            }
            EventKind::ItemFailed { .. } => self.failed(event, origin, write),
            EventKind::ItemRetried {
                index,
                attempt,
                pause,
                ..
            } => write(&Record {
                name: "tried again",
                cat: "retry",
                ph: "i",
                s: Some("t"),
                args: Some(Args::Retry {
                    item: *index,
                    attempt: *attempt,
                    pause_ms: pause.as_millis() as u64,
                }),
                ..base()
            }),
            EventKind::WorkerReady { worker, pid, took } => {
                let took = micros(sys::nanos_of(*took));
                self.prepared("start", (*worker, *pid), (ts, took), write);
            }
            EventKind::WorkerInitialized { worker, pid, took } => {
                let took = micros(sys::nanos_of(*took));
                self.prepared("init", (*worker, *pid), (ts, took), write);
            }
            EventKind::WorkerEnded {
                worker,
                pid,
                how,
                unexpected,
                peak_memory,
                cpu,
            } => {
                let track = self.worker(*worker, write);
                self.release(track, ts, write);
                write(&Record {
                    name: if *unexpected {
                        "worker lost"
                    } else {
                        "worker ended"
                    },
                    cat: "worker",
                    ph: "i",
                    s: Some("t"),
                    cname: BAD.filter(|_| *unexpected),
                    pid: track.0,
                    tid: track.1,
                    args: Some(Args::End {
                        process: *pid,
                        how,
                        peak_memory: *peak_memory,
                        cpu_ms: cpu.as_millis() as u64,
                    }),
                    ..base()
                });
                self.given.retain(|_, has| has != worker);
                self.chunks.remove(worker);
                self.count_busy(base(), write);
            }
            EventKind::NodeJoined {
                rank,
                host,
                first,
                workers,
            } => {
                let workers = *first..first.saturating_add(*workers);
                self.places.extend(workers.map(|worker| (worker, *rank)));
                self.join(*rank, host, write);
            }
            EventKind::NodeLost { rank, host } => {
                self.join(*rank, host, write);
                write(&Record {
                    name: "node lost",
                    cat: "node",
                    ph: "i",
                    s: Some("p"),
                    cname: BAD,
                    pid: self.group(*rank),
                    args: Some(Args::Node { rank: *rank, host }),
                    ..base()
                });
            }
            _ => {}
        }
    }

    /// A node is there: its tracks, and those of this process, say where they are.
    fn join(&mut self, rank: usize, host: &str, write: &mut dyn FnMut(&Record<'_>)) {
        let first = self.nodes.is_empty();
        if self.nodes.insert(rank) {
            if first {
                self.name_own(write);
            }
            let group = self.group(rank);
            let name = format!("{host} (rank {rank}), pool {}", self.pool);
            self.meta(
                "process_name",
                (group, 0),
                Args::Name { name: &name },
                write,
            );
            let order = Args::Sort { sort_index: group };
            self.meta("process_sort_index", (group, 0), order, write);
        }
    }

    /// The number of the group of a rank.
    fn group(&self, rank: usize) -> usize {
        self.pool.saturating_add(rank.saturating_mul(RANK))
    }

    /// The track of calls.
    fn calls_track(&self) -> Track {
        (self.pool, CALLS)
    }

    fn failed(&mut self, event: &Event, origin: u64, write: &mut dyn FnMut(&Record<'_>)) {
        let EventKind::ItemFailed {
            call,
            worker,
            index,
            attempt,
            failure,
            report,
            began,
            retried,
        } = &event.kind
        else {
            return;
        };
        let track = match worker {
            Some(_) => self.worker(*worker, write),
            None => self.calls_track(),
        };
        let ts = micros(event.at.saturating_sub(origin));
        let args = || {
            Some(Args::Failure {
                item: *index,
                attempt: *attempt,
                retried: *retried,
                report: &report[..report.floor_char_boundary(REPORT)],
            })
        };
        let base = || Record {
            pid: track.0,
            tid: track.1,
            cname: BAD,
            args: args(),
            ..Record::default()
        };
        // What ended its worker is not among the items that the worker timed.
        let timed = matches!(failure, FailureKind::Panic | FailureKind::Codec);
        if let (Some(began), false, Some(_)) = (began, timed, worker) {
            let length = micros(event.at.saturating_sub(*began));
            let (begin, length) =
                self.bar(track, micros(began.saturating_sub(origin)), length, write);
            write(&Record {
                name: self.function(*call),
                cat: "item",
                ph: "X",
                ts: begin,
                dur: Some(length),
                ..base()
            });
        }
        write(&Record {
            name: failure.name(),
            cat: "failure",
            ph: "i",
            s: Some("t"),
            ts,
            ..base()
        });
    }

    /// A worker got ready, or initialised, in `dur` microseconds until `ts`.
    fn prepared(
        &mut self,
        name: &'static str,
        (worker, process): (Option<usize>, u32),
        (ts, dur): (f64, f64),
        write: &mut dyn FnMut(&Record<'_>),
    ) {
        let track = self.worker(worker, write);
        let (ts, dur) = self.bar(track, ts - dur.min(ts), dur.min(ts), write);
        let held = Held {
            name,
            ts,
            dur,
            process,
        };
        self.held.insert(track, held);
    }

    /// Where a bar begins and how long it is, so that it overlaps none on its track.
    fn bar(
        &mut self,
        track: Track,
        begin: f64,
        length: f64,
        write: &mut dyn FnMut(&Record<'_>),
    ) -> (f64, f64) {
        self.release(track, begin, write);
        let last = self.ends.get(&track).copied().unwrap_or(0.0);
        let (from, end) = (begin.max(last), (begin + length).max(last));
        self.ends.insert(track, end);
        (from, end - from)
    }

    /// Writes the bar that is held, up to `until`.
    fn release(&mut self, track: Track, until: f64, write: &mut dyn FnMut(&Record<'_>)) {
        let Some(held) = self.held.remove(&track) else {
            return;
        };
        let length = held.dur.min((until - held.ts).max(0.0));
        self.ends.insert(track, held.ts + length);
        write(&Record {
            name: held.name,
            cat: "worker",
            ph: "X",
            ts: held.ts,
            dur: Some(length),
            pid: track.0,
            tid: track.1,
            args: Some(Args::Process {
                process: held.process,
            }),
            ..Record::default()
        });
    }

    /// Writes what was held back.
    pub(super) fn end(&mut self, write: &mut dyn FnMut(&Record<'_>)) {
        let tracks: Vec<_> = self.held.keys().copied().collect();
        for track in tracks {
            self.release(track, f64::INFINITY, write);
        }
    }

    /// A worker does not have a chunk any more.
    fn take(&mut self, chunk: (u64, usize)) {
        if let Some(worker) = self.given.remove(&chunk)
            && let Some(count) = self.chunks.get_mut(&worker)
        {
            *count -= 1;
            if *count == 0 {
                self.chunks.remove(&worker);
            }
        }
    }

    /// Writes how many workers have something to do, if it changed.
    fn count_busy(&mut self, base: Record<'_>, write: &mut dyn FnMut(&Record<'_>)) {
        let busy = self.chunks.len();
        if std::mem::replace(&mut self.busy, busy) == busy {
            return;
        }
        write(&Record {
            name: "busy workers",
            ph: "C",
            args: Some(Args::Busy { busy }),
            ..base
        });
    }

    fn function(&self, call: u64) -> &'static str {
        self.calls.get(&call).copied().unwrap_or("?")
    }

    /// The track of a worker, which has a name from now on.
    fn worker(&mut self, worker: Option<usize>, write: &mut dyn FnMut(&Record<'_>)) -> Track {
        let rank = worker.and_then(|worker| self.places.get(&worker).copied());
        let own = worker.map_or(CALLS, |worker| worker.saturating_add(1));
        let track = (self.group(rank.unwrap_or(0)), own);
        self.name(track, write);
        track
    }

    /// Names a track when it is there for the first time, and the pool with the first of all.
    fn name(&mut self, track: Track, write: &mut dyn FnMut(&Record<'_>)) {
        if !self.own_named {
            self.name_own(write);
        }
        if !self.named.insert(track) {
            return;
        }
        let name = match track.1.checked_sub(1) {
            None => "calls".to_owned(),
            Some(worker) => format!("worker {worker}"),
        };
        self.meta("thread_name", track, Args::Name { name: &name }, write);
        let order = Args::Sort {
            sort_index: track.1,
        };
        self.meta("thread_sort_index", track, order, write);
    }

    /// Names the group of what is in this process, or below it.
    fn name_own(&mut self, write: &mut dyn FnMut(&Record<'_>)) {
        let program = sys::program_name();
        let program = String::from_utf8_lossy(&program);
        let mut name = format!("{program} ({}), pool {}", std::process::id(), self.pool);
        if !self.nodes.is_empty() {
            name.push_str(&format!(" on {} (rank 0)", sys::host_name()));
        }
        self.own_named = true;
        let own = self.calls_track();
        self.meta("process_name", own, Args::Name { name: &name }, write);
    }

    fn meta(
        &self,
        name: &str,
        (pid, tid): Track,
        args: Args<'_>,
        write: &mut dyn FnMut(&Record<'_>),
    ) {
        write(&Record {
            name,
            ph: "M",
            pid,
            tid,
            args: Some(args),
            ..Record::default()
        });
    }
}

fn item<'a>(name: &'a str, span: &ItemSpan, base: Record<'a>) -> Record<'a> {
    Record {
        name,
        cat: "item",
        ph: "X",
        cname: BAD.filter(|_| span.failed),
        args: Some(Args::Item {
            item: span.index,
            attempt: span.attempt,
            decoding_ns: span.decoding,
            encoding_ns: span.encoding,
            result_bytes: span.bytes,
        }),
        ..base
    }
}

/// Nanoseconds as microseconds, exactly for 100 days.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}
