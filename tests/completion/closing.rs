//! Callbacks at the end of their pool, of their task, and of the program.

use std::process;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;

use parproc::{Error, Pool, Result, wait_any};
use parproc_tests::{
    LIMIT, Meeting, Process, in_time, inline_pool, meet, pool, program, role, settled,
};

use super::callbacks::send;
use super::{add, bad, wait_at};

#[test]
fn dropping_a_pool_calls_every_callback_once() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let (sender, results) = channel();
        let done = pool.spawn(wait_at, (meeting.name(), 1)).unwrap();
        done.on_done(send(&sender));
        drop(meeting.wait());
        assert_eq!(results.recv().unwrap().unwrap(), 1);
        let running = pool.spawn(wait_at, (meeting.name(), 2)).unwrap();
        let _guest = meeting.wait();
        let queued = (0..100).map(|word| pool.spawn(wait_at, (meeting.name(), word)).unwrap());
        for task in queued.chain([running]) {
            task.on_done(send(&sender));
        }
        drop((pool, sender));
        // They were called before the drop was over.
        let results: Vec<_> = results.try_iter().collect();
        assert_eq!(results.len(), 101);
        let closed = |result: &Result<u64>| result.as_ref().is_err_and(Error::is_closed);
        assert!(results.iter().all(closed));
    });
}

#[test]
fn callbacks_of_tasks_of_a_closed_pool() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let done = pool.spawn(add, (1, 2)).unwrap();
        assert_eq!(wait_any(std::slice::from_ref(&done)), Some(0));
        let running = pool.spawn(wait_at, (meeting.name(), 2)).unwrap();
        let _guest = meeting.wait();
        drop(pool);
        let (sender, results) = channel();
        // Nothing that the caller holds is in the way of the callback.
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        for task in [done, running] {
            let (lock, sender) = (Arc::clone(&lock), sender.clone());
            task.on_done(move |result| {
                let _lock = lock.lock().unwrap();
                sender.send(result).unwrap();
            });
        }
        assert!(results.try_recv().is_err());
        drop(held);
        assert_eq!(results.recv().unwrap().unwrap(), 3, "what was done is kept");
        assert!(results.recv().unwrap().unwrap_err().is_closed());
    });
}

#[test]
fn a_callback_after_the_result_was_taken() {
    in_time(|| {
        for pool in [pool(1), inline_pool()] {
            let mut task = pool.spawn(add, (1, 2)).unwrap();
            assert_eq!(task.join_timeout(LIMIT).unwrap(), 3);
            let (sender, results) = channel();
            task.on_done(send(&sender));
            let error = results.recv().unwrap().unwrap_err();
            assert!(error.to_string().contains("earlier join"), "{error}");
        }
    });
}

#[test]
fn a_pool_is_dropped_or_killed_in_a_callback() {
    in_time(|| {
        for kill in [false, true].repeat(10) {
            let pool = pool(2);
            let meeting = Meeting::new();
            let (sender, results) = channel();
            let first = pool.spawn(add, (1, 2)).unwrap();
            for word in 0..10 {
                let task = pool.spawn(wait_at, (meeting.name(), word)).unwrap();
                task.on_done(send(&sender));
            }
            let (dropped, wait) = channel();
            first.on_done(move |result| {
                assert_eq!(result.unwrap(), 3);
                if kill {
                    pool.kill();
                }
                drop(pool);
                dropped.send(()).unwrap();
            });
            wait.recv().unwrap();
            drop(sender);
            let results: Vec<_> = results.iter().collect();
            assert_eq!(results.len(), 10);
            for error in results.into_iter().map(Result::unwrap_err) {
                assert!(!kill && error.is_closed() || kill && error.is_cancelled());
            }
        }
    });
}

#[test]
fn a_pool_is_shut_down_in_a_callback() {
    in_time(|| {
        for _ in 0..10 {
            let pool = Arc::new(pool(2));
            let (sender, results) = channel();
            let (same, told) = (Arc::clone(&pool), sender.clone());
            pool.spawn(add, (1, 2)).unwrap().on_done(move |result| {
                same.shutdown().unwrap();
                told.send(result).unwrap();
            });
            let mut submitted = 1;
            while let Ok(task) = pool.spawn(add, (0, 3)) {
                task.on_done(send(&sender));
                submitted += 1;
            }
            drop((pool, sender));
            let results: Vec<_> = results.iter().collect();
            assert_eq!(results.len(), submitted);
            assert!(results.into_iter().all(|result| result.unwrap() == 3));
        }
    });
}

/// The pool's owner waits for the callback, which asks for the pool.
#[test]
fn a_callback_submits_to_a_pool_that_is_shut_down() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let (start, started) = channel();
        let (sender, results) = channel();
        let same = Arc::clone(&pool);
        pool.spawn(add, (1, 2)).unwrap().on_done(move |_| {
            start.send(()).unwrap();
            while same.spawn(add, (1, 2)).is_ok() {}
            // As soon as all work is done the shutdown waits for this thread.
            for _ in 0..1000 {
                assert!(same.spawn(add, (1, 2)).unwrap_err().is_closed());
                assert!(same.map(add, [(1, 2)]).unwrap_err().is_closed());
                thread::yield_now();
            }
            sender.send(()).unwrap();
        });
        started.recv().unwrap();
        pool.shutdown().unwrap();
        assert!(results.try_recv().is_ok(), "it was called to its end");
    });
}

#[test]
fn what_a_callback_holds_is_dropped() {
    in_time(|| {
        let held = Arc::new(());
        let pool = pool(2);
        for how in [0, 2, 1, 3] {
            let held = Arc::clone(&held);
            let task = pool.spawn(bad, how).unwrap();
            task.on_done(move |result| drop((result, held)));
        }
        drop(pool);
        assert_eq!(settled(&1, || Arc::strong_count(&held)), 1);
    });
}

/// The program ends while a callback runs and another one would come, in one of several ways.
#[test]
fn the_program_ends_among_callbacks() {
    const TEST: &str = "closing::the_program_ends_among_callbacks";
    if let Some(role) = role() {
        let [end, meeting] = *role.split(' ').collect::<Vec<_>>() else {
            panic!("no role: {role}");
        };
        let pool = Pool::global().unwrap();
        let name = meeting.to_owned();
        let never = pool.spawn(wait_at, (meeting, 1)).unwrap();
        let other = pool.spawn(wait_at, (meeting, 1)).unwrap();
        other.on_done(|_| println!("called"));
        let (at_callback, exits) = (meeting.to_owned(), end == "callback");
        pool.spawn(add, (1, 1)).unwrap().on_done(move |_| {
            meet(&at_callback, 0);
            if exits {
                process::exit(3);
            }
            let _ = never.join();
        });
        if end == "main" {
            meet(&name, 2);
            process::exit(3);
        }
        thread::park();
    }
    in_time(|| {
        for end in ["main", "callback"] {
            let meeting = Meeting::new();
            let mut command = program(TEST, format!("{end} {}", meeting.name()));
            let child = command.env("PARPROC_WORKERS", "3").spawn().unwrap();
            let guests = if end == "main" { 4 } else { 3 };
            let guests: Vec<_> = (0..guests).map(|_| meeting.wait()).collect();
            let (workers, own): (Vec<_>, Vec<_>) =
                guests.into_iter().partition(|guest| guest.word == 1);
            assert!(own.iter().all(|guest| guest.process.id == child.id()));
            drop(own);
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(3));
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(!said.contains("called"), "{said}");
            let ended = |worker: &Process| worker.ends_within(LIMIT);
            assert!(workers.iter().all(|guest| ended(&guest.process)));
        }
    });
}
