use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Barrier, BarrierError};
use super::LONG;

#[test]
fn a_thousand_steps_have_one_leader_each() {
    const PARTIES: usize = 3;
    const STEPS: u32 = 1000;
    let barrier = Barrier::new(PARTIES).unwrap();
    let (leaders, steps) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..PARTIES {
            scope.spawn(|| {
                for step in 0..STEPS {
                    assert_eq!(steps.load(Ordering::SeqCst), step);
                    let result = barrier.wait().unwrap();
                    leaders.fetch_add(u32::from(result.is_leader()), Ordering::SeqCst);
                    if barrier.wait().unwrap().is_leader() {
                        steps.fetch_add(1, Ordering::SeqCst);
                    }
                    barrier.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(leaders.into_inner(), STEPS);
}

#[test]
fn each_party_has_a_number() {
    let barrier = Barrier::new(4).unwrap();
    let indices: HashSet<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| barrier.wait().unwrap().index()))
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(indices, HashSet::from([0, 1, 2, 3]));
    assert_eq!((barrier.parties(), barrier.n_waiting()), (4, 0));
}

/// Has one wait, then does something to the barrier; gives what came of the waiting.
fn while_one_waits(barrier: &Barrier, body: impl FnOnce()) -> BarrierError {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| barrier.wait());
        let start = Instant::now();
        while barrier.n_waiting() == 0 {
            assert!(start.elapsed() < LONG);
            thread::yield_now();
        }
        body();
        waiter.join().unwrap().unwrap_err()
    })
}

#[test]
fn abort_breaks_all_and_reset_mends() {
    let barrier = Barrier::new(2).unwrap();
    let error = while_one_waits(&barrier, || barrier.abort().unwrap());
    assert!(matches!(error, BarrierError::Aborted), "{error}");
    assert!(barrier.is_broken());
    assert!(matches!(barrier.wait(), Err(BarrierError::Aborted)));
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
    both_pass(&barrier);
}

fn both_pass(barrier: &Barrier) {
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait().unwrap());
        assert_ne!(
            barrier.wait().unwrap().is_leader(),
            other.join().unwrap().is_leader()
        );
    });
}

#[test]
fn reset_frees_those_who_wait() {
    let barrier = Barrier::new(2).unwrap();
    let error = while_one_waits(&barrier, || barrier.reset().unwrap());
    assert!(matches!(error, BarrierError::Reset), "{error}");
    assert!(!barrier.is_broken());
    both_pass(&barrier);
}

#[test]
fn one_that_gives_up_breaks_it_for_all() {
    let barrier = Barrier::new(3).unwrap();
    let limit = Duration::from_millis(20);
    let start = Instant::now();
    let error = while_one_waits(&barrier, || {
        assert!(matches!(
            barrier.wait_timeout(limit),
            Err(BarrierError::TimedOut)
        ));
        assert!(start.elapsed() >= limit);
    });
    assert!(matches!(error, BarrierError::PeerTimedOut), "{error}");
    assert!(matches!(barrier.wait(), Err(BarrierError::PeerTimedOut)));
    barrier.reset().unwrap();
    assert!(!barrier.is_broken());
}

#[test]
fn for_one_party_it_is_no_wait_and_for_none_an_error() {
    let barrier = Barrier::new(1).unwrap();
    for _ in 0..3 {
        assert!(barrier.wait().unwrap().is_leader());
    }
    assert!(Barrier::new(0).is_err());
}

#[test]
fn handles_that_are_dropped_do_not_break_it() {
    let barrier = Barrier::new(2).unwrap();
    for _ in 0..10 {
        drop(barrier.clone());
    }
    both_pass(&barrier);
}
