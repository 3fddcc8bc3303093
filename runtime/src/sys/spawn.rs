//! Starting a child: this program again, with an environment, a folder and outputs of its own.

#![expect(unsafe_code, reason = "flags of descriptors are read by number")]

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::{fcntl_dupfd_cloexec, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};

use super::clone::{Plan, Strings, close_on_exec_from};

/// The first number that is none of a standard descriptor.
pub(super) const FIRST_OTHER: RawFd = 3;

/// What a child is started with.
#[derive(Debug, Default)]
pub(crate) struct ChildSpec<'a> {
    /// All its arguments; by the first one it is known in lists of processes.
    pub(crate) arguments: Vec<OsString>,
    /// Its whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Its working directory; none is that of this process.
    pub(crate) directory: Option<&'a Path>,
    /// What its standard output and standard error are; none is what this process has.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    pub(crate) stderr: Option<BorrowedFd<'a>>,
    /// Descriptors that the child gets under their own numbers; all others close.
    pub(crate) inherit: Vec<BorrowedFd<'a>>,
}

/// An environment, or else that of this process, with one variable more.
pub(crate) fn environment_with(
    variables: Option<Vec<(OsString, OsString)>>,
    name: &str,
    value: &str,
) -> Vec<(OsString, OsString)> {
    let variables = variables.unwrap_or_else(|| std::env::vars_os().collect());
    variables
        .into_iter()
        .filter(|(key, _)| key != name)
        .chain([(name.into(), value.into())])
        .collect()
}

/// Executes this very program again, even when its file was deleted or replaced.
///
/// The child shares the parent's memory until it executes the program, as with `vfork`, so the cost
/// does not grow with the parent. `posix_spawn` would do the same, but has no way to close what the
/// program would inherit without a list of it, nor to give the process's descriptor. Standard input is
/// `/dev/null`, and the child leads a process group of its own.
pub(super) fn spawn(spec: &ChildSpec<'_>) -> io::Result<(Pid, OwnedFd)> {
    let environment = spec.environment.iter().map(|(key, value)| {
        let mut entry = Vec::with_capacity(key.len() + value.len() + 2);
        entry.extend_from_slice(key.as_bytes());
        entry.push(b'=');
        entry.extend_from_slice(value.as_bytes());
        entry
    });
    let arguments = spec.arguments.iter().map(|one| one.as_bytes().to_vec());
    let directory = spec.directory.map(|path| path.as_os_str().as_bytes());
    // The child's standard descriptors are set one after the other: none of them may be the source
    // of a later one.
    let stdout = spec.stdout.map(Source::new).transpose()?;
    let stderr = spec.stderr.map(Source::new).transpose()?;
    let sources = [(1, &stdout), (2, &stderr)];
    let mut plan = Plan {
        arguments: Strings::new(arguments)?,
        environment: Strings::new(environment)?,
        directory: directory.map(CString::new).transpose()?,
        outputs: sources.map(|(number, source)| Some((source.as_ref()?.number(), number))),
        closed: (!close_on_exec_from(RawFd::MAX)).then(inheritable),
        kept: spec.inherit.iter().map(AsRawFd::as_raw_fd).collect(),
        error: 0,
    };
    let (pid, pidfd) = plan.start()?;
    if plan.error != 0 {
        // It has ended, or is about to.
        let _ = retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
        let error = io::Error::from_raw_os_error(plan.error);
        return Err(explain(error, spec.directory));
    }
    let opened = match pidfd {
        Some(pidfd) => Ok(pidfd),
        // Where the call is imitated it may give none.
        None => pidfd_open(pid, PidfdFlags::empty()),
    };
    match opened {
        Ok(pidfd) => Ok((pid, pidfd)),
        Err(error) => {
            // Nobody has waited for the child yet, so the id is still its own.
            let _ = kill_process(pid, Signal::KILL);
            let _ = retry_on_intr(|| waitid(WaitId::Pid(pid), WaitIdOptions::EXITED));
            Err(error.into())
        }
    }
}

/// The kernel's one error number does not say which of the steps failed.
fn explain(error: io::Error, directory: Option<&Path>) -> io::Error {
    match directory {
        Some(directory) if !directory.is_dir() => {
            let what = format!("no working directory {}: {error}", directory.display());
            io::Error::new(error.kind(), what)
        }
        _ => error,
    }
}

/// A descriptor to be duplicated, which is none of the standard ones.
enum Source<'a> {
    Lent(BorrowedFd<'a>),
    Duplicate(OwnedFd),
}

impl<'a> Source<'a> {
    fn new(fd: BorrowedFd<'a>) -> io::Result<Self> {
        if fd.as_raw_fd() >= FIRST_OTHER {
            return Ok(Source::Lent(fd));
        }
        Ok(Source::Duplicate(fcntl_dupfd_cloexec(fd, FIRST_OTHER)?))
    }

    fn number(&self) -> RawFd {
        match self {
            Source::Lent(fd) => fd.as_raw_fd(),
            Source::Duplicate(fd) => fd.as_raw_fd(),
        }
    }
}

/// Descriptors, but for the standard ones, that this process would hand to every program it starts.
fn inheritable() -> Vec<RawFd> {
    // Without /proc a worker gets a few more descriptors, as any program would.
    let listed = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = listed.filter_map(|entry| entry.file_name().to_str()?.parse::<RawFd>().ok());
    numbers
        .filter(|fd| *fd >= FIRST_OTHER && !closes_on_exec(*fd))
        .collect()
}

fn closes_on_exec(fd: RawFd) -> bool {
    // SAFETY: reading the flags of a number that may or may not be a descriptor.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
    flags & libc::FD_CLOEXEC != 0
}
