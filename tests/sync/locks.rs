//! Locks that several processes take.

use std::time::{Duration, Instant};

use parproc::sync::{LockError, Mutex, Once, ReentrantMutex, RwLock, Semaphore, SemaphoreError};
use parproc::{Pool, Process, SharedCell, par_map, parallel};
use parproc_tests::{in_time, pool};
use serde::{Deserialize, Serialize};

const SHORT: Duration = Duration::from_millis(20);

#[parallel]
fn increment(count: Mutex<u64>, times: u32) {
    for _ in 0..times {
        let mut guard = count.lock().unwrap();
        *guard = std::hint::black_box(*guard) + 1;
    }
}

#[test]
fn no_increment_of_two_processes_is_lost() {
    in_time(|| {
        let count = Mutex::new(0).unwrap();
        pool(2)
            .for_each(increment, (0..10).map(|_| (count.clone(), 5000)))
            .unwrap();
        increment(count.clone(), 1);
        assert_eq!(*count.lock().unwrap(), 50_001);
    });
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    name: String,
    balance: Mutex<i64>,
    history: Option<RwLock<[u8; 3]>>,
}

#[parallel]
fn change(accounts: Vec<Account>) -> Vec<Account> {
    for (index, account) in accounts.iter().enumerate() {
        *account.balance.lock().unwrap() += account.name.len() as i64;
        if let Some(history) = &account.history {
            history.write().unwrap()[index] += 1;
        }
    }
    accounts
}

#[test]
fn locks_travel_inside_of_values_there_and_back() {
    in_time(|| {
        let history = RwLock::new([0; 3]).unwrap();
        let account = |name: &str| Account {
            name: name.to_owned(),
            balance: Mutex::new(100).unwrap(),
            history: Some(history.clone()),
        };
        let accounts: Vec<_> = ["a", "bc", "def"].map(account).to_vec();
        let back = pool(2).map(change, vec![accounts.clone(); 4]).unwrap();
        *back[3][0].balance.lock().unwrap() += 1000;
        let balances = accounts.iter().map(|one| *one.balance.lock().unwrap());
        assert_eq!(balances.collect::<Vec<_>>(), [1104, 108, 112]);
        assert_eq!(*history.read().unwrap(), [4; 3]);
    });
}

#[parallel]
fn make() -> (Mutex<u64>, Semaphore) {
    let made = (Mutex::new(42).unwrap(), Semaphore::new(3).unwrap());
    *made.0.lock().unwrap() += 1;
    made
}

#[test]
fn locks_that_a_worker_made_outlive_it() {
    in_time(|| {
        let process = Process::spawn(make, ()).unwrap();
        let (count, semaphore) = process.join().unwrap();
        assert_eq!(*count.lock().unwrap(), 43);
        assert_eq!(semaphore.available().unwrap(), 3);
        assert_eq!(
            par_map(add, [(count.clone(), 1), (count.clone(), 2)])
                .unwrap()
                .len(),
            2
        );
        assert_eq!(*count.lock().unwrap(), 46);
    });
}

#[parallel]
fn add(count: Mutex<u64>, number: u64) {
    *count.lock().unwrap() += number;
}

/// What somebody in another process sees.
#[parallel]
fn try_all(mutex: Mutex<u64>, lock: RwLock<u64>, twice: ReentrantMutex<u64>) -> [bool; 4] {
    let start = Instant::now();
    let refused = [
        matches!(mutex.try_lock(), Err(LockError::WouldBlock)),
        matches!(mutex.lock_timeout(SHORT), Err(LockError::TimedOut)),
        matches!(lock.write_timeout(SHORT), Err(LockError::TimedOut)),
        matches!(twice.lock_timeout(SHORT), Err(LockError::TimedOut)),
    ];
    assert!(start.elapsed() >= 3 * SHORT);
    assert!(lock.try_read().is_ok());
    refused
}

#[test]
fn timeouts_are_honoured_while_another_process_holds_the_lock() {
    in_time(|| {
        let mutex = Mutex::new(0).unwrap();
        let lock = RwLock::new(0).unwrap();
        let twice = ReentrantMutex::new(0).unwrap();
        let one = mutex.lock().unwrap();
        let reads = lock.read().unwrap();
        let held = (twice.lock().unwrap(), twice.lock().unwrap());
        drop(held.1);
        let arguments = [(mutex.clone(), lock.clone(), twice.clone())];
        let refused = Pool::global().unwrap().map(try_all, arguments).unwrap();
        assert_eq!(refused, [[true; 4]]);
        drop((one, reads, held.0));
    });
}

#[parallel]
fn recurse(lock: ReentrantMutex<u64>, depth: u64) {
    let guard = lock.lock().unwrap();
    let before = guard.get();
    if depth > 0 {
        recurse(lock.clone(), depth - 1);
    }
    // Nobody came in between.
    assert_eq!(guard.get(), before + depth);
    guard.set(guard.get() + 1);
}

#[test]
fn a_recursive_lock_counts_in_each_process() {
    in_time(|| {
        let lock = ReentrantMutex::new(0).unwrap();
        let items = (0..40).map(|_| (lock.clone(), 9));
        pool(2).for_each(recurse, items).unwrap();
        assert_eq!(lock.lock().unwrap().get(), 400);
    });
}

#[parallel]
fn write_pair(pair: RwLock<[u64; 2]>, times: u64) {
    for _ in 0..times {
        let mut guard = pair.write().unwrap();
        guard[0] += 1;
        std::hint::black_box(&mut guard);
        guard[1] += 1;
    }
}

#[parallel]
fn read_pair(pair: RwLock<[u64; 2]>, until: u64) {
    loop {
        let guard = pair.read().unwrap();
        assert_eq!(guard[0], guard[1]);
        if guard[0] == until {
            return;
        }
    }
}

#[test]
fn readers_of_other_processes_see_no_half_written_value() {
    in_time(|| {
        let pair = RwLock::new([0; 2]).unwrap();
        let readers = [1, 2].map(|_| Process::spawn(read_pair, (pair.clone(), 4000)).unwrap());
        let writer = Process::spawn(write_pair, (pair.clone(), 2000)).unwrap();
        write_pair(pair, 2000);
        writer.join().unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
    });
}

#[parallel]
fn enter(room: Semaphore, inside: Mutex<[u32; 2]>) {
    for _ in 0..100 {
        let _permit = room.acquire().unwrap();
        {
            let mut guard = inside.lock().unwrap();
            guard[0] += 1;
            guard[1] = guard[1].max(guard[0]);
        }
        inside.lock().unwrap()[0] -= 1;
    }
}

#[test]
fn never_more_processes_are_in_than_there_are_permits() {
    in_time(|| {
        let (room, inside) = (Semaphore::new(2).unwrap(), Mutex::new([0; 2]).unwrap());
        let items = (0..8).map(|_| (room.clone(), inside.clone()));
        pool(4).for_each(enter, items).unwrap();
        let [inside, most] = *inside.lock().unwrap();
        assert_eq!(inside, 0);
        assert!((1..=2).contains(&most), "{most}");
        assert_eq!(room.available().unwrap(), 2);
    });
}

/// Takes a permit for good, as an acquire without a guard.
#[parallel]
fn acquire_for_another(semaphore: Semaphore) {
    semaphore.acquire().unwrap().forget();
}

#[test]
fn a_bounded_semaphore_cannot_be_released_too_often_by_any_process() {
    in_time(|| {
        let semaphore = Semaphore::bounded(2).unwrap();
        let pool = pool(2);
        pool.map(acquire_for_another, [semaphore.clone()]).unwrap();
        assert_eq!(semaphore.available().unwrap(), 1);
        semaphore.release(1).unwrap();
        assert!(matches!(semaphore.release(1), Err(SemaphoreError::TooMany)));
    });
}

#[parallel]
fn prepare(once: Once, runs: SharedCell<u32>) -> bool {
    once.call_once(|| {
        runs.fetch_add(1);
    })
    .unwrap();
    once.is_completed() && runs.load() == 1
}

#[test]
fn one_process_runs_what_is_to_run_once() {
    in_time(|| {
        let (once, runs) = (Once::new().unwrap(), SharedCell::new(0).unwrap());
        let items = (0..50).map(|_| (once.clone(), runs.clone()));
        assert_eq!(pool(3).map(prepare, items).unwrap(), [true; 50]);
    });
}
