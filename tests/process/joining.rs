//! Results, and waiting for them.

use std::os::unix::process::ExitStatusExt;
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use parproc::Process;
use parproc_tests::{LIMIT, Meeting, Tally, in_time};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Last, add, alone, bytes, comes, count, leaves_handler, sum};

#[test]
fn a_process_gives_its_result_and_ends_well() {
    in_time(|| {
        let mut process = Process::spawn(add, (1, 2)).unwrap();
        assert_ne!(process.pid(), process::id());
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 3);
        assert!(!process.is_alive());
        assert!(process.exit_status().unwrap().success());
        assert!(process.function().ends_with("add"));
    });
}

#[test]
fn each_call_has_a_fresh_process() {
    in_time(|| {
        for _ in 0..3 {
            assert_eq!(Process::spawn(count, ()).unwrap().join().unwrap(), 1);
        }
    });
}

#[test]
fn arguments_and_results_may_be_large() {
    in_time(|| {
        let texts: Vec<_> = (0..100_000)
            .map(|n| format!("text number {n} of many"))
            .collect();
        let process = Process::spawn(sum, (vec![1_u64; 1_000_000], texts)).unwrap();
        assert_eq!(process.join().unwrap(), 1_100_000);
        let process = Process::spawn(bytes, 20_000_000).unwrap();
        assert!(process.join().unwrap() == vec![7; 20_000_000]);
    });
}

#[test]
fn a_join_with_a_limit_can_be_repeated() {
    in_time(|| {
        let meeting = Meeting::new();
        let mut process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        let begin = Instant::now();
        let error = process.join_timeout(Duration::ZERO).unwrap_err();
        assert!(begin.elapsed() < LIMIT / 10, "a join of 0 returns at once");
        assert!(error.is_timeout() && error.task().is_none(), "{error}");
        assert!(process.join_timeout(Duration::from_millis(20)).is_err());
        drop(guest);
        let pid = process.pid();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), pid);
    });
}

#[test]
fn a_result_is_given_out_once() {
    in_time(|| {
        let mut process = Process::spawn(add, (1, 1)).unwrap();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 2);
        let error = process.join_timeout(LIMIT).unwrap_err();
        assert!(!error.is_timeout(), "{error}");
        assert!(process.try_join().is_err());
        assert!(process.exit_status().unwrap().success());
        assert!(process.join().is_err());
    });
}

#[test]
fn a_look_for_the_result_does_not_wait() {
    in_time(|| {
        let meeting = Meeting::new();
        let mut process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        assert_eq!(process.try_join().unwrap(), None);
        assert!(process.is_alive());
        assert_eq!(process.exit_status(), None);
        drop(guest);
        let pid = loop {
            if let Some(pid) = process.try_join().unwrap() {
                break pid;
            }
            thread::yield_now();
        };
        assert_eq!(pid, process.pid());
    });
}

/// Waits until the descriptor is readable, as an event loop does.
fn wait_for_descriptor<R>(process: &Process<R>) {
    let limit = Timespec::try_from(LIMIT).unwrap();
    let mut fds = [PollFd::new(process, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&limit)).unwrap(), 1);
}

#[test]
fn the_descriptor_is_readable_when_the_process_has_ended() {
    in_time(|| {
        let meeting = Meeting::new();
        let mut process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        let at_once = Timespec::try_from(Duration::ZERO).unwrap();
        let mut fds = [PollFd::new(&process, PollFlags::IN)];
        assert_eq!(poll(&mut fds, Some(&at_once)).unwrap(), 0);
        drop(guest);
        wait_for_descriptor(&process);
        assert!(process.exit_status().unwrap().success());
        assert!(!process.is_alive());
        assert_eq!(process.try_join().unwrap(), Some(process.pid()));
    });
}

#[test]
fn a_process_with_a_large_result_ends_while_nobody_joins() {
    // Nobody else joins anything there either.
    let test = "joining::a_process_with_a_large_result_ends_while_nobody_joins";
    alone(test, || {
        let process = Process::spawn(bytes, 10_000_000).unwrap();
        wait_for_descriptor(&process);
        assert!(process.join().unwrap() == vec![7; 10_000_000]);
        let texts = vec!["some text".to_owned(); 1_000_000];
        let process = Process::spawn(sum, (vec![], texts)).unwrap();
        wait_for_descriptor(&process);
        assert_eq!(process.join().unwrap(), 1_000_000);
    });
}

#[test]
fn a_join_waits_for_the_exit_handlers() {
    in_time(|| {
        let tally = Tally::new();
        let process = Process::spawn(leaves_handler, (tally.path(), Last::Note)).unwrap();
        assert_eq!(process.join().unwrap(), 5);
        assert_eq!(tally.total(), 1);
    });
}

#[test]
fn exit_handlers_may_take_their_time() {
    in_time(|| {
        let time = Duration::from_millis(2500);
        let last = Last::Sleep(time);
        let begin = Instant::now();
        let mut process = Process::spawn(leaves_handler, ("", last)).unwrap();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 5);
        assert!(begin.elapsed() >= time);
        assert!(process.exit_status().unwrap().success());
    });
}

#[test]
fn a_result_stays_valid_when_an_exit_handler_crashes() {
    in_time(|| {
        let mut process = Process::spawn(leaves_handler, ("", Last::Abort)).unwrap();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 5);
        let status = process.exit_status().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGABRT));
    });
}

#[test]
fn a_time_limit_holds_for_exit_handlers_too() {
    in_time(|| {
        let last = Last::Sleep(LIMIT * 2);
        let mut process = Process::builder(leaves_handler, ("", last))
            .timeout(Duration::from_millis(300))
            .spawn()
            .unwrap();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 5);
        let status = process.exit_status().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn many_threads_have_processes() {
    in_time(|| {
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                scope.spawn(move || {
                    for n in 0..10 {
                        let process = Process::spawn(add, (thread, n)).unwrap();
                        assert_eq!(process.join().unwrap(), thread + n);
                    }
                });
            }
        });
    });
}
