//! Ending work that nobody wants any more.

use std::thread;
use std::time::{Duration, Instant};

use parproc::{CancelToken, parallel};
use parproc_tests::{LIMIT, Meeting, in_time, inline_pool, meet, pool};

/// Comes to the meeting, where nobody lets it go.
#[parallel]
fn waits(meeting: &str, x: u64) -> u64 {
    meet(meeting, x);
    x
}

#[parallel]
fn twice(x: u64) -> u64 {
    2 * x
}

#[test]
fn a_task_that_waits_is_dropped_and_one_that_runs_is_killed() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let running = pool.spawn(waits, (meeting.name(), 1)).unwrap();
        let guest = meeting.wait();
        let queued = pool.spawn(waits, (meeting.name(), 2)).unwrap();
        let good = pool.spawn(twice, 3).unwrap();
        queued.cancel();
        assert!(queued.is_finished());
        let error = queued.join().unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        running.cancel();
        assert!(guest.process.ends_within(LIMIT));
        let error = running.join().unwrap_err();
        assert!(error.is_cancelled(), "{error}");
        assert!(error.to_string().contains("waits`: cancelled"), "{error}");
        assert_eq!(good.join().unwrap(), 6);
    });
}

#[test]
fn a_task_that_is_done_keeps_its_result() {
    in_time(|| {
        let pool = pool(1);
        let mut task = pool.spawn(twice, 1).unwrap();
        while !task.is_finished() {
            thread::yield_now();
        }
        task.cancel();
        assert_eq!(task.join_timeout(LIMIT).unwrap(), 2);
        task.cancel();
    });
}

#[test]
fn a_token_ends_calls_of_every_kind_in_every_thread() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let token = CancelToken::new();
        assert!(!token.is_cancelled());
        let items = || (0..50).map(|x| (meeting.name(), x));
        thread::scope(|scope| {
            let (pool, token, items) = (&pool, &token, &items);
            let job = move || pool.job(waits).chunk_size(1).cancel_token(token);
            let map = scope.spawn(move || job().map(items()).unwrap_err());
            let outcomes = scope.spawn(move || job().outcomes(items()).unwrap());
            let lazy = scope.spawn(move || job().imap(items()).unwrap().last().unwrap());
            let task = job().spawn((meeting.name(), 7)).unwrap();
            let _guests = [meeting.wait(), meeting.wait()];
            token.clone().cancel();
            assert!(map.join().unwrap().is_cancelled());
            let outcomes = outcomes.join().unwrap();
            assert_eq!(outcomes.len(), 50);
            for outcome in outcomes {
                assert!(outcome.unwrap_err().is_cancelled());
            }
            assert!(lazy.join().unwrap().unwrap_err().is_cancelled());
            assert!(task.join().unwrap_err().is_cancelled());
        });
        assert!(token.is_cancelled());
        // A call that comes later is over at once; one without the token is not concerned.
        let late = pool
            .job(waits)
            .cancel_token(&token)
            .map(items())
            .unwrap_err();
        assert!(late.is_cancelled(), "{late}");
        assert_eq!(pool.map(twice, [4]).unwrap(), [8]);
        let inline = inline_pool();
        let late = inline
            .job(twice)
            .cancel_token(&token)
            .outcomes(0..3)
            .unwrap();
        assert!(
            late.iter()
                .all(|outcome| outcome.as_ref().unwrap_err().is_cancelled())
        );
    });
}

#[test]
fn what_is_done_when_a_token_is_cancelled_is_given() {
    /// Waits at the meeting if `x` is 10.
    #[parallel]
    fn waits_at_ten(meeting: &str, x: u64) -> u64 {
        if x == 10 {
            meet(meeting, x);
        }
        x
    }
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let token = CancelToken::new();
        let items = (0..20).map(|x| (meeting.name(), x));
        let outcomes = thread::scope(|scope| {
            let job = pool.job(waits_at_ten).chunk_size(4).cancel_token(&token);
            let call = scope.spawn(move || job.outcomes(items).unwrap());
            let _guest = meeting.wait();
            token.cancel();
            call.join().unwrap()
        });
        for (x, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(value) => assert!(value == x && x < 10),
                Err(error) => assert!(error.is_cancelled() && x >= 10, "{error}"),
            }
        }
    });
}

#[test]
fn no_item_is_missing_when_a_call_ends_in_the_middle_of_a_chunk() {
    #[parallel]
    fn takes_a_moment(x: u64) -> u64 {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(50) {}
        x
    }
    in_time(|| {
        let pool = pool(2);
        for round in 0..30 {
            let token = CancelToken::new();
            let job = pool
                .job(takes_a_moment)
                .chunk_size(1000)
                .cancel_token(&token);
            thread::scope(|scope| {
                let call = scope.spawn(|| job.outcomes(0..10_000));
                thread::sleep(Duration::from_millis(round));
                token.cancel();
                let outcomes = call.join().unwrap().unwrap();
                assert_eq!(outcomes.len(), 10_000);
                for (x, outcome) in (0..).zip(outcomes) {
                    match outcome {
                        Ok(value) => assert_eq!(value, x),
                        Err(error) => {
                            assert_eq!((error.index() as u64, error.is_cancelled()), (x, true))
                        }
                    }
                }
            });
        }
    });
}

#[test]
fn an_iterator_that_never_ends_does_not_hold_up_the_end() {
    in_time(|| {
        let pool = pool(1);
        let limit = Duration::from_millis(100);
        let outcomes = pool
            .job(twice)
            .deadline(limit)
            .outcomes((0..).filter(|x| x % 2 == 0));
        let outcomes = outcomes.unwrap();
        assert!(outcomes.first().unwrap().is_ok());
        assert!(outcomes.last().unwrap().as_ref().unwrap_err().is_timeout());
        let error = pool.job(twice).deadline(limit).for_each(0..).unwrap_err();
        assert!(error.task().unwrap().is_timeout(), "{error}");
    });
}

#[test]
fn a_lazy_call_that_is_dropped_ends_what_it_runs() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut results = pool
            .job(waits)
            .chunk_size(2)
            .imap((0..10).map(|x| (meeting.name(), x)))
            .unwrap();
        thread::scope(|scope| {
            let first = scope.spawn(|| drop(results.next()));
            let guest = meeting.wait();
            drop(guest);
            first.join().unwrap();
        });
        let guest = meeting.wait();
        drop(results);
        assert!(guest.process.ends_within(LIMIT));
        assert_eq!(pool.map(twice, [1]).unwrap(), [2]);
    });
}

#[test]
fn killing_a_pool_ends_everything_in_every_thread() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        thread::scope(|scope| {
            let items = (0..20).map(|x| (meeting.name(), x));
            let pool = &pool;
            let map = scope.spawn(move || pool.job(waits).chunk_size(1).map(items).unwrap_err());
            let guests = [meeting.wait(), meeting.wait()];
            let tasks: Vec<_> = (0..500).map(|x| pool.spawn(twice, x).unwrap()).collect();
            let mut lazy = pool.imap(twice, 0..).unwrap();
            pool.kill();
            for guest in &guests {
                assert!(guest.process.has_ended());
            }
            assert!(map.join().unwrap().is_cancelled());
            for task in tasks {
                assert!(task.join().unwrap_err().is_cancelled());
            }
            assert!(
                lazy.next()
                    .is_none_or(|result| result.unwrap_err().is_cancelled())
            );
        });
        let error = pool.map(twice, [1]).unwrap_err();
        assert!(error.is_closed() && error.is_cancelled(), "{error}");
        pool.kill();
    });
}

#[test]
fn a_cancelled_worker_is_soon_replaced() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let begin = Instant::now();
        for x in 0..20 {
            let task = pool.spawn(waits, (meeting.name(), x)).unwrap();
            let guest = meeting.wait();
            task.cancel();
            assert!(task.join().unwrap_err().is_cancelled());
            assert!(guest.process.ends_within(LIMIT));
        }
        assert!(begin.elapsed() < Duration::from_secs(10));
    });
}
