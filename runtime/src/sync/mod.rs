//! Locks and other ways to wait for one another, for all processes of a program.
//!
//! They are made in any process, and travel as arguments, results or parts of these, in structs and
//! vectors, and through channels. What arrives is a handle of the same thing; so is a clone. Nothing has
//! a name in a file system, and the memory goes with the last handle. The processes of one machine share them: in a
//! launch on [several](crate::guide::cluster), items whose arguments name one run on that of the program.
//!
//! | type | for |
//! | --- | --- |
//! | [`Mutex`] | a value that one at a time changes |
//! | [`RwLock`] | a value that many read or one changes |
//! | [`ReentrantMutex`] | so too, by functions that call each other |
//! | [`Condvar`] | waiting until a value has changed |
//! | [`Semaphore`] | a number of permits |
//! | [`Barrier`] | tasks that go step by step, together |
//! | [`Event`] | a flag to wait for |
//! | [`Once`] | what one of many does |
//!
//! # What death does to them
//!
//! A process can be killed at any moment, and others may wait for it. Nobody waits for the dead:
//!
//! | who dies | what others see |
//! | --- | --- |
//! | the holder of a lock | the next one gets it at once, and is told: [`Poisoned`] |
//! | a reader | nothing |
//! | who has permits of a semaphore | the permits are free again |
//! | who has a handle of a barrier | an error, at the barrier |
//! | who runs the function of a [`Once`] | [`OnceError::Poisoned`] |
//! | one that waits | nothing; wake-ups that it got go to others |
//!
//! Values in locks are [`Plain`](crate::shared::Plain): any bytes are a value, since a dying process may
//! leave any bytes.
//!
//! A copy of a process that is made by `fork`, and not by this library, can use what it has, but holds
//! nothing: guards that it dropped change nothing.

mod barrier;
mod condvar;
mod error;
mod event;
mod home;
mod mutex;
mod once;
pub(crate) mod raw;
mod reentrant;
mod rwlock;
mod semaphore;
mod value;

pub use barrier::{Barrier, BarrierError, BarrierWaitResult};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use error::{LockError, LockResult, Poisoned};
pub use event::Event;
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceError, OnceState};
pub use reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Permit, Semaphore, SemaphoreError};

#[cfg(test)]
mod tests;
