//! Processes that die with what they hold, in all ways.

use std::time::{Duration, Instant};

use parproc::sync::{
    Barrier, BarrierError, LockError, Mutex, Once, OnceError, ReentrantMutex, RwLock, Semaphore,
};
use parproc::{Pool, Process, SharedArray, SharedCell, parallel};
use parproc_tests::{LIMIT, in_time, scribble};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum Way {
    Killed,
    Aborts,
    Exits,
    Panics,
}

const WAYS: [Way; 4] = [Way::Killed, Way::Aborts, Way::Exits, Way::Panics];

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Thing {
    Lock(Mutex<u64>),
    Twice(ReentrantMutex<u64>),
    Reading(RwLock<u64>),
    Writing(RwLock<u64>),
    Permits(Semaphore),
    Handle(Barrier),
    Runs(Once),
}

/// Dies with the thing.
#[parallel]
fn die_with(thing: Thing, way: Way, begun: SharedCell<u32>) {
    let die = || {
        begun.store(1);
        match way {
            Way::Killed => loop {
                std::thread::park();
            },
            Way::Aborts => std::process::abort(),
            Way::Exits => std::process::exit(0),
            Way::Panics => panic!("on purpose"),
        }
    };
    match &thing {
        Thing::Lock(lock) => {
            let mut guard = lock.lock().unwrap();
            *guard += 1;
            die();
        }
        Thing::Twice(lock) => {
            let _guard = lock.lock().unwrap();
            let guard = lock.lock().unwrap();
            guard.set(guard.get() + 1);
            die();
        }
        Thing::Reading(lock) => {
            let _guard = lock.read().unwrap();
            die();
        }
        Thing::Writing(lock) => {
            let mut guard = lock.write().unwrap();
            *guard += 1;
            die();
        }
        Thing::Permits(semaphore) => {
            let _permits = semaphore.acquire_many(2).unwrap();
            die();
        }
        Thing::Handle(_) => die(),
        Thing::Runs(once) => once.call_once(die).unwrap(),
    }
}

/// Has a process die with the thing, and gives it back. It is being waited for meanwhile.
fn after_death(thing: Thing, way: Way, wait: impl FnOnce() + Send) {
    let begun = SharedCell::new(0).unwrap();
    let process = Process::spawn(die_with, (thing, way, begun.clone())).unwrap();
    let start = Instant::now();
    while begun.load() == 0 {
        assert!(start.elapsed() < LIMIT);
        std::thread::yield_now();
    }
    std::thread::scope(|scope| {
        let waiter = scope.spawn(wait);
        if matches!(way, Way::Killed) {
            process.kill();
        }
        waiter.join().unwrap();
    });
    process.join().unwrap_err();
}

#[test]
fn the_next_holder_of_a_lock_is_told() {
    in_time(|| {
        for way in WAYS {
            let lock = Mutex::new(1).unwrap();
            after_death(Thing::Lock(lock.clone()), way, || {
                let error = lock.lock().unwrap_err();
                assert!(error.is_poisoned(), "{way:?} {error}");
                assert_eq!(*error.recover().unwrap(), 2);
            });
            assert!(lock.is_poisoned());
            lock.clear_poison();
            assert!(lock.lock().is_ok());
        }
    });
}

#[test]
fn what_a_dead_process_held_is_free_at_once() {
    in_time(|| {
        for way in WAYS {
            let lock = Mutex::new(1).unwrap();
            after_death(Thing::Lock(lock.clone()), way, || {});
            assert!(lock.try_lock().unwrap_err().is_poisoned(), "{way:?}");
            let lock = RwLock::new(1).unwrap();
            after_death(Thing::Reading(lock.clone()), way, || {});
            assert!(lock.try_write().is_ok(), "{way:?}");
            let semaphore = Semaphore::new(2).unwrap();
            after_death(Thing::Permits(semaphore.clone()), way, || {});
            assert!(semaphore.try_acquire_many(2).is_ok(), "{way:?}");
        }
    });
}

#[test]
fn the_next_holder_of_a_recursive_lock_is_told() {
    in_time(|| {
        for way in WAYS {
            let lock = ReentrantMutex::new(1).unwrap();
            after_death(Thing::Twice(lock.clone()), way, || {
                let guard = lock.lock().map_err(LockError::recover);
                assert_eq!(guard.unwrap_err().unwrap().get(), 2, "{way:?}");
            });
            lock.clear_poison();
            assert!(lock.lock().is_ok());
        }
    });
}

#[test]
fn a_writer_does_not_wait_for_a_dead_reader() {
    in_time(|| {
        for way in WAYS {
            let lock = RwLock::new(1).unwrap();
            after_death(Thing::Reading(lock.clone()), way, || {
                *lock.write().unwrap() += 1;
            });
            assert_eq!(*lock.read().unwrap(), 2);
        }
    });
}

#[test]
fn the_next_reader_is_told_of_a_dead_writer() {
    in_time(|| {
        for way in WAYS {
            let lock = RwLock::new(1).unwrap();
            after_death(Thing::Writing(lock.clone()), way, || {
                let error = lock.read().unwrap_err();
                assert!(error.is_poisoned(), "{way:?} {error}");
            });
            assert!(lock.write().unwrap_err().is_poisoned());
            lock.clear_poison();
            assert_eq!(*lock.write().unwrap(), 2);
        }
    });
}

#[test]
fn permits_of_a_dead_process_come_back() {
    in_time(|| {
        for way in WAYS {
            let semaphore = Semaphore::bounded(3).unwrap();
            after_death(Thing::Permits(semaphore.clone()), way, || {
                assert_eq!(semaphore.acquire_many(3).unwrap().count(), 3, "{way:?}");
            });
            assert_eq!(semaphore.available().unwrap(), 3);
        }
    });
}

#[test]
fn a_barrier_breaks_when_one_with_a_handle_dies() {
    in_time(|| {
        for way in WAYS {
            let barrier = Barrier::new(2).unwrap();
            if matches!(way, Way::Panics) {
                // It drops its handle in good order, and nobody else comes.
                let waited = barrier.wait_timeout(Duration::from_millis(1));
                assert!(matches!(waited, Err(BarrierError::TimedOut)));
                continue;
            }
            after_death(Thing::Handle(barrier.clone()), way, || {
                let error = barrier.wait().unwrap_err();
                assert!(
                    matches!(error, BarrierError::Died { .. }),
                    "{way:?} {error}"
                );
            });
            barrier.reset().unwrap();
            assert!(!barrier.is_broken());
        }
    });
}

#[test]
fn the_next_one_is_told_that_what_is_to_run_once_did_not_end() {
    in_time(|| {
        for way in WAYS {
            let once = Once::new().unwrap();
            after_death(Thing::Runs(once.clone()), way, || {
                let result = once.call_once(|| unreachable!());
                assert!(matches!(result, Err(OnceError::Poisoned)), "{way:?}");
            });
            let mut poisoned = false;
            once.call_once_force(|state| poisoned = state.is_poisoned())
                .unwrap();
            assert!(poisoned && once.is_completed());
        }
    });
}

#[parallel]
fn crash_with(lock: Mutex<u64>, crash: bool) -> bool {
    let poisoned = lock.lock().is_err_and(|error| error.is_poisoned());
    let mut guard = lock.lock().or_else(LockError::recover).unwrap();
    *guard += 1;
    if crash {
        std::process::abort();
    }
    poisoned
}

#[test]
fn items_of_a_pool_go_on_after_one_that_crashed_with_a_lock() {
    in_time(|| {
        let lock = Mutex::new(0).unwrap();
        let pool = Pool::builder().workers(2).build().unwrap();
        let items = (0..40).map(|item| (lock.clone(), item == 7));
        let outcomes = pool.outcomes(crash_with, items).unwrap();
        let crashes = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        assert_eq!(crashes, 1);
        assert!(outcomes[7].as_ref().unwrap_err().is_crash());
        assert!(lock.is_poisoned());
        assert_eq!(*lock.lock().or_else(LockError::recover).unwrap(), 40);
    });
}

/// Writes over all memory that it shares with anybody, with a lock held.
#[parallel]
fn overwrite_all(lock: Mutex<u64>, writing: RwLock<u64>, begun: SharedCell<u32>) {
    let _guard = lock.lock().unwrap();
    let _writes = writing.write().unwrap();
    begun.store(1);
    scribble();
    // Its own list of locks is gone, too.
    std::process::abort();
}

#[test]
fn memory_that_was_overwritten_hangs_and_ends_nobody() {
    in_time(|| {
        let (lock, other) = (Mutex::new(0).unwrap(), RwLock::new(0).unwrap());
        let begun = SharedCell::new(0).unwrap();
        let arguments = (lock.clone(), other.clone(), begun.clone());
        let process = Process::spawn(overwrite_all, arguments).unwrap();
        process.join().unwrap_err();
        // What they say does not matter, but that they say it.
        let _ = lock.lock().map(drop);
        let _ = lock.lock().or_else(LockError::recover).map(drop);
        lock.clear_poison();
        let _ = other.read().map(drop);
        let _ = other.write().map(drop);
        assert!(lock.lock().is_ok());
    });
}

/// A worker dies with the thing, and the next one has its slot of the family when it gets the thing.
fn replace_one_that_had(thing: &Thing) -> Pool {
    let pool = Pool::builder().workers(1).build().unwrap();
    let begun = SharedCell::new(0).unwrap();
    let arguments = (thing.clone(), Way::Aborts, begun);
    pool.spawn(die_with, arguments).unwrap().join().unwrap_err();
    pool
}

#[parallel]
fn acquire(semaphore: Semaphore, permits: u32) -> bool {
    semaphore.acquire_many_timeout(permits, LIMIT).is_ok()
}

#[test]
fn a_replaced_worker_gets_the_permits_of_the_dead_one() {
    in_time(|| {
        let semaphore = Semaphore::new(2).unwrap();
        let pool = replace_one_that_had(&Thing::Permits(semaphore.clone()));
        let task = pool.spawn(acquire, (semaphore.clone(), 2)).unwrap();
        assert!(task.join().unwrap());
        assert_eq!(semaphore.available().unwrap(), 2);
    });
}

#[test]
fn others_get_the_permits_of_a_worker_that_was_replaced() {
    in_time(|| {
        let semaphore = Semaphore::new(2).unwrap();
        let pool = replace_one_that_had(&Thing::Permits(semaphore.clone()));
        let task = pool.spawn(acquire, (semaphore.clone(), 0)).unwrap();
        assert!(task.join().unwrap());
        assert_eq!(semaphore.available().unwrap(), 2);
    });
}

#[parallel]
fn sees_it_broken(barrier: Barrier) -> bool {
    barrier.is_broken()
}

#[test]
fn a_replaced_worker_does_not_hide_that_a_party_died() {
    in_time(|| {
        let barrier = Barrier::new(2).unwrap();
        let pool = replace_one_that_had(&Thing::Handle(barrier.clone()));
        let task = pool.spawn(sees_it_broken, barrier.clone()).unwrap();
        assert!(task.join().unwrap());
        assert!(barrier.is_broken());
        assert!(matches!(
            barrier.wait(),
            Err(BarrierError::Died { pid: None, .. })
        ));
        barrier.reset().unwrap();
        assert!(!barrier.is_broken());
        let task = pool.spawn(sees_it_broken, barrier.clone()).unwrap();
        assert!(!task.join().unwrap());
    });
}

/// Forgets guards in a thread that has ended when the word is set, and lives on.
#[parallel]
fn forget_guards(mutex: Mutex<u64>, array: SharedArray<u64>, begun: SharedCell<u32>) {
    let forget = || {
        std::mem::forget(mutex.lock().unwrap());
        std::mem::forget(array.lock().unwrap());
    };
    std::thread::scope(|scope| scope.spawn(forget).join().unwrap());
    begun.store(1);
    loop {
        std::thread::park();
    }
}

#[test]
fn a_lock_whose_guard_was_forgotten_is_free_when_the_process_dies_and_not_with_the_thread() {
    in_time(|| {
        let mutex = Mutex::new(1).unwrap();
        let array = SharedArray::from_slice(&[1]).unwrap();
        let begun = SharedCell::new(0).unwrap();
        let arguments = (mutex.clone(), array.clone(), begun.clone());
        let process = Process::spawn(forget_guards, arguments).unwrap();
        while begun.load() == 0 {
            std::thread::yield_now();
        }
        assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
        let soon = Duration::from_millis(30);
        assert!(matches!(mutex.lock_timeout(soon), Err(LockError::TimedOut)));
        assert!(array.try_lock().is_err_and(|error| !error.is_poisoned()));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| mutex.lock().is_err_and(|error| error.is_poisoned()));
            process.kill();
            assert!(waiter.join().unwrap());
        });
        assert!(array.lock().is_err_and(|error| error.is_poisoned()));
    });
}
