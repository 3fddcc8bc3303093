//! Nothing that a task has started outlives the program, however that ends.

#![expect(
    unsafe_code,
    reason = "the action of a signal is reset, and a program forks"
)]

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitStatus};
use std::thread;
use std::time::Duration;

use parproc::parallel;
use parproc_tests::{
    Guest, LIMIT, Meeting, Process, all_children, guardians, in_time, meet, pool, program, role,
    settled, succeeds,
};
use rustix::process::{Pid, Signal, getpgid, kill_process_group};

/// Within this time after the program all others are gone.
const SOON: Duration = Duration::from_secs(1);

/// Starts a program, and another one that nobody waits for; gives their ids.
#[parallel]
fn start_two() -> [u32; 2] {
    let plain = Command::new("sleep").arg("1000").spawn();
    let script = "sleep 1000 > /dev/null 2>&1 & echo $!";
    let background = Command::new("sh").args(["-c", script]).output();
    let said = String::from_utf8(background.expect("a shell").stdout).expect("a number");
    let background = said.trim().parse().expect("a number");
    [plain.expect("a program").id(), background]
}

#[parallel]
fn worker() -> u32 {
    process::id()
}

/// The program whose end is watched: tells all that it has started, and waits to be told to go on.
#[test]
fn program_with_grandchildren() {
    let Some(role) = role() else { return };
    let (meeting, end) = role.split_once(' ').expect("two words");
    let pool = pool(1);
    let worker = pool.spawn(worker, ()).unwrap().join().unwrap();
    let started = pool.spawn(start_two, ()).unwrap().join().unwrap();
    assert_eq!(settled(&1, || guardians().len()), 1);
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        // SAFETY: no handler of ours is involved; this undoes `nohup` and the like.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the copy does nothing but to wait.
    if end == "fork" && unsafe { libc::fork() } == 0 {
        loop {
            // SAFETY: waits for a signal.
            unsafe { libc::pause() };
        }
    }
    let all = [worker, guardians()[0]].into_iter().chain(started);
    let says = all.map(|id| {
        let meeting = meeting.to_owned();
        thread::spawn(move || meet(&meeting, id.into()))
    });
    for said in says.collect::<Vec<_>>() {
        said.join().unwrap();
    }
    if end == "drop" {
        drop(pool);
    }
    match end {
        "wait" | "fork" | "drop" => loop {
            thread::park();
        },
        "abort" => process::abort(),
        "exit" => process::exit(3),
        "exec" => {
            let error = Command::new("sleep").arg("1000").exec();
            panic!("{error}");
        }
        other => panic!("no end: {other}"),
    }
}

/// Starts the program, lets `act` end it, or releases it to its own end, and says how that went. All
/// that it started has to be gone soon after.
fn ends(end: &str, act: impl FnOnce(&Process)) -> ExitStatus {
    let meeting = Meeting::new();
    let role = format!("{} {end}", meeting.name());
    let mut command = program("program_with_grandchildren", role);
    let mut child = command.process_group(0).spawn().unwrap();
    let guests = [(); 4].map(|()| meeting.wait());
    let others = guests
        .each_ref()
        .map(|guest| Process::watch(guest.word as u32));
    assert!(!others.iter().any(Process::has_ended));
    let parent = Process::watch(child.id());
    act(&parent);
    drop::<[Guest; 4]>(guests);

    let limit = if matches!(end, "exec" | "drop") {
        LIMIT
    } else {
        assert!(parent.ends_within(LIMIT));
        SOON
    };
    let left = others.iter().filter(|other| !other.ends_within(limit));
    let left: Vec<_> = left.collect();
    for other in &left {
        other.kill();
    }
    // What is left in the program's own group is as it should be.
    let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    assert!(left.is_empty(), "{end}: {left:?}");
    child.wait().unwrap()
}

#[test]
fn a_signal_ends_the_program() {
    in_time(|| {
        for signal in [Signal::KILL, Signal::TERM, Signal::HUP, Signal::INT] {
            let status = ends("wait", |parent| parent.signal(signal));
            assert_eq!(status.signal(), Some(signal.as_raw()));
        }
    });
}

#[test]
fn a_terminal_ends_the_program() {
    in_time(|| {
        for signal in [Signal::INT, Signal::QUIT, Signal::HUP] {
            let status = ends("wait", |parent| {
                let group = i32::try_from(parent.id).ok().and_then(Pid::from_raw);
                kill_process_group(group.unwrap(), signal).unwrap();
            });
            assert_eq!(status.signal(), Some(signal.as_raw()));
        }
    });
}

#[test]
fn the_program_ends_by_itself() {
    in_time(|| {
        assert_eq!(ends("abort", |_| {}).signal(), Some(libc::SIGABRT));
        assert_eq!(ends("exit", |_| {}).code(), Some(3));
    });
}

/// The copy has all that the guardian waits for the end of, but is not the program.
#[test]
fn a_copy_of_the_program_stays_behind() {
    in_time(|| {
        let status = ends("fork", Process::kill);
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    });
}

#[test]
fn the_program_becomes_another_one() {
    in_time(|| {
        let status = ends("exec", |_| {});
        assert_eq!(status.signal(), Some(libc::SIGKILL), "by the test");
    });
}

#[test]
fn the_pool_is_dropped() {
    in_time(|| {
        let status = ends("drop", |_| {});
        assert_eq!(status.signal(), Some(libc::SIGKILL), "by the test");
    });
}

/// This process's own pool with its guardian. Other tests here have programs of their own.
#[test]
fn a_guardian_is_in_nobodys_way_and_is_replaced() {
    if role().is_none() {
        let test = "a_guardian_is_in_nobodys_way_and_is_replaced";
        succeeds(&mut program(test, "own"));
        return;
    }
    in_time(|| {
        let pool = pool(2);
        pool.map(worker, [(), ()]).unwrap();
        assert_eq!(settled(&1, || guardians().len()), 1);
        let guardian = guardians()[0];
        // Its descriptors are those of this program until it has its own.
        let name = format!("/proc/{guardian}/cwd");
        let folder = || fs::read_link(&name).unwrap();
        assert_eq!(settled(&PathBuf::from("/"), folder), Path::new("/"));
        for standard in 0..3 {
            let open = fs::read_link(format!("/proc/{guardian}/fd/{standard}"));
            assert_eq!(open.unwrap(), Path::new("/dev/null"));
        }
        let count = || {
            fs::read_dir(format!("/proc/{guardian}/fd"))
                .unwrap()
                .count()
        };
        assert_eq!(settled(&5, count), 5, "those, the program and a pipe");
        let status = fs::read_to_string(format!("/proc/{guardian}/status")).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
        for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
            assert_ne!(ignored & 1 << (signal.as_raw() - 1), 0, "{signal:?}");
        }
        let own = Pid::from_raw(guardian as i32);
        assert_eq!(getpgid(own).ok(), own, "its own group");

        Process::watch(guardian).kill();
        let replaced = || matches!(*guardians(), [one] if one != guardian);
        assert!(settled(&true, replaced));
        drop(pool);
        assert_eq!(all_children(), []);
    });
}
