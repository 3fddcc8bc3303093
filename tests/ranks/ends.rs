//! However a launch ends, nothing of it is left.

use std::os::unix::process::ExitStatusExt;

use parproc_tests::{Guest, Meeting};
use rustix::process::{Pid, Signal, kill_process_group};

use super::launch::{End, Launch, Launched, Mpi, with_each};

/// The tasks of the program that runs, and rank 0.
fn gather(meeting: &Meeting) -> [Guest; 3] {
    let mut guests = [meeting.wait(), meeting.wait(), meeting.wait()];
    guests.sort_by_key(|guest| guest.word);
    assert_eq!([0, 1, 2], guests.each_ref().map(|guest| guest.word));
    guests
}

/// Has the program end in some way while tasks run on nodes; `act` is given rank 0, which is released when that
/// is dropped.
fn ends(mpi: Mpi, how: &str, act: impl FnOnce(&Launched, Guest)) -> End {
    let meeting = Meeting::new();
    let launched = Launch::of(mpi, 3, &format!("ends {} {how}", meeting.name())).start();
    let [one, two, main] = gather(&meeting);
    let workers = [one.process, two.process];
    assert!(!workers.iter().any(|worker| worker.has_ended()));
    launched.wait_for_guardians(2);
    act(&launched, main);
    launched.end()
}

fn release(_: &Launched, main: Guest) {
    drop(main);
}

fn code(end: &End) -> Option<i32> {
    end.output.status.code()
}

#[test]
fn main_exits_while_nodes_work() {
    with_each(|mpi| {
        let end = ends(mpi, "exit", release);
        assert_eq!(code(&end), Some(3), "{}", end.said);
    });
}

#[test]
fn main_returns_while_nodes_work() {
    with_each(|mpi| {
        let end = ends(mpi, "return", release);
        assert_eq!(code(&end), Some(0), "{}", end.said);
    });
}

#[test]
fn main_panics_while_nodes_work() {
    with_each(|mpi| {
        let end = ends(mpi, "panic", release);
        assert_eq!(code(&end), Some(101), "{}", end.said);
        assert!(end.said.contains("as asked for"), "{}", end.said);
    });
}

#[test]
fn main_ends_without_a_word_while_nodes_work() {
    with_each(|mpi| {
        let end = ends(mpi, "_exit", release);
        assert_ne!(code(&end), Some(0), "{}", end.said);
    });
}

#[test]
fn main_aborts_while_nodes_work() {
    with_each(|mpi| {
        assert_ne!(code(&ends(mpi, "abort", release)), Some(0));
        assert_ne!(code(&ends(mpi, "fault", release)), Some(0));
    });
}

#[test]
fn main_is_killed_while_nodes_work() {
    with_each(|mpi| {
        let end = ends(mpi, "wait", |_, main| main.process.kill());
        assert_ne!(code(&end), Some(0));
    });
}

#[test]
fn the_launcher_is_interrupted() {
    with_each(|mpi| {
        for signal in [Signal::INT, Signal::TERM] {
            let end = ends(mpi, "wait", |launched, _main| {
                let launcher = launched.launcher();
                if signal == Signal::INT {
                    // As a terminal does it.
                    let group = i32::try_from(launcher.id).ok().and_then(Pid::from_raw);
                    kill_process_group(group.unwrap(), signal).unwrap();
                } else {
                    launcher.signal(signal);
                }
            });
            assert_ne!(code(&end), Some(0));
        }
    });
}

#[test]
fn the_launcher_is_killed() {
    with_each(|mpi| {
        let end = ends(mpi, "wait", |launched, main| {
            launched.launcher().kill();
            std::mem::forget(main);
        });
        assert_eq!(end.output.status.signal(), Some(9));
    });
}

#[test]
fn a_main_that_has_no_pool() {
    with_each(|mpi| {
        for (how, wanted) in [("return", 0), ("exit", 3), ("panic", 101)] {
            let end = Launch::of(mpi, 3, &format!("quiet {how}")).run();
            assert_eq!(code(&end), Some(wanted), "{}", end.said);
        }
        for how in ["_exit", "abort", "fault"] {
            let end = Launch::of(mpi, 3, &format!("quiet {how}")).run();
            assert_ne!(code(&end), Some(0), "{}", end.said);
        }
    });
}
