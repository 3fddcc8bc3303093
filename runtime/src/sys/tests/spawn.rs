//! What a child has of its parent, and what its start costs.

#![expect(unsafe_code, reason = "signals, flags of descriptors and page faults")]

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use super::role::{Actor, actor, role, say};
use crate::sys::Exit;

#[test]
fn plays() {
    let Some(role) = role() else { return };
    match role.as_str() {
        "tell blocked" => {
            // This thread has what the first one was given, which blocks signals while it starts this one.
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            let blocked = status.lines().find(|line| line.starts_with("SigBlk"));
            say(blocked.unwrap().split_whitespace().nth(1).unwrap());
        }
        "tell open" => {
            let listed = fs::read_dir("/proc/self/fd").unwrap();
            let names = listed.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut numbers: Vec<i32> = names.map(|name| name.parse().unwrap()).collect();
            // The one that they were read from is closed by now.
            // SAFETY: asks for the flags of a number.
            numbers.retain(|number| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0);
            numbers.sort_unstable();
            say(format_args!("{numbers:?}"));
        }
        other => panic!("no role: {other}"),
    }
    std::process::exit(0);
}

#[test]
fn a_child_blocks_no_signal() {
    let change = |how| {
        let mut signals = MaybeUninit::uninit();
        // SAFETY: the pointer is valid for writes.
        unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
        // SAFETY: the set was initialised just now.
        unsafe { libc::sigaddset(signals.as_mut_ptr(), libc::SIGUSR1) };
        // SAFETY: the set is initialised.
        unsafe { libc::pthread_sigmask(how, signals.as_ptr(), std::ptr::null_mut()) };
    };
    change(libc::SIG_BLOCK);
    let mut actor = Actor::start("spawn::plays", "tell blocked");
    change(libc::SIG_UNBLOCK);
    assert_eq!(actor.hear().as_deref(), Some("0000000000000000"));
}

#[test]
fn a_child_has_no_descriptor_that_it_was_not_given() {
    let (given, other) = (duplicate(), duplicate());
    let mut spec = actor("spawn::plays", "tell open");
    spec.inherit.push(given.as_fd());
    let mut actor = Actor::play(spec);
    let number = given.as_raw_fd();
    assert_eq!(actor.hear().unwrap(), format!("[0, 1, 2, {number}]"));
    assert_eq!(actor.end().0, Exit::Code(0));
    drop(other);
}

/// A descriptor that every program would inherit.
fn duplicate() -> OwnedFd {
    // SAFETY: makes a new descriptor.
    let number = unsafe { libc::dup(io::stdin().as_raw_fd()) };
    // SAFETY: it was made just now, and is nobody else's.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// After a `fork` each page that the parent writes to costs it a fault, and the `fork` itself takes as
/// long as listing them.
#[test]
fn a_start_leaves_the_pages_of_the_parent_alone() {
    const LEN: usize = 64 << 20;
    let mut pages = vec![1_u8; LEN];
    // SAFETY: advice on memory that is ours; huge pages would be few.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), LEN, libc::MADV_NOHUGEPAGE) };
    pages.fill(2);
    let mut actor = Actor::start("spawn::plays", "tell blocked");
    let before = faults();
    pages.fill(3);
    std::hint::black_box(&pages);
    let new = faults() - before;
    assert!(new < 1000, "{new} faults");
    assert_eq!(actor.end().0, Exit::Code(0));
}

/// Page faults of this thread until now.
fn faults() -> i64 {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for writes.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: initialised by the call above, which cannot fail.
    unsafe { usage.assume_init() }.ru_minflt
}
