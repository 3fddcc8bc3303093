//! Workers end when their parent does, however it ends.

#![expect(unsafe_code, reason = "the action of a signal is reset")]

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::panic;
use std::process::{self, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parproc::{Pool, Task, parallel};
use parproc_tests::{Guest, Meeting, Process, in_time, meet, program, role};
use rustix::process::{Pid, Signal, getpid, kill_process, kill_process_group};

const WORKERS: u64 = 2;
/// Far more than it takes, for a machine that is busy with something else.
const SOON: Duration = Duration::from_secs(2);

/// Comes to the meeting, and ends when it is released, or never.
#[parallel]
fn work(meeting: &str, word: u64, endless: bool) {
    meet(meeting, word);
    if endless {
        loop {
            std::hint::spin_loop();
        }
    }
}

/// Comes to the meeting if it is the first item.
#[parallel]
fn hold_first(meeting: &str, word: u64, first: bool) -> u64 {
    if first {
        meet(meeting, WORKERS + 1);
    }
    std::thread::sleep(Duration::from_millis(1));
    word
}

/// The program whose end is watched: it has workers, and waits to be told how to end.
#[test]
fn program_with_workers() {
    let Some(role) = role() else { return };
    let [meeting, end, busy] = *role.split(' ').collect::<Vec<_>>() else {
        panic!("no role: {role}");
    };
    let (pool, busy) = (Pool::global().unwrap(), busy == "busy");
    let spawn = |word| pool.spawn(work, (meeting, word, busy)).unwrap();
    let tasks: Vec<Task<()>> = (0..WORKERS).map(spawn).collect();
    for task in tasks.into_iter().filter(|_| !busy) {
        task.join().unwrap();
    }
    for signal in [libc::SIGINT, libc::SIGHUP] {
        // SAFETY: no handler of ours is involved; this undoes `nohup` and the like.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    meet(meeting, WORKERS);
    match end {
        "exit" => process::exit(3),
        "abort" => process::abort(),
        "panic" => {
            panic::set_hook(Box::new(|_| {}));
            panic!("as asked for");
        }
        "items" => {
            let items = (0..10_000).map(|word| (meeting, word, word == 0));
            let _ = pool.job(hold_first).chunk_size(1).map(items);
        }
        "raise" => kill_process(getpid(), Signal::TERM).unwrap(),
        "return" => {}
        other => panic!("no way to end: {other}"),
    }
}

/// Waits for all workers, then for their parent.
fn gather(meeting: &Meeting) -> (Guest, Vec<Process>) {
    let (mut parent, mut workers) = (None, Vec::new());
    // None is released before all have come, so that they are as many processes.
    while workers.len() < WORKERS as usize {
        let guest = meeting.wait();
        if guest.word == WORKERS {
            parent = Some(guest);
        } else {
            workers.push(guest);
        }
    }
    let workers = workers.into_iter().map(|guest| guest.process).collect();
    (parent.unwrap_or_else(|| meeting.wait()), workers)
}

/// Starts the program, lets `act` end it, or release it to its own end, and says how that went;
/// all workers have to be gone soon after.
fn ends(end: &str, busy: &str, act: impl FnOnce(Guest)) -> Output {
    let meeting = Meeting::new();
    let role = format!("{} {end} {busy}", meeting.name());
    let mut command = program("program_with_workers", role);
    command.env("PARPROC_WORKERS", WORKERS.to_string());
    let child = command.process_group(0).spawn().unwrap();
    let (parent, workers) = gather(&meeting);
    assert_eq!((parent.word, parent.process.id), (WORKERS, child.id()));
    assert!(!workers.iter().any(Process::has_ended));

    let parent_process = Process::watch(child.id());
    act(parent);
    assert!(parent_process.ends_within(parproc_tests::LIMIT));
    let begin = Instant::now();
    let left = |worker: &&Process| !worker.ends_within(SOON);
    let left: Vec<_> = workers.iter().filter(left).collect();
    for worker in &left {
        worker.kill();
    }
    assert!(left.is_empty(), "{} workers are left", left.len());
    println!(
        "{end}, {busy}: the workers were gone {:?} after their parent",
        begin.elapsed()
    );
    // Its end is that of the output as well: nobody else holds the pipes.
    child.wait_with_output().unwrap()
}

fn kill(parent: Guest) {
    parent.process.kill();
}

#[test]
fn the_parent_is_killed_while_workers_idle() {
    in_time(|| {
        let output = ends("exit", "idle", kill);
        assert_eq!(output.status.signal(), Some(9));
    });
}

#[test]
fn the_parent_is_killed_while_workers_are_in_endless_tasks() {
    in_time(|| {
        let output = ends("exit", "busy", kill);
        assert_eq!(output.status.signal(), Some(9));
    });
}

#[test]
fn the_parent_exits() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            assert_eq!(ends("exit", busy, drop).status.code(), Some(3));
        }
    });
}

#[test]
fn the_parent_returns_from_main() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            assert!(ends("return", busy, drop).status.success());
        }
    });
}

#[test]
fn the_parent_panics() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            assert_eq!(ends("panic", busy, drop).status.code(), Some(101));
        }
    });
}

#[test]
fn the_parent_aborts() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            assert_eq!(ends("abort", busy, drop).status.signal(), Some(6));
        }
    });
}

#[test]
fn the_parent_is_terminated() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            assert_eq!(ends("raise", busy, drop).status.signal(), Some(15));
        }
    });
}

#[test]
fn the_terminal_of_the_parent_hangs_up() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            let hang_up = |parent: Guest| parent.process.signal(Signal::HUP);
            let output = ends("exit", busy, hang_up);
            assert_eq!(output.status.signal(), Some(1));
        }
    });
}

#[test]
fn ctrl_c_while_ten_thousand_items_run() {
    in_time(|| {
        let meeting = Meeting::new();
        let mut command = program(
            "program_with_workers",
            format!("{} items idle", meeting.name()),
        );
        command.env("PARPROC_WORKERS", WORKERS.to_string());
        let child = command.process_group(0).spawn().unwrap();
        let (parent, workers) = gather(&meeting);
        drop(parent);
        let first = meeting.wait();
        assert_eq!(first.word, WORKERS + 1);
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let begin = Instant::now();
        kill_process_group(group.unwrap(), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        let ended = begin.elapsed();
        assert!(workers.iter().all(|worker| worker.ends_within(SOON)));
        println!(
            "parent and workers were gone after {ended:?} and {:?}",
            begin.elapsed()
        );
        assert_eq!(output.status.signal(), Some(2));
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    });
}

#[test]
fn a_parent_that_handles_ctrl_c_keeps_its_workers() {
    const TEST: &str = "a_parent_that_handles_ctrl_c_keeps_its_workers";
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    extern "C" fn interrupted(_signal: i32) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    in_time(|| {
        let Some(meeting) = role() else {
            let meeting = Meeting::new();
            let mut command = program(TEST, meeting.name());
            let child = command.process_group(0).spawn().unwrap();
            let worker = meeting.wait();
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            kill_process_group(group.unwrap(), Signal::INT).unwrap();
            let parent = meeting.wait();
            assert_eq!(parent.process.id, child.id());
            drop((worker, parent));
            let output = child.wait_with_output().unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{errors}");
            return;
        };
        let handler: extern "C" fn(i32) = interrupted;
        // SAFETY: the handler only stores to an atomic.
        unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
        let task = Pool::global()
            .unwrap()
            .spawn(work, (meeting.as_str(), 1, false))
            .unwrap();
        while !INTERRUPTED.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        meet(&meeting, 2);
        task.join().unwrap();
    });
}

#[test]
fn ctrl_c_ends_all_without_noise() {
    in_time(|| {
        for busy in ["idle", "busy"] {
            let output = ends("exit", busy, |parent| {
                // What a terminal does: the whole group gets the signal.
                let group = i32::try_from(parent.process.id)
                    .ok()
                    .and_then(Pid::from_raw);
                kill_process_group(group.unwrap(), Signal::INT).unwrap();
                assert!(parent.process.ends_within(parproc_tests::LIMIT));
            });
            assert_eq!(output.status.signal(), Some(2));
            let errors = String::from_utf8_lossy(&output.stderr);
            assert_eq!(errors, "", "nothing is printed");
        }
    });
}
