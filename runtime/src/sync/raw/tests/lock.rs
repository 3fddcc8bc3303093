#![expect(unsafe_code, reason = "locks are placed in shared memory")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::super::protocol::{OWNER_DIED, WAITERS};
use super::super::{Acquired, LockError, RawLock};
use crate::sys::{Mapping, Segment};

const LONG: Duration = Duration::from_secs(60);

fn mapping() -> Arc<Mapping> {
    Arc::new(Segment::new(4096).unwrap().map(0, 4096, true).unwrap())
}

fn lock_at(mapping: &Arc<Mapping>, index: usize) -> RawLock {
    // SAFETY: writable, and used for locks only.
    unsafe { RawLock::at(mapping, index * RawLock::SIZE) }
}

const FINE: Acquired = Acquired { died: false };
const DIED: Acquired = Acquired { died: true };

/// Runs in a thread of its own, which has ended afterwards.
fn elsewhere<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}

/// As [`elsewhere`], in a process of its own, which has ended with all that it had.
pub(in crate::sync) fn dies(body: impl FnOnce()) {
    // SAFETY: the copy takes locks in memory that is mapped, and ends.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        body();
        // SAFETY: ends the copy without running anything of the original's.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: waits for the child of this test.
    let waited = unsafe { libc::waitpid(copy, std::ptr::null_mut(), 0) };
    assert_eq!(waited, copy);
}

#[test]
fn one_at_a_time_has_the_lock() {
    let lock = lock_at(&mapping(), 0);
    assert_eq!(lock.lock().unwrap(), FINE);
    assert!(elsewhere(|| lock.try_lock().unwrap()).is_none());
    assert!(lock.unlock());
    assert_eq!(
        elsewhere(|| {
            let taken = lock.try_lock().unwrap();
            assert!(lock.unlock());
            taken
        }),
        Some(FINE)
    );
}

#[test]
fn no_increment_is_lost() {
    let mapping = mapping();
    let count = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lock = lock_at(&mapping, 3);
                for _ in 0..20_000 {
                    assert_eq!(lock.lock().unwrap(), FINE);
                    let before = count.load(Ordering::Relaxed);
                    count.store(before + 1, Ordering::Relaxed);
                    assert!(lock.unlock());
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 80_000);
}

#[test]
fn a_lock_that_the_thread_has_is_an_error_and_no_hang() {
    let mapping = mapping();
    let (one, same) = (lock_at(&mapping, 0), lock_at(&mapping, 0));
    one.lock().unwrap();
    assert!(matches!(one.lock(), Err(LockError::Deadlock)));
    assert!(matches!(same.lock(), Err(LockError::Deadlock)));
    assert!(matches!(
        same.lock_until(Instant::now() + LONG),
        Err(LockError::Deadlock)
    ));
    assert!(same.try_lock().unwrap().is_none());
    assert!(!same.unlock(), "it was not taken by this handle");
    assert!(one.unlock());
    assert_eq!(same.lock().unwrap(), FINE);
    assert!(same.unlock());
}

#[test]
fn letting_go_of_what_is_not_held_does_nothing() {
    let lock = lock_at(&mapping(), 0);
    assert!(!lock.unlock());
    lock.lock().unwrap();
    assert!(!elsewhere(|| lock.unlock()));
    assert!(lock.unlock());
    assert!(!lock.unlock());
}

#[test]
fn a_time_limit_is_honoured() {
    let lock = lock_at(&mapping(), 0);
    lock.lock().unwrap();
    elsewhere(|| {
        let start = Instant::now();
        let limit = Duration::from_millis(30);
        assert!(lock.lock_until(start + limit).unwrap().is_none());
        assert!(start.elapsed() >= limit);
    });
    assert!(lock.unlock());
    assert_eq!(lock.lock_until(Instant::now()).unwrap(), Some(FINE));
    assert!(lock.unlock());
}

#[test]
fn the_next_one_is_told_once_that_the_holder_has_ended() {
    let mapping = mapping();
    let lock = lock_at(&mapping, 0);
    dies(|| drop(lock.lock()));
    // At once: nobody has to look at the clock.
    assert_eq!(lock.try_lock().unwrap(), Some(DIED));
    assert!(lock.unlock());
    assert_eq!(lock.lock().unwrap(), FINE);
    assert!(lock.unlock());
}

#[test]
fn who_waits_for_a_process_that_ends_gets_the_lock() {
    let mapping = mapping();
    let lock = lock_at(&mapping, 0);
    let (word, taken) = (lock.word(), lock_at(&mapping, 1));
    let until = |mark: &dyn Fn() -> bool| {
        let wait = Instant::now();
        while !mark() && wait.elapsed() < LONG {
            thread::yield_now();
        }
    };
    for _ in 0..50 {
        thread::scope(|scope| {
            scope.spawn(|| {
                dies(|| {
                    drop(lock.lock());
                    taken.word().store(1, Ordering::Relaxed);
                    // It ends with the lock when somebody sleeps.
                    until(&|| word.load(Ordering::Relaxed) & WAITERS != 0);
                });
            });
            until(&|| taken.word().swap(0, Ordering::Relaxed) == 1);
            let start = Instant::now();
            assert_eq!(lock.lock().unwrap(), DIED);
            assert!(start.elapsed() < LONG);
            assert!(lock.unlock());
        });
    }
}

#[test]
fn a_lock_that_a_thread_has_ended_with_is_free_when_its_process_has_ended() {
    let mapping = mapping();
    let lock = lock_at(&mapping, 0);
    elsewhere(|| lock.lock().unwrap());
    for handle in [&lock, &lock_at(&mapping, 0)] {
        assert!(handle.try_lock().unwrap().is_none());
        assert!(matches!(handle.lock(), Err(LockError::Deadlock)));
        let limit = Instant::now() + LONG;
        assert!(matches!(handle.lock_until(limit), Err(LockError::Deadlock)));
    }
    // Elsewhere it is as any lock that somebody has.
    dies(|| {
        let late = Instant::now() + Duration::from_millis(20);
        let waits = lock.lock_until(late).is_ok_and(|taken| taken.is_none());
        if !waits || lock.try_lock().is_ok_and(|taken| taken.is_some()) {
            lock_at(&mapping, 1).word().store(1, Ordering::Relaxed);
        }
    });
    assert_eq!(lock_at(&mapping, 1).word().load(Ordering::Relaxed), 0);
    // What a process has left that is over can be had.
    let lock = lock_at(&mapping, 2);
    dies(|| {
        elsewhere(|| drop(lock.lock()));
    });
    assert_eq!(lock.lock().unwrap(), DIED);
    assert!(lock.unlock());
}

#[test]
fn locks_are_let_go_of_in_any_order() {
    let mapping = mapping();
    let locks: Vec<_> = (0..5).map(|index| lock_at(&mapping, index)).collect();
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut held = Vec::new();
        for _ in 0..50 {
            let index = random.usize(..locks.len());
            if let Some(at) = held.iter().position(|one| *one == index) {
                held.swap_remove(at);
                assert!(locks[index].unlock());
            } else {
                assert_eq!(locks[index].lock().unwrap(), FINE);
                held.push(index);
            }
        }
        for index in held {
            assert!(locks[index].unlock());
        }
    }
}

#[test]
fn all_locks_of_a_process_that_ends_are_handed_on() {
    let mapping = mapping();
    let locks: Vec<_> = (0..40).map(|index| lock_at(&mapping, index)).collect();
    dies(|| {
        for lock in &locks {
            lock.lock().unwrap();
        }
        for lock in locks.iter().step_by(3) {
            assert!(lock.unlock());
        }
    });
    for (index, lock) in locks.iter().enumerate() {
        let taken = lock.try_lock().unwrap().expect("it is free");
        assert_eq!(taken.died, index % 3 != 0, "{index}");
    }
    for lock in &locks {
        assert!(lock.unlock());
    }
}

#[test]
fn a_handle_that_is_dropped_with_its_lock_held_leaves_the_memory() {
    let lock = lock_at(&mapping(), 0);
    lock.lock().unwrap();
    drop(lock);
    // Linked before it, unlinked before it: both touch the node of the one that was dropped.
    let other = lock_at(&mapping(), 0);
    other.lock().unwrap();
    assert!(other.unlock());
}

#[test]
fn a_word_that_was_overwritten_is_no_hang() {
    let mapping = mapping();
    let lock = lock_at(&mapping, 0);
    // A thread that does not exist: ids are below 2^22.
    lock.word().store(0x3fff_fff0, Ordering::Relaxed);
    let start = Instant::now();
    assert_eq!(lock.lock().unwrap(), DIED);
    assert!(start.elapsed() < LONG);
    // And while it is held.
    lock.word().store(0, Ordering::Relaxed);
    let other = lock_at(&mapping, 0);
    elsewhere(|| {
        assert_eq!(other.lock().unwrap(), FINE);
        assert!(other.unlock());
    });
    assert!(lock.unlock());
    lock.word().store(OWNER_DIED | WAITERS, Ordering::Relaxed);
    assert_eq!(lock.try_lock().unwrap(), Some(DIED));
    assert!(lock.unlock());
    assert_eq!(lock.try_lock().unwrap(), Some(FINE));
    // By the same handle, from two threads.
    lock.word().store(0, Ordering::Relaxed);
    elsewhere(|| {
        assert!(lock.try_lock().unwrap().is_none());
        let soon = Instant::now() + Duration::from_millis(5);
        assert!(lock.lock_until(soon).unwrap().is_none());
    });
    assert!(lock.unlock());
}

#[test]
fn links_that_were_overwritten_lead_nowhere() {
    for garbage in [0, 1, 0xdead_beef, u64::MAX] {
        let mapping = mapping();
        let locks: Vec<_> = (0..4).map(|index| lock_at(&mapping, index)).collect();
        for lock in &locks {
            lock.lock().unwrap();
        }
        for index in [1, 2] {
            locks[index].block().overwrite_links(garbage);
        }
        for index in [1, 3, 0, 2] {
            assert!(locks[index].unlock());
            // The list is sound enough to take and let go of others.
            let other = lock_at(&mapping, 9);
            other.lock().unwrap();
            assert!(other.unlock());
        }
        for lock in &locks {
            assert_eq!(lock.lock().unwrap(), FINE);
        }
        for lock in &locks {
            assert!(lock.unlock());
        }
    }
}

#[test]
fn a_copy_of_the_process_lets_go_of_nothing_and_gets_nothing() {
    let mapping = mapping();
    let (lock, free) = (lock_at(&mapping, 0), lock_at(&mapping, 1));
    lock.lock().unwrap();
    // SAFETY: the copy takes and frees locks in memory that is mapped, and ends.
    let copy = unsafe { libc::fork() };
    if copy == 0 {
        let right = !lock.unlock()
            && lock.try_lock().is_ok_and(|taken| taken.is_none())
            // It can take others, and dies with this one.
            && free.try_lock().is_ok_and(|taken| taken.is_some());
        // SAFETY: ends the copy without running anything of the original's.
        unsafe { libc::_exit(if right { 7 } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: waits for the child of this test.
    assert_eq!(unsafe { libc::waitpid(copy, &raw mut status, 0) }, copy);
    assert_eq!(libc::WEXITSTATUS(status), 7);
    assert_eq!(free.try_lock().unwrap(), Some(DIED));
    assert!(free.unlock());
    assert!(lock.unlock());
}
