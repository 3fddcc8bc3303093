//! Time limits of items and of whole calls.

use std::process;
use std::thread;
use std::time::{Duration, Instant};

use parproc::{Pool, parallel};
use parproc_tests::{Meeting, Tally, in_time, meet, note, pool};
use rustix::process::{Signal, getpid, kill_process};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

/// Hangs if `x` is 3.
#[parallel]
fn hangs_at_three(tally: &str, x: u64) -> u64 {
    note(tally, x);
    if x == 3 {
        loop {
            std::hint::spin_loop();
        }
    }
    x
}

#[parallel(timeout = "100ms")]
fn limited(sleep: Duration) -> u32 {
    thread::sleep(sleep);
    process::id()
}

#[parallel]
fn sleeps(sleep: Duration) -> u32 {
    thread::sleep(sleep);
    process::id()
}

#[parallel]
fn stops_itself(_item: u32) -> u32 {
    kill_process(getpid(), Signal::STOP).unwrap();
    process::id()
}

#[test]
fn an_item_that_hangs_is_killed_alone_and_the_others_of_its_chunk_run_elsewhere() {
    in_time(|| {
        for workers in [1, 2] {
            let pool = pool(workers);
            let tally = Tally::new();
            let job = pool.job(hangs_at_three).timeout(SHORT).chunk_size(10);
            let outcomes = job.outcomes((0..20).map(|x| (tally.path(), x))).unwrap();
            for (index, outcome) in (0..).zip(&outcomes) {
                match outcome {
                    Ok(value) => assert_eq!(*value, index),
                    Err(error) => {
                        assert_eq!((error.index(), index), (3, 3));
                        assert!(error.is_timeout(), "{error}");
                        assert_eq!(error.time_limit(), Some(SHORT));
                        let wall = error.wall_time().unwrap();
                        assert!(wall >= SHORT, "{wall:?}");
                        let text = error.to_string();
                        assert!(text.contains("hangs_at_three`, item 3"), "{text}");
                        assert!(text.contains("limit of 100ms"), "{text}");
                    }
                }
            }
            assert_eq!(
                outcomes.iter().filter(|outcome| outcome.is_err()).count(),
                1
            );
            assert!(tally.counts().values().all(|count| *count == 1), "run once");
        }
    });
}

#[test]
fn the_time_runs_from_the_start_of_the_item_and_not_from_its_submission() {
    in_time(|| {
        let pool = pool(1);
        // Each takes half of its time, and waits for all before it.
        let tasks: Vec<_> = (0..8)
            .map(|_| pool.spawn(limited, Duration::from_millis(50)).unwrap())
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        let job = pool.job(limited).chunk_size(8);
        job.map([Duration::from_millis(50); 8]).unwrap();
    });
}

#[test]
fn a_job_s_limit_goes_before_the_function_s_and_that_before_the_pool_s() {
    in_time(|| {
        let pool = Pool::builder()
            .workers(1)
            .timeout(SHORT / 4)
            .build()
            .unwrap();
        let nap = Duration::from_millis(50);
        assert!(pool.spawn(sleeps, nap).unwrap().join().is_err());
        pool.spawn(limited, nap).unwrap().join().unwrap();
        let error = pool.spawn(limited, LONG).unwrap().join().unwrap_err();
        assert_eq!(error.task().unwrap().time_limit(), Some(SHORT));
        let job = pool.job(limited).timeout(LONG);
        job.spawn(2 * SHORT).unwrap().join().unwrap();
        let job = pool.job(limited).timeout(SHORT / 10);
        let error = job.spawn(LONG).unwrap().join().unwrap_err();
        assert_eq!(error.task().unwrap().time_limit(), Some(SHORT / 10));
    });
}

#[test]
fn a_stopped_worker_is_killed_too() {
    in_time(|| {
        let pool = pool(1);
        let job = pool.job(stops_itself).timeout(SHORT);
        let error = job.spawn(1).unwrap().join().unwrap_err();
        assert!(error.task().unwrap().is_timeout(), "{error}");
        pool.spawn(sleeps, Duration::ZERO).unwrap().join().unwrap();
    });
}

#[test]
fn a_worker_that_stands_still_before_it_begins_is_replaced_and_the_item_runs() {
    in_time(|| {
        let pool = pool(1);
        let worker = pool.spawn(sleeps, Duration::ZERO).unwrap().join().unwrap();
        parproc_tests::Process::watch(worker).signal(Signal::STOP);
        let job = pool.job(sleeps).timeout(SHORT);
        let other = job.spawn(Duration::ZERO).unwrap().join().unwrap();
        assert_ne!(other, worker);
    });
}

#[test]
fn results_that_nobody_takes_are_no_reason_to_kill() {
    #[parallel]
    fn large(x: u8) -> Vec<u8> {
        vec![x; 300_000]
    }
    in_time(|| {
        let pool = pool(1);
        let job = pool.job(large).timeout(SHORT / 2).chunk_size(20);
        let results = job.imap_unordered(0..60).unwrap();
        let mut count = 0;
        for (index, result) in results {
            assert_eq!(result.unwrap(), vec![index as u8; 300_000]);
            count += 1;
            if count % 20 == 1 {
                // The ring is full of results long before this is over.
                thread::sleep(2 * SHORT);
            }
        }
        assert_eq!(count, 60);
    });
}

#[test]
fn the_time_does_not_run_while_an_argument_waits_to_be_sent() {
    #[parallel]
    fn length(bytes: &[u8]) -> usize {
        bytes.len()
    }
    in_time(|| {
        let pool = pool(1);
        let bytes = vec![7_u8; 64 << 20];
        // Behind another one, and larger than the ring.
        let first = pool.spawn(sleeps, 2 * SHORT).unwrap();
        let job = pool.job(length).timeout(10 * SHORT);
        let second = job.spawn(bytes.as_slice()).unwrap();
        first.join().unwrap();
        assert_eq!(second.join().unwrap(), bytes.len());
    });
}

#[test]
fn an_inline_pool_ends_a_late_call_between_two_items() {
    in_time(|| {
        let pool = parproc_tests::inline_pool();
        let job = pool.job(sleeps).deadline(SHORT);
        let outcomes = job.outcomes([SHORT, SHORT, SHORT]).unwrap();
        assert!(outcomes[0].is_ok());
        assert!(outcomes[2].as_ref().unwrap_err().is_timeout());
    });
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let error = pool(1)
        .job(sleeps)
        .timeout(Duration::ZERO)
        .map([LONG])
        .unwrap_err();
    assert!(error.is_invalid(), "{error}");
    let error = Pool::builder().timeout(Duration::ZERO).build().unwrap_err();
    assert!(error.is_invalid(), "{error}");
}

#[test]
fn a_call_that_runs_out_of_time_gives_what_is_finished() {
    /// Waits at the meeting, which nobody ends, if `x` is 5 or more.
    #[parallel]
    fn waits_from_five(meeting: &str, x: u64) -> u64 {
        if x >= 5 {
            meet(meeting, x);
        }
        x
    }
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let items = (0..20).map(|x| (meeting.name(), x));
        let limit = Duration::from_millis(300);
        let begin = Instant::now();
        let job = pool.job(waits_from_five).chunk_size(1).deadline(limit);
        let outcomes = job.outcomes(items).unwrap();
        assert!(begin.elapsed() >= limit);
        assert_eq!(outcomes.len(), 20, "also those that were never read");
        for (x, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(value) => assert!(value == x && x < 5),
                Err(error) => {
                    assert!(x >= 5 && error.is_timeout(), "{error}");
                    assert_eq!(
                        (error.index(), error.time_limit()),
                        (x as usize, Some(limit))
                    );
                }
            }
        }
        // The workers that ran such items are gone, and the pool works.
        pool.spawn(sleeps, Duration::ZERO).unwrap().join().unwrap();
    });
}

#[test]
fn a_lazy_call_and_a_task_run_out_of_time_too() {
    in_time(|| {
        let pool = pool(1);
        let job = pool.job(sleeps).deadline(SHORT).chunk_size(1);
        let mut results = job.imap(std::iter::repeat(LONG)).unwrap();
        assert!(results.next().unwrap().unwrap_err().is_timeout());
        assert!(
            results.all(|result| result.unwrap_err().is_timeout()),
            "and it ends"
        );
        let task = pool.job(sleeps).deadline(SHORT).spawn(LONG).unwrap();
        assert!(task.join().unwrap_err().task().unwrap().is_timeout());
        let mut done = pool
            .job(sleeps)
            .deadline(LONG)
            .spawn(Duration::ZERO)
            .unwrap();
        done.join_timeout(Duration::from_secs(10)).unwrap();
    });
}
