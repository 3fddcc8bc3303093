//! A channel as one process has it.

#![expect(unsafe_code, reason = "words and locks are placed in shared memory")]

use std::io;
use std::mem::offset_of;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::lock::Lock;
use super::put::{Putter, capacity};
use super::region::{LEAST, corrupt, start};
use super::spin::Spin;
use super::take::Taker;
use super::words::{MOST_MESSAGES, Mark, Words};
use crate::family::{Family, family};
use crate::object::{Flags, GROWING, Object, PAYLOAD, Tag};
use crate::shm::Placed;
use crate::sys::{Segment, is_hung_up};

/// What all handles of a channel in one process use.
#[derive(Debug)]
pub(super) struct Core {
    words: Placed<Words>,
    pub(super) send: Lock,
    pub(super) receive: Lock,
    pub(super) room: Lock,
    pub(super) news: Lock,
    putter: Mutex<Putter>,
    taker: Mutex<Taker>,
    /// Messages that may wait.
    pub(super) capacity: u32,
    pub(super) spin_for_room: Spin,
    pub(super) spin_for_news: Spin,
    family: Option<Arc<Family>>,
}

/// One end of a channel as a handle has it.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) core: Arc<Core>,
    pub(super) memory: Arc<Object>,
    /// Of the pair of sockets: it hangs up when nobody has the other one any more.
    pub(super) end: Arc<Object>,
    /// Readable when those who asked for news have reason to look.
    pub(super) bell: Arc<Object>,
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    Never,
    At(Instant),
    Now,
}

impl Limit {
    /// A time past what the clock can say is no limit.
    pub(super) fn after(timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => Self::At(deadline),
            None => Self::Never,
        }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            Limit::Never => None,
            Limit::At(deadline) => Some(deadline),
            Limit::Now => Some(Instant::now()),
        }
    }
}

impl Core {
    /// How many handles of receivers were dropped, in any process.
    pub(super) fn departures(&self) -> &AtomicU64 {
        &self.words.fixed.0.departures
    }

    /// How many processes of the family have died.
    pub(super) fn deaths(&self) -> u32 {
        self.family.as_ref().map_or(0, |family| family.deaths())
    }
}

/// Makes a channel: the ports of its senders and of its receivers.
pub(super) fn create(tag: Tag, capacity: Option<u32>) -> io::Result<(Port, Port)> {
    const { assert!(size_of::<Words>() <= GROWING) };
    let memory = Object::growing(tag, Flags::default())?;
    let words = words(&memory)?;
    let word = capacity.map_or(0, u64::from);
    words.fixed.0.capacity.store(word, Ordering::Relaxed);
    start(&words, memory.segment(), LEAST, 0)?;
    let core = core(&memory)?;
    let flags = Flags {
        keep: false,
        waits: true,
    };
    let (senders, receivers) = Object::sockets(flags)?;
    let bell = Object::event(flags)?;
    let port = |end| Port {
        core: Arc::clone(&core),
        memory: Arc::clone(&memory),
        end,
        bell: Arc::clone(&bell),
    };
    Ok((port(senders), port(receivers)))
}

impl Port {
    /// The port of a handle that came from another process, which is not trusted.
    pub(super) fn arrived(tag: Tag, objects: [Arc<Object>; 3]) -> io::Result<Self> {
        let [memory, end, bell] = objects;
        memory.check(tag)?;
        if memory.len() < size_of::<Words>() {
            return Err(corrupt());
        }
        let core = core(&memory)?;
        Ok(Self {
            core,
            memory,
            end,
            bell,
        })
    }

    pub(super) fn words(&self) -> &Words {
        &self.core.words
    }

    pub(super) fn segment(&self) -> &Segment {
        self.memory.segment()
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        // In this order, or messages that come and go in between would count.
        let head = self.head();
        let tail = self.tail();
        tail.messages_since(head).min(self.core.capacity) as usize
    }

    pub(super) fn head(&self) -> Mark {
        Mark::from_word(self.words().taken.0.head.load(Ordering::Acquire))
    }

    pub(super) fn tail(&self) -> Mark {
        Mark::from_word(self.words().sent.0.tail.load(Ordering::Acquire))
    }

    /// True when nobody has the other side any more.
    pub(super) fn is_alone(&self) -> bool {
        is_hung_up(self.end.fd())
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        let capacity = self.core.capacity;
        (capacity < UNLIMITED).then_some(capacity as usize)
    }

    pub(super) fn putter(&self) -> MutexGuard<'_, Putter> {
        let putter = self.core.putter.lock();
        putter.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn taker(&self) -> MutexGuard<'_, Taker> {
        let taker = self.core.taker.lock();
        taker.unwrap_or_else(PoisonError::into_inner)
    }
}

/// The capacity of a channel without limit: the words cannot tell more messages apart.
const UNLIMITED: u32 = MOST_MESSAGES - 1;

fn words(memory: &Object) -> io::Result<Placed<Words>> {
    // SAFETY: the words are made of atomics, and behind the header everything is aligned to cache
    // lines; that there are so many bytes is checked when a handle comes in.
    Ok(unsafe { Placed::new(memory.mapping(), PAYLOAD) })
}

fn core(memory: &Arc<Object>) -> io::Result<Arc<Core>> {
    let core = memory.local(|| {
        let words = words(memory)?;
        let word = words.fixed.0.capacity.load(Ordering::Relaxed);
        let capacity = if word == 0 {
            UNLIMITED
        } else {
            capacity(word).ok_or_else(corrupt)?
        };
        let lock = |offset| {
            // SAFETY: the mapping is writable, and the words of a lock are at `offset` behind the header.
            unsafe { Lock::at(memory.mapping(), PAYLOAD + offset) }
        };
        Ok(Arc::new(Core {
            send: lock(offset_of!(Words, send)),
            receive: lock(offset_of!(Words, receive)),
            room: lock(offset_of!(Words, room)),
            news: lock(offset_of!(Words, news)),
            putter: Mutex::default(),
            taker: Mutex::default(),
            capacity,
            spin_for_room: Spin::default(),
            spin_for_news: Spin::default(),
            family: family().ok(),
            words,
        }))
    })?;
    Ok(Arc::clone(core))
}
