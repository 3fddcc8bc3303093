//! Processes and their siblings, children and parents.

use std::fs;
use std::mem;
use std::process;

use parproc::{Process, active_processes, par_map, parallel};
use parproc_tests::{Guest, LIMIT, Meeting, Process as Watch, in_time, meet, pool, program, role};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::{add, alone, comes, count};

/// Has a process of its own do it.
#[parallel]
fn delegates(a: u64, b: u64) -> (u32, u64) {
    let process = Process::spawn(add, (a, b)).unwrap();
    (process.pid(), process.join().unwrap())
}

/// Has a process of its own come to the meeting.
#[parallel]
fn sends(meeting: &str) -> u32 {
    Process::spawn(comes, (meeting, 0)).unwrap().join().unwrap()
}

/// As often as `depth` says.
#[parallel]
fn deeper(depth: u32) -> u32 {
    if depth == 0 {
        return 0;
    }
    1 + Process::spawn(deeper, depth - 1).unwrap().join().unwrap()
}

#[parallel]
fn descriptors(meeting: &str) -> usize {
    meet(meeting, 0);
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[parallel]
fn lists_processes(meeting: &str) -> usize {
    let own = Process::spawn(comes, (meeting, 0)).unwrap();
    let listed = active_processes();
    assert!(listed.iter().all(|process| process.pid == own.pid()));
    listed.len()
}

#[test]
fn a_process_can_have_a_process() {
    in_time(|| {
        let process = Process::spawn(delegates, (1, 2)).unwrap();
        let parent = process.pid();
        let (child, sum) = process.join().unwrap();
        assert_eq!(sum, 3);
        assert!(child != parent && child != process::id());
        assert_eq!(Process::spawn(deeper, 5).unwrap().join().unwrap(), 5);
    });
}

#[test]
fn a_worker_of_a_pool_can_have_processes() {
    in_time(|| {
        let results = pool(2).map(delegates, (0..20).map(|n| (n, n))).unwrap();
        assert!(
            results
                .iter()
                .map(|(_, sum)| *sum)
                .eq((0..20).map(|n| 2 * n))
        );
        assert!(results.iter().all(|(pid, _)| *pid != process::id()));
    });
}

#[test]
fn a_grandchild_ends_with_the_child() {
    in_time(|| {
        let meeting = Meeting::new();
        for by_handle in [true, false] {
            let process = Process::spawn(sends, meeting.name()).unwrap();
            let guest = meeting.wait();
            assert_ne!(guest.process.id, process.pid());
            if by_handle {
                drop(process);
            } else {
                Watch::watch(process.pid()).kill();
            }
            assert!(guest.process.ends_within(LIMIT));
        }
    });
}

#[test]
fn descriptors_of_a_process_do_not_grow_with_its_siblings() {
    in_time(|| {
        let meeting = Meeting::new();
        let spawn = |_| Process::spawn(descriptors, meeting.name()).unwrap();
        let processes: Vec<_> = (0..8).map(spawn).collect();
        let guests: Vec<_> = processes.iter().map(|_| meeting.wait()).collect();
        drop(guests);
        let counts: Vec<_> = processes
            .into_iter()
            .map(|process| process.join().unwrap())
            .collect();
        assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    });
}

#[test]
fn the_processes_that_run_are_listed() {
    in_time(|| {
        let meeting = Meeting::new();
        let named = Process::builder(comes, (meeting.name(), 0)).name("listed");
        let named = named.spawn().unwrap();
        let unnamed = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let guests = [meeting.wait(), meeting.wait()];
        let find = |pid| active_processes().into_iter().find(|info| info.pid == pid);
        let info = find(named.pid()).unwrap();
        assert_eq!(info.name.as_deref(), Some("listed"));
        assert!(info.function.ends_with("comes"));
        assert_eq!(find(unnamed.pid()).unwrap().name, None);
        // The processes of a process are its own.
        let other = Process::spawn(lists_processes, meeting.name()).unwrap();
        assert_eq!(other.join().unwrap(), 1);
        drop(guests);
        let pid = named.pid();
        named.join().unwrap();
        assert_eq!(find(pid), None);
    });
}

#[test]
fn processes_and_pools_do_not_mind_each_other() {
    in_time(|| {
        let meeting = Meeting::new();
        let process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
        let guest = meeting.wait();
        let sums = par_map(add, (0..100).map(|n| (n, 1))).unwrap();
        assert!(sums.into_iter().eq(1..=100));
        drop(guest);
        assert_eq!(Process::spawn(count, ()).unwrap().join().unwrap(), 1);
        process.join().unwrap();
    });
}

#[test]
fn a_copy_of_the_program_has_processes_of_its_own() {
    alone(
        "family::a_copy_of_the_program_has_processes_of_its_own",
        || {
            let meeting = Meeting::new();
            let mut process = Process::spawn(comes, (meeting.name(), 0)).unwrap();
            let guest = meeting.wait();
            // SAFETY: the C library's locks are right in the copy, and ours are not held.
            let copy = unsafe { libc::fork() };
            if copy == 0 {
                let foreign = process.try_join().is_err_and(|error| error.is_closed());
                let none = active_processes().is_empty();
                let sum = Process::spawn(add, (1, 2)).and_then(Process::join);
                // What belongs to the original is not ended.
                drop(process);
                let right = foreign && none && sum.is_ok_and(|sum| sum == 3);
                // SAFETY: ends the copy, and nothing else.
                unsafe { libc::_exit(if right { 7 } else { 1 }) };
            }
            let copy = Pid::from_raw(copy).unwrap();
            let status = waitpid(Some(copy), WaitOptions::empty()).unwrap();
            assert_eq!(status.and_then(|(_, status)| status.exit_status()), Some(7));
            assert!(!guest.process.has_ended());
            drop(guest);
            let pid = process.pid();
            assert_eq!(process.join_timeout(LIMIT).unwrap(), pid);
        },
    );
}

/// The program whose end is watched: it has processes, and forgets that it has them.
#[test]
fn program_with_processes() {
    let Some(role) = role() else { return };
    let (meeting, end) = role.split_once(' ').unwrap();
    for word in 0..2 {
        mem::forget(Process::spawn(comes, (meeting, word)).unwrap());
    }
    meet(meeting, 2);
    match end {
        "exit" => process::exit(0),
        "return" => {}
        other => panic!("no way to end: {other}"),
    }
}

/// Starts the program, has it end, and waits for the end of its processes.
fn ends(end: &str, act: impl FnOnce(Guest)) {
    let meeting = Meeting::new();
    let role = format!("{} {end}", meeting.name());
    let mut child = program("family::program_with_processes", role)
        .spawn()
        .unwrap();
    let mut guests = [meeting.wait(), meeting.wait(), meeting.wait()];
    guests.sort_by_key(|guest| guest.word);
    let [one, two, parent] = guests;
    assert_eq!(parent.process.id, child.id());
    assert!(!one.process.has_ended() && !two.process.has_ended());
    act(parent);
    assert!(one.process.ends_within(LIMIT));
    assert!(two.process.ends_within(LIMIT));
    child.wait().unwrap();
}

#[test]
fn processes_end_when_their_program_is_killed() {
    in_time(|| ends("exit", |parent| parent.process.kill()));
}

#[test]
fn processes_end_when_their_program_exits_or_returns() {
    in_time(|| {
        ends("exit", drop);
        ends("return", drop);
    });
}
