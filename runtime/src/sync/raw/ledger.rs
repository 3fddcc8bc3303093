//! What each process has of something shared: a word for every slot of the family.

#![expect(unsafe_code, reason = "words are placed in shared memory")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::family::{Family, Member, SLOTS, family};
use crate::shm::Placed;
use crate::sys::{Mapping, forks};

/// Words of one cache line, and lines of a ledger: neighbouring slots are in different lines.
const IN_LINE: usize = 8;
const LINES: usize = SLOTS / IN_LINE;
/// A process that counts further has lost count.
const MOST: u32 = u32::MAX / 2;

/// Set in the count of a member if one that had its slot before died with a count, and nobody has taken
/// that back: the next member writes over it.
const LOST: u32 = 1 << 31;

/// The words. Each has the generation of the member in its high half and the count in its low one; of a
/// word of another generation only that something is [`LOST`] counts. Written by the member, and by
/// who [takes back](Ledger::take_back) what dead ones had.
type Words = [[AtomicU64; IN_LINE]; LINES];

/// A count for each process, as one handle of this process has it.
#[derive(Debug)]
pub(crate) struct Ledger {
    words: Placed<Words>,
    family: Arc<Family>,
    me: Member,
    forks: u32,
}

impl Ledger {
    pub(crate) const SIZE: usize = size_of::<Words>();

    /// The ledger at `offset`; zeroes are an empty one.
    ///
    /// # Safety
    /// The mapping is writable, and its [`SIZE`](Self::SIZE) bytes from there, a multiple of 64, are
    /// used for nothing but a ledger.
    ///
    /// # Errors
    /// When this process is no member of the family.
    pub(crate) unsafe fn at(mapping: &Arc<Mapping>, offset: usize) -> io::Result<Self> {
        let family = family()?;
        let me = family.me()?;
        let ledger = Self {
            // SAFETY: made of atomics, and for nothing else, as the caller promises.
            words: unsafe { Placed::new(mapping, offset) },
            family,
            me,
            forks: forks(),
        };
        let word = ledger.word(me.slot());
        let mut found = word.load(Ordering::Relaxed);
        // Another handle of this process may do the same at this moment.
        while (found >> 32) as u32 != me.generation() {
            let fresh = fresh(me, found as u32);
            match word.compare_exchange(found, fresh, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => found = now,
            }
        }
        Ok(ledger)
    }

    pub(crate) fn family(&self) -> &Family {
        &self.family
    }

    /// True in a copy of the process that made this handle: the words are not the copy's.
    #[inline]
    pub(crate) fn is_copy(&self) -> bool {
        forks() != self.forks
    }

    /// Counts one up, before all that follows for every process.
    ///
    /// # Errors
    /// In a copy of the process, and beyond two thousand million.
    #[inline]
    pub(crate) fn add(&self, count: u32) -> io::Result<()> {
        if self.is_copy() {
            return Err(self.family.me().err().unwrap_or_else(many));
        }
        let before = self.mine().fetch_add(u64::from(count), Ordering::SeqCst) as u32 & !LOST;
        if count > MOST || before > MOST - count {
            self.mine().fetch_sub(u64::from(count), Ordering::SeqCst);
            return Err(many());
        }
        Ok(())
    }

    /// Counts down again, after all that came before for every process. Nothing in a copy.
    #[inline]
    pub(crate) fn sub(&self, count: u32) {
        if !self.is_copy() {
            self.mine().fetch_sub(u64::from(count), Ordering::SeqCst);
        }
    }

    /// What all members have counted that are alive, or dead ones too until it is taken back.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Member, u32)> {
        (0..self.family.highest()).filter_map(|slot| {
            let (member, count) = self.entry(slot)?;
            (count & !LOST != 0).then_some((member, count & !LOST))
        })
    }

    /// A member that died with a count that nobody has taken back; which one is not known when another
    /// member has its slot.
    pub(crate) fn dead(&self) -> Option<Option<Member>> {
        (0..self.family.highest()).find_map(|slot| {
            let (member, count) = self.entry(slot)?;
            if count & LOST != 0 {
                Some(None)
            } else {
                (count != 0 && !self.family.is_alive(member)).then_some(Some(member))
            }
        })
    }

    /// True if a living member has counted something.
    pub(crate) fn is_used(&self) -> bool {
        self.entries()
            .any(|(member, _)| self.family.is_alive(member))
    }

    /// Sets the counts of dead members to 0; says whether there were any.
    pub(crate) fn take_back(&self) -> bool {
        let mut found = false;
        for slot in 0..self.family.highest() {
            let Some((member, count)) = self.entry(slot) else {
                continue;
            };
            let word = self.word(slot);
            if self.family.is_alive(member) {
                if count & LOST != 0 {
                    let before = word.fetch_and(!u64::from(LOST), Ordering::SeqCst);
                    found |= before as u32 & LOST != 0;
                }
            } else if count != 0 {
                // A new member of that slot, which says then that something is lost, or another process
                // that does the same may be faster.
                let empty = fresh(member, 0);
                let swapped = word.compare_exchange(
                    empty | u64::from(count),
                    empty,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                );
                found |= swapped.is_ok();
            }
        }
        found
    }

    /// Who has counted in the word of a slot, and the low half of that.
    fn entry(&self, slot: usize) -> Option<(Member, u32)> {
        let word = self.word(slot).load(Ordering::SeqCst);
        let member = Member::from_bits(word >> 32 << 32 | slot as u64)?;
        Some((member, word as u32))
    }

    #[inline]
    fn mine(&self) -> &AtomicU64 {
        self.word(self.me.slot())
    }

    #[inline]
    fn word(&self, slot: usize) -> &AtomicU64 {
        &self.words[slot % LINES][slot / LINES % IN_LINE]
    }
}

/// The word of a member that has counted nothing, where another one had counted `before`.
fn fresh(member: Member, before: u32) -> u64 {
    let lost = if before == 0 { 0 } else { LOST };
    u64::from(member.generation()) << 32 | u64::from(lost)
}

fn many() -> io::Error {
    io::Error::other("one process has too much of what is shared at once")
}
