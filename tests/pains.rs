//! What users of other systems complain about, one test each: it must not happen here.

use std::process;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel};
use parproc_tests::{LIMIT, Meeting, Process, Tally, in_time, meet, note, pool};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SHORT: Duration = Duration::from_millis(200);

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

#[parallel]
fn comes(meeting: &str, x: u64) -> u64 {
    meet(meeting, x);
    x
}

#[parallel]
fn crash_at_seven(tally: &str, x: u64) -> u64 {
    note(tally, x);
    if x == 7 {
        process::abort();
    }
    x
}

#[parallel]
fn hang_at_seven(tally: &str, x: u64) -> u64 {
    note(tally, x);
    if x == 7 {
        loop {
            thread::park();
        }
    }
    x
}

/// Is written, and cannot be read back.
#[derive(Debug)]
struct Unreadable;

impl Serialize for Unreadable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(7)
    }
}

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u32::deserialize(deserializer)?;
        Err(serde::de::Error::custom("made to be unreadable"))
    }
}

/// Cannot be written.
#[derive(Debug, Deserialize)]
struct Unwritable;

impl Serialize for Unwritable {
    fn serialize<S: Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("made to be unwritable"))
    }
}

#[parallel]
fn fails_unreadably() -> Result<(), Unreadable> {
    Err(Unreadable)
}

#[parallel]
fn returns_the_unwritable() -> Unwritable {
    Unwritable
}

#[parallel]
fn panics(x: u64) {
    panic!("number {x}");
}

#[parallel]
fn sums(numbers: &[u64]) -> u64 {
    numbers.iter().sum()
}

/// cpython 96062: the pool waits for ever for the result of a worker that was killed.
#[test]
fn a_killed_worker_does_not_hang_the_call() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(comes, (meeting.name(), 1)).unwrap();
        meeting.wait().process.kill();
        let error = task.join().unwrap_err();
        assert_eq!(error.task().unwrap().signal(), Some(9), "{error}");
        assert_eq!(pool.spawn(square, 3).unwrap().join().unwrap(), 9);
    });
}

/// apscheduler 362: after one crash the pool refuses everything, and all that waited fails.
#[test]
fn one_crash_does_not_break_the_pool() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        let outcomes = pool.outcomes(crash_at_seven, (0..100).map(|x| (tally.path(), x)));
        let failed: Vec<_> = outcomes
            .unwrap()
            .into_iter()
            .filter_map(Result::err)
            .collect();
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].index(), 7);
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    });
}

/// joblib 522 and 1221: a timeout loses the whole call, 140,000 results of one user.
#[test]
fn one_timeout_does_not_lose_the_other_results() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        let job = pool.job(hang_at_seven).timeout(SHORT);
        let outcomes = job.outcomes((0..1000).map(|x| (tally.path(), x))).unwrap();
        for (x, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(value) => assert!(value == x && x != 7),
                Err(error) => assert!(x == 7 && error.is_timeout(), "{error}"),
            }
        }
        assert!(
            tally.counts().values().all(|count| *count == 1),
            "nothing is run twice"
        );
    });
}

/// cpython 103061: an exception that cannot be unpickled hangs the caller.
#[test]
fn an_error_that_cannot_be_decoded_does_not_hang() {
    in_time(|| {
        let error = pool(1)
            .spawn(fails_unreadably, ())
            .unwrap()
            .join()
            .unwrap_err();
        assert!(error.task().unwrap().is_decode(), "{error}");
        assert!(
            error.to_string().contains("made to be unreadable"),
            "{error}"
        );
    });
}

/// mpire: a result that cannot be serialised hangs.
#[test]
fn a_result_that_cannot_be_encoded_does_not_hang() {
    in_time(|| {
        let error = pool(1)
            .spawn(returns_the_unwritable, ())
            .unwrap()
            .join()
            .unwrap_err();
        assert!(error.task().unwrap().is_encode(), "{error}");
        assert!(
            error.to_string().contains("made to be unwritable"),
            "{error}"
        );
    });
}

/// joblib 812: "a worker process managed by the executor was unexpectedly terminated".
#[test]
fn a_crash_says_who_and_why() {
    in_time(|| {
        let tally = Tally::new();
        let items = (0..10).map(|x| (tally.path(), x));
        let error = pool(1).map(crash_at_seven, items).unwrap_err();
        let task = error.task().unwrap();
        assert_eq!(
            (task.index(), task.signal(), task.attempt()),
            (7, Some(6), 1)
        );
        assert!(task.function().ends_with("crash_at_seven"));
        assert!(task.pid().is_some() && task.wall_time().is_some() && task.cpu_time().is_some());
        let text = error.to_string();
        for part in ["crash_at_seven", "item 7", "SIGABRT", "worker "] {
            assert!(text.contains(part), "{part} is missing: {text}");
        }
    });
}

/// cpython 84559: a lock that another thread holds while workers are forked is locked for ever there.
#[test]
fn locks_that_are_held_when_workers_start_are_free_in_them() {
    static LOCK: OnceLock<Mutex<u32>> = OnceLock::new();
    #[parallel]
    fn takes_the_lock() -> u32 {
        *LOCK.get_or_init(|| Mutex::new(5)).lock().unwrap()
    }
    in_time(|| {
        let lock = LOCK.get_or_init(|| Mutex::new(1));
        let _held = lock.lock().unwrap();
        assert_eq!(
            pool(1).spawn(takes_the_lock, ()).unwrap().join().unwrap(),
            5
        );
    });
}

/// cpython 115634: a process pool with a lifespan of workers deadlocks when they are replaced.
#[test]
fn replacing_workers_all_the_time_does_not_deadlock() {
    in_time(|| {
        let pool = Pool::builder()
            .workers(3)
            .max_tasks_per_worker(1)
            .build()
            .unwrap();
        let mut pids = pool.job(pid).chunk_size(1).map([(); 100]).unwrap();
        pids.sort_unstable();
        pids.dedup();
        assert_eq!(pids.len(), 100);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(pool.map(square, 0..20).unwrap()[19], 361));
            }
        });
    });
}

/// joblib 869: memory of workers grows until the machine swaps.
#[test]
fn a_leak_ends_with_its_worker() {
    #[parallel]
    fn leaks() -> u32 {
        std::mem::forget(std::hint::black_box(vec![1_u8; 8 << 20]));
        process::id()
    }
    in_time(|| {
        let pool = Pool::builder()
            .workers(1)
            .max_tasks_per_worker(5)
            .build()
            .unwrap();
        let pids = pool.job(leaks).chunk_size(1).map([(); 50]).unwrap();
        assert!(pids.windows(6).all(|six| six[0] != six[5]));
    });
}

/// 30 s until Ctrl-C is heeded, here: a call ends at once when it is cancelled from elsewhere.
#[test]
fn a_blocked_caller_wakes_when_its_call_is_cancelled() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let token = parproc::CancelToken::new();
        thread::scope(|scope| {
            let job = pool.job(comes).cancel_token(&token);
            let caller = scope.spawn(|| job.map((0..100).map(|x| (meeting.name(), x))));
            let guest = meeting.wait();
            let begin = Instant::now();
            token.cancel();
            assert!(caller.join().unwrap().unwrap_err().is_cancelled());
            assert!(begin.elapsed() < LIMIT / 10);
            assert!(guest.process.ends_within(LIMIT));
        });
    });
}

/// procspawn: joining a later task before an earlier one deadlocks.
#[test]
fn a_later_task_can_be_joined_first() {
    in_time(|| {
        let pool = pool(1);
        let tasks: Vec<_> = (0..50).map(|x| pool.spawn(square, x).unwrap()).collect();
        for (x, task) in (0..50_u32).zip(tasks).rev() {
            let x = u64::from(x);
            assert_eq!(task.join().unwrap(), x * x);
        }
    });
}

/// procspawn: submitting large arguments to a busy pool blocks for ever.
#[test]
fn large_arguments_can_be_submitted_to_a_busy_pool() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let first = pool.spawn(comes, (meeting.name(), 1)).unwrap();
        let guest = meeting.wait();
        let numbers = vec![1_u64; 1 << 20];
        let tasks: Vec<_> = (0..8)
            .map(|_| pool.spawn(sums, numbers.as_slice()).unwrap())
            .collect();
        drop(guest);
        first.join().unwrap();
        for task in tasks {
            assert_eq!(task.join().unwrap(), 1 << 20);
        }
    });
}

/// procspawn: a third of the panics lose their message.
#[test]
fn no_panic_loses_its_message() {
    in_time(|| {
        let pool = pool(3);
        let outcomes = pool.job(panics).chunk_size(1).outcomes(0..300).unwrap();
        for (x, outcome) in outcomes.into_iter().enumerate() {
            let error = outcome.unwrap_err();
            assert_eq!(error.panic_message(), Some(format!("number {x}").as_str()));
        }
    });
}

/// procspawn: handles that are queued never resolve after the pool is killed.
#[test]
fn queued_handles_resolve_when_the_pool_is_killed() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let running = pool.spawn(comes, (meeting.name(), 1)).unwrap();
        let guest = meeting.wait();
        let queued: Vec<_> = (0..100).map(|x| pool.spawn(square, x).unwrap()).collect();
        pool.kill();
        assert!(guest.process.has_ended());
        for task in queued {
            assert!(task.join().unwrap_err().is_cancelled());
        }
        assert!(running.join().unwrap_err().is_cancelled());
    });
}

/// sglang 27190, pebble 62: workers outlive a parent that was killed, and what they started outlives them.
#[test]
fn what_a_cancelled_task_started_ends_with_it() {
    #[parallel]
    fn starts_a_program(meeting: &str) {
        let mut child = process::Command::new("sleep").arg("1000").spawn().unwrap();
        meet(meeting, child.id().into());
        child.wait().unwrap();
    }
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let task = pool.spawn(starts_a_program, meeting.name()).unwrap();
        let guest = meeting.wait();
        let program = Process::watch(guest.word as u32);
        task.cancel();
        assert!(task.join().unwrap_err().is_cancelled());
        assert!(program.ends_within(LIMIT), "the program is left");
    });
}
