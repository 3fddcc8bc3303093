//! Sending: putting messages, and waiting for room.

use std::io;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::core::{Limit, Port};
use super::load::MOST_LOADS;
use super::outgoing::Outgoing;
use super::patience::{Patience, is_over};
use super::receive::News;
use super::signs::{Sign, ask, tell};
use super::words::{Mark, Words};
use crate::object;
use crate::sys::{Wait, drop_message, wait_on};

/// The subject of the notes that receivers put into the socket.
pub(super) const ROOM: u8 = 1;

/// So many messages are sent at most between two looks whether there are receivers at all.
const LOOK_EVERY: u32 = 32;

/// Why nothing more was put.
#[derive(Debug)]
pub(super) enum Stop {
    /// There is no room, or was none in time.
    Full,
    /// There is room for messages without objects only, in a channel in which sending never waits.
    Crowded,
    Disconnected,
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Disconnected,
            _ => Self::Failed(error),
        }
    }
}

/// What came of an attempt that does not wait.
enum Put {
    Some(usize),
    /// So many messages wait as may.
    Full,
    /// So many messages with objects wait as may.
    Crowded,
    /// The socket has no room for more objects, though fewer wait.
    SocketFull,
}

/// When a process looked last whether there are receivers.
#[derive(Debug)]
pub(super) struct Watch {
    departures: u64,
    deaths: u32,
    sent: u32,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            departures: 0,
            deaths: 0,
            sent: LOOK_EVERY,
        }
    }
}

impl Watch {
    /// True when it is time to look again: some receiver was dropped, some process has died, or
    /// none of them was noticed for long.
    fn is_due(&mut self, words: &Words, deaths: u32) -> bool {
        let departures = words.fixed.0.departures.load(Ordering::Acquire);
        self.sent += 1;
        let same = departures == self.departures && deaths == self.deaths;
        let due = !same || self.sent > LOOK_EVERY;
        if due {
            self.departures = departures;
            self.deaths = deaths;
            self.sent = 0;
        }
        due
    }
}

impl Port {
    /// Puts messages from `start` on, at least one and as many as there is room for then; gives how many.
    pub(super) fn put(
        &self,
        outgoing: &Outgoing<'_>,
        start: usize,
        limit: Limit,
    ) -> Result<usize, Stop> {
        let put = self.try_put(outgoing, start)?;
        if let Put::Some(count) = put {
            return Ok(count);
        }
        if self.is_alone() {
            return Err(Stop::Disconnected);
        }
        if self.capacity().is_none() && matches!(put, Put::Crowded | Put::SocketFull) {
            return Err(Stop::Crowded);
        }
        if limit == Limit::Now {
            return Err(Stop::Full);
        }
        self.wait_and_put(outgoing, start, limit.deadline())
    }

    fn try_put(&self, outgoing: &Outgoing<'_>, start: usize) -> Result<Put, Stop> {
        let words = self.words();
        let mut putter = self.putter();
        if putter.watch.is_due(words, self.core.deaths()) && self.is_alone() {
            // The next one looks again.
            putter.watch = Watch::default();
            return Err(Stop::Disconnected);
        }
        let _send = self.core.send.lock()?;
        let wanted = u32::try_from(outgoing.count() - start).unwrap_or(u32::MAX);
        let count = putter.room(words, self.core.capacity, wanted);
        if count == 0 {
            return Ok(Put::Full);
        }
        if !outgoing.load.is_empty() && self.is_crowded() {
            return Ok(Put::Crowded);
        }
        let (pieces, units) = outgoing.part(start, count as usize);
        putter.write(words, self.segment(), pieces, units)?;
        // Before objects are in the socket: should this process die now, who is woken drops them.
        tell(&News(self));
        if !outgoing.load.is_empty() {
            let attempts = &words.sent.0.attempts;
            let before = attempts.load(Ordering::Relaxed);
            let number = before.wrapping_add(1);
            // First: nobody uses a number again that may be in the socket.
            attempts.store(number, Ordering::Release);
            putter.patch(words, 1, number);
            if let Err(error) = outgoing.load.send(self.end.fd(), number) {
                attempts.store(before, Ordering::Release);
                return match error.kind() {
                    io::ErrorKind::WouldBlock => Ok(Put::SocketFull),
                    _ => Err(error.into()),
                };
            }
        }
        putter.publish(words, count, units);
        Ok(Put::Some(count as usize))
    }

    #[cold]
    fn wait_and_put(
        &self,
        outgoing: &Outgoing<'_>,
        start: usize,
        deadline: Option<Instant>,
    ) -> Result<usize, Stop> {
        let mut patience = Patience::default();
        let _room = loop {
            let until = patience.until(deadline);
            if let Some(room) = self.core.room.lock_until(Some(until))? {
                break room;
            }
            if let Put::Some(count) = self.try_put(outgoing, start)? {
                return Ok(count);
            }
            if self.is_alone() {
                return Err(Stop::Disconnected);
            }
            if is_over(deadline) {
                return Err(Stop::Full);
            }
        };
        let mut woken = false;
        loop {
            let socket_full = match self.try_put(outgoing, start)? {
                Put::Some(count) => return Ok(count),
                Put::Full | Put::Crowded => false,
                Put::SocketFull => true,
            };
            if !socket_full {
                if self.core.spin_for_room.wait(|| !self.is_full()) {
                    continue;
                }
                if !self.ask_for_room(woken)? {
                    continue;
                }
            }
            if is_over(deadline) {
                return Err(Stop::Full);
            }
            let before = Instant::now();
            // It may be woken later than possible: what there is room for depends on the message.
            let until = patience.until(deadline);
            let left = Some(until.saturating_duration_since(before));
            let wait = if socket_full {
                Wait::to_write(self.end.fd())
            } else {
                self.wait_for_room()
            };
            let found = wait_on(&[wait], left)?[0];
            if found.hung_up {
                return Err(Stop::Disconnected);
            }
            self.core.spin_for_room.slept_since(before);
            woken = found.ready;
        }
    }

    /// What somebody waits for who has asked for room.
    pub(super) fn wait_for_room(&self) -> Wait<'_> {
        Wait::to_read(self.end.fd())
    }

    /// True if there is no room for a message, whatever it names.
    pub(super) fn is_full(&self) -> bool {
        let head: Mark = self.head();
        self.tail().messages_since(head) >= self.core.capacity
            || (self.capacity().is_some() && self.is_crowded())
    }

    /// True if no more messages with objects may wait.
    fn is_crowded(&self) -> bool {
        let words = self.words();
        let settled = words.taken.0.settled.load(Ordering::Acquire);
        let attempts = words.sent.0.attempts.load(Ordering::Acquire);
        attempts.wrapping_sub(settled) >= MOST_LOADS
    }

    /// Asks receivers for a note when there is room for any message; false if there is some.
    pub(super) fn ask_for_room(&self, woken: bool) -> io::Result<bool> {
        let _receive = self.core.receive.lock()?;
        if !self.is_full() {
            return Ok(false);
        }
        ask(&Room(self), woken);
        Ok(true)
    }
}

/// The sign that there is room: notes that receivers put into the socket.
pub(super) struct Room<'a>(pub(super) &'a Port);

impl Sign for Room<'_> {
    #[inline]
    fn is_wanted(&self) -> bool {
        self.0.words().taken.0.wants_room.load(Ordering::Relaxed) != 0
    }

    fn set_wanted(&self, wanted: bool) {
        let word = &self.0.words().taken.0.wants_room;
        word.store(wanted.into(), Ordering::Relaxed);
    }

    fn ring(&self) {
        // A full socket wakes as well.
        let _ = object::send_note(self.0.end.fd(), ROOM, 0);
    }

    fn lower(&self) {
        // Nothing but such notes comes to senders.
        while drop_message(self.0.end.fd()).is_ok_and(|len| len > 0) {}
    }
}
