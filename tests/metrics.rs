//! What happens in a pool as metrics. The recorder is the program's, so one test tells it all.

use std::collections::BTreeMap;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use parproc::observe::Metrics;
use parproc::{Pool, parallel};
use parproc_tests::in_time;

#[parallel(retries = 1)]
fn task(x: u64) -> u64 {
    match x {
        5 => panic!("five"),
        7 => std::process::abort(),
        9 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        _ => 2 * x,
    }
}

/// What the recorder has: counters and gauges as they are, and of histograms how much was recorded, behind the
/// names with the values of their labels.
fn look(snapshotter: &Snapshotter, seen: &mut BTreeMap<String, f64>) {
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let name = key.name().trim_start_matches("parproc_");
        let name = format!("{name} {}", labels.join(" "));
        // A look takes out what counters and histograms have.
        match value {
            DebugValue::Counter(count) => *seen.entry(name).or_default() += count as f64,
            DebugValue::Histogram(values) => *seen.entry(name).or_default() += values.len() as f64,
            DebugValue::Gauge(value) => {
                seen.insert(name, value.into_inner());
            }
        }
    }
}

#[test]
fn metrics_tell_what_happens_in_a_pool() {
    in_time(|| {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        recorder.install().unwrap();
        let pool = Pool::builder()
            .workers(2)
            .timeout(Duration::from_millis(200))
            .observe(Metrics::new().pool("tried").item_seconds())
            .build()
            .unwrap();
        let outcomes = pool.outcomes(task, 0..20).unwrap();
        assert_eq!(outcomes.iter().filter(|one| one.is_ok()).count(), 17);
        let mut seen = BTreeMap::new();
        drop(pool);
        look(&snapshotter, &mut seen);
        let is = |name: &str, value: f64| {
            assert_eq!(seen.get(name), Some(&value), "{name} in {seen:#?}");
        };
        is("calls tried metrics::task", 0.0);
        is("items_given tried metrics::task", 0.0);
        is("items_done_total tried metrics::task", 17.0);
        is("items_failed_total tried metrics::task panic", 1.0);
        is("items_failed_total tried metrics::task crash", 2.0);
        is("items_failed_total tried metrics::task timeout", 2.0);
        is("items_retried_total tried metrics::task", 2.0);
        is("item_seconds tried metrics::task", 18.0);
        is("workers tried", 0.0);
        is("workers_lost_total tried", 2.0);
        let started = seen["workers_started_total tried"];
        assert!((5.0..=6.0).contains(&started), "{seen:#?}");
        assert!(seen["worker_start_seconds tried"] >= 2.0);
        assert!(seen["argument_bytes_total tried metrics::task"] >= 22.0);
        assert!(seen["result_bytes_total tried metrics::task"] >= 17.0);
    });
}
