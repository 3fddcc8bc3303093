//! `Process`: one fresh process for one call.

#![expect(
    unsafe_code,
    reason = "tasks set signal handlers and exit handlers of the C library"
)]

use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parproc::{Process, parallel};
use parproc_tests::{in_time, meet, note, program, role, succeeds};
use serde::{Deserialize, Serialize};

#[path = "process/ends.rs"]
mod ends;
#[path = "process/family.rs"]
mod family;
#[path = "process/joining.rs"]
mod joining;
#[path = "process/settings.rs"]
mod settings;

#[parallel]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

/// Comes to the meeting, and ends when it is let go.
#[parallel]
fn comes(meeting: &str, word: u64) -> u32 {
    meet(meeting, word);
    process::id()
}

/// How often this process was asked.
#[parallel]
fn count() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}

#[parallel]
fn bytes(len: usize) -> Vec<u8> {
    vec![7; len]
}

#[parallel]
fn sum(numbers: Vec<u64>, texts: Vec<String>) -> u64 {
    numbers.iter().sum::<u64>() + texts.len() as u64
}

/// What a function does to its process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Deed {
    Panic,
    Exit(i32),
    Abort,
    Fault,
    Loop,
    Swallow,
    Unencodable,
}

/// A value that says no when it is to be encoded.
#[derive(Debug, Deserialize)]
struct Shy;

impl Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, _serializer: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not me"))
    }
}

#[parallel]
fn does(deed: Deed) -> Result<Shy, u32> {
    match deed {
        Deed::Panic => panic!("as asked for"),
        Deed::Exit(code) => process::exit(code),
        Deed::Abort => process::abort(),
        Deed::Fault => {
            let nowhere = std::ptr::without_provenance_mut::<u8>(64);
            // SAFETY: none; that is the point.
            unsafe { nowhere.write_volatile(1) };
        }
        Deed::Loop => loop {
            std::hint::spin_loop();
        },
        Deed::Swallow => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 1 << 20]);
            }
        }
        Deed::Unencodable => return Ok(Shy),
    }
    Err(0)
}

/// What a process does when it is asked to end.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Manners {
    Ends,
    Ignores,
    /// Ends with code 7.
    Obeys,
}

#[parallel]
fn has_manners(meeting: &str, manners: Manners) {
    extern "C" fn obey(_signal: libc::c_int) {
        // SAFETY: allowed in a signal handler.
        unsafe { libc::_exit(7) }
    }
    let obey: extern "C" fn(libc::c_int) = obey;
    let action = match manners {
        Manners::Ends => libc::SIG_DFL,
        Manners::Ignores => libc::SIG_IGN,
        Manners::Obeys => obey as libc::sighandler_t,
    };
    // SAFETY: the handler does nothing that is not allowed in one.
    unsafe { libc::signal(libc::SIGTERM, action) };
    meet(meeting, 0);
}

/// What an exit handler does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Last {
    Note,
    Abort,
    Sleep(Duration),
}

/// Returns 5, and leaves an exit handler.
#[parallel]
fn leaves_handler(tally: &str, last: Last) -> u32 {
    static LAST: OnceLock<(String, Last)> = OnceLock::new();
    extern "C" fn handler() {
        let Some((tally, last)) = LAST.get() else {
            return;
        };
        match last {
            Last::Note => note(tally, "handler"),
            Last::Abort => process::abort(),
            Last::Sleep(time) => std::thread::sleep(*time),
        }
    }
    LAST.set((tally.to_owned(), last)).unwrap();
    // SAFETY: the handler is a function of this program.
    unsafe { libc::atexit(handler) };
    5
}

/// Runs the rest of a test in a program of its own, whose children are its processes only.
fn alone(test: &str, body: impl FnOnce() + Send + 'static) {
    if role().is_none() {
        succeeds(&mut program(test, "alone"));
    } else {
        in_time(body);
    }
}

/// True if a process with this id is a child of this one, a zombie at least.
fn is_child(pid: u32) -> bool {
    parproc_tests::children().contains(&pid)
}

const fn assert_threads<T: Send + Sync + Unpin>() {}
const _: () = assert_threads::<Process<std::rc::Rc<u8>>>();
const fn assert_send<T: Send + Unpin>() {}
const _: () = assert_send::<parproc::ProcessBuilder<std::rc::Rc<u8>>>();
