mod barrier;
mod condvar;
mod copies;
mod event;
mod locks;
mod once;
mod semaphore;

use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Runs in a thread of its own, which has ended afterwards.
fn elsewhere<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(body).join().unwrap())
}

/// A thread that panics, which is none of the test's.
fn panics(body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        assert!(scope.spawn(body).join().is_err());
    });
}

/// Waits until all of `count` threads are asleep in the kernel, or it has been long.
fn until_asleep(ids: &[u32]) {
    let start = std::time::Instant::now();
    let asleep = |id: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{id}/stat"));
        stat.is_ok_and(|stat| {
            stat.rsplit_once(')')
                .is_some_and(|(_, rest)| rest.starts_with(" S"))
        })
    };
    while !ids.iter().all(asleep) {
        assert!(start.elapsed() < LONG);
        thread::yield_now();
    }
}

fn thread_id() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

#[test]
fn handles_go_anywhere() {
    fn check<T: Send + Sync + Unpin + Clone + std::fmt::Debug>() {}
    check::<super::Mutex<u64>>();
    check::<super::RwLock<u64>>();
    check::<super::ReentrantMutex<u64>>();
    check::<super::Condvar>();
    check::<super::Semaphore>();
    check::<super::Barrier>();
    check::<super::Event>();
    check::<super::Once>();
}
