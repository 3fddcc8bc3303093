#![expect(unsafe_code, reason = "locks are placed in shared memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::{LockError, RawRwLock};
use super::lock::dies;
use crate::sys::{Mapping, Segment};

const LONG: Duration = Duration::from_secs(60);

fn mapping() -> Arc<Mapping> {
    let len = RawRwLock::SIZE;
    Arc::new(Segment::new(len).unwrap().map(0, len, true).unwrap())
}

fn lock_in(mapping: &Arc<Mapping>) -> RawRwLock {
    // SAFETY: writable, and used for a lock only.
    unsafe { RawRwLock::at(mapping, 0) }.unwrap()
}

/// Runs in a thread of its own, which has ended afterwards.
fn elsewhere<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}

#[test]
fn many_read_or_one_writes() {
    let lock = lock_in(&mapping());
    lock.read().unwrap();
    assert!(elsewhere(|| lock.try_read().unwrap()));
    assert!(!elsewhere(|| lock.try_write().unwrap()));
    lock.unlock_read();
    assert!(!elsewhere(|| lock.try_write().unwrap()));
    lock.unlock_read();
    lock.write().unwrap();
    assert!(!elsewhere(|| lock.try_write().unwrap()));
    assert!(!elsewhere(|| lock.try_read().unwrap()));
    assert!(matches!(lock.read(), Err(LockError::Deadlock)));
    assert!(matches!(lock.write(), Err(LockError::Deadlock)));
    assert!(!elsewhere(|| lock.unlock_write()));
    assert!(lock.unlock_write());
    assert!(!lock.unlock_write());
    assert!(lock.try_read().unwrap());
    lock.unlock_read();
    assert!(!lock.is_poisoned());
}

#[test]
fn time_limits_are_honoured() {
    let lock = lock_in(&mapping());
    let limit = Duration::from_millis(20);
    lock.read().unwrap();
    let start = Instant::now();
    assert!(!elsewhere(|| lock.write_until(start + limit).unwrap()));
    assert!(start.elapsed() >= limit);
    // Nothing is left of the writer that gave up.
    assert!(elsewhere(|| lock.try_read().unwrap()));
    lock.unlock_read();
    lock.unlock_read();
    lock.write().unwrap();
    let start = Instant::now();
    assert!(!elsewhere(|| lock.read_until(start + limit).unwrap()));
    assert!(start.elapsed() >= limit);
    assert!(lock.unlock_write());
    assert!(lock.write_until(Instant::now() + LONG).unwrap());
    assert!(lock.unlock_write());
}

#[test]
fn the_next_reader_and_writer_are_told_of_a_writer_that_died() {
    for writer in [false, true] {
        let lock = lock_in(&mapping());
        dies(|| drop(lock.write()));
        assert!(!lock.is_poisoned(), "nobody knows yet");
        if writer {
            lock.write().unwrap();
            assert!(lock.is_poisoned());
            assert!(lock.unlock_write());
        } else {
            lock.read().unwrap();
            assert!(lock.is_poisoned());
            lock.unlock_read();
        }
        lock.set_poisoned(false);
        assert!(lock.try_read().unwrap());
        assert!(!lock.is_poisoned());
        lock.unlock_read();
    }
}

#[test]
fn readers_see_no_half_written_pair() {
    const WRITES: u64 = 3000;
    let mapping = mapping();
    let pair = [const { AtomicU64::new(0) }; 2];
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let lock = lock_in(&mapping);
                for _ in 0..WRITES {
                    lock.write().unwrap();
                    let value = pair[0].load(Ordering::Relaxed) + 1;
                    pair[0].store(value, Ordering::Relaxed);
                    pair[1].store(value, Ordering::Relaxed);
                    assert!(lock.unlock_write());
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                let lock = lock_in(&mapping);
                loop {
                    lock.read().unwrap();
                    let [one, other] = [0, 1].map(|i: usize| pair[i].load(Ordering::Relaxed));
                    lock.unlock_read();
                    assert_eq!(one, other);
                    if one == 2 * WRITES {
                        break;
                    }
                }
            });
        }
    });
}
