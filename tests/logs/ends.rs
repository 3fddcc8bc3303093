//! Workers that die right after they have logged something.

use std::time::Duration;

use parproc::{Pool, parallel};
use parproc_tests::{in_time, pool};
use tracing::{Level, info, info_span};

use super::collect::hear;

/// How a task ends.
const ENDS: u8 = 8;

#[parallel]
fn say_and_end(x: u64, how: u8) -> Unspeakable {
    info!(x, "last words");
    match how {
        0 => std::process::abort(),
        1 => segfault(),
        2 => std::process::exit(3),
        3 => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        4 => {
            let said = std::thread::spawn(move || info!(x, "from a thread"));
            said.join().unwrap();
            std::process::abort()
        }
        5 => Unspeakable(x),
        6 => Unspeakable(overflow(0)),
        _ => exit_now(),
    }
}

#[expect(unsafe_code, reason = "a task that faults")]
fn segfault() -> ! {
    // SAFETY: there is nothing at that address: it is meant to be a fault.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
    unreachable!("it faults")
}

#[expect(unsafe_code, reason = "a task that ends itself")]
fn exit_now() -> ! {
    // SAFETY: ends the process.
    unsafe { libc::_exit(4) }
}

fn overflow(depth: u64) -> u64 {
    let block = std::hint::black_box([depth; 512]);
    if depth == u64::MAX {
        return depth;
    }
    overflow(depth + 1) + block[7]
}

/// Says something while it is encoded, and ends the process then.
#[derive(Debug)]
struct Unspeakable(u64);

impl serde::Serialize for Unspeakable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        info!(x = self.0, "while encoding");
        std::process::abort()
    }
}

impl<'de> serde::Deserialize<'de> for Unspeakable {
    fn deserialize<D: serde::Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        serde::Deserialize::deserialize(decoder).map(Self)
    }
}

#[test]
fn last_words_are_heard_whatever_ends_the_worker() {
    in_time(|| {
        for how in 0..ENDS {
            let (heard, outcomes) = hear(Level::INFO, || {
                let pool = Pool::builder()
                    .workers(1)
                    .timeout(Duration::from_millis(300))
                    .build()
                    .unwrap();
                let _span = info_span!("caller", how).entered();
                pool.outcomes(say_and_end, [(7, how)]).unwrap()
            });
            let error = outcomes[0].as_ref().unwrap_err();
            assert_eq!(error.is_timeout(), how == 3, "{error}");
            let event = heard.one("last words", "x", 7);
            assert_eq!(event.scope[0].fields["how"], how.to_string());
            assert_eq!(event.scope[1].fields["function"], "logs::ends::say_and_end");
            assert_eq!(
                event.scope[1].fields["worker"],
                error.pid().unwrap().to_string()
            );
            let more = match how {
                4 => heard.one("from a thread", "x", 7),
                5 => heard.one("while encoding", "x", 7),
                _ => continue,
            };
            assert_eq!(more.scope[1].fields, event.scope[1].fields);
        }
    });
}

#[parallel(retries = 2)]
fn fail_twice(path: &str) -> u32 {
    parproc_tests::note(path, "begun");
    let attempt = std::fs::read_to_string(path).unwrap().lines().count();
    info!(attempt, "trying");
    if attempt < 3 {
        std::process::abort();
    }
    attempt as u32
}

#[test]
fn each_attempt_has_its_span() {
    in_time(|| {
        let tally = parproc_tests::Tally::new();
        let (heard, results) = hear(Level::INFO, || pool(1).map(fail_twice, [tally.path()]));
        assert_eq!(results.unwrap(), [3]);
        for attempt in 1..=3 {
            let task = &heard.one("trying", "attempt", attempt).scope[0];
            let said = task.fields.get("attempt").map(String::as_str);
            assert_eq!(
                said,
                (attempt > 1).then_some(attempt.to_string()).as_deref()
            );
        }
    });
}

#[expect(unsafe_code, reason = "a task that forks")]
#[parallel]
fn fork_and_log(x: u64) -> u64 {
    info!(x, "before");
    // SAFETY: the copy only logs, and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let _span = info_span!("copy").entered();
        info!(x, "in the copy");
        exit_now();
    }
    // SAFETY: waits for the copy.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), 0) };
    info!(x, "after");
    x
}

#[test]
fn copies_of_a_worker_do_not_mix_with_it() {
    in_time(|| {
        let (heard, _) = hear(Level::INFO, || pool(2).map(fork_and_log, 0..20).unwrap());
        assert_eq!(heard.len(), 40);
        assert_eq!(heard.open(), Vec::<&str>::new());
    });
}
