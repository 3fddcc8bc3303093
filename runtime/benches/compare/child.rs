//! This program run again as a child of itself, to be measured.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitCode, Stdio};

use parproc::{Pool, parallel};

use super::measure::Outcome;
use super::peers::ipc;
use super::raw::segfault;
use super::{memory, queue, start};

/// Ends at once.
pub(crate) const EXIT: &str = "--exit";
/// Makes a pool, gets one result, says so, and ends.
pub(crate) const FIRST_RESULT: &str = "--first-result";
/// Says that it is there, and waits until its standard input ends.
pub(crate) const WAIT: &str = "--wait";

/// One of the programs of the row `start`; its name follows.
pub(crate) const START: &str = "--start";
/// A worker of such a program by hand.
pub(crate) const STEP_WORKER: &str = "--step-worker";
/// Queues tasks; the peer and their number follow.
pub(crate) const QUEUE: &str = "--queue";
/// Has a pool, and does nothing with it.
pub(crate) const IDLE: &str = "--idle";
/// Answers, or crashes, as it is told.
pub(crate) const CRASHER: &str = "--crasher";

#[parallel]
pub(crate) fn increment(x: u64) -> u64 {
    x + 1
}

/// Does what the argument says; none if it is no mode of a child.
pub(crate) fn play(mode: &str) -> Option<ExitCode> {
    let outcome = match mode {
        EXIT => Ok(()),
        FIRST_RESULT => first_result(),
        WAIT => wait(),
        START => argument(2).and_then(|key| start::play(&key)),
        STEP_WORKER => start::serve_steps(),
        QUEUE => queued(),
        IDLE => memory::play_idle(),
        CRASHER => crasher(),
        ipc::WORKER => argument(2).and_then(|server| ipc::serve(&server)),
        _ => return None,
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{mode}: {error}");
            ExitCode::FAILURE
        }
    })
}

fn first_result() -> Outcome<()> {
    let pool = Pool::builder().workers(1).build()?;
    let result = pool.spawn(increment, 41)?.join()?;
    tell(u8::try_from(result)?)?;
    Ok(())
}

fn wait() -> Outcome<()> {
    tell(0)?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn argument(index: usize) -> Outcome<String> {
    Ok(std::env::args().nth(index).ok_or("too few arguments")?)
}

fn queued() -> Outcome<()> {
    queue::play(&argument(2)?, argument(3)?.parse()?)
}

fn crasher() -> Outcome<()> {
    tell(0)?;
    let mut order = [0];
    while io::stdin().read(&mut order)? == 1 {
        match order[0] {
            0 => tell(42)?,
            _ => segfault(),
        }
    }
    Ok(())
}

fn tell(byte: u8) -> io::Result<()> {
    let mut out = io::stdout();
    out.write_all(&[byte])?;
    out.flush()
}

/// Starts this program in one of the modes.
pub(crate) fn start(mode: &str) -> Outcome<Child> {
    let child = Command::new("/proc/self/exe")
        .arg(mode)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    Ok(child)
}

/// The byte that the child says.
pub(crate) fn hear(child: &mut Child) -> Outcome<u8> {
    let mut byte = [0];
    let out = child.stdout.as_mut().ok_or("the child has no output")?;
    out.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// Lets the child end.
pub(crate) fn finish(mut child: Child) -> Outcome<()> {
    drop(child.stdin.take());
    let status = child.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("a child ended with {status}").into())
    }
}
