//! Actors that are started again.

use std::time::Duration;

use parproc::Backoff;
use parproc_tests::{Meeting, Process as Watch, Tally, in_time};

use super::{Counter, Deed, pid};

#[test]
fn a_restart_has_a_fresh_state_and_calls_for_the_old_one_fail() {
    in_time(|| {
        let counter = Counter::builder(7).max_restarts(1).spawn().unwrap();
        let (first, second) = (counter.set_and_do(1, Deed::Abort), counter.add(1));
        assert!(first.join().unwrap_err().task().unwrap().is_crash());
        assert!(second.join().unwrap_err().is_actor_died());
        assert!(counter.is_alive());
        assert_eq!(counter.add(1).join().unwrap(), 8);
        assert_eq!(counter.restarts(), 1);

        let task = counter.set_and_do(1, Deed::Abort);
        assert!(task.join().unwrap_err().task().unwrap().is_crash());
        assert!(counter.value().join().unwrap_err().is_actor_died());
        assert!(!counter.is_alive(), "there is one restart");
    });
}

#[test]
fn calls_that_were_not_begun_are_kept_if_that_is_asked_for() {
    in_time(|| {
        let builder = Counter::builder(7).max_restarts(2).keep_calls(true);
        let counter = builder.spawn().unwrap();
        let meeting = Meeting::new();
        let first = counter.meets(meeting.name(), 1);
        let guest = meeting.wait();
        let crash = counter.set_and_do(1, Deed::Abort);
        let kept: Vec<_> = (0..100).map(|_| counter.add(1)).collect();
        drop(guest);
        assert_eq!(first.join().unwrap(), 8);
        assert!(crash.join().unwrap_err().task().unwrap().is_crash());
        let results = kept.into_iter().map(|task| task.join().unwrap());
        assert!(results.eq(8..108), "in their order");

        // Also when it dies between two calls, and until no restart is left.
        for restarts in 1..=2 {
            assert_eq!(counter.restarts(), restarts);
            let process = Watch::watch(pid(&counter));
            process.kill();
            assert!(process.ends_within(parproc_tests::LIMIT));
            let task = counter.add(1);
            if restarts < 2 {
                assert_eq!(task.join().unwrap(), 8);
            } else {
                assert!(task.join().is_err());
            }
        }
    });
}

#[test]
fn a_constructor_that_fails_later_uses_up_restarts() {
    in_time(|| {
        let tally = Tally::new();
        let builder = Counter::builder_try_new(tally.path(), 2);
        let counter = builder
            .max_restarts(4)
            .backoff(Backoff::none())
            .spawn()
            .unwrap();
        drop(counter.set_and_do(1, Deed::Abort));
        while counter.value().join().is_err() {}
        let crash = counter.set_and_do(1, Deed::Abort);
        assert!(crash.join().unwrap_err().task().unwrap().is_crash());
        let error = counter.value().join().unwrap_err();
        assert!(
            error.is_init() && error.to_string().contains("made"),
            "{error}"
        );
        while counter.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!((tally.total(), counter.restarts()), (5, 4));
    });
}

#[test]
fn pauses_come_before_restarts_and_calls_wait_for_them() {
    in_time(|| {
        let pause = Duration::from_millis(100);
        let backoff = Backoff::new(pause).jitter(0.0);
        let counter = Counter::builder(0)
            .max_restarts(9)
            .backoff(backoff)
            .spawn()
            .unwrap();
        let crash = counter.set_and_do(1, Deed::Abort);
        assert!(crash.join().is_err());
        let begin = std::time::Instant::now();
        assert_eq!(counter.add(1).join().unwrap(), 1);
        assert!(begin.elapsed() > pause / 2, "{:?}", begin.elapsed());
    });
}

#[test]
fn a_call_with_retries_is_tried_again_with_the_fresh_state() {
    in_time(|| {
        let tally = Tally::new();
        let counter = Counter::builder(3).max_restarts(1).spawn().unwrap();
        assert_eq!(counter.add(1).join().unwrap(), 4);
        assert_eq!(counter.once_more(tally.path()).join().unwrap(), 3);
        assert_eq!(tally.total(), 2);

        let tally = Tally::new();
        let counter = Counter::spawn(3).unwrap();
        let error = counter.once_more(tally.path()).join().unwrap_err();
        assert!(error.task().unwrap().is_crash(), "{error}");
        assert_eq!(tally.total(), 1, "there is no fresh state");
    });
}

#[test]
fn restarts_within_a_window_are_not_counted_for_ever() {
    in_time(|| {
        let builder = Counter::builder(0).max_restarts(1).backoff(Backoff::none());
        let counter = builder
            .restart_window(Duration::from_nanos(1))
            .spawn()
            .unwrap();
        for _ in 0..5 {
            assert!(counter.set_and_do(1, Deed::Abort).join().is_err());
            assert_eq!(counter.add(1).join().unwrap(), 1);
        }
        assert_eq!(counter.restarts(), 5);
        let none = Counter::builder(0).restart_window(Duration::ZERO);
        assert!(none.spawn().unwrap_err().is_invalid());
    });
}
