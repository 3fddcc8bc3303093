//! Its tasks print to a pipe that nobody reads; it reports on standard error.
//!
//! Like many tools it lets SIGPIPE end itself, and its workers inherit that.

use std::ffi::c_int;
use std::io::Write as _;

use parproc::{Pool, parallel};

const SIGPIPE: c_int = 13;
const SIG_DFL: usize = 0;

unsafe extern "C" {
    safe fn signal(signal: c_int, handler: usize) -> usize;
}

#[parallel]
fn write(_: ()) -> (bool, u32) {
    let mut stdout = std::io::stdout();
    let written = writeln!(stdout, "a line").and_then(|()| stdout.flush());
    (written.is_ok(), std::process::id())
}

#[parallel]
fn print(_: ()) {
    println!("a line");
}

fn main() {
    signal(SIGPIPE, SIG_DFL);
    let pool = Pool::builder().workers(1).build().unwrap();
    let before = pool.map(write, [()]).unwrap();
    eprintln!("written {}", before[0].0);
    let error = pool.map(print, [()]).unwrap_err();
    let task = error.task().unwrap();
    eprintln!("panic {}, crash {}", task.is_panic(), task.is_crash());
    eprintln!("message {:?}", task.panic_message());
    eprintln!(
        "the same worker {}",
        before == pool.map(write, [()]).unwrap()
    );
}
