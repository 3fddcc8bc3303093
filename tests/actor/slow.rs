//! A client that does not take its replies.

use std::fs;

use parproc::channel::{Sender, channel};
use parproc::{Process, SharedCell, parallel};
use parproc_tests::{LIMIT, Meeting, Process as Watch, in_time, meet, settled};
use rustix::process::{Signal, getpid, kill_process};

struct Keeper(SharedCell<u64>);

#[parallel]
impl Keeper {
    fn new(value: u64) -> Self {
        Self(SharedCell::new(value).unwrap())
    }

    fn cell(&self) -> SharedCell<u64> {
        self.0.clone()
    }

    fn waits(&self, meeting: &str) {
        meet(meeting, 0);
    }
}

/// More than the system's buffers hold.
const MANY: u64 = 600;

/// Asks for the cell very often, is stopped, and counts what came.
#[parallel]
fn asks_and_stops(keeper: KeeperHandle, meeting: &str, told: Sender<()>) -> u64 {
    let waits = keeper.waits(meeting);
    let cells: Vec<_> = (0..MANY).map(|_| keeper.cell()).collect();
    told.send(()).unwrap();
    kill_process(getpid(), Signal::STOP).unwrap();
    waits.join().unwrap();
    cells
        .into_iter()
        .map(|cell| cell.join().unwrap().load())
        .sum()
}

#[parallel]
fn asks(keeper: KeeperHandle) -> u64 {
    keeper.cell().join().unwrap().load()
}

#[test]
fn a_client_that_is_stopped_keeps_nobody_else_waiting_and_loses_nothing() {
    in_time(|| {
        let keeper = Keeper::spawn(1).unwrap();
        let (meeting, (tell, told)) = (Meeting::new(), channel().unwrap());
        let slow = (keeper.clone(), meeting.name(), tell);
        let slow = Process::spawn(asks_and_stops, slow).unwrap();
        let guest = meeting.wait();
        told.recv().unwrap();
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", slow.pid())).unwrap();
            stat.rsplit(") ").next().unwrap().chars().next()
        };
        assert_eq!(settled(&Some('T'), state), Some('T'));
        drop(guest);
        let mut here = keeper.cell();
        assert_eq!(here.join_timeout(LIMIT).unwrap().load(), 1);
        let mut other = Process::spawn(asks, keeper.clone()).unwrap();
        assert_eq!(other.join_timeout(LIMIT).unwrap(), 1);
        Watch::watch(slow.pid()).signal(Signal::CONT);
        assert_eq!(slow.join().unwrap(), MANY);
    });
}
