//! Nothing that a process started escapes, and its memory counts.

#![expect(unsafe_code, reason = "sessions are left and processes are forked")]

use std::ffi::{c_int, c_void};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::ptr;
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, setsid};

use super::role::{Actor, LIMIT, left, marked, role, say, wait_for_the_end};
use crate::sys::memory::{peak_memory, tree_memory};
use crate::sys::tree::{become_subreaper, kill_group_of, reap_beyond};
use crate::sys::{Exit, proc, started};

const MIB: u64 = 1 << 20;

#[test]
fn plays() {
    let Some(role) = role() else { return };
    become_subreaper().unwrap();
    let (verb, number) = role.split_once(' ').unwrap_or((&role, "0"));
    let number: u64 = number.parse().unwrap();
    match verb {
        "family" => family(),
        "zombies" => zombies(number as usize),
        "bomb" => {
            for _ in 0..number {
                thread::spawn(|| {
                    loop {
                        // One that fails has no room left for more.
                        let _ = in_own_session("sleep 1000 & sleep 1000 & exec sleep 1000");
                    }
                });
            }
            say("ready");
        }
        "eat" => eat(number, None),
        // The child has all the memory of its parent, and none of its own.
        "fork" => {
            let mut eaten = vec![1_u8; (number * MIB) as usize];
            // SAFETY: the child does nothing but to wait.
            if unsafe { libc::fork() } == 0 {
                pause(ptr::null_mut());
            }
            eaten[0] = 2;
            say("ready");
            wait_for_the_end();
        }
        // As a child of `vfork` does until it executes a program.
        "vfork" => {
            let eaten = vec![1_u8; (number * MIB) as usize];
            let stack = Box::leak(vec![0_u128; 4096].into_boxed_slice());
            let top = stack.as_mut_ptr_range().end;
            let flags = libc::CLONE_VM | libc::SIGCHLD;
            // SAFETY: the child has a stack that is never freed, and does nothing but to wait.
            let child = unsafe { libc::clone(pause, top.cast(), flags, ptr::null_mut()) };
            assert!(child > 0);
            say("ready");
            std::hint::black_box(&eaten);
            wait_for_the_end();
        }
        // Half of the memory is in a child.
        "share" => {
            let test = ["sys::tests::tree::plays", "--exact", "--nocapture"];
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(test)
                .env("PARPROC_TEST_ROLE", format!("eat {}", number / 2));
            let child = command.spawn().unwrap();
            eat(number / 2, Some(child));
        }
        other => panic!("no role: {other}"),
    }
    wait_for_the_end();
}

extern "C" fn pause(_: *mut c_void) -> c_int {
    loop {
        // SAFETY: waits for a signal.
        unsafe { libc::pause() };
    }
}

/// Has memory, and says how much; perhaps a child, too.
fn eat(mib: u64, _child: Option<Child>) -> ! {
    let eaten = vec![1_u8; (mib * MIB) as usize];
    say(std::hint::black_box(&eaten).len() as u64 / MIB);
    wait_for_the_end()
}

/// A shell that has left the group and the session of this process.
fn in_own_session(script: &str) -> std::io::Result<Child> {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    // SAFETY: the call is allowed in the child of a fork.
    unsafe { command.pre_exec(|| Ok(setsid().map(drop)?)) };
    command.spawn()
}

/// Starts processes that are children, children of children, and children of nobody any more.
#[expect(clippy::zombie_processes, reason = "they are to be left")]
fn family() {
    Command::new("sleep").arg("1000").spawn().unwrap();
    in_own_session("sleep 1000 & exec sleep 1000").unwrap();
    let orphans = in_own_session("sleep 1000 & sh -c 'sleep 1000 & sleep 1000 &' &");
    orphans.unwrap().wait().unwrap();
    say("ready");
}

#[test]
fn children_orphans_and_daemons_are_killed() {
    for dropped in [false, true] {
        let mut actor = Actor::start("tree::plays", "family");
        assert_eq!(actor.hear().as_deref(), Some("ready"));
        assert_eq!(actor.left(7).len(), 7, "itself and six more");
        if dropped {
            assert_eq!(left(&actor.dismiss(), 0), [0; 0]);
        } else {
            actor.child.kill();
            assert_eq!(actor.end().0, Exit::KILLED);
            assert_eq!(actor.left(0), [0; 0]);
        }
    }
}

#[test]
fn one_that_stands_still_is_killed_with_its_children() {
    let mut actor = Actor::start("tree::plays", "family");
    assert_eq!(actor.hear().as_deref(), Some("ready"));
    assert_eq!(actor.left(7).len(), 7);
    actor.child.signal(libc::SIGSTOP).unwrap();
    actor.child.kill();
    assert_eq!(actor.end().0, Exit::KILLED);
    assert_eq!(actor.left(0), [0; 0]);
}

#[test]
fn nothing_is_born_while_a_process_is_killed() {
    for threads in [1, 4] {
        let mut actor = Actor::start("tree::plays", &format!("bomb {threads}"));
        assert_eq!(actor.hear().as_deref(), Some("ready"));
        let begin = Instant::now();
        while marked(&actor.mark).len() < 40 {
            assert!(begin.elapsed() < LIMIT);
        }
        actor.child.kill();
        assert_eq!(actor.end().0, Exit::KILLED);
        assert_eq!(actor.left(0), [0; 0]);
    }
}

#[test]
fn a_group_is_killed_by_the_id_and_the_start_of_its_leader() {
    let mut actor = Actor::start("tree::plays", "family");
    assert_eq!(actor.hear().as_deref(), Some("ready"));
    assert_eq!(actor.left(7).len(), 7);
    let (pid, started) = (actor.child.pid(), started(actor.child.pid()).unwrap());
    kill_group_of(pid, started + 1);
    kill_group_of(u32::MAX, 0);
    assert_eq!(actor.left(7).len(), 7, "another process");
    kill_group_of(pid, started);
    // Those that have left the group are out of reach.
    assert_eq!(actor.left(5).len(), 5);
    assert_eq!(actor.end().0, Exit::KILLED);
    for id in actor.left(5) {
        kill_process(Pid::from_raw(id as i32).unwrap(), Signal::KILL).unwrap();
    }
}

#[test]
fn memory_below_the_limit_is_not_told() {
    let mut actor = Actor::start("tree::plays", "eat 100");
    assert_eq!(actor.hear().as_deref(), Some("100"));
    let pid = actor.child.pid();
    assert_eq!(tree_memory(pid, 200 * MIB), None);
    let memory = tree_memory(pid, 50 * MIB).unwrap();
    assert!((100 * MIB..150 * MIB).contains(&memory), "{memory}");
    let peak = peak_memory(pid).unwrap();
    assert!((memory..150 * MIB).contains(&peak), "{peak}");
    actor.child.kill();
    actor.end();
    assert_eq!((tree_memory(pid, 0), peak_memory(pid)), (None, None));
}

#[test]
fn memory_of_children_counts_once() {
    for role in ["share", "fork", "vfork"] {
        let mut actor = Actor::start("tree::plays", &format!("{role} 200"));
        assert!(actor.hear().is_some());
        assert!(role != "share" || actor.hear().is_some());
        let pid = actor.child.pid();
        let memory = tree_memory(pid, 150 * MIB);
        let memory = memory.unwrap_or_else(|| panic!("{role}"));
        assert!((200 * MIB..250 * MIB).contains(&memory), "{role}: {memory}");
        assert_eq!(tree_memory(pid, 250 * MIB), None, "{role}");
    }
}

fn zombies(count: usize) {
    // An ended child of its own is not waited for before there are too many.
    let mut own = Command::new("true").spawn().unwrap();
    let begin = Instant::now();
    while ended().is_empty() {
        assert!(begin.elapsed() < LIMIT);
    }
    reap_beyond(1);
    assert_eq!(ended(), [own.id()]);
    reap_beyond(0);
    assert_eq!(ended(), [0; 0]);
    assert!(own.wait().is_err(), "it was waited for");
    for _ in 0..count {
        // The shell ends at once, and leaves its child to this process.
        let orphans = in_own_session("true &");
        orphans.unwrap().wait().unwrap();
    }
    while ended().len() < count {
        assert!(begin.elapsed() < LIMIT);
    }
    let all = ended();
    reap_beyond(3);
    assert_eq!(ended(), all[count - 3..]);
    say("done");
}

fn ended() -> Vec<u32> {
    let children = proc::children(std::process::id()).unwrap();
    let ended = children.into_iter().filter(|id| proc::is_zombie(*id));
    ended.collect()
}

#[test]
fn orphans_that_have_ended_are_reaped_when_they_are_many() {
    let mut actor = Actor::start("tree::plays", "zombies 10");
    assert_eq!(actor.hear().as_deref(), Some("done"));
}
