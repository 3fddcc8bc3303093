//! Nothing is left behind: no descriptor, thread, process, mapping or file.
//!
//! Each test is a program of its own, since what it counts belongs to the whole process.

use std::fs;
use std::hint;
use std::process;
use std::time::Duration;

use futures_lite::future::block_on;
use parproc::{Pool, Process, as_completed, parallel};
use parproc_tests::{
    Meeting, first_process, leaves_nothing, leaves_nothing_after, meet, pool, settled,
};
use rustix::process::Signal;

#[parallel]
fn comes(meeting: &str, x: u64) {
    meet(meeting, x);
}

#[parallel]
fn square(x: u64) -> u64 {
    x * x
}

/// Every twentieth item ends its worker, in one way or the other.
#[parallel]
fn often_deadly(x: u32) -> u32 {
    match x % 40 {
        7 => process::exit(1),
        27 => process::abort(),
        _ => x,
    }
}

#[parallel]
fn endless() {
    loop {
        hint::spin_loop();
    }
}

#[parallel]
fn large(len: usize) -> Vec<u8> {
    vec![1; len]
}

#[test]
fn a_thousand_pools() {
    leaves_nothing("a_thousand_pools", || {
        for _ in 0..1000 {
            let pool = pool(2);
            assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
        }
    });
}

#[test]
fn ten_thousand_tasks_with_five_hundred_deaths() {
    leaves_nothing("ten_thousand_tasks_with_five_hundred_deaths", || {
        let pool = pool(2);
        let outcomes = pool.outcomes(often_deadly, 0..5000).unwrap();
        let tasks: Vec<_> = (5000..10_000)
            .map(|x| pool.spawn(often_deadly, x).unwrap())
            .collect();
        let mut deaths = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        deaths += tasks
            .into_iter()
            .filter_map(|task| task.join().err())
            .count();
        assert_eq!(deaths, 500);
    });
}

#[test]
fn pools_that_are_dropped_in_the_middle_of_work() {
    leaves_nothing("pools_that_are_dropped_in_the_middle_of_work", || {
        for round in 0..60 {
            let pool = pool(2);
            let task = pool.spawn(endless, ()).unwrap();
            let mut lazy = pool.imap(large, (0..).map(|_| 300_000)).unwrap();
            if round % 2 == 0 {
                assert_eq!(lazy.next().unwrap().unwrap().len(), 300_000);
            }
            if round % 3 == 0 {
                drop(task);
            }
            drop(pool);
        }
    });
}

#[test]
fn pools_with_callbacks_and_futures() {
    leaves_nothing("pools_with_callbacks_and_futures", || {
        for _ in 0..100 {
            let pools = [pool(1), pool(1)];
            let spawn = |x: u64| pools[x as usize % 2].spawn(square, x).unwrap();
            for x in 0..20 {
                spawn(x).on_done(drop);
            }
            let mut results = as_completed((0..20).map(spawn));
            assert!(results.next().is_some());
            assert_eq!(block_on(spawn(3)).unwrap(), 9);
            for pool in &pools {
                pool.spawn(endless, ()).unwrap().on_done(drop);
            }
            drop(pools);
        }
    });
}

#[test]
fn pools_that_are_never_used() {
    leaves_nothing("pools_that_are_never_used", || {
        for _ in 0..1000 {
            let unused = Pool::builder().build().unwrap();
            drop(unused);
            let inline = Pool::builder().inline().build().unwrap();
            assert_eq!(inline.map(square, [2]).unwrap(), [4]);
        }
    });
}

#[test]
fn pools_whose_worker_stands_still() {
    leaves_nothing("pools_whose_worker_stands_still", || {
        let (pool, meeting) = (pool(2), Meeting::new());
        let spawn = |x| pool.spawn(comes, (meeting.name(), x)).unwrap();
        let tasks = [1, 2].map(spawn);
        // Both have become workers: one that is just being started would stop its parent too.
        let guests = [meeting.wait(), meeting.wait()];
        for guest in &guests {
            guest.process.signal(Signal::STOP);
        }
        drop(pool);
        for task in tasks {
            assert!(task.join().is_err());
        }
    });
}

#[test]
fn a_thousand_processes_in_a_row() {
    leaves_nothing_after("a_thousand_processes_in_a_row", first_process, || {
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        for x in 0..1000 {
            let process = Process::spawn(square, x).unwrap();
            assert_eq!(process.join().unwrap(), x * x);
            // What the kernel tells of it may be read at the same time.
            assert_eq!(settled(&before, descriptors), before, "after each one");
        }
        assert!(parproc::active_processes().is_empty());
    });
}

#[test]
fn a_hundred_processes_at_once() {
    leaves_nothing_after("a_hundred_processes_at_once", first_process, || {
        for x in 0..5 {
            let spawn = |_| Process::spawn(square, x).unwrap();
            let processes: Vec<_> = (0..100).map(spawn).collect();
            for process in processes {
                assert_eq!(process.join().unwrap(), x * x);
            }
        }
    });
}

#[test]
fn processes_that_fail_in_all_ways() {
    leaves_nothing_after("processes_that_fail_in_all_ways", first_process, || {
        for round in 0..50 {
            let error = Process::spawn(often_deadly, 7).unwrap().join().unwrap_err();
            assert_eq!(error.task().unwrap().exit_code(), Some(1));
            let dropped = Process::spawn(endless, ()).unwrap();
            let large = Process::spawn(large, 3_000_000).unwrap();
            let late = Process::builder(endless, ()).timeout(Duration::from_millis(20));
            let late = late.spawn().unwrap();
            if round % 2 == 0 {
                dropped.kill();
            }
            drop((dropped, large));
            assert!(late.join().unwrap_err().task().unwrap().is_timeout());
            let nowhere = Process::builder(square, 1).current_dir("/no/such/folder");
            assert!(nowhere.spawn().unwrap_err().is_start());
        }
    });
}
