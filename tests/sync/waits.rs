//! Conditions and events between processes.

use std::time::{Duration, Instant};

use parproc::sync::{Condvar, Event, Mutex};
use parproc::{Process, SharedCell, parallel};
use parproc_tests::{LIMIT, in_time};

/// How many wait, and how many may go.
type Gate = Mutex<[u32; 2]>;

/// Waits until one may go.
#[parallel]
fn pass(gate: Gate, opened: Condvar) {
    let mut guard = gate.lock().unwrap();
    guard[0] += 1;
    let mut guard = opened
        .wait_while(guard, |[_, may_go]| *may_go == 0)
        .unwrap();
    guard[1] -= 1;
    guard[0] -= 1;
}

fn until_waiting(gate: &Gate, count: u32) {
    let start = Instant::now();
    while gate.lock().unwrap()[0] != count {
        assert!(start.elapsed() < LIMIT);
        std::thread::yield_now();
    }
}

#[test]
fn notify_wakes_processes_that_wait() {
    in_time(|| {
        let (gate, opened) = (Mutex::new([0; 2]).unwrap(), Condvar::new().unwrap());
        let spawn = |_| Process::spawn(pass, (gate.clone(), opened.clone())).unwrap();
        let waiters: Vec<_> = (0..4).map(spawn).collect();
        until_waiting(&gate, 4);
        gate.lock().unwrap()[1] = 1;
        opened.notify_one();
        until_waiting(&gate, 3);
        gate.lock().unwrap()[1] = 2;
        opened.notify(2);
        until_waiting(&gate, 1);
        assert_eq!(gate.lock().unwrap()[1], 0);
        gate.lock().unwrap()[1] = 1;
        opened.notify_all();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

#[parallel]
fn wait_for(gate: Gate, opened: Condvar, limit: Duration) -> (bool, Duration) {
    let start = Instant::now();
    let guard = gate.lock().unwrap();
    let waited = opened.wait_timeout_while(guard, limit, |[_, may_go]| *may_go == 0);
    let (_, result) = waited.unwrap();
    (result.timed_out(), start.elapsed())
}

#[test]
fn a_wait_for_a_notification_is_over_in_time() {
    in_time(|| {
        let (gate, opened) = (Mutex::new([0; 2]).unwrap(), Condvar::new().unwrap());
        let limit = Duration::from_millis(20);
        let waiter = Process::spawn(wait_for, (gate.clone(), opened, limit)).unwrap();
        let (timed_out, elapsed) = waiter.join().unwrap();
        assert!(timed_out && elapsed >= limit);
    });
}

#[parallel]
fn wait_to_be_killed(gate: Gate, opened: Condvar) {
    let mut guard = gate.lock().unwrap();
    guard[0] += 1;
    drop(opened.wait_while(guard, |_| true));
}

#[test]
fn a_notification_is_not_lost_with_a_waiter_that_is_killed() {
    in_time(|| {
        for _ in 0..5 {
            let (gate, opened) = (Mutex::new([0; 2]).unwrap(), Condvar::new().unwrap());
            let arguments = || (gate.clone(), opened.clone());
            // It sleeps first, so it is the first to be woken.
            let doomed = Process::spawn(wait_to_be_killed, arguments()).unwrap();
            until_waiting(&gate, 1);
            let waiter = Process::spawn(pass, arguments()).unwrap();
            until_waiting(&gate, 2);
            gate.lock().unwrap()[1] = 1;
            doomed.kill();
            opened.notify_one();
            waiter.join().unwrap();
        }
    });
}

#[parallel]
fn answer(asked: Event, answered: Event, word: SharedCell<u64>) {
    for _ in 0..100 {
        asked.wait();
        asked.clear();
        word.fetch_add(1);
        answered.set();
    }
}

#[test]
fn events_are_seen_in_other_processes_with_what_was_written_before() {
    in_time(|| {
        let (asked, answered) = (Event::new().unwrap(), Event::new().unwrap());
        let word = SharedCell::new(0).unwrap();
        let arguments = (asked.clone(), answered.clone(), word.clone());
        let other = Process::spawn(answer, arguments).unwrap();
        for round in 1..=100 {
            asked.set();
            assert!(answered.wait_timeout(LIMIT));
            answered.clear();
            assert_eq!(word.load(), round);
        }
        other.join().unwrap();
        assert!(!asked.wait_timeout(Duration::from_millis(5)));
    });
}
