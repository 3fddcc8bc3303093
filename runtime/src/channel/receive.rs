//! Receiving: taking messages, and waiting for news.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::core::{Limit, Port};
use super::load::unload;
use super::outgoing::IN_PLACE_FROM;
use super::patience::{Patience, is_over};
use super::send::Room;
use super::signs::{Sign, ask, tell};
use super::take::{First, Taker};
use super::words::UNIT;
use crate::object::{self, Message, Object};
use crate::sys::{Wait, drop_message, lower, raise, wait_on};
use crate::wire::{Landing, MakeLanding, Recycled, made_room};

/// So many messages are taken at once at most.
const BATCH: usize = 512;

/// Why nothing was taken.
#[derive(Debug)]
pub(super) enum Silence {
    /// There is nothing, or was nothing in time.
    Empty,
    /// There is nothing, and nobody is left to send anything.
    Disconnected,
    /// What is first in line stays there.
    Failed(io::Error),
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// A message that was taken and is still to be decoded.
#[derive(Debug)]
pub(super) struct Taken {
    /// The bytes, if they are not in the buffer.
    pub(super) landing: Option<Box<dyn Landing>>,
    /// What its handles name, held until they are decoded.
    pub(super) objects: Vec<Arc<Object>>,
}

/// Memory for a value of so many bytes; none if the value cannot have so many.
pub(super) type Land = MakeLanding;

impl Port {
    /// Has `take` take what there is, as soon as that is something. It must not run code of the user's.
    pub(super) fn wait_for<R>(
        &self,
        limit: Limit,
        mut take: impl FnMut(&Self) -> io::Result<Option<R>>,
    ) -> Result<R, Silence> {
        if let Some(taken) = take(self)? {
            return Ok(taken);
        }
        if limit == Limit::Now {
            // All that was sent before the last sender went is there to be seen after it.
            let gone = self.is_alone();
            return match take(self)? {
                Some(taken) => Ok(taken),
                None if gone => Err(Silence::Disconnected),
                None => Err(Silence::Empty),
            };
        }
        let deadline = limit.deadline();
        let mut patience = Patience::default();
        let _news = loop {
            let until = patience.until(deadline);
            if let Some(news) = self.core.news.lock_until(Some(until))? {
                break news;
            }
            let gone = self.is_alone();
            if let Some(taken) = take(self)? {
                return Ok(taken);
            }
            if gone {
                return Err(Silence::Disconnected);
            }
            if is_over(deadline) {
                return Err(Silence::Empty);
            }
        };
        let (mut woken, mut gone) = (false, false);
        loop {
            if let Some(taken) = take(self)? {
                return Ok(taken);
            }
            if self.core.spin_for_news.wait(|| self.has_news()) {
                continue;
            }
            if !self.ask_for_news(woken)? {
                continue;
            }
            if gone {
                // There was nothing left when it was asked for more.
                return Err(Silence::Disconnected);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(Silence::Empty);
            }
            let before = Instant::now();
            let found = wait_on(&self.waits_for_news(), left)?;
            self.core.spin_for_news.slept_since(before);
            (woken, gone) = (found[0].ready, found[1].hung_up);
        }
    }

    #[inline]
    pub(super) fn has_news(&self) -> bool {
        self.head() != self.tail()
    }

    /// Asks senders to ring the bell when there is news; false if there is some. `woken` says that the
    /// bell was woken.
    pub(super) fn ask_for_news(&self, woken: bool) -> io::Result<bool> {
        // Under these locks nobody is in the middle of anything: all that the bell rang for is there,
        // and who sends after this sees what is asked for here.
        let _receive = self.core.receive.lock()?;
        let _send = self.core.send.lock()?;
        if self.has_news() {
            return Ok(false);
        }
        self.drop_stale();
        ask(&News(self), woken);
        Ok(true)
    }

    /// Drops objects that belong to no message, so that they do not live for who died with them. The caller
    /// has both locks, and there are no messages.
    fn drop_stale(&self) {
        let words = self.words();
        let attempts = words.sent.0.attempts.load(Ordering::Relaxed);
        let settled = &words.taken.0.settled;
        if settled.load(Ordering::Relaxed) != attempts {
            while drop_message(self.end.fd()).is_ok_and(|len| len > 0) {}
            tell(&Room(self));
            settled.store(attempts, Ordering::Release);
        }
    }

    /// What somebody waits for who has asked for news.
    pub(super) fn waits_for_news(&self) -> [Wait<'_>; 2] {
        [Wait::to_read(self.bell.fd()), Wait::for_end(self.end.fd())]
    }

    /// Takes the first message, if there is one: its bytes are in `buffer` then, or have landed.
    pub(super) fn take(&self, buffer: &mut Vec<u8>, land: Land) -> io::Result<Option<Taken>> {
        let mut stale = Vec::new();
        let taken = self.take_under_lock(buffer, land, &mut stale);
        // Objects are dropped without a lock.
        drop(stale);
        taken
    }

    fn take_under_lock(
        &self,
        buffer: &mut Vec<u8>,
        land: Land,
        stale: &mut Vec<Message>,
    ) -> io::Result<Option<Taken>> {
        let words = self.words();
        let mut taker = self.taker();
        let _receive = self.core.receive.lock()?;
        let Some(first) = taker.first(words, self.segment())? else {
            return Ok(None);
        };
        let (mut objects, mut found) = (Vec::new(), None);
        if first.has_objects {
            (objects, found) = self.find_objects(&mut taker, &first, stale)?;
        }
        let landing = copy(&taker, &first, buffer, land)?;
        tell(&Room(self));
        taker.advance(words, &first);
        if let Some(Found { number, is_there }) = found {
            // Who is killed before leaves a message in the socket that the next one drops.
            if is_there {
                let _ = drop_message(self.end.fd());
            }
            words.taken.0.settled.store(number, Ordering::Release);
        }
        Ok(Some(Taken { landing, objects }))
    }

    /// Takes small messages without objects, `most` at most: puts their bytes into `buffer`, one behind the
    /// other, and gives where each of them ends.
    pub(super) fn take_many(&self, buffer: &mut Vec<u8>, most: usize) -> io::Result<Vec<usize>> {
        let words = self.words();
        let mut ends = Vec::with_capacity(most.min(BATCH));
        let mut taker = self.taker();
        let _receive = self.core.receive.lock()?;
        buffer.clear();
        while ends.len() < most.min(BATCH) {
            let Some(first) = taker.first(words, self.segment())? else {
                break;
            };
            if first.has_objects || first.len >= IN_PLACE_FROM {
                break;
            }
            if made_room(buffer.try_reserve(first.len)).is_err() {
                break;
            }
            taker.append(&first, 0, buffer);
            ends.push(buffer.len());
            tell(&Room(self));
            taker.advance(words, &first);
        }
        Ok(ends)
    }

    /// Finds the objects of the first message in the socket, where they stay until it is taken.
    fn find_objects(
        &self,
        taker: &mut Taker,
        first: &First,
        stale: &mut Vec<Message>,
    ) -> io::Result<(Vec<Arc<Object>>, Option<Found>)> {
        let mut number = [0; UNIT];
        taker.read(first, 0, &mut number);
        let number = u64::from_ne_bytes(number);
        let mut objects = match taker.partial.take() {
            Some((begun, objects)) if begun == number => objects,
            _ => Vec::new(),
        };
        // If they are lost decoding will tell.
        let found = |is_there| Some(Found { number, is_there });
        loop {
            let message = match object::receive(self.end.fd(), true) {
                Ok(Some(message)) => message,
                Ok(None) => return Ok((objects, found(false))),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok((objects, found(false)));
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    drop_message(self.end.fd())?;
                    continue;
                }
                Err(error) => {
                    taker.partial = Some((number, objects));
                    return Err(error);
                }
            };
            if message.number != number {
                // What a sender left that died before its message was there.
                drop_message(self.end.fd())?;
                stale.push(message);
                continue;
            }
            return match unload(message, &mut objects) {
                Ok(()) => Ok((objects, found(true))),
                Err(error) => {
                    taker.partial = Some((number, objects));
                    Err(error)
                }
            };
        }
    }
}

/// What was found in the socket of the first message.
struct Found {
    /// Its own, and of nothing that is still to come.
    number: u64,
    is_there: bool,
}

/// The sign that there are messages: an event counter.
pub(super) struct News<'a>(pub(super) &'a Port);

impl Sign for News<'_> {
    #[inline]
    fn is_wanted(&self) -> bool {
        self.0.words().sent.0.wants_news.load(Ordering::Relaxed) != 0
    }

    fn set_wanted(&self, wanted: bool) {
        let word = &self.0.words().sent.0.wants_news;
        word.store(wanted.into(), Ordering::Relaxed);
    }

    fn ring(&self) {
        raise(self.0.bell.fd());
    }

    fn lower(&self) {
        lower(self.0.bell.fd());
    }
}

/// Copies the bytes of the first message.
fn copy(
    taker: &Taker,
    first: &First,
    buffer: &mut Vec<u8>,
    land: Land,
) -> io::Result<Option<Box<dyn Landing>>> {
    let start = if first.has_objects { UNIT } else { 0 };
    let len = first.len - start;
    if len >= IN_PLACE_FROM
        && let Some(mut landing) = land(len, &mut Recycled::default())
    {
        taker.read(first, start, landing.bytes_mut());
        return Ok(Some(landing));
    }
    buffer.clear();
    made_room(buffer.try_reserve(len)).map_err(|_| io::ErrorKind::OutOfMemory)?;
    taker.append(first, start, buffer);
    Ok(None)
}
