//! A descriptor that a process makes readable to have another one look, and waiting for several descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;

use super::standard::wait_ready;

/// An event counter: [`notify`](Notify::notify) makes it readable, [`clear`](Notify::clear) takes that back.
#[derive(Debug)]
pub(crate) struct Notify(OwnedFd);

impl Notify {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    pub(crate) fn notify(&self) {
        // A full counter is as readable as one that was raised once more.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn clear(&self) {
        let _ = rustix::io::read(&self.0, &mut [0_u8; 8]);
    }
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// An event counter that belongs to several processes.
pub(crate) fn event() -> io::Result<OwnedFd> {
    Ok(Notify::new()?.0)
}

/// Makes an event counter readable.
pub(crate) fn raise(event: BorrowedFd<'_>) {
    let _ = rustix::io::write(event, &1_u64.to_ne_bytes());
}

/// Takes back what made an event counter readable.
pub(crate) fn lower(event: BorrowedFd<'_>) {
    let _ = rustix::io::read(event, &mut [0_u8; 8]);
}

/// A descriptor, and what is waited for; that its other end is gone always ends a wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait<'a> {
    fd: BorrowedFd<'a>,
    events: PollFlags,
}

impl<'a> Wait<'a> {
    /// That there is something to read.
    pub(crate) fn to_read(fd: BorrowedFd<'a>) -> Self {
        let events = PollFlags::IN;
        Self { fd, events }
    }

    /// That there is room to write.
    pub(crate) fn to_write(fd: BorrowedFd<'a>) -> Self {
        let events = PollFlags::OUT;
        Self { fd, events }
    }

    /// That the other end is gone.
    pub(crate) fn for_end(fd: BorrowedFd<'a>) -> Self {
        let events = PollFlags::empty();
        Self { fd, events }
    }
}

/// How it stands with a descriptor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// What was waited for is there, or never will be.
    pub(crate) ready: bool,
    /// Nobody has the other end any more.
    pub(crate) hung_up: bool,
}

/// Waits for one of several things, or for `timeout`; may return early, with nothing ready.
pub(crate) fn wait_on(waits: &[Wait<'_>], timeout: Option<Duration>) -> io::Result<Vec<Readiness>> {
    let timeout = timeout.map(|limit| rustix::time::Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let mut polled: Vec<_> = waits
        .iter()
        .map(|wait| PollFd::from_borrowed_fd(wait.fd, wait.events))
        .collect();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => {}
        Err(Errno::INTR) => return Ok(vec![Readiness::default(); waits.len()]),
        Err(error) => return Err(error.into()),
    }
    let readiness = |found: PollFlags| Readiness {
        ready: !found.is_empty(),
        hung_up: found.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
    };
    Ok(polled.iter().map(|one| readiness(one.revents())).collect())
}

/// True when a descriptor is readable now; false also when that cannot be told, for lack of memory.
pub(crate) fn is_readable(fd: impl AsFd) -> bool {
    let ready = wait_readable(&[fd.as_fd()], Some(Duration::ZERO));
    ready.is_ok_and(|ready| ready == [true])
}

/// Waits until one of `fds` is readable, or for `timeout`; says which are.
pub(crate) fn wait_readable(
    fds: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    wait_ready(fds, &[], timeout)
}
