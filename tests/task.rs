//! `spawn`, `join` and the end of a pool: shutdown and drop.

use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, Task, TaskError, parallel};
use parproc_tests::{
    Guest, LIMIT, Meeting, Process, Tally, in_time, inline_pool, meet, note, pool, settled, within,
};
use rustix::process::Signal;

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[parallel]
fn pid() -> u32 {
    process::id()
}

#[parallel]
fn wait_at(meeting: &str, word: u64) -> u64 {
    meet(meeting, word);
    word
}

#[parallel]
fn noted(path: &str, word: u64) -> u64 {
    note(path, word);
    word
}

/// Comes to the meeting, and when it is released never ends.
#[parallel]
fn endless(meeting: &str) {
    meet(meeting, 0);
    loop {
        std::hint::spin_loop();
    }
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
fn tasks_are_joined_in_any_order() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let spawn = |x| pool.spawn(add, (x, 1)).unwrap();
            let forwards: Vec<Task<u64>> = (0..200).map(spawn).collect();
            for (x, task) in (0..).zip(forwards) {
                assert_eq!(task.join().unwrap(), x + 1);
            }
            let backwards: Vec<Task<u64>> = (0..200).map(spawn).collect();
            for (x, task) in backwards.into_iter().enumerate().rev() {
                assert_eq!(task.join().unwrap(), x as u64 + 1);
            }
        }
    });
}

#[test]
fn a_later_task_is_joined_while_an_earlier_one_runs() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 5)).unwrap();
        let guest = meeting.wait();
        let quick: Vec<_> = (0..50).map(|x| pool.spawn(add, (x, 0)).unwrap()).collect();
        for (x, task) in quick.into_iter().enumerate().rev() {
            assert_eq!(task.join().unwrap(), x as u64);
        }
        assert!(!slow.is_finished());
        drop(guest);
        assert_eq!(slow.join().unwrap(), 5);
    });
}

#[test]
fn ten_threads_use_one_pool() {
    in_time(|| {
        let pool = pool(2);
        let sum = AtomicU64::new(0);
        thread::scope(|scope| {
            for start in 0..10 {
                let (pool, sum) = (&pool, &sum);
                scope.spawn(move || {
                    for round in 0..20 {
                        let spawn = |x| pool.spawn(add, (x, start)).unwrap();
                        let tasks: Vec<_> = (0..25).map(spawn).collect();
                        for task in tasks.into_iter().rev() {
                            sum.fetch_add(task.join().unwrap(), Ordering::Relaxed);
                        }
                        if round % 5 == start % 5 {
                            assert_eq!(pool.map(add, [(start, round)]).unwrap(), [start + round]);
                        }
                    }
                });
            }
        });
        // 20 rounds, in each 0 + … + 24 for each thread, and 25 times 0 + … + 9.
        assert_eq!(sum.into_inner(), 20 * (10 * 300 + 25 * 45));
    });
}

#[test]
fn tasks_are_joined_by_other_threads_than_spawned_them() {
    in_time(|| {
        let pool = pool(2);
        let tasks: Vec<_> = (0..100).map(|x| pool.spawn(add, (x, x)).unwrap()).collect();
        let threads: Vec<_> = (0..)
            .zip(tasks)
            .map(|(x, task)| thread::spawn(move || assert_eq!(task.join().unwrap(), 2 * x)))
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_million_tasks_are_queued() {
    let count: u64 = if cfg!(debug_assertions) {
        200_000
    } else {
        1_000_000
    };
    within(Duration::from_secs(120), move || {
        let pool = pool(2);
        let begin = Instant::now();
        let tasks: Vec<_> = (0..count)
            .map(|x| pool.spawn(add, (x, 1)).unwrap())
            .collect();
        let queued = begin.elapsed();
        let sum: u64 = tasks.into_iter().map(|task| task.join().unwrap()).sum();
        assert_eq!(sum, count * (count + 1) / 2);
        println!(
            "{count} tasks: queued in {queued:?}, done after {:?}",
            begin.elapsed()
        );
    });
}

#[test]
fn a_million_tasks_wait_behind_a_slow_one() {
    let count: u64 = if cfg!(debug_assertions) {
        100_000
    } else {
        1_000_000
    };
    within(Duration::from_secs(120), move || {
        let pool = pool(1);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 5)).unwrap();
        let guest = meeting.wait();
        let tasks: Vec<_> = (0..count)
            .map(|x| pool.spawn(add, (x, 1)).unwrap())
            .collect();
        assert!(tasks.iter().all(|task| !task.is_finished()));
        drop(guest);
        let sum: u64 = tasks
            .into_iter()
            .rev()
            .map(|task| task.join().unwrap())
            .sum();
        assert_eq!(sum, count * (count + 1) / 2);
        assert_eq!(slow.join().unwrap(), 5);
    });
}

#[test]
fn a_wait_with_a_limit_can_be_repeated() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let guest = meeting.wait();
        for limit in [0, 1, 20] {
            let limit = Duration::from_millis(limit);
            let begin = Instant::now();
            let error = task.join_timeout(limit).unwrap_err();
            assert!(begin.elapsed() >= limit);
            assert!(error.is_timeout() && !error.is_task() && !error.is_closed());
            assert!(error.to_string().contains("task::wait_at"), "{error}");
        }
        assert!(!task.is_finished());
        drop(guest);
        assert_eq!(task.join_timeout(LIMIT).unwrap(), 3);
        let error = task.join_timeout(LIMIT).unwrap_err();
        assert!(!error.is_timeout(), "{error}");
        assert!(error.to_string().contains("earlier join"), "{error}");
        assert!(!task.join().unwrap_err().is_timeout());
    });
}

#[test]
fn a_wait_with_a_limit_ends_in_time_while_others_are_served() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let mut slow = pool.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let guest = meeting.wait();
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        let tasks = (0..1000).map(|x| pool.spawn(add, (x, 1)).unwrap());
                        drop(tasks.collect::<Vec<_>>());
                    }
                });
            }
            let longest = (0..50).map(|_| {
                let begin = Instant::now();
                let error = slow.join_timeout(Duration::from_millis(5)).unwrap_err();
                assert!(error.is_timeout());
                begin.elapsed()
            });
            let longest = longest.max().unwrap();
            over.store(true, Ordering::Relaxed);
            println!("the longest wait of 5 ms took {longest:?}");
            assert!(longest < Duration::from_secs(2));
        });
        drop(guest);
        assert_eq!(slow.join().unwrap(), 3);
    });
}

#[test]
fn a_limit_that_no_clock_knows_is_none() {
    in_time(|| {
        let pool = pool(1);
        let mut task = pool.spawn(add, (1, 2)).unwrap();
        assert_eq!(task.join_timeout(Duration::MAX).unwrap(), 3);
    });
}

#[test]
fn is_finished_tells_the_end_without_a_join() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let slow = pool.spawn(wait_at, (meeting.name(), 3)).unwrap();
        let failing = pool.spawn(bad, 0).unwrap();
        let guest = meeting.wait();
        assert!(!slow.is_finished());
        drop(guest);
        while !slow.is_finished() || !failing.is_finished() {
            thread::yield_now();
        }
        assert_eq!(slow.join().unwrap(), 3);
        assert!(failing.join().unwrap_err().task().unwrap().is_panic());
    });
}

#[test]
fn a_task_runs_while_nobody_waits_for_it() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        // More than fits into the rings, and behind it one that says that it was reached.
        let big = vec![1_u8; 400_000];
        #[parallel]
        fn echo(bytes: Vec<u8>) -> Vec<u8> {
            bytes
        }
        let spawn = |_| pool.spawn(echo, big.clone()).unwrap();
        let tasks: Vec<_> = (0..20).map(spawn).collect();
        let last = pool.spawn(wait_at, (meeting.name(), 1)).unwrap();
        drop(meeting.wait());
        assert_eq!(last.join().unwrap(), 1);
        for task in tasks {
            assert_eq!(task.join().unwrap(), big);
        }
    });
}

#[test]
fn a_failed_task_gives_its_error_to_join() {
    in_time(|| {
        let pool = pool(2);
        let tasks: Vec<_> = (0..3).map(|how| pool.spawn(bad, how).unwrap()).collect();
        let mut results = tasks.into_iter().map(Task::join);
        let panic = results.next().unwrap().unwrap_err();
        let task = panic.task().expect("a failed task");
        assert_eq!((task.index(), task.panic_message()), (0, Some("bad task")));
        let crash = results.next().unwrap().unwrap_err();
        assert_eq!(crash.task().unwrap().exit_code(), Some(9));
        assert_eq!(results.next().unwrap().unwrap(), 2);
    });
}

#[test]
fn dropping_a_task_detaches_it() {
    in_time(|| {
        let pool = pool(2);
        let tally = Tally::new();
        for word in 0..100 {
            drop(pool.spawn(noted, (tally.path(), word)).unwrap());
        }
        pool.shutdown().unwrap();
        let counts = tally.counts();
        assert_eq!(counts.len(), 100);
        assert!(counts.values().all(|count| *count == 1));
    });
}

#[test]
fn detached_tasks_run_after_a_wait_for_all_work() {
    in_time(|| {
        let pool = pool(1);
        for _ in 0..3 {
            let meeting = Meeting::new();
            let running = pool.spawn(wait_at, (meeting.name(), 7)).unwrap();
            let waiting = pool.spawn(wait_at, (meeting.name(), 8)).unwrap();
            let join = thread::spawn(|| (running.join().unwrap(), waiting.join().unwrap()));
            let guest = meeting.wait();
            // Time for the pool's own thread to see that another one moves the results.
            thread::sleep(Duration::from_millis(20));
            drop(guest);
            drop(meeting.wait());
            assert_eq!(join.join().unwrap(), (7, 8));

            let tally = Tally::new();
            for word in 0..100 {
                drop(pool.spawn(noted, (tally.path(), word)).unwrap());
            }
            assert_eq!(settled(&100, || tally.total()), 100);
        }
    });
}

#[test]
fn shutdown_finishes_what_was_submitted() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            let tally = Tally::new();
            let spawn = |word| pool.spawn(noted, (tally.path(), word)).unwrap();
            let tasks: Vec<_> = (0..300).map(spawn).collect();
            pool.shutdown().unwrap();
            assert_eq!(tally.total(), 300);
            drop(pool);
            for (word, task) in (0..).zip(tasks) {
                assert!(task.is_finished());
                assert_eq!(task.join().unwrap(), word, "results are kept");
            }
        }
    });
}

#[test]
fn shutdown_waits_for_a_task_that_runs() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let task = pool.spawn(wait_at, (meeting.name(), 8)).unwrap();
        let guest = meeting.wait();
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| pool.shutdown());
            // New work is refused as soon as the shutdown has begun.
            while pool.spawn(add, (1, 1)).is_ok() {
                thread::yield_now();
            }
            assert!(!shutdown.is_finished() && !guest.process.has_ended());
            drop(guest);
            shutdown.join().unwrap().unwrap();
        });
        assert_eq!(task.join().unwrap(), 8);
    });
}

#[test]
fn shutdown_finishes_the_calls_of_other_threads() {
    in_time(|| {
        for _ in 0..20 {
            let pool = pool(2);
            let meeting = Meeting::new();
            let name = meeting.name();
            thread::scope(|scope| {
                let call = scope.spawn(|| {
                    let items = (0..500).map(move |x| {
                        if x == 3 {
                            meet(name, 0);
                        }
                        (x, 1)
                    });
                    pool.map(add, items)
                });
                // The call is in the middle of reading its items when the shutdown begins.
                let guest = meeting.wait();
                let shutdown = scope.spawn(|| pool.shutdown());
                while pool.spawn(add, (1, 1)).is_ok() {
                    thread::yield_now();
                }
                drop(guest);
                assert_eq!(call.join().unwrap().unwrap().len(), 500);
                shutdown.join().unwrap().unwrap();
            });
        }
    });
}

#[test]
fn a_second_shutdown_is_an_error() {
    in_time(|| {
        for pool in [pool(2), inline_pool()] {
            pool.map(add, [(1, 1)]).unwrap();
            pool.shutdown().unwrap();
            assert!(pool.shutdown().unwrap_err().is_closed());
            assert!(pool.shutdown().unwrap_err().is_closed());
        }
    });
}

#[test]
fn shutdown_ends_the_workers() {
    in_time(|| {
        let pool = pool(1);
        let worker = Process::watch(pool.map(pid, [()]).unwrap()[0]);
        assert!(!worker.has_ended());
        pool.shutdown().unwrap();
        assert!(worker.has_ended());
    });
}

#[test]
fn tasks_of_a_dropped_pool_are_closed() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let done = pool.spawn(add, (1, 1)).unwrap();
        while !done.is_finished() {
            thread::yield_now();
        }
        let running = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        let queued: Vec<_> = (0..100).map(|x| pool.spawn(add, (x, 1)).unwrap()).collect();
        drop(pool);
        assert!(guest.process.has_ended(), "the worker is gone");
        assert!(running.is_finished());
        let error = running.join().unwrap_err();
        assert!(error.is_closed(), "{error}");
        for task in queued {
            assert!(task.join().unwrap_err().is_closed());
        }
        assert_eq!(done.join().unwrap(), 2, "what was done is kept");
    });
}

#[test]
fn a_join_in_another_thread_ends_when_the_pool_is_dropped() {
    in_time(|| {
        for _ in 0..20 {
            let pool = pool(1);
            let meeting = Meeting::new();
            let running = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            let queued = pool.spawn(add, (1, 1)).unwrap();
            let _guest = meeting.wait();
            let joins = [
                thread::spawn(move || running.join().map(drop)),
                thread::spawn(move || queued.join().map(drop)),
            ];
            drop(pool);
            for join in joins {
                assert!(join.join().unwrap().unwrap_err().is_closed());
            }
        }
    });
}

#[test]
fn dropping_a_pool_ends_endless_tasks_at_once() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let spawn = |_| pool.spawn(endless, meeting.name()).unwrap();
        let tasks: Vec<_> = (0..5).map(spawn).collect();
        let guests = [meeting.wait(), meeting.wait()];
        let workers = guests.map(|Guest { process, .. }| process);
        let begin = Instant::now();
        drop(pool);
        let took = begin.elapsed();
        assert!(workers.iter().all(Process::has_ended));
        assert!(took < Duration::from_secs(5), "it took {took:?}");
        for task in tasks {
            assert!(task.join().unwrap_err().is_closed());
        }
    });
}

#[test]
fn dropping_a_pool_whose_workers_are_just_starting() {
    in_time(|| {
        for round in 0..30 {
            let pool = pool(3);
            let spawn = |x| pool.spawn(add, (x, 1)).unwrap();
            let tasks: Vec<_> = (0..round % 4).map(spawn).collect();
            drop(pool);
            for task in tasks {
                // Done before the end of the pool, or not.
                if let Err(error) = task.join() {
                    assert!(error.is_closed(), "{error}");
                }
            }
        }
    });
}

#[test]
fn a_pool_that_was_never_used_is_dropped() {
    in_time(|| drop(pool(2)));
}

#[test]
fn arguments_may_be_borrowed() {
    #[parallel]
    fn length(text: &str, bytes: &[u8]) -> usize {
        text.len() + bytes.len()
    }
    in_time(|| {
        let pool = pool(1);
        let task = {
            let (text, bytes) = (String::from("lent"), vec![0; 100_000]);
            pool.spawn(length, (text.as_str(), &bytes[..])).unwrap()
        };
        assert_eq!(task.join().unwrap(), 100_004);
    });
}

#[test]
fn waits_with_limits_from_many_threads() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        thread::scope(|scope| {
            for word in 0..8 {
                let (pool, meeting) = (&pool, &meeting);
                scope.spawn(move || {
                    let mut task = pool.spawn(wait_at, (meeting.name(), word)).unwrap();
                    let limit = Duration::from_micros(200 * word);
                    let mut waits = 0;
                    loop {
                        match task.join_timeout(limit) {
                            Ok(same) => break assert_eq!(same, word),
                            Err(error) => {
                                assert!(error.is_timeout() && !error.is_task(), "{error}")
                            }
                        }
                        waits += 1;
                        // Other calls go on meanwhile.
                        if waits % 100 == 0 {
                            assert!(!pool.is_inline());
                        }
                    }
                });
            }
            for _ in 0..8 {
                drop(meeting.wait());
            }
        });
    });
}

#[test]
fn as_many_workers_as_were_asked_for_work_at_once() {
    in_time(|| {
        let pool = pool(40);
        let meeting = Meeting::new();
        let spawn = |word| pool.spawn(wait_at, (meeting.name(), word)).unwrap();
        let tasks: Vec<_> = (0..40).map(spawn).collect();
        let guests: Vec<_> = tasks.iter().map(|_| meeting.wait()).collect();
        let mut workers: Vec<_> = guests.iter().map(|guest| guest.process.id).collect();
        workers.sort_unstable();
        workers.dedup();
        assert_eq!(workers.len(), 40);
        drop(guests);
        for (word, task) in (0..).zip(tasks) {
            assert_eq!(task.join().unwrap(), word);
        }
    });
}

#[test]
fn dropping_a_pool_whose_worker_stands_still() {
    in_time(|| {
        let pool = pool(1);
        let worker = Process::watch(pool.map(pid, [()]).unwrap()[0]);
        worker.signal(Signal::STOP);
        let begin = Instant::now();
        drop(pool);
        assert!(worker.has_ended());
        assert!(begin.elapsed() < Duration::from_secs(10));
    });
}

#[test]
fn two_shutdowns_at_once() {
    in_time(|| {
        for _ in 0..20 {
            let pool = pool(2);
            let task = pool.spawn(add, (1, 2)).unwrap();
            thread::scope(|scope| {
                let shutdowns = [
                    scope.spawn(|| pool.shutdown()),
                    scope.spawn(|| pool.shutdown()),
                ];
                let done = shutdowns.map(|shutdown| shutdown.join().unwrap());
                assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
            });
            assert_eq!(task.join().unwrap(), 3);
        }
    });
}

/// Its own item and a vector of `len` bytes, unless it fails in one of several ways.
#[parallel]
fn anything(item: u32, len: u32, how: u8) -> Result<(u32, Vec<u8>), u32> {
    match how {
        0 => panic!("item {item}"),
        1 => process::exit(5),
        2 => Err(item),
        _ => Ok((item, vec![item as u8; len as usize])),
    }
}

#[test]
fn everything_at_once_from_many_threads() {
    /// The next number below `limit` of a sequence (xorshift with 32 bits; Marsaglia, 2003).
    fn below(random: &mut u32, limit: u32) -> u32 {
        *random ^= *random << 13;
        *random ^= *random >> 17;
        *random ^= *random << 5;
        *random % limit
    }

    /// What an item asks for.
    type Item = (u32, u32, u8);

    fn check((item, len, how): Item, result: Result<Result<(u32, Vec<u8>), u32>, TaskError>) {
        match result {
            Ok(Ok((same, bytes))) => {
                assert!(how > 2 && same == item && bytes.len() == len as usize);
                assert!(bytes.iter().all(|byte| *byte == item as u8));
            }
            Ok(Err(same)) => assert_eq!((how, same), (2, item)),
            Err(error) if error.is_panic() => assert_eq!(how, 0),
            Err(error) => assert_eq!((how, error.exit_code()), (1, Some(5)), "{error}"),
        }
    }

    fn one(pool: &Pool, random: &mut u32) {
        let count = [0, 1, 3, 50, 400][below(random, 5) as usize];
        let largest = [1, 100, 70_000, 300_000][below(random, 4) as usize];
        let largest = if count > 3 {
            largest.min(3000)
        } else {
            largest
        };
        let deadly = below(random, 3) == 0;
        let items: Vec<Item> = (0..count)
            .map(|item| {
                let how = below(random, if deadly { 60 } else { 200 }) as u8;
                let how = if how == 1 && !deadly { 3 } else { how };
                (item, below(random, largest + 1), how)
            })
            .collect();
        let job = pool.job(anything);
        let job = match below(random, 4) {
            0 => job,
            size => job.chunk_size(size as usize * 4),
        };
        match below(random, 6) {
            0 => {
                let outcomes = job.outcomes(items.clone()).unwrap();
                assert_eq!(outcomes.len(), items.len());
                items
                    .into_iter()
                    .zip(outcomes)
                    .for_each(|(item, result)| check(item, result));
            }
            1 => {
                let taken = below(random, count + 1) as usize;
                let results = job.read_ahead(30).imap(items.clone()).unwrap();
                items
                    .into_iter()
                    .zip(results)
                    .take(taken)
                    .for_each(|(item, result)| check(item, result));
            }
            2 => {
                let mut seen = vec![false; items.len()];
                for (index, result) in job.imap_unordered(items.clone()).unwrap() {
                    check(items[index], result);
                    assert!(!std::mem::replace(&mut seen[index], true));
                }
                assert!(seen.into_iter().all(|seen| seen));
            }
            3 => {
                let first_bad = items.iter().position(|(_, _, how)| *how <= 2);
                match job.try_map(items) {
                    Ok(values) => assert_eq!((values.len(), first_bad), (count as usize, None)),
                    Err(error) => assert_eq!(error.index(), first_bad),
                }
            }
            4 => {
                let spawn = |item: &Item| pool.spawn(anything, *item).unwrap();
                let tasks: Vec<_> = items.iter().map(spawn).collect();
                let some = below(random, 3) as usize;
                for (item, mut task) in items.into_iter().zip(tasks).rev().step_by(1 + some) {
                    let result = match task.join_timeout(Duration::from_micros(50)) {
                        Err(error) if error.is_timeout() && !error.is_task() => task.join(),
                        result => result,
                    };
                    check(
                        item,
                        result.map_err(|error| error.task().expect("a task's error").clone()),
                    );
                }
            }
            _ => {
                let first_bad = items.iter().position(|(_, _, how)| *how <= 1);
                match job.map(items) {
                    Ok(results) => assert_eq!((results.len(), first_bad), (count as usize, None)),
                    Err(error) => assert_eq!(error.task().map(TaskError::index), first_bad),
                }
            }
        }
    }

    within(Duration::from_secs(100), || {
        for workers in [1, 3] {
            let pool = pool(workers);
            thread::scope(|scope| {
                for seed in 1..=6_u32 {
                    let pool = &pool;
                    scope.spawn(move || {
                        let mut random = seed.wrapping_mul(2_654_435_769);
                        (0..60).for_each(|_| one(pool, &mut random));
                    });
                }
            });
            pool.shutdown().unwrap();
        }
    });
}
