use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::super::{Once, OnceError};
use super::panics;

#[test]
fn one_of_many_runs_the_function() {
    let (once, runs) = (Once::new().unwrap(), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                once.call_once(|| {
                    thread::yield_now();
                    runs.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
                assert_eq!(runs.load(Ordering::Relaxed), 1);
                assert!(once.is_completed());
            });
        }
    });
}

#[test]
fn the_next_one_is_told_of_a_function_that_did_not_return() {
    let once = Once::new().unwrap();
    panics(|| once.call_once(|| panic!("on purpose")).unwrap());
    assert!(!once.is_completed());
    for _ in 0..2 {
        let again = once.call_once(|| unreachable!());
        assert!(matches!(again, Err(OnceError::Poisoned)));
    }
    once.call_once_force(|state| assert!(state.is_poisoned()))
        .unwrap();
    assert!(once.is_completed());
    once.call_once(|| unreachable!()).unwrap();
    once.call_once_force(|_| unreachable!()).unwrap();
}

#[test]
fn a_function_that_calls_itself_is_an_error() {
    let once = Once::new().unwrap();
    once.call_once(|| {
        let again = once.call_once(|| unreachable!());
        assert!(matches!(again, Err(OnceError::Deadlock)));
    })
    .unwrap();
}
