//! Barriers between processes.

use std::time::Duration;

use parproc::sync::{Barrier, BarrierError};
use parproc::{Process, SharedArray, SharedCell, parallel};
use parproc_tests::in_time;

const STEPS: usize = 1000;

/// Each party counts itself in a step, and sees all others there when it goes on.
#[parallel]
fn step(barrier: Barrier, counts: SharedArray<u64>, leaders: SharedCell<u32>) {
    for index in 0..STEPS {
        counts.fetch_add(index, 1).unwrap();
        if barrier.wait().unwrap().is_leader() {
            leaders.fetch_add(1);
        }
        assert_eq!(counts.get(index).unwrap(), barrier.parties() as u64);
        if index + 1 < STEPS {
            // Nobody is ahead by more than one step.
            assert!(counts.get(index + 1).unwrap() <= barrier.parties() as u64);
        }
    }
}

#[test]
fn a_thousand_lock_step_passes_with_exactly_one_leader_each() {
    in_time(|| {
        let barrier = Barrier::new(3).unwrap();
        let counts = SharedArray::new(STEPS).unwrap();
        let leaders = SharedCell::new(0).unwrap();
        let arguments = || (barrier.clone(), counts.clone(), leaders.clone());
        let others = [0, 1].map(|_| Process::spawn(step, arguments()).unwrap());
        step(barrier.clone(), counts.clone(), leaders.clone());
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(leaders.load(), STEPS as u32);
    });
}

#[parallel]
fn wait(barrier: Barrier) -> String {
    match barrier.wait() {
        Ok(_) => "passed".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What two processes say that wait while `body` runs.
fn while_two_wait(barrier: &Barrier, body: impl FnOnce()) -> [String; 2] {
    let waiters = [0, 1].map(|_| Process::spawn(wait, barrier.clone()).unwrap());
    while barrier.n_waiting() < 2 {
        std::thread::yield_now();
    }
    body();
    waiters.map(|waiter| waiter.join().unwrap())
}

#[test]
fn abort_breaks_all_and_reset_makes_it_whole() {
    in_time(|| {
        let barrier = Barrier::new(3).unwrap();
        let said = while_two_wait(&barrier, || barrier.abort().unwrap());
        assert_eq!(said, ["the barrier was aborted"; 2]);
        assert!(barrier.is_broken());
        barrier.reset().unwrap();
        let said = while_two_wait(&barrier, || assert!(barrier.wait().is_ok()));
        assert_eq!(said, ["passed"; 2]);
    });
}

#[test]
fn reset_frees_the_waiters() {
    in_time(|| {
        let barrier = Barrier::new(3).unwrap();
        let said = while_two_wait(&barrier, || barrier.reset().unwrap());
        assert_eq!(said, ["the barrier was reset"; 2]);
        assert!(!barrier.is_broken());
    });
}

#[test]
fn a_time_that_is_over_breaks_it_for_all() {
    in_time(|| {
        let barrier = Barrier::new(4).unwrap();
        let said = while_two_wait(&barrier, || {
            let waited = barrier.wait_timeout(Duration::from_millis(10));
            assert!(matches!(waited, Err(BarrierError::TimedOut)));
        });
        assert_eq!(said, ["another party gave up waiting at the barrier"; 2]);
    });
}

#[parallel]
fn never_comes(barrier: Barrier, begun: SharedCell<u32>) {
    begun.store(1);
    loop {
        std::thread::park();
        std::hint::black_box(&barrier);
    }
}

#[test]
fn a_party_that_is_killed_breaks_it_for_those_who_wait() {
    in_time(|| {
        let barrier = Barrier::new(4).unwrap();
        let begun = SharedCell::new(0).unwrap();
        let party = Process::spawn(never_comes, (barrier.clone(), begun.clone())).unwrap();
        while begun.load() == 0 {
            std::thread::yield_now();
        }
        let pid = party.pid();
        let said = while_two_wait(&barrier, || party.kill());
        let expected = format!("process {pid}, which had a handle of the barrier, died");
        assert_eq!(said, [expected.as_str(); 2]);
        assert!(barrier.is_broken());
        assert!(matches!(
            barrier.wait(),
            Err(BarrierError::Died { pid: Some(_), .. })
        ));
        barrier.reset().unwrap();
        assert!(!barrier.is_broken());
    });
}

#[parallel]
fn drops_its_handle(barrier: Barrier) -> usize {
    barrier.parties()
}

#[test]
fn a_process_that_has_ended_without_waiting_does_not_break_it() {
    in_time(|| {
        let barrier = Barrier::new(3).unwrap();
        let process = Process::spawn(drops_its_handle, barrier.clone()).unwrap();
        assert_eq!(process.join().unwrap(), 3);
        let said = while_two_wait(&barrier, || assert!(barrier.wait().is_ok()));
        assert_eq!(said, ["passed"; 2]);
    });
}
