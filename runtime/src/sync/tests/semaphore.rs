use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Semaphore, SemaphoreError};
use super::LONG;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn permits_are_taken_and_given_back() {
    let semaphore = Semaphore::new(3).unwrap();
    let one = semaphore.acquire().unwrap();
    let two = semaphore.clone().acquire_many(2).unwrap();
    assert_eq!((one.count(), two.count()), (1, 2));
    assert_eq!(semaphore.available().unwrap(), 0);
    assert!(matches!(
        semaphore.try_acquire(),
        Err(SemaphoreError::WouldBlock)
    ));
    let start = Instant::now();
    assert!(matches!(
        semaphore.acquire_timeout(SHORT),
        Err(SemaphoreError::TimedOut)
    ));
    assert!(start.elapsed() >= SHORT);
    drop(two);
    assert!(matches!(
        semaphore.try_acquire_many(3),
        Err(SemaphoreError::WouldBlock)
    ));
    assert!(semaphore.try_acquire_many(2).is_ok());
    drop(one);
    assert_eq!(semaphore.available().unwrap(), 3);
    assert!(semaphore.acquire_many_timeout(3, LONG).is_ok());
}

#[test]
fn a_bounded_one_cannot_be_released_too_often() {
    let semaphore = Semaphore::bounded(2).unwrap();
    assert!(matches!(semaphore.release(1), Err(SemaphoreError::TooMany)));
    let permit = semaphore.acquire().unwrap();
    assert!(
        matches!(semaphore.release(1), Err(SemaphoreError::TooMany)),
        "it is still held"
    );
    permit.forget();
    assert_eq!(semaphore.available().unwrap(), 1);
    semaphore.release(1).unwrap();
    assert_eq!(semaphore.available().unwrap(), 2);
    assert!(matches!(
        semaphore.acquire_many(3),
        Err(SemaphoreError::TooMany)
    ));
    assert!(Semaphore::bounded(0).is_err());
}

#[test]
fn an_unbounded_one_gets_more_permits() {
    let semaphore = Semaphore::new(0).unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| semaphore.acquire_many(3).map(|permit| permit.forget()));
        semaphore.release(2).unwrap();
        semaphore.release(2).unwrap();
        waiter.join().unwrap().unwrap();
    });
    assert_eq!(semaphore.available().unwrap(), 1);
    assert!(matches!(
        semaphore.release(u32::MAX),
        Err(SemaphoreError::TooMany)
    ));
}

#[test]
fn never_more_are_in_than_there_are_permits() {
    let semaphore = Semaphore::new(2).unwrap();
    let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    let _permit = semaphore.acquire().unwrap();
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(most.into_inner() <= 2);
    assert_eq!(semaphore.available().unwrap(), 2);
}
