//! What a timeline makes of events.

use std::time::Duration;

use crate::event::{Event, EventKind, FailureKind, ItemSpan};

use super::{LANES, SPANS, Timeline};

const START: u64 = 1_000_000_000;

fn at(nanos: u64, kind: EventKind) -> Event {
    Event::new(START + nanos, kind)
}

fn call(call: u64, items: usize) -> EventKind {
    EventKind::CallStarted {
        call,
        function: "app::f",
        items: Some(items),
    }
}

fn timed(worker: usize, spans: Vec<ItemSpan>) -> EventKind {
    EventKind::ItemsTimed {
        call: 1,
        worker: Some(worker),
        spans,
    }
}

fn failure(index: usize, kind: FailureKind, began: Option<u64>, retried: bool) -> EventKind {
    EventKind::ItemFailed {
        call: 1,
        worker: Some(0),
        index,
        attempt: 1,
        failure: kind,
        report: format!("item {index}"),
        began,
        retried,
    }
}

fn item(index: usize, began: u64, running: u64) -> ItemSpan {
    ItemSpan::new(index, START + began, running)
}

/// A timeline that was told these things.
fn told(events: &[Event]) -> Timeline {
    let mut timeline = Timeline::new(true);
    let pool = timeline.add_pool();
    timeline.feed(pool, events);
    timeline
}

fn spans(timeline: &Timeline, lane: usize) -> Vec<(u64, u64, u64)> {
    let spans = timeline.lanes[lane].spans.iter();
    spans
        .map(|span| (span.begin, span.end, span.count))
        .collect()
}

#[test]
fn items_are_spans_of_their_workers() {
    let timeline = told(&[
        at(0, call(1, 3)),
        at(500, timed(1, vec![item(0, 100, 50), item(1, 200, 300)])),
        at(600, timed(0, vec![item(2, 100, 20)])),
    ]);
    assert_eq!(spans(&timeline, 0), [(100, 150, 1), (200, 500, 1)]);
    assert_eq!(spans(&timeline, 1), [(100, 120, 1)]);
    assert_eq!(timeline.lanes[0].totals.running, 350);
    let longest: Vec<_> = timeline
        .durations
        .longest
        .iter()
        .map(|one| one.index)
        .collect();
    assert_eq!(longest, [1, 0, 2]);
}

#[test]
fn many_items_become_few_spans_and_sums_stay_exact() {
    let mut timeline = Timeline::new(true);
    let pool = timeline.add_pool();
    timeline.feed(pool, &[at(0, call(1, 1_000_000))]);
    let mut now = 0;
    for chunk in 0..1_000 {
        let items = (0..1_000).map(|i| {
            let length = if (chunk, i) == (500, 500) {
                9_000_000
            } else {
                150
            };
            now += length + 50;
            item(chunk * 1_000 + i, now - length, length)
        });
        let items = items.collect();
        let lane = chunk % 7;
        timeline.feed(pool, &[at(now, timed(lane, items))]);
    }
    let count: usize = timeline.lanes.iter().map(|lane| lane.spans.len()).sum();
    assert!(count <= SPANS, "{count} spans");
    assert!(timeline.cell > 0);
    let all = timeline.lanes.iter().flat_map(|lane| lane.spans.iter());
    assert_eq!(all.clone().map(|span| span.count).sum::<u64>(), 1_000_000);
    assert_eq!(
        all.clone().map(|span| span.busy).sum::<u64>(),
        999_999 * 150 + 9_000_000
    );
    // The long one is still itself.
    let long: Vec<_> = all.filter(|span| span.busy >= 9_000_000).collect();
    assert_eq!(long.len(), 1);
    assert_eq!((long[0].count, long[0].first), (1, 500_500));
    for lane in &timeline.lanes {
        let list: Vec<_> = lane.spans.iter().collect();
        assert!(list.windows(2).all(|two| two[0].end <= two[1].begin));
    }
    let (narrow, cell) = (timeline.snapshot(true, 500), timeline.cell);
    let json = crate::observe::json::text(&narrow).unwrap();
    assert!(json.len() < 60_000, "{} bytes", json.len());
    assert_eq!(timeline.cell, cell);
}

#[test]
fn spans_never_lie_on_each_other() {
    let timeline = told(&[
        at(0, call(1, 9)),
        at(1_000, timed(0, vec![item(0, 100, 100), item(1, 150, 100)])),
        at(
            1_000,
            timed(0, vec![item(2, 20, 500), item(3, 0, 5), item(4, 900, 500)]),
        ),
    ]);
    assert_eq!(
        spans(&timeline, 0),
        [
            (0, 5, 1),
            (20, 100, 1),
            (100, 200, 1),
            (200, 250, 1),
            (900, 1_000, 1)
        ]
    );
}

#[test]
fn an_item_that_ended_its_worker_is_a_span() {
    let timeline = told(&[
        at(0, call(1, 2)),
        at(300, failure(0, FailureKind::Crash, Some(START + 100), true)),
        at(
            500,
            failure(0, FailureKind::Crash, Some(START + 450), false),
        ),
        // This one is among those that the worker timed.
        at(
            900,
            failure(1, FailureKind::Panic, Some(START + 700), false),
        ),
    ]);
    assert_eq!(spans(&timeline, 0), [(100, 300, 1), (450, 500, 1)]);
    assert_eq!((timeline.sums.failed, timeline.failures.kept.len()), (2, 3));
    assert_eq!(timeline.lanes[0].totals.retried, 1);
    assert_eq!(timeline.failures.kinds["crash"], 2);
}

#[test]
fn an_outcome_that_is_revoked_does_not_count() {
    let revoked = |index| EventKind::ItemRetried {
        call: 1,
        index,
        attempt: 2,
        pause: Duration::ZERO,
        revoked: true,
        failed: (index == 1).then_some(FailureKind::Panic),
    };
    let done = EventKind::ItemsDone {
        call: 1,
        worker: Some(0),
        count: 1,
        bytes: 8,
    };
    let timeline = told(&[
        at(0, call(1, 2)),
        at(1, done),
        at(2, failure(1, FailureKind::Panic, None, false)),
        at(3, revoked(0)),
        at(4, revoked(1)),
    ]);
    assert_eq!((timeline.sums.items, timeline.sums.failed), (0, 0));
    assert_eq!(timeline.sums.retried, 2);
    assert!(timeline.failures.kept[0].retried);
}

#[test]
fn chunks_are_spans_where_items_are_not_told() {
    let mut timeline = Timeline::new(false);
    let pool = timeline.add_pool();
    let done = EventKind::ChunkDone {
        call: 1,
        worker: Some(0),
        first: 10,
        count: 4,
        took: Duration::from_nanos(400),
    };
    timeline.feed(pool, &[at(0, call(1, 4)), at(1_000, done)]);
    assert_eq!(spans(&timeline, 0), [(600, 1_000, 4)]);
    assert_eq!(timeline.durations.bins(), [(20, 0, 4)]);
}

#[test]
fn memory_is_bounded_in_everything() {
    let mut timeline = Timeline::new(true);
    let pool = timeline.add_pool();
    for n in 0..20_000_u64 {
        let worker = Some(n as usize % 2_000);
        timeline.feed(
            pool,
            &[
                at(n, call(n, 1)),
                at(
                    n,
                    EventKind::WorkerStarted {
                        worker,
                        pid: n as u32,
                        took: Duration::ZERO,
                    },
                ),
                at(
                    n,
                    EventKind::ItemFailed {
                        call: n,
                        worker,
                        index: 0,
                        attempt: 1,
                        failure: FailureKind::Crash,
                        report: "é".repeat(if n < 1_000 { 10_000 } else { 1 }),
                        began: Some(START + n),
                        retried: false,
                    },
                ),
                at(
                    n,
                    EventKind::WorkerEnded {
                        worker,
                        pid: n as u32,
                        how: "was ended".to_owned(),
                        unexpected: true,
                        peak_memory: n,
                        cpu: Duration::ZERO,
                    },
                ),
                at(n, EventKind::CallEnded { call: n }),
            ],
        );
    }
    assert_eq!(timeline.lanes.len(), LANES);
    assert_eq!(timeline.lanes_left_out, 2_000 - LANES);
    assert_eq!(
        (timeline.sums.failed, timeline.sums.crashes),
        (20_000, 20_000)
    );
    assert_eq!(timeline.failures.left_out, 19_000);
    let json = crate::observe::json::text(&timeline.snapshot(false, SPANS)).unwrap();
    assert!(json.len() < 4_000_000, "{} bytes", json.len());
}

#[test]
fn the_time_of_calls_that_overlap_counts_once() {
    let end = |call| EventKind::CallEnded { call };
    let timeline = told(&[
        at(0, call(1, 1)),
        at(10, call(2, 1)),
        at(20, end(1)),
        at(30, end(2)),
        at(100, call(3, 1)),
    ]);
    assert_eq!(timeline.calls.calling(150), 80);
    assert_eq!(timeline.calls.running(), 1);
}

#[test]
fn a_worker_is_at_work_until_it_is_done() {
    let given = EventKind::ChunkGiven {
        call: 1,
        worker: Some(0),
        first: 0,
        count: 2,
        bytes: 8,
    };
    let done = EventKind::ChunkDone {
        call: 1,
        worker: Some(0),
        first: 0,
        count: 1,
        took: Duration::ZERO,
    };
    let end = EventKind::CallEnded { call: 1 };
    let started = at(0, call(1, 4));
    let mut timeline = told(&[started, at(10, given.clone()), at(20, given)]);
    let at_work = |timeline: &Timeline| timeline.lanes[0].totals(100).at_work;
    assert_eq!(at_work(&timeline), 90);
    timeline.feed(1, &[at(50, timed(0, vec![item(0, 15, 25)]))]);
    assert_eq!(at_work(&timeline), 60);
    timeline.feed(1, &[at(60, done.clone())]);
    assert_eq!(at_work(&timeline), 60);
    let mut other = timeline.clone();
    timeline.feed(1, &[at(60, done)]);
    assert_eq!(at_work(&timeline), 0);
    // It was not told that the chunk was taken back, but that all is over.
    other.feed(1, &[at(70, end)]);
    assert_eq!(at_work(&other), 0);
}

#[test]
fn lanes_know_their_nodes_whichever_was_told_first() {
    let chunk = |worker| EventKind::ChunkGiven {
        call: 1,
        worker: Some(worker),
        first: 0,
        count: 1,
        bytes: 1,
    };
    let joined = |rank: usize, first| EventKind::NodeJoined {
        rank,
        host: format!("host{rank}"),
        first,
        workers: 2,
    };
    let lost = EventKind::NodeLost {
        rank: 2,
        host: "host2".to_owned(),
    };
    let mut timeline = told(&[
        at(0, chunk(0)),
        at(1, chunk(3)),
        at(2, joined(1, 1)),
        at(3, joined(2, 3)),
        at(4, chunk(2)),
        at(9, lost),
    ]);
    let nodes =
        |timeline: &Timeline| -> Vec<_> { timeline.lanes.iter().map(|lane| lane.node).collect() };
    assert_eq!(nodes(&timeline), [None, Some(2), Some(1)]);
    let other = timeline.add_pool();
    timeline.feed(other, &[at(10, chunk(3))]);
    assert_eq!(
        nodes(&timeline)[3],
        None,
        "in another pool it is another worker"
    );
    let json = crate::observe::json::text(&timeline.snapshot(false, SPANS)).unwrap();
    assert!(
        json.contains(r#""rank":2,"host":"host2","lost":9"#),
        "{json}"
    );
    assert!(
        json.contains(r#""rank":1,"host":"host1","lost":null"#),
        "{json}"
    );
}
