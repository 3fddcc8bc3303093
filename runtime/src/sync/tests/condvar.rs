use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::super::{Condvar, Mutex};
use super::{LONG, thread_id, until_asleep};
use crate::sync::raw::tests::lock::dies;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_wait_ends_when_the_condition_holds() {
    let (mutex, changed) = (Mutex::new(0).unwrap(), Condvar::new().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..100 {
                *mutex.lock().unwrap() += 1;
                changed.notify_one();
            }
        });
        let guard = changed.wait_while(mutex.lock().unwrap(), |count| *count < 100);
        assert_eq!(*guard.unwrap(), 100);
    });
}

#[test]
fn a_wait_ends_with_its_time() {
    let (mutex, changed) = (Mutex::new(0).unwrap(), Condvar::new().unwrap());
    let start = Instant::now();
    let waited = changed.wait_timeout_while(mutex.lock().unwrap(), SHORT, |count| *count == 0);
    let (guard, result) = waited.unwrap();
    assert!(result.timed_out());
    assert!(start.elapsed() >= SHORT);
    let (_guard, result) = changed
        .wait_timeout_while(guard, SHORT, |count| *count == 1)
        .unwrap();
    assert!(!result.timed_out());
}

#[test]
fn notify_wakes_as_many_as_it_says() {
    const WAITERS: usize = 5;
    let (mutex, changed) = (Mutex::new(0_u64).unwrap(), Condvar::new().unwrap());
    let (ids, started) = mpsc::channel();
    let (woken, wakes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..WAITERS {
            let (ids, woken, mutex, changed) = (ids.clone(), woken.clone(), &mutex, &changed);
            scope.spawn(move || {
                let guard = mutex.lock().unwrap();
                ids.send(thread_id()).unwrap();
                drop(changed.wait(guard).unwrap());
                woken.send(()).unwrap();
            });
        }
        let ids: Vec<u32> = started.iter().take(WAITERS).collect();
        // Who has the lock now, has it after all of them: they wait.
        drop(mutex.lock().unwrap());
        until_asleep(&ids);
        changed.notify(2);
        for _ in 0..2 {
            wakes.recv_timeout(LONG).unwrap();
        }
        // No sleeping to see that no others come: those that do not sleep would have been woken.
        until_still_asleep(&ids, WAITERS - 2);
        changed.notify_one();
        wakes.recv_timeout(LONG).unwrap();
        changed.notify(WAITERS);
        for _ in 3..WAITERS {
            wakes.recv_timeout(LONG).unwrap();
        }
        changed.notify_all();
        assert!(wakes.try_recv().is_err());
    });
}

/// At least `count` of the threads sleep.
fn until_still_asleep(ids: &[u32], count: usize) {
    let there = |id: &&u32| std::fs::exists(format!("/proc/self/task/{id}")).unwrap();
    assert!(ids.iter().filter(there).count() >= count);
}

#[test]
fn who_waits_is_told_of_poison() {
    let (mutex, changed) = (Mutex::new(0_u64).unwrap(), Condvar::new().unwrap());
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let waited = changed.wait_while(mutex.lock().unwrap(), |count| *count == 0);
            waited.is_err_and(|error| error.is_poisoned())
        });
        // It ends with the lock.
        dies(|| {
            let mut guard = mutex.lock().unwrap();
            *guard = 1;
            std::mem::forget(guard);
        });
        // Whether the other waits already or takes the lock now: it is told.
        changed.notify_all();
        let start = Instant::now();
        while !waiter.is_finished() && start.elapsed() < LONG {
            changed.notify_all();
            thread::yield_now();
        }
        assert!(waiter.join().unwrap_or(true));
    });
}
