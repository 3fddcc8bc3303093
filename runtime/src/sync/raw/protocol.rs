//! What the word of a lock says, and what follows from it: no memory, no system calls.

/// The bits of the word that hold the id of a thread.
pub(super) const TID: u32 = 0x3fff_ffff;
/// The thread that had the lock has ended.
pub(super) const OWNER_DIED: u32 = 0x4000_0000;
/// Somebody sleeps until the lock is free.
pub(super) const WAITERS: u32 = 0x8000_0000;

/// What a thread that wants the lock does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Swap the word for this one, and have the lock.
    Take { word: u32, died: bool },
    /// Swap the word for this one, and look again.
    Announce { word: u32 },
    /// Sleep while the word is the same.
    Sleep,
    /// The thread has the lock already.
    Deadlock,
}

/// The next step of thread `tid`, which finds `word`, and has slept before or not.
pub(super) fn next(word: u32, tid: u32, slept: bool) -> Step {
    let waiters = if slept { WAITERS } else { word & WAITERS };
    match word & TID {
        0 => Step::Take {
            word: tid | waiters,
            died: word & OWNER_DIED != 0,
        },
        owner if owner == tid => Step::Deadlock,
        _ if word & WAITERS == 0 => Step::Announce {
            word: word | WAITERS,
        },
        _ => Step::Sleep,
    }
}

/// The word that the holder puts in the place of `word`; none if the lock is not its own any more.
pub(super) fn freed(word: u32, tid: u32) -> Option<u32> {
    (word & TID == tid).then_some(word & WAITERS)
}
