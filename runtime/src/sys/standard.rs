//! Standard output and error: those of this process, and pipes for those of its workers.

#![expect(
    unsafe_code,
    reason = "descriptors are waited for by number, and the C library's own streams flushed"
)]

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::time::Timespec;

/// One of the two streams that a program writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standard {
    Output = 0,
    Error = 1,
}

impl Standard {
    pub(crate) const BOTH: [Self; 2] = [Standard::Output, Standard::Error];
}

impl AsFd for Standard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Standard::Output => rustix::stdio::stdout(),
            Standard::Error => rustix::stdio::stderr(),
        }
    }
}

/// What became of reading what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read {
    Bytes,
    /// Nothing is there now.
    Nothing,
    /// Nothing will come any more.
    End,
}

/// What became of writing as much as there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    Bytes(usize),
    /// There is no room now.
    Full,
    /// Nobody will read it.
    Broken,
}

/// A pipe: the end to read from, which never waits, and the end to write to.
pub(crate) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&reader, OFlags::NONBLOCK)?;
    Ok((reader, writer))
}

/// What swallows all that is written to it.
pub(crate) fn null() -> io::Result<OwnedFd> {
    let file: File = OpenOptions::new().write(true).open("/dev/null")?;
    Ok(file.into())
}

/// Reads from a pipe what is there, at most `most` bytes, in place of what is in the buffer.
pub(crate) fn read_now(pipe: &OwnedFd, most: usize, buffer: &mut Vec<u8>) -> Read {
    buffer.clear();
    buffer.reserve_exact(most);
    loop {
        return match rustix::io::read(pipe, spare_capacity(buffer)) {
            Ok(0) => Read::End,
            Ok(_) => Read::Bytes,
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Read::Nothing,
            Err(_) => Read::End,
        };
    }
}

/// Bytes that were written to a stream of this process, which is a pipe, and that nobody has read.
pub(crate) fn unread(standard: Standard) -> Option<u64> {
    rustix::io::ioctl_fionread(standard).ok()
}

/// Writes to a stream of this process in one call, if there is room.
///
/// A pipe with room takes 4096 bytes at least. The call can wait for a reader if there are more, or if
/// another thread takes the room meanwhile.
pub(crate) fn write_now(standard: Standard, bytes: &[u8]) -> Write {
    let ready = wait_ready(&[], &[standard.as_fd()], Some(Duration::ZERO));
    match ready.map(|ready| ready == [true]) {
        Ok(true) => {}
        Ok(false) => return Write::Full,
        Err(_) => return Write::Broken,
    }
    loop {
        return match rustix::io::write(standard, bytes) {
            // A file that takes nothing will not take more later.
            Ok(0) => Write::Broken,
            Ok(len) => Write::Bytes(len),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => Write::Full,
            // Among them that of a pipe without a reader; its signal is blocked in threads of ours.
            Err(_) => Write::Broken,
        };
    }
}

/// Waits until one of `readers` has something or one of `writers` has room; says which do, first those of
/// the first list. What is broken counts as ready.
///
/// Another thread may close some of them meanwhile, and then the answer means nothing for these.
pub(crate) fn wait_for_numbers(
    readers: &[RawFd],
    writers: &[RawFd],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let timeout = timeout.map_or(-1, |limit| limit.as_millis().try_into().unwrap_or(i32::MAX));
    let of = |fd: &RawFd, events| libc::pollfd {
        fd: *fd,
        events,
        revents: 0,
    };
    let readers = readers.iter().map(|fd| of(fd, libc::POLLIN));
    let writers = writers.iter().map(|fd| of(fd, libc::POLLOUT));
    let mut polled: Vec<_> = readers.chain(writers).collect();
    // SAFETY: the array is as long as is said. Numbers that are no descriptors are allowed.
    let result = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, timeout) };
    if result < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        polled.iter_mut().for_each(|one| one.revents = 0);
    }
    Ok(polled.iter().map(|one| one.revents != 0).collect())
}

/// Waits until one of `readers` has something or one of `writers` has room, or for `timeout`; says
/// which do, first those of the first list. What is broken counts as ready.
pub(crate) fn wait_ready(
    readers: &[BorrowedFd<'_>],
    writers: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<bool>> {
    let timeout = timeout.map(|limit| Timespec {
        tv_sec: i64::try_from(limit.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(limit.subsec_nanos()),
    });
    let readers = readers.iter().map(|fd| (fd, PollFlags::IN));
    let writers = writers.iter().map(|fd| (fd, PollFlags::OUT));
    let mut polled: Vec<PollFd<'_>> = readers
        .chain(writers)
        .map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, flags))
        .collect();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => Ok(polled.iter().map(|fd| !fd.revents().is_empty()).collect()),
        Err(Errno::INTR) => Ok(vec![false; polled.len()]),
        Err(error) => Err(error.into()),
    }
}

/// Writes out what Rust and the C library have buffered for standard output and other files.
pub(crate) fn flush_streams() {
    // Who prints to a stream that is broken learns it by itself.
    let _ = io::stdout().flush();
    // SAFETY: a null pointer stands for all streams.
    unsafe { libc::fflush(ptr::null_mut()) };
}
