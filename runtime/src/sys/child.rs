//! A child process: started from this program's own executable, watched and reaped by descriptor.

#![expect(unsafe_code, reason = "posix_spawn is called through the C library")]

use std::ffi::{CString, OsString, c_char};
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;

use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use super::signal_name;

/// What a child is started with, besides this process's own arguments and environment.
#[derive(Debug)]
pub(crate) struct ChildSpec<'a> {
    /// The one variable that is added to the environment.
    pub(crate) variable: (&'a str, String),
    /// Descriptors that the child gets under their own numbers; all others close.
    pub(crate) inherit: Vec<BorrowedFd<'a>>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// Something else in this program waited for the child first.
    Unknown,
}

impl Exit {
    /// What `abort` does.
    pub(crate) const ABORT: Self = Exit::Signal(libc::SIGABRT);
    /// By somebody else, or by the kernel when memory ran out.
    pub(crate) const KILLED: Self = Exit::Signal(libc::SIGKILL);
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(signal) => match signal_name(signal) {
                Some(name) => write!(f, "was ended by signal {signal} ({name})"),
                None => write!(f, "was ended by signal {signal}"),
            },
            Exit::Unknown => {
                f.write_str("ended unseen (another part of this program waited for it)")
            }
        }
    }
}

/// A child process that has not been reaped; dropping it kills and reaps it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: u32,
    pidfd: OwnedFd,
    exit: Option<Exit>,
}

impl Child {
    /// Executes this very program again, even when its file was deleted or replaced.
    ///
    /// `posix_spawn` shares the parent's memory until the exec, so its cost does not grow with
    /// the parent, and no code of ours runs between fork and exec. Standard input is `/dev/null`.
    pub(crate) fn spawn(spec: &ChildSpec<'_>) -> io::Result<Self> {
        let arguments = c_strings(std::env::args_os())?;
        let (name, value) = &spec.variable;
        let environment = std::env::vars_os()
            .filter(|(key, _)| key != name)
            .chain([((*name).into(), value.into())])
            .map(|(key, value)| {
                let mut entry = key;
                entry.push("=");
                entry.push(value);
                entry
            });
        let environment = c_strings(environment)?;
        let mut actions = FileActions::new()?;
        actions.open_null_as_stdin()?;
        let kept: Vec<RawFd> = spec.inherit.iter().map(AsRawFd::as_raw_fd).collect();
        for fd in inheritable().into_iter().filter(|fd| !kept.contains(fd)) {
            actions.close(fd)?;
        }
        for fd in kept {
            actions.keep(fd)?;
        }
        let attributes = Attributes::with_no_signal_blocked()?;

        let mut pid: libc::pid_t = 0;
        // SAFETY: every pointer is to a live, initialised value: C strings, arrays of pointers
        // to them that end in null, and the two objects of the C library.
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
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let Some(pid) = Pid::from_raw(pid) else {
            return Err(io::Error::other("posix_spawn gave no process id"));
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => Ok(Self {
                pid: pid.as_raw_nonzero().get().unsigned_abs(),
                pidfd,
                exit: None,
            }),
            Err(error) => {
                // Nobody has waited for the child yet, so the id is still its own.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
                let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
                Err(error.into())
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn kill(&self) {
        // A child that is gone already needs no signal.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Reaps the child if it has ended; the descriptor is readable from then on.
    pub(crate) fn try_wait(&mut self) -> Option<Exit> {
        self.reap(WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
    }

    fn reap(&mut self, options: WaitIdOptions) -> Option<Exit> {
        while self.exit.is_none() {
            self.exit = match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(None) => return None,
                Ok(Some(status)) => {
                    Some(match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => Exit::Code(code),
                        (None, Some(signal)) => Exit::Signal(signal),
                        (None, None) => Exit::Unknown,
                    })
                }
                Err(rustix::io::Errno::INTR) => continue,
                // The host program reaped it, or ignores SIGCHLD; the descriptor says that it ended.
                Err(_) => Some(Exit::Unknown),
            };
        }
        self.exit
    }
}

impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            self.kill();
            self.reap(WaitIdOptions::EXITED);
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
        .filter(|fd| *fd > 2 && !closes_on_exec(*fd))
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

    fn keep(&mut self, fd: RawFd) -> io::Result<()> {
        // Duplicating a descriptor onto itself clears its close-on-exec flag, in the child only.
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut *self.0, fd, fd) })
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
    /// The spawning thread blocks every signal; the child must not.
    fn with_no_signal_blocked() -> io::Result<Self> {
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
        let flags = libc::POSIX_SPAWN_SETSIGMASK as libc::c_short;
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut *this.0, flags) })?;
        Ok(this)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `with_no_signal_blocked`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut *self.0) };
    }
}
