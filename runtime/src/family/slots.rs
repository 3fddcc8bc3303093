//! The table of slots, and who has them.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::sys::is_running;

/// How many processes a family has at most.
pub(crate) const SLOTS: usize = 4096;

/// A process of the family, told from all others that had its slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Member(NonZeroU64);

impl Member {
    fn new(slot: usize, generation: u32) -> Option<Self> {
        let bits = u64::from(generation) << 32 | slot as u64;
        NonZeroU64::new(bits).filter(|_| generation != 0).map(Self)
    }

    /// The member in a word that another process wrote.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        let slot = (bits as u32) as usize;
        Self::new(slot, (bits >> 32) as u32).filter(|_| slot < SLOTS)
    }

    /// Never 0.
    pub(crate) fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// Below [`SLOTS`].
    #[inline]
    pub(crate) fn slot(self) -> usize {
        (self.0.get() as u32) as usize
    }

    /// Never 0.
    #[inline]
    pub(crate) fn generation(self) -> u32 {
        (self.0.get() >> 32) as u32
    }
}

/// True while somebody is about to take the slot, and was not killed meanwhile.
fn is_being_taken(state: u64) -> bool {
    let low = state as u32;
    low & TAKING as u32 != 0 && is_running(low >> TAKER)
}

/// One process. All words are written by its parent, and `state` by who takes it over as well.
#[derive(Debug)]
#[repr(C)]
struct Slot {
    /// The generation in the high half; in the low one, whether it is taken or about to be.
    state: AtomicU64,
    /// The parent, 0 for the program. Written before the child is started.
    parent: AtomicU64,
    /// Its process id, 0 until it is known.
    pid: AtomicU32,
    _unused: [AtomicU32; 3],
}

/// What the segment holds; zeroes are an empty family.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slots {
    /// Counts slots that were freed. Who waits for a process sleeps on it as well.
    pub(super) deaths: AtomicU32,
    /// All slots that were ever taken are below.
    highest: AtomicU32,
    /// The generation before the first one, by chance: not that of an earlier family.
    base: AtomicU32,
    _unused: [AtomicU32; 13],
    slots: [Slot; SLOTS],
}

const TAKEN: u64 = 1;
/// Somebody is about to take it, and writes the other words first: the process whose id is in the bits
/// above.
const TAKING: u64 = 2;
const TAKER: u32 = 2;

fn state_of(member: Member) -> u64 {
    u64::from(member.generation()) << 32 | TAKEN
}

impl Slots {
    pub(super) fn begin(&self, base: u32) {
        self.base.store(base, Ordering::Relaxed);
    }

    /// Takes a slot for a child of `parent`; none if all are taken.
    pub(super) fn take(&self, parent: Option<Member>) -> Option<Member> {
        (0..SLOTS).find_map(|slot| {
            let words = &self.slots[slot];
            let state = words.state.load(Ordering::Acquire);
            let holder = Member::new(slot, (state >> 32) as u32);
            let holder = holder.filter(|holder| state == state_of(*holder));
            if holder.is_some_and(|holder| self.is_alive(holder)) {
                return None;
            }
            let before = if state == 0 {
                self.base.load(Ordering::Relaxed)
            } else {
                (state >> 32) as u32
            };
            let generation = before.wrapping_add(1).max(1);
            let member = Member::new(slot, generation)?;
            if is_being_taken(state) {
                return None;
            }
            let taker = u64::from(std::process::id()) << TAKER;
            let taking = state_of(member) ^ TAKEN | TAKING | taker;
            let swapped =
                words
                    .state
                    .compare_exchange(state, taking, Ordering::AcqRel, Ordering::Relaxed);
            swapped.ok()?;
            words.pid.store(0, Ordering::Relaxed);
            let parent = parent.map_or(0, Member::to_bits);
            words.parent.store(parent, Ordering::Relaxed);
            words.state.store(state_of(member), Ordering::SeqCst);
            self.highest.fetch_max(slot as u32 + 1, Ordering::SeqCst);
            Some(member)
        })
    }

    /// Tells the process id of a child.
    pub(super) fn tell_pid(&self, member: Member, pid: u32) {
        self.slots[member.slot()].pid.store(pid, Ordering::Release);
    }

    /// Frees the slot of a process that is gone. The caller counts the death.
    pub(super) fn free(&self, member: Member) {
        let taken = state_of(member);
        // One that was taken over after its parent's death is not its any more.
        let _ = self.slots[member.slot()].state.compare_exchange(
            taken,
            taken & !TAKEN,
            Ordering::SeqCst,
            Ordering::Relaxed,
        );
    }

    /// The members below `member` whose slots are taken, and their process ids.
    pub(super) fn below(&self, member: Member) -> Vec<(Member, u32)> {
        let mut above = vec![member.to_bits()];
        let mut found: Vec<(Member, u32)> = Vec::new();
        loop {
            let before = found.len();
            for (slot, words) in self.slots[..self.highest()].iter().enumerate() {
                let state = words.state.load(Ordering::SeqCst);
                let one = Member::new(slot, (state >> 32) as u32);
                let Some(one) = one.filter(|one| state == state_of(*one)) else {
                    continue;
                };
                let parent = words.parent.load(Ordering::Acquire);
                if above.contains(&parent) && !above.contains(&one.to_bits()) {
                    above.push(one.to_bits());
                    found.push((one, words.pid.load(Ordering::Acquire)));
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }

    pub(super) fn has_slot(&self, member: Member) -> bool {
        self.slots[member.slot()].state.load(Ordering::SeqCst) == state_of(member)
    }

    pub(super) fn is_alive(&self, member: Member) -> bool {
        if !self.has_slot(member) {
            return false;
        }
        let words = &self.slots[member.slot()];
        let parent = words.parent.load(Ordering::Acquire);
        match Member::from_bits(parent) {
            // Nobody buries it any more.
            Some(parent) if !self.has_slot(parent) => {
                let pid = words.pid.load(Ordering::Acquire);
                // Without an id it was not started yet: then it never will be.
                pid != 0 && is_running(pid)
            }
            _ => true,
        }
    }

    pub(super) fn highest(&self) -> usize {
        (self.highest.load(Ordering::SeqCst) as usize).min(SLOTS)
    }

    /// The process id of a member, dead or alive, as long as nobody else has its slot.
    pub(super) fn pid(&self, member: Member) -> Option<u32> {
        let words = &self.slots[member.slot()];
        let pid = words.pid.load(Ordering::Acquire);
        let generation = (words.state.load(Ordering::SeqCst) >> 32) as u32;
        (pid != 0 && generation == member.generation()).then_some(pid)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn slots() -> Slots {
        let zeroes = [const { AtomicU32::new(0) }; 13];
        let slot = |_| Slot {
            state: AtomicU64::new(0),
            parent: AtomicU64::new(0),
            pid: AtomicU32::new(0),
            _unused: [const { AtomicU32::new(0) }; 3],
        };
        Slots {
            deaths: AtomicU32::new(0),
            highest: AtomicU32::new(0),
            base: AtomicU32::new(5),
            _unused: zeroes,
            slots: std::array::from_fn(slot),
        }
    }

    fn taking(generation: u64, taker: u32) -> AtomicU64 {
        AtomicU64::new(generation << 32 | u64::from(taker) << TAKER | TAKING)
    }

    #[test]
    fn a_slot_is_not_lost_with_one_that_was_killed_as_it_took_it() {
        let mut killed = Command::new("true").spawn().unwrap();
        killed.wait().unwrap();
        let mut slots = slots();
        slots.slots[0].state = taking(6, std::process::id());
        slots.slots[1].state = taking(6, killed.id());
        let member = slots.take(None).unwrap();
        assert_eq!((member.slot(), member.generation()), (1, 7));
        assert!(slots.is_alive(member));
        assert_eq!(slots.take(None).unwrap().slot(), 2);
    }

    #[test]
    fn those_below_a_member_are_found_whatever_their_slots() {
        let slots = slots();
        let [low, top, other] = [0; 3].map(|_| slots.take(None).unwrap());
        slots.free(low);
        let child = slots.take(Some(top)).unwrap();
        let grandchild = slots.take(Some(child)).unwrap();
        let last = slots.take(Some(grandchild)).unwrap();
        let free = slots.take(Some(top)).unwrap();
        slots.free(free);
        slots.take(Some(other)).unwrap();
        slots.tell_pid(last, 77);
        let mut below = slots.below(top);
        below.sort_by_key(|(one, _)| one.slot());
        assert_eq!(below, [(child, 0), (grandchild, 0), (last, 77)]);
        assert_eq!(child.slot(), low.slot());
    }
}
