//! What tasks log through `tracing` and `log`: it arrives in the program's subscriber and logger, all of it,
//! in order, and where it belongs.

#[path = "logs/collect.rs"]
mod collect;
#[path = "logs/ends.rs"]
mod ends;
#[path = "logs/exit.rs"]
mod exit;
#[path = "logs/records.rs"]
mod records;
#[path = "logs/spans.rs"]
mod spans;
#[path = "logs/storm.rs"]
mod storm;
#[path = "logs/subscribers.rs"]
mod subscribers;

use collect::{Heard, hear};
use parproc::{Output, Pool, parallel};
use parproc_tests::{in_time, inline_pool, pool};
use tracing::{Level, debug, error, event, info, trace, warn};

#[parallel]
fn square(x: u64) -> u64 {
    info!(x, half = x as f64 / 2.0, "squaring");
    x * x
}

#[test]
fn an_event_has_its_values_its_place_and_its_task() {
    in_time(|| {
        let (heard, squares) = hear(Level::TRACE, || pool(2).map(square, 0..20).unwrap());
        assert_eq!(squares[19], 361);
        assert_eq!(heard.len(), 20);
        for x in 0..20_u64 {
            let event = heard.one("squaring", "x", x);
            assert_eq!(event.level, Level::INFO);
            assert_eq!(event.target, "logs");
            assert_eq!(event.module.as_deref(), Some("logs"));
            assert_eq!(event.file.as_deref(), Some(file!()));
            assert!(event.line.is_some_and(|line| line < 40));
            assert_eq!(event.fields["half"], (x as f64 / 2.0).to_string());
            let [task] = &event.scope[..] else {
                panic!("{event:?}");
            };
            assert_eq!((task.name, task.target), ("task", "logs"));
            assert_eq!(task.fields["function"], "logs::square");
            assert_eq!(task.fields["item"], x.to_string());
            assert_ne!(task.fields["worker"], std::process::id().to_string());
            assert!(!task.fields.contains_key("attempt"));
        }
    });
}

#[parallel]
fn all_levels(target: bool) {
    error!("e");
    warn!("w");
    info!("i");
    debug!("d");
    trace!("t");
    if target {
        event!(target: "elsewhere", Level::INFO, "far");
    }
}

#[test]
fn what_nobody_wants_to_hear_is_not_heard() {
    in_time(|| {
        let pool = pool(1);
        let words = |level| {
            let (heard, ()) = hear(level, || {
                pool.map(all_levels, [true]).unwrap();
            });
            let events = heard.events().into_iter();
            let words = events.map(|one| one.message().to_owned());
            words.collect::<Vec<_>>().concat()
        };
        assert_eq!(words(Level::ERROR), "e");
        assert_eq!(words(Level::INFO), "ewifar");
        assert_eq!(words(Level::TRACE), "ewidtfar");
        // The same worker hears that less is wanted.
        assert_eq!(words(Level::WARN), "ew");
        let silent = pool.map(all_levels, [true]);
        assert!(silent.is_ok());
    });
}

#[parallel]
fn is_enabled() -> [bool; 2] {
    [
        tracing::enabled!(Level::INFO),
        tracing::enabled!(Level::DEBUG),
    ]
}

#[test]
fn a_task_is_told_what_is_wanted() {
    in_time(|| {
        let pool = pool(1);
        let (_, enabled) = hear(Level::INFO, || pool.map(is_enabled, [()]).unwrap());
        assert!(enabled[0][0]);
        let none = tracing::subscriber::NoSubscriber::default();
        let none = tracing::subscriber::with_default(none, || pool.map(is_enabled, [()]));
        assert_eq!(none.unwrap(), [[false, false]]);
    });
}

#[derive(Debug)]
struct Odd;

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("odd")
    }
}

impl std::error::Error for Odd {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        static CAUSE: std::fmt::Error = std::fmt::Error;
        Some(&CAUSE)
    }
}

#[parallel]
fn values() {
    let error: &(dyn std::error::Error + 'static) = &Odd;
    info!(
        yes = true,
        small = -3_i64,
        large = u64::MAX,
        huge = u128::MAX,
        low = i128::MIN,
        real = 0.5,
        text = "text \"quoted\"",
        shown = %Odd,
        debugged = ?Some("x"),
        bytes = &b"ab"[..],
        error,
        absent = tracing::field::Empty,
        "values"
    );
}

#[test]
fn values_keep_their_kinds() {
    in_time(|| {
        let (heard, _) = hear(Level::INFO, || pool(1).map(values, [()]).unwrap());
        let (ours, ()) = hear(Level::INFO, values);
        let (theirs, ours) = (&heard.events()[0], &ours.events()[0]);
        // A collector tells kinds apart by what it puts before them.
        assert_eq!(theirs.kinds, ours.kinds);
        assert_eq!(theirs.fields, ours.fields);
        assert_eq!(theirs.kinds["error"], "error");
        assert_eq!(
            theirs.fields["error"],
            "odd: an error occurred when formatting an argument"
        );
        assert!(!theirs.fields.contains_key("absent"));
        assert_eq!(theirs.line, ours.line);
    });
}

#[parallel]
fn much(letters: usize) {
    let text = "ä".repeat(letters);
    info!(text, "much");
    info!("after");
}

#[test]
fn texts_of_any_length_pass_or_are_cut() {
    in_time(|| {
        for letters in [0, 3, 5_000, 100_000, 1_000_000] {
            let (heard, _) = hear(Level::INFO, || pool(1).map(much, [letters]).unwrap());
            let text = &heard.events()[0].fields["text"];
            if letters <= 100_000 {
                assert_eq!(text.chars().count(), letters);
            } else {
                assert!(
                    text.ends_with("ä…") && text.len() > 500_000,
                    "{}",
                    text.len()
                );
            }
            assert_eq!(heard.events()[1].message(), "after");
        }
    });
}

#[test]
fn in_this_process_events_have_the_same_span() {
    in_time(|| {
        let (heard, ()) = hear(Level::INFO, || {
            let call = tracing::info_span!("call", id = 7).entered();
            inline_pool().map(square, [3, 4]).unwrap();
            drop(call);
        });
        let event = heard.one("squaring", "x", 4);
        let names: Vec<_> = event.scope.iter().map(|span| span.name).collect();
        assert_eq!(names, ["call", "task"]);
        let task = &event.scope[1].fields;
        assert_eq!(task["function"], "logs::square");
        assert_eq!(task["item"], "1");
        assert_eq!(task["worker"], std::process::id().to_string());
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}

#[parallel]
fn nested(n: u64) -> u64 {
    let sum = Pool::global().unwrap().map(square, 0..n).unwrap();
    sum.into_iter().sum()
}

#[test]
fn calls_of_a_task_are_in_its_span() {
    in_time(|| {
        let (heard, sums) = hear(Level::INFO, || pool(1).map(nested, [3]).unwrap());
        assert_eq!(sums, [5]);
        let event = heard.one("squaring", "x", 2);
        let functions: Vec<_> = event
            .scope
            .iter()
            .map(|span| &span.fields["function"])
            .collect();
        assert_eq!(functions, ["logs::nested", "logs::square"]);
        let workers: Vec<_> = event
            .scope
            .iter()
            .map(|span| &span.fields["worker"])
            .collect();
        assert_eq!(workers[0], workers[1]);
    });
}

#[test]
fn standard_output_is_not_disturbed() {
    in_time(|| {
        let pool = Pool::builder()
            .workers(1)
            .stdout(Output::Captured)
            .stderr(Output::Captured)
            .build()
            .unwrap();
        let (heard, reports) = hear(Level::INFO, || pool.job(square).reports(0..9).unwrap());
        assert!(
            reports
                .iter()
                .all(|one| one.stdout.is_empty() && one.stderr.is_empty())
        );
        assert_eq!(heard.len(), 9);
    });
}

#[test]
fn tasks_processes_and_lazy_calls_are_heard_before_their_results() {
    in_time(|| {
        let pool = pool(2);
        let heard = Heard::default();
        let _guard = heard.set_default(Level::INFO);
        for x in 0..10 {
            let _call = tracing::info_span!("spawning", call = x).entered();
            assert_eq!(pool.spawn(square, x).unwrap().join().unwrap(), x * x);
            let event = heard.one("squaring", "x", x);
            assert_eq!(event.scope[0].fields["call"], x.to_string());
            assert_eq!(event.scope[1].name, "task");
            assert!(!event.scope[1].fields.contains_key("item"));
        }
        for (x, result) in (100..120).zip(pool.imap(square, 100..120).unwrap()) {
            assert_eq!(result.unwrap(), x * x);
            assert_eq!(
                heard.one("squaring", "x", x).scope[0].fields["item"],
                (x - 100).to_string()
            );
        }
        for x in 150..160 {
            let (heard, (told, end)) = (heard.clone(), std::sync::mpsc::channel());
            let done = move |result: parproc::Result<u64>| {
                let first = heard
                    .events()
                    .iter()
                    .any(|event| event.fields["x"] == x.to_string());
                told.send((result, first)).unwrap();
            };
            pool.spawn(square, x).unwrap().on_done(done);
            let (result, first) = end.recv().unwrap();
            assert_eq!((result.unwrap(), first), (x * x, true));
        }
        let process = parproc::Process::spawn(square, 200).unwrap();
        let pid = process.pid();
        assert_eq!(process.join().unwrap(), 40_000);
        assert_eq!(
            heard.one("squaring", "x", 200).scope[0].fields["worker"],
            pid.to_string()
        );
    });
}
