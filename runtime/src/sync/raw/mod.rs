//! Locks in shared memory that survive the death of who holds them.
//!
//! # The lock
//!
//! One word, by the rules of the kernel's robust futexes. It holds the id of the thread that has the
//! lock, 0 for none, and two bits:
//!
//! 1. `WAITERS` is set by who is about to sleep on the word, and kept by all who take the lock and let
//!    go of it, until somebody has woken the sleepers and found that there are none. So a sleeper is
//!    woken also if the one that was woken before it is killed at once.
//! 2. `OWNER_DIED` is set by the kernel, in place of the id, when the thread that has the lock ends. It
//!    wakes one sleeper then, which sees the bit as it takes the lock.
//!
//! Behind the word stands the [process](crate::sys::Mark) of who has the lock. A thread can end with a guard
//! forgotten, and another one of its process may go on with what it had borrowed from that. So `OWNER_DIED` is
//! no leave to take the lock: whoever finds it waits until the process is over, too. In that process
//! itself it is an error.
//!
//! | step | word | kill before the next step |
//! | --- | --- | --- |
//! | `begin`: the lock is pending | | nothing of ours in the word |
//! | take: 0 or bits → id | compare and swap, acquire | pending: the kernel sets `OWNER_DIED` |
//! | write down the process | | pending: the same, of a process that is over or of nobody |
//! | link it into the list of the thread | | in the list: the same |
//! | `end`: nothing is pending | | the same |
//! | … | | the same |
//! | `begin` | | the same |
//! | unlink it | | pending: the same, though the work was done |
//! | strike out the process | | the same, of nobody |
//! | free: id → 0 or `WAITERS` | compare and swap, release | pending, and no id: the kernel wakes a sleeper |
//! | wake a sleeper, if `WAITERS` was set | | nothing is left to do |
//! | if nobody slept: `WAITERS` → 0, and wake once more | compare and swap | the next look at the clock |
//! | `end` | | |
//!
//! A sleeper whose lock is pending and that is killed after it was woken is the case of the last
//! rows: the kernel wakes the next one.
//!
//! The kernel walks at most 2048 locks of a thread. For those beyond, for lists that somebody has
//! overwritten, and for a wake-up that two deaths in the same instant have lost, a sleeper looks at the
//! lock once a second, and whether the thread in the word exists.

mod ledger;
mod lock;
mod protocol;
mod rwlock;

pub(crate) use ledger::Ledger;
pub(crate) use lock::{Acquired, LockError, RawLock};
pub(crate) use rwlock::RawRwLock;

#[cfg(test)]
pub(super) mod tests;
