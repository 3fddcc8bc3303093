//! A flag that processes wait for.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::home::{Home, State};
use crate::family::{Family, Wake, family};
use crate::object::PAYLOAD;
use crate::shm::Placed;
use crate::sys::{Mapping, futex_wake};

/// The words. Who waits increments `waiting`, and then sleeps while `turns` is the same; who sets
/// changes `turns`, and then looks at `waiting`: one of the two sees what the other did.
#[derive(Debug)]
#[repr(C)]
struct Words {
    /// How often the flag was set or cleared: odd while it is set.
    turns: AtomicU32,
    /// How many wait, and how many died while they did.
    waiting: AtomicU32,
}

/// What an event consists of in a process.
#[derive(Debug)]
struct Flag {
    words: Placed<Words>,
    family: Arc<Family>,
}

impl State for Flag {
    const KIND: &'static str = "event";
    const LEN: usize = size_of::<Words>();
    const WAITS: bool = true;

    #[expect(unsafe_code, reason = "words are placed in shared memory")]
    fn at(mapping: &Arc<Mapping>) -> io::Result<Self> {
        Ok(Self {
            // SAFETY: made of atomics, at the start of the payload, of which nobody else makes use.
            words: unsafe { Placed::new(mapping, PAYLOAD) },
            family: family()?,
        })
    }
}

/// A flag that is set and cleared by any process, and that others wait for.
///
/// What was written before [`set`](Self::set) is seen after [`wait`](Self::wait).
///
/// Nobody knows who is going to set it: if that may be a task that can die, wait with a time limit, or for
/// the task.
///
/// ```
/// use parproc::sync::Event;
/// use parproc::{Process, parallel};
///
/// #[parallel]
/// fn work(begin: Event) -> u64 {
///     begin.wait();
///     42
/// }
///
/// let begin = Event::new()?;
/// let worker = Process::spawn(work, begin.clone())?;
/// begin.set();
/// assert_eq!(worker.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event {
    home: Home<Flag>,
}

impl Event {
    /// An event that is not set, in shared memory of its own.
    ///
    /// # Errors
    /// When there is no memory or no descriptor for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { home: Home::new()? })
    }

    /// Sets the flag, and wakes all that wait for it.
    pub fn set(&self) {
        let words = &self.home.words;
        if self.turn(0) && words.waiting.load(Ordering::SeqCst) > 0 {
            futex_wake(&words.turns);
        }
    }

    /// Takes the flag back: from now on, others wait again.
    pub fn clear(&self) {
        self.turn(1);
    }

    /// True between [`set`](Self::set) and [`clear`](Self::clear).
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.turns() % 2 == 1
    }

    /// Waits until the flag is set, also if it is cleared again at once.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits for a limited time; false if the flag was not set then.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let event = parproc::sync::Event::new()?;
    /// assert!(!event.wait_timeout(Duration::from_millis(10)));
    /// event.set();
    /// assert!(event.wait_timeout(Duration::from_millis(10)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use = "the flag may not be set"]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn turns(&self) -> u32 {
        self.home.words.turns.load(Ordering::SeqCst)
    }

    /// Turns the flag if it is `before`, 1 for set; false if it is not.
    fn turn(&self, before: u32) -> bool {
        let turn = |turns: u32| (turns % 2 == before).then(|| turns.wrapping_add(1));
        let turns = &self.home.words.turns;
        let turned = turns.fetch_update(Ordering::SeqCst, Ordering::SeqCst, turn);
        turned.is_ok()
    }

    fn wait_until(&self, deadline: Option<Instant>) -> bool {
        let before = self.turns();
        if before % 2 == 1 {
            return true;
        }
        let Flag { words, family } = &*self.home;
        words.waiting.fetch_add(1, Ordering::SeqCst);
        let is_over = loop {
            // If who sets it dies before it wakes the others, they look again.
            let deaths = family.deaths();
            if self.turns() != before {
                break false;
            }
            if family.wait(&words.turns, before, deaths, deadline) == Wake::TimedOut {
                break self.turns() == before;
            }
        };
        words.waiting.fetch_sub(1, Ordering::SeqCst);
        !is_over
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.home.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let home = Home::deserialize(deserializer)?;
        Ok(Self { home })
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("set", &self.is_set())
            .finish_non_exhaustive()
    }
}
