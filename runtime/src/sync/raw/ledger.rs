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

/// The words. Each has the generation of the member in its high half and the count in its low one; a
/// word of another generation is as good as 0. Written by the member, and when that is dead by
/// who [takes back](Ledger::take_back) what it had.
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
            let fresh = u64::from(me.generation()) << 32;
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
        let before = self.mine().fetch_add(u64::from(count), Ordering::SeqCst) as u32;
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
            let word = self.word(slot).load(Ordering::SeqCst);
            let member = Member::from_bits(word >> 32 << 32 | slot as u64)?;
            (word as u32 != 0).then_some((member, word as u32))
        })
    }

    /// True if a living member has counted something.
    pub(crate) fn is_used(&self) -> bool {
        self.entries()
            .any(|(member, _)| self.family.is_alive(member))
    }

    /// Sets the counts of dead members to 0, and gives their sum.
    pub(crate) fn take_back(&self) -> u64 {
        let mut sum = 0;
        for (member, count) in self.entries() {
            if !self.family.is_alive(member) {
                let fresh = u64::from(member.generation()) << 32;
                // A new member of that slot, or another process that does the same, may be faster.
                let swapped = self.word(member.slot()).compare_exchange(
                    fresh | u64::from(count),
                    fresh,
                    Ordering::SeqCst,
                    Ordering::Relaxed,
                );
                sum += swapped.map_or(0, |_| u64::from(count));
            }
        }
        sum
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

fn many() -> io::Error {
    io::Error::other("one process has too much of what is shared at once")
}
