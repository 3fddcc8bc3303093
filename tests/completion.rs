//! Learning of the ends of tasks without a join of each: `try_join`, callbacks, `wait_any`,
//! `wait_all`, `as_completed`.

use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use futures_lite::future::block_on;
use parproc::{
    CancelToken, Pool, Result, as_completed, parallel, wait_all, wait_all_timeout, wait_any,
};
use parproc_tests::{LIMIT, Meeting, in_time, meet, pool, within};

#[path = "completion/callbacks.rs"]
mod callbacks;
#[path = "completion/closing.rs"]
mod closing;
#[path = "completion/results.rs"]
mod results;
#[path = "completion/waits.rs"]
mod waits;

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[parallel]
fn wait_at(meeting: &str, word: u64) -> u64 {
    meet(meeting, word);
    word
}

#[parallel]
fn bad(how: u8) -> u8 {
    match how {
        0 => panic!("bad task"),
        1 => process::exit(9),
        _ => how,
    }
}

#[test]
fn try_join_does_not_wait() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let guest = meeting.wait();
        for _ in 0..100 {
            assert_eq!(task.try_join().unwrap(), None);
        }
        drop(guest);
        let word = loop {
            if let Some(word) = task.try_join().unwrap() {
                break word;
            }
            thread::yield_now();
        };
        assert_eq!(word, 3);
        let error = task.try_join().unwrap_err();
        assert!(error.to_string().contains("earlier join"), "{error}");
        assert!(task.join_timeout(LIMIT).is_err());
    });
}

#[test]
fn try_join_gives_failures() {
    in_time(|| {
        let pool = pool(1);
        let mut crash = pool.spawn(bad, 1).unwrap();
        let error = loop {
            match crash.try_join() {
                Ok(None) => thread::yield_now(),
                Ok(Some(how)) => panic!("{how}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.task().unwrap().exit_code(), Some(9));
        let mut closed = pool.spawn(add, (1, 1)).unwrap();
        drop(pool);
        match closed.try_join() {
            Ok(sum) => assert_eq!(sum, Some(2)),
            Err(error) => assert!(error.is_closed(), "{error}"),
        }
    });
}

/// Whoever learns of ends learns of those that were brought about, too.
#[test]
fn ends_that_are_brought_about_are_learned() {
    in_time(|| {
        let meeting = Meeting::new();
        let ends: [fn(&Pool, &CancelToken); 2] = [|_, token| token.cancel(), |pool, _| pool.kill()];
        for end in ends {
            for queued in [false, true] {
                let pool = pool(4);
                let token = CancelToken::new();
                let mut guests = Vec::new();
                if queued {
                    for _ in 0..4 {
                        drop(pool.spawn(wait_at, (meeting.name(), 0)).unwrap());
                        guests.push(meeting.wait());
                    }
                }
                let mut spawn = || {
                    let job = pool.job(wait_at).cancel_token(&token);
                    let task = job.spawn((meeting.name(), 1)).unwrap();
                    if !queued {
                        guests.push(meeting.wait());
                    }
                    task
                };
                let (sender, results) = channel();
                spawn().on_done(move |result| sender.send(result).unwrap());
                let (awaited, selected, taken) = (spawn(), spawn(), spawn());
                let threads = [
                    thread::spawn(|| block_on(awaited)),
                    thread::spawn(|| {
                        let tasks = [selected];
                        assert_eq!(wait_any(&tasks), Some(0));
                        wait_all(tasks).remove(0)
                    }),
                    thread::spawn(|| as_completed([taken]).next().unwrap().1),
                ];
                end(&pool, &token);
                let joined = threads.map(|thread| thread.join().unwrap());
                for result in joined.into_iter().chain([results.recv().unwrap()]) {
                    assert!(result.unwrap_err().is_cancelled());
                }
            }
        }
    });
}

/// The thread that joins the slow task moves the results of all others.
#[test]
fn ends_are_learned_while_another_thread_waits() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 5)).unwrap();
        let guest = meeting.wait();
        let join = thread::spawn(|| slow.join());
        let (sender, results) = channel();
        for x in 0..200 {
            let spawn = || pool.spawn(add, (x, 1)).unwrap();
            assert_eq!(wait_any(&[spawn()]), Some(0));
            assert_eq!(as_completed([spawn()]).next().unwrap().1.unwrap(), x + 1);
            assert_eq!(block_on(spawn()).unwrap(), x + 1);
            let sender = sender.clone();
            spawn().on_done(move |result| sender.send(result).unwrap());
            assert_eq!(results.recv().unwrap().unwrap(), x + 1);
        }
        drop(guest);
        assert_eq!(join.join().unwrap().unwrap(), 5);
    });
}

/// Every way to learn of an end, from ten threads, over two pools, among crashes.
#[test]
fn all_ways_at_once() {
    fn check(x: u64, result: Result<u8>) {
        match result {
            Ok(how) => assert!(how > 1 && u64::from(how) == x % 40),
            Err(error) if x.is_multiple_of(40) => {
                assert!(error.task().unwrap().is_panic(), "{error}")
            }
            Err(error) => {
                assert_eq!(x % 40, 1, "{error}");
                assert_eq!(error.task().unwrap().exit_code(), Some(9));
            }
        }
    }

    within(Duration::from_secs(100), || {
        let pools = [pool(2), pool(1)];
        let calls = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for thread in 0..10_u64 {
                let (pools, calls) = (&pools, &calls);
                scope.spawn(move || {
                    for round in 0..12 {
                        let from = thread * 7 + round * 13;
                        let items = from..from + 12;
                        let both = (thread + round) % 2;
                        let spawn = |x: u64| {
                            let pool = &pools[(both & x) as usize];
                            pool.spawn(bad, (x % 40) as u8).unwrap()
                        };
                        let mut tasks: Vec<_> = items.clone().map(spawn).collect();
                        match (thread + round) % 6 {
                            0 => items.zip(tasks).for_each(|(x, task)| check(x, task.join())),
                            1 => items
                                .zip(tasks)
                                .for_each(|(x, task)| check(x, block_on(task))),
                            2 => as_completed(tasks).for_each(|(place, result)| {
                                check(from + place as u64, result);
                            }),
                            3 => {
                                while let Some(place) = wait_any(&tasks) {
                                    let result = tasks[place].try_join();
                                    let result = result.map(|value| value.expect("it is done"));
                                    check(from + place as u64, result);
                                }
                            }
                            4 => {
                                let short = Duration::from_micros(100 * round);
                                let results = match wait_all_timeout(tasks, short) {
                                    Ok(results) => results,
                                    Err(tasks) => wait_all(tasks),
                                };
                                items.zip(results).for_each(|(x, result)| check(x, result));
                            }
                            _ => items.zip(tasks).for_each(|(x, task)| {
                                let calls = Arc::clone(calls);
                                task.on_done(move |result| {
                                    check(x, result);
                                    calls.fetch_add(1, Ordering::Relaxed);
                                });
                            }),
                        }
                    }
                });
            }
        });
        for pool in pools {
            pool.shutdown().unwrap();
        }
        assert_eq!(calls.load(Ordering::Relaxed), 10 * 2 * 12);
    });
}
