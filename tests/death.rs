//! Tasks that end their worker, or try to: what is lost, and that nothing else is.

#![expect(unsafe_code, reason = "a segmentation fault is made on purpose")]

use std::fs;
use std::hint::black_box;
use std::panic::{catch_unwind, panic_any};
use std::process::{self, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parproc::{Pool, Task, TaskError, parallel};
use parproc_tests::{
    Guest, LIMIT, Meeting, Process, Tally, children, in_time, inline_pool, meet, note, pool,
    program, role, scribble, succeeds, within,
};
use rustix::process::{Signal, getpid, kill_process};
use serde::{Deserialize, Deserializer, Serialize};

const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;
const SIGSEGV: i32 = 11;

/// Something that a task does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Deed {
    Good,
    Panic,
    PanicWithANumber,
    PanicWithALongMessage,
    /// Its value panics once more when it is dropped.
    PanicTwice,
    PanicWhileUnwinding,
    PanicInAThread,
    PanicInAThreadAndOut,
    Abort,
    AbortInAThread,
    Segfault,
    StackOverflow,
    Exit(i32),
    Kill,
    /// Ends the worker after a panic that was caught.
    CatchThenExit,
    CatchThenSegfault,
}

#[parallel]
fn act(deed: Deed) -> u32 {
    match deed {
        Deed::Good => {}
        Deed::Panic => panic!("a deed of item {}", 7),
        Deed::PanicWithANumber => panic_any(7),
        Deed::PanicWithALongMessage => panic!("long {}", "é".repeat(1 << 20)),
        Deed::PanicTwice => panic_any(Again),
        Deed::PanicWhileUnwinding => {
            let _again = Again;
            panic!("panicked first");
        }
        Deed::PanicInAThread => {
            let outcome = thread::spawn(|| panic!("in a thread of a task, as it should")).join();
            assert!(outcome.is_err());
        }
        Deed::PanicInAThreadAndOut => {
            thread::spawn(|| panic!("in a thread of a task, as it should"))
                .join()
                .expect("the thread ended well");
        }
        Deed::Abort => process::abort(),
        Deed::AbortInAThread => {
            let _ = thread::spawn(|| process::abort()).join();
        }
        Deed::Segfault => segfault(),
        Deed::StackOverflow => {
            black_box(recurse(0));
        }
        Deed::Exit(code) => process::exit(code),
        Deed::Kill => kill_process(getpid(), Signal::KILL).unwrap(),
        Deed::CatchThenExit => {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            process::exit(7);
        }
        Deed::CatchThenSegfault => {
            assert!(catch_unwind(|| panic!("caught")).is_err());
            segfault();
        }
    }
    process::id()
}

/// Panics when it is dropped.
struct Again;

impl Drop for Again {
    fn drop(&mut self) {
        panic!("panicked again");
    }
}

fn segfault() {
    // SAFETY: none; nothing can be mapped at this address, and the kernel ends the process.
    unsafe { ptr::without_provenance_mut::<u64>(8).write_volatile(1) };
}

#[expect(unconditional_recursion, reason = "the stack is to overflow")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

/// Notes the item, then does the deed.
#[parallel]
fn noted(tally: &str, index: u32, deed: Deed) -> u32 {
    note(tally, index);
    if deed != Deed::Good {
        act(deed);
    }
    index
}

/// Goes on as if nothing had happened.
#[parallel]
fn scribbles(meeting: &str, index: u64) -> u64 {
    if index == 0 {
        meet(meeting, index);
        scribble();
    }
    index
}

#[parallel]
fn met(meeting: &str, index: u64) -> u64 {
    meet(meeting, index);
    index
}

/// What the deed costs, in a pool of one worker; gives the error and the worker's fate.
fn costs(deed: Deed) -> (TaskError, Process, Pool) {
    let pool = pool(1);
    let worker = Process::watch(pool.map(pid, [()]).unwrap()[0]);
    let outcomes = pool.outcomes(act, [Deed::Good, deed, Deed::Good]).unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    let error = outcomes[1].as_ref().unwrap_err().clone();
    assert_eq!((error.index(), error.function()), (1, "death::act"));
    assert_eq!(error.pid(), Some(worker.id));
    (error, worker, pool)
}

/// The deed panics: this is what it said, and the worker stays.
fn panics(deed: Deed) -> TaskError {
    let (error, worker, pool) = costs(deed);
    assert!(error.is_panic() && !error.is_crash(), "{error}");
    assert_eq!((error.signal(), error.exit_code()), (None, None));
    assert!(!worker.has_ended());
    assert_eq!(
        pool.map(pid, [()]).unwrap(),
        [worker.id],
        "the worker is kept"
    );
    error
}

/// The deed ends its worker, which is replaced.
fn crashes(deed: Deed) -> TaskError {
    let (error, worker, pool) = costs(deed);
    assert!(error.is_crash() && !error.is_panic(), "{error}");
    assert!(error.panic_message().is_none() && error.backtrace().is_none());
    assert!(worker.ends_within(LIMIT));
    let next = pool.map(pid, [()]).unwrap()[0];
    assert_ne!(next, worker.id, "the worker is replaced");
    assert!(
        error.to_string().contains(&format!("worker {}", worker.id)),
        "{error}"
    );
    error
}

#[test]
fn a_panic_gives_message_place_and_backtrace() {
    in_time(|| {
        let error = panics(Deed::Panic);
        assert_eq!(error.panic_message(), Some("a deed of item 7"));
        let place = error.panic_location().expect("a place");
        assert!(place.contains("death.rs:"), "{place}");
        let wanted = std::env::var("RUST_BACKTRACE").as_deref() != Ok("0");
        assert_eq!(error.backtrace().is_some(), wanted);
        if let Some(stack) = error.backtrace() {
            // How much is said of a function depends on the debug information that there is.
            assert!(stack.contains("act\n"), "{stack}");
            assert!(!stack.contains("parproc::"), "ours are left out: {stack}");
        }
        let text = error.to_string();
        assert!(
            text.contains("a deed of item 7") && text.contains("death.rs:"),
            "{text}"
        );
    });
}

#[test]
fn a_panic_with_a_value_that_is_no_text() {
    in_time(|| {
        let error = panics(Deed::PanicWithANumber);
        assert!(
            error
                .panic_message()
                .is_some_and(|message| !message.is_empty())
        );
        assert!(
            error
                .panic_location()
                .expect("a place")
                .contains("death.rs:")
        );
    });
}

#[test]
fn a_panic_with_a_long_message() {
    in_time(|| {
        let error = panics(Deed::PanicWithALongMessage);
        let message = error.panic_message().expect("a message");
        assert!(message.starts_with("long éé") && message.len() > 1000);
    });
}

#[test]
fn a_panic_whose_value_panics_when_it_is_dropped() {
    in_time(|| {
        let error = panics(Deed::PanicTwice);
        assert!(
            error
                .panic_location()
                .expect("a place")
                .contains("death.rs:")
        );
    });
}

#[test]
fn a_panic_in_a_thread_of_the_task_is_the_task_s_affair() {
    in_time(|| {
        let pool = pool(1);
        let pids = pool.map(act, [Deed::PanicInAThread, Deed::Good]).unwrap();
        assert_eq!(pids[0], pids[1]);
        let error = panics(Deed::PanicInAThreadAndOut);
        let message = error.panic_message().expect("a message");
        assert!(message.contains("the thread ended well"), "{message}");
    });
}

#[test]
fn a_panic_that_aborts_still_gives_its_message() {
    in_time(|| {
        let (error, worker, _pool) = costs(Deed::PanicWhileUnwinding);
        assert!(error.is_panic(), "{error}");
        let message = error.panic_message().expect("a message");
        assert!(message.contains("panicked"), "{message}");
        assert!(worker.ends_within(LIMIT));
    });
}

#[test]
fn inline_pools_tell_of_panics_alike() {
    in_time(|| {
        let pool = inline_pool();
        let items = [Deed::Good, Deed::Panic, Deed::PanicWithANumber];
        let outcomes = pool.outcomes(act, items).unwrap();
        assert_eq!(*outcomes[0].as_ref().unwrap(), process::id());
        let error = outcomes[1].as_ref().unwrap_err();
        assert!(error.is_panic() && error.index() == 1);
        assert_eq!(error.panic_message(), Some("a deed of item 7"));
        let place = error.panic_location().expect("a place");
        assert!(place.contains("death.rs:"), "{place}");
        assert!(outcomes[2].as_ref().unwrap_err().is_panic());
    });
}

#[test]
fn an_abort() {
    in_time(|| {
        for deed in [Deed::Abort, Deed::AbortInAThread] {
            let error = crashes(deed);
            assert_eq!((error.signal(), error.exit_code()), (Some(SIGABRT), None));
            assert!(error.to_string().contains("SIGABRT"), "{error}");
        }
    });
}

#[test]
fn a_segmentation_fault() {
    in_time(|| {
        let error = crashes(Deed::Segfault);
        assert_eq!(error.signal(), Some(SIGSEGV));
        assert_eq!(error.fault_address(), Some(8));
        assert!(!error.is_stack_overflow());
        assert!(error.to_string().contains("SIGSEGV"), "{error}");
    });
}

#[test]
fn a_stack_overflow() {
    in_time(|| {
        let error = crashes(Deed::StackOverflow);
        assert_eq!(error.signal(), Some(SIGSEGV));
        assert!(error.is_stack_overflow(), "{error}");
        assert!(error.to_string().contains("stack overflow"), "{error}");
    });
}

#[test]
fn an_exit() {
    in_time(|| {
        for code in [0, 7] {
            let error = crashes(Deed::Exit(code));
            assert_eq!((error.signal(), error.exit_code()), (None, Some(code)));
            assert!(
                error.to_string().contains(&format!("code {code}")),
                "{error}"
            );
        }
    });
}

#[test]
fn a_kill_from_inside() {
    in_time(|| {
        let error = crashes(Deed::Kill);
        assert_eq!(error.signal(), Some(SIGKILL));
        assert_eq!(error.fault_address(), None);
    });
}

#[test]
fn a_kill_from_outside() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let spawn = |word| pool.spawn(met, (meeting.name(), word)).unwrap();
        let mut tasks: Vec<_> = (0..2).map(spawn).collect();
        let (one, other) = (meeting.wait(), meeting.wait());
        one.process.kill();
        let killed = tasks.remove(one.word as usize).join().unwrap_err();
        let killed = killed.task().expect("a failed task");
        assert!(killed.is_crash());
        assert_eq!(
            (killed.signal(), killed.pid()),
            (Some(SIGKILL), Some(one.process.id))
        );
        let word = other.word;
        drop(other);
        assert_eq!(
            tasks.remove(0).join().unwrap(),
            word,
            "the other task is not affected"
        );
    });
}

#[test]
fn a_caught_panic_is_not_blamed_for_what_comes_later() {
    in_time(|| {
        let error = crashes(Deed::CatchThenExit);
        assert_eq!(error.exit_code(), Some(7));
        let error = crashes(Deed::CatchThenSegfault);
        assert_eq!(error.signal(), Some(SIGSEGV));
    });
}

#[test]
fn only_the_running_item_of_a_chunk_is_lost() {
    in_time(|| {
        for deed in [Deed::Abort, Deed::Exit(0), Deed::Kill, Deed::Segfault] {
            for workers in [1, 2] {
                let pool = pool(workers);
                let tally = Tally::new();
                let path = tally.path();
                let deed_of = |index| if index == 5 { deed } else { Deed::Good };
                let items = (0..10).map(|index| (path, index, deed_of(index)));
                let job = pool.job(noted).chunk_size(10);
                let outcomes = job.outcomes(items).unwrap();
                for (index, outcome) in (0..).zip(&outcomes) {
                    match outcome {
                        Ok(same) => assert_eq!(*same, index),
                        Err(error) => assert!(index == 5 && error.is_crash(), "{error}"),
                    }
                    assert_eq!(outcome.is_err(), index == 5);
                }
                let counts = tally.counts();
                assert_eq!(counts.len(), 10);
                assert!(counts.values().all(|count| *count == 1), "{counts:?}");
            }
        }
    });
}

#[test]
fn a_chunk_with_many_deaths() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        let path = tally.path();
        let deed_of = |index| {
            if index % 3 == 0 {
                Deed::Exit(1)
            } else {
                Deed::Good
            }
        };
        let items = (0..60).map(|index| (path, index, deed_of(index)));
        let outcomes = pool.job(noted).chunk_size(60).outcomes(items).unwrap();
        for (index, outcome) in (0..).zip(&outcomes) {
            assert_eq!(outcome.is_err(), index % 3 == 0, "{outcome:?}");
        }
        let counts = tally.counts();
        assert!(counts.len() == 60 && counts.values().all(|count| *count == 1));
    });
}

#[test]
fn arguments_of_the_items_behind_a_death_are_kept() {
    #[parallel]
    fn sized(
        index: u32,
        bytes: Vec<u8>,
        text: &str,
        words: Vec<u64>,
    ) -> (u32, usize, usize, usize) {
        if index % 4 == 1 {
            process::exit(3);
        }
        assert!(bytes.iter().all(|byte| *byte == index as u8));
        assert!(words.iter().all(|word| *word == u64::from(index)));
        (index, bytes.len(), text.len(), words.len())
    }
    in_time(|| {
        let pool = pool(2);
        // Long vectors are not copied into the chunk, short ones are.
        let item = |index: u32| {
            let many = |which| if index % 3 == which { 5000 } else { 3 };
            let (bytes, words) = (vec![index as u8; 8 * many(0)], vec![index.into(); many(1)]);
            (index, bytes, "t".repeat(many(2)), words)
        };
        for chunk_size in [1, 2, 5, 40] {
            let job = pool.job(sized).chunk_size(chunk_size);
            let items: Vec<_> = (0..40).map(item).collect();
            let lent = items
                .iter()
                .map(|(a, b, c, d)| (*a, b.clone(), c.as_str(), d.clone()));
            for (expected, outcome) in items.iter().zip(job.outcomes(lent).unwrap()) {
                let (index, bytes, text, words) = expected;
                match outcome {
                    Ok(found) => {
                        assert_eq!(found, (*index, bytes.len(), text.len(), words.len()));
                    }
                    Err(error) => {
                        assert_eq!((index % 4, error.exit_code()), (1, Some(3)), "{error}");
                    }
                }
            }
        }
    });
}

#[test]
fn what_is_queued_behind_a_death_runs_elsewhere() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = pool(workers);
            let meeting = Meeting::new();
            let tally = Tally::new();
            let slow: Vec<Task<u64>> = (0..workers as u64)
                .map(|word| pool.spawn(met, (meeting.name(), word)).unwrap())
                .collect();
            let guests: Vec<Guest> = slow.iter().map(|_| meeting.wait()).collect();
            let spawn = |index| {
                pool.spawn(noted, (tally.path(), index, Deed::Good))
                    .unwrap()
            };
            let queued: Vec<_> = (0..20).map(spawn).collect();
            for guest in &guests {
                guest.process.kill();
            }
            for (index, task) in (0..).zip(queued) {
                assert_eq!(task.join().unwrap(), index);
            }
            for task in slow {
                let error = task.join().unwrap_err();
                assert_eq!(error.task().unwrap().signal(), Some(SIGKILL));
            }
            let counts = tally.counts();
            assert!(counts.len() == 20 && counts.values().all(|count| *count == 1));
        }
    });
}

#[test]
fn a_hundred_deaths_in_a_row() {
    within(Duration::from_secs(60), || {
        let pool = pool(2);
        for deed in [Deed::Exit(1), Deed::Kill] {
            let outcomes = pool.outcomes(act, [deed; 100]).unwrap();
            assert_eq!(outcomes.len(), 100);
            for (index, outcome) in outcomes.into_iter().enumerate() {
                let error = outcome.unwrap_err();
                assert!(error.is_crash() && error.index() == index, "{error}");
            }
        }
        assert_eq!(pool.map(act, [Deed::Good; 50]).unwrap().len(), 50);
    });
}

#[test]
fn a_pool_works_after_its_idle_worker_was_killed() {
    in_time(|| {
        let pool = pool(1);
        for _ in 0..30 {
            let worker = Process::watch(pool.map(pid, [()]).unwrap()[0]);
            worker.kill();
            // Whether or not the pool has seen it yet: the items were not begun by anybody.
            assert!(worker.ends_within(LIMIT));
            let pids = pool.map(act, [Deed::Good; 5]).unwrap();
            assert!(pids.iter().all(|pid| *pid != worker.id));
        }
    });
}

#[test]
fn a_spawned_task_survives_the_death_of_an_idle_worker() {
    in_time(|| {
        let pool = pool(2);
        for _ in 0..30 {
            let worker = Process::watch(pool.spawn(pid, ()).unwrap().join().unwrap());
            worker.kill();
            assert!(worker.ends_within(LIMIT));
            let task = pool.spawn(pid, ()).unwrap();
            assert_ne!(task.join().unwrap(), worker.id);
        }
    });
}

#[test]
fn a_death_while_an_argument_is_on_its_way() {
    /// Ends the worker that reads it.
    #[derive(Clone, Copy, Serialize)]
    struct Deadly(bool);

    impl<'de> Deserialize<'de> for Deadly {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let deadly = bool::deserialize(deserializer)?;
            if deadly {
                process::abort();
            }
            Ok(Self(deadly))
        }
    }

    #[parallel]
    fn swallow(first: Deadly, large: Vec<u8>) -> usize {
        usize::from(first.0) + large.len()
    }

    in_time(|| {
        let pool = pool(1);
        for _ in 0..5 {
            let items = [false, true, false].map(|deadly| (Deadly(deadly), vec![1; 8 << 20]));
            let outcomes = pool.outcomes(swallow, items).unwrap();
            assert_eq!(*outcomes[0].as_ref().unwrap(), 8 << 20);
            assert!(outcomes[1].as_ref().unwrap_err().is_crash());
            assert_eq!(*outcomes[2].as_ref().unwrap(), 8 << 20);
        }
    });
}

#[test]
fn a_death_while_a_result_is_on_its_way() {
    /// Ends its worker a little later, which is when the result is being sent.
    #[parallel]
    fn doomed(micros: u64) -> Vec<u8> {
        thread::spawn(move || {
            thread::sleep(Duration::from_micros(micros));
            process::abort();
        });
        vec![9; 8 << 20]
    }

    within(Duration::from_secs(60), || {
        let pool = pool(2);
        let outcomes = pool.outcomes(doomed, (0..60).map(|x| x * 100)).unwrap();
        for outcome in &outcomes {
            match outcome {
                Ok(bytes) => assert!(bytes.len() == 8 << 20 && bytes.iter().all(|b| *b == 9)),
                Err(error) => assert_eq!(error.signal(), Some(SIGABRT), "{error}"),
            }
        }
        assert_eq!(pool.map(act, [Deed::Good; 50]).unwrap().len(), 50);
    });
}

#[test]
fn deaths_in_the_calls_of_many_threads() {
    within(Duration::from_secs(90), || {
        let pool = pool(3);
        thread::scope(|scope| {
            for thread in 0..4_u32 {
                let pool = &pool;
                scope.spawn(move || {
                    let tally = Tally::new();
                    let path = tally.path();
                    let deadly = |index: u32| index % 40 == thread * 10;
                    let item = |index: u32| {
                        let deed = if deadly(index) {
                            Deed::Kill
                        } else {
                            Deed::Good
                        };
                        (path, index, deed)
                    };
                    let job = pool.job(noted).chunk_size(1 + 5 * thread as usize);
                    let outcomes = job.outcomes((0..600).map(item)).unwrap();
                    for (index, outcome) in (0..).zip(&outcomes) {
                        assert_eq!(outcome.is_err(), deadly(index), "{index}: {outcome:?}");
                    }
                    let counts = tally.counts();
                    assert!(counts.len() == 600 && counts.values().all(|count| *count == 1));
                });
            }
        });
    });
}

#[test]
fn workers_killed_at_any_time_cost_one_item_each() {
    /// Says who it is, works for a moment, and notes its end.
    #[parallel]
    fn brief(tally: &str, index: u32) -> (u32, u32) {
        note(tally, index);
        let mut sum = index;
        for x in 0..20_000 {
            sum = black_box(sum.wrapping_add(x));
        }
        (index, process::id())
    }

    within(Duration::from_secs(90), || {
        let pool = pool(2);
        let tally = Tally::new();
        let path = tally.path();
        let items = (0..3000).map(|index| (path, index));
        let mut kills = 0;
        let mut failed = 0;
        for (index, result) in (0..).zip(pool.imap(brief, items).unwrap()) {
            match result {
                Ok((same, id)) => {
                    assert_eq!(same, index);
                    if index % 100 == 50 {
                        // It runs something later by now, or is between two items.
                        let killed =
                            Process::child(id).is_some_and(|it| it.try_signal(Signal::KILL));
                        kills += u32::from(killed);
                    }
                }
                Err(error) => {
                    assert_eq!(error.signal(), Some(SIGKILL), "{error}");
                    assert_eq!(error.index(), index as usize);
                    failed += 1;
                }
            }
        }
        assert!(failed <= kills, "{failed} items failed by {kills} kills");
        let counts = tally.counts();
        assert_eq!(
            counts.values().filter(|count| **count > 1).count(),
            0,
            "none ran twice"
        );
        // Killed between its claim and its first deed, an item may have noted nothing.
        assert!(counts.len() + failed as usize >= 3000);
    });
}

#[test]
fn a_program_that_ignores_the_end_of_its_children() {
    if role().is_none() {
        let test = "a_program_that_ignores_the_end_of_its_children";
        succeeds(&mut program(test, "ignore"));
        return;
    }
    in_time(|| {
        // SAFETY: no handler of ours is involved. The kernel reaps all children from now on.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        let pool = pool(2);
        for deed in [Deed::Exit(1), Deed::Kill, Deed::Abort] {
            let deeds = [Deed::Good, deed, Deed::Good, deed, Deed::Good];
            let outcomes = pool.outcomes(act, deeds).unwrap();
            for (deed, outcome) in deeds.iter().zip(outcomes) {
                match outcome {
                    Ok(_) => assert_eq!(*deed, Deed::Good),
                    Err(error) => assert!(*deed != Deed::Good && error.is_crash(), "{error}"),
                }
            }
        }
        drop(pool);
        assert_eq!(children(), []);
    });
}

/// How often workers die before they can work, in a program with this variable; how; and the tally
/// in which they note it.
const DEATHS_AT_START: &str = "PARPROC_TEST_DEATHS_AT_START";

// SAFETY: the section holds pointers to functions, which are called before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = at_start;

extern "C" fn at_start() {
    let Ok(value) = std::env::var(DEATHS_AT_START) else {
        return;
    };
    // The input of a worker is this; that of the program below is a pipe.
    let worker = fs::read_link("/proc/self/fd/0").is_ok_and(|path| path == *"/dev/null");
    let parts: Vec<_> = value.splitn(3, ' ').collect();
    if let (true, [deaths, how, tally]) = (worker, &parts[..]) {
        note(tally, "started");
        let starts = fs::read_to_string(tally).unwrap().lines().count();
        if starts <= deaths.parse().unwrap() {
            if *how == "killed" {
                let _ = kill_process(getpid(), Signal::KILL);
            }
            process::exit(42);
        }
    }
}

/// Runs the test as a program in which the first workers die at their start.
fn dying(test: &str, deaths: u32, how: &str) -> usize {
    let tally = Tally::new();
    let mut command = program(test, "work");
    command.env(DEATHS_AT_START, format!("{deaths} {how} {}", tally.path()));
    succeeds(command.stdin(Stdio::piped()));
    tally.total()
}

#[test]
fn workers_that_die_at_their_start_are_the_reason_given() {
    if role().is_none() {
        let test = "workers_that_die_at_their_start_are_the_reason_given";
        let starts = dying(test, u32::MAX, "exit");
        assert!((3..20).contains(&starts), "{starts} workers were started");
        return;
    }
    in_time(|| {
        let pool = pool(2);
        let error = pool.map(act, [Deed::Good; 10]).unwrap_err();
        assert!(error.is_start(), "{error}");
        assert!(error.to_string().contains("code 42"), "{error}");
        let task = pool.spawn(act, Deed::Good).unwrap();
        assert!(task.join().unwrap_err().is_start());
        assert!(
            pool.imap(act, [Deed::Good; 10])
                .unwrap()
                .any(|result| result.is_err())
        );
    });
}

#[test]
fn a_pool_survives_some_deaths_at_the_start() {
    if role().is_none() {
        let test = "a_pool_survives_some_deaths_at_the_start";
        assert!(dying(test, 2, "exit") >= 3);
        return;
    }
    in_time(|| {
        let pool = pool(1);
        assert_eq!(pool.map(act, [Deed::Good; 10]).unwrap().len(), 10);
    });
}

#[test]
fn a_pool_survives_many_kills_at_the_start() {
    if role().is_none() {
        let test = "a_pool_survives_many_kills_at_the_start";
        assert!(dying(test, 15, "killed") > 15);
        return;
    }
    in_time(|| {
        let pool = pool(1);
        assert_eq!(pool.map(act, [Deed::Good; 10]).unwrap().len(), 10);
    });
}

#[test]
fn workers_that_are_stopped_and_killed_at_random() {
    if role().is_none() {
        // A program of its own, whose only children are these workers.
        succeeds(&mut program(
            "workers_that_are_stopped_and_killed_at_random",
            "chaos",
        ));
        return;
    }

    /// The next number of a sequence (xorshift with 32 bits; Marsaglia, 2003).
    fn next(random: &mut u32) -> u32 {
        *random ^= *random << 13;
        *random ^= *random >> 17;
        *random ^= *random << 5;
        *random
    }

    /// Stops and kills until told to end; gives the number of kills.
    fn torment(over: &AtomicBool) -> usize {
        let (mut random, mut kills) = (2_463_534_242, 0);
        while !over.load(Ordering::Relaxed) {
            let workers = children();
            if workers.is_empty() {
                thread::yield_now();
                continue;
            }
            let one = workers[next(&mut random) as usize % workers.len()];
            let Some(one) = Process::child(one) else {
                continue;
            };
            if next(&mut random).is_multiple_of(8) {
                kills += usize::from(one.try_signal(Signal::KILL));
            } else if one.try_signal(Signal::STOP) {
                for _ in 0..next(&mut random) % 200 {
                    thread::yield_now();
                }
                // It may have been killed by its pool meanwhile.
                let _ = one.try_signal(Signal::CONT);
            }
        }
        kills
    }

    /// Ends the torment, also when the test fails.
    struct Finally<'a>(&'a AtomicBool);

    impl Drop for Finally<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    within(Duration::from_secs(90), || {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let torment = scope.spawn(|| torment(&over));
            let finally = Finally(&over);
            let pool = pool(3);
            let mut lost = 0;
            for round in 0..100 {
                let tally = Tally::new();
                let items = (0..300).map(|index| (tally.path(), index, Deed::Good));
                let job = pool.job(noted);
                let job = if round % 4 == 0 {
                    job
                } else {
                    job.chunk_size(round % 4)
                };
                let outcomes = match job.outcomes(items) {
                    Ok(outcomes) => outcomes,
                    Err(error) => {
                        // Several new workers in a row were killed at their start.
                        assert!(error.is_start(), "{error}");
                        continue;
                    }
                };
                for (index, outcome) in (0..).zip(&outcomes) {
                    match outcome {
                        Ok(same) => assert_eq!(*same, index),
                        Err(error) => assert_eq!(error.signal(), Some(SIGKILL), "{error}"),
                    }
                }
                let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
                let counts = tally.counts();
                assert!(counts.values().all(|count| *count == 1), "none ran twice");
                assert!(counts.len() + failed >= 300);
                lost += failed;
            }
            drop(finally);
            let kills = torment.join().unwrap();
            println!("{lost} items were lost by {kills} kills");
            assert!(lost <= kills);
        });
    });
}

#[test]
fn a_task_that_overwrites_what_its_worker_shares_and_goes_on_hangs_nobody() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let tasks: Vec<_> = (0..40)
            .map(|index| pool.spawn(scribbles, (meeting.name(), index)).unwrap())
            .collect();
        // The next ones wait in the worker's ring by now.
        drop(meeting.wait());
        let mut lost = 0;
        for (index, task) in (0..).zip(tasks) {
            match task.join() {
                Ok(same) => assert_eq!(same, index),
                Err(error) => {
                    assert!(error.task().unwrap().is_crash(), "{error}");
                    lost += 1;
                }
            }
        }
        assert!(lost <= 2, "{lost} tasks were lost");
    });
}
