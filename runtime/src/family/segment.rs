//! The segment of the family, as this process has it.

#![expect(unsafe_code, reason = "a value of atomics is placed in shared memory")]

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use super::slots::{Member, Slots};
use crate::sys::{Mapping, Segment, forks, futex_wake, is_running, now_nanos, wait_for_ends};

/// Who buries a process waits so long for those below it, which the system kills in the same instant.
const END_LIMIT: Duration = Duration::from_millis(50);

/// The family of this process. What is shared and what has workers keeps it.
#[derive(Debug)]
pub(crate) struct Family {
    segment: Segment,
    /// For reading only: memory that a task overwrites is not this one.
    view: View,
    /// In processes that have children.
    writable: OnceLock<View>,
    /// None where there was no slot left.
    me: Option<Member>,
    /// Of this process, not of its copies.
    forks: u32,
}

/// A mapping of the slots.
#[derive(Debug)]
struct View {
    slots: NonNull<Slots>,
    /// Keeps the slots where they are.
    _mapping: Mapping,
}

// SAFETY: the slots are made of atomics and mapped as long as the view lives.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

impl View {
    fn of(segment: &Segment, writable: bool) -> io::Result<Self> {
        let mapping = segment.map(0, size_of::<Slots>(), writable)?;
        let slots = mapping.at(0, size_of::<Slots>()).cast();
        Ok(Self {
            slots,
            _mapping: mapping,
        })
    }
}

impl Deref for View {
    type Target = Slots;

    fn deref(&self) -> &Slots {
        // SAFETY: at the start of a page, made of atomics, and mapped as long as `self` lives. What
        // stores to them has asked for a view that is writable.
        unsafe { self.slots.as_ref() }
    }
}

/// What this process knows of its family.
#[derive(Debug)]
enum Known {
    /// What it inherited, until somebody needs it.
    Inherited(OwnedFd, u64),
    /// What it was born into stays; what it founded goes when it is not used any more.
    Born(Arc<Family>),
    Founded(Weak<Family>),
}

static KNOWN: Mutex<Known> = Mutex::new(Known::Founded(Weak::new()));

/// The family; this process founds one if it was not born into one.
///
/// # Errors
/// When there is no memory for it, and when what was inherited is none.
pub(crate) fn family() -> io::Result<Arc<Family>> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    match &*known {
        Known::Born(family) => return Ok(Arc::clone(family)),
        Known::Founded(family) => {
            if let Some(family) = family.upgrade() {
                return Ok(family);
            }
            let family = Arc::new(Family::found()?);
            *known = Known::Founded(Arc::downgrade(&family));
            return Ok(family);
        }
        Known::Inherited(..) => {}
    }
    let inherited = std::mem::replace(&mut *known, Known::Founded(Weak::new()));
    let Known::Inherited(fd, me) = inherited else {
        unreachable!("it was inherited just now");
    };
    let family = Arc::new(Family::enter(fd, Member::from_bits(me))?);
    *known = Known::Born(Arc::clone(&family));
    Ok(family)
}

/// Takes note of the family that this process was born into, and of its [bits](Place::bits) in it.
pub(crate) fn join(fd: OwnedFd, me: u64) {
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = Known::Inherited(fd, me);
}

impl Family {
    fn found() -> io::Result<Self> {
        let mut family = Self::of(Segment::new(size_of::<Slots>())?, None)?;
        let slots = family.writable()?;
        slots.begin(now_nanos() as u32);
        let me = slots.take(None);
        if let Some(me) = me {
            slots.tell_pid(me, std::process::id());
        }
        family.me = me;
        Ok(family)
    }

    fn enter(fd: OwnedFd, me: Option<Member>) -> io::Result<Self> {
        Self::of(Segment::from_fd(fd, size_of::<Slots>())?, me)
    }

    fn of(segment: Segment, me: Option<Member>) -> io::Result<Self> {
        Ok(Self {
            view: View::of(&segment, false)?,
            writable: OnceLock::new(),
            segment,
            me,
            forks: forks(),
        })
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.view
    }

    pub(super) fn writable(&self) -> io::Result<&Slots> {
        if let Some(view) = self.writable.get() {
            return Ok(view);
        }
        let view = View::of(&self.segment, true)?;
        Ok(self.writable.get_or_init(|| view))
    }

    /// This process.
    ///
    /// # Errors
    /// In a copy made by `fork`, which is no member, and where there was no slot left.
    #[inline]
    pub(crate) fn me(&self) -> io::Result<Member> {
        match self.me {
            Some(me) if forks() == self.forks => Ok(me),
            _ => Err(self.why_not_me()),
        }
    }

    #[cold]
    fn why_not_me(&self) -> io::Error {
        io::Error::other(match self.me {
            Some(_) => "a copy of a process, made by fork, shares nothing with others",
            None => "too many processes at once share something",
        })
    }

    /// False as soon as the process is known to be gone; false for good then.
    pub(crate) fn is_alive(&self, member: Member) -> bool {
        self.slots().is_alive(member)
    }

    /// The process id of a member, dead or alive, as long as nobody else has its slot.
    pub(crate) fn pid(&self, member: Member) -> Option<u32> {
        self.slots().pid(member)
    }

    /// The slots of all members, dead and alive, are below. To be asked for after what a new member
    /// may have changed was made impossible: it only grows.
    pub(crate) fn highest(&self) -> usize {
        self.slots().highest()
    }

    /// How often a member has gone. Who waits for one reads it before the last look at who is alive.
    pub(crate) fn deaths(&self) -> u32 {
        self.slots().deaths.load(Ordering::SeqCst)
    }
}

impl AsFd for Family {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.segment.as_fd()
    }
}

/// A slot for a child, which is freed on drop: to be kept until the child is buried.
#[derive(Debug)]
pub(crate) struct Place {
    family: Arc<Family>,
    member: Option<Member>,
}

impl Place {
    /// A place for a child of this process; the child has no slot if all are taken.
    ///
    /// # Errors
    /// As [`family`].
    pub(crate) fn reserve() -> io::Result<Self> {
        let family = family()?;
        // A copy of a member has children like any other, but they are not that member's.
        let me = family.me.filter(|_| forks() == family.forks);
        let slots = family.writable()?;
        let member = me.and_then(|me| slots.take(Some(me)));
        Ok(Self { family, member })
    }

    /// What the child hands to [`join`], together with the descriptor of the family.
    pub(crate) fn bits(&self) -> u64 {
        self.member.map_or(0, Member::to_bits)
    }

    /// The descriptor that the child inherits.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.family.as_fd()
    }

    /// The child was started.
    pub(crate) fn born(&self, pid: u32) {
        if let (Some(member), Ok(slots)) = (self.member, self.family.writable()) {
            slots.tell_pid(member, pid);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It was mapped when the place was reserved.
        let (Some(member), Ok(slots)) = (self.member, self.family.writable()) else {
            return;
        };
        if forks() != self.family.forks {
            return;
        }
        let count = || {
            slots.deaths.fetch_add(1, Ordering::SeqCst);
            futex_wake(&slots.deaths);
        };
        slots.free(member);
        count();
        let below = slots.below(member);
        if below.is_empty() {
            return;
        }
        // Nobody else buries them.
        let ids: Vec<u32> = below.iter().map(|(_, pid)| *pid).collect();
        wait_for_ends(&ids, END_LIMIT);
        for (member, pid) in below {
            if !is_running(pid) {
                slots.free(member);
            }
        }
        count();
    }
}
