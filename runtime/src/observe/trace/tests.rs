//! What stands in a trace.

use std::time::Duration;

use crate::event::{Event, EventKind, FailureKind, ItemSpan, Observer};

use super::Trace;

fn story() -> Vec<Event> {
    let worker = Some(0);
    let kinds = [
        (
            0,
            EventKind::CallStarted {
                call: 1,
                function: "app::\"f\"",
                items: Some(2),
            },
        ),
        (
            10,
            EventKind::WorkerStarted {
                worker,
                pid: 7,
                took: Duration::from_nanos(10),
            },
        ),
        (
            2_000,
            EventKind::WorkerReady {
                worker,
                pid: 7,
                took: Duration::from_nanos(1_995),
            },
        ),
        (
            2_100,
            EventKind::ChunkGiven {
                call: 1,
                worker,
                first: 0,
                count: 2,
                bytes: 9,
            },
        ),
        (
            9_000,
            EventKind::ItemsTimed {
                call: 1,
                worker,
                spans: vec![ItemSpan::new(0, 3_000, 1_234)],
            },
        ),
        (
            9_000,
            EventKind::ItemsDone {
                call: 1,
                worker,
                count: 1,
                bytes: 3,
            },
        ),
        (
            9_100,
            EventKind::ItemFailed {
                call: 1,
                worker,
                index: 1,
                attempt: 1,
                failure: FailureKind::Crash,
                report: "\u{1}</script>\n".repeat(1_000),
                began: Some(5_000),
                retried: false,
            },
        ),
        (
            9_200,
            EventKind::WorkerEnded {
                worker,
                pid: 7,
                how: "was ended".to_owned(),
                unexpected: true,
                peak_memory: 1,
                cpu: Duration::ZERO,
            },
        ),
        (9_300, EventKind::CallEnded { call: 1 }),
    ];
    kinds
        .into_iter()
        .map(|(at, kind)| Event::new(at, kind))
        .collect()
}

#[test]
fn each_event_is_a_whole_line_from_the_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let mut trace = Trace::create(&path).unwrap();
    trace.observe(&story());
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("["));
    assert!(lines.all(|line| line.starts_with('{') && line.trim_end_matches(',').ends_with('}')));
    assert!(text.contains(
        r#"{"name":"app::\"f\"","cat":"item","ph":"X","ts":3.0,"dur":1.234,"pid":1,"tid":1"#
    ));
    let busy: Vec<_> = text
        .lines()
        .filter(|line| line.contains("busy workers"))
        .collect();
    assert_eq!(busy.len(), 2);
    assert!(busy[1].contains("\"ts\":9.2") && busy[1].contains("\"busy\":0"));
    drop(trace);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("}\n]\n"));
}

#[test]
fn pools_in_one_file_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let mut first = Trace::create(&path).unwrap();
    let mut second = first.clone();
    first.observe(&story());
    drop(first);
    second.observe(&story());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.ends_with("]\n"));
    assert!(text.contains("\"pid\":1") && text.contains("\"pid\":2"));
    drop(second);
    assert_eq!(
        std::fs::read_to_string(&path)
            .unwrap()
            .matches("\n]\n")
            .count(),
        1
    );
}

#[test]
fn a_file_that_somebody_writes_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let mut first = Trace::create(&path).unwrap();
    first.observe(&story());
    let mut second = Trace::create(&path).unwrap();
    second.observe(&story());
    let name = format!("trace.{}.json", std::process::id());
    assert_eq!(second.path().file_name().unwrap(), name.as_str());
    assert!(Trace::create(&path).is_err());
    drop(first);
    assert!(std::fs::read_to_string(&path).unwrap().ends_with("}\n]\n"));
    // It is free again, and begins anew.
    let third = Trace::create(&path).unwrap();
    assert_eq!(third.path().file_name().unwrap(), "trace.json");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn a_full_disk_is_an_error_that_can_be_asked_for() {
    let mut trace = Trace::create("/dev/full").unwrap();
    assert!(trace.error().is_none());
    trace.observe(&story());
    assert!(trace.error().unwrap().to_string().contains("/dev/full"));
}

#[test]
fn workers_whose_chunks_were_taken_back_are_not_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let mut trace = Trace::create(&path).unwrap();
    let given = |worker: usize, first| EventKind::ChunkGiven {
        call: 1,
        worker: Some(worker),
        first,
        count: 4,
        bytes: 8,
    };
    let done = EventKind::ChunkDone {
        call: 1,
        worker: Some(1),
        first: 0,
        count: 4,
        took: Duration::ZERO,
    };
    // The first one is taken back and given to the other worker; the last one is taken back for good.
    let kinds = [
        given(0, 0),
        given(1, 0),
        done,
        given(0, 4),
        EventKind::CallEnded { call: 1 },
    ];
    let events: Vec<_> = kinds.map(|kind| Event::new(1, kind)).into();
    trace.observe(&events);
    drop(trace);
    let text = std::fs::read_to_string(&path).unwrap();
    let busy = text.lines().filter(|line| line.contains("busy workers"));
    let busy: Vec<_> = busy.map(|line| line.contains(r#""busy":1"#)).collect();
    assert_eq!(busy, [true, false, true, false]);
}

#[test]
fn nodes_are_groups_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let mut trace = Trace::create(&path).unwrap().item_times(false);
    let joined = |rank: usize, host: &str, first| EventKind::NodeJoined {
        rank,
        host: host.to_owned(),
        first,
        workers: 2,
    };
    let done = |worker| EventKind::ChunkDone {
        call: 1,
        worker: Some(worker),
        first: 0,
        count: 1,
        took: Duration::from_nanos(1),
    };
    let lost = EventKind::NodeLost {
        rank: 2,
        host: "far".to_owned(),
    };
    let kinds = [
        joined(1, "near", 1),
        joined(2, "far", 3),
        // It has more of them.
        joined(2, "far", 7),
        done(0),
        done(2),
        done(8),
        lost,
    ];
    let events: Vec<_> = kinds.map(|kind| Event::new(5_000, kind)).into();
    trace.observe(&events);
    drop(trace);
    let text = std::fs::read_to_string(&path).unwrap();
    let line = |words: &[&str]| {
        let has = |line: &&str| words.iter().all(|word| line.contains(word));
        text.lines().filter(has).count()
    };
    assert_eq!(line(&["process_name", "(rank 0)", "\"pid\":1,"]), 1);
    assert_eq!(
        line(&["process_name", "near (rank 1)", "\"pid\":1000001,"]),
        1
    );
    assert_eq!(
        line(&["process_name", "far (rank 2)", "\"pid\":2000001,"]),
        1
    );
    assert_eq!(line(&["\"cat\":\"chunk\"", "\"pid\":1,\"tid\":1,"]), 1);
    assert_eq!(
        line(&["\"cat\":\"chunk\"", "\"pid\":1000001,\"tid\":3,"]),
        1
    );
    assert_eq!(
        line(&["\"cat\":\"chunk\"", "\"pid\":2000001,\"tid\":9,"]),
        1
    );
    assert_eq!(line(&["node lost", "\"pid\":2000001,", "\"s\":\"p\""]), 1);
}
