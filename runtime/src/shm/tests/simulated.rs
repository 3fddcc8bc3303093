//! A ring and a bell whose every step loom schedules.
//!
//! Loom runs all its threads on one thread of the system, so they can share by `Rc`. Its own `Arc`
//! would add steps, and when loom reports a deadlock, dropping one panics again and aborts.

#![expect(unsafe_code, reason = "loom lends the bytes it watches as pointers")]

use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
use loom::sync::{Condvar, Mutex};

use crate::shm::{Memory, Park, Word};

/// Runs `model` in every interleaving with at most `preemptions` switches that no thread asked for.
pub(super) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

pub(super) struct LoomWord(AtomicU64);

impl LoomWord {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }
}

impl Word for LoomWord {
    fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.0.store(value, order);
    }

    fn swap_if(&self, current: u64, new: u64) -> Result<(), u64> {
        self.0
            .compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
            .map(drop)
    }
}

/// Bytes that loom watches one by one: it reports an access that no ordering protects.
#[derive(Clone)]
pub(super) struct LoomRing(Rc<Shared>);

struct Shared {
    bytes: Vec<UnsafeCell<u8>>,
    tail: LoomWord,
    head: LoomWord,
}

impl LoomRing {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Rc::new(Shared {
            bytes: (0..capacity).map(|_| UnsafeCell::new(0)).collect(),
            tail: LoomWord::new(),
            head: LoomWord::new(),
        }))
    }
}

impl Memory for LoomRing {
    type Word = LoomWord;

    fn capacity(&self) -> usize {
        self.0.bytes.len()
    }

    fn tail(&self) -> &LoomWord {
        &self.0.tail
    }

    fn head(&self) -> &LoomWord {
        &self.0.head
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        for (cell, byte) in self.0.bytes[offset..offset + bytes.len()].iter().zip(bytes) {
            // SAFETY: loom runs one thread at a time, and the pointer does not leave the closure.
            cell.with_mut(|cell| unsafe { cell.write(*byte) });
        }
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        for (cell, byte) in self.0.bytes[offset..offset + bytes.len()].iter().zip(bytes) {
            // SAFETY: loom runs one thread at a time, and the pointer does not leave the closure.
            *byte = cell.with(|cell| unsafe { cell.read() });
        }
    }

    fn append(&self, offset: usize, len: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + len, 0);
        self.read(offset, &mut out[start..]);
    }
}

/// A bell whose kernel is a mutex: it makes looking at the bell and falling asleep one step, as
/// FUTEX_WAIT does.
///
/// A timeout never ends a sleep here, so that a lost wake-up is a deadlock, which loom reports. For
/// loom the fences of two threads order everything before the one before everything after the
/// other. That is more than the language promises, but the stores and loads that the bell puts on
/// the two sides of its fences need no more than both promise.
#[derive(Clone)]
pub(super) struct LoomPark(Rc<Bell>);

struct Bell {
    bell: AtomicU32,
    asleep: AtomicU32,
    kernel: Mutex<()>,
    woken: Condvar,
}

impl LoomPark {
    pub(super) fn new() -> Self {
        Self(Rc::new(Bell {
            bell: AtomicU32::new(0),
            asleep: AtomicU32::new(0),
            kernel: Mutex::new(()),
            woken: Condvar::new(),
        }))
    }
}

impl Park for LoomPark {
    fn bell(&self) -> u32 {
        self.0.bell.load(Ordering::Acquire)
    }

    fn ring(&self) {
        self.0.bell.fetch_add(1, Ordering::Release);
        let _kernel = self.0.kernel.lock().unwrap();
        self.0.woken.notify_all();
    }

    fn asleep(&self) -> u32 {
        self.0.asleep.load(Ordering::Acquire)
    }

    fn set_asleep(&self, value: u32) {
        self.0.asleep.store(value, Ordering::Release);
    }

    fn wait(&self, seen: u32, _timeout: Option<Duration>) {
        let kernel = self.0.kernel.lock().unwrap();
        if self.bell() == seen {
            drop(self.0.woken.wait(kernel));
        }
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
