//! How many messages of a queue were taken and are not done yet.

#![expect(unsafe_code, reason = "words are placed in shared memory")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::core::Port;
use crate::family::Wake;
use crate::object::{self, Flags, Object, PAYLOAD, Tag};
use crate::shm::Placed;
use crate::sync::raw::Ledger;
use crate::sys::futex_wake;

/// The words beside the ledger.
#[derive(Debug)]
#[repr(C, align(64))]
struct Words {
    /// Incremented after something was done, if somebody joins. Who joins sleeps on it.
    done: AtomicU32,
    /// How many join. One that is killed stays counted, which costs others a system call now and then.
    joining: AtomicU32,
}

/// The tally of a queue, as a handle has it.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    object: Arc<Object>,
    here: Arc<Here>,
}

/// The tally as a process has it.
#[derive(Debug)]
struct Here {
    words: Placed<Words>,
    /// What each process has taken or is about to take, and has not done. It is counted before
    /// the message leaves the ring, so a message is always in one of the two. What a dead process had counts no
    /// more.
    ledger: Ledger,
    /// Messages that users in this process have and have not done.
    taken: AtomicU32,
}

/// Where the ledger is behind the header.
const LEDGER: usize = size_of::<Words>();
const LEN: usize = LEDGER + Ledger::SIZE;

impl Tally {
    pub(super) fn new() -> io::Result<Self> {
        let flags = Flags {
            keep: false,
            waits: true,
        };
        Self::of(Object::memory(tag(), LEN, flags)?)
    }

    fn of(object: Arc<Object>) -> io::Result<Self> {
        let here = object.local(|| {
            let mapping = object.mapping();
            // SAFETY: behind the header there are so many bytes, as was checked, aligned to cache lines and
            // for nothing else.
            let words = unsafe { Placed::new(mapping, PAYLOAD) };
            // SAFETY: as above.
            let ledger = unsafe { Ledger::at(mapping, PAYLOAD + LEDGER) }?;
            Ok(Arc::new(Here {
                words,
                ledger,
                taken: AtomicU32::new(0),
            }))
        })?;
        let here = Arc::clone(here);
        Ok(Self { object, here })
    }

    /// Before a message is taken.
    pub(super) fn begin(&self) -> io::Result<()> {
        self.here.ledger.add(1)
    }

    /// There was no message, or the one that was taken is nobody's.
    pub(super) fn cancel(&self) {
        self.here.put_back(1);
    }

    /// The message that was taken is the user's now.
    pub(super) fn took(&self) {
        self.here.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// The user has done one; false if there is none to be done.
    pub(super) fn done(&self) -> bool {
        let less = |taken: u32| taken.checked_sub(1);
        let (relaxed, taken) = (Ordering::Relaxed, &self.here.taken);
        let taken = taken.fetch_update(relaxed, relaxed, less).is_ok();
        if taken {
            self.cancel();
        }
        taken
    }

    /// Waits until nothing is in the channel and nothing is to be done; says whether that was in time.
    pub(super) fn join(&self, port: &Port, deadline: Option<Instant>) -> bool {
        let (words, family) = (&self.here.words, self.here.ledger.family());
        words.joining.fetch_add(1, Ordering::SeqCst);
        let in_time = loop {
            let (done, deaths) = (words.done.load(Ordering::SeqCst), family.deaths());
            if self.is_done(port) {
                break true;
            }
            if family.wait(&words.done, done, deaths, deadline) == Wake::TimedOut {
                break self.is_done(port);
            }
        };
        words.joining.fetch_sub(1, Ordering::SeqCst);
        in_time
    }

    fn is_done(&self, port: &Port) -> bool {
        loop {
            let tail = port.tail();
            if port.head() != tail || self.here.ledger.is_used() {
                return false;
            }
            // If something was sent meanwhile it may have gone to a process that was looked at before.
            if port.tail() == tail {
                return true;
            }
        }
    }
}

impl Here {
    /// So many are not to be done any more.
    fn put_back(&self, count: u32) {
        if count == 0 || self.ledger.is_copy() {
            return;
        }
        self.ledger.sub(count);
        if self.words.joining.load(Ordering::SeqCst) != 0 {
            self.words.done.fetch_add(1, Ordering::SeqCst);
            futex_wake(&self.words.done);
        }
    }
}

impl Drop for Here {
    /// Nobody in this process can say any more that these are done.
    fn drop(&mut self) {
        let taken = *self.taken.get_mut();
        self.put_back(taken);
    }
}

fn tag() -> Tag {
    Tag::of::<Words>("queue")
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        object::serialize(&self.object, serializer)
    }
}

impl<'de> Deserialize<'de> for Tally {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = object::deserialize(deserializer)?;
        let checked = object.check(tag()).and_then(|()| {
            if object.len() < LEN {
                return Err(super::region::corrupt());
            }
            Self::of(object)
        });
        checked.map_err(serde::de::Error::custom)
    }
}
