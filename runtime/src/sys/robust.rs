//! The list of locks that a thread holds, which the kernel walks when the thread ends.
//!
//! The kernel knows one such list for each thread, and the C library has taken it for its robust
//! mutexes: our locks are linked into that one, in the layout and by the rules of glibc and musl.
//!
//! 1. A node has the pointers `prev` and `next`, in this order. Pointers to it, in other nodes and in
//!    the head, are to its `next`; `prev` of the first node is the head. The head has no `prev`.
//! 2. Only the thread itself changes its list. A lock is linked at the front.
//! 3. While a lock is being taken or let go of, the head's `pending` points to its node: between the
//!    change of its word and that of the list, the kernel finds it there.
//!
//! Nodes are in shared memory, so what another process writes there by mistake must not lead us to
//! write elsewhere: each node has a [`Held`] in private memory, which knows what was linked. When the
//! two disagree, because the C library has linked or unlinked a mutex beside the node or because
//! the node was overwritten, the neighbours are read by a system call that cannot fault.
//!
//! A copy made by `fork` has a list of its own, which is empty: there nothing is held.

#![expect(unsafe_code, reason = "the C library's list is read and written")]

use std::cell::Cell;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};

use super::mark::Mark;
use super::thread::{FORKS, forks};

/// Where the word of a lock is, seen from its node: what the C library told the kernel.
const FUTEX_OFFSET: isize = if cfg!(target_env = "musl") { -28 } else { -32 };
/// The first word is where it is for both of them.
const WORD: usize = (NODE + FUTEX_OFFSET) as usize / size_of::<AtomicU32>();
/// Bytes before the node in a block.
const NODE: isize = 32;
/// The kernel walks so many nodes at most.
const LIST_LIMIT: usize = 2048;

/// The next node, with the lowest bit set for a mutex of the C library that inherits priorities.
type Next = *mut Node;

/// The part of a node that pointers are to.
#[repr(C)]
struct Node {
    next: Next,
}

/// The head of the list, as the kernel knows it.
#[repr(C)]
struct Head {
    first: Next,
    futex_offset: isize,
    pending: *mut Node,
}

/// The memory of a lock. Zeroes are a free lock.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct RobustBlock {
    words: [AtomicU32; 2],
    /// The [process](Mark) of the thread that has the lock; nobody while it is taken and let go of.
    process: AtomicU64,
    unused: [AtomicU32; 2],
    /// Of the list; for the holder and the kernel.
    links: [AtomicU64; 2],
    /// For the user of the lock.
    pub(crate) spare: [AtomicU32; 6],
}

const _: () = assert!(size_of::<RobustBlock>() == 64);
const _: () = assert!(std::mem::offset_of!(RobustBlock, links) + 8 == NODE as usize);
const _: () = assert!(WORD < 2);

impl RobustBlock {
    /// The word of the lock: the id of the thread that holds it, and two bits of the kernel's.
    #[inline]
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.words[WORD]
    }

    /// The process of who has the lock, or had it when its thread ended.
    #[inline]
    pub(crate) fn process(&self) -> Mark {
        Mark::from_bits(self.process.load(Ordering::Relaxed))
    }

    /// For who has the lock.
    #[inline]
    pub(crate) fn set_process(&self, process: Mark) {
        self.process.store(process.to_bits(), Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn overwrite_links(&self, value: u64) {
        for link in &self.links {
            link.store(value, Ordering::Relaxed);
        }
    }
}

/// What this process knows of a lock that it may hold. It must not move or go while it does.
#[derive(Debug)]
pub(crate) struct Held {
    block: NonNull<RobustBlock>,
    /// What stood behind the node in the list.
    next: Cell<Next>,
    /// The lock that the thread had taken before.
    below: Cell<*const Held>,
    /// The thread that has taken the lock by this handle, 0 for none, with the count of forks in the
    /// high half: the holder of a process is not that of its copy.
    holder: AtomicU64,
}

// SAFETY: the cells are used by the thread that holds the lock only.
unsafe impl Send for Held {}
// SAFETY: as above.
unsafe impl Sync for Held {}

impl Held {
    pub(crate) fn new(block: NonNull<RobustBlock>) -> Self {
        Self {
            block,
            next: Cell::new(ptr::null_mut()),
            below: Cell::new(ptr::null()),
            holder: AtomicU64::new(0),
        }
    }

    /// True while a thread of this process, or of the one that it is a copy of, holds the lock.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.holder.load(Ordering::Relaxed) != 0
    }

    /// True while the thread with that list holds the lock.
    pub(crate) fn is_held_by(&self, list: RobustList) -> bool {
        let forks = u64::from(FORKS.load(Ordering::Relaxed));
        self.holder.load(Ordering::Relaxed) == forks << 32 | u64::from(list.tid)
    }

    /// The thread of this process, and not of one that it is a copy of, that has taken the lock by this
    /// handle: somebody has overwritten the word if that is free, or the thread has ended.
    #[cold]
    pub(crate) fn holder(&self) -> Option<u32> {
        let holder = self.holder.load(Ordering::Relaxed);
        let forks = u64::from(FORKS.load(Ordering::Relaxed));
        (holder != 0 && holder >> 32 == forks).then_some(holder as u32)
    }

    #[inline]
    fn node(&self) -> *mut Node {
        self.block.as_ptr().wrapping_byte_offset(NODE).cast()
    }
}

#[derive(Debug)]
struct State {
    /// 0 until the list was found.
    tid: Cell<u32>,
    forks: Cell<u32>,
    process: Cell<Mark>,
    head: Cell<*mut Head>,
    /// The lock taken last.
    top: Cell<*const Held>,
}

thread_local! {
    static STATE: State = const {
        State {
            tid: Cell::new(0),
            forks: Cell::new(0),
            process: Cell::new(Mark::NOBODY),
            head: Cell::new(ptr::null_mut()),
            top: Cell::new(ptr::null()),
        }
    };
}

/// The list of the calling thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RobustList {
    tid: u32,
    process: Mark,
    head: *mut Head,
    _this_thread: PhantomData<*const State>,
}

impl RobustList {
    /// Fails where the C library has no such list, or one of another layout.
    #[inline]
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        STATE.with(|state| {
            if state.tid.get() == 0 || state.forks.get() != FORKS.load(Ordering::Relaxed) {
                find_list(state)?;
            }
            Ok(Self {
                tid: state.tid.get(),
                process: state.process.get(),
                head: state.head.get(),
                _this_thread: PhantomData,
            })
        })
    }

    /// The id of the thread, as the kernel compares it with the word of a lock.
    #[inline]
    pub(crate) fn tid(self) -> u32 {
        self.tid
    }

    /// The process of the thread.
    #[inline]
    pub(crate) fn process(self) -> Mark {
        self.process
    }

    /// From now on until [`end`](Self::end), the kernel looks at this lock when the thread ends.
    #[inline]
    pub(crate) fn begin(self, held: &Held) {
        self.set_pending(held.node());
        compiler_fence(Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn end(self) {
        compiler_fence(Ordering::SeqCst);
        self.set_pending(ptr::null_mut());
    }

    #[inline]
    fn set_pending(self, node: *mut Node) {
        // SAFETY: the head of the calling thread, which lives as long as the thread does.
        let pending = unsafe { &raw mut (*self.head).pending };
        // SAFETY: as above; volatile, since the kernel reads it.
        unsafe { pending.write_volatile(node) };
    }

    /// Links a lock that the thread has just taken.
    ///
    /// # Safety
    /// The block stays mapped, and `held` where it is, until it is [unlinked](Self::unlink).
    #[inline]
    pub(crate) unsafe fn link(self, held: &Held) {
        let node = held.node();
        let first = self.first();
        held.next.set(first);
        let forks = STATE.with(|state| {
            held.below.set(state.top.replace(held));
            state.forks.get()
        });
        let holder = u64::from(forks) << 32 | u64::from(self.tid);
        held.holder.store(holder, Ordering::Relaxed);
        // SAFETY: the node is in a block that stays mapped, as the caller promises.
        unsafe { set_next(node, first) };
        // SAFETY: as above.
        unsafe { set_prev(node, self.head.cast()) };
        if unmarked(first) != self.head.cast() {
            // SAFETY: it is linked, so its owner keeps it mapped.
            unsafe { set_prev(unmarked(first), node) };
        }
        self.set_first(node);
        compiler_fence(Ordering::SeqCst);
    }

    /// Unlinks a lock; false, and nothing done, if this thread has not linked it.
    #[inline]
    pub(crate) fn unlink(self, held: &Held) -> bool {
        let top = STATE.with(|state| state.top.get());
        if ptr::eq(top, held) && self.first() == held.node() && next_of(held) == held.next.get() {
            STATE.with(|state| state.top.set(held.below.get()));
            let next = held.next.get();
            self.set_first(next);
            if unmarked(next) != self.head.cast() {
                // SAFETY: linked behind this node, so its owner keeps it mapped.
                unsafe { set_prev(unmarked(next), self.head.cast()) };
            }
        } else if !self.unlink_slowly(held) {
            return false;
        }
        held.holder.store(0, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        true
    }

    /// Unlinks a lock that is not the first one, or whose links are not what they were.
    #[cold]
    fn unlink_slowly(self, held: &Held) -> bool {
        let top = STATE.with(|state| state.top.get());
        // The lock that was taken next after this one.
        let mut above: Option<&Held> = None;
        loop {
            let one = above.map_or(top, |above| above.below.get());
            if ptr::eq(one, held) {
                break;
            }
            // SAFETY: what is linked stays where it is.
            let Some(one) = (unsafe { one.as_ref() }) else {
                return false;
            };
            above = Some(one);
        }
        match above {
            Some(above) => above.below.set(held.below.get()),
            None => STATE.with(|state| state.top.set(held.below.get())),
        }

        let node = held.node();
        let next = next_of(held);
        let known = next == held.next.get() || self.is_behind(next, node);
        let before = match above {
            _ if self.first() == node => Some(self.head.cast()),
            Some(above) if above.next.get() == node && next_of(above) == node => Some(above.node()),
            _ => self.find_before(node),
        };
        let Some(before) = before.filter(|_| known) else {
            self.relink_ours();
            return true;
        };
        // SAFETY: the head, or a node that was linked before this one and is.
        unsafe { set_next(before, next) };
        if let Some(above) = above.filter(|above| above.node() == before) {
            above.next.set(next);
        }
        if unmarked(next) != self.head.cast() {
            // SAFETY: a node that was linked behind this one and is.
            unsafe { set_prev(unmarked(next), before) };
        }
        true
    }

    /// True if the node that `next` points to says that `node` stands before it.
    fn is_behind(self, next: Next, node: *mut Node) -> bool {
        let next = unmarked(next);
        next == self.head.cast() || read(next.wrapping_sub(1)) == Some(node)
    }

    /// What stands before a node.
    fn find_before(self, node: *mut Node) -> Option<*mut Node> {
        let mut before: *mut Node = self.head.cast();
        for _ in 0..LIST_LIMIT {
            let next = unmarked(read(before)?);
            if next == node {
                return Some(before);
            }
            before = next;
        }
        None
    }

    /// Makes a list of our own locks, when the old one led into memory that is no list.
    fn relink_ours(self) {
        let mut held = STATE.with(|state| state.top.get());
        let mut before: *mut Node = self.head.cast();
        // SAFETY: what is linked stays where it is.
        while let Some(one) = unsafe { held.as_ref() } {
            // SAFETY: the head, or a node of a lock that is held, which stays mapped.
            unsafe { set_next(before, one.node()) };
            // SAFETY: as above.
            unsafe { set_prev(one.node(), before) };
            one.next
                .set(match NonNull::new(one.below.get().cast_mut()) {
                    // SAFETY: what is linked stays where it is.
                    Some(below) => unsafe { below.as_ref() }.node(),
                    None => self.head.cast(),
                });
            before = one.node();
            held = one.below.get();
        }
        // SAFETY: as above.
        unsafe { set_next(before, self.head.cast()) };
    }

    #[inline]
    fn first(self) -> Next {
        // SAFETY: the head of the calling thread, which lives as long as the thread does.
        let first = unsafe { &raw const (*self.head).first };
        // SAFETY: as above.
        unsafe { first.read_volatile() }
    }

    #[inline]
    fn set_first(self, next: Next) {
        compiler_fence(Ordering::SeqCst);
        // SAFETY: the head of the calling thread begins with its first pointer.
        unsafe { set_next(self.head.cast(), next) };
    }
}

#[inline]
fn unmarked(next: Next) -> *mut Node {
    next.map_addr(|address| address & !1)
}

#[inline]
fn next_of(held: &Held) -> Next {
    // SAFETY: a lock that is held stays mapped, and its node begins with the next pointer.
    unsafe { held.node().cast::<Next>().read_volatile() }
}

/// # Safety
/// `node` is a head or a node that is mapped.
#[inline]
unsafe fn set_next(node: *mut Node, next: Next) {
    // SAFETY: as the caller promises; volatile, since the kernel may read it at any time.
    unsafe { node.cast::<Next>().write_volatile(next) };
}

/// # Safety
/// `node` is a node that is mapped, and not a head.
#[inline]
unsafe fn set_prev(node: *mut Node, prev: *mut Node) {
    let place = node.cast::<*mut Node>().wrapping_sub(1);
    // SAFETY: the pointer before `next` belongs to the node, as the caller promises.
    unsafe { place.write_volatile(prev) };
}

/// A pointer at an address that may be no memory at all.
fn read(from: *mut Node) -> Option<*mut Node> {
    let mut found: *mut Node = ptr::null_mut();
    let to = libc::iovec {
        iov_base: (&raw mut found).cast(),
        iov_len: size_of::<*mut Node>(),
    };
    let from = libc::iovec {
        iov_base: from.cast(),
        iov_len: size_of::<*mut Node>(),
    };
    let me = std::process::id().cast_signed();
    // SAFETY: writes to `found` only; the kernel checks the other address.
    let read = unsafe { libc::process_vm_readv(me, &to, 1, &from, 1, 0) };
    (read == size_of::<*mut Node>() as isize).then_some(found)
}

/// Finds the list of the calling thread, once; and once more in a copy of the process.
#[cold]
fn find_list(state: &State) -> io::Result<()> {
    let forks = forks();
    let mut head = registered()?;
    if head.is_null() {
        // musl registers the list of a thread when that takes its first robust mutex.
        take_robust_mutex()?;
        head = registered()?;
    }
    // SAFETY: not null, so it is the head that the C library registered for this thread.
    if head.is_null() || unsafe { (*head).futex_offset } != FUTEX_OFFSET {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the C library keeps no list of robust locks that is known",
        ));
    }
    state.head.set(head);
    state.top.set(ptr::null());
    state.process.set(Mark::of_this_process());
    state.tid.set(
        rustix::thread::gettid()
            .as_raw_nonzero()
            .get()
            .unsigned_abs(),
    );
    state.forks.set(forks);
    Ok(())
}

fn registered() -> io::Result<*mut Head> {
    let mut head: *mut Head = ptr::null_mut();
    let mut len: libc::size_t = 0;
    // SAFETY: both pointers are to values that live through the call; 0 is the calling thread.
    let failed =
        unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(head)
}

fn take_robust_mutex() -> io::Result<()> {
    let check = |error| match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    };
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    // SAFETY: initialises the attributes.
    check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: they were initialised just now.
    check(unsafe {
        libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_ROBUST)
    })?;
    let mut mutex = MaybeUninit::<libc::pthread_mutex_t>::uninit();
    // SAFETY: initialises the mutex, which stays where it is until the end of this function.
    check(unsafe { libc::pthread_mutex_init(mutex.as_mut_ptr(), attributes.as_ptr()) })?;
    // SAFETY: it was initialised just now.
    check(unsafe { libc::pthread_mutex_lock(mutex.as_mut_ptr()) })?;
    // SAFETY: this thread holds it.
    check(unsafe { libc::pthread_mutex_unlock(mutex.as_mut_ptr()) })?;
    // SAFETY: nobody uses it any more.
    check(unsafe { libc::pthread_mutex_destroy(mutex.as_mut_ptr()) })
}
