//! A child process: watched by descriptor, ended with all that it started, and reaped.

#![expect(
    unsafe_code,
    reason = "what a process used is asked for by system call"
)]
#![cfg_attr(not(test), expect(dead_code, reason = "used by the pool next"))]

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use serde::{Deserialize, Serialize};

use super::memory::peak_memory;
use super::signal_name;
use super::spawn::{ChildSpec, spawn};
use super::tree::{kill_group, kill_tree, send};

/// Above all peaks.
const NOBODY_ASKS: u64 = u64::MAX;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a process, and those of its children that it waited for, took from start to end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// CPU time of all threads, in the program and in the kernel.
    pub(crate) cpu: Duration,
    /// Bytes of memory at the peak; 0 if that is not known.
    ///
    /// The kernel starts counting at the peak of the process that started it, which is ours. A child
    /// that never had more is known only if it was [killed](Child::kill).
    pub(crate) peak: u64,
}

/// A child process that has not been reaped; dropping it kills and reaps it.
///
/// Whatever ends it: what is left of its process group is killed, too.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pidfd: Arc<OwnedFd>,
    /// What the peak is counted from, once that is known.
    inherited_peak: Option<u64>,
    /// Its peak when it was killed.
    seen_peak: AtomicU64,
    end: Option<(Exit, Usage)>,
}

impl Child {
    /// Executes this very program again; see [`ChildSpec`].
    pub(crate) fn spawn(spec: &ChildSpec<'_>) -> io::Result<Self> {
        let (pid, pidfd) = spawn(spec)?;
        Ok(Self {
            pid,
            pidfd: Arc::new(pidfd),
            inherited_peak: None,
            seen_peak: AtomicU64::new(0),
            end: None,
        })
    }

    /// Finds out what the peak of each of these children is counted from, where that is not known.
    ///
    /// It takes as long as many system calls, so it is done when nothing else is to be done. For a child
    /// that fails before it is done then, when this process may have grown.
    pub(crate) fn settle<'a>(children: impl Iterator<Item = &'a mut Self>) {
        let mut peak = None;
        for child in children.filter(|child| child.inherited_peak.is_none()) {
            let peak = *peak.get_or_insert_with(|| peak_memory(std::process::id()));
            child.inherited_peak = Some(peak.unwrap_or(NOBODY_ASKS));
        }
    }

    /// Takes note of its peak until now, if it has not ended.
    pub(crate) fn note_peak(&self) {
        let peak = peak_memory(self.pid()).filter(|_| self.end.is_none());
        self.seen_peak
            .fetch_max(peak.unwrap_or(0), Ordering::Relaxed);
    }

    /// Nobody will ask for its peak.
    pub(crate) fn waive_peak(&mut self) {
        self.inherited_peak = Some(NOBODY_ASKS);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// For others who watch it, or [ask it to end](super::terminate).
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.pidfd)
    }

    /// Sends it a signal, and nobody else. Fails when it has been reaped, too.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        send(&self.pidfd, signal)
    }

    /// Asks it to end, with SIGTERM. One that is gone already needs no signal.
    pub(crate) fn terminate(&self) {
        let _ = self.signal(libc::SIGTERM);
    }

    /// Kills it and all that is below it or in its process group, at once; it is reaped later.
    ///
    /// What it cannot reach is told at the head of the module `tree`.
    pub(crate) fn kill(&self) {
        if self.end.is_none() {
            if self.inherited_peak != Some(NOBODY_ASKS) {
                self.note_peak();
            }
            kill_tree(self.pid, self.pidfd.as_fd());
        }
    }

    /// Reaps the child if it has ended; the descriptor is readable from then on.
    pub(crate) fn try_wait(&mut self) -> Option<(Exit, Usage)> {
        self.reap(WaitIdOptions::NOHANG)
    }

    fn reap(&mut self, options: WaitIdOptions) -> Option<(Exit, Usage)> {
        let options = options | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while self.end.is_none() {
            let status = match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Ok(None) => return None,
                Ok(status) => status,
                Err(Errno::INTR) => continue,
                // The host program reaped it, or ignores SIGCHLD; the descriptor says that it ended.
                Err(_) => None,
            };
            // As long as it is not reaped, nobody else has its id.
            kill_group(self.pid, self.pidfd.as_fd(), status.is_some());
            let exit = status.map_or(Exit::Unknown, |status| {
                match (status.exit_status(), status.terminating_signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                }
            });
            if exit != Exit::Code(0) {
                Self::settle(std::iter::once(&mut *self));
            }
            let usage = status.and_then(|_| self.take_usage());
            self.end = Some((exit, usage.unwrap_or_default()));
        }
        self.end
    }

    /// Reaps the child, which has ended; none if somebody else did.
    fn take_usage(&self) -> Option<Usage> {
        let mut usage = MaybeUninit::<libc::rusage>::zeroed();
        // The C library's own function does not ask for what the process used.
        // SAFETY: the descriptor is open, the kernel writes to `usage` only, which is valid for that,
        // and a null pointer is allowed for what is known already.
        let result = unsafe {
            libc::syscall(
                libc::SYS_waitid,
                libc::P_PIDFD,
                self.pidfd.as_raw_fd(),
                ptr::null_mut::<libc::siginfo_t>(),
                libc::WEXITED | libc::WNOHANG,
                usage.as_mut_ptr(),
            )
        };
        if result != 0 {
            return None;
        }
        // SAFETY: all zeros is a valid value of this plain C struct, and so is what the kernel wrote.
        let usage = unsafe { usage.assume_init() };
        let peak = (usage.ru_maxrss.unsigned_abs()).saturating_mul(1024);
        let known = self
            .inherited_peak
            .is_some_and(|inherited| peak > inherited);
        let own = if known { peak } else { 0 };
        Some(Usage {
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            peak: own.max(self.seen_peak.load(Ordering::Relaxed)),
        })
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_micros(time.tv_usec.unsigned_abs())
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
            self.reap(WaitIdOptions::empty());
        }
    }
}
