//! Wakers that do things: whatever they are and own, the pool goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::thread;

use futures_lite::future::block_on;
use parproc::{Pool, Task};
use parproc_tests::{LIMIT, Meeting, in_time, pool, settled};

use super::{Does, add, poll, wait_at, waker};

#[test]
fn the_waker_of_the_last_poll_is_called() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 6)).unwrap();
        let guest = meeting.wait();
        let (sender, woken) = channel();
        for thread in 0..10 {
            let sender = sender.clone();
            let polled = thread::spawn(move || {
                let waker = waker(move || sender.send(thread).unwrap());
                assert!(poll(&mut task, &waker).is_pending());
                task
            });
            task = polled.join().unwrap();
        }
        drop((guest, sender));
        assert_eq!(woken.recv(), Ok(9));
        assert_eq!(block_on(task).unwrap(), 6);
        assert!(woken.recv().is_err(), "others are dropped, not called");
    });
}

#[test]
fn a_waker_uses_the_pool() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let (sender, sums) = channel();
        let same = Arc::clone(&pool);
        let waker = waker(move || {
            let task = same.spawn(add, (1, 2)).unwrap();
            let sum = task.join().unwrap() + same.map(add, [(3, 4)]).unwrap()[0];
            sender.send(sum).unwrap();
        });
        let meeting = Meeting::new();
        for _ in 0..20 {
            let mut task = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            let guest = meeting.wait();
            assert!(poll(&mut task, &waker).is_pending());
            drop(guest);
            assert_eq!(sums.recv_timeout(LIMIT), Ok(10));
            assert!(task.is_finished());
        }
    });
}

/// The pool's end waits for the thread that calls the waker, which asks for the pool.
#[test]
fn a_waker_submits_to_a_pool_that_is_shut_down() {
    in_time(|| {
        let pool = Arc::new(pool(2));
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        let (start, started) = channel();
        let same = Arc::clone(&pool);
        let waker = waker(move || {
            start.send(()).unwrap();
            while same.spawn(add, (1, 2)).is_ok() {}
            for _ in 0..1000 {
                assert!(same.spawn(add, (1, 2)).unwrap_err().is_closed());
                thread::yield_now();
            }
        });
        assert!(poll(&mut task, &waker).is_pending());
        drop(guest);
        started.recv().unwrap();
        pool.shutdown().unwrap();
    });
}

#[test]
fn a_waker_that_panics_costs_no_other() {
    in_time(|| {
        let pool = pool(2);
        let meeting = Meeting::new();
        let spawn = |word| pool.spawn(wait_at, (meeting.name(), word)).unwrap();
        let mut tasks = [spawn(0), spawn(1)];
        let guests = [meeting.wait(), meeting.wait()];
        let panics = waker(|| panic!("a waker"));
        assert!(poll(&mut tasks[0], &panics).is_pending());
        drop(guests);
        let [first, second] = tasks;
        assert_eq!(block_on(second).unwrap(), 1);
        assert_eq!(block_on(first).unwrap(), 0);
    });
}

/// As a runtime that ends does: the task goes with its waker, and the pool with the task.
#[test]
fn a_waker_drops_the_task_and_the_pool() {
    struct Everything {
        task: Mutex<Option<Task<u64>>>,
        pool: Mutex<Option<Pool>>,
        done: Sender<()>,
    }

    impl Wake for Everything {
        fn wake(self: Arc<Self>) {
            drop(self.task.lock().unwrap().take());
            drop(self.pool.lock().unwrap().take());
            self.done.send(()).unwrap();
        }
    }

    in_time(|| {
        for _ in 0..20 {
            let pool = pool(2);
            let meeting = Meeting::new();
            let mut task = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
            let guest = meeting.wait();
            let other = pool.spawn(wait_at, (meeting.name(), 1)).unwrap();
            let _other_guest = meeting.wait();
            let (done, wait) = channel();
            let everything = Arc::new(Everything {
                task: Mutex::default(),
                pool: Mutex::new(Some(pool)),
                done,
            });
            let waker = Waker::from(Arc::clone(&everything));
            assert!(poll(&mut task, &waker).is_pending());
            *everything.task.lock().unwrap() = Some(task);
            let other = thread::spawn(|| block_on(other));
            drop(guest);
            assert_eq!(wait.recv_timeout(LIMIT), Ok(()));
            assert!(other.join().unwrap().unwrap_err().is_closed());
        }
    });
}

/// The waker is the last owner of a task of the same pool, which goes when it is replaced.
#[test]
fn a_waker_owns_a_task() {
    in_time(|| {
        let pool = pool(1);
        let meeting = Meeting::new();
        let mut task = pool.spawn(wait_at, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        for _ in 0..3 {
            let owned = pool.spawn(add, (1, 1)).unwrap();
            let waker = waker(move || assert!(!owned.is_finished()));
            assert!(poll(&mut task, &waker).is_pending());
        }
        drop(task);
        drop(guest);
        pool.shutdown().unwrap();
    });
}

/// A runtime of its own kind: one thread polls everything that was woken.
#[test]
fn one_thread_polls_thousands_of_tasks() {
    in_time(|| {
        let pool = pool(2);
        let mut tasks: Vec<_> = (0..5000)
            .map(|x| Some(pool.spawn(add, (x, 1)).unwrap()))
            .collect();
        let wakes = Arc::new(AtomicUsize::new(0));
        let (sender, woken) = channel();
        let wakers: Vec<_> = (0..tasks.len())
            .map(|place| {
                let (sender, wakes) = (sender.clone(), Arc::clone(&wakes));
                waker(move || {
                    wakes.fetch_add(1, Ordering::Relaxed);
                    sender.send(place).unwrap();
                })
            })
            .collect();
        (0..tasks.len()).for_each(|place| sender.send(place).unwrap());
        let mut left = tasks.len();
        while left > 0 {
            let place = woken.recv_timeout(LIMIT).unwrap();
            let Some(task) = &mut tasks[place] else {
                panic!("woken after its end");
            };
            if let Poll::Ready(result) = poll(task, &wakers[place]) {
                assert_eq!(result.unwrap(), place as u64 + 1);
                tasks[place] = None;
                left -= 1;
            }
        }
        let wakes = wakes.load(Ordering::Relaxed);
        assert!(wakes <= 5000, "no task wakes twice, but there were {wakes}");
    });
}

#[test]
fn wakers_are_let_go_when_the_pool_ends() {
    in_time(|| {
        let counted = Arc::new(Does(|| ()));
        let pool = pool(2);
        let meeting = Meeting::new();
        let mut tasks: Vec<_> = (0..50)
            .map(|word| pool.spawn(wait_at, (meeting.name(), word)).unwrap())
            .collect();
        for task in &mut tasks {
            assert!(poll(task, &Waker::from(Arc::clone(&counted))).is_pending());
        }
        assert_eq!(Arc::strong_count(&counted), 51);
        drop(pool);
        assert_eq!(settled(&1, || Arc::strong_count(&counted)), 1);
        for task in tasks {
            assert!(block_on(task).unwrap_err().is_closed());
        }
    });
}
