//! Waiting for several channels at once, and for what else comes up.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::{Receiver, Sender};
use crate::sys::{Wait, wait_on};

/// How long to wait before looking again where the system has no better way.
const PAUSE: Duration = Duration::from_millis(1);

/// After so many looks in vain without a pause, somebody makes noise who should not.
const QUICK: u32 = 1000;

/// Waits for the first of several operations that can be done without waiting.
///
/// Operations are added by methods that give their index; [`ready`](Select::ready) waits and gives the index of
/// one that is ready. It is then to be tried, with `try_recv`, say: somebody else may have been faster.
///
/// ```
/// use parproc::channel::{Select, channel};
///
/// let (numbers, numbers_out) = channel::<u32>()?;
/// let (words, words_out) = channel::<String>()?;
/// let mut select = Select::new();
/// let number = select.recv(&numbers_out);
/// let word = select.recv(&words_out);
///
/// words.send("hello".to_owned()).unwrap();
/// assert_eq!(select.ready(), Some(word));
/// assert_eq!(words_out.try_recv().unwrap(), "hello");
/// drop(numbers); // receiving would fail at once
/// assert_eq!(select.ready(), Some(number));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// Tasks and processes can be added, too: [`task`](Select::task), [`process`](Select::process). When several
/// operations are ready they take turns.
#[derive(Default)]
pub struct Select<'a> {
    sources: Vec<Option<Box<dyn Selectable + 'a>>>,
    /// Where to begin looking.
    next: usize,
}

/// Something that can become ready.
pub(crate) trait Selectable {
    /// True if what is asked for can be done now.
    fn is_ready(&self) -> bool;

    /// Has [`waits`](Self::waits) become ready when this does; false if this is ready. `woken` says that the
    /// first of them was ready though this was not.
    ///
    /// An error is one that who does what is asked for gets, too.
    fn ask(&self, woken: bool) -> io::Result<bool>;

    /// What to wait for, the first one for news; none if that is not possible.
    fn waits(&self) -> Vec<Wait<'_>>;
}

impl<'a> Select<'a> {
    /// Nothing to wait for yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds receiving, and gives its index. It is ready when there is a message, or when receiving fails.
    pub fn recv<T>(&mut self, receiver: &'a Receiver<T>) -> usize {
        self.add(Box::new(receiver))
    }

    /// Adds sending, and gives its index. It is ready when there is room, or when sending fails.
    pub fn send<T>(&mut self, sender: &'a Sender<T>) -> usize {
        self.add(Box::new(sender))
    }

    pub(crate) fn add(&mut self, source: Box<dyn Selectable + 'a>) -> usize {
        self.sources.push(Some(source));
        self.sources.len() - 1
    }

    /// Takes the operation with that index out. The other ones keep theirs.
    pub fn remove(&mut self, index: usize) {
        if let Some(source) = self.sources.get_mut(index) {
            *source = None;
        }
    }

    /// Waits until an operation is ready, and gives its index; none if there are no operations.
    pub fn ready(&mut self) -> Option<usize> {
        self.ready_until(None)
    }

    /// The index of an operation that is ready now.
    pub fn try_ready(&mut self) -> Option<usize> {
        let count = self.sources.len();
        let found = (0..count)
            .map(|step| (self.next + step) % count)
            .find(|index| matches!(&self.sources[*index], Some(source) if source.is_ready()))?;
        self.next = found + 1;
        Some(found)
    }

    /// As [`ready`](Select::ready), but waits for `timeout` at most: none if nothing was ready in time.
    pub fn ready_timeout(&mut self, timeout: Duration) -> Option<usize> {
        // A time past what the clock can say is no limit.
        self.ready_until(Instant::now().checked_add(timeout))
    }

    fn ready_until(&mut self, deadline: Option<Instant>) -> Option<usize> {
        let mut woken = vec![false; self.sources.len()];
        let mut quick = 0;
        loop {
            if let Some(ready) = self.try_ready() {
                return Some(ready);
            }
            if self.sources.iter().all(Option::is_none) {
                return None;
            }
            let mut waits = Vec::new();
            let mut firsts = vec![None; self.sources.len()];
            let (mut asked, mut blind) = (true, false);
            for (index, source) in self.sources.iter().enumerate() {
                let Some(source) = source else { continue };
                if asked {
                    match source.ask(woken[index]) {
                        Ok(done) => asked = done,
                        // There is nothing to wait for: using it fails at once.
                        Err(_) => return Some(index),
                    }
                }
                firsts[index] = Some(waits.len());
                let before = waits.len();
                waits.extend(source.waits());
                blind |= waits.len() == before;
            }
            if !asked {
                woken.fill(false);
                continue;
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            let limit = if blind {
                Some(left.map_or(PAUSE, |left| left.min(PAUSE)))
            } else {
                left
            };
            if quick > QUICK {
                std::thread::sleep(limit.unwrap_or(PAUSE).min(PAUSE));
            }
            let before = Instant::now();
            match wait_on(&waits, limit) {
                Ok(found) => {
                    let slept = before.elapsed() > PAUSE;
                    quick = if slept { 0 } else { quick.saturating_add(1) };
                    for (woken, first) in woken.iter_mut().zip(firsts) {
                        let first = first.and_then(|first| found.get(first));
                        *woken = first.is_some_and(|first| first.ready);
                    }
                }
                // No memory for it.
                Err(_) => std::thread::sleep(limit.unwrap_or(PAUSE).min(PAUSE)),
            }
        }
    }
}

impl<T> Selectable for &Receiver<T> {
    fn is_ready(&self) -> bool {
        self.port().has_news() || self.port().is_alone()
    }

    fn ask(&self, woken: bool) -> io::Result<bool> {
        self.port().ask_for_news(woken)
    }

    fn waits(&self) -> Vec<Wait<'_>> {
        self.port().waits_for_news().to_vec()
    }
}

impl<T> Selectable for &Sender<T> {
    fn is_ready(&self) -> bool {
        !self.port().is_full() || self.port().is_alone()
    }

    fn ask(&self, woken: bool) -> io::Result<bool> {
        self.port().ask_for_room(woken)
    }

    fn waits(&self) -> Vec<Wait<'_>> {
        vec![self.port().wait_for_room()]
    }
}

impl fmt::Debug for Select<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.sources.iter().flatten().count();
        f.debug_struct("Select")
            .field("operations", &count)
            .finish_non_exhaustive()
    }
}
