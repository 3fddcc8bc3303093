//! The ends of processes: by their function, by their limits, by their owner.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use parproc::{Error, Process, TaskError, parallel};
use parproc_tests::{Guest, LIMIT, Meeting, Process as Watch, in_time};
use rustix::process::Signal;

use super::{Deed, Manners, alone, comes, does, has_manners, is_child};

/// A process that is to fail, and has.
struct Failed {
    error: Error,
    process: Process<Result<super::Shy, u32>>,
}

impl Failed {
    fn by(deed: Deed) -> Self {
        let mut process = Process::spawn(does, deed).unwrap();
        let error = process.join_timeout(LIMIT).unwrap_err();
        Self { error, process }
    }

    fn task(&self) -> &TaskError {
        let task = self.error.task().unwrap();
        assert_eq!((task.index(), task.attempt()), (0, 1));
        assert_eq!(task.pid(), Some(self.process.pid()));
        task
    }

    fn code(&self) -> Option<i32> {
        self.process.exit_status().unwrap().code()
    }

    fn signal(&self) -> Option<i32> {
        self.process.exit_status().unwrap().signal()
    }
}

#[test]
fn a_panic_is_told_and_ends_with_code_101() {
    in_time(|| {
        let failed = Failed::by(Deed::Panic);
        assert!(failed.task().is_panic());
        assert_eq!(failed.task().panic_message(), Some("as asked for"));
        assert_eq!(failed.code(), Some(101));
        let text = failed.error.to_string();
        let begin = "`process::does` in a process of its own: panicked at ";
        assert!(text.starts_with(begin), "{text}");
    });
}

#[test]
fn an_exit_in_the_function_is_a_crash_with_its_code() {
    in_time(|| {
        for code in [0, 3, 255] {
            let failed = Failed::by(Deed::Exit(code));
            assert!(failed.task().is_crash());
            assert_eq!(failed.task().exit_code(), Some(code));
            assert_eq!(failed.code(), Some(code));
        }
    });
}

#[test]
fn an_end_by_signal_is_a_crash_with_that_signal() {
    in_time(|| {
        let failed = Failed::by(Deed::Abort);
        assert!(failed.task().is_crash());
        assert_eq!(failed.task().signal(), Some(libc::SIGABRT));
        assert_eq!(
            (failed.signal(), failed.code()),
            (Some(libc::SIGABRT), None)
        );

        let failed = Failed::by(Deed::Fault);
        assert_eq!(failed.task().signal(), Some(libc::SIGSEGV));
        assert_eq!(failed.task().fault_address(), Some(64));
        assert_eq!(failed.signal(), Some(libc::SIGSEGV));
    });
}

#[test]
fn a_value_that_does_not_pass_is_told_and_ends_with_code_1() {
    in_time(|| {
        let failed = Failed::by(Deed::Unencodable);
        assert!(failed.task().is_encode(), "{}", failed.error);
        assert_eq!(failed.code(), Some(1));
    });
}

#[test]
fn a_process_that_runs_too_long_is_killed() {
    in_time(|| {
        let limit = Duration::from_millis(100);
        let mut process = Process::builder(does, Deed::Loop)
            .timeout(limit)
            .spawn()
            .unwrap();
        let error = process.join_timeout(LIMIT).unwrap_err();
        let task = error.task().unwrap();
        assert!(task.is_timeout() && error.is_timeout(), "{error}");
        assert_eq!(task.time_limit(), Some(limit));
        assert_eq!(task.pid(), Some(process.pid()));
        let status = process.exit_status().unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn a_process_that_takes_too_much_memory_is_killed() {
    in_time(|| {
        let limit = 64 << 20;
        let process = Process::builder(does, Deed::Swallow)
            .memory_limit(limit)
            .spawn()
            .unwrap();
        let error = process.join().unwrap_err();
        let task = error.task().unwrap();
        assert!(task.is_memory(), "{error}");
        assert_eq!(task.memory_limit(), Some(limit));
    });
}

#[parallel(timeout = "100ms", retries = 3)]
fn limited() {
    loop {
        std::hint::spin_loop();
    }
}

#[test]
fn limits_of_the_function_hold_but_nothing_is_tried_again() {
    in_time(|| {
        let process = Process::spawn(limited, ()).unwrap();
        let pid = process.pid();
        let error = process.join().unwrap_err();
        let task = error.task().unwrap();
        assert!(task.is_timeout(), "{error}");
        assert_eq!((task.attempt(), task.pid()), (1, Some(pid)));
    });
}

/// A process that has come to the meeting.
fn start(meeting: &Meeting, manners: Manners) -> (Process<()>, Guest) {
    let process = Process::spawn(has_manners, (meeting.name(), manners)).unwrap();
    let guest = meeting.wait();
    assert_eq!(guest.process.id, process.pid());
    (process, guest)
}

/// Waits for the end of a process, and gives the signal and the code in its error and its status.
fn crash(mut process: Process<()>) -> (Option<i32>, Option<i32>) {
    let error = process.join_timeout(LIMIT).unwrap_err();
    let task = error.task().unwrap();
    assert!(task.is_crash(), "{error}");
    let status = process.exit_status().unwrap();
    assert_eq!(
        (task.signal(), task.exit_code()),
        (status.signal(), status.code())
    );
    (status.signal(), status.code())
}

#[test]
fn a_process_is_killed() {
    in_time(|| {
        let meeting = Meeting::new();
        let (process, _guest) = start(&meeting, Manners::Ignores);
        process.kill();
        process.kill();
        assert_eq!(crash(process), (Some(libc::SIGKILL), None));
    });
}

#[test]
fn a_process_is_killed_before_it_has_begun() {
    in_time(|| {
        let meeting = Meeting::new();
        for _ in 0..10 {
            let process = Process::spawn(has_manners, (meeting.name(), Manners::Ends)).unwrap();
            process.kill();
            assert_eq!(crash(process), (Some(libc::SIGKILL), None));
        }
    });
}

#[test]
fn a_process_is_killed_by_somebody_else() {
    in_time(|| {
        let meeting = Meeting::new();
        let (process, guest) = start(&meeting, Manners::Ends);
        guest.process.signal(Signal::USR1);
        assert_eq!(crash(process), (Some(libc::SIGUSR1), None));
    });
}

#[test]
fn a_process_ends_when_it_is_asked_to() {
    in_time(|| {
        let meeting = Meeting::new();
        let (process, _guest) = start(&meeting, Manners::Ends);
        process.terminate();
        assert_eq!(crash(process), (Some(libc::SIGTERM), None));
        let (process, _guest) = start(&meeting, Manners::Obeys);
        process.terminate();
        assert_eq!(crash(process), (None, Some(7)));
    });
}

#[test]
fn a_process_that_ignores_being_asked_is_killed_after_the_grace() {
    in_time(|| {
        let meeting = Meeting::new();
        let (mut process, guest) = start(&meeting, Manners::Ignores);
        let grace = Duration::from_millis(200);
        let begin = Instant::now();
        process.terminate_within(grace);
        // A longer time takes nothing back.
        process.terminate();
        assert!(process.try_join().unwrap().is_none());
        assert!(guest.process.ends_within(LIMIT));
        assert!(begin.elapsed() >= grace);
        assert!(begin.elapsed() < Duration::from_secs(4));
        assert_eq!(crash(process), (Some(libc::SIGKILL), None));
    });
}

#[test]
fn a_process_that_stands_still_is_killed_too() {
    in_time(|| {
        let meeting = Meeting::new();
        let (process, guest) = start(&meeting, Manners::Obeys);
        guest.process.signal(Signal::STOP);
        process.terminate_within(Duration::from_millis(50));
        assert_eq!(crash(process), (Some(libc::SIGKILL), None));
    });
}

#[test]
fn a_process_that_has_ended_is_not_affected() {
    in_time(|| {
        let mut process = Process::spawn(super::add, (1, 2)).unwrap();
        while process.is_alive() {
            std::thread::yield_now();
        }
        process.terminate();
        process.kill();
        assert_eq!(process.join_timeout(LIMIT).unwrap(), 3);
        process.kill();
        assert!(process.exit_status().unwrap().success());
    });
}

#[test]
fn a_hundred_processes_are_asked_to_end_at_once() {
    alone("ends::a_hundred_processes_are_asked_to_end_at_once", || {
        let meeting = Meeting::new();
        let spawn = |_| Process::spawn(has_manners, (meeting.name(), Manners::Ends)).unwrap();
        let processes: Vec<_> = (0..100).map(spawn).collect();
        let guests: Vec<_> = processes.iter().map(|_| meeting.wait()).collect();
        for process in &processes {
            process.terminate();
        }
        for process in processes {
            assert_eq!(crash(process), (Some(libc::SIGTERM), None));
        }
        drop(guests);
        assert_eq!(parproc_tests::children(), [0; 0], "all are reaped");
        assert!(parproc::active_processes().is_empty());
    });
}

#[test]
fn a_process_that_is_dropped_is_killed_and_reaped() {
    in_time(|| {
        let meeting = Meeting::new();
        for _ in 0..20 {
            let (process, guest) = start(&meeting, Manners::Ignores);
            let pid = process.pid();
            assert!(is_child(pid));
            drop(process);
            assert!(guest.process.has_ended());
            assert!(!is_child(pid), "not even a zombie is left");
        }
    });
}

#[test]
fn what_a_process_started_ends_with_it() {
    in_time(|| {
        let meeting = Meeting::new();
        let process = Process::spawn(starts_sleeper, meeting.name()).unwrap();
        let guest = meeting.wait();
        let sleeper = Watch::watch(u32::try_from(guest.word).unwrap());
        process.kill();
        assert!(process.join().is_err());
        assert!(sleeper.ends_within(LIMIT));
    });
}

/// Starts another program, and tells its id.
#[parallel]
fn starts_sleeper(meeting: &str) {
    let mut sleeper = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    parproc_tests::meet(meeting, sleeper.id().into());
    sleeper.wait().unwrap();
}

#[test]
fn the_exit_status_of_a_running_process_is_none() {
    in_time(|| {
        let meeting = Meeting::new();
        let mut process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        assert_eq!(process.exit_status(), None);
        let guest = meeting.wait();
        assert_eq!(process.exit_status(), None);
        drop(guest);
        process.join_timeout(LIMIT).unwrap();
        assert_eq!(process.exit_status().unwrap().code(), Some(0));
    });
}
