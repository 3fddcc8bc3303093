//! Starting a child: this program again, with an environment, a folder and outputs of its own.

#![expect(unsafe_code, reason = "posix_spawn is called through the C library")]

use std::ffi::{CString, OsString, c_char};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};

/// The first number that is none of a standard descriptor.
const FIRST_OTHER: RawFd = 3;

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
/// `posix_spawn` shares the parent's memory until the exec, so its cost does not grow with the
/// parent, and no code of ours runs between fork and exec. Standard input is `/dev/null`, and the
/// child leads a process group of its own.
pub(super) fn spawn(spec: &ChildSpec<'_>) -> io::Result<(Pid, OwnedFd)> {
    let arguments = c_strings(spec.arguments.iter().cloned())?;
    let environment = c_strings(spec.environment.iter().map(|(key, value)| {
        let mut entry = key.clone();
        entry.push("=");
        entry.push(value);
        entry
    }))?;

    let mut actions = FileActions::new()?;
    // The child's standard descriptors are set one after the other: none of them may be the source
    // of a later one.
    let stdout = spec.stdout.map(Source::new).transpose()?;
    let stderr = spec.stderr.map(Source::new).transpose()?;
    actions.open_null_as_stdin()?;
    for (number, source) in [(1, &stdout), (2, &stderr)] {
        if let Some(source) = source {
            actions.duplicate(source.number(), number)?;
        }
    }
    let kept: Vec<RawFd> = spec.inherit.iter().map(AsRawFd::as_raw_fd).collect();
    for fd in inheritable().into_iter().filter(|fd| !kept.contains(fd)) {
        actions.close(fd)?;
    }
    for fd in kept {
        // Duplicating a descriptor onto itself clears its close-on-exec flag, in the child only.
        actions.duplicate(fd, fd)?;
    }
    if let Some(directory) = spec.directory {
        actions.enter(directory)?;
    }
    let attributes = Attributes::new()?;

    let mut pid: libc::pid_t = 0;
    // SAFETY: every pointer is to a live, initialised value: C strings, arrays of pointers to them
    // that end in null, and the two objects of the C library.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            c"/proc/self/exe".as_ptr(),
            &raw const *actions.0,
            &raw const *attributes.0,
            pointers(&arguments).as_ptr(),
            pointers(&environment).as_ptr(),
        )
    };
    check(error).map_err(|error| explain(error, spec.directory))?;
    let Some(pid) = Pid::from_raw(pid) else {
        return Err(io::Error::other("posix_spawn gave no process id"));
    };
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) => Ok((pid, pidfd)),
        Err(error) => {
            // Nobody has waited for the child yet, so the id is still its own.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
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

fn c_strings(strings: impl Iterator<Item = OsString>) -> io::Result<Vec<CString>> {
    strings
        .map(|string| CString::new(string.into_vec()).map_err(io::Error::other))
        .collect()
}

fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings
        .iter()
        .map(|string| string.as_ptr().cast_mut())
        .chain([ptr::null_mut()])
        .collect()
}

fn check(error: i32) -> io::Result<()> {
    if error == 0 {
        Ok(())
    } else {
        Err(io::Error::from_raw_os_error(error))
    }
}

/// The C library's list of what happens to descriptors between fork and exec.
struct FileActions(Box<libc::posix_spawn_file_actions_t>);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = Box::new(MaybeUninit::uninit());
        // SAFETY: the pointer is valid for writes of the object that the call initialises.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: initialised by the successful call above.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn open_null_as_stdin(&mut self) -> io::Result<()> {
        // SAFETY: the object is initialised, and the path is a C string that is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(
                &raw mut *self.0,
                0,
                c"/dev/null".as_ptr(),
                libc::O_RDONLY,
                0,
            )
        })
    }

    fn close(&mut self, fd: RawFd) -> io::Result<()> {
        // One that another thread has closed by then does no harm.
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawn_file_actions_addclose(&raw mut *self.0, fd) })
    }

    fn duplicate(&mut self, from: RawFd, to: RawFd) -> io::Result<()> {
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut *self.0, from, to) })
    }

    fn enter(&mut self, directory: &Path) -> io::Result<()> {
        let directory = CString::new(directory.as_os_str().as_bytes()).map_err(io::Error::other)?;
        // SAFETY: the object is initialised, and the path is a C string that is copied.
        check(unsafe {
            libc::posix_spawn_file_actions_addchdir_np(&raw mut *self.0, directory.as_ptr())
        })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut *self.0) };
    }
}

/// The C library's attributes of a new process.
struct Attributes(Box<libc::posix_spawnattr_t>);

impl Attributes {
    /// A process that blocks no signal, though the thread that starts it blocks them all, and that
    /// leads a group of its own: a terminal's signals do not reach it, and it can be ended together
    /// with what it started.
    fn new() -> io::Result<Self> {
        let mut attributes = Box::new(MaybeUninit::uninit());
        // SAFETY: the pointer is valid for writes of the object that the call initialises.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: initialised by the successful call above.
        let mut this = Self(unsafe { attributes.assume_init() });

        let mut none = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the pointer is valid for writes; the call cannot fail on a valid pointer.
        unsafe { libc::sigemptyset(none.as_mut_ptr()) };
        // SAFETY: both objects are initialised.
        check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut *this.0, none.as_ptr()) })?;
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawnattr_setpgroup(&raw mut *this.0, 0) })?;
        let flags = libc::POSIX_SPAWN_SETSIGMASK | libc::POSIX_SPAWN_SETPGROUP;
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut *this.0, flags as libc::c_short) })?;
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut *self.0) };
    }
}
