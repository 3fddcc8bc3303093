//! Python's `multiprocessing.Pool` and `ProcessPoolExecutor`, in a Python that runs `python.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use super::super::contest::{Contest, Who};
use super::super::measure::Outcome;

const PROGRAM: &str = include_str!("python.py");
/// No command takes so long, unless something hangs.
const LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(5);

/// One kind of pool, warm.
pub(crate) struct Python {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Both kinds.
pub(crate) const KINDS: [(Who, &str); 2] = [
    (Who::PythonPool, "Pool"),
    (Who::PythonExecutor, "ProcessPoolExecutor"),
];

/// Has both kinds take part with a command; without `python3` they are absent.
pub(crate) fn enter(contest: &mut Contest<'_>, workers: usize, command: &str) {
    enter_kinds(contest, &KINDS, workers, command, 1.0);
}

/// So too, where some kinds do so, or do so many times less work than the others.
pub(crate) fn enter_kinds(
    contest: &mut Contest<'_>,
    kinds: &[(Who, &str)],
    workers: usize,
    command: &str,
    times: f64,
) {
    for (who, kind) in kinds {
        match Python::new(kind, workers) {
            Ok(mut python) => {
                let command = command.to_owned();
                contest.enter_slow(*who, move || Ok(times * python.run(&command)?));
            }
            Err(error) => contest.absent(*who, error.to_string()),
        }
    }
}

/// The program that starts a pool, maps ten numbers and ends.
///
/// # Errors
/// Without `python3`.
pub(crate) fn start_program(kind: &str, workers: usize) -> Outcome<Command> {
    let mut command = python(kind, workers)?;
    command.arg("start");
    Ok(command)
}

fn python(kind: &str, workers: usize) -> Outcome<Command> {
    let mut command = Command::new(interpreter().as_ref().map_err(String::clone)?);
    command.args(["-c", PROGRAM, kind, &workers.to_string()]);
    Ok(command)
}

/// Where Python is: the command `python3` may be a script that looks for it.
fn interpreter() -> &'static Result<String, String> {
    static FOUND: OnceLock<Result<String, String>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable, end='')"])
            .output()
            .map_err(|error| format!("`python3` cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(format!("`python3` ends with {}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    })
}

impl Python {
    /// # Errors
    /// Without `python3`.
    pub(crate) fn new(kind: &str, workers: usize) -> Outcome<Self> {
        let mut child = python(kind, workers)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = child.stdin.take();
        let answers = child.stdout.take().ok_or("no output")?;
        Ok(Self {
            child,
            commands,
            answers: BufReader::new(answers),
        })
    }

    /// The figure that a command answers with.
    ///
    /// # Errors
    /// When a result was wrong, or none came within a minute.
    pub(crate) fn run(&mut self, command: &str) -> Outcome<f64> {
        let commands = self.commands.as_mut().ok_or("it has ended")?;
        writeln!(commands, "{command}")?;
        let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        let limit = Timespec::try_from(LIMIT)?;
        if poll(&mut fds, Some(&limit))? == 0 {
            return Err(format!("`{command}` hangs: given up after {LIMIT:?}").into());
        }
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let figure = line.trim().parse();
        Ok(figure.map_err(|_| format!("`{command}` answers {line:?}"))?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.commands.take());
        // Its end is told without being asked for.
        let mut fds = [PollFd::new(self.answers.get_ref(), PollFlags::empty())];
        let limit = Timespec::try_from(END_LIMIT).ok();
        if !matches!(poll(&mut fds, limit.as_ref()), Ok(1..)) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}
