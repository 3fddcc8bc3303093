//! Anonymous shared memory: a sealed memfd, and mappings of parts of it.

#![expect(unsafe_code, reason = "mapping memory and reaching into it")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};

/// What nobody can do any more to a segment, this process included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sealed {
    /// It keeps its size.
    Size,
    /// It keeps its size and what is written in it.
    Contents,
    /// It never becomes smaller.
    Least,
    /// A file, which whoever may write it can change and make shorter.
    Nothing,
}

impl Sealed {
    fn flags(self) -> SealFlags {
        match self {
            Sealed::Size => SealFlags::SHRINK | SealFlags::GROW,
            Sealed::Contents => SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
            Sealed::Least => SealFlags::SHRINK,
            Sealed::Nothing => SealFlags::empty(),
        }
    }
}

/// A piece of shared memory without a name, which nobody can shrink.
///
/// The seals matter: were another process able to shrink it, reading the lost pages would kill this one with SIGBUS.
#[derive(Debug)]
pub(crate) struct Segment {
    fd: OwnedFd,
    sealed: Sealed,
}

impl Segment {
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        Self::unsealed(len)?.seal(Sealed::Size)
    }

    /// Of `len` bytes, which may become more.
    pub(crate) fn growing(len: usize) -> io::Result<Self> {
        Self::unsealed(len)?.seal(Sealed::Least)
    }

    /// Of `len` bytes, which are still to be written.
    pub(crate) fn draft(len: usize) -> io::Result<Draft> {
        let file = File::from(Self::unsealed(len)?.fd);
        Ok(Draft { file, len })
    }

    fn unsealed(len: usize) -> io::Result<Self> {
        let fd =
            rustix::fs::memfd_create("parproc", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&fd, len as u64)?;
        Ok(Self {
            fd,
            sealed: Sealed::Least,
        })
    }

    fn seal(mut self, sealed: Sealed) -> io::Result<Self> {
        rustix::fs::fcntl_add_seals(&self.fd, sealed.flags() | SealFlags::SEAL)?;
        self.sealed = sealed;
        Ok(self)
    }

    /// Takes over a segment that the parent created; fails unless it has exactly `len` bytes.
    pub(crate) fn from_fd(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let segment = Self {
            fd,
            sealed: Sealed::Size,
        };
        if segment.len()? != len {
            return Err(invalid("a shared segment has an unexpected size"));
        }
        Ok(segment)
    }

    /// Takes over a segment from a process that is not trusted: it has to be sealed as it should be.
    pub(crate) fn adopt(fd: OwnedFd, sealed: Sealed) -> io::Result<Self> {
        if sealed == Sealed::Nothing {
            return Self::of_file(fd);
        }
        let seals = rustix::fs::fcntl_get_seals(&fd)?;
        if !seals.contains(sealed.flags()) {
            return Err(invalid("a shared segment is not sealed as it should be"));
        }
        Ok(Self { fd, sealed })
    }

    /// A regular file in place of memory.
    pub(crate) fn of_file(fd: OwnedFd) -> io::Result<Self> {
        let mode = rustix::fs::fstat(&fd)?.st_mode;
        if rustix::fs::FileType::from_raw_mode(mode) != rustix::fs::FileType::RegularFile {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only regular files can be mapped",
            ));
        }
        let sealed = Sealed::Nothing;
        Ok(Self { fd, sealed })
    }

    /// Bytes that it has now.
    pub(crate) fn len(&self) -> io::Result<usize> {
        let found = rustix::fs::fstat(&self.fd)?.st_size;
        usize::try_from(found).map_err(|_| invalid("a shared segment has an impossible size"))
    }

    /// Makes a [growing](Self::growing) segment at least `len` bytes long.
    pub(crate) fn grow(&self, len: usize) -> io::Result<()> {
        if self.len()? < len {
            rustix::fs::ftruncate(&self.fd, len as u64)?;
        }
        Ok(())
    }

    /// Takes memory for `len` bytes from `offset`, so that no later write to them fails.
    pub(crate) fn reserve(&self, offset: usize, len: usize) -> io::Result<()> {
        let mode = rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.fd, mode, offset as u64, len as u64)?;
        Ok(())
    }

    /// Gives the pages of `len` bytes from `offset` back to the system; they read as zeroes then.
    pub(crate) fn punch(&self, offset: usize, len: usize) -> io::Result<()> {
        let mode = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
        rustix::fs::fallocate(&self.fd, mode, offset as u64, len as u64)?;
        Ok(())
    }

    /// Maps `len` bytes from `offset`, which must be a multiple of the page size.
    pub(crate) fn map(&self, offset: usize, len: usize, writable: bool) -> io::Result<Mapping> {
        let whole = self.len()?;
        if offset.checked_add(len).is_none_or(|end| end > whole) {
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

    /// Maps all of it, for reading only; the bytes never change, if the contents are sealed.
    pub(crate) fn map_frozen(&self) -> io::Result<Mapping> {
        if self.sealed != Sealed::Contents {
            return Err(invalid("a shared segment can still be written"));
        }
        self.map(0, self.len()?, false)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A segment that is being written, from its start to its end, and that nobody can change afterwards.
///
/// It is written as a file: a writable mapping would be inherited by a copy of the process that another
/// thread makes, and then nobody could seal the contents.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    len: usize,
}

impl Draft {
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Fails if more was written than there was to be.
    pub(crate) fn freeze(self) -> io::Result<Segment> {
        let segment = Segment {
            fd: self.file.into(),
            sealed: Sealed::Least,
        };
        if segment.len()? != self.len {
            return Err(invalid("more was written than there is room for"));
        }
        segment.seal(Sealed::Contents)
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
    pub(crate) fn len(&self) -> usize {
        self.len
    }

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
    advise(NonNull::from(&mut *bytes).cast(), bytes.len());
}

/// The same for the room behind the elements of a vector.
pub(crate) fn advise_huge_room<T>(vector: &mut Vec<T>) {
    let room = vector.spare_capacity_mut();
    advise(NonNull::from(&mut *room).cast(), size_of_val(room));
}

/// The `len` bytes from `start` on are the caller's alone.
fn advise(start: NonNull<u8>, len: usize) {
    const HUGE: usize = 2 << 20;
    let skip = start.align_offset(HUGE);
    let aligned = len.saturating_sub(skip) & !(HUGE - 1);
    if aligned == 0 {
        return;
    }
    let start = start.as_ptr().wrapping_add(skip);
    // SAFETY: the range is inside a live, exclusively borrowed buffer, and the advice does not change its contents.
    let _ = unsafe { rustix::mm::madvise(start.cast(), aligned, Advice::LinuxHugepage) };
}
