//! Bare locks between two processes: a futex by hand, and the C library's robust mutex.

#![expect(
    unsafe_code,
    reason = "what the library is compared with: locks of the C library in shared memory"
)]

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::process::Pid;
use rustix::thread::futex;

use super::raw::{Peer, shared};

/// How often a lock is looked at before sleeping: as often as that of `std`.
const SPINS: u32 = 100;

/// A lock that processes share.
pub(crate) trait Lock: 'static {
    fn lock(&self);
    fn unlock(&self);
}

/// 0 while it is free, 1 while it is held, 2 while somebody may wait.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Futex(AtomicU32);

impl Lock for Futex {
    #[inline]
    fn lock(&self) {
        let free = self
            .0
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        if free.is_err() {
            self.wait();
        }
    }

    #[inline]
    fn unlock(&self) {
        if self.0.swap(0, Ordering::Release) == 2 {
            let _ = futex::wake(&self.0, futex::Flags::empty(), 1);
        }
    }
}

impl Futex {
    #[cold]
    fn wait(&self) {
        for _ in 0..SPINS {
            if self.0.load(Ordering::Relaxed) != 1 {
                break;
            }
            std::hint::spin_loop();
        }
        let free = self
            .0
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        if free.is_ok() {
            return;
        }
        while self.0.swap(2, Ordering::Acquire) != 0 {
            let _ = futex::wait(&self.0, futex::Flags::empty(), 2, None);
        }
    }
}

/// The C library's mutex, shared and robust.
#[repr(C, align(64))]
pub(crate) struct Robust(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be used by several threads.
unsafe impl Sync for Robust {}

impl Robust {
    fn initialise(&self) -> io::Result<()> {
        let check = |error| match error {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        };
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        // SAFETY: initialises the attributes.
        check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: they are initialised.
        check(unsafe {
            libc::pthread_mutexattr_setpshared(
                attributes.as_mut_ptr(),
                libc::PTHREAD_PROCESS_SHARED,
            )
        })?;
        // SAFETY: they are initialised.
        check(unsafe {
            libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST)
        })?;
        // SAFETY: nobody uses the mutex yet.
        check(unsafe { libc::pthread_mutex_init(self.0.get(), attributes.as_ptr()) })
    }
}

impl Lock for Robust {
    #[inline]
    fn lock(&self) {
        // SAFETY: it was initialised, and stays where it is.
        unsafe { libc::pthread_mutex_lock(self.0.get()) };
    }

    #[inline]
    fn unlock(&self) {
        // SAFETY: this thread holds it.
        unsafe { libc::pthread_mutex_unlock(self.0.get()) };
    }
}

/// What two processes share.
#[repr(C)]
pub(crate) struct Arena<L> {
    lock: L,
    /// Behind the lock, on its own line.
    count: Line<AtomicU64>,
    /// Incremented to have the other process begin, and by that when it is done.
    begun: Line<AtomicU32>,
    done: Line<AtomicU32>,
}

#[repr(C, align(64))]
struct Line<T>(T);

/// Two processes that contend for a lock.
pub(crate) struct Rivals<L: Lock> {
    arena: &'static Arena<L>,
    rounds: u32,
    peer: Peer,
}

impl<L: Lock> Rivals<L> {
    fn start(arena: &'static Arena<L>, times: u64) -> io::Result<Self> {
        let peer = Peer::fork(|| {
            for round in 0_u32.. {
                sleep_while(&arena.begun.0, round);
                arena.contend(times);
                tell(&arena.done.0);
            }
        })?;
        Ok(Self {
            arena,
            rounds: 0,
            peer,
        })
    }

    pub(crate) fn peer(&self) -> Pid {
        self.peer.pid()
    }

    /// Both processes take the lock `times` times; gives how often it was taken in all rounds.
    pub(crate) fn contend(&mut self, times: u64) -> u64 {
        tell(&self.arena.begun.0);
        self.arena.contend(times);
        sleep_while(&self.arena.done.0, self.rounds);
        self.rounds += 1;
        self.arena.count.0.load(Ordering::Relaxed)
    }
}

impl<L: Lock> Arena<L> {
    pub(crate) fn contend(&self, times: u64) {
        for _ in 0..times {
            self.lock.lock();
            let count = self.count.0.load(Ordering::Relaxed);
            self.count.0.store(count + 1, Ordering::Relaxed);
            self.lock.unlock();
        }
    }
}

/// A futex lock between this process and a copy of it.
pub(crate) fn futex_rivals(times: u64) -> io::Result<Rivals<Futex>> {
    // SAFETY: all atomics.
    Rivals::start(unsafe { shared() }?, times)
}

/// A lock of this process alone, in memory that it could share.
pub(crate) fn futex_alone() -> io::Result<&'static Arena<Futex>> {
    // SAFETY: all atomics.
    unsafe { shared() }
}

pub(crate) fn robust_alone() -> io::Result<&'static Arena<Robust>> {
    // SAFETY: atomics, and a mutex behind a pointer.
    let arena: &'static Arena<Robust> = unsafe { shared() }?;
    arena.lock.initialise()?;
    Ok(arena)
}

pub(crate) fn robust_rivals(times: u64) -> io::Result<Rivals<Robust>> {
    Rivals::start(robust_alone()?, times)
}

fn tell(word: &AtomicU32) {
    word.fetch_add(1, Ordering::Release);
    let _ = futex::wake(word, futex::Flags::empty(), 1);
}

fn sleep_while(word: &AtomicU32, value: u32) {
    while word.load(Ordering::Acquire) == value {
        let _ = futex::wait(word, futex::Flags::empty(), value, None);
    }
}
