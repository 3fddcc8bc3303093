//! Tasks that fork: what the copies do, and that they leave no trace in what the worker gives.

#![expect(unsafe_code, reason = "tasks fork")]

use std::fs;
use std::process;
use std::ptr;

use parproc::{parallel, worker};
use parproc_tests::{LIMIT, Meeting, Process, in_time, meet, pool, settled};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Waits for a child, without asking how it ended.
fn await_end(child: u32) {
    // SAFETY: nothing is written to.
    unsafe { libc::waitpid(child.cast_signed(), ptr::null_mut(), 0) };
}

/// In the copy: 0.
fn fork() -> u32 {
    // SAFETY: workers have one thread that does anything, so the copy may do everything.
    let child = unsafe { libc::fork() };
    u32::try_from(child).expect("a fork")
}

/// Comes back twice, and gives the id of the copy and the item in the worker.
#[parallel]
fn forked(x: u64) -> (u32, u64) {
    (fork(), x)
}

/// The copy panics.
#[parallel]
fn copy_panics(x: u64) -> (u32, u64) {
    let child = fork();
    assert!(child != 0, "in the copy");
    (child, x)
}

/// The copy panics, and the worker goes on when that is over.
#[parallel]
fn copy_panics_first(x: u64) -> u64 {
    if x.is_multiple_of(10) {
        let child = fork();
        assert!(child != 0, "in the copy");
        await_end(child);
    }
    !x
}

/// As a number is read, the copy comes back with one that is none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Forking(u64);

impl Serialize for Forking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Forking {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let x = u64::deserialize(deserializer)?;
        if x.is_multiple_of(10) && worker::id().is_some() {
            match fork() {
                0 => return Err(D::Error::custom("in the copy")),
                child => await_end(child),
            }
        }
        Ok(Self(x))
    }
}

#[parallel]
fn copy_reads_nothing(x: Forking) -> u64 {
    !x.0
}

/// The copy comes back in the middle of a chunk that is read as it comes.
#[parallel]
fn forked_with(ballast: &[u8], x: u64) -> (u32, u64) {
    (fork(), x + ballast.len() as u64)
}

/// More than a ring holds.
#[parallel]
fn copy_gives_much(x: u64) -> (u32, Vec<u64>) {
    (fork(), vec![x; 1 << 18])
}

/// The copy segfaults; then the worker gets the same signal in another way.
#[parallel]
fn copy_segfaults() {
    let child = fork();
    if child == 0 {
        // SAFETY: none; nothing can be mapped at this address, and the kernel ends the process.
        unsafe { ptr::without_provenance_mut::<u64>(8).write_volatile(1) };
    }
    await_end(child);
    // SAFETY: ends the process.
    unsafe { libc::raise(libc::SIGSEGV) };
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

/// The copy stays in the task for ever.
#[parallel]
fn copy_stays(meeting: &str) -> u32 {
    if fork() == 0 {
        meet(meeting, 0);
    }
    process::id()
}

/// The state of a process, as the kernel calls it; none if it is gone.
fn state(id: &str) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// The copies have ended, and were none of the results.
fn ended(copies: impl IntoIterator<Item = u32>) {
    for copy in copies {
        assert_ne!(copy, 0, "the result of a copy");
        let runs = || !matches!(state(&copy.to_string()), None | Some('Z' | 'X'));
        assert!(!settled(&false, runs), "{copy} runs");
    }
}

#[test]
fn what_a_copy_returns_is_no_result() {
    in_time(|| {
        let pool = pool(2);
        for _ in 0..5 {
            let results = pool.map(forked, 0..100).unwrap();
            let (copies, values): (Vec<_>, Vec<_>) = results.into_iter().unzip();
            assert_eq!(values, (0..100).collect::<Vec<_>>());
            ended(copies);
            let (copy, value) = pool.spawn(forked, 7).unwrap().join().unwrap();
            assert_eq!(value, 7);
            ended([copy]);
        }
    });
}

#[test]
fn what_a_copy_panics_with_is_no_result() {
    in_time(|| {
        let pool = pool(1);
        let results = pool.map(copy_panics, 0..100).unwrap();
        let (copies, values): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
        ended(copies);
    });
}

#[test]
fn a_copy_that_fails_leaves_the_results_around_it() {
    in_time(|| {
        let pool = pool(1);
        for chunk in [1, 50, 1000] {
            let negated: Vec<_> = (0..1000).map(|x: u64| !x).collect();
            let results = pool.job(copy_panics_first).chunk_size(chunk).map(0..1000);
            assert_eq!(results.unwrap(), negated, "in chunks of {chunk}");
            let items = (0..1000).map(Forking);
            let results = pool.job(copy_reads_nothing).chunk_size(chunk).map(items);
            assert_eq!(results.unwrap(), negated, "in chunks of {chunk}");
        }
    });
}

#[test]
fn a_copy_takes_none_of_the_arguments_behind_its_own() {
    in_time(|| {
        let pool = pool(1);
        let ballast = vec![1_u8; 100_000];
        let items = (0..50).map(|x| (&ballast[..], x));
        let results = pool.job(forked_with).chunk_size(10).map(items).unwrap();
        let (copies, values): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        assert_eq!(values, (100_000..100_050).collect::<Vec<_>>());
        ended(copies);
    });
}

#[test]
fn a_large_result_of_a_copy_is_none() {
    in_time(|| {
        let results = pool(2).map(copy_gives_much, 0..10).unwrap();
        for (index, (copy, value)) in (0..).zip(results) {
            assert_eq!(value, vec![index; 1 << 18]);
            ended([copy]);
        }
    });
}

#[test]
fn a_fault_of_a_copy_is_none_of_the_worker() {
    in_time(|| {
        let outcomes = pool(1).outcomes(copy_segfaults, [()]).unwrap();
        let error = outcomes[0].as_ref().unwrap_err();
        assert!(error.is_crash(), "{error}");
        assert_eq!(error.signal(), Some(libc::SIGSEGV));
        assert_eq!(error.fault_address(), None, "that of the copy");
    });
}

#[test]
fn a_copy_that_stays_goes_with_its_worker() {
    in_time(|| {
        for dropped in [true, false] {
            let (pool, meeting) = (pool(1), Meeting::new());
            let task = pool.spawn(copy_stays, meeting.name()).unwrap();
            let worker = Process::watch(task.join().unwrap());
            let copy = meeting.wait();
            assert_ne!(copy.process.id, worker.id);
            assert!(!copy.process.has_ended() && !worker.has_ended());
            if dropped {
                drop(pool);
                assert!(worker.has_ended());
            } else {
                worker.kill();
            }
            assert!(copy.process.ends_within(LIMIT));
        }
    });
}

/// Nobody waits for them, and ids of processes are few.
#[test]
fn copies_that_have_ended_do_not_pile_up() {
    in_time(|| {
        const KEPT: usize = 200;
        let pool = pool(1);
        let worker = pool.map(pid, [()]).unwrap()[0];
        let zombies = || {
            let children = format!("/proc/{worker}/task/{worker}/children");
            let children = fs::read_to_string(children).unwrap();
            let ids = children.split_whitespace();
            ids.filter(|id| state(id) == Some('Z')).count()
        };
        let mut most = 0;
        while most <= KEPT || zombies() > KEPT {
            pool.spawn(forked, 1).unwrap().join().unwrap();
            most = most.max(zombies());
        }
    });
}
