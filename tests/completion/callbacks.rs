//! `on_done`: what callbacks get, when and where they run, what they may do.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use parproc::{Pool, Result, as_completed, parallel, wait_any};
use parproc_tests::{Meeting, in_time, inline_pool, pool, within};
use serde::{Deserialize, Deserializer, Serialize};

use super::{add, bad, wait_at};

/// A callback that sends what it gets.
pub(crate) fn send<R: Send + 'static>(
    sender: &Sender<Result<R>>,
) -> impl FnOnce(Result<R>) + Send + 'static {
    let sender = sender.clone();
    move |result| sender.send(result).unwrap()
}

#[test]
fn callbacks_get_results_and_failures() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let (sender, results) = channel();
            for how in [2, 0, 3] {
                pool.spawn(bad, how).unwrap().on_done(send(&sender));
            }
            let mut seen: Vec<_> = (0..3).map(|_| results.recv().unwrap()).collect();
            seen.sort_by_key(|result| result.as_ref().map_or(0, |how| *how));
            let panic = seen[0].as_ref().unwrap_err().task().unwrap();
            assert_eq!(panic.panic_message(), Some("bad task"));
            assert_eq!(
                (*seen[1].as_ref().unwrap(), *seen[2].as_ref().unwrap()),
                (2, 3)
            );
        }
        let pool = pool(2);
        let (sender, results) = channel();
        pool.spawn(bad, 1).unwrap().on_done(send(&sender));
        let crash = results.recv().unwrap().unwrap_err();
        assert_eq!(crash.task().unwrap().exit_code(), Some(9));
    });
}

#[test]
fn callbacks_come_in_the_order_of_the_ends() {
    in_time(|| {
        let pool = pool(3);
        let meetings = [Meeting::new(), Meeting::new(), Meeting::new()];
        let (sender, results) = channel();
        let guests: Vec<_> = (0..)
            .zip(&meetings)
            .map(|(word, meeting)| {
                let task = pool.spawn(wait_at, (meeting.name(), word)).unwrap();
                task.on_done(send(&sender));
                meeting.wait()
            })
            .collect();
        for (word, guest) in guests.into_iter().enumerate().rev() {
            drop(guest);
            assert_eq!(results.recv().unwrap().unwrap(), word as u64);
        }
        // One worker runs them in the order in which they were submitted.
        let single = self::pool(1);
        for x in 0..1000 {
            single.spawn(add, (x, 0)).unwrap().on_done(send(&sender));
        }
        drop(sender);
        let order = results.iter().map(|result| result.unwrap());
        assert!(order.eq(0..1000));
    });
}

#[test]
fn callbacks_run_in_one_thread_of_the_pool() {
    in_time(|| {
        let pool = pool(2);
        let (sender, threads) = channel();
        let here = || {
            let sender = sender.clone();
            move |result: Result<u64>| {
                result.unwrap();
                sender.send(thread::current().id()).unwrap();
            }
        };
        for x in 0..50 {
            pool.spawn(add, (x, 0)).unwrap().on_done(here());
            let done = pool.spawn(add, (x, 0)).unwrap();
            assert_eq!(wait_any(std::slice::from_ref(&done)), Some(0));
            done.on_done(here());
        }
        pool.shutdown().unwrap();
        let threads: BTreeSet<_> = threads.try_iter().map(|id| format!("{id:?}")).collect();
        assert_eq!(threads.len(), 1);
        assert!(!threads.contains(&format!("{:?}", thread::current().id())));
    });
}

#[test]
fn the_callback_of_an_inline_task_runs_at_once() {
    in_time(|| {
        let pool = inline_pool();
        let here = thread::current().id();
        let called = Arc::new(AtomicBool::new(false));
        let calls = Arc::clone(&called);
        pool.spawn(add, (1, 2)).unwrap().on_done(move |result| {
            assert_eq!(result.unwrap(), 3);
            assert_eq!(thread::current().id(), here);
            calls.store(true, Ordering::Relaxed);
        });
        assert!(called.load(Ordering::Relaxed));
        pool.spawn(add, (1, 2))
            .unwrap()
            .on_done(|_| panic!("a callback"));
        assert_eq!(pool.spawn(add, (1, 2)).unwrap().join().unwrap(), 3);
    });
}

#[test]
fn a_callback_that_panics_hurts_no_one() {
    /// Panics again when the panic is over.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("the second one");
        }
    }

    in_time(|| {
        let pool = pool(2);
        let (sender, results) = channel();
        for x in 0..20 {
            let spawn = || pool.spawn(add, (x, 0)).unwrap();
            spawn().on_done(|_| panic!("a callback"));
            spawn().on_done(|_| std::panic::panic_any(Bomb));
            spawn().on_done(send(&sender));
        }
        let sum: u64 = (0..20).map(|_| results.recv().unwrap().unwrap()).sum();
        assert_eq!(sum, 190);
        assert_eq!(pool.map(add, [(1, 2)]).unwrap(), [3]);
        pool.shutdown().unwrap();
    });
}

/// A value that can be written but not read back.
#[derive(Debug, Serialize)]
struct Unreadable;

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(_: D) -> std::result::Result<Self, D::Error> {
        panic!("it cannot be read");
    }
}

#[parallel]
fn unreadable() -> Unreadable {
    Unreadable
}

#[test]
fn a_result_whose_decoding_panics_does_not_cost_the_call() {
    in_time(|| {
        let pool = pool(1);
        let (sender, results) = channel();
        let task = pool.spawn(unreadable, ()).unwrap();
        task.on_done(move |result| sender.send(result.map(drop)).unwrap());
        let error = results.recv().unwrap().unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    });
}

#[test]
fn callbacks_submit_and_join() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let (sender, results) = channel();
        for x in 0..20 {
            let (same, sender) = (Arc::clone(&pool), sender.clone());
            pool.spawn(add, (x, 0)).unwrap().on_done(move |result| {
                let x = result.unwrap();
                let joined = same.spawn(add, (x, 1)).unwrap().join().unwrap();
                let mapped = same.map(add, (0..50).map(|y| (joined, y))).unwrap();
                let tasks = [1, 2, 3].map(|y| same.spawn(add, (mapped[0], y)).unwrap());
                let sum = as_completed(tasks).map(|(_, result)| result.unwrap()).sum();
                let task = same.spawn(add, (sum, 0)).unwrap();
                task.on_done(move |result| sender.send(result).unwrap());
            });
        }
        drop(sender);
        let mut sums: Vec<_> = results.iter().map(|result| result.unwrap()).collect();
        sums.sort_unstable();
        assert!(sums.into_iter().eq((0..20).map(|x| 3 * (x + 1) + 6)));
    });
}

#[test]
fn a_chain_of_callbacks() {
    fn next(pool: Arc<Pool>, x: u64, end: Sender<u64>) {
        let task = pool.spawn(add, (x, 1)).unwrap();
        task.on_done(move |result| match result.unwrap() {
            500 => end.send(500).unwrap(),
            x => next(pool, x, end),
        });
    }

    in_time(|| {
        let (end, ended) = channel();
        next(Arc::new(pool(2)), 0, end);
        assert_eq!(ended.recv(), Ok(500));
    });
}

/// While one is called, the others wait; workers and threads that join do not.
#[test]
fn a_callback_that_takes_long_holds_up_no_join() {
    in_time(|| {
        let pool = pool(2);
        let (start, started) = channel();
        let (end, ended) = channel::<()>();
        pool.spawn(add, (1, 1)).unwrap().on_done(move |_| {
            start.send(()).unwrap();
            let _ = ended.recv();
        });
        started.recv().unwrap();
        let (sender, results) = channel();
        for x in 0..500 {
            pool.spawn(add, (x, 0)).unwrap().on_done(send(&sender));
        }
        for x in 0..100 {
            assert_eq!(pool.spawn(add, (x, 1)).unwrap().join().unwrap(), x + 1);
        }
        assert!(results.try_recv().is_err());
        drop(end);
        let sum: u64 = (0..500).map(|_| results.recv().unwrap().unwrap()).sum();
        assert_eq!(sum, 500 * 499 / 2);
    });
}

#[test]
fn ten_thousand_callbacks() {
    within(Duration::from_secs(60), || {
        let pool = pool(2);
        let calls: Arc<Vec<_>> = Arc::new((0..10_000).map(|_| AtomicUsize::new(0)).collect());
        for x in 0..10_000 {
            let calls = Arc::clone(&calls);
            pool.spawn(add, (x, 1)).unwrap().on_done(move |result| {
                assert_eq!(result.unwrap(), x + 1);
                calls[x as usize].fetch_add(1, Ordering::Relaxed);
            });
        }
        pool.shutdown().unwrap();
        assert!(calls.iter().all(|calls| calls.load(Ordering::Relaxed) == 1));
    });
}

#[test]
fn callbacks_of_ten_threads() {
    in_time(|| {
        let pool = pool(2);
        let sum = Arc::new(AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..10 {
                scope.spawn(|| {
                    for x in 0..100 {
                        let sum = Arc::clone(&sum);
                        pool.spawn(add, (x, 0)).unwrap().on_done(move |result| {
                            sum.fetch_add(result.unwrap() as usize, Ordering::Relaxed);
                        });
                        assert_eq!(pool.spawn(add, (x, 1)).unwrap().join().unwrap(), x + 1);
                    }
                });
            }
        });
        pool.shutdown().unwrap();
        assert_eq!(sum.load(Ordering::Relaxed), 10 * 4950);
    });
}
