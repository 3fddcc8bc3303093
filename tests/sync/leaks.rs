//! What is left when handles are dropped and holders killed.

use parproc::sync::{Barrier, Condvar, Event, Mutex, Once, ReentrantMutex, RwLock, Semaphore};
use parproc::{Process, SharedCell, parallel};
use parproc_tests::{first_process, leaves_nothing_after};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct All {
    mutex: Mutex<u64>,
    lock: RwLock<u64>,
    twice: ReentrantMutex<u64>,
    changed: Condvar,
    semaphore: Semaphore,
    barrier: Barrier,
    event: Event,
    once: Once,
}

impl All {
    fn new() -> Self {
        Self {
            mutex: Mutex::new(1).unwrap(),
            lock: RwLock::new(2).unwrap(),
            twice: ReentrantMutex::new(3).unwrap(),
            changed: Condvar::new().unwrap(),
            semaphore: Semaphore::new(4).unwrap(),
            barrier: Barrier::new(1).unwrap(),
            event: Event::new().unwrap(),
            once: Once::new().unwrap(),
        }
    }
}

#[parallel]
fn hold_all(all: All, begun: SharedCell<u32>, forever: bool) {
    let _guards = (
        all.mutex.lock(),
        all.lock.write(),
        all.twice.lock(),
        all.semaphore.acquire(),
    );
    all.event.set();
    all.changed.notify_all();
    let _ = all.barrier.wait();
    let _ = all.once.call_once(|| {});
    begun.store(1);
    if forever {
        loop {
            std::thread::park();
        }
    }
}

#[test]
fn nothing_is_left_of_locks_whose_holders_were_killed() {
    const TEST: &str = "leaks::nothing_is_left_of_locks_whose_holders_were_killed";
    leaves_nothing_after(TEST, first_process, || {
        for forever in [false, true].repeat(10) {
            let (all, begun) = (All::new(), SharedCell::new(0).unwrap());
            let arguments = (all.clone(), begun.clone(), forever);
            let process = Process::spawn(hold_all, arguments).unwrap();
            while begun.load() == 0 {
                std::thread::yield_now();
            }
            if forever {
                process.kill();
            }
            assert_eq!(process.join().is_err(), forever);
            let _ = all.mutex.lock().map(drop);
        }
    });
}
