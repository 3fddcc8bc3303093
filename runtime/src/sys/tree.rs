//! The end of a process together with all that it started.
//!
//! Two ways lead to what a process started. Its process group holds what did not leave that, also
//! after the death of those between. The lists of children in `/proc` hold what is below it, whatever
//! group or session it is in, as long as those between live; a process below a
//! [subreaper](become_subreaper) that loses its parent becomes a child of the subreaper, so that
//! daemons are below it too.
//!
//! What cannot be guaranteed: when a process ends by itself, what it started and what has left its
//! process group is out of reach. The same holds for programs that change to another user, which
//! cannot be signalled, for kernels without lists of children (built without `PROC_CHILDREN`), and
//! while this process has no descriptor left to read them.

#![expect(unsafe_code, reason = "signals are sent to a group by descriptor")]

use std::collections::HashSet;
#[cfg(feature = "mpi")]
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
#[cfg(feature = "mpi")]
use std::os::unix::{fs::MetadataExt, process::parent_id};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, pidfd_open,
    set_child_subreaper, waitid,
};

use super::{proc, wait_readable};

/// How long to wait until a process that is told to stop does so. It takes longer only if there is no
/// CPU for the process, which then makes no children either.
const STOP_LIMIT: Duration = Duration::from_micros(100);
/// How long to wait until processes that were killed have ended.
const END_LIMIT: Duration = Duration::from_millis(10);
/// How long to look for more and more of them.
const LIMIT: Duration = Duration::from_millis(100);

/// `PIDFD_SIGNAL_PROCESS_GROUP`, from Linux 6.9 on.
const WHOLE_GROUP: u32 = 4;

/// Adopts all descendants that lose their parents, from now on: they stay below this process.
pub(crate) fn become_subreaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// Asks the process that the descriptor is open on to end, with SIGTERM. One that is gone already needs
/// no signal.
pub(crate) fn terminate(pidfd: impl AsFd) {
    let _ = send(pidfd, libc::SIGTERM);
}

/// Ends a process by force if it is one of the same program and has the same parent as this process.
#[cfg(feature = "mpi")]
pub(crate) fn end_sibling(id: u32) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return;
    };
    // What is read afterwards is about the process of the descriptor, or about none.
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    let program = |of: String| {
        let file = fs::metadata(format!("/proc/{of}/exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let own = program("self".to_owned());
    let parent = proc::parent(id) == Some(parent_id());
    if parent && own.is_some() && program(id.to_string()) == own {
        let _ = send(pidfd, libc::SIGKILL);
    }
}

/// Reaps children of this process that have ended, the oldest first, until only `kept` are left.
///
/// Nobody waits for those that it [adopted](become_subreaper), and nothing tells them from those that
/// somebody may still wait for; but who leaves so many unwaited for will hardly do so.
pub(crate) fn reap_beyond(kept: usize) {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    if !matches!(
        waitid(WaitId::All, ended | WaitIdOptions::NOWAIT),
        Ok(Some(_))
    ) {
        return;
    }
    let children = proc::children(std::process::id()).unwrap_or_default();
    let zombies: Vec<_> = children
        .into_iter()
        .filter(|id| proc::is_zombie(*id))
        .collect();
    let surplus = zombies.len().saturating_sub(kept);
    for id in &zombies[..surplus] {
        if let Some(pid) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
            let _ = waitid(WaitId::Pid(pid), ended);
        }
    }
}

/// Sends a signal to the process that the descriptor is open on, and to nobody else.
pub(super) fn send(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    send_with(pidfd.as_fd(), signal, 0)
}

fn send_with(pidfd: BorrowedFd<'_>, signal: i32, flags: u32) -> io::Result<()> {
    // SAFETY: the descriptor is open, and without details the kernel reads none.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal,
            std::ptr::null::<libc::siginfo_t>(),
            flags,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Kills the group that the process leads, or led while it lived.
///
/// `reserved` says that the process has not been reaped, so that its id is not yet anyone else's.
pub(super) fn kill_group(pid: Pid, pidfd: BorrowedFd<'_>, reserved: bool) {
    let sent = send_with(pidfd, libc::SIGKILL, WHOLE_GROUP);
    let unknown = sent.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL));
    if unknown && reserved {
        // An empty group is what is wanted.
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// Of a process whose start was not asked for: nothing starts together with the kernel.
pub(crate) const UNKNOWN: u64 = 0;

/// Kills the group that was led by the process with this id that was [started](proc::started) then.
///
/// The leader need not be a child of this process, and may have ended. Then its group keeps the id
/// from being used again; an empty group does not, so it has to have ended only just now. With the start
/// [unknown](UNKNOWN) it has to be started only just now.
pub(crate) fn kill_group_of(id: u32, started: u64) {
    let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
        return;
    };
    let is_another = started != UNKNOWN && proc::started(id).is_some_and(|found| found != started);
    // The group of the first process would be everything.
    if pid != Pid::INIT && !is_another {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

/// A descriptor of this process, readable for who inherits it when the process has ended.
pub(crate) fn open_self() -> io::Result<OwnedFd> {
    Ok(pidfd_open(getpid(), PidfdFlags::empty())?)
}

/// Kills a child of this process, all its descendants and its process group.
///
/// The child is stopped first, and then gone through again and again until nothing new is found, so
/// that nothing escapes by being born meanwhile. Without descendants that takes as long as the child
/// takes to stop, some 100 µs; it never takes more than some 100 ms.
pub(super) fn kill_tree(pid: Pid, pidfd: BorrowedFd<'_>) {
    let begin = Instant::now();
    let _ = send(pidfd, libc::SIGSTOP);
    let root = Member {
        id: pid.as_raw_nonzero().get().unsigned_abs(),
        fd: pidfd,
    };
    let mut known = HashSet::new();
    while begin.elapsed() < LIMIT {
        let stopped = is_stopped(pidfd);
        let found = stop_descendants(root);
        for process in &found {
            let _ = send(&process.fd, libc::SIGKILL);
        }
        let new = found.iter().filter(|one| known.insert(one.id)).count();
        if new == 0 {
            if stopped || begin.elapsed() > STOP_LIMIT {
                break;
            }
            continue;
        }
        // What one of them made until it was stopped has another parent as soon as it has ended.
        let wait = Instant::now();
        for process in &found {
            let left = END_LIMIT.saturating_sub(wait.elapsed());
            let _ = wait_readable(&[process.fd.as_fd()], Some(left));
        }
    }
    kill_group(pid, pidfd, root.keeps_id());
    let _ = send(pidfd, libc::SIGKILL);
}

/// Waits until the processes with these ids have ended, so long at most.
pub(crate) fn wait_for_ends(ids: &[u32], limit: Duration) {
    let begin = Instant::now();
    for id in ids {
        let pid = i32::try_from(*id).ok().and_then(Pid::from_raw);
        let fd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        if let Some(fd) = fd {
            let left = limit.saturating_sub(begin.elapsed());
            let _ = wait_readable(&[fd.as_fd()], Some(left));
        }
    }
}

/// True when no thread of a child runs any more: it has ended, or all of them are stopped.
fn is_stopped(pidfd: BorrowedFd<'_>) -> bool {
    let options = WaitIdOptions::STOPPED
        | WaitIdOptions::EXITED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT;
    match waitid(WaitId::PidFd(pidfd), options) {
        Ok(status) => status.is_some(),
        Err(error) => error != Errno::INTR,
    }
}

/// A process that is known by its descriptor, so that its id can be checked.
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    id: u32,
    fd: BorrowedFd<'a>,
}

impl Member<'_> {
    /// True while the id is its own: it runs, or has not been reaped.
    fn keeps_id(self) -> bool {
        send(self.fd, 0).map_err(|error| error.raw_os_error()) != Err(Some(libc::ESRCH))
    }
}

/// Stops what is below `root`, each one before its own children are listed, and gives all of it that
/// can be killed, or as much as there are descriptors for.
fn stop_descendants(root: Member<'_>) -> Vec<Descendant> {
    let mut found: Vec<Descendant> = Vec::new();
    let mut visited = 0;
    let mut children = proc::children(root.id).unwrap_or_default();
    'walk: loop {
        for id in children {
            let parent = match visited {
                0 => root,
                _ => found[visited - 1].member(),
            };
            match Descendant::stop(id, parent, root) {
                Ok(Some(one)) => found.push(one),
                Ok(None) => {}
                Err(_) => break 'walk,
            }
        }
        let Some(next) = found.get(visited) else {
            break;
        };
        children = proc::children(next.id).unwrap_or_default();
        visited += 1;
    }
    found.retain(|one| one.killable);
    found
}

/// A process below another one, which runs, or is about to stop.
#[derive(Debug)]
struct Descendant {
    id: u32,
    fd: OwnedFd,
    /// False if it belongs to another user.
    killable: bool,
}

impl Descendant {
    fn member(&self) -> Member<'_> {
        Member {
            id: self.id,
            fd: self.fd.as_fd(),
        }
    }

    /// Stops the process that was found in the parent's list; none if it has ended or is another one
    /// by now. Fails when there are no descriptors left.
    fn stop(id: u32, parent: Member<'_>, root: Member<'_>) -> io::Result<Option<Self>> {
        let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let fd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM) => return Err(Errno::MFILE.into()),
            Err(_) => return Ok(None),
        };
        // If the parent of whoever has the id now is one of ours, then so is what the descriptor was
        // opened on, or that has ended. Orphans come to the root.
        let known = match proc::parent(id) {
            Some(found) if found == parent.id => parent.keeps_id(),
            Some(found) if found == root.id => root.keeps_id(),
            _ => false,
        };
        if !known || wait_readable(&[fd.as_fd()], Some(Duration::ZERO))? == [true] {
            return Ok(None);
        }
        let killable = send(&fd, libc::SIGSTOP).is_ok();
        Ok(Some(Self { id, fd, killable }))
    }
}
