//! How long workers live, and how many there are.

use std::collections::BTreeMap;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel};
use parproc_tests::{LIMIT, Meeting, Process, children, in_time, inline_pool, meet, role, settled};
use parproc_tests::{program, succeeds};

const MIB: u64 = 1 << 20;

#[parallel]
fn pid(_item: u64) -> u32 {
    process::id()
}

/// Leaks so many bytes.
#[parallel]
fn leaks(bytes: u64) -> u32 {
    std::mem::forget(std::hint::black_box(vec![1_u8; bytes as usize]));
    process::id()
}

#[parallel]
fn sleeps(time: Duration) -> u32 {
    thread::sleep(time);
    process::id()
}

#[parallel]
fn comes(meeting: &str, x: u64) -> u32 {
    meet(meeting, x);
    process::id()
}

#[parallel]
fn aborts() {
    process::abort();
}

fn counts(pids: &[u32]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for pid in pids {
        *counts.entry(*pid).or_default() += 1;
    }
    counts
}

/// Runs the rest of a test in a program of its own, whose children are its workers only.
fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    if role().is_none() {
        succeeds(&mut program(test, "alone"));
    } else {
        in_time(body);
    }
}

#[test]
fn a_worker_runs_as_many_items_as_it_may_and_no_more() {
    in_time(|| {
        for (workers, most, chunk_size) in [(1, 1, 1), (2, 3, 1), (1, 10, 4), (2, 7, 1000)] {
            let builder = Pool::builder().workers(workers).max_tasks_per_worker(most);
            let pool = builder.build().unwrap();
            let pids = pool.job(pid).chunk_size(chunk_size).map(0..60).unwrap();
            let counts = counts(&pids);
            assert!(
                counts.values().all(|count| *count <= most),
                "{most}: {counts:?}"
            );
            if workers == 1 {
                assert_eq!(counts.len(), 60 / most);
            }
            for x in 0..2 * most as u64 {
                pool.spawn(pid, x).unwrap().join().unwrap();
            }
        }
    });
}

#[test]
fn a_life_of_nothing_is_refused() {
    for builder in [
        Pool::builder().max_tasks_per_worker(0),
        Pool::builder().max_memory_per_worker(0),
        Pool::builder().max_age_per_worker(Duration::ZERO),
    ] {
        let error = builder.build().unwrap_err();
        assert!(error.is_invalid(), "{error}");
    }
}

#[test]
fn a_worker_that_has_grown_is_replaced_and_nothing_fails() {
    in_time(|| {
        let builder = Pool::builder().workers(1).max_memory_per_worker(64 * MIB);
        let pool = builder.build().unwrap();
        let before = pool.spawn(leaks, MIB).unwrap().join().unwrap();
        assert_eq!(
            pool.spawn(leaks, 200 * MIB).unwrap().join().unwrap(),
            before
        );
        let first = Process::watch(before);
        assert!(first.ends_within(LIMIT));
        assert_ne!(pool.spawn(leaks, MIB).unwrap().join().unwrap(), before);
    });
}

#[test]
fn a_worker_that_is_old_is_replaced_after_the_item_that_it_runs() {
    in_time(|| {
        let age = Duration::from_millis(200);
        let builder = Pool::builder().workers(1).max_age_per_worker(age);
        let pool = builder.build().unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|_| pool.spawn(sleeps, 2 * age).unwrap())
            .collect();
        let pids: Vec<_> = tasks.into_iter().map(|task| task.join().unwrap()).collect();
        assert_eq!(
            counts(&pids).len(),
            4,
            "each item had a worker of its own: {pids:?}"
        );
    });
}

#[test]
fn idle_workers_end_and_come_back_when_there_is_work() {
    alone("idle_workers_end_and_come_back_when_there_is_work", || {
        let idle = Duration::from_millis(100);
        let pool = Pool::builder()
            .workers(2)
            .idle_timeout(idle)
            .build()
            .unwrap();
        for _ in 0..3 {
            let pids = pool.job(sleeps).chunk_size(1).map([idle / 10; 20]).unwrap();
            assert_eq!(counts(&pids).len(), 2);
            assert_eq!(settled(&0, || children().len()), 0);
        }
        // While there is something to do now and then, they stay.
        let first = pool.spawn(pid, 1).unwrap().join().unwrap();
        let end = Instant::now() + 5 * idle;
        while Instant::now() < end {
            assert_eq!(pool.spawn(pid, 1).unwrap().join().unwrap(), first);
        }
    });
}

#[test]
fn a_pool_is_resized_under_load() {
    alone("a_pool_is_resized_under_load", || {
        let pool = Pool::builder().workers(1).build().unwrap();
        thread::scope(|scope| {
            let pool = &pool;
            let load = scope.spawn(move || {
                pool.job(sleeps)
                    .chunk_size(1)
                    .map([Duration::from_millis(1); 600])
            });
            for workers in [4, 2, 5, 1, 3] {
                pool.resize(workers).unwrap();
                assert_eq!(pool.workers(), workers);
                assert_eq!(settled(&workers, || children().len()), workers);
            }
            load.join().unwrap().unwrap();
        });
        let busy = Meeting::new();
        let tasks: Vec<_> = (0..3)
            .map(|x| pool.spawn(comes, (busy.name(), x)).unwrap())
            .collect();
        let guests = [busy.wait(), busy.wait(), busy.wait()];
        pool.resize(1).unwrap();
        // They end when they are done, and not before.
        assert_eq!(children().len(), 3);
        drop(guests);
        for task in tasks {
            task.join().unwrap();
        }
        assert_eq!(settled(&1, || children().len()), 1);
        assert!(pool.resize(0).unwrap_err().is_invalid());
        assert!(pool.resize(1 << 20).unwrap_err().is_invalid());
        let inline = inline_pool();
        inline.resize(3).unwrap();
        assert!(inline.is_inline() && inline.workers() == 1);
    });
}

#[test]
fn spare_workers_are_ready_and_do_not_work_beside_the_others() {
    alone(
        "spare_workers_are_ready_and_do_not_work_beside_the_others",
        || {
            let pool = Pool::builder().workers(1).spares(1).build().unwrap();
            let first = pool.spawn(pid, 0).unwrap().join().unwrap();
            assert_eq!(settled(&2, || children().len()), 2);
            let pids = pool.job(pid).chunk_size(1).map(0..100).unwrap();
            assert_eq!(counts(&pids).into_keys().collect::<Vec<_>>(), [first]);
            let spare = children()
                .into_iter()
                .find(|child| *child != first)
                .unwrap();
            assert!(pool.spawn(aborts, ()).unwrap().join().is_err());
            assert_eq!(pool.spawn(pid, 0).unwrap().join().unwrap(), spare);
            assert_eq!(
                settled(&2, || children().len()),
                2,
                "there is a spare one again"
            );
        },
    );
}
