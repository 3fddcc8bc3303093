//! Runs a program to its end, within a limit of time, and keeps what it says.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// Far more than any of the programs takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// Variables of the surroundings that would change what is tested.
const VARIABLES: [&str; 4] = [
    concat!("PARPROC_ATTACH_", env!("CARGO_PKG_VERSION")),
    "PARPROC_INLINE",
    "PARPROC_WORKERS",
    "RUST_BACKTRACE",
];

/// How a program ended, after it and all that shared its output were gone.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `command` to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Running::start(command, Stdio::piped(), LIMIT).end()
}

/// A program that runs, in a process group of its own; dropping it kills the group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    deadline: Instant,
    stdout: Stream,
    stderr: Stream,
    reaped: bool,
}

impl Running {
    /// Starts `command`, which has to end before `limit` has passed.
    pub(crate) fn start(command: &mut Command, stdout: Stdio, limit: Duration) -> Self {
        for variable in VARIABLES {
            command.env_remove(variable);
        }
        let started = command
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            deadline: Instant::now() + limit,
            stdout: Stream::new(child.stdout.take()),
            stderr: Stream::new(child.stderr.take()),
            child,
            reaped: false,
        }
    }

    /// Waits until the program has printed `line`.
    pub(crate) fn wait_for(&mut self, line: &str) {
        while let Some(said) = self.stdout.next(self.deadline) {
            if said.trim_end() == line {
                return;
            }
        }
        self.fail(&format!("did not print {line:?}"));
    }

    /// Types `line` for the program.
    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
    }

    /// Waits for the end of the program and of all that it shares its output with.
    pub(crate) fn end(mut self) -> Ended {
        drop(self.child.stdin.take());
        while self.stdout.next(self.deadline).is_some() {}
        while self.stderr.next(self.deadline).is_some() {}
        if !(self.stdout.closed && self.stderr.closed) {
            self.fail("did not close its output");
        }
        let pidfd = pidfd_open(Pid::from_child(&self.child), PidfdFlags::empty()).unwrap();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(0) => self.fail("did not end"),
            other => other.unwrap(),
        };
        let status = self.child.wait().unwrap();
        self.reaped = true;
        Ended {
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout.text),
            stderr: std::mem::take(&mut self.stderr.text),
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!(
            "process {} {what}\nstdout:\n{}\nstderr:\n{}",
            self.child.id(),
            self.stdout.text,
            self.stderr.text
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            // It was not waited for, so its id is still its own.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// What a program prints, read by a thread so that waiting for it can end.
#[derive(Debug)]
struct Stream {
    lines: Receiver<String>,
    text: String,
    closed: bool,
}

impl Stream {
    fn new(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (sender, lines) = channel();
        if let Some(pipe) = pipe {
            thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut line = Vec::new();
                while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    if sender.send(text).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
        Self {
            lines,
            text: String::new(),
            closed: false,
        }
    }

    /// The next line; `None` when there are no more, or when time is over.
    fn next(&mut self, deadline: Instant) -> Option<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                self.text += &line;
                Some(line)
            }
            Err(error) => {
                self.closed = error == std::sync::mpsc::RecvTimeoutError::Disconnected;
                None
            }
        }
    }
}
