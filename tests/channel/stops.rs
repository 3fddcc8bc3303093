//! Processes that are stopped, as by a debugger, while they wait: the others go on.

use std::cell::RefCell;
use std::fs;

use parproc::channel::{Receiver, Sender, bounded, channel};
use parproc::{Process, parallel};
use parproc_tests::{Process as Watch, in_time, settled};
use rustix::process::Signal;

use super::{LONG, forwards};

/// Says that it is there, and sends numbers until nobody receives them.
#[parallel]
fn counts_on(to: Sender<u64>, told: Sender<()>) {
    told.send(()).unwrap();
    (1..).find(|number| to.send(*number).is_err());
}

/// Waits until a process sleeps.
fn falls_asleep(id: u32) {
    let state = || {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().chars().next()
    };
    assert_eq!(settled(&Some('S'), state), Some('S'));
}

/// Starts two that wait one behind the other, stops the first one, and lets `body` run.
fn beside_a_stopped_one(
    start: impl Fn() -> Process<()>,
    mut is_there: impl FnMut(),
    body: impl FnOnce(),
) {
    let mut one = || {
        let process = start();
        is_there();
        falls_asleep(process.pid());
        process
    };
    let (first, second) = (one(), one());
    let stopped = Watch::watch(first.pid());
    stopped.signal(Signal::STOP);
    body();
    stopped.signal(Signal::CONT);
    for process in [first, second] {
        process.kill();
    }
}

#[test]
fn a_receiver_behind_a_stopped_one_receives() {
    in_time(|| {
        let (sender, receiver) = channel().unwrap();
        let (to, received) = channel().unwrap();
        beside_a_stopped_one(
            || Process::spawn(forwards, (receiver.clone(), to.clone())).unwrap(),
            || (),
            || {
                for number in 0..3 {
                    sender.send(number).unwrap();
                    assert_eq!(received.recv_timeout(LONG).unwrap(), number);
                }
            },
        );
    });
}

#[test]
fn a_sender_behind_a_stopped_one_sends() {
    in_time(|| {
        let (sender, receiver): (_, Receiver<u64>) = bounded(1).unwrap();
        let (tell, told) = channel().unwrap();
        sender.send(0).unwrap();
        beside_a_stopped_one(
            || Process::spawn(counts_on, (sender.clone(), tell.clone())).unwrap(),
            || told.recv().unwrap(),
            || {
                for _ in 0..3 {
                    receiver.recv_timeout(LONG).unwrap();
                }
            },
        );
    });
}

#[test]
fn a_receiver_behind_a_stopped_one_learns_that_nobody_sends() {
    in_time(|| {
        let (sender, receiver) = channel::<u64>().unwrap();
        let (to, received) = channel::<u64>().unwrap();
        let (other, _others) = channel().unwrap();
        // Only the second one keeps the results connected.
        let results = RefCell::new(vec![to, other]);
        beside_a_stopped_one(
            || {
                let to = results.borrow_mut().pop().unwrap();
                Process::spawn(forwards, (receiver.clone(), to)).unwrap()
            },
            || (),
            || {
                drop(sender);
                assert!(received.recv_timeout(LONG).unwrap_err().is_disconnected());
            },
        );
    });
}
