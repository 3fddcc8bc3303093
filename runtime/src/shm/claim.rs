//! Who takes a chunk: the worker that has it in its ring, or the parent, which wants it back.
//!
//! A chunk that waits in a worker's ring can be taken back as long as the worker has not begun it,
//! to be run by a worker that is idle or not at all. Each chunk has a number, counted from 1 for
//! each worker, and a word at `number % CLAIMS`:
//!
//! 1. The parent stores [`queued`](Claim::Queued) before it publishes the chunk's frame.
//! 2. The worker swaps `Queued` for `Taken` before it begins; if that fails it skips the frame, or
//!    ends when the word holds what nobody of the two wrote: the parent would wait for the chunk.
//! 3. The parent swaps `Queued` for `Revoked` to take the chunk back; if that fails it is running.
//!
//! A chunk that is given to a worker without any is granted to it, and its word stays unused.
//!
//! A word is used again only when its chunk has ended or was taken back: the parent gives no chunk
//! whose number is `CLAIMS` or more beyond that of the oldest chunk that the worker still has. A
//! worker that comes late to a chunk that was taken back finds its word changed, which is as well.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{CLAIMS, Corrupt};

/// The state of a chunk that a word holds, together with the chunk's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Queued = 0,
    Taken = 1,
    Revoked = 2,
}

/// The value of chunk `number`'s word in state `claim`.
pub(crate) fn claim_word(number: u64, claim: Claim) -> u64 {
    number << 2 | claim as u64
}

impl Claim {
    /// Moves chunk `number` from `Queued` to `self`, and says whether it was still queued.
    pub(crate) fn swap(self, word: &AtomicU64, number: u64) -> bool {
        let queued = claim_word(number, Claim::Queued);
        let wanted = claim_word(number, self);
        word.compare_exchange(queued, wanted, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Takes chunk `number` for the worker; false if the parent has taken it back.
    ///
    /// Fails when a task of the worker's has overwritten the word.
    pub(crate) fn take(word: &AtomicU64, number: u64) -> Result<bool, Corrupt> {
        if Claim::Taken.swap(word, number) {
            return Ok(true);
        }
        let now = word.load(Ordering::Acquire);
        let revoked = now == claim_word(number, Claim::Revoked);
        let later = (now >> 2).checked_sub(number);
        let used_again =
            later.is_some_and(|later| later > 0 && later.is_multiple_of(CLAIMS as u64));
        if revoked || used_again && now & 3 != 3 {
            Ok(false)
        } else {
            Err(Corrupt)
        }
    }
}
