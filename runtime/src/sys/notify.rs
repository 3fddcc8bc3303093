//! A descriptor that a process makes readable to have another one look, and waiting for several descriptors.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

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
