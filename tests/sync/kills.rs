//! Processes that are killed at random points while they take, use and let go of what others need.
//!
//! `PARPROC_TEST_ROUNDS` says how many are killed in each test.

use std::time::{Duration, Instant};

use parproc::sync::{
    Barrier, BarrierError, Condvar, Event, LockError, Mutex, Once, ReentrantMutex, RwLock,
    Semaphore,
};
use parproc::{Process, SharedCell, parallel};
use parproc_tests::within;
use serde::{Deserialize, Serialize};

const LIMIT: Duration = Duration::from_secs(600);

fn rounds() -> u64 {
    let rounds = std::env::var("PARPROC_TEST_ROUNDS");
    rounds.map_or(40, |rounds| rounds.parse().unwrap())
}

/// Runs the rounds with a seed that is printed.
fn each_round(mut round: impl FnMut(u64) + Send + 'static) {
    within(LIMIT, move || {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        fastrand::seed(seed);
        for number in 0..rounds() {
            round(number);
        }
    });
}

/// Says that a process has begun, and how often it has done what it does.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Progress {
    begun: SharedCell<u32>,
    done: SharedCell<u64>,
}

impl Progress {
    fn new() -> Self {
        Self {
            begun: SharedCell::new(0).unwrap(),
            done: SharedCell::new(0).unwrap(),
        }
    }

    /// Waits until `count` processes have begun, and then for a random time.
    fn wait(&self, count: u32) {
        while self.begun.load() < count {
            std::thread::yield_now();
        }
        let delay = Duration::from_micros(fastrand::u64(..300));
        let start = Instant::now();
        while start.elapsed() < delay {
            std::hint::spin_loop();
        }
    }
}

/// Two numbers that are the same whenever nobody changes them.
type Pair = [u64; 2];

/// Changes a pair; after a death, puts it right first: the second number counts what was completed. Gives
/// that number.
fn change(pair: &mut Pair, poisoned: bool) -> u64 {
    if poisoned {
        pair[0] = pair[1];
    }
    assert_eq!(pair[0], pair[1]);
    pair[0] = std::hint::black_box(pair[0] + 1);
    std::hint::black_box(&mut *pair);
    pair[1] = std::hint::black_box(pair[1] + 1);
    pair[1]
}

/// What can be locked to change a pair.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Lock {
    Mutex(Mutex<Pair>),
    RwLock(RwLock<Pair>),
    Reentrant(ReentrantMutex<Pair>),
}

impl Lock {
    fn change(&self) -> u64 {
        match self {
            Lock::Mutex(lock) => {
                let taken = lock.lock();
                let poisoned = taken.is_err();
                let mut guard = taken.or_else(LockError::recover).unwrap();
                let count = change(&mut guard, poisoned);
                if poisoned {
                    lock.clear_poison();
                }
                count
            }
            Lock::RwLock(lock) => {
                let taken = lock.write();
                let poisoned = taken.is_err();
                let mut guard = taken.or_else(LockError::recover).unwrap();
                let count = change(&mut guard, poisoned);
                if poisoned {
                    lock.clear_poison();
                }
                count
            }
            Lock::Reentrant(lock) => {
                let taken = lock.lock();
                let poisoned = taken.is_err();
                let guard = taken.or_else(LockError::recover).unwrap();
                let again = lock.lock().or_else(LockError::recover).unwrap();
                let mut pair = guard.get();
                let count = change(&mut pair, poisoned);
                // One number at a time, as elsewhere.
                guard.set([pair[0], again.get()[1]]);
                again.set(pair);
                if poisoned {
                    lock.clear_poison();
                }
                count
            }
        }
    }
}

#[parallel]
fn change_for_ever(lock: Lock, progress: Progress) {
    progress.begun.fetch_add(1);
    loop {
        lock.change();
        progress.done.fetch_add(1);
    }
}

/// Kills one of two processes that change the pair, and sees that the other one and this one go on.
fn kill_holders(lock: Lock) {
    each_round({
        let mut expected = 0;
        move |_| {
            let progress = Progress::new();
            let spawn = |_| Process::spawn(change_for_ever, (lock.clone(), progress.clone()));
            let [one, other] = [0, 1].map(spawn).map(Result::unwrap);
            progress.wait(2);
            one.kill();
            let before = lock.change();
            other.kill();
            drop((one.join().unwrap_err(), other.join().unwrap_err()));
            let after = lock.change();
            assert!(after > before);
            // Each may have died between a change and taking note of it.
            let least = expected + progress.done.load() + 2;
            assert!((least..=least + 2).contains(&after), "{least} {after}");
            expected = after;
        }
    });
}

#[test]
fn no_change_under_a_mutex_is_lost() {
    kill_holders(Lock::Mutex(Mutex::new([0; 2]).unwrap()));
}

#[test]
fn no_change_under_a_rwlock_is_lost() {
    kill_holders(Lock::RwLock(RwLock::new([0; 2]).unwrap()));
}

#[test]
fn no_change_under_a_recursive_lock_is_lost() {
    kill_holders(Lock::Reentrant(ReentrantMutex::new([0; 2]).unwrap()));
}

#[parallel]
fn read_for_ever(lock: RwLock<Pair>, progress: Progress) {
    progress.begun.fetch_add(1);
    loop {
        let guard = lock.read().unwrap();
        assert_eq!(guard[0], guard[1]);
    }
}

#[test]
fn readers_that_are_killed_keep_no_writer_waiting() {
    let lock = RwLock::new([0; 2]).unwrap();
    each_round(move |number| {
        let progress = Progress::new();
        let reader = Process::spawn(read_for_ever, (lock.clone(), progress.clone())).unwrap();
        progress.wait(1);
        for kill in [false, true] {
            if kill {
                reader.kill();
            }
            change(&mut lock.write().unwrap(), false);
        }
        assert_eq!(*lock.read().unwrap(), [2 * number + 2; 2]);
    });
}

#[parallel]
fn acquire_for_ever(semaphore: Semaphore, inside: SharedCell<u32>, progress: Progress) {
    progress.begun.fetch_add(1);
    loop {
        let _permits = semaphore.acquire_many(2).unwrap();
        // Nobody of the others counts at the same time.
        inside.fetch_add(1);
        inside.fetch_sub(1);
    }
}

#[test]
fn no_permit_is_lost_or_given_twice() {
    let semaphore = Semaphore::bounded(3).unwrap();
    each_round(move |_| {
        let (progress, inside) = (Progress::new(), SharedCell::new(0).unwrap());
        let arguments = || (semaphore.clone(), inside.clone(), progress.clone());
        let processes = [0, 1].map(|_| Process::spawn(acquire_for_ever, arguments()).unwrap());
        progress.wait(2);
        for process in &processes {
            process.kill();
            drop(semaphore.acquire_many(2).unwrap());
        }
        for process in processes {
            process.join().unwrap_err();
        }
        assert_eq!(semaphore.available().unwrap(), 3);
        assert!(inside.load() <= 2);
    });
}

#[parallel]
fn notify_for_ever(turn: Mutex<u64>, changed: Condvar, progress: Progress) {
    progress.begun.fetch_add(1);
    loop {
        *turn.lock().or_else(LockError::recover).unwrap() += 1;
        changed.notify_one();
        let guard = turn.lock().or_else(LockError::recover).unwrap();
        drop(changed.wait_timeout(guard, Duration::from_micros(50)));
    }
}

#[test]
fn nobody_waits_for_the_notification_of_the_dead() {
    let (turn, changed) = (Mutex::new(0).unwrap(), Condvar::new().unwrap());
    each_round(move |_| {
        let progress = Progress::new();
        let arguments = || (turn.clone(), changed.clone(), progress.clone());
        let processes = [0, 1].map(|_| Process::spawn(notify_for_ever, arguments()).unwrap());
        progress.wait(2);
        let before = *turn.lock().or_else(LockError::recover).unwrap();
        let begin = Instant::now();
        for process in &processes {
            process.kill();
        }
        // Whatever they did last: each death ends a wait.
        for process in processes {
            while process.is_alive() {
                let guard = turn.lock().or_else(LockError::recover).unwrap();
                drop(changed.wait(guard));
            }
        }
        assert!(*turn.lock().or_else(LockError::recover).unwrap() >= before);
        assert!(begin.elapsed() < Duration::from_secs(60));
        turn.clear_poison();
    });
}

#[parallel]
fn step_for_ever(barrier: Barrier, progress: Progress) {
    progress.begun.fetch_add(1);
    while barrier.wait().is_ok() {
        progress.done.fetch_add(1);
    }
}

#[test]
fn a_barrier_never_keeps_anybody_for_the_dead() {
    let barrier = Barrier::new(3).unwrap();
    each_round(move |_| {
        let progress = Progress::new();
        let arguments = || (barrier.clone(), progress.clone());
        let doomed = Process::spawn(step_for_ever, arguments()).unwrap();
        let other = Process::spawn(step_for_ever, arguments()).unwrap();
        for _ in 0..fastrand::u32(1..20) {
            barrier.wait().unwrap();
        }
        progress.wait(2);
        doomed.kill();
        let error = loop {
            match barrier.wait() {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(error, BarrierError::Died { .. }), "{error}");
        // It is told as well, and ends by itself.
        other.join().unwrap();
        doomed.join().unwrap_err();
        barrier.reset().unwrap();
        assert!(!barrier.is_broken());
    });
}

#[parallel]
fn ping_for_ever(ping: Event, pong: Event, progress: Progress) {
    progress.begun.fetch_add(1);
    loop {
        ping.wait();
        ping.clear();
        pong.set();
    }
}

#[test]
fn an_event_works_after_the_death_of_those_who_used_it() {
    let (ping, pong) = (Event::new().unwrap(), Event::new().unwrap());
    each_round(move |_| {
        let progress = Progress::new();
        let arguments = || (ping.clone(), pong.clone(), progress.clone());
        let doomed = Process::spawn(ping_for_ever, arguments()).unwrap();
        ping.set();
        progress.wait(1);
        doomed.kill();
        doomed.join().unwrap_err();
        let heir = Process::spawn(ping_for_ever, arguments()).unwrap();
        pong.clear();
        ping.set();
        assert!(pong.wait_timeout(LIMIT));
        heir.kill();
        ping.clear();
    });
}

#[parallel]
fn run_once(once: Once, progress: Progress) {
    progress.begun.fetch_add(1);
    let _ = once.call_once_force(|_| {
        for _ in 0..20_000 {
            progress.done.fetch_add(1);
        }
    });
    loop {
        std::thread::park();
    }
}

#[test]
fn what_is_to_run_once_is_run_to_its_end_by_somebody() {
    each_round(|_| {
        let (once, progress) = (Once::new().unwrap(), Progress::new());
        let arguments = || (once.clone(), progress.clone());
        let doomed = Process::spawn(run_once, arguments()).unwrap();
        progress.wait(1);
        doomed.kill();
        let mut told = None;
        once.call_once_force(|state| told = Some(state.is_poisoned()))
            .unwrap();
        // It had come to the end, or begun, or not.
        match told {
            None => assert_eq!(progress.done.load(), 20_000),
            Some(poisoned) => assert!(poisoned || progress.done.load() == 0),
        }
        assert!(once.is_completed());
    });
}
