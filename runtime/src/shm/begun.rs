//! How many items a worker has begun, and where the parent has cut its chunk off.
//!
//! An idle worker can be given the items of a chunk that another one has begun, as far as that one has
//! not begun them, whatever the item does that it is in. One word of the worker's settles which they
//! are: the number of items that it ever began, and above it the bit [`CUT`].
//!
//! 1. In a chunk that is not `divisible` the worker stores the number before it begins an item
//!    (release), and the parent only reads it.
//! 2. In one that is, the worker moves the number on by compare-and-swap. If the bit is there, the item and
//!    those behind it are the parent's: the worker takes the bit away and ends the chunk.
//! 3. The parent sets the bit by compare-and-swap, once a chunk, and only while the number says that an
//!    item of this very chunk is still to be begun.
//!
//! A chunk is not cut that the parent has ended early (see `ParentWords::cut`), nor the other way round.
//! While the number is such, the next that the worker does to the word is rule 2. So the bit is not lost
//! to a store of rule 1, not found by another chunk, and where it stands is the same for both sides. The
//! parent does not rely on the number: a false one has items of this worker run twice, or not before it
//! is found out.

use std::ops::Range;
use std::sync::atomic::Ordering;

use super::memory::Word;
use super::ring::Corrupt;

/// Set by the parent: it has taken back what was not begun.
pub(super) const CUT: u64 = 1 << 63;

/// The number that a word holds.
pub(crate) fn begun(word: &impl Word, order: Ordering) -> u64 {
    word.load(order) & !CUT
}

/// Begins the item with this number, counted from 1, of a divisible chunk; false if it was taken back.
///
/// Fails when a task of the worker's has overwritten the word.
#[inline]
pub(crate) fn begin(word: &impl Word, number: u64) -> Result<bool, Corrupt> {
    let before = number - 1;
    match word.swap_if(before, number) {
        Ok(()) => Ok(true),
        Err(found) if found == before | CUT => {
            word.store(before, Ordering::Release);
            Ok(false)
        }
        Err(_) => Err(Corrupt),
    }
}

/// Takes back the items that are still to be begun while the number of begun ones is in `within`; says
/// which number that was.
pub(crate) fn cut(word: &impl Word, within: Range<u64>) -> Option<u64> {
    let mut number = word.load(Ordering::Acquire);
    while within.contains(&number) {
        match word.swap_if(number, number | CUT) {
            Ok(()) => return Some(number),
            // It grows, or is not the worker's honest number.
            Err(found) if found > number => number = found,
            Err(_) => return None,
        }
    }
    None
}
