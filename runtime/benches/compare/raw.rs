//! The bare mechanisms: two processes that pass a number back and forth, by hand.

#![expect(
    unsafe_code,
    reason = "what the library is compared with: fork, shared memory, the C library's allocator"
)]

use std::io::{self, PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use std::time::{Duration, Instant};

use rustix::mm::{MapFlags, ProtFlags};
use rustix::process::{Pid, Signal, WaitOptions};
use rustix::thread::futex;

/// As long as a pool and its workers spin.
const SPIN: Duration = Duration::from_micros(50);

/// What a process does until its next message is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Sleeps at once.
    Sleep,
    /// Spins for 50 µs, then sleeps.
    Spin,
    /// So too, but lets others have the core now and then, since the one that is waited for may need
    /// this very core.
    SpinAndYield,
}

/// Another process; killed on drop.
#[derive(Debug)]
pub(crate) struct Peer(Pid);

impl Peer {
    pub(crate) fn pid(&self) -> Pid {
        self.0
    }

    /// Waits until it has ended by itself.
    pub(crate) fn join(self) -> io::Result<()> {
        let pid = self.0;
        std::mem::forget(self);
        rustix::process::waitpid(Some(pid), WaitOptions::empty())?;
        Ok(())
    }

    /// `serve` runs in a copy of this process in which only this thread exists. It must not allocate
    /// or take a lock, since another thread may have been in the middle of that.
    pub(crate) fn fork(serve: impl FnOnce()) -> io::Result<Self> {
        let parent = rustix::process::getpid();
        // SAFETY: the child does nothing but `serve`, and leaves without running anything else.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() == Some(parent) {
                serve();
            }
            // SAFETY: ends the process at once.
            unsafe { libc::_exit(0) };
        }
        match Pid::from_raw(pid) {
            Some(pid) if pid.as_raw_nonzero().get() > 0 => Ok(Self(pid)),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It has not been waited for, so the id is still its own.
        let _ = rustix::process::kill_process(self.0, Signal::KILL);
        let _ = rustix::process::waitpid(Some(self.0), WaitOptions::empty());
    }
}

/// A value alone on its cache lines.
#[derive(Debug)]
#[repr(C, align(128))]
pub(crate) struct Line<T>(pub(crate) T);

/// One direction. The sender stores `value`, increments `count` (release), fences and reads
/// `asleep`. The receiver stores `asleep`, fences, and sleeps while `count` is what it was: one of
/// the two sees the other.
#[derive(Debug)]
#[repr(C)]
struct Mailbox {
    value: AtomicU64,
    count: Line<AtomicU32>,
    asleep: Line<AtomicU32>,
}

impl Mailbox {
    fn put(&self, value: u64) {
        self.value.store(value, Ordering::Relaxed);
        self.count.0.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.asleep.0.load(Ordering::Relaxed) == 1 {
            let _ = futex::wake(&self.count.0, futex::Flags::empty(), 1);
        }
    }

    /// The value after the first `seen` ones.
    fn take(&self, seen: u32, waiting: Waiting) -> u64 {
        let come = || self.count.0.load(Ordering::Acquire) != seen;
        if waiting != Waiting::Sleep {
            let start = Instant::now();
            while !come() && start.elapsed() < SPIN {
                for _ in 0..32 {
                    std::hint::spin_loop();
                    if come() {
                        break;
                    }
                }
                if waiting == Waiting::SpinAndYield && !come() {
                    std::thread::yield_now();
                }
            }
        }
        while !come() {
            self.asleep.0.store(1, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            let _ = futex::wait(&self.count.0, futex::Flags::empty(), seen, None);
            self.asleep.0.store(0, Ordering::Relaxed);
        }
        self.value.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
#[repr(C)]
struct Page {
    requests: Mailbox,
    replies: Mailbox,
}

/// Memory that a forked process shares; mapped until the program ends.
///
/// # Safety
/// Zeroes are a `T`, which consists of atomics and of what is reached through raw pointers only.
pub(crate) unsafe fn shared<T>() -> io::Result<&'static T> {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
    let start = unsafe {
        rustix::mm::mmap_anonymous(
            std::ptr::null_mut(),
            size_of::<T>(),
            protection,
            MapFlags::SHARED,
        )
    }?;
    let start = NonNull::new(start.cast::<T>()).ok_or(io::ErrorKind::OutOfMemory)?;
    // SAFETY: zeroed memory of that size, aligned to a page and never unmapped, as the caller promises.
    Ok(unsafe { start.as_ref() })
}

/// Ping-pong through shared memory; both sides wait alike, and sleep on a futex.
#[derive(Debug)]
pub(crate) struct FutexPingPong {
    page: &'static Page,
    sent: u32,
    waiting: Waiting,
    peer: Peer,
}

impl FutexPingPong {
    pub(crate) fn new(waiting: Waiting, answer: fn(u64) -> u64) -> io::Result<Self> {
        // SAFETY: a page is all atomics.
        let page: &'static Page = unsafe { shared() }?;
        let peer = Peer::fork(|| {
            for seen in 0_u32.. {
                page.replies.put(answer(page.requests.take(seen, waiting)));
            }
        })?;
        Ok(Self {
            page,
            sent: 0,
            waiting,
            peer,
        })
    }

    pub(crate) fn peer(&self) -> Pid {
        self.peer.0
    }

    pub(crate) fn call(&mut self, value: u64) -> u64 {
        self.page.requests.put(value);
        let reply = self.page.replies.take(self.sent, self.waiting);
        self.sent += 1;
        reply
    }
}

/// Ping-pong through a pair of Unix sockets.
#[derive(Debug)]
pub(crate) struct SocketPingPong {
    socket: UnixStream,
    peer: Peer,
}

impl SocketPingPong {
    pub(crate) fn new(answer: fn(u64) -> u64) -> io::Result<Self> {
        let (socket, mut theirs) = UnixStream::pair()?;
        let peer = Peer::fork(|| {
            let mut bytes = [0; 8];
            while theirs.read_exact(&mut bytes).is_ok() {
                let reply = answer(u64::from_ne_bytes(bytes));
                if theirs.write_all(&reply.to_ne_bytes()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { socket, peer })
    }

    pub(crate) fn peer(&self) -> Pid {
        self.peer.0
    }

    pub(crate) fn call(&mut self, value: u64) -> io::Result<u64> {
        self.socket.write_all(&value.to_ne_bytes())?;
        let mut bytes = [0; 8];
        self.socket.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// Numbers that another process writes into a pipe one by one.
#[derive(Debug)]
pub(crate) struct PipeStream {
    reader: PipeReader,
    _peer: Peer,
}

impl PipeStream {
    pub(crate) fn new(count: u64) -> io::Result<Self> {
        let (reader, mut writer) = io::pipe()?;
        let peer = Peer::fork(|| {
            for i in 0..count {
                if writer.write_all(&i.to_ne_bytes()).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self {
            reader,
            _peer: peer,
        })
    }

    pub(crate) fn next(&mut self) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.reader.read_exact(&mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }
}

/// Gives the allocator's free memory back to the system, so that what is allocated next is fresh.
pub(crate) fn forget_free_memory() {
    // SAFETY: touches only memory that nobody has.
    unsafe { libc::malloc_trim(0) };
}

/// Bytes that the program has from the allocator.
pub(crate) fn allocated() -> usize {
    // SAFETY: only reads what the allocator counts.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

/// Ends this process by a segmentation fault.
pub(crate) fn segfault() -> ! {
    let nowhere = std::ptr::without_provenance_mut::<u8>(16);
    // SAFETY: nothing is there: the process ends, and this is the purpose.
    unsafe { nowhere.write_volatile(1) };
    unreachable!("that page is never mapped")
}
