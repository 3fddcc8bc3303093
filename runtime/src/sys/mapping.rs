//! Anonymous shared memory: a sealed memfd, and mappings of parts of it.

#![expect(unsafe_code, reason = "mapping memory and reaching into it")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// A piece of shared memory without a name, of a size that nobody can change any more.
///
/// The seals matter: were a worker able to shrink it, reading the lost pages would kill the parent with SIGBUS.
#[derive(Debug)]
pub(crate) struct Segment {
    fd: OwnedFd,
    len: usize,
}

impl Segment {
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        let fd =
            rustix::fs::memfd_create("parproc", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, len as u64)?;
        rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { fd, len })
    }

    /// Takes over a segment that the parent created; fails unless it has exactly `len` bytes.
    pub(crate) fn from_fd(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let found = rustix::fs::fstat(&fd)?.st_size;
        if u64::try_from(found).ok() != Some(len as u64) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a shared segment has an unexpected size",
            ));
        }
        Ok(Self { fd, len })
    }

    /// Maps `len` bytes from `offset`, which must be a multiple of the page size.
    pub(crate) fn map(&self, offset: usize, len: usize, writable: bool) -> io::Result<Mapping> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a mapping past the end of its segment",
            ));
        }
        let protection = if writable {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                MapFlags::SHARED,
                &self.fd,
                offset as u64,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Mapping { start, len })
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A mapped part of a [`Segment`]; unmapped on drop.
///
/// Another process may write to it at any time, so no reference to its bytes is ever made: they are copied in and
/// out, and words in it are used as atomics.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and all access is by copy or by atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above; who may write which bytes is settled by the ring's rules.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The start of `len` bytes at `offset`.
    ///
    /// # Panics
    /// When they are not inside the mapping: offsets are computed from constants or masked by the ring.
    #[inline]
    pub(crate) fn at(&self, offset: usize, len: usize) -> NonNull<u8> {
        assert!(
            offset.checked_add(len).is_some_and(|end| end <= self.len),
            "offset outside a shared mapping"
        );
        // SAFETY: the offset lies inside the mapping, as asserted.
        unsafe { self.start.add(offset) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped by `Segment::map` and nothing refers to it beyond the life of `self`.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Asks for huge pages behind a large buffer that is about to be filled; a hint, and cheap.
pub(crate) fn advise_huge(bytes: &mut [u8]) {
    const HUGE: usize = 2 << 20;
    let skip = bytes.as_ptr().align_offset(HUGE);
    let Some(len) = bytes
        .len()
        .checked_sub(skip)
        .map(|rest| rest & !(HUGE - 1))
        .filter(|len| *len > 0)
    else {
        return;
    };
    let aligned = &mut bytes[skip..skip + len];
    // SAFETY: the range is inside a live, exclusively borrowed buffer, and the advice does not change its contents.
    let _ = unsafe { rustix::mm::madvise(aligned.as_mut_ptr().cast(), len, Advice::LinuxHugepage) };
}
