//! Init functions that fail: what is told, when, and how often they are tried.

use std::error::Error as _;
use std::fmt;
use std::process;
use std::thread;
use std::time::Duration;

use parproc::{Error, PoolBuilder, TaskError, parallel};
use parproc_tests::{Tally, in_time, note};
use serde::{Deserialize, Serialize};

use super::{aborts, builder, noted, say_goodbye, task};

#[parallel]
fn fails(tally: &str, how: &str) -> Result<(), String> {
    note(tally, format!("init {}", process::id()));
    match how {
        "err" => Err("no such device".to_owned()),
        "long" => Err("x".repeat(300_000)),
        "panic" => panic!("not today"),
        "abort" => process::abort(),
        "exit" => process::exit(3),
        "hang" => loop {
            thread::park();
        },
        "storm" => {
            let mut all = Vec::new();
            loop {
                all.push(vec![1_u8; 1 << 20]);
            }
        }
        _ => Ok(()),
    }
}

/// The error of a call in a pool of one worker whose init function fails, and how often it was called.
fn failure(how: &str, set: impl FnOnce(PoolBuilder) -> PoolBuilder) -> (Error, usize) {
    let tally = Tally::new();
    let builder = builder(1)
        .init(fails, (tally.path(), how))
        .exit(say_goodbye);
    let pool = set(builder).build().unwrap();
    let error = pool.map(task, 0..10).unwrap_err();
    assert!(error.is_init(), "{error}");
    assert!(
        error.to_string().contains("`hooks::failing::fails`"),
        "{error}"
    );
    assert!(!error.is_task() && !error.is_start());
    let tries = noted(&tally, "init").len();
    // The next call tries again, and tasks are told as well.
    let tasks = [1, 2].map(|x| pool.spawn(task, x).unwrap());
    for task in tasks {
        let again = task.join().unwrap_err();
        assert!(again.is_init(), "{again}");
    }
    (error, tries)
}

fn source(error: &Error) -> &TaskError {
    let source = error.source().expect("a source");
    source.downcast_ref().expect("what happened in the worker")
}

#[test]
fn an_init_that_returns_an_error_is_told_at_once() {
    in_time(|| {
        let (error, tries) = failure("err", |builder| builder);
        assert!(error.to_string().contains("no such device"), "{error}");
        assert_eq!(tries, 1);
        let (error, tries) = failure("long", |builder| builder);
        assert!(error.to_string().contains(&"x".repeat(300_000)));
        assert_eq!(tries, 1);
    });
}

#[test]
fn an_init_that_panics_is_told_at_once_with_its_message() {
    in_time(|| {
        let (error, tries) = failure("panic", |builder| builder);
        assert!(error.to_string().contains("not today"), "{error}");
        let task = source(&error);
        assert_eq!(task.panic_message(), Some("not today"));
        assert!(task.panic_location().unwrap().contains("failing.rs"));
        assert_eq!(tries, 1);
        // It is no item whose input could be kept.
        let folder = tempfile::tempdir().unwrap();
        let (error, _) = failure("panic", |builder| builder.crash_dir(folder.path()));
        assert_eq!(source(&error).panic_message(), Some("not today"));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    });
}

#[test]
fn an_init_that_crashes_is_told_after_a_few_tries() {
    in_time(|| {
        let (error, tries) = failure("abort", |builder| builder);
        assert!(error.to_string().contains("(tried 3 times)"), "{error}");
        assert_eq!(source(&error).signal(), Some(6));
        assert_eq!(tries, 3);
        let (error, tries) = failure("exit", |builder| builder);
        assert_eq!(source(&error).exit_code(), Some(3));
        assert_eq!(tries, 3);
    });
}

#[test]
fn an_init_that_hangs_is_ended_and_told() {
    in_time(|| {
        let limit = Duration::from_millis(150);
        let (error, tries) = failure("hang", |builder| builder.init_timeout(limit));
        assert!(error.to_string().contains("150ms"), "{error}");
        assert!(source(&error).is_timeout());
        assert_eq!(tries, 1);
    });
}

#[test]
fn an_init_that_uses_too_much_memory_is_ended_and_told() {
    in_time(|| {
        let limit = 200 << 20;
        let (error, tries) = failure("storm", |builder| builder.memory_limit(limit));
        assert!(source(&error).is_memory(), "{error}");
        assert_eq!(tries, 1);
    });
}

#[derive(Debug, Clone, Serialize)]
struct Perishable;

impl<'de> Deserialize<'de> for Perishable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it has gone off"))
    }
}

impl fmt::Display for Perishable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("perishable")
    }
}

/// A value that cannot leave.
#[derive(Debug, Deserialize)]
struct Immovable;

impl Serialize for Immovable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it does not move"))
    }
}

/// A value that panics when it arrives.
#[derive(Debug, Serialize)]
struct Explosive;

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        // Like a panic, but it prints nothing.
        std::panic::resume_unwind(Box::new("bang"))
    }
}

impl fmt::Display for Explosive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("explosive")
    }
}

#[parallel]
fn takes_perishable(_value: Perishable) {}

#[parallel]
fn gives_perishable() -> Result<(), Perishable> {
    Err(Perishable)
}

#[parallel]
fn gives_explosive() -> Result<(), Explosive> {
    Err(Explosive)
}

#[parallel]
fn takes_immovable(_value: Immovable) {}

#[test]
fn values_of_init_that_do_not_pass_are_told() {
    in_time(|| {
        let pools = [
            (
                builder(1).init(takes_perishable, Perishable),
                "it has gone off",
            ),
            (builder(1).init(gives_perishable, ()), "it has gone off"),
            (builder(1).init(gives_explosive, ()), "panicked"),
        ];
        for (builder, reason) in pools {
            let error = builder.build().unwrap().map(task, [1]).unwrap_err();
            assert!(
                error.is_init() && error.to_string().contains(reason),
                "{error}"
            );
        }
        let error = builder(1)
            .init(takes_immovable, Immovable)
            .build()
            .unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("it does not move"),
            "{error}"
        );
    });
}

fn ordinary() {}

#[test]
fn hooks_that_are_no_registered_functions_are_refused() {
    let error = builder(1).init(ordinary, ()).build().unwrap_err();
    assert!(error.is_not_registered(), "{error}");
    let error = builder(1).exit(ordinary).build().unwrap_err();
    assert!(error.is_not_registered(), "{error}");
    let zero = builder(1).init_timeout(Duration::ZERO).build();
    assert!(zero.unwrap_err().is_invalid());
}

#[parallel]
fn first_is_well(tally: &str) -> Result<(), String> {
    let before = std::fs::read_to_string(tally).unwrap();
    note(tally, format!("init {}", process::id()));
    if before.is_empty() {
        return Ok(());
    }
    Err("only one at a time".to_owned())
}

#[test]
fn an_init_that_fails_only_in_the_replacement_is_told_to_who_waits_for_that() {
    in_time(|| {
        let tally = Tally::new();
        let pool = builder(1)
            .init(first_is_well, tally.path())
            .build()
            .unwrap();
        assert_eq!(pool.map(task, 0..3).unwrap(), [0, 1, 2]);
        let crash = pool.spawn(aborts, ()).unwrap().join().unwrap_err();
        assert!(crash.task().unwrap().is_crash());
        let error = pool.map(task, [1]).unwrap_err();
        assert!(error.is_init(), "{error}");
        assert!(error.to_string().contains("only one at a time"), "{error}");
        assert_eq!(noted(&tally, "init").len(), 2);
    });
}
