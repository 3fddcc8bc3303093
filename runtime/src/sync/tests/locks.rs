use std::io;
use std::time::{Duration, Instant};

use super::super::{LockError, Mutex, ReentrantMutex, RwLock};
use super::{LONG, elsewhere, panics};
use crate::sync::raw::tests::lock::dies;

const SHORT: Duration = Duration::from_millis(20);

#[test]
fn a_mutex_keeps_its_value() {
    let mutex = Mutex::new([1.5, 2.5]).unwrap();
    mutex.lock().unwrap()[1] = 7.0;
    let same = mutex.clone();
    assert_eq!(*same.lock().unwrap(), [1.5, 7.0]);
    assert_eq!(
        format!("{mutex:?}"),
        "Mutex { value: [1.5, 7.0], poisoned: false }"
    );
    let guard = mutex.lock().unwrap();
    assert_eq!(
        format!("{same:?}"),
        "Mutex { value: <locked>, poisoned: false }"
    );
    assert_eq!(format!("{guard:?}"), "[1.5, 7.0]");
}

#[test]
fn values_stand_at_their_alignment() {
    #[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable, PartialEq, Debug)]
    #[repr(C, align(256))]
    struct Wide([u64; 32]);
    let mutex = Mutex::new(Wide([7; 32])).unwrap();
    let guard = mutex.lock().unwrap();
    assert!((&raw const *guard).is_aligned());
    assert_eq!(*guard, Wide([7; 32]));
    let bool = Mutex::new(true).unwrap();
    assert!(*bool.lock().unwrap());
    let none = Mutex::new([0_u8; 0]).unwrap();
    assert_eq!(*none.lock().unwrap(), []);
}

#[test]
fn the_forms_of_taking_a_mutex_say_what_is_wrong() {
    let mutex = Mutex::new(1).unwrap();
    let guard = mutex.lock().unwrap();
    assert!(matches!(mutex.lock(), Err(LockError::Deadlock)));
    assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
    elsewhere(|| {
        assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
        let start = Instant::now();
        assert!(matches!(
            mutex.lock_timeout(SHORT),
            Err(LockError::TimedOut)
        ));
        assert!(start.elapsed() >= SHORT);
    });
    drop(guard);
    assert!(mutex.try_lock().is_ok());
    assert!(mutex.lock_timeout(Duration::MAX).is_ok());
    assert!(mutex.lock_timeout(Duration::ZERO).is_ok());
}

#[test]
fn errors_tell_what_happened() {
    let mutex = Mutex::new(1).unwrap();
    let guard = mutex.lock().unwrap();
    let error = io::Error::from(mutex.lock().unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::Deadlock);
    assert!(
        error.to_string().contains("holds the lock already"),
        "{error}"
    );
    drop(guard);
    panics(|| {
        let _guard = mutex.lock().unwrap();
        panic!("on purpose");
    });
    let error = mutex.lock().unwrap_err();
    assert!(error.is_poisoned());
    assert!(error.to_string().contains("half changed"), "{error}");
    assert_eq!(*error.recover().unwrap(), 1);
}

#[test]
fn a_panic_or_a_death_poisons_a_mutex_until_that_is_cleared() {
    let mutex = Mutex::new(1).unwrap();
    for killed in [false, true] {
        if killed {
            dies(|| std::mem::forget(mutex.lock().unwrap()));
        } else {
            panics(|| {
                let mut guard = mutex.lock().unwrap();
                *guard += 1;
                panic!("on purpose");
            });
        }
        for _ in 0..2 {
            let Err(LockError::Poisoned(mut poisoned)) = mutex.lock() else {
                panic!("not poisoned");
            };
            **poisoned.get_mut() += 1;
            assert!(**poisoned.get_ref() > 1);
            drop(poisoned.into_inner());
        }
        assert!(mutex.is_poisoned());
        mutex.clear_poison();
        assert!(!mutex.is_poisoned());
        assert!(mutex.lock().is_ok());
    }
    assert_eq!(*mutex.lock().unwrap(), 6);
}

#[test]
fn a_guard_that_is_dropped_by_a_panic_of_before_does_not_poison() {
    struct Locks<'a>(&'a Mutex<u64>);
    impl Drop for Locks<'_> {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    let mutex = Mutex::new(1).unwrap();
    panics(|| {
        let _locks = Locks(&mutex);
        panic!("on purpose");
    });
    assert_eq!(*mutex.lock().unwrap(), 2);
}

#[test]
fn a_mutex_outlives_a_guard_that_was_forgotten() {
    let mutex = Mutex::new(1).unwrap();
    std::mem::forget(mutex.lock().unwrap());
    drop(mutex);
    let other = Mutex::new(1).unwrap();
    assert!(other.lock().is_ok());
}

#[test]
fn a_guard_that_a_thread_forgets_keeps_the_lock_when_the_thread_has_ended() {
    let mutex = Mutex::new(1_u64).unwrap();
    let value: &mut u64 = elsewhere(|| &mut **Box::leak(Box::new(mutex.lock().unwrap())));
    assert!(matches!(mutex.lock(), Err(LockError::Deadlock)));
    assert!(matches!(mutex.try_lock(), Err(LockError::WouldBlock)));
    assert!(matches!(mutex.lock_timeout(LONG), Err(LockError::Deadlock)));
    *value += 1;

    let lock = RwLock::new(1_u64).unwrap();
    let value: &mut u64 = elsewhere(|| &mut **Box::leak(Box::new(lock.write().unwrap())));
    assert!(matches!(lock.read(), Err(LockError::Deadlock)));
    assert!(matches!(lock.try_read(), Err(LockError::WouldBlock)));
    assert!(matches!(lock.write(), Err(LockError::Deadlock)));
    *value += 1;

    let lock = ReentrantMutex::new(1_u64).unwrap();
    elsewhere(|| std::mem::forget(lock.lock().unwrap()));
    assert!(matches!(lock.lock(), Err(LockError::Deadlock)));
}

#[test]
fn a_rwlock_is_read_by_many_or_written_by_one() {
    let lock = RwLock::new(5_u64).unwrap();
    let same = lock.clone();
    let one = lock.read().unwrap();
    assert_eq!(*same.read().unwrap() + *one, 10);
    elsewhere(|| {
        assert!(matches!(lock.try_write(), Err(LockError::WouldBlock)));
        let start = Instant::now();
        assert!(matches!(
            lock.write_timeout(SHORT),
            Err(LockError::TimedOut)
        ));
        assert!(start.elapsed() >= SHORT);
    });
    drop(one);
    let mut guard = lock.write_timeout(LONG).unwrap();
    *guard = 6;
    assert!(matches!(lock.read(), Err(LockError::Deadlock)));
    assert!(matches!(lock.write(), Err(LockError::Deadlock)));
    elsewhere(|| {
        assert!(matches!(same.try_read(), Err(LockError::WouldBlock)));
        assert!(matches!(same.read_timeout(SHORT), Err(LockError::TimedOut)));
        assert!(matches!(same.try_write(), Err(LockError::WouldBlock)));
    });
    assert_eq!(
        format!("{lock:?}"),
        "RwLock { value: <locked>, poisoned: false }"
    );
    drop(guard);
    assert_eq!(format!("{lock:?}"), "RwLock { value: 6, poisoned: false }");
    assert_eq!(*lock.read_timeout(LONG).unwrap(), 6);
}

#[test]
fn a_writer_that_panics_or_dies_poisons_a_rwlock_and_a_reader_does_not() {
    let lock = RwLock::new(1).unwrap();
    panics(|| {
        let _guard = lock.read().unwrap();
        panic!("on purpose");
    });
    assert!(lock.read().is_ok());
    for killed in [false, true] {
        if killed {
            dies(|| std::mem::forget(lock.write().unwrap()));
        } else {
            panics(|| {
                let _guard = lock.write().unwrap();
                panic!("on purpose");
            });
        }
        assert!(lock.read().unwrap_err().is_poisoned());
        assert!(lock.write().unwrap_err().is_poisoned());
        *lock.write().or_else(LockError::recover).unwrap() += 1;
        lock.clear_poison();
        assert!(lock.write().is_ok());
    }
    assert_eq!(*lock.read().unwrap(), 3);
}

#[test]
fn a_recursive_lock_counts() {
    let lock = ReentrantMutex::new(0).unwrap();
    let other = lock.clone();
    let guards: Vec<_> = (0..10)
        .map(|n| {
            if n % 2 == 0 {
                lock.lock()
            } else {
                other.try_lock()
            }
            .unwrap()
        })
        .collect();
    for guard in guards {
        assert!(matches!(
            elsewhere(|| lock.try_lock().map(drop).map_err(|_| ())),
            Err(())
        ));
        guard.set(guard.get() + 1);
    }
    elsewhere(|| assert_eq!(lock.lock().unwrap().get(), 10));
    let held = lock.lock().unwrap();
    elsewhere(|| {
        let start = Instant::now();
        assert!(matches!(lock.lock_timeout(SHORT), Err(LockError::TimedOut)));
        assert!(start.elapsed() >= SHORT);
    });
    drop(held);
    assert!(lock.lock_timeout(LONG).is_ok());
    assert_eq!(
        format!("{lock:?}"),
        "ReentrantMutex { value: 10, poisoned: false }"
    );
}

#[test]
fn a_recursive_lock_is_poisoned_whatever_its_depth() {
    let lock = ReentrantMutex::new(0).unwrap();
    dies(|| {
        std::mem::forget(lock.lock().unwrap());
        std::mem::forget(lock.lock().unwrap());
    });
    {
        let guard = lock.lock().or_else(LockError::recover).unwrap();
        assert!(lock.is_poisoned());
        lock.clear_poison();
        let again = lock.lock().unwrap();
        again.set(5);
        assert_eq!(guard.get(), 5);
    }
    elsewhere(|| assert!(lock.try_lock().is_ok()));
}
