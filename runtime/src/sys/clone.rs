//! The child between its making and its program: it shares the parent's memory, and makes system calls only.

#![expect(
    unsafe_code,
    reason = "a process is cloned and prepared by system calls"
)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::process::Pid;

use super::spawn::FIRST_OTHER;

/// Signals have numbers up to this one.
const LAST_SIGNAL: c_int = 64;
/// What the child may use of its parent's stack: its few calls, and the dynamic linker should it bind them
/// only now.
const STACK: usize = 32 << 10;

/// What the child does until it executes the program, made by its parent: the child must not allocate.
pub(super) struct Plan {
    pub(super) arguments: Strings,
    pub(super) environment: Strings,
    pub(super) directory: Option<CString>,
    /// Which descriptors get the numbers of standard ones.
    pub(super) outputs: [Option<(RawFd, RawFd)>; 2],
    /// What is to be closed; none if the kernel closes what is not kept.
    pub(super) closed: Option<Vec<RawFd>>,
    pub(super) kept: Vec<RawFd>,
    /// Why the child could not execute the program, 0 if it did.
    pub(super) error: c_int,
}

/// Strings as a program is given them.
pub(super) struct Strings {
    _owned: Vec<CString>,
    /// With a null at the end.
    pointers: Vec<*const c_char>,
}

impl Strings {
    /// Fails if one of them has a NUL byte.
    pub(super) fn new(strings: impl Iterator<Item = Vec<u8>>) -> io::Result<Self> {
        let owned: Vec<_> = strings.map(CString::new).collect::<Result<_, _>>()?;
        let pointers = owned.iter().map(|string| string.as_ptr());
        let pointers = pointers.chain([ptr::null()]).collect();
        Ok(Self {
            _owned: owned,
            pointers,
        })
    }
}

impl Plan {
    /// Starts the child, and waits until it executes the program or fails. Gives its id and its descriptor.
    pub(super) fn start(&mut self) -> io::Result<(Pid, Option<OwnedFd>)> {
        let mut stack = MaybeUninit::<Stack>::uninit();
        // It grows down.
        let top = stack.as_mut_ptr().wrapping_add(1);
        let mut pidfd: c_int = -1;
        // A handler of the parent's that ran in the child would change the parent's memory.
        let before = block_signals();
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        // SAFETY: this thread stands still until the child has executed a program or has ended, so that
        // the stack, the plan and the number outlive the child's use of them; and so may it use what
        // belongs to the thread. The child only makes system calls.
        let pid = unsafe {
            libc::clone(
                child,
                top.cast(),
                flags,
                ptr::from_mut(self).cast(),
                &raw mut pidfd,
            )
        };
        let failure = io::Error::last_os_error();
        set_blocked(&before);
        let pid = Pid::from_raw(pid.max(0)).ok_or(failure)?;
        // SAFETY: the kernel opened the descriptor just now, and it is taken over once.
        let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
        Ok((pid, pidfd))
    }

    /// Returns only if that fails.
    fn execute(&self) -> c_int {
        reset_handlers();
        if let Err(error) = self.prepare() {
            return error;
        }
        set_blocked(&no_signals());
        // SAFETY: C strings, and arrays of pointers to them that end in null.
        unsafe {
            libc::execve(
                c"/proc/self/exe".as_ptr(),
                self.arguments.pointers.as_ptr(),
                self.environment.pointers.as_ptr(),
            )
        };
        errno()
    }

    fn prepare(&self) -> Result<(), c_int> {
        // A group of its own: a terminal's signals do not reach it, and it can be ended together with
        // what it started.
        // SAFETY: changes this process only.
        check(unsafe { libc::setpgid(0, 0) })?;
        // SAFETY: the path is a C string.
        let null = unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
        check(null)?;
        inherit_as(null, 0)?;
        for (from, to) in self.outputs.iter().flatten() {
            inherit_as(*from, *to)?;
        }
        match &self.closed {
            None => drop(close_on_exec_from(FIRST_OTHER)),
            Some(closed) => {
                for fd in closed {
                    // One that another thread has closed by then does no harm.
                    // SAFETY: changes the flags of a number that may or may not be a descriptor.
                    unsafe { libc::fcntl(*fd, libc::F_SETFD, libc::FD_CLOEXEC) };
                }
            }
        }
        for fd in &self.kept {
            inherit_as(*fd, *fd)?;
        }
        if let Some(directory) = &self.directory {
            // SAFETY: the path is a C string.
            check(unsafe { libc::chdir(directory.as_ptr()) })?;
        }
        Ok(())
    }
}

#[repr(C, align(16))]
struct Stack([u8; STACK]);

/// The child's life.
extern "C" fn child(plan: *mut c_void) -> c_int {
    let plan: *mut Plan = plan.cast();
    // SAFETY: the parent passed a plan that it does not touch meanwhile.
    let plan = unsafe { &mut *plan };
    plan.error = plan.execute();
    // SAFETY: ends the child, and runs nothing of the parent's.
    unsafe { libc::_exit(127) }
}

/// Has the program that is executed get a descriptor under a number, which may be its own.
fn inherit_as(fd: RawFd, number: RawFd) -> Result<(), c_int> {
    if fd == number {
        // SAFETY: changes the flags of a descriptor.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, 0) })
    } else {
        // SAFETY: in the child the number belongs to nobody, or to a standard stream.
        check(unsafe { libc::dup2(fd, number) })
    }
}

/// Has the kernel close all descriptors from this number on at the next `exec`; false if it cannot, as
/// before Linux 5.11.
pub(super) fn close_on_exec_from(first: RawFd) -> bool {
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: changes flags of descriptors, in a child, or of none at all.
    unsafe { libc::syscall(libc::SYS_close_range, first, RawFd::MAX, flags) == 0 }
}

/// Handlers of the parent's must not run in the child, whose program has none of them.
fn reset_handlers() {
    for signal in 1..=LAST_SIGNAL {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: the pointer is valid for writes. Numbers that are not for programs are refused.
        let known = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) } == 0;
        // SAFETY: all zeros is a valid value of this plain C struct, and so is what was written.
        let mut action = unsafe { action.assume_init() };
        if known && ![libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction) {
            action.sa_sigaction = libc::SIG_DFL;
            // SAFETY: a complete description, of what the kernel does without a handler.
            unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
        }
    }
}

/// Blocks all signals in this thread; gives those that were blocked before.
fn block_signals() -> libc::sigset_t {
    let mut all = no_signals();
    let mut before = no_signals();
    // SAFETY: the pointer is valid for writes.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both are initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    before
}

/// Has just these signals blocked in this thread.
fn set_blocked(signals: &libc::sigset_t) {
    // SAFETY: the set is initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, ptr::from_ref(signals), ptr::null_mut()) };
}

fn no_signals() -> libc::sigset_t {
    let mut none = MaybeUninit::uninit();
    // SAFETY: the pointer is valid for writes; the call cannot fail on a valid pointer.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: initialised by the call above.
    unsafe { none.assume_init() }
}

fn errno() -> c_int {
    io::Error::last_os_error()
        .raw_os_error()
        .unwrap_or(libc::EIO)
}

fn check(result: c_int) -> Result<(), c_int> {
    if result < 0 { Err(errno()) } else { Ok(()) }
}
