//! A process in one word, and whether it is over.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::proc::{started, stat_of, thread_exists};
use super::thread::forks;

/// Ids of processes are below 2^22; the rest is when it was started.
const PID_BITS: u32 = 22;
/// In the flags of a thread: it is ending, and will not run the program any more.
const ENDING: u64 = 0x4;
/// The pause when there is no descriptor to wait with.
const PAUSE: Duration = Duration::from_millis(1);

/// A process, told from those that get its id later; or none, as 0.
///
/// Another process may have written it: it can be anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

impl Mark {
    pub(crate) const NOBODY: Self = Self(0);

    /// This process; a copy that was made by `fork` is another one.
    pub(super) fn of_this_process() -> Self {
        static MARK: AtomicU64 = AtomicU64::new(0);
        /// How often the process had been forked when the mark was made, and 1.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let now = forks().wrapping_add(1);
        if MADE.load(Ordering::Acquire) == now {
            return Self(MARK.load(Ordering::Relaxed));
        }
        let pid = std::process::id();
        // Without `/proc` the id has to do.
        let mark = Self::of(pid, started(pid).unwrap_or(0));
        MARK.store(mark.0, Ordering::Relaxed);
        MADE.store(now, Ordering::Release);
        mark
    }

    fn of(pid: u32, started: u64) -> Self {
        Self(started << PID_BITS | u64::from(pid))
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    fn pid(self) -> u32 {
        (self.0 & ((1 << PID_BITS) - 1)) as u32
    }

    /// True when no thread of the process will run the program any more, though its end may take some
    /// more time; true for nobody.
    pub(crate) fn is_over(self) -> bool {
        let pid = self.pid();
        if pid == 0 {
            return true;
        }
        match started(pid) {
            // Also without a descriptor to read it.
            None => !thread_exists(pid),
            Some(since) => {
                let known = self.0 >> PID_BITS;
                (known != 0 && Self::of(pid, since) != self) || is_ending(pid)
            }
        }
    }

    /// Waits until the process has ended, at most for `limit`. True if it has; false is no answer.
    ///
    /// It was not over just before: another process that has its id now shows that it is.
    pub(crate) fn ends_within(self, limit: Duration) -> bool {
        let Some(pid) = Pid::from_raw(self.pid().cast_signed()) else {
            return true;
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => {
                let mut fds = [PollFd::new(&fd, PollFlags::IN)];
                let limit = Timespec::try_from(limit).ok();
                poll(&mut fds, limit.as_ref()).is_ok_and(|ended| ended > 0)
            }
            Err(Errno::SRCH) => true,
            Err(_) => {
                sleep(limit.min(PAUSE));
                false
            }
        }
    }
}

/// True if all threads of a process are ending.
fn is_ending(pid: u32) -> bool {
    let mut ending = Vec::new();
    loop {
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
            return !thread_exists(pid);
        };
        let before = ending.len();
        for thread in threads {
            let Ok(thread) = thread else {
                return false;
            };
            let path = thread.path();
            if !ending.contains(&path) {
                if !is_thread_ending(&path) {
                    return false;
                }
                ending.push(path);
            }
        }
        // One that has ended since may have started another one before.
        if ending.len() == before {
            return true;
        }
    }
}

fn is_thread_ending(path: &Path) -> bool {
    let flags = |stat: &str| stat_of(stat, 9)?.parse::<u64>().ok();
    match fs::read(path.join("stat")) {
        Ok(stat) => {
            let stat = String::from_utf8_lossy(&stat);
            matches!(stat_of(&stat, 3), Some("Z" | "X"))
                || flags(&stat).is_some_and(|flags| flags & ENDING != 0)
        }
        Err(error) => {
            error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_over_when_it_has_ended_and_not_before() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mark = Mark::of(child.id(), started(child.id()).unwrap());
        assert!(!mark.is_over());
        assert!(!mark.ends_within(Duration::from_millis(1)));
        child.kill().unwrap();
        assert!(mark.ends_within(Duration::from_secs(60)));
        assert!(mark.is_over(), "it was not reaped yet");
        child.wait().unwrap();
        assert!(mark.is_over());
        assert!(mark.ends_within(Duration::from_secs(60)));
    }

    #[test]
    fn a_process_that_got_the_id_later_is_another_one() {
        let me = Mark::of_this_process();
        assert_eq!(me, Mark::of_this_process());
        assert!(!me.is_over());
        assert!(Mark::of(me.pid(), (me.0 >> PID_BITS) - 1).is_over());
        assert!(Mark::NOBODY.is_over());
        assert!(Mark::from_bits(u64::MAX).is_over());
    }
}
