//! Traces: files in the Chrome trace event format.

use std::collections::{HashMap, HashSet};

use parproc::observe::Trace;
use parproc::{Pool, parallel};
use serde_json::Value;

#[parallel]
fn work(x: u64) -> u64 {
    std::thread::sleep(std::time::Duration::from_micros(x % 7 * 100));
    x
}

#[parallel(retries = 1)]
fn risky(x: u64) -> u64 {
    match x {
        3 => panic!("\"three\"\u{1}</script>"),
        7 => std::process::abort(),
        _ => x,
    }
}

/// The trace of what is done with a pool.
fn traced(item_times: bool, body: impl FnOnce(&Pool)) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let trace = Trace::create(&path).unwrap().item_times(item_times);
    let pool = Pool::builder().workers(3).observe(trace).build().unwrap();
    body(&pool);
    pool.shutdown().unwrap();
    drop(pool);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let wanted = |event: &&Value| text(event, "ph") == kind;
    events.iter().filter(wanted).collect()
}

/// The rules of the format, as far as this uses it.
fn check(events: &[Value]) {
    let mut named = HashSet::new();
    let mut open = HashMap::new();
    let mut tracks: HashMap<(u64, u64), Vec<(f64, f64)>> = HashMap::new();
    for event in events {
        let (pid, tid) = (
            event["pid"].as_u64().unwrap(),
            event["tid"].as_u64().unwrap(),
        );
        let at = event["ts"].as_f64().unwrap();
        assert!(!text(event, "name").is_empty() && at >= 0.0, "{event}");
        match text(event, "ph") {
            "M" => {
                let what = &event["args"];
                assert!(
                    what["name"].is_string() || what["sort_index"].is_u64(),
                    "{event}"
                );
                if text(event, "name") == "thread_name" {
                    assert!(named.insert((pid, tid)), "named twice: {event}");
                }
            }
            "X" => {
                let length = event["dur"].as_f64().unwrap();
                assert!(length >= 0.0 && named.contains(&(pid, tid)), "{event}");
                tracks
                    .entry((pid, tid))
                    .or_default()
                    .push((at, at + length));
            }
            "i" => assert!(matches!(text(event, "s"), "t" | "p" | "g"), "{event}"),
            "C" => {
                let values = event["args"].as_object().unwrap();
                assert!(values.values().all(Value::is_number), "{event}");
            }
            "b" => {
                let id = (text(event, "cat"), text(event, "id"));
                assert!(open.insert(id, at).is_none(), "{event}");
            }
            "e" => {
                let id = (text(event, "cat"), text(event, "id"));
                assert!(open.remove(&id).is_some_and(|begun| begun <= at), "{event}");
            }
            other => panic!("a kind {other:?}: {event}"),
        }
    }
    assert!(open.is_empty(), "never ended: {open:?}");
    for (track, mut spans) in tracks {
        spans.sort_by(|a, b| a.0.total_cmp(&b.0));
        // A worker does one thing at a time.
        for two in spans.windows(2) {
            assert!(two[0].1 <= two[1].0 + 1.0, "{track:?}: {two:?}");
        }
    }
}

#[test]
fn each_item_is_in_the_trace() {
    let events = traced(true, |pool| {
        pool.map(work, 0..300_u64).unwrap();
        pool.map(work, 0..5_u64).unwrap();
    });
    check(&events);
    let items: Vec<_> = of_kind(&events, "X")
        .into_iter()
        .filter(|event| text(event, "cat") == "item")
        .collect();
    let mut indices: Vec<_> = items
        .iter()
        .map(|item| item["args"]["item"].as_u64().unwrap())
        .collect();
    indices.sort_unstable();
    let mut wanted: Vec<_> = (0..300).chain(0..5).collect();
    wanted.sort_unstable();
    assert_eq!(indices, wanted);
    assert!(items.iter().all(|item| text(item, "name") == "trace::work"));
    assert_eq!(of_kind(&events, "b").len(), 2);
    let starts = of_kind(&events, "X")
        .into_iter()
        .filter(|event| text(event, "name") == "start");
    assert_eq!(starts.count(), 3);
}

#[test]
fn chunks_are_in_the_trace_where_items_are_not_asked_for() {
    let events = traced(false, |pool| {
        pool.map(work, 0..300_u64).unwrap();
    });
    check(&events);
    let chunks = of_kind(&events, "X")
        .into_iter()
        .filter(|event| text(event, "cat") == "chunk");
    let items: u64 = chunks
        .map(|chunk| chunk["args"]["items"].as_u64().unwrap())
        .sum();
    assert_eq!(items, 300);
}

#[test]
fn failures_and_retries_are_in_the_trace() {
    let events = traced(true, |pool| {
        let outcomes = pool.outcomes(risky, 0..20_u64).unwrap();
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_err()).count(),
            2
        );
    });
    check(&events);
    let named = |name: &str| {
        let instants = of_kind(&events, "i").into_iter();
        instants
            .filter(|event| text(event, "name") == name)
            .collect::<Vec<_>>()
    };
    let panics = named("panic");
    assert_eq!(panics.len(), 1);
    assert!(text(&panics[0]["args"], "report").contains("\"three\"\u{1}</script>"));
    let crashes = named("crash");
    assert_eq!(crashes.len(), 2);
    assert!(
        crashes
            .iter()
            .all(|crash| text(&crash["args"], "report").contains("SIGABRT"))
    );
    assert_eq!(crashes[0]["args"]["retried"], true);
    assert_eq!(named("tried again").len(), 1);
    assert_eq!(named("worker lost").len(), 2);
}
