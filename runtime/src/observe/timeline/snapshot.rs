//! A timeline as it is now, in the form in which pages get it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::sys;

use super::calls::Call;
use super::collect::Timeline;
use super::durations::Long;
use super::failures::Failure;
use super::lane::{Lane, Life, Running, Totals};
use super::nodes::Node;
use super::spans::Spans;

/// What a page shows. All times are nanoseconds since the first event.
#[derive(Debug, Serialize)]
pub(in crate::observe) struct Snapshot {
    revision: u64,
    /// The page asks for newer ones.
    live: bool,
    finished: bool,
    program: String,
    pid: u32,
    /// When the first event was, in milliseconds since 1970.
    started: u64,
    now: u64,
    detailed: bool,
    /// Items that follow each other within this time are one span; 0 if each has its own.
    merged_below: u64,
    totals: AllTotals,
    functions: Vec<Function>,
    lanes: Vec<LaneColumns>,
    lanes_left_out: usize,
    /// The ranks of a launch, this one first; none if no other one has workers.
    nodes: Vec<Node>,
    calls: Vec<Call>,
    calls_left_out: u64,
    failures: Vec<Failure>,
    failures_left_out: u64,
    /// Bin, function, count: bin `n` begins at `10^(n/10)` nanoseconds.
    durations: Vec<(usize, usize, u64)>,
    longest: Vec<Long>,
}

#[derive(Debug, Serialize)]
struct AllTotals {
    items: u64,
    expected: u64,
    failed: u64,
    retried: u64,
    dropped: u64,
    crashes: u64,
    calls: u64,
    running: usize,
    /// For how long at least one call ran.
    calling: u64,
    kinds: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Function {
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct LaneColumns {
    label: String,
    number: Option<usize>,
    /// The place of its node.
    node: usize,
    totals: Totals,
    lives: Vec<Life>,
    running: Option<Running>,
    spans: Columns,
}

/// Spans as columns, which need half the characters of rows. Zeros at a column's end are left out.
#[derive(Debug, Default, Serialize)]
struct Columns {
    /// Since the beginning of the span before.
    begin: Vec<u64>,
    length: Vec<u64>,
    first: Vec<usize>,
    function: Vec<usize>,
    failed: Vec<u64>,
    /// This and the next two are 0 for a single item that was busy all the time and went well.
    count: Vec<u64>,
    busy: Vec<u64>,
    longest: Vec<u64>,
}

impl Timeline {
    /// It as it is now, with at most about `spans` spans.
    pub(in crate::observe) fn snapshot(&self, live: bool, spans: usize) -> Snapshot {
        let now = match (self.origin, self.finished) {
            (Some(origin), false) => sys::now_nanos().saturating_sub(origin).max(self.latest),
            _ => self.latest,
        };
        let (lanes, cell) = self.narrowed(spans);
        let columns = |(lane, spans): (&Lane, &Spans)| LaneColumns {
            label: lane.label(self.pools),
            number: lane.key.1,
            node: lane.node.unwrap_or(0),
            totals: lane.totals(now),
            lives: lane.lives.clone(),
            running: lane.running(),
            spans: Columns::of(spans),
        };
        Snapshot {
            revision: self.revision,
            live,
            finished: self.finished,
            program: String::from_utf8_lossy(&sys::program_name()).into_owned(),
            pid: std::process::id(),
            started: self.started,
            now,
            detailed: self.detailed,
            merged_below: cell,
            totals: AllTotals {
                items: self.sums.items,
                expected: self.calls.expected(),
                failed: self.sums.failed,
                retried: self.sums.retried,
                dropped: self.sums.dropped,
                crashes: self.sums.crashes,
                calls: self.calls.count,
                running: self.calls.running(),
                calling: self.calls.calling(now),
                kinds: self.failures.kinds.clone(),
            },
            functions: self
                .functions
                .iter()
                .map(|&name| Function { name })
                .collect(),
            lanes: self.lanes.iter().zip(&lanes).map(columns).collect(),
            lanes_left_out: self.lanes_left_out,
            nodes: self.nodes.list().to_vec(),
            calls: self.calls.list(),
            calls_left_out: self.calls.left_out,
            failures: self.failures.kept.clone(),
            failures_left_out: self.failures.left_out,
            durations: self.durations.bins(),
            longest: self.durations.longest.clone(),
        }
    }

    /// The spans of all lanes, merged until there are no more than `most`, and the width of their cells.
    fn narrowed(&self, most: usize) -> (Vec<Spans>, u64) {
        let mut lanes: Vec<_> = self.lanes.iter().map(|lane| lane.spans.clone()).collect();
        let mut cell = self.cell;
        // Twice as wide 40 times is longer than any program runs.
        for _ in 0..40 {
            if lanes.iter().map(Spans::len).sum::<usize>() <= most {
                break;
            }
            cell = (cell * 2).max(self.latest / most.max(1) as u64).max(1);
            lanes.iter_mut().for_each(|spans| spans.merge(cell));
        }
        (lanes, cell)
    }
}

impl Snapshot {
    /// What the page is called.
    pub(in crate::observe) fn title(&self) -> &str {
        &self.program
    }
}

impl Columns {
    fn of(spans: &Spans) -> Self {
        let mut columns = Self::default();
        let mut before = 0;
        for span in spans.iter() {
            columns.begin.push(span.begin - before);
            before = span.begin;
            columns.length.push(span.end - span.begin);
            columns.first.push(span.first);
            columns.function.push(span.function);
            columns.failed.push(span.failed);
            let plain = span.is_plain();
            columns.count.push(if plain { 0 } else { span.count });
            columns.busy.push(if plain { 0 } else { span.busy });
            columns.longest.push(if plain { 0 } else { span.longest });
        }
        trim(&mut columns.failed);
        trim(&mut columns.count);
        trim(&mut columns.busy);
        trim(&mut columns.longest);
        trim(&mut columns.function);
        columns
    }
}

fn trim<T: Default + PartialEq>(column: &mut Vec<T>) {
    while column.last().is_some_and(|last| *last == T::default()) {
        column.pop();
    }
}
